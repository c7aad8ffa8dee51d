//! Slots by key: chains from an array of buckets.
//!
//! A bucket is one word, of its first slot and a number that goes up with each change of the chain. A
//! reader loads it, walks, and loads it again: what it found counts if the word is the same. It walks
//! whole chains always, for a slot is linked once it is complete and by a single store, and one that
//! was unlinked still leads where it led, until it gets another key. Before that the number of its
//! bucket has gone up, which the reader sees in its second look:
//!
//! - who gives a slot a new key has taken the lock of a stripe after the change of the number, and
//!   fenced before the first store to the slot ([`Owners::lock`](crate::lock::Owners::lock));
//! - a reader that has read any such store fences before its second look, so that this look follows
//!   the change of the number.
//!
//! H.-J. Boehm, "Can seqlocks get along with programming language memory models?", 2012.
//!
//! So readers write nothing, and never wait for a writer that is slow, has no CPU or is dead: they
//! start over only if the bucket did change. The number has 36 bits; a reader would have to miss a
//! multiple of 2^36 changes of one bucket during its walk to be deceived.

use super::key::{Key, Short};
use crate::Values;
use crate::memory::Memory;
use crate::values::low32;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU64, fence};
use skep_abi::Errno;

/// Bits of a bucket's word that name a slot.
const SLOT_BITS: u32 = 28;
const SLOT: u64 = (1 << SLOT_BITS) - 1;

/// Slots of a chain that [`Table::find_quickly`] looks at.
const QUICK: u32 = 8;

#[derive(Debug)]
pub(super) struct Table {
    /// For each slot a value, if there is one for all CPUs, then the *node*: a word with the hash above
    /// and the next slot of the chain plus 1 below, then the key.
    cells: Values,
    /// First slot of each bucket plus 1, and above it how often the chain has changed.
    buckets: Values,
    /// Words of a cell.
    stride: usize,
    /// Words of a cell before the node, and those of the node.
    before: usize,
    node: usize,
    /// Buckets less 1; their number is a power of two.
    mask: u32,
    slots: u32,
}

/// Where a key is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) slot: u32,
    /// The slots before and after it in its chain, plus 1.
    before: u32,
    next: u32,
}

/// See [`Table::find_first`].
#[derive(Clone, Copy, Debug)]
pub(super) enum First {
    /// The key is the first of its chain, in this slot.
    Is(u32),
    /// The chain is empty.
    None,
    /// It takes a longer look.
    Else,
}

/// Bytes of a node.
const fn node_size(key_size: usize) -> usize {
    8 + key_size.next_multiple_of(8)
}

/// Bytes of a cell, which is not to straddle two cache lines if it fits one.
pub(super) const fn cell_size(value_size: usize, key_size: usize) -> usize {
    let size = value_size.next_multiple_of(8) + node_size(key_size);
    if size <= 64 { size.next_power_of_two() } else { size }
}

impl Table {
    /// Twice as many buckets as the kernel has, which takes the entries' number rounded up to a power
    /// of two: half the chains to walk.
    pub(super) fn buckets(max_entries: u32) -> Option<u32> {
        max_entries.checked_next_power_of_two()?.checked_mul(2)
    }

    /// `value_size` is 0 where values are elsewhere.
    pub(super) fn new(
        memory: &Memory,
        (max_entries, slots): (u32, u32),
        (key_size, value_size): (usize, usize),
    ) -> Result<Self, Errno> {
        let buckets = Self::buckets(max_entries).ok_or(Errno::ENOMEM)?;
        if u64::from(slots) >= SLOT {
            return Err(Errno::ENOMEM);
        }
        let stride = cell_size(value_size, key_size);
        Ok(Self {
            cells: memory.cells(value_size, stride, slots as usize)?,
            buckets: memory.words(buckets as usize)?,
            stride: stride / 8,
            before: value_size.div_ceil(8),
            node: node_size(key_size) / 8,
            mask: buckets - 1,
            slots,
        })
    }

    /// The values, where they are in the table.
    #[inline]
    pub(super) fn cells(&self) -> &Values {
        &self.cells
    }

