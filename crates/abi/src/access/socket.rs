//! Sockets: as a context of cgroup programs, as what a pointer shows, and their operations.

use super::CtxKind::{Packet, PacketEnd, Socket, SocketOrNull};
use super::CtxSizes::{Narrow, NarrowAtStart, NarrowOrWide, PaddedOr, Whole, WholeOrWide};
use super::rule::{field, narrow};
use super::table::table;
use super::{CtxRule, CtxTable};
use crate::AttachType::{self, *};

const SOCKET_LIFE: &[AttachType] = &[CgroupInetSockCreate, CgroupInetSockRelease];
const BOUND: &[AttachType] = &[CgroupInet4PostBind, CgroupInet6PostBind];

const fn at_start(name: &'static str, at: u16) -> CtxRule {
    field(name, at, 4).read(NarrowAtStart(4))
}

/// A `__u16` that used to be four bytes.
const DST_PORT: CtxRule = field("dst_port", 48, 2).read(PaddedOr(4, 2)).since(5, 1);

/// As programs at a cgroup have it.
#[rustfmt::skip]
pub(super) static CGROUP_SOCK: CtxTable = table("bpf_sock", 80, &[
    field("bound_dev_if", 0, 4).write(Whole(4)).only(SOCKET_LIFE),
    at_start("family", 4),
    at_start("type", 8).since(4, 11),
    at_start("protocol", 12).since(4, 11),
    field("mark", 16, 4).write(Whole(4)).only(SOCKET_LIFE).since(4, 14),
    field("priority", 20, 4).write(Whole(4)).only(SOCKET_LIFE).since(4, 14),
    narrow("src_ip4", 24, 4).only(&[CgroupInet4PostBind]).since(4, 17),
    narrow("src_ip6", 28, 16).only(&[CgroupInet6PostBind]).since(4, 17),
    at_start("src_port", 44).only(BOUND).since(4, 17),
    DST_PORT,
    narrow("dst_ip4", 52, 4).since(5, 1),
    narrow("dst_ip6", 56, 16).since(5, 1),
    at_start("state", 72).since(5, 1),
    at_start("rx_queue_mapping", 76).since(5, 8),
]);

/// As a pointer to a full socket shows it.
#[rustfmt::skip]
const SHOWN: &[CtxRule] = &[
    field("bound_dev_if", 0, 4),
    at_start("family", 4),
    at_start("type", 8),
    at_start("protocol", 12),
    field("mark", 16, 4),
    field("priority", 20, 4),
    narrow("src_ip4", 24, 4),
    narrow("src_ip6", 28, 16),
    at_start("src_port", 44),
    DST_PORT,
    narrow("dst_ip4", 52, 4).since(5, 1),
    narrow("dst_ip6", 56, 16).since(5, 1),
    at_start("state", 72).since(5, 1),
    at_start("rx_queue_mapping", 76).since(5, 8),
];

pub(super) static SOCKET: CtxTable = table("bpf_sock", 80, SHOWN);

/// As a pointer to a socket that may be a request or a remnant shows it.
pub(super) static SOCK_COMMON: CtxTable =
    table("bpf_sock", 80, SHOWN).hides(&["type", "protocol", "mark", "priority"]);

#[rustfmt::skip]
pub(super) static TCP_SOCK: CtxTable = table("bpf_tcp_sock", 112, &[
    field("snd_cwnd", 0, 4),
    field("srtt_us", 4, 4),
    field("rtt_min", 8, 4),
    field("snd_ssthresh", 12, 4),
    field("rcv_nxt", 16, 4),
    field("snd_nxt", 20, 4),
    field("snd_una", 24, 4),
    field("mss_cache", 28, 4),
    field("ecn_flags", 32, 4),
    field("rate_delivered", 36, 4),
    field("rate_interval_us", 40, 4),
    field("packets_out", 44, 4),
    field("retrans_out", 48, 4),
    field("total_retrans", 52, 4),
    field("segs_in", 56, 4),
    field("data_segs_in", 60, 4),
    field("segs_out", 64, 4),
    field("data_segs_out", 68, 4),
    field("lost_out", 72, 4),
    field("sacked_out", 76, 4),
    field("bytes_received", 80, 8),
    field("bytes_acked", 88, 8),
    field("dsack_dups", 96, 4).since(5, 3),
    field("delivered", 100, 4).since(5, 3),
    field("delivered_ce", 104, 4).since(5, 3),
    field("icsk_retransmits", 108, 4).since(5, 3),
]);

