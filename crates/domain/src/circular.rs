//! What is known of one number, as Linux 7.2 describes it: its bits, and two arcs.

mod alu;
mod branch;
mod cast;
mod domain;

use crate::arc::Arc;
use crate::range::Range;
use crate::scalar::ScalarOf;
use crate::sync::only_member;
use crate::word::{Full, Word, lower};
use crate::{Inconsistent, Tnum};

/// A set of numbers, as the verifier of Linux 7.2 describes it: the numbers that are members of the
/// tnum and lie in the arc of the full width, and whose lower half lies in that of the half.
///
/// Kernel: `var_off`, `r64` and `r32` of `struct bpf_reg_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CircularOf<W: Full> {
    var_off: Tnum,
    wide: Arc<W>,
    half: Arc<W::Half>,
}

/// The numbers of a 64-bit register.
pub type Circular = CircularOf<u64>;

impl<W: Full> CircularOf<W> {
    pub(crate) const ANY: Self =
        Self { var_off: Tnum::UNKNOWN.low_bits(W::BITS), wide: Arc::ALL, half: Arc::ALL };

    /// One number.
    #[must_use]
    pub fn constant(value: W) -> Self {
        Self {
            var_off: Tnum::constant(value.bits()),
            wide: Arc::constant(value),
            half: Arc::constant(lower(value)),
        }
    }

    /// The same as ranges, as the log shows it.
    #[must_use]
    pub fn ranges(&self) -> ScalarOf<W> {
        let mut out = ScalarOf { var_off: self.var_off, ..ScalarOf::ANY };
        out.set_wide(self.range());
        out.set_narrow(self.half_range());
        out
    }

    /// The number, if its bits are known.
    #[must_use]
    pub fn is_const(&self) -> Option<W> {
        self.var_off.is_const().then(|| W::low(self.var_off.value()))
    }

    /// Whether `number` is in the set.
    #[must_use]
    pub fn contains(&self, number: W) -> bool {
        self.var_off.contains(number.bits())
            && self.wide.contains(number)
            && self.half.contains(lower(number))
    }

    /// Whether each part of `self` is within that of `outer`. Kernel: `range_within` with `tnum_in`.
    #[must_use]
    pub fn is_within(&self, outer: &Self) -> bool {
        outer.wide.includes(self.wide)
            && outer.half.includes(self.half)
            && outer.var_off.includes(self.var_off)
    }

    /// Whether the parts agree as far as the kernel checks. Kernel: `reg_bounds_sanity_check`.
    ///
    /// # Errors
    ///
    /// Which of the kernel's three conditions does not hold.
    pub fn is_consistent(&self) -> Result<(), Inconsistent> {
        if !self.is_possible() {
            return Err(Inconsistent::Ranges);
        }
        if self.is_const().is_some_and(|value| self.wide.is_const() != Some(value)) {
            return Err(Inconsistent::Const);
        }
        let bits = self.half_bits();
        if bits.is_const() && self.half.is_const() != Some(W::Half::low(bits.value())) {
            return Err(Inconsistent::SubregConst);
        }
        Ok(())
    }

    /// Forgets both arcs; bits stay.
    pub fn mark_unbounded(&mut self) {
        (self.wide, self.half) = (Arc::ALL, Arc::ALL);
    }

    /// Lets bits and arcs learn from each other. Kernel: `reg_bounds_sync` of 7.2.
    pub fn sync(&mut self) {
        if !self.is_possible() {
            return;
        }
        self.update_bounds();
        for _ in 0..2 {
            self.half = self.half.intersect(self.wide.halves());
            self.wide = self.wide.with_halves(self.half);
        }
        self.bound_offset();
        self.update_bounds();
    }

    /// Whether neither arc is empty.
    fn is_possible(&self) -> bool {
        !self.wide.is_empty() && !self.half.is_empty()
    }

    pub(crate) fn settle(&mut self) {
        if self.is_consistent().is_err() {
            self.mark_unbounded();
        }
    }

    fn update_bounds(&mut self) {
        self.update_half();
        self.wide = self.wide.intersect(Arc::of_bits(self.var_off));
        let Range { umin, umax, .. } = self.range();
        if let Some(only) = only_member(self.var_off, umin.bits(), umax.bits()) {
            *self = Self::constant(W::low(only));
        }
    }

    fn update_half(&mut self) {
        self.half = self.half.intersect(Arc::of_bits(self.half_bits()));
    }

    fn bound_offset(&mut self) {
        let (range, half_range) = (self.range(), self.half_range());
        let full = self.var_off.meet(Tnum::range(range.umin.bits(), range.umax.bits()));
        let half = full
            .low_bits(W::Half::BITS)
            .meet(Tnum::range(half_range.umin.bits(), half_range.umax.bits()));
        self.var_off = join::<W>(full, half);
    }

    fn mark_half_known(&mut self, value: W::Half) {
        self.var_off = join::<W>(self.var_off, Tnum::constant(value.bits()));
        self.half = Arc::constant(value);
    }

    fn half_bits(&self) -> Tnum {
        self.var_off.low_bits(W::Half::BITS)
    }

    fn range(&self) -> Range<W> {
        self.wide.range()
    }

    fn half_range(&self) -> Range<W::Half> {
        self.half.range()
    }
}

/// For the tests: descriptions put together at will.
#[cfg(test)]
impl<W: Full> CircularOf<W> {
    pub(crate) fn with_bits(self, var_off: Tnum) -> Self {
        Self { var_off, ..self }
    }
    pub(crate) fn with_arc(self, wide: Arc<W>) -> Self {
        Self { wide, ..self }
    }
    pub(crate) fn with_half_arc(self, half: Arc<W::Half>) -> Self {
        Self { half, ..self }
    }
}

/// The upper bits of `upper` above the half `half`.
fn join<W: Full>(upper: Tnum, half: Tnum) -> Tnum {
    upper.rsh(W::Half::BITS).lsh(W::Half::BITS).or(half.low_bits(W::Half::BITS))
}

/// As the log of Linux 7.2 has it.
impl core::fmt::Display for Circular {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.ranges().fmt(f)
    }
}
