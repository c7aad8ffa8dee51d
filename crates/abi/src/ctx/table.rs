//! Contexts: the fields that programs see, and what they may do with them.
//!
//! Printed by `generate/contexts.py` from Linux 6.18.

use super::FieldKind::*;
use super::{Field, field};
use crate::AttachType::{self, *};

const EVERYWHERE: &[AttachType] = &[];

#[rustfmt::skip]
pub(crate) const SOCKET_FILTER: &[Field] = &[
    field("len", 0, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("pkt_type", 4, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("mark", 8, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("queue_mapping", 12, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("protocol", 16, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("vlan_present", 20, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("vlan_tci", 24, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("vlan_proto", 28, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("priority", 32, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("ingress_ifindex", 36, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("ifindex", 40, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("tc_index", 44, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("cb", 48, 20, Scalar, 15, true, 15, EVERYWHERE),
    field("hash", 68, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("napi_id", 84, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("gso_segs", 164, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("sk", 168, 8, SockOrNull, 8, false, 0, EVERYWHERE),
    field("gso_size", 176, 4, Scalar, 7, true, 0, EVERYWHERE),
];

#[rustfmt::skip]
pub(crate) const SCHED_CLS: &[Field] = &[
    field("len", 0, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("pkt_type", 4, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("mark", 8, 4, Scalar, 7, true, 4, EVERYWHERE),
    field("queue_mapping", 12, 4, Scalar, 7, true, 4, EVERYWHERE),
    field("protocol", 16, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("vlan_present", 20, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("vlan_tci", 24, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("vlan_proto", 28, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("priority", 32, 4, Scalar, 7, true, 4, EVERYWHERE),
    field("ingress_ifindex", 36, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("ifindex", 40, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("tc_index", 44, 4, Scalar, 7, true, 4, EVERYWHERE),
    field("cb", 48, 20, Scalar, 15, true, 15, EVERYWHERE),
    field("hash", 68, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("tc_classid", 72, 4, Scalar, 7, true, 4, EVERYWHERE),
    field("data", 76, 4, Packet, 4, false, 0, EVERYWHERE),
    field("data_end", 80, 4, PacketEnd, 4, false, 0, EVERYWHERE),
    field("napi_id", 84, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("data_meta", 140, 4, PacketMeta, 4, false, 0, EVERYWHERE),
    field("tstamp", 152, 8, Scalar, 8, false, 8, EVERYWHERE),
    field("wire_len", 160, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("gso_segs", 164, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("sk", 168, 8, SockOrNull, 8, false, 0, EVERYWHERE),
    field("gso_size", 176, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("tstamp_type", 180, 1, Scalar, 1, false, 0, EVERYWHERE),
    field("hwtstamp", 184, 8, Scalar, 8, false, 0, EVERYWHERE),
];

pub(crate) const SCHED_ACT: &[Field] = SCHED_CLS;

#[rustfmt::skip]
pub(crate) const XDP: &[Field] = &[
    field("data", 0, 4, Packet, 4, false, 0, EVERYWHERE),
    field("data_end", 4, 4, PacketEnd, 4, false, 0, EVERYWHERE),
    field("data_meta", 8, 4, PacketMeta, 4, false, 0, EVERYWHERE),
    field("ingress_ifindex", 12, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("rx_queue_index", 16, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("egress_ifindex", 20, 4, Scalar, 4, false, 0, &[XdpDevmap]),
];

#[rustfmt::skip]
pub(crate) const PERF_EVENT: &[Field] = &[
    field("regs", 0, 168, Scalar, 8, false, 0, EVERYWHERE),
    field("sample_period", 168, 8, Scalar, 15, true, 0, EVERYWHERE),
    field("addr", 176, 8, Scalar, 15, true, 0, EVERYWHERE),
];

#[rustfmt::skip]
pub(crate) const CGROUP_SKB: &[Field] = &[
    field("len", 0, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("pkt_type", 4, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("mark", 8, 4, Scalar, 7, true, 4, EVERYWHERE),
    field("queue_mapping", 12, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("protocol", 16, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("vlan_present", 20, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("vlan_tci", 24, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("vlan_proto", 28, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("priority", 32, 4, Scalar, 7, true, 4, EVERYWHERE),
    field("ingress_ifindex", 36, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("ifindex", 40, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("tc_index", 44, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("cb", 48, 20, Scalar, 15, true, 15, EVERYWHERE),
    field("hash", 68, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("data", 76, 4, Packet, 4, false, 0, EVERYWHERE),
    field("data_end", 80, 4, PacketEnd, 4, false, 0, EVERYWHERE),
    field("napi_id", 84, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("family", 88, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("remote_ip4", 92, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("local_ip4", 96, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("remote_ip6", 100, 16, Scalar, 4, false, 0, EVERYWHERE),
    field("local_ip6", 116, 16, Scalar, 4, false, 0, EVERYWHERE),
    field("remote_port", 132, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("local_port", 136, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("tstamp", 152, 8, Scalar, 8, false, 8, EVERYWHERE),
    field("gso_segs", 164, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("sk", 168, 8, SockOrNull, 8, false, 0, EVERYWHERE),
    field("gso_size", 176, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("hwtstamp", 184, 8, Scalar, 8, false, 0, EVERYWHERE),
];

#[rustfmt::skip]
pub(crate) const CGROUP_SOCK: &[Field] = &[
    field("bound_dev_if", 0, 4, Scalar, 4, false, 4, &[CgroupInetSockCreate, CgroupInetSockRelease]),
    field("family", 4, 4, Scalar, 7, false, 0, EVERYWHERE),
    field("type", 8, 4, Scalar, 7, false, 0, EVERYWHERE),
    field("protocol", 12, 4, Scalar, 7, false, 0, EVERYWHERE),
    field("mark", 16, 4, Scalar, 4, false, 4, &[CgroupInetSockCreate, CgroupInetSockRelease]),
    field("priority", 20, 4, Scalar, 4, false, 4, &[CgroupInetSockCreate, CgroupInetSockRelease]),
    field("src_ip4", 24, 4, Scalar, 7, true, 0, &[CgroupInet4PostBind]),
    field("src_ip6", 28, 16, Scalar, 7, true, 0, &[CgroupInet6PostBind]),
    field("src_port", 44, 4, Scalar, 7, false, 0, &[CgroupInet4PostBind, CgroupInet6PostBind]),
    field("dst_port", 48, 2, Scalar, 7, true, 0, EVERYWHERE),
    field("dst_ip4", 52, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("dst_ip6", 56, 16, Scalar, 7, true, 0, EVERYWHERE),
    field("state", 72, 4, Scalar, 7, false, 0, EVERYWHERE),
    field("rx_queue_mapping", 76, 4, Scalar, 7, false, 0, EVERYWHERE),
];

#[rustfmt::skip]
pub(crate) const LWT_IN: &[Field] = &[
    field("len", 0, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("pkt_type", 4, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("mark", 8, 4, Scalar, 7, true, 4, EVERYWHERE),
    field("queue_mapping", 12, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("protocol", 16, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("vlan_present", 20, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("vlan_tci", 24, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("vlan_proto", 28, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("priority", 32, 4, Scalar, 7, true, 4, EVERYWHERE),
    field("ingress_ifindex", 36, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("ifindex", 40, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("tc_index", 44, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("cb", 48, 20, Scalar, 15, true, 15, EVERYWHERE),
    field("hash", 68, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("data", 76, 4, Packet, 4, false, 0, EVERYWHERE),
    field("data_end", 80, 4, PacketEnd, 4, false, 0, EVERYWHERE),
    field("napi_id", 84, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("gso_segs", 164, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("sk", 168, 8, SockOrNull, 8, false, 0, EVERYWHERE),
    field("gso_size", 176, 4, Scalar, 7, true, 0, EVERYWHERE),
];

pub(crate) const LWT_OUT: &[Field] = LWT_IN;

pub(crate) const LWT_XMIT: &[Field] = LWT_IN;

#[rustfmt::skip]
pub(crate) const SOCK_OPS: &[Field] = &[
    field("op", 0, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("reply", 4, 4, Scalar, 4, false, 4, EVERYWHERE),
    field("args", 4, 16, Scalar, 4, false, 4, EVERYWHERE),
    field("replylong", 4, 16, Scalar, 4, false, 4, EVERYWHERE),
    field("family", 20, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("remote_ip4", 24, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("local_ip4", 28, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("remote_ip6", 32, 16, Scalar, 4, false, 0, EVERYWHERE),
    field("local_ip6", 48, 16, Scalar, 4, false, 0, EVERYWHERE),
    field("remote_port", 64, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("local_port", 68, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("is_fullsock", 72, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("snd_cwnd", 76, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("srtt_us", 80, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("bpf_sock_ops_cb_flags", 84, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("state", 88, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("rtt_min", 92, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("snd_ssthresh", 96, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("rcv_nxt", 100, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("snd_nxt", 104, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("snd_una", 108, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("mss_cache", 112, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("ecn_flags", 116, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("rate_delivered", 120, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("rate_interval_us", 124, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("packets_out", 128, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("retrans_out", 132, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("total_retrans", 136, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("segs_in", 140, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("data_segs_in", 144, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("segs_out", 148, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("data_segs_out", 152, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("lost_out", 156, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("sacked_out", 160, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("sk_txhash", 164, 4, Scalar, 4, false, 4, EVERYWHERE),
    field("bytes_received", 168, 8, Scalar, 8, false, 0, EVERYWHERE),
    field("bytes_acked", 176, 8, Scalar, 8, false, 0, EVERYWHERE),
    field("sk", 184, 8, SockOrNull, 8, false, 0, EVERYWHERE),
    field("skb_data", 192, 8, Packet, 8, false, 0, EVERYWHERE),
    field("skb_data_end", 200, 8, PacketEnd, 8, false, 0, EVERYWHERE),
    field("skb_len", 208, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("skb_tcp_flags", 212, 4, Scalar, 7, false, 0, EVERYWHERE),
    field("skb_hwtstamp", 216, 8, Scalar, 8, false, 0, EVERYWHERE),
];

#[rustfmt::skip]
pub(crate) const SK_SKB: &[Field] = &[
    field("len", 0, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("pkt_type", 4, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("queue_mapping", 12, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("protocol", 16, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("vlan_present", 20, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("vlan_tci", 24, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("vlan_proto", 28, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("priority", 32, 4, Scalar, 7, true, 4, EVERYWHERE),
    field("ingress_ifindex", 36, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("ifindex", 40, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("tc_index", 44, 4, Scalar, 7, true, 4, EVERYWHERE),
    field("cb", 48, 20, Scalar, 15, true, 0, EVERYWHERE),
    field("hash", 68, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("data", 76, 4, Packet, 4, false, 0, EVERYWHERE),
    field("data_end", 80, 4, PacketEnd, 4, false, 0, EVERYWHERE),
    field("napi_id", 84, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("family", 88, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("remote_ip4", 92, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("local_ip4", 96, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("remote_ip6", 100, 16, Scalar, 4, false, 0, EVERYWHERE),
    field("local_ip6", 116, 16, Scalar, 4, false, 0, EVERYWHERE),
    field("remote_port", 132, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("local_port", 136, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("gso_segs", 164, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("sk", 168, 8, SockOrNull, 8, false, 0, EVERYWHERE),
    field("gso_size", 176, 4, Scalar, 7, true, 0, EVERYWHERE),
];

#[rustfmt::skip]
pub(crate) const CGROUP_DEVICE: &[Field] = &[
    field("access_type", 0, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("major", 4, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("minor", 8, 4, Scalar, 4, false, 0, EVERYWHERE),
];

#[rustfmt::skip]
pub(crate) const SK_MSG: &[Field] = &[
    field("data", 0, 8, Packet, 8, false, 0, EVERYWHERE),
    field("data_end", 8, 8, PacketEnd, 8, false, 0, EVERYWHERE),
    field("family", 16, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("remote_ip4", 20, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("local_ip4", 24, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("remote_ip6", 28, 16, Scalar, 4, false, 0, EVERYWHERE),
    field("local_ip6", 44, 16, Scalar, 4, false, 0, EVERYWHERE),
    field("remote_port", 60, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("local_port", 64, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("size", 68, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("sk", 72, 8, Sock, 8, false, 0, EVERYWHERE),
];

#[rustfmt::skip]
pub(crate) const CGROUP_SOCK_ADDR: &[Field] = &[
    field("user_family", 0, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("user_ip4", 4, 4, Scalar, 7, true, 4, &[CgroupInet4Bind, CgroupInet4Connect, CgroupUdp4Sendmsg, CgroupUdp4Recvmsg, CgroupInet4Getpeername, CgroupInet4Getsockname]),
    field("user_ip6", 8, 16, Scalar, 15, true, 12, &[CgroupInet6Bind, CgroupInet6Connect, CgroupUdp6Sendmsg, CgroupUdp6Recvmsg, CgroupInet6Getpeername, CgroupInet6Getsockname]),
    field("user_port", 24, 4, Scalar, 7, true, 4, EVERYWHERE),
    field("family", 28, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("type", 32, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("protocol", 36, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("msg_src_ip4", 40, 4, Scalar, 7, true, 4, &[CgroupUdp4Sendmsg]),
    field("msg_src_ip6", 44, 16, Scalar, 7, true, 4, &[CgroupUdp6Sendmsg]),
    field("sk", 64, 8, Sock, 8, false, 0, EVERYWHERE),
];

pub(crate) const LWT_SEG6LOCAL: &[Field] = LWT_IN;

#[rustfmt::skip]
pub(crate) const SK_REUSEPORT: &[Field] = &[
    field("data", 0, 8, Packet, 8, false, 0, EVERYWHERE),
    field("data_end", 8, 8, PacketEnd, 8, false, 0, EVERYWHERE),
    field("len", 16, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("eth_protocol", 20, 4, Scalar, 6, true, 0, EVERYWHERE),
    field("ip_protocol", 24, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("bind_inany", 28, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("hash", 32, 4, Scalar, 4, false, 0, EVERYWHERE),
    field("sk", 40, 8, Sock, 8, false, 0, EVERYWHERE),
    field("migrating_sk", 48, 8, SockOrNull, 8, false, 0, EVERYWHERE),
];

#[rustfmt::skip]
pub(crate) const FLOW_DISSECTOR: &[Field] = &[
    field("data", 76, 4, Packet, 4, false, 0, EVERYWHERE),
    field("data_end", 80, 4, PacketEnd, 4, false, 0, EVERYWHERE),
    field("flow_keys", 144, 8, FlowKeys, 8, false, 0, EVERYWHERE),
];

#[rustfmt::skip]
pub(crate) const CGROUP_SYSCTL: &[Field] = &[
    field("write", 0, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("file_pos", 4, 4, Scalar, 7, true, 4, EVERYWHERE),
];

#[rustfmt::skip]
pub(crate) const CGROUP_SOCKOPT: &[Field] = &[
    field("sk", 0, 8, Sock, 8, false, 0, EVERYWHERE),
    field("optval", 8, 8, Packet, 8, false, 0, EVERYWHERE),
    field("optval_end", 16, 8, PacketEnd, 8, false, 0, EVERYWHERE),
    field("level", 24, 4, Scalar, 4, false, 0, &[CgroupGetsockopt]),
    field("level", 24, 4, Scalar, 4, false, 4, &[CgroupSetsockopt]),
    field("optname", 28, 4, Scalar, 4, false, 0, &[CgroupGetsockopt]),
    field("optname", 28, 4, Scalar, 4, false, 4, &[CgroupSetsockopt]),
    field("optlen", 32, 4, Scalar, 4, false, 4, EVERYWHERE),
    field("retval", 36, 4, Scalar, 4, false, 4, &[CgroupGetsockopt]),
];

#[rustfmt::skip]
pub(crate) const SK_LOOKUP: &[Field] = &[
    field("cookie", 0, 8, SockOrNull, 8, false, 0, EVERYWHERE),
    field("sk", 0, 8, SockOrNull, 8, false, 0, EVERYWHERE),
    field("family", 8, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("protocol", 12, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("remote_ip4", 16, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("remote_ip6", 20, 16, Scalar, 7, true, 0, EVERYWHERE),
    field("remote_port", 36, 2, Scalar, 7, true, 0, EVERYWHERE),
    field("local_ip4", 40, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("local_ip6", 44, 16, Scalar, 7, true, 0, EVERYWHERE),
    field("local_port", 60, 4, Scalar, 7, true, 0, EVERYWHERE),
    field("ingress_ifindex", 64, 4, Scalar, 7, true, 0, EVERYWHERE),
];

#[rustfmt::skip]
pub(crate) const NETFILTER: &[Field] = &[
    field("state", 0, 8, BtfPointer, 8, false, 0, EVERYWHERE),
    field("skb", 8, 8, BtfPointer, 8, false, 0, EVERYWHERE),
];
