//! OSPF version 3 (RFC 5340): hello and database description; of other packets their kind.

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
const HEADER: usize = 16;

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
    let options = match kind {
        1 => hello(cx, p, at + said)?,
        2 => description(cx, p)?,
        _ => 0,
    };
    if !trailer(cx, at + said, len - said, options & LLS != 0)? {
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
    put!(cx, "], MTU {}, DD-Sequence 0x{:08x}", cx.u16(p + 4)?, cx.u32(p + 8)?);
    Ok(options)
}

/// Link-local signalling (RFC 5613) and authentication (RFC 7166) after the packet; whether they were all there.
fn trailer(cx: &mut Cx<'_>, at: usize, len: usize, signalling: bool) -> Printed<bool> {
    let (mut p, mut left) = (at, len);
    if signalling && left > 0 {
        if left < 4 {
            return Ok(false);
        }
        let size = cx.u16(p + 2)?;
        put!(cx, "\n\tLLS Checksum 0x{:04x}, Data Length {size}", cx.u16(p)?);
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
    cx.s("\n\tAuthentication Type ");
    match cx.u16(p)? {
        1 => cx.s("HMAC"),
        kind => put!(cx, "unknown (0x{kind:04x})"),
    }
    let size = cx.u16(p + 2)?;
    put!(cx, ", Length {size}");
    if size < 16 || size > left {
        return Ok(false);
    }
    put!(cx, ", SAID {}, CSN 0x{:08x}:{:08x}", cx.u16(p + 6)?, cx.u32(p + 8)?, cx.u32(p + 12)?);
    if !cx.has(p + 16, size - 16) {
        return Ok(false);
    }
    if cx.o.verbose > 1 {
        cx.unknown_data(p + 16, "\n\tAuthentication Data ", size - 16)?;
    }
    Ok(true)
}
