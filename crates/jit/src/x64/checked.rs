//! Accesses that code checks itself, for programs that nobody has verified.
//!
//! Addresses are those of regions. Each access has a [`Check`]: the part of memory that it found last, where most
//! accesses stay. The address less its start is compared with the positions at which the access fits, and what leads from
//! there to the host is added. What lies elsewhere is left to [`Env::access`], which does what the interpreter does, and
//! notes the part where it was. All that is compared with lies at fixed places, so that a load waits for no more than the
//! address itself.
//!
//! r10 is the host's address of the frame, which is always there: accesses to a function's own stack need no check.

use super::grouped::{Cluster, Way};
use super::hoist::Hoisted;
use super::mem::{ADDR, KIND, VALUE};
use super::{Compiler, env, regs, unsupported};
use crate::code::{Checked, CompileError};
use crate::env::{Check, Env, FRAME};
use crate::surroundings::Surroundings;
use alloc::vec::Vec;
use core::mem::{offset_of, size_of};
use skep_isa::{AluOp, AtomicOp, Insn, Insns, Pc, Reg, Size, Src, Width};
use skep_x64::{Alu, Cond, Gpr, Label, Mem, MemSize, Reach, Width as Wide};

/// What leads from an address to the host's.
const TO_HOST: Gpr = Gpr::R11;
/// A number that is stored.
const NUMBER: Gpr = Gpr::R10;

/// What there is of checks.
#[derive(Debug, Default)]
pub(super) struct Checks {
    /// The accesses that have one.
    pub(super) pcs: Vec<Checked>,
    /// The accesses at hand that have checks in common.
    pub(super) cluster: Option<Cluster>,
    /// Such accesses that are over.
    pub(super) clusters: Vec<Cluster>,
    /// Those whose second copy is made.
    pub(super) slow_cluster: Option<Cluster>,
    /// The loop at hand that was checked before it began.
    pub(super) quick: Option<Hoisted>,
    /// Such loops that are over.
    pub(super) hoisted: Vec<Hoisted>,
    /// The one whose slow way is made.
    pub(super) slow: Option<Hoisted>,
    /// Where code out of the way is to come.
    misses: Vec<Miss>,
}

impl Checks {
    /// The number of the check of an access that has its own.
    fn number(&mut self, pc: Pc, insn: &Insn, size: Size) -> usize {
        if let Some(number) = self.slow.as_ref().and_then(|slow| slow.number(pc)) {
            return number;
        }
        let bytes = size.bytes().into();
        self.pcs.push(Checked { pc, bytes });
        let is_store = matches!(insn, Insn::Store { .. });
        Check::number(self.pcs.len() - 1, bytes as usize, is_store)
    }
}

/// What is left to the environment.
#[derive(Debug)]
struct Miss {
    at: Label,
    back: Label,
    pc: Pc,
    insn: Option<Insn>,
}

/// As code has another r10 than programs, it must be named where that makes no difference.
pub(super) fn check_frame_pointer(insns: &Insns) -> Result<(), CompileError> {
    const FP: Reg = Reg::FP;
    for (pc, insn) in insns.iter() {
        let is_named = match insn {
            Insn::Alu { width: Width::W64, op: AluOp::Mov, dst, .. } => dst == FP,
            Insn::Alu { dst, src, .. } => dst == FP || src == Src::Reg(FP),
            Insn::MovSx { dst, src, .. } | Insn::AddrSpaceCast { dst, src, .. } => {
                dst == FP || src == FP
            }
            Insn::JumpIf { dst, src, .. } => dst == FP || src == Src::Reg(FP),
            Insn::LoadInd { src, .. } => src == FP,
            Insn::Store { src: Src::Reg(src), size, .. } => src == FP && size != Size::Dw,
            Insn::StoreRelease { src, .. } | Insn::Atomic { src, .. } => src == FP,
            insn => insn.writes() == Some(FP),
        };
        if is_named {
            return Err(unsupported(pc, "what is done with r10"));
        }
    }
    Ok(())
}

/// Whether it is an access to the function's own stack, which needs no check.
pub(super) fn is_own_stack(insn: &Insn) -> bool {
    match *insn {
        Insn::Load { size, base, off, .. }
        | Insn::LoadSx { size, base, off, .. }
        | Insn::Store { size, base, off, .. } => {
            let off = i32::from(off);
            base == Reg::FP && off >= -FRAME && off + i32::from(size.bytes()) <= 0
        }
        _ => false,
    }
}

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
        match self.way(pc) {
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
                    _ => (checks.number(pc, &insn, size), off.into()),
                };
                self.check(number, base, low, at);
                self.access_at(insn, place(base, off).with_index(TO_HOST, 0));
                self.asm.bind(back);
            }
        }
        self.end_cluster(pc);
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
        self.save_meter();
        let (base, off, src) = match insn {
            Insn::Load { base, off, .. }
            | Insn::LoadSx { base, off, .. }
            | Insn::LoadAcquire { base, off, .. } => (base, off, None),
            Insn::Store { base, off, src: Src::Reg(src), .. }
            | Insn::StoreRelease { base, off, src, .. }
            | Insn::Atomic { base, off, src, .. } => (base, off, Some(src)),
            // It stands in the instruction.
            Insn::Store { base, off, src: Src::Imm(_), .. } => (base, off, None),
            _ => return,
        };
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
        let result = match insn {
            Insn::Load { dst, .. } | Insn::LoadSx { dst, .. } | Insn::LoadAcquire { dst, .. } => {
                Some(dst)
            }
            Insn::Atomic { op: AtomicOp::CmpXchg, .. } => Some(Reg::R0),
            Insn::Atomic { op, src, .. } if op.fetches() => Some(src),
            _ => None,
        };
        if let Some(dst) = result {
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
