//! Operations on numbers, as instructions and as the domain computes them.

use skep_domain::{AluOp, Cmp, Scalar, Width, is_branch_taken, refine, refine_same};
use skep_isa::{CondOp, Insn, Reg, Size, Src, Swap};
use std::fmt;

/// Something a program does with one or two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `dst op= src`
    Alu(AluOp, Width),
    /// Conversion of byte order: swaps of 2, 4 or 8 bytes.
    Swap(Swap, u32),
    /// `w1 = w1`
    Zext,
    /// `r1 = (s8)r1`, from 1, 2 or 4 bytes.
    Sext(u32),
    /// `w1 = (s8)w1`, from 1 or 2 bytes.
    SextSubreg(u32),
    /// Stored to the stack in the first number of bytes and loaded in the second.
    Spill(u32, u32),
    /// The same with a load that sign-extends.
    SignedSpill(u32, u32),
    /// A sum or difference of a pointer and a number; the operands are the pointer's variable
    /// distance from its object, and the number.
    Pointer(AluOp),
    /// `if dst cmp src goto …`
    Branch(Cmp, Width),
}

/// What becomes of the operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The result.
    Value(Scalar),
    /// The branch goes one way.
    Decided(bool),
    /// Both operands where the branch is taken and where it is not.
    Open([(Scalar, Scalar); 2]),
}

impl Operation {
    /// The operation on `a` and `b`, or on `a` in both places; those with one operand ignore `b`.
    #[must_use]
    pub fn apply(self, a: &Scalar, b: Option<&Scalar>) -> Outcome {
        let (same, b) = (b.is_none(), b.unwrap_or(a));
        let mut out = *a;
        match self {
            Self::Alu(op, width) => {
                let a = Scalar::fork(op, a, b).map_or(*a, |[goes_on, _]| goes_on);
                return Outcome::Value(Scalar::alu(op, width, &a, b));
            }
            Self::Pointer(op) => return Outcome::Value(Scalar::pointer_alu(op, a, b)),
            Self::Branch(cmp, width) => {
                return match is_branch_taken(a, b, cmp, width) {
                    Some(taken) => Outcome::Decided(taken),
                    None if same => Outcome::Open(refine_same(a, cmp, width).map(|x| (x, x))),
                    None => Outcome::Open(refine(a, b, cmp, width)),
                };
            }
            // The kernel of this host converts to little-endian by keeping the lower bytes.
            Self::Swap(kind, size)
                if (kind == Swap::Le) == cfg!(target_endian = "little") && kind != Swap::Always =>
            {
                out.coerce_to_size(size)
            }
            Self::Swap(_, size) => out.swap_bytes(size),
            Self::Zext => out.zext(),
            Self::Sext(size) => out.sext(size),
            Self::SextSubreg(size) => out.sext_subreg(size),
            Self::Spill(_, size) => out.coerce_to_size(size),
            Self::SignedSpill(_, size) => out.sext(size),
        }
        Outcome::Value(out)
    }

    /// Whether there is a second operand.
    #[must_use]
    pub const fn is_binary(self) -> bool {
        match self {
            Self::Alu(op, _) => !matches!(op, AluOp::Neg),
            Self::Branch(..) | Self::Pointer(_) => true,
            _ => false,
        }
    }

    /// Whether it moves a number about, which gives it an identity.
    pub(super) const fn is_move(self) -> bool {
        !matches!(self, Self::Alu(..) | Self::Swap(..) | Self::Pointer(_) | Self::Branch(..))
    }

