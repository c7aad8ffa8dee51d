//! The decoded instruction and its parts.

use core::fmt;

/// Position of a slot in a program. Jumps count slots, and `lddw` is one instruction in two
/// slots, so a `Pc` never indexes a list of instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pc(pub u32);

impl Pc {
    /// Where a jump with the given offset leads from here: `pc + 1 + off`. `None` before slot 0 or
    /// beyond `u32`.
    #[must_use]
    pub const fn jump(self, off: i32) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(next) => match next.checked_add_signed(off) {
                Some(target) => Some(Self(target)),
                None => None,
            },
            None => None,
        }
    }

    /// The slot as an index into a list of slots.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for Pc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// r0 to r10. Whoever holds a `Reg` has no range left to check.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reg(u8);

#[expect(missing_docs, reason = "the field's own names")]
impl Reg {
    pub const R0: Self = Self(0);
    pub const R1: Self = Self(1);
    pub const R2: Self = Self(2);
    pub const R3: Self = Self(3);
    pub const R4: Self = Self(4);
    pub const R5: Self = Self(5);
    pub const R6: Self = Self(6);
    pub const R7: Self = Self(7);
    pub const R8: Self = Self(8);
    pub const R9: Self = Self(9);
    /// The read-only frame pointer.
    pub const FP: Self = Self(10);

    /// `None` for the encodings 11 to 15, which name no register.
    #[must_use]
    pub const fn new(n: u8) -> Option<Self> {
        if n <= 10 { Some(Self(n)) } else { None }
    }

    /// The number, 0 to 10.
    #[must_use]
    pub const fn num(self) -> u8 {
        self.0
    }

    /// All eleven, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=10).map(Self)
    }
}

impl fmt::Debug for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

impl fmt::Display for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// Width of an arithmetic operation or comparison. 32-bit results are zero-extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the field's own names")]
pub enum Width {
    W32,
    W64,
}

impl Width {
    /// 32 or 64.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::W32 => 32,
            Self::W64 => 64,
        }
    }
}

/// Size of a memory access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the field's own names")]
pub enum Size {
    B,
    H,
    W,
    Dw,
}

impl Size {
    /// 1, 2, 4 or 8.
    #[must_use]
    pub const fn bytes(self) -> u8 {
        match self {
            Self::B => 1,
            Self::H => 2,
            Self::W => 4,
            Self::Dw => 8,
        }
    }

    /// 8, 16, 32 or 64.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.bytes() * 8
    }
}

/// Second operand: a register, or an immediate that is sign-extended to the width in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the field's own names")]
pub enum Src {
    Reg(Reg),
    Imm(i32),
}

/// Arithmetic with two operands. The order is that of [`crate::table::ALU`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the field's own names")]
pub enum AluOp {
    Add,
    Sub,
    Mul,
    Div,
    SDiv,
    Or,
    And,
    Lsh,
    Rsh,
    Mod,
    SMod,
    Xor,
    Mov,
    Arsh,
}

/// Comparison of a conditional jump. The order is that of [`crate::table::COND`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the field's own names")]
pub enum CondOp {
    Eq,
    Gt,
    Ge,
    Set,
    Ne,
    SGt,
    SGe,
    Lt,
    Le,
    SLt,
    SLe,
}

/// Read-modify-write operation on memory. The order is that of [`crate::table::ATOMIC`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the field's own names")]
pub enum AtomicOp {
    Add,
    Or,
    And,
    Xor,
    FetchAdd,
    FetchOr,
    FetchAnd,
    FetchXor,
    /// `src` and memory change places.
    Xchg,
    /// Memory becomes `src` if it was equal to r0; r0 becomes the old value either way.
    CmpXchg,
}

impl AtomicOp {
    /// Whether the old value ends in a register (`src`, or r0 for [`AtomicOp::CmpXchg`]).
    #[must_use]
    pub const fn fetches(self) -> bool {
        !matches!(self, Self::Add | Self::Or | Self::And | Self::Xor)
    }
}

