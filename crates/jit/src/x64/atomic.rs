//! Atomic operations. Plain loads and stores acquire and release on this host.

use super::{Compiler, regs};
use crate::surroundings::Surroundings;
use skep_isa::{AtomicOp, Reg, Size};
use skep_x64::{Alu, Cond, Gpr, Mem, Reach, Width};

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    pub(super) fn atomic(&mut self, size: Size, op: AtomicOp, base: Reg, off: i16, src: Reg) {
        let (width, value) = (regs::width_of(size), regs::of(src));
        let mem = Mem::new(regs::of(base), off.into());
        match op {
            AtomicOp::Add => self.asm.alu_store(Alu::Add, width, mem, value, true),
            AtomicOp::Or => self.asm.alu_store(Alu::Or, width, mem, value, true),
            AtomicOp::And => self.asm.alu_store(Alu::And, width, mem, value, true),
            AtomicOp::Xor => self.asm.alu_store(Alu::Xor, width, mem, value, true),
            AtomicOp::FetchAdd => self.asm.xadd(width, mem, value),
            AtomicOp::FetchOr => self.fetch(Alu::Or, width, (base, off), value),
            AtomicOp::FetchAnd => self.fetch(Alu::And, width, (base, off), value),
            AtomicOp::FetchXor => self.fetch(Alu::Xor, width, (base, off), value),
            AtomicOp::Xchg => self.asm.xchg(width, mem, value),
            AtomicOp::CmpXchg => {
                self.asm.cmpxchg(width, mem, value);
                // Where they were equal, the processor leaves all of rax.
                if width == Width::W32 {
                    self.asm.mov(Width::W32, Gpr::Rax, Gpr::Rax);
                }
            }
        }
    }

    /// The processor has no such operation, but compares and exchanges through rax.
    fn fetch(&mut self, op: Alu, width: Width, (base, off): (Reg, i16), src: Gpr) {
        const OLD_RAX: Gpr = Gpr::R10;
        const NEW: Gpr = Gpr::R11;
        let is_rax = |reg: Gpr| if reg == Gpr::Rax { OLD_RAX } else { reg };
        let mem = Mem::new(is_rax(regs::of(base)), off.into());
        self.asm.mov(Width::W64, OLD_RAX, Gpr::Rax);
        let size = if width == Width::W64 { Size::Dw } else { Size::W };
        self.asm.load(regs::size(size), Gpr::Rax, mem);
        let again = self.asm.label();
        self.asm.bind(again);
        self.asm.mov(width, NEW, Gpr::Rax);
        self.asm.alu(op, width, NEW, is_rax(src));
        self.asm.cmpxchg(width, mem, NEW);
        self.asm.jcc(Cond::Ne, again, Reach::Short);
        if src != Gpr::Rax {
            self.asm.mov(width, src, Gpr::Rax);
            self.asm.mov(Width::W64, Gpr::Rax, OLD_RAX);
        } else if width == Width::W32 {
            self.asm.mov(Width::W32, Gpr::Rax, Gpr::Rax);
        }
    }
}
