//! Several instructions in one op.
//!
//! Dispatch is most of an interpreter's time, and compilers write the same short sequences over and
//! over: copy and change, add and load, step and compare. Where such a sequence starts, its first op is
//! replaced by one that does the work of all and skips the rest. The ops it skips stay where they are,
//! so that a jump into the middle finds them, and so that distances still count instructions.
//!
//! Overlapping sequences compete; from the end backwards, each op takes the choice with the fewest
//! dispatches to the end of the program.

use crate::code::{Op, OpCode as O};
use alloc::vec::Vec;
use skep_isa::{AluOp, Insn, Insns, Src, Width};

/// Register numbers from 11 exist in the interpreter but in no program.
const SCRATCH: u8 = 255;

/// Replaces the first op of each sequence; `ops` are those of `insns`, one by one.
pub(crate) fn fuse(ops: &mut [Op], insns: &Insns) {
    let insns: Vec<Insn> = insns.iter().map(|(_, insn)| insn).collect();
    let plain = ops.to_vec();
    // Dispatches from each op to the end, if control went straight on.
    let mut dispatches = alloc::vec![0u32; ops.len() + 1];
    for at in (0..ops.len()).rev() {
        let (insns, plain) = (&insns[at..], &plain[at..]);
        let cost = |len: usize| dispatches.get(at + len).copied().unwrap_or_default() + 1;
        let choices =
            [shift(insns), add_load(insns), step(insns, plain), copy(insns), moved(insns)];
        let best = choices.into_iter().flatten().min_by_key(|&(_, len)| cost(len));
        match best {
            Some((op, len)) if cost(len) <= cost(1) => {
                ops[at] = op;
                dispatches[at] = cost(len);
            }
            _ => dispatches[at] = cost(1),
        }
    }
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
    if changed != dst || operand == Src::Reg(dst) || cut {
        return None;
    }
    let (third, imm) = match operand {
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
    if stored != size || value != reg || to == reg {
        return None;
    }
    let code = [O::Copy8, O::Copy16, O::Copy32, O::Copy64][size as usize];
    let imm = pack(reg.num().into(), to_off.into());
    Some((Op { code, dst: to.num(), src: from.num(), third: 0, off: off.into(), imm }, 2))
}

/// `dst += k; if reg op k goto a; goto b`: the step or the last jump may be missing, not both.
fn step(insns: &[Insn], plain: &[Op]) -> Fused {
    let (stepped, cond) = match *insns.first()? {
        Insn::Alu { width: Width::W64, op: AluOp::Add, dst, src: Src::Imm(by) } => {
            (Some((dst, by)), 1)
        }
        _ => (None, 0),
    };
    let Insn::JumpIf { width: Width::W64, op, dst: reg, src: Src::Imm(imm), .. } =
        *insns.get(cond)?
    else {
        return None;
    };
    let taken = i16::try_from(plain.get(cond)?.off).ok()?;
    let other = match insns.get(cond + 1) {
        Some(Insn::Jump { .. }) => plain.get(cond + 1).and_then(|op| i16::try_from(op.off).ok()),
        _ => None,
    };
    if stepped.is_none() && other.is_none() {
        return None;
    }
    let (dst, by) = stepped.map_or((SCRATCH, 0), |(dst, by)| (dst.num(), by));
    let off = i32::from(taken) & 0xffff | i32::from(other.unwrap_or(0)) << 16;
    let third = u8::from(other.is_some()) | u8::from(stepped.is_some()) << 1;
    let op = Op { code: O::step(op), dst, src: reg.num(), third, off, imm: pack(by, imm) };
    Some((op, usize::from(stepped.is_some()) + 1 + usize::from(other.is_some())))
}
