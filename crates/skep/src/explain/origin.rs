//! Where a value comes from, on the way that led to a refusal.
//!
//! The way is walked backwards. A value is followed through copies, spills, fills and calls of the
//! program's own functions; what bounded it and what made it is told, and what was known and got lost.

use skep_isa::{AluOp, Call, Insn, Pc, Reg, Size, Src};
use skep_prog::Prog;
use skep_verifier::{Base, RegState, Slot, Step};

/// Something that happened to the value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    /// It got its value; of a computation with what was there before.
    Made { pc: Pc, value: RegState, was: Option<RegState> },
    /// A comparison bounded it.
    Bounded { pc: Pc, value: RegState },
    /// It was added to a pointer.
    Added { pc: Pc, to: RegState, value: RegState },
    /// It was multiplied by a constant; the value is the one before.
    Scaled { pc: Pc, by: i64, value: RegState },
    /// A call, which it was given to, made it something else.
    Turned { pc: Pc, value: RegState },
    /// A call left nothing in it.
    Clobbered { pc: Pc },
    /// A call made a pointer to the packet a number, for the packet may lie elsewhere now.
    Moved { pc: Pc },
    /// A call ended what the pointer led to: it was released, or belonged to what was.
    Ended { pc: Pc },
    /// No more than bytes was kept on the stack of the value.
    Blurred { pc: Pc, value: RegState },
    /// A store or a call wrote over a part of where the value was kept on the stack.
    Overwritten { pc: Pc, value: RegState },
    /// Another part was read of what was kept on the stack than was kept.
    Cut { pc: Pc, value: RegState, was: RegState },
    /// It is the n-th argument, from 1, of the function that begins there.
    Param { start: Pc, n: usize, value: RegState },
    /// A function that calls back gave it to the program's function.
    Given { pc: Pc, value: RegState },
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
    /// Bytes that were read from the stack where no register is kept: what wrote them is looked for.
    torn: Option<(i64, i64)>,
}

