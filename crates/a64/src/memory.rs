//! Loads, stores and what makes them atomic.

use crate::buffer::Assembler;
use crate::operand::{By, Gpr, Mem, MemSize, Rmw, Width};

const SCRATCH: Gpr = Gpr::X16;

/// Operations of loads and stores, where encodings have them.
const STORE: u32 = 0;
const LOAD: u32 = 1 << 22;
const LOAD_SX: u32 = 2 << 22;

impl Assembler {
    /// `dst = [mem]`, zero-extended.
    #[inline]
    pub fn load(&mut self, size: MemSize, dst: Gpr, mem: Mem) {
        self.access_gpr(size, LOAD, dst, mem);
    }

    /// `dst = [mem]`, sign-extended to 64 bits.
    #[inline]
    pub fn load_sx(&mut self, size: MemSize, dst: Gpr, mem: Mem) {
        let op = if size == MemSize::B8 { LOAD } else { LOAD_SX };
        self.access_gpr(size, op, dst, mem);
    }

    /// `[mem] = src`
    #[inline]
    pub fn store(&mut self, size: MemSize, src: Gpr, mem: Mem) {
        self.access_gpr(size, STORE, src, mem);
    }

    #[inline]
    fn access_gpr(&mut self, size: MemSize, op: u32, reg: Gpr, mem: Mem) {
        self.access(((size as u32) << 30 | op | reg.bits(), size as u32), mem);
    }

    /// An access of `1 << log` bytes, by what its encodings have in common but for the base.
    #[inline]
    pub(crate) fn access(&mut self, (fields, log): (u32, u32), mem: Mem) {
        let fields = fields | mem.base << 5;
        let index = match mem.by {
            By::Register(index) => index,
            By::Distance(distance) => {
                let scaled = distance.cast_unsigned() >> log;
                if scaled << log == distance.cast_unsigned() && scaled < 1 << 12 {
                    return self.put(0x3900_0000 | scaled << 10 | fields);
                }
                if (-256..256).contains(&distance) {
                    let unscaled = distance.cast_unsigned() & 0x1ff;
                    return self.put(0x3800_0000 | unscaled << 12 | fields);
                }
                self.mov_imm(SCRATCH, i64::from(distance).cast_unsigned());
                SCRATCH
            }
        };
        self.put(0x3820_6800 | index.bits() << 16 | fields);
    }

    /// `stp a, b, [sp, #at]`, `at` being a multiple of 8 from -512 to 504; other bits of it are ignored.
    pub fn store_pair(&mut self, a: Gpr, b: Gpr, at: i32) {
        self.pair(0xa900_0000, a, b, at);
    }

    /// `ldp a, b, [sp, #at]`
    pub fn load_pair(&mut self, a: Gpr, b: Gpr, at: i32) {
        self.pair(0xa940_0000, a, b, at);
    }

    /// `stp a, b, [sp, #-len]!`: room for `len` bytes on the stack, with two registers at its end.
    pub fn push_pair(&mut self, a: Gpr, b: Gpr, len: i32) {
        self.pair(0xa980_0000, a, b, -len);
    }

    /// `ldp a, b, [sp], #len`: the opposite.
    pub fn pop_pair(&mut self, a: Gpr, b: Gpr, len: i32) {
        self.pair(0xa8c0_0000, a, b, len);
    }

    fn pair(&mut self, op: u32, a: Gpr, b: Gpr, at: i32) {
        let words = (at >> 3).cast_unsigned() & 0x7f;
        self.put(op | words << 15 | b.bits() << 10 | 31 << 5 | a.bits());
    }

    /// `stp xzr, xzr, [reg], #16`: two words of zero, and on.
    ///
    /// # Panics
    /// If the register is that of zero.
    pub fn zero_pair(&mut self, reg: Gpr) {
        assert!(reg != Gpr::Zr, "zero is no base");
        self.put(0xa880_0000 | 2 << 15 | 31 << 10 | reg.bits() << 5 | 31);
    }

    /// `str src, [sp, #-len]!`, with `len` up to 256.
    pub fn push(&mut self, src: Gpr, len: i32) {
        self.put(0xf800_0c00 | (-len).cast_unsigned() << 23 >> 11 | 31 << 5 | src.bits());
    }

    /// `ldr dst, [sp], #len`, with `len` up to 255.
    pub fn pop(&mut self, dst: Gpr, len: i32) {
        self.put(0xf840_0400 | len.cast_unsigned() << 23 >> 11 | 31 << 5 | dst.bits());
    }

    /// `ldar dst, [base]`: a load that acquires.
    ///
    /// # Panics
    /// If the base is the register of zero, as all that follow.
    pub fn load_acquire(&mut self, size: MemSize, dst: Gpr, base: Gpr) {
        self.put(0x08df_fc00 | at(size, base) | dst.bits());
    }

    /// `stlr src, [base]`: a store that releases.
    pub fn store_release(&mut self, size: MemSize, src: Gpr, base: Gpr) {
        self.put(0x089f_fc00 | at(size, base) | src.bits());
    }

    /// `ldxr dst, [base]`: a load that the next [`Assembler::store_exclusive`] belongs to.
    pub fn load_exclusive(&mut self, width: Width, dst: Gpr, base: Gpr) {
        self.put(0x085f_7c00 | at(size(width), base) | dst.bits());
    }

    /// `stlxr failed, src, [base]`: stores and releases if nobody has come between; else `failed` is 1.
    pub fn store_exclusive(&mut self, width: Width, failed: Gpr, src: Gpr, base: Gpr) {
        self.put(0x0800_fc00 | at(size(width), base) | failed.bits() << 16 | src.bits());
    }

    /// `dst = [base]`, which `op` changes by `src`; acquires and releases (LSE).
    pub fn rmw(&mut self, op: Rmw, width: Width, dst: Gpr, src: Gpr, base: Gpr) {
        let op = 0x38e0_0000 | (op as u32) << 12;
        self.put(op | at(size(width), base) | src.bits() << 16 | dst.bits());
    }

    /// `casal old, new, [base]`: stores `new` if memory is equal to `old`, which becomes what was there (LSE).
    pub fn compare_and_swap(&mut self, width: Width, old: Gpr, new: Gpr, base: Gpr) {
        self.put(0x08e0_fc00 | at(size(width), base) | old.bits() << 16 | new.bits());
    }

    /// `dmb ish`: what is before is seen before what is after, by all processors.
    pub fn barrier(&mut self) {
        self.put(0xd503_3bbf);
    }
}

const fn at(size: MemSize, base: Gpr) -> u32 {
    assert!(!matches!(base, Gpr::Zr), "zero is no base");
    (size as u32) << 30 | base.bits() << 5
}

const fn size(width: Width) -> MemSize {
    match width {
        Width::W32 => MemSize::B4,
        Width::W64 => MemSize::B8,
    }
}
