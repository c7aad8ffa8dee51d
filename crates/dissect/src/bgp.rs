//! BGP (RFC 4271): open, notification, keepalive and refresh; of updates their length.

use crate::af::FAMILIES;
use crate::cx::{Cx, Printed};
use crate::tok::{Toks, tok};

const MESSAGES: &Toks =
    &[(1, "Open"), (2, "Update"), (3, "Notification"), (4, "Keepalive"), (5, "Route Refresh")];
const CAPABILITIES: &Toks = &[
    (1, "Multiprotocol Extensions"),
    (2, "Route Refresh"),
    (3, "Cooperative Route Filtering"),
    (4, "Multiple Routes to a Destination"),
    (5, "Extended Next Hop Encoding"),
    (8, "Multiple Labels"),
    (64, "Graceful Restart"),
    (65, "32-Bit AS Number"),
    (67, "Dynamic Capability"),
    (68, "Multisession BGP"),
    (69, "Multiple Paths"),
    (70, "Enhanced Route Refresh"),
    (71, "Long-lived Graceful Restart"),
    (128, "Route Refresh (Cisco)"),
];
const SUBSEQUENT: &Toks = &[
    (0, "Reserved"),
    (1, "Unicast"),
    (2, "Multicast"),
    (3, "Unicast+Multicast"),
    (4, "labeled Unicast"),
    (64, "Tunnel"),
    (65, "VPLS"),
    (66, "MDT"),
    (70, "EVPN"),
    (128, "labeled VPN Unicast"),
    (129, "labeled VPN Multicast"),
    (130, "labeled VPN Unicast+Multicast"),
    (132, "Route Target Routing Information"),
    (5, "Multicast VPN"),
];
const ERRORS: &Toks = &[
    (1, "Message Header Error"),
    (2, "OPEN Message Error"),
    (3, "UPDATE Message Error"),
    (4, "Hold Timer Expired"),
    (5, "Finite State Machine Error"),
    (6, "Cease"),
    (7, "Capability Message Error"),
];
const HEADER_ERRORS: &Toks =
    &[(1, "Connection Not Synchronized"), (2, "Bad Message Length"), (3, "Bad Message Type")];
const OPEN_ERRORS: &Toks = &[
    (1, "Unsupported Version Number"),
    (2, "Bad Peer AS"),
    (3, "Bad BGP Identifier"),
    (4, "Unsupported Optional Parameter"),
    (5, "Authentication Failure"),
    (6, "Unacceptable Hold Time"),
    (7, "Capability Message Error"),
];
const UPDATE_ERRORS: &Toks = &[
    (1, "Malformed Attribute List"),
    (2, "Unrecognized Well-known Attribute"),
    (3, "Missing Well-known Attribute"),
    (4, "Attribute Flags Error"),
    (5, "Attribute Length Error"),
    (6, "Invalid ORIGIN Attribute"),
    (7, "AS Routing Loop"),
    (8, "Invalid NEXT_HOP Attribute"),
    (9, "Optional Attribute Error"),
    (10, "Invalid Network Field"),
    (11, "Malformed AS_PATH"),
];
const STATE_ERRORS: &Toks = &[
    (0, "Unspecified Error"),
    (1, "In OpenSent State"),
    (2, "In OpenConfirm State"),
    (3, "In Established State"),
];
const CAPABILITY_ERRORS: &Toks = &[
    (1, "Invalid Action Value"),
    (2, "Invalid Capability Length"),
    (3, "Malformed Capability Value"),
    (4, "Unsupported Capability Code"),
];
const CEASES: &Toks = &[
    (1, "Maximum Number of Prefixes Reached"),
    (2, "Administrative Shutdown"),
    (3, "Peer Unconfigured"),
    (4, "Administrative Reset"),
    (5, "Connection Rejected"),
    (6, "Other Configuration Change"),
    (7, "Connection Collision Resolution"),
];
const HEADER: usize = 19;
const MARKER: [u8; 16] = [0xff; 16];

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, _len: usize) -> Printed {
    cx.proto = "bgp";
    cx.s(": BGP");
    if cx.o.verbose == 0 {
        return Ok(());
    }
    let (mut p, mut start) = (at, at);
    while p < cx.end {
        if cx.u8(p)? != 0xff {
            p += 1;
            continue;
        }
        if !cx.has(p, MARKER.len()) {
            break;
        }
        if cx.bytes(p, MARKER.len())? != MARKER {
            p += 1;
            continue;
        }
        if !cx.has(p, HEADER) {
            cx.trunc();
            return Ok(());
        }
        if start != p {
            cx.trunc();
        }
        let (len, kind) = (cx.u16(p + 16)?, cx.u8(p + 18)?);
        if len < HEADER {
            put!(cx, "\nmessage length {len} < {HEADER}");
            cx.invalid();
            break;
        }
        if !cx.has(p, len) {
            put!(cx, "\n[|BGP {}]", tok(MESSAGES, kind).unwrap_or("Unknown Message Type"));
            break;
        }
        put!(
            cx,
            "\n\t{} Message ({kind}), length: {len}",
            tok(MESSAGES, kind).unwrap_or("Unknown")
        );
        message(cx, kind, p, len)?;
        p += len;
        start = p;
    }
    Ok(())
}

