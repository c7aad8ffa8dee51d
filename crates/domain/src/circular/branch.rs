//! Comparisons of Linux 7.2.

use super::CircularOf;
use crate::arc::Arc;
use crate::branch::{Fact, are_apart, common_bit_of, ordered};
use crate::range::Range;
use crate::word::{Full, Word};
use crate::{Cmp, Tnum, Width};

impl<W: Full> CircularOf<W> {
    /// Whether a branch on `a cmp b` is always or never taken, where that is seen.
    ///
    /// Where the ranges do not tell, both outcomes are tried: one that leaves no number is not possible.
    /// Kernel: `is_scalar_branch_taken` of 7.2.
    #[must_use]
    pub fn is_branch_taken(a: &Self, b: &Self, cmp: Cmp, width: Width) -> Option<bool> {
        let seen = match (cmp, width) {
            (Cmp::Eq, _) => Self::differ(a, b, width),
            (Cmp::Ne, _) => Self::differ(a, b, width).map(|equal| !equal),
            (Cmp::Set, _) => {
                let (x, y) = (a.bits_in(width), b.bits_in(width));
                if !x.is_const() && !y.is_const() {
                    return None;
                }
                common_bit_of(x, y)
            }
            (_, Width::W32) => ordered(&a.half_range(), &b.half_range(), cmp),
            (_, Width::W64) => ordered(&a.range(), &b.range(), cmp),
        };
        seen.or_else(|| {
            [false, true].into_iter().find_map(|taken| {
                let (x, y) = Self::refine_raw(a, b, cmp, width, taken);
                (!x.is_possible() || !y.is_possible()).then_some(!taken)
            })
        })
    }

    /// The same for a register compared with itself.
    #[must_use]
    pub fn is_same_branch_taken(a: &Self, cmp: Cmp, width: Width) -> Option<bool> {
        match cmp {
            Cmp::Eq | Cmp::Ge | Cmp::Le | Cmp::Sge | Cmp::Sle => Some(true),
            Cmp::Ne | Cmp::Gt | Cmp::Lt | Cmp::Sgt | Cmp::Slt => Some(false),
            Cmp::Set => {
                let known = a.bits_in(width);
                if known.is_const() {
                    return Some(known.value() != 0);
                }
                let (smin, smax): (i64, i64) = match width {
                    Width::W32 => (a.half_range().smin.into(), a.half_range().smax.into()),
                    Width::W64 => (a.range().smin.into(), a.range().smax.into()),
                };
                (smin > 0 || smax < 0).then_some(true)
            }
        }
    }

    /// What is known of `a` and `b` where `a cmp b` holds, and where it does not.
    #[must_use]
    pub fn refine(a: &Self, b: &Self, cmp: Cmp, width: Width) -> [(Self, Self); 2] {
        let known = a.bits_in(width).is_const() || b.bits_in(width).is_const();
        if cmp == Cmp::Set && !known {
            return [(*a, *b); 2];
        }
        [true, false].map(|taken| {
            let (mut x, mut y) = Self::refine_raw(a, b, cmp, width, taken);
            x.settle();
            y.settle();
            (x, y)
        })
    }

    fn refine_raw(a: &Self, b: &Self, cmp: Cmp, width: Width, taken: bool) -> (Self, Self) {
        let (mut x, mut y) = (*a, *b);
        match Fact::of(cmp, taken) {
            (fact, true) => learn(&mut y, &mut x, fact, width),
            (fact, false) => learn(&mut x, &mut y, fact, width),
        }
        x.sync();
        y.sync();
        (x, y)
    }

    fn bits_in(&self, width: Width) -> Tnum {
        match width {
            Width::W32 => self.half_bits(),
            Width::W64 => self.var_off,
        }
    }

    /// Whether the two are equal, where that is seen.
    fn differ(a: &Self, b: &Self, width: Width) -> Option<bool> {
        let (x, y) = (a.bits_in(width), b.bits_in(width));
        if x.is_const() && y.is_const() {
            return Some(x.value() == y.value());
        }
        let apart = !x.overlaps(y)
            || are_apart(&a.half_range(), &b.half_range())
            || (width == Width::W64 && are_apart(&a.range(), &b.range()));
        apart.then_some(false)
    }
}

fn learn<W: Full>(a: &mut CircularOf<W>, b: &mut CircularOf<W>, fact: Fact, width: Width) {
    match fact {
        Fact::Eq => {
            let common = a.bits_in(width).meet(b.bits_in(width));
            a.set_bits(common, width);
            b.set_bits(common, width);
            match width {
                Width::W32 => {
                    a.half = a.half.intersect(b.half);
                    b.half = a.half;
                }
                Width::W64 => {
                    a.wide = a.wide.intersect(b.wide);
                    b.wide = a.wide;
                }
            }
        }
        Fact::Ne | Fact::Set | Fact::Clear => {
            if b.bits_in(width).is_const() {
                learn_from_const(a, b.bits_in(width).value(), fact, width);
            } else if a.bits_in(width).is_const() {
                learn_from_const(b, a.bits_in(width).value(), fact, width);
            }
        }
        Fact::Lt | Fact::Le | Fact::Slt | Fact::Sle => match width {
            Width::W32 => learn_order(&mut a.half, &mut b.half, fact),
            Width::W64 => learn_order(&mut a.wide, &mut b.wide, fact),
        },
    }
}

fn learn_from_const<W: Full>(a: &mut CircularOf<W>, value: u64, fact: Fact, width: Width) {
    match (fact, width) {
        (Fact::Ne, Width::W32) => {
            a.half = a.half.intersect(Arc::without(<W::Half as Word>::low(value)));
        }
        (Fact::Ne, Width::W64) => a.wide = a.wide.intersect(Arc::without(W::low(value))),
        (Fact::Set, _) if value.is_power_of_two() => {
            a.set_bits(a.bits_in(width).or(Tnum::constant(value)), width);
        }
        (Fact::Clear, _) => {
            a.mark_unbounded();
            a.set_bits(a.bits_in(width).and(Tnum::constant(!value)), width);
        }
        _ => {}
    }
}

/// `a < b` or `a <= b`: `a` ends where `b` ends, and `b` begins where `a` begins.
fn learn_order<W: Word>(a: &mut Arc<W>, b: &mut Arc<W>, fact: Fact) {
    let one = if matches!(fact, Fact::Lt | Fact::Slt) { W::low(1) } else { W::ZERO };
    let before = |word: W| word.sub(one).0;
    let after = |word: W| word.add(one).0;
    let last: Range<W> = b.range();
    if matches!(fact, Fact::Lt | Fact::Le) {
        *a = a.intersect(Arc::unsigned(W::ZERO, before(last.umax)));
        *b = b.intersect(Arc::unsigned(after(a.range().umin), W::MAX));
    } else {
        let end = before(W::unsigned(last.smax)).signed();
        *a = a.intersect(Arc::signed(W::SIGNED_MIN, end));
        let begin = after(W::unsigned(a.range().smin)).signed();
        *b = b.intersect(Arc::signed(begin, W::SIGNED_MAX));
    }
}
