//! Dynptrs in the stack: two slots that are written and forgotten together.

use super::Spi;
use crate::frame::{Byte, Slot};
use crate::reg::{Base, DynptrKind, Extra, RegState, RegType, flag};
use crate::reject::{Fact, Reject, Res, Stop};
use crate::rule::Rule;
use crate::verifier::Verifier;

impl Verifier<'_> {
    /// A store into a slot of a dynptr ends the dynptr and what was made of it; one that must be given
    /// back is not stored over. Kernel: `destroy_if_dynptr_stack_slot`.
    pub(crate) fn destroy_if_dynptr_stack_slot(&mut self, frame: u32, spi: usize) -> Res<()> {
        let stack = &self.cur.frames[frame as usize].stack;
        let slot = &stack[spi];
        if slot.bytes[0] != Byte::Dynptr {
            return Ok(());
        }
        let first = matches!(slot.reg.extra, Extra::Dynptr { first: true, .. });
        let spi = if first { spi } else { spi + 1 };
        let slot = stack.get(spi).copied().unwrap_or(Slot::INVALID);
        if matches!(
            slot.reg.extra,
            Extra::Dynptr { kind: DynptrKind::Ringbuf | DynptrKind::File, .. }
        ) {
            let off = -8 * (i32::try_from(spi).unwrap_or(0) + 1);
            return Reject::new(Rule::Dynptr, "cannot overwrite referenced dynptr")
                .fact(Fact::Stack { frame, off })
                .stop();
        }
        let id = slot.reg.id;
        self.end_slices(id);
        self.invalidate_dynptr(frame, spi);
        Ok(())
    }

    /// Memory behind a dynptr can no longer be reached.
    fn end_slices(&mut self, dynptr: u32) {
        // Kernel: `mark_reg_invalid`.
        let invalid = if self.allow_ptr_leaks { self.unknown() } else { RegState::NOT_INIT };
        self.cur.for_each_reg(|reg| {
            let memory = reg.ty.base == Base::Mem && reg.ty.without(flag::MAYBE_NULL).flags == 0;
            if memory && slice_of(reg) == dynptr {
                *reg = invalid;
            }
        });
    }

    /// Both slots of a dynptr hold nothing. Kernel: `invalidate_dynptr`.
    pub(crate) fn invalidate_dynptr(&mut self, frame: u32, spi: usize) {
        let second = spi.saturating_sub(1);
        for at in [spi, second] {
            if let Some(slot) = self.cur.frames[frame as usize].stack.get_mut(at) {
                *slot = Slot::INVALID;
            }
        }
        self.mark_stack_write(frame, 1 << spi | 1 << second);
    }

    /// A dynptr begins in a slot and the one before it. Kernel: `mark_dynptr_stack_regs`.
    pub(crate) fn mark_dynptr_stack_regs(&mut self, frame: u32, spi: usize, kind: DynptrKind) {
        let id = self.new_id();
        for (at, first) in [(spi, true), (spi.saturating_sub(1), false)] {
            let mut reg = dynptr_reg(kind, first, id);
            reg.precise = false;
            if let Some(slot) = self.cur.frames[frame as usize].stack.get_mut(at) {
                *slot = Slot { reg, bytes: [Byte::Dynptr; 8] };
            }
        }
    }

    /// A dynptr is given back, with its copies and what was made of it.
    /// Kernel: `unmark_stack_slots_dynptr`.
    pub(crate) fn unmark_stack_slots_dynptr(&mut self, reg: &RegState) -> Res<()> {
        let Spi::At(spi) = self.dynptr_get_spi(reg)? else {
            return Reject::new(Rule::Dynptr, "").stop();
        };
        let frame = reg.frame;
        let slot = self.cur.frames[frame as usize].stack[spi];
        if !matches!(
            slot.reg.extra,
            Extra::Dynptr { kind: DynptrKind::Ringbuf | DynptrKind::File, .. }
        ) {
            self.invalidate_dynptr(frame, spi);
            return Ok(());
        }
        let held = slot.reg.ref_obj_id;
        self.release_reference(held)?;
        for at in 1..self.cur.frames[frame as usize].stack.len() {
            let copy = self.cur.frames[frame as usize].stack[at];
            if copy.reg.ref_obj_id != held {
                continue;
            }
            if copy.bytes[0] != Byte::Dynptr {
                return Reject::new(Rule::Internal, "misconfigured ref_obj_id").stop();
            }
            if matches!(copy.reg.extra, Extra::Dynptr { first: true, .. }) {
                self.invalidate_dynptr(frame, at);
            }
        }
        Ok(())
    }

    /// A dynptr may be made there. Kernel: `is_dynptr_reg_valid_uninit`.
    pub(crate) fn is_dynptr_reg_valid_uninit(&self, reg: &RegState) -> Result<bool, Stop> {
        if reg.ty.is(Base::ConstDynptr) {
            return Ok(false);
        }
        self.dynptr_get_spi(reg).map(|_| true)
    }

    /// There is a dynptr. Kernel: `is_dynptr_reg_valid_init`.
    pub(crate) fn is_dynptr_reg_valid_init(&self, reg: &RegState) -> Res<bool> {
        if reg.ty.is(Base::ConstDynptr) {
            return Ok(true);
        }
        let Spi::At(spi) = self.dynptr_get_spi(reg)? else { return Ok(false) };
        let stack = &self.cur.frames[reg.frame as usize].stack;
        let whole = |slot: &Slot| slot.bytes.iter().all(|byte| *byte == Byte::Dynptr);
        Ok(matches!(stack[spi].reg.extra, Extra::Dynptr { first: true, .. })
            && whole(&stack[spi])
            && whole(&stack[spi - 1]))
    }

    /// The dynptr that a register points to or is. Kernel: `dynptr_get_type` and its like.
    fn dynptr(&self, reg: &RegState) -> Res<RegState> {
        if reg.ty.is(Base::ConstDynptr) {
            return Ok(*reg);
        }
        match self.dynptr_get_spi(reg)? {
            Spi::At(spi) => Ok(self.cur.frames[reg.frame as usize].stack[spi].reg),
            Spi::OutOfRange => Reject::new(Rule::Internal, "dynptr beyond the stack").stop(),
        }
    }

    /// Memory behind a dynptr. Kernel: `dynptr_get_type`.
    pub(crate) fn dynptr_kind(&self, reg: &RegState) -> Res<DynptrKind> {
        Ok(match self.dynptr(reg)?.extra {
            Extra::Dynptr { kind, .. } => kind,
            _ => DynptrKind::Invalid,
        })
    }
}

/// Kernel: `__mark_dynptr_reg`.
pub(crate) fn dynptr_reg(kind: DynptrKind, first: bool, id: u32) -> RegState {
    RegState {
        id,
        ..RegState::pointer(RegType::new(Base::ConstDynptr), Extra::Dynptr { kind, first })
    }
}

/// The dynptr that memory belongs to; 0 is none.
fn slice_of(reg: &RegState) -> u32 {
    match reg.extra {
        Extra::Slice { dynptr, .. } => dynptr,
        _ => 0,
    }
}
