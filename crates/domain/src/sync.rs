//! Deduction: what the parts of a scalar say about each other.
//!
//! The order is the kernel's. It matters: each step is sound, but the steps do not reach a fixed
//! point, and the verdict on a program may hang on what was not deduced. Steps are left out only where
//! they change nothing: every step is a function of the description alone, so one that found nothing
//! finds nothing when it is done again.

use crate::Tnum;
use crate::range::Range;
use crate::scalar::ScalarOf;
use crate::word::{Full, Word, from_i64, lower, same_upper, upper, with_lower};

impl<W: Full, const OLD: bool> ScalarOf<W, OLD> {
    /// Lets bits and ranges learn from each other. Kernel: `reg_bounds_sync`.
    pub fn sync(&mut self) {
        if let Some(value) = self.is_const()
            && self.wide() == Range::constant(value)
            && self.narrow().contains(lower(value))
        {
            // The bits say the rest.
            *self = Self::constant(value);
        } else if *self != Self::ANY && !self.is_settled() {
            self.deduce_all();
        }
    }

    fn deduce_all(&mut self) {
        self.update_bounds();
        let updated = *self;
        // The kernel deduces three times; a time that finds nothing is followed by such.
        for _ in 0..3 {
            let before = *self;
            self.deduce_bounds();
            if *self == before {
                break;
            }
        }
        self.bound_offset();
        // New bits may say more about the ranges: 0x7f…ff with the bits …1100 is 0x7f…fc at most.
        if *self != updated {
            self.update_bounds();
        }
    }

    /// All ranges are one of more than one number, none of them negative in either width, and bits and range say
    /// no more than each other: no step below changes anything. Most numbers of programs are such.
    fn is_settled(&self) -> bool {
        let (low, high) = (self.umin.bits(), self.umax.bits());
        low < high
            && high <= W::Half::unsigned(W::Half::SIGNED_MAX).bits()
            && (self.smin, self.smax) == (self.umin.signed(), self.umax.signed())
            && (self.u32_min, self.u32_max) == (lower(self.umin), lower(self.umax))
            && (self.s32_min, self.s32_max) == (self.u32_min.signed(), self.u32_max.signed())
            && self.var_off.min() <= low
            && high <= self.var_off.max()
            && self.var_off.meet(Tnum::range(low, high)) == self.var_off
            && (OLD || only_member(self.var_off, low, high).is_none())
    }

    /// What the bits say about the ranges. Kernel: `__update_reg_bounds`.
    pub(crate) fn update_bounds(&mut self) {
        self.update_narrow_bounds();
        self.update_wide_bounds();
    }

    /// Kernel: `__update_reg32_bounds`.
    pub(crate) fn update_narrow_bounds(&mut self) {
        let mut narrow = self.narrow();
        narrow.clamp_to_bits(self.half_bits());
        self.set_narrow(narrow);
    }

    /// Kernel: `__update_reg64_bounds`.
    pub(crate) fn update_wide_bounds(&mut self) {
        let mut wide = self.wide();
        wide.clamp_to_bits(self.var_off);
        self.set_wide(wide);
        if OLD {
            return;
        }
        if let Some(only) = only_member(self.var_off, self.umin.bits(), self.umax.bits()) {
            *self = Self::constant(W::low(only));
        }
    }

    /// Kernel: `__reg_deduce_bounds`.
    pub(crate) fn deduce_bounds(&mut self) {
        let mut narrow = self.narrow();
        narrow_from_wide(&mut narrow, &self.wide());
        narrow.deduce();
        self.set_narrow(narrow);
        let mut wide = self.wide();
        wide.deduce();
        wide_from_narrow(&mut wide, &narrow);
        self.set_wide(wide);
        self.deduce_sign_extended();
    }

