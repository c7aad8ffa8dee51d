//! The block-structured capture file (draft-ietf-opsawg-pcapng).

use super::{Finish, PacketSink, SinkError, lengths};
use crate::capture::MAX_CAPTURED;
use crate::{Interface, LinkType, Packet, PktType};
use std::collections::BTreeMap;
use std::io;

/// Nanoseconds, as a value of `if_tsresol`.
const NANOS: u8 = 9;

/// Writer of a pcapng file: one section, little-endian, times in nanoseconds.
pub struct PcapngWriter<W> {
    out: W,
    /// Block number of each interface index and link type.
    interfaces: BTreeMap<(u32, LinkType), u32>,
}

impl<W: Finish> PcapngWriter<W> {
    /// Starts a file that describes the given interfaces. Others are described when a packet of
    /// theirs comes.
    pub fn new(out: W, interfaces: &[Interface]) -> Result<Self, SinkError> {
        let mut this = Self { out, interfaces: BTreeMap::new() };
        let mut body = 0x1a2b_3c4d_u32.to_le_bytes().to_vec();
        body.extend([1, 0, 0, 0]);
        body.extend([0xff; 8]); // the section's length is not known
        this.block(0x0a0d_0d0a, &[&body])?;
        for interface in interfaces {
            this.describe(interface.ifindex, interface.link, interface.name.as_deref())?;
        }
        Ok(this)
    }

    /// Section 4.2.
    fn describe(
        &mut self,
        ifindex: u32,
        link: LinkType,
        name: Option<&str>,
    ) -> Result<u32, SinkError> {
        let number = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        let mut body = u32::from(link.0).to_le_bytes().to_vec();
        body.extend(MAX_CAPTURED.to_le_bytes());
        if let Some(name) = name {
            push_option(&mut body, 2, name.as_bytes());
        }
        push_option(&mut body, 9, &[NANOS]);
        push_option(&mut body, 0, &[]);
        self.block(1, &[&body])?;
        self.interfaces.insert((ifindex, link), number);
        Ok(number)
    }

    /// A block whose body is the given pieces, padded.
    fn block(&mut self, kind: u32, pieces: &[&[u8]]) -> io::Result<()> {
        let body: usize = pieces.iter().map(|p| p.len()).sum();
        let padded = body.next_multiple_of(4);
        let len = u32::try_from(padded + 12).map_err(io::Error::other)?.to_le_bytes();
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&len)?;
        for piece in pieces {
            self.out.write_all(piece)?;
        }
        self.out.write_all(&[0; 3][..padded - body])?;
        self.out.write_all(&len)
    }
}

/// Section 3.5. Names are cut to what the length field can say.
fn push_option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
    body.extend(code.to_le_bytes());
    body.extend(len.to_le_bytes());
    body.extend(&value[..usize::from(len)]);
    body.resize(body.len().next_multiple_of(4), 0);
}

impl<W: Finish> PacketSink for PcapngWriter<W> {
    /// Section 4.3.
    fn write(&mut self, packet: &Packet) -> Result<(), SinkError> {
        let meta = &packet.meta;
        let number = match self.interfaces.get(&(meta.ifindex, meta.link)) {
            Some(&number) => number,
            None => self.describe(meta.ifindex, meta.link, None)?,
        };
        let (len, wire_len) = lengths(packet);
        let [a, b, c, d, low @ ..] = meta.timestamp.to_be_bytes();
        let high = u32::from_be_bytes([a, b, c, d]);
        let mut head = Vec::with_capacity(20);
        for word in [number, high, u32::from_be_bytes(low), len, wire_len] {
            head.extend(word.to_le_bytes());
        }
        let frame = packet.frame().to_vec();
        let mut tail = vec![0; frame.len().next_multiple_of(4) - frame.len()];
        options(&mut tail, packet);
        Ok(self.block(6, &[&head, &frame, &tail])?)
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(self.out.flush()?)
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(self.out.finish()?)
    }
}

/// `epb_flags` for what the frame itself does not say, and `epb_queue`.
fn options(tail: &mut Vec<u8>, packet: &Packet) {
    let meta = &packet.meta;
    let mut options = Vec::new();
    let flags: u32 = match meta.pkt_type {
        PktType::Outgoing => 2,
        PktType::OtherHost => 4 << 2,
        PktType::Host | PktType::Broadcast | PktType::Multicast => 0,
    };
    if flags != 0 {
        push_option(&mut options, 2, &flags.to_le_bytes());
    }
    if meta.rx_queue != 0 {
        push_option(&mut options, 6, &meta.rx_queue.to_le_bytes());
    }
    if !options.is_empty() {
        push_option(&mut options, 0, &[]);
        tail.extend(options);
    }
}
