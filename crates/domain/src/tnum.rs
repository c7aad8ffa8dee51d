//! Tracked numbers: what the verifier knows about each bit of a 64-bit value.
//!
//! A [`Tnum`] stands for a set of integers, its *members*. Bits where `mask` is 0 are known and
//! equal to `value`; bits where `mask` is 1 may be either. The tnum with value `0b0100` and mask
//! `0b0011` has the members 4, 5, 6 and 7.
//!
//! # Invariants
//!
//! - `value & mask == 0`. The constructors establish it; no field is public.
//! - A tnum has at least one member. [`Tnum::intersect`] of tnums without a common member is `None`;
//!   [`Tnum::meet`] is what the kernel computes then, a tnum without meaning.
//!
//! # Soundness
//!
//! Every operation `f` here promises: if `x` is a member of `a` and `y` of `b`, then the concrete
//! `f(x, y)` is a member of `f(a, b)`. The result may have members that no pair produces; it may
//! not lack one that some pair does. The tests check the promise for all pairs of 4-bit tnums,
//! which exercises every way a carry can meet an unknown bit; no operation here tells bit 4 from
//! bit 40.
//!
//! Further reading: Vishwanathan et al., "Sound, Precise, and Fast Abstract Interpretation with
//! Tristate Numbers", arXiv:2105.05398. The kernel's version is `kernel/bpf/tnum.c`; results here
//! are equal to it, bit for bit.

use crate::log::Unsigned;
use core::fmt;

/// A set of 64-bit numbers, given by what is known of each bit.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tnum {
    value: u64,
    mask: u64,
}

impl Tnum {
    /// Every number.
    pub const UNKNOWN: Self = Self { value: 0, mask: u64::MAX };

    /// The tnum whose bits outside `mask` are those of `value`.
    #[must_use]
    pub const fn new(value: u64, mask: u64) -> Self {
        Self { value: value & !mask, mask }
    }

    /// One number.
    #[must_use]
    pub const fn constant(value: u64) -> Self {
        Self { value, mask: 0 }
    }

    /// The least tnum that holds `min..=max`: their common leading bits.
    ///
    /// If `min > max` it holds `max..=min`, as the kernel's does.
    #[must_use]
    pub const fn range(min: u64, max: u64) -> Self {
        Self::new(min, below_top_bit(min ^ max))
    }

