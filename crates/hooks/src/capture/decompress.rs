//! From the bytes of a file to those of a capture.

use flate2::read::MultiGzDecoder;
use std::io::{self, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// RFC 1952, section 2.3.1.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// RFC 8878, section 3.1.1.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Enough for every magic number.
const MAGIC: usize = 4;

/// How many bytes were read of how many; shared with the reader.
#[derive(Clone, Debug)]
pub(super) struct Count {
    pub(super) read: Arc<AtomicU64>,
    pub(super) total: Option<u64>,
}

/// A reader that counts.
pub(super) struct Counted {
    inner: Box<dyn Read + Send>,
    count: Count,
}

impl Counted {
    pub(super) fn new(inner: Box<dyn Read + Send>, total: Option<u64>) -> Self {
        Self { inner, count: Count { read: Arc::default(), total } }
    }

    pub(super) fn count(&self) -> Count {
        self.count.clone()
    }
}

impl Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.count.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// Decodes gzip and zstd streams as they come.
pub(super) fn decompress(mut reader: Counted) -> io::Result<Box<dyn Read + Send>> {
    let mut magic = Vec::with_capacity(MAGIC);
    reader.by_ref().take(MAGIC as u64).read_to_end(&mut magic)?;
    let (gzip, zstd) = (magic.starts_with(&GZIP), magic.starts_with(&ZSTD));
    let whole = Cursor::new(magic).chain(reader);
    Ok(if gzip {
        Box::new(MultiGzDecoder::new(BufReader::new(whole)))
    } else if zstd {
        Box::new(zstd::stream::read::Decoder::new(whole)?)
    } else {
        Box::new(whole)
    })
}
