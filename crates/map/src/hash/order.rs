//! Slots in the order of their last use.

use crate::Values;
use skep_abi::Errno;

/// A ring of slots, newest to oldest. Changes need the map's lock; any thread may look.
///
/// Entry `slot + 1` of the table stands for a slot, entry 0 for the two ends: what is older than it
/// is the newest slot.
#[derive(Debug)]
pub(super) struct Order {
    /// For each entry, the newer and the older one.
    links: Values,
}

impl Order {
    pub(super) fn new(slots: u32) -> Result<Self, Errno> {
        let bytes = (slots as usize).checked_add(1).and_then(|n| n.checked_mul(8));
        Ok(Self { links: Values::new(bytes.ok_or(Errno::ENOMEM)?, 1)? })
    }

    pub(super) fn newest(&self) -> Option<u32> {
        self.older(0).checked_sub(1)
    }

    pub(super) fn oldest(&self) -> Option<u32> {
        self.newer(0).checked_sub(1)
    }

    /// Puts a slot that is not in the ring at the newest end.
    pub(super) fn insert(&self, slot: u32) {
        let entry = slot + 1;
        let second = self.older(0);
        self.join(entry, second);
        self.join(0, entry);
    }

    /// Takes a slot out of the ring.
    pub(super) fn remove(&self, slot: u32) {
        let entry = slot + 1;
        self.join(self.newer(entry), self.older(entry));
    }

    fn join(&self, newer: u32, older: u32) {
        self.links.set_word(newer as usize * 8 + 4, older);
        self.links.set_word(older as usize * 8, newer);
    }

    fn newer(&self, entry: u32) -> u32 {
        self.links.word(entry as usize * 8)
    }

    fn older(&self, entry: u32) -> u32 {
        self.links.word(entry as usize * 8 + 4)
    }
}
