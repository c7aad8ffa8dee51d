//! The packet: an owned buffer of which the program sees a part.

use super::{Memory, PACKET_BASE};
use crate::fault::{AccessError, Denied};
use alloc::vec::Vec;
use core::ops::Range;

/// Where the headers of the packet are, for `LD_ABS` with negative offsets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers {
    /// Bytes from the start of the buffer to the link-layer header.
    pub mac: usize,
    /// Bytes from the start of the buffer to the network header.
    pub net: usize,
}

/// The packet a program works on: one buffer, of which it sees a part.
#[derive(Clone, Debug, Default)]
pub struct PacketBuf {
    /// All bytes, room in front of and behind the packet included.
    pub bytes: Vec<u8>,
    /// First byte the program sees.
    pub start: usize,
    /// End of what it sees, exclusive.
    pub end: usize,
    /// Whether it may write.
    pub writable: bool,
    /// Where the headers are.
    pub headers: Headers,
}

impl PacketBuf {
    /// The visible bytes at an address.
    #[inline(always)]
    pub(super) fn find(&self, addr: u64, len: usize) -> Option<Range<usize>> {
        let start = usize::try_from(addr.wrapping_sub(PACKET_BASE.into())).ok()?;
        let end = start.checked_add(len)?;
        (start >= self.start && end <= self.end).then_some(start..end)
    }
}

impl Memory<'_> {
    #[inline(always)]
    pub(super) fn load_packet<const N: usize>(&self, addr: u64) -> Option<u64> {
        let found = self.packet.find(addr, N)?;
        let mut value = [0; 8];
        value.first_chunk_mut::<N>()?.copy_from_slice(self.packet.bytes.get(found)?);
        Some(u64::from_le_bytes(value))
    }

    #[inline(always)]
    pub(super) fn store_packet<const N: usize>(&mut self, addr: u64, value: u64) -> Option<()> {
        let found = self.packet.find(addr, N).filter(|_| self.packet.writable)?;
        let bytes = self.packet.bytes.get_mut(found)?;
        bytes.copy_from_slice(value.to_le_bytes().first_chunk::<N>()?);
        Some(())
    }

    /// The part of the packet buffer behind an address.
    pub(super) fn packet_at(
        &self,
        addr: u64,
        len: usize,
        write: bool,
    ) -> Result<Range<usize>, AccessError> {
        let deny = |why| AccessError { addr, size: len, write, why };
        let addr = self.home(addr);
        if addr < u64::from(PACKET_BASE) {
            return Err(deny(Denied::Null));
        }
        let found = self.packet.find(addr, len).ok_or(deny(Denied::Outside))?;
        if write && !self.packet.writable { Err(deny(Denied::ReadOnly)) } else { Ok(found) }
    }

    /// Big-endian packet bytes for `LD_ABS`: offsets from 0 are in what the program sees, those from
    /// `SKF_NET_OFF` and `SKF_LL_OFF` in the headers. Kernel: `bpf_internal_load_pointer_neg_helper`.
    pub(crate) fn load_abs(&self, off: i32, size: i32) -> Option<u64> {
        const SKF_NET_OFF: i32 = -0x10_0000;
        const SKF_LL_OFF: i32 = -0x20_0000;
        let packet = &self.packet;
        let (base, off) = match off {
            0.. => (packet.start, off),
            SKF_NET_OFF.. => (packet.headers.net, off.checked_sub(SKF_NET_OFF)?),
            SKF_LL_OFF.. => (packet.headers.mac, off.checked_sub(SKF_LL_OFF)?),
            _ => return None,
        };
        let at = base.checked_add(usize::try_from(off).ok()?)?;
        let end = at.checked_add(usize::try_from(size).ok()?).filter(|&end| end <= packet.end)?;
        let bytes = packet.bytes.get(at..end)?;
        Some(bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }
}
