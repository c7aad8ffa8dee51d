//! Where the payload of the transport protocol begins.
//!
//! A walk over the headers from the network header on, with the protocols that Linux's flow
//! dissector knows. Each step moves forward or counts against [`MAX_HEADERS`], so the walk ends.
//!
//! Kernel: `skb_get_poff`, `__skb_flow_dissect` with the keys of `flow_keys_basic_dissector`.

use crate::packet::Packet;

/// Most headers to look at. Linux: `MAX_FLOW_DISSECT_HDRS`.
const MAX_HEADERS: u32 = 15;

/// Ethernet protocols.
mod eth {
    pub(super) const IPV4: u16 = 0x0800;
    pub(super) const ARP: u16 = 0x0806;
    pub(super) const BATMAN: u16 = 0x4305;
    pub(super) const TEB: u16 = 0x6558;
    pub(super) const RARP: u16 = 0x8035;
    pub(super) const VLAN: u16 = 0x8100;
    pub(super) const IPV6: u16 = 0x86dd;
    pub(super) const MPLS_UC: u16 = 0x8847;
    pub(super) const MPLS_MC: u16 = 0x8848;
    pub(super) const PPPOE: u16 = 0x8864;
    pub(super) const PPP: u16 = 0x880b;
    pub(super) const QINQ: u16 = 0x88a8;
    pub(super) const TIPC: u16 = 0x88ca;
    pub(super) const PTP: u16 = 0x88f7;
    pub(super) const PRP: u16 = 0x88fb;
    pub(super) const CFM: u16 = 0x8902;
    pub(super) const FCOE: u16 = 0x8906;
    pub(super) const HSR: u16 = 0x892f;
}

/// Protocols inside IP.
mod ip {
    pub(super) const HOP: u8 = 0;
    pub(super) const ICMP: u8 = 1;
    pub(super) const IGMP: u8 = 2;
    pub(super) const IPV4: u8 = 4;
    pub(super) const TCP: u8 = 6;
    pub(super) const UDP: u8 = 17;
    pub(super) const DCCP: u8 = 33;
    pub(super) const IPV6: u8 = 41;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const GRE: u8 = 47;
    pub(super) const ICMPV6: u8 = 58;
    pub(super) const DEST: u8 = 60;
    pub(super) const SCTP: u8 = 132;
    pub(super) const UDPLITE: u8 = 136;
    pub(super) const MPLS: u8 = 137;
}

/// Offset of the payload; 0 if the headers make no sense.
pub(super) fn offset(packet: &Packet<'_>) -> u32 {
    let mut walk = Walk::new(packet);
    let Some(transport) = walk.transport_offset() else { return 0 };
    if walk.later_fragment {
        return transport;
    }
    let header = match walk.ip_proto {
        ip::TCP => walk.tcp_header(transport).unwrap_or(0),
        ip::UDP | ip::UDPLITE | ip::ICMP | ip::ICMPV6 | ip::IGMP => 8,
        ip::DCCP | ip::SCTP => 12,
        _ => 0,
    };
    transport.saturating_add(header)
}

/// How a header is left.
enum Step {
    /// To a header named by an Ethernet protocol.
    Network,
    /// To a header named by an IP protocol.
    Transport,
    /// Far enough.
    Done,
}

struct Walk<'p> {
    packet: &'p Packet<'p>,
    at: usize,
    proto: u16,
    ip_proto: u8,
    /// The tag outside the bytes has still to be passed.
    outer_tag: bool,
    /// A fragment, and none of those in the packet is a first one.
    later_fragment: bool,
    first_fragment: bool,
}

impl<'p> Walk<'p> {
    fn new(packet: &'p Packet<'p>) -> Self {
        let outer_tag = packet.has_vlan_tag();
        let meta = &packet.meta;
        Self {
            packet,
            at: packet.network,
            proto: if outer_tag { meta.vlan_proto } else { meta.protocol },
            ip_proto: 0,
            outer_tag,
            later_fragment: false,
            first_fragment: false,
        }
    }

