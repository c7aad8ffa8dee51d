//! What tc programs do to the length of a packet.

use super::{ETH_HLEN, Packet, SKB_MAX_LEN};
use crate::Errno;
use crate::link::ethertype;

const IPV4_HLEN: usize = 20;
const IPV6_HLEN: usize = 40;
/// The most that `adjust_room` adds or removes.
const ROOM_MAX: u32 = 0xfff;

/// `BPF_F_ADJ_ROOM_*`, `include/uapi/linux/bpf.h`.
mod room {
    pub(super) const FIXED_GSO: u64 = 1 << 0;
    pub(super) const ENCAP_IPV4: u64 = 1 << 1;
    pub(super) const ENCAP_IPV6: u64 = 1 << 2;
    pub(super) const ENCAP_L3: u64 = ENCAP_IPV4 | ENCAP_IPV6;
    pub(super) const ENCAP_GRE: u64 = 1 << 3;
    pub(super) const ENCAP_UDP: u64 = 1 << 4;
    pub(super) const ENCAP_L4: u64 = ENCAP_GRE | ENCAP_UDP;
    pub(super) const NO_CSUM_RESET: u64 = 1 << 5;
    pub(super) const ENCAP_ETH: u64 = 1 << 6;
    pub(super) const DECAP_IPV4: u64 = 1 << 7;
    pub(super) const DECAP_IPV6: u64 = 1 << 8;
    pub(super) const DECAP_L3: u64 = DECAP_IPV4 | DECAP_IPV6;
    pub(super) const L2_SHIFT: u32 = 56;
    pub(super) const SHRINK: u64 = FIXED_GSO | DECAP_L3 | NO_CSUM_RESET;
    pub(super) const ALL: u64 = SHRINK | ENCAP_L3 | ENCAP_L4 | ENCAP_ETH | 0xff << L2_SHIFT;
}

impl Packet {
    /// Sets the length; new bytes at the end are zero.
    ///
    /// Kernel: `bpf_skb_change_tail`.
    pub fn change_tail(&mut self, len: u32, flags: u64) -> Result<(), Errno> {
        let len = len as usize;
        let least = self.net.saturating_sub(self.data);
        if flags != 0 || len > SKB_MAX_LEN || len < least {
            return Err(Errno::EINVAL);
        }
        if self.encapsulated {
            return Err(Errno::ENOTSUPP);
        }
        let end = self.data + len;
        if self.buf.len() < end {
            self.buf.resize(end, 0);
        }
        if self.end < end {
            self.buf[self.end..end].fill(0);
        }
        self.end = end;
        self.meta.gso_size = 0;
        self.meta.gso_segs = 0;
        Ok(())
    }

    /// Adds `len` zero bytes in front, for a link header.
    ///
    /// Kernel: `bpf_skb_change_head`.
    pub fn change_head(&mut self, len: u32, flags: u64) -> Result<(), Errno> {
        let len = len as usize;
        let longer = self.data().len() + len;
        // A packet of segments may be longer, but not than a length can say.
        let most = if self.meta.gso_size == 0 { SKB_MAX_LEN } else { u16::MAX as usize };
        if flags != 0 || longer > most {
            return Err(Errno::EINVAL);
        }
        self.at_mac()?;
        self.push(len);
        self.buf[self.mac..self.mac + len].fill(0);
        Ok(())
    }

    /// Adds zero bytes, or removes bytes if `delta` is negative, after the link header (`mode` 1,
    /// `BPF_ADJ_ROOM_MAC`) or after the fixed part of the network header (`mode` 0,
    /// `BPF_ADJ_ROOM_NET`).
    ///
    /// Kernel: `bpf_skb_adjust_room`.
    pub fn adjust_room(&mut self, delta: i32, mode: u32, flags: u64) -> Result<(), Errno> {
        if flags & !room::ALL != 0 {
            return Err(Errno::EINVAL);
        }
        if delta.unsigned_abs() > ROOM_MAX {
            return Err(Errno::EFAULT);
        }
        self.at_mac()?;
        let base = net_base_len(self.meta.protocol).ok_or(Errno::ENOTSUPP)?;
        let link = self.net.saturating_sub(self.mac);
        let at = match mode {
            0 => link + base,
            1 => link,
            _ => return Err(Errno::ENOTSUPP),
        };
        let len = delta.unsigned_abs() as usize;
        if delta < 0 {
            self.shrink_room(at, len, base, flags)?;
        } else {
            self.grow_room(at, len, flags)?;
        }
        if flags & room::NO_CSUM_RESET == 0 {
            self.checked = None;
        }
        Ok(())
    }

