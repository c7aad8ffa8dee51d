//! Places of values, and memory.

use super::host::{Loc, Places};
use super::{Best, Cur};
use crate::surroundings::Surroundings;
use crate::x64::regs;
use skep_ir::{Inst, Mem, UnOp, Value};
use skep_isa::{AtomicOp, Size};
use skep_x64::{Alu, Cond, Gpr, MemSize, Reach, Width};

/// For what an instruction needs in between.
pub(super) const S1: Gpr = Gpr::R11;
/// The same, where r10 holds no value.
pub(super) const S2: Gpr = Gpr::R10;

/// The register for numbers and addresses that leaves [`S1`] alone if that can be.
pub(super) const fn other(places: &Places) -> Gpr {
    if places.two { S2 } else { S1 }
}

/// A number as an immediate of a width, which the processor extends.
pub(super) fn short(width: Width, number: u64) -> Option<i32> {
    #[expect(clippy::cast_possible_truncation, reason = "the low half is all that counts")]
    match width {
        Width::W32 => Some((number as u32).cast_signed()),
        Width::W64 => i32::try_from(number.cast_signed()).ok(),
    }
}

impl<O: Surroundings + ?Sized> Best<'_, O> {
    /// The word of the host's stack.
    pub(super) fn slot(&self, slot: u32) -> skep_x64::Mem {
        let is_main = self.c.is_main && self.c.entry == crate::Entry::WithEnv;
        let above = if self.c.function.may_goto { 1 + u32::from(is_main) } else { 0 };
        skep_x64::Mem::new(Gpr::Rsp, i32::try_from((above + slot) * 8).unwrap_or(i32::MAX))
    }

    /// Copies from one place to another; flags stay.
    pub(super) fn copy(&mut self, cur: &Cur<'_>, to: Loc, from: Loc) {
        match (to, from) {
            (Loc::Reg(to), from) => self.bring(to, from),
            (Loc::Slot(slot), Loc::Reg(from)) => {
                self.c.asm.store(MemSize::B8, self.slot(slot), from);
            }
            (Loc::Slot(slot), Loc::Number(number)) if short(Width::W64, number).is_some() => {
                let number = short(Width::W64, number).unwrap_or_default();
                self.c.asm.store_imm(MemSize::B8, self.slot(slot), number);
            }
            (Loc::Slot(slot), from) => {
                let through = other(cur.places);
                self.bring(through, from);
                self.c.asm.store(MemSize::B8, self.slot(slot), through);
            }
            (Loc::Nowhere | Loc::Number(_) | Loc::Frame, _) => {}
        }
    }

    /// The same, to a register.
    pub(super) fn bring(&mut self, to: Gpr, from: Loc) {
        match from {
            Loc::Reg(from) if from == to => {}
            Loc::Reg(from) => self.c.asm.mov(Width::W64, to, from),
            Loc::Slot(slot) => self.c.asm.load(MemSize::B8, to, self.slot(slot)),
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

    /// The register in which a result is made: its own, or [`S1`].
    pub(super) fn target(&self, cur: &Cur<'_>, value: Value) -> Gpr {
        match cur.loc(value) {
            Loc::Reg(reg) => reg,
            _ => S1,
        }
    }

    /// Puts a result where it belongs.
    pub(super) fn done(&mut self, cur: &Cur<'_>, value: Value, target: Gpr) {
        if let Loc::Slot(slot) = cur.loc(value) {
            self.c.asm.store(MemSize::B8, self.slot(slot), target);
        }
    }

    /// An operand in memory; its address takes no register but what [`other`] says, and [`S1`] for a moment.
    pub(super) fn mem(&mut self, cur: &Cur<'_>, mem: Mem) -> skep_x64::Mem {
        let spare = other(cur.places);
        let base = self.reg(cur, mem.base, spare);
        if mem.index == Value::NONE {
            return skep_x64::Mem::new(base, mem.disp);
        }
        match cur.loc(mem.index) {
            Loc::Reg(index) => skep_x64::Mem::new(base, mem.disp).with_index(index, mem.scale),
            _ => {
                let index = self.reg(cur, mem.index, S1);
                let sum = skep_x64::Mem::new(base, mem.disp).with_index(index, mem.scale);
                self.c.asm.lea(Width::W64, spare, sum);
                skep_x64::Mem::new(spare, 0)
            }
        }
    }

    /// A load, with the swap of its bytes if that is all that is done with it; how many instructions it was.
    pub(super) fn load_value(
        &mut self,
        cur: &Cur<'_>,
        value: Value,
        (size, signed): (Size, bool),
        mem: Mem,
        next: Option<Value>,
    ) -> usize {
        if self.c.features.movbe
            && let Some(next) = next
            && *cur.f.inst(next) == (Inst::Un { op: UnOp::Bswap(size), a: value })
            && matches!(size, Size::W | Size::Dw)
            && !signed
            && cur.places.uses(value) == 1
        {
            let at = self.mem(cur, mem);
            let target = self.target(cur, next);
            self.c.asm.load_be(regs::width_of(size), target, at);
            self.done(cur, next, target);
            return 2;
        }
        let at = self.mem(cur, mem);
        let target = self.target(cur, value);
        if signed {
            self.c.asm.load_sx(regs::size(size), target, at);
        } else {
            self.c.asm.load(regs::size(size), target, at);
        }
        self.done(cur, value, target);
        1
    }

    pub(super) fn store_value(&mut self, cur: &Cur<'_>, size: Size, mem: Mem, value: Value) {
        let at = self.mem(cur, mem);
        let width = if size == Size::Dw { Width::W64 } else { Width::W32 };
        if let Loc::Number(number) = cur.loc(value)
            && let Some(imm) = short(width, number)
        {
            return self.c.asm.store_imm(regs::size(size), at, imm);
        }
        let value = self.reg(cur, value, S1);
        self.c.asm.store(regs::size(size), at, value);
    }

    /// An atomic operation. Plain loads and stores acquire and release on this host.
    pub(super) fn atomic_value(
        &mut self,
        cur: &Cur<'_>,
        result: Value,
        (op, size): (AtomicOp, Size),
        mem: Mem,
        (value, expected): (Value, Value),
    ) {
        let width = regs::width_of(size);
        let at = self.mem(cur, mem);
        let plain = match op {
            AtomicOp::Add | AtomicOp::FetchAdd => Alu::Add,
            AtomicOp::Or | AtomicOp::FetchOr => Alu::Or,
            AtomicOp::And | AtomicOp::FetchAnd => Alu::And,
            _ => Alu::Xor,
        };
        match op {
            AtomicOp::Add | AtomicOp::Or | AtomicOp::And | AtomicOp::Xor => {
                let value = self.reg(cur, value, S1);
                self.c.asm.alu_store(plain, width, at, value, true);
            }
            AtomicOp::FetchAdd | AtomicOp::Xchg => {
                // The processor leaves the old value where the operand was.
                self.bring(S1, cur.loc(value));
                if op == AtomicOp::Xchg {
                    self.c.asm.xchg(width, at, S1);
                } else {
                    self.c.asm.xadd(width, at, S1);
                }
                self.copy(cur, cur.loc(result), Loc::Reg(S1));
            }
            AtomicOp::CmpXchg => {
                self.bring(Gpr::Rax, cur.loc(expected));
                let value = self.reg(cur, value, S1);
                self.c.asm.cmpxchg(width, at, value);
                self.old(cur, result, width);
            }
            AtomicOp::FetchOr | AtomicOp::FetchAnd | AtomicOp::FetchXor => {
                self.c.asm.load(regs::size(size), Gpr::Rax, at);
                let again = self.c.asm.label();
                self.c.asm.bind(again);
                self.bring(S1, cur.loc(value));
                self.c.asm.alu(plain, width, S1, Gpr::Rax);
                self.c.asm.cmpxchg(width, at, S1);
                self.c.asm.jcc(Cond::Ne, again, Reach::Short);
                self.old(cur, result, width);
            }
        }
    }

    /// The old value, which is in `rax`, where it belongs.
    fn old(&mut self, cur: &Cur<'_>, result: Value, width: Width) {
        // Where a comparison of 32 bits held, the processor leaves all of the register.
        if width == Width::W32 {
            self.c.asm.mov(Width::W32, Gpr::Rax, Gpr::Rax);
        }
        self.copy(cur, cur.loc(result), Loc::Reg(Gpr::Rax));
    }
}
