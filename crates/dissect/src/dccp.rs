//! DCCP (RFC 4340).

use crate::cx::{Cx, Printed, sub32};
use crate::ip::Around;
use crate::sum::should_be;
use crate::tok::{Toks, tok};

const TYPES: &Toks = &[
    (REQUEST, "DCCP-Request"),
    (RESPONSE, "DCCP-Response"),
    (DATA, "DCCP-Data"),
    (3, "DCCP-Ack"),
    (4, "DCCP-DataAck"),
    (5, "DCCP-CloseReq"),
    (6, "DCCP-Close"),
    (RESET, "DCCP-Reset"),
    (8, "DCCP-Sync"),
    (9, "DCCP-SyncAck"),
];
const REQUEST: usize = 0;
const RESPONSE: usize = 1;
const DATA: usize = 2;
const RESET: usize = 7;
const RESETS: &Toks = &[
    (0, "unspecified"),
    (1, "closed"),
    (2, "aborted"),
    (3, "no_connection"),
    (4, "packet_error"),
    (5, "option_error"),
    (6, "mandatory_error"),
    (7, "connection_refused"),
    (8, "bad_service_code"),
    (9, "too_busy"),
    (10, "bad_init_cookie"),
    (11, "aggression_penalty"),
];
const OPTIONS: &Toks = &[
    (0, "nop"),
    (1, "mandatory"),
    (2, "slowreceiver"),
    (32, "change_l"),
    (33, "confirm_l"),
    (34, "change_r"),
    (35, "confirm_r"),
    (36, "initcookie"),
    (37, "ndp_count"),
    (38, "ack_vector0"),
    (39, "ack_vector1"),
    (40, "data_dropped"),
    (41, "timestamp"),
    (42, "timestamp_echo"),
    (43, "elapsed_time"),
    (44, "data_checksum"),
];
const FEATURES: &Toks = &[
    (0, "reserved"),
    (1, "ccid"),
    (2, "allow_short_seqno"),
    (3, "sequence_window"),
    (4, "ecn_incapable"),
    (5, "ack_ratio"),
    (6, "send_ack_vector"),
    (7, "send_ndp_count"),
    (8, "minimum checksum coverage"),
    (9, "check data checksum"),
];
/// Options below have no length, those from [`CCID`] on mean what the congestion control says.
const LONG: usize = 32;
const CCID: usize = 128;
/// Of the header without and with long sequence numbers.
const SHORT_HEADER: usize = 12;
const HEADER: usize = 16;
/// Of acknowledgement numbers; short ones are taken for as long.
const ACK: usize = 8;

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize, around: Around) -> Printed {
    cx.proto = "dccp";
    if !cx.has(at, SHORT_HEADER) {
        cx.trunc();
        return Ok(());
    }
    if len < SHORT_HEADER {
        missing(cx, "dccp", SHORT_HEADER - len);
        return Ok(());
    }
    let kind = cx.u8(at + 8)?;
    let (kind, long) = (kind >> 1 & 15, kind & 1 == 1);
    let fixed = if long { HEADER } else { SHORT_HEADER };
    if len < fixed {
        missing(cx, "dccp", fixed - len);
        return Ok(());
    }
    if !cx.has(at, fixed) {
        cx.trunc();
        return Ok(());
    }
    around.src(cx)?;
    put!(cx, ".{} > ", cx.u16(at)?);
    around.dst(cx)?;
    put!(cx, ".{}: DCCP ", cx.u16(at + 2)?);
    let head = cx.u8(at + 4)? * 4;
    if cx.o.quick {
        cx.u(sub32(len, head));
        if head > len {
            put!(cx, " [bad hdr length {head} - too long, > {len}]");
        }
        return Ok(());
    }
    if cx.o.verbose > 0 {
        checksum(cx, at, len, around)?;
    }
    let Some(p) = numbers(cx, at, len, kind, long)? else { return Ok(()) };
    if cx.o.verbose < 2 {
        return Ok(());
    }
    put!(cx, "seq {}", number(cx, at + 8, long)?);
    options(cx, p, at + head)
}

fn missing(cx: &mut Cx<'_>, what: &str, size: usize) {
    put!(cx, "truncated-{what} - {size} bytes missing!");
}

/// The type and what is behind the header that all types have; where options begin, if the packet may have any.
fn numbers(
    cx: &mut Cx<'_>,
    at: usize,
    len: usize,
    kind: usize,
    long: bool,
) -> Printed<Option<usize>> {
    let fixed = if long { HEADER } else { SHORT_HEADER };
    let more = match kind {
        REQUEST => 4,
        DATA => 0,
        RESPONSE | RESET => ACK + 4,
        3..=9 => ACK,
        // Options are taken to follow at once, whatever the type may be.
        _ => 0,
    };
    match tok(TYPES, kind) {
        Some(name) if len < fixed + more => {
            missing(cx, name, fixed + more - len);
            return Ok(None);
        }
        Some(name) => {
            if more != ACK && !cx.has(at, fixed + more) {
                cx.trunc();
                return Ok(None);
            }
            put!(cx, "{name} ");
        }
        None => put!(cx, "unknown-type-{kind} "),
    }
    let p = at + fixed;
    match kind {
        REQUEST => put!(cx, "(service={}) ", cx.u32(p)?),
        RESPONSE => put!(cx, "(service={}) ", cx.u32(p + ACK)?),
        RESET => put!(cx, "(code={}) ", tok(RESETS, cx.u8(p + ACK)?).unwrap_or("invalid")),
        _ => {}
    }
    if kind != REQUEST && kind != DATA {
        put!(cx, "(ack={}) ", number(cx, p, long)?);
    }
    Ok(Some(p + more))
}

