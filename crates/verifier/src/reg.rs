//! What is known of one register, or of a register that was spilled to the stack.

use crate::btf_ref::BtfRef;
use skep_btf::TypeId;
use skep_domain::Scalar;

/// Kind of value in a register, without its flags. Kernel: `enum bpf_reg_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Base {
    /// Never written, or clobbered.
    NotInit,
    /// A number.
    Scalar,
    /// The context of the program.
    Ctx,
    /// A map itself.
    ConstMap,
    /// Inside a value of a map.
    MapValue,
    /// Inside a key of a map.
    MapKey,
    /// Inside the stack of a frame.
    Stack,
    /// Metadata before the packet.
    PacketMeta,
    /// Inside the packet.
    Packet,
    /// The end of the packet.
    PacketEnd,
    /// `struct bpf_flow_keys`.
    FlowKeys,
    /// A full socket.
    Socket,
    /// A socket of any type.
    SockCommon,
    /// `struct bpf_tcp_sock`.
    TcpSock,
    /// The buffer of a writable raw tracepoint.
    TpBuffer,
    /// `struct bpf_xdp_sock`.
    XdpSock,
    /// An object of a type of the kernel's or the program's BTF.
    BtfId,
    /// Memory of a known size.
    Mem,
    /// Inside an arena.
    Arena,
    /// A buffer of an iterator or a tracepoint.
    Buf,
    /// A function of the program.
    Func,
    /// A dynptr that is a parameter.
    ConstDynptr,
}

/// Flags on a kind of value, at the kernel's places (`enum bpf_type_flag`).
pub mod flag {
    /// May be null until compared with it.
    pub const MAYBE_NULL: u32 = 1 << 8;
    /// May only be read.
    pub const RDONLY: u32 = 1 << 9;
    /// A record of a ring buffer.
    pub const RINGBUF: u32 = 1 << 10;
    /// An address of user space.
    pub const USER: u32 = 1 << 11;
    /// A per-CPU offset.
    pub const PERCPU: u32 = 1 << 12;
    /// May point anywhere; loads are guarded.
    pub const UNTRUSTED: u32 = 1 << 14;
    /// A dynptr over the program's own memory.
    pub const DYNPTR_LOCAL: u32 = 1 << 16;
    /// A dynptr over a ring buffer's record.
    pub const DYNPTR_RINGBUF: u32 = 1 << 17;
    /// Allocated by the program (`bpf_obj_new`).
    pub const ALLOC: u32 = 1 << 19;
    /// Known to be valid.
    pub const TRUSTED: u32 = 1 << 20;
    /// Protected by RCU.
    pub const RCU: u32 = 1 << 21;
    /// Does not own what it points to.
    pub const NON_OWN_REF: u32 = 1 << 22;
    /// A dynptr over a socket buffer.
    pub const DYNPTR_SKB: u32 = 1 << 23;
    /// A dynptr over an XDP frame.
    pub const DYNPTR_XDP: u32 = 1 << 24;
    /// A dynptr over the metadata of a socket buffer.
    pub const DYNPTR_SKB_META: u32 = 1 << 27;
    /// A dynptr over a file.
    pub const DYNPTR_FILE: u32 = 1 << 28;
    /// All kinds of dynptr.
    pub const DYNPTR_ANY: u32 =
        DYNPTR_LOCAL | DYNPTR_RINGBUF | DYNPTR_SKB | DYNPTR_XDP | DYNPTR_SKB_META | DYNPTR_FILE;
}

/// Kind of value with its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RegType {
    /// Kind.
    pub base: Base,
    /// Bits of [`flag`].
    pub flags: u32,
}

impl RegType {
    /// Without flags.
    #[must_use]
    pub const fn new(base: Base) -> Self {
        Self { base, flags: 0 }
    }

    /// With these flags besides.
    #[must_use]
    pub const fn with(self, flags: u32) -> Self {
        Self { base: self.base, flags: self.flags | flags }
    }

    /// Without these flags.
    #[must_use]
    pub const fn without(self, flags: u32) -> Self {
        Self { base: self.base, flags: self.flags & !flags }
    }

    /// Whether any of these flags is set.
    #[must_use]
    pub const fn has(self, flags: u32) -> bool {
        self.flags & flags != 0
    }

    /// Whether it is this kind without any flag.
    #[must_use]
    pub fn is(self, base: Base) -> bool {
        self.base == base && self.flags == 0
    }

    /// Whether it may be null.
    #[must_use]
    pub const fn may_be_null(self) -> bool {
        self.has(flag::MAYBE_NULL)
    }

    /// Packet or metadata before it.
    #[must_use]
    pub fn is_packet(self) -> bool {
        matches!(self.base, Base::Packet | Base::PacketMeta)
    }

    /// One of the kernel's views of sockets. Kernel: `type_is_sk_pointer`.
    #[must_use]
    pub fn is_sock(self) -> bool {
        self.flags == 0
            && matches!(self.base, Base::Socket | Base::SockCommon | Base::TcpSock | Base::XdpSock)
    }
}

/// Kind of memory behind a dynptr. Kernel: `enum bpf_dynptr_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the field's own names")]
pub enum DynptrKind {
    Invalid,
    Local,
    Ringbuf,
    Skb,
    Xdp,
    SkbMeta,
    File,
}

/// Where an iterator stands. Kernel: `enum bpf_iter_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IterState {
    /// A slot that is not the first.
    Invalid,
    /// It may give more.
    Active,
    /// It has ended.
    Drained,
}

/// Which family of functions disabled interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IrqClass {
    /// `bpf_local_irq_save`
    Native,
    /// `bpf_res_spin_lock_irqsave`
    Lock,
}

