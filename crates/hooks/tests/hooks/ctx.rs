//! Contexts in and out.

use crate::frames::{at, tagged, tcp6, udp4};
use skep_hooks::{Hook, Packet, PacketMeta, PktType};

const BASE: u32 = 0x8000_0000;
const SKB_HOOKS: [Hook; 6] = [
    Hook::TcIngress,
    Hook::TcEgress,
    Hook::SchedAct,
    Hook::SocketFilter,
    Hook::CgroupSkbIngress,
    Hook::CgroupSkbEgress,
];

fn ctx(hook: Hook, packet: &Packet) -> Vec<u8> {
    let mut ctx = vec![0xee; 7];
    hook.write_ctx(packet, BASE, &mut ctx);
    assert_eq!(ctx.len(), hook.ctx_len());
    ctx
}

fn word(ctx: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(ctx[at..at + 4].try_into().unwrap())
}

#[test]
fn xdp_md() {
    let mut packet = at(Hook::Xdp, &udp4(b""));
    packet.meta.ingress_ifindex = 3;
    packet.meta.rx_queue = 4;
    packet.meta.egress_ifindex = 5;
    packet.adjust_meta(-8).unwrap();
    let got: Vec<u32> = ctx(Hook::Xdp, &packet).chunks(4).map(|w| word(w, 0)).collect();
    assert_eq!(got, [BASE + 256, BASE + 256 + 42, BASE + 248, 3, 4, 5]);
}

#[test]
fn addresses_are_those_of_the_buffer() {
    for hook in [Hook::Xdp, Hook::TcIngress, Hook::CgroupSkbIngress] {
        let mut packet = at(hook, &udp4(b"payload"));
        let ctx = ctx(hook, &packet);
        let (data, end) = if hook == Hook::Xdp { (0, 4) } else { (76, 80) };
        let place = |at| (word(&ctx, at) - BASE) as usize;
        let range = place(data)..place(end);
        assert_eq!(range.end, packet.window().end);
        assert_eq!(packet.buffer_mut()[range].to_vec(), packet.data());
    }
}

#[test]
fn sk_buff() {
    let mut packet = Packet::new();
    packet.reset(
        &tagged(&udp4(b""), 0x8100, 0x2005),
        PacketMeta {
            wire_len: 1500,
            pkt_type: PktType::Multicast,
            mark: 1,
            queue_mapping: 2,
            priority: 3,
            ingress_ifindex: 4,
            ifindex: 5,
            tc_index: 6,
            cb: [7, 8, 9, 10, 11],
            hash: 12,
            tc_classid: 13,
            napi_id: 14,
            tstamp: 0x1_0000_000f,
            tstamp_type: 1,
            gso_segs: 16,
            gso_size: 17,
            hwtstamp: 0x2_0000_0012,
            ..PacketMeta::default()
        },
    );
    packet.untag();
    Hook::TcIngress.enter(&mut packet);
    let ctx = ctx(Hook::TcIngress, &packet);
    let data = word(&ctx, 76);
    let be = |v: u16| u32::from(v.to_be());
    let want = [
        (0, 42),
        (4, 2),
        (8, 1),
        (12, 2),
        (16, be(0x0800)),
        (20, 1),
        (24, 0x2005),
        (28, be(0x8100)),
        (32, 3),
        (36, 4),
        (40, 5),
        (44, 6),
        (48, 7),
        (64, 11),
        (68, 12),
        (72, 13),
        (80, data + 42),
        (84, 14),
        (88, 0),
        (140, data),
        (144, 0),
        (160, 1500),
        (164, 16),
        (176, 17),
    ];
    for (at, value) in want {
        assert_eq!(word(&ctx, at), value, "at {at}");
    }
    assert_eq!(ctx[152..160], 0x1_0000_000f_u64.to_ne_bytes());
    assert_eq!((ctx[180], &ctx[184..]), (1, &0x2_0000_0012_u64.to_ne_bytes()[..]));
}

#[test]
fn what_a_hook_does_not_show_is_0() {
    let mut packet = at(Hook::SocketFilter, &udp4(b""));
    packet.meta.cb = [1; 5];
    Hook::SocketFilter.enter(&mut packet);
    let filter = ctx(Hook::SocketFilter, &packet);
    assert_eq!([76, 80, 140].map(|at| word(&filter, at)), [0; 3]);
    assert_eq!(filter[48..68], [0; 20], "scratch words are clean");
    assert_eq!(word(&filter, 0), 42);

    let cgroup = at(Hook::CgroupSkbIngress, &udp4(b""));
    let cgroup = ctx(Hook::CgroupSkbIngress, &cgroup);
    assert_eq!((word(&cgroup, 0), word(&cgroup, 140)), (28, 0));
}