/// Byte order conversion. The order is that of [`crate::table::SWAP`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Swap {
    /// Host to little-endian: truncates on a little-endian host.
    Le,
    /// Host to big-endian: swaps on a little-endian host.
    Be,
    /// Unconditional swap.
    Always,
}

/// What the 64-bit immediate of `lddw` means, by the `src` field. RFC 9669, section 5.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ImmSrc {
    /// A plain number.
    Value(u64),
    /// The map behind a file descriptor (`BPF_PSEUDO_MAP_FD`).
    MapFd(i32),
    /// A byte in the value of the map behind `fd` (`BPF_PSEUDO_MAP_VALUE`).
    MapValue {
        /// The map.
        fd: i32,
        /// Bytes from the start of its value.
        at: i32,
    },
    /// The address of a kernel variable (`BPF_PSEUDO_BTF_ID`).
    BtfId {
        /// Id of the `VAR` in the BTF object.
        id: i32,
        /// BTF object of a module, 0 for the kernel itself.
        fd: i32,
    },
    /// A subprogram, `pc + 1 + off` (`BPF_PSEUDO_FUNC`).
    Func(i32),
    /// The map at this index of the list given at load (`BPF_PSEUDO_MAP_IDX`). An image refers to
    /// its own maps so.
    MapIdx(i32),
    /// A byte in the value of such a map (`BPF_PSEUDO_MAP_IDX_VALUE`).
    MapIdxValue {
        /// The map.
        idx: i32,
        /// Bytes from the start of its value.
        at: i32,
    },
}

/// Target of a call. Arguments are r1 to r5, the result is r0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// A helper by its number.
    Helper(i32),
    /// A subprogram at `pc + 1 + off`.
    Local(i32),
    /// A kernel function by BTF id (`BPF_PSEUDO_KFUNC_CALL`).
    Kfunc {
        /// Id of the `FUNC`.
        id: i32,
        /// Index into the fd array for a module's BTF, 0 for the kernel itself.
        module: i16,
    },
    /// The function whose address is in the register.
    Reg(Reg),
}

/// Direction of `addr_space_cast`, between an arena's 32-bit addresses (address space 1) and
/// pointers (address space 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddrCast {
    /// From address space 0 to 1 (`imm` 0x10000): a pointer as user space sees it.
    ToUser,
    /// From address space 1 to 0 (`imm` 1): a pointer the program may follow.
    ToKernel,
}

/// What a patchable branch does until somebody patches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StaticBranch {
    /// `goto_or_nop`: jumps.
    Goto,
    /// `nop_or_goto`: goes on.
    Nop,
}

