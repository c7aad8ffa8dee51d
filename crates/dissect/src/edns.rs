//! Options of the OPT record (RFC 6891).

use crate::cx::{Cx, Printed};
use crate::dns::name_from;
use crate::tok::Toks;

const NAMES: &Toks = &[
    (1, "LLQ"),
    (2, "UL"),
    (3, "NSID"),
    (5, "DAU"),
    (6, "DHU"),
    (7, "N3U"),
    (8, "ECS"),
    (9, "EXPIRE"),
    (10, "COOKIE"),
    (11, "KEEPALIVE"),
    (12, "PADDING"),
    (13, "CHAIN"),
    (14, "KEY-TAG"),
    (16, "CLIENT-TAG"),
    (17, "SERVER-TAG"),
];
const SIGNATURES: &Toks = &[
    (0, "DELETE"),
    (1, "RSAMD5"),
    (2, "DH"),
    (3, "DS"),
    (5, "RSASHA1"),
    (6, "DSA-NSEC3-SHA1"),
    (7, "RSASHA1-NSEC3-SHA1"),
    (8, "RSASHA256"),
    (10, "RSASHA512"),
    (12, "ECC-GOST"),
    (13, "ECDSAP256SHA256"),
    (14, "ECDSAP384SHA384"),
    (15, "ED25519"),
    (16, "ED448"),
    (252, "INDIRECT"),
    (253, "PRIVATEDNS"),
    (254, "PRIVATEOID"),
];
const DIGESTS: &Toks = &[(1, "SHA-1"), (2, "SHA-256"), (3, "GOST_R_34.11-94"), (4, "SHA-384")];
const HASHES: &Toks = &[(1, "SHA-1")];

/// Shows options in brackets; whether they were all there.
pub(crate) fn options(cx: &mut Cx<'_>, at: usize, end: usize) -> Printed<bool> {
    if at >= end {
        return Ok(true);
    }
    cx.s(" [");
    let mut p = at;
    while p < end {
        if !cx.has(p, 2) {
            return Ok(false);
        }
        let kind = cx.u16(p)?;
        tok!(cx, NAMES, kind, "Opt{kind}");
        if !cx.has(p + 2, 2) {
            return Ok(false);
        }
        let len = cx.u16(p + 2)?;
        if !cx.has(p + 4, len) {
            return Ok(false);
        }
        if len > 0 {
            cx.s(" ");
            option(cx, kind, p + 4, len)?;
        }
        p += 4 + len;
        if p < end {
            cx.s(",");
        }
    }
    cx.s("]");
    Ok(true)
}

fn option(cx: &mut Cx<'_>, kind: usize, p: usize, len: usize) -> Printed {
    let list = |cx: &mut Cx<'_>, table: &'static Toks| -> Printed {
        for n in 0..len {
            if n > 0 {
                cx.s(" ");
            }
            let number = cx.u8(p + n)?;
            tok!(cx, table, number, "Alg_{number}");
        }
        Ok(())
    };
    match kind {
        5 => return list(cx, SIGNATURES),
        6 => return list(cx, DIGESTS),
        7 => return list(cx, HASHES),
        8 => return client_subnet(cx, p, len),
        9 if len == 4 => put!(cx, "{} sec", cx.u32(p)?),
        10 if len == 8 || (16..=40).contains(&len) => {
            for (n, &byte) in cx.bytes(p, len)?.iter().enumerate() {
                if n == 8 {
                    cx.s(" ");
                }
                cx.hex2(byte);
            }
        }
        11 if len == 2 => {
            let tenths = cx.u16(p)?;
            put!(cx, "{}.{} sec", tenths / 10, tenths % 10);
        }
        12 => put!(cx, "({len})"),
        13 => {
            name_from(cx, p, p + len)?;
        }
        14 if len.is_multiple_of(2) => {
            for n in (0..len).step_by(2) {
                if n > 0 {
                    cx.s(" ");
                }
                put!(cx, "{}", cx.u16(p + n)?);
            }
        }
        9 | 10 | 11 | 14 => cx.invalid(),
        _ => {
            for &byte in cx.bytes(p, len)? {
                cx.hex2(byte);
            }
        }
    }
    Ok(())
}

/// RFC 7871.
fn client_subnet(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed {
    if len < 4 {
        cx.invalid();
        return Ok(());
    }
    let (family, source, scope) = (cx.u16(p)?, cx.u8(p + 2)?, cx.u8(p + 3)?);
    let bits = match family {
        1 => 32,
        2 => 128,
        _ => 0,
    };
    if bits == 0
        || len - 4 > bits / 8
        || source > bits
        || scope > bits
        || source.div_ceil(8) != len - 4
    {
        cx.invalid();
        return Ok(());
    }
    let mut addr = [0; 16];
    for (to, &from) in addr.iter_mut().zip(cx.bytes(p + 4, len - 4)?) {
        *to = from;
    }
    if family == 1 {
        let [a, b, c, d, ..] = addr;
        cx.dotted([a, b, c, d]);
    } else {
        cx.colons(addr);
    }
    put!(cx, "/{source}/{scope}");
    Ok(())
}