pub(super) static XDP_SOCK: CtxTable =
    table("bpf_xdp_sock", 4, &[field("queue_id", 0, 4).since(5, 3)]);

const USER_4: &[AttachType] = &[
    CgroupInet4Bind,
    CgroupInet4Connect,
    CgroupInet4Getpeername,
    CgroupInet4Getsockname,
    CgroupUdp4Sendmsg,
    CgroupUdp4Recvmsg,
];
const USER_6: &[AttachType] = &[
    CgroupInet6Bind,
    CgroupInet6Connect,
    CgroupInet6Getpeername,
    CgroupInet6Getsockname,
    CgroupUdp6Sendmsg,
    CgroupUdp6Recvmsg,
];

/// Every address takes wide loads and stores by the letter of the rule; one word is too short for them.
#[rustfmt::skip]
pub(super) static CGROUP_SOCK_ADDR: CtxTable = table("bpf_sock_addr", 72, &[
    field("user_family", 0, 4),
    field("user_ip4", 4, 4).read(Narrow(4)).write(Whole(4)).only(USER_4),
    field("user_ip6", 8, 16).read(NarrowOrWide(4)).write(WholeOrWide(4)).only(USER_6),
    field("user_port", 24, 4).read(Narrow(4)).write(Whole(4)),
    field("family", 28, 4),
    field("type", 32, 4),
    field("protocol", 36, 4),
    field("msg_src_ip4", 40, 4).read(Narrow(4)).write(Whole(4)).only(&[CgroupUdp4Sendmsg]).since(4, 18),
    field("msg_src_ip6", 44, 16).read(NarrowOrWide(4)).write(WholeOrWide(4)).only(&[CgroupUdp6Sendmsg]).since(4, 18),
    field("sk", 64, 8).gives(Socket).since(5, 3),
]);

#[rustfmt::skip]
pub(super) static SOCK_OPS: CtxTable = table("bpf_sock_ops", 224, &[
    field("op", 0, 4),
    field("reply", 4, 4).write(Whole(4)),
    field("replylong", 8, 12),
    field("family", 20, 4),
    field("remote_ip4", 24, 4),
    field("local_ip4", 28, 4),
    field("remote_ip6", 32, 16),
    field("local_ip6", 48, 16),
    field("remote_port", 64, 4),
    field("local_port", 68, 4),
    field("is_fullsock", 72, 4).since(4, 16),
    field("snd_cwnd", 76, 4).since(4, 16),
    field("srtt_us", 80, 4).since(4, 16),
    field("bpf_sock_ops_cb_flags", 84, 4).since(4, 16),
    field("state", 88, 4).since(4, 16),
    field("rtt_min", 92, 4).since(4, 16),
    field("snd_ssthresh", 96, 4).since(4, 16),
    field("rcv_nxt", 100, 4).since(4, 16),
    field("snd_nxt", 104, 4).since(4, 16),
    field("snd_una", 108, 4).since(4, 16),
    field("mss_cache", 112, 4).since(4, 16),
    field("ecn_flags", 116, 4).since(4, 16),
    field("rate_delivered", 120, 4).since(4, 16),
    field("rate_interval_us", 124, 4).since(4, 16),
    field("packets_out", 128, 4).since(4, 16),
    field("retrans_out", 132, 4).since(4, 16),
    field("total_retrans", 136, 4).since(4, 16),
    field("segs_in", 140, 4).since(4, 16),
    field("data_segs_in", 144, 4).since(4, 16),
    field("segs_out", 148, 4).since(4, 16),
    field("data_segs_out", 152, 4).since(4, 16),
    field("lost_out", 156, 4).since(4, 16),
    field("sacked_out", 160, 4).since(4, 16),
    field("sk_txhash", 164, 4).write(Whole(4)).since(4, 16),
    field("bytes_received", 168, 8).since(4, 16),
    field("bytes_acked", 176, 8).since(4, 16),
    field("sk", 184, 8).gives(SocketOrNull).since(5, 3),
    field("skb_data", 192, 8).gives(Packet).since(5, 10),
    field("skb_data_end", 200, 8).gives(PacketEnd).since(5, 10),
    field("skb_len", 208, 4).since(5, 10),
    at_start("skb_tcp_flags", 212).since(5, 10),
    field("skb_hwtstamp", 216, 8).since(6, 2),
]);
