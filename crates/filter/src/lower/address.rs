//! Identifiers.

use super::Lowering;
use super::port::Ports;
use crate::ast::{Id, Kind, Proto, Qual};
use crate::error::{Error, ErrorKind};
use crate::form::FormId;
use crate::link::LinkType;
use skep_diag::Span;

impl Lowering<'_> {
    pub(super) fn id(&mut self, qual: Qual, id: Id) -> Result<FormId, Error> {
        match id {
            Id::Name(name) => self.name(qual, name),
            Id::Number(number) => self.number_id(qual, number),
            Id::Ip4(text) if qual.proto == Some(Proto::Decnet) => {
                let addr = self.decnet_address(text)?;
                self.host4(addr, 0, qual.proto, qual.dir)
            }
            Id::Ip4(text) => {
                let (addr, bits) = self.address4(text)?;
                match qual.kind {
                    Kind::Default | Kind::Host | Kind::Net => {
                        if qual.proto == Some(Proto::Link) {
                            return Err(self.qualifier(Proto::Link, "an IPv4 address"));
                        }
                        self.host4(addr, prefix(bits), qual.proto, qual.dir)
                    }
                    kind => Err(self.kind_error(kind, "an IPv4 address")),
                }
            }
            Id::Net4(text, len) => {
                let (addr, _) = self.address4(text)?;
                self.limit("prefix length", len, 32)?;
                self.net4(text, addr, prefix(len), qual)
            }
            Id::Mask4(text, mask) => {
                let (addr, _) = self.address4(text)?;
                let (mask, _) = self.address4(mask)?;
                self.net4(text, addr, mask, qual)
            }
            Id::Ip6(addr, len) => self.address6(qual, addr, len),
            Id::Mac(mac) => {
                let is_host = matches!(qual.kind, Kind::Default | Kind::Host);
                if is_host && qual.proto == Some(Proto::Link) {
                    return self.mac(mac, qual.dir);
                }
                let with = "an Ethernet address; write `ether host`";
                let word = qual.proto.map_or(kind_name(qual.kind), Proto::name);
                Err(self.error(ErrorKind::Qualifier { word, with }))
            }
            Id::Arcnet => Err(self.not_on_link("ARCnet addresses")),
        }
    }

    fn kind_error(&self, kind: Kind, with: &'static str) -> Error {
        self.error(ErrorKind::Qualifier { word: kind_name(kind), with })
    }

    fn number_id(&mut self, qual: Qual, number: u32) -> Result<FormId, Error> {
        match qual.kind {
            Kind::Default | Kind::Host | Kind::Net => {
                if qual.proto == Some(Proto::Link) {
                    return Err(self.qualifier(Proto::Link, "a number as an address"));
                }
                if qual.proto == Some(Proto::Decnet) {
                    return self.host4(number, 0, qual.proto, qual.dir);
                }
                let (mut addr, mut mask) = (number, u32::MAX);
                if qual.kind == Kind::Net {
                    while addr != 0 && addr & 0xff00_0000 == 0 {
                        (addr, mask) = (addr << 8, mask << 8);
                    }
                }
                self.host4(addr, mask, qual.proto, qual.dir)
            }
            Kind::Port | Kind::PortRange => {
                let protocol = self.port_protocol(qual)?;
                let is_range = qual.kind == Kind::PortRange;
                let ports = Ports { first: number, last: number, is_range, ranges: None };
                self.ports(ports, protocol, qual.dir)
            }
            Kind::Gateway => {
                Err(self.error(ErrorKind::Qualifier { word: "gateway", with: "a number" }))
            }
            Kind::Proto => self.proto(number, qual.proto),
            Kind::ProtoChain => self.protochain(number, qual.proto),
        }
    }

    fn name(&mut self, qual: Qual, span: Span) -> Result<FormId, Error> {
        let expr = self.expr;
        let name = expr.slice(span);
        match qual.kind {
            Kind::Net => {
                let found = self.options.resolver.network(name).filter(|&net| net != 0);
                let Some(mut addr) = found else { return Err(self.unknown("network", name)) };
                let mut mask = u32::MAX;
                while addr & 0xff00_0000 == 0 {
                    (addr, mask) = (addr << 8, mask << 8);
                }
                self.host4(addr, mask, qual.proto, qual.dir)
            }
            Kind::Default | Kind::Host => match qual.proto {
                Some(Proto::Link) => {
                    if self.headers.link != LinkType::Ethernet && !self.headers.link.is_wlan() {
                        return Err(self.not_on_link("Ethernet addresses"));
                    }
                    let found = self.options.resolver.ether(name);
                    let mac = found.ok_or_else(|| self.unknown("Ethernet host", name))?;
                    self.mac(mac, qual.dir)
                }
                Some(Proto::Decnet) => Err(self.unknown("DECnet host", name)),
                _ => self.host_name(name, qual),
            },
            Kind::Port => self.port_name(name, qual, false),
            Kind::PortRange => self.port_name(name, qual, true),
            // libpcap refuses it, too, where it knows IPv6.
            Kind::Gateway => {
                let with = "hosts that have IPv6 addresses, too; name the Ethernet address";
                Err(self.error(ErrorKind::Qualifier { word: "gateway", with }))
            }
            Kind::Proto => {
                let number = self.protocol_by_name(name, qual.proto)?;
                self.proto(number, qual.proto)
            }
            Kind::ProtoChain => {
                let number = self.protocol_by_name(name, qual.proto)?;
                self.protochain(number, qual.proto)
            }
        }
    }

    fn net4(&mut self, text: Span, addr: u32, mask: u32, qual: Qual) -> Result<FormId, Error> {
        if addr & !mask != 0 {
            return Err(self.error(ErrorKind::HostBits(self.expr.slice(text).into())));
        }
        if qual.kind != Kind::Net {
            return Err(self.error(ErrorKind::MaskWithoutNet));
        }
        self.host4(addr, mask, qual.proto, qual.dir)
    }

    fn address6(&mut self, qual: Qual, addr: u128, len: Option<u32>) -> Result<FormId, Error> {
        let len = len.unwrap_or(128);
        self.limit("prefix length", len, 128)?;
        let mask = if len == 0 { 0 } else { u128::MAX << (128 - len) };
        if addr & !mask != 0 {
            let text = std::net::Ipv6Addr::from_bits(addr).to_string();
            return Err(self.error(ErrorKind::HostBits(text)));
        }
        match qual.kind {
            Kind::Default | Kind::Host if len != 128 => Err(self.error(ErrorKind::MaskWithoutNet)),
            Kind::Default | Kind::Host | Kind::Net => self.host6(addr, mask, qual.proto, qual.dir),
            kind => Err(self.kind_error(kind, "an IPv6 address")),
        }
    }

    /// Numbers with dots between them, moved to the upper bits, and how many bits they are.
    fn address4(&self, span: Span) -> Result<(u32, u32), Error> {
        let text = self.expr.slice(span);
        let (mut addr, mut bits) = (0u32, 0);
        for part in text.as_bytes().split(|&byte| byte == b'.') {
            let value = part.iter().try_fold(0u32, |value, byte| {
                (value <= 25 && byte.is_ascii_digit()).then(|| value * 10 + u32::from(byte - b'0'))
            });
            let Some(value) = value.filter(|&value| value <= 255) else {
                let what = "an IPv4 address: its parts are decimal numbers up to 255";
                let kind = ErrorKind::Address { text: text.into(), what };
                return Err(Error::new(span, kind));
            };
            (addr, bits) = (addr << 8 | value, bits + 8);
        }
        Ok((addr << (32 - bits), bits))
    }

    /// `area.node`
    fn decnet_address(&self, span: Span) -> Result<u32, Error> {
        let text = self.expr.slice(span);
        let mut parts = text.split('.').map(|part| part.parse::<u32>().ok());
        match (parts.next().flatten(), parts.next().flatten()) {
            (Some(area), Some(node)) => Ok(area << 10 & 0xfc00 | node & 0x3ff),
            _ => {
                let what = "a DECnet address, as in 1.5";
                Err(Error::new(span, ErrorKind::Address { text: text.into(), what }))
            }
        }
    }
}

const fn prefix(bits: u32) -> u32 {
    if bits == 0 { 0 } else { u32::MAX << (32 - bits) }
}

const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Default | Kind::Host => "host",
        Kind::Net => "net",
        Kind::Port => "port",
        Kind::PortRange => "portrange",
        Kind::Gateway => "gateway",
        Kind::Proto => "proto",
        Kind::ProtoChain => "protochain",
    }
}
