//! What a program may touch, as regions of a virtual address space.
//!
//! A program never sees a host address. An address is a region number in the high 32 bits and a
//! position in the low 32; each access is looked up and checked here. The packet is region 0, so that
//! its addresses fit the 32-bit `data` and `data_end` fields of the context, which programs load as
//! they stand in `struct xdp_md` and `struct __sk_buff`.
//!
//! ```text
//! 0x00000000_xxxxxxxx  packet           0x00000003_xxxxxxxx  memory of the embedder
//! 0x00000001_xxxxxxxx  stack            0x00000004_xxxxxxxx  values of map 0, then map 1, …
//! 0x00000002_xxxxxxxx  context          after the maps       ring buffer records in the making
//! ```
//!
//! # Invariants
//!
//! - The packet buffer is owned, so that helpers can exchange it; other byte regions are `Cell`s that
//!   program, helpers and the embedder may hold at once. Nothing here is shared between threads.
//! - Map values are shared between threads; the map crate makes their accesses atomic.
//! - Handles of maps and functions lie in regions that hold nothing, so following one faults.

use crate::fault::{AccessError, Denied};
use alloc::vec::Vec;
use core::cell::Cell;
use skep_isa::{AtomicOp, Size};
use skep_map::{KeyValue, Map, Record, RingBuf, Values};

/// The packet's region.
pub const PACKET: u32 = 0;
/// The stack's region.
pub const STACK: u32 = 1;
/// The context's region.
pub const CTX: u32 = 2;
/// The region of the embedder's own memory.
pub const MEM: u32 = 3;
/// Region of the first map's values.
pub(crate) const MAPS: u32 = 4;
/// Region number of map handles, which are no memory.
const HANDLES: u32 = 0x4000_0000;
/// Region number of function addresses, which are no memory.
const FUNCS: u32 = 0x4000_0001;

/// Position of byte 0 of the packet buffer in its region; below it lies the null page.
pub const PACKET_BASE: u32 = 0x1_0000;
/// Bytes of stack a function may use. Kernel: `MAX_BPF_STACK`.
pub const FRAME_SIZE: u32 = 512;
/// Functions that may be active at once. Kernel: `MAX_CALL_FRAMES`.
pub const MAX_FRAMES: u32 = 8;
/// Bytes of the whole stack.
pub(crate) const STACK_SIZE: usize = (FRAME_SIZE * MAX_FRAMES) as usize;

/// The address of byte `at` of a region.
#[must_use]
pub const fn address(region: u32, at: u32) -> u64 {
    (region as u64) << 32 | at as u64
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves of an address")]
const fn split(addr: u64) -> (u32, u32) {
    ((addr >> 32) as u32, addr as u32)
}

/// The handle of a map, as `lddw` loads it and helpers take it.
pub(crate) const fn map_handle(idx: u32) -> u64 {
    address(HANDLES, idx)
}

/// The map a handle stands for.
pub(crate) fn map_of(handle: u64) -> Option<u32> {
    let (region, idx) = split(handle);
    (region == HANDLES).then_some(idx)
}

/// The address of a function, by its op.
pub(crate) const fn func_address(op: u32) -> u64 {
    address(FUNCS, op)
}

/// The op of a function address.
pub(crate) fn func_of(addr: u64) -> Option<u32> {
    let (region, op) = split(addr);
    (region == FUNCS).then_some(op)
}

/// One region.
struct Region<'m> {
    /// What may be read; empty for what is not plain bytes.
    rd: &'m [Cell<u8>],
    /// What may be written: the same bytes or none.
    wr: &'m [Cell<u8>],
    /// Position of the first of them.
    lo: u32,
    kind: Kind<'m>,
}

enum Kind<'m> {
    /// A map without values.
    Nothing,
    /// Was a record; may be used again.
    Free,
    Bytes(&'static str),
    Map {
        map: &'m dyn KeyValue,
        rd: bool,
        wr: bool,
    },
    Record {
        ring: &'m RingBuf,
        record: Record,
    },
    /// Bytes of a helper, read-only.
    Copy(Vec<u8>),
}

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
    /// The visible bytes at a position in the region.
    #[inline(always)]
    fn find(&self, at: u32, len: usize) -> Option<core::ops::Range<usize>> {
        let start = at.wrapping_sub(PACKET_BASE) as usize;
        let end = start.checked_add(len)?;
        (start >= self.start && end <= self.end).then_some(start..end)
    }
}

/// The address space of one run.
pub struct Memory<'m> {
    regions: Vec<Region<'m>>,
    /// The packet; helpers may move its bounds and exchange its bytes.
    pub packet: PacketBuf,
}

