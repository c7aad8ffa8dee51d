//! Reading and writing the bytes of an skb.

use super::{Header, Packet};
use crate::Errno;

/// `BPF_F_RECOMPUTE_CSUM`. Nothing to do: no packet here carries a checksum over its bytes.
const RECOMPUTE_CSUM: u64 = 1 << 0;
/// `BPF_F_INVALIDATE_HASH`.
const INVALIDATE_HASH: u64 = 1 << 1;
/// `INT_MAX`.
const OFF_MAX: u32 = i32::MAX.cast_unsigned();

impl Packet {
    /// The bytes that `bpf_skb_load_bytes` copies. On an error the helper clears the destination.
    pub fn load_bytes(&self, off: u32, len: u32) -> Result<&[u8], Errno> {
        if off > OFF_MAX {
            return Err(Errno::EFAULT);
        }
        let at = self.data_at() + off as usize;
        self.0.buf[..self.0.end].get(at..at + len as usize).ok_or(Errno::EFAULT)
    }

    /// The bytes that `bpf_skb_load_bytes_relative` copies; `start_header` is the helper's last
    /// argument. On an error the helper clears the destination.
    pub fn load_bytes_relative(
        &self,
        off: u32,
        len: u32,
        start_header: u32,
    ) -> Result<&[u8], Errno> {
        if off > 0xffff {
            return Err(Errno::EFAULT);
        }
        let start = match Header::new(start_header).ok_or(Errno::EFAULT)? {
            Header::Mac => self.0.mac,
            Header::Net => self.0.net,
        };
        let at = start + off as usize;
        self.0.buf[..self.0.end].get(at..at + len as usize).ok_or(Errno::EFAULT)
    }

    /// Kernel: `bpf_skb_store_bytes`.
    pub fn store_bytes(&mut self, off: u32, bytes: &[u8], flags: u64) -> Result<(), Errno> {
        if flags & !(RECOMPUTE_CSUM | INVALIDATE_HASH) != 0 {
            return Err(Errno::EINVAL);
        }
        if off > OFF_MAX {
            return Err(Errno::EFAULT);
        }
        let at = self.data_at() + off as usize;
        let end = at.checked_add(bytes.len()).ok_or(Errno::EFAULT)?;
        self.0.buf[..self.0.end].get_mut(at..end).ok_or(Errno::EFAULT)?.copy_from_slice(bytes);
        if flags & INVALIDATE_HASH != 0 {
            self.0.meta.hash = 0;
        }
        Ok(())
    }
}

impl Header {
    /// `enum bpf_hdr_start_off`.
    const fn new(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Mac),
            1 => Some(Self::Net),
            _ => None,
        }
    }
}
