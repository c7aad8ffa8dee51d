//! Network time (RFC 5905) and its control messages (RFC 9327).

use crate::cx::{Cx, Printed};
use crate::tok::{Toks, tok};

const MODES: &Toks = &[
    (0, "unspecified"),
    (1, "symmetric active"),
    (2, "symmetric passive"),
    (3, "Client"),
    (4, "Server"),
    (5, "Broadcast"),
    (6, "Control Message"),
    (7, "Reserved"),
];
const LEAPS: &Toks = &[(0, ""), (0x40, "+1s"), (0x80, "-1s"), (0xc0, "clock unsynchronized")];
const HEADER: usize = 48;
const CONTROL: usize = 12;
/// Seconds from 1900 to 1970.
const EPOCH: i64 = 2_208_988_800;

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "ntp";
    let status = cx.u8(at)?;
    let mode = status & 7;
    put!(
        cx,
        "NTPv{}, {}, length {len}",
        status >> 3 & 7,
        tok(MODES, mode).unwrap_or("Unknown mode")
    );
    if cx.o.verbose == 0 {
        return Ok(());
    }
    let leap = status & 0xc0;
    put!(cx, "\n\tLeap indicator: {} ({leap})", tok(LEAPS, leap).unwrap_or("Unknown"));
    match mode {
        0..=5 => time(cx, at, len),
        6 => control(cx, at, len),
        _ => Ok(()),
    }
}

fn time(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    if len < HEADER {
        cx.invalid();
        if !cx.has(at, len) {
            cx.trunc();
        }
        return Ok(());
    }
    let stratum = cx.u8(at + 1)?;
    let name = match stratum {
        0 => "unspecified",
        1 => "primary reference",
        2..=15 => "secondary reference",
        _ => "reserved",
    };
    put!(cx, ", Stratum {stratum} ({name})");
    let poll = cx.byte(at + 2)?.cast_signed();
    put!(cx, ", poll {poll}");
    match poll {
        0..32 => put!(cx, " ({}s)", 1u32 << poll),
        -31..0 => put!(cx, " (1/{}s)", 1u32 << -poll),
        _ => {}
    }
    put!(cx, ", precision {}", cx.byte(at + 3)?.cast_signed());
    for (p, name) in [(at + 4, "\n\tRoot Delay: "), (at + 8, ", Root dispersion: ")] {
        if !cx.has(p, 4) {
            cx.trunc();
            return Ok(());
        }
        let (whole, fraction) = (cx.u16(p)?, cx.u16(p + 2)?);
        put!(cx, "{name}{whole}.{:06}", fraction * 1_000_000 / 65_536);
    }
    if !cx.has(at + 12, 4) {
        cx.trunc();
        return Ok(());
    }
    cx.s(", Reference-ID: ");
    match stratum {
        0 => cx.s("(unspec)"),
        1 => {
            cx.chars(at + 12, 4);
        }
        62 | 63 => {
            cx.ip(at + 12)?;
            cx.s(if stratum == 62 { " INFO_QUERY" } else { " INFO_REPLY" });
            return Ok(());
        }
        _ => put!(cx, "0x{:08x}", cx.u32(at + 12)?),
    }
    let stamps = [
        (16, "\n\t  Reference Timestamp:  "),
        (24, "\n\t  Originator Timestamp: "),
        (32, "\n\t  Receive Timestamp:    "),
        (40, "\n\t  Transmit Timestamp:   "),
    ];
    for (off, name) in stamps {
        if !cx.has(at + off, 8) {
            cx.trunc();
            return Ok(());
        }
        cx.s(name);
        stamp(cx, at + off)?;
    }
    cx.s("\n\t    Originator - Receive Timestamp:  ");
    difference(cx, at + 24, at + 32)?;
    cx.s("\n\t    Originator - Transmit Timestamp: ");
    difference(cx, at + 24, at + 40)?;
    match len - HEADER {
        0 => {}
        4 => put!(cx, "\n\tKey id: {}", cx.u32(at + HEADER)?),
        more @ (20 | 24) => {
            put!(cx, "\n\tKey id: {}", cx.u32(at + HEADER)?);
            if !cx.has(at + HEADER + 4, more - 4) {
                cx.trunc();
                return Ok(());
            }
            cx.s("\n\tAuthentication: ");
            for n in (4..more).step_by(4) {
                put!(cx, "{:08x}", cx.u32(at + HEADER + n)?);
            }
        }
        more => put!(cx, "\n\t({more} more bytes after the header)"),
    }
    Ok(())
}

/// Parts per billion of a fraction of 2^32, cut as arithmetic in doubles cuts them.
fn billionths(fraction: u32) -> u64 {
    (u64::from(fraction) * 1_000_000_000) >> 32
}

pub(crate) fn stamp(cx: &mut Cx<'_>, at: usize) -> Printed {
    let (seconds, fraction) = (cx.word(at)?, cx.word(at + 4)?);
    put!(cx, "{seconds}.{:09}", billionths(fraction));
    if seconds != 0 {
        let unix = i64::from(seconds) - EPOCH;
        cx.s(" (");
        crate::time::push_utc(cx.out, unix);
        cx.s(")");
    }
    Ok(())
}

fn difference(cx: &mut Cx<'_>, old: usize, new: usize) -> Printed {
    let (before, after) = (cx.u64(old)?, cx.u64(new)?);
    if before == 0 {
        return stamp(cx, new);
    }
    let (sign, apart) = if after > before { ("+", after - before) } else { ("-", before - after) };
    let fraction = u32::try_from(apart & 0xffff_ffff).unwrap_or(0);
    put!(cx, "{sign}{}.{:09}", apart >> 32, billionths(fraction));
    Ok(())
}

fn control(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    if len < CONTROL {
        cx.invalid();
        if !cx.has(at, len) {
            cx.trunc();
        }
        return Ok(());
    }
    let bits = cx.u8(at + 1)?;
    put!(
        cx,
        ", {}, {}, {}, OpCode={}\n",
        if bits & 0x80 == 0 { "Request" } else { "Response" },
        if bits & 0x40 == 0 { "OK" } else { "Error" },
        if bits & 0x20 == 0 { "Last" } else { "More" },
        bits & 0x1f
    );
    put!(cx, "\tSequence={}", cx.u16(at + 2)?);
    match cx.u16(at + 4)? {
        0 => cx.s(", Status=0"),
        status => put!(cx, ", Status=0x{status:x}"),
    }
    put!(cx, ", Assoc.={}", cx.u16(at + 6)?);
    put!(cx, ", Offset={}", cx.u16(at + 8)?);
    let count = cx.u16(at + 10)?;
    put!(cx, ", Count={count}");
    if CONTROL + count > len {
        cx.invalid();
        if !cx.has(at, len) {
            cx.trunc();
        }
    } else if count > 0 {
        if cx.has(at + CONTROL, count) {
            cx.s("\n\tTO-BE-DONE: data not interpreted");
        } else {
            cx.trunc();
        }
    }
    Ok(())
}
