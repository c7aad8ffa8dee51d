//! Link types: what a packet begins with.

/// What a packet begins with. Others are refused by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names of libpcap")]
pub enum LinkType {
    Null,
    Ethernet,
    Ppp,
    Raw,
    PppSerial,
    CHdlc,
    Ieee80211,
    FrameRelay,
    Loop,
    LinuxSll,
    Pflog,
    Ieee80211Radio,
    Ppi,
    Ipv4,
    Ipv6,
    Nflog,
    LinuxSll2,
    DsaBrcm,
    DsaBrcmPrepend,
    Dsa,
    Edsa,
}

/// Link type, name in libpcap, number in programs (`DLT_*` of Linux), number in files.
const TABLE: &[(LinkType, &str, u32, u32)] = &[
    (LinkType::Null, "NULL", 0, 0),
    (LinkType::Ethernet, "EN10MB", 1, 1),
    (LinkType::Ppp, "PPP", 9, 9),
    (LinkType::Raw, "RAW", 12, 101),
    (LinkType::PppSerial, "PPP_SERIAL", 50, 50),
    (LinkType::CHdlc, "C_HDLC", 104, 104),
    (LinkType::Ieee80211, "IEEE802_11", 105, 105),
    (LinkType::FrameRelay, "FRELAY", 107, 107),
    (LinkType::Loop, "LOOP", 108, 108),
    (LinkType::LinuxSll, "LINUX_SLL", 113, 113),
    (LinkType::Pflog, "PFLOG", 117, 117),
    (LinkType::Ieee80211Radio, "IEEE802_11_RADIO", 127, 127),
    (LinkType::Ppi, "PPI", 192, 192),
    (LinkType::Ipv4, "IPV4", 228, 228),
    (LinkType::Ipv6, "IPV6", 229, 229),
    (LinkType::Nflog, "NFLOG", 239, 239),
    (LinkType::LinuxSll2, "LINUX_SLL2", 276, 276),
    (LinkType::DsaBrcm, "DSA_TAG_BRCM", 281, 281),
    (LinkType::DsaBrcmPrepend, "DSA_TAG_BRCM_PREPEND", 282, 282),
    (LinkType::Dsa, "DSA_TAG_DSA", 284, 284),
    (LinkType::Edsa, "DSA_TAG_EDSA", 285, 285),
];

impl LinkType {
    /// All of them, by number.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    /// By the name that `tcpdump -y` takes, in any case, with or without `DLT_` before it.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let name = match name.get(..4) {
            Some(prefix) if prefix.eq_ignore_ascii_case("DLT_") => &name[4..],
            _ => name,
        };
        TABLE.iter().find(|row| row.1.eq_ignore_ascii_case(name)).map(|row| row.0)
    }

    /// By the number in the header of a capture file (`LINKTYPE_*`).
    #[must_use]
    pub fn from_file(number: u32) -> Option<Self> {
        // The field has room for more than the link type above its lower 16 bits.
        TABLE.iter().find(|row| row.3 == number & 0xffff).map(|row| row.0)
    }

    /// By the number that programs use (`DLT_*` of Linux).
    #[must_use]
    pub fn from_dlt(number: u32) -> Option<Self> {
        TABLE.iter().find(|row| row.2 == number).map(|row| row.0)
    }

    fn row(self) -> &'static (Self, &'static str, u32, u32) {
        TABLE.iter().find(|row| row.0 == self).unwrap_or(&TABLE[1])
    }

    /// The name in libpcap.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The number that programs use.
    #[must_use]
    pub fn dlt(self) -> u32 {
        self.row().2
    }

    /// The number in capture files.
    #[must_use]
    pub fn file_number(self) -> u32 {
        self.row().3
    }

    pub(crate) const fn is_wlan(self) -> bool {
        matches!(self, Self::Ieee80211 | Self::Ieee80211Radio | Self::Ppi)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_lead_back() {
        for link in LinkType::all() {
            assert_eq!(LinkType::by_name(link.name()), Some(link));
            assert_eq!(LinkType::by_name(&format!("dlt_{}", link.name())), Some(link));
            assert_eq!(LinkType::from_dlt(link.dlt()), Some(link));
            assert_eq!(LinkType::from_file(link.file_number()), Some(link));
        }
        assert_eq!(LinkType::by_name("SUNATM"), None);
    }
}
