//! Which register holds what.

use super::{Key, Lookup, Target};
use crate::insn::{Ancillary, Insn};
use skep_isa::Reg;

/// Registers for what is there throughout a program. `A` is r0.
///
/// Calls clobber r1 to r5, and each of r6 to r9 that a program uses is saved and restored by what the kernel compiles it
/// to. So only programs with calls use the latter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registers {
    pub(super) ctx: Reg,
    pub(super) x: Reg,
    /// Start of the packet; a place for `A` where the packet is not accessed directly.
    pub(super) data: Reg,
    /// End of the packet; its length where its first bytes are copied.
    pub(super) end: Reg,
    /// Within an instruction: the end of what is read, or a table.
    pub(super) ptr: Reg,
    /// Within a lookup of a number: a place in the table.
    pub(super) place: Reg,
    /// Whether the context is asked for something after the start.
    pub(super) uses_ctx: bool,
}

impl Registers {
    pub(super) fn of(insns: &[Insn], target: Target, lookups: &[Lookup]) -> Self {
        let is_lookup = |pc: usize| lookups.iter().any(|lookup| lookup.pc == pc);
        let asks = |(pc, insn): (usize, &Insn)| match insn {
            Insn::LoadLen { .. } => true,
            Insn::LoadAnc { anc, .. } => *anc != Ancillary::AluXorX && !is_lookup(pc),
            _ => false,
        };
        let calls = |(pc, insn): (usize, &Insn)| {
            matches!(insn, Insn::LoadAnc { anc: Ancillary::Random | Ancillary::Cpu, .. })
                && !is_lookup(pc)
        };
        let is_wide = |lookup: &Lookup| matches!(lookup.key, Key::Words { .. });
        let is_socket = target == Target::SocketFilter;
        let uses_ctx = is_socket || insns.iter().enumerate().any(asks);
        let saves = is_socket || lookups.iter().any(is_wide) || insns.iter().enumerate().any(calls);
        let (r1, r2, r3, r4, r5) = (Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5);
        if saves {
            let (ctx, x, data, end) = (Reg::R6, Reg::R7, Reg::R8, Reg::R9);
            return Self { ctx, x, data, end, ptr: r1, place: r2, uses_ctx };
        }
        let ctx = if uses_ctx && !lookups.is_empty() { Reg::R6 } else { r1 };
        Self { ctx, x: r4, data: r2, end: r3, ptr: r5, place: r1, uses_ctx }
    }
}
