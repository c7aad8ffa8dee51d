//! Numbers that do not stand in the code, and jumps whose target the processor does not guess.

use super::Compiler;
use crate::surroundings::Surroundings;
use skep_x64::{Alu, Gpr, Mem, MemSize, Reach, Width};

/// Where blinded numbers come to lie, and targets of guarded jumps.
pub(super) const S: Gpr = Gpr::R11;

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    /// A number in a register other than [`S`]; flags may change.
    pub(super) fn number(&mut self, reg: Gpr, number: u64) {
        let Some(keys) = &mut self.keys else { return self.asm.mov_imm(reg, number) };
        if let Ok(short) = i32::try_from(number.cast_signed()) {
            return self.short_number(Width::W64, reg, short);
        }
        let key = keys.next();
        self.asm.mov_imm(reg, number ^ key);
        self.asm.mov_imm(S, key);
        self.asm.alu(Alu::Xor, Width::W64, reg, S);
    }

    /// A number, sign-extended to a width, in any register; flags may change.
    pub(super) fn short_number(&mut self, width: Width, reg: Gpr, number: i32) {
        let extended = |number: i32| match width {
            Width::W64 => i64::from(number).cast_unsigned(),
            Width::W32 => number.cast_unsigned().into(),
        };
        let Some(keys) = &mut self.keys else { return self.asm.mov_imm(reg, extended(number)) };
        let (combined, key) = keys.split(number);
        self.asm.mov_imm(reg, extended(combined));
        self.asm.alu_imm(Alu::Xor, width, reg, key);
    }

    /// An immediate in [`S`], if it must not stand in the code.
    #[inline]
    pub(super) fn blinded(&mut self, width: Width, imm: i32) -> Option<Gpr> {
        self.keys?;
        self.short_number(width, S, imm);
        Some(S)
    }

    /// Calls what a word of memory leads to.
    pub(super) fn call_indirect(&mut self, mem: Mem) {
        if self.outside.style().retpolines {
            self.asm.load(MemSize::B8, S, mem);
            self.asm.call(self.stubs.retpoline);
        } else {
            self.asm.call_mem(mem);
        }
    }

    /// Calls an address.
    pub(super) fn call_address(&mut self, address: u64) {
        if self.outside.style().retpolines {
            self.asm.mov_imm(S, address);
            self.asm.call(self.stubs.retpoline);
        } else {
            self.asm.mov_imm(Gpr::Rax, address);
            self.asm.call_reg(Gpr::Rax);
        }
    }

    /// Jumps to where [`S`] leads.
    pub(super) fn jump_indirect(&mut self) {
        if self.outside.style().retpolines {
            self.asm.jmp(self.stubs.retpoline, Reach::Long);
        } else {
            self.asm.jmp_reg(S);
        }
    }

    /// What those jumps go through: a return, for which processors guess that it goes behind the call, into a loop
    /// that leads nowhere. Kernel: `emit_indirect_jump`; by Turner, "Retpoline", 2018.
    pub(super) fn add_retpoline(&mut self) {
        if !self.outside.style().retpolines {
            return;
        }
        let (set, trap) = (self.asm.label(), self.asm.label());
        self.asm.align(16, 15);
        self.asm.bind(self.stubs.retpoline);
        self.asm.call(set);
        self.asm.bind(trap);
        self.asm.pause();
        self.asm.lfence();
        self.asm.jmp(trap, Reach::Short);
        self.asm.bind(set);
        self.asm.store(MemSize::B8, Mem::new(Gpr::Rsp, 0), S);
        self.asm.ret();
        self.asm.trap();
    }
}
