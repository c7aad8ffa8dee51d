//! Arithmetic of Linux 7.2.

use super::{CircularOf, join};
use crate::arc::Arc;
use crate::range::Range;
use crate::word::{Full, Word, from_i64};
use crate::{AluOp, Tnum, Width};
use core::cmp::{max, min};

impl<W: Full> CircularOf<W> {
    /// The results of `op` on members of `dst` and `src`. Kernel: `adjust_scalar_min_max_vals`.
    #[must_use]
    pub fn alu(op: AluOp, width: Width, dst: &Self, src: &Self) -> Self {
        let mut out = *dst;
        match op {
            AluOp::Add => out.add(src),
            AluOp::Sub => out.sub(src),
            AluOp::Neg => {
                out = Self::constant(W::ZERO);
                out.sub(dst);
            }
            AluOp::Mul => out.mul(src),
            AluOp::And | AluOp::Or | AluOp::Xor => out.bitwise(op, src),
            AluOp::Lsh | AluOp::Rsh | AluOp::Arsh => {
                let Some(by) = src.shift_distance(width) else { return Self::ANY };
                match (op, width) {
                    (AluOp::Lsh, Width::W32) => out.lsh_half(by),
                    (AluOp::Lsh, Width::W64) => out.lsh(by),
                    (AluOp::Rsh, Width::W32) => out.rsh_half(by),
                    (AluOp::Rsh, Width::W64) => out.rsh(by),
                    (_, Width::W32) => out.arsh_half(by),
                    (_, Width::W64) => out.arsh(by),
                }
            }
            AluOp::Div | AluOp::Sdiv | AluOp::Mod | AluOp::Smod => {
                let Some(by) = src.known(width) else { return Self::ANY };
                out.divide(op, width, by);
            }
        }
        if width == Width::W32 {
            out.zext_half();
        }
        out.sync();
        out
    }

    /// The variable distance of a pointer after a sum or difference.
    #[must_use]
    pub fn pointer_alu(op: AluOp, distance: &Self, off: &Self) -> Self {
        let mut out = Self::pointer_alu_raw(op, distance, off);
        out.sync();
        out
    }

    /// The same before the parts have learned from each other.
    #[must_use]
    pub fn pointer_alu_raw(op: AluOp, distance: &Self, off: &Self) -> Self {
        let mut out = *distance;
        match op {
            AluOp::Add => out.add(off),
            AluOp::Sub => out.sub(off),
            _ => return Self::ANY,
        }
        out.half = Arc::ALL;
        out
    }

    /// The two numbers that are gone on with one by one. Kernel: `maybe_fork_scalars`.
    #[must_use]
    pub fn fork(op: AluOp, dst: &Self, src: &Self) -> Option<[Self; 2]> {
        if !matches!(op, AluOp::And | AluOp::Or) || !src.var_off.is_const() {
            return None;
        }
        let (wide, half) = (dst.range(), dst.half_range());
        if wide.smin.into() == -1 && wide.smax.into() == 0 {
            return Some([W::MAX, W::ZERO].map(Self::constant));
        }
        let is_mask = half.smin.into() == -1 && half.smax.into() == 0;
        is_mask.then(|| {
            [<W::Half as Word>::MAX, W::Half::ZERO].map(|half| {
                let mut known = *dst;
                known.mark_half_known(half);
                known
            })
        })
    }

    /// The number in the width, if both its bits and its range know it.
    fn known(&self, width: Width) -> Option<u64> {
        fn of<W: Word>(bits: Tnum, range: &Range<W>) -> Option<u64> {
            let known = bits.is_const() && range.smin == range.smax && range.umin == range.umax;
            known.then(|| range.umin.bits())
        }
        match width {
            Width::W32 => of(self.half_bits(), &self.half_range()),
            Width::W64 => of(self.var_off, &self.range()),
        }
    }

    fn shift_distance(&self, width: Width) -> Option<u32> {
        let bits = if width == Width::W32 { <W::Half as Word>::BITS } else { W::BITS };
        let small = self.range().umax.bits() < u64::from(bits);
        self.known(width).filter(|_| small).and_then(|by| u32::try_from(by).ok())
    }

    fn add(&mut self, src: &Self) {
        self.half = self.half.add(src.half);
        self.wide = self.wide.add(src.wide);
        self.var_off = self.var_off.add(src.var_off).low_bits(W::BITS);
    }

    fn sub(&mut self, src: &Self) {
        self.half = self.half.add(src.half.neg());
        self.wide = self.wide.add(src.wide.neg());
        self.var_off = self.var_off.sub(src.var_off).low_bits(W::BITS);
    }

    fn mul(&mut self, src: &Self) {
        fn arc<W: Word>(product: Range<W>) -> Arc<W> {
            Arc::unsigned(product.umin, product.umax)
                .intersect(Arc::signed(product.smin, product.smax))
        }
        self.var_off = self.var_off.mul(src.var_off).low_bits(W::BITS);
        self.half = arc(self.half_range().mul(src.half_range()));
        self.wide = arc(self.range().mul(src.range()));
    }

