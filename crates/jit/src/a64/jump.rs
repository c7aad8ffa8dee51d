//! Jumps.
//!
//! A conditional jump over a jump becomes one jump on the opposite condition: compilers end loops so.

use super::alu::{Operand, number};
use super::regs::S0;
use super::{Compiler, regs};
use crate::surroundings::Surroundings;
use skep_a64::{Cond, Gpr, Label, Logic, Mem, MemSize, Reach, Width as Wide};
use skep_isa::{CondOp, Pc, Reg, Src, StaticBranch, Width};

/// A jump's target, and the most bytes that can be between.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) label: Label,
    most: u32,
}

impl Target {
    /// For a branch of so many bytes' reach, of which the instructions before it take some.
    const fn within(self, reach: u32) -> Reach {
        if self.most < reach - 64 { Reach::Near } else { Reach::Far }
    }

    pub(super) const fn near(self) -> Reach {
        self.within(1 << 20)
    }
}

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    /// The target of a jump, seen from behind slot `pc`.
    #[inline]
    pub(super) fn target(&self, pc: Pc, off: i32) -> Target {
        // The first pass has seen that it is there.
        let to = pc.jump(off).unwrap_or_default();
        Target { label: Label(to.0), most: self.shape.between(Pc(pc.0 + 1), to) }
    }

    pub(super) fn jump(&mut self, pc: Pc, off: i32) {
        if !self.ahead().is_next(pc, off) {
            let Target { label, .. } = self.target(pc, off);
            self.asm.b(label);
        }
    }

    pub(super) fn static_branch(&mut self, pc: Pc, branch: StaticBranch, off: i32) {
        if branch == StaticBranch::Goto {
            self.jump(pc, off);
        }
    }

    /// How many slots it took.
    #[inline]
    pub(super) fn jump_if(
        &mut self,
        pc: Pc,
        width: Width,
        op: CondOp,
        (dst, src): (Reg, Src),
        off: i16,
    ) -> u32 {
        if let Some(slots) = self.end_hoisted(pc) {
            return slots;
        }
        if let Some(slots) = self.end_turns(pc, off) {
            return slots;
        }
        let over = self.ahead().jump_over(pc, off);
        let (target, is_opposite, slots) = match over {
            Some((next, over)) => (self.target(next, over), true, 2),
            None => {
                let target = match self.way(pc) {
                    Some(label) => Target { label, most: self.most_behind() },
                    None => self.target(pc, off.into()),
                };
                (target, false, 1)
            }
        };
        if !self.jump_on_bits(width, op, (dst, src), target, is_opposite) {
            let cond = self.compare(width, op, dst, src);
            let cond = if is_opposite { cond.not() } else { cond };
            self.asm.b_cond(cond, target.label, target.near());
        }
        if slots == 2 {
            self.give_back();
        }
        slots
    }

    /// A jump that needs no comparison: on a register that is zero, or on one of its bits.
    fn jump_on_bits(
        &mut self,
        width: Width,
        op: CondOp,
        (dst, src): (Reg, Src),
        target: Target,
        is_opposite: bool,
    ) -> bool {
        let Src::Imm(imm) = src else { return false };
        let (reg, wide) = (regs::of(dst), regs::width(width));
        let sign = wide.bits() - 1;
        let (is_zero, bit) = match (op, imm) {
            (CondOp::Eq | CondOp::Le, 0) => (true, None),
            (CondOp::Ne | CondOp::Gt, 0) => (false, None),
            (CondOp::SLt, 0) => (false, Some(sign)),
            (CondOp::SGe, 0) => (true, Some(sign)),
            (CondOp::Set, imm) if number(width, imm).is_power_of_two() => {
                #[expect(clippy::cast_possible_truncation, reason = "less than 64")]
                let bit = number(width, imm).trailing_zeros() as u8;
                (false, Some(bit))
            }
            _ => return false,
        };
        let is_zero = is_zero != is_opposite;
        match bit {
            None => self.asm.cb(is_zero, wide, reg, target.label, target.near()),
            Some(bit) => {
                self.asm.tb(is_zero, reg, bit, target.label, target.within(1 << 15));
            }
        }
        true
    }

    /// Sets the flags, and says by which condition the comparison holds.
    #[inline]
    pub(super) fn compare(&mut self, width: Width, op: CondOp, dst: Reg, src: Src) -> Cond {
        let (reg, wide) = (regs::of(dst), regs::width(width));
        match (op, self.operand(width, None, src)) {
            (CondOp::Set, Operand::Register(src)) => {
                self.asm.logic(Logic::Ands, wide, Gpr::Zr, reg, src);
            }
            (CondOp::Set, Operand::Number(number)) => {
                self.asm.logic_imm(Logic::Ands, wide, Gpr::Zr, reg, number);
            }
            (_, Operand::Number(number)) => self.asm.cmp_imm(wide, reg, number.cast_signed()),
            (_, Operand::Register(src)) => self.asm.cmp(wide, reg, src),
        }
        match op {
            CondOp::Eq => Cond::Eq,
            CondOp::Ne | CondOp::Set => Cond::Ne,
            CondOp::Gt => Cond::Hi,
            CondOp::Ge => Cond::Hs,
            CondOp::Lt => Cond::Lo,
            CondOp::Le => Cond::Ls,
            CondOp::SGt => Cond::Gt,
            CondOp::SGe => Cond::Ge,
            CondOp::SLt => Cond::Lt,
            CondOp::SLe => Cond::Le,
        }
    }

    /// Jumps once the function's count, which lies on the host's stack, has become 0; it stays there.
    pub(super) fn may_goto(&mut self, pc: Pc, off: i16) {
        let target = self.target(pc, off.into());
        let count = Mem::sp(0);
        self.asm.load(MemSize::B4, S0, count);
        self.asm.cb(true, Wide::W32, S0, target.label, target.near());
        self.asm.add_imm(Wide::W32, S0, S0, -1);
        self.asm.store(MemSize::B4, S0, count);
    }
}
