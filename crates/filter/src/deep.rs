//! Headers at any depth: what is gone past, and where what is found is kept.
//!
//! Words that libpcap does not have look at headers found by walking, not at places that other words moved.
//! The walk is made once, before the conditions are looked at: past VLAN tags, MPLS labels and a PPPoE session
//! to the outermost IP header, past extension headers to what IP carries, and, if it is asked for, into
//! tunnels, each of which has a [`Level`] of cells.

use crate::form::Cell;

/// VLAN tags that are gone past, at most.
pub(crate) const TAGS: usize = 8;
/// VLAN tags inside a tunnel.
pub(crate) const INNER_TAGS: usize = 4;
/// MPLS labels.
pub(crate) const LABELS: usize = 8;
/// Extension headers of IPv6.
pub(crate) const EXTENSION_STEPS: usize = 6;
/// Tunnels in each other.
pub(crate) const TUNNELS: usize = 2;

/// No protocol has this number.
pub(crate) const NO_PROTO: u32 = 256;
/// There is no such header: a later fragment, or nothing that is known.
pub(crate) const NO_PLACE: u32 = u32::MAX;

/// Cells about one IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    /// The Ethernet type of what is at `net`.
    pub(crate) kind: Cell,
    /// Where the network header begins.
    pub(crate) net: Cell,
    /// What IP carries, [`NO_PROTO`] if it is not IP.
    pub(crate) proto: Cell,
    /// Where that begins, or [`NO_PLACE`].
    pub(crate) at: Cell,
}

/// Where the walk begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// The Ethernet type stands at a place.
    Field { kind: u32, payload: u32 },
    /// The same with a protocol of PPP.
    Ppp { kind: u32, payload: u32 },
    /// An IP header, of the version that it says.
    Version { at: u32 },
}

/// Ethernet types.
pub(crate) mod ether {
    pub(crate) const IP: u32 = 0x0800;
    pub(crate) const IP6: u32 = 0x86dd;
    pub(crate) const VLAN: [u32; 3] = [0x8100, 0x88a8, 0x9100];
    pub(crate) const MPLS: [u32; 2] = [0x8847, 0x8848];
    pub(crate) const PPPOE: u32 = 0x8864;
    /// An Ethernet frame, in a tunnel.
    pub(crate) const BRIDGED: u32 = 0x6558;
}

/// Protocols of IP.
pub(crate) mod ip {
    pub(crate) const HOP_BY_HOP: u32 = 0;
    pub(crate) const IPIP: u32 = 4;
    pub(crate) const TCP: u32 = 6;
    pub(crate) const UDP: u32 = 17;
    pub(crate) const IP6_IN: u32 = 41;
    pub(crate) const ROUTING: u32 = 43;
    pub(crate) const FRAGMENT: u32 = 44;
    pub(crate) const GRE: u32 = 47;
    pub(crate) const AH: u32 = 51;
    pub(crate) const OPTIONS: u32 = 60;
}

/// Protocols of PPP.
pub(crate) mod ppp {
    use super::ether;

    pub(crate) const IP: u32 = 0x21;
    pub(crate) const IP6: u32 = 0x57;

    pub(crate) const fn ether(proto: u32) -> u32 {
        match proto {
            IP => ether::IP,
            IP6 => ether::IP6,
            _ => 0,
        }
    }
}

/// Tunnels.
pub(crate) mod tunnel {
    pub(crate) const VXLAN: u32 = 4789;
    pub(crate) const GENEVE: u32 = 6081;
    /// A version other than 0, or routing: not gone past.
    pub(crate) const GRE_UNKNOWN: u32 = 0x4007;
    /// Checksum, key, sequence number: four bytes each.
    pub(crate) const GRE_FIELDS: u32 = 0xb000;
}
