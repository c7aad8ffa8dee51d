//! Contexts of programs that see packets and messages, `struct __sk_buff` aside.

use super::CtxKind::{Packet, PacketEnd, PacketMeta, SockCommonOrNull, Socket, SocketOrNull};
use super::CtxSizes::{Narrow, NarrowFrom, PaddedOr};
use super::CtxTable;
use super::rule::{field, narrow};
use super::table::table;
use crate::AttachType::XdpDevmap;

#[rustfmt::skip]
pub(super) static XDP: CtxTable = table("xdp_md", 24, &[
    field("data", 0, 4).gives(Packet),
    field("data_end", 4, 4).gives(PacketEnd),
    field("data_meta", 8, 4).gives(PacketMeta).since(4, 15),
    field("ingress_ifindex", 12, 4).since(4, 16),
    field("rx_queue_index", 16, 4).since(4, 16),
    field("egress_ifindex", 20, 4).only(&[XdpDevmap]).since(5, 8),
]);

#[rustfmt::skip]
pub(super) static SK_MSG: CtxTable = table("sk_msg_md", 80, &[
    field("data", 0, 8).gives(Packet),
    field("data_end", 8, 8).gives(PacketEnd),
    field("family", 16, 4).since(4, 18),
    field("remote_ip4", 20, 4).since(4, 18),
    field("local_ip4", 24, 4).since(4, 18),
    field("remote_ip6", 28, 16).since(4, 18),
    field("local_ip6", 44, 16).since(4, 18),
    field("remote_port", 60, 4).since(4, 18),
    field("local_port", 64, 4).since(4, 18),
    field("size", 68, 4).since(5, 0),
    field("sk", 72, 8).gives(Socket).since(5, 8),
]);

#[rustfmt::skip]
pub(super) static SK_REUSEPORT: CtxTable = table("sk_reuseport_md", 56, &[
    field("data", 0, 8).gives(Packet),
    field("data_end", 8, 8).gives(PacketEnd),
    narrow("len", 16, 4),
    narrow("eth_protocol", 20, 4).read(NarrowFrom(2, 4)),
    narrow("ip_protocol", 24, 4),
    narrow("bind_inany", 28, 4),
    field("hash", 32, 4),
    field("sk", 40, 8).gives(Socket).since(5, 14),
    field("migrating_sk", 48, 8).gives(SockCommonOrNull).since(5, 14),
]);

/// The bytes behind `remote_port`, which was a `__u32` before 5.18, read as zeroes.
#[rustfmt::skip]
pub(super) static SK_LOOKUP: CtxTable = table("bpf_sk_lookup", 72, &[
    field("sk", 0, 8).gives(SocketOrNull),
    narrow("family", 8, 4),
    narrow("protocol", 12, 4),
    narrow("remote_ip4", 16, 4),
    narrow("remote_ip6", 20, 16),
    field("remote_port", 36, 2).read(PaddedOr(4, 2)),
    field("padding", 38, 2).read(Narrow(2)),
    narrow("local_ip4", 40, 4),
    narrow("local_ip6", 44, 16),
    narrow("local_port", 60, 4),
    narrow("ingress_ifindex", 64, 4).since(5, 17),
]);
