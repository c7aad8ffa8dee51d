//! Arithmetic: one method a form of instruction.

use crate::buffer::Assembler;
use crate::immediate;
use crate::operand::{Add, Cond, Divide, Gpr, Logic, MemSize, Move, Shift, Width};

#[inline(always)]
const fn three(dst: Gpr, left: Gpr, right: Gpr) -> u32 {
    right.bits() << 16 | left.bits() << 5 | dst.bits()
}

const SCRATCH: Gpr = Gpr::X16;

impl Assembler {
    /// `op dst, left, right`
    #[inline]
    pub fn add(&mut self, op: Add, width: Width, dst: Gpr, left: Gpr, right: Gpr) {
        self.put(0x0b00_0000 | (op as u32) << 30 | width.bit() | three(dst, left, right));
    }

    /// `add dst, left, right, lsl #shift`; the shift counts modulo 64.
    pub fn add_shifted(&mut self, dst: Gpr, left: Gpr, right: Gpr, shift: u8) {
        let shift = u32::from(shift & 63) << 10;
        self.put(0x8b00_0000 | shift | three(dst, left, right));
    }

    /// `dst = src + number`, on 32 bits of its lower half.
    ///
    /// # Panics
    /// If a register is that of zero: its number means the stack pointer here.
    #[inline]
    pub fn add_imm(&mut self, width: Width, dst: Gpr, src: Gpr, number: i64) {
        assert!(dst != Gpr::Zr && src != Gpr::Zr, "no register of zero in a sum with a number");
        let number = signed(width, number);
        let op = if number < 0 { 0x5100_0000 } else { 0x1100_0000 };
        match immediate::arithmetic(number.unsigned_abs()) {
            Some(field) => {
                self.put(op | width.bit() | field | src.bits() << 5 | dst.bits());
            }
            None => {
                let scratch = self.scratch(width, number.cast_unsigned());
                self.add(Add::Add, width, dst, src, scratch);
            }
        }
    }

    /// `dst = src - number`, and sets the flags by that.
    ///
    /// # Panics
    /// If the source is the register of zero: its number means the stack pointer here.
    #[inline]
    pub fn subs_imm(&mut self, width: Width, dst: Gpr, src: Gpr, number: u32) {
        assert!(src != Gpr::Zr, "no register of zero in a difference with a number");
        match immediate::arithmetic(number.into()) {
            Some(field) => {
                self.put(0x7100_0000 | width.bit() | field | src.bits() << 5 | dst.bits());
            }
            None => {
                let scratch = self.scratch(width, number.into());
                self.put(0x6b00_0000 | width.bit() | three(dst, src, scratch));
            }
        }
    }

    /// Sets the flags by `left - right`.
    #[inline]
    pub fn cmp(&mut self, width: Width, left: Gpr, right: Gpr) {
        self.put(0x6b00_0000 | width.bit() | three(Gpr::Zr, left, right));
    }

    /// Sets the flags by `left - number`, on 32 bits of its lower half.
    ///
    /// # Panics
    /// If the register is that of zero: its number means the stack pointer here.
    #[inline]
    pub fn cmp_imm(&mut self, width: Width, left: Gpr, number: i64) {
        assert!(left != Gpr::Zr, "no comparison of zero with a number");
        let number = signed(width, number);
        // Adding the opposite gives the same flags, but for 0.
        let op = if number < 0 { 0x3100_0000 } else { 0x7100_0000 };
        match immediate::arithmetic(number.unsigned_abs()) {
            Some(field) => {
                self.put(op | width.bit() | field | left.bits() << 5 | Gpr::Zr.bits());
            }
            None => {
                let scratch = self.scratch(width, number.cast_unsigned());
                self.cmp(width, left, scratch);
            }
        }
    }

    /// `dst = sp`
    ///
    /// # Panics
    /// If the register is that of zero.
    pub fn mov_from_sp(&mut self, dst: Gpr) {
        assert!(dst != Gpr::Zr, "zero holds no stack pointer");
        self.put(0x9100_0000 | 31 << 5 | dst.bits());
    }

    /// `sp = src`
    ///
    /// # Panics
    /// If the register is that of zero.
    pub fn mov_to_sp(&mut self, src: Gpr) {
        assert!(src != Gpr::Zr, "the stack pointer is not zero");
        self.put(0x9100_0000 | src.bits() << 5 | 31);
    }

    /// `sp -= bytes`, of at most 4095; more are taken modulo 4096.
    pub fn take(&mut self, bytes: u16) {
        self.put(0xd100_0000 | u32::from(bytes & 0xfff) << 10 | 31 << 5 | 31);
    }

