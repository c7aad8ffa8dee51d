//! What a program must be before anything runs it.

mod convert;

use crate::decode::DecodeError;
use crate::insn::{AluOp, Insn, Src};
use crate::raw::RawInsn;
use crate::table::AD_OFF;
use alloc::vec;
use alloc::vec::Vec;

/// Most instructions of a program. Linux: `BPF_MAXINSNS`.
pub const MAX_INSNS: usize = 4096;

/// Cells of scratch memory. Linux: `BPF_MEMWORDS`.
pub const MEM_CELLS: u32 = 16;

/// A program that passed [`check`]; there is no other way to one.
///
/// All jumps lead forward to an instruction of the program and the last instruction returns, so a
/// run ends. Scratch memory is written before it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    insns: Vec<Insn>,
}

/// Why Linux does not take a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are glossary terms")]
pub enum CheckError {
    /// No instruction, or too many.
    #[error("{len} instructions, a program has 1 to {MAX_INSNS}")]
    Length { len: usize },
    /// An instruction does not decode.
    #[error("insn {pc}: {source}")]
    Insn { pc: usize, source: DecodeError },
    /// Division or modulo by the immediate 0.
    #[error("insn {pc}: division by 0")]
    DivisionByZero { pc: usize },
    /// Shift by an immediate of 32 or more.
    #[error("insn {pc}: shift by {k}, the most is 31")]
    Shift { pc: usize, k: u32 },
    /// No such cell of scratch memory.
    #[error("insn {pc}: scratch memory M[{k}], the last is M[15]")]
    Cell { pc: usize, k: u32 },
    /// On some way here nothing was written to the cell.
    #[error("insn {pc}: M[{k}] may be read before it is written")]
    Uninitialised { pc: usize, k: u32 },
    /// A jump leads out of the program.
    #[error("insn {pc}: jump to {target}, the last instruction is {last}")]
    Jump { pc: usize, target: u64, last: usize },
    /// Linux turns the program into eBPF, where this jump would not fit in 16 bits.
    #[error("insn {pc}: jump over {slots} eBPF instructions, Linux allows 32767")]
    JumpTooLong { pc: usize, slots: u32 },
    /// A load from an offset kept for ancillary data, where there is none.
    #[error("insn {pc}: no ancillary data at offset {k:#x}")]
    Ancillary { pc: usize, k: u32 },
    /// The last instruction is not a return.
    #[error("insn {pc}: the last instruction must be ret")]
    NoReturn { pc: usize },
}

