//! Watching a run, instruction by instruction.
//!
//! An [`Observer`] is told of every instruction before it runs and sees what the program sees: the
//! registers of all active functions, their stacks, and all other memory. It is for those who hold
//! claims about states (a verifier, a debugger) against states. [`Vm::run_observed`] runs a program
//! under one, in a copy of the loop of its own, without the ops that stand for several instructions;
//! runs without an observer do not pay for it.
//!
//! ```
//! use skep_isa::Reg;
//! use skep_vm::{Helpers, Input, MEM, Machine, Moment, Observer, Value, Vm, address};
//!
//! /// Writes down pc and r0.
//! struct Trace(Vec<(u32, Value)>);
//!
//! impl Observer for Trace {
//!     fn before(&mut self, moment: &Moment<'_>) {
//!         self.0.push((moment.pc().0, moment.reg(Reg::R0)));
//!     }
//! }
//!
//! // r0 = r10; r0 += -8; exit
//! let bytes = [0xbf, 0xa0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0xf8, 0xff, 0xff, 0xff, 0x95, 0, 0, 0, 0, 0, 0, 0];
//! let insns = skep_isa::decode(&bytes).unwrap();
//! let prog = skep_prog::Prog::new("sum", skep_abi::ProgType::SocketFilter, insns);
//! let mut machine = Machine::new(Helpers::new(), Vec::new());
//! let sum = machine.load(&prog).unwrap();
//! let mut trace = Trace(Vec::new());
//! Vm::new().run_observed(&machine, sum, &mut (), Input::default(), &mut trace);
//! let stack = |off| Value::Stack { frame: 0, off };
//! assert_eq!(trace.0, [(0, Value::Scalar(0)), (1, stack(0)), (2, stack(-8))]);
//! ```
//!
//! # What a number is
//!
//! Programs hold plain numbers, and so does the interpreter: nothing marks a register as a pointer.
//! [`Moment::value`] says what a number points to *if* it is a pointer. All pointers but those to the
//! packet are above 2³², where numbers that programs compute rarely are; a packet's addresses begin at
//! [`PACKET_BASE`], and a length of 65,600 looks like one. A claim says which of both it speaks of, so
//! whoever checks claims takes the number as the claim does: as a scalar through [`Activation::regs`], as a
//! pointer through [`Moment::value`] or by its distance from a base such as
//! [`Moment::frame_pointer`].

use crate::code::Code;
use crate::cx::Cx;
use crate::fault::AccessError;
use crate::machine::Machine;
use crate::memory::{self, CTX, FRAME_SIZE, MAX_FRAMES, MEM, Memory, PACKET, PACKET_BASE, STACK};
use alloc::vec::Vec;
use core::ops::Range;
use skep_isa::{Pc, Reg};
use skep_map::Map;
use skep_prog::Prog;

/// Who is told of every instruction of a run.
pub trait Observer {
    /// An instruction is about to run.
    fn before(&mut self, moment: &Moment<'_>);
}

/// An active function.
#[derive(Clone, Copy, Debug)]
pub struct Activation<'a> {
    /// Its program, as it was loaded: map indices are those of the machine.
    pub prog: &'a Prog,
    /// The instruction that is about to run in it, or, in a caller, the call that it waits for.
    pub pc: Pc,
    /// r0 to r10 before that instruction.
    pub regs: [u64; 11],
}

/// What a number is, if it is a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// A number that points nowhere; null is 0.
    Scalar(u64),
    /// Into the stack of an active function, the oldest being number 0: `r10 + off` of that function.
    /// The lowest byte of a frame has the address of the next one's r10, and is taken for that.
    Stack {
        /// The function.
        frame: u32,
        /// From its r10.
        off: i32,
    },
    /// Into the packet's buffer.
    Packet {
        /// From the first byte that the program may touch: metadata where there is some, else data.
        off: i64,
    },
    /// Into the context.
    Ctx {
        /// From its start.
        off: u32,
    },
    /// Into the embedder's memory.
    Mem {
        /// From its start.
        off: u32,
    },
    /// Into a value of a map. A position behind a value's end is one of the next value.
    MapValue {
        /// Index of the map in [`Moment::maps`].
        map: u32,
        /// Where in the map's store the value begins.
        at: u32,
        /// From there.
        off: u32,
    },
    /// Into a record of a ring buffer or into a copy that a helper lends, such as a callback's key.
    Temporary {
        /// Number of the region.
        region: u32,
        /// From its start.
        off: u32,
    },
    /// Into an object that the program has made.
    Object {
        /// Number of the region.
        region: u32,
        /// From its start.
        off: u32,
    },
    /// A map itself.
    Map {
        /// Index of the map in [`Moment::maps`].
        map: u32,
    },
    /// A function.
    Func {
        /// Index of its program in the machine.
        prog: u32,
        /// Its first instruction.
        pc: Pc,
    },
}

/// A run between two instructions.
pub struct Moment<'a> {
    frames: &'a [Activation<'a>],
    mem: &'a Memory<'a>,
    maps: &'a [Map],
    progs: &'a dyn Progs,
}

/// The programs of a machine, whatever its helpers see.
trait Progs {
    /// The instruction behind an op.
    fn pc(&self, prog: u32, op: u32) -> Option<Pc>;
}

impl<S> Progs for Machine<S> {
    fn pc(&self, prog: u32, op: u32) -> Option<Pc> {
        self.codes.get(prog as usize)?.places.pc(op as usize)
    }
}

