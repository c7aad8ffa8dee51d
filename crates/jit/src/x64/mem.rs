//! Loads and stores.
//!
//! Those that are not plain go to the bridge by a stub, which keeps the program's registers, all but the one
//! that gets the result: the address in r11, kind and size in r10, a value in r9; the result is in r11.

use super::{Compiler, env, regs};
use crate::env::Env;
use crate::surroundings::{Access, Surroundings};
use core::mem::offset_of;
use skep_isa::{Insn, Pc, Reg, Size, Src, Swap};
use skep_x64::{Alu, Cond, Gpr, Mem, MemSize, Reach, Width as Wide};

/// Address, kind and value of a bridged access.
pub(super) const ADDR: Gpr = Gpr::R11;
pub(super) const KIND: Gpr = Gpr::R10;
pub(super) const VALUE: Gpr = Gpr::R9;

/// Registers of the program that a C function may change.
const VOLATILE: [Gpr; 6] = [Gpr::Rax, Gpr::Rdi, Gpr::Rsi, Gpr::Rdx, Gpr::Rcx, Gpr::R8];

const fn place(base: Reg, off: i16) -> Mem {
    Mem::new(regs::of(base), off as i32)
}

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    /// How many slots it took.
    #[inline(always)]
    pub(super) fn load(&mut self, pc: Pc, size: Size, dst: Reg, base: Reg, off: i16) -> u32 {
        match self.outside.access(pc) {
            Access::Plain => {
                if self.shape.has_swaps && self.features.movbe && self.is_swapped(pc, size, dst) {
                    let width = regs::width_of(size);
                    self.asm.load_be(width, regs::of(dst), place(base, off));
                    return 2;
                }
                self.plain_load(size, dst, base, off);
            }
            Access::Pointer { off } => {
                self.asm.load(MemSize::B8, regs::of(dst), Mem::new(regs::of(base), off));
            }
            Access::Arena => self.bridged_load(pc, Env::LOAD_ARENA, size, dst, base, off),
            Access::Probed { check } => {
                self.probed_load(pc, (size, false), dst, (base, off), check);
            }
            // The first pass lets none be refused.
            Access::Bridged | Access::Refused => {
                self.bridged_load(pc, Env::LOAD, size, dst, base, off);
            }
        }
        1
    }

    /// Whether the next instruction swaps what is loaded.
    #[inline(never)]
    fn is_swapped(&self, pc: Pc, size: Size, dst: Reg) -> bool {
        match self.ahead().get(pc, 1) {
            Some(&Insn::Swap { kind: Swap::Be | Swap::Always, size: of, dst: to }) => {
                of == size && to == dst && matches!(size, Size::W | Size::Dw)
            }
            _ => false,
        }
    }

    #[inline]
    pub(super) fn plain_load(&mut self, size: Size, dst: Reg, base: Reg, off: i16) {
        self.asm.load(regs::size(size), regs::of(dst), place(base, off));
    }

    #[inline]
    pub(super) fn load_sx(&mut self, pc: Pc, size: Size, dst: Reg, base: Reg, off: i16) {
        match self.outside.access(pc) {
            Access::Probed { check } => {
                self.probed_load(pc, (size, true), dst, (base, off), check);
            }
            Access::Bridged => self.bridged_load(pc, Env::LOAD_SX, size, dst, base, off),
            Access::Arena => self.bridged_load(pc, Env::LOAD_ARENA_SX, size, dst, base, off),
            _ => self.asm.load_sx(regs::size(size), regs::of(dst), place(base, off)),
        }
    }

    #[inline(always)]
    pub(super) fn store(&mut self, pc: Pc, size: Size, base: Reg, off: i16, src: Src) {
        match self.outside.access(pc) {
            Access::Bridged => return self.bridged_store(pc, false, size, base, off, src),
            Access::Arena => return self.bridged_store(pc, true, size, base, off, src),
            _ => {}
        }
        match src {
            Src::Reg(src) => self.plain_store(size, base, off, src),
            Src::Imm(imm) => match self.blinded(Wide::W64, imm) {
                Some(value) => self.asm.store(regs::size(size), place(base, off), value),
                None => self.asm.store_imm(regs::size(size), place(base, off), imm),
            },
        }
    }

    #[inline]
    pub(super) fn plain_store(&mut self, size: Size, base: Reg, off: i16, src: Reg) {
        self.asm.store(regs::size(size), place(base, off), regs::of(src));
    }

    #[inline(never)]
    fn bridged_load(&mut self, pc: Pc, kind: u32, size: Size, dst: Reg, base: Reg, off: i16) {
        self.save_meter();
        self.asm.lea(Wide::W64, ADDR, place(base, off));
        self.bridged(pc, kind, size);
        self.asm.mov(Wide::W64, regs::of(dst), ADDR);
    }

    #[inline(never)]
    fn bridged_store(&mut self, pc: Pc, arena: bool, size: Size, base: Reg, off: i16, src: Src) {
        self.save_meter();
        let kind = match src {
            Src::Reg(src) => {
                self.asm.mov(Wide::W64, VALUE, regs::of(src));
                Env::STORE
            }
            Src::Imm(imm) => {
                self.short_number(Wide::W64, VALUE, imm);
                Env::STORE_IMM
            }
        };
        self.asm.lea(Wide::W64, ADDR, place(base, off));
        self.bridged(pc, if arena { Env::STORE_ARENA } else { kind }, size);
    }

    /// `dst` is where `src` is in the arena; null stays null.
    pub(super) fn cast(&mut self, dst: Reg, src: Reg, arena: u64) {
        let (dst, src) = (regs::of(dst), regs::of(src));
        let null = self.asm.label();
        self.asm.test(Wide::W64, src, src);
        self.asm.mov(Wide::W32, dst, src);
        self.asm.jcc(Cond::E, null, Reach::Short);
        self.asm.mov_imm(Gpr::R11, arena);
        self.asm.alu(Alu::Or, Wide::W64, dst, Gpr::R11);
        self.asm.bind(null);
    }

    pub(super) fn bridged(&mut self, pc: Pc, kind: u32, size: Size) {
        self.asm.mov_imm(KIND, Env::kind(kind, size.bytes(), self.outside.number(), pc));
        self.asm.call(self.stubs.access);
    }

    /// `r0 = ntoh(packet[src + imm])`; beyond the packet, the function returns 0.
    pub(super) fn load_packet(&mut self, pc: Pc, size: Size, src: Option<Reg>, imm: i32) {
        self.save_meter();
        self.short_number(Wide::W32, ADDR, imm);
        if let Some(src) = src {
            self.asm.alu(Alu::Add, Wide::W32, ADDR, regs::of(src));
        }
        self.bridged(pc, Env::PACKET, size);
        let found = self.asm.label();
        self.asm.alu_store_imm(Alu::Cmp, Wide::W64, env(offset_of!(Env, miss)), 0);
        self.asm.mov(Wide::W64, Gpr::Rax, ADDR);
        self.asm.jcc(Cond::E, found, Reach::Short);
        self.asm.zero(Gpr::Rax);
        self.restore();
        self.asm.bind(found);
    }

    /// More for the account.
    pub(super) fn ask_meter(&mut self, pc: Pc) {
        self.asm.mov_imm(KIND, Env::kind(Env::METER, 0, self.outside.number(), pc));
        self.asm.call(self.stubs.access);
    }

    /// The stub of bridged accesses.
    pub(super) fn add_access(&mut self) {
        self.asm.bind(self.stubs.access);
        if self.checks.is_some() {
            self.asm.store(MemSize::B8, env(offset_of!(Env, frame)), regs::FRAME_POINTER);
        }
        for reg in VOLATILE {
            self.asm.push(reg);
        }
        self.asm.push(Gpr::Rax);
        self.asm.mov(Wide::W64, Gpr::Rcx, VALUE);
        self.asm.mov(Wide::W64, Gpr::Rdi, regs::ENV);
        self.asm.mov(Wide::W64, Gpr::Rsi, ADDR);
        self.asm.mov(Wide::W64, Gpr::Rdx, KIND);
        self.call_indirect(env(offset_of!(Env, access)));
        self.asm.mov(Wide::W64, ADDR, Gpr::Rax);
        self.asm.pop(Gpr::Rcx);
        for reg in VOLATILE.into_iter().rev() {
            self.asm.pop(reg);
        }
        self.load_meter();
        self.asm.alu_store_imm(Alu::Cmp, Wide::W64, env(offset_of!(Env, stop)), 0);
        self.asm.jcc(Cond::Ne, self.stubs.abort, Reach::Long);
        self.asm.ret();
    }
}
