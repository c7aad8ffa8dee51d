//! Arithmetic and comparisons.

use super::host::Loc;
use super::mem::{S0, S1, S2, S3};
use super::{Best, Cur};
use crate::a64::alu::Operand;
use crate::a64::regs;
use crate::surroundings::Surroundings;
use skep_a64::{Add, Cond, Gpr, Label, Logic, MemSize, Shift, Width as Wide};
use skep_ir::{BinOp, Cmp, Cond as IrCond, UnOp, Value};
use skep_isa::{AluOp, Size, Width};

/// By what a branch is decided.
#[derive(Clone, Copy, Debug)]
pub(super) enum Test {
    Flags(Cond),
    /// Whether a register is 0, or is not.
    Zero(bool, Wide, Gpr),
    /// Whether a bit of one is 0, or is not.
    Bit(bool, Gpr, u8),
}

impl Test {
    pub(super) const fn not(self) -> Self {
        match self {
            Self::Flags(cond) => Self::Flags(cond.not()),
            Self::Zero(is, wide, reg) => Self::Zero(!is, wide, reg),
            Self::Bit(is, reg, bit) => Self::Bit(!is, reg, bit),
        }
    }
}

/// What operations of a width see of a number.
const fn cut(width: Width, number: u64) -> u64 {
    match width {
        Width::W32 => number & 0xffff_ffff,
        Width::W64 => number,
    }
}

