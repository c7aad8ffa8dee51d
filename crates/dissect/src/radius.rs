//! RADIUS (RFC 2865) and its attributes.

use crate::cx::{Cx, Printed};
use crate::eap;
use crate::ntp::stamp;
use crate::radius_tables::{ATTRIBUTES, CODES, ERRORS, FEATURES, Form, VENDORS};
use crate::tok::{Toks, tok};

const HEADER: usize = 20;

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "radius";
    if !cx.has(at, HEADER) {
        cx.trunc();
        return Ok(());
    }
    let said = cx.u16(at + 2)?;
    if said < HEADER {
        cx.trunc();
        return Ok(());
    }
    let len = said.min(len);
    let (code, id) = (cx.u8(at)?, cx.u8(at + 1)?);
    let name = tok(CODES, code).unwrap_or("Unknown Command");
    if cx.o.verbose == 0 {
        put!(cx, "RADIUS, {name} ({code}), id: 0x{id:02x} length: {len}");
        return Ok(());
    }
    put!(cx, "RADIUS, length: {len}\n\t{name} ({code}), id: 0x{id:02x}, Authenticator: ");
    for &byte in cx.bytes(at + 4, 16)? {
        cx.hex2(byte);
    }
    let (mut p, mut left) = (at + HEADER, len.saturating_sub(HEADER));
    while left > 0 {
        if left < 2 || !cx.has(p, 2) {
            cx.trunc();
            return Ok(());
        }
        let (kind, size) = (cx.u8(p)?, cx.u8(p + 1)?);
        let known = ATTRIBUTES.get(kind);
        let name = known.map_or("", |known| known.0);
        let name = if name.is_empty() { "Unknown" } else { name };
        put!(cx, "\n\t  {name} Attribute ({kind}), length: {size}");
        if size < 2 {
            cx.s(" (bogus, must be >= 2)");
            return Ok(());
        }
        if size > left {
            cx.s(" (bogus, goes past end of packet)");
            return Ok(());
        }
        cx.s(", Value: ");
        if let (Some((_, form)), true) = (known, size > 2)
            && !value(cx, *form, kind, p + 2, size - 2)?
        {
            cx.trunc();
        }
        if cx.o.verbose > 1 {
            cx.unknown_data(p + 2, "\n\t    ", size - 2)?;
        }
        left -= size;
        p += size;
    }
    Ok(())
}

/// Whether so many bytes are there; otherwise says so.
fn exactly(cx: &mut Cx<'_>, len: usize, should: usize) -> bool {
    if len != should {
        put!(cx, "ERROR: length {len} != {should}");
    }
    len == should
}

fn at_least(cx: &mut Cx<'_>, len: usize, should: usize) -> bool {
    if len < should {
        put!(cx, "ERROR: length {len} < {should}");
    }
    len >= should
}

/// Shows a value; false if it is cut.
fn value(cx: &mut Cx<'_>, form: Form, kind: usize, p: usize, len: usize) -> Printed<bool> {
    match form {
        Form::No => {}
        Form::Text => return text(cx, kind, p, len),
        Form::Number if exactly(cx, len, 4) => number(cx, kind, p)?,
        Form::Named(names) if exactly(cx, len, 4) => named(cx, kind, names, p)?,
        Form::Vendor => return vendor(cx, p, len),
        Form::Address if exactly(cx, len, 4) => match cx.u32(p)? {
            0xffff_ffff if matches!(kind, 8 | 14) => cx.s("User Selected"),
            0xffff_fffe if matches!(kind, 8 | 14) => cx.s("NAS Select"),
            _ => cx.ip(p)?,
        },
        Form::Address6 if exactly(cx, len, 16) => cx.ip6(p)?,
        Form::Prefix6 => return prefix(cx, p, len),
        Form::HomePrefix if exactly(cx, len, 17) => {
            if !cx.has(p, len) {
                return Ok(false);
            }
            let bits = cx.u8(p)?;
            if bits > 128 {
                put!(cx, "ERROR: netmask {bits} not in range (0..128)");
            } else {
                cx.ip6(p + 1)?;
                put!(cx, "/{bits}");
            }
        }
        Form::Operator | Form::Location | Form::LocationData | Form::LocationRules => {
            if !cx.has(p, len) {
                return Ok(false);
            }
            location(cx, form, p, len)?;
        }
        Form::Time if exactly(cx, len, 4) => time(cx, p)?,
        Form::Features if exactly(cx, len, 8) => {
            let bits = usize::try_from(cx.u64(p)?).unwrap_or(0);
            cx.s("[");
            cx.bits(FEATURES, bits, ", ", "");
            cx.s("]");
        }
        Form::Special => special(cx, kind, p, len)?,
        _ => {}
    }
    Ok(true)
}

