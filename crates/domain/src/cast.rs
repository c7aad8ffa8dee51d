//! Truncation and extension: loads, moves between widths, and the end of every 32-bit operation.

use crate::Tnum;
use crate::range::Range;
use crate::scalar::ScalarOf;
use crate::word::{Full, Word, from_i64};

impl<const OLD: bool> ScalarOf<u64, OLD> {
    /// Keeps the lower `size` bytes (1, 2 or 4; 8 changes nothing). Kernel: `coerce_reg_to_size`.
    pub fn coerce_to_size(&mut self, size: u32) {
        self.coerce_to_bits(bits(size));
    }

    /// Sign-extends the lower `size` bytes (1, 2 or 4) to 64 bits: `r1 = (s8)r2`, and loads that
    /// sign-extend. Kernel: `coerce_reg_to_size_sx`.
    pub fn sext(&mut self, size: u32) {
        self.sext_bits(bits(size));
    }

    /// Sign-extends the lower `size` bytes (1 or 2) to 32 bits and clears the upper ones:
    /// `w1 = (s8)w2`. Kernel: `coerce_subreg_to_size_sx` and what follows a 32-bit move.
    pub fn sext_subreg(&mut self, size: u32) {
        self.sext_half_bits(bits(size));
        self.zext_32_to_64();
        self.sync();
    }

    /// Clears the upper half, as `w1 = w2` does.
    pub fn zext(&mut self) {
        self.zext_32_to_64();
        self.sync();
    }

    /// Keeps the lower `size` bytes (2, 4 or 8), as a conversion to the machine's own byte order does.
    /// Linux 6.12 knows nothing of the result.
    pub fn keep_bytes(&mut self, size: u32) {
        if OLD {
            *self = Self::UNKNOWN;
            return;
        }
        self.coerce_to_size(size);
        self.sync();
    }

    /// Reverses the lower `size` bytes (2, 4 or 8) and clears the others: `r1 = bswap16 r1`, and
    /// conversions to the byte order that is not the machine's. Linux 6.12 knows nothing of the
    /// result. Kernel: `scalar_byte_swap`.
    pub fn swap_bytes(&mut self, size: u32) {
        if OLD {
            *self = Self::UNKNOWN;
            return;
        }
        *self = Self { var_off: self.var_off.swap_bytes(size), ..Self::UNKNOWN };
        self.coerce_to_size(size);
        self.sync();
    }

    /// A number read from memory of `size` bytes, of which nothing else is known.
    #[must_use]
    pub fn after_load(size: u32) -> Self {
        let mut this = Self::UNKNOWN;
        if size < 8 {
            this.coerce_to_size(size);
        }
        this
    }

    /// The same for a load that sign-extends.
    #[must_use]
    pub fn after_signed_load(size: u32) -> Self {
        let mut this = Self::UNKNOWN;
        if size < 8 {
            this.sext(size);
        }
        this
    }
}

impl<W: Full, const OLD: bool> ScalarOf<W, OLD> {
    /// Clears the upper half; the ranges of the full width become those of the half. Wants a
    /// [`sync`](Self::sync) after it. Kernel: `zext_32_to_64`.
    pub fn zext_32_to_64(&mut self) {
        self.var_off = self.half_bits();
        self.assign_32_into_64();
    }

    /// The ranges of the full width become those of the half, without a sign. Kernel:
    /// `__reg_assign_32_into_64`.
    pub fn assign_32_into_64(&mut self) {
        self.umin = W::low(self.u32_min.bits());
        self.umax = W::low(self.u32_max.bits());
        if self.s32_min.into() >= 0 && self.s32_max.into() >= 0 {
            self.smin = from_i64::<W>(self.s32_min.into());
            self.smax = from_i64::<W>(self.s32_max.into());
        } else {
            self.smin = W::ZERO.signed();
            self.smax = W::low(W::Half::MAX.bits()).signed();
        }
    }

    pub(crate) fn coerce_to_bits(&mut self, bits: u32) {
        if bits >= W::BITS {
            return;
        }
        if *self == Self::ANY && bits <= W::Half::BITS {
            *self = Self::of_low_bits(bits);
            return;
        }
        self.coerce_what_is_known(bits);
    }

    /// Any number of so many bits, no more than the half has: what most loads find.
    fn of_low_bits(bits: u32) -> Self {
        let mask = (1 << bits) - 1;
        let mut this = Self { var_off: Self::ANY.var_off.low_bits(bits), ..Self::ANY };
        this.set_wide(Range::unsigned(W::ZERO, W::low(mask)));
        this.set_narrow(Range::unsigned(W::Half::ZERO, W::Half::low(mask)));
        this
    }