    /// Kernel: `bpf_skb_net_shrink` and the checks for it.
    fn shrink_room(&mut self, at: usize, len: usize, base: usize, flags: u64) -> Result<(), Errno> {
        let (protocol, least) = match flags & room::DECAP_L3 {
            0 => (self.meta.protocol, base),
            room::DECAP_IPV4 => (ethertype::IPV4, IPV4_HLEN),
            room::DECAP_IPV6 => (ethertype::IPV6, IPV6_HLEN),
            _ => return Err(Errno::EINVAL),
        };
        let payload = self.end.saturating_sub(self.net);
        if payload <= len || payload - len < least {
            return Err(Errno::ENOTSUPP);
        }
        if flags & !room::SHRINK != 0 {
            return Err(Errno::EINVAL);
        }
        self.not_segments()?;
        if at + len > self.frame_len() {
            return Err(Errno::ENOMEM);
        }
        self.buf.copy_within(self.mac..self.mac + at, self.mac + len);
        self.pull(len);
        self.net += len;
        self.meta.protocol = protocol;
        Ok(())
    }

    /// Kernel: `bpf_skb_net_grow` and the checks for it.
    fn grow_room(&mut self, at: usize, len: usize, flags: u64) -> Result<(), Errno> {
        if flags & room::DECAP_L3 != 0 {
            return Err(Errno::EINVAL);
        }
        if self.frame_len() + len > SKB_MAX_LEN && self.meta.gso_size == 0 {
            return Err(Errno::ENOTSUPP);
        }
        self.not_segments()?;
        if flags & room::ENCAP_L3 != 0 {
            self.may_encap(len, flags)?;
        }
        // A packet may have been cut before the place. There the kernel takes in what the buffer
        // held behind the packet, be it of this packet or of another; here those bytes are zero.
        let at = at.min(self.frame_len());
        self.push(len);
        let mac = self.mac;
        self.buf.copy_within(mac + len..mac + len + at, mac);
        self.buf[mac + at..mac + at + len].fill(0);
        self.net = self.net.saturating_sub(len);
        match flags & room::ENCAP_L3 {
            0 => return Ok(()),
            room::ENCAP_IPV6 => self.meta.protocol = ethertype::IPV6,
            _ => self.meta.protocol = ethertype::IPV4,
        }
        self.encapsulated = true;
        Ok(())
    }

    fn may_encap(&self, len: usize, flags: u64) -> Result<(), Errno> {
        let [link, ..] = flags.to_be_bytes();
        let link = usize::from(link);
        let both = |mask| flags & mask == mask;
        if both(room::ENCAP_L3)
            || both(room::ENCAP_L4)
            || (both(room::ENCAP_ETH) && link < ETH_HLEN)
        {
            return Err(Errno::EINVAL);
        }
        if self.encapsulated {
            return Err(Errno::EALREADY);
        }
        if link > len { Err(Errno::EINVAL) } else { Ok(()) }
    }

    /// A packet of segments would need to know of which protocol.
    fn not_segments(&self) -> Result<(), Errno> {
        if self.meta.gso_size == 0 { Ok(()) } else { Err(Errno::ENOTSUPP) }
    }
}

/// Kernel: `bpf_skb_net_base_len`.
const fn net_base_len(protocol: u16) -> Option<usize> {
    match protocol {
        ethertype::IPV4 => Some(IPV4_HLEN),
        ethertype::IPV6 => Some(IPV6_HLEN),
        _ => None,
    }
}
