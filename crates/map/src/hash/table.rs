//! Slots by key: chains from an array of buckets.
//!
//! Readers may walk while a writer changes links. They see whole words, stop after as many steps as
//! there are slots, and their result counts only if [`Seq`](crate::seq::Seq) says so.

use crate::Values;
use crate::values::{first_word, low32, padded};
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;
use skep_abi::Errno;

#[derive(Debug)]
pub(super) struct Table {
    /// First slot of each bucket plus 1.
    heads: Values,
    /// Of each slot, a word with the hash above and the next slot of the chain plus 1 below, then
    /// the key.
    nodes: Values,
    /// Words of a slot.
    stride: usize,
    /// Buckets less 1; their number is a power of two.
    mask: u32,
    slots: u32,
}

/// Where a key is.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) slot: u32,
    /// The slot before it in its chain, plus 1.
    before: u32,
}

/// Bytes of a slot in the table.
pub(super) const fn node_size(key_size: usize) -> usize {
    8 + key_size.next_multiple_of(8)
}

impl Table {
    /// Twice as many buckets as the kernel has, which takes the entries' number rounded up to a power
    /// of two: half the chains to walk.
    pub(super) fn new(max_entries: u32, slots: u32, key_size: usize) -> Result<Self, Errno> {
        let buckets = max_entries.checked_next_power_of_two().and_then(|n| n.checked_mul(2));
        let buckets = buckets.ok_or(Errno::ENOMEM)?;
        let bytes = |count: u32, size: usize| (count as usize).checked_mul(size);
        let heads = bytes(buckets, 4).ok_or(Errno::ENOMEM)?;
        let nodes = bytes(slots, node_size(key_size)).ok_or(Errno::ENOMEM)?;
        let (heads, nodes) = (Values::new(heads, 1)?, Values::new(nodes, 1)?);
        let stride = node_size(key_size) / 8;
        Ok(Self { heads, nodes, stride, mask: buckets - 1, slots })
    }

    /// Where a key is.
    #[inline]
    pub(super) fn find(&self, key: Key<'_>) -> Option<Found> {
        let nodes = self.nodes.words();
        let (mut before, mut entry) = (0, self.head(key.hash));
        for _ in 0..self.slots {
            let slot = entry.checked_sub(1)?;
            let at = slot as usize * self.stride;
            let [link, first, rest @ ..] = nodes.get(at..at + self.stride)? else { return None };
            let link = link.load(Relaxed);
            let same = link >> 32 == u64::from(key.hash) && first.load(Relaxed) == key.word;
            if same && (key.rest.is_empty() || holds(rest, key.rest)) {
                return Some(Found { slot, before });
            }
            (before, entry) = (entry, low32(link));
        }
        None
    }

    /// The slot after one in the order of buckets; the first for `None`.
    pub(super) fn following(&self, slot: Option<u32>) -> Option<u32> {
        let mut bucket = 0;
        if let Some(slot) = slot {
            let (hash, next) = self.link_of(slot);
            if let Some(next) = next.checked_sub(1) {
                return Some(next);
            }
            bucket = (hash & self.mask) + 1;
        }
        (bucket..=self.mask).find_map(|bucket| self.head(bucket).checked_sub(1))
    }

    /// Copies the key of a slot.
    pub(super) fn read_key(&self, slot: u32, out: &mut [u8]) {
        self.nodes.get_padded((slot as usize * self.stride + 1) * 8, out);
    }

    /// Makes a slot the first of its chain.
    pub(super) fn link(&self, slot: u32, key: Key<'_>) {
        self.set(slot, self.head(key.hash), key);
        self.heads.set_word(self.bucket(key.hash), slot + 1);
    }

    /// Puts a slot in the place of another one, of the same key.
    pub(super) fn replace(&self, old: Found, slot: u32, key: Key<'_>) {
        self.set(slot, self.link_of(old.slot).1, key);
        self.set_after(old.before, key.hash, slot + 1);
    }

