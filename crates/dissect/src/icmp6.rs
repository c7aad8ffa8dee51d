//! ICMPv6 (RFC 4443), with neighbour discovery (RFC 4861) and multicast listeners (RFC 2710, 3810).

use crate::cx::{Cx, Printed, sub32};
use crate::icmp6_options::{self, preference};
use crate::ip::{Around, TCP, UDP};
use crate::sum::should_be;
use crate::tok::Toks;
use crate::{icmp6_info, rpl};

const TYPES: &Toks = &[
    (1, "destination unreachable"),
    (2, "packet too big"),
    (3, "time exceeded in-transit"),
    (4, "parameter problem"),
    (128, "echo request"),
    (129, "echo reply"),
    (130, "multicast listener query"),
    (131, "multicast listener report"),
    (132, "multicast listener done"),
    (133, "router solicitation"),
    (134, "router advertisement"),
    (135, "neighbor solicitation"),
    (136, "neighbor advertisement"),
    (137, "redirect"),
    (138, "router renumbering"),
    (141, "inverse neighbor solicitation"),
    (142, "inverse neighbor advertisement"),
    (143, "multicast listener report v2"),
    (144, "ha discovery request"),
    (145, "ha discovery reply"),
    (146, "mobile router solicitation"),
    (147, "mobile router advertisement"),
    (139, "who-are-you request"),
    (140, "who-are-you reply"),
    (201, "mtrace message"),
    (200, "mtrace response"),
    (155, "RPL"),
];
const UNREACHABLE: &Toks = &[
    (0, "unreachable route"),
    (1, " unreachable prohibited"),
    (2, "beyond scope"),
    (3, "unreachable address"),
    (4, "unreachable port"),
];
const ROUTER_FLAGS: &Toks =
    &[(0x80, "managed"), (0x40, "other stateful"), (0x20, "home agent"), (0x02, "ipv6 only")];
const NEIGHBOUR_FLAGS: &Toks =
    &[(0x8000_0000, "router"), (0x4000_0000, "solicited"), (0x2000_0000, "override")];
const REPORTS: &Toks =
    &[(1, "is_in"), (2, "is_ex"), (3, "to_in"), (4, "to_ex"), (5, "allow"), (6, "block")];

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize, around: Around) -> Printed {
    cx.proto = "icmp6";
    if len == 0 {
        cx.s("ICMP6, length 0");
        cx.invalid();
        return Ok(());
    }
    let verbose = cx.o.verbose > 0;
    if verbose && !around.fragment && cx.has(at, len) {
        let have = cx.u16(at + 2)?;
        match around.checksum(cx, 58, at, len, len)? {
            0 => cx.s("[icmp6 sum ok] "),
            sum => put!(cx, "[bad icmp6 cksum 0x{have:04x} -> 0x{:04x}!] ", should_be(have, sum)),
        }
    }
    let kind = cx.u8(at)?;
    cx.s("ICMP6, ");
    tok!(cx, TYPES, kind, "unknown icmp6 type ({kind})");
    if verbose && matches!(kind, 133..=137 | 145 | 147) {
        put!(cx, ", length {len}");
    }
    let code = cx.u8(at + 1)?;
    let whole = match kind {
        1 => match unreachable(cx, at, len, code)? {
            Unreachable::Shown => true,
            Unreachable::Cut => false,
            Unreachable::Bytes => return Ok(()),
        },
        2 => {
            put!(cx, ", mtu {}", cx.u32(at + 4)?);
            true
        }
        3 => {
            match code {
                0 => {
                    cx.after(" for ", |cx| cx.ip6(at + 8 + 24))?;
                }
                1 => cx.s(" (reassembly)"),
                _ => put!(cx, ", unknown code ({code})"),
            }
            true
        }
        4 => parameter(cx, at, code)?,
        128 | 129 => {
            put!(cx, ", id {}, seq {}", cx.u16(at + 4)?, cx.u16(at + 6)?);
            true
        }
        130..=132 | 143 => {
            listener(cx, at, len, kind)?;
            true
        }
        133..=137 => discovery(cx, at, len, kind)?,
        144 | 146 => {
            put!(cx, ", id 0x{:04x}", cx.u16(at + 4)?);
            true
        }
        145 | 147 if verbose => mobile(cx, at, len, kind)?,
        138 => {
            icmp6_info::renumbering(cx, at)?;
            true
        }
        139 => {
            icmp6_info::query(cx, at)?;
            true
        }
        140 => {
            icmp6_info::reply(cx, at, len)?;
            true
        }
        155 => {
            rpl::print(cx, code, at + 4, sub32(len, 4))?;
            true
        }
        141 | 142 | 145 | 147 => true,
        _ => {
            put!(cx, ", length {len}");
            if cx.o.verbose <= 1 {
                cx.unknown_data(at, "\n\t", len)?;
            }
            return Ok(());
        }
    };
    if !whole {
        cx.trunc();
    } else if !verbose {
        cx.s(", length ");
        cx.u(len);
    }
    Ok(())
}

