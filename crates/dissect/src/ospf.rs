//! OSPF version 2 (RFC 2328): hello, database description, requests and acknowledgements; of updates their count.

use crate::cx::{Cut, Cx, Printed, sub32};
use crate::tok::{Toks, tok};

pub(crate) const TYPES: &Toks = &[
    (1, "Hello"),
    (2, "Database Description"),
    (3, "LS-Request"),
    (4, "LS-Update"),
    (5, "LS-Ack"),
];
const OPTIONS: &Toks = &[
    (0x01, "MultiTopology"),
    (0x02, "External"),
    (0x04, "Multicast"),
    (0x08, "NSSA"),
    (LLS, "LLS"),
    (0x20, "Demand Circuit"),
    (0x40, "Opaque"),
    (0x80, "Up/Down"),
];
const LLS: usize = 0x10;
const AUTHENTICATION: &Toks = &[(0, "none"), (1, "simple"), (MD5, "MD5")];
const MD5: usize = 2;
const DATABASE_FLAGS: &Toks = &[(4, "Init"), (2, "More"), (1, "Master"), (8, "OOBResync")];
const LSAS: &Toks = &[
    (1, "Router"),
    (2, "Network"),
    (3, "Summary"),
    (4, "ASBR Summary"),
    (5, "External"),
    (6, "Multicast Group"),
    (7, "NSSA"),
    (9, "Link Local Opaque"),
    (10, "Area Local Opaque"),
    (11, "Domain Wide Opaque"),
];
const OPAQUES: &Toks =
    &[(1, "Traffic Engineering"), (3, "Graceful restart"), (4, "Router Information")];
const HEADER: usize = 24;
const LSA_HEADER: usize = 20;

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "ospf2";
    let mut len = len;
    let authentication = cx.u16(at + 14)?;
    if authentication == MD5 {
        // A digest follows the packet.
        len = sub32(len, 16);
        cx.end = cx.end.saturating_sub(16);
    }
    let kind = cx.u8(at + 1)?;
    put!(cx, "OSPFv{}, ", cx.u8(at)?);
    tok!(cx, TYPES, kind, "unknown LS-type {kind}");
    put!(cx, ", length {len}");
    if tok(TYPES, kind).is_none() || cx.o.verbose == 0 {
        return Ok(());
    }
    let said = cx.u16(at + 2)?;
    if len != said {
        put!(cx, " [len {said}]");
    }
    let end = at + len.min(said);
    cx.after("\n\tRouter-ID ", |cx| cx.ip(at + 4))?;
    if cx.u32(at + 8)? == 0 {
        cx.s(", Backbone Area");
    } else {
        cx.after(", Area ", |cx| cx.ip(at + 8))?;
    }
    if !cx.has(at + 16, 8) {
        return Err(Cut);
    }
    put!(
        cx,
        ", Authentication Type: {} ({authentication})",
        tok(AUTHENTICATION, authentication).unwrap_or("unknown")
    );
    match authentication {
        0 => {}
        1 => {
            cx.s("\n\tSimple text password: ");
            cx.padded_chars(at + 16, 8)?;
        }
        MD5 => put!(
            cx,
            "\n\tKey-ID: {}, Auth-Length: {}, Crypto Sequence Number: 0x{:08x}",
            cx.u8(at + 18)?,
            cx.u8(at + 19)?,
            cx.u32(at + 20)?
        ),
        _ => return Ok(()),
    }
    let version = cx.u8(at)?;
    if version != 2 {
        put!(cx, " ospf [version {version}]");
        return Ok(());
    }
    body(cx, at, kind, end)?;
    if len > said {
        local_signalling(cx, at, kind, len)?;
    }
    Ok(())
}

