//! Words of a few bits, and what operations do to numbers.

use crate::word::{Full, Word};
use crate::{AluOp, Cmp, Width};

/// A word of `N` bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Model<const N: u32>(u8);

impl<const N: u32> Model<N> {
    const MASK: u8 = u8::MAX >> (8 - N);

    fn in_range(value: i8) -> Option<i8> {
        (Self::SIGNED_MIN..=Self::SIGNED_MAX).contains(&value).then_some(value)
    }
}

impl<const N: u32> Word for Model<N> {
    type Signed = i8;
    const BITS: u32 = N;
    const ZERO: Self = Self(0);
    const MAX: Self = Self(Self::MASK);
    const SIGNED_MIN: i8 = -1 << (N - 1);
    const SIGNED_MAX: i8 = !Self::SIGNED_MIN;

    fn low(bits: u64) -> Self {
        Self(bits.to_le_bytes()[0] & Self::MASK)
    }
    fn bits(self) -> u64 {
        self.0.into()
    }
    fn signed(self) -> i8 {
        (self.0 << (8 - N)).cast_signed() >> (8 - N)
    }
    fn unsigned(signed: i8) -> Self {
        Self(signed.cast_unsigned() & Self::MASK)
    }
    fn add(self, rhs: Self) -> (Self, bool) {
        let sum = self.0 + rhs.0;
        (Self(sum & Self::MASK), sum > Self::MASK)
    }
    fn sub(self, rhs: Self) -> (Self, bool) {
        (Self(self.0.wrapping_sub(rhs.0) & Self::MASK), self.0 < rhs.0)
    }
    fn mul(self, rhs: Self) -> Option<Self> {
        let product = u16::from(self.0) * u16::from(rhs.0);
        (product <= u16::from(Self::MASK)).then(|| Self::low(product.into()))
    }
    fn signed_add(a: i8, b: i8) -> Option<i8> {
        a.checked_add(b).and_then(Self::in_range)
    }
    fn signed_sub(a: i8, b: i8) -> Option<i8> {
        a.checked_sub(b).and_then(Self::in_range)
    }
    fn signed_mul(a: i8, b: i8) -> Option<i8> {
        a.checked_mul(b).and_then(Self::in_range)
    }
}

impl Full for Model<4> {
    type Half = Model<2>;
}

impl Full for Model<6> {
    type Half = Model<3>;
}

/// The concrete operation on the whole word or on the half, as RFC 9669 defines it.
pub(super) fn operate<W: Full>(op: AluOp, width: Width, x: W, y: W) -> W {
    match width {
        Width::W64 => on_word(op, x, y),
        Width::W32 => {
            let half = on_word(op, W::Half::low(x.bits()), W::Half::low(y.bits()));
            W::low(half.bits())
        }
    }
}

fn on_word<W: Word>(op: AluOp, x: W, y: W) -> W {
    let (a, b) = (x.bits(), y.bits());
    let (s, t): (i64, i64) = (x.signed().into(), y.signed().into());
    // Widths of models are no powers of two: shifts go modulo a width that is, or lose everything.
    let by = u32::try_from(b % u64::from(W::BITS)).expect("a remainder by less than 65");
    W::low(match op {
        AluOp::Add => a.wrapping_add(b),
        AluOp::Sub => a.wrapping_sub(b),
        AluOp::Mul => a.wrapping_mul(b),
        AluOp::Div => a.checked_div(b).unwrap_or(0),
        AluOp::Mod => a.checked_rem(b).unwrap_or(a),
        AluOp::Sdiv if t == 0 => 0,
        AluOp::Sdiv => s.wrapping_div(t).cast_unsigned(),
        AluOp::Smod if t == 0 => a,
        AluOp::Smod => s.wrapping_rem(t).cast_unsigned(),
        AluOp::And => a & b,
        AluOp::Or => a | b,
        AluOp::Xor => a ^ b,
        AluOp::Lsh => a << by,
        AluOp::Rsh => a >> by,
        AluOp::Arsh => (s >> by).cast_unsigned(),
        AluOp::Neg => a.wrapping_neg(),
    })
}

/// The concrete comparison.
pub(super) fn compare<W: Full>(cmp: Cmp, width: Width, x: W, y: W) -> bool {
    match width {
        Width::W64 => of_words(cmp, x, y),
        Width::W32 => of_words(cmp, W::Half::low(x.bits()), W::Half::low(y.bits())),
    }
}

fn of_words<W: Word>(cmp: Cmp, x: W, y: W) -> bool {
    let (s, t) = (x.signed(), y.signed());
    match cmp {
        Cmp::Eq => x == y,
        Cmp::Ne => x != y,
        Cmp::Set => x.bits() & y.bits() != 0,
        Cmp::Gt => x > y,
        Cmp::Ge => x >= y,
        Cmp::Lt => x < y,
        Cmp::Le => x <= y,
        Cmp::Sgt => s > t,
        Cmp::Sge => s >= t,
        Cmp::Slt => s < t,
        Cmp::Sle => s <= t,
    }
}

/// Splitmix64: numbers without pattern, the same in every run.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: u32) -> u32 {
        u32::try_from(self.next() % u64::from(limit)).expect("a remainder by 32 bits")
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let len = u32::try_from(from.len()).expect("a short list");
        &from[self.below(len) as usize]
    }
}
