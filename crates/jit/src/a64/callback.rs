//! Loops of calls of a function of the program.

use super::mem::ADDR;
use super::regs::{self, FRAME_POINTER, RESULT, S0, S1};
use super::{Compiler, env};
use crate::env::{Env, FRAME, MAX_TURNS};
use crate::surroundings::{ArrayLookup, CallbackLoop, Surroundings};
use core::mem::offset_of;
use skep_a64::{Cond, Gpr, Label, Logic, Mem, MemSize, Reach, Width};
use skep_isa::{Pc, Reg, Size};

/// The number of a turn, which the stubs for accesses keep.
const TURN: Gpr = RESULT;
const FLAGS: Gpr = Gpr::X3;

/// What a loop keeps on the host's stack, by words.
const fn word(n: i32) -> Mem {
    Mem::sp(8 * n)
}

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    /// `bpf_loop`: the number of the turn, the argument and the number of turns lie on the host's stack. What is an error
    /// and what finds no room on the program's stack is the bridge's.
    pub(super) fn call_loop(&mut self, pc: Pc, calls: CallbackLoop) {
        const COUNT: Gpr = Gpr::X0;
        const ARG: Gpr = Gpr::X2;
        // The fourth word aligns the stack.
        const BYTES: u16 = 32;
        let [bridge, again, out, end] = core::array::from_fn(|_| self.asm.label());
        self.check_room(calls, bridge);
        self.asm.cb(false, Width::W64, FLAGS, bridge, Reach::Near);
        self.asm.cmp_imm(Width::W32, COUNT, MAX_TURNS.into());
        self.asm.b_cond(Cond::Hi, bridge, Reach::Near);
        self.asm.mov(Width::W32, RESULT, COUNT);
        self.asm.cb(true, Width::W32, RESULT, end, Reach::Near);
        self.asm.push_pair(Gpr::Zr, ARG, BYTES.into());
        self.asm.store(MemSize::B8, RESULT, word(2));
        self.asm.bind(again);
        self.asm.load_pair(COUNT, regs::of(Reg::R2), 0);
        self.report_turns(pc, COUNT);
        self.call_turn(calls, out);
        self.asm.load(MemSize::B8, S1, word(2));
        self.asm.cmp(Width::W64, S0, S1);
        self.asm.b_cond(Cond::Lo, again, Reach::Near);
        self.asm.bind(out);
        self.asm.mov(Width::W64, RESULT, S0);
        self.asm.free(BYTES);
        self.asm.b(end);
        self.asm.bind(bridge);
        self.bridge(calls.id);
        self.asm.bind(end);
    }

    /// `bpf_for_each_map_elem` over an array: the number of the entry, the address of the memory that it is shown in as a key, the
    /// map and the argument lie on the host's stack. What is an error and what finds no room on the program's stack is
    /// the bridge's.
    pub(super) fn call_each(&mut self, pc: Pc, calls: CallbackLoop, array: ArrayLookup) {
        const MAP: Gpr = Gpr::X0;
        const KEY: Gpr = Gpr::X1;
        const VALUE: Gpr = Gpr::X2;
        const ARG: (Gpr, Gpr) = (Gpr::X2, Gpr::X3);
        let [bridge, again, out, end] = core::array::from_fn(|_| self.asm.label());
        self.check_room(calls, bridge);
        self.asm.cb(false, Width::W64, FLAGS, bridge, Reach::Near);
        self.asm.push_pair(MAP, ARG.0, 16);
        self.bridged(pc, Env::EACH, Size::W);
        self.asm.push_pair(Gpr::Zr, ADDR, 16);
        self.asm.bind(again);
        self.asm.load(MemSize::B8, TURN, word(0));
        self.report_turns(pc, TURN);
        self.asm.load(MemSize::B8, KEY, word(1));
        self.asm.store(MemSize::B4, TURN, Mem::new(KEY, 0));
        self.number(VALUE, array.stride.into());
        self.asm.mov_imm(S1, array.base);
        self.asm.madd(Width::W64, VALUE, VALUE, TURN, S1);
        self.add_cpu(VALUE, array);
        self.asm.load_pair(MAP, ARG.1, 16);
        self.call_turn(calls, out);
        self.number(S1, array.len.into());
        self.asm.cmp(Width::W64, S0, S1);
        self.asm.b_cond(Cond::Lo, again, Reach::Near);
        self.asm.bind(out);
        self.asm.load(MemSize::B8, ADDR, word(1));
        self.bridged(pc, Env::EACH_END, Size::W);
        self.asm.load(MemSize::B8, RESULT, word(0));
        self.asm.free(32);
        self.asm.b(end);
        self.asm.bind(bridge);
        self.bridge(calls.id);
        self.asm.bind(end);
    }

    /// Calls the function; the number of turns is in [`S0`] and on the host's stack then. Out, if the function wants no more.
    fn call_turn(&mut self, calls: CallbackLoop, out: Label) {
        let function = self.function_label(calls.start.0);
        self.asm.bl(function);
        self.asm.load(MemSize::B8, S0, word(0));
        self.asm.add_imm(Width::W64, S0, S0, 1);
        self.asm.store(MemSize::B8, S0, word(0));
        self.asm.cb(false, Width::W64, RESULT, out, Reach::Near);
    }

    /// Whether the program's stack has room for the function.
    fn check_room(&mut self, calls: CallbackLoop, bridge: Label) {
        let below = i64::from(calls.frames).saturating_add(1) * -i64::from(FRAME);
        self.asm.add_imm(Width::W64, S0, FRAME_POINTER, below);
        self.asm.load(MemSize::B8, S1, env(offset_of!(Env, bottom)));
        self.asm.cmp(Width::W64, S0, S1);
        self.asm.b_cond(Cond::Lo, bridge, Reach::Near);
    }

    /// Every so many turns, where instructions are not counted.
    fn report_turns(&mut self, pc: Pc, turn: Gpr) {
        if self.meter.is_none() {
            let counted = self.asm.label();
            let some = u64::from(Env::SOME_TURNS - 1);
            self.asm.logic_imm(Logic::Ands, Width::W32, Gpr::Zr, turn, some);
            self.asm.b_cond(Cond::Ne, counted, Reach::Near);
            self.bridged(pc, Env::TURNS, Size::B);
            self.asm.bind(counted);
        }
    }
}
