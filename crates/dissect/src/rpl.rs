//! Routing for low power and lossy networks in ICMPv6 (RFC 6550).

use crate::cx::{Cx, Printed};
use crate::tok::{Toks, tok};

const MODES: &Toks =
    &[(0, "nonstoring"), (1, "storing"), (2, "nonstoring-multicast"), (3, "storing-multicast")];
const OPTIONS: &Toks = &[
    (1, "padN"),
    (2, "metrics"),
    (3, "routinginfo"),
    (4, "config"),
    (5, "rpltarget"),
    (6, "transitinfo"),
    (8, "destprefix"),
    (9, "rpltargetdesc"),
];

/// A message of `len` bytes, without the four of ICMPv6 before it.
pub(crate) fn print(cx: &mut Cx<'_>, code: usize, p: usize, len: usize) -> Printed {
    if code & 0x80 != 0 {
        cx.s(", (SEC) [worktodo]");
        return Ok(());
    }
    cx.s(", (CLR)");
    match code {
        0 => cx.s("DODAG Information Solicitation"),
        1 => cx.s("DODAG Information Object"),
        2 => cx.s("Destination Advertisement Object"),
        3 => cx.s("Destination Advertisement Object Ack"),
        _ => put!(cx, "RPL message, unknown code {code}"),
    }
    if cx.o.verbose == 0 {
        return Ok(());
    }
    match code {
        1 => object(cx, p, len),
        2 | 3 => advertisement(cx, code == 3, p, len),
        _ => Ok(()),
    }
}

fn object(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed {
    if len < 24 {
        put!(cx, " [length {len} < 24]");
        cx.invalid();
        return Ok(());
    }
    cx.need(p, 24)?;
    cx.s(" [dagid:");
    cx.ip6(p + 8)?;
    put!(cx, ",seq:{},instance:{},rank:{},", cx.u8(p + 5)?, cx.u8(p)?, cx.u16(p + 2)?);
    let mode = cx.u8(p + 4)?;
    if mode & 0x80 != 0 {
        cx.s("grounded,");
    }
    cx.s("mop:");
    tok!(cx, MODES, mode >> 3 & 7, "mop{}", mode >> 3 & 7);
    put!(cx, ",prf:{}]", mode & 7);
    options(cx, p + 24, len - 24)
}

fn advertisement(cx: &mut Cx<'_>, is_ack: bool, p: usize, len: usize) -> Printed {
    if cx.is_cut(p, if is_ack { 4 } else { 20 }) {
        return Ok(());
    }
    let too_short = if is_ack { " [|dao-length too short]" } else { " [|length too short]" };
    let flags = cx.u8(p + 1)?;
    let has_id = flags & if is_ack { 0x80 } else { 0x40 } != 0;
    let head = if has_id { 20 } else { 4 };
    if len < 4 {
        cx.s(too_short);
        return Ok(());
    }
    if cx.is_cut(p, head) {
        return Ok(());
    }
    if len < head {
        cx.s(too_short);
        return Ok(());
    }
    cx.s(" [dagid:");
    if has_id {
        cx.ip6(p + 4)?
    } else {
        cx.s("<elided>")
    }
    let number = cx.u8(if is_ack { p + 2 } else { p + 3 })?;
    put!(cx, ",seq:{number},instance:{}", cx.u8(p)?);
    if is_ack {
        put!(cx, ",status:{}]", cx.u8(p + 3)?);
    } else {
        cx.s(if flags & 0x80 == 0 { "" } else { ",acK" });
        cx.s(if has_id { ",Dagid" } else { "" });
        put!(cx, ",{flags:02x}]");
    }
    options(cx, p + head, len - head)
}

fn options(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed {
    if cx.o.verbose < 2 {
        return Ok(());
    }
    let (mut p, mut left) = (p, len);
    while left > 0 {
        let kind = cx.u8(p)?;
        if kind == 0 {
            cx.s(" opt:pad1");
            (p, left) = (p + 1, left - 1);
            continue;
        }
        if left < 2 {
            cx.trunc();
            break;
        }
        let size = cx.u8(p + 1)? + 2;
        cx.s(" opt:");
        match tok(OPTIONS, kind) {
            Some(name) => cx.s(name),
            None => put!(cx, "subopt:{kind}"),
        }
        put!(cx, " len:{size} ");
        if cx.is_cut(p, size) {
            break;
        }
        if cx.o.verbose > 2 {
            cx.hex(" ", p + 2, size - 2)?;
        }
        (p, left) = (p + size, left - size);
    }
    Ok(())
}
