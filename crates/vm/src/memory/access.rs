//! Accesses of any length to any region, and what there is to say about a refused one.

use super::heap::What;
use super::{MAPS, MapRegion, Memory, NAMES, PACKET, PACKET_BASE, STACK, Temporary};
use crate::fault::{AccessError, Denied};
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use skep_isa::Size;
use skep_map::{Map, Values};

impl<'m> Memory<'m> {
    /// Loads from any region.
    #[cold]
    #[inline(never)]
    pub(crate) fn load_slow(&self, addr: u64, size: usize) -> Result<u64, AccessError> {
        let mut bytes = [0; 8];
        let denied = AccessError { addr, size, write: false, why: Denied::Outside };
        match self.values(addr, size, false) {
            Ok(Some((values, at))) => return values.load(at, size_of_bytes(size)).ok_or(denied),
            Ok(None) => {}
            Err(_) if self.is_hole(addr, size) => return Ok(0),
            Err(access) => return Err(access),
        }
        // An instruction is no copy that a helper makes.
        self.peek(addr, bytes.get_mut(..size).ok_or(denied)?)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Stores to any region.
    #[cold]
    #[inline(never)]
    pub(crate) fn store_slow(
        &mut self,
        addr: u64,
        size: usize,
        value: u64,
    ) -> Result<(), AccessError> {
        let denied = AccessError { addr, size, write: true, why: Denied::Outside };
        match self.values(addr, size, true) {
            Ok(Some((values, at))) => {
                return values.store(at, size_of_bytes(size), value).ok_or(denied);
            }
            Ok(None) => {}
            Err(_) if self.is_hole(addr, size) => return Ok(()),
            Err(access) => return Err(access),
        }
        let copied = self.copied.get();
        let stored = self.write(addr, value.to_le_bytes().get(..size).ok_or(denied)?);
        self.copied.set(copied);
        stored
    }

    /// The shared memory behind an address, if it is that of a map or record.
    #[inline(always)]
    pub(super) fn values(
        &self,
        addr: u64,
        size: usize,
        write: bool,
    ) -> Result<Option<(&'m Values, usize)>, AccessError> {
        let (region, at) = self.split(addr);
        if let Some(map) = self.map(region)
            && map.allows(write)
            && let Some(values) = map.values()
        {
            return Ok(Some((values, at as usize)));
        }
        self.values_elsewhere(addr, size, write)
    }

    /// The same where it is not simply that of a map.
    fn values_elsewhere(
        &self,
        addr: u64,
        size: usize,
        write: bool,
    ) -> Result<Option<(&'m Values, usize)>, AccessError> {
        let (region, at) = self.split(addr);
        let deny = |why| AccessError { addr, size, write, why };
        if let Some(region) = self.map(region) {
            return match &region.map {
                Map::Arena(arena) if arena.is_allocated(at as usize, size) => {
                    Ok(Some((arena.values(), at as usize)))
                }
                Map::Arena(_) => Err(deny(Denied::Outside)),
                _ if region.values().is_none() => Ok(None),
                _ => Err(deny(if write { Denied::ReadOnly } else { Denied::WriteOnly })),
            };
        }
        let Some(&Temporary::Record { ring, record }) = self.temporary(region) else {
            return Ok(None);
        };
        let at = at as usize;
        if at.checked_add(size).is_none_or(|end| end > record.len as usize) {
            return Err(deny(Denied::Outside));
        }
        Ok(Some((ring.values(), record.at + at)))
    }

    /// What stands in a lock at this address while this process holds it.
    pub(crate) fn lock_owner(&self, addr: u64) -> u32 {
        let values = self.values(addr, 4, true).ok().flatten();
        values.map_or(1, |(values, _)| values.lock_owner())
    }

    /// Whether a lock there is held by a process that is gone.
    pub(crate) fn is_dead_owner(&self, addr: u64, owner: u64) -> bool {
        let values = self.values(addr, 4, true).ok().flatten();
        let owner = u32::try_from(owner).ok();
        values.zip(owner).is_some_and(|((values, _), owner)| values.is_dead_owner(owner))
    }

    /// Whether an address is that of a page which an arena does not have. Programs read zero there, and what
    /// they write is gone. Kernel: `ex_handler_bpf`.
    fn is_hole(&self, addr: u64, size: usize) -> bool {
        let (region, at) = self.split(addr);
        match self.map(region).map(|region| &region.map) {
            Some(Map::Arena(arena)) => !arena.is_allocated(at as usize, size),
            _ => false,
        }
    }

    /// Private bytes behind an address.
    fn cells(&self, addr: u64, len: usize, write: bool) -> Result<&'m [Cell<u8>], AccessError> {
        let (idx, at) = self.split(addr);
        let deny = |why| AccessError { addr, size: len, write, why };
        if let Some(Temporary::Copy(..)) = self.temporary(idx) {
            return Err(deny(Denied::ReadOnly));
        }
        let bytes = self.bytes.get(idx as usize).ok_or(deny(Denied::NoRegion))?;
        let at = at.wrapping_sub(bytes.lo) as usize;
        let end = at.checked_add(len).ok_or(deny(Denied::Outside))?;
        let all = if write { bytes.wr } else { bytes.rd };
        all.get(at..end).ok_or_else(|| {
            deny(if bytes.rd.get(at..end).is_some() { Denied::ReadOnly } else { Denied::Outside })
        })
    }