impl<O: Surroundings + ?Sized> Best<'_, O> {
    pub(super) fn bin(
        &mut self,
        cur: &Cur<'_>,
        value: Value,
        (op, width, a, b): (BinOp, Width, Value, Value),
    ) {
        let target = Self::target(cur, value);
        let left = self.reg(cur, a, S2);
        let right = match cur.loc(b) {
            Loc::Number(number) => Operand::Number(cut(width, number)),
            _ => Operand::Register(self.reg(cur, b, S3)),
        };
        let op = match op {
            BinOp::Add => AluOp::Add,
            BinOp::Sub => AluOp::Sub,
            BinOp::Mul => AluOp::Mul,
            BinOp::Div => AluOp::Div,
            BinOp::SDiv => AluOp::SDiv,
            BinOp::Mod => AluOp::Mod,
            BinOp::SMod => AluOp::SMod,
            BinOp::And => AluOp::And,
            BinOp::Or => AluOp::Or,
            BinOp::Xor => AluOp::Xor,
            BinOp::Shl => AluOp::Lsh,
            BinOp::Shr => AluOp::Rsh,
            BinOp::Sar => AluOp::Arsh,
            BinOp::Ror => {
                self.rotate(regs::width(width), target, left, right);
                return self.done(cur, value, target);
            }
        };
        self.c.three(width, op, target, left, right);
        self.done(cur, value, target);
    }

    fn rotate(&mut self, wide: Wide, target: Gpr, left: Gpr, right: Operand) {
        match right {
            Operand::Register(count) => self.c.asm.shift(Shift::Ror, wide, target, left, count),
            Operand::Number(count) => {
                let count = (count & 63) as u8;
                self.c.asm.shift_imm(Shift::Ror, wide, target, left, count);
            }
        }
    }

    pub(super) fn un(&mut self, cur: &Cur<'_>, value: Value, op: UnOp, a: Value) {
        if op == UnOp::Hold {
            return self.copy(cur.loc(value), cur.loc(a));
        }
        let target = Self::target(cur, value);
        let from = self.reg(cur, a, S2);
        let asm = &mut self.c.asm;
        match op {
            UnOp::Zext(size) => asm.zero_extend(regs::size(size), target, from),
            UnOp::Sext(size, width) => {
                asm.sign_extend(regs::width(width), regs::size(size), target, from);
            }
            UnOp::Neg(width) => asm.add(Add::Sub, regs::width(width), target, Gpr::Zr, from),
            UnOp::Bswap(Size::Dw) => asm.rev(Wide::W64, target, from),
            UnOp::Bswap(Size::W) => asm.rev(Wide::W32, target, from),
            UnOp::Bswap(Size::H) => {
                asm.rev16(target, from);
                asm.zero_extend(MemSize::B2, target, target);
            }
            UnOp::Bswap(Size::B) => asm.zero_extend(MemSize::B1, target, from),
            UnOp::Hold => {}
        }
        self.done(cur, value, target);
    }

    pub(super) fn select(&mut self, cur: &Cur<'_>, value: Value, cmp: Cmp, yes: Value, no: Value) {
        let cond = self.compare_values(cur, cmp);
        let target = Self::target(cur, value);
        // Nothing of this changes flags.
        let yes = self.source(cur.loc(yes), S1);
        let no = self.source(cur.loc(no), S0);
        self.c.asm.csel(cond, Wide::W64, target, yes, no);
        self.done(cur, value, target);
    }

    /// Sets the flags, and says by which condition the comparison holds.
    fn compare_values(&mut self, cur: &Cur<'_>, cmp: Cmp) -> Cond {
        let wide = regs::width(cmp.width);
        let a = self.reg(cur, cmp.a, S0);
        let is_test = matches!(cmp.cond, IrCond::Set | IrCond::Clear);
        match cur.loc(cmp.b) {
            Loc::Number(number) if is_test => {
                self.c.asm.logic_imm(Logic::Ands, wide, Gpr::Zr, a, cut(cmp.width, number));
            }
            Loc::Number(number) => self.c.asm.cmp_imm(wide, a, number.cast_signed()),
            _ => {
                let b = self.reg(cur, cmp.b, S1);
                if is_test {
                    self.c.asm.logic(Logic::Ands, wide, Gpr::Zr, a, b);
                } else {
                    self.c.asm.cmp(wide, a, b);
                }
            }
        }
        match cmp.cond {
            IrCond::Eq | IrCond::Clear => Cond::Eq,
            IrCond::Ne | IrCond::Set => Cond::Ne,
            IrCond::Lt => Cond::Lo,
            IrCond::Le => Cond::Ls,
            IrCond::Gt => Cond::Hi,
            IrCond::Ge => Cond::Hs,
            IrCond::SLt => Cond::Lt,
            IrCond::SLe => Cond::Le,
            IrCond::SGt => Cond::Gt,
            IrCond::SGe => Cond::Ge,
        }
    }

    /// What decides a branch: flags, or a register that is 0, or one of its bits.
    pub(super) fn test(&mut self, cur: &Cur<'_>, cmp: Cmp) -> Test {
        let wide = regs::width(cmp.width);
        let sign = wide.bits() - 1;
        let Loc::Number(number) = cur.loc(cmp.b) else {
            return Test::Flags(self.compare_values(cur, cmp));
        };
        let number = cut(cmp.width, number);
        #[expect(clippy::cast_possible_truncation, reason = "less than 64")]
        let bit = number.trailing_zeros() as u8;
        let is_bit = number.is_power_of_two();
        match (cmp.cond, number) {
            (IrCond::Eq | IrCond::Le, 0) => Test::Zero(true, wide, self.reg(cur, cmp.a, S0)),
            (IrCond::Ne | IrCond::Gt, 0) => Test::Zero(false, wide, self.reg(cur, cmp.a, S0)),
            (IrCond::SLt, 0) => Test::Bit(false, self.reg(cur, cmp.a, S0), sign),
            (IrCond::SGe, 0) => Test::Bit(true, self.reg(cur, cmp.a, S0), sign),
            (IrCond::Set, _) if is_bit => Test::Bit(false, self.reg(cur, cmp.a, S0), bit),
            (IrCond::Clear, _) if is_bit => Test::Bit(true, self.reg(cur, cmp.a, S0), bit),
            _ => Test::Flags(self.compare_values(cur, cmp)),
        }
    }

    /// Goes to a label if a test holds.
    pub(super) fn jump_if(&mut self, test: Test, label: Label) {
        let (far, bit) = (self.reach(1 << 20), self.reach(1 << 15));
        match test {
            Test::Flags(cond) => self.c.asm.b_cond(cond, label, far),
            Test::Zero(is_zero, wide, reg) => self.c.asm.cb(is_zero, wide, reg, label, far),
            Test::Bit(is_zero, reg, at) => self.c.asm.tb(is_zero, reg, at, label, bit),
        }
    }
}
