//! How long code can be.

use super::{ALIGN, X64};
use crate::shape::Lengths;
use skep_isa::{AluOp, Insn};

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
    /// Two subtractions from a register and a jump: of a jump back, which asks, and of the block behind it.
    const CHARGE: u32 = 7 + 6 + 7;
    const COUNTED: u32 = 128;
    /// A number that is made by two instructions; look-ups in arrays have two.
    const HARDENED: u32 = 28;

    const ALU: [[u8; 2]; 16] = ALU;
    const LOAD: u32 = 9;
    const STORE: u32 = 12;
    const JUMP_IF: u32 = 14;

    fn most(insn: &Insn) -> u32 {
        match *insn {
            Insn::Alu { .. } | Insn::Load { .. } | Insn::Store { .. } | Insn::JumpIf { .. } => 0,
            Insn::MovSx { .. } => 4,
            Insn::Neg { .. } => 3,
            Insn::Swap { .. }
            | Insn::LoadSx { .. }
            | Insn::LoadAcquire { .. }
            | Insn::StoreRelease { .. } => 9,
            Insn::AddrSpaceCast { .. } => 24,
            Insn::JumpReg { .. } => 0,
            Insn::LoadImm { .. } => 10,
            Insn::LoadAbs { .. } | Insn::LoadInd { .. } | Insn::Exit => EXIT,
            Insn::Atomic { .. } | Insn::Call(_) => 48,
            Insn::Jump { .. }
            | Insn::JumpLong { .. }
            | Insn::Static { .. }
            | Insn::StaticLong { .. } => 5,
            Insn::MayGoto { .. } => 18,
        }
    }
}

/// Most bytes of an exit.
const EXIT: u32 = 20;

/// By operation: with a number, and with a register.
const ALU: [[u8; 2]; 16] = {
    let mut all = [[7, 4]; 16];
    all[AluOp::Lsh as usize] = [7, 14];
    all[AluOp::Rsh as usize] = [7, 14];
    all[AluOp::Arsh as usize] = [7, 14];
    all[AluOp::Div as usize] = [56, 56];
    all[AluOp::Mod as usize] = [56, 56];
    all[AluOp::SDiv as usize] = [56, 56];
    all[AluOp::SMod as usize] = [56, 56];
    all
};
