//! Packets of all link types that filters know: right, wrong, nested and cut.

use rand::rngs::StdRng;
use rand::{Rng, RngCore};
use skep_cbpf::{Device, Packet};
use skep_filter::LinkType;

/// A packet, with what the kernel would keep beside it.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// What was captured.
    pub bytes: Vec<u8>,
    /// Length on the wire.
    pub len: u32,
    /// `PACKET_HOST` and so on.
    pub pkt_type: u8,
    /// A VLAN tag outside the bytes: protocol and tag control information.
    pub tag: Option<(u16, u16)>,
}

impl Traffic {
    /// As a program sees it.
    #[must_use]
    pub fn packet(&self) -> Packet<'_> {
        let mut packet = Packet::new(&self.bytes);
        packet.len = self.len;
        packet.meta.pkt_type = self.pkt_type;
        packet.meta.device = Some(Device { index: 2, hardware: 1 });
        if let Some((proto, tci)) = self.tag {
            (packet.meta.vlan_proto, packet.meta.vlan_tci) = (proto, tci);
        }
        packet
    }
}

/// Addresses, ports and the like that packets and expressions have in common.
pub const HOSTS4: [u32; 6] =
    [0x0a00_0001, 0x0a00_0002, 0x0a01_0203, 0xc0a8_0101, 0xe000_0001, 0xffff_ffff];
/// IPv6 addresses.
pub const HOSTS6: [u128; 4] = [
    1,
    0x2001_0db8_0000_0000_0000_0000_0000_0001,
    0xfe80_0000_0000_0000_0000_0000_0000_0002,
    0xff02_0000_0000_0000_0000_0000_0000_0001,
];
/// Ethernet addresses.
pub const MACS: [[u8; 6]; 4] =
    [[0xff; 6], [0, 1, 2, 3, 4, 5], [2, 0, 0, 0, 0, 1], [1, 0x80, 0xc2, 0, 0, 0]];
/// Ports.
pub const PORTS: [u16; 6] = [80, 443, 53, 22, 6081, 1024];

fn pick<T: Copy>(rng: &mut StdRng, list: &[T]) -> T {
    list[rng.random_range(0..list.len())]
}

/// A packet of a link type.
pub fn traffic(rng: &mut StdRng, link: LinkType) -> Traffic {
    let mut bytes = link_layer(rng, link);
    if rng.random_ratio(1, 24) {
        let at = rng.random_range(0..bytes.len().max(1));
        if let Some(byte) = bytes.get_mut(at) {
            *byte = rng.random();
        }
    }
    let mut len = bytes.len();
    if rng.random_ratio(1, 4) {
        bytes.truncate(rng.random_range(0..=len));
        if rng.random() {
            len = bytes.len();
        }
    }
    let tag = rng.random_ratio(1, 4).then(|| (0x8100, rng.random_range(0..16)));
    Traffic {
        bytes,
        len: u32::try_from(len).unwrap_or(u32::MAX),
        pkt_type: rng.random_range(0..5),
        tag,
    }
}