    /// Copies bytes out, from any region.
    ///
    /// # Errors
    /// [`AccessError`] unless all of them may be read.
    pub fn read(&self, addr: u64, out: &mut [u8]) -> Result<(), AccessError> {
        self.count(out.len());
        self.read_home(self.home(addr), out).map_err(|err| AccessError { addr, ..err })
    }

    /// The same at the address of a region.
    fn read_home(&self, addr: u64, out: &mut [u8]) -> Result<(), AccessError> {
        let deny = AccessError { addr, size: out.len(), write: false, why: Denied::Outside };
        if let Some((values, at)) = self.values(addr, out.len(), false)? {
            return values.read(at, out).ok_or(deny);
        }
        if self.split(addr).0 == PACKET {
            let found = self.packet_at(addr, out.len(), false)?;
            out.copy_from_slice(self.packet.bytes.get(found).ok_or(deny)?);
            return Ok(());
        }
        let (idx, at) = self.split(addr);
        let copy = match self.temporary(idx) {
            Some(Temporary::Copy(_, bytes, _)) => Some(bytes.as_slice()),
            _ => self.heap.get(idx),
        };
        if let Some(bytes) = copy {
            let at = at as usize;
            let end = at.checked_add(out.len()).ok_or(deny)?;
            out.copy_from_slice(bytes.get(at..end).ok_or(deny)?);
            return Ok(());
        }
        for (byte, cell) in out.iter_mut().zip(self.cells(addr, deny.size, false)?) {
            *byte = cell.get();
        }
        Ok(())
    }

    /// Copies bytes in, to any region.
    ///
    /// # Errors
    /// [`AccessError`] unless all of them may be written.
    pub fn write(&mut self, addr: u64, bytes: &[u8]) -> Result<(), AccessError> {
        self.count(bytes.len());
        self.write_home(self.home(addr), bytes).map_err(|err| AccessError { addr, ..err })
    }

