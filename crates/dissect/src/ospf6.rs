//! OSPF version 3 (RFC 5340): hello, database description, requests and acknowledgements; of updates their kind.

use crate::cx::{Cx, Printed};
use crate::ospf::TYPES;
use crate::tok::{Toks, tok};

const OPTIONS: &Toks = &[
    (0x01, "V6"),
    (0x02, "External"),
    (0x04, "Deprecated"),
    (0x08, "NSSA"),
    (0x10, "Router"),
    (0x20, "Demand Circuit"),
    (0x0100, "AFs Support"),
    (LLS, "LLS"),
    (0x0400, "Authentication Trailer"),
];
const LLS: usize = 0x0200;
const DATABASE_FLAGS: &Toks = &[(4, "Init"), (2, "More"), (1, "Master"), (0x10, "IPv6 MTU")];
const LSAS: &Toks = &[
    (1, "Router"),
    (2, "Network"),
    (3, "Inter-Area Prefix"),
    (4, "Inter-Area Router"),
    (5, "External"),
    (6, "Deprecated"),
    (7, "NSSA"),
    (8, "Link"),
    (9, "Intra-Area Prefix"),
    (10, "Intra-Area TE"),
    (11, "Grace"),
    (12, "Router Information"),
    (13, "Inter-AS-TE"),
    (14, "Layer 1 VPN"),
];
const SCOPES: &Toks =
    &[(0, "Link Local"), (0x2000, "Area Local"), (0x4000, "Domain Wide"), (SCOPE, "Unknown")];
const SCOPE: usize = 0x6000;
/// Advertisements of an unknown type go on to other routers (RFC 5340, A.4.2.1).
const TRANSITIVE: usize = 0x8000;
const HEADER: usize = 16;
const LSA_HEADER: usize = 20;
const REQUEST: usize = 12;

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "ospf3";
    let (version, kind) = (cx.u8(at)?, cx.u8(at + 1)?);
    put!(cx, "OSPFv{version}, ");
    tok!(cx, TYPES, kind, "unknown packet type ({kind})");
    put!(cx, ", length {len}");
    if tok(TYPES, kind).is_none() || cx.o.verbose == 0 {
        return Ok(());
    }
    let said = cx.u16(at + 2)?;
    if said > len {
        put!(cx, " [len {said}]");
        return Ok(());
    }
    cx.after("\n\tRouter-ID ", |cx| cx.ip(at + 4))?;
    if cx.u32(at + 8)? == 0 {
        cx.s(", Backbone Area");
    } else {
        cx.after(", Area ", |cx| cx.ip(at + 8))?;
    }
    let instance = cx.u8(at + 14)?;
    if instance != 0 {
        put!(cx, ", Instance {instance}");
    }
    if version != 3 {
        return Ok(());
    }
    let p = at + HEADER;
    let end = at + said;
    let options = match kind {
        1 => hello(cx, p, end)?,
        2 => description(cx, p)?,
        _ => 0,
    };
    let whole = cx.o.verbose < 2 || list(cx, kind, p, end)?;
    if !whole || !trailer(cx, end, len - said, options & LLS != 0)? {
        cx.trunc();
    }
    Ok(())
}

fn hello(cx: &mut Cx<'_>, p: usize, end: usize) -> Printed<usize> {
    let options = cx.u32(p + 4)?;
    cx.s("\n\tOptions [");
    cx.bits(OPTIONS, options, ", ", "none");
    cx.s("]");
    cx.all(|cx| {
        let (hello, dead) = (cx.u16(p + 8)?, cx.u16(p + 10)?);
        put!(cx, "\n\t  Hello Timer {hello}s, Dead Timer {dead}s, Interface-ID ");
        cx.ip(p)?;
        put!(cx, ", Priority {}", cx.u8(p + 4)?);
        Ok(())
    })?;
    for (at, name) in
        [(p + 12, "\n\t  Designated Router "), (p + 16, ", Backup Designated Router ")]
    {
        if cx.u32(at)? != 0 {
            cx.s(name);
            cx.ip(at)?;
        }
    }
    if cx.o.verbose > 1 {
        cx.s("\n\t  Neighbor List:");
        let mut at = p + 20;
        while at < end {
            cx.after("\n\t    ", |cx| cx.ip(at))?;
            at += 4;
        }
    }
    Ok(options)
}

