//! Objects in the stack that take whole slots: dynptrs, iterators, saved interrupt state.

use super::int;
use super::stack::place;
use crate::reg::RegState;
use crate::reject::{Fact, Reject, Res};
use crate::rule::Rule;
use crate::verifier::Verifier;

/// Slot of the lowest address of an object. The object's other slots are before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spi {
    /// All its slots are kept track of.
    At(usize),
    /// It lies beyond what is kept track of so far. Kernel: `-ERANGE`.
    OutOfRange,
}

impl Verifier<'_> {
    /// Kernel: `dynptr_get_spi`.
    pub(crate) fn dynptr_get_spi(&self, reg: &RegState) -> Res<Spi> {
        self.stack_slot_obj_get_spi(reg, "dynptr", Rule::Dynptr, 2)
    }

    /// Kernel: `iter_get_spi`.
    pub(crate) fn iter_get_spi(&self, reg: &RegState, slots: usize) -> Res<Spi> {
        self.stack_slot_obj_get_spi(reg, "iter", Rule::Iter, slots)
    }

    /// Kernel: `irq_flag_get_spi`.
    pub(crate) fn irq_flag_get_spi(&self, reg: &RegState) -> Res<Spi> {
        self.stack_slot_obj_get_spi(reg, "irq_flag", Rule::Lock, 1)
    }

    /// Kernel: `stack_slot_obj_get_spi`.
    fn stack_slot_obj_get_spi(
        &self,
        reg: &RegState,
        what: &str,
        rule: Rule,
        slots: usize,
    ) -> Res<Spi> {
        let Some(var) = reg.num.is_const() else {
            return Reject::new(rule, format!("{what} has to be at a constant offset")).stop();
        };
        let off = reg.off.wrapping_add(int(var));
        let misplaced = || {
            Reject::new(rule, format!("cannot pass in {what} at an offset={off}"))
                .fact(Fact::Stack { frame: reg.frame, off })
                .stop()
        };
        // An offset of 0 and above has no slot; the kernel's division gives 0 or less for it.
        if off % 8 != 0 || off >= 0 && slots > 1 {
            return misplaced();
        }
        if off >= 0 {
            return Ok(Spi::OutOfRange);
        }
        let spi = place(off).spi;
        if spi + 1 < slots {
            return misplaced();
        }
        let Some(frame) = self.cur.frames.get(reg.frame as usize) else {
            return Ok(Spi::OutOfRange);
        };
        Ok(if spi < frame.stack.len() { Spi::At(spi) } else { Spi::OutOfRange })
    }

    /// The slots of an object are read. Kernel: `mark_stack_slot_obj_read`.
    pub(crate) fn mark_stack_slot_obj_read(&mut self, reg: &RegState, spi: usize, slots: usize) {
        for at in spi.saturating_sub(slots.saturating_sub(1))..=spi {
            self.mark_stack_read(reg.frame, 1 << at);
        }
    }
}
