//! Block-structured captures, from bytes written by hand after the format's description.

use crate::frames::udp4;
use skep_hooks::{CaptureError, LinkType, Next, Packet, PacketSource, PktType, open};

/// Blocks in one order of bytes.
pub(crate) struct Blocks {
    big_endian: bool,
    pub(crate) bytes: Vec<u8>,
}

impl Blocks {
    pub(crate) fn new(big_endian: bool) -> Self {
        Self { big_endian, bytes: Vec::new() }
    }

    fn word(&self, w: u32) -> [u8; 4] {
        if self.big_endian { w.to_be_bytes() } else { w.to_le_bytes() }
    }

    fn half(&self, h: u16) -> [u8; 2] {
        if self.big_endian { h.to_be_bytes() } else { h.to_le_bytes() }
    }

    pub(crate) fn block(mut self, kind: u32, body: &[u8]) -> Self {
        let len = self.word(u32::try_from(body.len().next_multiple_of(4) + 12).unwrap());
        self.bytes.extend(self.word(kind));
        self.bytes.extend(len);
        self.bytes.extend(body);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.bytes.extend(len);
        self
    }

    pub(crate) fn section(self) -> Self {
        let mut body = self.word(0x1a2b_3c4d).to_vec();
        body.extend(self.half(1));
        body.extend(self.half(0));
        body.extend([0xff; 8]);
        self.block(0x0a0d_0d0a, &body)
    }

    pub(crate) fn interface(self, link: u16, snaplen: u32, options: &[(u16, &[u8])]) -> Self {
        let mut body = self.half(link).to_vec();
        body.extend([0, 0]);
        body.extend(self.word(snaplen));
        body.extend(self.options(options));
        self.block(1, &body)
    }

