//! The account of instructions.
//!
//! A register has what is left of them. Each block takes off as many as it has, and each turn of a loop and each
//! function looks whether some are left: an operation and a jump that processors take as one. Where there are none, code
//! out of the way asks for more. C functions may change the register, so that it is kept in the environment
//! over calls.

use super::{Compiler, env};
use crate::env::Env;
use crate::meter::{Charge, Meter, may_leave};
use crate::surroundings::Surroundings;
use alloc::vec::Vec;
use core::mem::offset_of;
use skep_isa::{Insn, Pc};
use skep_x64::{Alu, Cond, Gpr, Label, MemSize, Reach, Width};

/// What is left. Where code is not metered, this register is scratch.
const METER: Gpr = Gpr::R9;

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    /// Counts at the start of blocks and at jumps back; `pc` is what comes next.
    pub(super) fn count(&mut self, pc: Pc, insn: &Insn) {
        let is_hoisted = self.is_hoisted();
        let Some(meter) = &mut self.meter else { return };
        let leaves = |pc, insn: &Insn| may_leave(self.outside, self.checks.is_some(), pc, insn);
        let charge = meter.charge(self.insns, self.shape, (pc, insn), leaves);
        if self.turns.is_some() || is_hoisted {
            return;
        }
        if let Some(charge) = charge {
            self.take_off(pc, charge);
        }
    }

    fn take_off(&mut self, pc: Pc, Charge { insns, asks }: Charge) {
        self.asm.alu_imm(Alu::Sub, Width::W64, METER, insns);
        if asks {
            let (ask, back) = (self.asm.label(), self.asm.label());
            self.asm.jcc(Cond::L, ask, Reach::Long);
            self.asm.bind(back);
            if let Some(meter) = &mut self.meter {
                meter.asks.push((ask, back, pc));
            }
        }
    }

    /// Counts all turns of a loop before it, which ends with the jump at `end`.
    pub(super) fn count_all(&mut self, head: Pc, end: Pc, insns: i32) {
        self.take_off(head, Charge { insns, asks: true });
        if let Some(meter) = &mut self.meter {
            meter.paid = Some(end);
        }
    }

    /// Where a conditional jump leads that counts on its way.
    pub(super) fn way(&mut self, pc: Pc) -> Option<Label> {
        self.meter.as_mut()?.way(pc, || self.asm.label())
    }

    /// A jump that was counted and is left out.
    pub(super) fn give_back(&mut self) {
        if self.meter.is_some() {
            self.asm.alu_imm(Alu::Add, Width::W64, METER, 1);
        }
    }

    /// Whether the register holds what is left.
    fn has_meter(&self) -> bool {
        self.meter.as_ref().is_some_and(|meter| meter.in_memory.is_none())
    }

    /// Before a call of something that may change registers, or look at the account.
    pub(super) fn save_meter(&mut self) {
        if self.has_meter() {
            self.asm.store(MemSize::B8, env(offset_of!(Env, meter)), METER);
        }
    }

    /// After such a call, and at entries.
    pub(super) fn load_meter(&mut self) {
        if self.has_meter() {
            self.asm.load(MemSize::B8, METER, env(offset_of!(Env, meter)));
        }
    }

    /// Keeps `rax`; the register for that is taken where code is metered.
    pub(super) fn keep_rax(&mut self) {
        if self.meter.is_some() {
            self.asm.store(MemSize::B8, env(offset_of!(Env, spare)), Gpr::Rax);
        } else {
            self.asm.mov(Width::W64, METER, Gpr::Rax);
        }
    }

    /// Takes `rax` back.
    pub(super) fn take_rax(&mut self) {
        if self.meter.is_some() {
            self.asm.load(MemSize::B8, Gpr::Rax, env(offset_of!(Env, spare)));
        } else {
            self.asm.mov(Width::W64, Gpr::Rax, METER);
        }
    }

    /// What jumps count on their ways, behind the program.
    pub(super) fn add_ways(&mut self) {
        let ways = self.meter.as_mut().map_or_else(Vec::new, Meter::take_ways);
        for (n, way) in ways.iter().enumerate() {
            let next = ways.get(n + 1).filter(|next| next.to == way.to);
            let insns = way.insns - next.map_or(0, |next| next.insns);
            if let Some(label) = way.label {
                self.asm.bind(label);
            }
            if insns > 0 {
                self.asm.alu_imm(Alu::Sub, Width::W64, METER, insns);
            }
            if next.is_none() {
                self.asm.jmp(Label(way.to.0), Reach::Long);
            }
        }
    }

    /// What asks for more, behind the program.
    pub(super) fn add_asks(&mut self) {
        let Some(meter) = &mut self.meter else { return };
        let asks = core::mem::take(&mut meter.asks);
        for (ask, back, pc) in asks {
            self.asm.bind(ask);
            self.save_meter();
            self.ask_meter(pc);
            self.asm.jmp(back, Reach::Long);
        }
    }
}
