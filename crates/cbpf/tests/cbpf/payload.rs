//! Where the payload begins, header by header.

use skep_cbpf::{Packet, RawInsn, check};

/// The answer of `ld [poff]`.
fn payload_offset(packet: &Packet<'_>) -> u32 {
    let insns = [RawInsn::stmt(0x20, 0xffff_f034), RawInsn::stmt(0x16, 0)];
    check(&insns).unwrap().run(packet)
}

fn ipv4(proto: u8, words: u8, frag: u16, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; usize::from(words) * 4];
    bytes[0] = 0x40 | words;
    bytes[6..8].copy_from_slice(&frag.to_be_bytes());
    bytes[9] = proto;
    [&bytes, rest].concat()
}

fn ipv6(next: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 40];
    bytes[0] = 0x60;
    bytes[6] = next;
    [&bytes, rest].concat()
}

fn tcp(words: u8) -> Vec<u8> {
    let mut bytes = vec![0; 60];
    bytes[12] = words << 4;
    bytes
}

const UDP: [u8; 20] = [0; 20];

/// An Ethernet frame of this protocol.
#[track_caller]
fn check_frame(proto: u16, payload: &[u8], want: u32) {
    let mut frame = vec![0; 12];
    frame.extend(proto.to_be_bytes());
    frame.extend(payload);
    let len = u32::try_from(frame.len()).unwrap();
    let packet = Packet::ethernet(&frame, len);
    assert_eq!(payload_offset(&packet), want);
    // The same as a packet socket sees it after the link-layer header is cut off.
    let cut = Packet { data: 14, len: len - 14, ..packet };
    assert_eq!(payload_offset(&cut), want.saturating_sub(14));
    for cut in 0..frame.len() {
        let _ = payload_offset(&Packet::ethernet(&frame[..cut], len));
    }
}

#[test]
fn transport_headers() {
    check_frame(0x800, &ipv4(6, 5, 0, &tcp(5)), 14 + 20 + 20);
    check_frame(0x800, &ipv4(6, 15, 0, &tcp(15)), 14 + 60 + 60);
    check_frame(0x800, &ipv4(6, 5, 0, &tcp(0)), 14 + 20 + 20);
    // No data offset to be read.
    check_frame(0x800, &ipv4(6, 5, 0, &tcp(5)[..12]), 14 + 20);
    for (proto, len) in [(17, 8), (136, 8), (1, 8), (2, 8), (58, 8), (33, 12), (132, 12), (99, 0)] {
        check_frame(0x800, &ipv4(proto, 6, 0, &UDP), 14 + 24 + len);
        check_frame(0x86dd, &ipv6(proto, &UDP), 14 + 40 + len);
    }
    check_frame(0x800, &ipv4(17, 4, 0, &UDP), 0);
    check_frame(0x800, &ipv4(17, 5, 0, &[])[..19], 0);
    check_frame(0x1234, &UDP, 0);
}

#[test]
fn fragments() {
    check_frame(0x800, &ipv4(17, 5, 0x4000, &UDP), 14 + 20 + 8); // don't fragment
    check_frame(0x800, &ipv4(17, 5, 0x2000, &UDP), 14 + 20 + 8); // the first
    check_frame(0x800, &ipv4(17, 5, 0x2001, &UDP), 14 + 20);
    check_frame(0x800, &ipv4(17, 5, 0x0001, &UDP), 14 + 20);
    let fragment = |off: u8| ipv6(44, &[&[17, 0, 0, off, 0, 0, 0, 0], &UDP[..]].concat());
    check_frame(0x86dd, &fragment(1), 14 + 40 + 8 + 8);
    check_frame(0x86dd, &fragment(8), 14 + 40 + 8);
}

#[test]
fn extension_headers() {
    let options = [&[43, 0, 0, 0, 0, 0, 0, 0][..], &[17, 1], &[0; 14], &UDP].concat();
    check_frame(0x86dd, &ipv6(0, &options), 14 + 40 + 8 + 16 + 8);
    check_frame(0x86dd, &ipv6(60, &options[..1]), 0);
    // Not in IPv4.
    check_frame(0x800, &ipv4(0, 5, 0, &options), 14 + 20);
    // More headers than the kernel follows, which then stops where it is: the IPv6 header is the
    // 0th, and the 16th is not looked at.
    let long = [[0u8; 8]; 40].concat();
    check_frame(0x86dd, &ipv6(0, &long), 14 + 40 + 16 * 8);
}

