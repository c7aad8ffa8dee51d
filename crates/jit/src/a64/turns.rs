//! Loops whose turns are told from a register, so that none of them costs an account.
//!
//! ```text
//! before:  turns = left / 2^n + 1, where a turn has no more than 2^n instructions
//!          last = register after so many turns, or the bound if it comes first
//! head:    the body; goes back to the head while the condition holds of register and last
//!          left -= instructions of a turn * (register - what it was before) / step
//!          goes back to before while the condition holds of register and bound
//! ```
//!
//! `x64/turns.rs` says why that is right. No instruction of such a loop has code that changes the registers here.

use super::regs::{METER, S0, S1};
use super::{Compiler, regs};
use crate::counted::Counted;
use crate::surroundings::Surroundings;
use skep_a64::{Add, Cond, Gpr, Shift, Width};
use skep_isa::{CondOp, Pc, Src};

/// Where a turn of the loop must end; before that is known, the turns that are left, less one.
pub(super) const LAST: Gpr = Gpr::X8;
/// What the register was before the loop.
const START: Gpr = Gpr::X17;

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    /// What comes before such a loop, if one starts here.
    pub(super) fn begin_turns(&mut self, head: Pc) {
        if self.meter.is_none() || self.keys.is_some() {
            return;
        }
        let found = Counted::at((self.insns, self.shape), self.outside, head, |_| true);
        let Some(turns) = found else { return };
        if let Some(all) = turns.all((self.insns, self.shape), head) {
            return self.count_all(head, turns.end, all);
        }
        let before = self.asm.label();
        self.turns_left(before, head, turns.insns);
        self.find_last(&turns);
        self.turns = Some((turns, before));
    }

    /// Turns, less one, that instructions are left for, or more of them where there are none.
    pub(super) fn turns_left(&mut self, before: skep_a64::Label, head: Pc, insns: i32) {
        let ask = self.asm.label();
        self.asm.bind(before);
        self.asm.cmp_imm(Width::W64, METER, 0);
        let reach = self.behind();
        self.asm.b_cond(Cond::Lt, ask, reach);
        if let Some(meter) = &mut self.meter {
            meter.asks.push((ask, before, head));
        }
        self.asm.shift_imm(Shift::Lsr, Width::W64, LAST, METER, log_of(insns));
    }

    /// From so many turns, less one, to where the last of them ends, or to the bound.
    pub(super) fn find_last(&mut self, turns: &Counted) {
        let (reg, wide) = (regs::of(turns.reg), regs::width(turns.width));
        self.asm.mov(Width::W64, START, reg);
        if turns.op == CondOp::Ne {
            self.turns_to_bound(turns);
            self.asm.cmp(wide, S0, LAST);
        }
        // Nothing of this changes the flags.
        if !turns.is_late() {
            self.asm.add_imm(Width::W64, LAST, LAST, 1);
        }
        if turns.log > 0 {
            self.asm.shift_imm(Shift::Lsl, Width::W64, LAST, LAST, turns.log);
        }
        let way = if turns.up { Add::Add } else { Add::Sub };
        self.asm.add(way, wide, LAST, reg, LAST);
        let bound = match turns.bound {
            Src::Reg(bound) => regs::of(bound),
            Src::Imm(imm) => {
                self.asm.mov_imm(S1, super::alu::number(turns.width, imm));
                S1
            }
        };
        let nearer = match turns.op {
            CondOp::Ne => Cond::Ls,
            op => {
                self.asm.cmp(wide, bound, LAST);
                cond(op)
            }
        };
        self.asm.csel(nearer, wide, LAST, bound, LAST);
    }

    /// The turns, less one, that the register takes to the bound; many if it never gets there.
    fn turns_to_bound(&mut self, turns: &Counted) {
        let (reg, wide) = (regs::of(turns.reg), regs::width(turns.width));
        let bound = match turns.bound {
            Src::Reg(bound) => regs::of(bound),
            Src::Imm(imm) => {
                self.asm.mov_imm(S0, super::alu::number(turns.width, imm));
                S0
            }
        };
        let (a, b) = if turns.up { (bound, reg) } else { (reg, bound) };
        self.asm.add(Add::Sub, wide, S0, a, b);
        // What is no multiple becomes large.
        if turns.log > 0 {
            self.asm.shift_imm(Shift::Ror, wide, S0, S0, turns.log);
        }
        if !turns.is_late() {
            self.asm.add_imm(wide, S0, S0, -1);
        }
    }

    /// The jump back of such a loop, and what comes behind it, if this is one; how many slots that were.
    pub(super) fn end_turns(&mut self, pc: Pc, off: i16) -> Option<u32> {
        let (turns, before) = self.turns.take_if(|(turns, _)| turns.end == pc)?;
        let (reg, wide) = (regs::of(turns.asked), regs::width(turns.width));
        let over = self.ahead().jump_over(pc, off);
        let (from, off) = over.unwrap_or((pc, off.into()));
        let head = self.target(from, off);
        self.asm.cmp(wide, reg, LAST);
        self.asm.b_cond(cond(turns.op), head.label, head.near());
        if self.meter.is_some() {
            self.count_turns(&turns);
        }
        let holds = self.compare(turns.width, turns.op, turns.asked, turns.bound);
        let reach = self.behind();
        self.asm.b_cond(holds, before, reach);
        if over.is_some() {
            self.give_back();
            return Some(2);
        }
        Some(1)
    }

    /// Takes the turns that there were off the account.
    fn count_turns(&mut self, turns: &Counted) {
        let (reg, wide) = (regs::of(turns.reg), regs::width(turns.width));
        let (a, b) = if turns.up { (reg, START) } else { (START, reg) };
        self.asm.add(Add::Sub, wide, S0, a, b);
        // As many turns as are left of a slice at most: 32 bits are enough.
        if turns.log > 0 {
            self.asm.shift_imm(Shift::Lsr, wide, S0, S0, turns.log);
        }
        self.asm.mov_imm(S1, turns.insns.unsigned_abs().into());
        self.asm.msub(Width::W64, METER, S0, S1, METER);
    }
}

/// The smallest power of two that is no less.
const fn log_of(insns: i32) -> u8 {
    #[expect(clippy::cast_possible_truncation, reason = "less than 32")]
    let log = insns.unsigned_abs().next_power_of_two().trailing_zeros() as u8;
    log
}

const fn cond(op: CondOp) -> Cond {
    match op {
        CondOp::Gt => Cond::Hi,
        CondOp::Lt => Cond::Lo,
        CondOp::SGt => Cond::Gt,
        CondOp::SLt => Cond::Lt,
        _ => Cond::Ne,
    }
}
