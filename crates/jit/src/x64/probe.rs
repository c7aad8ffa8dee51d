//! Loads and copies of what may not be there.
//!
//! A check has the part of memory that was found last. An address in it is followed in place; others go to the bridge, which
//! looks the address up, does what there is to do, and sets the check if the part lies still. So no
//! instruction of the host ever follows an address that may lead nowhere.

use super::checked::word;
use super::mem::{ADDR, KIND};
use super::{Compiler, regs};
use crate::env::{Check, Env};
use crate::surroundings::{Probe, Surroundings};
use crate::unread::{Unread, What};
use core::mem::offset_of;
use skep_isa::{Pc, Reg, Size};
use skep_x64::{Alu, Cond, Gpr, Label, Mem, Reach, Width as Wide};

/// Where a helper gets the two addresses.
const TO: Gpr = Gpr::Rdi;
const FROM: Gpr = Gpr::Rdx;
/// What the parts of a copy go through, so that both sides may be the same memory: registers that calls change.
const PARTS: [Gpr; 6] = [Gpr::Rax, Gpr::Rcx, Gpr::Rsi, Gpr::R8, Gpr::R10, Gpr::R11];

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    /// `dst = *(base + off)`, or zero.
    pub(super) fn probed_load(
        &mut self,
        pc: Pc,
        (size, signed): (Size, bool),
        dst: Reg,
        (base, off): (Reg, i16),
        check: u32,
    ) {
        self.asm.lea(Wide::W64, ADDR, Mem::new(regs::of(base), off.into()));
        let kind = if signed { Env::LOAD_SX } else { Env::LOAD };
        self.probed_to(pc, (kind, size), regs::of(dst), check);
    }

    /// The same from the address in [`ADDR`] to that register, where the second tier has both.
    pub(super) fn probed(&mut self, pc: Pc, kind: u32, size: Size, check: u32) {
        self.probed_to(pc, (kind, size), ADDR, check);
    }

    fn probed_to(&mut self, pc: Pc, (kind, size): (u32, Size), dst: Gpr, check: u32) {
        let [at, back] = core::array::from_fn(|_| self.asm.label());
        self.find(KIND, ADDR, check as usize, at);
        let mem = Mem::new(ADDR, 0);
        match kind {
            Env::LOAD_SX => self.asm.load_sx(regs::size(size), dst, mem),
            _ => self.asm.load(regs::size(size), dst, mem),
        }
        self.asm.bind(back);
        let kind = Env::kind(kind, size.bytes(), self.outside.number(), pc);
        self.unread.push(Unread { at, back, what: What::Load(kind, dst) });
    }

    /// `bpf_probe_read`, whose destination is memory of the program.
    pub(super) fn probe(&mut self, pc: Pc, Probe { id, bytes, check }: Probe) {
        if self.checks.is_some() {
            return self.checked_probe(pc, id, bytes);
        }
        let [at, back] = core::array::from_fn(|_| self.asm.label());
        self.find(Gpr::R10, FROM, check as usize, at);
        let parts = || Probe::parts(bytes).zip(PARTS);
        let mem = |base, at: u32| Mem::new(base, at.cast_signed());
        for ((at, size), part) in parts() {
            self.asm.load(regs::size(size), part, mem(FROM, at));
        }
        for ((at, size), part) in parts() {
            self.asm.store(regs::size(size), mem(TO, at), part);
        }
        self.asm.zero(Gpr::Rax);
        self.asm.bind(back);
        self.unread.push(Unread { at, back, what: What::Call(id) });
    }

    /// The same in code that checks, whose destination may be anywhere as well; r1 to r5 stay.
    fn checked_probe(&mut self, pc: Pc, id: u32, bytes: u32) {
        const DATA: [Gpr; 2] = [Gpr::Rax, Gpr::R10];
        let numbers = self.checks.as_mut().and_then(|checks| checks.pair(pc, bytes));
        let Some((from, to)) = numbers.filter(|_| Probe::parts(bytes).count() <= DATA.len()) else {
            return self.bridge(id);
        };
        let [at, back] = core::array::from_fn(|_| self.asm.label());
        self.find(ADDR, FROM, from, at);
        self.find(ADDR, TO, to, at);
        let parts = || Probe::parts(bytes).zip(DATA);
        let mem = |base, host, at: u32| Mem::new(base, at.cast_signed()).with_index(host, 0);
        self.lead_to_host(Gpr::R10, from);
        // The last of them may take the register that leads to the others.
        for ((at, size), part) in parts() {
            self.asm.load(regs::size(size), part, mem(FROM, Gpr::R10, at));
        }
        self.lead_to_host(ADDR, to);
        for ((at, size), part) in parts() {
            self.asm.store(regs::size(size), mem(TO, ADDR, at), part);
        }
        self.asm.zero(Gpr::Rax);
        self.asm.bind(back);
        self.unread.push(Unread { at, back, what: What::Call(id) });
    }

    /// Whether an address lies where a check has found memory.
    fn find(&mut self, scratch: Gpr, addr: Gpr, check: usize, miss: Label) {
        if scratch != addr {
            self.asm.mov(Wide::W64, scratch, addr);
        }
        self.asm.alu_load(Alu::Sub, Wide::W64, scratch, word(check, offset_of!(Check, lo)));
        self.asm.alu_load(Alu::Cmp, Wide::W64, scratch, word(check, offset_of!(Check, limit)));
        self.asm.jcc(Cond::Ae, miss, Reach::Long);
    }

    /// What is left to the bridge, behind the program.
    pub(super) fn add_unread(&mut self) {
        for Unread { at, back, what } in core::mem::take(&mut self.unread) {
            self.asm.bind(at);
            match what {
                What::Load(kind, dst) => {
                    self.save_meter();
                    self.asm.mov_imm(KIND, kind);
                    self.asm.call(self.stubs.access);
                    self.asm.mov(Wide::W64, dst, ADDR);
                }
                What::Call(id) => self.bridge(id),
            }
            self.asm.jmp(back, Reach::Long);
        }
    }
}
