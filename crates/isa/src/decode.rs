//! From slots to instructions.

use crate::table::{self, ALU, ATOMIC, COND, SIZE, SWAP, X, class, jump, mode};
use crate::{
    AddrCast, AluOp, Call, ImmSrc, Insn, RawInsn, Reg, Size, Src, StaticBranch, Swap, Width,
};

/// Why a slot is no instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are glossary terms")]
pub enum DecodeError {
    /// No instruction has this opcode.
    #[error("unknown opcode {code:#04x}")]
    Opcode { code: u8 },
    /// The opcode exists, but not with this value in this field.
    #[error("opcode {code:#04x} does not take {value:#x} in field {field}")]
    Field { code: u8, field: &'static str, value: i32 },
    /// Registers end at r10.
    #[error("register r{reg} in field {field}, the last is r10")]
    Register { field: &'static str, reg: u8 },
    /// `lddw` in the last slot.
    #[error("lddw needs a second slot")]
    Truncated,
    /// The slot after `lddw` is not all zero but for `imm`.
    #[error("second slot of lddw has {field} = {value:#x}, must be 0")]
    SecondSlot { field: &'static str, value: i32 },
}

/// A slot with its checks as methods.
#[derive(Clone, Copy)]
struct Slot(RawInsn);

impl Slot {
    const fn bad(self, field: &'static str, value: i32) -> DecodeError {
        DecodeError::Field { code: self.0.code, field, value }
    }

    fn dst(self) -> Result<Reg, DecodeError> {
        let reg = self.0.dst();
        Reg::new(reg).ok_or(DecodeError::Register { field: "dst", reg })
    }

    fn src(self) -> Result<Reg, DecodeError> {
        let reg = self.0.src();
        Reg::new(reg).ok_or(DecodeError::Register { field: "src", reg })
    }

    fn no_dst(self) -> Result<(), DecodeError> {
        zero(i32::from(self.0.dst())).map_err(|v| self.bad("dst", v))
    }

    fn no_src(self) -> Result<(), DecodeError> {
        zero(i32::from(self.0.src())).map_err(|v| self.bad("src", v))
    }

    fn no_off(self) -> Result<(), DecodeError> {
        zero(i32::from(self.0.off)).map_err(|v| self.bad("off", v))
    }

    fn no_imm(self) -> Result<(), DecodeError> {
        zero(self.0.imm).map_err(|v| self.bad("imm", v))
    }

    /// The second operand by the X bit; the field it does not use must be zero.
    fn operand(self) -> Result<Src, DecodeError> {
        if self.0.code & X != 0 {
            self.no_imm()?;
            Ok(Src::Reg(self.src()?))
        } else {
            self.no_src()?;
            Ok(Src::Imm(self.0.imm))
        }
    }

    const fn unknown(self) -> DecodeError {
        DecodeError::Opcode { code: self.0.code }
    }
}

const fn zero(value: i32) -> Result<(), i32> {
    if value == 0 { Ok(()) } else { Err(value) }
}

fn size(code: u8) -> Size {
    // Two bits, four rows: the search always ends.
    SIZE.iter().find(|row| row.code == code & 0x18).map_or(Size::W, |row| row.size)
}

impl Insn {
    /// Decodes one instruction; `next` is the following slot, which only `lddw` looks at.
    ///
    /// Accepts exactly the encodings that RFC 9669 and Linux define: an unused field that is not
    /// zero is an error, so that a future meaning of that field cannot be mistaken for today's.
    ///
    /// # Errors
    /// [`DecodeError`], naming the field.
    pub fn decode(raw: RawInsn, next: Option<RawInsn>) -> Result<Self, DecodeError> {
        let slot = Slot(raw);
        match raw.code & 7 {
            class::ALU => alu(slot, Width::W32),
            class::ALU64 => alu(slot, Width::W64),
            class::JMP => jmp(slot, Width::W64),
            class::JMP32 => jmp(slot, Width::W32),
            class::LD => ld(slot, next),
            class::LDX => ldx(slot),
            class::ST => st(slot),
            _ => stx(slot),
        }
    }
}

fn alu(slot: Slot, width: Width) -> Result<Insn, DecodeError> {
    let raw = slot.0;
    let op = raw.code & 0xf0;
    if op == table::NEG {
        if raw.code & X != 0 {
            return Err(slot.unknown());
        }
        slot.no_src()?;
        slot.no_off()?;
        slot.no_imm()?;
        return Ok(Insn::Neg { width, dst: slot.dst()? });
    }
    if let Some(row) = SWAP.iter().find(|row| row.code == raw.code) {
        return swap(slot, row.kind);
    }
    if !ALU.iter().any(|row| row.code == op) {
        return Err(slot.unknown());
    }
    if op == AluOp::Mov.row().code && raw.code & X != 0 && raw.off != 0 {
        return mov_off(slot, width);
    }
    let row = ALU
        .iter()
        .find(|row| row.code == op && row.off == raw.off)
        .ok_or_else(|| slot.bad("off", raw.off.into()))?;
    Ok(Insn::Alu { width, op: row.op, dst: slot.dst()?, src: slot.operand()? })
}

fn swap(slot: Slot, kind: Swap) -> Result<Insn, DecodeError> {
    slot.no_src()?;
    slot.no_off()?;
    let size = match slot.0.imm {
        16 => Size::H,
        32 => Size::W,
        64 => Size::Dw,
        imm => return Err(slot.bad("imm", imm)),
    };
    Ok(Insn::Swap { kind, size, dst: slot.dst()? })
}

/// Moves whose `off` says what kind of move.
fn mov_off(slot: Slot, width: Width) -> Result<Insn, DecodeError> {
    let (dst, src) = (slot.dst()?, slot.src()?);
    if width == Width::W64 && slot.0.off == 1 {
        let cast = match slot.0.imm {
            1 => AddrCast::ToKernel,
            0x10000 => AddrCast::ToUser,
            imm => return Err(slot.bad("imm", imm)),
        };
        return Ok(Insn::AddrSpaceCast { cast, dst, src });
    }
    let from = match (slot.0.off, width) {
        (8, _) => Size::B,
        (16, _) => Size::H,
        (32, Width::W64) => Size::W,
        (off, _) => return Err(slot.bad("off", off.into())),
    };
    slot.no_imm()?;
    Ok(Insn::MovSx { width, from, dst, src })
}

fn jmp(slot: Slot, width: Width) -> Result<Insn, DecodeError> {
    let raw = slot.0;
    let op = raw.code & 0xf0;
    if let Some(row) = COND.iter().find(|row| row.code == op) {
        let (dst, src) = (slot.dst()?, slot.operand()?);
        return Ok(Insn::JumpIf { width, op: row.op, dst, src, off: raw.off });
    }
    match (op, raw.code & X != 0, width) {
        (jump::JA, false, _) => ja(slot, width),
        (jump::JA, true, Width::W64) => {
            slot.no_src()?;
            slot.no_off()?;
            slot.no_imm()?;
            Ok(Insn::JumpReg { dst: slot.dst()? })
        }
        (jump::CALL, false, Width::W64) => call(slot),
        (jump::CALL, true, Width::W64) => {
            slot.no_src()?;
            slot.no_off()?;
            slot.no_imm()?;
            Ok(Insn::Call(Call::Reg(slot.dst()?)))
        }
        (jump::EXIT, false, Width::W64) => {
            slot.no_dst()?;
            slot.no_src()?;
            slot.no_off()?;
            slot.no_imm()?;
            Ok(Insn::Exit)
        }
        (jump::JCOND, false, Width::W64) => {
            slot.no_dst()?;
            slot.no_src()?;
            slot.no_imm()?;
            Ok(Insn::MayGoto { off: raw.off })
        }
        _ => Err(slot.unknown()),
    }
}

fn ja(slot: Slot, width: Width) -> Result<Insn, DecodeError> {
    slot.no_dst()?;
    let branch = match slot.0.src() {
        0 => None,
        1 => Some(StaticBranch::Goto),
        3 => Some(StaticBranch::Nop),
        src => return Err(slot.bad("src", src.into())),
    };
    Ok(if width == Width::W64 {
        slot.no_imm()?;
        let off = slot.0.off;
        branch.map_or(Insn::Jump { off }, |branch| Insn::Static { branch, off })
    } else {
        slot.no_off()?;
        let off = slot.0.imm;
        branch.map_or(Insn::JumpLong { off }, |branch| Insn::StaticLong { branch, off })
    })
}

fn call(slot: Slot) -> Result<Insn, DecodeError> {
    slot.no_dst()?;
    let imm = slot.0.imm;
    Ok(Insn::Call(match slot.0.src() {
        0 => {
            slot.no_off()?;
            Call::Helper(imm)
        }
        1 => {
            slot.no_off()?;
            Call::Local(imm)
        }
        2 => Call::Kfunc { id: imm, module: slot.0.off },
        src => return Err(slot.bad("src", src.into())),
    }))
}

fn ld(slot: Slot, next: Option<RawInsn>) -> Result<Insn, DecodeError> {
    let raw = slot.0;
    match (raw.code & 0xe0, size(raw.code)) {
        (mode::IMM, Size::Dw) => lddw(slot, next),
        (mode::ABS, size) if size != Size::Dw => {
            slot.no_dst()?;
            slot.no_src()?;
            slot.no_off()?;
            Ok(Insn::LoadAbs { size, imm: raw.imm })
        }
        (mode::IND, size) if size != Size::Dw => {
            slot.no_dst()?;
            slot.no_off()?;
            Ok(Insn::LoadInd { size, src: slot.src()?, imm: raw.imm })
        }
        _ => Err(slot.unknown()),
    }
}

fn lddw(slot: Slot, next: Option<RawInsn>) -> Result<Insn, DecodeError> {
    let next = next.ok_or(DecodeError::Truncated)?;
    for (field, value) in
        [("code", next.code.into()), ("regs", next.regs.into()), ("off", i32::from(next.off))]
    {
        zero(value).map_err(|value| DecodeError::SecondSlot { field, value })?;
    }
    slot.no_off()?;
    let dst = slot.dst()?;
    let no_second = |imm| match zero(next.imm) {
        Ok(()) => Ok(imm),
        Err(value) => Err(DecodeError::SecondSlot { field: "imm", value }),
    };
    let (imm, at) = (slot.0.imm, next.imm);
    let imm = match slot.0.src() {
        0 => ImmSrc::Value(u64::from(imm.cast_unsigned()) | u64::from(at.cast_unsigned()) << 32),
        1 => no_second(ImmSrc::MapFd(imm))?,
        2 => ImmSrc::MapValue { fd: imm, at },
        3 => ImmSrc::BtfId { id: imm, fd: at },
        4 => no_second(ImmSrc::Func(imm))?,
        5 => no_second(ImmSrc::MapIdx(imm))?,
        6 => ImmSrc::MapIdxValue { idx: imm, at },
        src => return Err(slot.bad("src", src.into())),
    };
    Ok(Insn::LoadImm { dst, imm })
}

fn ldx(slot: Slot) -> Result<Insn, DecodeError> {
    let raw = slot.0;
    let size = size(raw.code);
    let (dst, base, off) = (slot.dst(), slot.src(), raw.off);
    let insn = match raw.code & 0xe0 {
        mode::MEM => Insn::Load { size, dst: dst?, base: base?, off },
        mode::MEMSX if size != Size::Dw => Insn::LoadSx { size, dst: dst?, base: base?, off },
        _ => return Err(slot.unknown()),
    };
    slot.no_imm()?;
    Ok(insn)
}

fn st(slot: Slot) -> Result<Insn, DecodeError> {
    let raw = slot.0;
    if raw.code & 0xe0 != mode::MEM {
        return Err(slot.unknown());
    }
    slot.no_src()?;
    let src = Src::Imm(raw.imm);
    Ok(Insn::Store { size: size(raw.code), base: slot.dst()?, off: raw.off, src })
}

fn stx(slot: Slot) -> Result<Insn, DecodeError> {
    let raw = slot.0;
    let (size, off) = (size(raw.code), raw.off);
    match raw.code & 0xe0 {
        mode::MEM => {
            slot.no_imm()?;
            Ok(Insn::Store { size, base: slot.dst()?, off, src: Src::Reg(slot.src()?) })
        }
        mode::ATOMIC => match raw.imm {
            table::LOAD_ACQUIRE => {
                Ok(Insn::LoadAcquire { size, dst: slot.dst()?, base: slot.src()?, off })
            }
            table::STORE_RELEASE => {
                Ok(Insn::StoreRelease { size, base: slot.dst()?, off, src: slot.src()? })
            }
            imm if matches!(size, Size::W | Size::Dw) => {
                let row =
                    ATOMIC.iter().find(|row| row.imm == imm).ok_or_else(|| slot.bad("imm", imm))?;
                let (base, src) = (slot.dst()?, slot.src()?);
                Ok(Insn::Atomic { size, op: row.op, base, off, src })
            }
            imm => Err(slot.bad("imm", imm)),
        },
        _ => Err(slot.unknown()),
    }
}