fn description(cx: &mut Cx<'_>, p: usize) -> Printed<usize> {
    let options = cx.u32(p)?;
    cx.s("\n\tOptions [");
    cx.bits(OPTIONS, options, ", ", "none");
    cx.s("]");
    let flags = cx.u8(p + 7)?;
    cx.s(", DD Flags [");
    cx.bits(DATABASE_FLAGS, flags, ", ", "none");
    cx.s("]");
    put!(cx, ", MTU {}, DD-Sequence 0x{:08x}", cx.u16(p + 4)?, cx.u32(p + 8)?);
    Ok(options)
}

/// What descriptions, requests and acknowledgements list; whether it was all there. That of updates only has to be.
fn list(cx: &mut Cx<'_>, kind: usize, p: usize, end: usize) -> Printed<bool> {
    match kind {
        2 => lsa_headers(cx, p + 12, end),
        3 => requests(cx, p, end),
        4 => cx.need(p, end.saturating_sub(p)).map(|()| true),
        5 => lsa_headers(cx, p, end),
        _ => Ok(true),
    }
}

fn requests(cx: &mut Cx<'_>, p: usize, end: usize) -> Printed<bool> {
    for at in (p..end).step_by(REQUEST) {
        if !cx.has(at, REQUEST) {
            return Ok(false);
        }
        cx.after("\n\t  Advertising Router ", |cx| cx.ip(at + 8))?;
        lsa_name(cx, at + 2)?;
    }
    Ok(true)
}

fn lsa_headers(cx: &mut Cx<'_>, p: usize, end: usize) -> Printed<bool> {
    for at in (p..end).step_by(LSA_HEADER) {
        if at + LSA_HEADER > end {
            return Ok(false);
        }
        cx.need(at, LSA_HEADER)?;
        cx.after("\n\t  Advertising Router ", |cx| cx.ip(at + 8))?;
        let (seq, age, len) = (cx.u32(at + 12)?, cx.u16(at)?, cx.u16(at + 18)?);
        // Lengths below that of the header are not looked for.
        let body = len.wrapping_sub(LSA_HEADER);
        put!(cx, ", seq 0x{seq:08x}, age {age}s, length {body}");
        lsa_name(cx, at + 2)?;
    }
    Ok(true)
}

/// Type, scope and number of an advertisement.
fn lsa_name(cx: &mut Cx<'_>, at: usize) -> Printed {
    let kind = cx.u16(at)?;
    let number = kind & !(SCOPE | TRANSITIVE);
    put!(
        cx,
        "\n\t    {} LSA ({number}), {} Scope{}",
        tok(LSAS, number).unwrap_or("Unknown"),
        tok(SCOPES, kind & SCOPE).unwrap_or("Unknown"),
        if kind & TRANSITIVE == 0 { "" } else { ", transitive" }
    );
    cx.after(", LSA-ID ", |cx| cx.ip(at + 2))
}

/// Link-local signalling (RFC 5613) and authentication (RFC 7166) after the packet; whether they were all there.
fn trailer(cx: &mut Cx<'_>, at: usize, len: usize, signalling: bool) -> Printed<bool> {
    let (mut p, mut left) = (at, len);
    if signalling && left > 0 {
        if left < 4 {
            return Ok(false);
        }
        put!(cx, "\n\tLLS Checksum 0x{:04x}", cx.u16(p)?);
        let size = cx.u16(p + 2)?;
        put!(cx, ", Data Length {size}");
        if size < 4 || size > left || !cx.has(p + 4, size - 4) {
            return Ok(false);
        }
        p += size;
        left -= size;
    }
    if left == 0 {
        return Ok(true);
    }
    if left < 16 {
        return Ok(false);
    }
    match cx.u16(p)? {
        1 => cx.s("\n\tAuthentication Type HMAC"),
        kind => put!(cx, "\n\tAuthentication Type unknown (0x{kind:04x})"),
    }
    let size = cx.u16(p + 2)?;
    put!(cx, ", Length {size}");
    if size < 16 || size > left {
        return Ok(false);
    }
    put!(cx, ", SAID {}", cx.u16(p + 6)?);
    put!(cx, ", CSN 0x{:08x}", cx.u32(p + 8)?);
    put!(cx, ":{:08x}", cx.u32(p + 12)?);
    if !cx.has(p + 16, size - 16) {
        return Ok(false);
    }
    if cx.o.verbose > 1 {
        cx.unknown_data(p + 16, "\n\tAuthentication Data ", size - 16)?;
    }
    Ok(true)
}
