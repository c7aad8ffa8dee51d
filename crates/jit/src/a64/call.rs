//! Calls.

use super::regs::{ENV, ENV_ARG, FRAME_POINTER, RESULT, S0, S1};
use super::{Compiler, env, unsupported};
use crate::code::CompileError;
use crate::env::{Env, MAX_TAIL_CALLS};
use crate::surroundings::{ArrayLookup, Callee, ProgSlots, Surroundings};
use core::mem::offset_of;
use skep_a64::{Add, Cond, Gpr, Mem, MemSize, Reach, Width};
use skep_isa::{Call, Pc};

/// The number of a bridged call: the seventh argument.
const ID: Gpr = Gpr::X6;

/// r1 to r5, and where the stub of bridged calls returns to, by pairs.
const KEPT: [(Gpr, Gpr); 3] = [(Gpr::X0, Gpr::X1), (Gpr::X2, Gpr::X3), (Gpr::X4, Gpr::X30)];

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    pub(super) fn call(&mut self, pc: Pc, call: Call) -> Result<(), CompileError> {
        match call {
            Call::Local(off) => {
                self.check_depth(pc);
                let label = self.function_label(pc.jump(off).unwrap_or_default().0);
                self.asm.bl(label);
            }
            Call::Reg(_) => return Err(unsupported(pc, "a call of a register")),
            call => match self.outside.call(pc, call).map_err(|what| unsupported(pc, what))? {
                Callee::Function(address) => self.function(address),
                Callee::Bridge(id) => self.bridge(id),
                Callee::TailCall { id, array } => self.tail_call(id, array),
                Callee::Loop(calls) => self.call_loop(pc, calls),
                Callee::Each(calls, array) => self.call_each(pc, calls, array),
                Callee::Probe(probe) => self.probe(pc, probe),
                Callee::Array(array) => self.array_lookup(array),
                Callee::WithContext { function, context } => {
                    self.asm.mov_imm(Gpr::X4, context);
                    self.asm.mov(Width::W64, ENV_ARG, ENV);
                    self.function(function);
                }
                Callee::Cpu => self.asm.load(MemSize::B8, RESULT, env(offset_of!(Env, cpu))),
                Callee::Constant(value) => self.asm.mov_imm(RESULT, value),
            },
        }
        Ok(())
    }

    /// A C function.
    pub(super) fn function(&mut self, address: u64) {
        self.asm.mov_imm(S0, address);
        self.asm.blr(S0);
        self.asm.mov(Width::W64, RESULT, Gpr::X0);
    }

    pub(super) fn bridge(&mut self, id: u32) {
        self.asm.mov_imm(ID, id.into());
        self.asm.bl(self.stubs.bridge);
    }

    /// The stub of bridged calls.
    pub(super) fn add_bridge(&mut self) {
        self.asm.bind(self.stubs.bridge);
        self.save_meter();
        // Programs that have not been verified may go on with what they gave.
        let keeps = self.checks.is_some();
        if keeps {
            let [(first, second), (a, b), (c, d)] = KEPT;
            self.asm.push_pair(first, second, 48);
            self.asm.store_pair(a, b, 16);
            self.asm.store_pair(c, d, 32);
        } else {
            self.asm.push(Gpr::X30, 16);
        }
        self.asm.store(MemSize::B8, FRAME_POINTER, env(offset_of!(Env, frame)));
        self.asm.mov(Width::W64, ENV_ARG, ENV);
        self.asm.load(MemSize::B8, S0, env(offset_of!(Env, bridge)));
        self.asm.blr(S0);
        self.asm.mov(Width::W64, RESULT, Gpr::X0);
        if keeps {
            let [(first, second), (a, b), (c, d)] = KEPT;
            self.asm.load_pair(c, d, 32);
            self.asm.load_pair(a, b, 16);
            self.asm.pop_pair(first, second, 48);
        } else {
            self.asm.pop(Gpr::X30, 16);
        }
        self.load_meter();
        self.asm.load(MemSize::B8, S0, env(offset_of!(Env, stop)));
        self.asm.cb(false, Width::W64, S0, self.stubs.abort, Reach::Near);
        self.asm.ret();
    }

    /// The program is replaced: this function's registers are restored, and what replaces it returns to this
    /// function's caller. In code that checks the bridge runs it, as it has checks of its own. Kernel: `bpf_tail_call`.
    pub(super) fn tail_call(&mut self, id: u32, array: Option<ProgSlots>) {
        if let Some(array) = array {
            self.jump_by(array);
        }
        self.bridge(id);
        let on = self.asm.label();
        self.asm.load(MemSize::B8, S1, env(offset_of!(Env, tail)));
        self.asm.cb(true, Width::W64, S1, on, Reach::Near);
        if self.checks.is_some() {
            // The bridge has run it.
            self.exit();
            return self.asm.bind(on);
        }
        self.asm.load(MemSize::B8, Gpr::X0, env(offset_of!(Env, tail_ctx)));
        self.restore_saved();
        self.asm.br(S1);
        self.asm.bind(on);
    }

    /// Jumps to the program at r3 of an array. What is not the common case is left to the bridge: no program, no code
    /// that may be gone to from here, too many tail calls, a stack that others use as well.
    fn jump_by(&mut self, array: ProgSlots) {
        const INDEX: Gpr = Gpr::X2;
        const S: Gpr = S0;
        const TARGET: Gpr = S1;
        let bridge = self.asm.label();
        self.number(S, array.len.into());
        self.asm.mov(Width::W32, TARGET, INDEX);
        self.asm.cmp(Width::W64, TARGET, S);
        self.asm.b_cond(Cond::Hs, bridge, Reach::Near);
        self.asm.mov_imm(S, array.base);
        self.load_word(TARGET, S, TARGET);
        // Without a program in it, a word becomes more than any number.
        self.asm.mov_imm(S, ProgSlots::SET);
        self.asm.add(Add::Sub, Width::W64, TARGET, TARGET, S);
        self.asm.load(MemSize::B8, S, env(offset_of!(Env, progs)));
        self.asm.cmp(Width::W64, TARGET, S);
        self.asm.b_cond(Cond::Hs, bridge, Reach::Near);
        self.asm.load(MemSize::B8, S, env(offset_of!(Env, top)));
        self.asm.cmp(Width::W64, FRAME_POINTER, S);
        self.asm.b_cond(Cond::Lo, bridge, Reach::Near);
        self.asm.load(MemSize::B8, S, env(offset_of!(Env, mains)));
        self.load_word(TARGET, S, TARGET);
        self.asm.cb(true, Width::W64, TARGET, bridge, Reach::Near);
        let calls = env(offset_of!(Env, tail_calls));
        self.asm.load(MemSize::B8, S, calls);
        self.asm.cmp_imm(Width::W64, S, MAX_TAIL_CALLS.into());
        self.asm.b_cond(Cond::Hs, bridge, Reach::Near);
        self.asm.add_imm(Width::W64, S, S, 1);
        self.asm.store(MemSize::B8, S, calls);
        self.restore_saved();
        self.asm.br(TARGET);
        self.asm.bind(bridge);
    }

    /// `dst = base[index]`, in words of 8 bytes; the base is lost.
    fn load_word(&mut self, dst: Gpr, base: Gpr, index: Gpr) {
        self.asm.add_shifted(base, base, index, 3);
        self.asm.load(MemSize::B8, dst, Mem::new(base, 0));
    }

    /// `r0 = &array[*(u32 *)r2]`, or null.
    fn array_lookup(&mut self, array: ArrayLookup) {
        const INDEX: Gpr = Gpr::X1;
        self.asm.load(MemSize::B4, RESULT, Mem::new(INDEX, 0));
        if self.keys.is_some() {
            self.number(S0, array.len.into());
            self.asm.cmp(Width::W32, RESULT, S0);
        } else {
            self.asm.cmp_imm(Width::W32, RESULT, array.len.into());
        }
        self.asm.mov_imm(S0, array.base);
        if array.stride.is_power_of_two() {
            #[expect(clippy::cast_possible_truncation, reason = "less than 32")]
            let log = array.stride.trailing_zeros() as u8;
            self.asm.add_shifted(RESULT, S0, RESULT, log);
        } else {
            self.number(S1, array.stride.into());
            self.asm.madd(Width::W64, RESULT, RESULT, S1, S0);
        }
        self.add_cpu(RESULT, array);
        self.asm.csel(Cond::Lo, Width::W64, RESULT, RESULT, Gpr::Zr);
    }
    /// From the value of an array for the first CPU to that for the CPU of the run; flags stay.
    pub(super) fn add_cpu(&mut self, value: Gpr, array: ArrayLookup) {
        if array.cpu_stride > 0 {
            self.asm.load(MemSize::B8, S0, env(offset_of!(Env, cpu)));
            self.number(S1, array.cpu_stride.into());
            self.asm.madd(Width::W64, value, S0, S1, value);
        }
    }
}
