//! Where a value comes from, on the way that led to a refusal.
//!
//! The way is walked backwards. A value is followed through copies, spills, fills and calls of the
//! program's own functions; what bounded it and what made it is told, and what was known and got lost.

use skep_isa::{AluOp, Insn, Pc, Reg, Src};
use skep_prog::Prog;
use skep_verifier::{Base, RegState, Step};

/// Something that happened to the value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    /// It got its value.
    Made { pc: Pc, value: RegState },
    /// A comparison bounded it.
    Bounded { pc: Pc, value: RegState },
    /// It was added to a pointer.
    Added { pc: Pc, to: RegState, value: RegState },
    /// It was multiplied by a constant; the value is the one before.
    Scaled { pc: Pc, by: i64, value: RegState },
    /// A call left nothing in it.
    Clobbered { pc: Pc },
    /// A call made a pointer to the packet a number, for the packet may lie elsewhere now.
    Moved { pc: Pc },
    /// A call ended what the pointer led to: it was released, or belonged to what was.
    Ended { pc: Pc },
    /// Only a part of it, or no more than bytes, was kept on the stack.
    Blurred { pc: Pc },
    /// The same memory was read before, and that copy was compared.
    Reread { pc: Pc },
    /// The function began without it.
    NeverWritten,
}

/// Where a value is: a register or a slot of a frame's stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Reg(usize),
    Slot(usize),
}

struct Walk<'a> {
    steps: &'a [Step],
    prog: &'a Prog,
    found: Vec<Origin>,
    frame: u32,
    at: At,
    bounded: bool,
}

/// What happened to the register before the last step, the last first: at most four events.
pub(super) fn origin_of(steps: &[Step], reg: Reg, prog: &Prog) -> Vec<Origin> {
    let Some(last) = steps.last() else { return Vec::new() };
    let at = At::Reg(usize::from(reg.num()));
    let mut walk = Walk { steps, prog, found: Vec::new(), frame: last.frame, at, bounded: false };
    walk.back();
    walk.found.truncate(4);
    walk.found
}

