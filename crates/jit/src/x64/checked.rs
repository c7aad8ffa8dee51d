//! Accesses that code checks itself, for programs that nobody has verified: see `checks.rs`.
//!
//! All that is compared with lies at fixed places, so that a load waits for no more than the address itself.

use super::mem::{ADDR, KIND, VALUE};
use super::{Compiler, env, regs};
use crate::checks::{Miss, is_own_stack, left_access, left_result};
use crate::env::{Check, Env, FRAME};
use crate::grouped::Way;
use crate::surroundings::Surroundings;
use core::mem::{offset_of, size_of};
use skep_isa::{Insn, Pc, Reg, Size, Src};
use skep_x64::{Alu, Cond, Gpr, Label, Mem, MemSize, Reach, Width as Wide};

/// What leads from an address to the host's.
const TO_HOST: Gpr = Gpr::R11;
/// A number that is stored.
const NUMBER: Gpr = Gpr::R10;

const fn place(base: Reg, off: i16) -> Mem {
    Mem::new(regs::of(base), off as i32)
}

/// Where the word of a check lies that has this place in it.
pub(super) fn word(number: usize, at: usize) -> Mem {
    env(size_of::<Env>() + size_of::<Check>() * number + at)
}

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    /// A load, a store or an atomic operation.
    pub(super) fn checked_access(&mut self, pc: Pc, insn: Insn) {
        match insn {
            Insn::Load { size, base, off, .. }
            | Insn::LoadSx { size, base, off, .. }
            | Insn::Store { size, base, off, .. } => {
                if is_own_stack(&insn) {
                    self.access_at(insn, place(base, off));
                } else if base == Reg::FP {
                    self.missed(pc, insn);
                } else {
                    self.guarded(pc, insn, (size, base, off));
                }
            }
            _ => self.missed(pc, insn),
        }
    }

    fn guarded(&mut self, pc: Pc, insn: Insn, (size, base, off): (Size, Reg, i16)) {
        if let Some(host) = self.checked_before(pc) {
            return self.access_at(insn, place(base, off).with_index(host, 0));
        }
        let program = (self.insns, self.shape);
        let way = self.checks.as_mut().and_then(|all| all.way(program, pc, || self.asm.label()));
        match way {
            Some(Way::Free(number)) => {
                self.lead_to_host(TO_HOST, number);
                self.access_at(insn, place(base, off).with_index(TO_HOST, 0));
            }
            Some(Way::Checked(number, low, Some(slow))) => {
                self.check(number, base, low, slow);
                self.access_at(insn, place(base, off).with_index(TO_HOST, 0));
            }
            way => {
                let [at, back] = core::array::from_fn(|_| self.asm.label());
                let Some(checks) = &mut self.checks else { return };
                checks.misses.push(Miss { at, back, pc, insn: Some(insn) });
                let (number, low) = match way {
                    Some(Way::Checked(number, low, _)) => (number, low),
                    Some(Way::Again(number, low, entry)) => {
                        if let Some(entry) = entry {
                            self.asm.bind(entry);
                        }
                        (number, low)
                    }
                    _ => (checks.number(pc, &insn, size), off.into()),
                };
                self.check(number, base, low, at);
                self.access_at(insn, place(base, off).with_index(TO_HOST, 0));
                self.asm.bind(back);
            }
        }
        if let Some(back) = self.checks.as_mut().and_then(|all| all.end_cluster(pc)) {
            self.asm.bind(back);
        }
    }

    /// Whether what begins so far from a register lies where a check has found memory; if so, what leads to the host.
    fn check(&mut self, number: usize, base: Reg, low: i32, miss: Label) {
        self.address(base, low);
        self.asm.alu_load(Alu::Sub, Wide::W64, ADDR, word(number, offset_of!(Check, lo)));
        self.asm.alu_load(Alu::Cmp, Wide::W64, ADDR, word(number, offset_of!(Check, limit)));
        self.asm.jcc(Cond::Ae, miss, Reach::Long);
        self.lead_to_host(TO_HOST, number);
    }

    /// Does what an instruction does, at an address of the host.
    fn access_at(&mut self, insn: Insn, mem: Mem) {
        match insn {
            Insn::Load { size, dst, .. } => self.asm.load(regs::size(size), regs::of(dst), mem),
            Insn::LoadSx { size, dst, .. } => {
                self.asm.load_sx(regs::size(size), regs::of(dst), mem);
            }
            Insn::Store { size, src: Src::Reg(src), .. } => {
                let src = self.source(NUMBER, src);
                self.asm.store(regs::size(size), mem, src);
            }
            Insn::Store { size, src: Src::Imm(imm), .. } if self.keys.is_some() => {
                self.short_number(Wide::W64, NUMBER, imm);
                self.asm.store(regs::size(size), mem, NUMBER);
            }
            Insn::Store { size, src: Src::Imm(imm), .. } => {
                self.asm.store_imm(regs::size(size), mem, imm);
            }
            _ => {}
        }
    }

    /// A register as the program sees it: r10 comes to lie in another.
    fn source(&mut self, scratch: Gpr, src: Reg) -> Gpr {
        if src == Reg::FP {
            self.frame_pointer(scratch);
            return scratch;
        }
        regs::of(src)
    }

    /// The address of an access.
    fn address(&mut self, base: Reg, off: i32) {
        if base == Reg::FP {
            self.frame_pointer(ADDR);
            self.asm.alu_imm(Alu::Add, Wide::W64, ADDR, off);
        } else if off == 0 {
            self.asm.mov(Wide::W64, ADDR, regs::of(base));
        } else {
            self.asm.lea(Wide::W64, ADDR, Mem::new(regs::of(base), off));
        }
    }

    /// r10 as the program sees it.
    fn frame_pointer(&mut self, dst: Gpr) {
        self.asm.load(MemSize::B8, dst, env(offset_of!(Env, to_region)));
        self.asm.alu(Alu::Add, Wide::W64, dst, regs::FRAME_POINTER);
    }

    /// `dst = r10`
    pub(super) fn copy_frame_pointer(&mut self, dst: Reg) {
        self.frame_pointer(regs::of(dst));
    }

    /// An access that the environment does.
    fn missed(&mut self, pc: Pc, insn: Insn) {
        debug_assert!(!self.is_hoisted(), "bug: the environment keeps no register of a loop");
        let Some((base, off, src)) = left_access(&insn) else { return };
        self.save_meter();
        if let Some(src) = src {
            let src = self.source(VALUE, src);
            self.asm.mov(Wide::W64, VALUE, src);
        }
        if matches!(insn, Insn::Atomic { .. }) {
            self.asm.store(MemSize::B8, env(offset_of!(Env, r0)), Gpr::Rax);
        }
        self.address(base, off.into());
        self.asm.mov_imm(KIND, Env::kind(Env::CHECKED, 0, self.outside.number(), pc));
        self.asm.call(self.stubs.access);
        if let Some(dst) = left_result(&insn) {
            self.asm.mov(Wide::W64, regs::of(dst), ADDR);
        }
    }

    /// Before a call of a function: whether there is room for its frame.
    pub(super) fn check_depth(&mut self, pc: Pc) {
        let [at, back] = core::array::from_fn(|_| self.asm.label());
        let Some(checks) = &mut self.checks else { return };
        checks.misses.push(Miss { at, back, pc, insn: None });
        self.asm.lea(Wide::W64, ADDR, Mem::new(regs::FRAME_POINTER, -2 * FRAME));
        self.asm.alu_load(Alu::Cmp, Wide::W64, ADDR, env(offset_of!(Env, bottom)));
        self.asm.jcc(Cond::B, at, Reach::Long);
        self.asm.bind(back);
    }

    /// Registers that nobody has set yet are zero, as in the interpreter.
    pub(super) fn zero_registers(&mut self) {
        if self.checks.is_some() {
            for reg in [Reg::R0, Reg::R6, Reg::R7, Reg::R8, Reg::R9] {
                self.asm.zero(regs::of(reg));
            }
        }
    }

    /// The second copies of accesses that have checks in common, behind the program.
    pub(super) fn add_slow_clusters(&mut self) {
        let Some(checks) = &mut self.checks else { return };
        for cluster in core::mem::take(&mut checks.clusters) {
            let (mut pc, last, back) = (cluster.start, cluster.last, cluster.back);
            if let Some(checks) = &mut self.checks {
                checks.slow_cluster = Some(cluster);
            }
            while pc <= last {
                let Some(insn) = self.insns.get(pc) else { break };
                // Nothing of it is refused, as it has been compiled once.
                pc = Pc(pc.0 + self.checked_insn(pc, insn).unwrap_or(1));
            }
            self.asm.jmp(back, Reach::Long);
        }
        if let Some(checks) = &mut self.checks {
            checks.slow_cluster = None;
        }
    }

    /// What is out of the way, behind the program.
    pub(super) fn add_misses(&mut self) {
        let Some(checks) = &mut self.checks else { return };
        for Miss { at, back, pc, insn } in core::mem::take(&mut checks.misses) {
            self.asm.bind(at);
            match insn {
                Some(insn) => self.missed(pc, insn),
                None => {
                    self.save_meter();
                    self.asm.mov_imm(KIND, Env::kind(Env::DEEP, 0, self.outside.number(), pc));
                    self.asm.call(self.stubs.access);
                }
            }
            self.asm.jmp(back, Reach::Long);
        }
    }
}
