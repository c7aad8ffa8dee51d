//! Fields of records by name, for counting.

use crate::cx::hex;
use crate::dns_record::TYPES;
use crate::json::{is_visible, protocol_name, push_addr, push_flags, push_labels, push_mac};
use crate::record::{Application, Record};
use crate::tok::tok;
use std::net::IpAddr;

/// A field of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "names of fields of records")]
pub enum Field {
    Length,
    Captured,
    Interface,
    SourceMac,
    DestinationMac,
    Ethertype,
    Vlan,
    Source,
    Destination,
    Protocol,
    Ttl,
    SourcePort,
    DestinationPort,
    Flags,
    Window,
    Payload,
    IcmpType,
    DnsName,
    DnsType,
    Server,
    FirstLine,
    Tunnel,
}

/// All fields by the names that [`Field::named`] takes.
const NAMES: [(&str, Field); 22] = [
    ("len", Field::Length),
    ("caplen", Field::Captured),
    ("interface", Field::Interface),
    ("smac", Field::SourceMac),
    ("dmac", Field::DestinationMac),
    ("ethertype", Field::Ethertype),
    ("vlan", Field::Vlan),
    ("src", Field::Source),
    ("dst", Field::Destination),
    ("proto", Field::Protocol),
    ("ttl", Field::Ttl),
    ("sport", Field::SourcePort),
    ("dport", Field::DestinationPort),
    ("flags", Field::Flags),
    ("win", Field::Window),
    ("payload", Field::Payload),
    ("icmp", Field::IcmpType),
    ("dns", Field::DnsName),
    ("dnstype", Field::DnsType),
    ("server", Field::Server),
    ("line", Field::FirstLine),
    ("tunnel", Field::Tunnel),
];

impl Field {
    /// The field with a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
    }

    /// Whether its values are numbers, which [`Record::number`] tells.
    #[must_use]
    pub const fn is_number(self) -> bool {
        match self {
            Self::Length
            | Self::Captured
            | Self::Ethertype
            | Self::Vlan
            | Self::Protocol
            | Self::Ttl
            | Self::SourcePort
            | Self::DestinationPort
            | Self::Window
            | Self::Payload
            | Self::IcmpType
            | Self::DnsType => true,
            Self::Interface
            | Self::SourceMac
            | Self::DestinationMac
            | Self::Source
            | Self::Destination
            | Self::Flags
            | Self::DnsName
            | Self::Server
            | Self::FirstLine
            | Self::Tunnel => false,
        }
    }

    /// The names of all fields.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }
}

impl Record<'_> {
    /// Source and destination, of IP or of address resolution.
    fn addrs(&self) -> Option<(IpAddr, IpAddr)> {
        let arp = || self.arp.map(|arp| (IpAddr::V4(arp.sender), IpAddr::V4(arp.target)));
        self.ip.map(|ip| (ip.src, ip.dst)).or_else(arp)
    }

    /// The value of a field that is a number.
    #[must_use]
    pub fn number(&self, field: Field) -> Option<u64> {
        let transport = self.transport.as_ref();
        Some(match field {
            Field::Length => self.wire_len.into(),
            Field::Captured => self.captured as u64,
            Field::Ethertype => self.ethertype?.into(),
            Field::Vlan => (*self.vlans.ids().first()?).into(),
            Field::Protocol => self.ip?.protocol.into(),
            Field::Ttl => self.ip?.ttl.into(),
            Field::SourcePort => transport?.ports?.0.into(),
            Field::DestinationPort => transport?.ports?.1.into(),
            Field::Window => transport?.tcp?.2.into(),
            Field::Payload => transport?.payload as u64,
            Field::IcmpType => transport?.icmp?.0.into(),
            Field::DnsType => match self.application? {
                Application::Dns { kind, .. } => kind.into(),
                _ => return None,
            },
            _ => return None,
        })
    }

    /// Appends the value of a field as text; whether it has one. Different values are different texts, but for names of DNS
    /// with dots inside of labels; a text is of one line, which a terminal shows and does not obey.
    pub fn write_field(&self, field: Field, out: &mut Vec<u8>) -> bool {
        self.field(field, out).is_some()
    }

    fn field(&self, field: Field, out: &mut Vec<u8>) -> Option<()> {
        match field {
            Field::Interface => push_visible(out, self.interface?.as_bytes()),
            Field::SourceMac => push_mac(out, self.link?.0),
            Field::DestinationMac => push_mac(out, self.link?.1),
            Field::Source => push_addr(out, self.addrs()?.0),
            Field::Destination => push_addr(out, self.addrs()?.1),
            Field::Protocol => {
                let number = self.ip?.protocol;
                match protocol_name(number) {
                    Some(name) => out.extend_from_slice(name.as_bytes()),
                    None => push_number(out, number.into()),
                }
            }
            Field::Ethertype => {
                out.extend_from_slice(format!("0x{:04x}", self.ethertype?).as_bytes())
            }
            Field::Flags => push_flags(out, self.transport?.flags?),
            Field::Tunnel => out.extend_from_slice(self.tunnel?.kind.as_bytes()),
            Field::DnsName => match self.application? {
                Application::Dns { name: Some(name), .. } => {
                    push_labels(name, |bytes| push_visible(out, bytes));
                }
                _ => return None,
            },
            Field::DnsType => {
                let number = self.number(field)?;
                match tok(TYPES, usize::try_from(number).ok()?) {
                    Some(name) => out.extend_from_slice(name.as_bytes()),
                    None => push_number(out, number),
                }
            }
            Field::Server => match self.application? {
                Application::Tls { server_name: Some(name), .. } => push_visible(out, name),
                _ => return None,
            },
            Field::FirstLine => match self.application? {
                Application::Text { line, .. } => out.extend_from_slice(line),
                _ => return None,
            },
            _ => push_number(out, self.number(field)?),
        }
        Some(())
    }
}

/// Bytes as text: those that are no UTF-8 or cannot be seen by their values.
fn push_visible(out: &mut Vec<u8>, bytes: &[u8]) {
    let escape = |out: &mut Vec<u8>, bytes: &[u8]| {
        for &byte in bytes {
            out.extend_from_slice(b"\\x");
            out.extend_from_slice(&hex(byte));
        }
    };
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            let mut buffer = [0; 4];
            let utf8 = c.encode_utf8(&mut buffer).as_bytes();
            if c != '\\' && is_visible(c) {
                out.extend_from_slice(utf8);
            } else {
                escape(out, utf8);
            }
        }
        escape(out, chunk.invalid());
    }
}

fn push_number(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}