/// What happened to the register before the last step, the last first: at most four events.
pub(super) fn origin_of(steps: &[Step], reg: Reg, prog: &Prog) -> Vec<Origin> {
    let Some(last) = steps.last() else { return Vec::new() };
    let at = At::Reg(usize::from(reg.num()));
    let mut walk =
        Walk { steps, prog, found: Vec::new(), frame: last.frame, at, bounded: false, torn: None };
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
        let Some(first) = self.steps.first() else { return };
        let Some(value) = self.value(first) else { return };
        match self.at {
            _ if value.ty.base == Base::NotInit => self.found.push(Origin::NeverWritten),
            At::Reg(n @ 1..=5) if first.pc != Pc(0) => {
                self.found.push(Origin::Param { start: first.pc, n, value });
            }
            _ => {}
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
        if let At::Slot(slot) = self.at
            && let Some(value) = self.overwritten(before, after, slot)
        {
            self.found.push(Origin::Overwritten { pc, value });
            self.torn = None;
            return false;
        }
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
            Insn::Call(_) | Insn::LoadAbs { .. } | Insn::LoadInd { .. } => self.call(pc, was, is),
            Insn::Store { src, base, off, size }
                if self.slot_of(before, base, off) == Some(self.at)
                    && self.is_wanted(before, base, off, size) =>
            {
                let At::Slot(slot) = self.at else { return true };
                let kept = after.stack.get(slot).is_some_and(Slot::is_spilled);
                match src {
                    Src::Reg(src) => {
                        let value = before.regs[usize::from(src.num())];
                        if !kept && loses(&value, &RegState::UNKNOWN) {
                            self.found.push(Origin::Blurred { pc, value });
                        }
                        self.torn = None;
                        self.at = At::Reg(usize::from(src.num()));
                        false
                    }
                    Src::Imm(_) => {
                        let value = is.filter(|_| kept).unwrap_or(RegState::UNKNOWN);
                        self.found.push(Origin::Made { pc, value, was: None });
                        true
                    }
                }
            }
            _ if self.torn.is_some() => false,
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
                    self.found.push(Origin::Made { pc, value, was: Some(was) });
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
            Insn::Load { base, off, size, .. } | Insn::LoadSx { base, off, size, .. } => {
                if let Some(At::Slot(slot)) = self.slot_of(before, base, off) {
                    self.at = At::Slot(slot);
                    match before.stack.get(slot).filter(|slot| slot.is_spilled()) {
                        Some(kept) if loses(&kept.reg, &value) => {
                            self.found.push(Origin::Cut { pc, value, was: kept.reg });
                        }
                        Some(_) => {}
                        None => {
                            self.found.push(Origin::Made { pc, value, was: None });
                            self.torn = self.bytes(&self.steps[i], base, off, size);
                        }
                    }
                    return false;
                }
                self.found.push(Origin::Made { pc, value, was: None });
                if let Some(pc) = self.earlier(i, base, off) {
                    self.found.push(Origin::Reread { pc });
                }
                true
            }
            Insn::Alu { dst, .. } | Insn::Swap { dst, .. } => {
                let was = before.regs[usize::from(dst.num())];
                let has_lost = was.is_scalar() && value.is_scalar() && loses(&was, &value);
                self.found.push(Origin::Made { pc, value, was: has_lost.then_some(was) });
                // What was known before is told, too: it is what was lost.
                self.bounded = false;
                !has_lost
            }
            _ => {
                self.found.push(Origin::Made { pc, value, was: None });
                true
            }
        }
    }

    /// A call of a helper, a kernel function, or one that was not followed.
    fn call(&mut self, pc: Pc, was: Option<RegState>, is: Option<RegState>) -> bool {
        let (Some(was), Some(is)) = (was, is) else { return false };
        if matches!(self.at, At::Reg(1..=5)) && is.ty.base == Base::NotInit {
            self.found.push(Origin::Clobbered { pc });
            return true;
        }
        if was == is && self.at != At::Reg(0) {
            return false;
        }
        if was.ty.is_packet() && is.is_scalar() && self.at != At::Reg(0) {
            self.found.push(Origin::Moved { pc });
            return true;
        }
        match self.at {
            At::Reg(0) => self.found.push(Origin::Made { pc, value: is, was: None }),
            At::Reg(6..) | At::Slot { .. } if !was.is_scalar() && is.is_scalar() => {
                self.found.push(Origin::Ended { pc });
            }
            _ if was.ty == is.ty => return false,
            _ => self.found.push(Origin::Turned { pc, value: is }),
        }
        true
    }

    /// A function of the program began.
    fn enter(&mut self, before: &Step, after: &Step) -> bool {
        if after.frame != self.frame {
            return false;
        }
        let is_own =
            |step: &Step| matches!(self.prog.insns.get(step.pc), Some(Insn::Call(Call::Local(_))));
        match self.at {
            At::Reg(1..=5) if is_own(before) => {
                self.frame = before.frame;
                false
            }
            At::Reg(1..=5) => {
                let value = self.value(after).unwrap_or(RegState::NOT_INIT);
                self.found.push(Origin::Given { pc: before.pc, value });
                true
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
                let pc = self.call_before(before).map_or(before.pc, |step| step.pc);
                self.found.push(Origin::Clobbered { pc });
                true
            }
            At::Slot(slot) => {
                // What was called may have a pointer to it.
                let call = self.call_before(before).cloned();
                if let Some(call) = call
                    && let Some(value) = self.overwritten(&call, after, slot)
                {
                    self.found.push(Origin::Overwritten { pc: call.pc, value });
                    self.torn = None;
                }
                false
            }
            At::Reg(_) => false,
        }
    }

    /// The last step in the frame before this one of a deeper frame.
    fn call_before(&self, returns: &Step) -> Option<&Step> {
        let at = self.steps.iter().rposition(|step| std::ptr::eq(step, returns))?;
        self.steps[..at].iter().rev().find(|step| step.frame == self.frame)
    }

    /// What was kept in a slot and is not any more.
    fn overwritten(&self, before: &Step, after: &Step, slot: usize) -> Option<RegState> {
        let kept = before.stack.get(slot).filter(|kept| kept.is_spilled())?;
        let whole = after.stack.get(slot).is_some_and(Slot::is_spilled);
        (!whole).then_some(kept.reg)
    }

    /// The slot of this frame that an access through `base` reaches.
    fn slot_of(&self, step: &Step, base: Reg, off: i16) -> Option<At> {
        let at = self.stack_at(step, base, off)?;
        usize::try_from((-at).checked_sub(1)? / 8).ok().filter(|_| at < 0).map(At::Slot)
    }

    /// The byte of this frame's stack that an access through `base` begins at.
    fn stack_at(&self, step: &Step, base: Reg, off: i16) -> Option<i64> {
        let reg = step.regs[usize::from(base.num())];
        if reg.ty.base != Base::Stack || reg.frame != self.frame {
            return None;
        }
        let var = reg.num.is_const()?.cast_signed();
        i64::from(reg.off).checked_add(var)?.checked_add(i64::from(off))
    }

    /// The bytes of this frame's stack that an access through `base` reaches.
    fn bytes(&self, step: &Step, base: Reg, off: i16, size: Size) -> Option<(i64, i64)> {
        let at = self.stack_at(step, base, off)?;
        Some((at, at.checked_add(i64::from(size.bytes()))?))
    }

    /// Whether a store reaches what is looked for.
    fn is_wanted(&self, step: &Step, base: Reg, off: i16, size: Size) -> bool {
        match (self.torn, self.bytes(step, base, off, size)) {
            (Some((start, end)), Some((from, to))) => from < end && start < to,
            _ => true,
        }
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

/// Whether less is known of a value than of the one that it was made of.
fn loses(was: &RegState, is: &RegState) -> bool {
    let width = |reg: &RegState| i128::from(reg.num.smax) - i128::from(reg.num.smin);
    was.ty.base != Base::NotInit
        && (was.is_scalar() != is.is_scalar()
            || is.is_scalar() && width(is) > width(was).saturating_mul(16).max(255))
}

/// The register that an instruction writes, if it writes one.
fn written(insn: &Insn) -> Option<usize> {
    insn.writes().map(|reg| usize::from(reg.num()))
}
