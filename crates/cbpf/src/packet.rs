//! What a program sees of a packet.

use crate::insn::Size;
use crate::table::{LL_OFF, NET_OFF};

/// Bytes of an Ethernet header.
pub(crate) const ETH_HLEN: u8 = 14;

/// A packet with what Linux keeps beside its bytes (`struct sk_buff`).
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The bytes at hand, all in one piece.
    pub bytes: &'a [u8],
    /// Position in `bytes` of what the program calls offset 0: the link-layer header on a packet
    /// socket, the transport header on a UDP socket.
    pub data: usize,
    /// Position of the link-layer header, to which offsets from `SKF_LL_OFF` refer.
    pub link: Option<usize>,
    /// Position of the network header, to which offsets from `SKF_NET_OFF` refer.
    pub network: usize,
    /// Length of the packet from `data` on. More than there are bytes when a capture cut it.
    pub len: u32,
    /// The rest.
    pub meta: Meta,
}

/// What is known of a packet beside its bytes. The default is a packet without any of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Ethernet protocol, such as 0x800, not counting a VLAN tag outside the bytes.
    pub protocol: u16,
    /// `PACKET_HOST` and so on, of which three bits count.
    pub pkt_type: u8,
    /// The interface, if the packet has one.
    pub device: Option<Device>,
    /// Firewall mark.
    pub mark: u32,
    /// Queue of the interface.
    pub queue: u16,
    /// Flow hash.
    pub hash: u32,
    /// Tag control information of a VLAN tag outside the bytes.
    pub vlan_tci: u16,
    /// Protocol of that tag, such as 0x8100. There is no tag when both are 0.
    pub vlan_proto: u16,
    /// The processor the program runs on.
    pub cpu: u32,
    /// The first random number; from it the following ones of a run are made.
    pub random: u32,
}

/// A network interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Its index.
    pub index: u32,
    /// Its hardware type (`ARPHRD_*`).
    pub hardware: u16,
}

impl<'a> Packet<'a> {
    /// A packet of some link without headers that Skep knows: all of the bytes, nothing else.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self { bytes, data: 0, link: Some(0), network: 0, len, meta: Meta::default() }
    }

    /// An Ethernet frame of `wire_len` bytes, of which these were captured. The protocol is the one
    /// that Linux would find in the header, which is the VLAN tag's when there is a tag.
    ///
    /// Kernel: `eth_type_trans`.
    #[must_use]
    pub fn ethernet(bytes: &'a [u8], wire_len: u32) -> Self {
        /// Smallest number that is a protocol and not a length (IEEE 802.3, clause 3.2.6).
        const ETH_P_802_3_MIN: u16 = 0x600;
        let mut this = Self::new(bytes);
        this.len = wire_len;
        this.network = bytes.len().min(ETH_HLEN.into());
        this.meta.protocol = match this.u16_at(12) {
            Some(proto) if proto >= ETH_P_802_3_MIN => proto,
            // Novell's raw IPX (`ETH_P_802_3`), else a frame with an LLC header (`ETH_P_802_2`).
            Some(_) if this.u16_at(ETH_HLEN.into()) == Some(0xffff) => 1,
            Some(_) => 4,
            None => 0,
        };
        this
    }

    /// Whether a VLAN tag stands outside the bytes.
    #[must_use]
    pub const fn has_vlan_tag(&self) -> bool {
        self.meta.vlan_tci != 0 || self.meta.vlan_proto != 0
    }

    /// Big-endian load from an offset as a program writes it, `None` beyond the bytes.
    ///
    /// Kernel: `bpf_skb_load_helper_convert_offset`.
    pub(crate) fn load(&self, size: Size, off: u32) -> Option<u32> {
        let (base, off) = if off.cast_signed() >= 0 {
            (self.data, off)
        } else if off >= NET_OFF {
            (self.network, off.wrapping_sub(NET_OFF))
        } else if off >= LL_OFF {
            (self.link?, off.wrapping_sub(LL_OFF))
        } else {
            return None;
        };
        let at = base.checked_add(usize::try_from(off).ok()?)?;
        match size {
            Size::B => self.u8_at(at).map(u32::from),
            Size::H => self.u16_at(at).map(u32::from),
            Size::W => self.chunk_at(at).map(u32::from_be_bytes),
        }
    }

    pub(crate) fn u8_at(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    pub(crate) fn u16_at(&self, at: usize) -> Option<u16> {
        self.chunk_at(at).map(u16::from_be_bytes)
    }

    /// The `N` bytes from position `at`.
    pub(crate) fn chunk_at<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..)?.first_chunk().copied()
    }
}
