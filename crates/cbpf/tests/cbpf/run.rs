//! What instructions do.

use skep_cbpf::{Device, Meta, Packet, RawInsn, check};

const RET_A: RawInsn = RawInsn::stmt(0x16, 0);
const TXA: RawInsn = RawInsn::stmt(0x87, 0);

const fn stmt(code: u16, k: u32) -> RawInsn {
    RawInsn::stmt(code, k)
}

#[track_caller]
fn run(insns: &[RawInsn], packet: &Packet<'_>) -> u32 {
    check(insns).unwrap_or_else(|e| panic!("{e}")).run(packet)
}

fn on_nothing(insns: &[RawInsn]) -> u32 {
    run(insns, &Packet::new(&[]))
}

#[test]
#[rustfmt::skip]
fn arithmetic() {
    const MIN: u32 = 1 << 31;
    let table = [
        // code with K,   A,        operand,  A afterwards; None rejects
        (0x04,            u32::MAX, 2,        Some(1)),
        (0x14,            1,        2,        Some(u32::MAX)),
        (0x24,            0x10001,  0x10001,  Some(0x20001)),
        (0x34,            u32::MAX, 2,        Some(0x7fff_ffff)),
        (0x34,            MIN,      u32::MAX, Some(0)),
        (0x34,            7,        0,        None),
        (0x94,            u32::MAX, 10,       Some(5)),
        (0x94,            7,        0,        None),
        (0x44,            0xf0,     0x1f,     Some(0xff)),
        (0x54,            0xf0,     0x1f,     Some(0x10)),
        (0xa4,            0xf0,     0x1f,     Some(0xef)),
        (0x64,            3,        31,       Some(MIN)),
        (0x64,            3,        33,       Some(6)),
        (0x74,            MIN,      31,       Some(1)),
        (0x74,            MIN,      u32::MAX, Some(1)),
    ];
    for (code, a, b, want) in table {
        let by_x = [stmt(0x01, b), stmt(0x00, a), stmt(code | 8, 0), RET_A];
        assert_eq!(on_nothing(&by_x), want.unwrap_or(0), "{code:#x} {a:#x} {b:#x}");
        let by_k = [stmt(0x00, a), stmt(code, b), RET_A];
        if check(&by_k).is_ok() {
            assert_eq!(on_nothing(&by_k), want.unwrap_or(0), "{code:#x} {a:#x} {b:#x}");
        }
    }
    assert_eq!(on_nothing(&[stmt(0x00, 1), stmt(0x84, 0), RET_A]), u32::MAX);
    assert_eq!(on_nothing(&[stmt(0x00, MIN), stmt(0x84, 0), RET_A]), MIN);
    // A rejected packet is rejected at once.
    assert_eq!(on_nothing(&[stmt(0x3c, 0), stmt(0x06, 9)]), 0);
}

#[test]
#[rustfmt::skip]
fn comparisons_are_unsigned() {
    let table = [
        // code, A,        operand,  taken
        (0x15,   u32::MAX, u32::MAX, true),
        (0x15,   0,        u32::MAX, false),
        (0x25,   u32::MAX, 1,        true),
        (0x25,   1,        1,        false),
        (0x35,   1,        1,        true),
        (0x35,   1,        1 << 31,  false),
        (0x45,   0xf0,     0x1f,     true),
        (0x45,   0xf0,     0x0f,     false),
        (0x45,   u32::MAX, 1 << 31,  true),
    ];
    for (code, a, b, taken) in table {
        let (yes, no) = (stmt(0x06, 1), stmt(0x06, 2));
        let want = if taken { 1 } else { 2 };
        let by_k = [stmt(0x00, a), RawInsn::jump(code, b, 1, 0), no, yes];
        assert_eq!(on_nothing(&by_k), want, "{code:#x} {a:#x} {b:#x}");
        let by_x = [stmt(0x01, b), stmt(0x00, a), RawInsn::jump(code | 8, 7, 0, 1), yes, no];
        assert_eq!(on_nothing(&by_x), want, "{code:#x} {a:#x} {b:#x}");
    }
    assert_eq!(on_nothing(&[stmt(0x05, 1), stmt(0x06, 1), stmt(0x06, 2)]), 2);
}

