//! How long code can be.

use super::{ALIGN, X64};
use crate::shape::Lengths;
use skep_isa::{AluOp, Insn, Src, Width};

impl Lengths for X64 {
    const ALIGN: u32 = ALIGN.1;
    const PROLOGUE: u32 = 72;
    const BRIDGED: u32 = 48;
    const CHECKED: u32 = 128;
    const TAIL_CALL: u32 = 176;
    const PER_CPU: u32 = 32;
    const PROBE: u32 = 96;
    const CALLBACK_LOOP: u32 = 144;
    const EACH: u32 = 304;
    const CHARGE: u32 = 32;
    const COUNTED: u32 = 128;
    /// A number that is made by two instructions; look-ups in arrays have two.
    const HARDENED: u32 = 28;

    #[inline(always)]
    fn most(insn: &Insn) -> u32 {
        match *insn {
            Insn::Alu { width, op, src, .. } => most_of_alu(width, op, src),
            Insn::MovSx { .. } => 4,
            Insn::Neg { .. } => 3,
            Insn::Swap { .. }
            | Insn::Load { .. }
            | Insn::LoadSx { .. }
            | Insn::LoadAcquire { .. }
            | Insn::StoreRelease { .. } => 9,
            Insn::AddrSpaceCast { .. } => 24,
            Insn::JumpReg { .. } => 0,
            Insn::LoadImm { .. } => 10,
            Insn::LoadAbs { .. } | Insn::LoadInd { .. } | Insn::Exit => EXIT,
            Insn::Store { .. } => 12,
            Insn::Atomic { .. } | Insn::Call(_) => 48,
            Insn::JumpIf { .. } => 14,
            Insn::Jump { .. }
            | Insn::JumpLong { .. }
            | Insn::Static { .. }
            | Insn::StaticLong { .. } => 5,
            Insn::MayGoto { .. } => 16,
        }
    }
}

/// Most bytes of an exit.
const EXIT: u32 = 20;

const fn most_of_alu(width: Width, op: AluOp, src: Src) -> u32 {
    match (op, src) {
        (AluOp::Div | AluOp::Mod | AluOp::SDiv | AluOp::SMod, _) => 56,
        (AluOp::Lsh | AluOp::Rsh | AluOp::Arsh, Src::Reg(_)) => 14,
        (_, Src::Imm(_)) => 7,
        (_, Src::Reg(_)) if matches!(width, Width::W32) => 4,
        (_, Src::Reg(_)) => 4,
    }
}
