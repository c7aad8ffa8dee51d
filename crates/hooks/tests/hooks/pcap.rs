//! Classic captures, from bytes written by hand after the format's description.

use crate::frames::udp4;
use skep_hooks::{CaptureError, LinkType, Next, Packet, PktType, open};

/// A file of one packet, in the given order of bytes.
pub(crate) fn file(magic: u32, big_endian: bool, link: u32, frame: &[u8]) -> Vec<u8> {
    let word = |w: u32| if big_endian { w.to_be_bytes() } else { w.to_le_bytes() };
    let half = |h: u16| if big_endian { h.to_be_bytes() } else { h.to_le_bytes() };
    let len = u32::try_from(frame.len()).unwrap();
    let mut file = word(magic).to_vec();
    file.extend(half(2));
    file.extend(half(4));
    for field in [0, 0, 262_144, link, 1_700_000_000, 123_456, len, len + 100] {
        file.extend(word(field));
    }
    file.extend(frame);
    file
}

const MICROS: u32 = 0xa1b2_c3d4;
const NANOS: u32 = 0xa1b2_3c4d;

#[test]
fn both_orders_and_both_units() {
    let frame = udp4(b"payload");
    for (magic, big_endian, fraction) in [
        (MICROS, false, 123_456_000),
        (MICROS, true, 123_456_000),
        (NANOS, false, 123_456),
        (NANOS, true, 123_456),
    ] {
        let mut source = open(std::io::Cursor::new(file(magic, big_endian, 1, &frame))).unwrap();
        let mut packet = Packet::new();
        assert_eq!(source.next(&mut packet).unwrap(), Next::Packet);
        assert_eq!(packet.data(), frame);
        let meta = packet.meta;
        assert_eq!(meta.timestamp, 1_700_000_000_000_000_000 + fraction);
        assert_eq!((meta.wire_len, packet.wire_len()), (149, 149));
        assert_eq!((meta.link, meta.ifindex, meta.ingress_ifindex), (LinkType::ETHERNET, 1, 1));
        assert_eq!(source.next(&mut packet).unwrap(), Next::End);
        assert_eq!(source.next(&mut packet).unwrap(), Next::End);
        let [interface] = source.interfaces() else { panic!() };
        assert_eq!(interface.nanos, magic == NANOS);
    }
}

#[test]
fn link_types() {
    let ip = &udp4(b"")[14..];
    let mut sll = vec![0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0];
    sll.extend(ip);
    let mut sll2 = vec![8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 1, 6, 2, 0, 0, 0, 0, 1, 0, 0];
    sll2.extend(ip);
    let mut null = vec![2, 0, 0, 0];
    null.extend(ip);
    let cases: [(u32, &[u8], u16, PktType); 8] = [
        (1, &udp4(b""), 0x0800, PktType::Host),
        (101, ip, 0x0800, PktType::Host),
        (12, ip, 0x0800, PktType::Host),
        (228, ip, 0x0800, PktType::Host),
        (0, &null, 0x0800, PktType::Host),
        (113, &sll, 0x0800, PktType::Outgoing),
        (276, &sll2, 0x0800, PktType::Broadcast),
        (147, ip, 0, PktType::Host),
    ];
    for (link, frame, protocol, pkt_type) in cases {
        // The upper half of the field holds the length of frame check sequences.
        let bytes = file(MICROS, false, link | 0x5400_0000, frame);
        let mut source = open(std::io::Cursor::new(bytes)).unwrap();
        let mut packet = Packet::new();
        source.next(&mut packet).unwrap();
        assert_eq!((packet.meta.protocol, packet.meta.pkt_type), (protocol, pkt_type), "{link}");
        if protocol != 0 {
            assert_eq!(packet.load_bytes_relative(0, 20, 1), Ok(&ip[..20]), "{link}");
        }
    }
}

#[test]
fn kuznetsovs_records_are_longer() {
    let mut bytes = file(0xa1b2_cd34, false, 1, &[]);
    bytes.truncate(24);
    for field in [1_u32, 2, 14, 14, 3, 0x0004_0008] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend(&udp4(b"")[..14]);
    let mut source = open(std::io::Cursor::new(bytes)).unwrap();
    let mut packet = Packet::new();
    assert_eq!(source.next(&mut packet).unwrap(), Next::Packet);
    assert_eq!((packet.data().len(), packet.meta.pkt_type), (14, PktType::Outgoing));
}

#[test]
fn every_truncation_is_named() {
    let bytes = file(MICROS, false, 1, &udp4(b""));
    for len in 0..bytes.len() {
        let opened = open(std::io::Cursor::new(bytes[..len].to_vec()));
        let text = match opened {
            Err(e) => e.to_string(),
            Ok(mut source) => match source.next(&mut Packet::new()) {
                Ok(Next::End) => "end".into(),
                Ok(other) => panic!("{other:?} of {len} bytes"),
                Err(e) => e.to_string(),
            },
        };
        let want = match len {
            0 => "the capture is empty, not even a header".into(),
            1..4 => format!("neither pcap nor pcapng: the first bytes are {:02x?}", &bytes[..len]),
            4..24 => format!("file header at byte 0 is cut off: {len} of 24 bytes"),
            24 => "end".into(),
            25..40 => format!("record 1 at byte 24 is cut off: {} of 16 bytes", len - 24),
            _ => format!("record 1 at byte 24 is cut off: {} of 58 bytes", len - 24),
        };
        assert_eq!(text, want, "{len}");
    }
}

#[test]
fn absurd_lengths_and_versions() {
    let mut bytes = file(MICROS, false, 1, &[]);
    for (len, absurd) in [(262_144, false), (262_145, true), (u32::MAX, true)] {
        bytes[32..36].copy_from_slice(&u32::to_le_bytes(len));
        let mut source = open(std::io::Cursor::new(bytes.clone())).unwrap();
        let error = source.next(&mut Packet::new()).unwrap_err();
        assert_eq!(matches!(error, CaptureError::Oversized { .. }), absurd, "{error}");
        assert_eq!(matches!(error, CaptureError::Truncated { .. }), !absurd, "{error}");
    }
    bytes[4] = 3;
    let error = open(std::io::Cursor::new(bytes)).err().unwrap();
    assert_eq!(error.to_string(), "pcap version 3.4 at byte 4 is not supported");
}
