//! What is known of one number: its bits, and its ranges in the full width and in the lower half.

use crate::range::Range;
use crate::word::{Full, Word, lower};
use crate::{Inconsistent, Tnum};

/// Shorthand for the signed reading of a word.
type Signed<W> = <W as Word>::Signed;

/// A set of numbers, as the verifier of Linux up to 7.1 describes it; where `OLD`, with the arithmetic of
/// Linux 6.12, otherwise with that of 6.18.
///
/// It stands for the numbers that are members of `var_off` and lie in all four ranges. The fields
/// are public because the verifier itself learns bounds from types and helpers; after changing one,
/// call [`sync`](Self::sync).
///
/// Kernel: the numeric part of `struct bpf_reg_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ScalarOf<W: Full, const OLD: bool = false> {
    /// What is known of each bit.
    pub var_off: Tnum,
    /// Least unsigned number.
    pub umin: W,
    /// Greatest unsigned number.
    pub umax: W,
    /// Least signed number.
    pub smin: Signed<W>,
    /// Greatest signed number.
    pub smax: Signed<W>,
    /// Least unsigned lower half.
    pub u32_min: W::Half,
    /// Greatest unsigned lower half.
    pub u32_max: W::Half,
    /// Least signed lower half.
    pub s32_min: Signed<W::Half>,
    /// Greatest signed lower half.
    pub s32_max: Signed<W::Half>,
}

/// The numbers of a 64-bit register.
pub type Scalar = ScalarOf<u64>;

/// The numbers of a 64-bit register with the arithmetic of Linux 6.12.
///
/// It knows less than 6.18: products by an older rule, sums without bounds where one of them wraps, no
/// complements, no reversed bytes, and not when a range has a single number with the known bits.
pub type Scalar612 = ScalarOf<u64, true>;

impl<const OLD: bool> ScalarOf<u64, OLD> {
    /// Any number.
    pub const UNKNOWN: Self = Self::ANY;
}

impl<W: Full, const OLD: bool> ScalarOf<W, OLD> {
    /// Any number of the word.
    pub(crate) const ANY: Self = Self {
        var_off: Tnum::UNKNOWN.low_bits(W::BITS),
        umin: W::ZERO,
        umax: W::MAX,
        smin: W::SIGNED_MIN,
        smax: W::SIGNED_MAX,
        u32_min: W::Half::ZERO,
        u32_max: W::Half::MAX,
        s32_min: W::Half::SIGNED_MIN,
        s32_max: W::Half::SIGNED_MAX,
    };

    /// One number. Kernel: `__mark_reg_known`.
    #[must_use]
    pub fn constant(value: W) -> Self {
        let mut this = Self { var_off: Tnum::constant(value.bits()), ..Self::ANY };
        this.set_wide(Range::constant(value));
        this.set_narrow(Range::constant(lower(value)));
        this
    }

    /// The number, if its bits are known.
    #[must_use]
    pub fn is_const(&self) -> Option<W> {
        self.var_off.is_const().then(|| W::low(self.var_off.value()))
    }

    /// The lower half, if its bits are known.
    #[must_use]
    pub fn is_subreg_const(&self) -> Option<W::Half> {
        let half = self.half_bits();
        half.is_const().then(|| W::Half::low(half.value()))
    }

    /// Whether `number` is in the set.
    #[must_use]
    pub fn contains(&self, number: W) -> bool {
        self.var_off.contains(number.bits())
            && self.wide().contains(number)
            && self.narrow().contains(lower(number))
    }

    /// Whether every bound and bit of `self` is at least as tight as that of `outer`, so that every
    /// member is one of `outer`. Kernel: `range_within` with `tnum_in`.
    #[must_use]
    pub fn is_within(&self, outer: &Self) -> bool {
        self.wide().is_within(&outer.wide())
            && self.narrow().is_within(&outer.narrow())
            && outer.var_off.includes(self.var_off)
    }