enum Unreachable {
    Shown,
    Cut,
    /// As bytes, with nothing after.
    Bytes,
}

fn unreachable(cx: &mut Cx<'_>, at: usize, len: usize, code: usize) -> Printed<Unreachable> {
    let inner = at + 8;
    cx.s(", ");
    tok!(cx, UNREACHABLE, code, "unknown unreach code ({code})");
    match code {
        0 | 1 | 3 => {
            cx.after(" ", |cx| cx.ip6(inner + 24))?;
        }
        2 => {
            cx.all(|cx| {
                cx.after(" ", |cx| cx.ip6(inner + 24))?;
                cx.after(", source address ", |cx| cx.ip6(inner + 8))
            })?;
        }
        4 => {
            let Some((protocol, transport)) = upper(cx, inner)? else {
                return Ok(Unreachable::Cut);
            };
            let port = cx.port(transport + 2)?;
            cx.after(", ", |cx| cx.ip6(inner + 24))?;
            if protocol == TCP {
                cx.s(" tcp port ");
                cx.tcp_port(port);
            } else {
                cx.s(" udp port ");
                cx.udp_port(port);
            }
        }
        _ if cx.o.verbose <= 1 => {
            cx.unknown_data(at, "\n\t", len)?;
            return Ok(Unreachable::Bytes);
        }
        _ => {}
    }
    Ok(Unreachable::Shown)
}

/// TCP or UDP in a packet that a message is about.
fn upper(cx: &Cx<'_>, ip: usize) -> Printed<Option<(usize, usize)>> {
    if !cx.has(ip + 6, 1) {
        return Ok(None);
    }
    let mut next = cx.u8(ip + 6)?;
    let mut p = ip + 40;
    while p < cx.end {
        let head = match next {
            TCP | UDP => return Ok(cx.has(p + 2, 2).then_some((next, p))),
            0 | 43 | 60 if cx.has(p + 1, 1) => (cx.u8(p + 1)? + 1) * 8,
            44 if cx.has(p + 2, 2) && cx.u16(p + 2)? & 0xfff8 == 0 => 8,
            51 if cx.has(p + 1, 1) => (cx.u8(p + 1)? + 2) * 4,
            _ => return Ok(None),
        };
        next = cx.u8(p)?;
        p += head;
    }
    Ok(None)
}

fn parameter(cx: &mut Cx<'_>, at: usize, code: usize) -> Printed<bool> {
    if !cx.has(at + 8 + 24, 16) {
        return Ok(false);
    }
    let what = match code {
        0 => "erroneous",
        1 => "next header",
        2 => "option",
        3 => "incomplete header chain",
        _ => {
            put!(cx, ", code-#{code}");
            return Ok(true);
        }
    };
    put!(cx, ", {what} - octet {}", cx.u32(at + 4)?);
    Ok(true)
}

fn discovery(cx: &mut Cx<'_>, at: usize, len: usize, kind: usize) -> Printed<bool> {
    let verbose = cx.o.verbose > 0;
    let head = match kind {
        133 => 8,
        134 => {
            if verbose {
                cx.all(|cx| {
                    let flags = cx.u8(at + 5)?;
                    put!(cx, "\n\thop limit {}, Flags [", cx.u8(at + 4)?);
                    cx.bits(ROUTER_FLAGS, flags, ", ", "none");
                    put!(
                        cx,
                        "], pref {}, router lifetime {}s, reachable time {}ms, retrans timer {}ms",
                        preference(flags),
                        cx.u16(at + 6)?,
                        cx.u32(at + 8)?,
                        cx.u32(at + 12)?
                    );
                    Ok(())
                })?;
            }
            16
        }
        135 => {
            cx.after(", who has ", |cx| cx.ip6(at + 8))?;
            24
        }
        136 => {
            cx.after(", tgt is ", |cx| cx.ip6(at + 8))?;
            if verbose {
                cx.s(", Flags [");
                cx.bits(NEIGHBOUR_FLAGS, cx.u32(at + 4)?, ", ", "none");
                cx.s("]");
            }
            24
        }
        _ => {
            cx.after(", ", |cx| cx.ip6(at + 24))?;
            cx.after(" to ", |cx| cx.ip6(at + 8))?;
            40
        }
    };
    if verbose { icmp6_options::print(cx, at + head, sub32(len, head)) } else { Ok(true) }
}

