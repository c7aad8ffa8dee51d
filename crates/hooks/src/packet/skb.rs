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
        let least = self.0.net.saturating_sub(self.0.data);
        if flags != 0 || len > SKB_MAX_LEN || len < least {
            return Err(Errno::EINVAL);
        }
        if self.0.encapsulated {
            return Err(Errno::ENOTSUPP);
        }
        let end = self.0.data + len;
        if self.0.buf.len() < end {
            self.0.buf.resize(end, 0);
        }
        if self.0.end < end {
            self.0.buf[self.0.end..end].fill(0);
        }
        self.0.end = end;
        self.0.meta.gso_size = 0;
        self.0.meta.gso_segs = 0;
        Ok(())
    }

    /// Adds `len` zero bytes in front, for a link header.
    ///
    /// Kernel: `bpf_skb_change_head`.
    pub fn change_head(&mut self, len: u32, flags: u64) -> Result<(), Errno> {
        let len = len as usize;
        let longer = self.data().len() + len;
        // A packet of segments may be longer, but not than a length can say.
        let most = if self.0.meta.gso_size == 0 { SKB_MAX_LEN } else { u16::MAX as usize };
        if flags != 0 || longer > most {
            return Err(Errno::EINVAL);
        }
        self.at_mac()?;
        self.push(len);
        self.0.buf[self.0.mac..self.0.mac + len].fill(0);
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
        let base = net_base_len(self.0.meta.protocol).ok_or(Errno::ENOTSUPP)?;
        let link = self.0.net.saturating_sub(self.0.mac);
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
            self.0.checked = None;
        }
        Ok(())
    }

    /// Kernel: `bpf_skb_net_shrink` and the checks for it.
    fn shrink_room(&mut self, at: usize, len: usize, base: usize, flags: u64) -> Result<(), Errno> {
        let (protocol, least) = match flags & room::DECAP_L3 {
            0 => (self.0.meta.protocol, base),
            room::DECAP_IPV4 => (ethertype::IPV4, IPV4_HLEN),
            room::DECAP_IPV6 => (ethertype::IPV6, IPV6_HLEN),
            _ => return Err(Errno::EINVAL),
        };
        let payload = self.0.end.saturating_sub(self.0.net);
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
        self.0.buf.copy_within(self.0.mac..self.0.mac + at, self.0.mac + len);
        self.pull(len);
        self.0.net += len;
        self.0.meta.protocol = protocol;
        Ok(())
    }

    /// Kernel: `bpf_skb_net_grow` and the checks for it.
    fn grow_room(&mut self, at: usize, len: usize, flags: u64) -> Result<(), Errno> {
        if flags & room::DECAP_L3 != 0 {
            return Err(Errno::EINVAL);
        }
        if self.frame_len() + len > SKB_MAX_LEN && self.0.meta.gso_size == 0 {
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
        let mac = self.0.mac;
        self.0.buf.copy_within(mac + len..mac + len + at, mac);
        self.0.buf[mac + at..mac + at + len].fill(0);
        self.0.net = self.0.net.saturating_sub(len);
        match flags & room::ENCAP_L3 {
            0 => return Ok(()),
            room::ENCAP_IPV6 => self.0.meta.protocol = ethertype::IPV6,
            _ => self.0.meta.protocol = ethertype::IPV4,
        }
        self.0.encapsulated = true;
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
        if self.0.encapsulated {
            return Err(Errno::EALREADY);
        }
        if link > len { Err(Errno::EINVAL) } else { Ok(()) }
    }

    /// A packet of segments would need to know of which protocol.
    fn not_segments(&self) -> Result<(), Errno> {
        if self.0.meta.gso_size == 0 { Ok(()) } else { Err(Errno::ENOTSUPP) }
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