    fn options(&self, options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (code, value) in options {
            out.extend(self.half(*code));
            out.extend(self.half(u16::try_from(value.len()).unwrap()));
            out.extend(*value);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }

    pub(crate) fn packet(
        self,
        interface: u32,
        ticks: u64,
        frame: &[u8],
        options: &[(u16, &[u8])],
    ) -> Self {
        let len = u32::try_from(frame.len()).unwrap();
        let [high, low] =
            [ticks >> 32, ticks & 0xffff_ffff].map(|half| u32::try_from(half).unwrap());
        let mut body = Vec::new();
        for field in [interface, high, low, len, len + 1] {
            body.extend(self.word(field));
        }
        body.extend(frame);
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend(self.options(options));
        self.block(6, &body)
    }

    fn open(self) -> Box<dyn PacketSource> {
        open(std::io::Cursor::new(self.bytes)).unwrap()
    }
}

/// All packets, or the error.
fn read(source: &mut dyn PacketSource) -> Result<Vec<Packet>, CaptureError> {
    let mut packets = Vec::new();
    let mut packet = Packet::new();
    while source.next(&mut packet)? == Next::Packet {
        packets.push(packet.clone());
    }
    Ok(packets)
}

#[test]
fn interfaces_times_and_options() {
    let frame = udp4(b"x");
    for big_endian in [false, true] {
        let blocks = Blocks::new(big_endian);
        let (flags, queue) = (blocks.word(2), blocks.word(3));
        let hour = if big_endian { 3600_u64.to_be_bytes() } else { 3600_u64.to_le_bytes() };
        let mut source = blocks
            .section()
            .block(0x0bad, b"unknown")
            .interface(1, 0, &[(2, b"eth0"), (9, &[9]), (0, &[]), (2, b"not this")])
            .interface(101, 0, &[(14, &hour)])
            .packet(0, 5_000_000_007, &frame, &[(2, &flags), (6, &queue)])
            .block(4, b"names")
            .packet(1, 1_000_001, &frame[14..], &[])
            .open();
        assert_eq!(source.interfaces().len(), 2, "known before the first packet");
        let packets = read(&mut *source).unwrap();
        let [first, second] = &packets[..] else { panic!("{}", packets.len()) };

        assert_eq!((first.data(), first.wire_len()), (&frame[..], 44));
        assert_eq!(first.meta.timestamp, 5_000_000_007);
        assert_eq!((first.meta.pkt_type, first.meta.rx_queue), (PktType::Outgoing, 3));
        assert_eq!((first.meta.ifindex, first.meta.link), (1, LinkType::ETHERNET));
        assert_eq!(second.data(), &frame[14..]);
        assert_eq!(second.meta.timestamp, 3_601_000_001_000);
        assert_eq!((second.meta.ifindex, second.meta.link), (2, LinkType::RAW));

        let [eth0, other] = source.interfaces() else { panic!() };
        assert_eq!((eth0.name.as_deref(), eth0.nanos, eth0.ifindex), (Some("eth0"), true, 1));
        assert_eq!((other.name.as_deref(), other.nanos, other.ifindex), (None, false, 2));
    }
}

#[test]
fn simple_and_obsolete_packets() {
    let blocks = Blocks::new(false).section().interface(1, 20, &[]);
    let mut simple = 100_u32.to_le_bytes().to_vec();
    simple.extend([7; 20]);
    let mut obsolete = vec![0, 0, 5, 0];
    for field in [0_u32, 9, 3, 99] {
        obsolete.extend(field.to_le_bytes());
    }
    obsolete.extend([1, 2, 3]);
    let mut source = blocks.block(3, &simple).block(2, &obsolete).open();
    let packets = read(&mut *source).unwrap();
    let got: Vec<_> = packets.iter().map(|p| (p.data(), p.wire_len(), p.meta.timestamp)).collect();
    assert_eq!(got, [(&[7; 20][..], 100, 0), (&[1, 2, 3][..], 99, 9000)]);
}

#[test]
fn sections_have_interfaces_of_their_own() {
    let first = Blocks::new(false).section().interface(1, 0, &[]).packet(0, 0, &[1; 20], &[]);
    let second = Blocks::new(true).section().interface(101, 0, &[]).packet(0, 0, &[0x45; 20], &[]);
    let bytes = [first.bytes, second.bytes].concat();
    let mut source = open(std::io::Cursor::new(bytes)).unwrap();
    let packets = read(&mut *source).unwrap();
    let got: Vec<_> = packets.iter().map(|p| (p.meta.ifindex, p.meta.link.0)).collect();
    assert_eq!(got, [(1, 1), (2, 101)]);
}

/// The error of a file: at opening or later.
#[track_caller]
fn fails(bytes: Vec<u8>, want: &str) {
    let got = open(std::io::Cursor::new(bytes)).and_then(|mut source| read(&mut *source));
    assert_eq!(got.err().map(|e| e.to_string()).as_deref(), Some(want));
}

fn start() -> Blocks {
    Blocks::new(false).section().interface(1, 0, &[])
}

#[test]
fn damage_is_named_with_block_and_byte() {
    fails(
        start().packet(1, 0, &[0; 4], &[]).bytes,
        "block 3 at byte 48: interface 1, but the section has 1",
    );
    let no_interface = Blocks::new(false).section().block(3, &[0; 4]);
    fails(no_interface.bytes, "block 2 at byte 28: interface 0, but the section has 0");

    let set = |at: usize, value: u32| {
        let mut bytes = start().packet(0, 0, &[0; 8], &[]).bytes;
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        bytes
    };
    fails(set(8, 1), "block 1 at byte 0: byte-order magic is 16777216, must be 439041101");
    fails(set(12, 2), "pcapng version 2.0 at byte 0 is not supported");
    fails(set(4, 24), "block 1 at byte 0: length is 24, must be 28");
    fails(set(24, 32), "block 1 at byte 0: second length is 32, must be 28");
    fails(set(52, 30), "block 3 at byte 48: length is 30, must be 32");
    fails(set(52, 42), "block 3 at byte 48: length is 42, must be 44");
    fails(set(52, 0), "block 3 at byte 48: length is 0, must be 32");
    fails(set(52, u32::MAX), "block 3 at byte 48: length is 4294967295, must be 4294967296");
    fails(set(52, 1 << 30), "block 3 at byte 48: length is 1073741824, the limit is 1048576");
    fails(set(68, 9), "block 3 at byte 48: captured length is 9, the limit is 8");
    fails(set(68, u32::MAX), "block 3 at byte 48: captured length is 4294967295, the limit is 8");
    fails(
        start().packet(0, 0, &vec![0; 262_148], &[]).bytes,
        "block 3 at byte 48: captured length is 262148, the limit is 262144",
    );
}

#[test]
fn unknown_blocks_are_skipped_without_room_for_them() {
    let mut bytes = start().bytes;
    bytes.extend(0x77_u32.to_le_bytes());
    bytes.extend(0xffff_fff0_u32.to_le_bytes());
    bytes.extend([0; 100]);
    fails(bytes, "block 3 at byte 48 is cut off: 108 of 4294967280 bytes");
    let big = start().block(0x77, &vec![0; 3 << 20]).packet(0, 0, &[5; 9], &[]);
    assert_eq!(read(&mut *big.open()).unwrap()[0].data(), [5; 9]);
}

#[test]
fn every_truncation_is_an_error_or_a_shorter_capture() {
    let bytes = start().packet(0, 0, &[0; 9], &[]).packet(0, 1, &[1; 9], &[]).bytes;
    for len in 0..bytes.len() {
        let source = open(std::io::Cursor::new(bytes[..len].to_vec()));
        let whole = [28, 48, 92].contains(&len);
        let Ok(mut source) = source else {
            assert!(len < 56 && !whole, "{len}");
            continue;
        };
        let mut packet = Packet::new();
        let mut count = 0;
        let end = loop {
            match source.next(&mut packet) {
                Ok(Next::Packet) => count += 1,
                other => break other.is_ok(),
            }
        };
        assert_eq!((count, end), (usize::from(len >= 92), whole), "{len}");
    }
}

#[test]
fn options_that_reach_beyond_their_block_are_ignored() {
    let blocks = start();
    let mut body = vec![0; 20];
    body[12] = 2;
    body.extend([8, 8, 0, 0]);
    body.extend([2, 0, 0xff, 0xff, 1, 0, 0, 0]);
    let packets = read(&mut *blocks.block(6, &body).open()).unwrap();
    assert_eq!((packets[0].data(), packets[0].meta.pkt_type), (&[8, 8][..], PktType::Host));
}
