//! The formats of `bpf_trace_printk` and `bpf_snprintf`.
//!
//! Accepted are the conversions `d i u x X c s p`, with `l`, `ll`, width, `0`, `-`, `+` and space, and
//! the pointer extensions `pK px ps pS pB pks pus pi4 pI4 pi6 pI6`. Kernel: `bpf_bprintf_prepare`.

use crate::memory::Memory;
use alloc::format as text;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use skep_abi::Errno;

/// Longest text that `%s` copies.
const MAX_STRING: usize = 512;
/// Widest field.
const MAX_WIDTH: usize = 512;

/// Formats the arguments; strings and addresses are read from the program's memory.
pub(super) fn format(fmt: &[u8], args: &[u64], mem: &Memory<'_>) -> Result<Vec<u8>, Errno> {
    let mut out = Vec::new();
    let mut args = args.iter().copied();
    let mut rest = fmt;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'%' if rest.first() == Some(&b'%') => {
                out.push(b'%');
                rest = rest.get(1..).unwrap_or_default();
            }
            b'%' => {
                let arg = args.next().ok_or(Errno::EINVAL)?;
                rest = conversion(&mut out, rest, arg, mem)?;
            }
            byte if byte.is_ascii_control() && !byte.is_ascii_whitespace() => {
                return Err(Errno::EINVAL);
            }
            byte => out.push(byte),
        }
    }
    Ok(out)
}

/// Flags and width of a conversion.
#[derive(Default)]
struct Field {
    zero: bool,
    left: bool,
    plus: bool,
    space: bool,
    width: usize,
}

/// One conversion after its `%`; returns what follows it.
fn conversion<'a>(
    out: &mut Vec<u8>,
    spec: &'a [u8],
    arg: u64,
    mem: &Memory<'_>,
) -> Result<&'a [u8], Errno> {
    let (field, spec) = field(spec);
    if let Some(rest) = spec.strip_prefix(b"p") {
        let (shown, used) = pointer(rest, arg, mem)?;
        field.put(out, shown.as_bytes());
        return Ok(rest.get(used..).unwrap_or_default());
    }
    let (long, spec) = match spec {
        [b'l', b'l', rest @ ..] | [b'l', rest @ ..] => (true, rest),
        spec => (false, spec),
    };
    let (&kind, rest) = spec.split_first().ok_or(Errno::EINVAL)?;
    #[expect(clippy::cast_possible_truncation, reason = "without `l` the argument is an int")]
    let int = arg as u32;
    let unsigned = if long { arg } else { int.into() };
    match kind {
        b'd' | b'i' => {
            let value = if long { arg.cast_signed() } else { int.cast_signed().into() };
            field.number(out, value < 0, &text!("{}", value.unsigned_abs()));
        }
        b'u' => field.number(out, false, &text!("{unsigned}")),
        b'x' => field.number(out, false, &text!("{unsigned:x}")),
        b'X' => field.number(out, false, &text!("{unsigned:X}")),
        b'c' if !long => field.put(out, &arg.to_le_bytes()[..1]),
        b's' if !long => field.put(out, &mem.read_str(arg, MAX_STRING).unwrap_or_default()),
        _ => return Err(Errno::EINVAL),
    }
    Ok(rest)
}

fn field(spec: &[u8]) -> (Field, &[u8]) {
    let mut field = Field::default();
    let mut rest = spec;
    while let Some((&flag, after)) = rest.split_first() {
        match flag {
            b'0' => field.zero = true,
            b'-' => field.left = true,
            b'+' => field.plus = true,
            b' ' => field.space = true,
            _ => break,
        }
        rest = after;
    }
    while let Some((digit @ b'0'..=b'9', after)) = rest.split_first() {
        field.width = (field.width * 10 + usize::from(digit - b'0')).min(MAX_WIDTH);
        rest = after;
    }
    (field, rest)
}

