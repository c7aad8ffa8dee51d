//! IPv6 (RFC 8200) with its extension headers.

use crate::cx::{Cx, Printed, sub32};
use crate::ip::{self, Around, DCCP, PROTOCOLS, SCTP, TCP, UDP};
use crate::ip6_options::{Jumbo, options};
use crate::tok::tok;

const HEADER: usize = 40;
const HOP_BY_HOP: usize = 0;
const ROUTING: usize = 43;
const FRAGMENT: usize = 44;
const DESTINATION: usize = 60;
const MOBILITY_OLD: usize = 62;
const MOBILITY: usize = 135;

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    let saved = cx.end;
    cx.nest(|cx| datagram(cx, at, len))?;
    cx.end = saved;
    Ok(())
}

fn datagram(cx: &mut Cx<'_>, at: usize, length: usize) -> Printed {
    cx.proto = "ip6";
    if !cx.has(at, HEADER) {
        cx.trunc();
        return Ok(());
    }
    if length < HEADER {
        put!(cx, "truncated-ip6 {length}");
        return Ok(());
    }
    if !cx.o.link {
        cx.s("IP6 ");
    }
    let version = cx.u8(at)? >> 4;
    if version != 6 {
        put!(cx, "version error: {version} != 6");
        return Ok(());
    }
    let captured = cx.end;
    let payload = cx.u16(at + 4)?;
    let mut len = if payload == 0 { length } else { payload } + HEADER;
    if payload != 0 && length < len {
        put!(cx, "truncated-ip6 - {} bytes missing!", len - length);
    }
    let next = cx.u8(at + 6)?;
    if cx.o.verbose > 0 {
        verbose(cx, at, next, payload)?;
    }
    cx.limit(at, len);
    let mut walk =
        Walk { next, previous: 255, seen_hop_by_hop: false, extended: false, fragment: false };
    let mut jumbo = Jumbo { found: false, payload };
    let mut p = at;
    let mut advance = HEADER;
    while p < cx.end && advance > 0 {
        if len < advance {
            cx.trunc();
            return Ok(());
        }
        p += advance;
        len -= advance;
        if p == at + HEADER && !matches!(walk.next, TCP | UDP | SCTP | DCCP) {
            Around { ip: at, v6: true, fragment: false, ttl: 0 }.addrs(cx)?;
            cx.s(": ");
        }
        match walk.extension(cx, at, p, &mut jumbo)? {
            Step::Next(head) => advance = head,
            Step::Done => return Ok(()),
            Step::Payload => {
                let total = p - at;
                if jumbo.found {
                    len = jumbo.payload + HEADER;
                    if len < total {
                        cx.trunc();
                        return Ok(());
                    }
                    if length < len {
                        put!(cx, "truncated-ip6 - {} bytes missing!", len - length);
                    }
                    cx.end = captured.min(at + len);
                    len -= total;
                } else if payload == 0 {
                    if walk.extended {
                        cx.trunc();
                        return Ok(());
                    }
                    cx.end = captured.min(at + HEADER);
                    len = sub32(HEADER, total);
                }
                let ttl = cx.u8(at + 7)?;
                let around = Around { ip: at, v6: true, fragment: walk.fragment, ttl };
                return ip::payload(cx, p, len, around, walk.next);
            }
        }
        cx.proto = "ip6";
    }
    Ok(())
}

fn verbose(cx: &mut Cx<'_>, at: usize, next: usize, payload: usize) -> Printed {
    let flow = cx.u32(at)?;
    cx.s("(");
    if flow & 0x0ff0_0000 != 0 {
        put!(cx, "class 0x{:02x}, ", (flow & 0x0ff0_0000) >> 20);
    }
    if flow & 0x000f_ffff != 0 {
        put!(cx, "flowlabel 0x{:05x}, ", flow & 0x000f_ffff);
    }
    let name = tok(PROTOCOLS, next).unwrap_or("unknown");
    put!(cx, "hlim {}, next-header {name} ({next}) payload length: {payload}) ", cx.u8(at + 7)?);
    Ok(())
}

/// What follows a header.
enum Step {
    /// A header after so many bytes.
    Next(usize),
    /// Nothing to be shown.
    Done,
    /// No extension header.
    Payload,
}

/// The way along extension headers.
struct Walk {
    next: usize,
    previous: usize,
    seen_hop_by_hop: bool,
    extended: bool,
    fragment: bool,
}

