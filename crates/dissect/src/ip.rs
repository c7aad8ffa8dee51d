//! IPv4 (RFC 791), and what either version of IP carries.

use crate::cx::{Cx, Printed};
use crate::sum::{should_be, sum};
use crate::tok::{Toks, tok};
use crate::{
    dccp, esp, ether, gre, icmp, icmp6, igmp, ip_options, ip6, netdb, ospf, ospf6, sctp, tcp, udp,
    vrrp,
};

pub(crate) const ICMP: usize = 1;
pub(crate) const TCP: usize = 6;
pub(crate) const UDP: usize = 17;
pub(crate) const ICMPV6: usize = 58;
pub(crate) const SCTP: usize = 132;
pub(crate) const DCCP: usize = 33;

pub(crate) const PROTOCOLS: &Toks = &[
    (0, "Options"),
    (ICMP, "ICMP"),
    (2, "IGMP"),
    (4, "IPIP"),
    (TCP, "TCP"),
    (8, "EGP"),
    (9, "IGRP"),
    (UDP, "UDP"),
    (DCCP, "DCCP"),
    (41, "IPv6"),
    (43, "Routing"),
    (44, "Fragment"),
    (46, "RSVP"),
    (47, "GRE"),
    (50, "ESP"),
    (51, "AH"),
    (55, "Mobile IP"),
    (ICMPV6, "ICMPv6"),
    (62, "Mobile IP (old)"),
    (88, "EIGRP"),
    (89, "OSPF"),
    (103, "PIM"),
    (108, "Compressed IP"),
    (112, "VRRP"),
    (113, "PGM"),
    (SCTP, "SCTP"),
    (135, "Mobility"),
    (143, "Ethernet"),
];
const FLAGS: &Toks = &[(0x2000, "+"), (0x4000, "DF"), (0x8000, "rsvd")];

/// What a transport needs to know of the packet around it.
#[derive(Clone, Copy)]
pub(crate) struct Around {
    /// Position of the IP header.
    pub(crate) ip: usize,
    /// Its version.
    pub(crate) v6: bool,
    /// Whether more fragments follow, or came before.
    pub(crate) fragment: bool,
    /// Time to live or hop limit.
    pub(crate) ttl: usize,
}

impl Around {
    /// The protocol that the IP header itself names.
    pub(crate) fn next(self, cx: &Cx<'_>) -> Printed<usize> {
        cx.u8(self.ip + if self.v6 { 6 } else { 9 })
    }

    pub(crate) fn src(self, cx: &mut Cx<'_>) -> Printed {
        if self.v6 { cx.ip6(self.ip + 8) } else { cx.ip(self.ip + 12) }
    }

    pub(crate) fn dst(self, cx: &mut Cx<'_>) -> Printed {
        if self.v6 { cx.ip6(self.ip + 24) } else { cx.ip(self.ip + 16) }
    }

    /// `source > destination`
    pub(crate) fn addrs(self, cx: &mut Cx<'_>) -> Printed {
        self.src(cx)?;
        cx.s(" > ");
        self.dst(cx)
    }

    /// `source.port > destination.port: `, without addresses if a header between has shown them.
    pub(crate) fn ports(
        self,
        cx: &mut Cx<'_>,
        own: usize,
        ports: (u16, u16),
        put: fn(&mut Cx<'_>, u16),
    ) -> Printed {
        if self.next(cx)? == own {
            self.src(cx)?;
            cx.s(".");
            put(cx, ports.0);
            cx.s(" > ");
            self.dst(cx)?;
            cx.s(".");
        } else {
            put(cx, ports.0);
            cx.s(" > ");
        }
        put(cx, ports.1);
        cx.s(": ");
        Ok(())
    }

    /// Checksum over `len` bytes from `at` on with the pseudo-header of IP, of which `covered` bytes count; 0 if
    /// it is right.
    pub(crate) fn checksum(
        self,
        cx: &Cx<'_>,
        protocol: u8,
        at: usize,
        len: usize,
        covered: usize,
    ) -> Printed<usize> {
        let data = cx.bytes(at, covered)?;
        let [.., a, b, c, d] = len.to_be_bytes();
        if self.v6 {
            let dst = ip6::final_destination(cx, self.ip)?;
            return Ok(sum(&[
                cx.bytes(self.ip + 8, 16)?,
                &dst,
                &[a, b, c, d],
                &[0, 0, 0, protocol],
                data,
            ]));
        }
        let dst = ip_options::final_destination(cx, self.ip)?;
        Ok(sum(&[cx.bytes(self.ip + 12, 4)?, &dst, &[0, protocol, c, d], data]))
    }
}

/// IP of the version that the first byte says.
pub(crate) fn any(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "ipn";
    if len < 1 {
        put!(cx, "truncated-ip {len}");
        return Ok(());
    }
    match cx.u8(at)? >> 4 {
        4 => print(cx, at, len),
        6 => ip6::print(cx, at, len),
        version => {
            put!(cx, "unknown ip {version}");
            Ok(())
        }
    }
}

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    let saved = cx.end;
    cx.nest(|cx| datagram(cx, at, len))?;
    cx.end = saved;
    Ok(())
}

