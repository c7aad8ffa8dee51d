//! Ranges of a word as arcs of a circle.
//!
//! The words of a width lie on a circle, each followed by the next and the greatest by 0. An
//! [`Arc`] is a stretch of it. A range of unsigned numbers is an arc that does not pass from the
//! greatest to 0, one of signed numbers an arc that does not pass from the greatest signed to the least
//! signed; one arc does the work of two ranges that have to be kept in step.
//!
//! # Invariants
//!
//! - An arc has `size + 1` words from `base` on, except the one that begins with the greatest word and
//!   is as long as can be: it stands for no word at all.
//! - Intersections of two arcs in two places are too much for one arc; the shorter of the two stands for
//!   them.
//!
//! Kernel: `kernel/bpf/cnum.c` of Linux 7.2, with which the results here agree.

use crate::Tnum;
use crate::range::Range;
use crate::word::{Full, Word, lower};
use core::cmp::{max, min};

/// A stretch of the circle of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Arc<W: Word> {
    base: W,
    /// Words after the first.
    size: W,
}

impl<W: Word> Arc<W> {
    pub(crate) const ALL: Self = Self { base: W::ZERO, size: W::MAX };
    const EMPTY: Self = Self { base: W::MAX, size: W::MAX };

    pub(crate) fn constant(value: W) -> Self {
        Self { base: value, size: W::ZERO }
    }

    /// From `umin` on to `umax`, around the circle if that is less.
    pub(crate) fn unsigned(umin: W, umax: W) -> Self {
        Self { base: umin, size: minus(umax, umin) }
    }

    /// From `smin` on to `smax`.
    pub(crate) fn signed(smin: W::Signed, smax: W::Signed) -> Self {
        let (base, last) = (W::unsigned(smin), W::unsigned(smax));
        let size = minus(last, base);
        Self { base: if size == W::MAX { W::ZERO } else { base }, size }
    }

    /// All words but one.
    pub(crate) fn without(value: W) -> Self {
        Self { base: plus(value, W::low(1)), size: minus(W::MAX, W::low(1)) }
    }

    /// What the bits allow; `tnum` has none above the word.
    pub(crate) fn of_bits(tnum: Tnum) -> Self {
        let sign = W::unsigned(W::SIGNED_MIN).bits();
        if tnum.max() & sign == 0 {
            return Self::unsigned(W::low(tnum.min()), W::low(tnum.max()));
        }
        let smin = W::low(tnum.value() | (tnum.mask() & sign));
        let smax = W::low(tnum.value() | (tnum.mask() & !sign));
        Self::signed(smin.signed(), smax.signed())
    }

    pub(crate) fn is_empty(self) -> bool {
        self == Self::EMPTY
    }

    /// The only word, if there is one only.
    pub(crate) fn is_const(self) -> Option<W> {
        (self.size == W::ZERO).then_some(self.base)
    }

    fn last(self) -> W {
        plus(self.base, self.size)
    }

    /// Whether it passes from the greatest word to 0.
    fn passes_zero(self) -> bool {
        self.size > minus(W::MAX, self.base)
    }

    pub(crate) fn contains(self, word: W) -> bool {
        if self.is_empty() {
            false
        } else if self.passes_zero() {
            word >= self.base || word <= self.last()
        } else {
            (self.base..=self.last()).contains(&word)
        }
    }

    /// Whether all words of `inner` lie in it.
    pub(crate) fn includes(self, inner: Self) -> bool {
        if inner.is_empty() {
            return true;
        }
        if self.is_empty() {
            return false;
        }
        // With this arc turned to begin at 0.
        let turned = Self { base: minus(inner.base, self.base), size: inner.size };
        (!turned.passes_zero() || self.size == W::MAX) && turned.last() <= self.size
    }