    /// `sp += bytes`, of at most 4095; more are taken modulo 4096.
    pub fn free(&mut self, bytes: u16) {
        self.put(0x9100_0000 | u32::from(bytes & 0xfff) << 10 | 31 << 5 | 31);
    }

    /// `op dst, left, right`
    #[inline]
    pub fn logic(&mut self, op: Logic, width: Width, dst: Gpr, left: Gpr, right: Gpr) {
        self.put(0x0a00_0000 | (op as u32) << 29 | width.bit() | three(dst, left, right));
    }

    /// `op dst, left, #number`, of which 32 bits count in their lower half.
    ///
    /// # Panics
    /// If the result would go to zero other than from [`Logic::Ands`]: its number means the stack pointer here.
    #[inline]
    pub fn logic_imm(&mut self, op: Logic, width: Width, dst: Gpr, left: Gpr, number: u64) {
        assert!(op == Logic::Ands || dst != Gpr::Zr, "no register of zero for a result");
        match immediate::logical(width, number) {
            Some(field) => {
                let op = 0x1200_0000 | (op as u32) << 29 | width.bit();
                self.put(op | field | left.bits() << 5 | dst.bits());
            }
            None => {
                let scratch = self.scratch(width, number);
                self.logic(op, width, dst, left, scratch);
            }
        }
    }

    /// `dst = !src`
    pub fn mvn(&mut self, width: Width, dst: Gpr, src: Gpr) {
        self.put(0x2a20_0000 | width.bit() | three(dst, Gpr::Zr, src));
    }

    /// `dst = src`
    #[inline]
    pub fn mov(&mut self, width: Width, dst: Gpr, src: Gpr) {
        self.logic(Logic::Orr, width, dst, Gpr::Zr, src);
    }

    /// `op dst, #imm, lsl #16 * part`; parts count modulo 4, or 2 on 32 bits.
    #[inline]
    pub fn mov_part(&mut self, op: Move, width: Width, dst: Gpr, imm: u16, part: u8) {
        let part = u32::from(part & if width == Width::W64 { 3 } else { 1 });
        let op = 0x1280_0000 | (op as u32) << 29 | width.bit();
        self.put(op | part << 21 | u32::from(imm) << 5 | dst.bits());
    }

    /// `dst = number`, in as few instructions as there are for it.
    #[inline]
    pub fn mov_imm(&mut self, dst: Gpr, number: u64) {
        match u32::try_from(number) {
            Ok(half) => self.mov_parts(Width::W32, dst, half.into()),
            Err(_) => self.mov_parts(Width::W64, dst, number),
        }
    }

    fn mov_parts(&mut self, width: Width, dst: Gpr, number: u64) {
        let count = width.bits() / 16;
        #[expect(clippy::cast_possible_truncation, reason = "a part of it")]
        let part = |n: u8| (number >> (16 * n)) as u16;
        let parts = || (0..count).map(|n| (n, part(n)));
        let not_zero = parts().filter(|&(_, part)| part != 0).count();
        let not_ones = parts().filter(|&(_, part)| part != u16::MAX).count();
        if not_zero > 1
            && not_ones > 1
            && let Some(field) = immediate::logical(width, number)
        {
            let op = 0x3200_0000 | width.bit();
            return self.put(op | field | Gpr::Zr.bits() << 5 | dst.bits());
        }
        let (first, rest) =
            if not_ones < not_zero { (Move::Movn, u16::MAX) } else { (Move::Movz, 0) };
        let mut op = first;
        for (n, part) in parts().filter(|&(_, part)| part != rest) {
            let imm = if op == Move::Movn { !part } else { part };
            self.mov_part(op, width, dst, imm, n);
            op = Move::Movk;
        }
        if op == first {
            // Nothing but zeroes, or nothing but ones.
            self.mov_part(first, width, dst, 0, 0);
        }
    }

    fn scratch(&mut self, width: Width, number: u64) -> Gpr {
        let number = if width == Width::W32 { number & 0xffff_ffff } else { number };
        self.mov_imm(SCRATCH, number);
        SCRATCH
    }

    /// `op dst, src, #count`; the count is taken modulo the width.
    #[inline]
    pub fn shift_imm(&mut self, op: Shift, width: Width, dst: Gpr, src: Gpr, count: u8) {
        let last = width.bits() - 1;
        let count = count & last;
        match op {
            Shift::Lsl => {
                self.ubfm(width, dst, src, (last + 1 - count) & last, last - count);
            }
            Shift::Lsr => self.ubfm(width, dst, src, count, last),
            Shift::Asr => self.sbfm(width, dst, src, count, last),
            Shift::Ror => {
                let n = u32::from(width == Width::W64) << 22;
                let op = 0x1380_0000 | width.bit() | n | u32::from(count) << 10;
                self.put(op | three(dst, src, src));
            }
        }
    }

