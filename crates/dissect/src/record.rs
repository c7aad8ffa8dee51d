//! What a packet says, as values.

use crate::line::Packet;
use crate::{quic, tls};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// VLAN tags that are kept.
const MOST_TAGS: usize = 4;
/// Extension headers, and headers of other kinds in a row, that are stepped over.
const MOST_STEPS: usize = 16;

/// What a packet says, outermost first. What is not there, or cut off, is `None`.
///
/// ```
/// use skep_dissect::{Field, Packet, Record};
///
/// let ip = [
///     0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 53, 0, 99, 0, 8, 0, 0,
/// ];
/// let packet = Packet { bytes: &ip, wire_len: 28, time: 0, link: 101, interface: None };
/// let record = Record::new(&packet);
/// assert_eq!(record.transport.unwrap().ports, Some((53, 99)));
/// let mut text = Vec::new();
/// record.write_field(Field::Source, &mut text);
/// assert_eq!(text, b"10.0.0.1");
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Record<'a> {
    /// Nanoseconds since 1970.
    pub time: u64,
    /// Bytes on the wire.
    pub wire_len: u32,
    /// Bytes captured.
    pub captured: usize,
    /// The interface.
    pub interface: Option<&'a str>,
    /// Source and destination of the link.
    pub link: Option<([u8; 6], [u8; 6])>,
    /// What follows the link header and its tags.
    pub ethertype: Option<u16>,
    /// Identifiers of VLAN tags, outermost first.
    pub vlans: Vlans,
    /// Address resolution.
    pub arp: Option<Arp>,
    /// The IP header.
    pub ip: Option<Ip>,
    /// TCP, UDP and others with ports, ICMP.
    pub transport: Option<Transport>,
    /// What is carried above.
    pub application: Option<Application<'a>>,
    /// A packet within this one.
    pub tunnel: Option<Tunnel<'a>>,
}

/// VLAN identifiers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vlans {
    ids: [u16; MOST_TAGS],
    len: usize,
}

impl Vlans {
    /// The identifiers.
    #[must_use]
    pub fn ids(&self) -> &[u16] {
        self.ids.get(..self.len).unwrap_or_default()
    }

    fn push(&mut self, id: u16) {
        if let Some(place) = self.ids.get_mut(self.len) {
            *place = id;
            self.len += 1;
        }
    }
}

/// Address resolution (RFC 826) for IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// 1 asks, 2 answers.
    pub operation: u16,
    /// Who asks or answers.
    pub sender: Ipv4Addr,
    /// Whose address is asked for, or who is answered.
    pub target: Ipv4Addr,
}

/// What an IP header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip {
    /// Source.
    pub src: IpAddr,
    /// Destination.
    pub dst: IpAddr,
    /// The protocol after all extension headers.
    pub protocol: u8,
    /// Time to live, hop limit.
    pub ttl: u8,
    /// Differentiated services and congestion bits.
    pub tos: u8,
    /// Bytes before this fragment, if it is one that is not the first.
    pub fragment: Option<u16>,
}

/// What a transport header says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    /// Source and destination.
    pub ports: Option<(u16, u16)>,
    /// Bits of TCP.
    pub flags: Option<u8>,
    /// Sequence number, acknowledgement and window of TCP.
    pub tcp: Option<(u32, u32, u16)>,
    /// Type and code of ICMP.
    pub icmp: Option<(u8, u8)>,
    /// Bytes after the header, on the wire.
    pub payload: usize,
}

/// What an application says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Application<'a> {
    /// DNS: a message with its first question.
    Dns {
        /// Number.
        id: u16,
        /// Whether it answers, and with which result.
        result: Option<u8>,
        /// Answers in it.
        answers: u16,
        /// The name asked for, as labels.
        name: Option<&'a [u8]>,
        /// The type asked for.
        kind: u16,
    },
    /// The first message of a TLS client.
    Tls {
        /// The highest version offered.
        version: u16,
        /// Who is called.
        server_name: Option<&'a [u8]>,
        /// The first protocol offered.
        protocol: Option<&'a [u8]>,
    },
    /// A long header of QUIC.
    Quic {
        /// Its version.
        version: u32,
        /// What kind of packet it is.
        kind: &'static str,
        /// Identifier of the destination.
        destination: &'a [u8],
    },
    /// The first line of a text protocol.
    Text {
        /// `http`, `sip`, `ssh`, `smtp`, `ftp`.
        protocol: &'static str,
        /// The line.
        line: &'a [u8],
    },
    /// DHCP: the number of the message type.
    Dhcp(u8),
}

