//! Jumps.
//!
//! A jump ahead is short if the most bytes that can be between are few enough; one back is as short as can
//! be. A conditional jump over a jump becomes one jump on the opposite condition: compilers end loops so.

use super::{Compiler, regs};
use crate::surroundings::Surroundings;
use skep_isa::{CondOp, Pc, Reg, Src, StaticBranch, Width};
use skep_x64::{Alu, Cond, Gpr, Label, Mem, Reach, Width as Wide};

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    /// The target of a jump and how far it is, seen from behind slot `from`.
    #[inline]
    pub(super) fn target(&self, pc: Pc, off: i32) -> (Label, Reach) {
        // The first pass has seen that it is there.
        let to = pc.jump(off).unwrap_or_default();
        let bytes = self.shape.between(Pc(pc.0 + 1), to);
        (Label(to.0), if bytes <= 127 { Reach::Short } else { Reach::Long })
    }

    pub(super) fn jump(&mut self, pc: Pc, off: i32) {
        if !self.ahead().is_next(pc, off) {
            let (label, reach) = self.target(pc, off);
            self.asm.jmp(label, reach);
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
        if let Some(slots) = self.end_turns(pc, off.into(), false) {
            return slots;
        }
        let cond = self.compare(width, op, dst, src);
        if let Some((next, over)) = self.ahead().jump_over(pc, off) {
            let (label, reach) = self.target(next, over);
            self.asm.jcc(cond.not(), label, reach);
            self.give_back();
            return 2;
        }
        let (label, reach) = self.target(pc, off.into());
        self.asm.jcc(cond, label, reach);
        1
    }

    /// Sets the flags, and says by which condition the comparison holds.
    #[inline]
    pub(super) fn compare(&mut self, width: Width, op: CondOp, dst: Reg, src: Src) -> Cond {
        let (reg, wide) = (regs::of(dst), regs::width(width));
        match (op, src) {
            (CondOp::Set, Src::Reg(src)) => self.asm.test(wide, reg, regs::of(src)),
            // The same flags in fewer bytes.
            (op, Src::Imm(0)) if op != CondOp::Set => self.asm.test(wide, reg, reg),
            (op, Src::Imm(imm)) => match (op, self.blinded(wide, imm)) {
                (CondOp::Set, Some(other)) => self.asm.test(wide, reg, other),
                (CondOp::Set, None) => self.asm.test_imm(wide, reg, imm),
                (_, Some(other)) => self.asm.alu(Alu::Cmp, wide, reg, other),
                (_, None) => self.asm.alu_imm(Alu::Cmp, wide, reg, imm),
            },
            (_, Src::Reg(src)) => self.asm.alu(Alu::Cmp, wide, reg, regs::of(src)),
        }
        match op {
            CondOp::Eq => Cond::E,
            CondOp::Ne | CondOp::Set => Cond::Ne,
            CondOp::Gt => Cond::A,
            CondOp::Ge => Cond::Ae,
            CondOp::Lt => Cond::B,
            CondOp::Le => Cond::Be,
            CondOp::SGt => Cond::G,
            CondOp::SGe => Cond::Ge,
            CondOp::SLt => Cond::L,
            CondOp::SLe => Cond::Le,
        }
    }

    /// Jumps once the function's count, which lies on the host's stack, has become 0; it stays there.
    pub(super) fn may_goto(&mut self, pc: Pc, off: i16) {
        let (label, reach) = self.target(pc, off.into());
        let count = Mem::new(Gpr::Rsp, 0);
        self.asm.load(skep_x64::MemSize::B4, Gpr::R11, count);
        self.asm.alu_imm(Alu::Sub, Wide::W32, Gpr::R11, 1);
        self.asm.jcc(Cond::B, label, reach);
        self.asm.store(skep_x64::MemSize::B4, count, Gpr::R11);
    }
}
