//! Numbers that are the same, or differ by a constant, learn together.
//!
//! Kernel: `collect_linked_regs`, `sync_linked_regs`.

use crate::alu::clear_scalar_id;
use crate::reg::{ADD_CONST, ADD_CONST_32, RegState};
use crate::state::{LinkedReg, LinkedRegs, State};
use skep_domain::{AluOp, Scalar, Width};
use skep_isa::Reg;

/// Registers and spilled registers that derive from the number `id`. What does not fit into the list
/// is no longer linked.
pub(crate) fn collect_linked(state: &mut State, id: u32, linked: &mut LinkedRegs) {
    let id = id & !ADD_CONST;
    for (frame, this) in state.frames.iter_mut().enumerate().rev() {
        let frame = u8::try_from(frame).unwrap_or(u8::MAX);
        let regs = this.regs[..10].iter_mut().enumerate().map(|(at, reg)| (at, reg, true));
        let slots = this.stack.iter_mut().enumerate().filter(|(_, slot)| slot.is_spilled());
        let slots = slots.map(|(at, slot)| (at, &mut slot.reg, false));
        for (at, reg, is_reg) in regs.chain(slots) {
            if !reg.is_scalar() || reg.id & !ADD_CONST != id {
                continue;
            }
            let item = LinkedReg { frame, at: u8::try_from(at).unwrap_or(u8::MAX), is_reg };
            if !linked.push(item) {
                clear_scalar_id(reg);
            }
        }
    }
}

/// What is now known of `known`, which stands in register `at` of the innermost frame, is known of all
/// that are linked with it.
pub(crate) fn sync_linked(state: &mut State, known: &RegState, at: Reg, linked: &LinkedRegs) {
    let top = state.frames.len() - 1;
    for item in linked.items() {
        let frame = usize::from(item.frame);
        let itself = item.is_reg && frame == top && item.at == at.num();
        let Some(this) = state.frames.get_mut(frame) else { continue };
        let reg = if item.is_reg {
            &mut this.regs[usize::from(item.at)]
        } else {
            match this.stack.get_mut(usize::from(item.at)) {
                Some(slot) => &mut slot.reg,
                None => continue,
            }
        };
        if itself
            || !reg.is_scalar()
            || reg.id & !ADD_CONST != known.id & !ADD_CONST
            || (reg.id ^ known.id) & ADD_CONST == ADD_CONST
        {
            continue;
        }
        if (reg.id & ADD_CONST == 0 && known.id & ADD_CONST == 0) || reg.off == known.off {
            *reg = *known;
        } else {
            let (off, id) = (reg.off, reg.id);
            let difference = i64::from(off) - i64::from(known.off);
            let difference = Scalar::constant(difference.cast_unsigned());
            let half = (id | known.id) & ADD_CONST_32 != 0;
            let width = if half { Width::W32 } else { Width::W64 };
            let sum = Scalar::alu(AluOp::Add, width, &known.num, &difference);
            *reg = RegState { off, id, num: sum, ..*known };
        }
    }
}
