//! Link layers: where their headers are, and how they say what they carry.

use super::{
    ETHERTYPE_AARP, ETHERTYPE_ATALK, ETHERTYPE_DECNET, ETHERTYPE_IP, ETHERTYPE_IPV6, Headers,
    Lowering, Place, SAP_BRIDGE, SAP_IP, SAP_IPX, SAP_NETBEUI, SAP_OSI, Source,
};
use crate::ast::Llc;
use crate::error::{Error, ErrorKind};
use crate::form::{FormId, Init};
use crate::link::LinkType;
use skep_cbpf::Size;

/// The greatest length of an Ethernet payload: what is greater is a type.
const ETHER_MTU: u32 = 1500;
const SLL_802_3: u32 = 1;
const SLL_802_2: u32 = 4;
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
/// `AF_INET6` of the BSDs, of FreeBSD and of Darwin.
const AF_INET6_OTHERS: [u32; 3] = [24, 28, 30];

impl Headers {
    pub(super) fn of(link: LinkType) -> Self {
        let (kind, payload, network, network_no_snap) = match link {
            LinkType::Ethernet => (Some(12), 14, 0, 3),
            LinkType::Null | LinkType::Loop => (Some(0), 4, 0, 0),
            LinkType::Ppp | LinkType::PppSerial | LinkType::CHdlc => (Some(2), 4, 0, 0),
            LinkType::Ieee80211 | LinkType::Ieee80211Radio | LinkType::Ppi => (Some(24), 0, 8, 3),
            LinkType::LinuxSll => (Some(14), 16, 0, 0),
            LinkType::LinuxSll2 => (Some(0), 20, 0, 0),
            LinkType::Pflog => (Some(0), 0, 0, 0),
            LinkType::Raw | LinkType::Ipv4 | LinkType::Ipv6 | LinkType::FrameRelay => {
                (None, 0, 0, 0)
            }
            LinkType::Nflog
            | LinkType::DsaBrcm
            | LinkType::DsaBrcmPrepend
            | LinkType::Dsa
            | LinkType::Edsa => (None, 0, 0, 0),
        };
        Self {
            link,
            header: Place::at(0),
            kind: kind.map(Place::at),
            payload: Place::at(payload),
            network,
            network_no_snap,
            labels: 0,
            tags: 0,
            in_geneve: false,
        }
    }
}

