//! Slots by key: chains from an array of buckets.
//!
//! Readers may walk while a writer changes links. They see whole words, stop after as many steps as
//! there are slots, and their result counts only if [`Seq`](crate::seq::Seq) says so.

use crate::Values;
use crate::values::{low32, padded};
use skep_abi::Errno;

/// Of a slot in the table: the next slot of the chain plus 1, the hash, then the key.
const NEXT: usize = 0;
const HASH: usize = 4;
const KEY: usize = 8;

#[derive(Debug)]
pub(super) struct Table {
    /// First slot of each bucket plus 1.
    heads: Values,
    nodes: Values,
    stride: usize,
    key_size: usize,
    /// Buckets less 1; their number is a power of two.
    mask: u32,
    slots: u32,
}

/// Bytes of a slot in the table.
pub(super) const fn node_size(key_size: usize) -> usize {
    KEY + key_size.next_multiple_of(8)
}

impl Table {
    /// Twice as many buckets as the kernel has, which takes the entries' number rounded up to a power
    /// of two: half the chains to walk.
    pub(super) fn new(max_entries: u32, slots: u32, key_size: usize) -> Result<Self, Errno> {
        let buckets = max_entries.checked_next_power_of_two().and_then(|n| n.checked_mul(2));
        let buckets = buckets.ok_or(Errno::ENOMEM)?;
        let stride = node_size(key_size);
        let bytes = |count: u32, size: usize| (count as usize).checked_mul(size);
        let heads = bytes(buckets, 4).ok_or(Errno::ENOMEM)?;
        let nodes = bytes(slots, stride).ok_or(Errno::ENOMEM)?;
        let (heads, nodes) = (Values::new(heads, 1)?, Values::new(nodes, 1)?);
        Ok(Self { heads, nodes, stride, key_size, mask: buckets - 1, slots })
    }

    /// The slot of a key.
    #[inline]
    pub(super) fn find(&self, hash: u32, key: &[u8]) -> Option<u32> {
        let mut entry = self.head(hash);
        for _ in 0..self.slots {
            let slot = entry.checked_sub(1)?;
            let node = self.node(slot);
            if self.nodes.word(node + HASH) == hash && self.nodes.holds(node + KEY, key) {
                return Some(slot);
            }
            entry = self.nodes.word(node + NEXT);
        }
        None
    }

    /// The slot after one in the order of buckets; the first for `None`.
    pub(super) fn following(&self, slot: Option<u32>) -> Option<u32> {
        let mut bucket = 0;
        if let Some(slot) = slot {
            let node = self.node(slot);
            if let Some(next) = self.nodes.word(node + NEXT).checked_sub(1) {
                return Some(next);
            }
            bucket = (self.nodes.word(node + HASH) & self.mask) + 1;
        }
        (bucket..=self.mask).find_map(|bucket| self.head(bucket).checked_sub(1))
    }

    /// Copies the key of a slot.
    pub(super) fn read_key(&self, slot: u32, out: &mut [u8]) {
        self.nodes.get_padded(self.node(slot) + KEY, out);
    }

    /// Makes a slot the first of its chain.
    pub(super) fn link(&self, slot: u32, hash: u32, key: &[u8]) {
        debug_assert_eq!(key.len(), self.key_size, "bug: key size");
        let node = self.node(slot);
        self.nodes.set_padded(node + KEY, key);
        self.nodes.set_word(node + HASH, hash);
        self.nodes.set_word(node + NEXT, self.head(hash));
        self.heads.set_word(self.bucket(hash), slot + 1);
    }

    /// Takes a slot out of its chain.
    pub(super) fn unlink(&self, slot: u32) {
        let node = self.node(slot);
        let next = self.nodes.word(node + NEXT);
        let hash = self.nodes.word(node + HASH);
        if self.head(hash) == slot + 1 {
            return self.heads.set_word(self.bucket(hash), next);
        }
        let mut entry = self.head(hash);
        while let Some(before) = entry.checked_sub(1).map(|before| self.node(before)) {
            entry = self.nodes.word(before + NEXT);
            if entry == slot + 1 {
                return self.nodes.set_word(before + NEXT, next);
            }
        }
    }

    fn head(&self, hash: u32) -> u32 {
        self.heads.word(self.bucket(hash))
    }

    fn bucket(&self, hash: u32) -> usize {
        (hash & self.mask) as usize * 4
    }

    fn node(&self, slot: u32) -> usize {
        slot as usize * self.stride
    }
}

/// Hash of a key: a multiplication folded to itself for each eight bytes.
///
/// The same in every run, so that iteration has the same order; whoever chooses the keys can make
/// them collide, which costs time in proportion to the entries and no more.
#[inline]
pub(super) fn hash(key: &[u8]) -> u32 {
    let start = key.len() as u64;
    let hash = padded(key).fold(start, |hash, word| fold(hash ^ word.to_le()));
    low32(hash ^ hash >> 32)
}

/// The factor is the fraction of the golden ratio; the summand keeps 0 from being a fixed point.
const fn fold(word: u64) -> u64 {
    let word = word ^ 0xd6e8_feb8_6659_fd93;
    let product = word as u128 * 0x9e37_79b9_7f4a_7c15;
    #[expect(clippy::cast_possible_truncation, reason = "both halves are wanted")]
    let folded = product as u64 ^ (product >> 64) as u64;
    folded
}
