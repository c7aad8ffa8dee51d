//! What a helper sees of a run, and the run's accounts.

use crate::code::Code;
use crate::fault::{Fault, FaultKind};
use crate::helper::Stop;
use crate::interp::{function, interp};
use crate::machine::{Limits, Machine};
use crate::memory::{self, FRAME_SIZE, KernelObject, MAX_FRAMES, Memory, What};
use crate::native::{Native, Place};
use crate::observe::Watch;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::Cell;
use skep_map::{Cpu, Map};

/// A run as its helpers see it.
pub struct Cx<'r, S> {
    /// The program's memory.
    pub mem: Memory<'r>,
    /// The embedder's state.
    pub state: &'r mut S,
    pub(crate) machine: &'r Machine<S>,
    pub(crate) cpu: Cpu,
    pub(crate) stack: &'r [Cell<u8>],
    pub(crate) meter: Meter,
    /// Addresses of the spin locks that this run holds.
    pub(crate) locks: Vec<u64>,
    /// References to objects of the kernel that the run has until it ends.
    pub(crate) borrowed: Vec<u64>,
    /// The program that has thrown an exception.
    pub(crate) thrown_in: Option<&'r Code<S>>,
    /// Functions active.
    pub(crate) depth: u32,
    /// Tail calls made.
    pub(crate) tail_calls: u32,
    /// Who is told of every instruction.
    pub(crate) watch: Option<Watch<'r>>,
    /// What runs machine code, in a run of such.
    pub(crate) native: Option<&'r dyn Native<S>>,
    /// r10 of the function of machine code that called a helper last.
    pub(crate) frame: Option<u64>,
}

impl<'r, S> Cx<'r, S> {
    /// The CPU whose per-CPU values this run sees.
    #[must_use]
    pub const fn cpu(&self) -> Cpu {
        self.cpu
    }

