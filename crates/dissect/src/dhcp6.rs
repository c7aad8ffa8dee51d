//! DHCPv6 (RFC 8415).

use crate::cx::{Cx, Printed};
use crate::dns;
use crate::tok::Toks;

const MESSAGES: &Toks = &[
    (1, "solicit"),
    (2, "advertise"),
    (3, "request"),
    (4, "confirm"),
    (5, "renew"),
    (6, "rebind"),
    (7, "reply"),
    (8, "release"),
    (9, "decline"),
    (10, "reconfigure"),
    (11, "inf-req"),
    (12, "relay-fwd"),
    (13, "relay-reply"),
    (14, "leasequery"),
    (15, "leasequery-reply"),
];
const OPTIONS: &Toks = &[
    (1, "client-ID"),
    (2, "server-ID"),
    (3, "IA_NA"),
    (4, "IA_TA"),
    (5, "IA_ADDR"),
    (6, "option-request"),
    (7, "preference"),
    (8, "elapsed-time"),
    (9, "relay-message"),
    (11, "authentication"),
    (12, "server-unicast"),
    (13, "status-code"),
    (14, "rapid-commit"),
    (15, "user-class"),
    (16, "vendor-class"),
    (17, "vendor-specific-info"),
    (18, "interface-ID"),
    (19, "reconfigure-message"),
    (20, "reconfigure-accept"),
    (21, "SIP-servers-domain"),
    (22, "SIP-servers-address"),
    (23, "DNS-server"),
    (24, "DNS-search-list"),
    (25, "IA_PD"),
    (26, "IA_PD-prefix"),
    (31, "SNTP-servers"),
    (32, "lifetime"),
    (27, "NIS-server"),
    (28, "NIS+-server"),
    (29, "NIS-domain-name"),
    (30, "NIS+-domain-name"),
    (33, "BCMCS-domain-name"),
    (34, "BCMCS-server"),
    (36, "Geoconf-Civic"),
    (37, "Remote-ID"),
    (38, "Subscriber-ID"),
    (39, "Client-FQDN"),
    (40, "PANA-agent"),
    (41, "POSIX-timezone"),
    (42, "POSIX-tz-database"),
    (43, "Echo-request-option"),
    (44, "Lease-query"),
    (45, "LQ-client-data"),
    (46, "Clt-time"),
    (47, "LQ-relay-data"),
    (48, "LQ-client-link"),
    (56, "NTP-server"),
    (64, "AFTR-Name"),
    (112, "MUD-URL"),
];
const STATUS: &Toks = &[
    (0, "Success"),
    (1, "UnspecFail"),
    (2, "NoAddrsAvail"),
    (3, "NoBinding"),
    (4, "NotOnLink"),
    (5, "UseMulticast"),
    (6, "NoPrefixAvail"),
    (7, "UnknownQueryType"),
    (8, "MalformedQuery"),
    (9, "NotConfigured"),
    (10, "NotAllowed"),
];

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.nest(|cx| message(cx, at, len))
}

fn message(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "dhcp6";
    cx.s("dhcp6");
    let end = cx.end.min(at + len);
    if !cx.has(at, 4) {
        cx.trunc();
        return Ok(());
    }
    let kind = cx.u8(at)?;
    cx.s(" ");
    tok!(cx, MESSAGES, kind, "msgtype-{kind}");
    if cx.o.verbose == 0 {
        return Ok(());
    }
    cx.s(" (");
    if matches!(kind, 12 | 13) {
        cx.after("linkaddr=", |cx| cx.ip6(at + 2))?;
        cx.after(" peeraddr=", |cx| cx.ip6(at + 18))?;
        options(cx, at + 34, end)?;
    } else {
        put!(cx, "xid={:x}", cx.u24(at + 1)?);
        options(cx, at + 4, end)?;
    }
    cx.s(")");
    Ok(())
}

fn options(cx: &mut Cx<'_>, at: usize, end: usize) -> Printed {
    cx.nest(|cx| {
        let mut p = at;
        while p < end {
            if end - p < 4 || !cx.has(p, 4) {
                cx.trunc();
                return Ok(());
            }
            let (kind, len) = (cx.u16(p)?, cx.u16(p + 2)?);
            if end - p - 4 < len {
                cx.trunc();
                return Ok(());
            }
            cx.s(" (");
            tok!(cx, OPTIONS, kind, "opt_{kind}");
            if !cx.has(p + 4, len) || !option(cx, kind, p + 4, len)? {
                cx.trunc();
                return Ok(());
            }
            p += 4 + len;
        }
        Ok(())
    })
}