fn datagram(cx: &mut Cx<'_>, at: usize, length: usize) -> Printed {
    cx.proto = "ip";
    let first = cx.u8(at)?;
    match first >> 4 {
        4 => {}
        version => {
            if version == 6 {
                cx.s("IP6, wrong link-layer encapsulation");
            } else {
                put!(cx, "IP{version}");
            }
            cx.invalid();
            return Ok(());
        }
    }
    if !cx.o.link {
        cx.s("IP ");
    }
    if !cx.has(at, 20) {
        cx.trunc();
        return Ok(());
    }
    if length < 20 {
        put!(cx, "truncated-ip {length}");
        return Ok(());
    }
    let head = (first & 15) * 4;
    if head < 20 {
        put!(cx, "bad-hlen {head}");
        return Ok(());
    }
    let mut len = cx.u16(at + 2)?;
    if length < len {
        put!(cx, "truncated-ip - {} bytes missing! ", len - length);
    }
    if len < head {
        put!(cx, "bad-len {len}");
        return Ok(());
    }
    cx.limit(at, len);
    len = crate::cx::sub32(len, head);
    let off = cx.u16(at + 6)?;
    let protocol = cx.u8(at + 9)?;
    let ttl = cx.u8(at + 8)?;
    let around = Around { ip: at, v6: false, fragment: off & 0x2000 != 0, ttl };
    if cx.o.verbose > 0 && !verbose(cx, at, head, off)? {
        around.addrs(cx)?;
        cx.s(": ");
        cx.trunc();
        return Ok(());
    }
    if off & 0x1fff == 0 {
        if !matches!(protocol, TCP | UDP | SCTP | DCCP) {
            around.addrs(cx)?;
            cx.s(": ");
        }
        if !cx.has(at, head) {
            put!(cx, " [remaining caplen({}) < header length({head})]", cx.left(at));
            return Err(crate::cx::Cut);
        }
        return payload(cx, at + head, len, around, protocol);
    }
    around.addrs(cx)?;
    match protocol_name(cx, protocol) {
        Some(name) => put!(cx, ": {name}"),
        None => put!(cx, ": ip-proto-{protocol}"),
    }
    Ok(())
}

/// Fields of the header in parentheses; whether its options were all there.
fn verbose(cx: &mut Cx<'_>, at: usize, head: usize, off: usize) -> Printed<bool> {
    const ECN: [&str; 4] = ["", ",ECT(1)", ",ECT(0)", ",CE"];
    let (tos, ttl, protocol) = (cx.u8(at + 1)?, cx.u8(at + 8)?, cx.u8(at + 9)?);
    put!(cx, "(tos 0x{tos:x}{}", ECN.get(tos & 3).unwrap_or(&""));
    if ttl > 0 {
        put!(cx, ", ttl {ttl}");
    }
    put!(cx, ", id {}, offset {}, flags [", cx.u16(at + 4)?, (off & 0x1fff) * 8);
    cx.bits(FLAGS, off, ", ", "none");
    let name = tok(PROTOCOLS, protocol).unwrap_or("unknown");
    put!(cx, "], proto {name} ({protocol}), length {}", cx.u16(at + 2)?);
    let mut whole = true;
    if head > 20 {
        cx.s(", options (");
        whole = ip_options::print(cx, at + 20, head - 20)?;
        if !whole {
            cx.s(" [truncated-option]");
        }
        cx.s(")");
    }
    if !cx.o.no_checksums && cx.has(at, head) {
        let sum = sum(&[cx.bytes(at, head)?]);
        if sum != 0 {
            let have = cx.u16(at + 10)?;
            put!(cx, ", bad cksum {have:x} (->{:x})!", should_be(have, sum));
        }
    }
    cx.s(")\n    ");
    Ok(whole)
}

/// The name of a protocol, where names are shown.
fn protocol_name(cx: &Cx<'_>, protocol: usize) -> Option<&'static str> {
    cx.names.as_ref().and_then(|_| tok(netdb::NAMES, protocol))
}

/// What a protocol number announces.
pub(crate) fn payload(
    cx: &mut Cx<'_>,
    at: usize,
    len: usize,
    around: Around,
    protocol: usize,
) -> Printed {
    let (mut at, mut len, mut protocol) = (at, len, protocol);
    // Each round consumes an authentication header.
    while protocol == 51 {
        if !cx.has(at, 1) {
            cx.proto = "ah";
            cx.trunc();
            return Ok(());
        }
        protocol = cx.u8(at)?;
        let Some(head) = esp::authentication(cx, at)? else { return Ok(()) };
        at += head;
        len = crate::cx::sub32(len, head);
    }
    match protocol {
        TCP => tcp::print(cx, at, len, around),
        UDP => udp::print(cx, at, len, around),
        ICMP if !around.v6 => icmp::print(cx, at, len, around),
        ICMPV6 if around.v6 => icmp6::print(cx, at, len, around),
        2 if !around.v6 => igmp::print(cx, at, len),
        143 if around.v6 => {
            let left = cx.left(at);
            ether::print(cx, at, len, left).map(|_| ())
        }
        ICMP | 2 => only(cx, protocol, "IPv4"),
        ICMPV6 | 143 => only(cx, protocol, "IPv6"),
        4 => print(cx, at, len),
        41 => ip6::print(cx, at, len),
        47 => gre::print(cx, at, len),
        50 => esp::print(cx, at, len),
        108 => esp::compressed(cx, at),
        89 if around.v6 => ospf6::print(cx, at, len),
        89 => ospf::print(cx, at, len),
        112 => vrrp::print(cx, at, len, around),
        SCTP => sctp::print(cx, at, len, around),
        DCCP => dccp::print(cx, at, len, around),
        59 => {
            cx.s("no next header");
            Ok(())
        }
        _ => {
            match protocol_name(cx, protocol) {
                Some(name) => put!(cx, " {name} {len}"),
                None => put!(cx, " ip-proto-{protocol} {len}"),
            }
            Ok(())
        }
    }
}

fn only(cx: &mut Cx<'_>, protocol: usize, version: &str) -> Printed {
    put!(cx, "[{} requires {version}]", tok(PROTOCOLS, protocol).unwrap_or("unknown"));
    cx.invalid();
    Ok(())
}
