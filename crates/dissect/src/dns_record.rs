//! Records of DNS.

use crate::cx::{Cx, Printed};
use crate::dns::{name, skip_name};
use crate::edns;
use crate::tok::Toks;

pub(crate) const TYPES: &Toks = &[
    (1, "A"),
    (2, "NS"),
    (3, "MD"),
    (4, "MF"),
    (5, "CNAME"),
    (6, "SOA"),
    (7, "MB"),
    (8, "MG"),
    (9, "MR"),
    (10, "NULL"),
    (11, "WKS"),
    (12, "PTR"),
    (13, "HINFO"),
    (14, "MINFO"),
    (15, "MX"),
    (16, "TXT"),
    (17, "RP"),
    (18, "AFSDB"),
    (19, "X25"),
    (20, "ISDN"),
    (21, "RT"),
    (22, "NSAP"),
    (23, "NSAP_PTR"),
    (24, "SIG"),
    (25, "KEY"),
    (26, "PX"),
    (27, "GPOS"),
    (28, "AAAA"),
    (29, "LOC"),
    (30, "NXT"),
    (31, "EID"),
    (32, "NIMLOC"),
    (33, "SRV"),
    (34, "ATMA"),
    (35, "NAPTR"),
    (36, "KX"),
    (37, "CERT"),
    (38, "A6"),
    (39, "DNAME"),
    (40, "SINK"),
    (41, "OPT"),
    (42, "APL"),
    (43, "DS"),
    (44, "SSHFP"),
    (45, "IPSECKEY"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (99, "SPF"),
    (100, "UINFO"),
    (101, "UID"),
    (102, "GID"),
    (103, "UNSPEC"),
    (104, "UNSPECA"),
    (249, "TKEY"),
    (250, "TSIG"),
    (251, "IXFR"),
    (252, "AXFR"),
    (253, "MAILB"),
    (254, "MAILA"),
    (255, "ANY"),
    (256, "URI"),
];
const CLASSES: &Toks = &[(1, "IN"), (3, "CHAOS"), (4, "HS"), (255, "ANY")];
const OPT: usize = 41;

/// A type, with a space before.
pub(crate) fn type_name(cx: &mut Cx<'_>, number: usize) {
    cx.s(" ");
    tok!(cx, TYPES, number, "Type{number}");
}

/// A class, with a space before, unless it is the Internet's.
pub(crate) fn class(cx: &mut Cx<'_>, number: usize) {
    if number != 1 {
        cx.s(" ");
        tok!(cx, CLASSES, number, "(Class {number})");
    }
}

/// Shows a record; where it ends, unless it does not. `message` is what pointers count from.
pub(crate) fn record(
    cx: &mut Cx<'_>,
    at: usize,
    message: usize,
    multicast: bool,
) -> Printed<Option<usize>> {
    let p = if cx.o.verbose > 0 {
        cx.s(" ");
        match name(cx, at, message)? {
            Some(p) => Some(p),
            None => return Ok(None),
        }
    } else {
        skip_name(cx, at)?
    };
    let Some(p) = p.filter(|&p| cx.has(p, 10)) else { return Ok(Some(cx.end)) };
    let (kind, number) = (cx.u16(p)?, cx.u16(p + 2)?);
    let class_number = if multicast { number & 0x7fff } else { number };
    if kind != OPT {
        class(cx, class_number);
    }
    if multicast && number & 0x8000 != 0 {
        cx.s(" (Cache flush)");
    }
    if kind != OPT && cx.o.verbose > 2 {
        cx.s(" [");
        cx.duration(cx.u32(p + 4)?);
        cx.s("]");
    }
    let flags = cx.u16(p + 6)?;
    let len = cx.u16(p + 8)?;
    let p = p + 10;
    type_name(cx, kind);
    let end = p + len;
    if end > cx.end {
        return Ok(None);
    }
    let whole = match kind {
        OPT => {
            put!(cx, " UDPsize={class_number}");
            if flags & 0x8000 != 0 {
                cx.s(" DO");
            }
            edns::options(cx, p, end)?
        }
        _ => data(cx, kind, p, len, message)?,
    };
    Ok(whole.then_some(end))
}

/// What a record says; whether it was all there.
fn data(cx: &mut Cx<'_>, kind: usize, p: usize, len: usize, message: usize) -> Printed<bool> {
    match kind {
        1 if !cx.has(p, 4) => return Ok(false),
        1 => {
            cx.s(" ");
            cx.dotted(cx.ipv4(p)?);
        }
        2 | 5 | 12 | 39 => {
            cx.s(" ");
            return Ok(name(cx, p, message)?.is_some());
        }
        6 if cx.o.verbose > 0 => return authority(cx, p, message),
        15 => {
            cx.s(" ");
            if !cx.has(p, 2) || name(cx, p + 2, message)?.is_none() {
                return Ok(false);
            }
            put!(cx, " {}", cx.u16(p)?);
        }
        16 => {
            let (mut p, end) = (p, p + len);
            while p < end {
                cx.s(" \"");
                if !cx.has(p, 1) {
                    return Ok(false);
                }
                let size = cx.u8(p)?;
                if cx.chars(p + 1, size) {
                    return Ok(false);
                }
                cx.s("\"");
                p += 1 + size;
            }
        }
        33 => {
            cx.s(" ");
            if !cx.has(p, 6) || name(cx, p + 6, message)?.is_none() {
                return Ok(false);
            }
            put!(cx, ":{} {} {}", cx.u16(p + 4)?, cx.u16(p)?, cx.u16(p + 2)?);
        }
        28 if !cx.has(p, 16) => return Ok(false),
        28 => {
            cx.s(" ");
            cx.colons(cx.ipv6(p)?);
        }
        38 => return a6(cx, p, message),
        256 => {
            put!(cx, " {} {} ", cx.u16(p)?, cx.u16(p + 2)?);
            return Ok(!cx.chars(p + 4, crate::cx::sub32(len, 4)));
        }
        104 => return Ok(!cx.chars(p, len)),
        250 if cx.o.verbose > 0 => return signature(cx, p, message),
        _ => {}
    }
    Ok(true)
}

fn authority(cx: &mut Cx<'_>, p: usize, message: usize) -> Printed<bool> {
    let mut p = p;
    for _ in 0..2 {
        cx.s(" ");
        match name(cx, p, message)? {
            Some(next) => p = next,
            None => return Ok(false),
        }
    }
    if !cx.has(p, 20) {
        return Ok(false);
    }
    for n in 0..5 {
        put!(cx, " {}", cx.u32(p + 4 * n)?);
    }
    Ok(true)
}

/// RFC 2874.
fn a6(cx: &mut Cx<'_>, p: usize, message: usize) -> Printed<bool> {
    if !cx.has(p, 1) {
        return Ok(false);
    }
    let bits = cx.u8(p)?;
    let skip = bits / 8;
    if bits > 128 {
        put!(cx, " {bits}(bad plen)");
        return Ok(true);
    }
    if bits < 128 {
        let mut addr = [0; 16];
        let given = cx.bytes(p + 1, 16 - skip)?;
        for (to, &from) in addr.iter_mut().skip(skip).zip(given) {
            *to = from;
        }
        put!(cx, " {bits} ");
        cx.colons(addr);
    }
    if bits > 0 {
        cx.s(" ");
        return Ok(name(cx, p + 17 - skip, message)?.is_some());
    }
    Ok(true)
}

/// RFC 8945.
fn signature(cx: &mut Cx<'_>, p: usize, message: usize) -> Printed<bool> {
    cx.s(" ");
    let Some(p) = name(cx, p, message)? else { return Ok(false) };
    let mut p = p + 6;
    for field in ["fudge", "maclen", "origid", "error", "otherlen"] {
        if !cx.has(p, 2) {
            return Ok(false);
        }
        let value = cx.u16(p)?;
        put!(cx, " {field}={value}");
        p += 2;
        if field == "maclen" {
            p += value;
        }
    }
    Ok(true)
}
