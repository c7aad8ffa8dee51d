//! Loops of one block whose accesses are checked before them.
//!
//! ```text
//! before:  for each access: the address, checked as ever; else one turn goes the slow way
//!          turns = the fewest that keep each access inside, and that instructions are left for, less one
//!          left -= instructions of all those turns
//!          what leads to the host, for the first two sums of registers that accesses go to
//! head:    the body, with no check; out if the condition says so (`turns.rs`, where a register tells the turns)
//!          goes back to the head while turns are left, then to before
//! out:     left += instructions of the turns that there were not
//! after:   what comes next, checks before another loop among it
//! slow:    the body, each access checked; goes back to before while the condition says so, then to after
//! ```
//!
//! Accesses to the same sum of registers must lie in the same part of memory, as one register leads all of them to the
//! host; else the slow way. Where two such registers are needed, the account waits in the environment.
//!
//! Every turn goes one way or the other as a whole, so that a fault is where it would be without. The slow way notes where
//! accesses go, and the next turn is quick.

use super::checked::{is_own_stack, word};
use super::mem::ADDR;
use super::{Compiler, env, regs};
use crate::code::Checked;
use crate::counted::{Counted, block};
use crate::env::{CHECKS, Check, Env};
use crate::meter::over;
use crate::shape::Target;
use crate::stride::{Strided, strided};
use crate::surroundings::Surroundings;
use alloc::vec::Vec;
use core::mem::offset_of;
use skep_isa::{Insn, Pc, Reg, Src};
use skep_x64::{Alu, Cond, Gpr, Label, Mem, MemSize, Reach, Shift, Unary, Width as Wide};

/// What is left of the instructions.
const METER: Gpr = Gpr::R9;
/// Turns that are left, less one.
const TURNS: Gpr = Gpr::R10;
const S: Gpr = Gpr::R11;
/// What leads to the host, for as many sums of registers. The second is the account's.
const HOSTS: [Gpr; 2] = [S, METER];
/// Instructions of a turn at most: there is code for each twice.
const MAX_INSNS: i32 = 96;
/// Turns at once where instructions are not counted.
const MOST: u64 = 1 << 16;

/// Such a loop.
#[derive(Clone, Debug)]
pub(super) struct Hoisted {
    head: Pc,
    /// The conditional jump.
    end: Pc,
    /// How far the jump goes that the conditional one leads over, if it does.
    over: Option<i32>,
    /// Instructions of a turn.
    insns: i32,
    accesses: Vec<Strided>,
    /// Number of the first access's check.
    first: usize,
    before: Label,
    slow: Label,
    /// Behind the loop, before anything that belongs to what comes next.
    after: Label,
    /// What tells the turns, if anything does but a count of them.
    told: Option<Counted>,
}

impl Hoisted {
    /// The number of the check of an access.
    pub(super) fn number(&self, pc: Pc) -> Option<usize> {
        self.accesses.iter().position(|access| access.pc == pc).map(|at| self.first + at)
    }

    /// The check of the first access that goes to a sum of the same registers.
    fn leader(&self, access: &Strided) -> Option<usize> {
        let at = self.accesses.iter().position(|first| first.regs == access.regs);
        at.map(|at| self.first + at)
    }

    /// Numbers of the checks of which each is the first of its sum of registers.
    fn leaders(&self) -> impl Iterator<Item = usize> {
        let numbered = self.accesses.iter().zip(self.first..);
        numbered.filter(|&(access, n)| self.leader(access) == Some(n)).map(|(_, n)| n)
    }

    /// Whether what leads to the host stays in registers.
    fn keeps_hosts(&self) -> bool {
        self.leaders().nth(HOSTS.len()).is_none()
    }

    /// Whether the account's register is among them.
    fn takes_meter(&self) -> bool {
        self.keeps_hosts() && self.leaders().nth(1).is_some()
    }