/// Printable characters up to a zero, dots for others.
fn characters(cx: &mut Cx<'_>, p: usize, len: usize, to_zero: bool) -> Printed {
    for n in 0..len {
        match cx.byte(p + n)? {
            0 if to_zero => break,
            c @ 0x20..=0x7e => cx.out.push(c),
            _ => cx.out.push(b'.'),
        }
    }
    Ok(())
}

/// The number of a tunnel (RFC 2868).
fn tag(cx: &mut Cx<'_>, tag: usize) {
    if tag == 0 {
        cx.s("Tag[Unused] ");
    } else {
        put!(cx, "Tag[{tag}] ");
    }
}

fn tagging(cx: &mut Cx<'_>, value: usize) {
    const TAGGED: &Toks = &[(0x31, "Tagged"), (0x32, "Untagged")];
    put!(cx, "{} (0x{value:02x}) ", tok(TAGGED, value).unwrap_or("Unknown tag"));
}

fn text(cx: &mut Cx<'_>, kind: usize, p: usize, len: usize) -> Printed<bool> {
    if !cx.has(p, len) {
        return Ok(false);
    }
    let first = cx.u8(p)?;
    let skip = match kind {
        69 if len < 3 => return Ok(false),
        69 => {
            tag(cx, if first <= 0x1f { first } else { 0 });
            put!(cx, "Salt {} ", cx.u16(p + 1)?);
            3
        }
        66 | 67 | 81 | 82 | 90 | 91 if first <= 0x1f => {
            tag(cx, first);
            1
        }
        58 => {
            tagging(cx, first);
            1
        }
        79 => {
            eap::print(cx, p, len)?;
            return Ok(true);
        }
        _ => 0,
    };
    characters(cx, p + skip, len - skip, true)?;
    Ok(true)
}