/// Turns exclusive bytes into what [`Memory`] takes.
pub fn cells(bytes: &mut [u8]) -> &[Cell<u8>] {
    Cell::from_mut(bytes).as_slice_of_cells()
}

impl<'m> Memory<'m> {
    pub(crate) fn new(storage: RegionStorage, stack: &'m [Cell<u8>]) -> Self {
        let mut regions = storage.reuse();
        regions.extend(["packet", "stack", "context", "memory"].map(|name| Region {
            rd: &[],
            wr: &[],
            lo: 0,
            kind: Kind::Bytes(name),
        }));
        let mut this = Self { regions, packet: PacketBuf::default() };
        this.set(STACK, stack, 0, true);
        this
    }

    pub(crate) fn into_storage(self) -> RegionStorage {
        RegionStorage::keep(self.regions)
    }

    /// Gives a byte region its content, from position `lo` of the region.
    fn set(&mut self, region: u32, bytes: &'m [Cell<u8>], lo: u32, writable: bool) {
        if let Some(slot) = self.regions.get_mut(region as usize) {
            slot.rd = bytes;
            slot.wr = if writable { bytes } else { &[] };
            slot.lo = lo;
        }
    }

    /// The context.
    pub fn set_ctx(&mut self, bytes: &'m [Cell<u8>], writable: bool) {
        self.set(CTX, bytes, 0, writable);
    }

    /// Memory of the embedder.
    pub fn set_mem(&mut self, bytes: &'m [Cell<u8>]) {
        self.set(MEM, bytes, 0, true);
    }

    /// The part of the stack that `depth` active functions may touch; the deepest has the lowest
    /// addresses.
    pub(crate) fn set_frames(&mut self, stack: &'m [Cell<u8>], depth: u32) {
        let lo = STACK_SIZE.saturating_sub((FRAME_SIZE * depth) as usize);
        let lo32 = u32::try_from(lo).unwrap_or(u32::MAX);
        self.set(STACK, stack.get(lo..).unwrap_or(&[]), lo32, true);
    }

    /// The values of the next map, readable and writable as its flags say.
    pub(crate) fn push_map(&mut self, map: &'m Map) {
        let kind = match map {
            Map::KeyValue(values) => {
                let access = map.prog_access();
                Kind::Map { map: &**values, rd: access.read, wr: access.write }
            }
            _ => Kind::Nothing,
        };
        self.regions.push(Region { rd: &[], wr: &[], lo: 0, kind });
    }

    /// A ring buffer record, touchable until it is taken back. Returns its address.
    pub(crate) fn push_record(&mut self, ring: &'m RingBuf, record: Record) -> u64 {
        self.push(Kind::Record { ring, record })
    }

    /// Bytes for the program to read until they are dropped. Returns their address.
    pub(crate) fn push_copy(&mut self, bytes: Vec<u8>) -> u64 {
        self.push(Kind::Copy(bytes))
    }

    /// Takes away what [`Memory::push_copy`] gave.
    pub(crate) fn drop_copy(&mut self, addr: u64) {
        if let Some(region) = self.regions.get_mut(split(addr).0 as usize) {
            region.kind = Kind::Free;
        }
    }

    fn push(&mut self, kind: Kind<'m>) -> u64 {
        let region = Region { rd: &[], wr: &[], lo: 0, kind };
        let idx = self.regions.iter().position(|r| matches!(r.kind, Kind::Free));
        let idx = idx.unwrap_or(self.regions.len());
        match self.regions.get_mut(idx) {
            Some(free) => *free = region,
            None => self.regions.push(region),
        }
        address(u32::try_from(idx).unwrap_or(u32::MAX), 0)
    }

    /// Takes back a record by its address.
    pub(crate) fn take_record(&mut self, addr: u64) -> Option<(&'m RingBuf, Record)> {
        let (region, 0) = split(addr) else { return None };
        let kind = &mut self.regions.get_mut(region as usize)?.kind;
        let Kind::Record { ring, record } = *kind else { return None };
        *kind = Kind::Free;
        Some((ring, record))
    }

    /// Takes back all records that are still open.
    pub(crate) fn close_records(&mut self) {
        for region in &mut self.regions {
            if let Kind::Record { ring, record } = region.kind {
                ring.discard(record);
                region.kind = Kind::Free;
            }
        }
    }

    #[inline(always)]
    fn rd<const N: usize>(&self, addr: u64) -> Option<&[Cell<u8>; N]> {
        let (region, at) = split(addr);
        let region = self.regions.get(region as usize)?;
        let at = at.wrapping_sub(region.lo) as usize;
        region.rd.get(at..at + N)?.as_array()
    }

