//! Protocol independent multicast in IGMP, its first version.

use crate::cx::{Cx, Printed};

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "pimv1";
    let verbose = cx.o.verbose > 0;
    let kind = cx.u8(at + 1)?;
    let names = [
        "Query",
        "Register",
        "Register-Stop",
        "Join/Prune",
        "RP-reachable",
        "Assert",
        "Graft",
        "Graft-ACK",
    ];
    match names.get(kind) {
        Some(name) => put!(cx, " {name}"),
        None => put!(cx, " [type {kind}]"),
    }
    match kind {
        0 => {
            if cx.has(at + 8, 1) {
                match cx.u8(at + 8)? >> 4 {
                    0 => cx.s(" Dense-mode"),
                    1 => cx.s(" Sparse-mode"),
                    2 => cx.s(" Sparse-Dense-mode"),
                    mode => put!(cx, " mode-{mode}"),
                }
            }
            if verbose {
                cx.s(" (Hold-time ");
                cx.duration(cx.u16(at + 10)?);
                cx.s(")");
            }
        }
        1 => {
            if cx.is_cut(at + 8, 20) {
                return Ok(());
            }
            pair(cx, at + 20, at + 24)?;
        }
        2 => {
            cx.need(at + 12, 4)?;
            pair(cx, at + 8, at + 12)?;
        }
        3 | 6 | 7 if verbose && len < 8 => {
            cx.trunc();
            return Ok(());
        }
        3 | 6 | 7 if verbose => join_prune(cx, at + 8, len - 8)?,
        4 if verbose => {
            cx.after(" group ", |cx| cx.ip(at + 8))?;
            mask(cx, at + 12)?;
            cx.after(" RP ", |cx| cx.ip(at + 16))?;
            cx.s(" hold ");
            cx.duration(cx.u16(at + 22)?);
        }
        5 => {
            cx.need(at + 16, 4)?;
            pair(cx, at + 16, at + 8)?;
            mask(cx, at + 12)?;
            cx.need(at + 24, 4)?;
            let tree = if cx.u8(at + 20)? & 0x80 == 0 { "SPT" } else { "RP-tree" };
            let preference = cx.u32(at + 20)? & 0x7fff_ffff;
            put!(cx, " {tree} pref {preference} metric {}", cx.u32(at + 24)?);
        }
        _ => {}
    }
    let version = cx.u8(at + 4)? >> 4;
    if version != 1 {
        put!(cx, " [v{version}]");
    }
    Ok(())
}

fn pair(cx: &mut Cx<'_>, from: usize, to: usize) -> Printed {
    cx.after(" for ", |cx| cx.ip(from))?;
    cx.after(" > ", |cx| cx.ip(to))
}

/// A mask that is not of all bits.
fn mask(cx: &mut Cx<'_>, at: usize) -> Printed {
    if cx.word(at)? == u32::MAX { Ok(()) } else { cx.after("/", |cx| cx.ip(at)) }
}

fn join_prune(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed {
    if len >= 30 && cx.has(p, 30) && cx.u8(p + 11)? == 1 {
        let (joins, prunes) = (cx.u16(p + 20)?, cx.u16(p + 22)?);
        if joins + prunes == 1 {
            return only_one(cx, p, joins == 1);
        }
    }
    if join_prunes(cx, p, len)?.is_none() {
        cx.trunc();
    }
    Ok(())
}

/// Nothing if it is too short for what it says it holds.
fn join_prunes(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed<Option<()>> {
    let line = if cx.o.verbose > 1 { "\n" } else { "" };
    if len < 4 {
        return Ok(None);
    }
    cx.s(line);
    cx.after(" Upstream Nbr: ", |cx| cx.ip(p))?;
    if len < 8 {
        return Ok(None);
    }
    put!(cx, "{line} Hold time: ");
    cx.duration(cx.u16(p + 6)?);
    if cx.o.verbose < 2 {
        return Ok(Some(()));
    }
    if len < 12 {
        return Ok(None);
    }
    let groups = cx.u8(p + 11)?;
    let (mut p, mut left) = (p + 12, len - 12);
    for _ in 0..groups {
        if left < 4 {
            return Ok(None);
        }
        cx.after("\n\tGroup: ", |cx| cx.ip(p))?;
        if left < 8 {
            return Ok(None);
        }
        mask(cx, p + 4)?;
        if left < 12 {
            return Ok(None);
        }
        let (joins, prunes) = (cx.u16(p + 8)?, cx.u16(p + 10)?);
        put!(cx, " joined: {joins} pruned: {prunes}");
        (p, left) = (p + 12, left - 12);
        for n in 0..joins + prunes {
            if left < 6 {
                return Ok(None);
            }
            cx.need(p, 6)?;
            cx.s(if n < joins { "\n\tJoin  " } else { "\n\tPrune " });
            let (mode, flags) = (cx.u8(p)?, cx.u8(p + 1)?);
            cx.s(if mode & 1 == 0 { "Dense " } else { "Sparse " });
            cx.s(if flags & 0x80 == 0 { "" } else { "WC " });
            cx.s(if flags & 0x40 == 0 { "SPT " } else { "RP " });
            cx.ip(p + 2)?;
            put!(cx, "/{}", flags & 0x3f);
            (p, left) = (p + 6, left - 6);
        }
    }
    Ok(Some(()))
}

/// One group and one source, which are one line.
fn only_one(cx: &mut Cx<'_>, p: usize, joins: bool) -> Printed {
    cx.s(" RPF ");
    cx.ip(p)?;
    cx.s(" ");
    let hold = cx.u16(p + 6)?;
    if hold != 180 {
        cx.s("Hold ");
        cx.duration(hold);
    }
    let (mode, flags) = (cx.u8(p + 24)?, cx.u8(p + 25)?);
    cx.s(if joins { "Join (" } else { "Prune (" });
    cx.ip(p + 26)?;
    put!(cx, "/{}, ", flags & 0x3f);
    cx.ip(p + 12)?;
    mask(cx, p + 16)?;
    cx.s(if mode & 1 == 0 { ") Dense" } else { ") Sparse" });
    cx.s(if flags & 0x80 == 0 { "" } else { " WC" });
    cx.s(if flags & 0x40 == 0 { " SPT" } else { " RP" });
    Ok(())
}