/// A sequence number of 48 or 24 bits, behind a byte.
fn number(cx: &Cx<'_>, at: usize, long: bool) -> Printed<u64> {
    Ok(if long { cx.u64(at)? & 0xffff_ffff_ffff } else { u64::from(cx.word(at)? & 0x00ff_ffff) })
}

fn checksum(cx: &mut Cx<'_>, at: usize, len: usize, around: Around) -> Printed {
    let (covers, have) = (cx.u8(at + 5)?, cx.u16(at + 6)?);
    let (control, coverage) = (covers >> 4, covers & 15);
    put!(cx, "(CCVal {control}, CsCov {coverage}");
    if cx.has(at, len) {
        // RFC 4340, section 9.2: the header and so many words but one, or all.
        let covered = match coverage {
            0 => len,
            words => len.min((cx.u8(at + 4)? + words - 1) * 4),
        };
        put!(cx, ", cksum 0x{have:04x} ");
        match around.checksum(cx, 33, at, len, covered)? {
            0 => cx.s("(correct)"),
            sum => put!(cx, "(incorrect -> 0x{:04x})", should_be(have, sum)),
        }
    }
    cx.s(") ");
    Ok(())
}

fn options(cx: &mut Cx<'_>, at: usize, end: usize) -> Printed {
    if at >= end {
        return Ok(());
    }
    cx.s(" <");
    let mut p = at;
    loop {
        let size = option(cx, p, end)?;
        p += size;
        if size == 0 || p >= end {
            break;
        }
        cx.s(", ");
    }
    cx.s(">");
    Ok(())
}

/// One option; its length, or 0 if none can follow.
fn option(cx: &mut Cx<'_>, at: usize, end: usize) -> Printed<usize> {
    let kind = cx.u8(at)?;
    if kind < LONG {
        tok!(cx, OPTIONS, kind, "Option {kind}");
        return Ok(1);
    }
    let size = cx.u8(at + 1)?;
    if size <= end - at && !cx.has(at, size) {
        cx.trunc();
        return Ok(0);
    }
    if kind >= CCID {
        put!(cx, "CCID option {kind}");
    } else {
        tok!(cx, OPTIONS, kind, "Option {kind}");
    }
    if size < 2 {
        cx.s(" optlen too short");
        return Ok(0);
    }
    if size > end - at {
        cx.s(" optlen goes past header length");
        return Ok(0);
    }
    let value = at + 2;
    match (kind, size) {
        (32..=35, 2) => cx.s(" optlen too short"),
        (32..=35, _) => feature(cx, value, size - 2)?,
        (37, _) => decimals(cx, value, size - 2)?,
        (36 | 38..=40, 3..) => {
            cx.s(" 0x");
            digits(cx, value, size - 2)?;
        }
        (41, 6) | (42, 6 | 8 | 10) | (43 | CCID.., 6) => put!(cx, " {}", cx.u32(value)?),
        (43 | CCID.., 4) => put!(cx, " {}", cx.u16(value)?),
        (41, _) => cx.s(" [optlen != 6]"),
        (42, _) => cx.s(" [optlen != 6 or 8 or 10]"),
        (43, _) => cx.s(" [optlen != 4 or 6]"),
        (44, 3..) => {
            cx.s(" ");
            digits(cx, value, size - 2)?;
        }
        _ => {}
    }
    match (kind, size) {
        (42, 8) => put!(cx, " (elapsed time {})", cx.u16(value + 4)?),
        (42, 10) => put!(cx, " (elapsed time {})", cx.u32(value + 4)?),
        _ => {}
    }
    Ok(size)
}

/// A feature with its values, if it is known.
fn feature(cx: &mut Cx<'_>, at: usize, size: usize) -> Printed {
    if let Some(name) = tok(FEATURES, cx.u8(at)?) {
        put!(cx, " {name}");
        decimals(cx, at + 1, size - 1)?;
    }
    Ok(())
}

fn decimals(cx: &mut Cx<'_>, at: usize, size: usize) -> Printed {
    for &byte in cx.bytes(at, size)? {
        put!(cx, " {byte}");
    }
    Ok(())
}

fn digits(cx: &mut Cx<'_>, at: usize, size: usize) -> Printed {
    for &byte in cx.bytes(at, size)? {
        cx.hex2(byte);
    }
    Ok(())
}
