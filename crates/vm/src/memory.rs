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
//!                                       0x2nnnnnnn_xxxxxxxx  objects that programs make
//! ```
//!
//! # Invariants
//!
//! - The packet's buffer is lent exclusively, so that helpers can exchange it; other byte regions are `Cell`s that
//!   program, helpers and the embedder may hold at once. Nothing here is shared between threads.
//! - Map values are shared between threads; the map crate makes their accesses atomic.
//! - Handles of maps and functions lie in regions that hold nothing, so following one faults.

mod access;
mod atomic;
mod ctx;
mod heap;
mod host;
mod map;
mod packet;
mod temporary;
mod window;

pub use access::Place;
pub use heap::KernelObject;
pub(crate) use heap::{Heap, What};
pub(crate) use host::{HostRanges, host_ranges};
pub(crate) use map::MapRegion;
pub use packet::{Headers, PacketBuf};
pub use window::{Layout, Window};

use alloc::vec::Vec;
use core::cell::Cell;
use core::hint::cold_path;
use core::ops::Range;
use skep_map::{Record, RingBuf};

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
/// Region number of function addresses of the first program, which are no memory; the other programs
/// follow.
const FUNCS: u32 = 0x4000_0001;
/// Region number of kernel symbols, which are no memory.
const SYMBOLS: u32 = 0x3fff_ffff;

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
pub(crate) const fn split(addr: u64) -> (u32, u32) {
    ((addr >> 32) as u32, addr as u32)
}

/// The handle of a map, as `lddw` loads it and helpers take it.
pub(crate) const fn map_handle(idx: u32) -> u64 {
    address(HANDLES, idx)
}

/// The map a handle stands for.
#[must_use]
pub fn map_of(handle: u64) -> Option<u32> {
    let (region, idx) = split(handle);
    (region == HANDLES).then_some(idx)
}

/// The address of a function, by its program and op.
pub(crate) const fn func_address(prog: u32, op: u32) -> u64 {
    address(FUNCS.wrapping_add(prog), op)
}

/// An address for a symbol of the kernel that is more than its absence: nothing is there.
pub(crate) const fn symbol_address(idx: u32) -> u64 {
    address(SYMBOLS, idx)
}

/// The program and op of a function address.
pub(crate) fn func_of(addr: u64) -> Option<(u32, u32)> {
    let (region, op) = split(addr);
    Some((region.checked_sub(FUNCS)?, op))
}

/// The private bytes of a region.
#[derive(Clone, Copy, Default)]
pub(crate) struct Bytes<'m> {
    /// What may be read.
    rd: &'m [Cell<u8>],
    /// What may be written: the same bytes or none.
    wr: &'m [Cell<u8>],
    /// Position of the first of them.
    lo: u32,
}

impl<'m> Bytes<'m> {
    /// All of these, from position `lo` of the region.
    #[inline]
    pub(crate) const fn new(bytes: &'m [Cell<u8>], lo: u32, writable: bool) -> Self {
        Self { rd: bytes, wr: if writable { bytes } else { &[] }, lo }
    }

    /// The part of the stack that `depth` active functions may touch; the deepest has the lowest
    /// addresses. `stack` is its end, as long as the run needs.
    #[inline]
    pub(crate) fn frames(stack: &'m [Cell<u8>], depth: u32) -> Self {
        let unused = stack.len().saturating_sub((FRAME_SIZE * depth) as usize);
        let frames = stack.get(unused..).unwrap_or(&[]);
        let lo = u32::try_from(STACK_SIZE.saturating_sub(frames.len())).unwrap_or(u32::MAX);
        Self::new(frames, lo, true)
    }
}

/// Names of the first four regions, for messages.
const NAMES: [&str; MAPS as usize] = ["packet", "stack", "context", "memory"];

/// A region that comes and goes.
enum Temporary<'m> {
    /// Has gone; may be used again.
    Free,
    Record {
        ring: &'m RingBuf,
        record: Record,
    },
    /// Bytes of a helper, named for messages, read-only but for a range.
    Copy(&'static str, Vec<u8>, Range<usize>),
}

/// The address space of one run.
pub struct Memory<'m> {
    /// Those of packet (none, as it is apart), stack, context and embedder's memory.
    bytes: [Bytes<'m>; MAPS as usize],
    /// The machine's maps, whose regions follow.
    maps: &'m [MapRegion],
    /// Behind these, what comes and goes.
    temporary: Vec<Temporary<'m>>,
    /// The packet; helpers may move its bounds and exchange its bytes.
    pub packet: &'m mut PacketBuf,
    /// Objects that programs have made.
    pub(crate) heap: &'m mut Heap,
    /// Bytes that helpers have copied since somebody asked.
    copied: Cell<u64>,
    /// Records and copies that have been taken back.
    taken: u64,
    /// Fields of a context that may be written, but not as plain memory.
    halves: &'static [HalfField],
    /// Where things are for machine code, while such runs.
    host: Option<host::Host<'m>>,
}

