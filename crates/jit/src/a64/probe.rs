//! Loads and copies of what may not be there, as on x86-64: see `x64/probe.rs`.

use super::mem::{ADDR, KIND};
use super::regs::{self, RESULT, S0, S1, S2, S3};
use super::{Compiler, checked::TO_HOST};
use crate::env::Env;
use crate::surroundings::{Probe, Surroundings};
use crate::unread::{Unread, What};
use skep_a64::{Add, Gpr, Mem, Width as Wide};
use skep_isa::{Pc, Reg, Size};

/// Where a helper gets the two addresses.
const TO: Gpr = Gpr::X0;
const FROM: Gpr = Gpr::X2;
/// What the parts of a copy go through, so that both sides may be the same memory: registers that calls change.
const PARTS: [Gpr; 6] = [S0, S1, S2, S3, RESULT, Gpr::X3];
/// The same where arguments stay, and two registers lead to the host.
const FEW_PARTS: [Gpr; 3] = [S2, S3, RESULT];

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
        self.asm.add_imm(Wide::W64, ADDR, regs::of(base), off.into());
        let kind = if signed { Env::LOAD_SX } else { Env::LOAD };
        self.probed_to(pc, (kind, size), regs::of(dst), check);
    }

    /// The same from the address in [`ADDR`] to that register, where the second tier has both.
    pub(super) fn probed(&mut self, pc: Pc, kind: u32, size: Size, check: u32) {
        self.probed_to(pc, (kind, size), ADDR, check);
    }

    fn probed_to(&mut self, pc: Pc, (kind, size): (u32, Size), dst: Gpr, check: u32) {
        let [at, back] = core::array::from_fn(|_| self.asm.label());
        self.check_address(check as usize, ADDR, at);
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
        self.check_address(check as usize, FROM, at);
        self.copy_parts((TO, FROM), bytes, &PARTS);
        self.asm.bind(back);
        self.unread.push(Unread { at, back, what: What::Call(id) });
    }

    /// The same in code that checks, whose destination may be anywhere as well; r1 to r5 stay.
    fn checked_probe(&mut self, pc: Pc, id: u32, bytes: u32) {
        const HOSTS: (Gpr, Gpr) = (TO_HOST, S0);
        let numbers = self.checks.as_mut().and_then(|checks| checks.pair(pc, bytes));
        let is_short = Probe::parts(bytes).count() <= FEW_PARTS.len();
        let Some((from, to)) = numbers.filter(|_| is_short) else {
            return self.bridge(id);
        };
        let [at, back] = core::array::from_fn(|_| self.asm.label());
        self.check_address(from, FROM, at);
        self.check_address(to, TO, at);
        for (host, addr, number) in [(HOSTS.0, TO, to), (HOSTS.1, FROM, from)] {
            self.lead_to_host(host, number);
            self.asm.add(Add::Add, Wide::W64, host, host, addr);
        }
        self.copy_parts(HOSTS, bytes, &FEW_PARTS);
        self.asm.bind(back);
        self.unread.push(Unread { at, back, what: What::Call(id) });
    }

    /// Copies from one place of the host to another, and returns 0.
    fn copy_parts(&mut self, (to, from): (Gpr, Gpr), bytes: u32, by: &[Gpr]) {
        let parts = || Probe::parts(bytes).zip(by);
        for ((at, size), &part) in parts() {
            self.asm.load(regs::size(size), part, Mem::new(from, at.cast_signed()));
        }
        for ((at, size), &part) in parts() {
            self.asm.store(regs::size(size), part, Mem::new(to, at.cast_signed()));
        }
        self.asm.mov_imm(RESULT, 0);
    }

    /// What is left to the bridge, behind the program.
    pub(super) fn add_unread(&mut self) {
        for Unread { at, back, what } in core::mem::take(&mut self.unread) {
            self.asm.bind(at);
            match what {
                What::Load(kind, dst) => {
                    self.asm.mov_imm(KIND, kind);
                    self.asm.bl(self.stubs.access);
                    self.asm.mov(Wide::W64, dst, ADDR);
                }
                What::Call(id) => self.bridge(id),
            }
            self.asm.b(back);
        }
    }
}
