//! Compression on the way out.

use super::Finish;
use flate2::write::GzEncoder;
use std::io::{self, BufWriter, Write};
use zstd::stream::write::Encoder;

/// Bytes written at once.
const CHUNK: usize = 1 << 16;

/// How a file is compressed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

/// Buffered bytes on their way to a file.
pub(super) enum Output {
    Plain(BufWriter<Box<dyn Write>>),
    Gzip(BufWriter<GzEncoder<Box<dyn Write>>>),
    Zstd(BufWriter<Encoder<'static, Box<dyn Write>>>),
}

impl Output {
    pub(super) fn new(file: Box<dyn Write>, compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::Plain(BufWriter::with_capacity(CHUNK, file)),
            Compression::Gzip => Self::Gzip(BufWriter::with_capacity(
                CHUNK,
                GzEncoder::new(file, flate2::Compression::default()),
            )),
            Compression::Zstd => {
                let level = zstd::DEFAULT_COMPRESSION_LEVEL;
                Self::Zstd(BufWriter::with_capacity(CHUNK, Encoder::new(file, level)?))
            }
        })
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Plain(out) => out,
            Self::Gzip(out) => out,
            Self::Zstd(out) => out,
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer().flush()
    }
}

impl Finish for Output {
    fn finish(&mut self) -> io::Result<()> {
        self.flush()?;
        match self {
            Self::Plain(_) => Ok(()),
            Self::Gzip(out) => {
                out.get_mut().try_finish()?;
                out.get_mut().get_mut().flush()
            }
            Self::Zstd(out) => {
                out.get_mut().do_finish()?;
                out.get_mut().get_mut().flush()
            }
        }
    }
}
