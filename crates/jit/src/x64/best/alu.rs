//! Arithmetic and comparisons.

use super::host::{Loc, wide};
use super::mem::{S1, other, short};
use super::{Best, Cur};
use crate::surroundings::Surroundings;
use crate::x64::regs;
use skep_ir::{BinOp, Cmp, Cond as IrCond, UnOp, Value};
use skep_isa::{Size, Width};
use skep_x64::{Alu, Bmi, Cond, Gpr, Mem, MemSize, Reach, Shift, Unary, Width as Wide};

impl<O: Surroundings + ?Sized> Best<'_, O> {
    pub(super) fn bin(
        &mut self,
        cur: &Cur<'_>,
        value: Value,
        (op, width, a, b): (BinOp, Width, Value, Value),
    ) {
        let target = self.target(cur, value);
        let wide = wide(width);
        match op {
            BinOp::Div => self.divide(cur, wide, (target, a, b), (false, false)),
            BinOp::Mod => self.divide(cur, wide, (target, a, b), (true, false)),
            BinOp::SDiv => self.divide(cur, wide, (target, a, b), (false, true)),
            BinOp::SMod => self.divide(cur, wide, (target, a, b), (true, true)),
            _ => match cur.loc(b) {
                Loc::Number(number) if short(wide, number).is_some() => {
                    let imm = short(wide, number).unwrap_or_default();
                    self.with_number(cur, (op, wide), (target, a), imm);
                }
                _ => self.with_reg(cur, (op, wide), target, (a, b)),
            },
        }
        self.done(cur, value, target);
    }

    /// What an operation has left is told by flags, until anything else is emitted.
    fn leaves_flags(&mut self, wide: Wide, target: Gpr) {
        self.flags = Some((self.c.asm.here(), target, wide));
    }

    fn with_number(
        &mut self,
        cur: &Cur<'_>,
        (op, wide): (BinOp, Wide),
        (target, a): (Gpr, Value),
        imm: i32,
    ) {
        let asm = &mut self.c.asm;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "less than 64")]
        let count = (imm & if wide == Wide::W64 { 63 } else { 31 }) as u8;
        if let Loc::Reg(from) = cur.loc(a)
            && from != target
        {
            match op {
                BinOp::Add => return asm.lea(wide, target, Mem::new(from, imm)),
                BinOp::Mul => return asm.imul_imm(wide, target, from, imm),
                BinOp::Shl if count == 1 => {
                    return asm.lea(wide, target, Mem::new(from, 0).with_index(from, 0));
                }
                BinOp::Ror if self.c.features.bmi2 => return asm.rorx(wide, target, from, count),
                _ => {}
            }
        }
        if op == BinOp::Add && cur.loc(a) == Loc::Frame {
            return asm.lea(wide, target, Mem::new(regs::FRAME_POINTER, imm));
        }
        self.bring(target, cur.loc(a));
        let asm = &mut self.c.asm;
        match op {
            // 128 has no encoding of one byte, -128 has.
            BinOp::Add if imm == 128 => asm.alu_imm(Alu::Sub, wide, target, -128),
            BinOp::Add => asm.alu_imm(Alu::Add, wide, target, imm),
            BinOp::Sub => asm.alu_imm(Alu::Sub, wide, target, imm),
            // The same on fewer bits, where none above is left.
            BinOp::And if imm >= 0 => asm.alu_imm(Alu::And, Wide::W32, target, imm),
            BinOp::And => asm.alu_imm(Alu::And, wide, target, imm),
            BinOp::Or => asm.alu_imm(Alu::Or, wide, target, imm),
            BinOp::Xor => asm.alu_imm(Alu::Xor, wide, target, imm),
            BinOp::Mul => asm.imul_imm(wide, target, target, imm),
            BinOp::Shl if count == 1 => asm.alu(Alu::Add, wide, target, target),
            BinOp::Shl => asm.shift_imm(Shift::Shl, wide, target, count),
            BinOp::Shr => asm.shift_imm(Shift::Shr, wide, target, count),
            BinOp::Sar => asm.shift_imm(Shift::Sar, wide, target, count),
            BinOp::Ror => asm.shift_imm(Shift::Ror, wide, target, count),
            BinOp::Div | BinOp::Mod | BinOp::SDiv | BinOp::SMod => {}
        }
        if matches!(op, BinOp::Add | BinOp::Sub | BinOp::And | BinOp::Or | BinOp::Xor) {
            self.leaves_flags(wide, target);
        }
    }

    fn with_reg(
        &mut self,
        cur: &Cur<'_>,
        (op, wide): (BinOp, Wide),
        target: Gpr,
        (a, b): (Value, Value),
    ) {
        let (a, mut b) = (cur.loc(a), cur.loc(b));
        let mut a = a;
        if op.is_commutative() && b == Loc::Reg(target) {
            (a, b) = (b, a);
        }
        if let (BinOp::Add, Loc::Reg(x), Loc::Reg(y)) = (op, a, b)
            && x != target
        {
            return self.c.asm.lea(wide, target, Mem::new(x, 0).with_index(y, 0));
        }
        let bmi = match op {
            BinOp::Shl => Some((Bmi::Shlx, Shift::Shl)),
            BinOp::Shr => Some((Bmi::Shrx, Shift::Shr)),
            BinOp::Sar => Some((Bmi::Sarx, Shift::Sar)),
            _ => None,
        };
        if let Some((bmi, shift)) = bmi {
            return self.shift(cur, (bmi, shift, wide), target, (a, b));
        }
        // What the second operand is in must not be overwritten by the first.
        if b == Loc::Reg(target) && op == BinOp::Sub && a != b {
            self.c.asm.unary(Unary::Neg, wide, target);
            let a = self.operand(a, S1);
            self.c.asm.alu(Alu::Add, wide, target, a);
            return self.leaves_flags(wide, target);
        }
        self.bring(target, a);
        let plain = match op {
            BinOp::Add => Alu::Add,
            BinOp::Sub => Alu::Sub,
            BinOp::And => Alu::And,
            BinOp::Or => Alu::Or,
            BinOp::Xor => Alu::Xor,
            _ => {
                let b = self.operand(b, other(cur.places));
                return self.c.asm.imul(wide, target, b);
            }
        };
        if let Loc::Slot(slot) = b {
            self.c.asm.alu_load(plain, wide, target, self.slot(slot));
        } else {
            let b = self.operand(b, other(cur.places));
            self.c.asm.alu(plain, wide, target, b);
        }
        self.leaves_flags(wide, target);
    }

    /// A register that holds what is at a place.
    fn operand(&mut self, loc: Loc, spare: Gpr) -> Gpr {
        match loc {
            Loc::Reg(reg) => reg,
            Loc::Frame => regs::FRAME_POINTER,
            from => {
                self.bring(spare, from);
                spare
            }
        }
    }

    fn shift(
        &mut self,
        cur: &Cur<'_>,
        (bmi, shift, wide): (Bmi, Shift, Wide),
        target: Gpr,
        (a, b): (Loc, Loc),
    ) {
        if self.c.features.bmi2 {
            let a = self.operand(a, S1);
            let b = self.operand(b, other(cur.places));
            return self.c.asm.shift_bmi(bmi, wide, target, a, b);
        }
        // Only `cl` can count, and nothing else that lives on is in it.
        self.bring(S1, a);
        self.bring(Gpr::Rcx, b);
        self.c.asm.shift_cl(shift, wide, S1);
        self.bring(target, Loc::Reg(S1));
    }

    /// Division. By zero it gives 0, and the remainder is the dividend; the processor traps there, and where the least
    /// number is divided by -1, of which the result is the number again, and the remainder 0.
    fn divide(
        &mut self,
        cur: &Cur<'_>,
        wide: Wide,
        (target, a, b): (Gpr, Value, Value),
        (is_remainder, is_signed): (bool, bool),
    ) {
        let number = cur.f.known(b);
        let (a, b) = (cur.loc(a), cur.loc(b));
        // The divisor must not be in `rax` or `rdx`.
        let divisor = match b {
            Loc::Reg(reg) if !matches!(reg, Gpr::Rax | Gpr::Rdx) => reg,
            _ => {
                self.bring(S1, b);
                S1
            }
        };
        self.bring(Gpr::Rax, a);
        let asm = &mut self.c.asm;
        let result = if is_remainder { Gpr::Rdx } else { Gpr::Rax };
        let cut = |number: u64| if wide == Wide::W32 { number & 0xffff_ffff } else { number };
        let number = number.map(cut);
        let (zero, ones, end) = (asm.label(), asm.label(), asm.label());
        if number.is_none_or(|number| number == 0) {
            asm.test(wide, divisor, divisor);
            asm.jcc(Cond::E, zero, Reach::Short);
        }
        let may_be_ones = is_signed && number.is_none_or(|number| number == cut(u64::MAX));
        if may_be_ones {
            asm.alu_imm(Alu::Cmp, wide, divisor, -1);
            asm.jcc(Cond::E, ones, Reach::Short);
        }
        if is_signed {
            asm.sign_rdx(wide);
            asm.unary(Unary::Idiv, wide, divisor);
        } else {
            asm.zero(Gpr::Rdx);
            asm.unary(Unary::Div, wide, divisor);
        }
        if may_be_ones {
            asm.jmp(end, Reach::Short);
            asm.bind(ones);
            if is_remainder {
                asm.zero(Gpr::Rdx);
            } else {
                asm.unary(Unary::Neg, wide, Gpr::Rax);
            }
        }
        if number.is_none_or(|number| number == 0) {
            asm.jmp(end, Reach::Short);
            asm.bind(zero);
            if is_remainder {
                asm.mov(wide, Gpr::Rdx, Gpr::Rax);
            } else {
                asm.zero(Gpr::Rax);
            }
        }
        asm.bind(end);
        self.bring(target, Loc::Reg(result));
    }

    pub(super) fn un(&mut self, cur: &Cur<'_>, value: Value, op: UnOp, a: Value) {
        if op == UnOp::Hold {
            return self.copy(cur, cur.loc(value), cur.loc(a));
        }
        let target = self.target(cur, value);
        let from = self.reg(cur, a, target);
        let asm = &mut self.c.asm;
        match op {
            UnOp::Zext(size) => asm.movzx(regs::size(size), target, from),
            UnOp::Sext(size, width) => asm.movsx(wide(width), regs::size(size), target, from),
            UnOp::Neg(width) => {
                self.bring(target, Loc::Reg(from));
                self.c.asm.unary(Unary::Neg, wide(width), target);
            }
            UnOp::Hold => {}
            UnOp::Bswap(size) => {
                self.bring(target, Loc::Reg(from));
                let asm = &mut self.c.asm;
                match size {
                    Size::Dw => asm.bswap(Wide::W64, target),
                    Size::W => asm.bswap(Wide::W32, target),
                    Size::H => {
                        asm.swap16(target);
                        asm.movzx(MemSize::B2, target, target);
                    }
                    Size::B => asm.movzx(MemSize::B1, target, target),
                }
            }
        }
        self.done(cur, value, target);
    }

    pub(super) fn select(&mut self, cur: &Cur<'_>, value: Value, cmp: Cmp, yes: Value, no: Value) {
        if let (Loc::Number(yes @ 0..=1), Loc::Number(no @ 0..=1)) = (cur.loc(yes), cur.loc(no))
            && yes != no
        {
            return self.select_bit(cur, value, cmp, yes == 0);
        }
        let cond = self.compare_values(cur, cmp);
        let target = self.target(cur, value);
        // Nothing of what follows but the last changes or needs flags.
        let (cond, yes, no) = match (cur.loc(yes), cur.loc(no)) {
            (Loc::Reg(reg), other) if reg == target => (cond.not(), other, Loc::Reg(reg)),
            (yes, no) => (cond, yes, no),
        };
        self.bring(target, no);
        let spare = if target == S1 { other(cur.places) } else { S1 };
        let yes = self.operand(yes, spare);
        self.c.asm.cmov(cond, Wide::W64, target, yes);
        self.done(cur, value, target);
    }

    /// 1 if the comparison holds, else 0, or the other way round.
    fn select_bit(&mut self, cur: &Cur<'_>, value: Value, cmp: Cmp, is_not: bool) {
        let target = self.target(cur, value);
        // Zeroed beforehand where that spoils no operand, as it changes the flags.
        let is_operand = |operand: Value| cur.loc(operand) == Loc::Reg(target);
        let is_apart = target != S1 && !is_operand(cmp.a) && !is_operand(cmp.b);
        if is_apart {
            self.c.asm.zero(target);
        }
        let cond = self.compare_values(cur, cmp);
        self.c.asm.set(if is_not { cond.not() } else { cond }, target);
        if !is_apart {
            self.c.asm.movzx(MemSize::B1, target, target);
        }
        self.done(cur, value, target);
    }

    /// Whether the flags as they are tell whether a register is 0, if that is all that is asked.
    fn tells(&self, cond: IrCond, wide: Wide, reg: Gpr) -> bool {
        // The upper half of what has been made on 32 bits is 0.
        let is_as_wide = |of: Wide| of == wide || of == Wide::W32;
        matches!(cond, IrCond::Eq | IrCond::Ne)
            && self.flags.is_some_and(|(at, of, width)| {
                at == self.c.asm.here() && of == reg && is_as_wide(width)
            })
    }

    /// Sets the flags, and says by which condition the comparison holds.
    pub(super) fn compare_values(&mut self, cur: &Cur<'_>, cmp: Cmp) -> Cond {
        let wide = wide(cmp.width);
        let a = self.reg(cur, cmp.a, S1);
        let is_test = matches!(cmp.cond, IrCond::Set | IrCond::Clear);
        match cur.loc(cmp.b) {
            Loc::Number(0) if self.tells(cmp.cond, wide, a) => {}
            Loc::Number(0) if !is_test => self.c.asm.test(wide, a, a),
            Loc::Number(number) if short(wide, number).is_some() => {
                let imm = short(wide, number).unwrap_or_default();
                if is_test {
                    self.c.asm.test_imm(wide, a, imm);
                } else {
                    self.c.asm.alu_imm(Alu::Cmp, wide, a, imm);
                }
            }
            b => {
                let b = self.operand(b, other(cur.places));
                if is_test {
                    self.c.asm.test(wide, a, b);
                } else {
                    self.c.asm.alu(Alu::Cmp, wide, a, b);
                }
            }
        }
        match cmp.cond {
            IrCond::Eq | IrCond::Clear => Cond::E,
            IrCond::Ne | IrCond::Set => Cond::Ne,
            IrCond::Lt => Cond::B,
            IrCond::Le => Cond::Be,
            IrCond::Gt => Cond::A,
            IrCond::Ge => Cond::Ae,
            IrCond::SLt => Cond::L,
            IrCond::SLe => Cond::Le,
            IrCond::SGt => Cond::G,
            IrCond::SGe => Cond::Ge,
        }
    }
}
