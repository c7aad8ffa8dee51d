//! Who holds the spin locks in values: a number, that of a process where processes share the values.

use super::Values;
use crate::memory::Backing;

impl Values {
    /// What is in a lock of these values while this process holds it; never 0.
    #[must_use]
    pub fn lock_owner(&self) -> u32 {
        match &self.backing {
            Backing::Heap { .. } => 1,
            #[cfg(target_os = "linux")]
            Backing::Shared { mapping } => mapping.own(),
        }
    }

    /// Whether a lock with this number in it is held by nobody who lives. That is never so where only the
    /// threads of a process share the values: what ends one of their runs gives its locks back.
    #[must_use]
    pub fn is_dead_owner(&self, owner: u32) -> bool {
        match &self.backing {
            Backing::Heap { .. } => false,
            #[cfg(target_os = "linux")]
            Backing::Shared { mapping } => owner != 0 && mapping.is_dead(owner),
        }
    }
}