impl Lowering<'_> {
    /// Cells for headers of variable place.
    pub(super) fn cells_of_link(&mut self) {
        match self.headers.link {
            LinkType::Ieee80211Radio | LinkType::Ppi => {
                let pads = self.headers.link == LinkType::Ieee80211Radio;
                let header = self.new_cell(Init::Radiotap, false);
                let init = Init::Wlan { header: Some(header), pads };
                self.headers.header.cell = Some(header);
                self.headers.payload.cell = Some(self.new_cell(init, false));
            }
            LinkType::Ieee80211 => {
                let init = Init::Wlan { header: None, pads: false };
                self.headers.payload.cell = Some(self.new_cell(init, false));
            }
            LinkType::Pflog => self.headers.payload.cell = Some(self.new_cell(Init::Pflog, false)),
            _ => {}
        }
    }

    fn kind_field(&mut self, size: Size) -> Result<u32, Error> {
        match self.headers.kind {
            Some(place) => self.load(place, 0, size),
            None => Err(self.not_on_link("protocols")),
        }
    }

    /// Whether the link layer carries the protocol: an Ethernet type above 1500, else an LLC service
    /// access point.
    pub(super) fn linktype(&mut self, proto: u32) -> Result<FormId, Error> {
        if let Some(level) = self.level() {
            let kind = self.cell(level.kind)?;
            return Ok(self.equals(kind, proto));
        }
        if self.headers.labels > 0 {
            return self.mpls_linktype(proto);
        }
        match self.headers.link {
            LinkType::Ethernet => self.ether_linktype(proto),
            LinkType::CHdlc => {
                let proto = if proto == SAP_OSI { SAP_OSI << 8 | SAP_OSI } else { proto };
                let kind = self.kind_field(Size::H)?;
                Ok(self.equals(kind, proto))
            }
            LinkType::Ieee80211 | LinkType::Ieee80211Radio | LinkType::Ppi => {
                let data = self.wlan_data()?;
                let kind = self.llc_linktype(proto)?;
                Ok(self.and(data, kind))
            }
            LinkType::LinuxSll => self.sll_linktype(proto),
            LinkType::Raw => match proto {
                ETHERTYPE_IP => self.version(0x40),
                ETHERTYPE_IPV6 => self.version(0x60),
                _ => Ok(self.constant(false)),
            },
            LinkType::Ipv4 => Ok(self.constant(proto == ETHERTYPE_IP)),
            LinkType::Ipv6 => Ok(self.constant(proto == ETHERTYPE_IPV6)),
            LinkType::Ppp | LinkType::PppSerial => {
                let kind = self.kind_field(Size::H)?;
                Ok(self.equals(kind, ppp_protocol(proto)))
            }
            LinkType::Null | LinkType::Loop => self.loopback_linktype(proto),
            LinkType::Pflog => {
                let family = match proto {
                    ETHERTYPE_IP => AF_INET,
                    ETHERTYPE_IPV6 => AF_INET6,
                    _ => return Ok(self.constant(false)),
                };
                let field = self.load(self.headers.header, 1, Size::B)?;
                Ok(self.equals(field, family))
            }
            LinkType::FrameRelay => self.frame_relay_linktype(proto),
            LinkType::LinuxSll2 => {
                let kind = self.kind_field(Size::H)?;
                Ok(self.equals(kind, proto))
            }
            LinkType::Nflog
            | LinkType::DsaBrcm
            | LinkType::DsaBrcmPrepend
            | LinkType::Dsa
            | LinkType::Edsa => Err(self.not_on_link("protocols")),
        }
    }

    /// Version of the IP header that the packet begins with.
    fn version(&mut self, version: u32) -> Result<FormId, Error> {
        let first = self.load(self.headers.header, 0, Size::B)?;
        Ok(self.masked(first, 0xf0, version))
    }

    /// Whether the Ethernet header has a length and not a type.
    fn is_length(&mut self) -> Result<FormId, Error> {
        let kind = self.kind_field(Size::H)?;
        let is_type = self.above(kind, ETHER_MTU);
        Ok(self.not(is_type))
    }

    fn saps(&mut self, proto: u32) -> Result<FormId, Error> {
        let saps = self.load(self.headers.payload, 0, Size::H)?;
        Ok(self.equals(saps, proto << 8 | proto))
    }

    fn ether_linktype(&mut self, proto: u32) -> Result<FormId, Error> {
        match proto {
            SAP_OSI | SAP_IP | SAP_NETBEUI => {
                let length = self.is_length()?;
                let saps = self.saps(proto)?;
                Ok(self.and(length, saps))
            }
            SAP_IPX => {
                let kind = self.kind_field(Size::H)?;
                let ethernet_2 = self.equals(kind, 0x8137);
                let length = self.is_length()?;
                let snap = self.snap(0, 0x8137)?;
                let sap = self.load(self.headers.payload, 0, Size::B)?;
                let sap = self.equals(sap, SAP_IPX);
                let raw = self.load(self.headers.payload, 0, Size::H)?;
                let raw = self.equals(raw, 0xffff);
                let without_snap = self.or(sap, raw);
                let inner = self.or(snap, without_snap);
                let ieee = self.and(length, inner);
                Ok(self.or(ethernet_2, ieee))
            }
            ETHERTYPE_ATALK | ETHERTYPE_AARP => {
                let kind = self.kind_field(Size::H)?;
                let ethernet_2 = self.equals(kind, proto);
                let length = self.is_length()?;
                let snap = self.appletalk_snap(proto)?;
                let ieee = self.and(length, snap);
                Ok(self.or(ethernet_2, ieee))
            }
            _ if proto <= ETHER_MTU => {
                let length = self.is_length()?;
                let Some(kind) = self.headers.kind else {
                    return Err(self.not_on_link("protocols"));
                };
                let sap = self.load(kind, 2, Size::B)?;
                let sap = self.equals(sap, proto);
                Ok(self.and(length, sap))
            }
            _ => {
                let kind = self.kind_field(Size::H)?;
                Ok(self.equals(kind, proto))
            }
        }
    }

    fn sll_linktype(&mut self, proto: u32) -> Result<FormId, Error> {
        let kind = self.kind_field(Size::H)?;
        match proto {
            SAP_OSI | SAP_IP | SAP_NETBEUI => {
                let ieee = self.equals(kind, SLL_802_2);
                let saps = self.saps(proto)?;
                Ok(self.and(ieee, saps))
            }
            SAP_IPX => {
                let ethernet_2 = self.equals(kind, 0x8137);
                let raw = self.equals(kind, SLL_802_3);
                let ieee = self.equals(kind, SLL_802_2);
                let sap = self.load(self.headers.payload, 0, Size::B)?;
                let sap = self.equals(sap, SAP_IPX);
                let snap = self.snap(0, 0x8137)?;
                let inner = self.or(sap, snap);
                let ieee = self.and(ieee, inner);
                let rest = self.or(raw, ieee);
                Ok(self.or(ethernet_2, rest))
            }
            ETHERTYPE_ATALK | ETHERTYPE_AARP => {
                let ethernet_2 = self.equals(kind, proto);
                let ieee = self.equals(kind, SLL_802_2);
                let snap = self.appletalk_snap(proto)?;
                let ieee = self.and(ieee, snap);
                Ok(self.or(ethernet_2, ieee))
            }
            _ if proto <= ETHER_MTU => {
                let ieee = self.equals(kind, SLL_802_2);
                let sap = self.load(self.headers.header, self.headers.payload.at, Size::B)?;
                let sap = self.equals(sap, proto);
                Ok(self.and(ieee, sap))
            }
            _ => Ok(self.equals(kind, proto)),
        }
    }

    /// Link layers whose frames always have an LLC header.
    pub(super) fn llc_linktype(&mut self, proto: u32) -> Result<FormId, Error> {
        match proto {
            SAP_IP | SAP_OSI | SAP_NETBEUI => self.saps(proto),
            ETHERTYPE_ATALK => self.appletalk_snap(proto),
            _ if proto <= ETHER_MTU => {
                let sap = self.load(self.headers.payload, 0, Size::B)?;
                Ok(self.equals(sap, proto))
            }
            _ => {
                let kind = self.load(self.headers.payload, 6, Size::H)?;
                Ok(self.equals(kind, proto))
            }
        }
    }

    fn appletalk_snap(&mut self, proto: u32) -> Result<FormId, Error> {
        self.snap(if proto == ETHERTYPE_ATALK { 0x08_0007 } else { 0 }, proto)
    }

    /// An LLC header followed by a SNAP header with an organisation and a type.
    fn snap(&mut self, organisation: u32, proto: u32) -> Result<FormId, Error> {
        let high = 0xaaaa_0300 | organisation >> 16;
        let low = organisation << 16 | proto;
        let bytes = [high.to_be_bytes(), low.to_be_bytes()].concat();
        self.bytes(self.headers.payload, 0, &bytes)
    }

    /// Bytes at a position, the last ones first, as many at once as can be loaded.
    pub(super) fn bytes(&mut self, place: Place, off: u32, bytes: &[u8]) -> Result<FormId, Error> {
        let mut all = None;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (size, len) = match rest.len() {
                4.. => (Size::W, 4),
                2.. => (Size::H, 2),
                _ => (Size::B, 1),
            };
            let (head, tail) = rest.split_at(rest.len() - len);
            let wanted = tail.iter().fold(0, |value, &byte| value << 8 | u32::from(byte));
            let at = off + u32::try_from(head.len()).unwrap_or(0);
            let value = self.load(place, at, size)?;
            let part = self.equals(value, wanted);
            all = Some(match all {
                Some(all) => self.and(all, part),
                None => part,
            });
            rest = head;
        }
        Ok(all.unwrap_or_else(|| self.constant(true)))
    }

    fn loopback_linktype(&mut self, proto: u32) -> Result<FormId, Error> {
        let families: &[u32] = match (proto, self.options.source) {
            (ETHERTYPE_IP, _) => &[AF_INET],
            (ETHERTYPE_IPV6, Source::File) => &AF_INET6_OTHERS,
            (ETHERTYPE_IPV6, _) => &[AF_INET6],
            _ => return Ok(self.constant(false)),
        };
        let field = self.load(self.headers.header, 0, Size::W)?;
        // NULL has the family in the byte order of the host, and programs load big-endian.
        let swap = self.headers.link == LinkType::Null && cfg!(target_endian = "little");
        let family = |family: u32| if swap { family.swap_bytes() } else { family };
        let forms: Vec<FormId> =
            families.iter().map(|&value| self.equals(field, family(value))).collect();
        match *forms.as_slice() {
            // The last one is asked first.
            [first, second, third] => {
                let pair = self.or(first, second);
                Ok(self.or(third, pair))
            }
            _ => Ok(forms[0]),
        }
    }

    fn frame_relay_linktype(&mut self, proto: u32) -> Result<FormId, Error> {
        let field = self.load(self.headers.header, 2, Size::H)?;
        let nlpid = |id: u32| 0x0300 | id;
        match proto {
            ETHERTYPE_IP => Ok(self.equals(field, nlpid(0xcc))),
            ETHERTYPE_IPV6 => Ok(self.equals(field, nlpid(0x8e))),
            SAP_OSI => {
                let clnp = self.equals(field, nlpid(0x81));
                let esis = self.equals(field, nlpid(0x82));
                let isis = self.equals(field, nlpid(0x83));
                let routing = self.or(esis, isis);
                Ok(self.or(clnp, routing))
            }
            _ => Ok(self.constant(false)),
        }
    }

    /// `llc` and its kinds.
    pub(super) fn llc(&mut self, kind: Llc) -> Result<FormId, Error> {
        let frame = match self.headers.link {
            LinkType::Ethernet => {
                let length = self.is_length()?;
                let saps = self.load(self.headers.payload, 0, Size::H)?;
                let raw = self.equals(saps, 0xffff);
                let not_raw = self.not(raw);
                self.and(length, not_raw)
            }
            link if link.is_wlan() => self.wlan_data()?,
            _ => return Err(self.not_on_link("`llc`")),
        };
        let (mask, wanted) = match kind {
            Llc::Any => return Ok(frame),
            Llc::I => (0x01, 0),
            Llc::S => (0x03, 0x01),
            Llc::U => (0x03, 0x03),
            Llc::SType(kind) => (0x0f, kind),
            Llc::UType(kind) => (0xef, kind),
        };
        let control = self.load(self.headers.payload, 2, Size::B)?;
        let control = self.masked(control, mask, wanted);
        Ok(self.and(frame, control))
    }

    fn mpls_linktype(&mut self, proto: u32) -> Result<FormId, Error> {
        let version = match proto {
            ETHERTYPE_IP => 0x40,
            ETHERTYPE_IPV6 => 0x60,
            _ => {
                let kind = ErrorKind::AfterMpls("anything other than IP");
                return Err(self.error(kind));
            }
        };
        // The label before must be the last of the stack.
        let label = self.load(self.network(), 2u32.wrapping_neg(), Size::B)?;
        let bottom = self.masked(label, 1, 1);
        let first = self.load(self.network(), 0, Size::B)?;
        let version = self.masked(first, 0xf0, version);
        Ok(self.and(bottom, version))
    }
}

/// The number of a protocol in PPP.
const fn ppp_protocol(proto: u32) -> u32 {
    match proto {
        ETHERTYPE_IP => 0x21,
        ETHERTYPE_IPV6 => 0x57,
        ETHERTYPE_DECNET => 0x27,
        ETHERTYPE_ATALK => 0x29,
        0x0600 => 0x25,
        SAP_OSI => 0x23,
        SAP_BRIDGE => 0x31,
        SAP_IPX => 0x2b,
        _ => proto,
    }
}
