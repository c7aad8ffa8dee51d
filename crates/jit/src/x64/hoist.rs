//! Loops of one block whose accesses are checked before them: see `hoisted.rs`.
//!
//! Where two registers are needed for what leads to the host, the account waits in the environment.

use super::checked::word;
use super::mem::ADDR;
use super::{Compiler, env, regs};
use crate::code::Checked;
use crate::env::{Check, Env};
use crate::hoisted::{self, MOST};
use crate::stride::Strided;
use crate::surroundings::Surroundings;
use core::mem::offset_of;
use skep_isa::{Insn, Pc, Reg};
use skep_x64::{Alu, Cond, Gpr, Label, Mem, MemSize, Reach, Shift, Unary, Width as Wide};

/// What is left of the instructions.
const METER: Gpr = Gpr::R9;
/// Turns that are left, less one.
const TURNS: Gpr = Gpr::R10;
const S: Gpr = Gpr::R11;
/// What leads to the host, for as many sums of registers. The second is the account's.
const HOSTS: [Gpr; 2] = [S, METER];

type Hoisted = hoisted::Hoisted<Label>;

/// Whether the account's register leads to the host.
fn takes_meter(loop_: &Hoisted) -> bool {
    loop_.keeps_hosts(HOSTS.len()) && loop_.leaders().nth(1).is_some()
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
                loop_.leader(access).filter(|&n| n != number && loop_.keeps_hosts(HOSTS.len()))
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
        if takes_meter(&loop_) {
            self.save_meter();
        }
        if loop_.keeps_hosts(HOSTS.len()) {
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
        let bmi2 = self.features.bmi2;
        let is_simple = |insn: &Insn| super::turns::is_simple(insn, bmi2);
        let program = (self.insns, self.shape);
        Hoisted::at(program, self.outside, head, first, is_simple, || self.asm.label())
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
        let (takes_meter, after) = (takes_meter(&loop_), loop_.after);
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
        let slots = loop_.slots_of_end();
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
                pc = Pc(pc.0 + self.checked_insn(pc, insn).unwrap_or(1));
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
        let host = quick.host(pc, HOSTS.len()).and_then(|at| HOSTS.get(at).copied());
        Some(host.unwrap_or_else(|| {
            self.lead_to_host(S, number);
            S
        }))
    }

    pub(super) fn lead_to_host(&mut self, dst: Gpr, number: usize) {
        self.asm.load(MemSize::B8, dst, word(number, offset_of!(Check, to_host)));
    }
}

/// A count of bits.
#[expect(clippy::cast_possible_truncation, reason = "less than 64")]
const fn small(bits: u32) -> u8 {
    bits as u8
}
