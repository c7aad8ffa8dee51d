//! Multipath TCP (RFC 8684): its option.

use crate::cx::{Cx, Printed};
use crate::tok::{Toks, tok};

const SUBTYPES: [&str; 8] =
    ["capable", "join", "dss", "add-addr", "rem-addr", "prio", "fail", "fast-close"];
const ADDR: &Toks = &[(6, "v0-ip6"), (4, "v0-ip4"), (1, "v1-echo"), (0, "v1")];
const SYN: usize = 2;
const ACK: usize = 16;

/// Shows the option of `len` bytes; whether it was well formed.
pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize, flags: usize) -> Printed<bool> {
    cx.proto = "mptcp";
    if len < 3 {
        return Ok(false);
    }
    let subtype = cx.u8(at + 2)? >> 4;
    put!(cx, " {len} {}", SUBTYPES.get(subtype).unwrap_or(&"unknown"));
    match subtype {
        0 => capable(cx, at, len, flags),
        1 => join(cx, at, len, flags),
        2 => data_sequence(cx, at, len, flags),
        3 => add_address(cx, at, len),
        4 if len >= 4 => {
            cx.s(" id");
            for n in 3..len {
                put!(cx, " {}", cx.u8(at + n)?);
            }
            Ok(true)
        }
        5 if len == 3 || len == 4 => {
            cx.s(if cx.u8(at + 2)? & 1 == 1 { " backup" } else { " non-backup" });
            if len == 4 {
                put!(cx, " id {}", cx.u8(at + 3)?);
            }
            Ok(true)
        }
        6 if len == 12 => {
            put!(cx, " seq {}", cx.u64(at + 4)?);
            Ok(true)
        }
        7 if len == 12 => {
            put!(cx, " key 0x{:x}", cx.u64(at + 4)?);
            Ok(true)
        }
        4..=7 => Ok(false),
        _ => Ok(true),
    }
}

fn capable(cx: &mut Cx<'_>, at: usize, len: usize, flags: usize) -> Printed<bool> {
    let first = matches!(len, 12 | 4) && flags & SYN != 0;
    let third = matches!(len, 20 | 22) && flags & (SYN | ACK) == ACK;
    if !first && !third {
        return Ok(false);
    }
    let version = cx.u8(at + 2)? & 15;
    if version > 1 {
        put!(cx, " Unknown Version ({version})");
        return Ok(true);
    }
    put!(cx, " v{version}");
    if cx.u8(at + 3)? & 0x80 != 0 {
        cx.s(" csum");
    }
    if len == 12 || len >= 20 {
        put!(cx, " {{0x{:x}", cx.u64(at + 4)?);
        if len >= 20 {
            put!(cx, ",0x{:x}", cx.u64(at + 12)?);
        }
        cx.s("}");
    }
    Ok(true)
}

fn join(cx: &mut Cx<'_>, at: usize, len: usize, flags: usize) -> Printed<bool> {
    let fits = match len {
        12 => flags & SYN != 0,
        16 => flags & (SYN | ACK) == SYN | ACK,
        24 => flags & ACK != 0,
        _ => false,
    };
    if !fits {
        return Ok(false);
    }
    if len != 24 {
        if cx.u8(at + 2)? & 1 == 1 {
            cx.s(" backup");
        }
        put!(cx, " id {}", cx.u8(at + 3)?);
    }
    match len {
        12 => put!(cx, " token 0x{:x} nonce 0x{:x}", cx.u32(at + 4)?, cx.u32(at + 8)?),
        16 => put!(cx, " hmac 0x{:x} nonce 0x{:x}", cx.u64(at + 4)?, cx.u32(at + 12)?),
        _ => {
            cx.s(" hmac 0x");
            for &byte in cx.bytes(at + 4, 20)? {
                cx.hex2(byte);
            }
        }
    }
    Ok(true)
}

fn data_sequence(cx: &mut Cx<'_>, at: usize, len: usize, flags: usize) -> Printed<bool> {
    if len < 4 || flags & SYN != 0 {
        return Ok(false);
    }
    let bits = cx.u8(at + 3)?;
    if bits & 0x10 != 0 {
        cx.s(" fin");
    }
    let (mut p, end) = (at + 4, at + len);
    if bits & 1 != 0 {
        cx.s(" ack ");
        if !number(cx, &mut p, end, bits & 2 != 0)? {
            return Ok(false);
        }
    }
    if bits & 4 != 0 {
        cx.s(" seq ");
        if !number(cx, &mut p, end, bits & 8 != 0)? || end - p < 4 {
            return Ok(false);
        }
        put!(cx, " subseq {}", cx.u32(p)?);
        p += 4;
        if end - p < 2 {
            return Ok(false);
        }
        put!(cx, " len {}", cx.u16(p)?);
        p += 2;
        if end - p >= 2 {
            put!(cx, " csum 0x{:x}", cx.u16(p)?);
            p += 2;
        }
    }
    Ok(p == end)
}

/// A number of 8 or 4 bytes; whether it fits the option.
fn number(cx: &mut Cx<'_>, p: &mut usize, end: usize, long: bool) -> Printed<bool> {
    let size = if long { 8 } else { 4 };
    if end - *p < size {
        return Ok(false);
    }
    if long {
        put!(cx, "{}", cx.u64(*p)?);
    } else {
        put!(cx, "{}", cx.u32(*p)?);
    }
    *p += size;
    Ok(true)
}

fn add_address(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed<bool> {
    if !matches!(len, 8 | 10 | 16 | 18 | 20 | 22 | 28 | 30) {
        return Ok(false);
    }
    let kind = tok(ADDR, cx.u8(at + 2)? & 15).unwrap_or("[bad version/echo]");
    put!(cx, " {kind} id {} ", cx.u8(at + 3)?);
    let mut p = at + 4;
    if len <= 18 {
        cx.ip(p)?;
        p += 4;
    } else {
        cx.ip6(p)?;
        p += 16;
    }
    if matches!(len, 10 | 18 | 22 | 30) {
        put!(cx, ":{}", cx.u16(p)?);
        p += 2;
    }
    if matches!(len, 16 | 18 | 28 | 30) {
        put!(cx, " hmac 0x{:x}", cx.u64(p)?);
    }
    Ok(true)
}
