//! Jumps.
//!
//! A jump ahead is short if the most bytes that can be between are few enough; one back is as short as can
//! be. A conditional jump over a jump becomes one jump on the opposite condition: compilers end loops so.

use super::{Compiler, regs};
use crate::shape::Target;
use crate::surroundings::Surroundings;
use skep_isa::{CondOp, Pc, Reg, Src, StaticBranch, Width};
use skep_x64::{Alu, Cond, Gpr, Label, Mem, Reach, Width as Wide};

/// Conditions by the comparison that has set the flags.
const COND: [Cond; 11] = {
    let mut all = [Cond::E; 11];
    all[CondOp::Ne as usize] = Cond::Ne;
    all[CondOp::Set as usize] = Cond::Ne;
    all[CondOp::Gt as usize] = Cond::A;
    all[CondOp::Ge as usize] = Cond::Ae;
    all[CondOp::Lt as usize] = Cond::B;
    all[CondOp::Le as usize] = Cond::Be;
    all[CondOp::SGt as usize] = Cond::G;
    all[CondOp::SGe as usize] = Cond::Ge;
    all[CondOp::SLt as usize] = Cond::L;
    all[CondOp::SLe as usize] = Cond::Le;
    all
};

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    /// The target of a jump and how far it is, seen from behind slot `from`.
    #[inline]
    pub(super) fn target(&self, pc: Pc, off: i32) -> (Label, Reach) {
        self.target_past(pc, off, 0)
    }

    /// The same for a jump that so many bytes of its own slot lie behind.
    #[inline]
    fn target_past(&self, pc: Pc, off: i32, own: u32) -> (Label, Reach) {
        // The first pass has seen that it is there.
        let to = pc.jump(off).unwrap_or_default();
        let is_near = off >= 0 && self.shape.between(Pc(pc.0 + 1), to) <= 127 - own;
        (Label(to.0), if is_near { Reach::Short } else { Reach::Long })
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
        if self.is_hoisted()
            && let Some(slots) = self.end_hoisted(pc)
        {
            return slots;
        }
        if self.turns.is_some()
            && let Some(slots) = self.end_turns(pc, off.into(), false)
        {
            return slots;
        }
        let cond = match (op, src) {
            (CondOp::Eq, Src::Imm(0)) if self.is_computed(pc, width, dst) => Cond::E,
            (CondOp::Ne, Src::Imm(0)) if self.is_computed(pc, width, dst) => Cond::Ne,
            _ => self.compare(width, op, dst, src),
        };
        if let Some((next, over)) = self.ahead().jump_over(pc, off) {
            let (label, reach) = self.target(next, over);
            self.asm.jcc(cond.not(), label, reach);
            self.give_back();
            return 2;
        }
        let (label, reach) = match self.way(pc) {
            Some(label) => (label, Reach::Long),
            None => self.target(pc, off.into()),
        };
        self.asm.jcc(cond, label, reach);
        1
    }

    /// Whether the instruction before, from which alone control comes, has left flags that tell if the register is 0.
    fn is_computed(&self, pc: Pc, width: Width, reg: Reg) -> bool {
        self.flags == (pc, self.asm.here(), regs::of(reg), regs::width(width))
            && self.shape.is_target.get(pc.index()) == Some(&Target::No)
    }

    /// Sets the flags, and says by which condition the comparison holds.
    #[inline(always)]
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
        COND[op as usize]
    }

    /// Jumps once the function's count, which lies on the host's stack, has become 0; it stays there.
    pub(super) fn may_goto(&mut self, pc: Pc, off: i16) {
        // Of the store.
        const OWN: u32 = 4;
        let (label, reach) = self.target_past(pc, off.into(), OWN);
        let count = Mem::new(Gpr::Rsp, 0);
        self.asm.load(skep_x64::MemSize::B4, Gpr::R11, count);
        self.asm.alu_imm(Alu::Sub, Wide::W32, Gpr::R11, 1);
        self.asm.jcc(Cond::B, label, reach);
        self.asm.store(skep_x64::MemSize::B4, count, Gpr::R11);
    }
}
