//! Fields of headers by name: `tcp.flags.syn`, `ip6.hops`.

use skep_cbpf::Size;

/// The header that a field is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    Eth,
    Vlan,
    Arp,
    Ip,
    Ip6,
    Tcp,
    Udp,
    Icmp,
    Icmp6,
}

/// What a field is: bits of bytes at a place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) base: Base,
    pub(crate) at: u32,
    pub(crate) size: Size,
    /// Bits of what is loaded.
    pub(crate) mask: u32,
    /// What one of the field stands for.
    pub(crate) unit: u32,
    what: &'static str,
}

const fn row(
    name: &'static str,
    base: Base,
    at: u32,
    size: Size,
    mask: u32,
    what: &'static str,
) -> Row {
    Row { name, base, at, size, mask, unit: 1, what }
}

use Base::{Arp, Eth, Icmp, Icmp6, Ip, Ip6, Tcp, Udp, Vlan};
use Size::{B, H, W};

const ALL: u32 = u32::MAX;

/// All fields. Sources: RFC 791, 8200, 9293, 768, 792, 4443, 826, 3168, IEEE 802.1Q.
const TABLE: &[Row] = &[
    row("eth.type", Eth, 12, H, ALL, "Ethernet type, or the length"),
    row("vlan.id", Vlan, 0, H, 0x0fff, "number of the outermost VLAN"),
    row("vlan.priority", Vlan, 0, H, 0xe000, "priority of the outermost VLAN tag"),
    row("vlan.dei", Vlan, 0, H, 0x1000, "drop eligible, of the outermost VLAN tag"),
    row("arp.hardware", Arp, 0, H, ALL, "hardware type"),
    row("arp.protocol", Arp, 2, H, ALL, "protocol type"),
    row("arp.op", Arp, 6, H, ALL, "operation: 1 asks, 2 answers"),
    row("ip.version", Ip, 0, B, 0xf0, "version"),
    Row { unit: 4, ..row("ip.header", Ip, 0, B, 0x0f, "bytes of the header") },
    row("ip.dscp", Ip, 1, B, 0xfc, "class of service"),
    row("ip.ecn", Ip, 1, B, 0x03, "congestion notification"),
    row("ip.len", Ip, 2, H, ALL, "length with the header"),
    row("ip.id", Ip, 4, H, ALL, "identification"),
    row("ip.flags.df", Ip, 6, H, 0x4000, "may not be fragmented"),
    row("ip.flags.mf", Ip, 6, H, 0x2000, "more fragments follow"),
    row("ip.fragment", Ip, 6, H, 0x1fff, "offset of the fragment, in 8 bytes"),
    row("ip.ttl", Ip, 8, B, ALL, "time to live"),
    row("ip.proto", Ip, 9, B, ALL, "protocol"),
    row("ip.checksum", Ip, 10, H, ALL, "checksum"),
    row("ip6.class", Ip6, 0, W, 0x0ff0_0000, "traffic class"),
    row("ip6.flow", Ip6, 0, W, 0x000f_ffff, "flow label"),
    row("ip6.len", Ip6, 4, H, ALL, "length behind the header"),
    row("ip6.next", Ip6, 6, B, ALL, "next header"),
    row("ip6.hops", Ip6, 7, B, ALL, "hop limit"),
    row("tcp.sport", Tcp, 0, H, ALL, "source port"),
    row("tcp.dport", Tcp, 2, H, ALL, "destination port"),
    row("tcp.seq", Tcp, 4, W, ALL, "sequence number"),
    row("tcp.ack", Tcp, 8, W, ALL, "acknowledgment number"),
    Row { unit: 4, ..row("tcp.header", Tcp, 12, B, 0xf0, "bytes of the header") },
    row("tcp.flags", Tcp, 13, B, ALL, "all flags"),
    row("tcp.flags.cwr", Tcp, 13, B, 0x80, "window reduced"),
    row("tcp.flags.ece", Tcp, 13, B, 0x40, "congestion echoed"),
    row("tcp.flags.urg", Tcp, 13, B, 0x20, "urgent"),
    row("tcp.flags.ack", Tcp, 13, B, 0x10, "acknowledges"),
    row("tcp.flags.push", Tcp, 13, B, 0x08, "push"),
    row("tcp.flags.rst", Tcp, 13, B, 0x04, "reset"),
    row("tcp.flags.syn", Tcp, 13, B, 0x02, "begins a connection"),
    row("tcp.flags.fin", Tcp, 13, B, 0x01, "ends a connection"),
    row("tcp.window", Tcp, 14, H, ALL, "window, not scaled"),
    row("tcp.checksum", Tcp, 16, H, ALL, "checksum"),
    row("tcp.urgent", Tcp, 18, H, ALL, "urgent pointer"),
    row("udp.sport", Udp, 0, H, ALL, "source port"),
    row("udp.dport", Udp, 2, H, ALL, "destination port"),
    row("udp.len", Udp, 4, H, ALL, "length with the header"),
    row("udp.checksum", Udp, 6, H, ALL, "checksum"),
    row("icmp.type", Icmp, 0, B, ALL, "type"),
    row("icmp.code", Icmp, 1, B, ALL, "code"),
    row("icmp.checksum", Icmp, 2, H, ALL, "checksum"),
    row("icmp.id", Icmp, 4, H, ALL, "identifier of an echo"),
    row("icmp.seq", Icmp, 6, H, ALL, "sequence number of an echo"),
    row("icmp6.type", Icmp6, 0, B, ALL, "type"),
    row("icmp6.code", Icmp6, 1, B, ALL, "code"),
    row("icmp6.checksum", Icmp6, 2, H, ALL, "checksum"),
    row("icmp6.id", Icmp6, 4, H, ALL, "identifier of an echo"),
    row("icmp6.seq", Icmp6, 6, H, ALL, "sequence number of an echo"),
];