/// What follows `%p`: the text, and the bytes of the extension.
fn pointer(ext: &[u8], arg: u64, mem: &Memory<'_>) -> Result<(String, usize), Errno> {
    let hex = || text!("{arg:016x}");
    Ok(match ext {
        [b'k' | b'u', b's', ..] => {
            let read = mem.read_str(arg, MAX_STRING).unwrap_or_default();
            (String::from_utf8_lossy(&read).into_owned(), 2)
        }
        [kind @ (b'i' | b'I'), b'4', ..] => {
            let mut octets = [0; 4];
            // What cannot be read is shown as zeroes.
            let _ = mem.read(arg, &mut octets);
            let [a, b, c, d] = octets;
            let padded = text!("{a:03}.{b:03}.{c:03}.{d:03}");
            (if *kind == b'i' { padded } else { text!("{}", Ipv4Addr::from(octets)) }, 2)
        }
        [kind @ (b'i' | b'I'), b'6', ..] => {
            let mut octets = [0; 16];
            let _ = mem.read(arg, &mut octets);
            let [a, b, c, d, e, f, g, h] = Ipv6Addr::from(octets).segments();
            (
                match kind {
                    b'i' => text!("{:032x}", u128::from_be_bytes(octets)),
                    _ => text!("{a:04x}:{b:04x}:{c:04x}:{d:04x}:{e:04x}:{f:04x}:{g:04x}:{h:04x}"),
                },
                2,
            )
        }
        [b'K' | b'x' | b's' | b'S' | b'B', ..] => (hex(), 1),
        [] => (hex(), 0),
        [byte, ..] if byte.is_ascii_whitespace() || byte.is_ascii_punctuation() => (hex(), 0),
        _ => return Err(Errno::EINVAL),
    })
}

impl Field {
    fn put(&self, out: &mut Vec<u8>, shown: &[u8]) {
        let pad = self.width.saturating_sub(shown.len());
        let spaces = core::iter::repeat_n(b' ', pad);
        if self.left {
            out.extend_from_slice(shown);
            out.extend(spaces);
        } else {
            out.extend(spaces);
            out.extend_from_slice(shown);
        }
    }

    fn number(&self, out: &mut Vec<u8>, negative: bool, digits: &str) {
        let sign = match (negative, self.plus, self.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        };
        let zeroes = match self.zero && !self.left {
            true => self.width.saturating_sub(sign.len() + digits.len()),
            false => 0,
        };
        self.put(out, text!("{sign}{}{digits}", "0".repeat(zeroes)).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Bytes, Heap, PacketBuf, STACK, TemporaryStorage, address, cells};

    #[track_caller]
    fn check(fmt: &str, args: &[u64], expected: Result<&str, Errno>) {
        let mut stack = *b"text\0\x0a\x00\x00\x01";
        let mut heap = Heap::default();
        let mut packet = PacketBuf::default();
        let bytes = [Bytes::new(cells(&mut stack), 0, true), Bytes::default(), Bytes::default()];
        let none = TemporaryStorage::default();
        let mem = Memory::new(&[], none, bytes, &[], &mut packet, &mut heap);
        let got = format(fmt.as_bytes(), args, &mem).map(|text| String::from_utf8(text).unwrap());
        assert_eq!(got.as_deref().map_err(|&errno| errno), expected);
    }

    #[test]
    fn conversions() {
        let minus = u64::MAX;
        check("plain 100%%\n", &[], Ok("plain 100%\n"));
        check(
            "%d %u %ld %lu",
            &[minus, minus, minus, minus],
            Ok("-1 4294967295 -1 18446744073709551615"),
        );
        check("%x %llX %i", &[255, 0xabcd, 7], Ok("ff ABCD 7"));
        check("[%5d|%-5d|%05d|%+d|% d]", &[42, 42, 42, 42, 42], Ok("[   42|42   |00042|+42| 42]"));
        check("[%05d]", &[minus], Ok("[-0001]"));
        check(
            "%s %c %pks",
            &[address(STACK, 0), b'z'.into(), address(STACK, 0)],
            Ok("text z text"),
        );
        check("%pI4 %pi4", &[address(STACK, 5), address(STACK, 5)], Ok("10.0.0.1 010.000.000.001"));
        check("%p, %px", &[0xff, 1], Ok("00000000000000ff, 0000000000000001"));
        check("%s", &[0], Ok(""));
    }

    #[test]
    fn refused() {
        for fmt in ["%d", "%", "%q", "%pz", "%ls", "%5", "\x01", "%l"] {
            let args: &[u64] = if fmt == "%d" { &[] } else { &[0] };
            check(fmt, args, Err(Errno::EINVAL));
        }
    }
}