    /// Forgets all ranges; bits stay. Kernel: `__mark_reg_unbounded`.
    pub fn mark_unbounded(&mut self) {
        self.mark_64_unbounded();
        self.mark_32_unbounded();
    }

    /// Forgets the ranges of the full width. Kernel: `__mark_reg64_unbounded`.
    pub fn mark_64_unbounded(&mut self) {
        self.set_wide(Range::ALL);
    }

    /// Forgets the ranges of the lower half. Kernel: `__mark_reg32_unbounded`.
    pub fn mark_32_unbounded(&mut self) {
        self.set_narrow(Range::ALL);
    }

    /// Sets the lower half; what was known of the upper bits stays, as do the ranges of the full
    /// width. Kernel: `__mark_reg32_known`.
    pub fn mark_32_known(&mut self, half: W::Half) {
        self.var_off = self.join_bits(self.var_off, Tnum::constant(half.bits()));
        self.set_narrow(Range::constant(half));
    }

    /// Whether the parts agree as far as the kernel checks. Kernel: `reg_bounds_sanity_check`.
    ///
    /// They may disagree on a branch that cannot be taken but was not seen to be dead.
    ///
    /// # Errors
    ///
    /// Which of the kernel's three conditions does not hold.
    pub fn is_consistent(&self) -> Result<(), Inconsistent> {
        if !self.wide().is_possible() || !self.narrow().is_possible() {
            return Err(Inconsistent::Ranges);
        }
        if self.is_const().is_some_and(|value| self.wide() != Range::constant(value)) {
            return Err(Inconsistent::Const);
        }
        if self.is_subreg_const().is_some_and(|half| self.narrow() != Range::constant(half)) {
            return Err(Inconsistent::SubregConst);
        }
        Ok(())
    }

    /// Checks as [`is_consistent`](Self::is_consistent) and forgets all ranges if it fails, as the
    /// kernel does; the failure is told.
    pub fn settle(&mut self) -> Option<Inconsistent> {
        let found = self.is_consistent().err();
        if found.is_some() {
            self.mark_unbounded();
        }
        found
    }

    /// The bits of the lower half.
    pub(crate) fn half_bits(&self) -> Tnum {
        self.var_off.low_bits(W::Half::BITS)
    }

    /// The upper bits of `upper` above the half `half`.
    pub(crate) fn join_bits(&self, upper: Tnum, half: Tnum) -> Tnum {
        let cleared = upper.rsh(W::Half::BITS).lsh(W::Half::BITS);
        cleared.or(half.low_bits(W::Half::BITS))
    }

    /// The same description, for the arithmetic of another release.
    #[must_use]
    pub fn with_arithmetic<const OTHER: bool>(&self) -> ScalarOf<W, OTHER> {
        let mut other = ScalarOf { var_off: self.var_off, ..ScalarOf::ANY };
        other.set_wide(self.wide());
        other.set_narrow(self.narrow());
        other
    }

    pub(crate) fn wide(&self) -> Range<W> {
        Range { umin: self.umin, umax: self.umax, smin: self.smin, smax: self.smax }
    }

    pub(crate) fn set_wide(&mut self, range: Range<W>) {
        (self.umin, self.umax) = (range.umin, range.umax);
        (self.smin, self.smax) = (range.smin, range.smax);
    }

    pub(crate) fn narrow(&self) -> Range<W::Half> {
        Range { umin: self.u32_min, umax: self.u32_max, smin: self.s32_min, smax: self.s32_max }
    }

    pub(crate) fn set_narrow(&mut self, range: Range<W::Half>) {
        (self.u32_min, self.u32_max) = (range.umin, range.umax);
        (self.s32_min, self.s32_max) = (range.smin, range.smax);
    }
}

impl<const OLD: bool> Default for ScalarOf<u64, OLD> {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

impl<const OLD: bool> From<u64> for ScalarOf<u64, OLD> {
    fn from(value: u64) -> Self {
        Self::constant(value)
    }
}
