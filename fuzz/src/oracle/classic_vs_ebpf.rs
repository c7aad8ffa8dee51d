//! A classic program and its translations give the same verdict on the same packet.

use super::bytes::Bytes;
use super::classic;
use skep::{Hook, Options, Session};
use skep_abi::ProgType;
use skep_cbpf::{Ancillary, Device, Insn, Meta, Packet, Program, Target, Verdict, translate};
use skep_hooks::{Header, PacketMeta};
use skep_prog::{Image, Prog};

const HOOKS: [(Hook, ProgType, Target); 3] = [
    (Hook::SocketFilter, ProgType::SocketFilter, Target::SocketFilter),
    (Hook::Xdp, ProgType::Xdp, Target::Xdp(Verdict::XDP)),
    (Hook::TcIngress, ProgType::SchedCls, Target::Tc(Verdict::TC)),
];

/// Input: Ethernet frame with a byte of length, program.
pub fn check(data: &[u8]) {
    let mut input = Bytes::new(data);
    let frame = input.short();
    let Ok(program) = skep_cbpf::check(&classic::repaired(input.rest())) else { return };
    // Random numbers come from different sequences.
    let random = |insn: &Insn| matches!(insn, Insn::LoadAnc { anc: Ancillary::Random, .. });
    if program.insns().iter().any(random) {
        return;
    }
    let meta = PacketMeta {
        ifindex: 3,
        ingress_ifindex: 3,
        mark: 0x1234_5678,
        hash: 0xdead_beef,
        queue_mapping: 7,
        wire_len: u32::from(u8::MAX),
        ..PacketMeta::default()
    };
    let mut packet = skep::Packet::new();
    packet.reset(frame, meta);
    for (hook, prog_type, target) in HOOKS {
        if let Ok(insns) = translate(&program, target) {
            let image = Image {
                progs: vec![Prog::new("translated", prog_type, insns)],
                ..Image::default()
            };
            let mut session =
                Session::load(&image, None, Options::default()).expect("a translation loads");
            let want = answer(&program, hook, target, packet.clone());
            match session.run(&mut packet.clone()) {
                Ok(outcome) => assert_eq!(outcome.verdict.code, want, "{target:?}"),
                Err(fault) => panic!("{target:?}: {fault}"),
            }
        }
    }
}

/// What the interpreter says, as the hook would return it.
fn answer(program: &Program, hook: Hook, target: Target, mut packet: skep::Packet) -> u32 {
    if hook.is_skb() {
        packet.untag();
    }
    hook.enter(&mut packet);
    let vlan = packet.meta.vlan;
    let meta = Meta {
        protocol: packet.meta.protocol,
        pkt_type: packet.meta.pkt_type as u8,
        device: Some(Device { index: packet.meta.ifindex, hardware: 1 }),
        mark: packet.meta.mark,
        queue: packet.meta.queue_mapping,
        hash: packet.meta.hash,
        vlan_tci: vlan.map_or(0, |tag| tag.tci),
        vlan_proto: vlan.map_or(0, |tag| tag.proto),
        ..Meta::default()
    };
    let mut classic = Packet::new(packet.data());
    classic.network = packet.header_at(Header::Net) - packet.header_at(Header::Mac);
    classic.meta = meta;
    match (program.run(&classic), target) {
        (answer, Target::SocketFilter) => answer,
        (0, Target::Xdp(v) | Target::Tc(v)) => v.reject.cast_unsigned(),
        (_, Target::Xdp(v) | Target::Tc(v)) => v.accept.cast_unsigned(),
    }
}
