//! Helpers of tc programs that change the length of a packet, and those that copy bytes.

use crate::frames::{at, ethernet, tcp6, udp4};
use skep_hooks::{Errno, Header, Hook, Packet};

const OK: Result<(), Errno> = Ok(());
const NET: u32 = 0;
const MAC: u32 = 1;

fn udp() -> Packet {
    at(Hook::TcIngress, &udp4(&[9; 18]))
}

#[test]
fn change_tail() {
    let cases = [
        (60, 0, OK),
        (14, 0, OK),
        (13, 0, Err(Errno::EINVAL)),
        (0, 0, Err(Errno::EINVAL)),
        (16_064, 0, OK),
        (16_065, 0, Err(Errno::EINVAL)),
        (u32::MAX, 0, Err(Errno::EINVAL)),
        (60, 1, Err(Errno::EINVAL)),
    ];
    for (len, flags, want) in cases {
        let mut packet = udp();
        assert_eq!(packet.change_tail(len, flags), want, "{len}");
        let len = if want.is_ok() { len as usize } else { 60 };
        assert_eq!(packet.data().len(), len);
        assert!(packet.data().iter().skip(60).all(|&b| b == 0));
    }
}

#[test]
fn change_tail_grows_by_zeros() {
    let mut packet = udp();
    packet.change_tail(20, 0).unwrap();
    packet.change_tail(60, 0).unwrap();
    assert_eq!(packet.data()[..20], udp4(&[])[..20]);
    assert_eq!(packet.data()[20..], [0; 40]);
}

#[test]
fn change_head() {
    let cases = [
        (0, 0, OK),
        (14, 0, OK),
        (16_004, 0, OK),
        (16_005, 0, Err(Errno::EINVAL)),
        (u32::MAX, 0, Err(Errno::EINVAL)),
        (4, 1, Err(Errno::EINVAL)),
    ];
    for (len, flags, want) in cases {
        let mut packet = udp();
        packet.meta.mark = 7;
        assert_eq!(packet.change_head(len, flags), want, "{len}");
        let len = if want.is_ok() { len as usize } else { 0 };
        assert!(packet.data()[..len].iter().all(|&b| b == 0));
        assert_eq!(packet.data()[len..], udp4(&[9; 18]));
    }
}

#[test]
fn metadata_survives_a_new_buffer() {
    let mut packet = at(Hook::Xdp, &udp4(&[]));
    packet.adjust_meta(-4).unwrap();
    let start = packet.window().start;
    packet.buffer_mut()[start..start + 4].copy_from_slice(b"meta");
    Hook::TcIngress.enter(&mut packet);
    packet.change_head(1000, 0).unwrap();
    assert_eq!(packet.metadata(), b"meta");
    assert_eq!(packet.data()[1000..], udp4(&[]));
}

#[track_caller]
fn room(frame: &[u8], delta: i32, mode: u32, flags: u64, want: Result<Vec<u8>, Errno>) {
    let mut packet = at(Hook::TcIngress, frame);
    let got = packet.adjust_room(delta, mode, flags).map(|()| packet.data().to_vec());
    assert_eq!(got, want, "{delta} {mode} {flags:#x}");
    if want.is_err() {
        assert_eq!(packet.data(), frame);
    }
}

fn opened(frame: &[u8], at: usize, len: usize) -> Vec<u8> {
    [&frame[..at], &vec![0; len], &frame[at..]].concat()
}

fn closed(frame: &[u8], at: usize, len: usize) -> Vec<u8> {
    [&frame[..at], &frame[at + len..]].concat()
}

#[test]
fn room_opens_behind_a_header() {
    let (v4, v6) = (udp4(&[9; 18]), tcp6());
    room(&v4, 8, NET, 0, Ok(opened(&v4, 34, 8)));
    room(&v4, 8, MAC, 0, Ok(opened(&v4, 14, 8)));
    room(&v6, 300, NET, 0, Ok(opened(&v6, 54, 300)));
    room(&v4, 0xfff, MAC, 0, Ok(opened(&v4, 14, 0xfff)));
    room(&v4, 0, MAC, 0, Ok(v4.clone()));
}

