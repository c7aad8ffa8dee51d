//! VLAN tags: one beside the bytes, any number within.
//!
//! Network cards put a received tag beside the bytes, and where they do not the kernel does before
//! any skb hook runs. XDP comes earlier and sees the tag in place.

use super::{ETH_HLEN, Packet, VlanTag};
use crate::link::{be16, ethertype};
use crate::{Errno, LinkType};

const VLAN_HLEN: usize = 4;
/// The kernel lets tags pile up until its 16-bit header offsets wrap.
const MAX_LEN: usize = u16::MAX as usize;
/// The two MAC addresses.
const ADDRS: usize = 12;

impl Packet {
    /// Moves the outermost VLAN tag of an Ethernet frame from the bytes to the metadata, if there
    /// is none yet.
    ///
    /// Whoever delivers received packets to an skb hook calls this first, as the kernel's receive
    /// path does (`skb_vlan_untag`). `BPF_PROG_TEST_RUN` does not, and neither does XDP.
    pub fn untag(&mut self) {
        if self.0.meta.link != LinkType::ETHERNET || self.0.meta.vlan.is_some() {
            return;
        }
        self.classify();
        let proto = self.0.meta.protocol;
        // The kernel looks at the two bytes after the tag as well, and drops what lacks them.
        if ethertype::is_vlan(proto) && self.frame_len() >= ETH_HLEN + VLAN_HLEN + 2 {
            let tci = self.cut_tag();
            self.0.meta.vlan = Some(VlanTag { proto, tci });
            self.0.net = self.0.mac + ETH_HLEN;
        }
    }

    /// Pushes a VLAN tag: beside the bytes, and what was there goes in front of the payload.
    /// A `proto` that is no VLAN ethertype counts as 0x8100.
    ///
    /// Kernel: `bpf_skb_vlan_push`. Helpers get `proto` in network order.
    pub fn vlan_push(&mut self, proto: u16, tci: u16) -> Result<(), Errno> {
        let proto = if ethertype::is_vlan(proto) { proto } else { ethertype::VLAN };
        if let Some(tag) = self.0.meta.vlan {
            self.at_mac()?;
            if self.frame_len() < ETH_HLEN {
                return Err(Errno::EINVAL);
            }
            if self.frame_len() + VLAN_HLEN > self.0.captured.max(MAX_LEN) {
                return Err(Errno::ENOMEM);
            }
            self.insert_tag(tag);
            self.0.meta.protocol = tag.proto;
            self.0.net = self.0.net.saturating_sub(VLAN_HLEN);
        }
        self.0.meta.vlan = Some(VlanTag { proto, tci });
        Ok(())
    }

    /// Pops the outermost VLAN tag, if there is one; the next one moves beside the bytes.
    ///
    /// Kernel: `bpf_skb_vlan_pop`.
    pub fn vlan_pop(&mut self) -> Result<(), Errno> {
        if self.0.meta.vlan.take().is_none() {
            if !ethertype::is_vlan(self.0.meta.protocol) {
                return Ok(());
            }
            self.pop_inline()?;
        }
        let proto = self.0.meta.protocol;
        if ethertype::is_vlan(proto) {
            let tci = self.pop_inline()?;
            self.0.meta.vlan = Some(VlanTag { proto, tci });
        }
        Ok(())
    }

    /// Kernel: `__skb_vlan_pop`.
    fn pop_inline(&mut self) -> Result<u16, Errno> {
        self.at_mac()?;
        if self.frame_len() < ETH_HLEN + VLAN_HLEN {
            return Err(Errno::ENOMEM);
        }
        let tci = self.cut_tag();
        self.0.net = self.0.net.max(self.0.mac + ETH_HLEN);
        Ok(tci)
    }

    /// Removes the tag of a frame long enough to have one; sets the protocol to the one after it.
    fn cut_tag(&mut self) -> u16 {
        let frame = &self.0.buf[self.0.mac..self.0.end];
        let tci = be16(frame, ETH_HLEN).unwrap_or(0);
        let inner = be16(frame, ETH_HLEN + 2).unwrap_or(0);
        self.0.meta.protocol = ethertype::resolve(inner, be16(frame, ETH_HLEN + VLAN_HLEN));
        self.0.buf.copy_within(self.0.mac..self.0.mac + ADDRS, self.0.mac + VLAN_HLEN);
        self.pull(VLAN_HLEN);
        tci
    }

    /// Kernel: `__vlan_insert_tag`.
    fn insert_tag(&mut self, tag: VlanTag) {
        self.push(VLAN_HLEN);
        let mac = self.0.mac;
        self.0.buf.copy_within(mac + VLAN_HLEN..mac + VLAN_HLEN + ADDRS, mac);
        self.0.buf[mac + ADDRS..mac + ADDRS + VLAN_HLEN].copy_from_slice(&tag.to_bytes());
    }
}
