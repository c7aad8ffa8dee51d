//! `struct __sk_buff`: one structure that each type of program sees in its own way.

use super::CtxKind::{FlowKeys, Packet, PacketEnd, PacketMeta, SockCommonOrNull};
use super::CtxSizes::{Inside, Whole};
use super::rule::{field, narrow};
use super::table::table;
use super::{CtxRule, CtxTable};

const SIZE: u32 = 192;

/// A `__u32` with narrow loads and whole stores.
const fn plain(name: &'static str, at: u16) -> CtxRule {
    narrow(name, at, 4).write(Whole(4))
}

#[rustfmt::skip]
const FIELDS: &[CtxRule] = &[
    plain("len", 0),
    plain("pkt_type", 4),
    plain("mark", 8),
    plain("queue_mapping", 12),
    plain("protocol", 16),
    plain("vlan_present", 20),
    plain("vlan_tci", 24),
    plain("vlan_proto", 28).since(4, 2),
    plain("priority", 32).since(4, 1),
    plain("ingress_ifindex", 36).since(4, 2),
    plain("ifindex", 40).since(4, 2),
    plain("tc_index", 44).since(4, 2),
    field("cb", 48, 20).read(Inside).write(Inside).since(4, 2),
    plain("hash", 68).since(4, 3),
    plain("tc_classid", 72).since(4, 4),
    field("data", 76, 4).gives(Packet).since(4, 7),
    field("data_end", 80, 4).gives(PacketEnd).since(4, 7),
    plain("napi_id", 84).since(4, 12),
    plain("family", 88).since(4, 14),
    field("remote_ip4", 92, 4).since(4, 14),
    field("local_ip4", 96, 4).since(4, 14),
    field("remote_ip6", 100, 16).since(4, 14),
    field("local_ip6", 116, 16).since(4, 14),
    plain("remote_port", 132).since(4, 14),
    plain("local_port", 136).since(4, 14),
    field("data_meta", 140, 4).gives(PacketMeta).since(4, 15),
    field("tstamp", 152, 8).write(Whole(8)).since(5, 0),
    plain("wire_len", 160).since(5, 0),
    plain("gso_segs", 164).since(5, 1),
    field("sk", 168, 8).gives(SockCommonOrNull).since(5, 1),
    plain("gso_size", 176).since(5, 7),
    field("tstamp_type", 180, 1).read(Whole(1)).since(5, 18),
    field("hwtstamp", 184, 8).since(5, 16),
];

pub(super) static SOCKET_FILTER: CtxTable = table("__sk_buff", SIZE, FIELDS)
    .hides(&[
        "tc_classid",
        "data",
        "data_meta",
        "data_end",
        "family",
        "remote_ip4",
        "local_ip4",
        "remote_ip6",
        "local_ip6",
        "remote_port",
        "local_port",
        "tstamp",
        "wire_len",
        "hwtstamp",
        "tstamp_type",
    ])
    .writes(&["cb"]);

pub(super) static TC: CtxTable = table("__sk_buff", SIZE, FIELDS)
    .hides(&[
        "family",
        "remote_ip4",
        "local_ip4",
        "remote_ip6",
        "local_ip6",
        "remote_port",
        "local_port",
    ])
    .writes(&["mark", "tc_index", "priority", "tc_classid", "cb", "tstamp", "queue_mapping"]);

pub(super) static CGROUP_SKB: CtxTable = table("__sk_buff", SIZE, FIELDS)
    .hides(&["tc_classid", "data_meta", "wire_len", "tstamp_type"])
    .writes(&["mark", "priority", "cb", "tstamp"])
    .guards(&[("data", false), ("data_end", false), ("tstamp", true)]);

pub(super) static LWT: CtxTable = table("__sk_buff", SIZE, FIELDS)
    .hides(&[
        "tc_classid",
        "family",
        "remote_ip4",
        "local_ip4",
        "remote_ip6",
        "local_ip6",
        "remote_port",
        "local_port",
        "data_meta",
        "tstamp",
        "wire_len",
        "hwtstamp",
        "tstamp_type",
    ])
    .writes(&["mark", "priority", "cb"]);

pub(super) static SK_SKB: CtxTable = table("__sk_buff", SIZE, FIELDS)
    .hides(&["tc_classid", "data_meta", "tstamp", "wire_len", "hwtstamp", "tstamp_type", "mark"])
    .writes(&["tc_index", "priority"]);

pub(super) static FLOW_DISSECTOR: CtxTable = table(
    "__sk_buff",
    SIZE,
    &[
        field("data", 76, 4).gives(Packet),
        field("data_end", 80, 4).gives(PacketEnd),
        field("flow_keys", 144, 8).gives(FlowKeys),
    ],
);