/// A field of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field(&'static Row);

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Row {}

impl Field {
    /// All of them, those of a header together.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(Self)
    }

    /// By name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(Self)
    }

    /// Whether a name begins as those of fields do: `tcp.`
    pub(crate) fn looks_like_one(name: &str) -> bool {
        let header = |name: &str| name.split_once('.').map(|(header, _)| header.to_owned());
        header(name).is_some_and(|wanted| {
            TABLE.iter().any(|row| header(row.name).as_ref() == Some(&wanted))
        })
    }

    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// What it is, in words.
    #[must_use]
    pub const fn what(self) -> &'static str {
        self.0.what
    }

    /// Whether it is one bit, which is a condition by itself.
    #[must_use]
    pub const fn is_flag(self) -> bool {
        self.0.mask.is_power_of_two()
    }

    /// The greatest number that it may be.
    #[must_use]
    pub const fn most(self) -> u32 {
        let Row { size, mask, unit, .. } = *self.0;
        let loaded = u32::MAX >> (32 - 8 * size.bytes() as u32) & mask;
        (loaded >> mask.trailing_zeros()) * unit
    }

    pub(crate) const fn row(self) -> &'static Row {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_fit_their_sizes_and_names_are_unique() {
        for field in Field::all() {
            let Row { mask, size, .. } = *field.row();
            let bits = u32::from(size.bytes()) * 8;
            assert!(mask == ALL || bits == 32 || mask >> bits == 0, "{}", field.name());
            assert_eq!(Field::by_name(field.name()), Some(field));
            assert!(Field::looks_like_one(field.name()));
        }
        assert!(!Field::looks_like_one("www.example.org"));
        assert!(Field::by_name("tcp.flags.syn").unwrap().is_flag());
        assert!(!Field::by_name("ip.ttl").unwrap().is_flag());
        let most = |name| Field::by_name(name).unwrap().most();
        assert_eq!(["ip.ttl", "ip.header", "tcp.seq"].map(most), [255, 60, u32::MAX]);
    }
}