    fn coerce_what_is_known(&mut self, bits: u32) {
        self.var_off = self.var_off.low_bits(bits);
        let mask = (1 << bits) - 1;
        let (umin, umax) = (self.umin.bits(), self.umax.bits());
        let (umin, umax) =
            if umin & !mask == umax & !mask { (umin & mask, umax & mask) } else { (0, mask) };
        (self.umin, self.umax) = (W::low(umin), W::low(umax));
        (self.smin, self.smax) = (self.umin.signed(), self.umax.signed());
        if bits < W::Half::BITS {
            self.mark_32_unbounded();
        }
        self.sync();
    }

    /// Sign-extends the lower `bits` bits, no more than the half has.
    pub(crate) fn sext_bits(&mut self, bits: u32) {
        if bits >= W::BITS {
            return;
        }
        if let Some(value) = self.is_const() {
            *self = Self::constant(W::low(extend(value.bits(), bits).cast_unsigned()));
            return;
        }
        let (low, high) = (W::unsigned(self.smin).bits(), W::unsigned(self.smax).bits());
        match extended_range(low, high, bits) {
            Some((smin, smax)) => {
                self.set_wide(signed_range(smin, smax));
                self.set_narrow(signed_range(smin, smax));
                let bits = Tnum::range(smin.cast_unsigned(), smax.cast_unsigned());
                self.var_off = bits.low_bits(W::BITS);
            }
            None => {
                *self = Self::ANY;
                (self.smin, self.smax) = signed_limits::<W>(bits);
                (self.s32_min, self.s32_max) = signed_limits::<W::Half>(bits);
            }
        }
    }

    /// Kernel: `coerce_subreg_to_size_sx`. The upper half is left in disorder.
    pub(crate) fn sext_half_bits(&mut self, bits: u32) {
        let half_bits = <W::Half as Word>::BITS;
        if bits >= half_bits {
            return;
        }
        if let Some(value) = self.is_const() {
            let value = extend(value.bits(), bits);
            self.var_off = Tnum::constant(value.cast_unsigned()).low_bits(W::BITS);
            self.set_narrow(Range::constant(W::Half::low(value.cast_unsigned())));
            return;
        }
        let low = W::Half::unsigned(self.s32_min).bits();
        let high = W::Half::unsigned(self.s32_max).bits();
        match extended_range(low, high, bits) {
            Some((smin, smax)) => {
                self.set_narrow(signed_range(smin, smax));
                let bits = Tnum::range(smin.cast_unsigned(), smax.cast_unsigned());
                self.var_off = bits.low_bits(half_bits);
            }
            None => {
                let (s32_min, s32_max) = signed_limits::<W::Half>(bits);
                self.mark_32_unbounded();
                (self.s32_min, self.s32_max) = (s32_min, s32_max);
                self.var_off = Tnum::UNKNOWN.low_bits(half_bits);
            }
        }
    }
}

/// The lower `bits` bits (1 to 63), sign-extended.
pub(crate) fn extend(value: u64, bits: u32) -> i64 {
    let unused = 64 - bits;
    (value << unused).cast_signed() >> unused
}

/// The range of the sign-extended lower `bits` bits of the numbers between `low` and `high`, if
/// nothing above them changes and the range stays on one side of the sign.
pub(crate) fn extended_range(low: u64, high: u64, bits: u32) -> Option<(i64, i64)> {
    let (a, b) = (extend(low, bits), extend(high, bits));
    (low >> bits == high >> bits && (a < 0) == (b < 0)).then(|| (a.min(b), a.max(b)))
}

fn signed_range<W: Word>(smin: i64, smax: i64) -> Range<W> {
    let (umin, umax) = (W::low(smin.cast_unsigned()), W::low(smax.cast_unsigned()));
    Range { umin, umax, smin: umin.signed(), smax: umax.signed() }
}

/// The least and greatest number of `bits` bits with a sign.
pub(crate) fn signed_limits<W: Word>(bits: u32) -> (W::Signed, W::Signed) {
    let least = -1_i64 << (bits - 1);
    (from_i64::<W>(least), from_i64::<W>(!least))
}

/// Bits of an access size; sizes that no access has become the next that one has.
pub(crate) fn bits(size: u32) -> u32 {
    size.clamp(1, 8).next_power_of_two() * 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scalar612;
    use crate::scalar::Scalar;

    fn short_way_is_the_long_one<W: Full + core::fmt::Debug, const OLD: bool>() {
        for bits in 0..W::BITS {
            let mut short = ScalarOf::<W, OLD>::ANY;
            let mut long = short;
            short.coerce_to_bits(bits);
            long.coerce_what_is_known(bits);
            assert_eq!(short, long, "{bits} bits");
        }
    }

    #[test]
    fn numbers_that_nothing_is_known_of_keep_bits_as_others_do() {
        short_way_is_the_long_one::<u64, false>();
        short_way_is_the_long_one::<u64, true>();
        assert_eq!(Scalar::after_load(2).umax, 0xffff);
        assert_eq!(Scalar612::after_load(4).smax, 0xffff_ffff);
    }
}
