//! Several instructions in one op.
//!
//! Dispatch is most of an interpreter's time, and compilers write the same short sequences over and
//! over: copy and change, add and load, step and compare. Where such a sequence starts, its first op is
//! replaced by one that does the work of all and skips the rest. The ops it skips stay where they are,
//! so that a jump into the middle finds them, and so that distances still count instructions.
//!
//! A jump over one move, as compilers write a choice between two values, becomes a choice without a
//! branch, which no processor can mispredict.
//!
//! Overlapping sequences compete; from the end backwards, each op takes the choice with the fewest
//! dispatches to the end of the program.

use crate::code::{Op, OpCode as O};
use alloc::vec::Vec;
use skep_isa::{AluOp, Insn, Insns, Reg, Src, Width};

/// A register that takes what nobody wants. Numbers from 11 exist in the interpreter but in no program.
const SCRATCH: u8 = 255;
/// A register that stays zero.
const ZERO: u8 = 254;

/// The ops with the first one of each sequence replaced; `plain` are those of `insns`, one by one.
pub(crate) fn fuse(plain: &[Op], insns: &Insns) -> Vec<Op> {
    let insns: Vec<Insn> = insns.iter().map(|(_, insn)| insn).collect();
    let mut ops = plain.to_vec();
    // Dispatches from each op to the end, if control went straight on.
    let mut dispatches = alloc::vec![0u32; ops.len() + 1];
    for at in (0..ops.len()).rev() {
        let (insns, plain) = (&insns[at..], &plain[at..]);
        let cost = |len: usize| dispatches.get(at + len).copied().unwrap_or_default() + 1;
        let choices = [
            rotate(insns),
            shift(insns),
            index_load(insns),
            add_load(insns),
            copy(insns),
            moved(insns),
            add_add(insns),
        ];
        let steps = Step::ALL.map(|step| step.fuse(insns, plain, at));
        let choices = choices.into_iter().chain(steps).flatten();
        let best = choices.min_by_key(|&(_, len)| cost(len));
        match best {
            Some((op, len)) if cost(len) <= cost(1) => {
                ops[at] = op;
                dispatches[at] = cost(len);
            }
            _ => dispatches[at] = cost(1),
        }
    }
    ops
}

/// An op and the instructions it stands for.
type Fused = Option<(Op, usize)>;

const NONE: Op = Op { code: O::Nop, dst: 0, src: 0, third: 0, off: 0, imm: 0 };

/// Two 32-bit numbers in the immediate.
const fn pack(low: i32, high: i32) -> u64 {
    low.cast_unsigned() as u64 | (high.cast_unsigned() as u64) << 32
}

/// `dst = src; dst op= …` in one.
fn moved(insns: &[Insn]) -> Fused {
    let [
        Insn::Alu { width: copied, op: AluOp::Mov, dst, src: Src::Reg(src) },
        Insn::Alu { width, op, dst: changed, src: operand },
        ..,
    ] = *insns
    else {
        return None;
    };
    // A 32-bit operation looks at no more than a 32-bit copy has.
    let cut = copied == Width::W32 && width == Width::W64;
    if changed != dst || cut {
        return None;
    }
    let (third, imm) = match operand {
        Src::Reg(reg) if reg == dst => (src.num(), 0),
        Src::Reg(reg) => (reg.num(), 0),
        Src::Imm(imm) => (0, i64::from(imm).cast_unsigned()),
    };
    let code = O::moved(op, width == Width::W64, matches!(operand, Src::Imm(_)))?;
    Some((Op { code, dst: dst.num(), src: src.num(), third, off: 0, imm }, 2))
}

