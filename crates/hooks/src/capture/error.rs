//! What is wrong with a capture.

use std::{fmt, io};

/// Why no packet could be read. Positions count bytes of the capture after decompression.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named in the messages")]
pub enum CaptureError {
    /// Nothing to read: not even a file header.
    #[error("the capture is empty, not even a header")]
    Empty,
    /// The first bytes are those of no format.
    #[error("neither pcap nor pcapng: the first bytes are {magic:02x?}")]
    Unknown { magic: Vec<u8> },
    /// A version of a format that is not known.
    #[error("{format} version {major}.{minor} at byte {at} is not supported")]
    Version { format: &'static str, major: u16, minor: u16, at: u64 },
    /// The capture ends within a unit.
    #[error("{unit} at byte {at} is cut off: {have} of {want} bytes")]
    Truncated { unit: Unit, at: u64, have: usize, want: usize },
    /// A length that no capture has.
    #[error("{unit} at byte {at}: {field} is {len}, the limit is {limit}")]
    Oversized { unit: Unit, at: u64, field: &'static str, len: u64, limit: u64 },
    /// A length that does not fit its surroundings.
    #[error("{unit} at byte {at}: {field} is {value}, must be {expected}")]
    Inconsistent { unit: Unit, at: u64, field: &'static str, value: u64, expected: u64 },
    /// A packet of an interface that the capture has not described.
    #[error("{unit} at byte {at}: interface {interface}, but the section has {count}")]
    Interface { unit: Unit, at: u64, interface: u32, count: usize },
    /// Reading failed. Broken compression ends here too.
    #[error("reading failed at byte {at}")]
    Io { at: u64, source: io::Error },
}

/// A piece of a capture. Numbers start from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// The header of a pcap file.
    FileHeader,
    /// A packet of a pcap file with its header.
    Record(u64),
    /// A block of a pcapng file.
    Block(u64),
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileHeader => f.write_str("file header"),
            Self::Record(n) => write!(f, "record {n}"),
            Self::Block(n) => write!(f, "block {n}"),
        }
    }
}
