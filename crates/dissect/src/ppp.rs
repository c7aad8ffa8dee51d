//! PPP (RFC 1661), its authentication (RFC 1334, 1994) and bundles (RFC 1990).

use crate::cx::{Cx, Printed};
use crate::ppp_options;
use crate::tok::Toks;
use crate::{chdlc, ip, ip6, mpls};

pub(crate) const LCP: usize = 0xc021;
pub(crate) const IPCP: usize = 0x8021;
pub(crate) const IPV6CP: usize = 0x8057;
pub(crate) const CCP: usize = 0x80fd;
pub(crate) const BACP: usize = 0xc02b;
pub(crate) const CHAP: usize = 0xc223;
const PAP: usize = 0xc023;
/// The address of all frames (RFC 1662, section 3.1).
const ALL_STATIONS: usize = 0xff;

pub(crate) const PROTOCOLS: &Toks = &[
    (0x0021, "IP"),
    (0x0023, "OSI"),
    (0x0025, "NS"),
    (0x0027, "DECNET"),
    (0x0029, "APPLE"),
    (0x002b, "IPX"),
    (0x002d, "VJC IP"),
    (0x002f, "VJNC IP"),
    (0x0031, "BRPDU"),
    (0x0033, "STII"),
    (0x0035, "VINES"),
    (0x0281, "MPLS"),
    (0x0283, "MPLS"),
    (0x00fd, "Compressed"),
    (0x003d, "MLPPP"),
    (0x0057, "IP6"),
    (0x0201, "HELLO"),
    (0x0231, "LUXCOM"),
    (0x0233, "SNS"),
    (IPCP, "IPCP"),
    (0x8023, "OSICP"),
    (0x8025, "NSCP"),
    (0x8027, "DECNETCP"),
    (0x8029, "APPLECP"),
    (0x802b, "IPXCP"),
    (0x8033, "STIICP"),
    (0x8035, "VINESCP"),
    (IPV6CP, "IP6CP"),
    (0x8281, "MPLSCP"),
    (LCP, "LCP"),
    (PAP, "PAP"),
    (0xc025, "LQM"),
    (CHAP, "CHAP"),
    (0xc227, "EAP"),
    (0xc027, "SPAP"),
    (0xc123, "Old-SPAP"),
    (BACP, "BACP"),
    (0xc02d, "BAP"),
    (0xc03d, "MLPPP-CP"),
    (CCP, "CCP"),
];

/// A frame, its address and control fields left out or not; gives the length of its header.
pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed<usize> {
    cx.nest(|cx| frame(cx, at, len))
}

fn frame(cx: &mut Cx<'_>, at: usize, whole: usize) -> Printed<usize> {
    cx.proto = "ppp";
    let (mut p, mut len) = (at, whole);
    if len < 2 {
        cx.trunc();
        return Ok(0);
    }
    let direction = match cx.u16(p)? {
        0x0003 => Some("In  "),
        0x0103 => Some("Out "),
        0xff03 => Some(""),
        _ => None,
    };
    if let Some(direction) = direction {
        if cx.o.link {
            cx.s(direction);
        }
        (p, len) = (p + 2, len - 2);
    }
    if len < 2 {
        cx.trunc();
        return Ok(0);
    }
    let first = cx.u8(p)?;
    let protocol = if first % 2 == 1 { first } else { cx.u16(p)? };
    let size = if first % 2 == 1 { 1 } else { 2 };
    (p, len) = (p + size, len - size);
    if cx.o.link {
        let known = PROTOCOLS.iter().any(|&(number, _)| number == protocol);
        tok!(cx, PROTOCOLS, protocol, "unknown");
        put!(cx, " (0x{protocol:04x}), length {whole}");
        if !known {
            return Ok(p - at);
        }
        cx.s(": ");
    }
    payload(cx, protocol, p, len)?;
    Ok(p - at)
}

/// A captured frame of type `PPP`.
pub(crate) fn captured(cx: &mut Cx<'_>, len: usize) -> Printed<usize> {
    cx.proto = "ppp";
    if cx.end < 4 {
        cx.trunc();
        return Ok(cx.end);
    }
    print(cx, 0, len)?;
    Ok(4)
}

/// A captured frame of type `PPP_SERIAL`: in HDLC-like framing (RFC 1662), or in Cisco's.
pub(crate) fn captured_hdlc(cx: &mut Cx<'_>, len: usize) -> Printed<usize> {
    cx.proto = "ppp_hdlc";
    if cx.end < 2 {
        cx.trunc();
        return Ok(cx.end);
    }
    let (first, second) = (cx.u8(0)?, cx.u8(1)?);
    if chdlc::is_address(first) {
        return chdlc::captured(cx, len);
    }
    if cx.end < 4 {
        cx.trunc();
        return Ok(cx.end);
    }
    if cx.o.link {
        put!(cx, "{first:02x} {second:02x} {len} ");
    }
    if first != ALL_STATIONS {
        // tcpdump names the two bytes that follow those it means.
        put!(cx, "unknown addr {:02x}; ctrl {:02x}", cx.u8(2)?, cx.u8(3)?);
        return Ok(2);
    }
    let protocol = cx.u16(2)?;
    tok!(cx, PROTOCOLS, protocol, "unknown PPP protocol (0x{protocol:04x})");
    cx.s(": ");
    payload(cx, protocol, 4, crate::cx::sub32(len, 4))?;
    Ok(4)
}