impl Walk<'_> {
    fn back(&mut self) {
        for i in (0..self.steps.len().saturating_sub(1)).rev() {
            if self.step(i) {
                return;
            }
        }
        let start = self.steps.first().and_then(|step| self.value(step));
        if start.is_some_and(|value| value.ty.base == Base::NotInit) {
            self.found.push(Origin::NeverWritten);
        }
    }

    /// What is known of the value in this step.
    fn value(&self, step: &Step) -> Option<RegState> {
        if step.frame != self.frame {
            return None;
        }
        match self.at {
            At::Reg(reg) => step.regs.get(reg).copied(),
            At::Slot(slot) => step.stack.get(slot).map(|slot| slot.reg),
        }
    }

    /// Goes back over a step; whether the value was made there.
    fn step(&mut self, i: usize) -> bool {
        let (before, after) = (&self.steps[i], &self.steps[i + 1]);
        let Some(insn) = self.prog.insns.get(before.pc).copied() else { return true };
        if before.frame < after.frame {
            return self.enter(before, after);
        }
        if before.frame > after.frame {
            return self.leave(before, after);
        }
        if before.frame != self.frame {
            return false;
        }
        let is = self.value(after);
        let (was, pc) = (self.value(before), before.pc);
        match insn {
            Insn::JumpIf { .. } => {
                if let (Some(was), Some(is)) = (was, is) {
                    let same = was.ty == is.ty && was.num == is.num && was.extra == is.extra;
                    if !same && !self.bounded {
                        self.bounded = true;
                        self.found.push(Origin::Bounded { pc, value: is });
                    }
                }
                false
            }
            Insn::Call(_) => self.call(pc, was, is),
            Insn::Store { src: Src::Reg(src), base, off, .. }
                if self.slot_of(before, base, off) == Some(self.at) =>
            {
                if let At::Slot(slot) = self.at {
                    let kept = after.stack.get(slot).is_some_and(skep_verifier::Slot::is_spilled);
                    if !kept {
                        self.found.push(Origin::Blurred { pc });
                        return true;
                    }
                }
                self.at = At::Reg(usize::from(src.num()));
                false
            }
            _ if self.at == written(&insn).map_or(At::Slot(usize::MAX), At::Reg) => {
                self.made(i, &insn, is)
            }
            _ => false,
        }
    }

    /// The value was written into a register here.
    fn made(&mut self, i: usize, insn: &Insn, is: Option<RegState>) -> bool {
        let before = &self.steps[i];
        let pc = before.pc;
        let value = is.unwrap_or(RegState::NOT_INIT);
        match *insn {
            Insn::Alu { op: AluOp::Mov, src: Src::Reg(src), .. } => {
                let was = before.regs[usize::from(src.num())];
                if value.ty != was.ty {
                    self.found.push(Origin::Made { pc, value });
                    return true;
                }
                self.at = At::Reg(usize::from(src.num()));
                false
            }
            Insn::Alu { op: AluOp::Add, src: Src::Reg(src), dst, .. }
                if value.ty.base != Base::Scalar =>
            {
                let (a, b) =
                    (before.regs[usize::from(dst.num())], before.regs[usize::from(src.num())]);
                let (pointer, number, from) = if a.is_scalar() { (b, a, dst) } else { (a, b, src) };
                if number.num.is_const().is_some() {
                    self.at = At::Reg(usize::from(if a.is_scalar() { src } else { dst }.num()));
                    return false;
                }
                self.found.push(Origin::Added { pc, to: pointer, value: number });
                self.bounded = false;
                self.at = At::Reg(usize::from(from.num()));
                false
            }
            Insn::Alu { op: AluOp::Add | AluOp::Sub, src: Src::Imm(_), .. }
                if value.ty.base != Base::Scalar =>
            {
                false
            }
            // Lower halves are taken by shifting there and back.
            Insn::Alu { op: AluOp::Lsh | AluOp::Rsh | AluOp::Arsh, src: Src::Imm(32), .. } => false,
            Insn::Alu { op: op @ (AluOp::Lsh | AluOp::Mul), src: Src::Imm(by), dst, .. } => {
                let by = if op == AluOp::Mul { i64::from(by) } else { 1 << (by & 31) };
                let value = before.regs[usize::from(dst.num())];
                self.found.push(Origin::Scaled { pc, by, value });
                false
            }
            Insn::Load { base, off, .. } | Insn::LoadSx { base, off, .. } => {
                if let Some(At::Slot(slot)) = self.slot_of(before, base, off) {
                    let spilled = before.stack.get(slot).filter(|slot| slot.is_spilled());
                    self.at = At::Slot(slot);
                    if spilled.is_some() {
                        return false;
                    }
                }
                self.found.push(Origin::Made { pc, value });
                if let Some(pc) = self.earlier(i, base, off) {
                    self.found.push(Origin::Reread { pc });
                }
                true
            }
            _ => {
                self.found.push(Origin::Made { pc, value });
                true
            }
        }
    }

    /// A call of a helper, a kernel function, or one that was not followed.
    fn call(&mut self, pc: Pc, was: Option<RegState>, is: Option<RegState>) -> bool {
        let (Some(was), Some(is)) = (was, is) else { return false };
        if was == is && self.at != At::Reg(0) {
            return false;
        }
        if was.ty.is_packet() && is.is_scalar() && self.at != At::Reg(0) {
            self.found.push(Origin::Moved { pc });
            return true;
        }
        match self.at {
            At::Reg(0) => self.found.push(Origin::Made { pc, value: is }),
            At::Reg(6..) | At::Slot { .. } if !was.is_scalar() && is.is_scalar() => {
                self.found.push(Origin::Ended { pc });
            }
            At::Reg(1..=5) => self.found.push(Origin::Clobbered { pc }),
            _ if was.ty == is.ty => return false,
            _ => self.found.push(Origin::Made { pc, value: is }),
        }
        true
    }

    /// A function of the program began.
    fn enter(&mut self, before: &Step, after: &Step) -> bool {
        if after.frame != self.frame {
            return false;
        }
        match self.at {
            At::Reg(1..=5) => {
                self.frame = before.frame;
                false
            }
            _ => {
                self.found.push(Origin::NeverWritten);
                true
            }
        }
    }

    /// A function of the program returned.
    fn leave(&mut self, before: &Step, after: &Step) -> bool {
        if after.frame != self.frame {
            return false;
        }
        match self.at {
            At::Reg(0) => {
                self.frame = before.frame;
                false
            }
            At::Reg(1..=5) => {
                self.found.push(Origin::Clobbered { pc: before.pc });
                true
            }
            _ => false,
        }
    }

    /// The slot of this frame that an access through `base` reaches.
    fn slot_of(&self, step: &Step, base: Reg, off: i16) -> Option<At> {
        let reg = step.regs[usize::from(base.num())];
        if reg.ty.base != Base::Stack || reg.frame != self.frame {
            return None;
        }
        let var = reg.num.is_const()?.cast_signed();
        let at = i64::from(reg.off).checked_add(var)?.checked_add(i64::from(off))?;
        usize::try_from((-at).checked_sub(1)? / 8).ok().filter(|_| at < 0).map(At::Slot)
    }

    /// The comparison of what was read from the same memory before.
    fn earlier(&self, i: usize, base: Reg, off: i16) -> Option<Pc> {
        let here = self.steps[i].regs[usize::from(base.num())];
        let mut loaded: Option<usize> = None;
        let mut compared = None;
        for (before, after) in self.steps[..=i].iter().zip(&self.steps[1..]) {
            if before.frame != self.frame || after.pc == self.steps[i].pc {
                continue;
            }
            match self.prog.insns.get(before.pc).copied() {
                Some(Insn::Load { base: other, off: at, dst, .. }) => {
                    let there = before.regs[usize::from(other.num())];
                    let same = there.ty == here.ty
                        && (there.off, there.num, there.extra) == (here.off, here.num, here.extra);
                    if same && at == off {
                        loaded = Some(usize::from(dst.num()));
                    } else if loaded == Some(usize::from(dst.num())) {
                        loaded = None;
                    }
                }
                Some(Insn::JumpIf { dst, src, .. }) => {
                    let is = |reg: Reg| loaded == Some(usize::from(reg.num()));
                    if is(dst) || matches!(src, Src::Reg(src) if is(src)) {
                        compared = Some(before.pc);
                    }
                }
                Some(Insn::Call(_)) if loaded.is_some_and(|reg| reg < 6) => loaded = None,
                Some(insn) if written(&insn) == loaded && loaded.is_some() => loaded = None,
                _ => {}
            }
        }
        compared
    }
}

/// The register that an instruction writes, if it writes one.
fn written(insn: &Insn) -> Option<usize> {
    insn.writes().map(|reg| usize::from(reg.num()))
}
