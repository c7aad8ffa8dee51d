//! Registers, memory operands, and the families of instructions that share an encoding.

/// The registers for integers and addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the processor's own names")]
pub enum Gpr {
    Rax,
    Rcx,
    Rdx,
    Rbx,
    Rsp,
    Rbp,
    Rsi,
    Rdi,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
}

impl Gpr {
    /// The number, 0 to 15.
    #[must_use]
    pub const fn num(self) -> u8 {
        self as u8
    }
}

/// Width of an operation. Those of 32 bits clear the upper half of their register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "names say it")]
pub enum Width {
    W32,
    W64,
}

/// Size of an access to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "names say it")]
pub enum MemSize {
    B1,
    B2,
    B4,
    B8,
}

/// A place in memory: `base + index << scale + disp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mem {
    pub(crate) base: Gpr,
    pub(crate) index: Option<(Gpr, u8)>,
    pub(crate) disp: i32,
}

impl Mem {
    /// `base + disp`
    #[must_use]
    pub const fn new(base: Gpr, disp: i32) -> Self {
        Self { base, index: None, disp }
    }

    /// The place so many bytes behind.
    #[must_use]
    pub const fn plus(self, bytes: i32) -> Self {
        Self { disp: self.disp.wrapping_add(bytes), ..self }
    }

    /// The same and a register shifted by `scale`, which counts modulo 4; the index is not `rsp`, which no
    /// encoding has.
    ///
    /// # Panics
    /// If it is.
    #[must_use]
    pub const fn with_index(self, index: Gpr, scale: u8) -> Self {
        assert!(index as u8 != Gpr::Rsp as u8, "rsp is no index");
        Self { index: Some((index, scale & 3)), ..self }
    }
}

/// Arithmetic of two operands, by its number in encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the processor's own names")]
pub enum Alu {
    Add = 0,
    Or = 1,
    And = 4,
    Sub = 5,
    Xor = 6,
    Cmp = 7,
}

/// Shifts and rotations, by their number in encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the processor's own names")]
pub enum Shift {
    Rol = 0,
    Ror = 1,
    Shl = 4,
    Shr = 5,
    Sar = 7,
}

/// Shifts by a register that leave the flags alone (BMI2), by their prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the processor's own names")]
pub enum Bmi {
    Shlx = 1,
    Sarx = 2,
    Shrx = 3,
}

/// Operations on one register, by their number in encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the processor's own names")]
pub enum Unary {
    /// All bits the other way; the flags stay.
    Not = 2,
    Neg = 3,
    /// `rdx:rax = rax * operand`, unsigned.
    Mul = 4,
    /// `rax, rdx = rdx:rax / operand`, unsigned.
    Div = 6,
    /// The same, signed.
    Idiv = 7,
}

/// Conditions, by their number in encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the processor's own names")]
pub enum Cond {
    B = 2,
    Ae = 3,
    E = 4,
    Ne = 5,
    Be = 6,
    A = 7,
    S = 8,
    Ns = 9,
    L = 12,
    Ge = 13,
    Le = 14,
    G = 15,
}

impl Cond {
    /// The condition that holds exactly when this one does not.
    #[must_use]
    pub const fn not(self) -> Self {
        match self {
            Self::B => Self::Ae,
            Self::Ae => Self::B,
            Self::E => Self::Ne,
            Self::Ne => Self::E,
            Self::Be => Self::A,
            Self::A => Self::Be,
            Self::S => Self::Ns,
            Self::Ns => Self::S,
            Self::L => Self::Ge,
            Self::Ge => Self::L,
            Self::Le => Self::G,
            Self::G => Self::Le,
        }
    }
}
