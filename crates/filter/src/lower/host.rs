//! Hosts and networks.

use super::{
    ETHERTYPE_ARP, ETHERTYPE_DECNET, ETHERTYPE_IP, ETHERTYPE_IPV6, ETHERTYPE_REVARP, Lowering,
};
use crate::ast::{Dir, Proto, Qual};
use crate::error::{Error, ErrorKind};
use crate::form::FormId;
use crate::link::LinkType;
use skep_cbpf::Size;

impl Lowering<'_> {
    /// A condition on source, destination, either or both.
    pub(super) fn either_end(
        &mut self,
        dir: Dir,
        mut end: impl FnMut(&mut Self, bool) -> Result<FormId, Error>,
    ) -> Result<FormId, Error> {
        match dir {
            Dir::Src => end(self, true),
            Dir::Dst => end(self, false),
            Dir::And => {
                let (src, dst) = (end(self, true)?, end(self, false)?);
                Ok(self.and(src, dst))
            }
            Dir::Any | Dir::Or => {
                let (src, dst) = (end(self, true)?, end(self, false)?);
                Ok(self.or(src, dst))
            }
            Dir::Addr1 | Dir::Addr2 | Dir::Addr3 | Dir::Addr4 | Dir::Ra | Dir::Ta => {
                let word = dir_word(dir);
                let with = "anything but Ethernet addresses on 802.11";
                Err(self.error(ErrorKind::Qualifier { word, with }))
            }
        }
    }

    /// An IPv4 address or network.
    pub(super) fn host4(
        &mut self,
        addr: u32,
        mask: u32,
        proto: Option<Proto>,
        dir: Dir,
    ) -> Result<FormId, Error> {
        match proto {
            None => {
                let ip = self.host_in(addr, mask, dir, ETHERTYPE_IP, [12, 16])?;
                if self.headers.labels > 0 {
                    return Ok(ip);
                }
                let arp = self.host_in(addr, mask, dir, ETHERTYPE_ARP, [14, 24])?;
                let both = self.or(ip, arp);
                let rarp = self.host_in(addr, mask, dir, ETHERTYPE_REVARP, [14, 24])?;
                Ok(self.or(both, rarp))
            }
            Some(Proto::Ip) => self.host_in(addr, mask, dir, ETHERTYPE_IP, [12, 16]),
            Some(Proto::Arp) => self.host_in(addr, mask, dir, ETHERTYPE_ARP, [14, 24]),
            Some(Proto::Rarp) => self.host_in(addr, mask, dir, ETHERTYPE_REVARP, [14, 24]),
            Some(Proto::Decnet) => self.host_decnet(addr, dir),
            Some(proto) => Err(self.qualifier(proto, "an IPv4 address")),
        }
    }

    fn host_in(
        &mut self,
        addr: u32,
        mask: u32,
        dir: Dir,
        proto: u32,
        offs: [u32; 2],
    ) -> Result<FormId, Error> {
        // As well asked once as before each of the two addresses: it loads the same.
        let kind = self.linktype(proto)?;
        let address = self.either_end(dir, |this, is_src| {
            let field = this.load(this.network(), offs[usize::from(!is_src)], Size::W)?;
            Ok(this.masked(field, mask, addr))
        })?;
        Ok(self.and(kind, address))
    }

    /// An IPv6 address or network.
    pub(super) fn host6(
        &mut self,
        addr: u128,
        mask: u128,
        proto: Option<Proto>,
        dir: Dir,
    ) -> Result<FormId, Error> {
        match proto {
            None | Some(Proto::Ip6) => {}
            Some(proto) => return Err(self.qualifier(proto, "an IPv6 address")),
        }
        self.either_end(dir, |this, is_src| {
            let kind = this.linktype(ETHERTYPE_IPV6)?;
            let off = if is_src { 8 } else { 24 };
            let mut all = kind;
            for (at, (mask, addr)) in words(mask).into_iter().zip(words(addr)).enumerate() {
                let at = off + 4 * u32::try_from(at).unwrap_or(0);
                let field = this.load(this.network(), at, Size::W)?;
                let part = this.masked(field, mask, addr);
                all = this.and(all, part);
            }
            Ok(all)
        })
    }

    /// A DECnet address, in long and short packets with and without padding.
    fn host_decnet(&mut self, addr: u32, dir: Dir) -> Result<FormId, Error> {
        let wanted = (addr & 0xffff).swap_bytes() >> 16;
        self.either_end(dir, |this, is_src| {
            let (short, long) = if is_src { (3, 15) } else { (1, 7) };
            let kind = this.linktype(ETHERTYPE_DECNET)?;
            // Flags, whether there is a byte of padding before them, and where the address is.
            let shapes = [
                (0x02, false, short),
                (0x02, true, short),
                (0x06, false, long),
                (0x06, true, long),
            ];
            let mut all = None;
            for (flags, padded, off) in shapes {
                let check = if padded {
                    let field = this.load(this.network(), 2, Size::H)?;
                    this.masked(field, 0xff07, 0x8100 | flags)
                } else {
                    let field = this.load(this.network(), 2, Size::B)?;
                    this.masked(field, 0x07, flags)
                };
                let field = this.load(this.network(), 2 + u32::from(padded) + off, Size::H)?;
                let address = this.equals(field, wanted);
                let shape = this.and(check, address);
                all = Some(match all {
                    Some(all) => this.or(all, shape),
                    None => shape,
                });
            }
            let any = all.unwrap_or(kind);
            Ok(this.and(kind, any))
        })
    }

    /// An Ethernet address.
    pub(super) fn mac(&mut self, mac: [u8; 6], dir: Dir) -> Result<FormId, Error> {
        if self.headers.link.is_wlan() {
            return self.wlan_host(mac, dir);
        }
        if self.headers.link != LinkType::Ethernet {
            return Err(self.not_on_link("Ethernet addresses"));
        }
        let check = self.inner_ethernet()?;
        let host = self.either_end(dir, |this, is_src| {
            this.bytes(this.headers.header, if is_src { 6 } else { 0 }, &mac)
        })?;
        Ok(match check {
            Some(check) => self.and(check, host),
            None => host,
        })
    }

    /// `broadcast`
    pub(super) fn broadcast(&mut self, proto: Option<Proto>) -> Result<FormId, Error> {
        match proto {
            None | Some(Proto::Link) => {
                if !self.headers.link.is_wlan() && self.headers.link != LinkType::Ethernet {
                    return Err(self.not_on_link("`broadcast`"));
                }
                self.mac([0xff; 6], Dir::Dst)
            }
            Some(Proto::Ip) => {
                let Some(netmask) = self.options.netmask else {
                    return Err(self.error(ErrorKind::NoNetmask));
                };
                let kind = self.linktype(ETHERTYPE_IP)?;
                let field = self.load(self.network(), 16, Size::W)?;
                let zeros = self.masked(field, !netmask, 0);
                let ones = self.masked(field, !netmask, !netmask);
                let any = self.or(zeros, ones);
                Ok(self.and(kind, any))
            }
            Some(proto) => Err(self.qualifier(proto, "`broadcast`")),
        }
    }

    /// `multicast`
    pub(super) fn multicast(&mut self, proto: Option<Proto>) -> Result<FormId, Error> {
        match proto {
            None | Some(Proto::Link) => {
                if self.headers.link.is_wlan() {
                    return self.wlan_multicast();
                }
                if self.headers.link != LinkType::Ethernet {
                    return Err(self.not_on_link("`multicast`"));
                }
                let check = self.inner_ethernet()?;
                let first = self.load(self.headers.header, 0, Size::B)?;
                let group = self.any_bit(first, 1);
                Ok(match check {
                    Some(check) => self.and(check, group),
                    None => group,
                })
            }
            Some(Proto::Ip) => {
                let kind = self.linktype(ETHERTYPE_IP)?;
                let first = self.load(self.network(), 16, Size::B)?;
                let group = self.at_least(first, 224);
                Ok(self.and(kind, group))
            }
            Some(Proto::Ip6) => {
                let kind = self.linktype(ETHERTYPE_IPV6)?;
                let first = self.load(self.network(), 24, Size::B)?;
                let group = self.equals(first, 255);
                Ok(self.and(kind, group))
            }
            Some(proto) => Err(self.qualifier(proto, "`multicast`")),
        }
    }

    /// A host by name.
    pub(super) fn host_name(&mut self, name: &str, qual: Qual) -> Result<FormId, Error> {
        let (mut proto4, mut proto6) = (qual.proto, qual.proto);
        if self.headers.kind.is_none() && qual.proto.is_none() {
            (proto4, proto6) = (Some(Proto::Ip), Some(Proto::Ip6));
        }
        let mut all = None;
        for addr in self.options.resolver.host(name) {
            let one = match addr {
                std::net::IpAddr::V4(_) if proto4 == Some(Proto::Ip6) => continue,
                std::net::IpAddr::V6(_) if proto6 == Some(Proto::Ip) => continue,
                std::net::IpAddr::V4(addr) => {
                    self.host4(addr.to_bits(), u32::MAX, proto4, qual.dir)?
                }
                std::net::IpAddr::V6(addr) => {
                    self.host6(addr.to_bits(), u128::MAX, proto6, qual.dir)?
                }
            };
            all = Some(match all {
                Some(all) => self.or(all, one),
                None => one,
            });
        }
        all.ok_or_else(|| self.unknown("host", name))
    }

    pub(super) fn unknown(&self, what: &'static str, name: &str) -> Error {
        self.error(ErrorKind::Name { what, name: name.into() })
    }
}

/// The 32-bit words of an address, as they stand in the packet.
const fn words(bits: u128) -> [u32; 4] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bits.to_be_bytes();
    [
        u32::from_be_bytes([a, b, c, d]),
        u32::from_be_bytes([e, f, g, h]),
        u32::from_be_bytes([i, j, k, l]),
        u32::from_be_bytes([m, n, o, p]),
    ]
}

const fn dir_word(dir: Dir) -> &'static str {
    match dir {
        Dir::Any => "",
        Dir::Src => "src",
        Dir::Dst => "dst",
        Dir::Or => "src or dst",
        Dir::And => "src and dst",
        Dir::Addr1 => "addr1",
        Dir::Addr2 => "addr2",
        Dir::Addr3 => "addr3",
        Dir::Addr4 => "addr4",
        Dir::Ra => "ra",
        Dir::Ta => "ta",
    }
}
