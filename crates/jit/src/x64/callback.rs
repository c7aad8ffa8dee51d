//! Loops of calls of a function of the program.

use super::mem::ADDR;
use super::{Compiler, env};
use crate::env::{Env, FRAME, MAX_TURNS};
use crate::surroundings::{ArrayLookup, CallbackLoop, Surroundings};
use crate::x64::regs;
use core::mem::offset_of;
use skep_isa::{Pc, Size};
use skep_x64::{Alu, Cond, Gpr, Label, Mem, MemSize, Reach, Width};

/// What a loop keeps on the host's stack, by words.
const fn word(n: i32) -> Mem {
    Mem::new(Gpr::Rsp, 8 * n)
}

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    /// `bpf_loop`: the number of the turn, the argument and the number of turns lie on the host's stack. What is an error
    /// and what finds no room on the program's stack is the bridge's.
    pub(super) fn call_loop(&mut self, pc: Pc, calls: CallbackLoop) {
        const COUNT: Gpr = Gpr::Rdi;
        const ARG: Gpr = Gpr::Rdx;
        const FLAGS: Gpr = Gpr::Rcx;
        const TURN: Gpr = Gpr::R11;
        let [bridge, again, out, end] = core::array::from_fn(|_| self.asm.label());
        self.check_room(calls, bridge);
        self.asm.test(Width::W64, FLAGS, FLAGS);
        self.asm.jcc(Cond::Ne, bridge, Reach::Long);
        self.asm.alu_imm(Alu::Cmp, Width::W32, COUNT, MAX_TURNS);
        self.asm.jcc(Cond::A, bridge, Reach::Long);
        self.asm.mov(Width::W32, Gpr::Rax, COUNT);
        self.asm.test(Width::W32, Gpr::Rax, Gpr::Rax);
        self.asm.jcc(Cond::E, end, Reach::Long);
        self.asm.zero(TURN);
        // The fourth word aligns the stack.
        for reg in [Gpr::Rax, Gpr::Rax, ARG, TURN] {
            self.asm.push(reg);
        }
        self.asm.bind(again);
        self.asm.load(MemSize::B8, Gpr::Rdi, word(0));
        self.report_turns(pc, Gpr::Rdi);
        self.asm.load(MemSize::B8, Gpr::Rsi, word(1));
        let function = self.function_label(calls.start.0);
        self.asm.call(function);
        self.asm.load(MemSize::B8, TURN, word(0));
        self.asm.alu_imm(Alu::Add, Width::W64, TURN, 1);
        self.asm.store(MemSize::B8, word(0), TURN);
        self.asm.test(Width::W64, Gpr::Rax, Gpr::Rax);
        self.asm.jcc(Cond::Ne, out, Reach::Short);
        self.asm.alu_load(Alu::Cmp, Width::W64, TURN, word(2));
        self.asm.jcc(Cond::B, again, Reach::Long);
        self.asm.bind(out);
        self.asm.mov(Width::W64, Gpr::Rax, TURN);
        self.asm.alu_imm(Alu::Add, Width::W64, Gpr::Rsp, 32);
        self.asm.jmp(end, Reach::Long);
        self.asm.bind(bridge);
        self.bridge(calls.id);
        self.asm.bind(end);
    }

    /// `bpf_for_each_map_elem` over an array: the number of the entry, the address of the memory that it is shown in as a key, the
    /// map and the argument lie on the host's stack. What is an error and what finds no room on the program's stack is
    /// the bridge's.
    pub(super) fn call_each(&mut self, pc: Pc, calls: CallbackLoop, array: ArrayLookup) {
        const MAP: Gpr = Gpr::Rdi;
        const KEY: Gpr = Gpr::Rsi;
        const VALUE: Gpr = Gpr::Rdx;
        const ARG: (Gpr, Gpr) = (Gpr::Rdx, Gpr::Rcx);
        const FLAGS: Gpr = Gpr::Rcx;
        const TURN: Gpr = Gpr::Rax;
        const S: Gpr = Gpr::R11;
        let [bridge, again, out, end] = core::array::from_fn(|_| self.asm.label());
        self.check_room(calls, bridge);
        self.asm.test(Width::W64, FLAGS, FLAGS);
        self.asm.jcc(Cond::Ne, bridge, Reach::Long);
        self.asm.push(ARG.0);
        self.asm.push(MAP);
        self.save_meter();
        self.bridged(pc, Env::EACH, Size::W);
        self.asm.push(ADDR);
        self.asm.zero(TURN);
        self.asm.push(TURN);
        self.asm.bind(again);
        self.asm.load(MemSize::B8, TURN, word(0));
        self.report_turns(pc, TURN);
        self.asm.load(MemSize::B8, KEY, word(1));
        self.asm.store(MemSize::B4, Mem::new(KEY, 0), TURN);
        self.number(VALUE, array.stride.into());
        self.asm.imul(Width::W64, VALUE, TURN);
        self.asm.mov_imm(S, array.base);
        self.asm.alu(Alu::Add, Width::W64, VALUE, S);
        self.add_cpu(VALUE, array);
        self.asm.load(MemSize::B8, MAP, word(2));
        self.asm.load(MemSize::B8, ARG.1, word(3));
        let function = self.function_label(calls.start.0);
        self.asm.call(function);
        self.asm.load(MemSize::B8, S, word(0));
        self.asm.alu_imm(Alu::Add, Width::W64, S, 1);
        self.asm.store(MemSize::B8, word(0), S);
        self.asm.test(Width::W64, Gpr::Rax, Gpr::Rax);
        self.asm.jcc(Cond::Ne, out, Reach::Short);
        self.number(Gpr::Rax, array.len.into());
        // The number may have taken the register of the turn.
        self.asm.alu_load(Alu::Cmp, Width::W64, Gpr::Rax, word(0));
        self.asm.jcc(Cond::A, again, Reach::Long);
        self.asm.bind(out);
        self.asm.load(MemSize::B8, ADDR, word(1));
        self.save_meter();
        self.bridged(pc, Env::EACH_END, Size::W);
        self.asm.load(MemSize::B8, Gpr::Rax, word(0));
        self.asm.alu_imm(Alu::Add, Width::W64, Gpr::Rsp, 32);
        self.asm.jmp(end, Reach::Long);
        self.asm.bind(bridge);
        self.bridge(calls.id);
        self.asm.bind(end);
    }

    /// Whether the program's stack has room for the function.
    fn check_room(&mut self, calls: CallbackLoop, bridge: Label) {
        const LOWEST: Gpr = Gpr::R11;
        let below = i32::try_from(calls.frames).unwrap_or(i32::MAX).saturating_add(1);
        self.asm.lea(
            Width::W64,
            LOWEST,
            Mem::new(regs::FRAME_POINTER, below.saturating_mul(-FRAME)),
        );
        self.asm.alu_load(Alu::Cmp, Width::W64, LOWEST, env(offset_of!(Env, bottom)));
        self.asm.jcc(Cond::B, bridge, Reach::Long);
    }

    /// Every so many turns, where instructions are not counted.
    fn report_turns(&mut self, pc: Pc, turn: Gpr) {
        if self.meter.is_none() {
            let counted = self.asm.label();
            self.asm.test_imm(Width::W32, turn, Env::SOME_TURNS.cast_signed().wrapping_sub(1));
            self.asm.jcc(Cond::Ne, counted, Reach::Short);
            self.bridged(pc, Env::TURNS, Size::B);
            self.asm.bind(counted);
        }
    }
}