#[test]
fn registers_and_scratch_memory() {
    assert_eq!(on_nothing(&[RET_A]), 0);
    assert_eq!(on_nothing(&[TXA, RET_A]), 0);
    assert_eq!(on_nothing(&[stmt(0x00, 5), stmt(0x07, 0), stmt(0x00, 1), TXA, RET_A]), 5);
    let spill = [stmt(0x01, 7), stmt(0x03, 15), stmt(0x02, 0), stmt(0x60, 15), RET_A];
    assert_eq!(on_nothing(&spill), 7);
    let fill = [stmt(0x00, 8), stmt(0x02, 3), stmt(0x61, 3), stmt(0x00, 0), TXA, RET_A];
    assert_eq!(on_nothing(&fill), 8);
    assert_eq!(on_nothing(&[stmt(0x06, u32::MAX)]), u32::MAX);
}

#[test]
fn loads_end_at_the_end() {
    let bytes = [0x12, 0x34, 0x56, 0x78, 0x9a];
    let packet = Packet::new(&bytes);
    let then_set = |insn| run(&[insn, stmt(0x44, 0x8000_0000), RET_A], &packet);
    for (code, size) in [(0x20u16, 4), (0x28, 2), (0x30, 1)] {
        for at in 0..8 {
            let there =
                bytes.get(at..at + size).map(|b| b.iter().fold(0, |n, &b| n << 8 | u32::from(b)));
            let want = there.map_or(0, |value| value | 0x8000_0000);
            let k = u32::try_from(at).unwrap();
            assert_eq!(then_set(stmt(code, k)), want, "{code:#x} [{at}]");
            // X + k wraps.
            let ind = stmt(code + 0x20, k.wrapping_sub(100));
            let insns = [stmt(0x01, 100), ind, stmt(0x44, 0x8000_0000), RET_A];
            assert_eq!(run(&insns, &packet), want, "{code:#x} [x + {at}]");
        }
        assert_eq!(then_set(stmt(code, 0x7fff_ffff)), 0);
        assert_eq!(then_set(stmt(code, 0x8000_0000)), 0);
    }
    let header = [stmt(0xb1, 4), TXA, RET_A];
    assert_eq!(run(&header, &packet), 0xa * 4);
    assert_eq!(run(&[stmt(0xb1, 5), stmt(0x06, 1)], &packet), 0);
}

#[test]
fn negative_offsets_count_from_headers() {
    let bytes: Vec<u8> = (0..60).collect();
    let mut packet = Packet::new(&bytes);
    (packet.data, packet.link, packet.network, packet.len) = (34, Some(4), 18, 26);
    let byte = |k, packet: &Packet<'_>| run(&[stmt(0x30, k), RET_A], packet);
    assert_eq!(byte(0, &packet), 34);
    assert_eq!(byte(25, &packet), 59);
    assert_eq!(byte(0xfff0_0000, &packet), 18);
    assert_eq!(byte(0xfff0_0029, &packet), 59);
    assert_eq!(byte(0xfff0_002a, &packet), 0);
    assert_eq!(byte(0xffe0_0001, &packet), 5);
    assert_eq!(byte(0xffdf_ffff, &packet), 0);
    // Indirect loads come to the same places, and ancillary data is not among them.
    let ind = |x, k| run(&[stmt(0x01, x), stmt(0x50, k), RET_A], &packet);
    assert_eq!(ind(0xfff0_0000, 3), 21);
    assert_eq!(ind(2, 0xffe0_0000), 6);
    assert_eq!(ind(0xffff_f000, 4), 0);
    assert_eq!(run(&[stmt(0x80, 0), RET_A], &packet), 26);
    assert_eq!(run(&[stmt(0x81, 0), TXA, RET_A], &packet), 26);
    packet.link = None;
    assert_eq!(byte(0xffe0_0001, &packet), 0);
    packet.data = usize::MAX;
    assert_eq!(byte(1, &packet), 0);
}