fn link_layer(rng: &mut StdRng, link: LinkType) -> Vec<u8> {
    let mut out = Vec::new();
    match link {
        LinkType::Ethernet => ethernet(rng, &mut out, 0),
        LinkType::Null => {
            let family = pick(rng, &[2u32, 10, 24, 28, 30, 7]);
            out.extend(if rng.random_ratio(7, 8) {
                family.to_ne_bytes()
            } else {
                family.swap_bytes().to_ne_bytes()
            });
            network(rng, &mut out, if family == 2 { 0x0800 } else { 0x86dd }, 0);
        }
        LinkType::Loop => {
            let family = pick(rng, &[2u32, 10, 24, 28, 30, 7]);
            out.extend(family.to_be_bytes());
            network(rng, &mut out, if family == 2 { 0x0800 } else { 0x86dd }, 0);
        }
        LinkType::Raw | LinkType::Ipv4 | LinkType::Ipv6 => {
            let proto = match link {
                LinkType::Ipv4 => 0x0800,
                LinkType::Ipv6 => 0x86dd,
                _ => pick(rng, &[0x0800, 0x86dd]),
            };
            network(rng, &mut out, proto, 0);
        }
        LinkType::Ppp | LinkType::PppSerial => {
            out.extend([0xff, 0x03]);
            ppp(rng, &mut out);
        }
        LinkType::CHdlc => {
            let proto = pick(rng, &[0x0800, 0x86dd, 0x8847, 0xfefe, 0x2000]);
            out.extend([0x0f, 0]);
            out.extend(u16::try_from(proto).unwrap_or(0).to_be_bytes());
            network(rng, &mut out, proto, 0);
        }
        LinkType::FrameRelay => {
            out.extend([0x18, 0x41, 0x03]);
            let nlpid = pick(rng, &[0xcc, 0x8e, 0x81, 0x82, 0x83, 0x08]);
            out.push(nlpid);
            network(rng, &mut out, if nlpid == 0x8e { 0x86dd } else { 0x0800 }, 0);
        }
        LinkType::LinuxSll | LinkType::LinuxSll2 => sll(rng, &mut out, link),
        LinkType::Ieee80211 => wlan(rng, &mut out),
        LinkType::Ieee80211Radio => {
            let (tsft, flags) = (rng.random_ratio(1, 3), rng.random_ratio(2, 3));
            let extended = rng.random_ratio(1, 6);
            let present =
                u32::from(tsft) | u32::from(flags) << 1 | u32::from(extended) << 31 | 0x04;
            let mut fields = Vec::new();
            if tsft {
                fields.extend([0; 8]);
            }
            if flags {
                fields.push(pick(rng, &[0, 0x20, 0x10]));
            }
            fields.push(0x0c);
            let len = u16::try_from(8 + fields.len()).unwrap_or(8);
            out.extend([0, 0]);
            out.extend(len.to_le_bytes());
            out.extend(present.to_le_bytes());
            out.extend(fields);
            wlan(rng, &mut out);
        }
        LinkType::Ppi => {
            out.extend([0, 0, 8, 0]);
            out.extend(pick(rng, &[105u32, 105, 105, 1]).to_le_bytes());
            wlan(rng, &mut out);
        }
        LinkType::Pflog => {
            let family = pick(rng, &[2u8, 10, 30]);
            let len = pick(rng, &[61u8, 48, 64, 100]);
            let mut header = vec![0; usize::from(len.div_ceil(4)) * 4];
            header[0] = len;
            header[1] = family;
            header[2] = rng.random_range(0..4);
            header[3] = rng.random_range(0..4);
            header[4..8].copy_from_slice(pick(rng, &[b"em0\0", b"eth0", b"em01"]));
            header[20..24].copy_from_slice(pick(rng, &[b"main", b"user"]));
            header[39] = rng.random_range(0..4);
            header[43] = rng.random_range(0..4);
            if let Some(dir) = header.get_mut(60) {
                *dir = rng.random_range(0..3);
            }
            out.extend(header);
            network(rng, &mut out, if family == 2 { 0x0800 } else { 0x86dd }, 0);
        }
        LinkType::Nflog
        | LinkType::DsaBrcm
        | LinkType::DsaBrcmPrepend
        | LinkType::Dsa
        | LinkType::Edsa => {
            let mut noise = vec![0; rng.random_range(0..60)];
            rng.fill_bytes(&mut noise);
            out.extend(noise.iter().map(|byte| byte % 16));
        }
    }
    out
}

fn macs(rng: &mut StdRng, out: &mut Vec<u8>) {
    for _ in 0..2 {
        let mac = pick(rng, &MACS);
        out.extend(mac);
    }
}

fn ethernet(rng: &mut StdRng, out: &mut Vec<u8>, depth: u32) {
    macs(rng, out);
    while depth < 3 && rng.random_ratio(1, 4) {
        out.extend(pick(rng, &[0x8100u16, 0x88a8, 0x9100]).to_be_bytes());
        out.extend(rng.random_range(0..24u16).to_be_bytes());
        if rng.random_ratio(1, 2) {
            break;
        }
    }
    let proto = pick(
        rng,
        &[
            0x0800, 0x0800, 0x0800, 0x86dd, 0x86dd, 0x0806, 0x8035, 0x8847, 0x8863, 0x8864, 0x809b,
            0x80f3, 0x6003, 0x8137, 0x88cc, 0,
        ],
    );
    if proto == 0 {
        let mut llc = Vec::new();
        llc_layer(rng, &mut llc, depth);
        out.extend(u16::try_from(llc.len()).unwrap_or(0).to_be_bytes());
        out.extend(llc);
        return;
    }
    out.extend(u16::try_from(proto).unwrap_or(0).to_be_bytes());
    network(rng, out, proto, depth);
}