    pub(super) fn slots(&self) -> u32 {
        self.slots
    }

    /// Buckets less 1.
    pub(super) fn mask(&self) -> u32 {
        self.mask
    }

    #[inline]
    pub(super) fn bucket(&self, hash: u32) -> u32 {
        hash & self.mask
    }

    /// State of a bucket, for [`Table::is`] and [`Table::head`].
    #[inline(always)]
    pub(super) fn look(&self, bucket: u32) -> u64 {
        self.word(bucket).load(Acquire)
    }

    /// Whether a bucket is still in a state.
    #[inline(always)]
    pub(super) fn is(&self, bucket: u32, state: u64) -> bool {
        self.word(bucket).load(Relaxed) == state
    }

    #[inline(always)]
    fn word(&self, bucket: u32) -> &AtomicU64 {
        let words = self.buckets.words();
        // SAFETY: `new` made `mask + 1` words of them.
        unsafe { words.get_unchecked((bucket & self.mask) as usize) }
    }

    /// First slot of a chain, plus 1.
    #[inline]
    pub(super) const fn head(state: u64) -> u32 {
        low32(state & SLOT)
    }

    /// Where a key is in the chain from a head on.
    #[inline(always)]
    pub(super) fn find(&self, head: u32, key: impl Key) -> Option<Found> {
        let (mut before, mut entry) = (0, head);
        for _ in 0..self.slots {
            let slot = entry.wrapping_sub(1);
            let (link, first, rest) = self.node(slot)?;
            let link = link.load(Acquire);
            if key.is_in(link, first, rest) {
                return Some(Found { slot, before, next: low32(link) });
            }
            (before, entry) = (entry, low32(link));
        }
        None
    }

    /// What a look at a bucket alone says of a key.
    #[inline(always)]
    pub(super) fn find_first(&self, key: Short) -> First {
        let bucket = self.bucket(key.hash());
        let state = self.look(bucket);
        let entry = Self::head(state);
        let found = match self.node(entry.wrapping_sub(1)) {
            None if entry == 0 => First::None,
            Some((_, first, _)) if key.is_at(first) => First::Is(entry - 1),
            _ => return First::Else,
        };
        fence(Acquire);
        if self.is(bucket, state) { found } else { First::Else }
    }

    /// The slot of a key in a bucket, if that takes no more than a look at a chain that nobody
    /// changes; else `Err`.
    #[inline(always)]
    pub(super) fn find_quickly(&self, key: impl Key) -> Result<Option<u32>, ()> {
        let bucket = self.bucket(key.hash());
        let state = self.look(bucket);
        let mut entry = Self::head(state);
        for _ in 0..QUICK {
            let slot = entry.wrapping_sub(1);
            let Some((link, first, rest)) = self.node(slot) else {
                fence(Acquire);
                return if entry == 0 && self.is(bucket, state) { Ok(None) } else { Err(()) };
            };
            let link = link.load(Acquire);
            if key.is_in(link, first, rest) {
                fence(Acquire);
                return if self.is(bucket, state) { Ok(Some(slot)) } else { Err(()) };
            }
            entry = low32(link);
        }
        Err(())
    }

    /// Where a slot is in a chain.
    pub(super) fn locate(&self, bucket: u32, slot: u32) -> Option<Found> {
        let state = self.look(bucket);
        let (mut before, mut entry) = (0, Self::head(state));
        for _ in 0..self.slots {
            let next = self.next(entry.checked_sub(1)?);
            if entry == slot + 1 {
                return Some(Found { slot, before, next });
            }
            (before, entry) = (entry, next);
        }
        None
    }

    /// The slot after one in its chain, plus 1.
    #[inline(always)]
    pub(super) fn next(&self, slot: u32) -> u32 {
        low32(self.link(slot))
    }

    pub(super) fn hash(&self, slot: u32) -> u32 {
        low32(self.link(slot) >> 32)
    }

