//! Headers around what they carry.

/// Digits in pairs, with spaces anywhere.
pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|c| !c.is_ascii_whitespace())
        .map(|c| u8::try_from((c as char).to_digit(16).expect("a hexadecimal digit")).unwrap_or(0))
        .collect();
    assert!(digits.len().is_multiple_of(2), "a digit is missing in {text}");
    digits.chunks(2).map(|pair| (pair[0] << 4) | pair[1]).collect()
}

pub(super) fn cat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn sum(parts: &[&[u8]]) -> [u8; 2] {
    let bytes = parts.concat();
    let mut total: u32 = 0;
    for pair in bytes.chunks(2) {
        total += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    }
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    (!u16::try_from(total).unwrap_or(0)).to_be_bytes()
}

fn len(bytes: &[u8]) -> u16 {
    u16::try_from(bytes.len()).expect("a packet is short")
}

pub(super) fn ether(kind: u16, carried: &[u8]) -> Vec<u8> {
    cat(&[&hex("020000000002 020000000001"), &kind.to_be_bytes(), carried])
}

/// 802.3 with a length.
pub(super) fn ether_llc(to: &str, carried: &[u8]) -> Vec<u8> {
    let mut frame = cat(&[&hex(to), &hex("020000000001"), &len(carried).to_be_bytes(), carried]);
    if frame.len() < 60 {
        frame.resize(60, 0);
    }
    frame
}

/// IPv4 with the words that matter.
pub(super) struct V4<'a> {
    pub(super) tos: u8,
    pub(super) fragment: u16,
    pub(super) ttl: u8,
    pub(super) options: &'a [u8],
}

pub(super) const PLAIN: V4<'static> = V4 { tos: 0, fragment: 0x4000, ttl: 64, options: &[] };

pub(super) fn ip4_of(header: &V4<'_>, proto: u8, carried: &[u8]) -> Vec<u8> {
    let words = 5 + header.options.len() / 4;
    let total = u16::try_from(words * 4).unwrap_or(0) + len(carried);
    let mut ip = cat(&[
        &[0x40 | u8::try_from(words).unwrap_or(5), header.tos],
        &total.to_be_bytes(),
        &hex("1c46"),
        &header.fragment.to_be_bytes(),
        &[header.ttl, proto, 0, 0],
        &hex("c0a80101 0a000002"),
        header.options,
    ]);
    let check = sum(&[&ip]);
    ip[10..12].copy_from_slice(&check);
    cat(&[&ip, carried])
}

pub(super) fn ip4(proto: u8, carried: &[u8]) -> Vec<u8> {
    ip4_of(&PLAIN, proto, carried)
}

pub(super) fn ip6(next: u8, carried: &[u8]) -> Vec<u8> {
    cat(&[
        &hex("60000000"),
        &len(carried).to_be_bytes(),
        &[next, 64],
        &hex("fe800000000000000000000000000001 20010db8000000000000000000000002"),
        carried,
    ])
}

const PSEUDO4: &str = "c0a80101 0a000002";
const PSEUDO6: &str = "fe800000000000000000000000000001 20010db8000000000000000000000002";

fn put_sum(carried: &mut [u8], at: usize, pseudo: &str, proto: u8) {
    let pseudo = hex(pseudo);
    let length = len(carried).to_be_bytes();
    let check = sum(&[&pseudo, &[0, proto], &length, carried]);
    carried[at..at + 2].copy_from_slice(&check);
}

fn udp(from: u16, to: u16, carried: &[u8], pseudo: &str) -> Vec<u8> {
    let length = 8 + len(carried);
    let mut udp =
        cat(&[&from.to_be_bytes(), &to.to_be_bytes(), &length.to_be_bytes(), &[0, 0], carried]);
    put_sum(&mut udp, 6, pseudo, 17);
    udp
}

/// A datagram in IPv4 in a frame.
pub(super) fn udp4(from: u16, to: u16, carried: &[u8]) -> Vec<u8> {
    ether(0x0800, &ip4(17, &udp(from, to, carried, PSEUDO4)))
}

/// A datagram in IPv6 in a frame.
pub(super) fn udp6(from: u16, to: u16, carried: &[u8]) -> Vec<u8> {
    ether(0x86dd, &ip6(17, &udp(from, to, carried, PSEUDO6)))
}

fn tcp(ports: (u16, u16), flags: u8, options: &[u8], carried: &[u8], pseudo: &str) -> Vec<u8> {
    let words = u8::try_from(5 + options.len() / 4).unwrap_or(5);
    let mut tcp = cat(&[
        &ports.0.to_be_bytes(),
        &ports.1.to_be_bytes(),
        &hex("3e8a15c2 70b1a901"),
        &[words << 4, flags],
        &hex("faf0 0000 0000"),
        options,
        carried,
    ]);
    put_sum(&mut tcp, 16, pseudo, 6);
    tcp
}

pub(super) fn tcp4(from: u16, to: u16, flags: u8, options: &[u8], carried: &[u8]) -> Vec<u8> {
    ether(0x0800, &ip4(6, &tcp((from, to), flags, options, carried, PSEUDO4)))
}

pub(super) fn tcp6(from: u16, to: u16, flags: u8, options: &[u8], carried: &[u8]) -> Vec<u8> {
    ether(0x86dd, &ip6(6, &tcp((from, to), flags, options, carried, PSEUDO6)))
}

/// ICMP and what is like it: the checksum is in the second two bytes.
pub(super) fn summed4(proto: u8, carried: &[u8]) -> Vec<u8> {
    let mut carried = carried.to_vec();
    let check = sum(&[&carried]);
    carried[2..4].copy_from_slice(&check);
    ether(0x0800, &ip4(proto, &carried))
}

pub(super) fn icmp6(carried: &[u8]) -> Vec<u8> {
    let mut carried = carried.to_vec();
    put_sum(&mut carried, 2, PSEUDO6, 58);
    ether(0x86dd, &ip6(58, &carried))
}

/// A packet without its frame.
pub(super) fn bare(frame: &[u8]) -> &[u8] {
    frame.get(14..).unwrap_or_default()
}
