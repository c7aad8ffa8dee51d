//! What helpers take and give, in the verifier's vocabulary.
//!
//! Source: `enum bpf_arg_type`, `enum bpf_return_type` and `enum bpf_type_flag` in
//! `include/linux/bpf.h`, Linux 6.18.

/// A parameter of a helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arg {
    /// What the verifier wants to see.
    pub kind: ArgKind,
    /// Bits of [`flag`].
    pub flags: u32,
    /// Bytes behind the pointer, for [`flag::FIXED_SIZE`]; otherwise 0.
    pub fixed: u32,
    /// Structure behind a [`ArgKind::BtfId`], where the prototype names one; otherwise empty.
    pub ty: &'static str,
}

/// What a helper returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ret {
    /// What the verifier takes r0 for.
    pub kind: RetKind,
    /// Bits of [`flag`].
    pub flags: u32,
    /// Structure behind a [`RetKind::BtfId`], where the prototype names one; otherwise empty.
    pub ty: &'static str,
}

/// Kind of parameter: `ARG_*` of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgKind {
    /// The map itself (`CONST_MAP_PTR`).
    Map,
    /// Initialized memory of the map's key size.
    MapKey,
    /// Memory of the map's value size.
    MapValue,
    /// Memory whose size is the next parameter, or fixed.
    Mem,
    /// An address in an arena.
    Arena,
    /// Size of the memory before it, at least 1 (`CONST_SIZE`).
    Size,
    /// Size of the memory before it (`CONST_SIZE_OR_ZERO`).
    SizeOrZero,
    /// The context of the program.
    Ctx,
    /// Any initialized register.
    Any,
    /// A `struct bpf_spin_lock` in a map value.
    SpinLock,
    /// Any of the socket types.
    SockCommon,
    /// A full socket.
    Socket,
    /// A structure of the kernel.
    BtfId,
    /// A record reserved in a ring buffer.
    RingbufMem,
    /// A known number of bytes to allocate (`CONST_ALLOC_SIZE_OR_ZERO`).
    AllocSizeOrZero,
    /// A socket, of either kind of pointer.
    BtfIdSockCommon,
    /// A per-CPU variable of the kernel.
    PercpuBtfId,
    /// A function of the program.
    Func,
    /// Memory on the stack.
    Stack,
    /// A string in a read-only map.
    ConstStr,
    /// A `struct bpf_timer` in a map value.
    Timer,
    /// A kernel pointer in a map value or object.
    KptrDest,
    /// A `struct bpf_dynptr` on the stack.
    Dynptr,
}

impl ArgKind {
    /// The registers that it takes, in the words of the verifier: `R1 type=scalar expected=ctx`.
    ///
    /// `None` where anything is taken, or the check has words of its own.
    #[must_use]
    pub const fn expected(self) -> Option<&'static str> {
        Some(match self {
            Self::Any | Self::Arena => return None,
            Self::Map => "map_ptr",
            Self::MapKey | Self::MapValue | Self::Mem => {
                "fp, pkt, pkt_meta, map_key, map_value, mem, ringbuf_mem, buf, trusted_ptr_"
            }
            Self::Size | Self::SizeOrZero | Self::AllocSizeOrZero => "scalar",
            Self::Ctx => "ctx",
            Self::SpinLock | Self::KptrDest => "map_value, ptr_",
            Self::SockCommon => "sock_common, sock, tcp_sock, xdp_sock",
            Self::Socket => "sock",
            Self::BtfId => "ptr_, trusted_ptr_, rcu_ptr_",
            Self::RingbufMem => "ringbuf_mem",
            Self::BtfIdSockCommon => "sock_common, sock, tcp_sock, xdp_sock, ptr_, trusted_ptr_",
            Self::PercpuBtfId => "percpu_ptr_, percpu_rcu_ptr_, percpu_trusted_ptr_",
            Self::Func => "func",
            Self::Stack => "fp",
            Self::ConstStr | Self::Timer => "map_value",
            Self::Dynptr => "fp, dynptr_ptr",
        })
    }
}

/// Kind of result: `RET_*` of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetKind {
    /// A number.
    Int,
    /// Nothing; r0 may not be read.
    Void,
    /// A value of the map.
    MapValue,
    /// A full socket.
    Socket,
    /// `struct bpf_tcp_sock`.
    TcpSock,
    /// A socket of any type.
    SockCommon,
    /// Memory of a size that the arguments tell.
    Mem,
    /// Memory or a structure, by the argument's type.
    MemOrBtfId,
    /// A structure of the kernel.
    BtfId,
}

/// Bits of [`Arg::flags`] and [`Ret::flags`], at the kernel's places.
pub mod flag {
    /// The pointer may be null (`PTR_MAYBE_NULL`).
    pub const OR_NULL: u32 = 1 << 8;
    /// Memory that is only read.
    pub const RDONLY: u32 = 1 << 9;
    /// Memory of a ring buffer.
    pub const RINGBUF: u32 = 1 << 10;
    /// The reference ends with the call (`OBJ_RELEASE`).
    pub const RELEASE: u32 = 1 << 13;
    /// Memory that needs no initialization.
    pub const UNINIT: u32 = 1 << 15;
    /// A dynptr over the program's own memory.
    pub const DYNPTR_LOCAL: u32 = 1 << 16;
    /// A dynptr over a ring buffer's record.
    pub const DYNPTR_RINGBUF: u32 = 1 << 17;
    /// The prototype gives the size.
    pub const FIXED_SIZE: u32 = 1 << 18;
    /// The pointer is trusted.
    pub const TRUSTED: u32 = 1 << 20;
    /// The address is a multiple of the size.
    pub const ALIGNED: u32 = 1 << 25;
    /// Memory that the helper writes.
    pub const WRITE: u32 = 1 << 26;

    /// Each with the word that documentation uses.
    pub(crate) const NAMES: [(u32, &str); 11] = [
        (OR_NULL, "or null"),
        (RDONLY, "read"),
        (RINGBUF, "ring buffer"),
        (RELEASE, "released"),
        (UNINIT, "uninitialized"),
        (DYNPTR_LOCAL, "local"),
        (DYNPTR_RINGBUF, "ring buffer"),
        (FIXED_SIZE, "fixed size"),
        (TRUSTED, "trusted"),
        (ALIGNED, "aligned"),
        (WRITE, "written"),
    ];
}

pub(super) const fn arg(kind: ArgKind, flags: u32) -> Arg {
    Arg { kind, flags, fixed: 0, ty: "" }
}

pub(super) const fn ret(kind: RetKind, flags: u32) -> Ret {
    Ret { kind, flags, ty: "" }
}

impl Arg {
    pub(super) const fn fixed(self, fixed: u32) -> Self {
        Self { fixed, ..self }
    }

    pub(super) const fn of(self, ty: &'static str) -> Self {
        Self { ty, ..self }
    }
}

impl Ret {
    pub(super) const fn of(self, ty: &'static str) -> Self {
        Self { ty, ..self }
    }
}