    fn bitwise(&mut self, op: AluOp, src: &Self) {
        /// Least and greatest result, whose bits are `bits`.
        fn ends<W: Word>(op: AluOp, a: &Range<W>, b: &Range<W>, bits: Tnum) -> Arc<W> {
            let (least, greatest) = (W::low(bits.min()), W::low(bits.max()));
            match op {
                AluOp::And => Arc::unsigned(least, min(a.umax, b.umax)),
                AluOp::Or => Arc::unsigned(max(a.umin, b.umin), greatest),
                _ => Arc::unsigned(least, greatest),
            }
        }
        let before = *self;
        self.var_off = match op {
            AluOp::And => self.var_off.and(src.var_off),
            AluOp::Or => self.var_off.or(src.var_off),
            _ => self.var_off.xor(src.var_off),
        };
        let half = self.half_bits();
        if src.half_bits().is_const() && half.is_const() {
            self.mark_half_known(W::Half::low(half.value()));
        } else {
            self.half = ends(op, &before.half_range(), &src.half_range(), half);
        }
        if let Some(value) = self.is_const().filter(|_| src.var_off.is_const()) {
            *self = Self::constant(value);
            return;
        }
        self.wide = ends(op, &before.range(), &src.range(), self.var_off);
        if op != AluOp::Xor {
            self.update_bounds();
        }
    }

    fn lsh_half(&mut self, by: u32) {
        self.half = shifted_left(&self.half_range(), by);
        self.set_half_bits(self.half_bits().lsh(by));
    }

    fn lsh(&mut self, by: u32) {
        let half = self.half_range();
        let signed = if by == W::Half::BITS {
            let top = |half| W::low(<W::Half as Word>::unsigned(half).bits() << by).signed();
            Arc::signed(top(half.smin), top(half.smax))
        } else {
            Arc::ALL
        };
        self.wide = shifted_left(&self.range(), by).intersect(signed);
        self.half = shifted_left(&half, by);
        self.var_off = self.var_off.lsh(by).low_bits(W::BITS);
        self.update_bounds();
    }

    fn rsh_half(&mut self, by: u32) {
        let range = self.half_range().rsh(by);
        self.half = Arc::unsigned(range.umin, range.umax);
        self.set_half_bits(self.half_bits().rsh(by));
    }

    fn rsh(&mut self, by: u32) {
        let range = self.range().rsh(by);
        self.var_off = self.var_off.rsh(by);
        self.wide = Arc::unsigned(range.umin, range.umax);
        self.half = Arc::ALL;
        self.update_bounds();
    }

    fn arsh_half(&mut self, by: u32) {
        let range = self.half_range().arsh(by);
        self.half = Arc::signed(range.smin, range.smax);
        self.set_half_bits(self.half_bits().arsh(by, W::Half::BITS));
    }

    fn arsh(&mut self, by: u32) {
        let range = self.range().arsh(by);
        self.wide = Arc::signed(range.smin, range.smax);
        self.var_off = self.var_off.arsh(by, W::BITS);
        self.half = Arc::ALL;
        self.update_bounds();
    }

    /// After a shift of the half: its bits, nothing of the whole, and what the bits say.
    fn set_half_bits(&mut self, bits: Tnum) {
        self.var_off = bits.low_bits(W::Half::BITS);
        self.wide = Arc::ALL;
        self.update_half();
    }

    /// Division by a known number: only the range in the width of the operation is followed.
    fn divide(&mut self, op: AluOp, width: Width, by: u64) {
        if by == 0 {
            // x / 0 is 0, x % 0 is x.
            if matches!(op, AluOp::Div | AluOp::Sdiv) {
                *self = Self::constant(W::ZERO);
            }
            return;
        }
        match width {
            Width::W32 => {
                if let Some(half) = divided(op, &self.half_range(), W::Half::low(by)) {
                    *self = Self { half, ..Self::ANY };
                }
            }
            Width::W64 => {
                if let Some(wide) = divided(op, &self.range(), W::low(by)) {
                    *self = Self { wide, ..Self::ANY };
                }
            }
        }
    }
}

fn shifted_left<W: Word>(range: &Range<W>, by: u32) -> Arc<W> {
    let shifted = range.lsh(by);
    Arc::unsigned(shifted.umin, shifted.umax)
}

/// The results of a division by `by`, which is not 0; nothing if all operands stay as they are.
fn divided<W: Word>(op: AluOp, range: &Range<W>, by: W) -> Option<Arc<W>> {
    let (umin, umax) = (range.umin.bits(), range.umax.bits());
    let (smin, smax): (i64, i64) = (range.smin.into(), range.smax.into());
    let signed = |smin: i64, smax: i64| Arc::signed(from_i64::<W>(smin), from_i64::<W>(smax));
    match op {
        AluOp::Div => Some(Arc::unsigned(W::low(umin / by.bits()), W::low(umax / by.bits()))),
        AluOp::Mod => {
            let greatest = by.bits() - 1;
            (umax > greatest).then(|| Arc::unsigned(W::ZERO, W::low(greatest)))
        }
        AluOp::Sdiv => {
            let (by, least): (i64, i64) = (by.signed().into(), W::SIGNED_MIN.into());
            if smin == least && by == -1 {
                // The least number stays, all others change sides.
                return Some(if smax == least { signed(least, least) } else { Arc::ALL });
            }
            let (a, b) = (smin / by, smax / by);
            Some(signed(min(a, b), max(a, b)))
        }
        _ => {
            let by: i64 = by.signed().into();
            // One less than the magnitude, which may have no room itself.
            let most = if by > 0 { by - 1 } else { !by };
            if smin >= -most && smax <= most {
                return None;
            }
            Some(if smin >= 0 {
                signed(0, min(smax, most))
            } else if smax <= 0 {
                signed(max(smin, -most), 0)
            } else {
                signed(-most, most)
            })
        }
    }
}

impl<W: Full> CircularOf<W> {
    /// Sets the bits of the half or of the whole.
    pub(super) fn set_bits(&mut self, bits: Tnum, width: Width) {
        self.var_off = match width {
            Width::W32 => join::<W>(self.var_off, bits),
            Width::W64 => bits,
        };
    }
}