fn llc_layer(rng: &mut StdRng, out: &mut Vec<u8>, depth: u32) {
    let sap = pick(rng, &[0xaau8, 0xaa, 0x42, 0xe0, 0xf0, 0xfe, 0x06, 0xff]);
    let control = pick(rng, &[0x03u8, 0x03, 0x03, 0x00, 0x01, 0x05, 0x09, 0x63, 0xe3, 0xaf]);
    out.extend([sap, if rng.random_ratio(7, 8) { sap } else { 0 }, control]);
    if sap == 0xaa {
        let proto = pick(rng, &[0x0800, 0x86dd, 0x0806, 0x809b, 0x80f3, 0x8137]);
        out.extend(if proto == 0x809b { [8, 0, 7] } else { [0, 0, 0] });
        out.extend(u16::try_from(proto).unwrap_or(0).to_be_bytes());
        network(rng, out, proto, depth);
    } else {
        out.extend([pick(rng, &[0x81u8, 0x82, 0x83]), 0, 0, 0]);
        out.extend([rng.random_range(14..29), 0, 0, 0, 0, 0, 0, 0]);
    }
}

fn sll(rng: &mut StdRng, out: &mut Vec<u8>, link: LinkType) {
    let proto = pick(rng, &[0x0800, 0x0800, 0x86dd, 0x0806, 1, 4, 0x809b, 0x8137]);
    let proto16 = u16::try_from(proto).unwrap_or(0);
    if link == LinkType::LinuxSll {
        out.extend(rng.random_range(0..5u16).to_be_bytes());
        out.extend([0, 1, 0, 6, 0, 1, 2, 3, 4, 5, 0, 0]);
        out.extend(proto16.to_be_bytes());
    } else {
        out.extend(proto16.to_be_bytes());
        out.extend([0, 0]);
        out.extend(rng.random_range(0..4u32).to_be_bytes());
        out.extend([0, 1, rng.random_range(0..5), 6, 0, 1, 2, 3, 4, 5, 0, 0]);
    }
    if proto == 4 { llc_layer(rng, out, 0) } else { network(rng, out, proto, 0) }
}

fn wlan(rng: &mut StdRng, out: &mut Vec<u8>) {
    let start = out.len();
    let kind = pick(rng, &[0x08u8, 0x08, 0x88, 0x88, 0x00, 0x80, 0xb4, 0xc4, 0xd4, 0x48, 0x0c]);
    let flags = rng.random_range(0..4u8);
    out.extend([kind, flags, 0, 0]);
    for _ in 0..3 {
        let mac = pick(rng, &MACS);
        out.extend(mac);
    }
    out.extend([0, 0]);
    if flags == 3 && rng.random() {
        let mac = pick(rng, &MACS);
        out.extend(mac);
    }
    if kind & 0x80 != 0 {
        out.extend([0, 0]);
    }
    if rng.random_ratio(1, 3) {
        while !(out.len() - start).is_multiple_of(4) {
            out.push(0);
        }
    }
    llc_layer(rng, out, 0);
}

fn ppp(rng: &mut StdRng, out: &mut Vec<u8>) {
    let proto = pick(rng, &[0x21u16, 0x21, 0x57, 0x281, 0x23, 0x29, 0xc021]);
    out.extend(proto.to_be_bytes());
    let inner = match proto {
        0x57 => 0x86dd,
        0x281 => 0x8847,
        _ => 0x0800,
    };
    network(rng, out, inner, 1);
}

fn network(rng: &mut StdRng, out: &mut Vec<u8>, proto: u32, depth: u32) {
    match proto {
        0x0800 => ip4(rng, out, depth),
        0x86dd => ip6(rng, out, depth),
        0x0806 | 0x8035 => {
            out.extend([0, 1, 8, 0, 6, 4, 0, 1]);
            for _ in 0..2 {
                out.extend([0, 1, 2, 3, 4, 5]);
                out.extend(pick(rng, &HOSTS4).to_be_bytes());
            }
        }
        0x8847 => {
            let labels = rng.random_range(1..4);
            for left in (0..labels).rev() {
                let label = rng.random_range(0..40u32) << 12 | u32::from(left == 0) << 8 | 64;
                out.extend(label.to_be_bytes());
            }
            let inner = pick(rng, &[0x0800, 0x86dd]);
            network(rng, out, inner, depth + 1);
        }
        0x8864 => {
            out.extend([0x11, 0]);
            out.extend(rng.random_range(0..8u16).to_be_bytes());
            out.extend([0, 40]);
            ppp(rng, out);
        }
        0x6003 => {
            let mut noise = [0; 30];
            rng.fill_bytes(&mut noise);
            noise[2] = pick(rng, &[0x02, 0x06, 0x81]);
            noise[3] = pick(rng, &[0x02, 0x06, 0x05]);
            noise[4] = 4;
            out.extend(noise);
        }
        _ => {
            let mut noise = vec![0; rng.random_range(0..46)];
            rng.fill_bytes(&mut noise);
            if let Some(first) = noise.first_mut() {
                *first = pick(rng, &[0x81, 0x82, 0x83, 0x45]);
            }
            out.extend(noise);
        }
    }
}

