//! What a packet has where a condition looks.

use crate::deep::{NO_PLACE, NO_PROTO, ether};
use crate::names;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// What a packet has where a condition looks, or why it has nothing there.
///
/// Its text names it in the words of the language: `dst port 51234`, `protocol udp`, `vlan 7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact(pub(crate) Kind);

/// The kinds of facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What was read.
    Has(Role, u128),
    /// The packet has `have` bytes; `len` bytes from `at` on were asked for.
    Ends { have: usize, at: u32, len: u32, before: Option<Role> },
    /// Something is divided by zero.
    Division,
    /// What is asked for is in no packet.
    Nowhere,
}

/// One of the two ends of a packet's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Src,
    Dst,
}

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Ethernet type, or the length that stands in its place.
    Ether,
    /// The same where a VLAN tag is looked for.
    Tag,
    /// Whether there is a tag outside the bytes.
    TagOutside,
    /// Protocol of PPP.
    Ppp,
    /// Byte with the version of IP in its upper half.
    Version,
    /// Address family, as BSD and PF have it.
    Family,
    /// What Frame Relay says that it carries.
    Nlpid,
    /// Byte of an MPLS label whose last bit ends the stack.
    Bottom,
    /// What IP carries.
    Protocol,
    /// Flags and offset of an IPv4 fragment.
    Fragment,
    /// Where the transport header is.
    Transport,
    Port(End),
    Ip4(End),
    /// So many bits of an address, the others 0.
    Ip6(End, u32),
    /// Of 802.11 frames, which have up to four addresses, without an end.
    Mac(Option<End>),
    Vlan,
    Label,
    Session,
    Vni,
    Length,
    /// Bytes of the payload.
    Payload,
    /// How the kernel classes a packet.
    PacketType,
    Interface,
    /// A byte or several, as a number.
    Number,
}

impl Role {
    /// How deep in the packet it stands: what is read deeper says more.
    pub(crate) const fn rank(self) -> u8 {
        match self {
            Self::Ether | Self::Tag | Self::TagOutside | Self::Ppp | Self::Version => 0,
            Self::Family | Self::Nlpid | Self::Bottom => 0,
            Self::Protocol => 1,
            Self::Fragment | Self::Transport => 2,
            _ => 3,
        }
    }

    /// Whether a number says something: that this is no later fragment, or no IP, does not.
    pub(crate) const fn tells(self, value: u32) -> bool {
        match self {
            Self::Protocol => value != NO_PROTO,
            Self::Fragment => value & OFFSET != 0,
            Self::Transport => value == NO_PLACE,
            _ => true,
        }
    }

    const fn noun(self) -> &'static str {
        match self {
            Self::Ether | Self::Tag => "the Ethernet type",
            Self::TagOutside | Self::Vlan => "the VLAN tag",
            Self::Ppp => "the protocol of PPP",
            Self::Version => "the version of IP",
            Self::Family => "the address family",
            Self::Nlpid => "the network layer's number",
            Self::Bottom | Self::Label => "the MPLS label",
            Self::Protocol => "the protocol",
            Self::Fragment => "the fragment's offset",
            Self::Transport => "the transport header",
            Self::Port(End::Src) => "the source port",
            Self::Port(End::Dst) => "the destination port",
            Self::Ip4(End::Src) | Self::Ip6(End::Src, _) => "the source address",
            Self::Ip4(End::Dst) | Self::Ip6(End::Dst, _) => "the destination address",
            Self::Mac(_) => "the Ethernet address",
            Self::Session => "the PPPoE session",
            Self::Vni => "the VNI",
            Self::Length | Self::Payload | Self::PacketType | Self::Interface | Self::Number => {
                "what is compared"
            }
        }
    }
}