#[test]
fn ancillary_data() {
    let meta = Meta {
        protocol: 0x86dd,
        pkt_type: 0xfb,
        device: Some(Device { index: 577, hardware: 1 }),
        mark: 0x8765_4321,
        queue: 12,
        hash: 0xdead_beef,
        vlan_tci: 0xf123,
        vlan_proto: 0x88a8,
        cpu: 5,
        random: 99,
    };
    let packet = Packet { meta, ..Packet::new(&[]) };
    let load = |anc: u32, packet: &Packet<'_>| {
        run(&[stmt(0x00, 6), stmt(0x01, 3), stmt(0x20, 0xffff_f000 + anc), RET_A], packet)
    };
    let values = [
        (0, 0x86dd),
        (4, 3),
        (8, 577),
        (20, 0x8765_4321),
        (24, 12),
        (28, 1),
        (32, 0xdead_beef),
        (36, 5),
        (40, 6 ^ 3),
        (44, 0xf123),
        (48, 1),
        (52, 0),
        (56, 99),
        (60, 0x88a8),
    ];
    for (anc, want) in values {
        assert_eq!(load(anc, &packet), want, "{anc}");
    }
    // Without an interface the program returns at once, with A.
    let bare = Packet::new(&[]);
    let index = [stmt(0x00, 6), stmt(0x20, 0xffff_f008), stmt(0x06, 1)];
    assert_eq!(run(&index, &bare), 6);
    assert_eq!(load(28, &bare), 6);
    assert_eq!(load(48, &bare), 0);
    // Each random number differs from the one before, and a run repeats.
    let random = stmt(0x20, 0xffff_f038);
    let two = [random, stmt(0x07, 0), random, stmt(0x1c, 0), RET_A];
    assert_ne!(run(&two, &packet), 0);
    assert_eq!(run(&two, &packet), run(&two, &packet));
}

#[test]
fn netlink_attributes() {
    // One word before a list of: type 1 of 6 bytes (and 2 of padding), type 2 | nested of 12, which
    // contains type 7 of 4 and type 8 of 4, and type 3 of 4.
    let bytes: Vec<u8> = [0xffffu16, 0xffff, 6, 1, 0, 0, 12, 0x8002, 4, 7, 4, 8, 4, 3]
        .iter()
        .flat_map(|half| half.to_ne_bytes())
        .collect();
    let find = |anc: u32, packet: &Packet<'_>, a, x| {
        let load = stmt(0x20, 0xffff_f000 + anc);
        run(&[stmt(0x00, a), stmt(0x01, x), load, RET_A], packet)
    };
    let packet = Packet::new(&bytes);
    for (anc, a, x, want) in [
        (12, 4, 1, 4),
        (12, 4, 2, 12),
        (12, 4, 3, 24),
        (12, 4, 4, 0),
        (12, 4, 7, 0),
        (12, 12, 1, 0),
        (12, 24, 3, 24),
        (12, 25, 3, 0), // beyond the last place of a header
        (12, u32::MAX, 3, 0),
        (12, 0, 1, 0), // no valid length there
        (16, 12, 7, 16),
        (16, 12, 8, 20),
        (16, 12, 3, 0),
        (16, 4, 7, 0),
        (16, 24, 3, 0),
        (16, 0, 3, 0),
    ] {
        assert_eq!(find(anc, &packet, a, x), want, "{anc} from {a} type {x}");
    }
    // The kernel does not look into packets in pieces, or shorter than a header.
    let cut = Packet { len: 100, ..packet };
    assert_eq!(find(12, &cut, 4, 1), 0);
    assert_eq!(find(12, &Packet::new(&bytes[..3]), 0, 1), 0);
    for len in 0..bytes.len() {
        let _ = find(12, &Packet::new(&bytes[..len]), 4, 3);
    }
}

#[test]
fn ethernet_headers_give_the_protocol() {
    let frame = |hi, lo, next| {
        let bytes = [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, hi, lo, next, next];
        let packet = Packet::ethernet(&bytes, 99);
        (packet.meta.protocol, packet.network, packet.len)
    };
    assert_eq!(frame(0x08, 0x00, 0), (0x800, 14, 99));
    assert_eq!(frame(0x81, 0x00, 0), (0x8100, 14, 99));
    assert_eq!(frame(0x06, 0x00, 0), (0x600, 14, 99));
    assert_eq!(frame(0x05, 0xff, 0), (4, 14, 99));
    assert_eq!(frame(0x00, 0x10, 0xff), (1, 14, 99));
    let short = Packet::ethernet(&[1; 13], 13);
    assert_eq!((short.meta.protocol, short.network), (0, 13));
}
