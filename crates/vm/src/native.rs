//! Machine code in place of the interpreter: what such an engine gets to see of programs and of a run.
//!
//! Memory, helpers and accounts are those of the interpreter. The engine enters code, brings calls of
//! helpers to [`Cx::help`], and is called by [`Native::call`] for the functions that helpers call back.
//! This crate emits no code and enters none.

mod checked;

use crate::Cx;
use crate::code::OpCode;
use crate::fault::{AccessError, Denied, Fault, FaultKind};
use crate::helper::{Helper, Stop};
use crate::interp::stopped;
use crate::machine::{Input, Machine, Output, Vm};
use crate::memory::{self, FRAME_SIZE, MAX_FRAMES, Window};
use alloc::boxed::Box;
use core::cell::Cell;
use skep_isa::Pc;
use skep_map::Map;

/// An instruction of a program of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The program.
    pub prog: usize,
    /// The instruction.
    pub pc: Pc,
}

/// An engine.
pub trait Native<S> {
    /// Runs the function that starts at an instruction, until it returns.
    ///
    /// # Errors
    /// The fault that ended it.
    fn call(&self, cx: &mut Cx<'_, S>, at: Place, args: [u64; 5]) -> Result<u64, Box<Fault>>;

    /// Whether it counts instructions, by [`Cx::set_left`].
    fn is_metered(&self) -> bool {
        false
    }

    /// Frames of the stack that a run takes at most, whatever it calls. Where that turns out to be wrong, an engine
    /// finds no room ([`Cx::has_room`]).
    fn frames(&self) -> u32 {
        MAX_FRAMES
    }

    /// Whether it has the interpreter's addresses and checks all accesses, so that it runs by [`Vm::run_checked`].
    fn is_checked(&self) -> bool {
        false
    }
}

/// Where machine code finds addresses of the packet, for which the fields of contexts are too short.
#[derive(Clone, Copy, Default)]
pub struct HostPointers<'m> {
    /// Eight bytes for each.
    pub slots: &'m [Cell<u8>],
    /// Positions of the fields of four bytes in the context.
    pub fields: &'static [u32],
}

impl<S> Machine<S> {
    /// A number that no other machine of this process has or had.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// What the `lddw` at an instruction loads, with addresses of map values being those of the host.
    #[must_use]
    pub fn constant(&self, at: Place) -> Option<u64> {
        let op = self.op(at, |code| code == OpCode::Mov64K)?;
        let (region, pos) = memory::split(op.imm);
        let map = region.checked_sub(memory::MAPS).and_then(|at| self.maps.get(at as usize));
        let is_address = matches!(
            self.codes.get(at.prog)?.prog.insns.get(at.pc),
            Some(skep_isa::Insn::LoadImm { imm: skep_isa::ImmSrc::MapIdxValue { .. }, .. })
        );
        if !is_address {
            return Some(op.imm);
        }
        let range = self.ranges.all.iter().find(|range| range.region == region);
        if let Some(Map::Arena(_)) = map {
            // Programs see addresses of arenas as the interpreter does.
            return Some(op.imm);
        }
        map.and(range).map(|range| range.base + u64::from(pos))
    }

    /// The same with addresses of map values as the interpreter has them.
    #[must_use]
    pub fn constant_in_region(&self, at: Place) -> Option<u64> {
        self.op(at, |code| code == OpCode::Mov64K).map(|op| op.imm)
    }

    /// What a cast between the addresses of an arena adds to a position in it.
    #[must_use]
    pub fn arena_at(&self, at: Place) -> Option<u64> {
        self.op(at, |code| code == OpCode::CastArena).map(|op| op.imm << 32)
    }

    /// Number and name of the helper that is called at an instruction.
    #[must_use]
    pub fn helper_at(&self, at: Place) -> Option<(u32, &str)> {
        let op = self.op(at, |code| code == OpCode::Helper)?;
        let index = u32::try_from(op.imm).ok()?;
        Some((index, &self.helper(at, index)?.name))
    }

