//! Parts of memory that machine code may touch itself.

use super::{CTX, FRAME_SIZE, Kind, MEM, Memory, PACKET, PACKET_BASE, STACK, STACK_SIZE};
use super::{address, split};
use core::cell::Cell;

/// A part of memory that lies still until a helper moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Address of its first byte, as programs see it.
    pub lo: u64,
    /// Bytes.
    pub len: usize,
    /// Address of the first byte in the host.
    pub host: u64,
}

fn address_of(bytes: &[Cell<u8>]) -> u64 {
    bytes.as_ptr().expose_provenance() as u64
}

impl Memory<'_> {
    /// The part that an address lies in; of the stack so many frames.
    pub(crate) fn window(&mut self, addr: u64, write: bool, frames: u32) -> Option<Window> {
        let (region, at) = split(addr);
        let here = |lo: u32, len, host| Some(Window { lo: address(region, lo), len, host });
        match region {
            PACKET if write && !self.packet.writable => None,
            PACKET => {
                let start = self.packet.start;
                let visible = self.packet.bytes.get_mut(start..self.packet.end)?;
                let host = visible.as_mut_ptr().expose_provenance() as u64;
                here(PACKET_BASE.checked_add(u32::try_from(start).ok()?)?, visible.len(), host)
            }
            STACK => {
                let active = self.bytes.get(STACK as usize)?.rd;
                let len = FRAME_SIZE.checked_mul(frames)? as usize;
                let known = active.get(active.len().checked_sub(len)?..)?;
                let lo = u32::try_from(STACK_SIZE.checked_sub(len)?).ok()?;
                here(lo, len, address_of(known))
            }
            CTX | MEM => {
                let bytes = self.bytes.get(region as usize)?;
                let all = if write { bytes.wr } else { bytes.rd };
                here(bytes.lo, all.len(), address_of(all))
            }
            region => match *self.regions.get(region as usize)? {
                Kind::Map { values, rd, wr, .. } if if write { wr } else { rd } => {
                    // A value, not the whole store.
                    let lo = at - at.checked_rem(u32::try_from(values.stride()).ok()?)?;
                    let is_there = (lo as usize) < values.len();
                    let base = values.as_ptr().as_ptr().expose_provenance() as u64;
                    is_there.then(|| here(lo, values.value_size(), base + u64::from(lo)))?
                }
                _ => None,
            },
        }
    }
}