fn body(cx: &mut Cx<'_>, at: usize, kind: usize, end: usize) -> Printed {
    let p = at + HEADER;
    match kind {
        1 => hello(cx, p, end),
        2 => {
            let options = cx.u8(p + 2)?;
            cx.s("\n\tOptions [");
            cx.bits(OPTIONS, options, ", ", "none");
            cx.s("]");
            let flags = cx.u8(p + 3)?;
            cx.s(", DD Flags [");
            cx.bits(DATABASE_FLAGS, flags, ", ", "none");
            cx.s("]");
            let mtu = cx.u16(p)?;
            if mtu != 0 {
                put!(cx, ", MTU: {mtu}");
            }
            put!(cx, ", Sequence: 0x{:08x}", cx.u32(p + 4)?);
            let mut p = p + 8;
            while p < end && lsa_header(cx, p)? {
                p += LSA_HEADER;
            }
            Ok(())
        }
        3 => requests(cx, p, end),
        4 => {
            let count = cx.u32(p)?;
            put!(cx, ", {count} LSA{}", if count == 1 { "" } else { "s" });
            Ok(())
        }
        5 => {
            let mut p = p;
            while lsa_header(cx, p)? {
                p += LSA_HEADER;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn hello(cx: &mut Cx<'_>, p: usize, end: usize) -> Printed {
    let options = cx.u8(p + 6)?;
    cx.s("\n\tOptions [");
    cx.bits(OPTIONS, options, ", ", "none");
    cx.s("]");
    cx.all(|cx| {
        let (hello, dead) = (cx.u16(p + 4)?, cx.u32(p + 8)?);
        put!(cx, "\n\t  Hello Timer {hello}s, Dead Timer {dead}s, Mask ");
        cx.ip(p)?;
        put!(cx, ", Priority {}", cx.u8(p + 7)?);
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
    let mut at = p + 20;
    if at < end {
        cx.s("\n\t  Neighbor List:");
    }
    while at < end {
        cx.after("\n\t    ", |cx| cx.ip(at))?;
        at += 4;
    }
    Ok(())
}

fn opaque(cx: &mut Cx<'_>, p: usize) -> Printed<(usize, &'static str, usize)> {
    let kind = cx.u8(p)?;
    Ok((kind, tok(OPAQUES, kind).unwrap_or("unknown"), cx.u24(p + 1)?))
}

/// The header of an advertisement; whether its length can be.
fn lsa_header(cx: &mut Cx<'_>, p: usize) -> Printed<bool> {
    let len = cx.u16(p + 18)?;
    if len < LSA_HEADER {
        put!(cx, "\n\t    Bogus length {len} < header (20)");
        return Ok(false);
    }
    cx.after("\n\t  Advertising Router ", |cx| cx.ip(p + 8))?;
    put!(cx, ", seq 0x{:08x}, age {}s, length {}", cx.u32(p + 12)?, cx.u16(p)?, len - LSA_HEADER);
    let kind = cx.u8(p + 3)?;
    put!(cx, "\n\t    {} LSA ({kind}), ", tok(LSAS, kind).unwrap_or("unknown"));
    if matches!(kind, 9..=11) {
        let (number, name, id) = opaque(cx, p + 4)?;
        put!(cx, "Opaque-Type {name} LSA ({number}), Opaque-ID {id}");
    } else {
        cx.after("LSA-ID: ", |cx| cx.ip(p + 4))?;
    }
    cx.s("\n\t    Options: [");
    cx.bits(OPTIONS, cx.u8(p + 2)?, ", ", "none");
    cx.s("]");
    Ok(true)
}

fn requests(cx: &mut Cx<'_>, p: usize, end: usize) -> Printed {
    let mut p = p;
    while p < end {
        if !cx.has(p, 12) {
            return Err(Cut);
        }
        cx.after("\n\t  Advertising Router: ", |cx| cx.ip(p + 8))?;
        let kind = cx.u32(p)?;
        put!(cx, ", {} LSA ({kind})", tok(LSAS, kind).unwrap_or("unknown"));
        if matches!(kind, 9..=11) {
            let (number, name, id) = opaque(cx, p + 4)?;
            put!(cx, ", Opaque-Type: {name} LSA ({number}), Opaque-ID: {id}");
        } else {
            cx.after(", LSA-ID: ", |cx| cx.ip(p + 4))?;
        }
        p += 12;
    }
    Ok(())
}

/// Link-local signalling after a hello or a description (RFC 5613).
fn local_signalling(cx: &mut Cx<'_>, at: usize, kind: usize, len: usize) -> Printed {
    const TLVS: &Toks = &[(1, "Extended Options"), (2, "MD5 Authentication")];
    const EXTENDED: &Toks = &[(1, "LSDB resync"), (2, "Restart")];
    let options = match kind {
        1 => cx.u8(at + HEADER + 6)?,
        2 => cx.u8(at + HEADER + 2)?,
        _ => 0,
    };
    if options & LLS == 0 {
        return Ok(());
    }
    let mut start = cx.u16(at + 2)?;
    if cx.u16(at + 14)? == MD5 {
        start += cx.u8(at + 19)?;
    }
    if start >= len {
        cx.s("\n\t[LLS truncated]");
        return Ok(());
    }
    let (mut p, end) = (at + start, at + len);
    put!(cx, "\n\t  LLS: checksum: 0x{:04x}", cx.u16(p)?);
    put!(cx, ", length: {}", cx.u16(p + 2)?);
    p += 4;
    while p < end {
        let kind = cx.u16(p)?;
        put!(cx, "\n\t    {} ({kind})", tok(TLVS, kind).unwrap_or("Unknown TLV"));
        let mut size = cx.u16(p + 2)?;
        put!(cx, ", length: {size}");
        p += 4;
        let should = match kind {
            1 => 4,
            2 => 20,
            _ => size,
        };
        if size != should {
            put!(cx, " [should be {should}]");
            size = should;
        }
        match kind {
            1 => {
                let flags = cx.u32(p)?;
                put!(cx, "\n\t      Options: 0x{flags:08x} [");
                cx.bits(EXTENDED, flags, ", ", "?");
                cx.s("]");
            }
            2 => put!(cx, "\n\t      Sequence number: 0x{:08x}", cx.u32(p)?),
            _ => {}
        }
        p += size;
    }
    Ok(())
}