    /// Its instructions, on a register and an operand. Branches go to the instruction after next.
    pub(super) fn insns(self, dst: Reg, src: Src) -> Vec<Insn> {
        vec![match self {
            Self::Alu(AluOp::Neg, width) => Insn::Neg { width: isa_width(width), dst },
            Self::Pointer(op) => {
                Insn::Alu { width: skep_isa::Width::W64, op: isa_alu(op), dst, src }
            }
            Self::Alu(op, width) => {
                Insn::Alu { width: isa_width(width), op: isa_alu(op), dst, src }
            }
            Self::Swap(kind, size) => Insn::Swap { kind, size: isa_size(size), dst },
            Self::Zext => Insn::Alu {
                width: skep_isa::Width::W32,
                op: skep_isa::AluOp::Mov,
                dst,
                src: Src::Reg(dst),
            },
            Self::Sext(size) => {
                Insn::MovSx { width: skep_isa::Width::W64, from: isa_size(size), dst, src: dst }
            }
            Self::SextSubreg(size) => {
                Insn::MovSx { width: skep_isa::Width::W32, from: isa_size(size), dst, src: dst }
            }
            Self::Spill(stored, size) => {
                let load = Insn::Load { size: isa_size(size), dst, base: Reg::FP, off: -8 };
                return vec![spill(stored, dst), load];
            }
            Self::SignedSpill(stored, size) => {
                let load = Insn::LoadSx { size: isa_size(size), dst, base: Reg::FP, off: -8 };
                return vec![spill(stored, dst), load];
            }
            Self::Branch(cmp, width) => {
                Insn::JumpIf { width: isa_width(width), op: isa_cond(cmp), dst, src, off: 1 }
            }
        }]
    }
}

fn spill(size: u32, src: Reg) -> Insn {
    Insn::Store { size: isa_size(size), base: Reg::FP, off: -8, src: Src::Reg(src) }
}

const fn isa_width(width: Width) -> skep_isa::Width {
    match width {
        Width::W32 => skep_isa::Width::W32,
        Width::W64 => skep_isa::Width::W64,
    }
}

pub(super) const fn isa_size(size: u32) -> Size {
    match size {
        1 => Size::B,
        2 => Size::H,
        4 => Size::W,
        _ => Size::Dw,
    }
}

fn isa_alu(op: AluOp) -> skep_isa::AluOp {
    use skep_isa::AluOp as To;
    match op {
        AluOp::Add => To::Add,
        AluOp::Sub => To::Sub,
        AluOp::Mul => To::Mul,
        AluOp::Div => To::Div,
        AluOp::Sdiv => To::SDiv,
        AluOp::Mod => To::Mod,
        AluOp::Smod => To::SMod,
        AluOp::And => To::And,
        AluOp::Or => To::Or,
        AluOp::Xor => To::Xor,
        AluOp::Lsh => To::Lsh,
        AluOp::Rsh => To::Rsh,
        AluOp::Arsh => To::Arsh,
        AluOp::Neg => unreachable!("bug: an instruction of its own"),
    }
}

const fn isa_cond(cmp: Cmp) -> CondOp {
    match cmp {
        Cmp::Eq => CondOp::Eq,
        Cmp::Ne => CondOp::Ne,
        Cmp::Set => CondOp::Set,
        Cmp::Gt => CondOp::Gt,
        Cmp::Ge => CondOp::Ge,
        Cmp::Lt => CondOp::Lt,
        Cmp::Le => CondOp::Le,
        Cmp::Sgt => CondOp::SGt,
        Cmp::Sge => CondOp::SGe,
        Cmp::Slt => CondOp::SLt,
        Cmp::Sle => CondOp::SLe,
    }
}

const fn bits(width: Width) -> u32 {
    match width {
        Width::W32 => 32,
        Width::W64 => 64,
    }
}

/// In the words of `corpus/domain`.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lower = |name: &dyn fmt::Debug| format!("{name:?}").to_lowercase();
        match *self {
            Self::Alu(op, width) => write!(f, "{} {}", lower(&op), bits(width)),
            Self::Swap(kind, size) => write!(f, "swap {} {size}", lower(&kind)),
            Self::Zext => write!(f, "zext"),
            Self::Sext(size) => write!(f, "sext {size}"),
            Self::SextSubreg(size) => write!(f, "sext-subreg {size}"),
            Self::Spill(stored, size) => write!(f, "spill {stored} fill {size}"),
            Self::SignedSpill(stored, size) => write!(f, "spill {stored} signed fill {size}"),
            Self::Pointer(op) => write!(f, "pointer {}", lower(&op)),
            Self::Branch(cmp, width) => write!(f, "if {} {}", lower(&cmp), bits(width)),
        }
    }
}