    /// Whether the helper that is called at an instruction gives a number of the embedder's state and does nothing
    /// else ([`Helpers::with_number`](crate::Helpers::with_number)).
    #[must_use]
    pub fn gives_number(&self, at: Place) -> bool {
        let found = self.helper_at(at).and_then(|(helper, _)| self.helper(at, helper));
        found.is_some_and(|helper| helper.number.is_some())
    }

    /// A helper by its number among those of a program.
    fn helper(&self, at: Place, helper: u32) -> Option<&Helper<S>> {
        self.codes.get(at.prog)?.helpers.get(helper as usize).map(|helper| &**helper)
    }

    /// The program at an index.
    #[must_use]
    pub fn prog(&self, index: usize) -> Option<&skep_prog::Prog> {
        Some(&self.codes.get(index)?.prog)
    }

    /// Programs there are.
    #[must_use]
    pub fn progs(&self) -> usize {
        self.codes.len()
    }

    /// The function that a program has for what it throws.
    #[must_use]
    pub fn has_exceptions(&self, prog: usize) -> bool {
        self.codes.get(prog).is_some_and(|code| code.exception.is_some())
    }

    fn op(&self, at: Place, is: impl Fn(OpCode) -> bool) -> Option<crate::code::Op> {
        let code = self.codes.get(at.prog)?;
        let op = code.plain().get(code.places.op(at.pc)?)?;
        is(op.code).then_some(*op)
    }
}

impl Vm {
    /// Runs a program of the machine by an engine. Unless that counts instructions, each callback and each turn of
    /// an iterator is taken for a few, so that budget and deadline end them. Addresses of regions among the
    /// arguments become those of the host.
    #[inline]
    pub fn run_native<'r, S>(
        &'r mut self,
        machine: &'r Machine<S>,
        prog: usize,
        state: &'r mut S,
        input: Input<'r>,
        pointers: HostPointers<'r>,
        native: &'r dyn Native<S>,
    ) -> Output {
        let mut args = input.args;
        let frames = native.frames().max(1);
        let output = self.enter(machine, state, input, frames, None, |cx| {
            if native.is_checked() {
                return Err(cx.has_other_addresses(prog));
            }
            if !cx.mem.go_native(&machine.ranges, pointers.slots, pointers.fields) {
                let what = "machine code in memory at low addresses".into();
                return Err(cx.fault_at(Place { prog, pc: Pc(0) }, FaultKind::Unsupported { what }));
            }
            cx.native = Some(native);
            for arg in &mut args {
                if *arg < memory::address(memory::MAPS, 0) && *arg != 0 {
                    *arg = cx.mem.seen(*arg);
                }
            }
            native.call(cx, Place { prog, pc: Pc(0) }, args)
        });
        // What helpers were taken for is no count of instructions.
        if native.is_metered() { output } else { Output { insns: 0, ..output } }
    }
}

impl<'r, S> Cx<'r, S> {
    /// Code runs by the one or the other of [`Vm::run_native`] and [`Vm::run_checked`].
    fn has_other_addresses(&self, prog: usize) -> Box<Fault> {
        let what = "machine code with other addresses than the run's".into();
        self.fault_at(Place { prog, pc: Pc(0) }, FaultKind::Unsupported { what })
    }

    /// What is left of the instructions that may run before [`Cx::refill`] is asked for more.
    #[must_use]
    pub const fn left(&self) -> i64 {
        self.meter.left_of_slice()
    }

    /// Notes what is left; less than none, if code has found that out late.
    pub fn set_left(&mut self, left: i64) {
        self.meter.set_left_of_slice(left);
    }

    /// Gives more instructions to what has used up those it had.
    ///
    /// # Errors
    /// The fault that ends the run: budget or deadline.
    pub fn refill(&mut self, at: Place) -> Result<(), Box<Fault>> {
        let given = if self.left() < 0 { self.meter.refill() } else { Ok(()) };
        given.map_err(|kind| self.fault_at(at, kind))
    }

