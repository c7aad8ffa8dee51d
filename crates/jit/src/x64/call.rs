//! Calls.

use super::{Compiler, env, regs, unsupported};
use crate::code::CompileError;
use crate::env::{Env, MAX_TAIL_CALLS};
use crate::surroundings::{ArrayLookup, Callee, ProgSlots, Surroundings};
use core::mem::offset_of;
use skep_isa::{Call, Pc};
use skep_x64::{Alu, Cond, Gpr, Mem, MemSize, Reach, Width};

/// The number of a bridged call.
const ID: Gpr = Gpr::R10;

/// r1 to r5, and one more, to be an even number.
const KEPT: [Gpr; 6] = [Gpr::R9, Gpr::Rdi, Gpr::Rsi, Gpr::Rdx, Gpr::Rcx, Gpr::R8];

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    pub(super) fn call(&mut self, pc: Pc, call: Call) -> Result<(), CompileError> {
        match call {
            Call::Local(off) => {
                self.check_depth(pc);
                let label = self.function_label(pc.jump(off).unwrap_or_default().0);
                self.asm.call(label);
            }
            Call::Reg(_) => return Err(unsupported(pc, "a call of a register")),
            call => match self.outside.call(pc, call).map_err(|what| unsupported(pc, what))? {
                Callee::Function(address) => {
                    self.save_meter();
                    self.call_address(address);
                    self.load_meter();
                }
                Callee::Bridge(id) => self.bridge(id),
                Callee::TailCall { id, array } => self.tail_call(id, array),
                Callee::Loop(calls) => self.call_loop(pc, calls),
                Callee::Each(calls, array) => self.call_each(pc, calls, array),
                Callee::Probe(probe) => self.probe(pc, probe),
                Callee::Array(array) => self.array_lookup(array),
                Callee::WithContext { function, context } => {
                    self.save_meter();
                    self.asm.mov_imm(Gpr::R8, context);
                    self.asm.mov(Width::W64, Gpr::R9, regs::ENV);
                    self.call_address(function);
                    self.load_meter();
                }
                Callee::Cpu => self.asm.load(MemSize::B8, Gpr::Rax, env(offset_of!(Env, cpu))),
                Callee::Constant(value) => self.asm.mov_imm(Gpr::Rax, value),
            },
        }
        Ok(())
    }

    pub(super) fn bridge(&mut self, id: u32) {
        self.asm.mov_imm(ID, id.into());
        self.asm.call(self.stubs.bridge);
    }

    /// The stub of bridged calls.
    pub(super) fn add_bridge(&mut self) {
        self.asm.bind(self.stubs.bridge);
        self.save_meter();
        self.asm.store(MemSize::B8, env(offset_of!(Env, frame)), regs::FRAME_POINTER);
        self.asm.mov(Width::W64, Gpr::R9, regs::ENV);
        // Programs that have not been verified may go on with what they gave.
        let kept: &[Gpr] = if self.checks.is_some() { &KEPT } else { &[] };
        for &reg in kept {
            self.asm.push(reg);
        }
        // The seventh argument, which aligns the stack as well.
        self.asm.push(ID);
        self.call_indirect(env(offset_of!(Env, bridge)));
        self.asm.pop(Gpr::Rcx);
        for &reg in kept.iter().rev() {
            self.asm.pop(reg);
        }
        self.load_meter();
        self.asm.alu_store_imm(Alu::Cmp, Width::W64, env(offset_of!(Env, stop)), 0);
        self.asm.jcc(Cond::Ne, self.stubs.abort, Reach::Long);
        self.asm.ret();
    }

    /// The program is replaced: this function's registers are restored, and what replaces it returns to this
    /// function's caller. In code that checks the bridge runs it, as it has checks of its own. Kernel: `bpf_tail_call`.
    pub(super) fn tail_call(&mut self, id: u32, array: Option<ProgSlots>) {
        if let Some(array) = array {
            self.jump_by(array);
        }
        self.bridge(id);
        if self.checks.is_some() {
            return self.return_if_replaced();
        }
        let on = self.asm.label();
        self.asm.load(MemSize::B8, Gpr::R11, env(offset_of!(Env, tail)));
        self.asm.test(Width::W64, Gpr::R11, Gpr::R11);
        self.asm.jcc(Cond::E, on, Reach::Short);
        self.asm.load(MemSize::B8, Gpr::Rdi, env(offset_of!(Env, tail_ctx)));
        self.restore_saved();
        self.jump_indirect();
        self.asm.bind(on);
    }

    /// The end of the function, if the bridge has run what replaces the program.
    fn return_if_replaced(&mut self) {
        let on = self.asm.label();
        self.asm.alu_store_imm(Alu::Cmp, Width::W64, env(offset_of!(Env, tail)), 0);
        self.asm.jcc(Cond::E, on, Reach::Short);
        self.exit();
        self.asm.bind(on);
    }

    /// Jumps to the program at r3 of an array. What is not the common case is left to the bridge: no program, no code
    /// that may be gone to from here, too many tail calls, a stack that others use as well.
    fn jump_by(&mut self, array: ProgSlots) {
        const INDEX: Gpr = Gpr::Rdx;
        const S: Gpr = Gpr::R10;
        const TARGET: Gpr = Gpr::R11;
        let bridge = self.asm.label();
        self.number(S, array.len.into());
        self.asm.mov(Width::W32, TARGET, INDEX);
        self.asm.alu(Alu::Cmp, Width::W64, TARGET, S);
        self.asm.jcc(Cond::Ae, bridge, Reach::Short);
        self.asm.mov_imm(S, array.base);
        self.asm.load(MemSize::B8, TARGET, Mem::new(S, 0).with_index(TARGET, 3));
        // Without a program in it, a word becomes more than any number.
        self.asm.mov_imm(S, ProgSlots::SET);
        self.asm.alu(Alu::Sub, Width::W64, TARGET, S);
        self.asm.alu_load(Alu::Cmp, Width::W64, TARGET, env(offset_of!(Env, progs)));
        self.asm.jcc(Cond::Ae, bridge, Reach::Short);
        self.asm.alu_load(Alu::Cmp, Width::W64, regs::FRAME_POINTER, env(offset_of!(Env, top)));
        self.asm.jcc(Cond::B, bridge, Reach::Short);
        self.asm.load(MemSize::B8, S, env(offset_of!(Env, mains)));
        self.asm.load(MemSize::B8, TARGET, Mem::new(S, 0).with_index(TARGET, 3));
        self.asm.test(Width::W64, TARGET, TARGET);
        self.asm.jcc(Cond::E, bridge, Reach::Short);
        let calls = env(offset_of!(Env, tail_calls));
        self.asm.alu_store_imm(Alu::Cmp, Width::W64, calls, MAX_TAIL_CALLS);
        self.asm.jcc(Cond::Ae, bridge, Reach::Short);
        self.asm.alu_store_imm(Alu::Add, Width::W64, calls, 1);
        self.restore_saved();
        self.jump_indirect();
        self.asm.bind(bridge);
    }

    /// `r0 = &array[*(u32 *)r2]`, or null.
    fn array_lookup(&mut self, array: ArrayLookup) {
        const INDEX: Gpr = Gpr::Rsi;
        let (beyond, end) = (self.asm.label(), self.asm.label());
        self.asm.load(MemSize::B4, Gpr::Rax, Mem::new(INDEX, 0));
        match self.blinded(Width::W32, array.len.cast_signed()) {
            Some(len) => self.asm.alu(Alu::Cmp, Width::W32, Gpr::Rax, len),
            None => self.asm.alu_imm(Alu::Cmp, Width::W32, Gpr::Rax, array.len.cast_signed()),
        }
        self.asm.jcc(Cond::Ae, beyond, Reach::Short);
        if array.stride.is_power_of_two() {
            #[expect(clippy::cast_possible_truncation, reason = "less than 32")]
            let log = array.stride.trailing_zeros() as u8;
            self.asm.shift_imm(skep_x64::Shift::Shl, Width::W64, Gpr::Rax, log);
        } else if let Some(stride) = self.blinded(Width::W64, array.stride.cast_signed()) {
            self.asm.imul(Width::W64, Gpr::Rax, stride);
        } else {
            self.asm.imul_imm(Width::W64, Gpr::Rax, Gpr::Rax, array.stride.cast_signed());
        }
        self.asm.mov_imm(Gpr::R11, array.base);
        self.asm.alu(Alu::Add, Width::W64, Gpr::Rax, Gpr::R11);
        self.add_cpu(Gpr::Rax, array);
        self.asm.jmp(end, Reach::Short);
        self.asm.bind(beyond);
        self.asm.zero(Gpr::Rax);
        self.asm.bind(end);
    }

    /// From the value of an array for the first CPU to that for the CPU of the run.
    pub(super) fn add_cpu(&mut self, value: Gpr, array: ArrayLookup) {
        const CPU: Gpr = Gpr::R10;
        if array.cpu_stride == 0 {
            return;
        }
        self.asm.load(MemSize::B8, CPU, env(offset_of!(Env, cpu)));
        match self.blinded(Width::W64, array.cpu_stride.cast_signed()) {
            Some(stride) => self.asm.imul(Width::W64, CPU, stride),
            None => self.asm.imul_imm(Width::W64, CPU, CPU, array.cpu_stride.cast_signed()),
        }
        self.asm.alu(Alu::Add, Width::W64, value, CPU);
    }
}
