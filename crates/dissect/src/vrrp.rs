//! Virtual router redundancy (RFC 3768, 5798).

use crate::cx::{Cx, Printed};
use crate::ip::Around;
use crate::sum::sum;
use crate::tok::Toks;

const AUTHENTICATION: &Toks = &[(0, "none"), (1, "simple"), (2, "ah")];

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize, around: Around) -> Printed {
    cx.proto = "vrrp";
    cx.s("VRRP");
    let first = cx.u8(at)?;
    let (version, kind) = (first >> 4, first & 15);
    put!(cx, "v{version}, ");
    if kind == 1 {
        cx.s("Advertisement");
    } else {
        put!(cx, "unknown type ({kind})");
    }
    if around.ttl != 255 {
        put!(cx, ", (ttl {})", around.ttl);
    }
    if !(2..=3).contains(&version) || kind != 1 {
        return Ok(());
    }
    put!(cx, ", vrid {}, prio {}", cx.u8(at + 1)?, cx.u8(at + 2)?);
    let mut simple = false;
    if version == 2 {
        let authentication = cx.u8(at + 4)?;
        simple = authentication == 1;
        cx.s(", authtype ");
        tok!(cx, AUTHENTICATION, authentication, "#{authentication}");
        put!(cx, ", intvl {}s, length {len}", cx.u8(at + 5)?);
    } else {
        let interval = (cx.u8(at + 4)? & 15) << 8 | cx.u8(at + 5)?;
        put!(cx, ", intvl {interval}cs, length {len}");
    }
    if cx.o.verbose == 0 {
        return Ok(());
    }
    let count = cx.u8(at + 3)?;
    if cx.has(at, len) {
        let bad = if version == 2 {
            sum(&[cx.bytes(at, len)?])
        } else {
            around.checksum(cx, 112, at, len, len)?
        };
        if bad != 0 {
            put!(cx, ", (bad vrrp cksum {:x})", cx.u16(at + 6)?);
        }
    }
    cx.s(", addrs");
    if count > 1 {
        put!(cx, "({count})");
    }
    cx.s(":");
    let mut p = at + 8;
    for n in 0..count {
        let comma = if n == 0 { " " } else { "," };
        cx.after(comma, |cx| if around.v6 { cx.ip6(p) } else { cx.ip(p) })?;
        p += if around.v6 { 16 } else { 4 };
    }
    if simple {
        cx.s(" auth \"");
        cx.padded_chars(p, 8)?;
        cx.s("\"");
    }
    Ok(())
}