    /// `op dst, src, count`; the count is taken modulo the width by the processor.
    #[inline]
    pub fn shift(&mut self, op: Shift, width: Width, dst: Gpr, src: Gpr, count: Gpr) {
        self.put(0x1ac0_2000 | (op as u32) << 10 | width.bit() | three(dst, src, count));
    }

    /// Bits `first` to `last` of `src`, zero-extended; or if `last` is less, bits 0 to `last`, shifted left
    /// by the width less `first`. Both count modulo the width.
    #[inline]
    pub fn ubfm(&mut self, width: Width, dst: Gpr, src: Gpr, first: u8, last: u8) {
        self.bitfield(0x5300_0000, width, (dst, src), first, last);
    }

    /// The same, sign-extended.
    #[inline]
    pub fn sbfm(&mut self, width: Width, dst: Gpr, src: Gpr, first: u8, last: u8) {
        self.bitfield(0x1300_0000, width, (dst, src), first, last);
    }

    #[inline(always)]
    fn bitfield(&mut self, op: u32, width: Width, (dst, src): (Gpr, Gpr), first: u8, last: u8) {
        let all = width.bits() - 1;
        let n = u32::from(width == Width::W64) << 22;
        let fields = u32::from(first & all) << 16 | u32::from(last & all) << 10;
        self.put(op | width.bit() | n | fields | src.bits() << 5 | dst.bits());
    }

    /// `dst = src`, zero-extended from `from`.
    #[inline]
    pub fn zero_extend(&mut self, from: MemSize, dst: Gpr, src: Gpr) {
        match from {
            MemSize::B1 => self.ubfm(Width::W32, dst, src, 0, 7),
            MemSize::B2 => self.ubfm(Width::W32, dst, src, 0, 15),
            MemSize::B4 => self.mov(Width::W32, dst, src),
            MemSize::B8 => self.mov(Width::W64, dst, src),
        }
    }

    /// `dst = src`, sign-extended from `from` to `width`.
    #[inline]
    pub fn sign_extend(&mut self, width: Width, from: MemSize, dst: Gpr, src: Gpr) {
        match from {
            MemSize::B1 => self.sbfm(width, dst, src, 0, 7),
            MemSize::B2 => self.sbfm(width, dst, src, 0, 15),
            MemSize::B4 if width == Width::W64 => self.sbfm(width, dst, src, 0, 31),
            MemSize::B4 | MemSize::B8 => self.mov(width, dst, src),
        }
    }

    /// `dst = left * right + sum`
    #[inline]
    pub fn madd(&mut self, width: Width, dst: Gpr, left: Gpr, right: Gpr, sum: Gpr) {
        self.put(0x1b00_0000 | width.bit() | sum.bits() << 10 | three(dst, left, right));
    }

    /// `dst = from - left * right`
    #[inline]
    pub fn msub(&mut self, width: Width, dst: Gpr, left: Gpr, right: Gpr, from: Gpr) {
        self.put(0x1b00_8000 | width.bit() | from.bits() << 10 | three(dst, left, right));
    }

    /// `op dst, left, right`
    #[inline]
    pub fn divide(&mut self, op: Divide, width: Width, dst: Gpr, left: Gpr, right: Gpr) {
        self.put(0x1ac0_0000 | (op as u32) << 10 | width.bit() | three(dst, left, right));
    }

    /// `rev dst, src`: the bytes of all of it in the other order.
    pub fn rev(&mut self, width: Width, dst: Gpr, src: Gpr) {
        let op = if width == Width::W64 { 0xdac0_0c00 } else { 0x5ac0_0800 };
        self.put(op | src.bits() << 5 | dst.bits());
    }

    /// `rev16 dst, src`, on 32 bits: the bytes of each half in the other order.
    pub fn rev16(&mut self, dst: Gpr, src: Gpr) {
        self.put(0x5ac0_0400 | src.bits() << 5 | dst.bits());
    }

    /// `dst = if cond { left } else { right }`
    pub fn csel(&mut self, cond: Cond, width: Width, dst: Gpr, left: Gpr, right: Gpr) {
        self.put(0x1a80_0000 | (cond as u32) << 12 | width.bit() | three(dst, left, right));
    }
}

/// A number as an operation of the width sees it.
const fn signed(width: Width, number: i64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "what 32 bits see")]
    match width {
        Width::W64 => number,
        Width::W32 => number as i32 as i64,
    }
}