/// What goes with a kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extra {
    /// Nothing.
    None,
    /// Bytes behind a packet pointer that are known to be there; negative: `AT_PKT_END`,
    /// `BEYOND_PKT_END`.
    Range(i32),
    /// Map of a map pointer, key or value.
    Map {
        /// Index into the verifier's list of maps.
        map: u32,
        /// Tells apart inner maps from different look-ups; 0 for others.
        uid: u32,
    },
    /// Type of an object.
    Btf {
        /// Where the type stands.
        btf: BtfRef,
        /// The type.
        id: TypeId,
    },
    /// Bytes of a piece of memory.
    Mem(u32),
    /// A piece of the memory behind a dynptr.
    Slice {
        /// Its bytes.
        size: u32,
        /// The dynptr's id.
        dynptr: u32,
    },
    /// A dynptr, in two slots.
    Dynptr {
        /// Memory behind it.
        kind: DynptrKind,
        /// Whether this is its first slot.
        first: bool,
    },
    /// An iterator.
    Iter {
        /// Where its type stands.
        btf: BtfRef,
        /// Its type.
        id: TypeId,
        /// Where it stands.
        state: IterState,
        /// Calls of its `next` so far.
        depth: u32,
    },
    /// Saved interrupt state.
    Irq(IrqClass),
    /// Function of a [`Base::Func`].
    Subprog(u32),
}

/// A packet pointer that is at the packet's end. Kernel: `AT_PKT_END`.
pub(crate) const AT_PKT_END: i32 = -1;
/// A packet pointer that is beyond the packet's end. Kernel: `BEYOND_PKT_END`.
pub(crate) const BEYOND_PKT_END: i32 = -2;

/// On [`RegState::id`]: the number is that of another register of this id plus [`RegState::off`], added
/// with 64 bits. Kernel: `BPF_ADD_CONST64`.
pub(crate) const ADD_CONST_64: u32 = 1 << 31;
/// The same, added with 32 bits. Kernel: `BPF_ADD_CONST32`.
pub(crate) const ADD_CONST_32: u32 = 1 << 30;
/// Either. Kernel: `BPF_ADD_CONST`.
pub(crate) const ADD_CONST: u32 = ADD_CONST_64 | ADD_CONST_32;

/// What is known of one register. Kernel: `struct bpf_reg_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegState {
    /// Kind of value.
    pub ty: RegType,
    /// Fixed part of a pointer's offset; of a number with `ADD_CONST`, the difference.
    pub off: i32,
    /// What goes with the kind.
    pub extra: Extra,
    /// The number, or the variable part of a pointer's offset.
    pub num: Scalar,
    /// Values with the same id are the same, or derive from the same; 0 is none.
    pub id: u32,
    /// The reference it holds or derives from; 0 is none.
    pub ref_obj_id: u32,
    /// For [`Base::Stack`], whose stack.
    pub frame: u32,
    /// For [`Base::Scalar`], whether safety depends on its range.
    pub precise: bool,
}

impl RegState {
    /// A register that was never written.
    pub const NOT_INIT: Self = Self {
        ty: RegType::new(Base::NotInit),
        off: 0,
        extra: Extra::None,
        num: Scalar::UNKNOWN,
        id: 0,
        ref_obj_id: 0,
        frame: 0,
        precise: false,
    };

    /// Any number.
    pub const UNKNOWN: Self = Self { ty: RegType::new(Base::Scalar), ..Self::NOT_INIT };

    /// A known number.
    #[must_use]
    pub fn constant(value: u64) -> Self {
        Self { num: Scalar::constant(value), ..Self::UNKNOWN }
    }

    /// A pointer without offset.
    #[must_use]
    pub fn pointer(ty: RegType, extra: Extra) -> Self {
        Self { ty, extra, num: Scalar::constant(0), ..Self::NOT_INIT }
    }

    /// Whether it is a number.
    #[must_use]
    pub fn is_scalar(&self) -> bool {
        self.ty.base == Base::Scalar
    }

    /// Whether it holds the number zero. Kernel: `register_is_null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.is_scalar() && self.num.is_const() == Some(0)
    }

    /// The map of a map pointer, key or value.
    #[must_use]
    pub fn map(&self) -> Option<u32> {
        match self.extra {
            Extra::Map { map, .. } => Some(map),
            _ => None,
        }
    }

    /// Bytes known to be behind a packet pointer.
    #[must_use]
    pub fn range(&self) -> i32 {
        match self.extra {
            Extra::Range(range) => range,
            _ => 0,
        }
    }

    /// Type of an object.
    #[must_use]
    pub fn btf(&self) -> Option<(BtfRef, TypeId)> {
        match self.extra {
            Extra::Btf { btf, id } => Some((btf, id)),
            _ => None,
        }
    }

    /// Bytes of a [`Base::Mem`].
    #[must_use]
    pub fn mem_size(&self) -> u32 {
        match self.extra {
            Extra::Mem(size) | Extra::Slice { size, .. } => size,
            _ => 0,
        }
    }

    /// Equal in all but whether safety depends on the range.
    #[must_use]
    pub(crate) fn same_but_precise(&self, other: &Self) -> bool {
        self.same_but_ids(other)
            && self.id == other.id
            && self.ref_obj_id == other.ref_obj_id
            && self.frame == other.frame
    }

    /// Equal in all but ids. Kernel: the `memcmp` up to `id`.
    #[must_use]
    pub fn same_but_ids(&self, other: &Self) -> bool {
        self.ty == other.ty
            && self.off == other.off
            && self.extra == other.extra
            && self.num == other.num
    }
}
