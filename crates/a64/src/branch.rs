//! Branches.

use crate::buffer::{Assembler, Label};
use crate::operand::{Cond, Gpr, Width};

/// What the caller knows of a branch ahead on a condition. Those back are as short as they can be,
/// whatever is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Its target is near enough for one instruction.
    Near,
    /// It may be anywhere: the opposite condition leads over a branch that has none.
    Far,
}

/// Where an instruction has its distance, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// 26 bits at the lower end.
    Always,
    /// 19 bits from bit 5 on.
    Cond,
    /// 14 bits from bit 5 on.
    Bit,
    /// Bytes: two bits from bit 29 on, and 19 from bit 5 on.
    Address,
}

impl Field {
    /// The field, if the distance in bytes fits.
    pub(crate) const fn of(self, distance: i64) -> Option<u32> {
        let (width, at) = match self {
            Self::Always => (26, 0),
            Self::Cond => (19, 5),
            Self::Bit => (14, 5),
            Self::Address => (19, 5),
        };
        let words = distance >> 2;
        if words < -(1 << (width - 1)) || words >= 1 << (width - 1) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "masked")]
        let (words, low) = ((words as u32) & ((1 << width) - 1), (distance & 3) as u32);
        match self {
            Self::Address => Some(words << at | low << 29),
            _ if low == 0 => Some(words << at),
            _ => None,
        }
    }
}

/// Distance of the branch that is led over, in words.
const OVER: u32 = 2 << 5;

impl Assembler {
    /// Whether a branch from here with this field gets to a label, which may lie ahead.
    #[inline]
    fn is_near(&self, field: Field, label: Label, reach: Reach) -> bool {
        match self.position(label) {
            Some(to) => field.of(i64::from(to) - i64::from(self.here())).is_some(),
            None => reach == Reach::Near,
        }
    }

    /// `b label`
    #[inline]
    pub fn b(&mut self, label: Label) {
        self.put_to(0x1400_0000, Field::Always, label);
    }

    /// `bl label`
    pub fn bl(&mut self, label: Label) {
        self.put_to(0x9400_0000, Field::Always, label);
    }

    /// `b.cond label`
    #[inline]
    pub fn b_cond(&mut self, cond: Cond, label: Label, reach: Reach) {
        if self.is_near(Field::Cond, label, reach) {
            return self.put_to(0x5400_0000 | cond as u32, Field::Cond, label);
        }
        self.put(0x5400_0000 | OVER | cond.not() as u32);
        self.b(label);
    }

    /// `cbz reg, label`, or `cbnz`.
    #[inline]
    pub fn cb(&mut self, is_zero: bool, width: Width, reg: Gpr, label: Label, reach: Reach) {
        let insn =
            |is_zero: bool| 0x3400_0000 | width.bit() | u32::from(!is_zero) << 24 | reg.bits();
        if self.is_near(Field::Cond, label, reach) {
            return self.put_to(insn(is_zero), Field::Cond, label);
        }
        self.put(insn(!is_zero) | OVER);
        self.b(label);
    }

    /// `tbz reg, bit, label`, or `tbnz`; the bit counts modulo 64.
    #[inline]
    pub fn tb(&mut self, is_zero: bool, reg: Gpr, bit: u8, label: Label, reach: Reach) {
        let bit = u32::from(bit);
        let place = (bit >> 5 & 1) << 31 | (bit & 31) << 19;
        let insn = |is_zero: bool| 0x3600_0000 | place | u32::from(!is_zero) << 24 | reg.bits();
        if self.is_near(Field::Bit, label, reach) {
            return self.put_to(insn(is_zero), Field::Bit, label);
        }
        self.put(insn(!is_zero) | OVER);
        self.b(label);
    }

    /// `adr dst, label`: its address.
    pub fn adr(&mut self, dst: Gpr, label: Label) {
        self.put_to(0x1000_0000 | dst.bits(), Field::Address, label);
    }

    /// `br reg`
    pub fn br(&mut self, reg: Gpr) {
        self.put(0xd61f_0000 | reg.bits() << 5);
    }

    /// `blr reg`
    pub fn blr(&mut self, reg: Gpr) {
        self.put(0xd63f_0000 | reg.bits() << 5);
    }

    /// `ret`
    pub fn ret(&mut self) {
        self.put(0xd65f_03c0);
    }

    /// `brk`, where control must not come.
    pub fn trap(&mut self) {
        self.put(0xd420_0000);
    }

    /// `nop`
    pub fn nop(&mut self) {
        self.put(0xd503_201f);
    }
}
