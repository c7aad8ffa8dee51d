//! VLAN tags beside the bytes and within.

use crate::frames::{at, ethernet, tagged, udp4};
use skep_hooks::{Errno, Hook, LinkType, Packet, PacketMeta, VlanTag};

const Q: u16 = 0x8100;
const AD: u16 = 0x88a8;

fn tag(proto: u16, tci: u16) -> Option<VlanTag> {
    Some(VlanTag { proto, tci })
}

fn received(frame: &[u8]) -> Packet {
    let mut packet = Packet::new();
    packet.reset(frame, PacketMeta::default());
    packet.untag();
    Hook::TcIngress.enter(&mut packet);
    packet
}

#[test]
fn untag_moves_the_outermost_tag() {
    let plain = udp4(b"payload");
    let one = tagged(&plain, Q, 0x2064);
    let two = tagged(&one, AD, 7);
    let cases = [
        (&plain, &plain, None, 0x0800),
        (&one, &plain, tag(Q, 0x2064), 0x0800),
        (&two, &one, tag(AD, 7), Q),
    ];
    for (frame, data, vlan, protocol) in cases {
        let packet = received(frame);
        assert_eq!(packet.data(), data);
        assert_eq!((packet.meta.vlan, packet.meta.protocol), (vlan, protocol));
        assert_eq!(packet.frame().to_vec(), *frame, "written as captured");
        assert_eq!(packet.load_bytes_relative(0, 1, 1), Ok(&data[14..15]));
    }
}

#[test]
fn xdp_sees_the_tag_in_place() {
    let frame = tagged(&udp4(b""), Q, 5);
    assert_eq!(at(Hook::Xdp, &frame).data(), frame);
}

#[test]
fn untag_leaves_what_has_a_tag_or_lacks_bytes() {
    let one = tagged(&udp4(b""), Q, 1);
    let mut packet = Packet::new();
    let beside = PacketMeta { vlan: tag(AD, 2), ..PacketMeta::default() };
    packet.reset(&one, beside);
    packet.untag();
    assert_eq!((packet.meta.vlan, packet.data()), (tag(AD, 2), &one[..]));
    assert_eq!(packet.frame().to_vec(), tagged(&one, AD, 2));

    for len in 0..one.len() {
        let packet = received(&one[..len]);
        assert_eq!(packet.meta.vlan.is_some(), len >= 20, "{len}");
        assert_eq!(packet.frame().to_vec(), &one[..len]);
    }
    let raw = PacketMeta { link: LinkType::RAW, ..PacketMeta::default() };
    packet.reset(&one, raw);
    packet.untag();
    assert_eq!(packet.meta.vlan, None);
}

#[test]
fn untag_takes_metadata_along() {
    let mut packet = at(Hook::Xdp, &tagged(&udp4(b""), Q, 1));
    packet.adjust_meta(-4).unwrap();
    let start = packet.window().start;
    packet.buffer_mut()[start..start + 4].copy_from_slice(b"meta");
    packet.untag();
    assert_eq!(packet.metadata(), b"meta");
}

#[test]
fn push_fills_the_place_beside_the_bytes_first() {
    let plain = udp4(b"");
    let mut packet = received(&plain);
    packet.vlan_push(Q, 5).unwrap();
    assert_eq!((packet.data(), packet.meta.protocol), (&plain[..], 0x0800));
    assert_eq!(packet.frame().to_vec(), tagged(&plain, Q, 5));
    packet.vlan_push(AD, 6).unwrap();
    assert_eq!((packet.data(), packet.meta.protocol), (&tagged(&plain, Q, 5)[..], Q));
    assert_eq!(packet.frame().to_vec(), tagged(&tagged(&plain, Q, 5), AD, 6));
    packet.vlan_push(0x1234, 7).unwrap();
    assert_eq!(packet.meta.vlan, tag(Q, 7), "any other ethertype counts as 802.1Q");
}

#[test]
fn pop_undoes_push() {
    let plain = udp4(b"");
    let mut packet = received(&plain);
    for tci in 1..=300 {
        packet.vlan_push(Q, tci).unwrap();
    }
    for tci in (1..=300).rev() {
        assert_eq!(packet.meta.vlan, tag(Q, tci));
        packet.vlan_pop().unwrap();
    }
    assert_eq!((packet.data(), packet.meta.vlan), (&plain[..], None));
    assert_eq!((packet.vlan_pop(), packet.data()), (Ok(()), &plain[..]));
}

#[test]
fn pop_takes_a_tag_from_the_bytes() {
    let plain = udp4(b"");
    let mut packet = at(Hook::TcEgress, &tagged(&tagged(&plain, Q, 5), AD, 6));
    packet.vlan_pop().unwrap();
    assert_eq!((packet.data(), packet.meta.vlan), (&plain[..], tag(Q, 5)));
    assert_eq!(packet.load_bytes_relative(0, 1, 1), Ok(&[0x45][..]));
}

#[test]
fn frames_too_short_for_a_tag() {
    let mut short = ethernet(Q);
    short.extend([0, 1, 8]);
    assert_eq!(at(Hook::TcIngress, &short).vlan_pop(), Err(Errno::ENOMEM));
    let mut packet = at(Hook::TcIngress, &[1; 13]);
    assert_eq!(packet.vlan_push(Q, 1), Ok(()));
    assert_eq!(packet.vlan_push(Q, 1), Err(Errno::EINVAL));
}

#[test]
fn tags_do_not_pile_up_without_end() {
    let mut packet = received(&udp4(b""));
    let refused = (0..100_000).find_map(|_| packet.vlan_push(Q, 1).err());
    assert_eq!(refused, Some(Errno::ENOMEM));
    assert!(packet.data().len() <= 65_535);
}

#[test]
fn after_a_tag_comes_a_length_or_a_type() {
    for (field, next, protocol) in
        [(0x0600, [0, 0], 0x0600), (0x05ff, [0xff, 0xff], 1), (0x05ff, [0xff, 0xfe], 4)]
    {
        let mut frame = ethernet(field);
        frame.extend(next);
        assert_eq!(at(Hook::TcIngress, &frame).meta.protocol, protocol);
        assert_eq!(received(&tagged(&frame, Q, 1)).meta.protocol, protocol);
    }
}
