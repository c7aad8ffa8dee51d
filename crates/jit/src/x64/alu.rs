//! Arithmetic.
//!
//! Operations of 32 bits clear the upper half of their register in both machines, so that they need no more
//! than their counterpart. Where an immediate is not negative, `and` on 32 bits gives what it does on 64,
//! a byte shorter; the same goes for moves.

use super::{Compiler, regs};
use crate::surroundings::Surroundings;
use skep_isa::{AluOp, Pc, Reg, Size, Src, Swap, Width};
use skep_x64::{Alu, Bmi, Cond, Gpr, MemSize, Reach, Shift, Unary, Width as Wide};

/// Scratch.
const S1: Gpr = Gpr::R10;
const S2: Gpr = Gpr::R11;

/// What is an operation of the same kind here.
const PLAIN: [Option<Alu>; 14] = {
    let mut all = [None; 14];
    all[AluOp::Add as usize] = Some(Alu::Add);
    all[AluOp::Sub as usize] = Some(Alu::Sub);
    all[AluOp::Or as usize] = Some(Alu::Or);
    all[AluOp::And as usize] = Some(Alu::And);
    all[AluOp::Xor as usize] = Some(Alu::Xor);
    all
};

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    /// Arithmetic, with what follows where they fuse; how many slots that were.
    #[inline(always)]
    pub(super) fn alu(&mut self, pc: Pc, width: Width, op: AluOp, dst: Reg, src: Src) -> u32 {
        if src == Src::Reg(Reg::FP) && self.checks.is_some() {
            self.copy_frame_pointer(dst);
            return 1;
        }
        match self.fuse(pc, width, op, dst, src) {
            0 => {
                self.alu_one(pc, width, op, dst, src);
                1
            }
            slots => slots,
        }
    }

    #[inline(always)]
    fn alu_one(&mut self, pc: Pc, width: Width, op: AluOp, dst: Reg, src: Src) {
        let (reg, wide) = (regs::of(dst), regs::width(width));
        let Some(plain) = PLAIN[op as usize] else {
            return match op {
                AluOp::Mov => self.mov(wide, reg, src),
                _ => self.other(wide, op, reg, src),
            };
        };
        match src {
            Src::Reg(src) => self.asm.alu(plain, wide, reg, regs::of(src)),
            Src::Imm(imm) => self.plain_imm(plain, wide, reg, imm),
        }
        self.flags = (Pc(pc.0 + 1), self.asm.here(), reg, wide);
    }

    fn plain_imm(&mut self, op: Alu, wide: Wide, reg: Gpr, imm: i32) {
        if self.keys.is_some() {
            self.short_number(wide, S2, imm);
            return self.asm.alu(op, wide, reg, S2);
        }
        match (op, imm) {
            // 128 has no encoding of one byte, -128 has.
            (Alu::Add, 128) => self.asm.alu_imm(Alu::Sub, wide, reg, -128),
            (Alu::Sub, 128) => self.asm.alu_imm(Alu::Add, wide, reg, -128),
            _ => {
                let wide = if op == Alu::And && imm >= 0 { Wide::W32 } else { wide };
                self.asm.alu_imm(op, wide, reg, imm);
            }
        }
    }

    /// What is no plain operation, and no move.
    #[inline(never)]
    fn other(&mut self, wide: Wide, op: AluOp, reg: Gpr, src: Src) {
        match op {
            AluOp::Lsh => self.shift(Shift::Shl, Bmi::Shlx, wide, reg, src),
            AluOp::Rsh => self.shift(Shift::Shr, Bmi::Shrx, wide, reg, src),
            AluOp::Arsh => self.shift(Shift::Sar, Bmi::Sarx, wide, reg, src),
            AluOp::Mul => self.mul(wide, reg, src),
            AluOp::Div => self.divide(wide, reg, src, false),
            AluOp::Mod => self.divide(wide, reg, src, true),
            AluOp::SDiv => self.divide_signed(wide, reg, src, false),
            AluOp::SMod => self.divide_signed(wide, reg, src, true),
            AluOp::Mov | AluOp::Add | AluOp::Sub | AluOp::Or | AluOp::And | AluOp::Xor => {}
        }
    }

    #[inline(always)]
    fn mov(&mut self, wide: Wide, dst: Gpr, src: Src) {
        match src {
            Src::Reg(src) if wide == Wide::W64 && regs::of(src) == dst => {}
            // On 32 bits this is what clears the upper half, also of a register moved to itself.
            Src::Reg(src) => self.asm.mov(wide, dst, regs::of(src)),
            Src::Imm(0) => self.asm.zero(dst),
            Src::Imm(imm) => self.short_number(wide, dst, imm),
        }
    }

    #[inline]
    fn mul(&mut self, wide: Wide, dst: Gpr, src: Src) {
        match src {
            Src::Reg(src) => self.asm.imul(wide, dst, regs::of(src)),
            Src::Imm(imm) => match self.blinded(wide, imm) {
                Some(other) => self.asm.imul(wide, dst, other),
                None => self.asm.imul_imm(wide, dst, dst, imm),
            },
        }
    }

    /// Both machines count modulo the width.
    #[inline]
    fn shift(&mut self, op: Shift, bmi: Bmi, wide: Wide, dst: Gpr, src: Src) {
        match src {
            Src::Imm(imm) => self.shift_imm(op, wide, dst, imm),
            Src::Reg(src) if self.features.bmi2 => {
                self.asm.shift_bmi(bmi, wide, dst, dst, regs::of(src));
            }
            Src::Reg(src) => self.shift_cl(op, wide, dst, regs::of(src)),
        }
    }

    fn shift_imm(&mut self, op: Shift, wide: Wide, dst: Gpr, imm: i32) {
        let bits = if wide == Wide::W64 { 63 } else { 31 };
        #[expect(clippy::cast_possible_truncation, reason = "less than 64")]
        match (imm.cast_unsigned() & bits) as u8 {
            0 if wide == Wide::W64 => {}
            0 => self.asm.mov(Wide::W32, dst, dst),
            1 if op == Shift::Shl => self.asm.alu(Alu::Add, wide, dst, dst),
            count => self.asm.shift_imm(op, wide, dst, count),
        }
    }

    /// Without BMI2 only `cl` can count.
    fn shift_cl(&mut self, op: Shift, wide: Wide, dst: Gpr, count: Gpr) {
        const CL: Gpr = Gpr::Rcx;
        if count == CL {
            self.asm.shift_cl(op, wide, dst);
        } else if dst == CL {
            self.asm.mov(Wide::W64, S2, CL);
            self.asm.mov(Wide::W32, CL, count);
            self.asm.shift_cl(op, wide, S2);
            self.asm.mov(Wide::W64, CL, S2);
        } else {
            self.asm.mov(Wide::W64, S2, CL);
            self.asm.mov(Wide::W32, CL, count);
            self.asm.shift_cl(op, wide, dst);
            self.asm.mov(Wide::W64, CL, S2);
        }
    }

    /// Unsigned division: by zero it gives 0, and the remainder is the dividend.
    fn divide(&mut self, wide: Wide, dst: Gpr, src: Src, remainder: bool) {
        match src {
            Src::Imm(imm) => self.divide_imm(wide, dst, imm, remainder),
            Src::Reg(src) => {
                let src = regs::of(src);
                let (zero, end) = (self.asm.label(), self.asm.label());
                self.asm.test(wide, src, src);
                self.asm.jcc(Cond::E, zero, Reach::Short);
                self.divide_by(wide, dst, src, remainder, false);
                self.by_zero(wide, dst, remainder, (zero, end));
                self.asm.bind(end);
            }
        }
    }

    /// The end of a division, and what there is for a divisor of zero.
    fn by_zero(
        &mut self,
        wide: Wide,
        dst: Gpr,
        remainder: bool,
        (zero, end): (skep_x64::Label, skep_x64::Label),
    ) {
        if remainder && wide == Wide::W64 {
            return self.asm.bind(zero);
        }
        self.asm.jmp(end, Reach::Short);
        self.asm.bind(zero);
        if remainder {
            self.asm.mov(Wide::W32, dst, dst);
        } else {
            self.asm.zero(dst);
        }
    }

    fn divide_imm(&mut self, wide: Wide, dst: Gpr, imm: i32, remainder: bool) {
        let divisor = match wide {
            Wide::W64 => i64::from(imm).cast_unsigned(),
            Wide::W32 => imm.cast_unsigned().into(),
        };
        let log = divisor.trailing_zeros();
        match (remainder, divisor) {
            (false, 0) => self.asm.zero(dst),
            (true, 0) if wide == Wide::W64 => {}
            (true, 0) => self.asm.mov(Wide::W32, dst, dst),
            #[expect(clippy::cast_possible_wrap, reason = "below 64")]
            (false, _) if divisor.is_power_of_two() => {
                self.shift_imm(Shift::Shr, wide, dst, log as i32);
            }
            (true, _) if divisor.is_power_of_two() && log < 32 && self.keys.is_none() => {
                // 2^31 - 1 at most, as an immediate is.
                let mask = i32::try_from(divisor - 1).unwrap_or(i32::MAX);
                self.asm.alu_imm(Alu::And, Wide::W32, dst, mask);
            }
            _ => {
                self.short_number(wide, S2, imm);
                self.divide_by(wide, dst, S2, remainder, false);
            }
        }
    }

    /// `dst = dst / src` or the remainder, `src` not being zero. `rax` and `rdx` belong to the program.
    fn divide_by(&mut self, wide: Wide, dst: Gpr, src: Gpr, remainder: bool, signed: bool) {
        let divisor = if matches!(src, Gpr::Rax | Gpr::Rdx) {
            self.asm.mov(wide, S2, src);
            S2
        } else {
            src
        };
        if dst != Gpr::Rax {
            self.keep_rax();
        }
        if dst != Gpr::Rdx {
            self.asm.mov(Wide::W64, S1, Gpr::Rdx);
        }
        if dst != Gpr::Rax {
            self.asm.mov(wide, Gpr::Rax, dst);
        }
        if signed {
            self.asm.sign_rdx(wide);
            self.asm.unary(Unary::Idiv, wide, divisor);
        } else {
            self.asm.zero(Gpr::Rdx);
            self.asm.unary(Unary::Div, wide, divisor);
        }
        let result = if remainder { Gpr::Rdx } else { Gpr::Rax };
        if dst != result {
            self.asm.mov(wide, dst, result);
        }
        if dst != Gpr::Rax {
            self.take_rax();
        }
        if dst != Gpr::Rdx {
            self.asm.mov(Wide::W64, Gpr::Rdx, S1);
        }
    }

    /// Signed division. The processor traps on the least number divided by -1, where the result is the
    /// number again, and the remainder 0.
    fn divide_signed(&mut self, wide: Wide, dst: Gpr, src: Src, remainder: bool) {
        match src {
            Src::Imm(0) => self.divide_imm(wide, dst, 0, remainder),
            Src::Imm(-1) if remainder => self.asm.zero(dst),
            Src::Imm(-1) => self.asm.unary(Unary::Neg, wide, dst),
            Src::Imm(imm) => {
                self.short_number(Wide::W64, S2, imm);
                self.divide_by(wide, dst, S2, remainder, true);
            }
            Src::Reg(src) => {
                let src = regs::of(src);
                let [small, zero, end] = [(); 3].map(|()| self.asm.label());
                // 0 and -1 become 1 and 0.
                self.asm.lea(wide, S2, skep_x64::Mem::new(src, 1));
                self.asm.alu_imm(Alu::Cmp, wide, S2, 1);
                self.asm.jcc(Cond::Be, small, Reach::Short);
                self.divide_by(wide, dst, src, remainder, true);
                self.asm.jmp(end, Reach::Short);
                self.asm.bind(small);
                self.asm.jcc(Cond::E, zero, Reach::Short);
                if remainder {
                    self.asm.zero(dst);
                } else {
                    self.asm.unary(Unary::Neg, wide, dst);
                }
                self.by_zero(wide, dst, remainder, (zero, end));
                self.asm.bind(end);
            }
        }
    }

    pub(super) fn movsx(&mut self, width: Width, from: Size, dst: Reg, src: Reg) {
        self.asm.movsx(regs::width(width), regs::size(from), regs::of(dst), regs::of(src));
    }

    pub(super) fn neg(&mut self, width: Width, dst: Reg) {
        self.asm.unary(Unary::Neg, regs::width(width), regs::of(dst));
    }

    /// The host is little-endian, as programs are.
    pub(super) fn swap(&mut self, kind: Swap, size: Size, dst: Reg) {
        let dst = regs::of(dst);
        match (kind, size) {
            (Swap::Le, Size::Dw) => {}
            (Swap::Le, Size::W) => self.asm.mov(Wide::W32, dst, dst),
            (Swap::Le, Size::B | Size::H) => self.asm.movzx(MemSize::B2, dst, dst),
            (Swap::Be | Swap::Always, Size::Dw) => self.asm.bswap(Wide::W64, dst),
            (Swap::Be | Swap::Always, Size::W) => self.asm.bswap(Wide::W32, dst),
            (Swap::Be | Swap::Always, Size::B | Size::H) => {
                self.asm.swap16(dst);
                self.asm.movzx(MemSize::B2, dst, dst);
            }
        }
    }
}
