//! ICMP (RFC 792, 950, 1191, 1256, 4884, 4950).

use crate::cx::{Cx, Printed};
use crate::ip::{self, Around, TCP, UDP};
use crate::mpls::Label;
use crate::sum::{should_be, sum};
use crate::tok::Toks;

const UNREACHABLE: usize = 3;
const QUENCH: usize = 4;
const REDIRECT: usize = 5;
const EXCEEDED: usize = 11;
const PARAMETER: usize = 12;
const OTHERS: &Toks = &[
    (QUENCH, "source quench"),
    (10, "router solicitation"),
    (15, "information request"),
    (16, "information reply"),
    (17, "address mask request"),
];
/// Words before and after the address of what cannot be reached, by code.
const WHY: [(&str, &str); 16] = [
    ("net ", " unreachable"),
    ("host ", " unreachable"),
    ("", ""),
    ("", ""),
    ("", " unreachable - need to frag"),
    ("", " unreachable - source route failed"),
    ("net ", " unreachable - unknown"),
    ("host ", " unreachable - unknown"),
    ("", " unreachable - source host isolated"),
    ("net ", " unreachable - admin prohibited"),
    ("host ", " unreachable - admin prohibited"),
    ("net ", " unreachable - tos prohibited"),
    ("host ", " unreachable - tos prohibited"),
    ("host ", " unreachable - admin prohibited filter"),
    ("host ", " unreachable - host precedence violation"),
    ("host ", " unreachable - precedence cutoff"),
];
/// Where extensions begin.
const EXTENSION: usize = 136;

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize, around: Around) -> Printed {
    cx.proto = "icmp";
    let (kind, code) = (cx.u8(at)?, cx.u8(at + 1)?);
    // The message is shown only if it is all there.
    let start = cx.out.len();
    cx.s("ICMP ");
    match message(cx, at, kind, code) {
        Ok(true) => {}
        Ok(false) => {
            cx.out.truncate(start);
            cx.trunc();
            return Ok(());
        }
        Err(cut) => {
            cx.out.truncate(start);
            return Err(cut);
        }
    }
    cx.s(", length ");
    cx.u(len);
    if cx.o.verbose == 0 {
        return Ok(());
    }
    if !around.fragment && cx.has(at, len) {
        let sum = sum(&[cx.bytes(at, len)?]);
        if sum != 0 {
            let have = cx.u16(at + 2)?;
            put!(cx, " (wrong icmp cksum {have:x} (->{:x})!)", should_be(have, sum));
        }
    }
    if matches!(kind, UNREACHABLE | QUENCH | REDIRECT | EXCEEDED | PARAMETER) {
        cx.s("\n\t");
        let inner = cx.u16(at + 10)?;
        let saved = cx.limit(at + 8, inner);
        // Its length is read again, which may now be out of reach.
        let inner = cx.u16(at + 10)?;
        ip::print(cx, at + 8, inner)?;
        cx.end = saved;
        cx.proto = "icmp";
    }
    if len > EXTENSION && matches!(kind, UNREACHABLE | EXCEEDED | PARAMETER) {
        extensions(cx, at, len)?;
    }
    Ok(())
}

/// What the message says; false if the packet ends before.
fn message(cx: &mut Cx<'_>, at: usize, kind: usize, code: usize) -> Printed<bool> {
    let (id, seq) = (at + 4, at + 6);
    match kind {
        0 | 8 => {
            cx.s(if kind == 8 { "echo request, id " } else { "echo reply, id " });
            cx.u(cx.u16(id)?);
            cx.s(", seq ");
            cx.u(cx.u16(seq)?);
        }
        UNREACHABLE => return unreachable(cx, at, code),
        REDIRECT => {
            let to = match code {
                0 | 2 => "to net",
                1 | 3 => "to host",
                _ => "to",
            };
            match code {
                0 | 1 => cx.s("redirect "),
                2 | 3 => cx.s("redirect-tos "),
                _ => put!(cx, "redirect-#{code} "),
            }
            cx.ip(at + 24)?;
            put!(cx, " {to} ");
            cx.ip(at + 4)?;
        }
        9 => return advertisement(cx, at),
        EXCEEDED => {
            if !cx.has(at + 24, 4) {
                return Ok(false);
            }
            match code {
                0 => cx.s("time exceeded in-transit"),
                1 => cx.s("ip reassembly time exceeded"),
                _ => put!(cx, "time exceeded-#{code}"),
            }
        }
        PARAMETER if code != 0 => put!(cx, "parameter problem - code {code}"),
        PARAMETER => put!(cx, "parameter problem - octet {}", cx.u8(at + 4)?),
        18 => put!(cx, "address mask is 0x{:08x}", cx.u32(at + 8)?),
        13 => put!(cx, "time stamp query id {} seq {}", cx.u16(id)?, cx.u16(seq)?),
        14 => {
            if !cx.has(at + 16, 4) {
                return Ok(false);
            }
            put!(cx, "time stamp reply id {} seq {}: org ", cx.u16(id)?, cx.u16(seq)?);
            time(cx, at + 8)?;
            cx.s(", recv ");
            time(cx, at + 12)?;
            cx.s(", xmit ");
            time(cx, at + 16)?;
        }
        _ => tok!(cx, OTHERS, kind, "type-#{kind}"),
    }
    Ok(true)
}

