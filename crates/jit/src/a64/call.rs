//! Calls.

use super::regs::{ENV, ENV_ARG, FRAME_POINTER, RESULT, S0, S1};
use super::{Compiler, env, unsupported};
use crate::code::CompileError;
use crate::env::Env;
use crate::surroundings::{ArrayLookup, CallbackLoop, Callee, Surroundings};
use core::mem::offset_of;
use skep_a64::{Cond, Gpr, Mem, MemSize, Reach, Width};
use skep_isa::{Call, Pc};

/// The number of a bridged call: the seventh argument.
const ID: Gpr = Gpr::X6;

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    pub(super) fn call(&mut self, pc: Pc, call: Call) -> Result<(), CompileError> {
        match call {
            Call::Local(off) => {
                let label = self.function_label(pc.jump(off).unwrap_or_default().0);
                self.asm.bl(label);
            }
            Call::Reg(_) => return Err(unsupported(pc, "a call of a register")),
            call => match self.outside.call(pc, call).map_err(|what| unsupported(pc, what))? {
                Callee::Function(address) => self.function(address),
                Callee::Bridge(id) | Callee::Loop(CallbackLoop { id, .. }) => self.bridge(id),
                Callee::TailCall { id, .. } => self.tail_call(id),
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
    fn function(&mut self, address: u64) {
        self.asm.mov_imm(S0, address);
        self.asm.blr(S0);
        self.asm.mov(Width::W64, RESULT, Gpr::X0);
    }

    fn bridge(&mut self, id: u32) {
        self.asm.mov_imm(ID, id.into());
        self.asm.bl(self.stubs.bridge);
    }

    /// The stub of bridged calls.
    pub(super) fn add_bridge(&mut self) {
        self.asm.bind(self.stubs.bridge);
        self.save_meter();
        self.asm.push(Gpr::X30, 16);
        self.asm.store(MemSize::B8, FRAME_POINTER, env(offset_of!(Env, frame)));
        self.asm.mov(Width::W64, ENV_ARG, ENV);
        self.asm.load(MemSize::B8, S0, env(offset_of!(Env, bridge)));
        self.asm.blr(S0);
        self.asm.mov(Width::W64, RESULT, Gpr::X0);
        self.asm.pop(Gpr::X30, 16);
        self.load_meter();
        self.asm.load(MemSize::B8, S0, env(offset_of!(Env, stop)));
        self.asm.cb(false, Width::W64, S0, self.stubs.abort, Reach::Near);
        self.asm.ret();
    }

    /// The program is replaced: this function's registers are restored, and what replaces it returns to this
    /// function's caller. Kernel: `bpf_tail_call`.
    fn tail_call(&mut self, id: u32) {
        self.bridge(id);
        let on = self.asm.label();
        self.asm.load(MemSize::B8, S1, env(offset_of!(Env, tail)));
        self.asm.cb(true, Width::W64, S1, on, Reach::Near);
        self.asm.load(MemSize::B8, Gpr::X0, env(offset_of!(Env, tail_ctx)));
        self.restore_saved();
        self.asm.br(S1);
        self.asm.bind(on);
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
        self.asm.csel(Cond::Lo, Width::W64, RESULT, RESULT, Gpr::Zr);
    }
}
