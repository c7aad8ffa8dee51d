//! Arithmetic.
//!
//! The processor has three operands, counts shifts modulo the width, and divides as programs do: by zero it
//! gives 0, so that the remainder is the dividend, and the least number by -1 is itself.

use super::regs::{S0, S1};
use super::{Compiler, regs};
use crate::surroundings::Surroundings;
use skep_a64::{Add, Divide, Gpr, Logic, MemSize, Shift, Width as Wide};
use skep_isa::{AluOp, Pc, Reg, Size, Src, Swap, Width};

/// A second operand.
#[derive(Clone, Copy)]
pub(super) enum Operand {
    Register(Gpr),
    /// An immediate as the operation's width sees it: those of 32 bits have no upper half.
    Number(u64),
}

pub(super) const fn number(width: Width, imm: i32) -> u64 {
    match width {
        Width::W64 => (imm as i64).cast_unsigned(),
        Width::W32 => imm.cast_unsigned() as u64,
    }
}

impl<O: Surroundings + ?Sized> Compiler<'_, O> {
    /// Arithmetic, with what follows where they fuse; how many slots that were.
    #[inline]
    pub(super) fn alu(&mut self, pc: Pc, width: Width, op: AluOp, dst: Reg, src: Src) -> u32 {
        if self.checks.is_some() && src == Src::Reg(Reg::FP) {
            self.copy_frame_pointer(dst);
            return 1;
        }
        match self.fuse(pc, width, op, dst, src) {
            0 => {
                let reg = regs::of(dst);
                let right = self.operand(width, Some(op), src);
                self.three(width, op, reg, reg, right);
                1
            }
            slots => slots,
        }
    }

    /// `dst = left op right`
    #[inline]
    pub(super) fn three(&mut self, width: Width, op: AluOp, dst: Gpr, left: Gpr, right: Operand) {
        let wide = regs::width(width);
        match (op, right) {
            (AluOp::Mov, Operand::Register(right)) => self.mov(wide, dst, right),
            (AluOp::Mov, Operand::Number(number)) => self.asm.mov_imm(dst, number),
            (AluOp::Add, Operand::Register(right)) => {
                self.asm.add(Add::Add, wide, dst, left, right);
            }
            (AluOp::Sub, Operand::Register(right)) => {
                self.asm.add(Add::Sub, wide, dst, left, right);
            }
            (AluOp::Add | AluOp::Sub, Operand::Number(0)) => self.mov(wide, dst, left),
            (AluOp::Add, Operand::Number(number)) => {
                self.asm.add_imm(wide, dst, left, number.cast_signed());
            }
            (AluOp::Sub, Operand::Number(number)) => {
                self.asm.add_imm(wide, dst, left, number.wrapping_neg().cast_signed());
            }
            (AluOp::Or, right) => self.logic(Logic::Orr, wide, dst, left, right),
            (AluOp::And, right) => self.logic(Logic::And, wide, dst, left, right),
            (AluOp::Xor, right) => self.logic(Logic::Eor, wide, dst, left, right),
            (AluOp::Mul, right) => self.multiply(wide, dst, left, right),
            (AluOp::Lsh, right) => self.shift(Shift::Lsl, wide, dst, left, right),
            (AluOp::Rsh, right) => self.shift(Shift::Lsr, wide, dst, left, right),
            (AluOp::Arsh, right) => self.shift(Shift::Asr, wide, dst, left, right),
            (AluOp::Div, right) => self.divide(Divide::Udiv, wide, dst, left, right),
            (AluOp::SDiv, right) => self.divide(Divide::Sdiv, wide, dst, left, right),
            (AluOp::Mod, right) => self.remainder(Divide::Udiv, wide, dst, left, right),
            (AluOp::SMod, right) => self.remainder(Divide::Sdiv, wide, dst, left, right),
        }
    }

    /// On 32 bits this is what clears the upper half, also of a register moved to itself.
    #[inline]
    pub(super) fn mov(&mut self, wide: Wide, dst: Gpr, src: Gpr) {
        if wide == Wide::W32 || dst != src {
            self.asm.mov(wide, dst, src);
        }
    }

    fn logic(&mut self, op: Logic, wide: Wide, dst: Gpr, left: Gpr, right: Operand) {
        let ones = u64::MAX >> (64 - wide.bits());
        match (op, right) {
            (_, Operand::Register(right)) => self.asm.logic(op, wide, dst, left, right),
            (Logic::And, Operand::Number(0)) => self.asm.mov_imm(dst, 0),
            (_, Operand::Number(0)) => self.mov(wide, dst, left),
            (Logic::And, Operand::Number(number)) if number == ones => self.mov(wide, dst, left),
            (Logic::Orr, Operand::Number(number)) if number == ones => {
                self.asm.mov_imm(dst, ones);
            }
            (Logic::Eor, Operand::Number(number)) if number == ones => {
                self.asm.mvn(wide, dst, left);
            }
            (_, Operand::Number(number)) => self.asm.logic_imm(op, wide, dst, left, number),
        }
    }

    fn multiply(&mut self, wide: Wide, dst: Gpr, left: Gpr, right: Operand) {
        let right = match right {
            Operand::Number(0) => return self.asm.mov_imm(dst, 0),
            Operand::Number(number) if number.is_power_of_two() => {
                return self.shift_imm(Shift::Lsl, wide, dst, left, number.trailing_zeros().into());
            }
            right => self.register(right, S0),
        };
        self.asm.madd(wide, dst, left, right, Gpr::Zr);
    }

    fn shift(&mut self, op: Shift, wide: Wide, dst: Gpr, left: Gpr, right: Operand) {
        match right {
            Operand::Number(count) => self.shift_imm(op, wide, dst, left, count),
            Operand::Register(count) => self.asm.shift(op, wide, dst, left, count),
        }
    }

    fn shift_imm(&mut self, op: Shift, wide: Wide, dst: Gpr, left: Gpr, count: u64) {
        #[expect(clippy::cast_possible_truncation, reason = "less than 64")]
        match (count & u64::from(wide.bits() - 1)) as u8 {
            0 => self.mov(wide, dst, left),
            count => self.asm.shift_imm(op, wide, dst, left, count),
        }
    }

    fn divide(&mut self, op: Divide, wide: Wide, dst: Gpr, left: Gpr, right: Operand) {
        let right = match right {
            Operand::Number(0) => return self.asm.mov_imm(dst, 0),
            Operand::Number(number) if op == Divide::Udiv && number.is_power_of_two() => {
                return self.shift_imm(Shift::Lsr, wide, dst, left, number.trailing_zeros().into());
            }
            right => self.register(right, S0),
        };
        self.asm.divide(op, wide, dst, left, right);
    }

    fn remainder(&mut self, op: Divide, wide: Wide, dst: Gpr, left: Gpr, right: Operand) {
        let right = match right {
            Operand::Number(0) => return self.mov(wide, dst, left),
            Operand::Number(number) if op == Divide::Udiv && number.is_power_of_two() => {
                return self.logic(Logic::And, wide, dst, left, Operand::Number(number - 1));
            }
            right => self.register(right, S1),
        };
        self.asm.divide(op, wide, S0, left, right);
        self.asm.msub(wide, dst, S0, right, left);
    }

    /// An operand in a register, which is `scratch` for numbers.
    fn register(&mut self, operand: Operand, scratch: Gpr) -> Gpr {
        match operand {
            Operand::Register(reg) => reg,
            Operand::Number(number) => {
                self.asm.mov_imm(scratch, number);
                scratch
            }
        }
    }

    pub(super) fn movsx(&mut self, width: Width, from: Size, dst: Reg, src: Reg) {
        self.asm.sign_extend(regs::width(width), regs::size(from), regs::of(dst), regs::of(src));
    }

    pub(super) fn neg(&mut self, width: Width, dst: Reg) {
        let dst = regs::of(dst);
        self.asm.add(Add::Sub, regs::width(width), dst, Gpr::Zr, dst);
    }

    /// The host is little-endian, as programs are.
    pub(super) fn swap(&mut self, kind: Swap, size: Size, dst: Reg) {
        let dst = regs::of(dst);
        match (kind, size) {
            (Swap::Le, Size::Dw) => {}
            (Swap::Le, Size::W) => self.asm.mov(Wide::W32, dst, dst),
            (Swap::Le, Size::B | Size::H) => self.asm.zero_extend(MemSize::B2, dst, dst),
            (Swap::Be | Swap::Always, Size::Dw) => self.asm.rev(Wide::W64, dst, dst),
            (Swap::Be | Swap::Always, Size::W) => self.asm.rev(Wide::W32, dst, dst),
            (Swap::Be | Swap::Always, Size::B | Size::H) => {
                self.asm.rev16(dst, dst);
                self.asm.zero_extend(MemSize::B2, dst, dst);
            }
        }
    }
}
