//! Loops of one block whose accesses are checked before them: see `hoisted.rs`.

use super::checked::TO_HOST;
use super::mem::ADDR;
use super::regs::{METER, S0, S1, S2};
use super::turns::LAST;
use super::{Compiler, env, regs};
use crate::code::Checked;
use crate::env::Env;
use crate::hoisted::{self, MOST};
use crate::stride::Strided;
use crate::surroundings::Surroundings;
use core::mem::offset_of;
use skep_a64::{Add, Cond, Gpr, Label, MemSize, Reach, Shift, Width as Wide};
use skep_isa::{Insn, Pc, Reg};

/// Turns that are left, less one.
const TURNS: Gpr = LAST;
/// What leads to the host, for as many sums of registers.
const HOSTS: [Gpr; 3] = [Gpr::X13, Gpr::X14, Gpr::X15];

type Hoisted = hoisted::Hoisted<Label>;

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    /// What comes before such a loop, if one starts here.
    pub(super) fn begin_hoisted(&mut self, head: Pc) {
        let Some(loop_) = self.hoisted_at(head) else { return };
        if self.meter.is_some() {
            self.turns_left(loop_.before, head, loop_.insns);
        } else {
            self.asm.bind(loop_.before);
            self.asm.mov_imm(TURNS, MOST - 1);
        }
        let keeps_hosts = loop_.keeps_hosts(HOSTS.len());
        let slow = self.behind();
        for (access, number) in loop_.accesses.iter().zip(loop_.first..) {
            self.limit_turns(access, number, loop_.slow);
            if let Some(leader) = loop_.leader(access).filter(|&n| n != number && keeps_hosts) {
                self.lead_to_host(S0, leader);
                self.lead_to_host(S1, number);
                self.asm.cmp(Wide::W64, S0, S1);
                self.asm.b_cond(Cond::Ne, loop_.slow, slow);
            }
        }
        if let Some(told) = loop_.told {
            self.find_last(&told);
            self.turns = Some((told, loop_.before));
        } else if self.meter.is_some() {
            self.asm.mov_imm(S1, loop_.insns.unsigned_abs().into());
            self.asm.madd(Wide::W64, S0, TURNS, S1, S1);
            self.asm.add(Add::Sub, Wide::W64, METER, METER, S0);
        }
        if keeps_hosts {
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
        let program = (self.insns, self.shape);
        Hoisted::at(program, self.outside, head, first, |_| true, || self.asm.label())
    }

    /// Checks an access as it is in the next turn, and has no more turns than it stays inside for.
    fn limit_turns(&mut self, access: &Strided, number: usize, slow: Label) {
        self.address_of(access);
        self.check_address(number, ADDR, slow);
        if access.stride == 0 {
            return;
        }
        if access.stride > 0 {
            // What lies behind it: limit - 1 - address.
            self.asm.mvn(Wide::W64, S1, S1);
            self.asm.add(Add::Add, Wide::W64, S1, S1, S2);
        }
        // Too few turns are no mistake.
        #[expect(clippy::cast_possible_truncation, reason = "less than 64")]
        let log = access.stride.unsigned_abs().next_power_of_two().trailing_zeros() as u8;
        self.asm.shift_imm(Shift::Lsr, Wide::W64, S1, S1, log);
        self.asm.cmp(Wide::W64, S1, TURNS);
        self.asm.csel(Cond::Lo, Wide::W64, TURNS, S1, TURNS);
    }

    /// The address of an access, as the program sees it.
    fn address_of(&mut self, access: &Strided) {
        let mut at = None;
        for reg in access.regs.into_iter().flatten() {
            at = Some(match at {
                None => regs::of(reg),
                Some(first) => {
                    self.asm.add(Add::Add, Wide::W64, ADDR, first, regs::of(reg));
                    ADDR
                }
            });
        }
        match at {
            Some(at) => self.asm.add_imm(Wide::W64, ADDR, at, access.off.into()),
            None => self.asm.mov_imm(ADDR, i64::from(access.off).cast_unsigned()),
        }
        for _ in access.regs.iter().filter(|&&reg| reg == Some(Reg::FP)) {
            self.asm.load(MemSize::B8, S1, env(offset_of!(Env, to_region)));
            self.asm.add(Add::Add, Wide::W64, ADDR, ADDR, S1);
        }
    }

    /// The conditional jump of such a loop, if this is one; how many slots that were.
    pub(super) fn end_hoisted(&mut self, pc: Pc) -> Option<u32> {
        let quick = &mut self.checks.as_mut()?.quick;
        let loop_ = quick.take_if(|quick| quick.end == pc)?;
        let (after, slots) = (loop_.after, loop_.slots_of_end());
        if let Some(told) = loop_.told {
            self.checks.as_mut()?.hoisted.push(loop_);
            let &Insn::JumpIf { off, .. } = self.insns.get(told.end)? else { return None };
            let slots = self.end_turns(pc, off);
            self.asm.bind(after);
            return slots;
        }
        let goes_on = self.goes_on(&loop_)?;
        let out = self.asm.label();
        self.asm.b_cond(goes_on.not(), out, Reach::Near);
        self.asm.subs_imm(Wide::W64, TURNS, TURNS, 1);
        self.asm.b_cond(Cond::Hs, Label(loop_.head.0), Reach::Near);
        self.asm.b(loop_.before);
        self.asm.bind(out);
        if self.meter.is_some() {
            self.asm.mov_imm(S1, loop_.insns.unsigned_abs().into());
            self.asm.madd(Wide::W64, METER, TURNS, S1, METER);
        }
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
        let reach = self.behind();
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
                self.asm.subs_imm(Wide::W64, METER, METER, loop_.insns.unsigned_abs());
            }
            if let Some(goes_on) = self.goes_on(&loop_) {
                self.asm.b_cond(goes_on, loop_.before, reach);
            }
            if loop_.over.is_some() {
                self.give_back();
            }
            self.asm.b(loop_.after);
        }
        if let Some(checks) = &mut self.checks {
            checks.slow = None;
        }
    }

    /// The register that leads to the host from an access that has been checked before the loop.
    pub(super) fn checked_before(&mut self, pc: Pc) -> Option<Gpr> {
        let quick = self.checks.as_ref()?.quick.as_ref()?;
        let number = quick.number(pc)?;
        let host = quick.host(pc, HOSTS.len()).and_then(|at| HOSTS.get(at).copied());
        Some(host.unwrap_or_else(|| {
            self.lead_to_host(TO_HOST, number);
            TO_HOST
        }))
    }
}
