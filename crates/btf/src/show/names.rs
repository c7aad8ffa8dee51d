//! What names say about numbers and bytes.
//!
//! Types of packets do not tell an address from a number; programmers tell each other by names.

use core::ops::BitOr;

/// What a name says its value may be; which of them it is, the type decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Says(u8);

impl Says {
    /// Four bytes, in any integer type, are an IPv4 address.
    pub(super) const IP4: Self = Self(1);
    /// Four bytes are an IPv4 address if they are declared to be in network byte order.
    pub(super) const IP4_BE: Self = Self(2);
    /// Sixteen bytes are an IPv6 address.
    pub(super) const IP6: Self = Self(4);
    /// Six bytes are an Ethernet address.
    pub(super) const MAC: Self = Self(8);

    pub(super) const fn has(self, what: Self) -> bool {
        self.0 & what.0 != 0
    }
}

impl BitOr for Says {
    type Output = Self;
    fn bitor(self, rhs: Self) -> Self {
        Self(self.0 | rhs.0)
    }
}

/// Which part of a name a word must be.
#[derive(Clone, Copy, Debug)]
enum Part {
    Whole,
    Start,
    End,
}

/// The rule from names to meaning, all of it. Letter case does not count; a name says what all its
/// rows say together. Names are those of fields and of typedefs (without their `_t`).
///
/// An address in a plain `__u32` is taken to stand as in the packet, which is how programs keep
/// addresses that they copy from one.
#[rustfmt::skip]
const NAMES: &[(Part, &str, &[Says])] = {
    use Part::{End, Start, Whole};
    const V4: Says = Says::IP4;
    const BE: Says = Says::IP4_BE;
    const V6: Says = Says::IP6;
    const MAC: Says = Says::MAC;
    &[
        (Whole, "ip",       &[V4, V6]),
        (Whole, "ips",      &[V4]),
        (Whole, "ipaddr",   &[V4, V6]),
        (Whole, "addr",     &[V4, V6, MAC]),
        (Whole, "addrs",    &[V4]),
        (Whole, "address",  &[V4, V6, MAC]),
        (Whole, "saddr",    &[V4, V6, MAC]),
        (Whole, "daddr",    &[V4, V6, MAC]),
        (Whole, "src",      &[BE, V6, MAC]),
        (Whole, "dst",      &[BE, V6, MAC]),
        (Whole, "source",   &[BE, V6, MAC]),
        (Whole, "dest",     &[BE, V6, MAC]),
        (Whole, "gateway",  &[V4, V6]),
        (Whole, "gw",       &[V4, V6]),
        (Whole, "nexthop",  &[V4, V6]),
        (Whole, "next_hop", &[V4, V6]),
        (Whole, "ip4",      &[V4]),
        (Whole, "ipv4",     &[V4]),
        (Whole, "ip6",      &[V6]),
        (Whole, "ipv6",     &[V6]),
        (Start, "ip_src",   &[V4, V6]),
        (Start, "ip_dst",   &[V4, V6]),
        (Start, "ip4_src",  &[V4]),
        (Start, "ip4_dst",  &[V4]),
        (Start, "ipv4_src", &[V4]),
        (Start, "ipv4_dst", &[V4]),
        (Start, "ip4_",     &[BE]),
        (Start, "ipv4_",    &[BE]),
        (Start, "ip6_",     &[V6]),
        (Start, "ipv6_",    &[V6]),
        (End,   "_ip",      &[V4, V6]),
        (End,   "_ips",     &[V4]),
        (End,   "_addr",    &[V4, V6, MAC]),
        (End,   "_address", &[V4, V6, MAC]),
        (End,   "_saddr",   &[V4, V6, MAC]),
        (End,   "_daddr",   &[V4, V6, MAC]),
        (End,   "_gateway", &[V4, V6]),
        (End,   "_nexthop", &[V4, V6]),
        (End,   "_ip4",     &[V4]),
        (End,   "_ipv4",    &[V4]),
        (End,   "_addr4",   &[V4]),
        (End,   "_ip6",     &[V6]),
        (End,   "_ipv6",    &[V6]),
        (End,   "_addr6",   &[V6]),
        (Whole, "h_source", &[MAC]),
        (Whole, "h_dest",   &[MAC]),
        (Whole, "mac",      &[MAC]),
        (Whole, "smac",     &[MAC]),
        (Whole, "dmac",     &[MAC]),
        (Whole, "eth",      &[MAC]),
        (Whole, "hwaddr",   &[MAC]),
        (Whole, "lladdr",   &[MAC]),
        (Whole, "ethaddr",  &[MAC]),
        (Start, "eth_",     &[MAC]),
        (Start, "mac_",     &[MAC]),
        (End,   "_mac",     &[MAC]),
        (End,   "_eth",     &[MAC]),
        (End,   "_hwaddr",  &[MAC]),
    ]
};

/// What the name of a field or typedef says.
pub(super) fn says(name: &str) -> Says {
    let name = name.strip_suffix("_t").unwrap_or(name).as_bytes();
    NAMES
        .iter()
        .filter(|(part, word, _)| part.is(name, word.as_bytes()))
        .flat_map(|(.., says)| *says)
        .fold(Says::default(), |all, &one| all | one)
}

/// Whether the typedef is of a number in network byte order.
pub(super) fn is_big_endian(typedef: &str) -> bool {
    matches!(typedef, "__be16" | "__be32" | "__be64" | "be16" | "be32" | "be64")
}

/// What the name of a struct says about all its bytes.
pub(super) fn says_struct(name: &str) -> Says {
    match name {
        "in_addr" => Says::IP4,
        "in6_addr" => Says::IP6,
        _ => Says::default(),
    }
}

impl Part {
    fn is(self, name: &[u8], word: &[u8]) -> bool {
        let part = match self {
            Self::Whole => Some(name),
            Self::Start => name.get(..word.len()),
            Self::End => name.len().checked_sub(word.len()).and_then(|start| name.get(start..)),
        };
        part.is_some_and(|part| part.eq_ignore_ascii_case(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say() {
        let (v4, v6, mac) = (Says::IP4, Says::IP6, Says::MAC);
        for (name, want) in [
            ("saddr", v4 | v6 | mac),
            ("SADDR", v4 | v6 | mac),
            ("src_ip", v4 | v6),
            ("src_ip4", v4),
            ("user_ip6", v6),
            ("in_addr_t", v4 | v6 | mac),
            ("src", Says::IP4_BE | v6 | mac),
            ("ipv4_dst", v4 | Says::IP4_BE),
            ("ipv4_hits", Says::IP4_BE),
            ("h_dest", mac),
            ("router_mac", mac),
            ("gateway", v4 | v6),
            ("skip", Says::default()),
            ("zip", Says::default()),
            ("ip_len", Says::default()),
            ("start_ns", Says::default()),
            ("macro", Says::default()),
            ("", Says::default()),
            ("ü", Says::default()),
        ] {
            assert_eq!(says(name), want, "{name}");
        }
    }
}
