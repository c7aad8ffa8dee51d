//! The decoded instruction and its parts.

/// Size of a packet load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the field's own names")]
pub enum Size {
    B,
    H,
    W,
}

impl Size {
    /// 1, 2 or 4.
    #[must_use]
    pub const fn bytes(self) -> u8 {
        match self {
            Self::B => 1,
            Self::H => 2,
            Self::W => 4,
        }
    }
}

/// The two registers, of 32 bits. Both are 0 at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reg {
    /// Accumulator.
    A,
    /// Index register.
    X,
}

/// Second operand of arithmetic and comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Src {
    /// The immediate.
    K(u32),
    /// The index register.
    X,
}

/// Arithmetic on `A`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the field's own names")]
pub enum AluOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    And,
    Or,
    Xor,
    Lsh,
    Rsh,
}

impl AluOp {
    /// The result, as the kernel has it; `None` when dividing by zero, which ends a filter with 0.
    #[must_use]
    pub fn apply(self, a: u32, b: u32) -> Option<u32> {
        Some(match self {
            Self::Add => a.wrapping_add(b),
            Self::Sub => a.wrapping_sub(b),
            Self::Mul => a.wrapping_mul(b),
            Self::Div => a.checked_div(b)?,
            Self::Mod => a.checked_rem(b)?,
            Self::And => a & b,
            Self::Or => a | b,
            Self::Xor => a ^ b,
            Self::Lsh => a.wrapping_shl(b),
            Self::Rsh => a.wrapping_shr(b),
        })
    }
}

/// Comparison of `A`, unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the field's own names")]
pub enum CondOp {
    Eq,
    Gt,
    Ge,
    /// Whether any bit is common.
    Set,
}

/// What Linux offers at offsets from `SKF_AD_OFF` on, where no packet has bytes. The order is that
/// of [`crate::table::ANCILLARY`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ancillary {
    /// Ethernet protocol of the packet.
    Protocol,
    /// To us, broadcast, multicast, to others, outgoing.
    PktType,
    /// Index of the network interface.
    IfIndex,
    /// Offset of the netlink attribute of type `X`, searched from offset `A`.
    Nlattr,
    /// The same inside the attribute at offset `A`.
    NlattrNest,
    /// Firewall mark.
    Mark,
    /// Queue of the network interface.
    Queue,
    /// Hardware type of the network interface (`ARPHRD_*`).
    HaType,
    /// Flow hash.
    RxHash,
    /// Number of the processor.
    Cpu,
    /// `A ^ X`, from before there was an instruction for it.
    AluXorX,
    /// Tag control information of a VLAN tag outside the packet bytes.
    VlanTag,
    /// Whether there is such a tag.
    VlanTagPresent,
    /// Where the payload of the transport protocol begins.
    PayOffset,
    /// A random number.
    Random,
    /// Protocol of the VLAN tag.
    VlanTpid,
}

/// A decoded instruction.
///
/// [`Insn::decode`] ignores the fields an instruction does not use, as Linux does, and
/// [`Insn::encode`] writes them as zero: each value has one encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "fields are glossary terms")]
pub enum Insn {
    /// `A = packet[k]`, big-endian.
    LoadAbs { size: Size, k: u32 },
    /// `A = packet[X + k]`, big-endian.
    LoadInd { size: Size, k: u32 },
    /// `A =` something about the packet. The size has no meaning.
    LoadAnc { size: Size, anc: Ancillary },
    /// `reg =` length of the packet.
    LoadLen { reg: Reg },
    /// `reg = k`
    LoadImm { reg: Reg, k: u32 },
    /// `reg = M[k]`
    LoadMem { reg: Reg, k: u32 },
    /// `X = 4 * (packet[k] & 0xf)`: length of an IPv4 header.
    LoadMsh { k: u32 },
    /// `M[k] = reg`
    Store { reg: Reg, k: u32 },
    /// `A = A op src`
    Alu { op: AluOp, src: Src },
    /// `A = -A`
    Neg,
    /// `goto pc + 1 + k`
    Jump { k: u32 },
    /// `goto pc + 1 + (if A op src { jt } else { jf })`
    JumpIf { op: CondOp, src: Src, jt: u8, jf: u8 },
    /// Return `k`.
    RetK { k: u32 },
    /// Return `A`.
    RetA,
    /// `X = A`
    Tax,
    /// `A = X`
    Txa,
}
