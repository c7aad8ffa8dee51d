//! Distance vector multicast routing in IGMP (RFC 1075, draft-ietf-idmr-dvmrp-v3).

use crate::cx::{Cx, Printed};
use crate::tok::Toks;

const TYPES: &Toks = &[
    (1, "Probe"),
    (2, "Report"),
    (3, "Ask-neighbors(old)"),
    (4, "Neighbors(old)"),
    (5, "Ask-neighbors2"),
    (6, "Neighbors2"),
    (7, "Prune"),
    (8, "Graft"),
    (9, "Graft-ACK"),
];
const TUNNEL: &Toks = &[
    (0x01, "/tunnel"),
    (0x02, "/srcrt"),
    (0x40, "/querier"),
    (0x20, "/disabled"),
    (0x10, "/down"),
];

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "dvmrp";
    if len < 8 {
        put!(cx, " [length {len} < 8]");
        cx.invalid();
        return Ok(());
    }
    let kind = cx.u8(at + 1)?;
    cx.s(" ");
    tok!(cx, TYPES, kind, "[type {kind}]");
    let (p, left) = (at + 8, len - 8);
    match kind {
        1 if cx.o.verbose > 0 => probe(cx, p, left),
        2 if cx.o.verbose > 1 => report(cx, p, left),
        4 => neighbours(cx, p, left, None),
        6 => {
            let version = (cx.u8(at + 7)?, cx.u8(at + 6)?);
            neighbours(cx, p, left, Some(version))
        }
        7..=9 => {
            cx.all(|cx| {
                cx.after(" src ", |cx| cx.ip(p))?;
                cx.after(" grp ", |cx| cx.ip(p + 4))
            })?;
            if kind == 7 {
                cx.s(" timer ");
                cx.duration(cx.u32(p + 8)?);
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn probe(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed {
    if len < 4 {
        put!(cx, " [full length {len} < 4]");
        cx.invalid();
        return Ok(());
    }
    cx.s(if cx.o.verbose > 1 { "\n\t" } else { " " });
    put!(cx, "genid {}", cx.u32(p)?);
    if cx.o.verbose < 2 {
        return Ok(());
    }
    let (mut p, mut left) = (p + 4, len - 4);
    while left >= 4 {
        cx.after("\n\tneighbor ", |cx| cx.ip(p))?;
        (p, left) = (p + 4, left - 4);
    }
    if left > 0 {
        put!(cx, "[remaining length {left} < 4]");
        cx.invalid();
    }
    Ok(())
}

/// Masks, each with networks, of which as many bytes are there as the mask has.
fn report(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed {
    let (mut p, mut left) = (p, len);
    while left > 0 {
        if left < 3 {
            put!(cx, " [length {left} < 3]");
            cx.invalid();
            return Ok(());
        }
        let mask = [0xff, cx.byte(p)?, cx.byte(p + 1)?, cx.byte(p + 2)?];
        let width = mask.iter().rposition(|&byte| byte != 0).unwrap_or(0) + 1;
        cx.s("\n\tMask ");
        cx.dotted(mask);
        (p, left) = (p + 3, left - 3);
        loop {
            if left < width + 1 {
                cx.s("\n\t  [Truncated Report]");
                cx.invalid();
                return Ok(());
            }
            let mut origin = [0; 4];
            for (byte, at) in origin.iter_mut().take(width).zip(p..) {
                *byte = cx.byte(at)?;
            }
            let metric = cx.u8(p + width)?;
            cx.s("\n\t  ");
            cx.dotted(origin);
            put!(cx, " metric {}", metric & 0x7f);
            (p, left) = (p + width + 1, left - width - 1);
            if metric & 0x80 != 0 {
                break;
            }
        }
    }
    Ok(())
}

/// Neighbours behind each address of a router; those that tell a version have flags.
fn neighbours(cx: &mut Cx<'_>, p: usize, len: usize, version: Option<(usize, usize)>) -> Printed {
    if let Some((major, minor)) = version {
        put!(cx, " (v {major}.{minor}):");
    }
    let head = if version.is_some() { 8 } else { 7 };
    let (mut p, mut left) = (p, len);
    while left > 0 {
        if left < head {
            put!(cx, " [length {left} < {head}]");
            cx.invalid();
            return Ok(());
        }
        let router = p;
        let (metric, threshold) = (cx.u8(p + 4)?, cx.u8(p + 5)?);
        let flags = cx.u8(p + 6)?;
        let count = cx.u8(p + head - 1)?;
        (p, left) = (p + head, left - head);
        for _ in 0..count {
            if left == 0 && version.is_some() {
                cx.s(" [invalid ncount]");
                cx.invalid();
                return Ok(());
            }
            if left < 4 {
                put!(cx, " [length {left} < 4]");
                cx.invalid();
                return Ok(());
            }
            cx.after(" [", |cx| cx.ip(router))?;
            if version.is_some() {
                cx.s(" -> ");
                cx.ip(p)?;
                put!(cx, " ({metric}/{threshold}");
                cx.bits(TUNNEL, flags, "", "");
                cx.s(")]");
            } else {
                cx.s(" ->");
                cx.after(" ", |cx| cx.ip(p))?;
                put!(cx, ", ({metric}/{threshold})]");
            }
            (p, left) = (p + 4, left - 4);
        }
    }
    Ok(())
}
