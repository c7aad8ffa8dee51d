//! What code that checks its accesses has of checks, whatever the processor.
//!
//! Addresses are those of regions. Each access has a [`Check`](crate::Check): the part of memory that it found last, where
//! most accesses stay. The address less its start is compared with the positions at which the access fits, and what leads
//! from there to the host is added. What lies elsewhere is left to [`Env::access`](crate::Env::access), which does what the
//! interpreter does, and notes the part where it was.
//!
//! r10 is the host's address of the frame, which is always there: accesses to a function's own stack need no check.

use crate::code::{Checked, CompileError};
use crate::env::{Check, FRAME};
use crate::grouped::Cluster;
use crate::hoisted::Hoisted;
use alloc::vec::Vec;
use skep_isa::{AluOp, AtomicOp, Insn, Insns, Pc, Reg, Size, Src, Width};

/// What there is of checks; labels are `L`.
#[derive(Debug)]
pub(crate) struct Checks<L> {
    /// The accesses that have one.
    pub(crate) pcs: Vec<Checked>,
    /// The accesses at hand that have checks in common.
    pub(crate) cluster: Option<Cluster<L>>,
    /// Such accesses that are over.
    pub(crate) clusters: Vec<Cluster<L>>,
    /// Those whose second copy is made.
    pub(crate) slow_cluster: Option<Cluster<L>>,
    /// The loop at hand that was checked before it began.
    pub(crate) quick: Option<Hoisted<L>>,
    /// Such loops that are over.
    pub(crate) hoisted: Vec<Hoisted<L>>,
    /// The one whose slow way is made.
    pub(crate) slow: Option<Hoisted<L>>,
    /// Where code out of the way is to come.
    pub(crate) misses: Vec<Miss<L>>,
}

impl<L: Copy> Checks<L> {
    pub(crate) const fn new() -> Self {
        Self {
            pcs: Vec::new(),
            cluster: None,
            clusters: Vec::new(),
            slow_cluster: None,
            quick: None,
            hoisted: Vec::new(),
            slow: None,
            misses: Vec::new(),
        }
    }

    /// The number of the check of an access that has its own.
    pub(crate) fn number(&mut self, pc: Pc, insn: &Insn, size: Size) -> usize {
        if let Some(number) = self.slow.as_ref().and_then(|slow| slow.number(pc)) {
            return number;
        }
        let bytes = size.bytes().into();
        self.pcs.push(Checked { pc, bytes });
        let is_store = matches!(insn, Insn::Store { .. });
        Check::number(self.pcs.len() - 1, bytes as usize, is_store)
    }

    /// The numbers of two checks for a call, of what it reads and of what it writes, while there are any of its own.
    pub(crate) fn pair(&mut self, pc: Pc, bytes: u32) -> Option<(usize, usize)> {
        let from = self.pcs.len();
        if Check::is_shared(from + 1) {
            return None;
        }
        self.pcs.extend([Checked { pc, bytes }; 2]);
        Some((from, from + 1))
    }
}

/// What is left to the environment.
#[derive(Debug)]
pub(crate) struct Miss<L> {
    pub(crate) at: L,
    pub(crate) back: L,
    pub(crate) pc: Pc,
    /// None for a call that finds no room on the stack.
    pub(crate) insn: Option<Insn>,
}

/// As code has another r10 than programs, it must be named where that makes no difference.
pub(crate) fn check_frame_pointer(insns: &Insns) -> Result<(), CompileError> {
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
            let what = "what is done with r10";
            return Err(CompileError::Unsupported { pc, what });
        }
    }
    Ok(())
}

/// Whether it is an access to the function's own stack, which needs no check.
pub(crate) fn is_own_stack(insn: &Insn) -> bool {
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

/// Base, offset and the register that is stored of an access that the environment does.
pub(crate) const fn left_access(insn: &Insn) -> Option<(Reg, i16, Option<Reg>)> {
    Some(match *insn {
        Insn::Load { base, off, .. }
        | Insn::LoadSx { base, off, .. }
        | Insn::LoadAcquire { base, off, .. }
        // An immediate stands in the instruction.
        | Insn::Store { base, off, src: Src::Imm(_), .. } => (base, off, None),
        Insn::Store { base, off, src: Src::Reg(src), .. }
        | Insn::StoreRelease { base, off, src, .. }
        | Insn::Atomic { base, off, src, .. } => (base, off, Some(src)),
        _ => return None,
    })
}

/// The register that gets what such an access gives.
pub(crate) fn left_result(insn: &Insn) -> Option<Reg> {
    match *insn {
        Insn::Load { dst, .. } | Insn::LoadSx { dst, .. } | Insn::LoadAcquire { dst, .. } => {
            Some(dst)
        }
        Insn::Atomic { op: AtomicOp::CmpXchg, .. } => Some(Reg::R0),
        Insn::Atomic { op, src, .. } if op.fetches() => Some(src),
        _ => None,
    }
}