/// `dst <<= a; dst >>= b`, perhaps after a copy: zero or sign extension.
fn shift(insns: &[Insn]) -> Fused {
    let (from, insns) = match *insns {
        [
            Insn::Alu { width: Width::W64, op: AluOp::Mov, dst, src: Src::Reg(src) },
            ref rest @ ..,
        ] => (Some((dst, src)), rest),
        _ => (None, insns),
    };
    let shift = |insn| match insn {
        Insn::Alu { width: Width::W64, op, dst, src: Src::Imm(by) } => Some((op, dst, by)),
        _ => None,
    };
    let (AluOp::Lsh, dst, up) = shift(*insns.first()?)? else { return None };
    let (down_op, down_dst, down) = shift(*insns.get(1)?)?;
    let code = match down_op {
        AluOp::Rsh => O::ShiftUp,
        AluOp::Arsh => O::ShiftUpSigned,
        _ => return None,
    };
    if down_dst != dst || from.is_some_and(|(copy, _)| copy != dst) {
        return None;
    }
    let (src, third) = from.map_or((dst, 1), |(_, src)| (src, 2));
    let imm = pack(up & 63, down & 63);
    let op = Op { code, dst: dst.num(), src: src.num(), third, imm, ..NONE };
    Some((op, usize::from(third) + 1))
}

/// `dst += index; reg = *(dst + off)`, perhaps after a copy.
fn add_load(insns: &[Insn]) -> Fused {
    let (from, insns) = match *insns {
        [
            Insn::Alu { width: Width::W64, op: AluOp::Mov, dst, src: Src::Reg(src) },
            ref rest @ ..,
        ] => (Some((dst, src)), rest),
        _ => (None, insns),
    };
    let [
        Insn::Alu { width: Width::W64, op: AluOp::Add, dst, src: Src::Reg(index) },
        Insn::Load { size, dst: reg, base, off },
        ..,
    ] = *insns
    else {
        return None;
    };
    let copied = from.is_none_or(|(copy, _)| copy == dst && index != dst);
    if base != dst || !copied {
        return None;
    }
    let code = [O::AddLoad8, O::AddLoad16, O::AddLoad32, O::AddLoad64][size as usize];
    let (src, skip) = from.map_or((dst, 1), |(_, src)| (src, 2));
    let imm = pack(reg.num().into(), skip);
    let (dst, src, third) = (dst.num(), src.num(), index.num());
    let len = if skip == 2 { 3 } else { 2 };
    Some((Op { code, dst, src, third, off: off.into(), imm }, len))
}

/// `reg = *(src + off); *(dst + off) = reg` of one size.
fn copy(insns: &[Insn]) -> Fused {
    let [
        Insn::Load { size, dst: reg, base: from, off },
        Insn::Store { size: stored, base: to, off: to_off, src: Src::Reg(value) },
        ..,
    ] = *insns
    else {
        return None;
    };
    if stored != size || value != reg {
        return None;
    }
    let code = [O::Copy8, O::Copy16, O::Copy32, O::Copy64][size as usize];
    let imm = pack(reg.num().into(), to_off.into());
    Some((Op { code, dst: to.num(), src: from.num(), third: 0, off: off.into(), imm }, 2))
}

/// `t = src; t >>= a; dst = src; dst <<= b; dst |= t`, and the same with left and right exchanged:
/// the two halves of a rotation. The second copy is missing if it is `src` that changes.
fn rotate(insns: &[Insn]) -> Fused {
    let (width, AluOp::Mov, part, Src::Reg(src), insns) = alu(insns)? else { return None };
    let (_, first, _, Src::Imm(by), insns) = alu(insns).filter(|a| (a.0, a.2) == (width, part))?
    else {
        return None;
    };
    let (dst, insns, len) = match alu(insns)? {
        (w, AluOp::Mov, dst, Src::Reg(from), rest) if w == width && from == src => (dst, rest, 5),
        _ => (src, insns, 4),
    };
    let (_, second, _, Src::Imm(other), insns) =
        alu(insns).filter(|a| (a.0, a.2) == (width, dst))?
    else {
        return None;
    };
    let (_, AluOp::Or, _, joined, _) = alu(insns).filter(|a| (a.0, a.2) == (width, dst))? else {
        return None;
    };
    let wide = width == Width::W64;
    let (code, left, right) = match (first, second) {
        (AluOp::Rsh, AluOp::Lsh) if wide => (O::RightLeft64, other, by),
        (AluOp::Rsh, AluOp::Lsh) => (O::RightLeft32, other, by),
        (AluOp::Lsh, AluOp::Rsh) if wide => (O::LeftRight64, by, other),
        (AluOp::Lsh, AluOp::Rsh) => (O::LeftRight32, by, other),
        _ => return None,
    };
    if joined != Src::Reg(part) || part == src || part == dst {
        return None;
    }
    let mask = if wide { 63 } else { 31 };
    let imm = pack(left & mask, right & mask);
    let (dst, src, third) = (dst.num(), src.num(), part.num());
    Some((Op { code, dst, src, third, off: len - 1, imm }, usize::try_from(len).ok()?))
}

