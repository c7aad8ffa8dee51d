//! The account of instructions.
//!
//! A register has what is left of them. Each block takes off as many as it has, and each turn of a loop and each
//! function looks whether some are left: an operation and a jump that processors take as one. Where there are none, code
//! out of the way asks for more. C functions may change the register, so that it is kept in the environment
//! over calls.

use super::{Compiler, env};
use crate::env::Env;
use crate::meter::{Block, ends_block, jumps_back};
use crate::shape::Target;
use crate::surroundings::Surroundings;
use core::mem::offset_of;
use skep_isa::{Insn, Pc};
use skep_x64::{Alu, Cond, Gpr, Label, MemSize, Reach, Width};

/// What is left. Where code is not metered, this register is scratch.
const METER: Gpr = Gpr::R9;

/// What the meter knows while code is made.
#[derive(Debug)]
pub(super) struct Meter {
    /// Number of the program.
    prog: u32,
    /// Whether the next slot starts a block, whatever leads to it.
    starts: bool,
    /// Instructions of the block at hand that are counted at its end.
    open: i32,
    /// Where more is asked for: out of the way, and where that returns to.
    asks: alloc::vec::Vec<(Label, Label, Pc)>,
}

impl Meter {
    pub(super) const fn new(prog: u32) -> Self {
        Self { prog, starts: true, open: 0, asks: alloc::vec::Vec::new() }
    }
}

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    /// Counts at the start of blocks and at jumps back; `pc` is what comes next.
    pub(super) fn count(&mut self, pc: Pc, insn: &Insn) {
        let Some(meter) = &mut self.meter else { return };
        let target = self.shape.is_target.get(pc.index()).copied().unwrap_or_default();
        let starts_function = target == Target::Function || pc == Pc(0);
        let mut charge = None;
        if target != Target::No || core::mem::take(&mut meter.starts) {
            let block = Block::at(self.insns, &self.shape.is_target, pc);
            if block.jumps_back {
                meter.open = block.insns;
            } else {
                charge = Some((block.insns, starts_function));
            }
        }
        meter.starts = ends_block(insn);
        if jumps_back(insn) {
            charge = Some((meter.open, true));
        }
        if let Some((insns, asks)) = charge {
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
    }

    /// Before a call of something that may change registers, or look at the account.
    pub(super) fn save_meter(&mut self) {
        if self.meter.is_some() {
            self.asm.store(MemSize::B8, env(offset_of!(Env, meter)), METER);
        }
    }

    /// After such a call, and at entries.
    pub(super) fn load_meter(&mut self) {
        if self.meter.is_some() {
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

    /// What asks for more, behind the program.
    pub(super) fn add_asks(&mut self) {
        let Some(meter) = &mut self.meter else { return };
        let (prog, asks) = (meter.prog, core::mem::take(&mut meter.asks));
        for (ask, back, pc) in asks {
            self.asm.bind(ask);
            self.save_meter();
            self.ask_meter(u64::from(prog) << 32 | u64::from(pc.0));
            self.asm.jmp(back, Reach::Long);
        }
    }
}
