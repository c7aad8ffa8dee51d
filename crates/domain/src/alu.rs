//! Arithmetic on sets of numbers.

use crate::Tnum;
use crate::range::Range;
use crate::scalar::ScalarOf;
use crate::word::{Full, Word};

/// An operation on two numbers; for [`AluOp::Neg`] the second is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AluOp {
    /// Wrapping sum.
    Add,
    /// Wrapping difference.
    Sub,
    /// Wrapping product.
    Mul,
    /// Unsigned quotient; 0 if divided by 0.
    Div,
    /// Signed quotient; 0 if divided by 0.
    Sdiv,
    /// Unsigned remainder; the dividend if divided by 0.
    Mod,
    /// Signed remainder; the dividend if divided by 0.
    Smod,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// Shift to the left by a number modulo the width.
    Lsh,
    /// Shift to the right by a number modulo the width.
    Rsh,
    /// Arithmetic shift to the right by a number modulo the width.
    Arsh,
    /// Two's complement of the first operand.
    Neg,
}

impl AluOp {
    /// All operations.
    pub const ALL: [Self; 14] = [
        Self::Add,
        Self::Sub,
        Self::Mul,
        Self::Div,
        Self::Sdiv,
        Self::Mod,
        Self::Smod,
        Self::And,
        Self::Or,
        Self::Xor,
        Self::Lsh,
        Self::Rsh,
        Self::Arsh,
        Self::Neg,
    ];
}

/// The width of an operation or comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// The lower half; the result is zero-extended.
    W32,
    /// All 64 bits.
    W64,
}

impl Width {
    /// Both widths.
    pub const ALL: [Self; 2] = [Self::W32, Self::W64];
}

impl<W: Full, const OLD: bool> ScalarOf<W, OLD> {
    /// The results of `op` on members of `dst` and `src`. Kernel: `adjust_scalar_min_max_vals`.
    ///
    /// Division, remainders and shifts by a number that is not known, or not less than the width,
    /// give any number.
    #[must_use]
    pub fn alu(op: AluOp, width: Width, dst: &Self, src: &Self) -> Self {
        let mut out = *dst;
        match op {
            AluOp::Add => out.add(src),
            AluOp::Sub => out.sub(src),
            AluOp::Neg if OLD => return Self::ANY,
            AluOp::Neg => {
                out = Self::constant(W::ZERO);
                out.sub(dst);
            }
            AluOp::Mul => out.mul(src),
            AluOp::And => out.and(src),
            AluOp::Or => out.or(src),
            AluOp::Xor => out.xor(src),
            AluOp::Lsh | AluOp::Rsh | AluOp::Arsh => {
                let Some(by) = src.shift_distance(width) else { return Self::ANY };
                match op {
                    AluOp::Lsh => out.lsh(width, by),
                    AluOp::Rsh => out.rsh(width, by),
                    _ => out.arsh(width, by),
                }
            }
            AluOp::Div | AluOp::Sdiv | AluOp::Mod | AluOp::Smod => return Self::ANY,
        }
        if width == Width::W32 {
            out.zext_32_to_64();
        }
        out.sync();
        out
    }

    /// The variable distance of a pointer from its object after `pointer += off` ([`AluOp::Add`]) or
    /// `pointer -= off`, as far as it is not constant.
    ///
    /// Pointers have no halves, and sums that wrap tell nothing of them. Any other operation on a
    /// pointer gives any number. Kernel: `adjust_ptr_min_max_vals`.
    #[must_use]
    pub fn pointer_alu(op: AluOp, distance: &Self, off: &Self) -> Self {
        let mut out = Self::pointer_alu_raw(op, distance, off);
        out.sync();
        out
    }

    /// [`pointer_alu`](Self::pointer_alu) before the parts have learned from each other. It is the least
    /// signed number of this that the kernel compares with the limits of a pointer. Kernel:
    /// `check_reg_sane_offset`.
    #[must_use]
    pub fn pointer_alu_raw(op: AluOp, distance: &Self, off: &Self) -> Self {
        let mut out = *distance;
        out.mark_32_unbounded();
        match op {
            AluOp::Add => {
                out.set_wide(distance.wide().add_without_wrap(off.wide()));
                out.var_off = distance.var_off.add(off.var_off).low_bits(W::BITS);
            }
            AluOp::Sub => {
                out.set_wide(distance.wide().sub_without_wrap(off.wide()));
                out.var_off = distance.var_off.sub(off.var_off).low_bits(W::BITS);
            }
            _ => return Self::ANY,
        }
        out
    }

    /// The two numbers that the kernel goes on with one by one, if `dst` is known to be 0 or -1 before
    /// a bitwise and or or with a known number: first that of the path that goes on, then that of a
    /// path to be taken up later, at the same instruction.
    ///
    /// -1 or 0 is what an arithmetic shift makes of a sign, and masks for constants without a branch.
    /// Kernel: `maybe_fork_scalars`.
    #[must_use]
    pub fn fork(op: AluOp, dst: &Self, src: &Self) -> Option<[Self; 2]> {
        if !matches!(op, AluOp::And | AluOp::Or) || !src.var_off.is_const() {
            return None;
        }
        if dst.smin.into() == -1 && dst.smax.into() == 0 {
            return Some([W::MAX, W::ZERO].map(Self::constant));
        }
        let is_mask = dst.s32_min.into() == -1 && dst.s32_max.into() == 0;
        is_mask.then(|| {
            [<W::Half as Word>::MAX, W::Half::ZERO].map(|half| {
                let mut known = *dst;
                known.mark_32_known(half);
                known
            })
        })
    }

