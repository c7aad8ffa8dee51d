//! Link types: what the first bytes of a captured frame are.

use std::fmt;

/// A `LINKTYPE_` number of the capture formats (<https://www.tcpdump.org/linktypes.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: four bytes of address family in the order of the capturing host.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// IPv4 or IPv6 without a link header.
    pub const RAW: Self = Self(101);
    /// OpenBSD loopback: as [`LinkType::NULL`], in network order.
    pub const LOOP: Self = Self(108);
    /// Linux "cooked" capture, 16 bytes.
    pub const LINUX_SLL: Self = Self(113);
    /// IPv4 without a link header.
    pub const IPV4: Self = Self(228);
    /// IPv6 without a link header.
    pub const IPV6: Self = Self(229);
    /// Linux "cooked" capture, second version, 20 bytes.
    pub const LINUX_SLL2: Self = Self(276);

    /// `DLT_RAW` as some systems write it into files instead of `LINKTYPE_RAW`.
    const DLT_RAW: [Self; 2] = [Self(12), Self(14)];

    /// Protocol and length of the link header of `frame`.
    #[inline]
    pub(crate) fn classify(self, frame: &[u8]) -> Layers {
        let (protocol, header) = match self {
            Self::ETHERNET => (ethernet_protocol(frame), 14),
            Self::LINUX_SLL => (be16(frame, 14).unwrap_or(0), 16),
            Self::LINUX_SLL2 => (be16(frame, 0).unwrap_or(0), 20),
            Self::NULL | Self::LOOP => (ip_protocol(frame.get(4..).unwrap_or_default()), 4),
            Self::RAW | Self::IPV4 | Self::IPV6 => (ip_protocol(frame), 0),
            raw if Self::DLT_RAW.contains(&raw) => (ip_protocol(frame), 0),
            _ => (0, 0),
        };
        Layers { protocol, header: frame.len().min(header) }
    }

    /// To whom the frame was sent, as far as it says so itself.
    ///
    /// An Ethernet frame to a unicast address counts as sent to this host: captures do not say
    /// which addresses the host had.
    #[must_use]
    pub fn pkt_type(self, frame: &[u8]) -> PktType {
        match self {
            Self::ETHERNET if frame.starts_with(&[0xff; 6]) => PktType::Broadcast,
            Self::ETHERNET if frame.first().is_some_and(|b| b & 1 == 1) => PktType::Multicast,
            Self::LINUX_SLL => be16(frame, 0).and_then(PktType::new).unwrap_or_default(),
            Self::LINUX_SLL2 => {
                frame.get(10).and_then(|&b| PktType::new(u16::from(b))).unwrap_or_default()
            }
            _ => PktType::Host,
        }
    }
}

impl Default for LinkType {
    fn default() -> Self {
        Self::ETHERNET
    }
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::NULL => "NULL",
            Self::ETHERNET => "ETHERNET",
            Self::RAW => "RAW",
            Self::LOOP => "LOOP",
            Self::LINUX_SLL => "LINUX_SLL",
            Self::IPV4 => "IPV4",
            Self::IPV6 => "IPV6",
            Self::LINUX_SLL2 => "LINUX_SLL2",
            other => return write!(f, "LINKTYPE_{}", other.0),
        };
        f.write_str(name)
    }
}

/// What the link header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layers {
    /// Ethertype of the payload; 0 where the link type has none.
    pub(crate) protocol: u16,
    /// Bytes in front of the network header.
    pub(crate) header: usize,
}

/// To whom a frame was sent: `PACKET_HOST` and its kin, `include/uapi/linux/if_packet.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PktType {
    /// To this host.
    #[default]
    Host,
    /// To all.
    Broadcast,
    /// To a group.
    Multicast,
    /// To another host.
    OtherHost,
    /// From this host.
    Outgoing,
}

impl PktType {
    /// The type with the given number; numbers above 4 never reach user space.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        match number {
            0 => Some(Self::Host),
            1 => Some(Self::Broadcast),
            2 => Some(Self::Multicast),
            3 => Some(Self::OtherHost),
            4 => Some(Self::Outgoing),
            _ => None,
        }
    }
}

/// Ethertypes.
pub(crate) mod ethertype {
    pub(crate) const IPV4: u16 = 0x0800;
    pub(crate) const IPV6: u16 = 0x86dd;
    pub(crate) const VLAN: u16 = 0x8100;
    pub(crate) const QINQ: u16 = 0x88a8;
    /// Novell's raw 802.3, `ETH_P_802_3`.
    const RAW_802_3: u16 = 1;
    /// A frame with an 802.2 LLC header, `ETH_P_802_2`.
    const LLC: u16 = 4;

    /// Whether a tag with this ethertype is a VLAN tag. Kernel: `eth_type_vlan`.
    pub(crate) const fn is_vlan(protocol: u16) -> bool {
        matches!(protocol, VLAN | QINQ)
    }

    /// What a type-or-length field and the two bytes after it say. Kernel: `eth_type_trans`,
    /// `vlan_set_encap_proto`.
    pub(crate) fn resolve(field: u16, next: Option<u16>) -> u16 {
        match (field, next) {
            (0x600.., _) => field,
            (_, Some(0xffff)) => RAW_802_3,
            _ => LLC,
        }
    }
}

fn ethernet_protocol(frame: &[u8]) -> u16 {
    be16(frame, 12).map_or(0, |field| ethertype::resolve(field, be16(frame, 14)))
}

fn ip_protocol(bytes: &[u8]) -> u16 {
    match bytes.first().map(|b| b >> 4) {
        Some(4) => ethertype::IPV4,
        Some(6) => ethertype::IPV6,
        _ => 0,
    }
}

/// The 16-bit number in network order at `at`.
pub(crate) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    let &[hi, lo] = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes([hi, lo]))
}
