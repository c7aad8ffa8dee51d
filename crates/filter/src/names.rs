//! Names in expressions: who knows them.

use std::io;
use std::net::IpAddr;

/// A port that a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// The number.
    pub port: u16,
    /// The protocol number if the name belongs to one of TCP, UDP and SCTP only.
    pub protocol: Option<u8>,
}

/// Looks up names. Every method knows nothing unless it is written.
///
/// Looking up may take as long as it likes; whoever passes a resolver decides about deadlines.
pub trait Resolver {
    /// Addresses of a host, as `getaddrinfo` orders them.
    fn host(&self, _name: &str) -> Vec<IpAddr> {
        Vec::new()
    }

    /// A port, as `/etc/services` has them.
    fn port(&self, _name: &str) -> Option<Port> {
        None
    }

    /// An IP protocol, as `/etc/protocols` has them. Those in [`protocol_number`] need not be known.
    fn protocol(&self, _name: &str) -> Option<u8> {
        None
    }

    /// A network, as `/etc/networks` has them; 10.0.0.0 is `0x0a`.
    fn network(&self, _name: &str) -> Option<u32> {
        None
    }

    /// What a file holds that a list is read from: `host in @file`.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn list(&self, _name: &str) -> io::Result<String> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "no files are read here"))
    }

    /// An Ethernet address, as `/etc/ethers` has them.
    fn ether(&self, _name: &str) -> Option<[u8; 6]> {
        None
    }
}

/// Knows no names: numbers only.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numeric;

impl Resolver for Numeric {}

/// Protocols whose names need no file.
const PROTOCOLS: &[(&str, u8)] = &[
    ("ip", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("tcp", 6),
    ("igp", 9),
    ("udp", 17),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ipv6-icmp", 58),
    ("ospf", 89),
    ("pim", 103),
    ("vrrp", 112),
    ("sctp", 132),
];

/// The number of a common IP protocol.
#[must_use]
pub fn protocol_number(name: &str) -> Option<u8> {
    PROTOCOLS.iter().find(|row| row.0 == name).map(|row| row.1)
}

/// The names of common protocols, of IP and Ethernet.
pub(crate) fn protocols() -> impl Iterator<Item = &'static str> {
    let names = PROTOCOLS.iter().map(|row| row.0);
    names.chain(ETHER_PROTOCOLS.iter().map(|row| row.0))
}

/// The name of an IP protocol. 0 is not IP but the options of IPv6, and has none.
pub(crate) fn protocol_name(number: u32) -> Option<&'static str> {
    PROTOCOLS.iter().find(|row| number != 0 && u32::from(row.1) == number).map(|row| row.0)
}

/// Ethernet types and LLC service access points by name, for `ether proto`.
const ETHER_PROTOCOLS: &[(&str, u32)] = &[
    ("aarp", 0x80f3),
    ("arp", 0x0806),
    ("atalk", 0x809b),
    ("decnet", 0x6003),
    ("ip", 0x0800),
    ("ip6", 0x86dd),
    ("lat", 0x6004),
    ("loopback", 0x9000),
    ("mopdl", 0x6001),
    ("moprc", 0x6002),
    ("rarp", 0x8035),
    ("sca", 0x6007),
    ("iso", 0xfe),
    ("stp", 0x42),
    ("ipx", 0xe0),
    ("netbeui", 0xf0),
];

pub(crate) fn ether_protocol(name: &str) -> Option<u32> {
    ETHER_PROTOCOLS.iter().find(|row| row.0 == name).map(|row| row.1)
}

/// The name of an Ethernet type.
pub(crate) fn ether_name(number: u32) -> Option<&'static str> {
    ETHER_PROTOCOLS.iter().find(|row| row.1 == number).map(|row| row.0)
}
