//! Parts of memory that machine code may touch itself.

use super::{CTX, FRAME_SIZE, MEM, Memory, PACKET, PACKET_BASE, STACK, STACK_SIZE, Temporary};
use super::{address, split};

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

/// Where memory lies that windows are of. Those from before it changed hold no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The packet: its bytes, what is seen of them, and whether they may be written.
    packet: (u64, usize, usize, bool),
    /// Records, copies and objects that are gone.
    gone: u64,
}

fn address_of<T>(bytes: &[T]) -> u64 {
    bytes.as_ptr().expose_provenance() as u64
}

impl Memory<'_> {
    /// What windows depend on.
    pub(crate) fn layout(&mut self) -> Layout {
        let packet = &mut self.packet;
        let base = packet.bytes.as_mut_ptr().expose_provenance() as u64;
        Layout {
            packet: (base, packet.start, packet.end, packet.writable),
            gone: self.taken + self.heap.gone,
        }
    }

    /// The part that may be read around an address of the host, with the whole stack; none for objects, whose addresses
    /// are no host's.
    pub(crate) fn host_window(&mut self, addr: u64) -> Option<Window> {
        let stack = self.bytes.get(STACK as usize)?.rd.len();
        let frames = u32::try_from(stack).ok()? / FRAME_SIZE;
        let home = self.home(addr);
        if self.is_object(split(home).0) {
            return None;
        }
        let window = self.window(home, false, frames)?;
        Some(Window { lo: window.host, ..window })
    }

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
            region if write && self.is_object(region) => {
                let object = self.heap.get_mut(region)?;
                let host = object.as_mut_ptr().expose_provenance() as u64;
                here(0, object.len(), host)
            }
            region if self.is_object(region) => {
                let object = self.heap.get(region)?;
                here(0, object.len(), address_of(object))
            }
            region if let Some(map) = self.map(region) => {
                let values = map.values().filter(|_| map.allows(write))?;
                // A value, not the whole store.
                let lo = at - at.checked_rem(u32::try_from(values.stride()).ok()?)?;
                let is_there = (lo as usize) < values.len();
                let base = values.as_ptr().as_ptr().expose_provenance() as u64;
                is_there.then(|| here(lo, values.value_size(), base + u64::from(lo)))?
            }
            region => match self.temporary_mut(region)? {
                &mut Temporary::Record { ring, record } => {
                    let base = ring.values().as_ptr().as_ptr().expose_provenance();
                    here(0, record.len as usize, (base + record.at) as u64)
                }
                Temporary::Copy(_, bytes, _) if !write => here(0, bytes.len(), address_of(bytes)),
                Temporary::Copy(_, bytes, writable) => {
                    let lo = u32::try_from(writable.start).ok()?;
                    let bytes = bytes.get_mut(writable.clone())?;
                    let host = bytes.as_mut_ptr().expose_provenance() as u64;
                    here(lo, bytes.len(), host)
                }
                Temporary::Free => None,
            },
        }
    }
}
