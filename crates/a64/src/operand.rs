//! Registers, memory operands, and the families of instructions that share an encoding.

/// The registers for integers and addresses, and the one that is always zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the processor's own names")]
pub enum Gpr {
    X0,
    X1,
    X2,
    X3,
    X4,
    X5,
    X6,
    X7,
    X8,
    X9,
    X10,
    X11,
    X12,
    X13,
    X14,
    X15,
    /// The assembler's own.
    X16,
    X17,
    X18,
    X19,
    X20,
    X21,
    X22,
    X23,
    X24,
    X25,
    X26,
    X27,
    X28,
    X29,
    /// Where a call returns to.
    X30,
    /// Zero. Its number stands for the stack pointer elsewhere, which has operations of its own here.
    Zr,
}

impl Gpr {
    /// The number, 0 to 31.
    #[must_use]
    pub const fn num(self) -> u8 {
        self as u8
    }

    #[inline(always)]
    pub(crate) const fn bits(self) -> u32 {
        self as u32
    }
}

/// Width of an operation. Those of 32 bits clear the upper half of their register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "names say it")]
pub enum Width {
    W32,
    W64,
}

impl Width {
    /// The bit that tells 64 from 32.
    #[inline(always)]
    pub(crate) const fn bit(self) -> u32 {
        match self {
            Self::W32 => 0,
            Self::W64 => 1 << 31,
        }
    }

    /// 32 or 64.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::W32 => 32,
            Self::W64 => 64,
        }
    }
}

/// Size of an access to memory, by its number in encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "names say it")]
pub enum MemSize {
    B1 = 0,
    B2 = 1,
    B4 = 2,
    B8 = 3,
}

/// A place in memory: a register or the stack pointer, and a distance or a register beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mem {
    /// 31 for the stack pointer.
    pub(crate) base: u32,
    pub(crate) by: By,
}

/// What is added to the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Distance(i32),
    Register(Gpr),
}

impl Mem {
    /// `base + distance`
    ///
    /// # Panics
    /// If the base is the register of zero, which no encoding has.
    #[must_use]
    pub const fn new(base: Gpr, distance: i32) -> Self {
        assert!(!matches!(base, Gpr::Zr), "zero is no base");
        Self { base: base.bits(), by: By::Distance(distance) }
    }

    /// `sp + distance`
    #[must_use]
    pub const fn sp(distance: i32) -> Self {
        Self { base: 31, by: By::Distance(distance) }
    }

    /// `base + index`
    ///
    /// # Panics
    /// If the base is the register of zero, which no encoding has.
    #[must_use]
    pub const fn indexed(base: Gpr, index: Gpr) -> Self {
        assert!(!matches!(base, Gpr::Zr), "zero is no base");
        Self { base: base.bits(), by: By::Register(index) }
    }
}

/// Sums and differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the processor's own names")]
pub enum Add {
    Add = 0,
    Sub = 1,
}

/// Operations on bits, by their number in encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the processor's own names")]
pub enum Logic {
    And = 0,
    Orr = 1,
    Eor = 2,
    /// `and` that sets the flags.
    Ands = 3,
}

/// Shifts and rotations, by their number in encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the processor's own names")]
pub enum Shift {
    Lsl = 0,
    Lsr = 1,
    Asr = 2,
    Ror = 3,
}

/// Divisions: by zero they give 0, and the least number by -1 itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the processor's own names")]
pub enum Divide {
    Udiv = 2,
    Sdiv = 3,
}

/// Moves of 16 bits, by their number in encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Move {
    /// All other bits are 1, and those of the immediate inverted.
    Movn = 0,
    /// All other bits are 0.
    Movz = 2,
    /// All other bits stay.
    Movk = 3,
}

/// Atomic operations that read, change and write (LSE), by their number in encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Rmw {
    /// Adds.
    Ldadd = 0,
    /// Clears the bits of the operand.
    Ldclr = 1,
    /// Inverts the bits of the operand.
    Ldeor = 2,
    /// Sets the bits of the operand.
    Ldset = 3,
    /// Exchanges.
    Swp = 8,
}

/// Conditions, by their number in encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the processor's own names")]
pub enum Cond {
    Eq = 0,
    Ne = 1,
    Hs = 2,
    Lo = 3,
    Mi = 4,
    Pl = 5,
    Vs = 6,
    Vc = 7,
    Hi = 8,
    Ls = 9,
    Ge = 10,
    Lt = 11,
    Gt = 12,
    Le = 13,
}

impl Cond {
    /// The condition that holds exactly when this one does not.
    #[must_use]
    pub const fn not(self) -> Self {
        match self {
            Self::Eq => Self::Ne,
            Self::Ne => Self::Eq,
            Self::Hs => Self::Lo,
            Self::Lo => Self::Hs,
            Self::Mi => Self::Pl,
            Self::Pl => Self::Mi,
            Self::Vs => Self::Vc,
            Self::Vc => Self::Vs,
            Self::Hi => Self::Ls,
            Self::Ls => Self::Hi,
            Self::Ge => Self::Lt,
            Self::Lt => Self::Ge,
            Self::Gt => Self::Le,
            Self::Le => Self::Gt,
        }
    }
}
