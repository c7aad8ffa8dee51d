//! What captured packets start with, other than Ethernet: nothing, an address family, or Linux's cooked headers.

use crate::cx::{Cx, Printed};
use crate::ether::{self, ETHERTYPES, MAX_LENGTH, VLAN};
use crate::tok::{Toks, tok};
use crate::{ip, ip6, llc};
use std::collections::HashMap;

const FAMILIES: &Toks = &[
    (2, "IPv4"),
    (6, "NS"),
    (7, "ISO"),
    (16, "Appletalk"),
    (23, "IPX"),
    (24, "IPv6"),
    (28, "IPv6"),
    (30, "IPv6"),
];
const SLL_TYPES: &Toks = &[(0, "In"), (1, "B"), (2, "M"), (3, "P"), (4, "Out")];
const NOVELL: usize = 1;
const LLC: usize = 4;

/// Bare IP.
pub(crate) fn raw(cx: &mut Cx<'_>, len: usize) -> Printed<usize> {
    cx.proto = "raw";
    if cx.o.link {
        cx.s("ip: ");
    }
    ip::any(cx, 0, len)?;
    Ok(0)
}

/// BSD's loopback: an address family in some byte order.
pub(crate) fn null(cx: &mut Cx<'_>, len: usize) -> Printed<usize> {
    cx.proto = "null";
    if !cx.has(0, 4) {
        cx.trunc();
        return Ok(0);
    }
    let word = cx.word(0)?;
    // As little-endian hosts read it; from the other order when that is no family.
    let little = word.swap_bytes();
    let family = if little >> 16 == 0 { little } else { word } as usize;
    if cx.o.link {
        family_of(cx, family, len);
    }
    let inner = len.wrapping_sub(4);
    match family {
        2 => ip::print(cx, 4, inner)?,
        24 | 28 | 30 => ip6::print(cx, 4, inner)?,
        _ => {
            if !cx.o.link {
                family_of(cx, family, len);
            }
            cx.default_print(4, cx.left(4))?;
        }
    }
    Ok(4)
}

fn family_of(cx: &mut Cx<'_>, family: usize, len: usize) {
    if cx.o.quick {
        tok!(cx, FAMILIES, family, "Unknown AF {family}");
    } else {
        put!(cx, "AF {} ({family})", tok(FAMILIES, family).unwrap_or("Unknown"));
    }
    put!(cx, ", length {len}: ");
}

/// Where a cooked header has what.
#[derive(Clone, Copy)]
struct Cooked {
    len: usize,
    protocol: usize,
    hlen: usize,
    addr: usize,
}

const SLL: Cooked = Cooked { len: 16, protocol: 14, hlen: 4, addr: 6 };
const SLL2: Cooked = Cooked { len: 20, protocol: 0, hlen: 11, addr: 12 };

/// Linux's cooked header, first version.
pub(crate) fn sll(cx: &mut Cx<'_>, len: usize) -> Printed<usize> {
    cx.proto = "sll";
    if !cx.has(0, SLL.len) {
        cx.trunc();
        return Ok(0);
    }
    if cx.o.link {
        sll_header(cx, len)?;
    }
    cooked(cx, SLL, len)
}

fn sll_header(cx: &mut Cx<'_>, len: usize) -> Printed {
    cx.proto = "sll";
    put!(cx, "{:>3} ", tok(SLL_TYPES, cx.u16(0)?).unwrap_or("?"));
    let hlen = cx.u16(SLL.hlen)?;
    rest_of_header(cx, SLL, hlen, len)
}

/// Linux's cooked header, second version. `names` are those of interfaces by index.
pub(crate) fn sll2(cx: &mut Cx<'_>, len: usize, names: &HashMap<u32, String>) -> Printed<usize> {
    cx.proto = "sll2";
    if !cx.has(0, SLL2.len) {
        cx.trunc();
        return Ok(0);
    }
    put!(cx, "{:<5} ", names.get(&cx.word(4)?).map_or("?", String::as_str));
    put!(cx, "{:<3} ", tok(SLL_TYPES, cx.u8(10)?).unwrap_or("?"));
    if cx.o.link {
        sll2_header(cx, len)?;
    }
    cooked(cx, SLL2, len)
}

fn sll2_header(cx: &mut Cx<'_>, len: usize) -> Printed {
    cx.proto = "sll2";
    put!(cx, "ifindex {} ", cx.u32(4)?);
    let hlen = cx.u8(SLL2.hlen)?;
    rest_of_header(cx, SLL2, hlen, len)
}

fn rest_of_header(cx: &mut Cx<'_>, layout: Cooked, hlen: usize, len: usize) -> Printed {
    if hlen == 6 {
        cx.mac(layout.addr)?;
        cx.s(" ");
    }
    if cx.o.quick {
        return Ok(());
    }
    match cx.u16(layout.protocol)? {
        NOVELL => cx.s("802.3"),
        LLC => cx.s("802.2"),
        kind if kind <= MAX_LENGTH => put!(cx, "ethertype Unknown (0x{kind:04x})"),
        kind => put!(cx, "ethertype {} (0x{kind:04x})", tok(ETHERTYPES, kind).unwrap_or("Unknown")),
    }
    put!(cx, ", length {len}: ");
    Ok(())
}

fn cooked(cx: &mut Cx<'_>, layout: Cooked, len: usize) -> Printed<usize> {
    let mut kind = cx.u16(layout.protocol)?;
    let mut p = layout.len;
    let whole = cx.end;
    let mut head = layout.len;
    loop {
        let (left, caplen) = (len.saturating_sub(p), whole.saturating_sub(p));
        if kind > MAX_LENGTH && kind != VLAN {
            if !ether::payload(cx, kind, p, left, caplen)? {
                if !cx.o.link {
                    if layout.len == SLL.len {
                        sll_header(cx, left + SLL.len)
                    } else {
                        sll2_header(cx, left + SLL2.len)
                    }?;
                }
                cx.default_print(p, caplen)?;
            }
            return Ok(head);
        }
        if kind == LLC {
            let llc = llc::print(cx, p, left, caplen, None)?;
            if llc.known {
                head += llc.header;
            } else {
                cx.default_print(p, caplen)?;
            }
            return Ok(head);
        }
        if kind != VLAN {
            cx.default_print(p, caplen)?;
            return Ok(head);
        }
        if caplen < 4 {
            cx.proto = "vlan";
            cx.trunc();
            return Ok(head + caplen);
        }
        if cx.o.link {
            ether::tci(cx, p)?;
        }
        kind = cx.u16(p + 2)?;
        if kind <= MAX_LENGTH {
            kind = LLC;
        }
        if !cx.o.quick {
            put!(cx, "ethertype {}, ", tok(ETHERTYPES, kind).unwrap_or("Unknown"));
        }
        p += 4;
        head += 4;
    }
}