    /// Takes a slot out of its chain.
    pub(super) fn unlink(&self, found: Found) {
        let (hash, next) = self.link_of(found.slot);
        self.set_after(found.before, hash, next);
    }

    /// A slot in use, to be unlinked.
    pub(super) fn locate(&self, slot: u32) -> Found {
        let mut before = 0;
        let mut entry = self.head(self.link_of(slot).0);
        while entry != slot + 1 && entry != 0 {
            (before, entry) = (entry, self.link_of(entry - 1).1);
        }
        debug_assert_ne!(entry, 0, "bug: {slot} is in no chain");
        Found { slot, before }
    }

    fn set(&self, slot: u32, next: u32, key: Key<'_>) {
        let at = slot as usize * self.stride;
        let node = self.nodes.words().get(at..at + self.stride);
        let Some([link, first, rest @ ..]) = node else { return };
        link.store(u64::from(key.hash) << 32 | u64::from(next), Relaxed);
        first.store(key.word, Relaxed);
        for (at, word) in rest.iter().zip(padded(key.rest)) {
            at.store(word, Relaxed);
        }
    }

    /// Makes `next` follow `before`, or the head of the chain.
    fn set_after(&self, before: u32, hash: u32, next: u32) {
        match before.checked_sub(1) {
            None => self.heads.set_word(self.bucket(hash), next),
            Some(before) => {
                let link = u64::from(hash_of(self.raw(before))) << 32 | u64::from(next);
                if let Some(word) = self.nodes.words().get(before as usize * self.stride) {
                    word.store(link, Relaxed);
                }
            }
        }
    }

    /// Hash of a slot in use, and the slot after it plus 1.
    fn link_of(&self, slot: u32) -> (u32, u32) {
        let link = self.raw(slot);
        (hash_of(link), low32(link))
    }

    fn raw(&self, slot: u32) -> u64 {
        let word = self.nodes.words().get(slot as usize * self.stride);
        word.map_or(0, |word| word.load(Relaxed))
    }

    #[inline]
    fn head(&self, hash: u32) -> u32 {
        self.heads.word(self.bucket(hash))
    }

    #[inline]
    fn bucket(&self, hash: u32) -> usize {
        (hash & self.mask) as usize * 4
    }
}

fn hash_of(link: u64) -> u32 {
    low32(link >> 32)
}

fn holds(words: &[AtomicU64], bytes: &[u8]) -> bool {
    padded(bytes).zip(words).all(|(word, at)| at.load(Relaxed) == word)
}

/// A key, ready to be looked for.
#[derive(Clone, Copy)]
pub(super) struct Key<'k> {
    /// A multiplication folded to itself for each eight bytes.
    ///
    /// The same in every run, so that iteration has the same order; whoever chooses the keys can make
    /// them collide, which costs time in proportion to the entries and no more.
    hash: u32,
    /// The first eight bytes, padded with zeroes.
    word: u64,
    rest: &'k [u8],
}

impl<'k> Key<'k> {
    #[inline]
    pub(super) fn new(key: &'k [u8]) -> Self {
        let (word, rest) = match key.len() {
            // What most keys have, without a loop.
            4 => (first_word(&key[..4]), &[][..]),
            0..=8 => (first_word(key), &[][..]),
            _ => (first_word(&key[..8]), &key[8..]),
        };
        let mut hash = fold(key.len() as u64 ^ word.to_le());
        if !rest.is_empty() {
            hash = padded(rest).fold(hash, |hash, word| fold(hash ^ word.to_le()));
        }
        Self { hash: low32(hash ^ hash >> 32), word, rest }
    }
}

/// The factor is the fraction of the golden ratio; the summand keeps 0 from being a fixed point.
#[inline]
const fn fold(word: u64) -> u64 {
    let word = word ^ 0xd6e8_feb8_6659_fd93;
    let product = word as u128 * 0x9e37_79b9_7f4a_7c15;
    #[expect(clippy::cast_possible_truncation, reason = "both halves are wanted")]
    let folded = product as u64 ^ (product >> 64) as u64;
    folded
}
