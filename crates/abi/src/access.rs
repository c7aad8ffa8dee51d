//! What programs may do with their context, as the verifier decides it.
//!
//! A context is a list of [`CtxRule`]s. An access belongs to the first rule whose bytes it begins in and
//! whose places admit the program; what that rule says of the size decides. An access that belongs to no
//! rule is refused. Kernel: `is_valid_access` of each program type, Linux 6.18; the tests load a program
//! for every offset, size and direction and compare.
//!
//! ```
//! use skep_abi::{CtxKind, CtxRefusal, ProgType, ctx_access};
//!
//! let data = ctx_access(ProgType::Xdp, None, 0, 4, false).unwrap();
//! assert_eq!((data.name, data.kind), ("data", CtxKind::Packet));
//! assert_eq!(ctx_access(ProgType::Xdp, None, 0, 4, true), Err(CtxRefusal::ReadOnly("data")));
//! ```

mod network;
mod rule;
mod skb;
mod socket;
mod table;
#[cfg(test)]
mod tests;

use crate::{AttachType, ProgType, Release};
pub use rule::{CtxRule, CtxSizes};
pub use table::{CtxAlign, CtxTable};

/// What an allowed access is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CtxField {
    /// As C names it.
    pub name: &'static str,
    /// Where the field begins, in bytes.
    pub at: u16,
    /// Its bytes.
    pub size: u16,
    /// What a load gives.
    pub kind: CtxKind,
    /// The kernel's `ctx_field_size`: bytes of the value that a narrower load takes a part of; 0 where
    /// every load takes what is there.
    pub whole: u8,
    /// Whether the program needs `CAP_BPF` for it.
    pub needs_cap_bpf: bool,
    /// The release that has the field, where it came after the program type.
    pub since: Option<Release>,
}

/// What a load from a context gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CtxKind {
    /// A number.
    Scalar,
    /// `PTR_TO_PACKET`: the start of the packet, or of an option's value.
    Packet,
    /// `PTR_TO_PACKET_META`
    PacketMeta,
    /// `PTR_TO_PACKET_END`
    PacketEnd,
    /// `PTR_TO_FLOW_KEYS`
    FlowKeys,
    /// `PTR_TO_SOCKET`
    Socket,
    /// `PTR_TO_SOCKET_OR_NULL`
    SocketOrNull,
    /// `PTR_TO_SOCK_COMMON_OR_NULL`
    SockCommonOrNull,
    /// `PTR_TO_TP_BUFFER`: memory of the tracepoint, as large as it says at attachment.
    TpBuffer,
    /// `PTR_TO_BTF_ID | PTR_TRUSTED` of this structure of the kernel.
    Btf(&'static str),
    /// Argument number `off / 8` of the function in the kernel's BTF, which decides the rest.
    Argument,
}

/// Why an access is refused. The kernel says `invalid bpf_context access off=… size=…` to each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CtxRefusal {
    /// Programs of the type have no context of their own: extensions have that of their target.
    NoContext,
    /// It begins before or after the context.
    Outside,
    /// The offset is no multiple of the size.
    Unaligned,
    /// There is nothing, or nothing that programs of the type see.
    NoField,
    /// The field is for programs at other places.
    OtherPlace(&'static str),
    /// The field may be read only.
    ReadOnly(&'static str),
    /// The field is not accessed with this size.
    Size(&'static str),
}

impl CtxField {
    /// Whether a sign-extending load may take it.
    #[must_use]
    pub const fn may_sign_extend(&self) -> bool {
        matches!(self.kind, CtxKind::Scalar | CtxKind::Argument)
    }
}

/// Whether a program of this type, loaded for this place, may load or store `size` bytes at `off` of its
/// context.
///
/// The kernel sees more than this table does in two cases. Arguments of [`CtxKind::Argument`] have types
/// in BTF. And `size` is that of an instruction: 1, 2, 4 or 8.
///
/// # Errors
/// [`CtxRefusal`] with the reason.
pub fn ctx_access(
    prog_type: ProgType,
    attach_type: Option<AttachType>,
    off: i32,
    size: u32,
    write: bool,
) -> Result<CtxField, CtxRefusal> {
    let table = CtxTable::of(prog_type).ok_or(CtxRefusal::NoContext)?;
    table.access(attach_type.or_else(|| prog_type.default_attach()), off, size, write)
}

impl ProgType {
    /// The place that the kernel takes for the one that a program names none of (or 0).
    #[must_use]
    pub const fn default_attach(self) -> Option<AttachType> {
        match self {
            Self::CgroupSock => Some(AttachType::CgroupInetSockCreate),
            Self::SkReuseport => Some(AttachType::SkReuseportSelect),
            _ => None,
        }
    }
}

/// A structure behind a pointer that programs get, with rules like those of a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewed {
    /// `struct bpf_sock` behind `PTR_TO_SOCKET`
    Socket,
    /// `struct bpf_sock` behind `PTR_TO_SOCK_COMMON`
    SockCommon,
    /// `struct bpf_tcp_sock`
    TcpSock,
    /// `struct bpf_xdp_sock`
    XdpSock,
}

/// Whether a program may load `size` bytes at `off` of one of these; stores it may not.
///
/// Kernel: `check_sock_access`, which says `invalid … access off=… size=…`.
///
/// # Errors
/// [`CtxRefusal`] with the reason.
pub fn view_access(view: Viewed, off: i32, size: u32) -> Result<CtxField, CtxRefusal> {
    CtxTable::of_view(view).access(None, off, size, false)
}

/// `struct bpf_flow_keys`: bytes that may be loaded and stored at any offset and size that fits.
pub const FLOW_KEYS_SIZE: u32 = 56;
