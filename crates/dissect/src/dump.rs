//! Bytes after a line.

use crate::cx::{Cut, Cx, Printed, hex};
use crate::options::Bytes;

const PER_LINE: usize = 16;
/// Five characters for two bytes.
const HEX_WIDTH: usize = 40;

impl Cx<'_> {
    /// The captured bytes as options ask; `link` is the length of the link header.
    pub(crate) fn print_bytes(&mut self, link: usize) -> Printed {
        let from = |all| if all { 0 } else { link };
        match self.o.bytes {
            Bytes::No => Ok(()),
            Bytes::Hex { link } if self.end > from(link) => {
                self.hex("\n\t", from(link), self.end - from(link))
            }
            Bytes::HexAscii { link } if self.end > from(link) => {
                self.hex_ascii("\n\t", from(link), self.end - from(link))
            }
            Bytes::Ascii { link } if self.end > from(link) => {
                self.ascii(from(link), self.end - from(link))
            }
            _ => Ok(()),
        }
    }

    /// What a printer shows of a payload that it does not know.
    pub(crate) fn default_print(&mut self, at: usize, len: usize) -> Printed {
        match self.o.bytes {
            Bytes::Hex { .. } | Bytes::HexAscii { .. } => Ok(()),
            _ if self.o.quick => Ok(()),
            _ => self.hex_ascii("\n\t", at, len),
        }
    }

    /// As [`Cx::default_print`], whatever else is shown.
    pub(crate) fn always_print(&mut self, at: usize, len: usize) -> Printed {
        self.hex_ascii("\n\t", at, len)
    }

    /// Bytes that a printer does not know, as many as there are.
    pub(crate) fn unknown_data(&mut self, at: usize, indent: &str, len: usize) -> Printed {
        if at > self.end {
            put!(
                self,
                "{indent}Dissector error: print_unknown_data called with pointer past end of packet"
            );
            return Ok(());
        }
        self.hex(indent, at, len.min(self.left(at)))
    }

    pub(crate) fn hex(&mut self, indent: &str, at: usize, len: usize) -> Printed {
        let have = len.min(self.left(at));
        let bytes = self.bytes(at, have).unwrap_or_default();
        for (n, line) in bytes.chunks(PER_LINE).enumerate() {
            self.s(indent);
            self.offset(n * PER_LINE);
            for (n, &byte) in line.iter().enumerate() {
                if n % 2 == 0 {
                    self.out.push(b' ');
                }
                self.hex2(byte);
            }
        }
        if have < len { Err(Cut) } else { Ok(()) }
    }

    pub(crate) fn hex_ascii(&mut self, indent: &str, at: usize, len: usize) -> Printed {
        let have = len.min(self.left(at));
        let bytes = self.bytes(at, have).unwrap_or_default();
        self.out.reserve(bytes.len().div_ceil(PER_LINE) * 70);
        for (n, line) in bytes.chunks(PER_LINE).enumerate() {
            self.s(indent);
            self.offset(n * PER_LINE);
            let mut text = [b' '; HEX_WIDTH + 2 + PER_LINE];
            for (n, &byte) in line.iter().enumerate() {
                let place = n / 2 * 5 + n % 2 * 2 + 1;
                if let Some(to) = text.get_mut(place..place + 2) {
                    to.copy_from_slice(&hex(byte));
                }
                if let Some(to) = text.get_mut(HEX_WIDTH + 2 + n) {
                    *to = if byte.is_ascii_graphic() { byte } else { b'.' };
                }
            }
            let width = HEX_WIDTH + 2 + line.len();
            self.out.extend_from_slice(text.get(..width).unwrap_or_default());
        }
        if have < len { Err(Cut) } else { Ok(()) }
    }

    /// `0x0010: `, as wide as it must be.
    fn offset(&mut self, n: usize) {
        let [.., a, b, c, d] = n.to_be_bytes();
        self.s("0x");
        if a | b != 0 {
            put!(self, "{n:04x}");
        } else {
            self.hex2(c);
            self.hex2(d);
        }
        self.s(": ");
    }

    fn ascii(&mut self, at: usize, len: usize) -> Printed {
        let bytes = self.bytes(at, len.min(self.left(at))).unwrap_or_default();
        self.out.reserve(bytes.len() + 1);
        self.s("\n");
        for (n, &c) in bytes.iter().enumerate() {
            match c {
                // Line ends of other systems are not shown, other returns are.
                b'\r' => {
                    let left = bytes.len() - n - 1;
                    if left > 1 && bytes.get(n + 1) != Some(&b'\n') {
                        self.out.push(b'.');
                    }
                }
                b'\t' | b' ' | b'\n' => self.out.push(c),
                _ if c.is_ascii_graphic() => self.out.push(c),
                _ => self.out.push(b'.'),
            }
        }
        Ok(())
    }
}