/// A packet within a packet.
#[derive(Clone, Copy, Debug)]
pub struct Tunnel<'a> {
    /// How it is called.
    pub kind: &'static str,
    /// Network identifier, key or label.
    pub id: Option<u32>,
    /// What is in it.
    pub inner: Inner<'a>,
}

/// The bytes of a packet within a packet.
#[derive(Clone, Copy, Debug)]
pub struct Inner<'a> {
    bytes: &'a [u8],
    ethertype: u16,
}

impl<'a> Tunnel<'a> {
    /// The record of the packet within, whose lengths are those of the capture.
    #[must_use]
    pub fn record(&self) -> Record<'a> {
        let captured = self.inner.bytes.len();
        let wire_len = u32::try_from(captured).unwrap_or(u32::MAX);
        let mut record = Record { captured, wire_len, ..Record::default() };
        if self.inner.ethertype == TEB {
            record.ethernet(self.inner.bytes);
        } else {
            record.network(self.inner.ethertype, self.inner.bytes);
        }
        record
    }
}

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// Transparent Ethernet bridging.
const TEB: u16 = 0x6558;

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

impl<'a> Record<'a> {
    /// The record of a packet.
    #[must_use]
    pub fn new(packet: &Packet<'a>) -> Self {
        let mut record = Self {
            time: packet.time,
            wire_len: packet.wire_len,
            captured: packet.bytes.len(),
            interface: packet.interface,
            ..Self::default()
        };
        let bytes = packet.bytes;
        match packet.link {
            1 => record.ethernet(bytes),
            113 => record.cooked(bytes, 14, 6, 16),
            276 => record.cooked(bytes, 0, 12, 20),
            12 | 14 | 101 | 228 | 229 => record.bare_ip(bytes),
            0 | 108 => record.bare_ip(bytes.get(4..).unwrap_or_default()),
            9 => record.ppp(bytes.get(2..).unwrap_or_default()),
            _ => {}
        }
        record
    }

    fn ethernet(&mut self, bytes: &'a [u8]) {
        let (Some(dst), Some(src), Some(kind)) = (
            bytes.first_chunk(),
            bytes.get(6..).and_then(|rest| rest.first_chunk()),
            half(bytes, 12),
        ) else {
            return;
        };
        self.link = Some((*src, *dst));
        self.network(kind, bytes.get(14..).unwrap_or_default());
    }

    fn cooked(&mut self, bytes: &'a [u8], protocol: usize, addr: usize, head: usize) {
        if let Some(src) = bytes.get(addr..).and_then(|rest| rest.first_chunk()) {
            self.link = Some((*src, [0; 6]));
        }
        if let (Some(kind), Some(rest)) = (half(bytes, protocol), bytes.get(head..)) {
            self.network(kind, rest);
        }
    }

    fn bare_ip(&mut self, bytes: &'a [u8]) {
        match bytes.first().map(|first| first >> 4) {
            Some(4) => self.network(IPV4, bytes),
            Some(6) => self.network(IPV6, bytes),
            _ => {}
        }
    }

    fn ppp(&mut self, bytes: &'a [u8]) {
        match half(bytes, 0) {
            Some(0x0021) => self.network(IPV4, bytes.get(2..).unwrap_or_default()),
            Some(0x0057) => self.network(IPV6, bytes.get(2..).unwrap_or_default()),
            _ => {}
        }
    }

