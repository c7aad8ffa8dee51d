//! Geneve (RFC 8926).

use crate::cx::{Cx, Printed};
use crate::ether::{self, ETHERTYPES, TEB};
use crate::tok::{Toks, tok};

const FLAGS: &Toks = &[
    (0x80, "O"),
    (0x40, "C"),
    (0x20, "R1"),
    (0x10, "R2"),
    (0x08, "R3"),
    (0x04, "R4"),
    (0x02, "R5"),
    (0x01, "R6"),
];

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "geneve";
    cx.s("Geneve");
    if len < 8 {
        put!(cx, " [length {len} < 8]");
        cx.invalid();
        return Ok(());
    }
    if !cx.has(at, 8) {
        cx.trunc();
        return Ok(());
    }
    let first = cx.u8(at)?;
    if first >> 6 != 0 {
        put!(cx, " ERROR: unknown-version {}", first >> 6);
        return Ok(());
    }
    let protocol = cx.u16(at + 2)?;
    cx.s(", Flags [");
    cx.bits(FLAGS, cx.u8(at + 1)?, "", "none");
    put!(cx, "], vni 0x{:x}", cx.u24(at + 4)?);
    let reserved = cx.u8(at + 7)?;
    if reserved != 0 {
        put!(cx, ", rsvd 0x{reserved:x}");
    }
    if cx.o.link {
        put!(cx, ", proto {} (0x{protocol:04x})", tok(ETHERTYPES, protocol).unwrap_or("unknown"));
    }
    let size = (first & 0x3f) * 4;
    let len = len - 8;
    if len < size {
        put!(cx, " truncated-geneve - {} bytes missing", size - len);
        return Ok(());
    }
    if !cx.has(at + 8, size) {
        cx.trunc();
        return Ok(());
    }
    if size > 0 {
        cx.s(", options [");
        if cx.o.verbose > 0 {
            options(cx, at + 8, size)?;
        } else {
            put!(cx, "{size} bytes");
        }
        cx.s("]");
    }
    let (p, len) = (at + 8 + size, len - size);
    cx.s(if cx.o.verbose == 0 { ": " } else { "\n\t" });
    let left = cx.left(p);
    if ether::payload(cx, protocol, p, len, left)? {
        return Ok(());
    }
    if protocol == TEB {
        ether::print(cx, p, len, left)?;
    } else {
        put!(cx, "geneve-proto-0x{protocol:x}");
    }
    Ok(())
}

const fn class_name(class: usize) -> &'static str {
    match class {
        0x0100 => "Linux",
        0x0101 => "Open vSwitch",
        0x0102 => "Open Virtual Networking (OVN)",
        0x0103 => "In-band Network Telemetry (INT)",
        0x0104 => "VMware",
        0..=0x00ff => "Standard",
        0xfff0.. => "Experimental",
        _ => "Unknown",
    }
}

fn options(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    let (mut p, end) = (at, at + len);
    while p < end {
        if p > at {
            cx.s(", ");
        }
        let (class, kind) = (cx.u16(p)?, cx.u8(p + 2)?);
        let size = 4 + (cx.u8(p + 3)? & 0x1f) * 4;
        let critical = if kind & 0x80 != 0 { "(C)" } else { "" };
        put!(cx, "class {} (0x{class:x}) type 0x{kind:x}{critical} len {size}", class_name(class));
        if size > end - p {
            cx.s(" [bad length]");
            return Ok(());
        }
        if cx.o.verbose > 1 && size > 4 {
            cx.s(" data");
            for n in (4..size).step_by(4) {
                put!(cx, " {:08x}", cx.u32(p + n)?);
            }
        }
        p += size;
    }
    Ok(())
}
