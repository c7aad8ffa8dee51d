//! What lines should say.

use std::net::IpAddr;

/// How a packet is shown. The default is tcpdump's with `-n`.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Before each line, the packet's number (`-#`).
    pub number: bool,
    /// The time before each line (`-t` and its repetitions).
    pub time: Time,
    /// Nine digits after the point instead of six (`--nano`).
    pub nanos: bool,
    /// The link header (`-e`).
    pub link: bool,
    /// Less of everything (`-q`).
    pub quick: bool,
    /// How much more (`-v`, `-vv`, `-vvv`).
    pub verbose: u8,
    /// Sequence numbers of TCP as they are, not from the first on (`-S`).
    pub absolute_seq: bool,
    /// Checksums are not looked at (`-K`).
    pub no_checksums: bool,
    /// Bytes after each line (`-x`, `-X`, `-A`).
    pub bytes: Bytes,
    /// What UDP and TCP carry, whatever their ports are (`-T`).
    pub carried: Option<Carried>,
    /// The server name of TLS and the version of QUIC are shown too, which tcpdump does not know.
    pub beyond: bool,
    /// Offset of local time from UTC in seconds, at a second since 1970.
    pub zone: fn(u32) -> i32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            number: false,
            time: Time::OfDay,
            nanos: false,
            link: false,
            quick: false,
            verbose: 0,
            absolute_seq: false,
            no_checksums: false,
            bytes: Bytes::No,
            carried: None,
            beyond: false,
            zone: |_| 0,
        }
    }
}

/// How the time of a packet is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// Hours, minutes and seconds of local time.
    OfDay,
    /// Not at all (`-t`).
    No,
    /// Seconds since 1970 (`-tt`).
    Unix,
    /// Since the packet before (`-ttt`).
    SincePrevious,
    /// Date and time of day (`-tttt`).
    Date,
    /// Since the first packet (`-ttttt`).
    SinceFirst,
}

/// Which bytes follow a line, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bytes {
    /// None.
    No,
    /// In hexadecimal (`-x`); with the link header (`-xx`).
    Hex {
        /// From the link header on.
        link: bool,
    },
    /// In hexadecimal and as characters (`-X`, `-XX`).
    HexAscii {
        /// From the link header on.
        link: bool,
    },
    /// As characters (`-A`, `-AA`).
    Ascii {
        /// From the link header on.
        link: bool,
    },
}

/// A protocol above UDP or TCP that ports do not tell (`-T`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "names of protocols")]
pub enum Carried {
    Domain,
    Radius,
    Rtp,
    Rtcp,
    Snmp,
    Vat,
    Vxlan,
}

impl Carried {
    /// The protocol that `-T` calls so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "domain" => Self::Domain,
            "radius" => Self::Radius,
            "rtp" => Self::Rtp,
            "rtcp" => Self::Rtcp,
            "snmp" => Self::Snmp,
            "vat" => Self::Vat,
            "vxlan" => Self::Vxlan,
            _ => return None,
        })
    }
}

/// Names for numbers, where the caller wants them.
pub trait Names {
    /// Of a host.
    fn host(&mut self, addr: IpAddr) -> Option<&str>;
    /// Of a TCP port.
    fn tcp_port(&mut self, port: u16) -> Option<&str>;
    /// Of a UDP port.
    fn udp_port(&mut self, port: u16) -> Option<&str>;
}
