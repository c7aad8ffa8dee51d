//! Places of values, and memory.

use super::host::{Loc, STORED};
use super::{Best, Cur};
use crate::a64::regs::{self, RESULT};
use crate::surroundings::Surroundings;
use skep_a64::{Gpr, MemSize, Width};
use skep_ir::{Mem, Value};
use skep_isa::{AtomicOp, Size};

/// For what an instruction needs in between; the first two are those of operations as well.
pub(super) const S0: Gpr = regs::S0;
pub(super) const S1: Gpr = regs::S1;
pub(super) const S2: Gpr = regs::S2;
pub(super) const S3: Gpr = regs::S3;

impl<O: Surroundings + ?Sized> Best<'_, O> {
    /// The word of the host's stack.
    fn slot(slot: u32) -> skep_a64::Mem {
        skep_a64::Mem::sp(i32::try_from(slot * 8).unwrap_or(i32::MAX))
    }

    /// Copies from one place to another; flags stay, and [`S1`] may change.
    pub(super) fn copy(&mut self, to: Loc, from: Loc) {
        match (to, from) {
            (Loc::Reg(to), from) => self.bring(to, from),
            (Loc::Slot(slot), from) => {
                let from = self.source(from, S1);
                self.c.asm.store(MemSize::B8, from, Self::slot(slot));
            }
            (Loc::Nowhere | Loc::Number(_) | Loc::Frame, _) => {}
        }
    }

    /// The same, to a register.
    pub(super) fn bring(&mut self, to: Gpr, from: Loc) {
        match from {
            Loc::Reg(from) if from == to => {}
            Loc::Reg(from) => self.c.asm.mov(Width::W64, to, from),
            Loc::Slot(slot) => self.c.asm.load(MemSize::B8, to, Self::slot(slot)),
            Loc::Number(number) => self.c.asm.mov_imm(to, number),
            Loc::Frame => self.c.asm.mov(Width::W64, to, regs::FRAME_POINTER),
            Loc::Nowhere => {}
        }
    }

    /// A register that holds a value, for which `spare` is used if there is none.
    pub(super) fn reg(&mut self, cur: &Cur<'_>, value: Value, spare: Gpr) -> Gpr {
        match cur.loc(value) {
            Loc::Reg(reg) => reg,
            Loc::Frame => regs::FRAME_POINTER,
            from => {
                self.bring(spare, from);
                spare
            }
        }
    }

    /// The same of a place, where the register of zero may stand.
    pub(super) fn source(&mut self, from: Loc, spare: Gpr) -> Gpr {
        match from {
            Loc::Reg(reg) => reg,
            Loc::Frame => regs::FRAME_POINTER,
            Loc::Number(0) => Gpr::Zr,
            from => {
                self.bring(spare, from);
                spare
            }
        }
    }

    /// The register in which a result is made: its own, or [`S2`].
    pub(super) fn target(cur: &Cur<'_>, value: Value) -> Gpr {
        match cur.loc(value) {
            Loc::Reg(reg) => reg,
            _ => S2,
        }
    }

    /// Puts a result where it belongs.
    pub(super) fn done(&mut self, cur: &Cur<'_>, value: Value, target: Gpr) {
        if let Loc::Slot(slot) = cur.loc(value) {
            self.c.asm.store(MemSize::B8, target, Self::slot(slot));
        }
    }

    /// An operand in memory, for which [`S0`] and [`S1`] are used.
    fn mem(&mut self, cur: &Cur<'_>, mem: Mem) -> skep_a64::Mem {
        if mem.index != Value::NONE && mem.scale == 0 && mem.disp == 0 {
            let base = self.reg(cur, mem.base, S0);
            return skep_a64::Mem::indexed(base, self.reg(cur, mem.index, S1));
        }
        let (base, disp) = self.place(cur, mem);
        skep_a64::Mem::new(base, disp)
    }

    /// A register and a distance from it, for which the same are used.
    pub(super) fn place(&mut self, cur: &Cur<'_>, mem: Mem) -> (Gpr, i32) {
        let base = self.reg(cur, mem.base, S0);
        if mem.index == Value::NONE {
            return (base, mem.disp);
        }
        let index = self.reg(cur, mem.index, S1);
        self.c.asm.add_shifted(S0, base, index, mem.scale);
        (S0, mem.disp)
    }

    pub(super) fn load_value(
        &mut self,
        cur: &Cur<'_>,
        value: Value,
        (size, signed): (Size, bool),
        mem: Mem,
    ) {
        let at = self.mem(cur, mem);
        let target = Self::target(cur, value);
        if signed {
            self.c.asm.load_sx(regs::size(size), target, at);
        } else {
            self.c.asm.load(regs::size(size), target, at);
        }
        self.done(cur, value, target);
    }

    pub(super) fn store_value(&mut self, cur: &Cur<'_>, size: Size, mem: Mem, value: Value) {
        let at = self.mem(cur, mem);
        let from = match cur.loc(value) {
            Loc::Number(number) => Loc::Number(number & (u64::MAX >> (64 - size.bits()))),
            from => from,
        };
        let from = self.source(from, S2);
        self.c.asm.store(regs::size(size), from, at);
    }

    pub(super) fn atomic_value(
        &mut self,
        cur: &Cur<'_>,
        result: Value,
        (op, size): (AtomicOp, Size),
        mem: Mem,
        (value, expected): (Value, Value),
    ) {
        let (mut at, disp) = self.place(cur, mem);
        if disp != 0 {
            self.c.asm.add_imm(Width::W64, S0, at, disp.into());
            at = S0;
        }
        let value = self.reg(cur, value, STORED);
        let old = match (op, cur.loc(result)) {
            (AtomicOp::CmpXchg, _) => {
                self.bring(RESULT, cur.loc(expected));
                RESULT
            }
            (_, Loc::Reg(reg)) => reg,
            // What is given last is in it.
            _ => S1,
        };
        self.c.change(op, regs::width_of(size), old, value, at);
        self.copy(cur.loc(result), Loc::Reg(old));
    }
}
