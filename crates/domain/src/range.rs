//! Ranges of one width: what is known of a word as an unsigned and as a signed number.

use crate::Tnum;
use crate::word::Word;
use core::cmp::{max, min};

/// The least and greatest unsigned and signed reading of a word.
///
/// The set it stands for are the words in both ranges. Either may be tighter than what follows from
/// the other; [`Range::deduce`] moves knowledge between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Range<W: Word> {
    pub(crate) umin: W,
    pub(crate) umax: W,
    pub(crate) smin: W::Signed,
    pub(crate) smax: W::Signed,
}

impl<W: Word> Range<W> {
    pub(crate) const ALL: Self =
        Self { umin: W::ZERO, umax: W::MAX, smin: W::SIGNED_MIN, smax: W::SIGNED_MAX };

    pub(crate) fn constant(value: W) -> Self {
        Self { umin: value, umax: value, smin: value.signed(), smax: value.signed() }
    }

    /// The unsigned range; as a signed one too where it does not cross the sign.
    pub(crate) fn unsigned(umin: W, umax: W) -> Self {
        let mut range = Self { umin, umax, ..Self::ALL };
        if umin.signed() <= umax.signed() {
            (range.smin, range.smax) = (umin.signed(), umax.signed());
        }
        range
    }

    pub(crate) fn contains(&self, word: W) -> bool {
        (self.umin..=self.umax).contains(&word) && (self.smin..=self.smax).contains(&word.signed())
    }

    /// Whether both ranges have a member.
    pub(crate) fn is_possible(&self) -> bool {
        self.umin <= self.umax && self.smin <= self.smax
    }

    pub(crate) fn is_within(&self, outer: &Self) -> bool {
        outer.umin <= self.umin
            && self.umax <= outer.umax
            && outer.smin <= self.smin
            && self.smax <= outer.smax
    }

    pub(crate) fn clamp_unsigned(&mut self, umin: W, umax: W) {
        self.umin = max(self.umin, umin);
        self.umax = min(self.umax, umax);
    }

    pub(crate) fn clamp_signed(&mut self, smin: W::Signed, smax: W::Signed) {
        self.smin = max(self.smin, smin);
        self.smax = min(self.smax, smax);
    }

    /// What the bits say. `tnum` has no bits above the word.
    ///
    /// The least signed member has the sign bit if it may be set, and no other unknown bit; the
    /// greatest the other way round. Kernel: `__update_reg32_bounds`, `__update_reg64_bounds`.
    pub(crate) fn clamp_to_bits(&mut self, tnum: Tnum) {
        let sign = W::unsigned(W::SIGNED_MIN).bits();
        let smin = W::low(tnum.value() | (tnum.mask() & sign)).signed();
        let smax = W::low(tnum.value() | (tnum.mask() & !sign)).signed();
        self.clamp_signed(smin, smax);
        self.clamp_unsigned(W::low(tnum.min()), W::low(tnum.max()));
    }

    /// Moves knowledge between the unsigned and the signed range.
    ///
    /// A range that stays on one side of the sign is the same range in the other reading. A signed
    /// range that crosses 0 is two unsigned ones, one at each end; if the unsigned range reaches only
    /// one of them, the number lies there. Kernel: `__reg64_deduce_bounds` and the last part of
    /// `__reg32_deduce_bounds`.
    pub(crate) fn deduce(&mut self) {
        if self.umin.signed() <= self.umax.signed() {
            self.clamp_signed(self.umin.signed(), self.umax.signed());
        }
        let (low, high) = (W::unsigned(self.smin), W::unsigned(self.smax));
        if low <= high {
            self.clamp_unsigned(low, high);
        } else if self.umax < low {
            // Only the part from 0 up.
            self.smin = self.umin.signed();
            self.umax = min(self.umax, high);
        } else if high < self.umin {
            // Only the negative part.
            self.smax = self.umax.signed();
            self.umin = max(self.umin, low);
        }
    }

    /// Sum. Bounds of a reading hold if neither wraps, unsigned ones also if both do, since all sums
    /// between them then wrap alike.
    pub(crate) fn add(self, rhs: Self) -> Self {
        let (umin, least_wraps) = self.umin.add(rhs.umin);
        let (umax, greatest_wraps) = self.umax.add(rhs.umax);
        let smin = W::signed_add(self.smin, rhs.smin);
        let smax = W::signed_add(self.smax, rhs.smax);
        Self::from_parts((umin, umax), greatest_wraps && !least_wraps, smin.zip(smax))
    }

    /// Difference, with the reasoning of [`Range::add`].
    pub(crate) fn sub(self, rhs: Self) -> Self {
        let (umin, least_wraps) = self.umin.sub(rhs.umax);
        let (umax, greatest_wraps) = self.umax.sub(rhs.umin);
        let smin = W::signed_sub(self.smin, rhs.smax);
        let smax = W::signed_sub(self.smax, rhs.smin);
        Self::from_parts((umin, umax), least_wraps && !greatest_wraps, smin.zip(smax))
    }