    /// Offset of the transport header from the program's offset 0.
    fn transport_offset(&mut self) -> Option<u32> {
        let mut step = Step::Network;
        let mut headers = 0u32;
        loop {
            let (next, free) = match step {
                // From IP to what it carries is no new header to the kernel's count.
                Step::Network => (self.network()?, true),
                Step::Transport => (self.transport()?, false),
                Step::Done => break,
            };
            if !(free && matches!(next, Step::Transport)) {
                headers = headers.saturating_add(1);
            }
            step = if headers > MAX_HEADERS { Step::Done } else { next };
        }
        // A network header before offset 0 wraps and is cut to the length, as in the kernel.
        let off = self.at.wrapping_sub(self.packet.data).min(self.packet.len as usize);
        u16::try_from(off).ok().map(u32::from)
    }

    /// Kernel: the first `switch` of `__skb_flow_dissect`.
    fn network(&mut self) -> Option<Step> {
        match self.proto {
            eth::IPV4 => self.ipv4(),
            eth::IPV6 => {
                let [_, _, _, _, _, _, next, ..] = self.peek::<40>(0)?;
                self.ip_proto = next;
                self.skip(40);
                Some(Step::Transport)
            }
            eth::VLAN | eth::QINQ => {
                if core::mem::take(&mut self.outer_tag) {
                    self.proto = self.packet.meta.protocol;
                } else {
                    let [_, _, hi, lo] = self.peek(0)?;
                    self.proto = u16::from_be_bytes([hi, lo]);
                    self.skip(4);
                }
                Some(Step::Network)
            }
            eth::PPPOE => self.pppoe(),
            eth::TIPC => self.peek::<16>(0).map(|_| Step::Done),
            eth::MPLS_UC | eth::MPLS_MC => self.skip_to(4, Step::Done),
            eth::ARP | eth::RARP | eth::CFM => Some(Step::Done),
            eth::FCOE => self.peek::<38>(0).and_then(|_| self.skip_to(38, Step::Done)),
            eth::PTP => self.peek::<34>(0).and_then(|_| self.skip_to(34, Step::Done)),
            eth::BATMAN => {
                // Unicast of version 15, and an Ethernet frame in it.
                let [0x40, 15, ..] = self.peek::<24>(0)? else { return None };
                self.proto = u16::from_be_bytes(self.peek(22)?);
                self.skip_to(24, Step::Network)
            }
            eth::PRP | eth::HSR => {
                self.proto = u16::from_be_bytes(self.peek(4)?);
                self.skip_to(6, Step::Network)
            }
            _ => None,
        }
    }

    fn ipv4(&mut self) -> Option<Step> {
        let [version_len, _, _, _, _, _, frag_hi, frag_lo, _, proto, ..] = self.peek::<20>(0)?;
        let words = version_len & 0xf;
        if words < 5 {
            return None;
        }
        self.skip(usize::from(words) << 2);
        self.ip_proto = proto;
        let frag = u16::from_be_bytes([frag_hi, frag_lo]);
        // More fragments, or not the first: what follows is not looked at.
        Some(if frag & 0x3fff != 0 {
            self.fragment(frag & 0x1fff == 0);
            Step::Done
        } else {
            Step::Transport
        })
    }

    fn pppoe(&mut self) -> Option<Step> {
        // Version 1, type 1, session data (RFC 2516, section 4).
        let [0x11, 0, _, _, _, _, hi, lo] = self.peek(0)? else { return None };
        self.skip(8);
        let ppp = u16::from_be_bytes([hi, lo]);
        self.proto = match ppp {
            0x21 => eth::IPV4,
            0x57 => eth::IPV6,
            0x281 => eth::MPLS_UC,
            0x283 => eth::MPLS_MC,
            // A protocol number is odd, and its first byte even (RFC 1661, section 2).
            _ => return (ppp & 0x0101 == 1).then_some(Step::Done),
        };
        Some(Step::Network)
    }