/// A field of four bytes in the context of which the kernel keeps the lower two. Such fields are written
/// whole, and read with an upper half of zeroes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HalfField {
    /// Position in the context.
    pub at: u32,
    /// The number from which on others are not stored at all: as a whole register, or as a signed
    /// immediate.
    pub limit: Option<u32>,
}

/// Turns exclusive bytes into what [`Memory`] takes.
pub fn cells(bytes: &mut [u8]) -> &[Cell<u8>] {
    Cell::from_mut(bytes).as_slice_of_cells()
}

impl<'m> Memory<'m> {
    /// `bytes` are stack, context and memory of the embedder; of a context with `halves`, stores go through
    /// [`Memory::store_ctx`].
    #[inline]
    pub(crate) fn new(
        maps: &'m [MapRegion],
        storage: TemporaryStorage,
        [stack, ctx, mem]: [Bytes<'m>; 3],
        halves: &'static [HalfField],
        packet: &'m mut PacketBuf,
        heap: &'m mut Heap,
    ) -> Self {
        Self {
            bytes: [Bytes::default(), stack, ctx, mem],
            maps,
            temporary: storage.reuse(),
            packet,
            heap,
            copied: Cell::new(0),
            taken: 0,
            halves,
            host: None,
        }
    }

    /// The allocation of what came and went, all of which is gone.
    #[inline]
    pub(crate) fn take_storage(&mut self) -> TemporaryStorage {
        TemporaryStorage::keep(core::mem::take(&mut self.temporary))
    }

    /// Shows so many frames of the stack, see [`Bytes::frames`].
    #[inline]
    pub(crate) fn set_frames(&mut self, stack: &'m [Cell<u8>], depth: u32) {
        if let Some(bytes) = self.bytes.get_mut(STACK as usize) {
            *bytes = Bytes::frames(stack, depth);
        }
    }

    /// The map that has this region.
    #[inline]
    fn map(&self, region: u32) -> Option<&'m MapRegion> {
        self.maps.get(region.checked_sub(MAPS)? as usize)
    }

    /// Where a region lies among those that come and go.
    #[inline]
    fn temporary_at(&self, region: u32) -> Option<usize> {
        (region as usize).checked_sub(MAPS as usize + self.maps.len())
    }

    fn temporary(&self, region: u32) -> Option<&Temporary<'m>> {
        self.temporary.get(self.temporary_at(region)?)
    }

    fn temporary_mut(&mut self, region: u32) -> Option<&mut Temporary<'m>> {
        let at = self.temporary_at(region)?;
        self.temporary.get_mut(at)
    }

    /// Loads `N` bytes, 1 to 8, zero-extended, if they are private ones; for all others there is
    /// [`Memory::load_slow`].
    #[inline(always)]
    pub(crate) fn load<const N: usize>(&self, addr: u64) -> Option<u64> {
        let (region, at) = split(addr);
        let bytes = self.bytes.get(region as usize)?;
        let at = at.wrapping_sub(bytes.lo) as usize;
        let Some(cells) = bytes.rd.get(at..at.checked_add(N)?) else {
            cold_path();
            return self.load_packet::<N>(addr);
        };
        let mut value = [0; 8];
        for (byte, cell) in value.iter_mut().zip(cells.as_array::<N>()?) {
            *byte = cell.get();
        }
        Some(u64::from_le_bytes(value))
    }

    /// Stores the low `N` bytes, if they are private ones; for all others there is
    /// [`Memory::store_slow`].
    #[inline(always)]
    pub(crate) fn store<const N: usize>(&mut self, addr: u64, value: u64) -> Option<()> {
        let (region, at) = split(addr);
        let bytes = self.bytes.get(region as usize)?;
        let at = at.wrapping_sub(bytes.lo) as usize;
        let Some(cells) = bytes.wr.get(at..at.checked_add(N)?) else {
            cold_path();
            return self.store_packet::<N>(addr, value);
        };
        for (byte, cell) in value.to_le_bytes().iter().zip(cells.as_array::<N>()?) {
            cell.set(*byte);
        }
        Some(())
    }

    /// Overwrites a field of the context, which the program itself may not be able to write.
    pub fn poke_ctx(&self, at: usize, bytes: &[u8]) {
        let ctx = self.bytes.get(CTX as usize).and_then(|bytes| bytes.rd.get(at..));
        for (byte, cell) in bytes.iter().zip(ctx.unwrap_or_default()) {
            cell.set(*byte);
        }
        self.ctx_changed();
    }
}

/// The allocation of what comes and goes in a run, kept for the next run.
#[derive(Default)]
pub(crate) struct TemporaryStorage(Vec<Temporary<'static>>);

impl TemporaryStorage {
    #[inline]
    fn keep(mut all: Vec<Temporary<'_>>) -> Self {
        if all.capacity() == 0 {
            return Self::default();
        }
        all.clear();
        // Collecting an empty vector in place keeps its allocation and sheds its lifetime.
        Self(all.into_iter().map(|_| unreachable!("the vector is empty")).collect())
    }

    fn reuse<'m>(self) -> Vec<Temporary<'m>> {
        self.0
    }
}