    /// Which of them an access goes by.
    fn host(&self, pc: Pc) -> Option<Gpr> {
        let access = self.accesses.iter().find(|access| access.pc == pc)?;
        let leader = self.leader(access)?;
        let at = self.leaders().position(|n| n == leader)?;
        HOSTS.get(at).copied().filter(|_| self.keeps_hosts())
    }
}

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    /// What comes before such a loop, if one starts here.
    pub(super) fn begin_hoisted(&mut self, head: Pc) {
        let Some(loop_) = self.hoisted_at(head) else { return };
        if self.meter.is_some() {
            let ask = self.asm.label();
            self.asm.bind(loop_.before);
            self.asm.test(Wide::W64, METER, METER);
            self.asm.jcc(Cond::S, ask, Reach::Long);
            if let Some(meter) = &mut self.meter {
                meter.asks.push((ask, loop_.before, head));
            }
            self.asm.mov(Wide::W64, TURNS, METER);
            let log = loop_.insns.unsigned_abs().next_power_of_two().trailing_zeros();
            self.asm.shift_imm(Shift::Shr, Wide::W64, TURNS, small(log));
        } else {
            self.asm.bind(loop_.before);
            self.asm.mov_imm(TURNS, MOST - 1);
        }
        for (access, number) in loop_.accesses.iter().zip(loop_.first..) {
            self.limit_turns(access, number, loop_.slow);
            if let Some(leader) =
                loop_.leader(access).filter(|&n| n != number && loop_.keeps_hosts())
            {
                self.lead_to_host(S, leader);
                let own = word(number, offset_of!(Check, to_host));
                self.asm.alu_load(Alu::Cmp, Wide::W64, S, own);
                self.asm.jcc(Cond::Ne, loop_.slow, Reach::Long);
            }
        }
        if let Some(told) = loop_.told {
            self.find_last(&told);
            self.turns = Some((told, loop_.before));
        } else if self.meter.is_some() {
            self.asm.imul_imm(Wide::W64, S, TURNS, loop_.insns);
            self.asm.alu_imm(Alu::Add, Wide::W64, S, loop_.insns);
            self.asm.alu(Alu::Sub, Wide::W64, METER, S);
        }
        if loop_.takes_meter() {
            self.save_meter();
        }
        if loop_.keeps_hosts() {
            for (host, leader) in HOSTS.into_iter().zip(loop_.leaders()) {
                self.lead_to_host(host, leader);
            }
        }
        if let Some(checks) = &mut self.checks {
            let all = loop_.accesses.iter();
            let all =
                all.map(|&Strided { pc, size, .. }| Checked { pc, bytes: size.bytes().into() });
            checks.pcs.extend(all);
            checks.quick = Some(loop_);
        }
    }

    fn hoisted_at(&mut self, head: Pc) -> Option<Hoisted> {
        let first = self.checks.as_ref()?.pcs.len();
        let is_head = self.shape.is_target.get(head.index()) == Some(&Target::Loop);
        if !is_head || self.shape.sources.get(head.index()) != Some(&1) || self.keys.is_some() {
            return None;
        }
        let (end, count) = block(self.insns, self.shape, head, MAX_INSNS)?;
        let &Insn::JumpIf { off, .. } = self.insns.get(end)? else { return None };
        let over = over(self.insns, &self.shape.is_target, end);
        let to = over.map_or(end.jump(off.into()), |off| Pc(end.0 + 1).jump(off));
        if to != Some(head) {
            return None;
        }
        let mut body = Vec::new();
        let mut pc = head;
        while pc < end {
            let insn = *self.insns.get(pc)?;
            body.push((pc, insn));
            pc = Pc(pc.0 + insn.slots());
        }
        let bmi2 = self.features.bmi2;
        let names_frame = |insn: &Insn| matches!(insn, Insn::Store { src: Src::Reg(Reg::FP), .. });
        let is_simple = |insn: &Insn| {
            let is_ordered = matches!(
                insn,
                Insn::Atomic { .. } | Insn::LoadAcquire { .. } | Insn::StoreRelease { .. }
            );
            super::turns::is_simple(insn, bmi2)
                && !is_ordered
                && !names_frame(insn)
                && (!is_of_frame(insn) || is_own_stack(insn))
        };
        let accesses = strided(&body, is_own_stack)?;
        let is_worth_it = self.meter.is_some() || !accesses.is_empty();
        let fits = first + accesses.len() < CHECKS / 2 && is_worth_it;
        if !fits || !body.iter().all(|(_, insn)| is_simple(insn)) {
            return None;
        }
        let insns = count + i32::from(over.is_some());
        let [before, slow, after] = core::array::from_fn(|_| self.asm.label());
        let told = Counted::at((self.insns, self.shape), self.outside, head, is_simple);
        Some(Hoisted { head, end, over, insns, accesses, first, before, slow, after, told })
    }

    /// Checks an access as it is in the next turn, and has no more turns than it stays inside for.
    fn limit_turns(&mut self, access: &Strided, number: usize, slow: Label) {
        self.address_of(access);
        let limit = word(number, offset_of!(Check, limit));
        self.asm.alu_load(Alu::Sub, Wide::W64, ADDR, word(number, offset_of!(Check, lo)));
        self.asm.alu_load(Alu::Cmp, Wide::W64, ADDR, limit);
        self.asm.jcc(Cond::Ae, slow, Reach::Long);
        if access.stride == 0 {
            return;
        }
        if access.stride > 0 {
            // What lies behind it: limit - 1 - address.
            self.asm.unary(Unary::Not, Wide::W64, ADDR);
            self.asm.alu_load(Alu::Add, Wide::W64, ADDR, limit);
        }
        // Too few turns are no mistake.
        let log = access.stride.unsigned_abs().next_power_of_two().trailing_zeros();
        self.asm.shift_imm(Shift::Shr, Wide::W64, ADDR, small(log));
        self.asm.alu(Alu::Cmp, Wide::W64, ADDR, TURNS);
        self.asm.cmov(Cond::B, Wide::W64, TURNS, ADDR);
    }

    /// The address of an access, as the program sees it.
    fn address_of(&mut self, access: &Strided) {
        let [a, b] = access.regs.map(|reg| reg.map(regs::of));
        match (a, b) {
            (Some(a), Some(b)) => {
                self.asm.lea(Wide::W64, ADDR, Mem::new(a, access.off).with_index(b, 0));
            }
            (Some(a), None) => self.asm.lea(Wide::W64, ADDR, Mem::new(a, access.off)),
            _ => self.asm.mov_imm(ADDR, i64::from(access.off).cast_unsigned()),
        }
        for _ in access.regs.iter().filter(|&&reg| reg == Some(Reg::FP)) {
            self.asm.alu_load(Alu::Add, Wide::W64, ADDR, env(offset_of!(Env, to_region)));
        }
    }

    /// The conditional jump of such a loop, if this is one; how many slots that were.
    pub(super) fn end_hoisted(&mut self, pc: Pc) -> Option<u32> {
        let quick = &mut self.checks.as_mut()?.quick;
        let loop_ = quick.take_if(|quick| quick.end == pc)?;
        let (takes_meter, after) = (loop_.takes_meter(), loop_.after);
        if let Some(told) = loop_.told {
            self.checks.as_mut()?.hoisted.push(loop_);
            let &Insn::JumpIf { off, .. } = self.insns.get(told.end)? else { return None };
            let slots = self.end_turns(pc, off.into(), takes_meter);
            self.asm.bind(after);
            return slots;
        }
        let goes_on = self.goes_on(&loop_)?;
        let out = self.asm.label();
        self.asm.jcc(goes_on.not(), out, Reach::Short);
        self.asm.alu_imm(Alu::Sub, Wide::W64, TURNS, 1);
        self.asm.jcc(Cond::Ae, Label(loop_.head.0), Reach::Long);
        if takes_meter {
            self.load_meter();
        }
        self.asm.jmp(loop_.before, Reach::Long);
        self.asm.bind(out);
        if takes_meter {
            self.load_meter();
        }
        if self.meter.is_some() {
            self.asm.imul_imm(Wide::W64, S, TURNS, loop_.insns);
            self.asm.alu(Alu::Add, Wide::W64, METER, S);
        }
        let slots = if loop_.over.is_some() { 2 } else { 1 };
        if loop_.over.is_some() {
            self.give_back();
        }
        self.asm.bind(after);
        self.checks.as_mut()?.hoisted.push(loop_);
        Some(slots)
    }

    /// Compares; the condition on which the loop goes on.
    fn goes_on(&mut self, loop_: &Hoisted) -> Option<Cond> {
        let &Insn::JumpIf { width, op, dst, src, .. } = self.insns.get(loop_.end)? else {
            return None;
        };
        let holds = self.compare(width, op, dst, src);
        Some(if loop_.over.is_some() { holds.not() } else { holds })
    }

    /// Whether the loop at hand is one whose turns are counted at once.
    pub(super) fn is_hoisted(&self) -> bool {
        self.checks.as_ref().is_some_and(|checks| checks.quick.is_some())
    }

    /// The slow ways, behind the program.
    pub(super) fn add_slow(&mut self) {
        let Some(checks) = &mut self.checks else { return };
        for loop_ in core::mem::take(&mut checks.hoisted) {
            self.asm.bind(loop_.slow);
            if let Some(checks) = &mut self.checks {
                checks.slow = Some(loop_.clone());
            }
            let mut pc = loop_.head;
            while pc < loop_.end {
                let Some(insn) = self.insns.get(pc) else { break };
                // Nothing in the body is refused, as it has been compiled once.
                pc = Pc(pc.0 + self.insn(pc, insn).unwrap_or(1));
            }
            if self.meter.is_some() {
                self.asm.alu_imm(Alu::Sub, Wide::W64, METER, loop_.insns);
            }
            if let Some(goes_on) = self.goes_on(&loop_) {
                self.asm.jcc(goes_on, loop_.before, Reach::Long);
            }
            if loop_.over.is_some() {
                self.give_back();
            }
            self.asm.jmp(loop_.after, Reach::Long);
        }
        if let Some(checks) = &mut self.checks {
            checks.slow = None;
        }
    }

    /// The register that leads to the host from an access that has been checked before the loop.
    pub(super) fn checked_before(&mut self, pc: Pc) -> Option<Gpr> {
        let quick = self.checks.as_ref()?.quick.as_ref()?;
        let number = quick.number(pc)?;
        Some(quick.host(pc).unwrap_or_else(|| {
            self.lead_to_host(S, number);
            S
        }))
    }

    pub(super) fn lead_to_host(&mut self, dst: Gpr, number: usize) {
        self.asm.load(MemSize::B8, dst, word(number, offset_of!(Check, to_host)));
    }
}

/// Whether it is an access by r10. Those beyond the own stack are the environment's, which keeps no register of a loop.
const fn is_of_frame(insn: &Insn) -> bool {
    matches!(
        insn,
        Insn::Load { base: Reg::FP, .. }
            | Insn::LoadSx { base: Reg::FP, .. }
            | Insn::Store { base: Reg::FP, .. }
    )
}

/// A count of bits.
#[expect(clippy::cast_possible_truncation, reason = "less than 64")]
const fn small(bits: u32) -> u8 {
    bits as u8
}
