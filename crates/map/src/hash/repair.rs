//! What is left to do when a process died while it changed a map.
//!
//! Chains are whole at any moment but for what never was: a slot is linked by one store, and unlinked
//! by one. What may be wrong is who has the slots. A stripe's are counted anew: those in its chains
//! are entries, a CPU's next that is linked was the new cell of an update, and all others are free.
//! Entries whose update or removal was interrupted have the value from before or from after.
//!
//! A process may as well have written anything anywhere. Chains that lead out of the map, in circles or
//! to another stripe's slots end there.

use super::Hash;
use super::order::Order;
use super::slots::Stripe;
use super::table::Table;
use alloc::vec::Vec;

impl Hash {
    /// Puts a stripe right whose lock was taken from a dead process.
    #[cold]
    pub(super) fn repair(&self, stripe: &Stripe<'_>) {
        let mut linked = Vec::new();
        if linked.try_reserve_exact(self.table.slots() as usize).is_err() {
            // The next one to lock the stripe finds it as it is; slots that are nobody's stay so.
            return;
        }
        linked.resize(self.table.slots() as usize, false);
        for bucket in self.stripe_buckets(stripe.number()) {
            let (mut before, mut entry) = (0, Table::head(self.table.look(bucket)));
            while let Some(slot) = entry.checked_sub(1) {
                let ours = self.table.bucket(self.table.hash(slot)) == bucket;
                match linked.get_mut(slot as usize).filter(|linked| ours && !**linked) {
                    Some(linked) => {
                        *linked = true;
                        self.order.iter().for_each(|order| order.adopt(slot));
                    }
                    None => {
                        self.table.cut(before, bucket);
                        break;
                    }
                }
                (before, entry) = (entry, self.table.next(slot));
            }
            // The change of which the number does not tell yet.
            self.table.touch(bucket);
        }
        stripe.rebuild(|slot| linked.get(slot as usize) == Some(&true));
    }

    fn stripe_buckets(&self, stripe: u32) -> impl Iterator<Item = u32> {
        let stripes = self.slots.mask() as usize + 1;
        (stripe..=self.table.mask()).step_by(stripes)
    }

    /// Makes all entries old that have no place in the order.
    #[cold]
    pub(super) fn repair_order(&self, order: &Order) {
        for bucket in 0..=self.table.mask() {
            let mut entry = Table::head(self.table.look(bucket));
            for _ in 0..self.table.slots() {
                let Some(slot) = entry.checked_sub(1) else { break };
                order.adopt(slot);
                entry = self.table.next(slot);
            }
        }
    }
}
