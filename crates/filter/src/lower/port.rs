//! Ports.

use super::{ETHERTYPE_IP, ETHERTYPE_IPV6, Lowering, Place};
use crate::ast::{Dir, Proto, Qual};
use crate::error::{Error, ErrorKind};
use crate::form::{FormId, ValueId};
use crate::lower::set::Range;
use skep_cbpf::{AluOp, Size};

const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;

/// One port, or two and all between them.
#[derive(Clone, Copy)]
pub(super) struct Ports<'a> {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) is_range: bool,
    /// Several instead, in order.
    pub(super) ranges: Option<&'a [Range]>,
}

impl Lowering<'_> {
    /// The protocol that a qualifier names, for ports.
    pub(super) fn port_protocol(&self, qual: Qual) -> Result<Option<u8>, Error> {
        match qual.proto {
            None => Ok(None),
            Some(Proto::Tcp) => Ok(Some(TCP)),
            Some(Proto::Udp) => Ok(Some(UDP)),
            Some(Proto::Sctp) => Ok(Some(SCTP)),
            Some(proto) => Err(self.qualifier(proto, "ports")),
        }
    }

    /// `port` and `portrange`.
    pub(super) fn ports(
        &mut self,
        ports: Ports<'_>,
        protocol: Option<u8>,
        dir: Dir,
    ) -> Result<FormId, Error> {
        self.limit("port", ports.first.max(ports.last), 0xffff)?;
        let ip4 = self.ports_in(ports, protocol, dir, false)?;
        let ip6 = self.ports_in(ports, protocol, dir, true)?;
        Ok(self.or(ip6, ip4))
    }

    /// Ports in IPv4 or IPv6 packets.
    pub(super) fn ports_in(
        &mut self,
        ports: Ports<'_>,
        protocol: Option<u8>,
        dir: Dir,
        is_6: bool,
    ) -> Result<FormId, Error> {
        let kind = self.linktype(if is_6 { ETHERTYPE_IPV6 } else { ETHERTYPE_IP })?;
        let ports = match protocol {
            Some(protocol) => self.ports_of(ports, protocol, dir, is_6)?,
            None => {
                let tcp = self.ports_of(ports, TCP, dir, is_6)?;
                let udp = self.ports_of(ports, UDP, dir, is_6)?;
                let both = self.or(tcp, udp);
                let sctp = self.ports_of(ports, SCTP, dir, is_6)?;
                self.or(sctp, both)
            }
        };
        Ok(self.and(kind, ports))
    }

    fn ports_of(
        &mut self,
        ports: Ports<'_>,
        protocol: u8,
        dir: Dir,
        is_6: bool,
    ) -> Result<FormId, Error> {
        let mut before = match self.level() {
            Some(level) => self.carries(level, protocol.into())?,
            None => {
                let field = self.load(self.network(), if is_6 { 6 } else { 9 }, Size::B)?;
                self.equals(field, protocol.into())
            }
        };
        if !is_6 || self.level().is_some() {
            let first = self.first_fragment()?;
            before = self.and(before, first);
        }
        let ports = self.either_end(dir, |this, is_src| {
            let off = if is_src { 0 } else { 2 };
            let field = this.transport(off, Size::H, is_6)?;
            if let Some(ranges) = ports.ranges {
                return Ok(this.in_ranges(field, u32::MAX, ranges));
            }
            if !ports.is_range {
                return Ok(this.equals(field, ports.first));
            }
            let (least, most) = (ports.first.min(ports.last), ports.first.max(ports.last));
            let least = this.at_least(field, least);
            let above = this.above(field, most);
            let most = this.not(above);
            Ok(this.and(least, most))
        })?;
        Ok(self.and(before, ports))
    }

    /// Whether the IPv4 packet is a whole one, or the first fragment of one.
    pub(super) fn first_fragment(&mut self) -> Result<FormId, Error> {
        if let Some(level) = self.level() {
            return self.has_transport(level);
        }
        let field = self.load(self.network(), 6, Size::H)?;
        let later = self.any_bit(field, 0x1fff);
        Ok(self.not(later))
    }

    /// Length of the IPv4 header, and what of the position of the network header is variable.
    pub(super) fn ip4_length(&mut self) -> Result<ValueId, Error> {
        if let Some(level) = self.level() {
            return self.cell(level.at);
        }
        let network = self.network();
        let values = &mut self.meaning.values;
        if network.cell.is_none() {
            return Ok(values.header_length(network.at));
        }
        let first = self.load(network, 0, Size::B)?;
        let values = &mut self.meaning.values;
        let (mask, two) =
            (values.add(crate::form::Value::Const(15)), values.add(crate::form::Value::Const(2)));
        let words = values.alu(AluOp::And, first, mask);
        let length = values.alu(AluOp::Lsh, words, two);
        match network.cell {
            None => Ok(length),
            Some(cell) => {
                let cell = self.cell(cell)?;
                Ok(self.meaning.values.alu(AluOp::Add, length, cell))
            }
        }
    }

    /// Bytes of the transport header: behind the IPv4 header with its options, or 40 bytes of IPv6.
    pub(super) fn transport(&mut self, off: u32, size: Size, is_6: bool) -> Result<ValueId, Error> {
        if let Some(level) = self.level() {
            return self.load(Place { cell: Some(level.at), at: 0 }, off, size);
        }
        if is_6 {
            return self.load(self.network(), 40 + off, size);
        }
        let length = self.ip4_length()?;
        let at = self.network().at.wrapping_add(off);
        Ok(self.meaning.values.load(size, length, at))
    }

    /// A port or a range by name.
    pub(super) fn port_name(
        &mut self,
        name: &str,
        qual: Qual,
        is_range: bool,
    ) -> Result<FormId, Error> {
        let wanted = self.port_protocol(qual)?;
        let (first, last, named) = if is_range {
            self.range_by_name(name)?
        } else {
            let (port, named) = self.one_port(name)?;
            (port, port, named)
        };
        if let (Some(_), Some(named)) = (wanted, named)
            && wanted != Some(named)
        {
            let what = match wanted {
                Some(TCP) => "tcp port",
                Some(UDP) => "udp port",
                _ => "sctp port",
            };
            return Err(self.unknown(what, name));
        }
        self.ports(Ports { first, last, is_range, ranges: None }, wanted.or(named), qual.dir)
    }

    fn range_by_name(&self, name: &str) -> Result<(u32, u32, Option<u8>), Error> {
        let Some((first, last)) = name.split_once('-') else {
            return Err(self.unknown("range of ports", name));
        };
        // Two numbers: what follows the second is not looked at.
        if let (Ok(first), Some(last)) = (first.parse(), leading_number(last)) {
            return Ok((first, last, None));
        }
        let ((first, one), (last, other)) = (self.one_port(first)?, self.one_port(last)?);
        Ok((first, last, one.filter(|_| one == other)))
    }

    fn one_port(&self, name: &str) -> Result<(u32, Option<u8>), Error> {
        // As getaddrinfo, which takes numbers, too.
        if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
            let most =
                || self.error(ErrorKind::TooLarge { what: "port", value: u64::MAX, most: 0xffff });
            return Ok((name.parse().map_err(|_| most())?, None));
        }
        let port = self.options.resolver.port(name).ok_or_else(|| self.unknown("port", name))?;
        Ok((port.port.into(), port.protocol))
    }
}

fn leading_number(text: &str) -> Option<u32> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}
