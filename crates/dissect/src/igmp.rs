//! IGMP (RFC 1112, 2236, 3376).

use crate::cx::{Cx, Printed};
use crate::sum::sum;
use crate::tok::Toks;
use crate::{dvmrp, pim};

const REPORTS: &Toks =
    &[(1, "is_in"), (2, "is_ex"), (3, "to_in"), (4, "to_ex"), (5, "allow"), (6, "block")];

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "igmp";
    if cx.o.quick {
        cx.s("igmp");
        return Ok(());
    }
    let kind = cx.u8(at)?;
    match kind {
        0x11 => {
            cx.s("igmp query");
            if len >= 12 { query(cx, at, len)? } else { old_query(cx, at, len)? }
        }
        0x12 => {
            cx.after("igmp v1 report ", |cx| cx.ip(at + 4))?;
            if len != 8 {
                put!(cx, " [len {len}]");
            }
        }
        0x16 => {
            cx.after("igmp v2 report ", |cx| cx.ip(at + 4))?;
        }
        0x22 => {
            cx.s("igmp v3 report");
            report(cx, at, len)?;
        }
        0x17 => {
            cx.after("igmp leave ", |cx| cx.ip(at + 4))?;
        }
        0x13 => {
            cx.s("igmp dvmrp");
            if len < 8 { put!(cx, " [len {len}]") } else { dvmrp::print(cx, at, len)? }
        }
        0x14 => {
            cx.s("igmp pimv1");
            pim::print(cx, at, len)?;
        }
        0x1e => trace(cx, "mresp", at, len)?,
        0x1f => trace(cx, "mtrace", at, len)?,
        _ => put!(cx, "igmp-{kind}"),
    }
    if cx.o.verbose > 0 && len >= 4 && cx.has(at, len) && sum(&[cx.bytes(at, len)?]) != 0 {
        put!(cx, " bad igmp cksum {:x}!", cx.u16(at + 2)?);
    }
    Ok(())
}

fn old_query(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    match cx.u8(at + 1)? {
        0 => cx.s(" v1"),
        100 => cx.s(" v2"),
        time => put!(cx, " v2 [max resp time {time}]"),
    }
    if cx.u32(at + 4)? != 0 {
        cx.after(" [gaddr ", |cx| cx.ip(at + 4))?;
        cx.s("]");
    }
    if len != 8 {
        put!(cx, " [len {len}]");
    }
    Ok(())
}

fn query(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.s(" v3");
    if len & 3 != 0 {
        put!(cx, " [invalid len {len}]");
        return Ok(());
    }
    let code = cx.u8(at + 1)?;
    let tenths = if code < 128 { code } else { (code & 15 | 16) << ((code >> 4 & 7) + 3) };
    if code != 100 {
        cx.s(" [max resp time ");
        if tenths < 600 {
            put!(cx, "{}.{}s", tenths / 10, tenths % 10);
        } else {
            cx.duration(tenths / 10);
        }
        cx.s("]");
    }
    if cx.u32(at + 4)? == 0 {
        return Ok(());
    }
    cx.after(" [gaddr ", |cx| cx.ip(at + 4))?;
    let sources = cx.u16(at + 10)?;
    if sources > 0 {
        if len < 12 + 4 * sources {
            cx.s(" [invalid number of sources]");
        } else if cx.o.verbose > 1 {
            list(cx, at + 12, sources)?;
        } else {
            put!(cx, ", {sources} source(s)");
        }
    }
    cx.s("]");
    Ok(())
}

fn list(cx: &mut Cx<'_>, at: usize, count: usize) -> Printed {
    cx.s(" {");
    for n in 0..count {
        cx.after(" ", |cx| cx.ip(at + 4 * n))?;
    }
    cx.s(" }");
    Ok(())
}

fn report(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    if len < 16 || len & 3 != 0 {
        put!(cx, " [invalid len {len}]");
        return Ok(());
    }
    let groups = cx.u16(at + 6)?;
    put!(cx, ", {groups} group record(s)");
    if cx.o.verbose == 0 {
        return Ok(());
    }
    let mut p = 8;
    for _ in 0..groups {
        if len < p + 8 {
            cx.s(" [invalid number of groups]");
            return Ok(());
        }
        cx.after(" [gaddr ", |cx| cx.ip(at + p + 4))?;
        let kind = cx.u8(at + p)?;
        cx.s(" ");
        tok!(cx, REPORTS, kind, " [v3-report-#{kind}]");
        let sources = cx.u16(at + p + 2)?;
        if len < p + 8 + 4 * sources {
            put!(cx, " [invalid number of sources {sources}]");
            return Ok(());
        }
        if cx.o.verbose == 1 {
            put!(cx, ", {sources} source(s)");
        } else {
            list(cx, at + p + 8, sources)?;
        }
        p += 8 + 4 * sources;
        cx.s("]");
    }
    Ok(())
}

fn trace(cx: &mut Cx<'_>, name: &str, at: usize, len: usize) -> Printed {
    if len < 8 + 16 {
        put!(cx, " [invalid len {len}]");
        return Ok(());
    }
    let at = at + 8;
    put!(cx, "{name} {}: ", cx.u24(at + 13)?);
    cx.ip(at)?;
    cx.after(" to ", |cx| cx.ip(at + 4))?;
    cx.after(" reply-to ", |cx| cx.ip(at + 8))?;
    if cx.u8(at + 8)? >> 4 == 14 {
        put!(cx, " with-ttl {}", cx.u8(at + 12)?);
    }
    Ok(())
}