    /// Takes so many turns of a loop as [`Cx::take_turn`] does.
    ///
    /// # Errors
    /// The fault that ends the run.
    pub fn take_turns(&mut self, at: Place, turns: u32) -> Result<(), Box<Fault>> {
        let price = PRICE.saturating_mul(isize::try_from(turns).unwrap_or(isize::MAX));
        let spent = self.meter.spend(price);
        spent.map_err(|kind| self.fault_at(at, kind))
    }

    /// Takes a turn of a loop that the verifier has not bounded, which budget and deadline end.
    ///
    /// # Errors
    /// The fault that ends the run.
    pub fn take_turn(&mut self, at: Place) -> Result<(), Box<Fault>> {
        self.take_turns(at, 1)
    }

    /// The number of the embedder's state that a helper gives, if it is such a helper
    /// ([`Machine::gives_number`]).
    pub fn number(&mut self, at: Place, helper: u32) -> Option<u64> {
        let number = self.machine.helper(at, helper)?.number.as_ref()?;
        Some(number(self.state))
    }

    /// Calls the helper of this number among those of a program, for the instruction at a place.
    ///
    /// # Errors
    /// A tail call to another program, or the fault that ends the run.
    pub fn help(&mut self, at: Place, helper: u32, args: [u64; 5]) -> Result<u64, Replaced> {
        let machine = self.machine;
        let Some(helper) = machine.helper(at, helper) else {
            let what = "a helper that is not there".into();
            return Err(Replaced::Fault(self.fault_at(at, FaultKind::Unsupported { what })));
        };
        let result = (helper.run)(self, args);
        self.mem.refresh();
        if let Err(Stop::Fault(FaultKind::Thrown { .. })) = result {
            self.thrown_in = machine.codes.get(at.prog);
        }
        let result = match result {
            Ok(value) => Ok(value),
            Err(Stop::TailCall(prog)) if (prog as usize) < machine.codes.len() => {
                Err(Replaced::By(prog as usize))
            }
            Err(stop) => return Err(Replaced::Fault(self.stopped_at(at, &helper.name, stop))),
        };
        self.meter.charge(self.mem.take_copied());
        match self.refill(at) {
            Ok(()) => result,
            Err(fault) => Err(Replaced::Fault(fault)),
        }
    }

    #[cold]
    fn stopped_at(&mut self, at: Place, name: &str, stop: Stop) -> Box<Fault> {
        let machine = self.machine;
        match machine.codes.get(at.prog) {
            Some(code) => {
                let op = code.places.op(at.pc).unwrap_or_default();
                stopped(self, code, op, name, stop)
            }
            None => self.fault_at(at, FaultKind::Unsupported { what: name.into() }),
        }
    }

    /// A fault at an instruction.
    #[cold]
    pub fn fault_at(&self, at: Place, kind: FaultKind) -> Box<Fault> {
        let prog = self.machine.prog(at.prog);
        Box::new(Fault {
            prog: prog.map(|prog| prog.name.clone()).unwrap_or_default(),
            pc: at.pc,
            line: prog.and_then(|prog| prog.line_at(at.pc).cloned()),
            kind,
        })
    }

    /// Address and length of the context.
    #[must_use]
    pub fn native_ctx(&self) -> (u64, usize) {
        self.mem.native_ctx()
    }

    /// Addresses of the packet that are kept.
    #[must_use]
    pub fn native_slots(&self) -> usize {
        self.mem.native_slots()
    }

    /// [`Machine::id`] of the machine.
    #[must_use]
    pub fn machine_id(&self) -> u64 {
        self.machine.id()
    }

    /// The frame pointer of the function that has called the helper that runs, as an engine has noted it.
    #[must_use]
    pub const fn native_frame(&self) -> Option<u64> {
        self.frame
    }