#[test]
fn link_layer_headers() {
    let ip = ipv4(17, 5, 0, &UDP);
    let tagged = |proto: [u8; 2], rest: &[u8]| [&[0, 1, proto[0], proto[1]], rest].concat();
    check_frame(0x8100, &tagged([8, 0], &ip), 14 + 4 + 28);
    check_frame(0x88a8, &tagged([0x81, 0], &tagged([8, 0], &ip)), 14 + 8 + 28);
    check_frame(0x8864, &[&[0x11, 0, 0, 1, 0, 30, 0, 0x21], &ip[..]].concat(), 14 + 8 + 28);
    check_frame(0x8864, &[&[0x11, 0, 0, 1, 0, 30, 0xc0, 0x21], &ip[..]].concat(), 14 + 8);
    check_frame(0x8864, &[&[0x11, 0, 0, 1, 0, 30, 0xc1, 0x21], &ip[..]].concat(), 0);
    check_frame(0x8864, &[&[0x11, 9, 0, 1, 0, 30, 0, 0x21], &ip[..]].concat(), 0);
    check_frame(0x892f, &[&[0, 0, 0, 0, 8, 0], &ip[..]].concat(), 14 + 6 + 28);
    check_frame(0x8847, &UDP, 14 + 4);
    check_frame(0x0806, &UDP, 14);
    check_frame(0x8906, &[0; 40], 14 + 38);
    check_frame(0x8906, &[0; 37], 0);
    check_frame(0x88f7, &[0; 34], 14 + 34);
    check_frame(0x88ca, &[0; 16], 14);
    check_frame(0x88ca, &[0; 15], 0);
    let batman = [&[0x40, 15][..], &[0; 20], &[8, 0], &ip[..]].concat();
    check_frame(0x4305, &batman, 14 + 24 + 28);
}

#[test]
fn tunnels() {
    let ip = ipv4(17, 5, 0, &UDP);
    check_frame(0x800, &ipv4(4, 5, 0, &ip), 14 + 20 + 28);
    check_frame(0x86dd, &ipv6(4, &ip), 14 + 40 + 28);
    check_frame(0x800, &ipv4(41, 5, 0, &ipv6(17, &UDP)), 14 + 20 + 48);
    check_frame(0x800, &ipv4(137, 5, 0, &UDP), 14 + 20 + 4);
    let gre = |header: &[u8], rest: &[u8]| ipv4(47, 5, 0, &[header, rest].concat());
    check_frame(0x800, &gre(&[0, 0, 8, 0], &ip), 14 + 20 + 4 + 28);
    let all = [&[0xb0, 0, 8, 0], &[0; 12][..]].concat();
    check_frame(0x800, &gre(&all, &ip), 14 + 20 + 16 + 28);
    let ether = [&[0, 0, 0x65, 0x58], &[0; 12][..], &[8, 0]].concat();
    check_frame(0x800, &gre(&ether, &ip), 14 + 20 + 18 + 28);
    let pptp = [&[0x30, 0x81, 0x88, 0x0b], &[0; 12][..], &[0xff, 3, 0, 0x21]].concat();
    check_frame(0x800, &gre(&pptp, &ip), 14 + 20 + 20 + 28);
    check_frame(0x800, &gre(&[0x40, 0, 8, 0], &ip), 14 + 20); // source routes
    check_frame(0x800, &gre(&[0, 2, 8, 0], &ip), 14 + 20); // no such version
    check_frame(0x800, &gre(&[0, 1, 8, 0], &ip), 14 + 20); // not PPTP
}

#[test]
fn a_tag_outside_the_bytes_is_passed() {
    let ip = ipv4(17, 5, 0, &UDP);
    let mut packet = Packet::new(&ip);
    packet.meta.protocol = 0x800;
    assert_eq!(payload_offset(&packet), 28);
    (packet.meta.vlan_tci, packet.meta.vlan_proto) = (5, 0x8100);
    assert_eq!(payload_offset(&packet), 28);
    packet.meta.protocol = 0x8100;
    assert_eq!(payload_offset(&packet), 0);
}

#[test]
fn offsets_are_cut_to_the_length_and_to_16_bits() {
    let ip = ipv4(99, 15, 0, &UDP);
    let mut packet = Packet::new(&ip);
    packet.meta.protocol = 0x800;
    packet.len = 50;
    assert_eq!(payload_offset(&packet), 50);
    // A network header before offset 0.
    (packet.data, packet.len) = (70, 10);
    assert_eq!(payload_offset(&packet), 10);
    packet.len = 0x1_0000;
    assert_eq!(payload_offset(&packet), 0);
}