    /// Sum as for the distances of pointers: unsigned bounds hold only if none wraps.
    pub(crate) fn add_without_wrap(self, rhs: Self) -> Self {
        let (umin, least_wraps) = self.umin.add(rhs.umin);
        let (umax, greatest_wraps) = self.umax.add(rhs.umax);
        let signed = W::signed_add(self.smin, rhs.smin).zip(W::signed_add(self.smax, rhs.smax));
        Self::from_parts((umin, umax), least_wraps || greatest_wraps, signed)
    }

    /// Difference as for the distances of pointers.
    pub(crate) fn sub_without_wrap(self, rhs: Self) -> Self {
        let (umin, least_wraps) = self.umin.sub(rhs.umax);
        let (umax, _) = self.umax.sub(rhs.umin);
        let signed = W::signed_sub(self.smin, rhs.smax).zip(W::signed_sub(self.smax, rhs.smin));
        Self::from_parts((umin, umax), least_wraps, signed)
    }

    fn from_parts(u: (W, W), broken: bool, s: Option<(W::Signed, W::Signed)>) -> Self {
        let (umin, umax) = if broken { (W::ZERO, W::MAX) } else { u };
        let (smin, smax) = s.unwrap_or((W::SIGNED_MIN, W::SIGNED_MAX));
        Self { umin, umax, smin, smax }
    }

    /// Product. Signed bounds are among the products of the corners.
    pub(crate) fn mul(self, rhs: Self) -> Self {
        let unsigned = self.umax.mul(rhs.umax).and_then(|umax| {
            let umin = self.umin.mul(rhs.umin)?;
            Some((umin, umax))
        });
        let signed = self.signed_products(rhs);
        let (umin, umax) = unsigned.unwrap_or((W::ZERO, W::MAX));
        let (smin, smax) = signed.unwrap_or((W::SIGNED_MIN, W::SIGNED_MAX));
        Self { umin, umax, smin, smax }
    }

    /// Product of Linux up to 6.14: of numbers that are not negative and have half the bits at most.
    pub(crate) fn mul_small(self, rhs: Self) -> Self {
        let is_small = |range: &Self| {
            let smin: i64 = range.smin.into();
            smin >= 0 && range.umax.bits() <= W::MAX.bits() >> W::BITS.div_ceil(2)
        };
        if !is_small(&self) || !is_small(&rhs) {
            return Self::ALL;
        }
        let product = |a: W, b: W| W::low(a.bits().wrapping_mul(b.bits()));
        let (umin, umax) = (product(self.umin, rhs.umin), product(self.umax, rhs.umax));
        let fits = umax <= W::unsigned(W::SIGNED_MAX);
        let (smin, smax) =
            if fits { (umin.signed(), umax.signed()) } else { (W::SIGNED_MIN, W::SIGNED_MAX) };
        Self { umin, umax, smin, smax }
    }

    fn signed_products(self, rhs: Self) -> Option<(W::Signed, W::Signed)> {
        let a = W::signed_mul(self.smin, rhs.smin)?;
        let b = W::signed_mul(self.smin, rhs.smax)?;
        let c = W::signed_mul(self.smax, rhs.smin)?;
        let d = W::signed_mul(self.smax, rhs.smax)?;
        Some((min(min(a, b), min(c, d)), max(max(a, b), max(c, d))))
    }

    /// Bitwise and whose bits are `result`: no more than either operand.
    pub(crate) fn and(self, rhs: Self, result: Tnum) -> Self {
        Self::unsigned(W::low(result.min()), min(self.umax, rhs.umax))
    }

    /// Bitwise or whose bits are `result`: no less than either operand.
    pub(crate) fn or(self, rhs: Self, result: Tnum) -> Self {
        Self::unsigned(max(self.umin, rhs.umin), W::low(result.max()))
    }

    /// Exclusive or whose bits are `result`.
    pub(crate) fn xor(result: Tnum) -> Self {
        Self::unsigned(W::low(result.min()), W::low(result.max()))
    }

    /// Unsigned range shifted to the left, if no bit is lost; signed bounds are forgotten.
    ///
    /// The kernel keeps the range up to the greatest power of two that stays below the sign bit.
    pub(crate) fn lsh(self, by: u32) -> Self {
        let fits = by < W::BITS && self.umax.bits() <= 1 << (W::BITS - 1 - by);
        if !fits {
            return Self::ALL;
        }
        let shift = |word: W| W::low(word.bits() << by);
        Self { umin: shift(self.umin), umax: shift(self.umax), ..Self::ALL }
    }

    /// Unsigned range shifted to the right; signed bounds are forgotten.
    pub(crate) fn rsh(self, by: u32) -> Self {
        let shift = |word: W| W::low(word.bits() >> by);
        Self { umin: shift(self.umin), umax: shift(self.umax), ..Self::ALL }
    }

    /// Signed range shifted to the right; unsigned bounds are forgotten.
    pub(crate) fn arsh(self, by: u32) -> Self {
        let shift = |signed: W::Signed| {
            let wide: i64 = signed.into();
            W::low((wide >> by).cast_unsigned()).signed()
        };
        Self { smin: shift(self.smin), smax: shift(self.smax), ..Self::ALL }
    }
}
