//! Truncation and extension.

use super::CircularOf;
use crate::Tnum;
use crate::arc::Arc;
use crate::cast::{extend, extended_range, signed_limits};
use crate::word::{Full, Word, from_i64};

impl<W: Full> CircularOf<W> {
    /// Kernel: `zext_32_to_64`.
    pub(crate) fn zext_half(&mut self) {
        self.var_off = self.half_bits();
        let range = self.half_range();
        self.wide = Arc::unsigned(W::low(range.umin.bits()), W::low(range.umax.bits()));
    }

    /// Kernel: `coerce_reg_to_size`.
    pub(crate) fn coerce_to_bits(&mut self, bits: u32) {
        if bits >= W::BITS {
            return;
        }
        self.var_off = self.var_off.low_bits(bits);
        let mask = (1 << bits) - 1;
        let (umin, umax) = (self.range().umin.bits(), self.range().umax.bits());
        self.wide = if umin & !mask == umax & !mask {
            Arc::unsigned(W::low(umin & mask), W::low(umax & mask))
        } else {
            Arc::unsigned(W::ZERO, W::low(mask))
        };
        if bits < W::Half::BITS {
            self.half = Arc::ALL;
        }
        self.sync();
    }

    /// Sign-extends the lower `bits` bits, no more than the half has. Kernel: `coerce_reg_to_size_sx`.
    pub(crate) fn sext_bits(&mut self, bits: u32) {
        if bits >= W::BITS {
            return;
        }
        if let Some(value) = self.is_const() {
            *self = Self::constant(W::low(extend(value.bits(), bits).cast_unsigned()));
            return;
        }
        let range = self.range();
        let (low, high) = (W::unsigned(range.smin).bits(), W::unsigned(range.smax).bits());
        *self = match extended_range(low, high, bits) {
            Some((smin, smax)) => Self {
                var_off: Tnum::range(smin.cast_unsigned(), smax.cast_unsigned()).low_bits(W::BITS),
                wide: Arc::signed(from_i64::<W>(smin), from_i64::<W>(smax)),
                half: Arc::signed(from_i64::<W::Half>(smin), from_i64::<W::Half>(smax)),
            },
            None => {
                let (smin, smax) = signed_limits::<W>(bits);
                let (s32_min, s32_max) = signed_limits::<W::Half>(bits);
                Self {
                    wide: Arc::signed(smin, smax),
                    half: Arc::signed(s32_min, s32_max),
                    ..Self::ANY
                }
            }
        };
    }

    /// Kernel: `coerce_subreg_to_size_sx`. The upper half is left in disorder.
    pub(crate) fn sext_half_bits(&mut self, bits: u32) {
        let half_bits = <W::Half as Word>::BITS;
        if bits >= half_bits {
            return;
        }
        if let Some(value) = self.is_const() {
            let value = extend(value.bits(), bits).cast_unsigned();
            self.var_off = Tnum::constant(value).low_bits(W::BITS);
            self.half = Arc::constant(W::Half::low(value));
            return;
        }
        let range = self.half_range();
        let low = W::Half::unsigned(range.smin).bits();
        let high = W::Half::unsigned(range.smax).bits();
        let ((smin, smax), known) = match extended_range(low, high, bits) {
            Some((smin, smax)) => (
                (from_i64::<W::Half>(smin), from_i64::<W::Half>(smax)),
                Tnum::range(smin.cast_unsigned(), smax.cast_unsigned()),
            ),
            None => (signed_limits::<W::Half>(bits), Tnum::UNKNOWN),
        };
        self.half = Arc::signed(smin, smax);
        self.var_off = known.low_bits(half_bits);
    }

    /// Kernel: `scalar_byte_swap` where the bytes are swapped.
    pub(crate) fn swap(&mut self, size: u32) {
        *self = Self { var_off: self.var_off.swap_bytes(size), ..Self::ANY };
        self.coerce_to_bits(size * 8);
        self.sync();
    }
}
