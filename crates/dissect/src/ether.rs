//! Ethernet (IEEE 802.3) with VLAN tags (802.1Q), and what ethertypes announce.

use crate::cx::{Cut, Cx, Printed};
use crate::tok::{Toks, tok};
use crate::{arp, ip, ip6, llc, lldp, mpls, ppp, pppoe};

/// Largest value of the type field that is a length.
pub(crate) const MAX_LENGTH: usize = 1500;

pub(crate) const IPV4: usize = 0x0800;
pub(crate) const ARP: usize = 0x0806;
pub(crate) const TRAIL: usize = 0x1000;
pub(crate) const IPV6: usize = 0x86dd;
pub(crate) const MPLS: usize = 0x8847;
pub(crate) const MPLS_MULTI: usize = 0x8848;
pub(crate) const VLAN: usize = 0x8100;
pub(crate) const TEB: usize = 0x6558;
pub(crate) const PPP: usize = 0x880b;
const QINQ: usize = 0x88a8;
const VLAN_9100: usize = 0x9100;
const VLAN_9200: usize = 0x9200;
const JUMBO: usize = 0x8870;

pub(crate) const ETHERTYPES: &Toks = &[
    (IPV4, "IPv4"),
    (MPLS, "MPLS unicast"),
    (MPLS_MULTI, "MPLS multicast"),
    (IPV6, "IPv6"),
    (VLAN, "802.1Q"),
    (VLAN_9100, "802.1Q-9100"),
    (QINQ, "802.1Q-QinQ"),
    (VLAN_9200, "802.1Q-9200"),
    (0x88e5, "802.1AE MACsec"),
    (0x0200, "PUP"),
    (ARP, "ARP"),
    (0x8035, "Reverse ARP"),
    (0x0600, "NS"),
    (0x0500, "Sprite"),
    (TRAIL, "Trail"),
    (0x6001, "MOP DL"),
    (0x6002, "MOP RC"),
    (0x6003, "DN"),
    (0x6004, "LAT"),
    (0x6007, "SCA"),
    (TEB, "TEB"),
    (0x8038, "Lanbridge"),
    (0x803c, "DEC DNS"),
    (0x803e, "DEC DTS"),
    (0x805b, "VEXP"),
    (0x805c, "VPROD"),
    (0x809b, "Appletalk"),
    (0x80f3, "Appletalk ARP"),
    (0x8137, "IPX"),
    (PPP, "PPP"),
    (0x8808, "MPCP"),
    (0x8809, "Slow Protocols"),
    (0x8863, "PPPoE D"),
    (0x8864, "PPPoE S"),
    (0x888e, "EAPOL"),
    (0x8899, "Realtek protocols"),
    (0x886f, "MS NLB heartbeat"),
    (JUMBO, "Jumbo"),
    (0x894f, "NSH"),
    (0x9000, "Loopback"),
    (0xfefe, "OSI"),
    (0x00fe, "GRE-OSI"),
    (0xabcd, "CFM (old)"),
    (0x8902, "CFM"),
    (0x893a, "IEEE1905.1"),
    (0x88cc, "LLDP"),
    (0x88ca, "TIPC"),
    (0x0707, "GeoNet (old)"),
    (0x8947, "GeoNet"),
    (0x1111, "CALM FAST"),
    (0x88a2, "AoE"),
    (0x88f7, "PTP"),
    (0xd28b, "Arista Vendor Specific Protocol"),
];

/// Positions of the addresses of a frame.
#[derive(Clone, Copy)]
pub(crate) struct Addrs {
    pub(crate) src: usize,
    pub(crate) dst: usize,
}

/// A frame; gives the length of its header.
pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize, caplen: usize) -> Printed<usize> {
    cx.proto = "ether";
    cx.nest(|cx| frame(cx, at, len, caplen))
}

fn frame(cx: &mut Cx<'_>, at: usize, len: usize, caplen: usize) -> Printed<usize> {
    if len < caplen {
        put!(cx, "[length {len} < caplen {caplen}]");
        cx.invalid();
        return Ok(len);
    }
    if caplen < 14 {
        cx.trunc();
        return Ok(caplen);
    }
    let addrs = Addrs { src: at + 6, dst: at };
    let whole = len;
    if cx.o.link {
        addresses(cx, addrs)?;
    }
    let mut kind = cx.u16(at + 12)?;
    let (mut p, mut len, mut caplen) = (at + 14, len - 14, caplen - 14);
    let mut said_length = false;
    while matches!(kind, VLAN | QINQ | VLAN_9100 | VLAN_9200) {
        if caplen < 4 || len < 4 {
            cx.proto = "vlan";
            cx.trunc();
            return Ok(p - at + caplen.min(len));
        }
        if cx.o.link {
            ether_type(cx, kind);
            length_once(cx, whole, &mut said_length);
            tci(cx, p)?;
        }
        kind = cx.u16(p + 2)?;
        (p, len, caplen) = (p + 4, len - 4, caplen - 4);
    }
    let head = p - at;
    if kind <= MAX_LENGTH {
        if kind < len {
            len = kind;
            caplen = caplen.min(len);
        }
        let saved = cx.limit(p, len);
        if cx.o.link {
            cx.s("802.3");
            if !said_length {
                put!(cx, ", length {len}: ");
            }
        }
        let more = llc_or_bytes(cx, p, len, caplen, addrs)?;
        cx.end = saved;
        return Ok(head + more);
    }
    if kind == JUMBO {
        return Ok(head + llc_or_bytes(cx, p, len, caplen, addrs)?);
    }
    if cx.o.link {
        ether_type(cx, kind);
        length_once(cx, whole, &mut said_length);
    }
    if !payload(cx, kind, p, len, caplen)? {
        if !cx.o.link {
            addresses(cx, addrs)?;
            ether_type(cx, kind);
            put!(cx, ", length {whole}: ");
        }
        cx.default_print(p, caplen)?;
    }
    Ok(head)
}

