//! Packets as people read them: tcpdump's lines, and records for programs.
//!
//! A [`Dissector`] appends the lines of a packet to a buffer, as tcpdump 4.99 prints them, byte for byte for the
//! protocols that this crate knows. A [`Record`] holds what a packet says as values. Neither opens files, looks at a
//! clock or allocates for each packet; hostile packets are cut short, never followed without bound.
//!
//! ```
//! use skep_dissect::{Dissector, Options, Packet};
//!
//! let arp = [
//!     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0,
//!     0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2,
//! ];
//! let packet = Packet { bytes: &arp, wire_len: 42, time: 1_000_000_000, link: 1, interface: None };
//! let mut lines = Vec::new();
//! Dissector::new(Options::default()).line(1, &packet, &mut lines);
//! assert_eq!(lines, b"00:00:01.000000 ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28\n");
//! ```
//!
//! Start reading at [`Dissector::line`], then `cx.rs`, which reads and writes for all protocols. Each protocol is a
//! file. Sources: the standards named in each, and tcpdump 4.99.3 for what its lines look like, quirks included.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

#[macro_use]
mod tok;
mod af;
mod arp;
mod asn1;
mod bgp;
mod chdlc;
mod cx;
mod dccp;
mod dhcp;
mod dhcp6;
mod dhcp_options;
mod dns;
mod dns_record;
mod dump;
mod dvmrp;
mod eap;
mod edns;
mod esp;
mod ether;
mod field;
mod geneve;
mod gre;
mod icmp;
mod icmp6;
mod icmp6_info;
mod icmp6_options;
mod igmp;
mod ip;
mod ip6;
mod ip6_options;
mod ip_options;
mod json;
mod line;
mod link;
mod llc;
mod lldp;
mod lldp_dcb;
mod lldp_tia;
mod mpls;
mod mptcp;
mod netdb;
mod ntp;
mod options;
mod ospf;
mod ospf6;
mod oui;
mod pim;
mod ppp;
mod ppp_options;
mod pppoe;
mod quic;
mod radius;
mod radius_tables;
mod record;
mod rpl;
mod rtp;
mod sctp;
mod snmp;
mod stp;
mod sum;
mod tcp;
mod tcp_options;
mod time;
mod tls;
mod txt;
mod udp;
mod vrrp;
mod vxlan;

pub use field::Field;
pub use line::{Dissector, Packet, knows_link};
pub use options::{Bytes, Carried, Names, Options, Time};
pub use record::{Application, Arp, Inner, Ip, Record, Transport, Tunnel, Vlans};