    /// Copies the key of a slot.
    pub(super) fn read_key(&self, slot: u32, out: &mut [u8]) {
        let Some((_, first, rest)) = self.node(slot) else { return };
        for (bytes, word) in out.chunks_mut(8).zip([first].into_iter().chain(rest)) {
            bytes.copy_from_slice(&word.load(Relaxed).to_ne_bytes()[..bytes.len()]);
        }
    }

    /// Writes the value of a slot; `None` for one that does not exist and for other sizes.
    #[inline(always)]
    pub(super) fn write(&self, slot: u32, value: &[u8]) -> Option<()> {
        if slot >= self.slots {
            return None;
        }
        let at = slot as usize * self.stride;
        if let Some(value) = value.as_array::<8>()
            && self.before == 1
        {
            // SAFETY: `new` made `slots` cells of `stride` words, of which `before` are a value.
            let word = unsafe { self.cells.words().get_unchecked(at) };
            word.store(u64::from_ne_bytes(*value), Relaxed);
            return Some(());
        }
        self.cells.write(at * 8, value)
    }

    /// Makes a slot the first of its chain.
    #[inline]
    pub(super) fn insert(&self, slot: u32, key: impl Key) {
        let bucket = self.bucket(key.hash());
        let state = self.look(bucket);
        self.set(slot, Self::head(state), key);
        self.change(bucket, state, slot + 1);
    }

    /// Puts a slot in the place of another one, of the same key.
    #[inline(always)]
    pub(super) fn replace(&self, state: u64, old: Found, slot: u32, key: impl Key) {
        self.set(slot, old.next, key);
        self.set_after(state, old.before, self.bucket(key.hash()), slot + 1);
    }

    /// Takes a slot out of its chain.
    #[inline]
    pub(super) fn unlink(&self, found: Found) {
        let bucket = self.bucket(self.hash(found.slot));
        self.set_after(self.look(bucket), found.before, bucket, found.next);
    }

    /// Ends the chain after a slot, given plus 1, or at the head; for repairs.
    pub(super) fn cut(&self, before: u32, bucket: u32) {
        self.set_after(self.look(bucket), before, bucket, 0);
    }

    /// Makes readers of a bucket read again.
    pub(super) fn touch(&self, bucket: u32) {
        let state = self.look(bucket);
        self.change(bucket, state, Self::head(state));
    }

    #[inline(always)]
    fn set(&self, slot: u32, next: u32, key: impl Key) {
        let Some((link, first, rest)) = self.node(slot) else { return };
        key.store(first, rest);
        link.store(u64::from(key.hash()) << 32 | u64::from(next), Relaxed);
    }

    /// Makes `next` follow `before`, or the head of the chain.
    #[inline(always)]
    fn set_after(&self, state: u64, before: u32, bucket: u32, next: u32) {
        let Some(slot) = before.checked_sub(1) else { return self.change(bucket, state, next) };
        if let Some((link, ..)) = self.node(slot) {
            link.store(link.load(Relaxed) & !u64::from(u32::MAX) | u64::from(next), Release);
        }
        self.change(bucket, state, Self::head(state));
    }

    #[inline(always)]
    fn change(&self, bucket: u32, state: u64, head: u32) {
        let count = (state >> SLOT_BITS).wrapping_add(1) << SLOT_BITS;
        self.word(bucket).store(count | u64::from(head), Release);
    }

    #[inline(always)]
    fn link(&self, slot: u32) -> u64 {
        self.node(slot).map_or(0, |(link, ..)| link.load(Acquire))
    }

    /// The link of a slot, and the first word and the others of its key.
    #[inline(always)]
    fn node(&self, slot: u32) -> Option<(&AtomicU64, &AtomicU64, &[AtomicU64])> {
        if slot >= self.slots {
            return None;
        }
        let at = slot as usize * self.stride + self.before;
        let words = self.cells.words();
        // SAFETY: `new` made `slots` cells of `stride` words, of which `node`, at least two, follow
        // the first `before`.
        let link = unsafe { words.get_unchecked(at) };
        // SAFETY: the same.
        let first = unsafe { words.get_unchecked(at + 1) };
        // SAFETY: the same.
        Some((link, first, unsafe { words.get_unchecked(at + 2..at + self.node) }))
    }
}