    /// Where the number is the sign-extension of its half, up to the sign, and the half is not
    /// negative, the number is the half. Kernel: the end of `__reg_deduce_mixed_bounds`.
    fn deduce_sign_extended(&mut self) {
        let half_min: i64 = <W::Half as Word>::SIGNED_MIN.into();
        let half_max: i64 = <W::Half as Word>::SIGNED_MAX.into();
        if self.s32_min.into() < 0 || self.smin.into() < half_min || self.smax.into() > half_max {
            return;
        }
        self.smin = from_i64::<W>(self.s32_min.into());
        self.smax = from_i64::<W>(self.s32_max.into());
        (self.umin, self.umax) = (W::unsigned(self.smin), W::unsigned(self.smax));
        self.var_off = self.var_off.meet(Tnum::range(self.umin.bits(), self.umax.bits()));
    }

    /// What the ranges say about the bits. Kernel: `__reg_bound_offset`.
    pub(crate) fn bound_offset(&mut self) {
        let full = self.var_off.meet(Tnum::range(self.umin.bits(), self.umax.bits()));
        let half = full
            .low_bits(W::Half::BITS)
            .meet(Tnum::range(self.u32_min.bits(), self.u32_max.bits()));
        self.var_off = self.join_bits(full, half);
    }
}

/// The one member of `tnum` between `umin` and `umax`, if there is one.
///
/// It is `umin` itself with the next beyond `umax`, or `umin` is none and the next is the last of all
/// or the one after it is beyond. (If the last of all is beyond too, there is no number at all, and the
/// kernel takes the last.)
pub(crate) fn only_member(tnum: Tnum, umin: u64, umax: u64) -> Option<u64> {
    let next = tnum.step(umin);
    if tnum.contains(umin) {
        return (next > umax).then_some(umin);
    }
    let only = next == tnum.max() || (next <= umax && tnum.step(next) > umax);
    only.then_some(next)
}

/// The half of a range whose upper bits do not change is the range of its halves. If they change
/// once, by one, the halves go around the end of the word: a signed range if it crosses 0 there.
fn narrow_from_wide<W: Full>(narrow: &mut Range<W::Half>, wide: &Range<W>) {
    let (low, high) = (lower(wide.umin), lower(wide.umax));
    if same_upper(wide.umin, wide.umax) {
        narrow.clamp_unsigned(low, high);
        if low.signed() <= high.signed() {
            narrow.clamp_signed(low.signed(), high.signed());
        }
    }
    let (slow, shigh) = (W::unsigned(wide.smin), W::unsigned(wide.smax));
    let (low_s, high_s) = (lower(slow), lower(shigh));
    if same_upper(slow, shigh) {
        if low_s <= high_s {
            narrow.clamp_unsigned(low_s, high_s);
        }
        if low_s.signed() <= high_s.signed() {
            narrow.clamp_signed(low_s.signed(), high_s.signed());
        }
    }
    clamp_across_zero(narrow, wide.umin, wide.umax);
    clamp_across_zero(narrow, slow, shigh);
}

fn clamp_across_zero<W: Full>(narrow: &mut Range<W::Half>, low: W, high: W) {
    let uppers = (upper(low) + 1) << W::Half::BITS;
    let next = W::low(uppers);
    let (low_half, high_half) = (lower(low).signed(), lower(high).signed());
    if upper(next) == upper(high) && low_half.into() < 0 && high_half.into() >= 0 {
        narrow.clamp_signed(low_half, high_half);
    }
}

/// The halves of both ends of a wide range can be no less than the least half and no more than the
/// greatest. Kernel: `__reg_deduce_mixed_bounds`.
fn wide_from_narrow<W: Full>(wide: &mut Range<W>, narrow: &Range<W::Half>) {
    clamp_halves(wide, narrow.umin, narrow.umax);
    let (low, high) = (W::Half::unsigned(narrow.smin), W::Half::unsigned(narrow.smax));
    if low <= high {
        clamp_halves(wide, low, high);
    }
}

fn clamp_halves<W: Full>(wide: &mut Range<W>, low: W::Half, high: W::Half) {
    wide.clamp_unsigned(with_lower(wide.umin, low), with_lower(wide.umax, high));
    let smin = with_lower(W::unsigned(wide.smin), low).signed();
    let smax = with_lower(W::unsigned(wide.smax), high).signed();
    wide.clamp_signed(smin, smax);
}