#[test]
fn room_closes_as_far_as_a_header_remains() {
    let (v4, v6) = (udp4(&[9; 18]), tcp6());
    room(&v4, -8, NET, 0, Ok(closed(&v4, 34, 8)));
    room(&v4, -26, NET, 0, Ok(closed(&v4, 34, 26)));
    room(&v4, -27, NET, 0, Err(Errno::ENOTSUPP));
    room(&v4, -26, MAC, 0, Ok(closed(&v4, 14, 26)));
    room(&v4, -60, MAC, 0, Err(Errno::ENOTSUPP));
    room(&v6, -20, MAC, 0, Ok(closed(&v6, 14, 20)));
    room(&v6, -21, MAC, 0, Err(Errno::ENOTSUPP));
}

#[test]
fn room_refuses() {
    let v4 = udp4(&[9; 18]);
    room(&v4, 0x1000, NET, 0, Err(Errno::EFAULT));
    room(&v4, i32::MIN, NET, 0, Err(Errno::EFAULT));
    room(&v4, 8, 2, 0, Err(Errno::ENOTSUPP));
    room(&v4, 8, NET, 1 << 9, Err(Errno::EINVAL));
    room(&v4, 8, NET, 1 << 7, Err(Errno::EINVAL)); // decapsulation that grows
    room(&v4, -8, NET, 2, Err(Errno::EINVAL)); // encapsulation that shrinks
    room(&ethernet(0x0806), 8, NET, 0, Err(Errno::ENOTSUPP));
    let long = udp4(&vec![0; 15_000]);
    room(&long, 1022, NET, 0, Ok(opened(&long, 34, 1022)));
    room(&long, 1023, NET, 0, Err(Errno::ENOTSUPP));
}

#[test]
fn room_for_a_tunnel() {
    let (ipv4, ipv6, gre, over_udp, eth) = (2, 4, 8, 16, 64);
    let inner = |len: u64| len << 56;
    let cases = [
        (ipv4, OK),
        (ipv6, OK),
        (ipv4 | gre, OK),
        (ipv4 | over_udp | eth | inner(14), OK),
        (ipv4 | ipv6, Err(Errno::EINVAL)),
        (ipv4 | gre | over_udp, Err(Errno::EINVAL)),
        (ipv4 | eth | inner(13), Err(Errno::EINVAL)),
        (ipv4 | inner(51), Err(Errno::EINVAL)),
    ];
    for (flags, want) in cases {
        let mut packet = udp();
        assert_eq!(packet.adjust_room(50, MAC, flags), want, "{flags:#x}");
        if want.is_ok() {
            let protocol = if flags & ipv6 != 0 { 0x86dd } else { 0x0800 };
            assert_eq!(packet.meta.protocol, protocol);
            assert_eq!(packet.adjust_room(50, MAC, flags), Err(Errno::EALREADY));
            assert_eq!(packet.change_tail(60, 0), Err(Errno::ENOTSUPP));
        }
    }
}

#[test]
fn room_after_a_tunnel_changes_the_protocol() {
    let (to_v4, to_v6) = (1 << 7, 1 << 8);
    let cases =
        [(to_v6, 0x86dd, OK), (to_v4, 0x0800, OK), (to_v4 | to_v6, 0x0800, Err(Errno::EINVAL))];
    for (flags, protocol, want) in cases {
        let mut packet = at(Hook::TcIngress, &udp4(&[0; 60]));
        assert_eq!(packet.adjust_room(-20, MAC, flags), want);
        assert_eq!(packet.meta.protocol, protocol, "{flags:#x}");
    }
}

#[test]
fn segments_keep_their_size() {
    let mut packet = udp();
    packet.meta.gso_size = 100;
    assert_eq!(packet.adjust_room(8, NET, 0), Err(Errno::ENOTSUPP));
    packet.change_tail(50, 0).unwrap();
    assert_eq!(packet.meta.gso_size, 0);
    assert_eq!(packet.adjust_room(8, NET, 0), OK);
}

#[test]
fn load_bytes() {
    let frame = udp4(&[9; 18]);
    let packet = udp();
    let cases = [
        (0, 4, Ok(&frame[..4])),
        (56, 4, Ok(&frame[56..])),
        (57, 4, Err(Errno::EFAULT)),
        (60, 0, Ok(&frame[60..])),
        (61, 0, Err(Errno::EFAULT)),
        (0x7fff_ffff, 1, Err(Errno::EFAULT)),
        (0x8000_0000, 1, Err(Errno::EFAULT)),
        (u32::MAX, u32::MAX, Err(Errno::EFAULT)),
    ];
    for (off, len, want) in cases {
        assert_eq!(packet.load_bytes(off, len), want, "{off} {len}");
    }
}

