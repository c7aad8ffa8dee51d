//! Headers at any depth, found by walking: the reference for `emit/deep.rs`.

use super::{Rejected, Run};
use crate::deep::{
    EXTENSION_STEPS, INNER_TAGS, LABELS, Level, NO_PLACE, NO_PROTO, Start, TAGS, ether, ip, ppp,
    tunnel,
};
use skep_cbpf::Size;

impl Run<'_> {
    fn half(&self, at: u32) -> Result<u32, Rejected> {
        self.load(Size::H, at)
    }

    /// What an IP header says that it is.
    fn version(&self, at: u32) -> Result<u32, Rejected> {
        Ok(match self.byte(at)? & 0xf0 {
            0x40 => ether::IP,
            0x60 => ether::IP6,
            _ => 0,
        })
    }

    /// Past so many VLAN tags, at most.
    fn tags(&self, (mut kind, mut net): (u32, u32), most: usize) -> Result<(u32, u32), Rejected> {
        for _ in 0..most {
            if !ether::VLAN.contains(&kind) {
                break;
            }
            kind = self.half(net.wrapping_add(2))?;
            net = net.wrapping_add(4);
        }
        Ok((kind, net))
    }

    /// The outermost network header: behind tags, labels and sessions.
    pub(super) fn outer(&mut self, start: Start, level: Level) -> Result<(), Rejected> {
        let found = match start {
            Start::Field { kind, payload } => (self.half(kind)?, payload),
            Start::Ppp { kind, payload } => (ppp::ether(self.half(kind)?), payload),
            Start::Version { at } => (self.version(at)?, at),
        };
        let (mut kind, mut net) = self.tags(found, TAGS)?;
        if ether::MPLS.contains(&kind) {
            kind = 0;
            for _ in 0..LABELS {
                let is_last = self.byte(net.wrapping_add(2))? & 1 != 0;
                net = net.wrapping_add(4);
                if is_last {
                    kind = self.version(net)?;
                    break;
                }
            }
        } else if kind == ether::PPPOE {
            kind = ppp::ether(self.half(net.wrapping_add(6))?);
            net = net.wrapping_add(8);
        }
        self.set(level.kind, kind);
        self.set(level.net, net);
        Ok(())
    }

    /// The protocol that IP carries and where its header begins, behind extension headers.
    pub(super) fn transport(&mut self, level: Level) -> Result<(), Rejected> {
        let (kind, net) = (self.cell(level.kind), self.cell(level.net));
        let (mut proto, mut at) = (NO_PROTO, NO_PLACE);
        if kind == ether::IP {
            proto = self.byte(net.wrapping_add(9))?;
            if self.half(net.wrapping_add(6))? & 0x1fff == 0 {
                at = net.wrapping_add((self.byte(net)? & 15) << 2);
            }
        } else if kind == ether::IP6 {
            at = net.wrapping_add(40);
            proto = self.byte(net.wrapping_add(6))?;
            for _ in 0..EXTENSION_STEPS {
                match proto {
                    ip::HOP_BY_HOP | ip::ROUTING | ip::OPTIONS => {
                        let len = (self.byte(at.wrapping_add(1))? + 1) << 3;
                        proto = self.byte(at)?;
                        at = at.wrapping_add(len);
                    }
                    ip::AH => {
                        let len = (self.byte(at.wrapping_add(1))? + 2) << 2;
                        proto = self.byte(at)?;
                        at = at.wrapping_add(len);
                    }
                    ip::FRAGMENT => {
                        let is_later = self.half(at.wrapping_add(2))? & 0xfff8 != 0;
                        proto = self.byte(at)?;
                        if is_later {
                            at = NO_PLACE;
                            break;
                        }
                        at = at.wrapping_add(8);
                    }
                    _ => break,
                }
            }
        }
        self.set(level.proto, proto);
        self.set(level.at, at);
        Ok(())
    }

    /// The network header in a tunnel.
    pub(super) fn inner(&mut self, from: Level, to: Level) -> Result<(), Rejected> {
        let (proto, at) = (self.cell(from.proto), self.cell(from.at));
        let (kind, net) = if at == NO_PLACE { (0, 0) } else { self.tunnel(proto, at)? };
        self.set(to.kind, kind);
        self.set(to.net, net);
        Ok(())
    }

    fn tunnel(&self, proto: u32, at: u32) -> Result<(u32, u32), Rejected> {
        let none = (0, 0);
        let (kind, net) = match proto {
            ip::IPIP => return Ok((ether::IP, at)),
            ip::IP6_IN => return Ok((ether::IP6, at)),
            ip::GRE => {
                let flags = self.half(at)?;
                if flags & tunnel::GRE_UNKNOWN != 0 {
                    return Ok(none);
                }
                let words = 1 + (flags & tunnel::GRE_FIELDS).count_ones();
                (self.half(at.wrapping_add(2))?, at.wrapping_add(4 * words))
            }
            ip::UDP => match self.half(at.wrapping_add(2))? {
                tunnel::VXLAN => {
                    if self.byte(at.wrapping_add(8))? & 0x08 == 0 {
                        return Ok(none);
                    }
                    (ether::BRIDGED, at.wrapping_add(16))
                }
                tunnel::GENEVE => {
                    let first = self.byte(at.wrapping_add(8))?;
                    if first & 0xc0 != 0 {
                        return Ok(none);
                    }
                    let net = at.wrapping_add(16 + ((first & 0x3f) << 2));
                    (self.half(at.wrapping_add(10))?, net)
                }
                _ => return Ok(none),
            },
            _ => return Ok(none),
        };
        if kind != ether::BRIDGED {
            return Ok((kind, net));
        }
        let kind = self.half(net.wrapping_add(12))?;
        self.tags((kind, net.wrapping_add(14)), INNER_TAGS)
    }

    /// Where what TCP and UDP carry begins, or what IP carries; the end of the packet if there is no such thing.
    pub(super) fn payload(&mut self, level: Level, to: u8) -> Result<(), Rejected> {
        let (proto, at) = (self.cell(level.proto), self.cell(level.at));
        let place = match proto {
            _ if at == NO_PLACE => NO_PLACE,
            ip::TCP => at.wrapping_add(self.byte(at.wrapping_add(12))? >> 4 << 2),
            ip::UDP => at.wrapping_add(8),
            _ => at,
        };
        self.set(to, place.min(self.packet.len));
        Ok(())
    }
}
