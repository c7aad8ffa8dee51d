//! Where packets come from.

mod decompress;
mod error;
mod input;
mod pcap;
mod pcapng;

pub use error::{CaptureError, Unit};

use crate::{LinkType, Packet};
use decompress::{Counted, decompress};
use input::Input;
use pcap::Pcap;
use pcapng::Pcapng;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The longest packet of a capture, libpcap's `MAXIMUM_SNAPLEN`.
pub(crate) const MAX_CAPTURED: u32 = 262_144;

/// A source of packets.
pub trait PacketSource {
    /// Replaces `packet` by the next one.
    ///
    /// All whole packets before an error have been delivered; none come after it.
    fn next(&mut self, packet: &mut Packet) -> Result<Next, CaptureError>;

    /// The interfaces met so far.
    fn interfaces(&self) -> &[Interface];

    /// How far the source has been read.
    fn progress(&self) -> Progress;
}

/// What [`PacketSource::next`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A packet.
    Packet,
    /// Nothing yet: the time a device was told to wait is over.
    Idle,
    /// There is no more.
    End,
}

/// Where packets were captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The `ifindex` of its packets: for a device its index, in a capture 1 for the first.
    pub ifindex: u32,
    /// Its name, if the capture says it.
    pub name: Option<String>,
    /// What its frames start with.
    pub link: LinkType,
    /// Whether its clock is finer than a microsecond.
    pub nanos: bool,
    /// Bytes of a packet that were kept at most, as the capture says; 0 if it does not.
    pub snaplen: u32,
}

/// Bytes of a file or stream, before decompression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Read so far.
    pub read: u64,
    /// In all, if known.
    pub total: Option<u64>,
}

/// Opens a capture: pcap or pcapng, as it is or compressed by gzip or zstd, whichever its first
/// bytes say.
///
/// ```
/// use skep_hooks::{CaptureError, open};
///
/// assert!(matches!(open(&b""[..]), Err(CaptureError::Empty)));
/// assert!(matches!(open(&b"text"[..]), Err(CaptureError::Unknown { .. })));
/// ```
pub fn open(reader: impl Read + Send + 'static) -> Result<Box<dyn PacketSource>, CaptureError> {
    open_counted(Counted::new(Box::new(reader), None))
}

/// Opens a capture file. Unlike [`open`] it knows the [`Progress::total`].
pub fn open_file(path: &Path) -> Result<Box<dyn PacketSource>, CaptureError> {
    let io = |source| CaptureError::Io { at: 0, source };
    open_handle(File::open(path).map_err(io)?)
}

/// The same of a file that is open already.
pub fn open_handle(file: File) -> Result<Box<dyn PacketSource>, CaptureError> {
    let io = |source| CaptureError::Io { at: 0, source };
    let meta = file.metadata().map_err(io)?;
    let total = meta.is_file().then_some(meta.len());
    open_counted(Counted::new(Box::new(file), total))
}

fn open_counted(counted: Counted) -> Result<Box<dyn PacketSource>, CaptureError> {
    let count = counted.count();
    let reader = decompress(counted).map_err(|source| CaptureError::Io { at: 0, source })?;
    let mut input = Input::new(reader, count);
    let magic = match input.peek(4)? {
        [] => return Err(CaptureError::Empty),
        magic => magic.to_vec(),
    };
    if magic == pcapng::MAGIC {
        return Ok(Box::new(Pcapng::new(input)?));
    }
    Ok(Box::new(Pcap::new(input)?))
}
