//! Options of TCP.

use crate::cx::{Cx, Printed};
use crate::mptcp;
use crate::tcp::First;
use crate::tok::Toks;

const END: usize = 0;
const NOP: usize = 1;
const NAMES: &Toks = &[
    (END, "eol"),
    (NOP, "nop"),
    (2, "mss"),
    (3, "wscale"),
    (4, "sackOK"),
    (5, "sack"),
    (6, "echo"),
    (7, "echoreply"),
    (8, "TS"),
    (11, "cc"),
    (12, "ccnew"),
    (13, ""),
    (19, "md5"),
    (20, "scps"),
    (28, "uto"),
    (29, "tcp-ao"),
    (30, "mptcp"),
    (34, "tfo"),
    (254, "exp"),
];

/// How options ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Whole,
    /// One does not hold what it should: nothing else is shown.
    Bad,
    /// The capture ends within.
    Cut,
}

/// The options in brackets, of a header of `head` bytes.
pub(crate) fn options(
    cx: &mut Cx<'_>,
    at: usize,
    head: usize,
    flags: usize,
    first: &First,
) -> Printed<Ended> {
    cx.s(", options [");
    let (mut p, end) = (at + 20, at + head);
    let mut comma = false;
    while p < end {
        if comma {
            cx.s(",");
        }
        let kind = cx.u8(p)?;
        let len = if kind <= NOP { 1 } else { cx.u8(p + 1)? };
        if kind > NOP && (len < 2 || len > end - p) {
            cx.s("[bad opt]");
            if comma {
                cx.s("]");
            }
            return Ok(Ended::Bad);
        }
        tok!(cx, NAMES, kind, "unknown-{kind}");
        let data = if kind <= NOP { p + 1 } else { p + 2 };
        let mut option = Opt { p: data, left: end - data, used: 0 };
        match option.print(cx, kind, len, flags, first)? {
            Ended::Whole => {}
            Ended::Bad => {
                cx.s("[bad opt]");
                if comma {
                    cx.s("]");
                }
                return Ok(Ended::Bad);
            }
            Ended::Cut => {
                cx.trunc();
                if comma {
                    cx.s(">");
                }
                return Ok(Ended::Cut);
            }
        }
        if option.used + (data - p) != len {
            put!(cx, "[len {len}]");
        }
        p = data + option.used;
        comma = true;
        if kind == END {
            break;
        }
    }
    cx.s("]");
    Ok(Ended::Whole)
}

struct Opt {
    /// Where its data starts.
    p: usize,
    /// Bytes of the header from there on.
    left: usize,
    /// Bytes of data that its kind has.
    used: usize,
}

/// Ends the option unless so many of its bytes are in the header and captured.
macro_rules! check {
    ($opt:expr, $cx:expr, $len:expr) => {
        if $len > $opt.left {
            return Ok(Ended::Bad);
        }
        if !$cx.has($opt.p, $len) {
            return Ok(Ended::Cut);
        }
    };
}

