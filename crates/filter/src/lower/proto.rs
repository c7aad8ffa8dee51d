//! Protocols: alone, by `proto` and by `protochain`.

use super::{
    ETHERTYPE_AARP, ETHERTYPE_ARP, ETHERTYPE_ATALK, ETHERTYPE_DECNET, ETHERTYPE_IP, ETHERTYPE_IPV6,
    ETHERTYPE_REVARP, Lowering, SAP_BRIDGE, SAP_IPX, SAP_NETBEUI, SAP_OSI,
};
use crate::ast::Proto;
use crate::error::{Error, ErrorKind};
use crate::form::{Chain, FormId, Value};
use crate::link::LinkType;
use skep_cbpf::Size;

const CLNP: u32 = 0x81;
const ESIS: u32 = 0x82;
const ISIS: u32 = 0x83;

impl Lowering<'_> {
    /// A protocol alone.
    pub(super) fn proto_alone(&mut self, proto: Proto) -> Result<FormId, Error> {
        match proto {
            Proto::Ip => self.linktype(ETHERTYPE_IP),
            Proto::Arp => self.linktype(ETHERTYPE_ARP),
            Proto::Rarp => self.linktype(ETHERTYPE_REVARP),
            Proto::Ip6 => self.linktype(ETHERTYPE_IPV6),
            Proto::Atalk => self.linktype(ETHERTYPE_ATALK),
            Proto::Aarp => self.linktype(ETHERTYPE_AARP),
            Proto::Decnet => self.linktype(ETHERTYPE_DECNET),
            Proto::Sca => self.linktype(0x6007),
            Proto::Lat => self.linktype(0x6004),
            Proto::Mopdl => self.linktype(0x6001),
            Proto::Moprc => self.linktype(0x6002),
            Proto::Iso => self.linktype(SAP_OSI),
            Proto::Stp => self.linktype(SAP_BRIDGE),
            Proto::Ipx => self.linktype(SAP_IPX),
            Proto::Netbeui => self.linktype(SAP_NETBEUI),
            Proto::Tcp => self.proto(6, None),
            Proto::Udp => self.proto(17, None),
            Proto::Sctp => self.proto(132, None),
            Proto::Pim => self.proto(103, None),
            Proto::Ah => self.proto(51, None),
            Proto::Esp => self.proto(50, None),
            Proto::Icmp => self.proto(1, Some(Proto::Ip)),
            Proto::Igmp => self.proto(2, Some(Proto::Ip)),
            Proto::Igrp => self.proto(9, Some(Proto::Ip)),
            Proto::Vrrp | Proto::Carp => self.proto(112, Some(Proto::Ip)),
            Proto::Icmp6 => self.proto(58, Some(Proto::Ip6)),
            Proto::Esis => self.proto(ESIS, Some(Proto::Iso)),
            Proto::Isis => self.proto(ISIS, Some(Proto::Iso)),
            Proto::Clnp => self.proto(CLNP, Some(Proto::Iso)),
            // The kinds of packets, in the order in which they are asked.
            Proto::IsisL1 => self.isis(&[26, 24, 18, 15, 17]),
            Proto::IsisL2 => self.isis(&[27, 25, 20, 16, 17]),
            Proto::IsisIih => self.isis(&[17, 15, 16]),
            Proto::IsisLsp => self.isis(&[18, 20]),
            Proto::IsisSnp => self.isis(&[27, 26, 24, 25]),
            Proto::IsisCsnp => self.isis(&[24, 25]),
            Proto::IsisPsnp => self.isis(&[26, 27]),
            Proto::Link | Proto::Radio => {
                Err(self.qualifier(proto, "nothing at all: say what of it"))
            }
        }
    }

    fn isis(&mut self, kinds: &[u32]) -> Result<FormId, Error> {
        let mut all = None;
        for &kind in kinds {
            let one = self.proto(kind, Some(Proto::Isis))?;
            all = Some(match all {
                Some(all) => self.or(all, one),
                None => one,
            });
        }
        Ok(all.unwrap_or_else(|| self.constant(false)))
    }

    /// A protocol by number, inside another.
    pub(super) fn proto(&mut self, number: u32, inside: Option<Proto>) -> Result<FormId, Error> {
        if let Some(level) = self.level() {
            return match inside {
                None => self.carries(level, number),
                Some(Proto::Ip | Proto::Ip6) => {
                    let is_6 = inside == Some(Proto::Ip6);
                    let kind = self.linktype(if is_6 { ETHERTYPE_IPV6 } else { ETHERTYPE_IP })?;
                    let field = self.carries(level, number)?;
                    Ok(self.and(kind, field))
                }
                Some(proto) => Err(self.qualifier(proto, "`any` and `inner`")),
            };
        }
        match inside {
            None => {
                let ip4 = self.proto(number, Some(Proto::Ip))?;
                let ip6 = self.proto(number, Some(Proto::Ip6))?;
                Ok(self.or(ip4, ip6))
            }
            Some(Proto::Link) => self.linktype(number),
            Some(Proto::Ip) => {
                let kind = self.linktype(ETHERTYPE_IP)?;
                let field = self.load(self.network(), 9, Size::B)?;
                let field = self.equals(field, number);
                Ok(self.and(kind, field))
            }
            Some(Proto::Ip6) => {
                let kind = self.linktype(ETHERTYPE_IPV6)?;
                let next = self.load(self.network(), 6, Size::B)?;
                let direct = self.equals(next, number);
                let fragment = self.equals(next, 44);
                let after = self.load(self.network(), 40, Size::B)?;
                let after = self.equals(after, number);
                let behind = self.and(fragment, after);
                let either = self.or(direct, behind);
                Ok(self.and(kind, either))
            }
            Some(Proto::Iso) => self.osi(number),
            Some(Proto::Isis) => {
                let isis = self.osi(ISIS)?;
                let place = self.headers.payload.after(self.headers.network_no_snap);
                let field = self.load(place, 4, Size::B)?;
                let field = self.equals(field, number);
                Ok(self.and(isis, field))
            }
            Some(proto) => Err(self.qualifier(proto, "`proto`")),
        }
    }

    fn osi(&mut self, number: u32) -> Result<FormId, Error> {
        if self.headers.link == LinkType::FrameRelay {
            let field = self.load(self.headers.header, 2, Size::H)?;
            return Ok(self.equals(field, 0x0300 | number));
        }
        let is_hdlc = self.headers.link == LinkType::CHdlc;
        let kind = self.linktype(if is_hdlc { SAP_OSI << 8 | SAP_OSI } else { SAP_OSI })?;
        let place = self.headers.payload.after(self.headers.network_no_snap);
        let field = self.load(place, u32::from(is_hdlc), Size::B)?;
        let field = self.equals(field, number);
        Ok(self.and(kind, field))
    }

    /// A protocol by name, inside another.
    pub(super) fn protocol_by_name(&self, name: &str, inside: Option<Proto>) -> Result<u32, Error> {
        let number = match inside {
            None | Some(Proto::Ip | Proto::Ip6) => self
                .options
                .resolver
                .protocol(name)
                .or_else(|| crate::names::protocol_number(name))
                .map(u32::from),
            Some(Proto::Link) => crate::names::ether_protocol(name),
            Some(Proto::Iso) => match name {
                "esis" => Some(ESIS),
                "isis" => Some(ISIS),
                "clnp" => Some(CLNP),
                _ => None,
            },
            Some(_) => None,
        };
        number.ok_or_else(|| self.unknown("protocol", name))
    }

    /// A protocol behind any chain of headers.
    pub(super) fn protochain(
        &mut self,
        number: u32,
        inside: Option<Proto>,
    ) -> Result<FormId, Error> {
        self.register()?;
        match inside {
            None => {
                let ip4 = self.protochain(number, Some(Proto::Ip))?;
                let ip6 = self.protochain(number, Some(Proto::Ip6))?;
                return Ok(self.or(ip4, ip6));
            }
            Some(Proto::Ip | Proto::Ip6) => {}
            Some(proto) => return Err(self.qualifier(proto, "`protochain`")),
        }
        if self.headers.payload.cell.is_some() {
            return Err(self.error(ErrorKind::Qualifier {
                word: "protochain",
                with: "link-layer headers of variable length",
            }));
        }
        let is_6 = inside == Some(Proto::Ip6);
        let kind = self.linktype(if is_6 { ETHERTYPE_IPV6 } else { ETHERTYPE_IP })?;
        let chain = Chain { network: self.network().at, wanted: number, is_6 };
        let last = self.meaning.values.add(Value::Chain(chain));
        let found = self.equals(last, number);
        self.registers -= 1;
        self.meaning.as_it_stands = true;
        Ok(self.and(kind, found))
    }
}
