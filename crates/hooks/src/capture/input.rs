//! A window on the bytes of a capture.

use super::decompress::Count;
use super::{CaptureError, Progress};
use std::io::{self, Read};
use std::sync::atomic::Ordering;

/// Bytes asked for at once.
const CHUNK: usize = 1 << 18;

/// Bytes to look at before they are consumed. Memory grows with what callers peek at, which they
/// bound, not with what a capture claims.
pub(super) struct Input {
    reader: Box<dyn Read + Send>,
    count: Count,
    buf: Vec<u8>,
    pos: usize,
    end: usize,
    /// Position of `buf[pos]` in the capture.
    at: u64,
}

impl Input {
    pub(super) fn new(reader: Box<dyn Read + Send>, count: Count) -> Self {
        Self { reader, count, buf: vec![0; CHUNK], pos: 0, end: 0, at: 0 }
    }

    /// Position of the next byte.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    pub(super) fn progress(&self) -> Progress {
        Progress { read: self.count.read.load(Ordering::Relaxed), total: self.count.total }
    }

    /// The next `len` bytes, or all that are left.
    pub(super) fn peek(&mut self, len: usize) -> Result<&[u8], CaptureError> {
        if self.end - self.pos < len {
            self.fill(len)?;
        }
        Ok(&self.buf[self.pos..self.end.min(self.pos + len)])
    }

    /// Consumes bytes that were peeked at.
    pub(super) fn consume(&mut self, len: usize) {
        let len = len.min(self.end - self.pos);
        self.pos += len;
        self.at += len as u64;
    }

    /// Consumes `len` bytes unseen. Returns how many there were.
    pub(super) fn skip(&mut self, len: usize) -> Result<usize, CaptureError> {
        let mut left = len;
        while left > 0 {
            let have = self.peek(left.min(CHUNK))?.len();
            if have == 0 {
                break;
            }
            self.consume(have);
            left -= have;
        }
        Ok(len - left)
    }

    fn fill(&mut self, len: usize) -> Result<(), CaptureError> {
        self.buf.copy_within(self.pos..self.end, 0);
        self.end -= self.pos;
        self.pos = 0;
        if self.buf.len() < len {
            self.buf.resize(len, 0);
        }
        while self.end < len {
            match self.reader.read(&mut self.buf[self.end..]) {
                Ok(0) => break,
                Ok(n) => self.end += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(CaptureError::Io { at: self.at + self.end as u64, source });
                }
            }
        }
        Ok(())
    }
}
