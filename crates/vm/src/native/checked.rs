//! Machine code that checks: programs that nobody has verified, in the interpreter's own addresses.
//!
//! What code has looked up once it may touch itself ([`Cx::window`]); all else it leaves to [`Cx::execute`], which does
//! what the interpreter does at that instruction.

use super::{Native, Place};
use crate::Cx;
use crate::code::Code;
use crate::fault::{AccessError, Fault, FaultKind};
use crate::interp::interp;
use crate::machine::{Input, Machine, Output, Vm};
use crate::memory::{FRAME_SIZE, Layout, MAX_FRAMES, STACK, STACK_SIZE, Window, address};
use alloc::boxed::Box;
use skep_isa::{Insn, Pc, Reg, Size, Src};

impl Vm {
    /// Runs a program of the machine by an engine that has its addresses from the interpreter and checks all accesses.
    /// What the program throws ends all its functions, as in the interpreter.
    pub fn run_checked<'r, S>(
        &'r mut self,
        machine: &'r Machine<S>,
        prog: usize,
        state: &'r mut S,
        input: Input<'r>,
        native: &'r dyn Native<S>,
    ) -> Output {
        self.run_checked_prepared(machine, prog, state, input, native, |_| {})
    }

    /// The same, once what the program is to find in its context has been made within the run's memory.
    pub fn run_checked_prepared<'r, S>(
        &'r mut self,
        machine: &'r Machine<S>,
        prog: usize,
        state: &'r mut S,
        input: Input<'r>,
        native: &'r dyn Native<S>,
        prepare: impl FnOnce(&mut Cx<'_, S>),
    ) -> Output {
        let args = input.args;
        let output = self.enter(machine, state, input, MAX_FRAMES, None, |cx| {
            if !native.is_checked() {
                return Err(cx.has_other_addresses(prog));
            }
            prepare(cx);
            cx.native = Some(native);
            let result = native.call(cx, Place { prog, pc: Pc(0) }, args);
            cx.caught(native, prog, result)
        });
        if native.is_metered() { output } else { Output { insns: 0, ..output } }
    }
}

