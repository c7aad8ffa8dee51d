//! More or less of a packet: head, tail, metadata, tags.

use super::status;
use crate::host::{Host, change_packet};
use skep_vm::{Cx, Helpers};

pub(super) fn add(helpers: Helpers<Host>) -> Helpers<Host> {
    helpers
        .with(44, "bpf_xdp_adjust_head", |cx: &mut Cx<'_, Host>, _ctx: u64, delta: i32| {
            status(change_packet(cx, |packet| packet.adjust_head(delta)))
        })
        .with(54, "bpf_xdp_adjust_meta", |cx: &mut Cx<'_, Host>, _ctx: u64, delta: i32| {
            status(change_packet(cx, |packet| packet.adjust_meta(delta)))
        })
        .with(65, "bpf_xdp_adjust_tail", |cx: &mut Cx<'_, Host>, _ctx: u64, delta: i32| {
            status(change_packet(cx, |packet| packet.adjust_tail(delta)))
        })
        .with(18, "bpf_skb_vlan_push", |cx: &mut Cx<'_, Host>, _ctx: u64, proto: u32, tci: u32| {
            // A `__be16` and a number of the host.
            let [low, high, ..] = proto.to_le_bytes();
            let [tci_low, tci_high, ..] = tci.to_le_bytes();
            let proto = u16::from_be_bytes([low, high]);
            let tci = u16::from_le_bytes([tci_low, tci_high]);
            status(change_packet(cx, |packet| packet.vlan_push(proto, tci)))
        })
        .with(19, "bpf_skb_vlan_pop", |cx: &mut Cx<'_, Host>| {
            status(change_packet(cx, skep_hooks::Packet::vlan_pop))
        })
        .with(38, "bpf_skb_change_tail", |cx: &mut Cx<'_, Host>, _ctx: u64, len, flags| {
            status(change_packet(cx, |packet| packet.change_tail(len, flags)))
        })
        .with(43, "bpf_skb_change_head", |cx: &mut Cx<'_, Host>, _ctx: u64, len, flags| {
            status(change_packet(cx, |packet| packet.change_head(len, flags)))
        })
        .with(50, "bpf_skb_adjust_room", |cx: &mut Cx<'_, Host>, _ctx: u64, delta, mode, flags| {
            status(change_packet(cx, |packet| packet.adjust_room(delta, mode, flags)))
        })
        .with(41, "bpf_set_hash_invalid", |cx: &mut Cx<'_, Host>| {
            change_packet(cx, |packet| packet.meta.hash = 0);
        })
        .with(48, "bpf_set_hash", |cx: &mut Cx<'_, Host>, _ctx: u64, hash: u32| {
            change_packet(cx, |packet| packet.meta.hash = hash);
        })
}