/// Milliseconds since midnight.
fn time(cx: &mut Cx<'_>, at: usize) -> Printed {
    let ms = cx.u32(at)?;
    let s = ms / 1000;
    put!(cx, "{:02}:{:02}:{:02}.{:03}", s / 3600, s / 60 % 60, s % 60, ms % 1000);
    Ok(())
}

fn unreachable(cx: &mut Cx<'_>, at: usize, code: usize) -> Printed<bool> {
    let inner = at + 8;
    let dst = inner + 16;
    match code {
        2 => {
            cx.ip(dst)?;
            put!(cx, " protocol {} unreachable", cx.u8(inner + 9)?);
        }
        3 => {
            if !cx.has(inner + 9, 1) {
                return Ok(false);
            }
            let transport = inner + (cx.u8(inner)? & 15) * 4;
            let port = cx.port(transport + 2)?;
            let protocol = cx.u8(inner + 9)?;
            cx.ip(dst)?;
            match protocol {
                TCP => {
                    cx.s(" tcp port ");
                    cx.tcp_port(port);
                }
                UDP => {
                    cx.s(" udp port ");
                    cx.udp_port(port);
                }
                _ => put!(cx, " protocol {protocol} port {port}"),
            }
            cx.s(" unreachable");
        }
        _ => {
            let known = WHY.get(code);
            let mtu = if code == 4 { cx.u16(at + 6)? } else { 0 };
            let (before, after) = known.copied().unwrap_or_default();
            cx.s(before);
            cx.ip(dst)?;
            cx.s(after);
            if known.is_none() {
                put!(cx, " unreachable - #{code}");
            }
            if mtu != 0 {
                put!(cx, " (mtu {mtu})");
            }
        }
    }
    Ok(true)
}

fn advertisement(cx: &mut Cx<'_>, at: usize) -> Printed<bool> {
    /// Characters that tcpdump has room for.
    const LONGEST: usize = 163;
    let start = cx.out.len();
    cx.s("router advertisement");
    if !cx.has(at + 4, 4) {
        return Ok(false);
    }
    let lifetime = cx.u16(at + 6)?;
    cx.s(" lifetime ");
    let (hours, minutes, seconds) = (lifetime / 3600, lifetime / 60 % 60, lifetime % 60);
    match lifetime {
        0..60 => put!(cx, "{seconds}"),
        60..3600 => put!(cx, "{minutes}:{seconds:02}"),
        _ => put!(cx, "{hours}:{minutes:02}:{seconds:02}"),
    }
    let (count, size) = (cx.u8(at + 4)?, cx.u8(at + 5)?);
    put!(cx, " {count}:");
    if size != 2 {
        put!(cx, " [size {size}]");
        return Ok(true);
    }
    for n in 0..count {
        let p = at + 8 + 8 * n;
        if !cx.has(p, 8) {
            return Ok(false);
        }
        cx.after(" {", |cx| cx.ip(p))?;
        put!(cx, " {}}}", cx.u32(p + 4)?);
    }
    cx.out.truncate(start + LONGEST);
    Ok(true)
}

/// Objects after the packet that a message is about.
fn extensions(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    const OBJECTS: &Toks = &[(1, "MPLS Stack Entry"), (2, "Interface Identification")];
    if !cx.has(at, EXTENSION + 5) {
        cx.trunc();
        return Ok(());
    }
    let p = at + EXTENSION;
    let mut left = len - EXTENSION;
    let whole = cx.has(p, left);
    let sum = if whole { sum(&[cx.bytes(p, left)?]) } else { 0 };
    if cx.u8(at + 5)? == 0 && whole && sum != 0 {
        return Ok(());
    }
    let version = cx.u8(p)? >> 4;
    put!(cx, "\n\tICMP Multi-Part extension v{version}");
    if version != 2 {
        cx.s(" packet not supported");
        return Ok(());
    }
    if whole {
        let good = if sum == 0 { "" } else { "in" };
        put!(cx, ", checksum 0x{:04x} ({good}correct), length {left}", cx.u16(p + 2)?);
    }
    left = left.saturating_sub(4);
    let mut p = p + 4;
    while left > 4 {
        if !cx.has(p, 4) {
            cx.trunc();
            return Ok(());
        }
        let (size, class, kind) = (cx.u16(p)?, cx.u8(p + 2)?, cx.u8(p + 3)?);
        p += 4;
        left -= 4;
        cx.s("\n\t  ");
        tok!(cx, OBJECTS, class, "unknown");
        put!(cx, " Object ({class}), Class-Type: {kind}, length {size}");
        if class == 0 || size < 4 {
            return Ok(());
        }
        let size = size - 4;
        if (class, kind) == (1, 1) {
            let label = Label(cx.u32(p)?);
            put!(cx, "\n\t    label {}, tc {}", label.number(), label.class());
            if label.is_last() {
                cx.s(", [S]");
            }
            put!(cx, ", ttl {}", label.ttl());
        } else {
            cx.unknown_data(p, "\n\t    ", size)?;
        }
        if left < size {
            break;
        }
        left -= size;
        p += size;
    }
    Ok(())
}
