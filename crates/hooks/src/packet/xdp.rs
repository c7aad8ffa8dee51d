//! What XDP programs do to a packet.

use super::{ETH_HLEN, Packet};
use crate::Errno;

/// `struct xdp_frame` occupies the first bytes of the headroom (64-bit kernels).
const XDP_FRAME: usize = 40;
/// `skb_shared_info.meta_len` is one byte.
const META_MAX: usize = 255;
/// Offsets and lengths of the byte helpers.
const XDP_BYTES_MAX: u32 = 0xffff;

impl Packet {
    /// Moves the start of the data by `delta` bytes; metadata moves along. New bytes are what the
    /// headroom held.
    ///
    /// Kernel: `bpf_xdp_adjust_head`.
    pub fn adjust_head(&mut self, delta: i32) -> Result<(), Errno> {
        let mac = moved(self.0.mac, delta)?;
        if mac < XDP_FRAME + self.0.meta_len || mac + ETH_HLEN > self.0.end {
            return Err(Errno::EINVAL);
        }
        if mac < self.0.mac {
            self.push(self.0.mac - mac);
        } else {
            self.pull(mac - self.0.mac);
        }
        Ok(())
    }

    /// Moves the end of the data by `delta` bytes. New bytes are zero.
    ///
    /// Kernel: `bpf_xdp_adjust_tail` on a packet without fragments.
    pub fn adjust_tail(&mut self, delta: i32) -> Result<(), Errno> {
        let end = moved(self.0.end, delta)?;
        if end > self.0.hard_end || end < self.0.mac + ETH_HLEN {
            return Err(Errno::EINVAL);
        }
        if end > self.0.end {
            self.0.buf[self.0.end..end].fill(0);
        }
        self.0.end = end;
        Ok(())
    }

    /// Moves the start of the metadata by `delta` bytes: a negative number makes room for it.
    ///
    /// Kernel: `bpf_xdp_adjust_meta`.
    pub fn adjust_meta(&mut self, delta: i32) -> Result<(), Errno> {
        let start = moved(self.0.mac - self.0.meta_len, delta)?;
        if start < XDP_FRAME || start > self.0.mac {
            return Err(Errno::EINVAL);
        }
        let len = self.0.mac - start;
        if !len.is_multiple_of(4) || len > META_MAX {
            return Err(Errno::EACCES);
        }
        self.0.meta_len = len;
        Ok(())
    }

    /// The bytes that `bpf_xdp_load_bytes` copies.
    pub fn xdp_load_bytes(&self, off: u32, len: u32) -> Result<&[u8], Errno> {
        xdp_range(off, len)?;
        let at = self.data_at() + off as usize;
        self.0.buf[..self.0.end].get(at..at + len as usize).ok_or(Errno::EINVAL)
    }

    /// Kernel: `bpf_xdp_store_bytes`.
    pub fn xdp_store_bytes(&mut self, off: u32, bytes: &[u8]) -> Result<(), Errno> {
        xdp_range(off, u32::try_from(bytes.len()).unwrap_or(u32::MAX))?;
        let at = self.data_at() + off as usize;
        let to = self.0.buf[..self.0.end].get_mut(at..at + bytes.len()).ok_or(Errno::EINVAL)?;
        to.copy_from_slice(bytes);
        Ok(())
    }
}

/// Kernel: the first check of `bpf_xdp_pointer`.
fn xdp_range(off: u32, len: u32) -> Result<(), Errno> {
    if off > XDP_BYTES_MAX || len > XDP_BYTES_MAX { Err(Errno::EFAULT) } else { Ok(()) }
}

/// `at + delta`; what leaves the address space is beyond every limit.
fn moved(at: usize, delta: i32) -> Result<usize, Errno> {
    let delta = isize::try_from(delta).map_err(|_| Errno::EINVAL)?;
    at.checked_add_signed(delta).ok_or(Errno::EINVAL)
}
