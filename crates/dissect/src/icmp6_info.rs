//! Node information (RFC 4620) and router renumbering (RFC 2894) in ICMPv6.

use crate::cx::{Cx, Printed};
use crate::tok::Toks;

const NODE_FLAGS: &Toks =
    &[(0x40, "a"), (0x20, "G"), (0x10, "S"), (0x08, "L"), (0x04, "C"), (0x02, "A")];
const COMMAND_FLAGS: &Toks = &[(0x80, "T"), (0x40, "R"), (0x20, "A"), (0x10, "S"), (0x08, "P")];
const USE_FLAGS: &Toks = &[(0x80, "V"), (0x40, "P")];
/// Type, code, checksum, what is asked for, flags and a number of the question.
const NODE_HEAD: usize = 16;

/// What is asked of a node.
pub(crate) fn query(cx: &mut Cx<'_>, at: usize) -> Printed {
    let len = cx.left(at);
    if len == 12 {
        cx.s(" who-are-you request");
        return Ok(());
    }
    cx.s(" node information query");
    if cx.is_cut(at, NODE_HEAD) {
        return Ok(());
    }
    let (kind, flags) = (cx.u16(at + 4)?, cx.u16(at + 6)?);
    cx.s(" (");
    asked_for(cx, kind, flags);
    if kind == 3 && flags != 0 {
        cx.s(" [");
        cx.bits(NODE_FLAGS, flags, "", "");
        cx.s("]");
    }
    if kind <= 1 {
        if len != NODE_HEAD && cx.o.verbose > 0 {
            cx.s(", invalid len");
        }
    } else if len == NODE_HEAD {
        cx.s(", 03 draft");
    } else {
        subject(cx, at, len)?;
    }
    cx.s(")");
    Ok(())
}

fn asked_for(cx: &mut Cx<'_>, kind: usize, flags: usize) {
    cx.s(["noop", "supported qtypes", "DNS name", "node addresses"]
        .get(kind)
        .unwrap_or(&"unknown"));
    if kind == 1 && flags != 0 {
        cx.s(if flags & 1 == 0 { " []" } else { " [C]" });
    }
}

/// Whom a question is about.
fn subject(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    let p = at + NODE_HEAD;
    match cx.u8(at + 1)? {
        code @ (0 | 2) => {
            let size = if code == 0 { 16 } else { 4 };
            if len == NODE_HEAD + size {
                cx.s(", subject=");
                return if code == 0 { cx.ip6(p) } else { cx.ip(p) };
            }
            if len > NODE_HEAD + size && cx.o.verbose > 0 {
                cx.s(", invalid subject len");
            }
            Ok(())
        }
        1 => {
            cx.s(", subject=DNS name");
            name(cx, p)
        }
        _ => {
            cx.s(", unknown subject");
            Ok(())
        }
    }
}

/// A name up to the end: labels, or, as in a draft, a length and characters.
fn name(cx: &mut Cx<'_>, p: usize) -> Printed {
    if cx.u8(p)? == cx.left(p + 1) {
        cx.s(if cx.o.verbose > 0 { ", 03 draft, \"" } else { ", \"" });
        for at in p + 1..cx.end {
            let c = cx.byte(at)?;
            cx.ch(c);
        }
    } else {
        cx.s(", \"");
        labels(cx, p)?;
    }
    cx.s("\"");
    Ok(())
}

fn labels(cx: &mut Cx<'_>, mut p: usize) -> Printed {
    while p < cx.end {
        let size = cx.u8(p)?;
        p += 1;
        if size == 0 {
            let left = cx.left(p);
            if left == 0 {
                cx.s(".");
            } else if left > 1 || cx.u8(p)? != 0 {
                cx.s("???");
            }
            break;
        }
        if size > cx.left(p) {
            cx.s("???");
            break;
        }
        for at in p..p + size {
            let c = cx.byte(at)?;
            cx.ch(c);
        }
        p += size;
        if cx.left(p) > 1 && cx.u8(p)? != 0 {
            cx.s(".");
        }
    }
    Ok(())
}