/// Bits of the offset of an IPv4 fragment, which counts 8 bytes each.
const OFFSET: u32 = 0x1fff;
/// The greatest length of an Ethernet payload: what is greater is a type.
const ETHER_MTU: u32 = 1500;

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Has(role, value) => has(f, role, value),
            Kind::Ends { have, at, len, before } => {
                let last = u64::from(at) + u64::from(len.max(1)) - 1;
                write!(f, "packet ends at byte {have}, before ")?;
                match (before, len) {
                    (Some(role), 0 | 1) => write!(f, "{} (byte {at})", role.noun()),
                    (Some(role), _) => write!(f, "{} (bytes {at}-{last})", role.noun()),
                    (None, 0 | 1) => write!(f, "byte {at}"),
                    (None, _) => write!(f, "bytes {at}-{last}"),
                }
            }
            Kind::Division => f.write_str("something is divided by zero"),
            Kind::Nowhere => f.write_str("no packet has what is asked for"),
        }
    }
}

fn has(f: &mut fmt::Formatter<'_>, role: Role, bits: u128) -> fmt::Result {
    let value = u32::try_from(bits & 0xffff_ffff).unwrap_or(0);
    let of = |end: End| if end == End::Src { "src" } else { "dst" };
    match role {
        Role::Ether => ethernet_type(f, value),
        Role::Tag if ether::VLAN.contains(&value) => write!(f, "VLAN tag of type {value:#06x}"),
        Role::Tag => {
            f.write_str("no VLAN tag: ")?;
            ethernet_type(f, value)
        }
        Role::TagOutside if value == 0 => f.write_str("no VLAN tag outside the bytes"),
        Role::TagOutside => f.write_str("VLAN tag outside the bytes"),
        Role::Ppp => write!(f, "PPP protocol {value:#06x}"),
        Role::Version => write!(f, "IP version {}", value >> 4),
        // Of the two byte orders, the one in which it is small.
        Role::Family => write!(f, "address family {}", value.min(value.swap_bytes())),
        Role::Nlpid => write!(f, "Frame Relay carries {value:#06x}"),
        Role::Bottom if value & 1 == 0 => f.write_str("more MPLS labels follow"),
        Role::Bottom => f.write_str("the MPLS label before is the last"),
        Role::Protocol => match names::protocol_name(value) {
            Some(name) => write!(f, "protocol {name}"),
            None => write!(f, "protocol {value}"),
        },
        Role::Fragment => write!(f, "fragment from byte {}", 8 * (value & OFFSET)),
        Role::Transport => f.write_str("later fragment"),
        Role::Port(end) => write!(f, "{} port {value}", of(end)),
        Role::Ip4(end) => write!(f, "{} {}", of(end), Ipv4Addr::from_bits(value)),
        Role::Ip6(end, 128) => write!(f, "{} {}", of(end), Ipv6Addr::from_bits(bits)),
        Role::Ip6(end, len) => write!(f, "{} {}/{len}", of(end), Ipv6Addr::from_bits(bits)),
        Role::Mac(end) => {
            let [.., a, b, c, d, e, last] = bits.to_be_bytes();
            let word = end.map_or("address", of);
            write!(f, "{word} {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{last:02x}")
        }
        Role::Vlan => write!(f, "vlan {}", value & 0xfff),
        Role::Label => write!(f, "label {}", value >> 12),
        Role::Session => write!(f, "session {}", value & 0xffff),
        Role::Vni => write!(f, "VNI {}", value >> 8),
        Role::Length => write!(f, "length {value}"),
        Role::Payload => write!(f, "payload of {value} bytes"),
        Role::PacketType => match value {
            0 => f.write_str("for this host"),
            4 => f.write_str("from this host"),
            _ => write!(f, "packet type {value}"),
        },
        Role::Interface => write!(f, "interface {value}"),
        Role::Number => write!(f, "{value} ({value:#x})"),
    }
}

fn ethernet_type(f: &mut fmt::Formatter<'_>, value: u32) -> fmt::Result {
    if value <= ETHER_MTU {
        return write!(f, "802.3 length {value}");
    }
    write!(f, "ether proto {value:#06x}")?;
    match names::ether_name(value) {
        Some(name) => write!(f, " ({name})"),
        None => Ok(()),
    }
}