fn message(cx: &mut Cx<'_>, kind: usize, p: usize, len: usize) -> Printed {
    match kind {
        1 => open(cx, p, len),
        2 => update(cx, p, len),
        4 => Ok(()),
        3 => notification(cx, p, len),
        5 => {
            if !cx.has(p, 23) {
                cx.trunc();
                return Ok(());
            }
            if len >= 23 {
                cx.s("\n\t  ");
                families(cx, p + 19, p + 22)?;
                if cx.o.verbose > 1 {
                    cx.unknown_data(p, "\n\t  ", len)?;
                }
            }
            Ok(())
        }
        _ => {
            put!(cx, "\n\t  no Message {kind} decoder");
            cx.unknown_data(p, "\n\t  ", len)
        }
    }
}

/// The lists of an update, by their lengths; without any it ends what is sent at first (RFC 4724, section 2).
fn update(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    let (mut p, mut left) = (at + HEADER, len - HEADER);
    let mut attributes = 0;
    for _ in ["withdrawn routes", "path attributes"] {
        if left < 2 {
            cx.trunc();
            return Ok(());
        }
        attributes = cx.u16(p)?;
        (p, left) = (p + 2, left - 2);
        if attributes > left {
            cx.trunc();
            return Ok(());
        }
        (p, left) = (p + attributes, left - attributes);
    }
    if attributes == 0 && left == 0 {
        cx.s("\n\t  End-of-Rib Marker (empty NLRI)");
    }
    Ok(())
}

/// An address family and a subsequent one.
fn families(cx: &mut Cx<'_>, afi: usize, safi: usize) -> Printed {
    let (family, subsequent) = (cx.u16(afi)?, cx.u8(safi)?);
    put!(
        cx,
        "AFI {} ({family}), SAFI {} ({subsequent})",
        tok(FAMILIES, family).unwrap_or("Unknown"),
        tok(SUBSEQUENT, subsequent).unwrap_or("Unknown")
    );
    Ok(())
}

fn open(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    const OPTIONS: &Toks = &[(1, "Authentication Information"), (2, "Capabilities Advertisement")];
    const FIXED: usize = 29;
    if !cx.has(at, FIXED) || len < FIXED {
        cx.trunc();
        return Ok(());
    }
    put!(
        cx,
        "\n\t  Version {}, my AS {}, Holdtime {}s, ID ",
        cx.u8(at + 19)?,
        cx.u16(at + 20)?,
        cx.u16(at + 22)?
    );
    cx.ip(at + 24)?;
    let size = cx.u8(at + 28)?;
    put!(cx, "\n\t  Optional parameters, length: {size}");
    let (p, left) = (at + FIXED, len - FIXED);
    let mut n = 0;
    while n < size {
        if !cx.has(p + n, 2) || left < n + 2 {
            cx.trunc();
            return Ok(());
        }
        let (kind, len) = (cx.u8(p + n)?, cx.u8(p + n + 1)?);
        if n + 2 + len > size {
            put!(cx, "\n\t     Option {kind}, length: {len}, goes past the end of the options");
            break;
        }
        put!(
            cx,
            "\n\t    Option {} ({kind}), length: {len}",
            tok(OPTIONS, kind).unwrap_or("Unknown")
        );
        if kind == 2 {
            capabilities(cx, p + n + 2, len)?;
        } else {
            put!(cx, "\n\t      no decoder for option {kind}");
        }
        n += 2 + len;
    }
    Ok(())
}

fn capabilities(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    let mut n = 0;
    while n < len {
        let p = at + n;
        if !cx.has(p, 2) {
            cx.trunc();
            return Ok(());
        }
        let (kind, size) = (cx.u8(p)?, cx.u8(p + 1)?);
        put!(
            cx,
            "\n\t      {} ({kind}), length: {size}",
            tok(CAPABILITIES, kind).unwrap_or("Unknown")
        );
        if !cx.has(p + 2, size) {
            cx.trunc();
            return Ok(());
        }
        if let Some(least) = capability(cx, kind, p + 2, size)? {
            put!(cx, " (too short, < {least})");
            return Ok(());
        }
        if cx.o.verbose > 1 && size > 0 {
            cx.unknown_data(p + 2, "\n\t\t", size)?;
        }
        n += 2 + size;
    }
    Ok(())
}

