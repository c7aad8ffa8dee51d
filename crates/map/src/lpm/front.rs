//! Where to begin a lookup, by the first bits of a key.
//!
//! The table has an entry for each value of the first few bits: the cell of the longest prefix that is
//! shorter than those, and the first node of the trie below whose prefix has at least as many. A lookup
//! that starts there passes over the levels that all lookups have in common; of entries spread evenly,
//! a node or two is left to look at.
//!
//! # Readers
//!
//! They take no lock. Each entry counts its changes, and everything that a lookup reads belongs to one
//! entry: a node of at least so many bits is below no other. As in a bucket of a hash map, what was
//! found counts if the number is the same afterwards; nodes and cells get a new owner in a later
//! operation than the one that took them out, which has counted before it released the lock.
//!
//! # Cost
//!
//! Two words for each entry, of which there are at least as many as the map has and less than four
//! times as many, but 2^16 at most. An update of a prefix shorter than the bits writes all entries below
//! it.

use crate::Values;
use crate::memory::Memory;
use crate::values::low32;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::fence;
use skep_abi::Errno;

/// Bits that the largest tables are for.
const BITS_MAX: u32 = 16;

#[derive(Debug)]
pub(super) struct Front {
    /// Of each entry, a word with the number of changes above and a node below, 0 for none; and one
    /// with a prefix length plus 1 above and its cell plus 1 below, 0 for none.
    entries: Values,
    bits: u32,
}

/// What an entry said.
#[derive(Clone, Copy)]
pub(super) struct Start<'f> {
    state: &'f AtomicU64,
    seen: u64,
    /// Cell of the longest prefix so far, plus 1.
    pub(super) cell: u32,
}

/// How many bits; at least 1.
fn bits(max_entries: u32, data_bits: u32) -> u32 {
    let whole = u32::BITS - max_entries.leading_zeros();
    (whole + 1).min(BITS_MAX).min(data_bits).max(1)
}

impl Front {
    /// `data_bits` is not 0.
    pub(super) fn new(memory: &Memory, max_entries: u32, data_bits: u32) -> Result<Self, Errno> {
        let bits = bits(max_entries, data_bits);
        Ok(Self { entries: memory.values(16 << bits, 1)?, bits })
    }

    /// Bytes of a table.
    pub(super) fn bytes(max_entries: u32, data_bits: u32) -> u64 {
        16 << bits(max_entries, data_bits)
    }

    #[inline]
    pub(super) fn bits(&self) -> u32 {
        self.bits
    }

    /// The entry of a key, given its first bits as those of a word.
    #[inline]
    pub(super) fn index(&self, word: u64) -> usize {
        low32(word >> 32 >> (32 - self.bits)) as usize
    }

    #[inline]
    fn entry(&self, index: usize) -> Option<&[AtomicU64; 2]> {
        self.entries.words().as_chunks().0.get(index)
    }

    /// What an entry says now.
    #[inline]
    pub(super) fn start(&self, index: usize) -> Option<Start<'_>> {
        let [state, best] = self.entry(index)?;
        let seen = state.load(Acquire);
        Some(Start { state, seen, cell: low32(best.load(Acquire)) })
    }

    /// Sets the node of an entry, and counts a change.
    pub(super) fn set_node(&self, index: usize, node: u32) {
        if let Some([state, _]) = self.entry(index) {
            let count = (state.load(Relaxed) >> 32).wrapping_add(1);
            state.store(count << 32 | u64::from(node), Release);
        }
    }

    /// Forgets all there is.
    pub(super) fn clear(&self) {
        for [state, best] in self.entries.words().as_chunks().0 {
            best.store(0, Release);
            let count = (state.load(Relaxed) >> 32).wrapping_add(1);
            state.store(count << 32, Release);
        }
    }

    /// Entries below a prefix that is shorter than the bits.
    fn below(&self, word: u64, len: u32) -> core::ops::Range<usize> {
        let kept = if len == 0 { 0 } else { word & u64::MAX << (64 - len) };
        let first = self.index(kept);
        first..first + (1 << (self.bits - len))
    }

    /// Gives a prefix shorter than the bits another cell, in the entries where none is longer.
    pub(super) fn set_cell(&self, word: u64, len: u32, cell: u32) {
        for [state, best] in self.below(word, len).filter_map(|index| self.entry(index)) {
            if best.load(Relaxed) >> 32 <= u64::from(len) + 1 {
                best.store((u64::from(len) + 1) << 32 | (u64::from(cell) + 1), Release);
                state.store(state.load(Relaxed).wrapping_add(1 << 32), Release);
            }
        }
    }

    /// Puts the next shorter prefix, or none, in the place of one that goes.
    pub(super) fn remove_cell(&self, word: u64, len: u32, shorter: Option<(u32, u32)>) {
        let other =
            shorter.map_or(0, |(len, cell)| (u64::from(len) + 1) << 32 | (u64::from(cell) + 1));
        for [state, best] in self.below(word, len).filter_map(|index| self.entry(index)) {
            if best.load(Relaxed) >> 32 == u64::from(len) + 1 {
                best.store(other, Release);
                state.store(state.load(Relaxed).wrapping_add(1 << 32), Release);
            }
        }
    }
}

impl Start<'_> {
    /// The first node, 0 for none.
    #[inline]
    pub(super) fn node(&self) -> u32 {
        low32(self.seen)
    }

    /// Whether the entry has not changed since.
    #[inline]
    pub(super) fn holds(&self) -> bool {
        fence(Acquire);
        self.state.load(Relaxed) == self.seen
    }
}
