//! Where packets go.

mod compress;
mod pcap;
mod pcapng;

pub use pcap::PcapWriter;
pub use pcapng::PcapngWriter;

use crate::{Interface, LinkType, Packet};
use compress::{Compression, Output};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A place for packets.
pub trait PacketSink {
    /// Writes the packet's [`Packet::frame`], its time and its length on the wire.
    fn write(&mut self, packet: &Packet) -> Result<(), SinkError>;

    /// Hands on what is buffered so far; more may follow. There is nothing to do where nothing is kept back.
    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// Writes what is buffered. A file that was not finished may lack its end.
    fn finish(&mut self) -> Result<(), SinkError>;
}

/// Sinks by interface index: where redirected and bounced packets go.
pub type Outputs = BTreeMap<u32, Box<dyn PacketSink>>;

/// Why a packet was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named in the messages")]
pub enum SinkError {
    /// The name does not say the format.
    #[error("{path:?} names no capture format: .pcap or .pcapng, then perhaps .gz or .zst")]
    Extension { path: PathBuf },
    /// A pcap file has one link type.
    #[error("a pcap file of {first} frames cannot hold a {link} frame, pcapng can")]
    Mixed { first: LinkType, link: LinkType },
    /// More than the format can say.
    #[error("a time of {seconds} s since 1970 is beyond what pcap can say")]
    Time { seconds: u64 },
    /// The frame is not what the device carries.
    #[error("a {link} frame cannot be sent on a device of {device} frames")]
    Device { device: LinkType, link: LinkType },
    /// Writing failed.
    #[error("writing failed")]
    Io(#[from] io::Error),
}

/// Creates a capture file. The extension says the format: `.pcap` or `.pcapng`, with `.gz` or
/// `.zst` after it compressed; `-` is pcap on standard output. `interfaces` are those of the
/// source, as far as known.
pub fn create(path: &Path, interfaces: &[Interface]) -> Result<Box<dyn PacketSink>, SinkError> {
    if path == Path::new("-") {
        let out = Output::new(Box::new(io::stdout()), Compression::None)?;
        return Ok(Box::new(PcapWriter::new(out, interfaces)?));
    }
    let (stem, compression) = match path.extension().and_then(|e| e.to_str()) {
        Some("gz") => (path.with_extension(""), Compression::Gzip),
        Some("zst") => (path.with_extension(""), Compression::Zstd),
        _ => (path.to_owned(), Compression::None),
    };
    let format = stem.extension().and_then(|e| e.to_str());
    let ng = match format {
        Some("pcap") => false,
        Some("pcapng") => true,
        _ => return Err(SinkError::Extension { path: path.to_owned() }),
    };
    let out = Output::new(Box::new(File::create(path)?), compression)?;
    Ok(if ng {
        Box::new(PcapngWriter::new(out, interfaces)?)
    } else {
        Box::new(PcapWriter::new(out, interfaces)?)
    })
}

/// What a capture is written to: bytes with an end.
pub trait Finish: Write {
    /// Writes what ends the stream, and all that is buffered.
    fn finish(&mut self) -> io::Result<()>;
}

impl<W: Finish + ?Sized> Finish for &mut W {
    fn finish(&mut self) -> io::Result<()> {
        (**self).finish()
    }
}

/// Memory has no end to write.
impl Finish for Vec<u8> {
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A frame's captured and original length.
fn lengths(packet: &Packet) -> (u32, u32) {
    let len = u32::try_from(packet.frame().len()).unwrap_or(u32::MAX);
    (len, packet.wire_len())
}