impl Walk {
    /// One extension header at `p`.
    fn extension(
        &mut self,
        cx: &mut Cx<'_>,
        ip: usize,
        p: usize,
        jumbo: &mut Jumbo,
    ) -> Printed<Step> {
        let head = match self.next {
            HOP_BY_HOP => {
                let wrong = if self.seen_hop_by_hop {
                    Some("[The Hop-by-Hop Options header was already found]")
                } else if self.previous != 255 {
                    Some("[The Hop-by-Hop Options header don't follow the IPv6 header]")
                } else {
                    None
                };
                if let Some(wrong) = wrong {
                    cx.s(wrong);
                    cx.invalid();
                    return Ok(Step::Done);
                }
                let head = hop_by_hop(cx, p, jumbo)?;
                if jumbo.payload == 0 && !jumbo.found {
                    cx.s("[No valid Jumbo Payload Hop-by-Hop option found]");
                    cx.invalid();
                    return Ok(Step::Done);
                }
                self.seen_hop_by_hop = true;
                head
            }
            DESTINATION => destination(cx, p)?,
            FRAGMENT => {
                let head = fragment(cx, ip, p)?;
                if head.is_none_or(|head| cx.end <= p + head) {
                    return Ok(Step::Done);
                }
                self.fragment = true;
                head
            }
            ROUTING => {
                if !cx.has(p, 1) {
                    cx.trunc();
                    return Ok(Step::Done);
                }
                routing(cx, p)?
            }
            MOBILITY | MOBILITY_OLD => {
                cx.s("mobility");
                return Ok(Step::Done);
            }
            _ => return Ok(Step::Payload),
        };
        let Some(head) = head else { return Ok(Step::Done) };
        self.extended = true;
        self.previous = self.next;
        self.next = cx.u8(p)?;
        Ok(Step::Next(head))
    }
}

fn hop_by_hop(cx: &mut Cx<'_>, p: usize, jumbo: &mut Jumbo) -> Printed<Option<usize>> {
    cx.proto = "hbhopt";
    let head = (cx.u8(p + 1)? + 1) * 8;
    if cx.has(p, head) {
        cx.s("HBH ");
        if options(cx, p + 2, head - 2, Some(jumbo))? {
            return Ok(Some(head));
        }
    }
    cx.trunc();
    Ok(None)
}

fn destination(cx: &mut Cx<'_>, p: usize) -> Printed<Option<usize>> {
    cx.proto = "dstopt";
    let head = (cx.u8(p + 1)? + 1) * 8;
    if cx.has(p, head) {
        cx.s("DSTOPT ");
        if cx.o.verbose == 0 || options(cx, p + 2, head - 2, None)? {
            return Ok(Some(head));
        }
    }
    cx.trunc();
    Ok(None)
}

fn fragment(cx: &mut Cx<'_>, ip: usize, p: usize) -> Printed<Option<usize>> {
    cx.proto = "frag6";
    let off = cx.u16(p + 2)? & 0xfff8;
    // As tcpdump counts it, which may be below zero as 64 bits have it.
    let len = (HEADER + cx.u16(ip + 4)?).wrapping_sub(p - ip).wrapping_sub(8);
    if cx.o.verbose > 0 {
        put!(cx, "frag (0x{:08x}:{off}|{len})", cx.u32(p + 4)?);
    } else {
        put!(cx, "frag ({off}|{len})");
    }
    if off != 0 {
        return Ok(None);
    }
    cx.s(" ");
    Ok(Some(8))
}

fn routing(cx: &mut Cx<'_>, p: usize) -> Printed<Option<usize>> {
    cx.proto = "rt6";
    cx.s("RT6");
    let len = cx.u8(p + 1)?;
    put!(cx, " (len={len}");
    let kind = cx.u8(p + 2)?;
    put!(cx, ", type={kind}");
    if kind == 0 {
        cx.s(" [Deprecated]");
    }
    put!(cx, ", segleft={}", cx.u8(p + 3)?);
    match kind {
        0 | 2 => {
            let reserved = cx.u32(p + 4)?;
            if reserved != 0 || cx.o.verbose > 0 {
                put!(cx, ", rsv=0x{reserved:x}");
            }
        }
        4 => {
            put!(cx, ", last-entry={}", cx.u8(p + 4)?);
            let flags = cx.u8(p + 5)?;
            if flags != 0 || cx.o.verbose > 0 {
                put!(cx, ", flags=0x{flags:x}");
            }
            put!(cx, ", tag={:x}", cx.u16(p + 6)?);
        }
        _ => {
            cx.s(" (unknown type)");
            cx.invalid();
            return Ok(None);
        }
    }
    if len % 2 == 1 {
        put!(cx, " (invalid length {len})");
        cx.invalid();
        return Ok(None);
    }
    for n in 0..len / 2 {
        cx.all(|cx| {
            put!(cx, ", [{n}]");
            cx.ip6(p + 8 + 16 * n)
        })?;
    }
    cx.s(") ");
    Ok(Some((len + 1) * 8))
}

/// Where a packet goes in the end: the last address of a routing header, or the destination.
pub(crate) fn final_destination(cx: &Cx<'_>, ip: usize) -> Printed<[u8; 16]> {
    let mut next = cx.u8(ip + 6)?;
    let mut p = ip;
    let mut advance = HEADER;
    while p < cx.end {
        p += advance;
        advance = match next {
            HOP_BY_HOP | DESTINATION | MOBILITY | MOBILITY_OLD => (cx.u8(p + 1)? + 1) * 8,
            FRAGMENT => 8,
            ROUTING if cx.has(p, 4) => {
                let (len, kind) = (cx.u8(p + 1)?, cx.u8(p + 2)?);
                let last = match kind {
                    0 | 2 => (len / 2).checked_sub(1),
                    4 => Some(0),
                    _ => None,
                };
                let last = last.filter(|_| len % 2 == 0).map(|n| p + 8 + 16 * n);
                if let Some(last) = last.filter(|&last| cx.has(last, 16)) {
                    return cx.ipv6(last);
                }
                break;
            }
            _ => break,
        };
        next = cx.u8(p)?;
    }
    cx.ipv6(ip + 24)
}
