//! XDP's helpers: the edges are those of `net/core/filter.c`.

use crate::frames::{at, udp4};
use skep_hooks::{Errno, Hook, Packet, PacketMeta};

const OK: Result<(), Errno> = Ok(());

fn packet(len: u8) -> Packet {
    at(Hook::Xdp, &(0..len).collect::<Vec<_>>())
}

#[track_caller]
fn check(
    op: impl Fn(&mut Packet, i32) -> Result<(), Errno>,
    delta: i32,
    want: Result<usize, Errno>,
) {
    let mut packet = packet(60);
    let got = op(&mut packet, delta).map(|()| packet.data().len());
    assert_eq!(got, want, "{delta}");
    if want.is_err() {
        assert_eq!(packet.data(), (0..60).collect::<Vec<u8>>(), "{delta}: refused, yet changed");
    }
}

#[test]
fn head_stays_between_xdp_frame_and_ethernet_header() {
    let head = Packet::adjust_head;
    check(head, 0, Ok(60));
    check(head, 46, Ok(14));
    check(head, 47, Err(Errno::EINVAL));
    check(head, -216, Ok(276));
    check(head, -217, Err(Errno::EINVAL));
    for delta in [i32::MIN, i32::MAX, -256, -257, 1 << 30] {
        check(head, delta, Err(Errno::EINVAL));
    }
}

#[test]
fn tail_stays_between_ethernet_header_and_shared_info() {
    let tail = Packet::adjust_tail;
    check(tail, 0, Ok(60));
    check(tail, -46, Ok(14));
    check(tail, -47, Err(Errno::EINVAL));
    let room = 4096 - 320 - 256 - 60;
    check(tail, room, Ok(60 + 3460));
    check(tail, room + 1, Err(Errno::EINVAL));
    for delta in [i32::MIN, i32::MAX, -61, -317] {
        check(tail, delta, Err(Errno::EINVAL));
    }
}

#[test]
fn tail_grows_by_zeros() {
    let mut packet = packet(60);
    packet.adjust_tail(-40).unwrap();
    packet.adjust_tail(40).unwrap();
    let want: Vec<u8> = (0..20).chain([0; 40]).collect();
    assert_eq!(packet.data(), want);
}

#[test]
fn metadata_is_words_up_to_252_bytes() {
    let cases = [
        (0, OK),
        (-4, OK),
        (-212, OK),
        (-216, OK),
        (-220, Err(Errno::EINVAL)), // the frame is in the way
        (-3, Err(Errno::EACCES)),
        (1, Err(Errno::EINVAL)),
        (i32::MIN, Err(Errno::EINVAL)),
        (i32::MAX, Err(Errno::EINVAL)),
    ];
    for (delta, want) in cases {
        assert_eq!(packet(60).adjust_meta(delta), want, "{delta}");
    }
    let mut far = packet(60);
    far.adjust_head(40).unwrap();
    assert_eq!(far.adjust_meta(-252), OK);
    assert_eq!(far.adjust_meta(-4), Err(Errno::EACCES));
}

#[test]
fn metadata_moves_with_the_head() {
    let mut packet = packet(60);
    packet.adjust_meta(-8).unwrap();
    let window = packet.window();
    packet.buffer_mut()[window.start..window.start + 8].copy_from_slice(b"metadata");
    for delta in [-20, 40, 3] {
        packet.adjust_head(delta).unwrap();
        assert_eq!(packet.metadata(), b"metadata", "{delta}");
    }
    assert_eq!(packet.data()[0], 23);
    packet.adjust_head(-231).unwrap();
    assert_eq!(packet.adjust_head(-1), Err(Errno::EINVAL), "8 bytes of metadata need room too");
}

#[test]
fn short_packets_cannot_move() {
    let mut packet = packet(13);
    assert_eq!(packet.adjust_head(0), Err(Errno::EINVAL));
    assert_eq!(packet.adjust_tail(0), Err(Errno::EINVAL));
    assert_eq!(packet.adjust_tail(1), OK);
    assert_eq!(at(Hook::Xdp, &[]).adjust_head(-14), OK);
}

#[test]
fn bytes_within_the_packet() {
    let mut packet = packet(60);
    assert_eq!(packet.xdp_load_bytes(56, 4), Ok(&[56, 57, 58, 59][..]));
    assert_eq!(packet.xdp_load_bytes(57, 4), Err(Errno::EINVAL));
    assert_eq!(packet.xdp_load_bytes(0x1_0000, 1), Err(Errno::EFAULT));
    assert_eq!(packet.xdp_load_bytes(0, 0x1_0000), Err(Errno::EFAULT));
    assert_eq!(packet.xdp_load_bytes(u32::MAX, u32::MAX), Err(Errno::EFAULT));
    assert_eq!(packet.xdp_store_bytes(58, &[1, 2]), OK);
    assert_eq!(packet.xdp_store_bytes(59, &[1, 2]), Err(Errno::EINVAL));
    assert_eq!(packet.data()[56..], [56, 57, 1, 2]);
}

#[test]
fn nothing_of_an_earlier_packet_shows() {
    let mut packet = Packet::new();
    packet.reset(&[0xaa; 3000], PacketMeta::default());
    packet.adjust_head(-200).unwrap();
    packet.data_mut().fill(0xbb);
    packet.reset(&udp4(b"x"), PacketMeta::default());
    packet.adjust_head(-216).unwrap();
    packet.adjust_tail(3000).unwrap();
    let data = packet.data();
    assert!(data[..216].iter().chain(&data[259..]).all(|&b| b == 0));
}

#[test]
fn long_packets_have_room_as_well() {
    let mut packet = at(Hook::Xdp, &vec![7; 65_535]);
    assert_eq!(packet.adjust_tail(1), OK);
    assert_eq!(packet.adjust_head(-216), OK);
}
