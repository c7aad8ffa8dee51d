//! From instructions to slots.

use crate::table::{self, IMM_SRC, X, class, jump, mode};
use crate::{AddrCast, AluOp, Call, ImmSrc, Insn, RawInsn, Reg, Src, StaticBranch, Width};

impl Insn {
    /// The slot of this instruction, and the second one of `lddw`.
    #[must_use]
    pub fn encode(&self) -> (RawInsn, Option<RawInsn>) {
        if let Self::LoadImm { dst, imm } = *self {
            let (first, second) = lddw(dst, imm);
            return (first, Some(second));
        }
        (self.encode_one(), None)
    }

    fn encode_one(&self) -> RawInsn {
        match *self {
            Self::Alu { width, op, dst, src } => {
                let row = op.row();
                with_src(alu(width) | row.code, dst, src, row.off)
            }
            Self::MovSx { width, from, dst, src } => {
                let code = alu(width) | AluOp::Mov.row().code | X;
                raw(code, dst.num(), src.num(), from.bits().into(), 0)
            }
            Self::Neg { width, dst } => raw(alu(width) | table::NEG, dst.num(), 0, 0, 0),
            Self::Swap { kind, size, dst } => {
                raw(kind.row().code, dst.num(), 0, 0, size.bits().into())
            }
            Self::AddrSpaceCast { cast, dst, src } => {
                let imm = match cast {
                    AddrCast::ToKernel => 1,
                    AddrCast::ToUser => 0x10000,
                };
                raw(class::ALU64 | AluOp::Mov.row().code | X, dst.num(), src.num(), 1, imm)
            }
            Self::LoadImm { dst, imm } => lddw(dst, imm).0,
            Self::LoadAbs { size, imm } => {
                raw(class::LD | mode::ABS | size.row().code, 0, 0, 0, imm)
            }
            Self::LoadInd { size, src, imm } => {
                raw(class::LD | mode::IND | size.row().code, 0, src.num(), 0, imm)
            }
            Self::Load { size, dst, base, off } => {
                raw(class::LDX | mode::MEM | size.row().code, dst.num(), base.num(), off, 0)
            }
            Self::LoadSx { size, dst, base, off } => {
                raw(class::LDX | mode::MEMSX | size.row().code, dst.num(), base.num(), off, 0)
            }
            Self::Store { size, base, off, src: Src::Reg(src) } => {
                raw(class::STX | mode::MEM | size.row().code, base.num(), src.num(), off, 0)
            }
            Self::Store { size, base, off, src: Src::Imm(imm) } => {
                raw(class::ST | mode::MEM | size.row().code, base.num(), 0, off, imm)
            }
            Self::Atomic { size, op, base, off, src } => {
                let code = class::STX | mode::ATOMIC | size.row().code;
                raw(code, base.num(), src.num(), off, op.row().imm)
            }
            Self::LoadAcquire { size, dst, base, off } => {
                let code = class::STX | mode::ATOMIC | size.row().code;
                raw(code, dst.num(), base.num(), off, table::LOAD_ACQUIRE)
            }
            Self::StoreRelease { size, base, off, src } => {
                let code = class::STX | mode::ATOMIC | size.row().code;
                raw(code, base.num(), src.num(), off, table::STORE_RELEASE)
            }
            Self::JumpIf { width, op, dst, src, off } => {
                with_src(jmp(width) | op.row().code, dst, src, off)
            }
            Self::Jump { off } => raw(class::JMP | jump::JA, 0, 0, off, 0),
            Self::JumpLong { off } => raw(class::JMP32 | jump::JA, 0, 0, 0, off),
            Self::JumpReg { dst } => raw(class::JMP | jump::JA | X, dst.num(), 0, 0, 0),
            Self::MayGoto { off } => raw(class::JMP | jump::JCOND, 0, 0, off, 0),
            Self::Static { branch, off } => raw(class::JMP | jump::JA, 0, stat(branch), off, 0),
            Self::StaticLong { branch, off } => {
                raw(class::JMP32 | jump::JA, 0, stat(branch), 0, off)
            }
            Self::Call(call) => match call {
                Call::Helper(id) => raw(class::JMP | jump::CALL, 0, 0, 0, id),
                Call::Local(off) => raw(class::JMP | jump::CALL, 0, 1, 0, off),
                Call::Kfunc { id, module } => raw(class::JMP | jump::CALL, 0, 2, module, id),
                Call::Reg(reg) => raw(class::JMP | jump::CALL | X, reg.num(), 0, 0, 0),
            },
            Self::Exit => raw(class::JMP | jump::EXIT, 0, 0, 0, 0),
        }
    }
}

const fn raw(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> RawInsn {
    RawInsn::new(code, dst, src, off, imm)
}

fn with_src(code: u8, dst: Reg, src: Src, off: i16) -> RawInsn {
    match src {
        Src::Reg(src) => raw(code | X, dst.num(), src.num(), off, 0),
        Src::Imm(imm) => raw(code, dst.num(), 0, off, imm),
    }
}

const fn alu(width: Width) -> u8 {
    match width {
        Width::W32 => class::ALU,
        Width::W64 => class::ALU64,
    }
}

const fn jmp(width: Width) -> u8 {
    match width {
        Width::W32 => class::JMP32,
        Width::W64 => class::JMP,
    }
}

const fn stat(branch: StaticBranch) -> u8 {
    match branch {
        StaticBranch::Goto => 1,
        StaticBranch::Nop => 3,
    }
}

fn lddw(dst: Reg, imm: ImmSrc) -> (RawInsn, RawInsn) {
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of a 64-bit number")]
    let (row, low, high) = match imm {
        ImmSrc::Value(v) => (0, (v as u32).cast_signed(), ((v >> 32) as u32).cast_signed()),
        ImmSrc::MapFd(fd) => (1, fd, 0),
        ImmSrc::MapValue { fd, at } => (2, fd, at),
        ImmSrc::BtfId { id, fd } => (3, id, fd),
        ImmSrc::Func(off) => (4, off, 0),
        ImmSrc::MapIdx(idx) => (5, idx, 0),
        ImmSrc::MapIdxValue { idx, at } => (6, idx, at),
    };
    let code = class::LD | mode::IMM | crate::Size::Dw.row().code;
    (raw(code, dst.num(), IMM_SRC[row].0, 0, low), raw(0, 0, 0, 0, high))
}