    #[inline(always)]
    fn wr<const N: usize>(&self, addr: u64) -> Option<&[Cell<u8>; N]> {
        let (region, at) = split(addr);
        let region = self.regions.get(region as usize)?;
        let at = at.wrapping_sub(region.lo) as usize;
        region.wr.get(at..at + N)?.as_array()
    }

    /// Loads `N` bytes, 1 to 8, zero-extended.
    #[inline(always)]
    pub(crate) fn load<const N: usize>(&self, addr: u64) -> Result<u64, AccessError> {
        match self.rd::<N>(addr) {
            Some(cells) => {
                let mut bytes = [0; 8];
                for (byte, cell) in bytes.iter_mut().zip(cells) {
                    *byte = cell.get();
                }
                Ok(u64::from_le_bytes(bytes))
            }
            None if addr >> 32 == 0 => self.load_packet::<N>(addr),
            None => self.load_slow(addr, N),
        }
    }

    /// Stores the low `N` bytes.
    #[inline(always)]
    pub(crate) fn store<const N: usize>(
        &mut self,
        addr: u64,
        value: u64,
    ) -> Result<(), AccessError> {
        match self.wr::<N>(addr) {
            Some(cells) => {
                for (byte, cell) in value.to_le_bytes().iter().zip(cells) {
                    cell.set(*byte);
                }
                Ok(())
            }
            None => self.store_slow(addr, N, value),
        }
    }

    #[inline(always)]
    fn load_packet<const N: usize>(&self, addr: u64) -> Result<u64, AccessError> {
        let found = self.packet.find(split(addr).1, N);
        match found.and_then(|at| self.packet.bytes.get(at)?.first_chunk::<N>()) {
            Some(chunk) => {
                let mut bytes = [0; 8];
                for (byte, from) in bytes.iter_mut().zip(chunk) {
                    *byte = *from;
                }
                Ok(u64::from_le_bytes(bytes))
            }
            None => self.load_slow(addr, N),
        }
    }

    fn load_slow(&self, addr: u64, size: usize) -> Result<u64, AccessError> {
        let mut bytes = [0; 8];
        let denied = AccessError { addr, size, write: false, why: Denied::Outside };
        if let Some((values, at)) = self.values(addr, size, false)? {
            return values.load(at, width(size)).ok_or(denied);
        }
        self.read(addr, bytes.get_mut(..size).ok_or(denied)?)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn store_slow(&mut self, addr: u64, size: usize, value: u64) -> Result<(), AccessError> {
        let denied = AccessError { addr, size, write: true, why: Denied::Outside };
        if let Some((values, at)) = self.values(addr, size, true)? {
            return values.store(at, width(size), value).ok_or(denied);
        }
        self.write(addr, value.to_le_bytes().get(..size).ok_or(denied)?)
    }

    /// The shared memory behind an address, if it is that of a map or record.
    fn values(
        &self,
        addr: u64,
        size: usize,
        write: bool,
    ) -> Result<Option<(&'m Values, usize)>, AccessError> {
        let (region, at) = split(addr);
        let deny = |why| AccessError { addr, size, write, why };
        match self.regions.get(region as usize).map(|r| &r.kind) {
            Some(Kind::Map { wr: false, .. }) if write => Err(deny(Denied::ReadOnly)),
            Some(Kind::Map { rd: false, .. }) if !write => Err(deny(Denied::WriteOnly)),
            Some(Kind::Map { map, .. }) => Ok(Some((map.values(), at as usize))),
            Some(&Kind::Record { ring, record }) => {
                let at = at as usize;
                if at.checked_add(size).is_none_or(|end| end > record.len as usize) {
                    return Err(deny(Denied::Outside));
                }
                Ok(Some((ring.values(), record.at + at)))
            }
            _ => Ok(None),
        }
    }

    /// Private bytes behind an address.
    fn cells(&self, addr: u64, len: usize, write: bool) -> Result<&'m [Cell<u8>], AccessError> {
        let (idx, at) = split(addr);
        let deny = |why| AccessError { addr, size: len, write, why };
        let region = match self.regions.get(idx as usize) {
            Some(Region { kind: Kind::Copy(_), .. }) => return Err(deny(Denied::ReadOnly)),
            Some(region) if matches!(region.kind, Kind::Bytes(_)) => region,
            _ => return Err(deny(Denied::NoRegion)),
        };
        let at = at.wrapping_sub(region.lo) as usize;
        let end = at.checked_add(len).ok_or(deny(Denied::Outside))?;
        let all = if write { region.wr } else { region.rd };
        all.get(at..end).ok_or_else(|| {
            deny(if region.rd.get(at..end).is_some() { Denied::ReadOnly } else { Denied::Outside })
        })
    }