/// Gives the least length of the capability if it is shorter.
fn capability(cx: &mut Cx<'_>, kind: usize, p: usize, len: usize) -> Printed<Option<usize>> {
    let each =
        |from: usize| (from..=len.saturating_sub(4)).step_by(4).filter(move |n| n + 4 <= len);
    match kind {
        1 | 65 if len < 4 => return Ok(Some(4)),
        64 if len < 2 => return Ok(Some(2)),
        1 => {
            cx.s("\n\t\t");
            families(cx, p, p + 3)?;
        }
        8 => {
            for n in each(0) {
                cx.s("\n\t\t");
                families(cx, p + n, p + n + 2)?;
                put!(cx, ", Count: {}", cx.u8(p + n + 3)?);
            }
        }
        64 => {
            let head = cx.u16(p)?;
            let flags = if head & 0x8000 != 0 { "R" } else { "none" };
            put!(cx, "\n\t\tRestart Flags: [{flags}], Restart Time {}s", head & 0xfff);
            for n in each(2) {
                cx.s("\n\t\t  ");
                families(cx, p + n, p + n + 2)?;
                let kept = if cx.u8(p + n + 3)? & 0x80 != 0 { "yes" } else { "no" };
                put!(cx, ", Forwarding state preserved: {kept}");
            }
        }
        65 => put!(cx, "\n\t\t 4 Byte AS {}", cx.u32(p)?),
        69 if len == 0 => cx.s(" (bogus)"),
        69 => {
            const WAYS: &Toks = &[(1, "Receive"), (2, "Send"), (3, "Both")];
            for n in each(0) {
                cx.s("\n\t\t");
                families(cx, p + n, p + n + 2)?;
                let way = cx.u8(p + n + 3)?;
                cx.s(", Send/Receive: ");
                tok!(cx, WAYS, way, "Bogus (0x{way:02x})");
            }
            if !len.is_multiple_of(4) {
                cx.invalid();
            }
        }
        2 | 71 | 128 => {}
        _ => {
            put!(cx, "\n\t\tno decoder for Capability {kind}");
            if cx.o.verbose <= 1 {
                cx.unknown_data(p, "\n\t\t", len)?;
            }
        }
    }
    Ok(None)
}

fn notification(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    const FIXED: usize = 21;
    if !cx.has(at, FIXED) {
        cx.trunc();
        return Ok(());
    }
    if len < FIXED {
        return Ok(());
    }
    let (major, minor) = (cx.u8(at + 19)?, cx.u8(at + 20)?);
    put!(cx, ", {} ({major})", tok(ERRORS, major).unwrap_or("Unknown Error"));
    let (sep, table): (_, &Toks) = match major {
        1 => (", ", HEADER_ERRORS),
        2 => (", ", OPEN_ERRORS),
        3 => (", ", UPDATE_ERRORS),
        5 => (" ", STATE_ERRORS),
        6 => (", ", CEASES),
        7 => (" ", CAPABILITY_ERRORS),
        _ => return Ok(()),
    };
    put!(cx, "{sep}subcode {} ({minor})", tok(table, minor).unwrap_or("Unknown"));
    let p = at + FIXED;
    if major == 6 && minor == 1 && len >= FIXED + 7 {
        cx.s(", ");
        families(cx, p, p + 2)?;
        put!(cx, ", Max Prefixes: {}", cx.u32(p + 3)?);
    }
    if major == 6 && matches!(minor, 2 | 4) && len > FIXED {
        shutdown(cx, p, len - FIXED)?;
    }
    Ok(())
}

/// What an administrator has to say (RFC 9003).
fn shutdown(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed {
    let size = cx.u8(p)?;
    let used = if size > len - 1 {
        cx.s(", invalid Shutdown Communication length");
        0
    } else if size == 0 {
        cx.s(", empty Shutdown Communication");
        1
    } else {
        put!(cx, ", Shutdown Communication (length: {size}): \"");
        cx.chars(p + 1, size);
        cx.s("\"");
        size + 1
    };
    if len > used {
        put!(cx, ", Data: (length: {})", len - used);
        cx.hex("\n\t\t", p + used, len - used)?;
    }
    Ok(())
}