/// Splits an arithmetic instruction off.
fn alu(insns: &[Insn]) -> Option<(Width, AluOp, Reg, Src, &[Insn])> {
    let (&Insn::Alu { width, op, dst, src }, rest) = insns.split_first()? else { return None };
    Some((width, op, dst, src, rest))
}

/// `index = from; index <<= k; dst = base; dst += index; reg = *(dst + off)`; the first copy may be
/// missing.
fn index_load(insns: &[Insn]) -> Fused {
    let (from, shift, copied) = match alu(insns)? {
        (Width::W64, AluOp::Mov, index, Src::Reg(from), rest) => (Some((index, from)), rest, 1),
        _ => (None, insns, 0),
    };
    let (Width::W64, AluOp::Lsh, index, Src::Imm(by), rest) = alu(shift)? else { return None };
    let (load, len) = add_load(rest).filter(|&(op, len)| len == 3 && op.third == index.num())?;
    if from.is_some_and(|(copy, _)| copy != index) {
        return None;
    }
    let code = match load.code {
        O::AddLoad8 => O::IndexLoad8,
        O::AddLoad16 => O::IndexLoad16,
        O::AddLoad32 => O::IndexLoad32,
        _ => O::IndexLoad64,
    };
    let from = from.map_or(index, |(_, from)| from).num();
    let len = len + 1 + copied;
    let by = u8::try_from(by & 63).ok()?;
    let skip = u8::try_from(len).ok()? - 1;
    let imm = u32::from_le_bytes([load.imm.to_le_bytes()[0], from, by, skip]).into();
    Some((Op { code, imm, ..load }, len))
}

/// `dst += a; src += b`
fn add_add(insns: &[Insn]) -> Fused {
    let (Width::W64, AluOp::Add, dst, Src::Imm(a), rest) = alu(insns)? else { return None };
    let (Width::W64, AluOp::Add, src, Src::Imm(b), _) = alu(rest)? else { return None };
    let op = Op { code: O::AddAdd, dst: dst.num(), src: src.num(), imm: pack(a, b), ..NONE };
    Some((op, 2))
}

/// `dst = src + k`, in the instructions that come before a jump.
#[derive(Clone, Copy)]
enum Step {
    /// No instruction.
    Nothing,
    /// `dst += k`
    Add,
    /// `dst = src`
    Copy,
    /// `dst = src` on 32 bits
    CopyLow,
    /// `dst = k`
    Set,
    /// `dst = src; dst += k`
    CopyAdd,
}

impl Step {
    const ALL: [Self; 6] =
        [Self::Nothing, Self::Add, Self::Copy, Self::CopyLow, Self::Set, Self::CopyAdd];