    /// The map that a handle in a register stands for, or an object for it.
    #[must_use]
    pub fn map(&self, handle: u64) -> Option<&'r Map> {
        self.machine.maps.get(self.map_index(handle)? as usize)
    }

    fn map_index(&self, handle: u64) -> Option<u32> {
        memory::map_of(handle).or_else(|| match self.object_at(handle)? {
            KernelObject::Map(at) => Some(at),
            _ => None,
        })
    }

    /// The handle of a map, if it is one of the machine's.
    pub(crate) fn handle_of(&self, map: &Map) -> Option<u64> {
        let at = self.machine.maps.iter().position(|known| identity(known) == identity(map))?;
        Some(memory::map_handle(u32::try_from(at).ok()?))
    }

    /// The address of a byte in the values of the map with this handle.
    #[must_use]
    pub fn value_address(&self, handle: u64, at: usize) -> Option<u64> {
        let region = memory::MAPS.checked_add(self.map_index(handle)?)?;
        Some(self.mem.seen(memory::address(region, u32::try_from(at).ok()?)))
    }

    /// The handle of the map at a place of the machine.
    #[must_use]
    pub fn map_handle(&self, at: u32) -> u64 {
        memory::map_handle(at)
    }

    /// An object of the kernel for the program to read until the run ends; one there is already stays as it is.
    /// None for want of room.
    pub fn borrow(&mut self, object: KernelObject, bytes: Vec<u8>) -> Option<u64> {
        let is_it = |&&addr: &&u64| self.mem.heap.what(addr) == Some(What::Kernel(object));
        if let Some(&known) = self.borrowed.iter().find(is_it) {
            return Some(known);
        }
        let addr = self.mem.heap.find_or_put(What::Kernel(object), bytes)?;
        self.borrowed.push(addr);
        Some(addr)
    }

    /// Memory for the keys that `bpf_for_each_map_elem` shows to a function, until [`Memory::drop_copy`].
    pub fn show_key(&mut self, size: usize) -> u64 {
        self.mem.push_copy("map key", alloc::vec![0; size])
    }

    /// The object of the kernel that an address lies in, and where in it.
    #[must_use]
    pub fn object_around(&self, addr: u64) -> Option<(KernelObject, u32)> {
        let (region, at) = memory::split(addr);
        match self.mem.heap.what(memory::address(region, 0)) {
            Some(What::Kernel(object)) => Some((object, at)),
            _ => None,
        }
    }

    /// The object of the kernel at an address.
    #[must_use]
    pub fn object_at(&self, addr: u64) -> Option<KernelObject> {
        self.object_around(addr).filter(|&(_, at)| at == 0).map(|(object, _)| object)
    }

    /// Calls a function of the running program by its address, as `bpf_loop` calls back.
    ///
    /// # Errors
    /// [`Stop`] if the address is no function, too many are active, or the function faults.
    pub fn call(&mut self, func: u64, args: [u64; 5]) -> Result<u64, Stop> {
        let (prog, op) = function(self, func).ok_or_else(|| FaultKind::Unsupported {
            what: alloc::format!("a callback to {func:#x}, which is no function"),
        })?;
        // A function that neither jumps nor calls does not look at its account.
        if self.meter.slice < 0 {
            self.meter.refill()?;
        }
        if let Some(native) = self.native {
            let at = Place { prog: prog.index, pc: prog.pc(op) };
            if !native.is_metered() {
                self.take_turn(at).map_err(Stop::Nested)?;
            }
            return native.call(self, at, args).map_err(Stop::Nested);
        }
        let result = if self.watch.is_some() {
            interp::<S, true>(self, prog, op, args)
        } else {
            interp::<S, false>(self, prog, op, args)
        };
        result.map_err(Stop::Nested)
    }

    /// Opens a frame and returns its r10; nothing if the stack has no room for it.
    pub(crate) fn enter(&mut self) -> Option<u64> {
        if self.depth == MAX_FRAMES {
            return None;
        }
        // Frames lie from the end of the stack downwards.
        let below = (FRAME_SIZE * (self.depth + 1)) as usize;
        let (_, frames) = self.stack.split_at_checked(self.stack.len().checked_sub(below)?)?;
        for cell in frames.get(..FRAME_SIZE as usize)? {
            cell.set(0);
        }
        self.depth += 1;
        self.mem.set_frames(self.stack, self.depth);
        Some(memory::address(memory::STACK, FRAME_SIZE * (MAX_FRAMES - self.depth + 1)))
    }

    /// Closes the frame opened last.
    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
        self.mem.set_frames(self.stack, self.depth);
    }

    /// The fault of an op, with all that is known of the place.
    #[cold]
    pub(crate) fn fault(&self, code: &Code<S>, op: usize, kind: FaultKind) -> Box<Fault> {
        let pc = code.pc(op);
        Box::new(Fault {
            prog: code.prog.name.clone(),
            pc,
            line: code.prog.line_at(pc).cloned(),
            kind,
        })
    }
}

/// Where a map is: clones are at the same place.
fn identity(map: &Map) -> *const () {
    match map {
        Map::KeyValue(map) => Arc::as_ptr(map).cast(),
        Map::Progs(map) => Arc::as_ptr(map).cast(),
        Map::RingBuf(map) | Map::UserRing(map) => Arc::as_ptr(map).cast(),
        Map::PerfEvents(map) => Arc::as_ptr(map).cast(),
        Map::Queue(map) => Arc::as_ptr(map).cast(),
        Map::Bloom(map) => Arc::as_ptr(map).cast(),
        Map::Maps(map) => Arc::as_ptr(map).cast(),
        Map::Stacks(map) => Arc::as_ptr(map).cast(),
        Map::Storage(map) => Arc::as_ptr(map).cast(),
        Map::Attached(map) => Arc::as_ptr(map).cast(),
        Map::Arena(map) => Arc::as_ptr(map).cast(),
    }
}

/// Instructions between two looks at the clock.
const SLICE: u64 = 1 << 16;

/// Bytes that a call may copy for nothing.
const FREE_COPY: u64 = 4096;