    /// Least and greatest word in either reading; all words where the arc is two ranges.
    pub(crate) fn range(self) -> Range<W> {
        let mut range = Range::ALL;
        if !self.passes_zero() {
            (range.umin, range.umax) = (self.base, self.last());
        }
        let passes_sign =
            self.contains(W::unsigned(W::SIGNED_MAX)) && self.contains(W::unsigned(W::SIGNED_MIN));
        if !passes_sign {
            let (a, b) = (self.base.signed(), self.last().signed());
            (range.smin, range.smax) = (min(a, b), max(a, b));
        }
        range
    }

    /// The words of both. Where they meet in two places, the shorter arc.
    pub(crate) fn intersect(self, other: Self) -> Self {
        if self.is_empty() || other.is_empty() {
            return Self::EMPTY;
        }
        let (a, b) = if self.base > other.base { (other, self) } else { (self, other) };
        // Turned so that `a` begins at 0, `b` begins there.
        let ahead = minus(b.base, a.base);
        let turned = Self { base: ahead, size: b.size };
        if turned.passes_zero() {
            if ahead <= a.size {
                return if a.size <= b.size { a } else { b };
            }
            // Only the end of `b` comes around to the front of `a`.
            return Self { base: a.base, size: min(a.size, turned.last()) };
        }
        if a.size >= ahead {
            Self { base: b.base, size: min(minus(a.size, ahead), b.size) }
        } else {
            Self::EMPTY
        }
    }

    /// The sums.
    pub(crate) fn add(self, rhs: Self) -> Self {
        if self.is_empty() || rhs.is_empty() {
            return Self::EMPTY;
        }
        if self.size > minus(W::MAX, rhs.size) {
            return Self::ALL;
        }
        Self { base: plus(self.base, rhs.base), size: plus(self.size, rhs.size) }.normal()
    }

    /// The complements.
    pub(crate) fn neg(self) -> Self {
        if self.is_empty() {
            return Self::EMPTY;
        }
        Self { base: minus(W::ZERO, self.last()), size: self.size }.normal()
    }

    /// All words have one name, except that the kernel leaves one other be.
    fn normal(self) -> Self {
        let odd = W::unsigned(W::SIGNED_MAX);
        let all = self.size == W::MAX && self.base != odd;
        if all { Self::ALL } else { self }
    }
}

impl<W: Full> Arc<W> {
    /// The halves of the words.
    pub(crate) fn halves(self) -> Arc<W::Half> {
        if self.is_empty() {
            Arc::EMPTY
        } else if self.size.bits() >= W::Half::MAX.bits() {
            Arc::ALL
        } else {
            Arc { base: lower(self.base), size: lower(self.size) }
        }
    }

    /// The arc without what its ends have before the first and after the last word whose half is in
    /// `halves`.
    ///
    /// The halves are turned so that the arc begins at one of 0; then they are one stretch of each turn of
    /// the half, or two, at its beginning and its end.
    pub(crate) fn with_halves(self, halves: Arc<W::Half>) -> Self {
        if self.is_empty() || halves.is_empty() {
            return Self::EMPTY;
        }
        let turned = Arc { base: minus(halves.base, lower(self.base)), size: halves.size };
        let (first, last) = (turned.base, turned.last());
        let end = lower(self.size);
        let mut out = self;
        if turned.passes_zero() {
            if end > last && end < first {
                out.size = minus(out.size, W::low(minus(end, last).bits()));
            }
            return out;
        }
        if self.size.bits() < first.bits() {
            return Self::EMPTY;
        }
        out.base = plus(out.base, W::low(first.bits()));
        out.size = minus(out.size, W::low(first.bits()));
        let turn = W::Half::MAX.bits() + 1;
        let beyond = if end < first {
            end.bits() + (turn - last.bits())
        } else if end >= last {
            end.bits() - last.bits()
        } else {
            0
        };
        if out.size.bits() < beyond {
            return Self::EMPTY;
        }
        out.size = minus(out.size, W::low(beyond));
        out
    }
}

fn plus<W: Word>(a: W, b: W) -> W {
    a.add(b).0
}

fn minus<W: Word>(a: W, b: W) -> W {
    a.sub(b).0
}