#[test]
fn socket_addresses_depend_on_the_direction() {
    let port = |p: u32| p.to_be();
    let cases = [
        (Hook::CgroupSkbEgress, [10, 0, 0, 2], [10, 0, 0, 1], port(53), 1000),
        (Hook::CgroupSkbIngress, [10, 0, 0, 1], [10, 0, 0, 2], port(1000), 53),
    ];
    for (hook, remote, local, remote_port, local_port) in cases {
        let ctx = ctx(hook, &at(hook, &udp4(b"")));
        assert_eq!(word(&ctx, 88), 2);
        assert_eq!((&ctx[92..96], &ctx[96..100]), (&remote[..], &local[..]));
        assert_eq!((word(&ctx, 132), word(&ctx, 136)), (remote_port, local_port));
    }
    let v6 = ctx(Hook::CgroupSkbEgress, &at(Hook::CgroupSkbEgress, &tcp6()));
    assert_eq!(word(&v6, 88), 10);
    assert_eq!((&v6[100..116], &v6[116..132]), (&[0x22; 16][..], &[0x11; 16][..]));
    assert_eq!((word(&v6, 132), word(&v6, 136)), (port(3), 2));
}

#[test]
fn fragments_have_no_ports() {
    let mut frame = udp4(b"");
    frame[21] = 1;
    let ctx = ctx(Hook::CgroupSkbEgress, &at(Hook::CgroupSkbEgress, &frame));
    assert_eq!((word(&ctx, 88), word(&ctx, 132), word(&ctx, 136)), (2, 0, 0));
}

#[test]
fn what_a_program_may_write_comes_back() {
    for hook in SKB_HOOKS {
        let mut packet = at(hook, &udp4(b""));
        let before = packet.meta;
        hook.read_ctx(&mut packet, &[0x55; 192]);
        let tc = matches!(hook, Hook::TcIngress | Hook::TcEgress | Hook::SchedAct);
        let mut want = before;
        want.cb = [0x5555_5555; 5];
        if hook != Hook::SocketFilter {
            want.mark = 0x5555_5555;
            want.priority = 0x5555_5555;
            want.tstamp = 0x5555_5555_5555_5555;
        }
        if tc {
            want.tc_index = 0x5555;
            want.tc_classid = 0x5555;
        }
        assert_eq!(packet.meta, want, "{hook:?}");
    }
}

#[test]
fn queue_mappings_beyond_16_bits_are_ignored() {
    for (queue, want) in [(5, 5), (0xfffe, 0xfffe), (0xffff, 0), (0x1_0005, 0)] {
        let mut packet = at(Hook::TcEgress, &udp4(b""));
        let mut ctx = ctx(Hook::TcEgress, &packet);
        ctx[12..16].copy_from_slice(&u32::to_ne_bytes(queue));
        Hook::TcEgress.read_ctx(&mut packet, &ctx);
        assert_eq!(packet.meta.queue_mapping, want, "{queue:#x}");
    }
}

#[test]
fn reading_back_what_was_written_changes_nothing() {
    for hook in SKB_HOOKS {
        let mut packet = at(hook, &udp4(b""));
        packet.meta.mark = 9;
        packet.meta.tstamp = 10;
        let before = packet.meta;
        let ctx = ctx(hook, &packet);
        hook.read_ctx(&mut packet, &ctx);
        assert_eq!(packet.meta, before);
        hook.read_ctx(&mut packet, &ctx[..191]);
        hook.read_ctx(&mut packet, &[]);
        assert_eq!(packet.meta, before, "too short to be a context");
    }
    let mut packet = at(Hook::Xdp, &udp4(b""));
    let before = packet.meta;
    Hook::Xdp.read_ctx(&mut packet, &[0xff; 192]);
    assert_eq!(packet.meta, before);
}

/// Kernel: `bpf_skb_change_tail` and its kin leave `qdisc_skb_cb(skb)->pkt_len` as it was.
#[test]
fn the_length_on_the_wire_is_that_of_the_arrival() {
    const WIRE_LEN: usize = 160;
    let mut packet = at(Hook::TcIngress, &udp4(b"payload"));
    let arrived = packet.wire_len();
    assert_eq!(word(&ctx(Hook::TcIngress, &packet), WIRE_LEN), arrived);
    packet.change_tail(arrived + 20, 0).unwrap();
    packet.vlan_push(0x8100, 5).unwrap();
    assert_eq!(word(&ctx(Hook::TcIngress, &packet), WIRE_LEN), arrived);
    assert_eq!(packet.wire_len(), arrived + 24, "what goes out is longer");
    Hook::TcEgress.enter(&mut packet);
    assert_eq!(word(&ctx(Hook::TcEgress, &packet), WIRE_LEN), arrived + 24);
}
