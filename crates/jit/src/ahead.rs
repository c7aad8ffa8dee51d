//! What comes behind an instruction, and the groups of them that processors do at once.

use crate::shape::{Shape, Target};
use skep_isa::{AluOp, Insn, Insns, Pc, Reg, Size, Src, Width};

/// The instructions of a program, as far as control reaches them from those before them only.
#[derive(Clone, Copy)]
pub(crate) struct Ahead<'a> {
    pub(crate) insns: &'a Insns,
    pub(crate) shape: &'a Shape,
}

/// A load from what the addition before it has made, which it overwrites.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadOf {
    pub(crate) pc: Pc,
    pub(crate) size: Size,
    pub(crate) off: i16,
    pub(crate) signed: bool,
}

/// Two shifts and a union that rotate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rotation {
    /// What is rotated.
    pub(crate) from: Reg,
    /// What gets the result.
    pub(crate) result: Reg,
    /// The count of the rotation, to the right.
    pub(crate) right: u8,
    /// What gets the same shifted, which may be `from`, as may `result`.
    pub(crate) kept: Reg,
    /// Whether that is shifted to the left.
    pub(crate) left: bool,
    /// And by how much.
    pub(crate) count: u8,
    /// How many slots it takes.
    pub(crate) slots: u32,
}

impl<'a> Ahead<'a> {
    /// The instruction `n` slots on, if control comes to it from the one before only.
    #[inline]
    pub(crate) fn get(self, pc: Pc, n: u32) -> Option<&'a Insn> {
        let pc = Pc(pc.0.checked_add(n)?);
        let is_alone = self.shape.is_target.get(pc.index()) == Some(&Target::No);
        self.insns.get(pc).filter(|_| is_alone)
    }

    /// Whether a jump leads to where control comes next, as nothing lies between.
    #[inline]
    pub(crate) fn is_next(self, pc: Pc, off: i32) -> bool {
        let between = (1..).take(usize::try_from(off).unwrap_or(usize::MAX));
        off >= 0 && between.map(|n| Pc(pc.0 + n)).all(|pc| self.insns.get(pc).is_none())
    }

    /// The jump that a conditional jump leads over, and how far that goes.
    #[inline]
    pub(crate) fn jump_over(self, pc: Pc, off: i16) -> Option<(Pc, i32)> {
        if off != 1 {
            return None;
        }
        let next = Pc(pc.0 + 1);
        match self.get(pc, 1) {
            Some(&Insn::Jump { off }) => Some((next, off.into())),
            Some(&Insn::JumpLong { off }) => Some((next, off)),
            _ => None,
        }
    }

    /// The load behind an addition that made `sum`.
    #[inline]
    pub(crate) fn load_of(self, pc: Pc, sum: Reg) -> Option<LoadOf> {
        let at = Pc(pc.0 + 1);
        match self.get(pc, 1) {
            Some(&Insn::Load { size, dst, base, off }) if dst == sum && base == sum => {
                Some(LoadOf { pc: at, size, off, signed: false })
            }
            Some(&Insn::LoadSx { size, dst, base, off }) if dst == sum && base == sum => {
                Some(LoadOf { pc: at, size, off, signed: true })
            }
            _ => None,
        }
    }

    /// `t = x; t <<= k; x >>= w - k; x |= t`, also with a second copy, `u = x; u >>= w - k; u |= t`, and in either order of
    /// the shifts and of the last two registers; `pc` is that of the first copy.
    pub(crate) fn rotation(
        self,
        pc: Pc,
        width: Width,
        (copy, from): (Reg, Reg),
        op: AluOp,
        count: i32,
    ) -> Option<Rotation> {
        let alu = |n| match self.get(pc, n) {
            Some(&Insn::Alu { width: found, op, dst, src }) if found == width => {
                Some((op, dst, src))
            }
            _ => None,
        };
        let (second, at) = match alu(2)? {
            (AluOp::Mov, second, Src::Reg(of)) if of == from && second != copy => (second, 3),
            _ => (from, 2),
        };
        let (op2, shifted, Src::Imm(count2)) = alu(at)? else { return None };
        let (AluOp::Or, result, Src::Reg(with)) = alu(at + 1)? else { return None };
        let bits = width.bits().cast_signed();
        let is_opposite = matches!((op, op2), (AluOp::Lsh, AluOp::Rsh) | (AluOp::Rsh, AluOp::Lsh));
        let is_pair = (result, with) == (copy, second) || (result, with) == (second, copy);
        let is_whole = (1..bits).contains(&count) && count2 == bits - count;
        if !is_opposite || !is_pair || !is_whole || shifted != second {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 63")]
        let (count, count2) = (count as u8, count2 as u8);
        // Rotating right by the count of the shift to the right.
        let right = if op == AluOp::Rsh { count } else { count2 };
        let (kept, op, count) =
            if result == copy { (second, op2, count2) } else { (copy, op, count) };
        let left = op == AluOp::Lsh;
        Some(Rotation { from, result, right, kept, left, count, slots: at + 2 })
    }
}