fn vendor(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed<bool> {
    if len < 4 {
        return Ok(false);
    }
    let id = cx.u32(p)?;
    put!(cx, "Vendor: {} ({id})", tok(VENDORS, id).unwrap_or("Unknown"));
    let (mut p, mut left) = (p + 4, len - 4);
    while left >= 2 {
        let (kind, size) = (cx.u8(p)?, cx.u8(p + 1)?);
        let wrong = if size < 2 {
            Some("must be >= 2")
        } else if size > left {
            Some("goes past end of vendor-specific attribute")
        } else {
            None
        };
        if let Some(wrong) = wrong {
            put!(cx, "\n\t    Vendor Attribute: {kind}, Length: {size} (bogus, {wrong})");
            return Ok(true);
        }
        if !cx.has(p + 2, size - 2) {
            return Ok(false);
        }
        put!(cx, "\n\t    Vendor Attribute: {kind}, Length: {}, Value: ", size - 2);
        characters(cx, p + 2, size - 2, false)?;
        p += size;
        left -= size;
    }
    Ok(true)
}

fn named(cx: &mut Cx<'_>, kind: usize, names: &[&str], p: usize) -> Printed {
    let number = if matches!(kind, 64 | 65) {
        tag(cx, cx.u8(p)?);
        cx.u24(p + 1)?
    } else {
        cx.u32(p)?
    };
    match names.get(number) {
        Some(name) if !name.is_empty() => cx.s(name),
        _ => put!(cx, "#{number}"),
    }
    Ok(())
}

fn number(cx: &mut Cx<'_>, kind: usize, p: usize) -> Printed {
    // What stands before the others is shown though they be cut off.
    match kind {
        83 => tag(cx, cx.u8(p)?),
        56 => tagging(cx, cx.u8(p)?),
        _ => {}
    }
    let number = if matches!(kind, 56 | 83) { cx.u24(p + 1)? } else { cx.u32(p)? };
    match (kind, number) {
        (23, 0xffff_fffe) => cx.s("NAS Select"),
        (27 | 28 | 41 | 46 | 85, _) => {
            let (hours, minutes, seconds) = (number / 3600, number / 60 % 60, number % 60);
            match number {
                0..60 => put!(cx, "{seconds:02} secs"),
                60..3600 => put!(cx, "{minutes:02}:{seconds:02} min"),
                _ => put!(cx, "{hours:02}:{minutes:02}:{seconds:02} hours"),
            }
        }
        (37, 0) => cx.s("Unnumbered"),
        (38, 0) => cx.s("NAS assigned"),
        _ => put!(cx, "{number}"),
    }
    Ok(())
}

fn prefix(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed<bool> {
    if !(2..=18).contains(&len) {
        put!(cx, "ERROR: length {len} not in range (2..18)");
        return Ok(true);
    }
    if !cx.has(p, len) {
        return Ok(false);
    }
    let bits = cx.u8(p + 1)?;
    if bits > 128 {
        put!(cx, "ERROR: netmask {bits} not in range (0..128)");
        return Ok(true);
    }
    let mut addr = [0; 16];
    for (to, &from) in addr.iter_mut().zip(cx.bytes(p + 2, len - 2)?) {
        *to = from;
    }
    cx.colons(addr);
    put!(cx, "/{bits}");
    if bits > 8 * (len - 2) {
        cx.s(" (inconsistent prefix length)");
    }
    Ok(true)
}

/// RFC 5580.
fn location(cx: &mut Cx<'_>, form: Form, p: usize, len: usize) -> Printed {
    const SPACES: &Toks = &[(0x30, "TADIG"), (0x31, "REALM"), (0x32, "E212"), (0x33, "ICC")];
    const CODES: &Toks = &[(0, "Civic"), (1, "Geospatial")];
    const ENTITIES: &Toks = &[(0, "User"), (1, "RADIUS")];
    match form {
        Form::Operator if at_least(cx, len, 2) => {
            let space = cx.u8(p)?;
            cx.s("[");
            tok!(cx, SPACES, space, "unknown namespace {space}");
            cx.s("] ");
            cx.chars(p + 1, len - 1);
        }
        Form::Location if at_least(cx, len, 21) => {
            let (code, entity) = (cx.u8(p + 2)?, cx.u8(p + 3)?);
            put!(cx, "index {}, code ", cx.u16(p)?);
            tok!(cx, CODES, code, "Unknown ({code})");
            cx.s(", entity ");
            tok!(cx, ENTITIES, entity, "Unknown ({entity})");
            cx.s(", sighting time ");
            stamp(cx, p + 4)?;
            cx.s(", time to live ");
            stamp(cx, p + 12)?;
            cx.s(", method \"");
            cx.chars(p + 20, len - 20);
            cx.s("\"");
        }
        Form::LocationData if at_least(cx, len, 3) => {
            put!(cx, "index {}, location", cx.u16(p)?);
            cx.hex_ascii("\n\t    ", p + 2, len - 2)?;
        }
        Form::LocationRules if at_least(cx, len, 10) => {
            let flags = cx.u16(p)?;
            cx.s("flags [");
            let mut first = true;
            for bit in 0..16 {
                if flags >> bit & 1 == 0 {
                    continue;
                }
                cx.s(if first { "" } else { ", " });
                first = false;
                if bit == 15 {
                    cx.s("Retransmission Allowed");
                } else {
                    put!(cx, "MBZ-{}", 15 - bit);
                }
            }
            cx.s(if first { "none], retention expires " } else { "], retention expires " });
            stamp(cx, p + 2)?;
            if len > 10 {
                cx.s(", note well \"");
                cx.chars(p + 10, len - 10);
                cx.s("\"");
            }
        }
        _ => {}
    }
    Ok(())
}

/// Local time as ctime(3) has it.
fn time(cx: &mut Cx<'_>, p: usize) -> Printed {
    let seconds = cx.word(p)?;
    let local = i64::from(seconds) + i64::from((cx.o.zone)(seconds));
    crate::time::push_ctime(cx.out, local);
    Ok(())
}

fn special(cx: &mut Cx<'_>, kind: usize, p: usize, len: usize) -> Printed {
    let hex = |cx: &mut Cx<'_>, p, len| -> Printed {
        for at in p..p + len {
            put!(cx, "{:02X}", cx.u8(at)?);
        }
        Ok(())
    };
    match kind {
        70 if exactly(cx, len, 16) => {
            cx.s("User_challenge (");
            hex(cx, p, 8)?;
            cx.s(") User_resp(");
            hex(cx, p + 8, 8)?;
            cx.s(")");
        }
        71 if exactly(cx, len, 14) => {
            let can = if cx.u8(p)? == 0 { "cannot" } else { "can" };
            put!(cx, "User {can} change password, Min password length: {}", cx.u8(p + 1)?);
            for (off, name) in
                [(2, ", created at: "), (6, ", expires in: "), (10, ", Current Time: ")]
            {
                cx.s(name);
                hex(cx, p + off, 4)?;
            }
        }
        84 if len < 8 => put!(cx, "ERROR: length {len} != 8"),
        84 => hex(cx, p, 8)?,
        101 if len != 4 => put!(cx, "Error: length {len} != 4"),
        101 => {
            let cause = cx.u32(p)?;
            put!(cx, "Error cause {cause}: ");
            tok!(cx, ERRORS, cause, "Error-Cause {cause} not known");
        }
        _ => {}
    }
    Ok(())
}
