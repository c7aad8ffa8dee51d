//! Options of IPv4.

use crate::cx::{Cx, Printed, sub32};
use crate::tok::Toks;

const END: usize = 0;
const NOP: usize = 1;
const RECORD_ROUTE: usize = 7;
const TIMESTAMP: usize = 68;
const LOOSE_ROUTE: usize = 131;
const STRICT_ROUTE: usize = 137;
const ROUTER_ALERT: usize = 148;
const NAMES: &Toks = &[
    (END, "EOL"),
    (NOP, "NOP"),
    (TIMESTAMP, "timestamp"),
    (130, "security"),
    (RECORD_ROUTE, "RR"),
    (STRICT_ROUTE, "SSRR"),
    (LOOSE_ROUTE, "LSRR"),
    (ROUTER_ALERT, "RA"),
    (82, "traceroute"),
];

/// Shows options; whether they were all there.
pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed<bool> {
    let (mut p, end) = (at, at + len);
    while p < end {
        if p > at {
            cx.s(",");
        }
        let code = cx.u8(p)?;
        tok!(cx, NAMES, code, "unknown {code}");
        let size = if code <= NOP { 1 } else { cx.u8(p + 1)? };
        if (code > NOP && size < 2) || size > end - p {
            put!(cx, " [bad length {size}]");
            return Ok(true);
        }
        if !cx.has(p, size) {
            return Ok(false);
        }
        match code {
            END => return Ok(true),
            TIMESTAMP if !timestamps(cx, p, size)? => return Ok(false),
            RECORD_ROUTE | STRICT_ROUTE | LOOSE_ROUTE if !route(cx, p, size)? => return Ok(false),
            ROUTER_ALERT if size < 4 => put!(cx, " [bad length {size}]"),
            ROUTER_ALERT => {
                let value = cx.u16(p + 2)?;
                if value != 0 {
                    put!(cx, " value {value}");
                }
            }
            _ => {}
        }
        p += size;
    }
    Ok(true)
}

fn route(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed<bool> {
    if len < 3 {
        put!(cx, " [bad length {len}]");
        return Ok(true);
    }
    if (len + 1) & 3 != 0 {
        put!(cx, " [bad length {len}]");
    }
    let pointer = cx.u8(p + 2)?;
    let at = sub32(pointer, 1);
    if at < 3 || (at + 1) & 3 != 0 || at > len + 1 {
        put!(cx, " [bad ptr {pointer}]");
    }
    for n in (3..len).step_by(4) {
        if !cx.has(p + n, 4) {
            return Ok(false);
        }
        cx.after(" ", |cx| cx.ip(p + n))?;
        if at > n {
            cx.s(",");
        }
    }
    Ok(true)
}

fn timestamps(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed<bool> {
    if len < 4 {
        put!(cx, "[bad length {len}]");
        return Ok(true);
    }
    cx.s(" TS{");
    let (pointer, kind) = (cx.u8(p + 2)?, cx.u8(p + 3)?);
    let hop = if kind & 15 == 0 { 4 } else { 8 };
    if (len - 4) & (hop - 1) != 0 {
        put!(cx, "[bad length {len}]");
    }
    let at = sub32(pointer, 1);
    if at < 4 || (at - 4) & (hop - 1) != 0 || at > len + 1 {
        put!(cx, "[bad ptr {pointer}]");
    }
    let mut n = 0;
    let known = match kind & 15 {
        0 => Some("TSONLY"),
        1 => Some("TS+ADDR"),
        3 => Some("PRESPEC"),
        _ => None,
    };
    if let Some(name) = known {
        cx.s(name);
        n = 4;
        while n < len {
            if !cx.has(p + n, hop) {
                return Ok(false);
            }
            cx.s(if at == n { " ^ " } else { " " });
            put!(cx, "{}@", cx.u32(p + n + hop - 4)?);
            if hop == 8 {
                cx.ip(p + n)?;
            }
            n += hop;
        }
    } else {
        put!(cx, "[bad ts type {}]", kind & 15);
    }
    if at == n {
        cx.s(" ^ ");
    }
    if kind >> 4 != 0 {
        put!(cx, " [{} hops not recorded]}} ", kind >> 4);
    } else {
        cx.s("}");
    }
    Ok(true)
}

/// Where a packet goes in the end: the last address of a source route, or the destination.
pub(crate) fn final_destination(cx: &Cx<'_>, ip: usize) -> Printed<[u8; 4]> {
    let head = (cx.u8(ip)? & 15) * 4;
    let (mut p, end) = (ip + 20, ip + head);
    while p < end {
        let code = cx.u8(p)?;
        let size = match code {
            END => break,
            NOP => 1,
            _ => cx.u8(p + 1)?,
        };
        if (code > NOP && size < 2) || size > end - p || !cx.has(p, size) {
            break;
        }
        if matches!(code, STRICT_ROUTE | LOOSE_ROUTE) && size >= 7 {
            return cx.ipv4(p + size - 4);
        }
        p += size;
    }
    cx.ipv4(ip + 16)
}