/// What a node says of itself.
pub(crate) fn reply(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    let have = cx.left(at);
    if cx.is_cut(at, len.max(NODE_HEAD)) {
        return Ok(());
    }
    let (code, kind, flags) = (cx.u8(at + 1)?, cx.u16(at + 4)?, cx.u16(at + 6)?);
    let verbose = cx.o.verbose > 0;
    let invalid = if verbose && have != NODE_HEAD { ", invalid length" } else { "" };
    cx.s(" node information reply (");
    match code {
        0 if verbose => cx.s("success, "),
        1 => cx.s("refused"),
        2 => cx.s("unknown"),
        _ => {}
    }
    if code == 0 {
        asked_for(cx, kind, flags);
        match kind {
            0 => cx.s(invalid),
            2 => {
                name(cx, at + NODE_HEAD + 4)?;
                if flags & 1 != 0 {
                    put!(cx, " [TTL={}]", cx.u32(at + NODE_HEAD)?);
                }
            }
            3 => addresses(cx, at + NODE_HEAD, flags)?,
            _ => {}
        }
    } else if code <= 2 {
        cx.s(invalid);
    }
    cx.s(")");
    Ok(())
}

/// Addresses, each behind how long it is good for.
fn addresses(cx: &mut Cx<'_>, mut p: usize, flags: usize) -> Printed {
    while cx.left(p) >= 20 {
        cx.s(" ");
        cx.ip6(p + 4)?;
        put!(cx, "({})", cx.u32(p)?);
        p += 20;
    }
    if flags != 0 {
        cx.s(" [");
        cx.bits(NODE_FLAGS, flags, "", "");
        cx.s(if flags & 1 == 0 { "]" } else { "T]" });
    }
    Ok(())
}

/// Which prefixes routers are to have.
pub(crate) fn renumbering(cx: &mut Cx<'_>, at: usize) -> Printed {
    if cx.is_cut(at, 16) {
        return Ok(());
    }
    let code = cx.u8(at + 1)?;
    cx.s(", ");
    match code {
        0 => cx.s("command"),
        1 => cx.s("result"),
        255 => cx.s("sequence number reset"),
        _ => put!(cx, "code-#{code}"),
    }
    put!(cx, ", seq={}", cx.u32(at + 4)?);
    if cx.o.verbose > 0 {
        cx.s("[");
        let flags = cx.u8(at + 9)?;
        if flags != 0 {
            cx.bits(COMMAND_FLAGS, flags, "", "");
            cx.s(",");
        }
        put!(cx, "seg={},maxdelay={}", cx.u8(at + 8)?, cx.u16(at + 10)?);
        let reserved = cx.u32(at + 12)?;
        if reserved != 0 {
            put!(cx, "rsvd=0x{reserved:x}");
        }
        cx.s("]");
    }
    if code == 0 { command(cx, at + 16) } else { Ok(()) }
}

/// The prefixes that a command is for, and those that come in their place.
fn command(cx: &mut Cx<'_>, p: usize) -> Printed {
    let space = if cx.o.verbose > 1 { "\n\t" } else { " " };
    if cx.is_cut(p, 24) {
        return Ok(());
    }
    cx.s(space);
    cx.s("match(");
    match cx.u8(p)? {
        1 => cx.s("add"),
        2 => cx.s("change"),
        3 => cx.s("setglobal"),
        other => put!(cx, "#{other}"),
    }
    if cx.o.verbose > 0 {
        put!(cx, ",ord={},min={},max={}", cx.u8(p + 2)?, cx.u8(p + 4)?, cx.u8(p + 5)?);
    }
    cx.s(",");
    cx.colons(cx.ipv6(p + 8)?);
    put!(cx, "/{})", cx.u8(p + 3)?);
    let words = cx.u8(p + 1)?;
    if words % 4 != 3 {
        cx.trunc();
        return Ok(());
    }
    for row in (p + 24..).step_by(32).take(words / 4) {
        if cx.is_cut(row, 32) {
            break;
        }
        cx.s(space);
        cx.s("use(");
        let flags = cx.u8(row + 12)?;
        if flags != 0 {
            cx.bits(USE_FLAGS, flags, "", "");
            cx.s(",");
        }
        if cx.o.verbose > 0 {
            put!(cx, "mask=0x{:x},raflags=0x{:x},", cx.u8(row + 2)?, cx.u8(row + 3)?);
            for (name, at) in [("vltime", row + 4), ("pltime", row + 8)] {
                match cx.word(at)? {
                    u32::MAX => put!(cx, "{name}=infty,"),
                    seconds => put!(cx, "{name}={seconds},"),
                }
            }
        }
        cx.colons(cx.ipv6(row + 16)?);
        put!(cx, "/{}/{})", cx.u8(row)?, cx.u8(row + 1)?);
    }
    Ok(())
}
