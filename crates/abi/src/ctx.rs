//! Contexts: what r1 points to when a program starts.
//!
//! Source: the structures of `include/uapi/linux/bpf.h` and what the verifier lets programs do with
//! them (`is_valid_access` of each program type), Linux 6.18.

pub(crate) mod table;

use crate::AttachType;

/// What r1 points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ctx {
    /// A structure with access rules per field.
    Struct {
        /// As C names it.
        name: &'static str,
        /// Bytes.
        size: u32,
        /// Those that a program of the type may use, by offset.
        fields: &'static [Field],
    },
    /// `struct pt_regs` of the machine: aligned loads of 8 bytes or less.
    Registers,
    /// 8-byte arguments without types: `struct bpf_raw_tracepoint_args`.
    Words,
    /// 8-byte arguments with the types that BTF has for them.
    Typed,
    /// The record of the tracepoint, as its `format` file says; the first 8 bytes are not for programs.
    Record,
    /// Memory of whoever runs it, to read and write.
    Buffer,
    /// One `__u32`, to read.
    Sample,
    /// That of the program whose function it replaces.
    Target,
    /// None.
    Nothing,
}

/// A field of a context. There may be several rows for one field, for different places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// As C names it.
    pub name: &'static str,
    /// Bytes from the start.
    pub at: u16,
    /// Bytes.
    pub size: u16,
    /// What a load gives.
    pub kind: FieldKind,
    /// Sizes of loads at its start, in bytes, as a sum of 1, 2, 4 and 8.
    pub read: u8,
    /// Whether 1 or 2 bytes may be loaded from inside it too.
    pub parts: bool,
    /// Sizes of stores, as a sum like `read`; 0 is none.
    pub write: u8,
    /// The only places where this holds; empty is all.
    pub only: &'static [AttachType],
}

/// What a load of a field gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A number.
    Scalar,
    /// The start of the packet, or of an option's value.
    Packet,
    /// Its end.
    PacketEnd,
    /// The start of the metadata before the packet.
    PacketMeta,
    /// A `struct bpf_sock`.
    Sock,
    /// A `struct bpf_sock` or null.
    SockOrNull,
    /// `struct bpf_flow_keys`.
    FlowKeys,
    /// A structure of the kernel.
    BtfPointer,
}

#[expect(clippy::too_many_arguments, reason = "columns of the table")]
const fn field(
    name: &'static str,
    at: u16,
    size: u16,
    kind: FieldKind,
    read: u8,
    parts: bool,
    write: u8,
    only: &'static [AttachType],
) -> Field {
    Field { name, at, size, kind, read, parts, write, only }
}
