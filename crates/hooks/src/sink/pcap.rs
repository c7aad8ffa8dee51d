//! The classic capture file (draft-ietf-opsawg-pcap).

use super::{Finish, PacketSink, SinkError, lengths};
use crate::capture::MAX_CAPTURED;
use crate::{Interface, LinkType, Packet};

const MAGIC_MICROS: u32 = 0xa1b2_c3d4;
const MAGIC_NANOS: u32 = 0xa1b2_3c4d;

/// Writer of a pcap file, little-endian, with nanoseconds if an interface of the source counts
/// them.
pub struct PcapWriter<W> {
    out: W,
    nanos: bool,
    link: Option<LinkType>,
    snaplen: u32,
}

impl<W: Finish> PcapWriter<W> {
    /// Starts a file. If the source has not said its link type, the first packet will.
    pub fn new(out: W, interfaces: &[Interface]) -> Result<Self, SinkError> {
        let nanos = interfaces.iter().any(|i| i.nanos);
        let mut this = Self { out, nanos, link: None, snaplen: MAX_CAPTURED };
        if let Some(interface) = interfaces.first() {
            this.header(interface.link)?;
        }
        Ok(this)
    }

    /// Starts a file of a link type, whose packets are cut to `snaplen` bytes elsewhere.
    pub fn start(out: W, link: LinkType, nanos: bool, snaplen: u32) -> Result<Self, SinkError> {
        let mut this = Self { out, nanos, link: None, snaplen };
        this.header(link)?;
        Ok(this)
    }

    /// What the file is written to.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    fn header(&mut self, link: LinkType) -> Result<(), SinkError> {
        let magic = if self.nanos { MAGIC_NANOS } else { MAGIC_MICROS };
        // Version 2.4, then two fields that are 0 everywhere.
        for word in [magic, 4 << 16 | 2, 0, 0, self.snaplen, u32::from(link.0)] {
            self.out.write_all(&word.to_le_bytes())?;
        }
        self.link = Some(link);
        Ok(())
    }
}

impl<W: Finish> PacketSink for PcapWriter<W> {
    fn write(&mut self, packet: &Packet) -> Result<(), SinkError> {
        let link = packet.meta.link;
        match self.link {
            None => self.header(link)?,
            Some(first) if first != link => return Err(SinkError::Mixed { first, link }),
            Some(_) => {}
        }
        let (seconds, nanos) = split(packet.meta.timestamp);
        let seconds = u32::try_from(seconds).map_err(|_| SinkError::Time { seconds })?;
        let fraction = if self.nanos { nanos } else { nanos / 1000 };
        let (len, wire_len) = lengths(packet);
        let header = [seconds, fraction, len, wire_len].map(u32::to_le_bytes);
        self.out.write_all(header.as_flattened())?;
        Ok(packet.frame().write_to(&mut self.out)?)
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(self.out.flush()?)
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        if self.link.is_none() {
            self.header(LinkType::ETHERNET)?;
        }
        Ok(self.out.finish()?)
    }
}

fn split(timestamp: u64) -> (u64, u32) {
    let nanos = u32::try_from(timestamp % 1_000_000_000).expect("bug: a remainder is below 2^32");
    (timestamp / 1_000_000_000, nanos)
}