    /// The distance of a shift by this number: known, and less than the width.
    ///
    /// The kernel wants the whole number to be small even where only its half is used. Kernel:
    /// `is_safe_to_compute_dst_reg_range`.
    fn shift_distance(&self, width: Width) -> Option<u32> {
        let (known, bits, by) = match width {
            Width::W32 => (
                self.half_bits().is_const()
                    && self.s32_min == self.s32_max
                    && self.u32_min == self.u32_max,
                W::Half::BITS,
                self.u32_min.bits(),
            ),
            Width::W64 => (
                self.var_off.is_const() && self.smin == self.smax && self.umin == self.umax,
                W::BITS,
                self.umin.bits(),
            ),
        };
        let small = self.umax.bits() < u64::from(bits);
        (known && small).then_some(by).and_then(|by| u32::try_from(by).ok())
    }

    fn add(&mut self, src: &Self) {
        let (narrow, wide) = if OLD {
            let narrow = self.narrow().add_without_wrap(src.narrow());
            (narrow, self.wide().add_without_wrap(src.wide()))
        } else {
            (self.narrow().add(src.narrow()), self.wide().add(src.wide()))
        };
        self.set_narrow(narrow);
        self.set_wide(wide);
        self.var_off = self.var_off.add(src.var_off).low_bits(W::BITS);
    }

    fn sub(&mut self, src: &Self) {
        let (narrow, wide) = if OLD {
            let narrow = self.narrow().sub_without_wrap(src.narrow());
            (narrow, self.wide().sub_without_wrap(src.wide()))
        } else {
            (self.narrow().sub(src.narrow()), self.wide().sub(src.wide()))
        };
        self.set_narrow(narrow);
        self.set_wide(wide);
        self.var_off = self.var_off.sub(src.var_off).low_bits(W::BITS);
    }

    fn mul(&mut self, src: &Self) {
        let (bits, narrow, wide) = if OLD {
            let bits = self.var_off.mul_by_masks(src.var_off);
            (bits, self.narrow().mul_small(src.narrow()), self.wide().mul_small(src.wide()))
        } else {
            let bits = self.var_off.mul(src.var_off);
            (bits, self.narrow().mul(src.narrow()), self.wide().mul(src.wide()))
        };
        self.var_off = bits.low_bits(W::BITS);
        self.set_narrow(narrow);
        self.set_wide(wide);
    }

    fn and(&mut self, src: &Self) {
        self.var_off = self.var_off.and(src.var_off);
        let half = self.half_bits();
        let narrow = self.narrow().and(src.narrow(), half);
        let wide = self.wide().and(src.wide(), self.var_off);
        self.set_bitwise(src, narrow, wide);
    }

    fn or(&mut self, src: &Self) {
        self.var_off = self.var_off.or(src.var_off);
        let half = self.half_bits();
        let narrow = self.narrow().or(src.narrow(), half);
        let wide = self.wide().or(src.wide(), self.var_off);
        self.set_bitwise(src, narrow, wide);
    }

    fn xor(&mut self, src: &Self) {
        self.var_off = self.var_off.xor(src.var_off);
        let (narrow, wide) = (Range::xor(self.half_bits()), Range::xor(self.var_off));
        self.set_bitwise(src, narrow, wide);
    }

    /// Ranges of a bitwise result whose bits are set: the constant if `src` and the result are known,
    /// else what was computed.
    fn set_bitwise(&mut self, src: &Self, narrow: Range<W::Half>, wide: Range<W>) {
        match self.is_subreg_const().filter(|_| src.half_bits().is_const()) {
            Some(half) => self.set_narrow(Range::constant(half)),
            None => self.set_narrow(narrow),
        }
        match self.is_const().filter(|_| src.var_off.is_const()) {
            Some(value) => *self = Self::constant(value),
            None => {
                self.set_wide(wide);
                self.update_bounds();
            }
        }
    }

    fn lsh(&mut self, width: Width, by: u32) {
        match width {
            Width::W32 => {
                self.set_narrow(self.narrow().lsh(by));
                self.set_half_bits(self.half_bits().lsh(by));
            }
            Width::W64 => {
                let mut wide = self.wide().lsh(by);
                if by == W::Half::BITS {
                    // Half of a sign-extension: the sign of the half becomes that of the number.
                    let top = |half: <W::Half as Word>::Signed| {
                        W::low(W::Half::unsigned(half).bits() << by).signed()
                    };
                    (wide.smin, wide.smax) = (top(self.s32_min), top(self.s32_max));
                }
                self.set_wide(wide);
                self.set_narrow(self.narrow().lsh(by));
                self.var_off = self.var_off.lsh(by).low_bits(W::BITS);
                self.update_bounds();
            }
        }
    }

    fn rsh(&mut self, width: Width, by: u32) {
        match width {
            Width::W32 => {
                self.set_narrow(self.narrow().rsh(by));
                self.set_half_bits(self.half_bits().rsh(by));
            }
            Width::W64 => {
                self.var_off = self.var_off.rsh(by);
                self.set_wide(self.wide().rsh(by));
                self.mark_32_unbounded();
                self.update_bounds();
            }
        }
    }

    fn arsh(&mut self, width: Width, by: u32) {
        match width {
            Width::W32 => {
                self.set_narrow(self.narrow().arsh(by));
                self.set_half_bits(self.half_bits().arsh(by, W::Half::BITS));
            }
            Width::W64 => {
                self.var_off = self.var_off.arsh(by, W::BITS);
                self.set_wide(self.wide().arsh(by));
                self.mark_32_unbounded();
                self.update_bounds();
            }
        }
    }

    /// After a shift of the half: its bits, nothing of the whole, and what the bits say.
    fn set_half_bits(&mut self, bits: Tnum) {
        self.var_off = bits.low_bits(W::Half::BITS);
        self.mark_64_unbounded();
        self.update_narrow_bounds();
    }
}
