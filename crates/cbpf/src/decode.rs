//! From fields to instructions and back.

use crate::insn::{Ancillary, Insn, Reg, Src};
use crate::raw::RawInsn;
use crate::table::TABLE;

/// Linux allows no such opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown opcode {code:#04x}")]
pub struct DecodeError {
    /// The opcode.
    pub code: u16,
}

impl Insn {
    /// Decodes one instruction. Fields that it does not use may hold anything.
    ///
    /// # Errors
    /// [`DecodeError`] for an opcode that Linux does not allow.
    pub fn decode(raw: RawInsn) -> Result<Self, DecodeError> {
        let row = TABLE.iter().find(|row| row.code == raw.code);
        let insn = row.ok_or(DecodeError { code: raw.code })?.insn.with(raw);
        Ok(match insn {
            Self::LoadAbs { size, k } => {
                Ancillary::at(k).map_or(insn, |anc| Self::LoadAnc { size, anc })
            }
            insn => insn,
        })
    }

    /// The fields of this instruction.
    #[must_use]
    pub fn encode(self) -> RawInsn {
        let insn = match self {
            Self::LoadAnc { size, anc } => Self::LoadAbs { size, k: anc.k() },
            insn => insn,
        };
        let bare = insn.with(RawInsn::default());
        let row = TABLE.iter().find(|row| row.insn == bare).expect("bug: instruction without row");
        let (jt, jf) = match insn {
            Self::JumpIf { jt, jf, .. } => (jt, jf),
            _ => (0, 0),
        };
        RawInsn { code: row.code, jt, jf, k: insn.k().unwrap_or(0) }
    }

    /// The immediate, where there is one.
    const fn k(self) -> Option<u32> {
        match self {
            Self::LoadAbs { k, .. }
            | Self::LoadInd { k, .. }
            | Self::LoadImm { k, .. }
            | Self::LoadMem { k, .. }
            | Self::LoadMsh { k }
            | Self::Store { k, .. }
            | Self::Alu { src: Src::K(k), .. }
            | Self::Jump { k }
            | Self::JumpIf { src: Src::K(k), .. }
            | Self::RetK { k } => Some(k),
            Self::LoadAnc { anc, .. } => Some(anc.k()),
            Self::LoadLen { .. }
            | Self::Alu { src: Src::X, .. }
            | Self::Neg
            | Self::JumpIf { src: Src::X, .. }
            | Self::RetA
            | Self::Tax
            | Self::Txa => None,
        }
    }

    /// The same kind of instruction with these fields.
    const fn with(self, raw: RawInsn) -> Self {
        let RawInsn { jt, jf, k, .. } = raw;
        match self {
            Self::LoadAbs { size, .. } => Self::LoadAbs { size, k },
            Self::LoadInd { size, .. } => Self::LoadInd { size, k },
            Self::LoadImm { reg, .. } => Self::LoadImm { reg, k },
            Self::LoadMem { reg, .. } => Self::LoadMem { reg, k },
            Self::LoadMsh { .. } => Self::LoadMsh { k },
            Self::Store { reg, .. } => Self::Store { reg, k },
            Self::Alu { op, src: Src::K(_) } => Self::Alu { op, src: Src::K(k) },
            Self::Jump { .. } => Self::Jump { k },
            Self::JumpIf { op, src: Src::K(_), .. } => Self::JumpIf { op, src: Src::K(k), jt, jf },
            Self::JumpIf { op, src: Src::X, .. } => Self::JumpIf { op, src: Src::X, jt, jf },
            Self::RetK { .. } => Self::RetK { k },
            Self::LoadAnc { .. }
            | Self::LoadLen { reg: Reg::A | Reg::X }
            | Self::Alu { src: Src::X, .. }
            | Self::Neg
            | Self::RetA
            | Self::Tax
            | Self::Txa => self,
        }
    }
}
