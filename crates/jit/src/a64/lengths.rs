//! How long code can be, in instructions of 4 bytes.

use super::A64;
use crate::shape::Lengths;
use skep_isa::{AluOp, Insn};

/// Most bytes of what lies behind the program.
pub(super) const STUBS: u32 = 512;

impl Lengths for A64 {
    const ALIGN: u32 = 0;
    const PROLOGUE: u32 = 28 * 4;
    /// The check and what is left to the environment, out of the way; or what is asked before a loop, and its slow way.
    const CHECKED: u32 = 64 * 4;
    /// The address, a value, kind and size, the call, and the result; or the address, the check and the load, and the
    /// others out of the way.
    const BRIDGED: u32 = (3 + 7 + 8) * 4;
    /// A number that is made by five instructions; look-ups in arrays have two.
    const HARDENED: u32 = 10 * 4;
    const COUNTED: u32 = 64 * 4;
    /// The words and what is asked of them, with the address of the array and its length.
    const TAIL_CALL: u32 = (32 + 4 + 4 + EXIT) * 4;
    const PER_CPU: u32 = (1 + 2 + 1) * 4;
    /// The check, six parts twice, the result, and out of the way a number, the call and the way back.
    const PROBE: u32 = (6 + 12 + 1 + 4) * 4;
    /// With kinds of four parts, and the number of the array's address.
    const EACH: u32 = (6 + 3 * 7 + 4 + 26 + 5) * 4;
    /// With a kind of four parts, where turns are reported.
    const CALLBACK_LOOP: u32 = (32 + 4 + 5) * 4;
    /// The account and two branches, and out of the way a kind of four parts, the call and the way back.
    const CHARGE: u32 = (3 + 2 + 6) * 4;

    const ALU: [[u8; 2]; 16] = ALU;
    /// Distances of 16 bits are one instruction, those of pointers two.
    const LOAD: u32 = 3 * 4;
    /// The immediate as well.
    const STORE: u32 = 4 * 4;
    /// An immediate, a comparison and two branches.
    const JUMP_IF: u32 = 5 * 4;

    fn most(insn: &Insn) -> u32 {
        4 * match *insn {
            Insn::Alu { .. } | Insn::Load { .. } | Insn::Store { .. } | Insn::JumpIf { .. } => 0,
            Insn::MovSx { .. } | Insn::Neg { .. } => 1,
            Insn::Swap { .. } => 2,
            Insn::LoadSx { .. } | Insn::LoadAcquire { .. } => 3,
            Insn::StoreRelease { .. } => 3,
            Insn::AddrSpaceCast { .. } => 8,
            Insn::JumpReg { .. } => 0,
            Insn::LoadImm { .. } => 4,
            Insn::LoadAbs { .. } | Insn::LoadInd { .. } => 8 + EXIT,
            Insn::Exit => EXIT,
            Insn::Atomic { .. } => 10,
            Insn::Jump { .. }
            | Insn::JumpLong { .. }
            | Insn::Static { .. }
            | Insn::StaticLong { .. } => 1,
            Insn::MayGoto { .. } => 5,
            // Two addresses, and what a tail call restores.
            Insn::Call(_) => 8 + 4 + EXIT,
        }
    }
}

/// Most instructions of an exit.
const EXIT: u32 = 10;

/// By operation, in bytes: with a number, and with a register.
const ALU: [[u8; 2]; 16] = {
    let mut all = [[3 * 4, 4]; 16];
    all[AluOp::Mod as usize] = [4 * 4, 4 * 4];
    all[AluOp::SMod as usize] = [4 * 4, 4 * 4];
    all
};