/// Bytes that an option must have, all of its kind.
fn fits(kind: usize, len: usize) -> bool {
    match kind {
        1 | 2 | 13 => len >= 2,
        3 | 25 => len >= 12,
        4 | 37 | 56 => len >= 4,
        5 => len >= 24,
        6 | 43 => len.is_multiple_of(2),
        7 | 19 => len == 1,
        8 => len == 2,
        11 => len >= 11,
        22 | 23 | 27 | 28 | 31 | 34 | 40 | 48 => len.is_multiple_of(16),
        26 => len >= 25,
        32 | 46 => len == 4,
        41 | 42 | 112 => len >= 5,
        44 => len >= 17,
        47 => len >= 16,
        64 => len >= 3,
        _ => true,
    }
}

/// A value and the closing parenthesis; whether it was well formed.
fn option(cx: &mut Cx<'_>, kind: usize, p: usize, len: usize) -> Printed<bool> {
    if !fits(kind, len) {
        cx.s(" ?)");
        return Ok(true);
    }
    let end = p + len;
    match kind {
        1 | 2 => return identifier(cx, p, len),
        5 => {
            cx.after(" ", |cx| cx.ip6(p))?;
            put!(cx, " pltime:{} vltime:{}", cx.u32(p + 16)?, cx.u32(p + 20)?);
            options(cx, p + 24, end)?;
        }
        6 | 43 => {
            for n in (0..len).step_by(2) {
                let wanted = cx.u16(p + n)?;
                cx.s(" ");
                tok!(cx, OPTIONS, wanted, "opt_{wanted}");
            }
        }
        7 => put!(cx, " {}", cx.u8(p)?),
        8 => put!(cx, " {}", cx.u16(p)?),
        9 => {
            cx.s(" (");
            let saved = cx.limit(p, len);
            print(cx, p, len)?;
            cx.end = saved;
        }
        11 => authentication(cx, p, len)?,
        18 | 38 => {
            cx.s(" ");
            some_bytes(cx, p, len)?;
        }
        19 => match cx.u8(p)? {
            5 => cx.s(" for renew"),
            11 => cx.s(" for inf-req"),
            other => put!(cx, " for ???({other:02x})"),
        },
        22 | 23 | 27 | 28 | 31 | 34 | 40 | 48 => {
            for n in (0..len).step_by(16) {
                cx.after(" ", |cx| cx.ip6(p + n))?;
            }
        }
        21 | 24 => {
            let mut name = p;
            while name < end {
                cx.s(" ");
                match dns::name_from(cx, name, end)? {
                    Some(next) => name = next,
                    None => return Ok(false),
                }
            }
        }
        13 => {
            let code = cx.u16(p)?;
            cx.s(" ");
            if code > 255 {
                cx.s("INVALID code");
            } else {
                tok!(cx, STATUS, code, "code{code}");
            }
        }
        3 | 25 => {
            put!(cx, " IAID:{} T1:{} T2:{}", cx.u32(p)?, cx.u32(p + 4)?, cx.u32(p + 8)?);
            options(cx, p + 12, end)?;
        }
        4 => {
            put!(cx, " IAID:{}", cx.u32(p)?);
            options(cx, p + 4, end)?;
        }
        26 => {
            cx.after(" ", |cx| cx.ip6(p + 9))?;
            put!(cx, "/{} pltime:{} vltime:{}", cx.u8(p + 8)?, cx.u32(p)?, cx.u32(p + 4)?);
            options(cx, p + 25, end)?;
        }
        32 | 46 => put!(cx, " {}", cx.u32(p)?),
        37 => {
            put!(cx, " {} ", cx.u32(p)?);
            some_bytes(cx, p + 4, len - 4)?;
        }
        44 => {
            match cx.u8(p)? {
                1 => cx.s(" by-address"),
                2 => cx.s(" by-clientID"),
                other => put!(cx, " type_{other}"),
            }
            cx.after(" ", |cx| cx.ip6(p + 1))?;
            options(cx, p + 17, end)?;
        }
        45 => options(cx, p, end)?,
        47 => {
            cx.after(" ", |cx| cx.ip6(p))?;
            cx.s(" ");
            some_bytes(cx, p + 16, len - 16)?;
        }
        56 if !time_servers(cx, p, end)? => return Ok(false),
        64 => tunnel(cx, p, len)?,
        41 | 42 | 112 => {
            cx.s(" ");
            cx.padded_chars(p, len)?;
        }
        _ => {}
    }
    cx.s(")");
    Ok(true)
}