    /// Notes that.
    pub const fn set_native_frame(&mut self, frame: Option<u64>) {
        self.frame = frame;
    }

    /// Tail calls made in the run.
    #[must_use]
    pub const fn tail_calls(&self) -> u32 {
        self.tail_calls
    }

    /// Notes them, as code has counted.
    pub fn set_tail_calls(&mut self, calls: u64) {
        self.tail_calls = u32::try_from(calls).unwrap_or(u32::MAX);
    }

    /// The frame pointer of a program's first function.
    #[must_use]
    pub fn stack_top(&self) -> u64 {
        self.stack.as_ptr_range().end.expose_provenance() as u64
    }

    /// The lowest byte of the stack.
    #[must_use]
    pub fn stack_bottom(&self) -> u64 {
        self.stack_top() - self.stack.len() as u64
    }

    /// Whether a function whose caller's stack ends at `above` finds room for so many frames there.
    #[must_use]
    pub fn has_room(&self, above: u64, frames: u32) -> bool {
        let bottom = self.stack_bottom();
        above >= bottom.saturating_add(u64::from(FRAME_SIZE) * u64::from(frames))
    }

    /// The fault of a function that finds none.
    #[cold]
    pub fn too_deep(&self, at: Place) -> Box<Fault> {
        self.fault_at(at, FaultKind::CallDepth { max: MAX_FRAMES })
    }

    /// Loads what a program may not follow itself: a pointer to an object of the kernel, which reads as zero
    /// where there is nothing. Kernel: `ex_handler_bpf`.
    #[must_use]
    pub fn probe(&self, addr: u64, size: usize) -> u64 {
        self.mem.load_slow(addr, size).unwrap_or(0)
    }

    /// The memory around an address of the host that code may read itself, for as long as [`Cx::layout`] stays.
    pub fn host_window(&mut self, addr: u64) -> Option<Window> {
        self.mem.host_window(addr)
    }

    /// Loads from an arena; from a page that it does not have, zero.
    ///
    /// # Errors
    /// The address is not in an arena.
    pub fn load_arena(&self, addr: u64, size: usize) -> Result<u64, AccessError> {
        self.check_arena(addr, size, false)?;
        self.mem.load_slow(addr, size)
    }

    /// Stores to an arena; to a page that it does not have, nothing.
    ///
    /// # Errors
    /// The address is not in an arena.
    pub fn store_arena(&mut self, addr: u64, size: usize, value: u64) -> Result<(), AccessError> {
        self.check_arena(addr, size, true)?;
        self.mem.store_slow(addr, size, value)
    }

    fn check_arena(&self, addr: u64, size: usize, write: bool) -> Result<(), AccessError> {
        let map = memory::split(addr).0.checked_sub(memory::MAPS);
        match map.and_then(|map| self.machine.maps.get(map as usize)) {
            Some(Map::Arena(_)) => Ok(()),
            _ => Err(AccessError { addr, size, write, why: Denied::NoRegion }),
        }
    }

    /// Stores to a context that is not all plain memory.
    ///
    /// # Errors
    /// The bytes are not all inside.
    pub fn store_ctx(
        &self,
        addr: u64,
        size: usize,
        value: u64,
        immediate: bool,
    ) -> Result<(), AccessError> {
        let outside = AccessError { addr, size, write: true, why: Denied::Outside };
        if !self.mem.has_halves(addr) {
            return Err(outside);
        }
        self.mem.store_ctx(addr, size, value, immediate)
    }

    /// Big-endian packet bytes, for `LD_ABS`.
    #[must_use]
    pub fn load_packet(&self, off: i32, size: i32) -> Option<u64> {
        self.mem.load_abs(off, size)
    }
}

/// Instructions that a turn of a loop is taken for.
const PRICE: isize = 8;

/// A call that did not return.
#[derive(Debug)]
pub enum Replaced {
    /// Another program goes on in place of this one.
    By(usize),
    /// The run ends.
    Fault(Box<Fault>),
}
