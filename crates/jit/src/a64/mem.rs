//! Loads and stores.
//!
//! Those that are not plain go to the bridge by a stub, which keeps the program's registers, all but the one
//! that gets the result: the address in x9, kind and size in x10, a value in x11; the result is in x9.

use super::alu::number;
use super::regs::{RESULT, S0, S1, S2};
use super::{Compiler, env, regs};
use crate::env::Env;
use crate::surroundings::{Access, Surroundings};
use core::mem::offset_of;
use skep_a64::{Add, Cond, Gpr, Logic, Mem, MemSize, Reach, Width as Wide};
use skep_isa::{Pc, Reg, Size, Src, Width};

/// Address, kind and value of a bridged access.
pub(super) const ADDR: Gpr = S0;
pub(super) const KIND: Gpr = S1;
pub(super) const VALUE: Gpr = S2;

/// Registers of the program that a C function may change, and where the stub returns to, by pairs.
const VOLATILE: [(Gpr, Gpr); 4] =
    [(Gpr::X0, Gpr::X1), (Gpr::X2, Gpr::X3), (Gpr::X4, RESULT), (Gpr::X30, Gpr::X29)];

const fn place(base: Reg, off: i16) -> Mem {
    Mem::new(regs::of(base), off as i32)
}

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    #[inline]
    pub(super) fn load(&mut self, pc: Pc, size: Size, dst: Reg, base: Reg, off: i16) {
        match self.outside.access(pc) {
            Access::Plain => {
                self.asm.load(regs::size(size), regs::of(dst), place(base, off));
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
    }

    #[inline]
    pub(super) fn load_sx(&mut self, pc: Pc, size: Size, dst: Reg, base: Reg, off: i16) {
        match self.outside.access(pc) {
            Access::Bridged => self.bridged_load(pc, Env::LOAD_SX, size, dst, base, off),
            Access::Probed { check } => {
                self.probed_load(pc, (size, true), dst, (base, off), check);
            }
            Access::Arena => self.bridged_load(pc, Env::LOAD_ARENA_SX, size, dst, base, off),
            _ => self.asm.load_sx(regs::size(size), regs::of(dst), place(base, off)),
        }
    }

    pub(super) fn load_acquire(&mut self, pc: Pc, size: Size, dst: Reg, base: Reg, off: i16) {
        if self.outside.access(pc) != Access::Plain {
            return self.load(pc, size, dst, base, off);
        }
        let at = self.address(base, off);
        self.asm.load_acquire(regs::size(size), regs::of(dst), at);
    }

    pub(super) fn store_release(&mut self, size: Size, base: Reg, off: i16, src: Reg) {
        let at = self.address(base, off);
        self.asm.store_release(regs::size(size), regs::of(src), at);
    }

    /// An address in a register, for accesses that have no distance.
    pub(super) fn address(&mut self, base: Reg, off: i16) -> Gpr {
        let base = regs::of(base);
        if off == 0 {
            return base;
        }
        self.asm.add_imm(Wide::W64, ADDR, base, off.into());
        ADDR
    }

    #[inline]
    pub(super) fn store(&mut self, pc: Pc, size: Size, base: Reg, off: i16, src: Src) {
        match self.outside.access(pc) {
            Access::Bridged => return self.bridged_store(pc, false, size, base, off, src),
            Access::Arena => return self.bridged_store(pc, true, size, base, off, src),
            _ => {}
        }
        let src = match src {
            Src::Reg(src) => regs::of(src),
            Src::Imm(imm) => self.stored(VALUE, size, imm),
        };
        self.asm.store(regs::size(size), src, place(base, off));
    }

    /// The register that holds a number that is stored.
    pub(super) fn stored(&mut self, scratch: Gpr, size: Size, imm: i32) -> Gpr {
        if imm == 0 {
            return Gpr::Zr;
        }
        if self.keys.is_some() {
            self.number(scratch, i64::from(imm).cast_unsigned());
        } else {
            let width = if size == Size::Dw { Width::W64 } else { Width::W32 };
            self.asm.mov_imm(scratch, number(width, imm) & (u64::MAX >> (64 - size.bits())));
        }
        scratch
    }

    fn bridged_load(&mut self, pc: Pc, kind: u32, size: Size, dst: Reg, base: Reg, off: i16) {
        self.asm.add_imm(Wide::W64, ADDR, regs::of(base), off.into());
        self.bridged(pc, kind, size);
        self.asm.mov(Wide::W64, regs::of(dst), ADDR);
    }

    fn bridged_store(&mut self, pc: Pc, arena: bool, size: Size, base: Reg, off: i16, src: Src) {
        let kind = match src {
            Src::Reg(src) => {
                self.asm.mov(Wide::W64, VALUE, regs::of(src));
                Env::STORE
            }
            Src::Imm(imm) => {
                self.number(VALUE, number(Width::W64, imm));
                Env::STORE_IMM
            }
        };
        self.asm.add_imm(Wide::W64, ADDR, regs::of(base), off.into());
        self.bridged(pc, if arena { Env::STORE_ARENA } else { kind }, size);
    }

    /// `dst` is where `src` is in the arena; null stays null.
    pub(super) fn cast(&mut self, dst: Reg, src: Reg, arena: u64) {
        let (dst, src) = (regs::of(dst), regs::of(src));
        self.asm.cmp_imm(Wide::W64, src, 0);
        self.asm.mov_imm(S0, arena);
        self.asm.mov(Wide::W32, dst, src);
        self.asm.logic(Logic::Orr, Wide::W64, S0, S0, dst);
        self.asm.csel(Cond::Eq, Wide::W64, dst, Gpr::Zr, S0);
    }

    pub(super) fn bridged(&mut self, pc: Pc, kind: u32, size: Size) {
        self.asm.mov_imm(KIND, Env::kind(kind, size.bytes(), self.outside.number(), pc));
        self.asm.bl(self.stubs.access);
    }

    /// `r0 = ntoh(packet[src + imm])`; beyond the packet, the function returns 0.
    pub(super) fn load_packet(&mut self, pc: Pc, size: Size, src: Option<Reg>, imm: i32) {
        self.number(ADDR, i64::from(imm).cast_unsigned());
        if let Some(src) = src {
            self.asm.add(Add::Add, Wide::W32, ADDR, ADDR, regs::of(src));
        }
        self.bridged(pc, Env::PACKET, size);
        let found = self.asm.label();
        self.asm.load(MemSize::B8, KIND, env(offset_of!(Env, miss)));
        self.asm.mov(Wide::W64, RESULT, ADDR);
        self.asm.cb(true, Wide::W64, KIND, found, Reach::Near);
        self.asm.mov_imm(RESULT, 0);
        self.restore();
        self.asm.bind(found);
    }

    /// More for the account.
    pub(super) fn ask_meter(&mut self, pc: Pc) {
        self.asm.mov_imm(KIND, Env::kind(Env::METER, 0, self.outside.number(), pc));
        self.asm.bl(self.stubs.access);
    }

    /// The stub of bridged accesses.
    pub(super) fn add_access(&mut self) {
        self.asm.bind(self.stubs.access);
        self.save_meter();
        if self.checks.is_some() {
            self.asm.store(MemSize::B8, regs::FRAME_POINTER, env(offset_of!(Env, frame)));
        }
        let [(first, second), rest @ ..] = VOLATILE;
        self.asm.push_pair(first, second, 64);
        for ((a, b), at) in rest.into_iter().zip([16, 32, 48]) {
            self.asm.store_pair(a, b, at);
        }
        self.asm.mov(Wide::W64, Gpr::X0, regs::ENV);
        self.asm.mov(Wide::W64, Gpr::X1, ADDR);
        self.asm.mov(Wide::W64, Gpr::X2, KIND);
        self.asm.mov(Wide::W64, Gpr::X3, VALUE);
        self.asm.load(MemSize::B8, S0, env(offset_of!(Env, access)));
        self.asm.blr(S0);
        self.asm.mov(Wide::W64, ADDR, Gpr::X0);
        for ((a, b), at) in rest.into_iter().zip([16, 32, 48]) {
            self.asm.load_pair(a, b, at);
        }
        self.asm.pop_pair(first, second, 64);
        self.load_meter();
        self.asm.load(MemSize::B8, KIND, env(offset_of!(Env, stop)));
        self.asm.cb(false, Wide::W64, KIND, self.stubs.abort, Reach::Near);
        self.asm.ret();
    }
}