fn ip4(rng: &mut StdRng, out: &mut Vec<u8>, depth: u32) {
    let options = if rng.random_ratio(1, 5) { rng.random_range(1..5u8) } else { 0 };
    let proto = pick(rng, &[6u8, 6, 6, 17, 17, 17, 132, 1, 2, 9, 47, 4, 41, 50, 51, 58, 103, 112]);
    let fragment = if rng.random_ratio(1, 6) { pick(rng, &[0x2000u16, 0x2001, 0x1fff]) } else { 0 };
    out.extend([0x45 + options, rng.random_range(0..8), 0, 40 + 4 * options, 0, 1]);
    out.extend(fragment.to_be_bytes());
    out.extend([64, proto, 0, 0]);
    for _ in 0..2 {
        out.extend(pick(rng, &HOSTS4).to_be_bytes());
    }
    out.extend(vec![1; usize::from(options) * 4]);
    transport(rng, out, proto, depth);
}

fn ip6(rng: &mut StdRng, out: &mut Vec<u8>, depth: u32) {
    let last = pick(rng, &[6u8, 6, 17, 17, 132, 58, 58, 50, 103, 59]);
    let mut chain = Vec::new();
    while chain.len() < 3 && rng.random_ratio(1, 4) {
        chain.push(pick(rng, &[0u8, 60, 43, 44, 51]));
    }
    chain.push(last);
    out.extend([0x60, 0, 0, 0, 0, 40, chain[0], 64]);
    for _ in 0..2 {
        out.extend(pick(rng, &HOSTS6).to_be_bytes());
    }
    for pair in chain.windows(2) {
        let len = if pair[0] == 44 || pair[0] == 51 { 0 } else { rng.random_range(0..2u8) };
        out.extend([pair[1], len]);
        out.extend(vec![0; 6 + 8 * usize::from(len)]);
    }
    transport(rng, out, last, depth);
}

fn transport(rng: &mut StdRng, out: &mut Vec<u8>, proto: u8, depth: u32) {
    match proto {
        6 | 17 | 132 => {
            let (src, dst) = (pick(rng, &PORTS), pick(rng, &PORTS));
            out.extend(src.to_be_bytes());
            out.extend(dst.to_be_bytes());
            match proto {
                6 => {
                    out.extend([0, 0, 0, 1, 0, 0, 0, 2]);
                    out.extend([0x50, rng.random_range(0..64), 1, 0, 0, 0, 0, 0]);
                    out.extend(pick(rng, &[&b"GET / HTTP/1.1"[..], b"POST", b""]));
                }
                17 => {
                    out.extend([0, 40, 0, 0]);
                    if dst == 6081 && depth < 2 {
                        geneve(rng, out, depth);
                    } else {
                        out.extend([1, 2, 3, 4, 5, 6, 7, 8]);
                    }
                }
                _ => out.extend([0, 0, 0, 1, 0, 0, 0, 0]),
            }
        }
        1 | 58 => {
            let kind = pick(rng, &[0u8, 8, 3, 11, 128, 129, 135]);
            out.extend([kind, 0, 0, 0, 0, 1, 0, 1, 9, 9]);
        }
        47 if depth < 2 => {
            out.extend([0, 0, 8, 0]);
            ip4(rng, out, depth + 1);
        }
        4 if depth < 2 => ip4(rng, out, depth + 1),
        41 if depth < 2 => ip6(rng, out, depth + 1),
        51 => {
            out.extend([pick(rng, &[6u8, 17, 50]), 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2]);
            out.extend([0; 12]);
        }
        _ => {
            let mut noise = vec![0; rng.random_range(0..30)];
            rng.fill_bytes(&mut noise);
            out.extend(noise.iter().map(|byte| byte % 8));
        }
    }
}

fn geneve(rng: &mut StdRng, out: &mut Vec<u8>, depth: u32) {
    let options = rng.random_range(0..3u8);
    let proto = pick(rng, &[0x6558u16, 0x6558, 0x0800, 0x86dd]);
    out.extend([options, 0]);
    out.extend(proto.to_be_bytes());
    out.extend([0, 0, rng.random_range(0..4), 0]);
    out.extend(vec![0; usize::from(options) * 4]);
    if proto == 0x6558 {
        ethernet(rng, out, depth + 1);
    } else {
        network(rng, out, proto.into(), depth + 1);
    }
}