/// Checks a program by the rules of Linux.
///
/// Kernel: `bpf_check_classic`, and what `bpf_convert_filter` rejects after it.
///
/// # Errors
/// [`CheckError`] with the first instruction that breaks a rule.
pub fn check(raws: &[RawInsn]) -> Result<Program, CheckError> {
    let len = raws.len();
    if len == 0 || len > MAX_INSNS {
        return Err(CheckError::Length { len });
    }
    let insns = raws
        .iter()
        .enumerate()
        .map(|(pc, &raw)| {
            let insn = Insn::decode(raw).map_err(|source| CheckError::Insn { pc, source })?;
            check_insn(pc, &insn, len).map(|()| insn)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let is_linear = !insns.iter().any(needs_more);
    check_whole(insns, is_linear)
}

/// Checks decoded instructions by the same rules: what a compiler made need not be encoded first.
///
/// # Errors
/// [`CheckError`] with the first instruction that breaks a rule.
pub fn check_insns(insns: Vec<Insn>) -> Result<Program, CheckError> {
    let len = insns.len();
    if len == 0 || len > MAX_INSNS {
        return Err(CheckError::Length { len });
    }
    let mut is_linear = true;
    for (pc, insn) in insns.iter().enumerate() {
        check_insn(pc, insn, len)?;
        is_linear &= !needs_more(insn);
    }
    check_whole(insns, is_linear)
}

/// Whether more than itself decides whether an instruction is right.
const fn needs_more(insn: &Insn) -> bool {
    matches!(insn, Insn::LoadMem { .. } | Insn::Jump { .. })
}

#[inline]
fn check_whole(insns: Vec<Insn>, is_linear: bool) -> Result<Program, CheckError> {
    match insns.last() {
        Some(Insn::RetK { .. } | Insn::RetA) => {}
        _ => return Err(CheckError::NoReturn { pc: insns.len().saturating_sub(1) }),
    }
    // Most have neither.
    if !is_linear {
        check_cells(&insns)?;
        convert::check_jumps(&insns)?;
    }
    Ok(Program { insns })
}

#[inline]
fn check_insn(pc: usize, insn: &Insn, len: usize) -> Result<(), CheckError> {
    match *insn {
        Insn::Alu { op: AluOp::Div | AluOp::Mod, src: Src::K(0) } => {
            Err(CheckError::DivisionByZero { pc })
        }
        Insn::Alu { op: AluOp::Lsh | AluOp::Rsh, src: Src::K(k) } if k >= 32 => {
            Err(CheckError::Shift { pc, k })
        }
        Insn::LoadMem { k, .. } | Insn::Store { k, .. } if k >= MEM_CELLS => {
            Err(CheckError::Cell { pc, k })
        }
        Insn::LoadAbs { k, .. } if k >= AD_OFF => Err(CheckError::Ancillary { pc, k }),
        Insn::Jump { k } => check_jump(pc, k, len),
        Insn::JumpIf { jt, jf, .. } => {
            check_jump(pc, jt.into(), len)?;
            check_jump(pc, jf.into(), len)
        }
        _ => Ok(()),
    }
}

fn check_jump(pc: usize, k: u32, len: usize) -> Result<(), CheckError> {
    // At most 4096 instructions and 32 bits of offset: the sum fits.
    let target = (pc as u64).saturating_add(1).saturating_add(k.into());
    if target < len as u64 {
        return Ok(());
    }
    Err(CheckError::Jump { pc, target, last: len.saturating_sub(1) })
}

/// Scratch memory is written before it is read, whichever way leads there.
///
/// Each instruction has a set of cells that every jump to it finds written. Jumps lead forward
/// only, so one pass in order sees all jumps to an instruction before the instruction. A return
/// leads nowhere, and yet its set flows on to the next instruction: so does Linux, and it rejects
/// the same programs for it.
///
/// Kernel: `check_load_and_stores`.
fn check_cells(insns: &[Insn]) -> Result<(), CheckError> {
    if !insns.iter().any(|insn| matches!(insn, Insn::LoadMem { .. })) {
        return Ok(());
    }
    let mut at_target = vec![u16::MAX; insns.len()];
    let mut written = 0u16;
    for (pc, insn) in insns.iter().enumerate() {
        written &= at_target.get(pc).copied().unwrap_or(0);
        let mut jump = |off: u32| {
            let target = target(pc, off);
            if let Some(set) = at_target.get_mut(target) {
                *set &= written;
            }
        };
        match *insn {
            Insn::Store { k, .. } => written |= bit(k),
            Insn::LoadMem { k, .. } if written & bit(k) == 0 => {
                return Err(CheckError::Uninitialised { pc, k });
            }
            Insn::Jump { k } => {
                jump(k);
                written = u16::MAX;
            }
            Insn::JumpIf { jt, jf, .. } => {
                jump(jt.into());
                jump(jf.into());
                written = u16::MAX;
            }
            _ => {}
        }
    }
    Ok(())
}

fn bit(k: u32) -> u16 {
    1u16.checked_shl(k).unwrap_or(0)
}

/// Where a jump leads.
pub(crate) fn target(pc: usize, off: u32) -> usize {
    pc.saturating_add(1).saturating_add(off as usize)
}

impl Program {
    /// The instructions in order.
    #[must_use]
    pub fn insns(&self) -> &[Insn] {
        &self.insns
    }

    /// The fields of all instructions.
    #[must_use]
    pub fn encode(&self) -> Vec<RawInsn> {
        self.insns.iter().map(|insn| insn.encode()).collect()
    }
}
