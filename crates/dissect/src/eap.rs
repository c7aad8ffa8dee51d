//! Extensible authentication (RFC 3748), as RADIUS carries it.

use crate::cx::{Cx, Printed};
use crate::tok::{Toks, tok};

const CODES: &Toks = &[(1, "Request"), (2, "Response"), (3, "Success"), (4, "Failure")];
const TYPES: &Toks = &[
    (0, "No proposed"),
    (1, "Identity"),
    (2, "Notification"),
    (3, "Nak"),
    (4, "MD5-challenge"),
    (5, "OTP"),
    (6, "GTC"),
    (13, "TLS"),
    (18, "SIM"),
    (21, "TTLS"),
    (23, "AKA"),
    (43, "FAST"),
    (254, "Expanded types"),
    (255, "Experimental"),
];

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    let code = cx.u8(at)?;
    if cx.u16(at + 2)? != len {
        cx.s("EAP fragment?");
        return Ok(());
    }
    put!(
        cx,
        "{} ({code}), id {}, len {len}",
        tok(CODES, code).unwrap_or("unknown"),
        cx.u8(at + 1)?
    );
    if len < 4 {
        cx.s(" (too short for EAP header)");
        return Ok(());
    }
    if !cx.has(at, len) {
        cx.trunc();
        return Ok(());
    }
    if !matches!(code, 1 | 2) {
        return Ok(());
    }
    if len < 5 {
        cx.s(" (too short for EAP request/response)");
        return Ok(());
    }
    let kind = cx.u8(at + 4)?;
    put!(cx, "\n\t\t Type {} ({kind})", tok(TYPES, kind).unwrap_or("unknown"));
    let p = at + 5;
    match kind {
        1 if len > 5 => {
            cx.s(", Identity: ");
            cx.padded_chars(p, len - 5)?;
        }
        2 if len < 6 => cx.s(" (too short for EAP Notification request/response)"),
        2 => {
            cx.s(", Notification: ");
            cx.padded_chars(p, len - 5)?;
        }
        3 if len < 6 => cx.s(" (too short for EAP Legacy NAK request/response)"),
        3 => {
            for n in 0..len - 5 {
                let wanted = cx.u8(p + n)?;
                let sep = if n > 0 { "," } else { "" };
                put!(cx, "{sep} {} ({wanted})", tok(TYPES, wanted).unwrap_or("unknown"));
            }
        }
        13 | 21 if len < 6 => cx.s(" (too short for EAP TLS/TTLS request/response)"),
        43 if len < 6 => cx.s(" (too short for EAP FAST request/response)"),
        13 | 21 | 43 => {
            const FLAGS: &Toks =
                &[(0x80, "L bit"), (0x40, "More fragments bit"), (0x20, "Start bit")];
            let flags = cx.u8(p)?;
            match kind {
                21 => put!(cx, " TTLSv{}", flags & 7),
                43 => put!(cx, " FASTv{}", flags & 7),
                _ => {}
            }
            cx.s(" flags [");
            cx.bits(FLAGS, flags, ", ", "none");
            put!(cx, "] 0x{flags:02x}");
            if flags & 0x80 != 0 {
                if len < 10 {
                    let name = if kind == 43 { "FAST" } else { "TLS/TTLS" };
                    put!(cx, " (too short for EAP {name} request/response with length)");
                    return Ok(());
                }
                put!(cx, ", len {}", cx.u32(p + 1)?);
            }
        }
        18 | 23 if len < 6 => cx.s(" (too short for EAP SIM/AKA request/response)"),
        18 | 23 => {
            const SUBTYPES: &Toks = &[
                (1, "Challenge"),
                (2, "Auth reject"),
                (4, "Sync failure"),
                (5, "Identity"),
                (10, "Start"),
                (11, "Challenge"),
                (12, "Notification"),
                (13, "Reauth"),
                (14, "Client error"),
            ];
            let subtype = cx.u8(p)?;
            put!(cx, " subtype [{}] 0x{subtype:02x}", tok(SUBTYPES, subtype).unwrap_or("unknown"));
        }
        _ => {}
    }
    Ok(())
}