    fn network(&mut self, kind: u16, bytes: &'a [u8]) {
        let (mut kind, mut bytes) = (kind, bytes);
        for _ in 0..MOST_TAGS {
            if !matches!(kind, 0x8100 | 0x88a8 | 0x9100 | 0x9200) {
                break;
            }
            let (Some(tci), Some(next)) = (half(bytes, 0), half(bytes, 2)) else { return };
            self.vlans.push(tci & 0xfff);
            (kind, bytes) = (next, bytes.get(4..).unwrap_or_default());
        }
        if kind > 1500 {
            self.ethertype = Some(kind);
        }
        match kind {
            IPV4 => self.ipv4(bytes),
            IPV6 => self.ipv6(bytes),
            0x0806 => self.arp = arp(bytes),
            0x8847 | 0x8848 => self.tunnel = mpls(bytes),
            0x8864 => {
                let inner = bytes.get(6..).unwrap_or_default();
                let kind = match half(inner, 0) {
                    Some(0x0021) => IPV4,
                    Some(0x0057) => IPV6,
                    _ => return,
                };
                let inner = Inner { bytes: inner.get(2..).unwrap_or_default(), ethertype: kind };
                let id = half(bytes, 2).map(u32::from);
                self.tunnel = Some(Tunnel { kind: "pppoe", id, inner });
            }
            _ => {}
        }
    }

    fn ipv4(&mut self, bytes: &'a [u8]) {
        let Some(header) = bytes.first_chunk::<20>() else { return };
        let head = usize::from(header[0] & 15) * 4;
        if header[0] >> 4 != 4 || head < 20 {
            return;
        }
        let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let off = u16::from_be_bytes([header[6], header[7]]) & 0x1fff;
        let [.., s0, s1, s2, s3, d0, d1, d2, d3] = *header;
        let ip = Ip {
            src: IpAddr::V4(Ipv4Addr::new(s0, s1, s2, s3)),
            dst: IpAddr::V4(Ipv4Addr::new(d0, d1, d2, d3)),
            protocol: header[9],
            ttl: header[8],
            tos: header[1],
            fragment: (off != 0).then_some(off.saturating_mul(8)),
        };
        self.ip = Some(ip);
        if off != 0 {
            return;
        }
        // A length of 0 is a packet that the device was to cut.
        let wire = if total < head { self.wire_len as usize } else { total };
        let rest = bytes.get(head..wire.min(bytes.len())).unwrap_or_default();
        self.transport(ip.protocol, rest, wire.saturating_sub(head));
    }

    fn ipv6(&mut self, bytes: &'a [u8]) {
        let Some(header) = bytes.first_chunk::<40>() else { return };
        if header[0] >> 4 != 6 {
            return;
        }
        let addr = |at: usize| {
            let octets = header.get(at..).and_then(|rest| rest.first_chunk::<16>());
            IpAddr::V6(Ipv6Addr::from(octets.copied().unwrap_or_default()))
        };
        let mut ip = Ip {
            src: addr(8),
            dst: addr(24),
            protocol: header[6],
            ttl: header[7],
            tos: header[0] << 4 | header[1] >> 4,
            fragment: None,
        };
        let payload = usize::from(u16::from_be_bytes([header[4], header[5]]));
        let mut rest = bytes.get(40..).unwrap_or_default();
        let mut left = if payload == 0 { rest.len() } else { payload };
        rest = rest.get(..left).unwrap_or(rest);
        for _ in 0..MOST_STEPS {
            let [Some(&next), Some(&len)] = [rest.first(), rest.get(1)] else { break };
            let size = match ip.protocol {
                0 | 43 | 60 | 135 => (usize::from(len) + 1) * 8,
                44 => {
                    let off = half(rest, 2).unwrap_or(0) & 0xfff8;
                    ip.fragment = (off != 0).then_some(off);
                    8
                }
                51 => (usize::from(len) + 2) * 4,
                _ => break,
            };
            ip.protocol = next;
            rest = rest.get(size..).unwrap_or_default();
            left = left.saturating_sub(size);
        }
        self.ip = Some(ip);
        if ip.fragment.is_none() {
            self.transport(ip.protocol, rest, left);
        }
    }

