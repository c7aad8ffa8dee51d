//! How far jumps lead once Linux has turned the program into eBPF.
//!
//! Linux runs no classic BPF: it converts, and an unconditional jump that does not fit in 16 bits
//! then makes it reject the program. The numbers are those of 64-bit hosts with unaligned loads
//! (`CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS`).
//!
//! Kernel: `bpf_convert_filter`, `convert_bpf_ld_abs`, `convert_bpf_extensions`.

use super::{CheckError, target};
use crate::insn::{AluOp, Ancillary, CondOp, Insn, Size, Src};
use alloc::vec::Vec;

/// So many instructions of 21 slots, the most that one becomes, do not fit in 16 bits.
const FAR: u32 = 0x7fff / 21;

/// Conditional jumps span too little to matter: at most 255 instructions.
pub(super) fn check_jumps(insns: &[Insn]) -> Result<(), CheckError> {
    let is_long = |insn: &Insn| matches!(*insn, Insn::Jump { k } if k >= FAR);
    if !insns.iter().any(is_long) {
        return Ok(());
    }
    let mut end = 0u32;
    let ends: Vec<u32> = insns
        .iter()
        .map(|&insn| {
            // At most 4096 instructions of 21 slots.
            end = end.saturating_add(slots(insn));
            end
        })
        .collect();
    for (pc, insn) in insns.iter().enumerate() {
        let Insn::Jump { k } = *insn else { continue };
        let before_target = target(pc, k).checked_sub(1).and_then(|last| ends.get(last));
        if let (Some(to), Some(from)) = (before_target, ends.get(pc)) {
            let slots = to.saturating_sub(*from);
            if i16::try_from(slots).is_err() {
                return Err(CheckError::JumpTooLong { pc, slots });
            }
        }
    }
    Ok(())
}

/// Slots that an instruction becomes.
#[expect(clippy::arithmetic_side_effects, reason = "sums of a few small numbers")]
fn slots(insn: Insn) -> u32 {
    match insn {
        Insn::LoadAbs { size, k } => load_abs(size, k),
        // Arguments, the sum unless k is 0, the call, and the way out.
        Insn::LoadInd { k, .. } => 8 + u32::from(k != 0),
        Insn::LoadMsh { k } => 6 + load_abs(Size::B, k),
        Insn::LoadAnc { anc, .. } => ancillary(anc),
        Insn::Alu { op: AluOp::Div | AluOp::Mod, src: Src::X } => 5,
        Insn::JumpIf { op, src, jt, jf } => {
            let wide = matches!(src, Src::K(k) if k.cast_signed() < 0);
            let one = jf == 0 || (jt == 0 && op != CondOp::Set);
            u32::from(wide) + if one { 1 } else { 2 }
        }
        Insn::RetK { .. } => 2,
        Insn::LoadLen { .. }
        | Insn::LoadImm { .. }
        | Insn::LoadMem { .. }
        | Insn::Store { .. }
        | Insn::Alu { .. }
        | Insn::Neg
        | Insn::Jump { .. }
        | Insn::RetA
        | Insn::Tax
        | Insn::Txa => 1,
    }
}

/// A call, and before it, for offsets from the start, a load without one.
#[expect(clippy::arithmetic_side_effects, reason = "sums of a few small numbers")]
fn load_abs(size: Size, k: u32) -> u32 {
    const CALL: u32 = 8;
    if k.cast_signed() < 0 {
        return CALL;
    }
    let far = if i16::try_from(k).is_ok() { 0 } else { 2 };
    CALL + 4 + u32::from(k != 0) + u32::from(size != Size::B) + far
}

const fn ancillary(anc: Ancillary) -> u32 {
    match anc {
        Ancillary::Mark
        | Ancillary::Queue
        | Ancillary::RxHash
        | Ancillary::AluXorX
        | Ancillary::VlanTag => 1,
        Ancillary::Protocol | Ancillary::PktType | Ancillary::VlanTpid => 2,
        Ancillary::VlanTagPresent => 3,
        Ancillary::IfIndex
        | Ancillary::HaType
        | Ancillary::Nlattr
        | Ancillary::NlattrNest
        | Ancillary::Cpu
        | Ancillary::PayOffset
        | Ancillary::Random => 4,
    }
}