/// At most ten bytes.
fn some_bytes(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed {
    for &byte in cx.bytes(p, len.min(10))? {
        cx.hex2(byte);
    }
    cx.s("...");
    Ok(())
}

/// A DHCP unique identifier.
fn identifier(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed<bool> {
    let kind = cx.u16(p)?;
    let from = match kind {
        1 if len >= 8 => {
            put!(cx, " hwaddr/time type {} time {} ", cx.u16(p + 2)?, cx.u32(p + 4)?);
            8..len
        }
        2 if len >= 10 => {
            cx.s(" vid ");
            2..10
        }
        3 if len >= 4 => {
            put!(cx, " hwaddr type {} ", cx.u16(p + 2)?);
            4..len
        }
        1..=3 => {
            cx.s(" ?");
            0..0
        }
        _ => {
            put!(cx, " type {kind}");
            0..0
        }
    };
    for n in from {
        cx.hex2(cx.byte(p + n)?);
    }
    cx.s(")");
    Ok(true)
}

fn authentication(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed {
    let protocol = cx.u8(p)?;
    match protocol {
        2 => cx.s(" proto: delayed"),
        3 => cx.s(" proto: reconfigure"),
        _ => put!(cx, " proto: {protocol}"),
    }
    match cx.u8(p + 1)? {
        1 => cx.s(", alg: HMAC-MD5"),
        algorithm => put!(cx, ", alg: {algorithm}"),
    }
    match cx.u8(p + 2)? {
        0 => cx.s(", RDM: mono"),
        method => put!(cx, ", RDM: {method}"),
    }
    cx.s(", RD:");
    for n in 0..4 {
        put!(cx, " {:04x}", cx.u16(p + 3 + 2 * n)?);
    }
    let (mut p, len) = (p + 11, len - 11);
    match protocol {
        2 if len == 0 => return Ok(()),
        2 if len >= 20 => {
            let realm = len - 20;
            if realm > 0 {
                cx.s(", realm: ");
            }
            for &byte in cx.bytes(p, realm)? {
                cx.hex2(byte);
            }
            p += realm;
            put!(cx, ", key ID: {:08x}, HMAC-MD5:", cx.u32(p)?);
            p += 4;
        }
        3 if len == 17 => {
            match cx.u8(p)? {
                1 => cx.s(" reconfig-key"),
                2 => cx.s(" type: HMAC-MD5"),
                _ => cx.s(" type: ??"),
            }
            cx.s(" value:");
            p += 1;
        }
        _ => {
            cx.s(" ??");
            return Ok(());
        }
    }
    for n in 0..4 {
        put!(cx, " {:08x}", cx.u32(p + 4 * n)?);
    }
    Ok(())
}

fn time_servers(cx: &mut Cx<'_>, at: usize, end: usize) -> Printed<bool> {
    let mut p = at;
    while p + 4 < end {
        let (kind, len) = (cx.u16(p)?, cx.u16(p + 2)?);
        p += 4;
        if p + len > end {
            return Ok(false);
        }
        put!(cx, " subopt:{kind}");
        match kind {
            1 | 2 if len == 16 => {
                cx.after(" ", |cx| cx.ip6(p))?;
            }
            3 => {
                cx.s(" ");
                if dns::name_from(cx, p, p + len)?.is_none() {
                    return Ok(false);
                }
            }
            _ => cx.s(" ?"),
        }
        p += len;
    }
    Ok(true)
}

/// RFC 6334.
fn tunnel(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    let (mut p, mut left) = (at, len);
    cx.s(" ");
    while left > 0 && cx.u8(p)? != 0 {
        let label = cx.u8(p)?;
        p += 1;
        if label + 1 >= left {
            cx.s(" ?");
            break;
        }
        cx.padded_chars(p, label)?;
        p += label;
        left -= label + 1;
        if cx.u8(p)? != 0 {
            cx.s(".");
        }
    }
    Ok(())
}
