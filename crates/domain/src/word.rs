//! The machine's two widths, and smaller ones to prove things about.
//!
//! All arithmetic of this crate is written once, over [`Word`] for a range and over [`Full`] for a
//! number that has a lower half of its own. The verifier uses `u64` with the half `u32`. The tests
//! use the same code with words of a few bits, where every state and every member can be tried.

use core::fmt::Debug;
use core::hash::Hash;

/// An unsigned machine word and its signed reading.
pub trait Word: Copy + Eq + Ord + Hash + Debug + 'static {
    /// The same bits as a signed number.
    type Signed: Copy + Eq + Ord + Hash + Debug + Into<i64> + 'static;
    /// Width in bits.
    const BITS: u32;
    /// The least number.
    const ZERO: Self;
    /// The greatest number.
    const MAX: Self;
    /// The least signed number.
    const SIGNED_MIN: Self::Signed;
    /// The greatest signed number.
    const SIGNED_MAX: Self::Signed;

    /// The lower bits of `bits`.
    fn low(bits: u64) -> Self;
    /// The number in 64 bits.
    fn bits(self) -> u64;
    /// The signed reading.
    fn signed(self) -> Self::Signed;
    /// The bits of a signed number.
    fn unsigned(signed: Self::Signed) -> Self;
    /// Wrapped sum, and whether it wrapped.
    fn add(self, rhs: Self) -> (Self, bool);
    /// Wrapped difference, and whether it wrapped.
    fn sub(self, rhs: Self) -> (Self, bool);
    /// Product, if it has room.
    fn mul(self, rhs: Self) -> Option<Self>;
    /// Signed sum, if it has room.
    fn signed_add(a: Self::Signed, b: Self::Signed) -> Option<Self::Signed>;
    /// Signed difference, if it has room.
    fn signed_sub(a: Self::Signed, b: Self::Signed) -> Option<Self::Signed>;
    /// Signed product, if it has room.
    fn signed_mul(a: Self::Signed, b: Self::Signed) -> Option<Self::Signed>;
}

/// A word with a lower half.
pub trait Full: Word {
    /// The lower half.
    type Half: Word;
}

macro_rules! word {
    ($unsigned:ty, $signed:ty) => {
        impl Word for $unsigned {
            type Signed = $signed;
            const BITS: u32 = <$unsigned>::BITS;
            const ZERO: Self = 0;
            const MAX: Self = <$unsigned>::MAX;
            const SIGNED_MIN: $signed = <$signed>::MIN;
            const SIGNED_MAX: $signed = <$signed>::MAX;

            #[expect(clippy::allow_attributes, reason = "true of one width only")]
            #[allow(clippy::cast_possible_truncation, reason = "the lower bits are what is asked")]
            fn low(bits: u64) -> Self {
                bits as Self
            }
            fn bits(self) -> u64 {
                self.into()
            }
            fn signed(self) -> $signed {
                self.cast_signed()
            }
            fn unsigned(signed: $signed) -> Self {
                signed.cast_unsigned()
            }
            fn add(self, rhs: Self) -> (Self, bool) {
                self.overflowing_add(rhs)
            }
            fn sub(self, rhs: Self) -> (Self, bool) {
                self.overflowing_sub(rhs)
            }
            fn mul(self, rhs: Self) -> Option<Self> {
                self.checked_mul(rhs)
            }
            fn signed_add(a: $signed, b: $signed) -> Option<$signed> {
                a.checked_add(b)
            }
            fn signed_sub(a: $signed, b: $signed) -> Option<$signed> {
                a.checked_sub(b)
            }
            fn signed_mul(a: $signed, b: $signed) -> Option<$signed> {
                a.checked_mul(b)
            }
        }
    };
}

word!(u64, i64);
word!(u32, i32);

impl Full for u64 {
    type Half = u32;
}

/// Whether the bits above the half are the same, and what the halves are.
pub(crate) fn same_upper<W: Full>(a: W, b: W) -> bool {
    upper(a) == upper(b)
}

/// The bits above the half, moved down.
pub(crate) fn upper<W: Full>(word: W) -> u64 {
    word.bits() >> W::Half::BITS
}

/// The half.
pub(crate) fn lower<W: Full>(word: W) -> W::Half {
    W::Half::low(word.bits())
}

/// `word` with its half replaced.
pub(crate) fn with_lower<W: Full>(word: W, half: W::Half) -> W {
    W::low((upper(word) << W::Half::BITS) | half.bits())
}

/// A signed number sign-extended from `W::Half` or less.
pub(crate) fn from_i64<W: Word>(value: i64) -> W::Signed {
    W::low(value.cast_unsigned()).signed()
}