fn llc_or_bytes(
    cx: &mut Cx<'_>,
    p: usize,
    len: usize,
    caplen: usize,
    addrs: Addrs,
) -> Printed<usize> {
    let llc = llc::print(cx, p, len, caplen, Some(addrs))?;
    if !llc.known {
        cx.default_print(p, caplen)?;
    }
    Ok(llc.header)
}

fn addresses(cx: &mut Cx<'_>, addrs: Addrs) -> Printed {
    cx.mac(addrs.src)?;
    cx.after(" > ", |cx| cx.mac(addrs.dst))?;
    cx.s(", ");
    Ok(())
}

fn ether_type(cx: &mut Cx<'_>, kind: usize) {
    if !cx.o.quick {
        cx.s("ethertype ");
        cx.s(tok(ETHERTYPES, kind).unwrap_or("Unknown"));
        let [.., high, low] = kind.to_be_bytes();
        cx.s(" (0x");
        cx.hex2(high);
        cx.hex2(low);
        cx.s(")");
    } else {
        tok!(cx, ETHERTYPES, kind, "Unknown Ethertype (0x{kind:04x})");
    }
}

fn length_once(cx: &mut Cx<'_>, len: usize, said: &mut bool) {
    if *said {
        cx.s(", ");
        return;
    }
    cx.s(", length ");
    cx.u(len);
    cx.s(": ");
    *said = true;
}

/// Tag control information, with a comma after.
pub(crate) fn tci(cx: &mut Cx<'_>, at: usize) -> Printed {
    let tci = cx.u16(at)?;
    put!(cx, "vlan {}, p {}", tci & 0xfff, tci >> 13);
    cx.s(if tci & 0x1000 == 0 { ", " } else { ", DEI, " });
    Ok(())
}

/// What an ethertype announces; whether it is known.
pub(crate) fn payload(
    cx: &mut Cx<'_>,
    kind: usize,
    p: usize,
    len: usize,
    caplen: usize,
) -> Printed<bool> {
    match kind {
        IPV4 => ip::print(cx, p, len)?,
        IPV6 => ip6::print(cx, p, len)?,
        ARP | 0x8035 => arp::print(cx, p, len, caplen)?,
        0x8863 | 0x8864 | 0x3c12 | 0x3c13 => {
            pppoe::print(cx, p, len)?;
        }
        PPP => {
            if len > 0 {
                cx.s(": ");
                ppp::print(cx, p, len)?;
            }
        }
        0x88cc => lldp::print(cx, p, len)?,
        MPLS | MPLS_MULTI => mpls::print(cx, p, len)?,
        0x9000 => loopback(cx, p, len)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// Ethernet configuration testing, which switches send to themselves.
fn loopback(cx: &mut Cx<'_>, p: usize, len: usize) -> Printed {
    const FUNCTIONS: &Toks = &[(1, "Reply"), (2, "Forward Data")];
    cx.proto = "loopback";
    cx.s("Loopback");
    if len < 2 {
        cx.invalid();
        return cx.need(p, len);
    }
    let le16 = |cx: &Cx<'_>, at| -> Result<usize, Cut> { Ok(cx.u8(at)? | cx.u8(at + 1)? << 8) };
    put!(cx, ", skipCount {}", le16(cx, p)?);
    let skip = le16(cx, p)?;
    if skip % 8 != 0 {
        cx.s(" (bogus)");
    }
    if skip > len - 2 {
        cx.invalid();
        return cx.need(p + 2, len - 2);
    }
    cx.need(p + 2, skip)?;
    let (p, len) = (p + 2 + skip, len - 2 - skip);
    if len < 2 {
        cx.invalid();
        return cx.need(p, len);
    }
    let function = le16(cx, p)?;
    cx.s(", ");
    tok!(cx, FUNCTIONS, function, " invalid ({function})");
    let (p, len) = (p + 2, len - 2);
    match function {
        1 => {
            if len < 2 {
                cx.invalid();
                return cx.need(p, len);
            }
            let receipt = le16(cx, p)?;
            put!(cx, ", receipt number {receipt}");
            put!(cx, ", data ({} octets)", len - 2);
            cx.need(p + 2, len - 2)
        }
        2 => {
            if len < 6 {
                cx.invalid();
                return cx.need(p, len);
            }
            cx.after(", forwarding address ", |cx| cx.mac(p))?;
            if cx.u8(p)? & 1 == 1 {
                cx.s(" (bogus)");
            }
            put!(cx, ", data ({} octets)", len - 6);
            cx.need(p + 6, len - 6)
        }
        _ => cx.need(p, len),
    }
}
