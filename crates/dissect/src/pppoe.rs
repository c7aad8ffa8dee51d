//! PPP over Ethernet (RFC 2516).

use crate::cx::{Cx, Printed};
use crate::ppp;
use crate::tok::Toks;

const CODES: &Toks =
    &[(9, "PADI"), (7, "PADO"), (0x19, "PADR"), (0x65, "PADS"), (0xa7, "PADT"), (0, "")];
const TAGS: &Toks = &[
    (0, "EOL"),
    (0x0101, "Service-Name"),
    (0x0102, "AC-Name"),
    (0x0103, "Host-Uniq"),
    (0x0104, "AC-Cookie"),
    (0x0105, "Vendor-Specific"),
    (0x0110, "Relay-Session-ID"),
    (0x0120, "PPP-Max-Payload"),
    (0x0201, "Service-Name-Error"),
    (0x0202, "AC-System-Error"),
    (0x0203, "Generic-Error"),
];
/// Characters of a tag that are shown.
const LONGEST_TAG: usize = 79;

/// A packet; gives the length of its headers.
pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed<usize> {
    cx.proto = "pppoe";
    if len < 6 {
        put!(cx, " (length {len} < 6)");
        cx.invalid();
        return Ok(0);
    }
    cx.need(at, 6)?;
    let left = len - 6;
    let (first, code) = (cx.u8(at)?, cx.u8(at + 1)?);
    let (session, mut size) = (cx.u16(at + 2)?, cx.u16(at + 4)?);
    if first >> 4 != 1 {
        put!(cx, " [ver {}]", first >> 4);
    }
    if first & 15 != 1 {
        put!(cx, " [type {}]", first & 15);
    }
    cx.s("PPPoE ");
    tok!(cx, CODES, code, "PAD-{code:x}");
    if code == 9 && size > 1478 {
        put!(cx, " [len {size}!]");
    }
    if size > left {
        put!(cx, " [len {size} > {left}!]");
        size = left;
    }
    if session != 0 {
        put!(cx, " [ses 0x{session:x}]");
    }
    if code == 0 {
        cx.s(" ");
        return Ok(6 + ppp::print(cx, at + 6, size)?);
    }
    let (mut p, end) = (at + 6, at + 6 + size);
    let mut kind = usize::MAX;
    while kind != 0 && p < end {
        kind = cx.u16(p)?;
        let size = cx.u16(p + 2)?;
        p += 4;
        if size > 0 {
            cx.need(p, size)?;
        }
        cx.s(" [");
        tok!(cx, TAGS, kind, "TAG-0x{kind:x}");
        if size > 0 {
            tag(cx, p, size)?;
        }
        cx.s("]");
        p += size;
    }
    Ok(6)
}

fn tag(cx: &mut Cx<'_>, p: usize, size: usize) -> Printed {
    let value = cx.bytes(p, size)?;
    let shown = value.get(..size.min(LONGEST_TAG)).unwrap_or_default();
    let is_text = |c: &u8| (0x20..0x7f).contains(c);
    let text = shown.iter().filter(|c| is_text(c)).count();
    if text > shown.len() - text {
        cx.s(" \"");
        for c in shown {
            cx.out.push(if is_text(c) { *c } else { b'.' });
        }
        cx.s("\"");
    } else {
        cx.s(" 0x");
        for byte in value {
            put!(cx, "{byte:02X}");
        }
    }
    Ok(())
}
