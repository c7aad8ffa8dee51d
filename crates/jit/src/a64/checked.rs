//! Accesses that code checks itself, for programs that nobody has verified: see `checks.rs`.

use super::mem::{ADDR, KIND, VALUE};
use super::regs::{RESULT, S1, S2};
use super::{Compiler, env, regs};
use crate::checks::{Miss, is_own_stack, left_access, left_result};
use crate::env::{Check, Env, FRAME};
use crate::grouped::Way;
use crate::surroundings::Surroundings;
use core::mem::{offset_of, size_of};
use skep_a64::{Add, Cond, Gpr, Label, Mem, MemSize, Width as Wide};
use skep_isa::{Insn, Pc, Reg, Size, Src};

/// What leads from an address to the host's.
pub(super) const TO_HOST: Gpr = S1;
/// A number that is stored, or one that is compared with.
const NUMBER: Gpr = S2;

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
            let mem = self.at_host(base, off, host);
            return self.access_at(insn, mem);
        }
        let program = (self.insns, self.shape);
        let way = self.checks.as_mut().and_then(|all| all.way(program, pc, || self.asm.label()));
        match way {
            Some(Way::Free(number)) => {
                self.lead_to_host(TO_HOST, number);
                let mem = self.at_host(base, off, TO_HOST);
                self.access_at(insn, mem);
            }
            Some(Way::Checked(number, low, Some(slow))) => {
                let mem = self.check(number, (base, off), low, slow);
                self.access_at(insn, mem);
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
                let mem = self.check(number, (base, off), low, at);
                self.access_at(insn, mem);
                self.asm.bind(back);
            }
        }
        if let Some(back) = self.checks.as_mut().and_then(|all| all.end_cluster(pc)) {
            self.asm.bind(back);
        }
    }

    /// Whether what begins `low` from a register lies where a check has found memory; if so, where the host has what is
    /// `off` from the register.
    fn check(&mut self, number: usize, (base, off): (Reg, i16), low: i32, miss: Label) -> Mem {
        let addr = if low == 0 {
            regs::of(base)
        } else {
            self.asm.add_imm(Wide::W64, ADDR, regs::of(base), low.into());
            ADDR
        };
        self.check_address(number, addr, miss);
        self.lead_to_host(TO_HOST, number);
        if low == i32::from(off) {
            Mem::indexed(addr, TO_HOST)
        } else {
            self.at_host(base, off, TO_HOST)
        }
    }

    /// Whether an address lies where a check has found memory. The address less the start of that is in [`S1`] then, and in
    /// [`S2`] the positions that there are.
    pub(super) fn check_address(&mut self, number: usize, addr: Gpr, miss: Label) {
        self.asm.load(MemSize::B8, S1, word(number, offset_of!(Check, lo)));
        self.asm.load(MemSize::B8, S2, word(number, offset_of!(Check, limit)));
        self.asm.add(Add::Sub, Wide::W64, S1, addr, S1);
        self.asm.cmp(Wide::W64, S1, S2);
        let reach = self.behind();
        self.asm.b_cond(Cond::Hs, miss, reach);
    }

    pub(super) fn lead_to_host(&mut self, dst: Gpr, number: usize) {
        self.asm.load(MemSize::B8, dst, word(number, offset_of!(Check, to_host)));
    }

    /// Where the host has what is so far from a register, `host` being what leads there. No encoding has all three.
    fn at_host(&mut self, base: Reg, off: i16, host: Gpr) -> Mem {
        if off == 0 {
            return Mem::indexed(regs::of(base), host);
        }
        self.asm.add(Add::Add, Wide::W64, TO_HOST, host, regs::of(base));
        Mem::new(TO_HOST, off.into())
    }

    /// Does what an instruction does, at an address of the host.
    fn access_at(&mut self, insn: Insn, mem: Mem) {
        match insn {
            Insn::Load { size, dst, .. } => self.asm.load(regs::size(size), regs::of(dst), mem),
            Insn::LoadSx { size, dst, .. } => {
                self.asm.load_sx(regs::size(size), regs::of(dst), mem);
            }
            Insn::Store { size, src, .. } => {
                let src = match src {
                    Src::Reg(src) => self.source(NUMBER, src),
                    Src::Imm(imm) => self.stored(NUMBER, size, imm),
                };
                self.asm.store(regs::size(size), src, mem);
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

    /// r10 as the program sees it.
    fn frame_pointer(&mut self, dst: Gpr) {
        self.asm.load(MemSize::B8, dst, env(offset_of!(Env, to_region)));
        self.asm.add(Add::Add, Wide::W64, dst, dst, regs::FRAME_POINTER);
    }

    /// `dst = r10`
    pub(super) fn copy_frame_pointer(&mut self, dst: Reg) {
        self.frame_pointer(regs::of(dst));
    }

    /// An access that the environment does.
    fn missed(&mut self, pc: Pc, insn: Insn) {
        debug_assert!(!self.is_hoisted(), "bug: the environment keeps no register of a loop");
        let Some((base, off, src)) = left_access(&insn) else { return };
        if let Some(src) = src {
            let src = self.source(VALUE, src);
            self.mov(Wide::W64, VALUE, src);
        }
        if matches!(insn, Insn::Atomic { .. }) {
            self.asm.store(MemSize::B8, RESULT, env(offset_of!(Env, r0)));
        }
        if base == Reg::FP {
            self.frame_pointer(ADDR);
            self.asm.add_imm(Wide::W64, ADDR, ADDR, off.into());
        } else {
            self.asm.add_imm(Wide::W64, ADDR, regs::of(base), off.into());
        }
        self.asm.mov_imm(KIND, Env::kind(Env::CHECKED, 0, self.outside.number(), pc));
        self.asm.bl(self.stubs.access);
        if let Some(dst) = left_result(&insn) {
            self.asm.mov(Wide::W64, regs::of(dst), ADDR);
        }
    }

    /// Before a call of a function: whether there is room for its frame.
    pub(super) fn check_depth(&mut self, pc: Pc) {
        let [at, back] = core::array::from_fn(|_| self.asm.label());
        let Some(checks) = &mut self.checks else { return };
        checks.misses.push(Miss { at, back, pc, insn: None });
        self.asm.add_imm(Wide::W64, ADDR, regs::FRAME_POINTER, i64::from(-2 * FRAME));
        self.asm.load(MemSize::B8, S1, env(offset_of!(Env, bottom)));
        self.asm.cmp(Wide::W64, ADDR, S1);
        let reach = self.behind();
        self.asm.b_cond(Cond::Lo, at, reach);
        self.asm.bind(back);
    }

    /// Registers that nobody has set yet are zero, as in the interpreter.
    pub(super) fn zero_registers(&mut self) {
        if self.checks.is_some() {
            for reg in [Reg::R0, Reg::R6, Reg::R7, Reg::R8, Reg::R9] {
                self.asm.mov_imm(regs::of(reg), 0);
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
                pc = Pc(pc.0 + self.insn(pc, insn).unwrap_or(1));
            }
            self.asm.b(back);
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
                    let kind = Env::kind(Env::DEEP, 0, self.outside.number(), pc);
                    self.asm.mov_imm(KIND, kind);
                    self.asm.bl(self.stubs.access);
                }
            }
            self.asm.b(back);
        }
    }
}
