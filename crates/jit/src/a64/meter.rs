//! The account of instructions.
//!
//! A register that survives calls has what is left of them. Each block takes off as many as it has, and each turn of
//! a loop and each function looks whether some are left. Where there are none, code out of the way asks for more. The
//! stubs of the bridge keep the account in the environment, where the engine looks at it and changes it.

use super::lengths::STUBS;
use super::regs::METER;
use super::{Compiler, env};
use crate::env::Env;
use crate::meter::{Charge, Meter, may_leave};
use crate::surroundings::Surroundings;
use alloc::vec::Vec;
use core::mem::offset_of;
use skep_a64::{Cond, Label, MemSize, Reach, Width};
use skep_isa::{Insn, Pc};

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
        self.asm.subs_imm(Width::W64, METER, METER, insns.unsigned_abs());
        if asks {
            let (ask, back) = (self.asm.label(), self.asm.label());
            let reach = self.behind();
            self.asm.b_cond(Cond::Lt, ask, reach);
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
            self.asm.add_imm(Width::W64, METER, METER, 1);
        }
    }

    /// Before something that looks at the account, and at exits.
    pub(super) fn save_meter(&mut self) {
        if self.meter.is_some() {
            self.asm.store(MemSize::B8, METER, env(offset_of!(Env, meter)));
        }
    }

    /// After something that may have changed it, and at entries.
    pub(super) fn load_meter(&mut self) {
        if self.meter.is_some() {
            self.asm.load(MemSize::B8, METER, env(offset_of!(Env, meter)));
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
                self.asm.subs_imm(Width::W64, METER, METER, insns.unsigned_abs());
            }
            if next.is_none() {
                self.asm.b(Label(way.to.0));
            }
        }
    }

    /// What asks for more, behind the program.
    pub(super) fn add_asks(&mut self) {
        let Some(meter) = &mut self.meter else { return };
        let asks = core::mem::take(&mut meter.asks);
        for (ask, back, pc) in asks {
            self.asm.bind(ask);
            self.ask_meter(pc);
            self.asm.b(back);
        }
    }

    /// How far code behind the program is, from anywhere in it.
    pub(super) fn behind(&self) -> Reach {
        if self.most_behind() < 1 << 20 { Reach::Near } else { Reach::Far }
    }

    /// Most bytes from anywhere in the program to code behind it. There may be up to three more copies of what is checked.
    pub(super) fn most_behind(&self) -> u32 {
        let most = self.shape.most.last().copied().unwrap_or(u32::MAX);
        let copies = if self.checks.is_some() { 4 } else { 1 };
        most.saturating_mul(copies).saturating_add(STUBS)
    }
}