/// The account of instructions.
///
/// The loop counts nothing: each instruction makes the rest of its ops shorter by one, and jumps say
/// from what length to what length they go. What is left of the slice is the rest's length less
/// [`Meter::limit`].
pub(crate) struct Meter {
    limits: Limits,
    clock: fn() -> u64,
    /// Not yet handed out.
    left: u64,
    /// Handed out and not used, as of [`Meter::pause`]; negative when the loop has overdrawn by less
    /// than a program's length, or than the turns that machine code counts before a loop.
    slice: isize,
    /// Length of the rest at which the slice is used up.
    limit: isize,
}

impl Meter {
    #[inline]
    pub(crate) fn new(limits: Limits, clock: fn() -> u64) -> Self {
        let mut this = Self { limits, clock, left: limits.insns, slice: 0, limit: 0 };
        this.grant();
        this
    }

    #[inline]
    fn grant(&mut self) {
        let grant = self.left.min(SLICE);
        self.left -= grant;
        self.slice += isize::try_from(grant).unwrap_or(isize::MAX);
    }

    /// Starts to count with `rest` ops to the end.
    #[inline(always)]
    pub(crate) fn resume(&mut self, rest: usize) {
        self.limit = rest.cast_signed().wrapping_sub(self.slice);
    }

    /// Writes down what has been used with `rest` ops to the end.
    #[inline(always)]
    pub(crate) fn pause(&mut self, rest: usize) {
        self.slice = rest.cast_signed().wrapping_sub(self.limit);
    }

    /// Goes from `from` ops before the end to `to` at no cost.
    #[inline(always)]
    pub(crate) fn jump(&mut self, from: usize, to: usize) {
        self.limit = self.limit.wrapping_add(to.wrapping_sub(from).cast_signed());
    }

    /// Whether more than the slice has been used with `rest` ops to the end.
    #[inline(always)]
    pub(crate) fn overdrawn(&self, rest: usize) -> bool {
        rest.cast_signed().wrapping_sub(self.limit) < 0
    }

    /// Takes what a helper did for the program when it copied so many bytes: an instruction for each
    /// 64, so that neither budget nor deadline can be outrun by helpers. What most helpers copy is free.
    pub(crate) fn charge(&mut self, copied: u64) {
        if copied > FREE_COPY {
            let insns = isize::try_from(copied / 64).unwrap_or(isize::MAX);
            self.slice = self.slice.saturating_sub(insns);
        }
    }

    /// Takes instructions that a helper waited for.
    pub(crate) fn spend(&mut self, insns: isize) -> Result<(), FaultKind> {
        self.slice = self.slice.saturating_sub(insns);
        if self.slice < 0 { self.refill() } else { Ok(()) }
    }

    /// What is left of the slice.
    pub(crate) const fn left_of_slice(&self) -> i64 {
        self.slice as i64
    }

    /// Sets that.
    pub(crate) fn set_left_of_slice(&mut self, left: i64) {
        // What does not fit is far below none.
        self.slice = isize::try_from(left).unwrap_or(isize::MIN);
    }

    /// Hands out more once the slice is used up.
    #[cold]
    pub(crate) fn refill(&mut self) -> Result<(), FaultKind> {
        let Limits { deadline, time, .. } = &mut self.limits;
        if deadline.is_some() || time.is_some() {
            let now = (self.clock)();
            // The first look.
            if let Some(end) = time.take().and_then(|time| now.checked_add(time)) {
                *deadline = Some(deadline.map_or(end, |deadline| deadline.min(end)));
            }
            if deadline.is_some_and(|deadline| now > deadline) {
                return Err(FaultKind::Deadline);
            }
        }
        while self.slice < 0 {
            if self.left == 0 {
                return Err(FaultKind::Budget { insns: self.limits.insns });
            }
            self.grant();
        }
        Ok(())
    }

    /// Instructions used so far.
    pub(crate) fn used(&self) -> u64 {
        let handed_out = self.limits.insns - self.left;
        handed_out.saturating_add_signed(-(self.slice as i64))
    }
}
