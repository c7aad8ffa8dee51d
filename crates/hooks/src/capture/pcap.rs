//! The classic capture file: one header, then packets (draft-ietf-opsawg-pcap).

use super::input::Input;
use super::{CaptureError, Interface, MAX_CAPTURED, Next, PacketSource, Progress, Unit};
use crate::{LinkType, Packet, PacketMeta, PktType};

const FILE_HEADER: usize = 24;
const MAGIC_MICROS: u32 = 0xa1b2_c3d4;
const MAGIC_NANOS: u32 = 0xa1b2_3c4d;
/// Alexey Kuznetsov's patched libpcap: records carry interface, protocol and packet type as well.
const MAGIC_KUZNETSOV: u32 = 0xa1b2_cd34;
const MAJOR: u16 = 2;

/// Reader of a pcap file.
pub(super) struct Pcap {
    input: Input,
    layout: Layout,
    interfaces: [Interface; 1],
    records: u64,
}

/// What the magic number says.
#[derive(Clone, Copy)]
struct Layout {
    big_endian: bool,
    /// Nanoseconds in the unit of the fraction.
    unit: u64,
    /// Bytes in front of a packet.
    header: usize,
}

impl Layout {
    fn new(magic: [u8; 4]) -> Option<Self> {
        [false, true].into_iter().find_map(|big_endian| {
            let of = |unit, header| Some(Self { big_endian, unit, header });
            match order(big_endian, magic) {
                MAGIC_MICROS => of(1000, 16),
                MAGIC_NANOS => of(1, 16),
                MAGIC_KUZNETSOV => of(1000, 24),
                _ => None,
            }
        })
    }

    /// The 32-bit word at `at`; callers have checked the length.
    fn word(self, bytes: &[u8], at: usize) -> u32 {
        let mut word = [0; 4];
        word.copy_from_slice(&bytes[at..at + 4]);
        order(self.big_endian, word)
    }
}

fn order(big_endian: bool, word: [u8; 4]) -> u32 {
    if big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
}

impl Pcap {
    pub(super) fn new(mut input: Input) -> Result<Self, CaptureError> {
        let header = input.peek(FILE_HEADER)?;
        let unknown = || CaptureError::Unknown { magic: header[..header.len().min(4)].to_vec() };
        let magic = header.first_chunk().ok_or_else(unknown)?;
        let layout = Layout::new(*magic).ok_or_else(unknown)?;
        if header.len() < FILE_HEADER {
            let have = header.len();
            let unit = Unit::FileHeader;
            return Err(CaptureError::Truncated { unit, at: 0, have, want: FILE_HEADER });
        }
        let halves = layout.word(header, 4).to_be_bytes();
        let (first, second) = ([halves[0], halves[1]], [halves[2], halves[3]]);
        let (major, minor) = if layout.big_endian { (first, second) } else { (second, first) };
        let (major, minor) = (u16::from_be_bytes(major), u16::from_be_bytes(minor));
        if major != MAJOR {
            return Err(CaptureError::Version { format: "pcap", major, minor, at: 4 });
        }
        // The upper half says how long frame check sequences are.
        let [_, _, hi, lo] = layout.word(header, 20).to_be_bytes();
        let link = LinkType(u16::from_be_bytes([hi, lo]));
        let snaplen = layout.word(header, 16);
        input.consume(FILE_HEADER);
        let nanos = layout.unit == 1;
        let interfaces = [Interface { ifindex: 1, name: None, link, nanos, snaplen }];
        Ok(Self { input, layout, interfaces, records: 0 })
    }
}

impl PacketSource for Pcap {
    fn next(&mut self, packet: &mut Packet) -> Result<Next, CaptureError> {
        let at = self.input.at();
        let unit = Unit::Record(self.records + 1);
        let layout = self.layout;
        let header = self.input.peek(layout.header)?;
        if header.is_empty() {
            return Ok(Next::End);
        }
        if header.len() < layout.header {
            let (have, want) = (header.len(), layout.header);
            return Err(CaptureError::Truncated { unit, at, have, want });
        }
        let len = layout.word(header, 8);
        if len > MAX_CAPTURED {
            let (len, limit) = (u64::from(len), u64::from(MAX_CAPTURED));
            let field = "captured length";
            return Err(CaptureError::Oversized { unit, at, field, len, limit });
        }
        let want = layout.header + len as usize;
        let record = self.input.peek(want)?;
        if record.len() < want {
            let have = record.len();
            return Err(CaptureError::Truncated { unit, at, have, want });
        }
        let (header, bytes) = record.split_at(layout.header);
        packet.reset(bytes, layout.meta(header, bytes, self.interfaces[0].link));
        self.input.consume(want);
        self.records += 1;
        Ok(Next::Packet)
    }

    fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    fn progress(&self) -> Progress {
        self.input.progress()
    }
}

impl Layout {
    fn meta(self, header: &[u8], frame: &[u8], link: LinkType) -> PacketMeta {
        let word = |at| u64::from(self.word(header, at));
        // `u32::MAX` seconds are 4.3e18 ns: no overflow.
        let timestamp = word(0) * 1_000_000_000 + word(4) * self.unit;
        // Kuznetsov's header: interface, then 16 bits of protocol and 8 of packet type.
        let pkt_type = header.get(22).and_then(|&b| PktType::new(u16::from(b)));
        PacketMeta {
            timestamp,
            tstamp: timestamp,
            wire_len: self.word(header, 12),
            link,
            ifindex: 1,
            ingress_ifindex: 1,
            pkt_type: pkt_type.unwrap_or_else(|| link.pkt_type(frame)),
            ..PacketMeta::default()
        }
    }
}