    /// `len` is what there was on the wire.
    fn transport(&mut self, protocol: u8, bytes: &'a [u8], len: usize) {
        match protocol {
            6 => self.tcp(bytes, len),
            17 => self.udp(bytes, len),
            33 | 132 => {
                let ports = half(bytes, 0).zip(half(bytes, 2));
                let payload = len.saturating_sub(12);
                self.transport = Some(Transport { ports, payload, ..Transport::default() });
            }
            1 | 58 => {
                let icmp = bytes.first().copied().zip(bytes.get(1).copied());
                let payload = len.saturating_sub(8);
                self.transport = Some(Transport { icmp, payload, ..Transport::default() });
            }
            4 | 41 => {
                let ethertype = if protocol == 4 { IPV4 } else { IPV6 };
                let inner = Inner { bytes, ethertype };
                self.tunnel = Some(Tunnel { kind: "ip", id: None, inner });
            }
            47 => self.tunnel = gre(bytes),
            _ => {}
        }
    }

    fn tcp(&mut self, bytes: &'a [u8], len: usize) {
        let Some(ports) = half(bytes, 0).zip(half(bytes, 2)) else { return };
        let mut transport = Transport { ports: Some(ports), ..Transport::default() };
        if let (Some(seq), Some(ack), Some(bits), Some(window)) =
            (word(bytes, 4), word(bytes, 8), half(bytes, 12), half(bytes, 14))
        {
            let head = usize::from(bits >> 12) * 4;
            let [_, flags] = bits.to_be_bytes();
            transport.flags = Some(flags);
            transport.tcp = Some((seq, ack, window));
            transport.payload = len.saturating_sub(head);
            let payload = bytes.get(head..).unwrap_or_default();
            self.application = over_tcp(ports, payload);
        }
        self.transport = Some(transport);
    }

    fn udp(&mut self, bytes: &'a [u8], len: usize) {
        let Some(ports) = half(bytes, 0).zip(half(bytes, 2)) else { return };
        let said = half(bytes, 4).map_or(0, usize::from);
        let len = if said < 8 { len } else { len.min(said) };
        let payload = len.saturating_sub(8);
        self.transport = Some(Transport { ports: Some(ports), payload, ..Transport::default() });
        let bytes = bytes.get(8..).unwrap_or_default();
        let bytes = bytes.get(..payload).unwrap_or(bytes);
        let on = |port| ports.0 == port || ports.1 == port;
        if on(4789) {
            self.tunnel = vxlan(bytes);
        } else if on(6081) {
            self.tunnel = geneve(bytes);
        } else {
            self.application = over_udp(ports, bytes);
        }
    }
}

fn arp(bytes: &[u8]) -> Option<Arp> {
    if word(bytes, 2)? != 0x0800_0604 {
        return None;
    }
    Some(Arp {
        operation: half(bytes, 6)?,
        sender: Ipv4Addr::from(word(bytes, 14)?),
        target: Ipv4Addr::from(word(bytes, 24)?),
    })
}

fn mpls(bytes: &[u8]) -> Option<Tunnel<'_>> {
    let top = word(bytes, 0)?;
    let labels = bytes.as_chunks::<4>().0.iter().take(MOST_STEPS);
    let depth = labels.clone().position(|label| label[2] & 1 == 1)? + 1;
    let bytes = bytes.get(depth * 4..)?;
    let ethertype = match bytes.first()? >> 4 {
        4 => IPV4,
        6 => IPV6,
        _ => return None,
    };
    Some(Tunnel { kind: "mpls", id: Some(top >> 12), inner: Inner { bytes, ethertype } })
}

fn gre(bytes: &[u8]) -> Option<Tunnel<'_>> {
    let (flags, ethertype) = (half(bytes, 0)?, half(bytes, 2)?);
    if flags & 7 != 0 {
        return None;
    }
    let mut at = if flags & 0xc000 == 0 { 4 } else { 8 };
    let id = if flags & 0x2000 == 0 { None } else { Some(word(bytes, at)?) };
    at += if id.is_some() { 4 } else { 0 } + if flags & 0x1000 == 0 { 0 } else { 4 };
    let inner = Inner { bytes: bytes.get(at..)?, ethertype };
    Some(Tunnel { kind: "gre", id, inner })
}

