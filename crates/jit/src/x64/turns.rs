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
//! That is right whatever register and bound are. Where the condition holds of the last value, it holds of the bound,
//! too, as that is the nearer or the same; and it does not hold of the register after so many turns, whether the
//! register comes round in between or not. Where a copy is asked for that is made before the step, all that is as it would be of a
//! register that is a step behind.

use super::{Compiler, env, regs};
use crate::counted::Counted;
use crate::env::Env;
use crate::surroundings::Surroundings;
use core::mem::offset_of;
use skep_isa::{AluOp, AtomicOp, CondOp, Insn, Pc, Src};
use skep_x64::{Alu, Cond, Gpr, Mem, MemSize, Reach, Shift, Unary, Width};

/// What is left of the instructions.
const METER: Gpr = Gpr::R9;
/// Where a turn of the loop must end.
const LAST: Gpr = Gpr::R10;
const S: Gpr = Gpr::R11;

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    /// What comes before such a loop, if one starts here.
    pub(super) fn begin_turns(&mut self, head: Pc) {
        if self.meter.is_none() || self.keys.is_some() {
            return;
        }
        let bmi2 = self.features.bmi2;
        let is_simple = |insn: &Insn| is_simple(insn, bmi2);
        let found = Counted::at((self.insns, self.shape), self.outside, head, is_simple);
        let Some(turns) = found else { return };
        if let Some(all) = turns.all((self.insns, self.shape), head) {
            return self.count_all(head, turns.end, all);
        }
        let before = self.asm.label();
        self.turns = Some((turns, before));
        let ask = self.asm.label();
        self.asm.bind(before);
        self.asm.test(Width::W64, METER, METER);
        self.asm.jcc(Cond::S, ask, Reach::Long);
        if let Some(meter) = &mut self.meter {
            meter.asks.push((ask, before, head));
        }
        // Turns, less one.
        self.asm.mov(Width::W64, LAST, METER);
        self.asm.shift_imm(Shift::Shr, Width::W64, LAST, log_of(turns.insns));
        self.find_last(&turns);
    }

    /// From so many turns, less one, to where the last of them ends, or to the bound.
    pub(super) fn find_last(&mut self, turns: &Counted) {
        let (reg, wide) = (regs::of(turns.reg), regs::width(turns.width));
        self.asm.store(MemSize::B8, env(offset_of!(Env, start)), reg);
        if turns.op == CondOp::Ne {
            self.turns_to_bound(turns);
            self.asm.alu(Alu::Cmp, wide, S, LAST);
        }
        // Nothing of this changes the flags.
        if !turns.up {
            self.asm.unary(Unary::Not, Width::W64, LAST);
        }
        let first = if turns.up == turns.is_late() { 0 } else { 1 << turns.log };
        self.asm.lea(wide, LAST, Mem::new(reg, first).with_index(LAST, turns.log));
        let bound = self.bound(turns);
        let nearer = match turns.op {
            CondOp::Ne => Cond::Be,
            op => {
                self.asm.alu(Alu::Cmp, wide, bound, LAST);
                cond(op)
            }
        };
        self.asm.cmov(nearer, wide, LAST, bound);
    }

    /// The turns, less one, that the register takes to the bound; many if it never gets there.
    fn turns_to_bound(&mut self, turns: &Counted) {
        let wide = regs::width(turns.width);
        let (from, to) = (Src::Reg(turns.reg), turns.bound);
        let (a, b) = if turns.up { (to, from) } else { (from, to) };
        match a {
            Src::Reg(a) => self.asm.mov(wide, S, regs::of(a)),
            Src::Imm(_) => {
                self.bound(turns);
            }
        }
        match b {
            Src::Reg(b) => self.asm.alu(Alu::Sub, wide, S, regs::of(b)),
            Src::Imm(imm) => self.asm.alu_imm(Alu::Sub, wide, S, imm),
        }
        // What is no multiple becomes large.
        if turns.log > 0 {
            self.asm.shift_imm(Shift::Ror, wide, S, turns.log);
        }
        if !turns.is_late() {
            self.asm.alu_imm(Alu::Sub, wide, S, 1);
        }
    }

    /// The bound in a register.
    fn bound(&mut self, turns: &Counted) -> Gpr {
        match turns.bound {
            Src::Reg(bound) => regs::of(bound),
            Src::Imm(imm) => {
                let number = match turns.width {
                    skep_isa::Width::W64 => i64::from(imm).cast_unsigned(),
                    skep_isa::Width::W32 => imm.cast_unsigned().into(),
                };
                self.asm.mov_imm(S, number);
                S
            }
        }
    }

    /// The jump back of such a loop, and what comes behind it, if this is one; how many slots that were. `takes_meter` says
    /// that the account waits in the environment.
    pub(super) fn end_turns(&mut self, pc: Pc, off: i32, takes_meter: bool) -> Option<u32> {
        let (turns, before) = self.turns.take_if(|(turns, _)| turns.end == pc)?;
        let (reg, wide) = (regs::of(turns.asked), regs::width(turns.width));
        let over = self.ahead().jump_over(pc, i16::try_from(off).unwrap_or_default());
        let (from, off) = over.unwrap_or((pc, off));
        let (head, reach) = self.target(from, off);
        self.asm.alu(Alu::Cmp, wide, reg, LAST);
        self.asm.jcc(cond(turns.op), head, reach);
        if takes_meter {
            self.load_meter();
        }
        if self.meter.is_some() {
            self.count_turns(&turns);
        }
        match turns.bound {
            Src::Reg(bound) => self.asm.alu(Alu::Cmp, wide, reg, regs::of(bound)),
            Src::Imm(imm) => self.asm.alu_imm(Alu::Cmp, wide, reg, imm),
        }
        self.asm.jcc(cond(turns.op), before, Reach::Long);
        if over.is_some() {
            self.give_back();
            return Some(2);
        }
        Some(1)
    }

    /// Takes the turns that there were off the account.
    fn count_turns(&mut self, turns: &Counted) {
        let (reg, wide) = (regs::of(turns.reg), regs::width(turns.width));
        let start = env(offset_of!(Env, start));
        if turns.up {
            self.asm.mov(wide, S, reg);
            self.asm.alu_load(Alu::Sub, wide, S, start);
        } else {
            let size = if wide == Width::W64 { MemSize::B8 } else { MemSize::B4 };
            self.asm.load(size, S, start);
            self.asm.alu(Alu::Sub, wide, S, reg);
        }
        // As many turns as are left of a slice at most: 32 bits are enough.
        if turns.log > 0 {
            self.asm.shift_imm(Shift::Shr, wide, S, turns.log);
        }
        self.asm.imul_imm(Width::W64, S, S, turns.insns);
        self.asm.alu(Alu::Sub, Width::W64, METER, S);
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
        CondOp::Gt => Cond::A,
        CondOp::Lt => Cond::B,
        CondOp::SGt => Cond::G,
        CondOp::SLt => Cond::L,
        _ => Cond::Ne,
    }
}

/// Whether the code of an instruction leaves scratch registers alone.
pub(super) fn is_simple(insn: &Insn, bmi2: bool) -> bool {
    match insn {
        Insn::Alu { op, src, .. } => match op {
            AluOp::Div | AluOp::Mod | AluOp::SDiv | AluOp::SMod => false,
            AluOp::Lsh | AluOp::Rsh | AluOp::Arsh => bmi2 || matches!(src, Src::Imm(_)),
            _ => true,
        },
        Insn::Atomic { op, .. } => {
            !matches!(op, AtomicOp::FetchOr | AtomicOp::FetchAnd | AtomicOp::FetchXor)
        }
        Insn::MovSx { .. }
        | Insn::Neg { .. }
        | Insn::Swap { .. }
        | Insn::LoadImm { .. }
        | Insn::Load { .. }
        | Insn::LoadSx { .. }
        | Insn::LoadAcquire { .. }
        | Insn::Store { .. }
        | Insn::StoreRelease { .. } => true,
        _ => false,
    }
}