impl Opt {
    fn print(
        &mut self,
        cx: &mut Cx<'_>,
        kind: usize,
        len: usize,
        flags: usize,
        first: &First,
    ) -> Printed<Ended> {
        let p = self.p;
        match kind {
            END | NOP | 4 => {}
            2 => {
                self.used = 2;
                check!(self, cx, 2);
                cx.s(" ");
                cx.u(cx.u16(p)?);
            }
            3 => {
                self.used = 1;
                check!(self, cx, 1);
                cx.s(" ");
                cx.u(cx.u8(p)?);
            }
            5 => return self.sack(cx, len - 2, first),
            6 | 7 | 11..=13 => {
                self.used = 4;
                check!(self, cx, 4);
                put!(cx, " {}", cx.u32(p)?);
            }
            8 => {
                self.used = 8;
                check!(self, cx, 8);
                cx.s(" val ");
                cx.u(cx.u32(p)?);
                cx.s(" ecr ");
                cx.u(cx.u32(p + 4)?);
            }
            19 => {
                self.used = 16;
                check!(self, cx, 16);
                // Neither the data nor a secret to check it with.
                cx.s(if first.whole {
                    " shared secret not supplied with -M, "
                } else {
                    " snaplen too short, "
                });
                cx.s("can't check - ");
                self.hex(cx, 16)?;
            }
            20 => {
                self.used = 2;
                check!(self, cx, 2);
                put!(cx, " cap {:02x} id {}", cx.u8(p)?, cx.u8(p + 1)?);
            }
            28 => {
                self.used = 2;
                check!(self, cx, 2);
                let value = cx.u16(p)?;
                let seconds = (value >> 1) * if value & 1 == 1 { 60 } else { 1 };
                put!(cx, " 0x{value:x} {seconds}");
            }
            29 => return self.authentication(cx, len - 2),
            30 => {
                self.used = len - 2;
                check!(self, cx, self.used);
                let saved = cx.end;
                cx.end = saved.min(p - 2 + len);
                let good = mptcp::print(cx, p - 2, len, flags)?;
                cx.end = saved;
                if !good {
                    return Ok(Ended::Bad);
                }
            }
            34 => {
                self.used = len - 2;
                check!(self, cx, self.used);
                cx.s(" ");
                self.fast_open(cx, p, self.used)?;
            }
            254 => {
                self.used = len - 2;
                check!(self, cx, self.used);
                if self.used < 2 {
                    return Ok(Ended::Bad);
                }
                cx.s("-");
                let magic = cx.u16(p)?;
                if magic == 0xf989 {
                    cx.s("tfo");
                    self.fast_open(cx, p + 2, self.used - 2)?;
                } else {
                    put!(cx, "{magic:04x}");
                }
            }
            _ => {
                self.used = len - 2;
                if self.used > 0 {
                    cx.s(" 0x");
                }
                for n in 0..self.used {
                    check!(self, cx, n + 1);
                    cx.hex2(cx.byte(p + n)?);
                }
            }
        }
        Ok(Ended::Whole)
    }

    fn hex(&self, cx: &mut Cx<'_>, len: usize) -> Printed {
        for &byte in cx.bytes(self.p, len)? {
            cx.hex2(byte);
        }
        Ok(())
    }

    fn sack(&mut self, cx: &mut Cx<'_>, len: usize, first: &First) -> Printed<Ended> {
        self.used = len;
        if !len.is_multiple_of(8) {
            cx.s(" invalid sack");
            return Ok(Ended::Whole);
        }
        put!(cx, " {} ", len / 8);
        let base = if first.reverse { first.seq } else { first.ack };
        for n in (0..len).step_by(8) {
            check!(self, cx, n + 4);
            let start = cx.word(self.p + n)?.wrapping_sub(base);
            check!(self, cx, n + 8);
            let end = cx.word(self.p + n + 4)?.wrapping_sub(base);
            put!(cx, "{{{start}:{end}}}");
        }
        Ok(Ended::Whole)
    }

    fn authentication(&mut self, cx: &mut Cx<'_>, len: usize) -> Printed<Ended> {
        self.used = len;
        if len < 2 {
            cx.invalid();
            return Ok(Ended::Whole);
        }
        check!(self, cx, 1);
        put!(cx, " keyid {}", cx.u8(self.p)?);
        check!(self, cx, 2);
        put!(cx, " rnextkeyid {}", cx.u8(self.p + 1)?);
        if len > 2 {
            cx.s(" mac 0x");
        }
        for n in 2..len {
            check!(self, cx, n + 1);
            cx.hex2(cx.byte(self.p + n)?);
        }
        Ok(Ended::Whole)
    }

    fn fast_open(&self, cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
        if len == 0 {
            cx.s(" cookiereq");
        } else if !len.is_multiple_of(2) || !(4..=16).contains(&len) {
            cx.invalid();
        } else {
            cx.s(" cookie ");
            for &byte in cx.bytes(at, len)? {
                cx.hex2(byte);
            }
        }
        Ok(())
    }
}