fn vxlan(bytes: &[u8]) -> Option<Tunnel<'_>> {
    let id = Some(word(bytes, 4)? >> 8);
    let inner = Inner { bytes: bytes.get(8..)?, ethertype: TEB };
    Some(Tunnel { kind: "vxlan", id, inner })
}

fn geneve(bytes: &[u8]) -> Option<Tunnel<'_>> {
    let first = *bytes.first()?;
    let (ethertype, id) = (half(bytes, 2)?, Some(word(bytes, 4)? >> 8));
    let inner = Inner { bytes: bytes.get(8 + usize::from(first & 0x3f) * 4..)?, ethertype };
    (first >> 6 == 0).then_some(Tunnel { kind: "geneve", id, inner })
}

fn over_tcp((sport, dport): (u16, u16), bytes: &[u8]) -> Option<Application<'_>> {
    let on = |port| sport == port || dport == port;
    match *bytes.first()? {
        22 => {
            let hello = tls::record(bytes)?;
            Some(Application::Tls {
                version: hello.version,
                server_name: hello.server_name,
                protocol: hello.protocol,
            })
        }
        b'S' if bytes.starts_with(b"SSH-") => text("ssh", bytes),
        b'A'..=b'Z' if is_http(bytes) => text("http", bytes),
        _ if on(53) => dns(bytes.get(2..)?),
        _ if on(25) || on(587) => text("smtp", bytes),
        _ if on(21) => text("ftp", bytes),
        _ => None,
    }
}

fn over_udp((sport, dport): (u16, u16), bytes: &[u8]) -> Option<Application<'_>> {
    let on = |port| sport == port || dport == port;
    if on(53) || on(5353) {
        dns(bytes)
    } else if on(5060) {
        text("sip", bytes)
    } else if on(67) || on(68) {
        dhcp(bytes)
    } else {
        let long = quic::long(bytes)?;
        let (version, kind, destination) = (long.version, long.kind, long.destination);
        Some(Application::Quic { version, kind, destination })
    }
}

fn is_http(bytes: &[u8]) -> bool {
    const STARTS: [&[u8]; 9] = [
        b"GET ",
        b"POST ",
        b"HTTP/",
        b"HEAD ",
        b"PUT ",
        b"DELETE ",
        b"OPTIONS ",
        b"CONNECT ",
        b"PATCH ",
    ];
    STARTS.iter().any(|start| bytes.starts_with(start))
}

/// The first line, if it is text.
fn text<'a>(protocol: &'static str, bytes: &'a [u8]) -> Option<Application<'a>> {
    let end = bytes.iter().position(|c| matches!(c, b'\r' | b'\n')).unwrap_or(bytes.len());
    let line = bytes.get(..end.min(256))?;
    let good = !line.is_empty() && line.iter().all(|c| (0x20..0x7f).contains(c));
    good.then_some(Application::Text { protocol, line })
}

/// The number of the message type (RFC 2132, section 9.6).
fn dhcp(bytes: &[u8]) -> Option<Application<'_>> {
    let mut options = bytes.get(240..)?;
    loop {
        let (&kind, rest) = options.split_first()?;
        if kind == 0 {
            options = rest;
            continue;
        }
        let (&len, value) = rest.split_first()?;
        if kind == 53 {
            return Some(Application::Dhcp(*value.first()?));
        }
        options = value.get(usize::from(len)..)?;
    }
}

fn dns(bytes: &[u8]) -> Option<Application<'_>> {
    let flags = half(bytes, 2)?;
    let [_, low] = flags.to_be_bytes();
    let mut name = None;
    let mut kind = 0;
    if half(bytes, 4)? > 0 {
        let labels = bytes.get(12..)?;
        let mut at = 0;
        while let Some(&len) = labels.get(at).filter(|&&len| len != 0 && len < 64) {
            at += 1 + usize::from(len);
        }
        if labels.get(at) == Some(&0) {
            name = labels.get(..at);
            kind = half(labels, at + 1).unwrap_or(0);
        }
    }
    Some(Application::Dns {
        id: half(bytes, 0)?,
        result: (flags & 0x8000 != 0).then_some(low & 15),
        answers: half(bytes, 6)?,
        name,
        kind,
    })
}
