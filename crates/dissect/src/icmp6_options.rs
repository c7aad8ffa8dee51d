//! Options of neighbour discovery (RFC 4861, 4191, 8106).

use crate::cx::{Cx, Printed};
use crate::dns;
use crate::tok::Toks;

const NAMES: &Toks = &[
    (1, "source link-address"),
    (2, "destination link-address"),
    (3, "prefix info"),
    (4, "redirected header"),
    (5, "mtu"),
    (25, "rdnss"),
    (31, "dnssl"),
    (7, "advertisement interval"),
    (8, "homeagent information"),
    (24, "route info"),
];
const PREFIX_FLAGS: &Toks = &[(0x80, "onlink"), (0x40, "auto"), (0x20, "router")];

/// How much a router is preferred.
pub(crate) const fn preference(flags: usize) -> &'static str {
    match flags >> 3 & 3 {
        0 => "medium",
        1 => "high",
        2 => "rsv",
        _ => "low",
    }
}

fn lifetime(cx: &mut Cx<'_>, at: usize) -> Printed {
    match cx.u32(at)? {
        0xffff_ffff => cx.s("infinity"),
        seconds => put!(cx, "{seconds}s"),
    }
    Ok(())
}

/// Shows options; whether they were well formed.
pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed<bool> {
    // Signed in tcpdump, where too long is negative.
    let mut left = if len > 0x7fff_ffff { 0 } else { len };
    let mut p = at;
    while p < cx.end {
        if !cx.has(p + 1, 1) {
            return Ok(false);
        }
        if left == 0 {
            return Ok(true);
        }
        let (kind, units) = (cx.u8(p)?, cx.u8(p + 1)?);
        let size = units * 8;
        if size == 0 || p + size > cx.end {
            return Ok(false);
        }
        cx.s("\n\t  ");
        tok!(cx, NAMES, kind, "unknown");
        put!(cx, " option ({kind}), length {size} ({units}): ");
        match kind {
            1 | 2 => {
                for (n, &byte) in cx.bytes(p + 2, size - 2)?.iter().enumerate() {
                    if n > 0 {
                        cx.s(":");
                    }
                    cx.hex2(byte);
                }
            }
            3 => prefix(cx, p, units)?,
            4 => cx.unknown_data(at, "\n\t    ", size)?,
            5 => {
                put!(cx, " {}", cx.u32(p + 4)?);
                if units != 1 {
                    cx.s("bad option length");
                }
            }
            25 => {
                put!(cx, " lifetime {}s,", cx.u32(p + 4)?);
                for n in 0..(units - 1) / 2 {
                    cx.after(" addr: ", |cx| cx.ip6(p + 8 + 16 * n))?;
                }
            }
            31 => {
                put!(cx, " lifetime {}s, domain(s):", cx.u32(p + 4)?);
                let mut name = p + 8;
                while name < p + size && cx.u8(name)? != 0 {
                    cx.s(" ");
                    let Some(next) = dns::name(cx, name, at)? else { return Ok(false) };
                    name = next;
                }
            }
            7 => put!(cx, " {}ms", cx.u32(p + 4)?),
            8 => put!(cx, " preference {}, lifetime {}", cx.u16(p + 4)?, cx.u16(p + 6)?),
            24 if !route(cx, p, units)? => return Ok(false),
            24 => {}
            _ if cx.o.verbose <= 1 => {
                cx.unknown_data(p + 2, "\n\t  ", size - 2)?;
                return Ok(true);
            }
            _ => {}
        }
        if cx.o.verbose > 1 {
            cx.unknown_data(p + 2, "\n\t    ", size - 2)?;
        }
        p += size;
        left = left.saturating_sub(size);
    }
    Ok(true)
}

fn prefix(cx: &mut Cx<'_>, p: usize, units: usize) -> Printed {
    cx.ip6(p + 16)?;
    put!(cx, "/{}", cx.u8(p + 2)?);
    if units != 4 {
        cx.s("badlen");
    }
    cx.s(", Flags [");
    cx.bits(PREFIX_FLAGS, cx.u8(p + 3)?, ", ", "none");
    cx.s("], valid time ");
    lifetime(cx, p + 4)?;
    cx.s(", pref. time ");
    lifetime(cx, p + 8)
}

fn route(cx: &mut Cx<'_>, p: usize, units: usize) -> Printed<bool> {
    if !cx.has(p + 4, 4) {
        return Ok(false);
    }
    let size = match units {
        1 => 0,
        2 => 8,
        3 => 16,
        _ => return Ok(false),
    };
    let mut addr = [0; 16];
    for (to, &from) in addr.iter_mut().zip(cx.bytes(p + 8, size)?) {
        *to = from;
    }
    cx.s(" ");
    cx.colons(addr);
    put!(cx, "/{}, pref={}, lifetime=", cx.u8(p + 2)?, preference(cx.u8(p + 3)?));
    lifetime(cx, p + 4)?;
    Ok(true)
}