    /// Kernel: the second `switch` of `__skb_flow_dissect`.
    fn transport(&mut self) -> Option<Step> {
        match self.ip_proto {
            ip::GRE => self.gre(),
            ip::HOP | ip::ROUTING | ip::DEST if self.proto == eth::IPV6 => {
                let [next, units] = self.peek(0)?;
                self.ip_proto = next;
                self.skip_to(usize::from(units).saturating_add(1) << 3, Step::Transport)
            }
            ip::FRAGMENT if self.proto == eth::IPV6 => {
                let [next, _, hi, lo, ..] = self.peek::<8>(0)?;
                self.ip_proto = next;
                self.fragment(u16::from_be_bytes([hi, lo]) & 0xfff8 == 0);
                self.skip_to(8, Step::Done)
            }
            ip::IPV4 => self.encapsulated(eth::IPV4),
            ip::IPV6 => self.encapsulated(eth::IPV6),
            ip::MPLS => self.encapsulated(eth::MPLS_UC),
            _ => Some(Step::Done),
        }
    }

    /// Kernel: `__skb_flow_dissect_gre`. RFC 2784, RFC 2890; version 1 is PPTP's (RFC 2637).
    fn gre(&mut self) -> Option<Step> {
        const ROUTING: u16 = 0x4000;
        const VERSION: u16 = 7;
        let [f0, f1, p0, p1] = self.peek(0)?;
        let flags = u16::from_be_bytes([f0, f1]);
        let version = flags & VERSION;
        if flags & ROUTING != 0 || version > 1 {
            return Some(Step::Done);
        }
        // The kernel takes the protocol over before it looks whether version 1 is PPTP.
        self.proto = u16::from_be_bytes([p0, p1]);
        let key = flags & 0x2000 != 0;
        if version == 1 && !(self.proto == eth::PPP && key) {
            return Some(Step::Done);
        }
        let word = |bit: u16| if flags & bit == 0 { 0usize } else { 4 };
        let at_key = word(0x8000).saturating_add(4);
        if key {
            self.peek::<4>(at_key)?;
        }
        let mut len = at_key.saturating_add(word(0x2000)).saturating_add(word(0x1000));
        if version == 1 {
            len = len.saturating_add(word(0x0080));
            let [_, _, hi, lo] = self.peek(len)?;
            match u16::from_be_bytes([hi, lo]) {
                0x21 => self.proto = eth::IPV4,
                0x57 => self.proto = eth::IPV6,
                _ => {}
            }
            len = len.saturating_add(4);
        } else if self.proto == eth::TEB {
            let [.., hi, lo] = self.peek::<14>(len)?;
            self.proto = u16::from_be_bytes([hi, lo]);
            len = len.saturating_add(14);
        }
        self.skip_to(len, Step::Network)
    }

    const fn encapsulated(&mut self, proto: u16) -> Option<Step> {
        self.proto = proto;
        Some(Step::Network)
    }

    const fn fragment(&mut self, first: bool) {
        self.first_fragment |= first;
        self.later_fragment = !self.first_fragment;
    }

    /// Length of the TCP header at this offset, by its data offset.
    fn tcp_header(&self, off: u32) -> Option<u32> {
        let at = self.packet.data.checked_add(off as usize)?.checked_add(12)?;
        let words = self.packet.u8_at(at)? >> 4;
        Some((u32::from(words) << 2).max(20))
    }

    fn peek<const N: usize>(&self, off: usize) -> Option<[u8; N]> {
        self.packet.chunk_at(self.at.checked_add(off)?)
    }

    const fn skip(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    const fn skip_to(&mut self, bytes: usize, step: Step) -> Option<Step> {
        self.skip(bytes);
        Some(step)
    }
}
