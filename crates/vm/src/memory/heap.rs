//! Objects that programs make (`bpf_obj_new`). They outlive the run, as map values may point to them,
//! and belong to the [`Vm`](crate::Vm): what another one's programs find in a shared map points to none.

use super::{address, split};
use alloc::vec::Vec;

/// Region of the first object.
const OBJECTS: u32 = 0x2000_0000;
/// Objects there may be at once.
const MAX_OBJECTS: usize = 1 << 16;
/// Bytes they may take.
const MAX_BYTES: usize = 64 << 20;

struct Object {
    bytes: Vec<u8>,
    /// References to it; at 0 it is gone.
    refs: u32,
}

/// The objects of a [`Vm`](crate::Vm).
#[derive(Default)]
pub(crate) struct Heap {
    objects: Vec<Object>,
    free: Vec<u32>,
    bytes: usize,
}

impl Heap {
    /// The address of a new object of zeroes. None for want of room.
    pub(crate) fn make(&mut self, len: usize) -> Option<u64> {
        let bytes = self.bytes.checked_add(len).filter(|&bytes| bytes <= MAX_BYTES)?;
        let object = Object { bytes: alloc::vec![0; len], refs: 1 };
        let slot = match self.free.pop() {
            Some(slot) => {
                *self.objects.get_mut(slot as usize)? = object;
                slot
            }
            None if self.objects.len() < MAX_OBJECTS => {
                self.objects.push(object);
                u32::try_from(self.objects.len() - 1).ok()?
            }
            None => return None,
        };
        self.bytes = bytes;
        Some(address(OBJECTS + slot, 0))
    }

    /// One more reference to the object that holds an address.
    pub(crate) fn acquire(&mut self, addr: u64) -> Option<()> {
        let object = self.object(addr)?;
        object.refs = object.refs.checked_add(1)?;
        Some(())
    }

    /// One reference less; the last takes the object with it. None if there is no object.
    pub(crate) fn release(&mut self, addr: u64) -> Option<()> {
        let object = self.object(addr)?;
        object.refs -= 1;
        if object.refs == 0 {
            let bytes = core::mem::take(&mut object.bytes);
            self.bytes -= bytes.len();
            self.free.push(split(addr).0.checked_sub(OBJECTS)?);
        }
        Some(())
    }

    fn object(&mut self, addr: u64) -> Option<&mut Object> {
        let slot = split(addr).0.checked_sub(OBJECTS)?;
        self.objects.get_mut(slot as usize).filter(|object| object.refs > 0)
    }

    /// The bytes of a region.
    pub(super) fn get(&self, region: u32) -> Option<&[u8]> {
        let object = self.objects.get(region.checked_sub(OBJECTS)? as usize)?;
        (object.refs > 0).then_some(&object.bytes)
    }

    /// The same, to be written.
    pub(super) fn get_mut(&mut self, region: u32) -> Option<&mut [u8]> {
        self.object(address(region, 0)).map(|object| object.bytes.as_mut_slice())
    }
}