#[test]
fn load_bytes_relative() {
    let frame = udp4(&[9; 18]);
    for hook in [Hook::TcIngress, Hook::CgroupSkbIngress] {
        let packet = at(hook, &frame);
        let load = |off, len, start| packet.load_bytes_relative(off, len, start);
        assert_eq!(load(0, 4, 0), Ok(&frame[..4]));
        assert_eq!(load(0, 4, 1), Ok(&frame[14..18]));
        assert_eq!(load(42, 4, 1), Ok(&frame[56..]));
        assert_eq!(load(43, 4, 1), Err(Errno::EFAULT));
        assert_eq!(load(0, 4, 2), Err(Errno::EFAULT));
        assert_eq!(load(0x1_0000, 1, 0), Err(Errno::EFAULT));
    }
}

#[test]
fn store_bytes() {
    let cases = [
        (0, 0, OK),
        (58, 3, OK),
        (59, 0, Err(Errno::EFAULT)),
        (u32::MAX, 0, Err(Errno::EFAULT)),
        (0, 4, Err(Errno::EINVAL)),
        (u32::MAX, 4, Err(Errno::EINVAL)),
    ];
    for (off, flags, want) in cases {
        let mut packet = udp();
        packet.meta.hash = 5;
        assert_eq!(packet.store_bytes(off, &[0xee; 2], flags), want, "{off} {flags}");
        if want.is_ok() {
            assert_eq!(packet.load_bytes(off, 2), Ok(&[0xee; 2][..]));
        }
        assert_eq!(packet.meta.hash, if flags == 3 { 0 } else { 5 });
    }
}

#[test]
fn offsets_count_from_what_the_hook_shows() {
    let frame = udp4(&[9; 18]);
    let mut packet = at(Hook::CgroupSkbEgress, &frame);
    assert_eq!(packet.data(), &frame[14..]);
    assert_eq!(packet.load_bytes(0, 4), Ok(&frame[14..18]));
    packet.show_from(Header::Mac);
    assert_eq!(packet.load_bytes(0, 4), Ok(&frame[..4]));
}

#[test]
fn trim_keeps_the_length_on_the_wire() {
    for (len, want) in [(0, 0), (20, 20), (60, 60), (61, 60), (usize::MAX, 60)] {
        let mut packet = at(Hook::SocketFilter, &udp4(&[9; 18]));
        packet.trim(len);
        assert_eq!((packet.data().len(), packet.wire_len()), (want, 60));
    }
}

/// Whatever is done in whatever order: no panic, and the packet stays one.
#[test]
fn any_sequence_of_operations() {
    use rand::{Rng, SeedableRng, rngs::SmallRng};
    let rng = &mut SmallRng::seed_from_u64(1);
    for _ in 0..20_000 {
        let mut frame = vec![0; rng.random_range(0..200)];
        rng.fill(&mut frame[..]);
        if let Some(protocol) = frame.get_mut(12..14) {
            let known = [[8, 0], [0x86, 0xdd], [0x81, 0], [0x88, 0xa8]];
            protocol.copy_from_slice(&known[rng.random_range(0..4)]);
        }
        let hooks = [Hook::Xdp, Hook::TcIngress, Hook::CgroupSkbIngress, Hook::SocketFilter];
        let mut packet = at(hooks[rng.random_range(0..4)], &frame);
        for _ in 0..8 {
            any_operation(&mut packet, rng);
            let window = packet.window();
            assert!(window.end <= packet.buffer_mut().len());
            assert!(packet.frame().len() <= 70_000);
        }
    }
}

fn any_operation(packet: &mut Packet, rng: &mut impl rand::Rng) {
    let delta: i32 = [rng.random(), rng.random_range(-300..300)][rng.random_range(0..2)];
    let len = delta.cast_unsigned();
    let _ = match rng.random_range(0..14) {
        0 => packet.adjust_head(delta),
        1 => packet.adjust_tail(delta),
        2 => packet.adjust_meta(delta & !3),
        3 => packet.change_tail(len, 0),
        4 => packet.change_head(len, 0),
        5 => packet.adjust_room(delta, rng.random_range(0..2), 0),
        6 => packet.adjust_room(delta, MAC, 2),
        7 => packet.vlan_push(0x8100, 1),
        8 => packet.vlan_pop(),
        9 => packet.store_bytes(len, &[1; 9], 0),
        10 => packet.l3_csum_replace(len, 1, 2, 2),
        11 => packet.load_bytes_relative(len, len, 1).map(drop),
        12 => {
            packet.untag();
            Ok(())
        }
        _ => {
            packet.trim(rng.random_range(0..300));
            Ok(())
        }
    };
}