/// A decoded instruction. Every value that [`Insn::decode`](crate::Insn) makes has exactly one
/// encoding; nonsense has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "fields are glossary terms")]
pub enum Insn {
    /// `dst = dst op src`, on `width` bits; `dst = src` for [`AluOp::Mov`].
    Alu { width: Width, op: AluOp, dst: Reg, src: Src },
    /// `dst = src`, sign-extended from `from` to `width`.
    MovSx { width: Width, from: Size, dst: Reg, src: Reg },
    /// `dst = -dst`
    Neg { width: Width, dst: Reg },
    /// Byte order conversion of the low `size` bits of `dst`; the rest becomes zero.
    Swap { kind: Swap, size: Size, dst: Reg },
    /// `dst = addr_space_cast(src, …)`
    AddrSpaceCast { cast: AddrCast, dst: Reg, src: Reg },
    /// `dst = imm ll`, the one instruction of two slots.
    LoadImm { dst: Reg, imm: ImmSrc },
    /// `r0 = ntoh(packet[imm])`; clobbers r1 to r5 and ends the program beyond the packet. r6 is the
    /// context.
    LoadAbs { size: Size, imm: i32 },
    /// `r0 = ntoh(packet[src + imm])`, else as [`Insn::LoadAbs`].
    LoadInd { size: Size, src: Reg, imm: i32 },
    /// `dst = *(size *)(base + off)`, zero-extended.
    Load { size: Size, dst: Reg, base: Reg, off: i16 },
    /// `dst = *(signed size *)(base + off)`, sign-extended to 64 bits.
    LoadSx { size: Size, dst: Reg, base: Reg, off: i16 },
    /// `*(size *)(base + off) = src`
    Store { size: Size, base: Reg, off: i16, src: Src },
    /// Atomic operation on `*(size *)(base + off)`, sequentially consistent.
    Atomic { size: Size, op: AtomicOp, base: Reg, off: i16, src: Reg },
    /// `dst = load_acquire((size *)(base + off))`
    LoadAcquire { size: Size, dst: Reg, base: Reg, off: i16 },
    /// `store_release((size *)(base + off), src)`
    StoreRelease { size: Size, base: Reg, off: i16, src: Reg },
    /// `if dst op src goto pc + 1 + off`
    JumpIf { width: Width, op: CondOp, dst: Reg, src: Src, off: i16 },
    /// `goto pc + 1 + off`
    Jump { off: i16 },
    /// `gotol pc + 1 + off`, with 32 bits of offset.
    JumpLong { off: i32 },
    /// `gotox reg`: jump to an address loaded from a jump table.
    JumpReg { dst: Reg },
    /// `may_goto pc + 1 + off`: jumps once the program's loop budget is used up.
    MayGoto { off: i16 },
    /// A branch that can be patched at run time.
    Static { branch: StaticBranch, off: i16 },
    /// The same with 32 bits of offset.
    StaticLong { branch: StaticBranch, off: i32 },
    /// Call a function.
    Call(Call),
    /// Return r0 to the caller.
    Exit,
}

impl Insn {
    /// Slots the instruction takes: 2 for `lddw`, otherwise 1.
    #[must_use]
    pub const fn slots(&self) -> u32 {
        match self {
            Self::LoadImm { .. } => 2,
            _ => 1,
        }
    }

    /// Offset of the jump this instruction can make, in slots from the next one. Calls are no jumps.
    #[must_use]
    pub const fn jump_off(&self) -> Option<i32> {
        match *self {
            Self::JumpIf { off, .. }
            | Self::Jump { off }
            | Self::MayGoto { off }
            | Self::Static { off, .. } => Some(off as i32),
            Self::JumpLong { off } | Self::StaticLong { off, .. } => Some(off),
            _ => None,
        }
    }

    /// The register that it writes: the result, which is r0 for calls and packet loads. That those clobber
    /// r1 to r5 besides is not told.
    #[must_use]
    pub const fn writes(&self) -> Option<Reg> {
        match *self {
            Self::Alu { dst, .. }
            | Self::MovSx { dst, .. }
            | Self::Neg { dst, .. }
            | Self::Swap { dst, .. }
            | Self::AddrSpaceCast { dst, .. }
            | Self::LoadImm { dst, .. }
            | Self::Load { dst, .. }
            | Self::LoadSx { dst, .. }
            | Self::LoadAcquire { dst, .. } => Some(dst),
            Self::Atomic { op: AtomicOp::CmpXchg, .. }
            | Self::LoadAbs { .. }
            | Self::LoadInd { .. }
            | Self::Call(_) => Some(Reg::R0),
            Self::Atomic { op, src, .. } if op.fetches() => Some(src),
            _ => None,
        }
    }

    /// Whether it loads from or stores to an address in a register.
    #[must_use]
    pub const fn is_access(&self) -> bool {
        matches!(
            self,
            Self::Load { .. }
                | Self::LoadSx { .. }
                | Self::LoadAcquire { .. }
                | Self::Store { .. }
                | Self::StoreRelease { .. }
                | Self::Atomic { .. }
        )
    }

    /// Whether control can reach the following instruction.
    #[must_use]
    pub const fn falls_through(&self) -> bool {
        !matches!(
            self,
            Self::Jump { .. } | Self::JumpLong { .. } | Self::JumpReg { .. } | Self::Exit
        )
    }
}