    /// The part of the packet buffer behind an address.
    fn packet_at(
        &self,
        addr: u64,
        len: usize,
        write: bool,
    ) -> Result<core::ops::Range<usize>, AccessError> {
        let deny = |why| AccessError { addr, size: len, write, why };
        if addr < u64::from(PACKET_BASE) {
            return Err(deny(Denied::Null));
        }
        let found = self.packet.find(split(addr).1, len).ok_or(deny(Denied::Outside))?;
        if write && !self.packet.writable { Err(deny(Denied::ReadOnly)) } else { Ok(found) }
    }

    /// Copies bytes out, from any region.
    ///
    /// # Errors
    /// [`AccessError`] unless all of them may be read.
    pub fn read(&self, addr: u64, out: &mut [u8]) -> Result<(), AccessError> {
        let deny = AccessError { addr, size: out.len(), write: false, why: Denied::Outside };
        if let Some((values, at)) = self.values(addr, out.len(), false)? {
            return values.read(at, out).ok_or(deny);
        }
        if addr >> 32 == u64::from(PACKET) {
            let found = self.packet_at(addr, out.len(), false)?;
            out.copy_from_slice(self.packet.bytes.get(found).ok_or(deny)?);
            return Ok(());
        }
        let (idx, at) = split(addr);
        if let Some(Kind::Copy(bytes)) = self.regions.get(idx as usize).map(|r| &r.kind) {
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
        let deny = AccessError { addr, size: bytes.len(), write: true, why: Denied::Outside };
        if let Some((values, at)) = self.values(addr, bytes.len(), true)? {
            return values.write(at, bytes).ok_or(deny);
        }
        if addr >> 32 == u64::from(PACKET) {
            let found = self.packet_at(addr, bytes.len(), true)?;
            self.packet.bytes.get_mut(found).ok_or(deny)?.copy_from_slice(bytes);
            return Ok(());
        }
        for (byte, cell) in bytes.iter().zip(self.cells(addr, bytes.len(), true)?) {
            cell.set(*byte);
        }
        Ok(())
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

    /// Atomic read-modify-write; returns the old value, zero-extended.
    pub(crate) fn atomic(
        &mut self,
        addr: u64,
        size: Size,
        op: AtomicOp,
        src: u64,
        r0: u64,
    ) -> Result<u64, AccessError> {
        let bytes = usize::from(size.bytes());
        let deny = |why| AccessError { addr, size: bytes, write: true, why };
        if addr % bytes as u64 != 0 {
            return Err(deny(Denied::Unaligned));
        }
        if let Some((values, at)) = self.values(addr, bytes, true)? {
            return values.atomic(at, size, op, src, r0).map_err(|_| deny(Denied::Outside));
        }
        // Private bytes belong to this thread alone: a load and a store will do.
        let mut old = [0; 8];
        self.read(addr, old.get_mut(..bytes).unwrap_or_default())?;
        let old = u64::from_le_bytes(old);
        if let Some(new) = modify(size, op, old, src, r0) {
            self.write(addr, new.to_le_bytes().get(..bytes).unwrap_or_default())?;
        }
        Ok(old)
    }

    /// Load with acquire ordering.
    pub(crate) fn load_acquire(&self, addr: u64, size: usize) -> Result<u64, AccessError> {
        if !addr.is_multiple_of(size as u64) {
            return Err(AccessError { addr, size, write: false, why: Denied::Unaligned });
        }
        match self.values(addr, size, false)? {
            Some((values, at)) => values.load_acquire(at, width(size)).map_err(|_| AccessError {
                addr,
                size,
                write: false,
                why: Denied::Outside,
            }),
            None => self.load_slow(addr, size),
        }
    }

    /// Store with release ordering.
    pub(crate) fn store_release(
        &mut self,
        addr: u64,
        size: usize,
        value: u64,
    ) -> Result<(), AccessError> {
        if !addr.is_multiple_of(size as u64) {
            return Err(AccessError { addr, size, write: true, why: Denied::Unaligned });
        }
        match self.values(addr, size, true)? {
            Some((values, at)) => values
                .store_release(at, width(size), value)
                .map_err(|_| AccessError { addr, size, write: true, why: Denied::Outside }),
            None => self.store_slow(addr, size, value),
        }
    }

    /// Big-endian packet bytes for `LD_ABS`: offsets from 0 are in what the program sees, those from
    /// `SKF_NET_OFF` and `SKF_LL_OFF` in the headers. Kernel: `bpf_internal_load_pointer_neg_helper`.
    pub(crate) fn load_abs(&self, off: i32, size: Size) -> Option<u64> {
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
        let end = at.checked_add(size.bytes().into()).filter(|&end| end <= packet.end)?;
        let bytes = packet.bytes.get(at..end)?;
        Some(bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    /// Overwrites a field of the context, which the program itself may not be able to write.
    pub fn poke_ctx(&self, at: usize, bytes: &[u8]) {
        let ctx = self.regions.get(CTX as usize).and_then(|region| region.rd.get(at..));
        for (byte, cell) in bytes.iter().zip(ctx.unwrap_or_default()) {
            cell.set(*byte);
        }
    }

    /// Bytes that may be read from `addr` to the end of its region.
    fn len_of(&self, addr: u64) -> Option<usize> {
        let (idx, at) = split(addr);
        let region = self.regions.get(idx as usize)?;
        let at = at.wrapping_sub(region.lo) as usize;
        let len = match region.kind {
            Kind::Nothing | Kind::Free => 0,
            Kind::Bytes(_) if idx == PACKET => {
                let start = split(addr).1.wrapping_sub(PACKET_BASE) as usize;
                return self.packet.end.checked_sub(start);
            }
            Kind::Bytes(_) => region.rd.len(),
            Kind::Map { map, .. } => map.values().len(),
            Kind::Record { record, .. } => record.len as usize,
            Kind::Copy(ref bytes) => bytes.len(),
        };
        len.checked_sub(at)
    }

    /// Name, bounds and position of an address, for messages.
    pub(crate) fn place(&self, addr: u64) -> Option<Place> {
        let (idx, at) = split(addr);
        let region = self.regions.get(idx as usize)?;
        let place = |name: &str, lo, len| Place { region: name.into(), at, lo, len };
        Some(match region.kind {
            Kind::Nothing | Kind::Free => return None,
            Kind::Bytes(name) if idx == PACKET => {
                let packet = &self.packet;
                let lo = PACKET_BASE.saturating_add(u32::try_from(packet.start).ok()?);
                place(name, lo, packet.end.saturating_sub(packet.start))
            }
            Kind::Bytes(_) if region.rd.is_empty() => return None,
            Kind::Bytes(name) => place(name, region.lo, region.rd.len()),
            Kind::Map { map, .. } => {
                let name = alloc::format!("map {}", map.def().name);
                let values = map.values();
                // A value, not the whole store, is what an access must stay inside.
                let lo = at - at.checked_rem(u32::try_from(values.stride()).ok()?)?;
                place(&name, lo, values.value_size())
            }
            Kind::Record { record, .. } => place("ring buffer record", 0, record.len as usize),
            Kind::Copy(ref bytes) => place("map key", 0, bytes.len()),
        })
    }
}

/// Where an address lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Name of the region: `stack`, `map flows`.
    pub region: alloc::string::String,
    /// Position in the region.
    pub at: u32,
    /// First position that may be touched.
    pub lo: u32,
    /// Bytes from there that may be touched.
    pub len: usize,
}

/// The allocation of a run's regions, kept for the next run.
#[derive(Default)]
pub(crate) struct RegionStorage(Vec<Region<'static>>);

impl RegionStorage {
    fn keep(mut regions: Vec<Region<'_>>) -> Self {
        regions.clear();
        // Collecting an empty vector in place keeps its allocation and sheds its lifetime.
        Self(regions.into_iter().map(|_| unreachable!("the vector is empty")).collect())
    }

    fn reuse<'m>(self) -> Vec<Region<'m>> {
        self.0
    }
}

const fn width(size: usize) -> Size {
    match size {
        1 => Size::B,
        2 => Size::H,
        4 => Size::W,
        _ => Size::Dw,
    }
}

/// The value an atomic operation leaves in memory; `None` if memory keeps what it has.
fn modify(size: Size, op: AtomicOp, old: u64, src: u64, r0: u64) -> Option<u64> {
    let narrow = |v: u64| if size == Size::W { v & 0xffff_ffff } else { v };
    Some(narrow(match op {
        AtomicOp::Add | AtomicOp::FetchAdd => old.wrapping_add(src),
        AtomicOp::Or | AtomicOp::FetchOr => old | src,
        AtomicOp::And | AtomicOp::FetchAnd => old & src,
        AtomicOp::Xor | AtomicOp::FetchXor => old ^ src,
        AtomicOp::Xchg => src,
        AtomicOp::CmpXchg if old == narrow(r0) => src,
        AtomicOp::CmpXchg => return None,
    }))
}