impl<S> Cx<'_, S> {
    /// The result of a run, which is decided on by a function for exceptions where one was thrown. Kernel: `bpf_throw`.
    fn caught(
        &mut self,
        native: &dyn Native<S>,
        prog: usize,
        result: Result<u64, Box<Fault>>,
    ) -> Result<u64, Box<Fault>> {
        let Err(fault) = result else { return result };
        let FaultKind::Thrown { cookie } = fault.kind else { return Err(fault) };
        self.set_depth(0);
        let thrower = self.thrown_in.take().or_else(|| self.machine.codes.get(prog));
        match thrower.and_then(|code| Some((code, code.exception?))) {
            Some((code, callback)) => {
                let at = Place { prog: code.index, pc: code.pc(callback) };
                native.call(self, at, [cookie, 0, 0, 0, 0])
            }
            None => Ok(cookie),
        }
    }

    /// Functions active.
    #[must_use]
    pub const fn depth(&self) -> u32 {
        self.depth
    }

    /// Notes how many functions are active, and with that what of the stack may be touched.
    pub fn set_depth(&mut self, depth: u32) {
        if self.depth != depth {
            self.depth = depth.min(MAX_FRAMES);
            self.mem.set_frames(self.stack, self.depth);
        }
    }

    /// Where the stack ends in the host's memory, and what is added to an address there to have the program's.
    #[must_use]
    pub fn stack_end(&self) -> (u64, u64) {
        debug_assert_eq!(self.stack.len(), STACK_SIZE);
        let end = self.stack.as_ptr_range().end.expose_provenance() as u64;
        (end, address(STACK, FRAME_SIZE * MAX_FRAMES).wrapping_sub(end))
    }

    /// Runs a function by the interpreter.
    ///
    /// # Errors
    /// The fault that ended it.
    pub fn interpret(&mut self, at: Place, args: [u64; 5]) -> Result<u64, Box<Fault>> {
        let code = self.machine.codes.get(at.prog);
        match code.and_then(|code| Some((code, code.places.op(at.pc)?))) {
            Some((code, entry)) => interp::<S, false>(self, code, entry, args),
            None => {
                let what = "a function that is not there".into();
                Err(self.fault_at(at, FaultKind::Unsupported { what }))
            }
        }
    }

    /// The memory around an address that code may touch itself, for as long as [`Cx::layout`] stays.
    /// Of the stack those frames that are surely active, so many.
    pub fn window(&mut self, addr: u64, write: bool, frames: u32) -> Option<Window> {
        self.mem.window(addr, write, frames)
    }

    /// The instruction at a place.
    #[must_use]
    pub fn insn_at(&self, at: Place) -> Option<Insn> {
        self.machine.prog(at.prog)?.insns.get(at.pc).copied()
    }

    /// What tells whether windows still hold.
    pub fn layout(&mut self) -> Layout {
        self.mem.layout()
    }

    /// Does a load, a store or an atomic operation of a program; `value` is its source register, if it has one. Gives
    /// what is loaded or, by an atomic operation, what was there before.
    ///
    /// # Errors
    /// The fault that ends the run.
    pub fn execute(
        &mut self,
        at: Place,
        addr: u64,
        value: u64,
        r0: u64,
    ) -> Result<u64, Box<Fault>> {
        let insn = self.insn_at(at);
        let bytes = |size: Size| usize::from(size.bytes());
        let (base, off, done) = match insn {
            Some(Insn::Load { size, base, off, .. }) => (base, off, self.load(at, addr, size)),
            Some(Insn::LoadSx { size, base, off, .. }) => {
                let unused = 64 - 8 * u32::from(size.bytes());
                let extended = |value: u64| (value << unused).cast_signed() >> unused;
                let loaded = self.load(at, addr, size);
                (base, off, loaded.map(|value| extended(value).cast_unsigned()))
            }
            Some(Insn::LoadAcquire { size, base, off, .. }) => {
                (base, off, self.mem.load_acquire(addr, bytes(size)))
            }
            Some(Insn::Store { size, base, off, src }) => {
                let (value, is_number) = match src {
                    Src::Reg(_) => (value, false),
                    Src::Imm(imm) => (i64::from(imm).cast_unsigned(), true),
                };
                let stored = if self.mem.has_halves(addr) {
                    self.mem.store_ctx(addr, bytes(size), value, is_number)
                } else {
                    self.mem.store_slow(addr, bytes(size), value)
                };
                (base, off, stored.map(|()| 0))
            }
            Some(Insn::StoreRelease { size, base, off, .. }) => {
                let stored = self.mem.store_release(addr, bytes(size), value);
                (base, off, stored.map(|()| 0))
            }
            Some(Insn::Atomic { size, op, base, off, .. }) => {
                (base, off, self.mem.atomic(addr, size, op, value, r0))
            }
            _ => {
                let what = "bug: an access by an instruction that has none".into();
                return Err(self.fault_at(at, FaultKind::Unsupported { what }));
            }
        };
        done.map_err(|access| self.denied_at(at, (base, off.into()), access))
    }

    /// Loads; through pointers to objects of the kernel, zero where there is nothing.
    fn load(&self, at: Place, addr: u64, size: Size) -> Result<u64, AccessError> {
        let loaded = self.mem.load_slow(addr, size.bytes().into());
        let is_probe = |code: &Code<S>| code.probes.binary_search(&at.pc).is_ok();
        match loaded {
            Err(_) if self.machine.codes.get(at.prog).is_some_and(is_probe) => Ok(0),
            loaded => loaded,
        }
    }

    #[cold]
    fn denied_at(&self, at: Place, base: (Reg, i32), access: AccessError) -> Box<Fault> {
        let place = self.mem.place(access.addr);
        self.fault_at(at, FaultKind::Access { access, base: Some(base), place, helper: None })
    }
}