fn mobile(cx: &mut Cx<'_>, at: usize, len: usize, kind: usize) -> Printed<bool> {
    put!(cx, ", id 0x{:04x}", cx.u16(at + 4)?);
    if kind == 145 {
        let mut p = at + 8;
        while p < at + len {
            cx.after(", ", |cx| cx.ip6(p))?;
            p += 16;
        }
        return Ok(true);
    }
    let flags = cx.u16(at + 6)?;
    if flags & 0xc000 != 0 {
        cx.s(" ");
    }
    if flags & 0x8000 != 0 {
        cx.s("M");
    }
    if flags & 0x4000 != 0 {
        cx.s("O");
    }
    icmp6_options::print(cx, at + 8, sub32(len, 8))
}

fn listener(cx: &mut Cx<'_>, at: usize, len: usize, kind: usize) -> Printed {
    match kind {
        143 => report(cx, at, len),
        130 if len >= 28 => {
            cx.s(" v2");
            query(cx, at, len)
        }
        130 if len != 24 => {
            put!(cx, " unknown-version (len {len}) ");
            Ok(())
        }
        _ if cx.has(at, 24) => {
            put!(cx, "max resp delay: {} addr: ", cx.u16(at + 4)?);
            cx.ip6(at + 8)
        }
        _ => Ok(()),
    }
}

fn list(cx: &mut Cx<'_>, at: usize, count: usize) -> Printed {
    cx.s(" {");
    for n in 0..count {
        cx.after(" ", |cx| cx.ip6(at + 16 * n))?;
    }
    cx.s(" }");
    Ok(())
}

fn query(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    let verbose = cx.o.verbose > 0;
    if verbose {
        let code = cx.u16(at + 4)?;
        let delay =
            if code < 32768 { code } else { (code & 0xfff | 0x1000) << ((code >> 12 & 7) + 3) };
        put!(cx, " [max resp delay={delay}]");
    }
    cx.after(" [gaddr ", |cx| cx.ip6(at + 8))?;
    if verbose {
        let bits = cx.u8(at + 24)?;
        if bits & 8 != 0 {
            cx.s(" sflag");
        }
        if bits & 7 != 0 {
            put!(cx, " robustness={}", bits & 7);
        }
        let interval = cx.u8(at + 25)?;
        let seconds = if interval < 128 {
            interval
        } else {
            (interval & 15 | 16) << ((interval >> 4 & 7) + 3)
        };
        put!(cx, " qqi={seconds}");
    }
    let sources = cx.u16(at + 26)?;
    if sources > 0 {
        if len < 28 + 16 * sources {
            cx.s(" [invalid number of sources]");
        } else if cx.o.verbose > 1 {
            list(cx, at + 28, sources)?;
        } else {
            put!(cx, ", {sources} source(s)");
        }
    }
    cx.s("]");
    Ok(())
}

fn report(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    if len < 8 {
        put!(cx, " [invalid len {len}]");
        return Ok(());
    }
    let groups = cx.u16(at + 6)?;
    put!(cx, ", {groups} group record(s)");
    if cx.o.verbose == 0 {
        return Ok(());
    }
    let mut p = 8;
    for _ in 0..groups {
        if len < p + 20 {
            cx.s(" [invalid number of groups]");
            return Ok(());
        }
        cx.after(" [gaddr ", |cx| cx.ip6(at + p + 4))?;
        let kind = cx.u8(at + p)?;
        cx.s(" ");
        tok!(cx, REPORTS, kind, " [v2-report-#{kind}]");
        let sources = cx.u16(at + p + 2)?;
        if len < p + 20 + 16 * sources {
            put!(cx, " [invalid number of sources {sources}]");
            return Ok(());
        }
        if cx.o.verbose == 1 {
            put!(cx, ", {sources} source(s)");
        } else {
            list(cx, at + p + 20, sources)?;
        }
        p += 20 + 16 * sources;
        cx.s("]");
    }
    Ok(())
}