    /// The same at the address of a region.
    fn write_home(&mut self, addr: u64, bytes: &[u8]) -> Result<(), AccessError> {
        let deny = AccessError { addr, size: bytes.len(), write: true, why: Denied::Outside };
        if let Some((values, at)) = self.values(addr, bytes.len(), true)? {
            return values.write(at, bytes).ok_or(deny);
        }
        if self.split(addr).0 == PACKET {
            let found = self.packet_at(addr, bytes.len(), true)?;
            self.packet.bytes.get_mut(found).ok_or(deny)?.copy_from_slice(bytes);
            return Ok(());
        }
        let (idx, at) = self.split(addr);
        if let Some(object) = self.heap.get_mut(idx) {
            let at = at as usize;
            let end = at.checked_add(bytes.len()).ok_or(deny)?;
            object.get_mut(at..end).ok_or(deny)?.copy_from_slice(bytes);
            return Ok(());
        }
        if self.has_halves(addr) {
            return self.write_ctx(addr, bytes);
        }
        if let Some(Temporary::Copy(_, copy, writable)) = self.temporary_mut(idx) {
            let at = at as usize;
            let end = at.checked_add(bytes.len()).ok_or(deny)?;
            if at < writable.start || end > writable.end {
                return Err(AccessError { why: Denied::ReadOnly, ..deny });
            }
            copy.get_mut(at..end).ok_or(deny)?.copy_from_slice(bytes);
            return Ok(());
        }
        if self.is_object(idx) {
            return Err(AccessError { why: Denied::ReadOnly, ..deny });
        }
        for (byte, cell) in bytes.iter().zip(self.cells(addr, bytes.len(), true)?) {
            cell.set(*byte);
        }
        Ok(())
    }

    /// Writes zeroes.
    ///
    /// # Errors
    /// [`AccessError`] unless all of the bytes may be written.
    pub fn zero(&mut self, addr: u64, len: u64) -> Result<(), AccessError> {
        const ZEROES: [u8; 64] = [0; 64];
        let mut done = 0;
        while done < len {
            let part = usize::try_from(len - done).unwrap_or(ZEROES.len()).min(ZEROES.len());
            self.write(addr.wrapping_add(done), ZEROES.get(..part).unwrap_or_default())?;
            done += part as u64;
        }
        Ok(())
    }

    fn count(&self, bytes: usize) {
        self.copied.set(self.copied.get().saturating_add(bytes as u64));
    }

    /// The bytes that helpers have copied since the last time.
    pub(crate) fn take_copied(&self) -> u64 {
        self.copied.take()
    }

    /// Copies bytes out for somebody who is not the program and does not pay.
    pub(crate) fn peek(&self, addr: u64, out: &mut [u8]) -> Result<(), AccessError> {
        let copied = self.copied.get();
        let result = self.read(addr, out);
        self.copied.set(copied);
        result
    }

    /// Distance of the values in a region, if it is a map's.
    pub(crate) fn stride(&self, region: u32) -> Option<u32> {
        u32::try_from(self.map(region)?.values()?.stride()).ok()
    }

    /// Whether a region is an object of the program.
    pub(crate) fn is_object(&self, region: u32) -> bool {
        self.heap.get(region).is_some()
    }

    /// Whether a region is a record or a helper's copy.
    pub(crate) fn is_temporary(&self, region: u32) -> bool {
        matches!(self.temporary(region), Some(Temporary::Record { .. } | Temporary::Copy(..)))
    }

    /// Copies `len` bytes out; a length beyond what the region holds fails before any allocation.
    ///
    /// # Errors
    /// [`AccessError`] unless all of them may be read.
    pub fn read_vec(&self, addr: u64, len: u64) -> Result<Vec<u8>, AccessError> {
        let size = usize::try_from(len).unwrap_or(usize::MAX);
        let deny = AccessError { addr, size, write: false, why: Denied::Outside };
        if self.len_of(addr).is_none_or(|all| size > all) {
            // Zero bytes may be taken from anywhere.
            return if len == 0 { Ok(Vec::new()) } else { Err(self.explain(deny)) };
        }
        let mut out = alloc::vec![0; size];
        self.read(addr, &mut out)?;
        Ok(out)
    }

    /// The reason an access of one byte would be refused, for a refusal of more.
    fn explain(&self, deny: AccessError) -> AccessError {
        let why = match self.read(deny.addr, &mut [0]) {
            Err(err) => err.why,
            Ok(()) => Denied::Outside,
        };
        AccessError { why, ..deny }
    }