fn payload(cx: &mut Cx<'_>, protocol: usize, p: usize, len: usize) -> Printed {
    if protocol & 0xff00 == 0x7e00 {
        return unescape(cx, p - 1, len);
    }
    match protocol {
        LCP | IPCP | 0x8023 | 0x8281 | IPV6CP | CCP | BACP => {
            ppp_options::control(cx, protocol, p, len)
        }
        0x003d => bundle(cx, p, len),
        CHAP => chap(cx, p, len),
        PAP => pap(cx, p, len),
        0xc02d => Ok(()),
        0x0800 | 0x002f | 0x0021 => ip::print(cx, p, len),
        0x86dd | 0x0057 => ip6::print(cx, p, len),
        0x0281 | 0x0283 => mpls::print(cx, p, len),
        0x00fd => {
            cx.s("compressed PPP data");
            Ok(())
        }
        _ => {
            tok!(cx, PROTOCOLS, protocol, "unknown PPP protocol (0x{protocol:04x})");
            cx.s(" ");
            cx.unknown_data(p, "\n\t", len)
        }
    }
}

/// A frame in HDLC's octet escapes (RFC 1662).
fn unescape(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed {
    let escaped = cx.bytes(p, cx.left(p))?;
    if escaped.is_empty() || len == 0 {
        return Ok(());
    }
    let mut plain = Vec::with_capacity(escaped.len());
    let mut bytes = escaped.iter();
    while let Some(&byte) = bytes.next() {
        plain.push(match byte {
            0x7d => match bytes.next() {
                Some(next) => next ^ 0x20,
                None => break,
            },
            byte => byte,
        });
    }
    cx.nest(|cx| cx.within(&plain, unescaped))
}

fn unescaped(cx: &mut Cx<'_>) -> Printed {
    let len = cx.end;
    if len < 1 {
        cx.trunc();
        return Ok(());
    }
    match cx.u8(0)? {
        0x21 => return ip::print(cx, 1, len - 1),
        0x57 => return ip6::print(cx, 1, len - 1),
        _ if len < 2 => {
            cx.trunc();
            return Ok(());
        }
        _ => {}
    }
    let head = if cx.u16(0)? == 0xff03 { 4 } else { 2 };
    if len < head {
        cx.trunc();
        return Ok(());
    }
    let protocol = cx.u16(head - 2)?;
    if protocol & 0xff00 == 0x7e00 {
        put!(cx, "(protocol 0x{protocol:04x} invalid)");
        return Ok(());
    }
    payload(cx, protocol, head, len - head)
}

fn bundle(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed {
    const FLAGS: &Toks = &[(0x80, "begin"), (0x40, "end")];
    if !cx.o.link {
        cx.s("MLPPP, ");
    }
    if len < 2 || !cx.has(p, 2) {
        cx.s("[|mlppp]");
        return Ok(());
    }
    put!(cx, "seq 0x{:03x}, Flags [", cx.u16(p)? & 0xfff);
    cx.bits(FLAGS, cx.u8(p)? & 0xc0, ", ", "none");
    put!(cx, "], length {len}");
    Ok(())
}

/// The header of an authentication packet; its code, or nothing if it is too short.
fn authentication(
    cx: &mut Cx<'_>,
    name: (&str, &str),
    codes: &'static Toks,
    p: usize,
    len: usize,
) -> Printed<Option<usize>> {
    let (upper, lower) = name;
    if len < 1 {
        put!(cx, "[|{lower}]");
        return Ok(None);
    }
    let code = cx.u8(p)?;
    if len < 4 {
        put!(cx, "[|{lower} 0x{code:02x}]");
        return Ok(None);
    }
    put!(cx, "{upper}, ");
    tok!(cx, codes, code, "unknown");
    put!(cx, " (0x{code:02x})");
    put!(cx, ", id {}", cx.u8(p + 1)?);
    Ok(Some(code))
}

/// Characters, all of which must be captured.
fn text(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed {
    for n in 0..len {
        cx.ch(cx.byte(p + n)?);
    }
    Ok(())
}

fn chap(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    const CODES: &Toks = &[(1, "Challenge"), (2, "Response"), (3, "Success"), (4, "Fail")];
    let Some(code) = authentication(cx, ("CHAP", "chap"), CODES, at, len)? else { return Ok(()) };
    let said = cx.u16(at + 2)?;
    match code {
        1 | 2 => {
            if len < 5 {
                return Ok(());
            }
            let size = cx.u8(at + 4)?;
            if len - 5 < size {
                return Ok(());
            }
            cx.s(", Value ");
            for n in 0..size {
                cx.hex2(cx.byte(at + 5 + n)?);
            }
            cx.s(", Name ");
            text(cx, at + 5 + size, crate::cx::sub32(said, 5 + size))
        }
        3 | 4 => {
            cx.s(", Msg ");
            text(cx, at + 4, crate::cx::sub32(said, 4))
        }
        _ => Ok(()),
    }
}

fn pap(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    const CODES: &Toks = &[(1, "Auth-Req"), (2, "Auth-ACK"), (3, "Auth-NACK")];
    let Some(code) = authentication(cx, ("PAP", "pap"), CODES, at, len)? else { return Ok(()) };
    let said = cx.u16(at + 2)?;
    if said > len {
        put!(cx, ", length {said} > packet size");
        return Ok(());
    }
    if said < 4 {
        put!(cx, ", length {said} < PAP header length");
        return Ok(());
    }
    let least = if code == 1 { 6 } else { 5 };
    let names: &[&str] = match code {
        1 => &[", Peer ", ", Name "],
        2 | 3 => &[", Msg "],
        _ => return Ok(()),
    };
    if said < least {
        cx.s("[|pap]");
        return Ok(());
    }
    let (mut p, end) = (at + 4, at + said);
    for name in names {
        if p >= end {
            return Ok(());
        }
        let size = cx.u8(p)?;
        p += 1;
        if end - p < size {
            return Ok(());
        }
        cx.s(name);
        text(cx, p, size)?;
        p += size;
    }
    Ok(())
}