    /// `dst`, `src`, `k` and the number of instructions; 3 for a single one on 32 bits.
    fn parse(self, insns: &[Insn]) -> Option<(u8, u8, i32, u8)> {
        if matches!(self, Self::Nothing) {
            return Some((SCRATCH, ZERO, 0, 0));
        }
        Some(match (self, alu(insns)?) {
            (Self::Add, (Width::W64, AluOp::Add, dst, Src::Imm(by), _)) => {
                (dst.num(), dst.num(), by, 1)
            }
            (Self::Copy, (Width::W64, AluOp::Mov, dst, Src::Reg(src), _)) => {
                (dst.num(), src.num(), 0, 1)
            }
            (Self::CopyLow, (Width::W32, AluOp::Mov, dst, Src::Reg(src), _)) => {
                (dst.num(), src.num(), 0, 3)
            }
            // What is not negative is the same in both widths.
            (Self::Set, (width, AluOp::Mov, dst, Src::Imm(value), _))
                if width == Width::W64 || value >= 0 =>
            {
                (dst.num(), ZERO, value, 1)
            }
            (Self::CopyAdd, (Width::W64, AluOp::Mov, dst, Src::Reg(src), rest)) => {
                match alu(rest)? {
                    (Width::W64, AluOp::Add, changed, Src::Imm(by), _) if changed == dst => {
                        (dst.num(), src.num(), by, 2)
                    }
                    _ => return None,
                }
            }
            _ => return None,
        })
    }

    /// The step, a conditional jump, and perhaps a jump or the one move it jumps over; or the step and
    /// a jump. `pos` is the index of the first op.
    ///
    /// In `third`: the register of the condition in bits 0 to 3, what `parse` says of the instructions of
    /// the step in bits 4 and 5, whether a jump follows in bit 6, or a move in bit 7. In `off`: the targets of both jumps;
    /// or the two registers of the move and what it adds.
    fn fuse(self, insns: &[Insn], plain: &[Op], pos: usize) -> Fused {
        let (dst, src, by, steps) = self.parse(insns)?;
        let at = if steps == 3 { 1 } else { usize::from(steps) };
        let jump = plain.get(at)?.off;
        let (width, op, reg, operand) = match *insns.get(at)? {
            Insn::JumpIf { width, op, dst, src, .. } => (width, op, dst, src),
            Insn::Jump { .. } if at > 0 => {
                let imm = pack(by, 0);
                let op = Op { code: O::StepJump, dst, src, third: steps, off: jump, imm };
                return Some((op, at + 1));
            }
            _ => return None,
        };
        let over = usize::try_from(jump).ok()? == pos + at + 2;
        let (off, tail) = match insns.get(at + 1..) {
            Some(tail) if over && let Some((dst, src, by)) = small_move(tail) => {
                (i32::from_le_bytes([dst, src, by.to_le_bytes()[0], by.to_le_bytes()[1]]), 2)
            }
            Some([Insn::Jump { .. }, ..]) => {
                let other = u16::try_from(plain.get(at + 1)?.off).ok()?;
                (i32::from(u16::try_from(jump).ok()?) | i32::from(other) << 16, 1)
            }
            _ => (u16::try_from(jump).ok()?.into(), 0),
        };
        let len = at + 1 + usize::from(tail != 0);
        if len == 1 {
            return None;
        }
        let (imm, k) = match operand {
            Src::Reg(reg) => (false, reg.num().into()),
            Src::Imm(k) => (true, k),
        };
        let third = reg.num() | steps << 4 | tail << 6;
        let code = O::step(op, width == Width::W64, imm);
        Some((Op { code, dst, src, third, off, imm: pack(by, k) }, len))
    }
}

/// `dst = src + k` in one copy.
fn small_move(insns: &[Insn]) -> Option<(u8, u8, i16)> {
    Some(match alu(insns)? {
        (Width::W64, AluOp::Mov, dst, Src::Reg(src), _) => (dst.num(), src.num(), 0),
        (width, AluOp::Mov, dst, Src::Imm(k), _) if width == Width::W64 || k >= 0 => {
            (dst.num(), ZERO, i16::try_from(k).ok()?)
        }
        _ => return None,
    })
}