impl<'a> Moment<'a> {
    /// The active functions, the oldest first. The function that a helper calls back is one of them.
    #[must_use]
    pub const fn frames(&self) -> &'a [Activation<'a>] {
        self.frames
    }

    /// The function that is about to go on.
    #[must_use]
    pub fn frame(&self) -> &'a Activation<'a> {
        self.frames.last().expect("bug: observers are told of a frame")
    }

    /// The instruction that is about to run.
    #[must_use]
    pub fn pc(&self) -> Pc {
        self.frame().pc
    }

    /// What a register of the innermost function holds.
    #[must_use]
    pub fn reg(&self, reg: Reg) -> Value {
        self.value(self.raw(reg))
    }

    /// A register of the innermost function as a number.
    #[must_use]
    pub fn raw(&self, reg: Reg) -> u64 {
        self.frame().regs[usize::from(reg.num())]
    }

    /// The maps of the machine.
    #[must_use]
    pub const fn maps(&self) -> &'a [Map] {
        self.maps
    }

    /// r10 of an active function, the oldest being number 0.
    #[must_use]
    pub fn frame_pointer(&self, frame: usize) -> Option<u64> {
        Some(self.frames.get(frame)?.regs[10])
    }

    /// Addresses of the bytes of the packet that the program may touch, metadata included.
    #[must_use]
    pub fn packet(&self) -> Range<u64> {
        let at = |byte: usize| u64::from(PACKET_BASE) + byte as u64;
        at(self.mem.packet.start)..at(self.mem.packet.end)
    }

    /// What a number is, if it is a pointer.
    #[must_use]
    pub fn value(&self, number: u64) -> Value {
        let (region, at) = memory::split(number);
        match region {
            PACKET => self.packet_value(at),
            STACK => stack_value(at),
            CTX => Value::Ctx { off: at },
            MEM => Value::Mem { off: at },
            _ => self.shared_value(number),
        }
    }

    fn packet_value(&self, at: u32) -> Value {
        let packet = &self.mem.packet;
        let byte = at.checked_sub(PACKET_BASE).map(|byte| byte as usize);
        match byte.filter(|&byte| byte <= packet.bytes.len() && !packet.bytes.is_empty()) {
            Some(byte) => {
                let signed = |byte| i64::try_from(byte).unwrap_or(i64::MAX);
                Value::Packet { off: signed(byte) - signed(packet.start) }
            }
            None => Value::Scalar(at.into()),
        }
    }

    fn shared_value(&self, number: u64) -> Value {
        let (region, off) = memory::split(number);
        if let Some(map) = memory::map_of(number).filter(|&map| (map as usize) < self.maps.len()) {
            return Value::Map { map };
        }
        if let Some((prog, op)) = memory::func_of(number)
            && let Some(pc) = self.progs.pc(prog, op)
        {
            return Value::Func { prog, pc };
        }
        if let Some(stride) = self.mem.stride(region) {
            let at = off - off.checked_rem(stride).unwrap_or(off);
            return Value::MapValue { map: region - memory::MAPS, at, off: off - at };
        }
        if self.mem.is_object(region) {
            return Value::Object { region, off };
        }
        if self.mem.is_temporary(region) {
            return Value::Temporary { region, off };
        }
        Value::Scalar(number)
    }

    /// Copies memory out, as the program would read it.
    ///
    /// # Errors
    /// [`AccessError`] unless the program may read all of it.
    pub fn read(&self, addr: u64, out: &mut [u8]) -> Result<(), AccessError> {
        self.mem.peek(addr, out)
    }

    /// Copies bytes at `r10 + off` of an active function out. What the function has not written is
    /// zero.
    ///
    /// # Errors
    /// [`AccessError`] unless all of them lie in stacks of active functions.
    pub fn read_stack(&self, frame: u32, off: i32, out: &mut [u8]) -> Result<(), AccessError> {
        let top = FRAME_SIZE * MAX_FRAMES.saturating_sub(frame);
        self.read(memory::address(STACK, top.wrapping_add_signed(off)), out)
    }
}

fn stack_value(at: u32) -> Value {
    let frame = MAX_FRAMES.saturating_sub(at.div_ceil(FRAME_SIZE)).min(MAX_FRAMES - 1);
    let top = FRAME_SIZE * (MAX_FRAMES - frame);
    Value::Stack { frame, off: at.wrapping_sub(top).cast_signed() }
}

/// An observer in a run, with the frames that it has been told of.
pub(crate) struct Watch<'r> {
    observer: &'r mut dyn Observer,
    frames: Vec<Activation<'r>>,
}

impl<'r> Watch<'r> {
    pub(crate) fn new(observer: &'r mut dyn Observer) -> Self {
        Self { observer, frames: Vec::new() }
    }
}

/// Tells the observer of the op that is about to run.
pub(crate) fn observe<'r, S>(cx: &mut Cx<'r, S>, code: &'r Code<S>, op: usize, regs: &[u64]) {
    let Some(watch) = &mut cx.watch else { return };
    let mut frame = Activation { prog: &code.prog, pc: code.pc(op), regs: [0; 11] };
    for (to, from) in frame.regs.iter_mut().zip(regs) {
        *to = *from;
    }
    // Callers stay as they were when they called.
    watch.frames.truncate((cx.depth as usize).saturating_sub(1));
    watch.frames.push(frame);
    let machine = cx.machine;
    let moment =
        Moment { frames: &watch.frames, mem: &cx.mem, maps: &machine.maps, progs: machine };
    watch.observer.before(&moment);
}