    /// A text that ends with NUL, without it, at most `max` bytes.
    ///
    /// # Errors
    /// [`AccessError`] if readable memory ends before the text does.
    pub fn read_str(&self, addr: u64, max: usize) -> Result<Vec<u8>, AccessError> {
        let mut text = Vec::new();
        while text.len() < max {
            let mut byte = [0];
            self.read(addr.wrapping_add(text.len() as u64), &mut byte)?;
            match byte {
                [0] => break,
                [byte] => text.push(byte),
            }
        }
        Ok(text)
    }

    /// Bytes that may be read from `addr` to the end of its region.
    fn len_of(&self, addr: u64) -> Option<usize> {
        let (idx, at) = self.split(addr);
        let bytes = self.bytes.get(idx as usize).copied().unwrap_or_default();
        if let Some(object) = self.heap.get(idx) {
            return object.len().checked_sub(at as usize);
        }
        let len = match idx {
            PACKET => return self.packet.end.checked_sub(at.wrapping_sub(PACKET_BASE) as usize),
            STACK..MAPS => bytes.rd.len(),
            _ => match (self.map(idx), self.temporary(idx)) {
                (Some(MapRegion { map: Map::Arena(arena), .. }), _) => arena.values().len(),
                (Some(map), _) => map.values().map_or(0, Values::len),
                (None, temporary) => match temporary? {
                    Temporary::Free => 0,
                    Temporary::Record { record, .. } => record.len as usize,
                    Temporary::Copy(_, bytes, _) => bytes.len(),
                },
            },
        };
        len.checked_sub(at.wrapping_sub(bytes.lo) as usize)
    }

    /// Name, bounds and position of an address, for messages.
    pub(crate) fn place(&self, addr: u64) -> Option<Place> {
        let (idx, at) = self.split(addr);
        let bytes = self.bytes.get(idx as usize).copied().unwrap_or_default();
        let place = |name: &str, lo, len| Place { region: name.into(), at, lo, len };
        if let Some(object) = self.heap.get(idx) {
            let name = self.heap.what_is(idx).map_or("object", What::name);
            return Some(place(name, 0, object.len()));
        }
        if let Some(&name) = NAMES.get(idx as usize) {
            if idx == PACKET {
                let packet = &self.packet;
                let lo = PACKET_BASE.saturating_add(u32::try_from(packet.start).ok()?);
                return Some(place(name, lo, packet.end.saturating_sub(packet.start)));
            }
            return (!bytes.rd.is_empty()).then(|| place(name, bytes.lo, bytes.rd.len()));
        }
        if let Some(region) = self.map(idx) {
            if let Map::Arena(arena) = &region.map {
                return Some(place("arena", 0, arena.values().len()));
            }
            let values = region.values()?;
            let name = alloc::format!("map {}", region.map.def().name);
            // A value, not the whole store, is what an access must stay inside.
            let lo = at - at.checked_rem(u32::try_from(values.stride()).ok()?)?;
            return Some(place(&name, lo, values.value_size()));
        }
        match self.temporary(idx)? {
            Temporary::Free => None,
            Temporary::Record { record, .. } => {
                Some(place("ring buffer record", 0, record.len as usize))
            }
            Temporary::Copy(name, bytes, _) => Some(place(name, 0, bytes.len())),
        }
    }
}

/// Where an address lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Name of the region: `stack`, `map flows`.
    pub region: String,
    /// Position in the region.
    pub at: u32,
    /// First position that may be touched.
    pub lo: u32,
    /// Bytes from there that may be touched.
    pub len: usize,
}

pub(super) const fn size_of_bytes(size: usize) -> Size {
    match size {
        1 => Size::B,
        2 => Size::H,
        4 => Size::W,
        _ => Size::Dw,
    }
}