    /// The known bits; unknown ones are 0. Also the least member.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.value
    }

    /// The unknown bits.
    #[must_use]
    pub const fn mask(self) -> u64 {
        self.mask
    }

    /// The least member, as an unsigned number.
    #[must_use]
    pub const fn min(self) -> u64 {
        self.value
    }

    /// The greatest member, as an unsigned number.
    #[must_use]
    pub const fn max(self) -> u64 {
        self.value | self.mask
    }

    /// Whether all bits are known.
    #[must_use]
    pub const fn is_const(self) -> bool {
        self.mask == 0
    }

    /// Whether the lower 32 bits are known.
    #[must_use]
    pub const fn is_subreg_const(self) -> bool {
        self.subreg().is_const()
    }

    /// Whether nothing is known.
    #[must_use]
    pub const fn is_unknown(self) -> bool {
        self.mask == u64::MAX
    }

    /// Whether `number` is a member.
    #[must_use]
    pub const fn contains(self, number: u64) -> bool {
        number & !self.mask == self.value
    }

    /// Whether every member of `other` is one of `self`. Kernel: `tnum_in(self, other)`.
    #[must_use]
    pub const fn includes(self, other: Self) -> bool {
        other.mask & !self.mask == 0 && other.value & !self.mask == self.value
    }

    /// Whether there may be a common member: no bit is known to differ.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        let known = !self.mask & !other.mask;
        self.value & known == other.value & known
    }

    /// Whether every member is a multiple of `size`, a power of two; any is one of 0.
    #[must_use]
    pub const fn is_aligned(self, size: u64) -> bool {
        size == 0 || self.max() & (size - 1) == 0
    }

    /// Wrapping sum.
    ///
    /// The least and the greatest member sum differ exactly in the positions that an unknown carry
    /// can reach; those, and the positions unknown in an operand, are unknown in the result.
    #[must_use]
    pub const fn add(self, rhs: Self) -> Self {
        let least = self.value.wrapping_add(rhs.value);
        let greatest = least.wrapping_add(self.mask).wrapping_add(rhs.mask);
        Self::new(least, (least ^ greatest) | self.mask | rhs.mask)
    }

    /// Wrapping difference. The argument is that of [`Tnum::add`], with borrows.
    #[must_use]
    pub const fn sub(self, rhs: Self) -> Self {
        let base = self.value.wrapping_sub(rhs.value);
        let greatest = base.wrapping_add(self.mask);
        let least = base.wrapping_sub(rhs.mask);
        Self::new(base, (greatest ^ least) | self.mask | rhs.mask)
    }

    /// Two's complement.
    #[must_use]
    pub const fn neg(self) -> Self {
        Self::constant(0).sub(self)
    }

    /// Bitwise and: a bit is 1 if known so in both, 0 if known so in one.
    #[must_use]
    pub const fn and(self, rhs: Self) -> Self {
        let ones = self.value & rhs.value;
        Self::new(ones, self.max() & rhs.max() & !ones)
    }

    /// Bitwise or: a bit is 1 if known so in one, 0 if known so in both.
    #[must_use]
    pub const fn or(self, rhs: Self) -> Self {
        let ones = self.value | rhs.value;
        Self::new(ones, (self.mask | rhs.mask) & !ones)
    }

    /// Bitwise exclusive or: a bit is known if known in both.
    #[must_use]
    pub const fn xor(self, rhs: Self) -> Self {
        Self::new(self.value ^ rhs.value, self.mask | rhs.mask)
    }

    /// Wrapping product: long multiplication by the bits of `self`.
    ///
    /// A known 1 adds the shifted `rhs`; an unknown bit joins the sums with and without it.
    #[must_use]
    pub const fn mul(self, rhs: Self) -> Self {
        if self.is_const() && rhs.is_const() {
            return Self::constant(self.value.wrapping_mul(rhs.value));
        }
        let (mut bits, mut term, mut sum) = (self, rhs, Self::constant(0));
        while bits.max() != 0 {
            if bits.value & 1 != 0 {
                sum = sum.add(term);
            } else if bits.mask & 1 != 0 {
                sum = sum.union(sum.add(term));
            }
            bits = bits.rsh(1);
            term = term.lsh(1);
        }
        sum
    }

    /// Wrapping product as Linux up to 6.17 computes it, less tightly: the product of what is known, and
    /// the sum of all that unknown bits may add to it.
    #[must_use]
    pub const fn mul_by_masks(self, rhs: Self) -> Self {
        let (mut bits, mut term) = (self, rhs);
        let mut unknown = Self::constant(0);
        while bits.max() != 0 {
            if bits.value & 1 != 0 {
                unknown = unknown.add(Self::new(0, term.mask));
            } else if bits.mask & 1 != 0 {
                unknown = unknown.add(Self::new(0, term.max()));
            }
            bits = bits.rsh(1);
            term = term.lsh(1);
        }
        Self::constant(self.value.wrapping_mul(rhs.value)).add(unknown)
    }

    /// Shift to the left; nothing remains after 64 bits.
    #[must_use]
    pub const fn lsh(self, by: u32) -> Self {
        match (self.value.checked_shl(by), self.mask.checked_shl(by)) {
            (Some(value), Some(mask)) => Self { value, mask },
            _ => Self::constant(0),
        }
    }

    /// Shift to the right; nothing remains after 64 bits.
    #[must_use]
    pub const fn rsh(self, by: u32) -> Self {
        match (self.value.checked_shr(by), self.mask.checked_shr(by)) {
            (Some(value), Some(mask)) => Self { value, mask },
            _ => Self::constant(0),
        }
    }

    /// Arithmetic shift to the right of the lowest `width` bits (1 to 64), in which the result lies.
    ///
    /// An unknown sign bit is copied as unknown.
    #[must_use]
    pub const fn arsh(self, by: u32, width: u32) -> Self {
        const fn shift(bits: u64, by: u32, width: u32) -> u64 {
            let unused = 64 - width;
            // Up to the sign bit of 64 bits, and down again together with the shift.
            let top = (bits << unused).cast_signed() >> unused;
            let by = if by > 63 { 63 } else { by };
            ((top >> by).cast_unsigned() << unused) >> unused
        }
        debug_assert!(width >= 1 && width <= 64);
        Self { value: shift(self.value, by, width), mask: shift(self.mask, by, width) }
    }

    /// The common members, if any.
    #[must_use]
    pub const fn intersect(self, other: Self) -> Option<Self> {
        if self.overlaps(other) { Some(self.meet(other)) } else { None }
    }

    /// What is known in either: the common members if there are any.
    ///
    /// If there are none, bits on which the two disagree are 1. Kernel: `tnum_intersect`.
    #[must_use]
    pub const fn meet(self, other: Self) -> Self {
        Self::new(self.value | other.value, self.mask & other.mask)
    }

    /// The least tnum that has the members of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self::new(self.value & other.value, (self.value ^ other.value) | self.mask | other.mask)
    }

    /// The lower `size` bytes, zero-extended. Sizes of 8 and more change nothing.
    #[must_use]
    pub const fn cast(self, size: u32) -> Self {
        self.low_bits(size.saturating_mul(8))
    }

    /// The lower `bits` bits, zero-extended.
    #[must_use]
    pub const fn low_bits(self, bits: u32) -> Self {
        let keep = if bits >= 64 { u64::MAX } else { (1 << bits) - 1 };
        Self { value: self.value & keep, mask: self.mask & keep }
    }

    /// The lower 32 bits, zero-extended.
    #[must_use]
    pub const fn subreg(self) -> Self {
        self.low_bits(32)
    }

    /// The upper 32 bits, above zeros.
    #[must_use]
    pub const fn clear_subreg(self) -> Self {
        self.rsh(32).lsh(32)
    }

    /// The upper half of `self` above the lower half of `subreg`.
    #[must_use]
    pub const fn with_subreg(self, subreg: Self) -> Self {
        self.clear_subreg().or(subreg.subreg())
    }

    /// The upper half of `self` above `value`.
    #[must_use]
    pub const fn const_subreg(self, value: u32) -> Self {
        self.with_subreg(Self::constant(value as u64))
    }

    /// The lower `size` bytes (2, 4 or 8) in reverse order, zero-extended.
    #[must_use]
    pub const fn swap_bytes(self, size: u32) -> Self {
        let unused = 64 - if size >= 8 { 64 } else { size * 8 };
        let low = self.cast(size);
        Self { value: low.value.swap_bytes() >> unused, mask: low.mask.swap_bytes() >> unused }
    }

    /// The least member greater than `number`; the greatest member if there is none.
    ///
    /// A member is `value` plus a part of `mask`, so this is the next greater part of the mask:
    /// counting within the mask, where bits outside of it pass the carry on. Where `number` has a bit
    /// outside the mask, all that is below it must be passed too.
    #[must_use]
    pub const fn step(self, number: u64) -> u64 {
        if number >= self.max() {
            return self.max();
        }
        if number < self.value {
            return self.value;
        }
        let part = number - self.value;
        let passed = part | below_top_bit(part & !self.mask) | !self.mask;
        self.value | (passed.wrapping_add(1) & self.mask)
    }
}

/// Ones from the highest bit of `bits` down.
const fn below_top_bit(bits: u64) -> u64 {
    match u64::MAX.checked_shr(bits.leading_zeros()) {
        Some(ones) => ones,
        None => 0,
    }
}

impl From<u64> for Tnum {
    fn from(value: u64) -> Self {
        Self::constant(value)
    }
}

/// As the kernel's log has it: `7`, `0x10000` or `(0x0; 0xff)`.
impl fmt::Display for Tnum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_const() {
            Unsigned(self.value).fmt(f)
        } else {
            write!(f, "({:#x}; {:#x})", self.value, self.mask)
        }
    }
}

impl fmt::Debug for Tnum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:#x}; {:#x})", self.value, self.mask)
    }
}

#[cfg(test)]
mod tests;
