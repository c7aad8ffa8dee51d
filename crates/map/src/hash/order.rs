//! Slots in the order of their last use.

use crate::Values;
use crate::lock::Owners;
use crate::memory::Memory;
use skep_abi::Errno;

/// A ring of slots, newest to oldest, under a lock of its own, which comes after those of the stripes.
///
/// Entry `slot + 1` of the table stands for a slot, entry 0 for the two ends: what is older than it
/// is the newest slot. A slot may be in the ring that is no entry of the map any more, if a lookup was
/// as late; it is found out when it is the oldest.
#[derive(Debug)]
pub(super) struct Order {
    /// For each entry, the newer and the older one, plus 1; 0 for a slot that is not in the ring, and
    /// for the ends of an empty one.
    links: Values,
    /// A word, in a cache line of its own.
    lock: Values,
    entries: u32,
    owners: Owners,
}

impl Order {
    pub(super) fn new(memory: &Memory, slots: u32) -> Result<Self, Errno> {
        let entries = slots.checked_add(1).ok_or(Errno::ENOMEM)?;
        let (links, lock) = (memory.words(entries as usize)?, memory.values(128, 1)?);
        Ok(Self { links, lock, entries, owners: memory.owners() })
    }

    /// Runs `change` under the lock; `rebuild` first if its last owner is dead. Nothing happens if it
    /// cannot be had.
    #[inline]
    pub(super) fn locked<R>(
        &self,
        rebuild: impl FnOnce(&Ring<'_>),
        change: impl FnOnce(&Ring<'_>) -> R,
    ) -> Option<R> {
        let ring = Ring { order: self };
        let _held = self.owners.lock(self.lock.half_words().first()?, || rebuild(&ring)).ok()?;
        Some(change(&ring))
    }

    /// The slot that was used last, as far as can be told without the lock.
    #[inline]
    pub(super) fn newest(&self) -> Option<u32> {
        self.older(0)?.checked_sub(1)
    }

    /// What is newer than an entry; `None` for one that is not in the ring.
    fn newer(&self, entry: u32) -> Option<u32> {
        self.linked(self.links.word(entry as usize * 8), entry)
    }

    fn older(&self, entry: u32) -> Option<u32> {
        self.linked(self.links.word(entry as usize * 8 + 4), entry)
    }

    #[inline]
    fn linked(&self, word: u32, entry: u32) -> Option<u32> {
        match word.checked_sub(1) {
            None => (entry == 0).then_some(0),
            other => other.filter(|other| *other < self.entries),
        }
    }

    fn join(&self, newer: u32, older: u32) {
        self.links.set_word(newer as usize * 8 + 4, older + 1);
        self.links.set_word(older as usize * 8, newer + 1);
    }
}

/// The ring, locked.
pub(super) struct Ring<'o> {
    order: &'o Order,
}

impl Ring<'_> {
    /// Makes a slot the newest, in the ring or not.
    pub(super) fn touch(&self, slot: u32) {
        let (order, entry) = (self.order, slot + 1);
        self.remove(slot);
        let Some(second) = order.older(0).filter(|_| entry < order.entries) else { return };
        order.join(entry, second);
        order.join(0, entry);
    }

    /// Takes a slot out of the ring, if it is in.
    pub(super) fn remove(&self, slot: u32) {
        let (order, entry) = (self.order, slot + 1);
        if let (Some(newer), Some(older)) = (order.newer(entry), order.older(entry)) {
            order.join(newer, older);
            order.links.set_word(entry as usize * 8, 0);
            order.links.set_word(entry as usize * 8 + 4, 0);
        }
    }

    /// Takes the oldest slot out of the ring.
    pub(super) fn take_oldest(&self) -> Option<u32> {
        let oldest = self.order.newer(0)?.checked_sub(1)?;
        self.remove(oldest);
        Some(oldest)
    }

    /// Empties the ring, whatever it is.
    pub(super) fn clear(&self) {
        for entry in 0..self.order.entries as usize {
            self.order.links.set_word(entry * 8, 0);
            self.order.links.set_word(entry * 8 + 4, 0);
        }
    }
}
