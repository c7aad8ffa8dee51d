//! Comparisons: which way they go, and what either way teaches about the operands.

use crate::range::Range;
use crate::scalar::ScalarOf;
use crate::word::{Full, Word};
use crate::{Tnum, Width};
use core::cmp::{max, min};

/// A condition between two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cmp {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// A common bit is set.
    Set,
    /// Greater, unsigned.
    Gt,
    /// Greater or equal, unsigned.
    Ge,
    /// Less, unsigned.
    Lt,
    /// Less or equal, unsigned.
    Le,
    /// Greater, signed.
    Sgt,
    /// Greater or equal, signed.
    Sge,
    /// Less, signed.
    Slt,
    /// Less or equal, signed.
    Sle,
}

impl Cmp {
    /// All conditions.
    pub const ALL: [Self; 11] = [
        Self::Eq,
        Self::Ne,
        Self::Set,
        Self::Gt,
        Self::Ge,
        Self::Lt,
        Self::Le,
        Self::Sgt,
        Self::Sge,
        Self::Slt,
        Self::Sle,
    ];

    /// The condition that holds of `b` and `a` when this holds of `a` and `b`.
    #[must_use]
    pub const fn flipped(self) -> Self {
        match self {
            Self::Eq | Self::Ne | Self::Set => self,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Sgt => Self::Slt,
            Self::Sge => Self::Sle,
            Self::Slt => Self::Sgt,
            Self::Sle => Self::Sge,
        }
    }
}

/// What holds on one side of a branch, in the forms that refinement knows.
#[derive(Clone, Copy)]
pub(crate) enum Fact {
    Eq,
    Ne,
    Set,
    Clear,
    Lt,
    Le,
    Slt,
    Sle,
}

impl Fact {
    /// The fact, and whether it is about the operands in reverse order.
    pub(crate) const fn of(cmp: Cmp, taken: bool) -> (Self, bool) {
        match (cmp, taken) {
            (Cmp::Eq, true) | (Cmp::Ne, false) => (Self::Eq, false),
            (Cmp::Ne, true) | (Cmp::Eq, false) => (Self::Ne, false),
            (Cmp::Set, true) => (Self::Set, false),
            (Cmp::Set, false) => (Self::Clear, false),
            (Cmp::Lt, true) | (Cmp::Ge, false) => (Self::Lt, false),
            (Cmp::Le, true) | (Cmp::Gt, false) => (Self::Le, false),
            (Cmp::Gt, true) | (Cmp::Le, false) => (Self::Lt, true),
            (Cmp::Ge, true) | (Cmp::Lt, false) => (Self::Le, true),
            (Cmp::Slt, true) | (Cmp::Sge, false) => (Self::Slt, false),
            (Cmp::Sle, true) | (Cmp::Sgt, false) => (Self::Sle, false),
            (Cmp::Sgt, true) | (Cmp::Sle, false) => (Self::Slt, true),
            (Cmp::Sge, true) | (Cmp::Slt, false) => (Self::Sle, true),
        }
    }
}

/// Whether a branch on `a cmp b` is always (`Some(true)`) or never taken, where that is seen.
/// Kernel: `is_scalar_branch_taken`.
#[must_use]
pub fn is_branch_taken<W: Full, const OLD: bool>(
    a: &ScalarOf<W, OLD>,
    b: &ScalarOf<W, OLD>,
    cmp: Cmp,
    width: Width,
) -> Option<bool> {
    let (x, y) = (a.narrow(), b.narrow());
    match (cmp, width) {
        (Cmp::Eq, _) => differ(a, b, width),
        (Cmp::Ne, _) => differ(a, b, width).map(|equal| !equal),
        (Cmp::Set, _) => common_bit_of(bits(a, width), bits(b, width)),
        (_, Width::W32) => ordered(&x, &y, cmp),
        (_, Width::W64) => ordered(&a.wide(), &b.wide(), cmp),
    }
}

/// Whether the two are equal, where that is seen.
fn differ<W: Full, const OLD: bool>(
    a: &ScalarOf<W, OLD>,
    b: &ScalarOf<W, OLD>,
    width: Width,
) -> Option<bool> {
    let (x, y) = (bits(a, width), bits(b, width));
    if x.is_const() && y.is_const() {
        return Some(x.value() == y.value());
    }
    let apart = !x.overlaps(y)
        || are_apart(&a.narrow(), &b.narrow())
        || (width == Width::W64 && are_apart(&a.wide(), &b.wide()));
    apart.then_some(false)
}

pub(crate) fn are_apart<W: Word>(a: &Range<W>, b: &Range<W>) -> bool {
    a.umin > b.umax || a.umax < b.umin || a.smin > b.smax || a.smax < b.smin
}

/// Whether a bit of the known one of the two is set in the other, where that is seen.
pub(crate) fn common_bit_of(x: Tnum, y: Tnum) -> Option<bool> {
    let (x, mask) = if y.is_const() { (x, y) } else { (y, x) };
    if !mask.is_const() {
        None
    } else if x.value() & mask.value() != 0 {
        Some(true)
    } else if x.max() & mask.value() == 0 {
        Some(false)
    } else {
        None
    }
}

pub(crate) fn ordered<W: Word>(a: &Range<W>, b: &Range<W>, cmp: Cmp) -> Option<bool> {
    /// `x < y` for all or no members.
    fn less<T: Ord>(x: (T, T), y: (T, T)) -> Option<bool> {
        if x.1 < y.0 {
            Some(true)
        } else if x.0 >= y.1 {
            Some(false)
        } else {
            None
        }
    }
    let (ua, ub) = ((a.umin, a.umax), (b.umin, b.umax));
    let (sa, sb) = ((a.smin, a.smax), (b.smin, b.smax));
    match cmp {
        Cmp::Lt => less(ua, ub),
        Cmp::Ge => less(ua, ub).map(|less| !less),
        Cmp::Gt => less(ub, ua),
        Cmp::Le => less(ub, ua).map(|less| !less),
        Cmp::Slt => less(sa, sb),
        Cmp::Sge => less(sa, sb).map(|less| !less),
        Cmp::Sgt => less(sb, sa),
        Cmp::Sle => less(sb, sa).map(|less| !less),
        Cmp::Eq | Cmp::Ne | Cmp::Set => None,
    }
}

fn bits<W: Full, const OLD: bool>(scalar: &ScalarOf<W, OLD>, width: Width) -> Tnum {
    match width {
        Width::W32 => scalar.half_bits(),
        Width::W64 => scalar.var_off,
    }
}

/// What is known of `a` and `b` where `a cmp b` holds, and where it does not.
///
/// Meant for branches that [`is_branch_taken`] left open. Where the outcome shows to be impossible,
/// the ranges of the operands are forgotten, as the kernel does. Kernel: `reg_set_min_max`.
#[must_use]
pub fn refine<W: Full, const OLD: bool>(
    a: &ScalarOf<W, OLD>,
    b: &ScalarOf<W, OLD>,
    cmp: Cmp,
    width: Width,
) -> [(ScalarOf<W, OLD>, ScalarOf<W, OLD>); 2] {
    [true, false].map(|taken| {
        let (mut x, mut y) = refine_raw(a, b, cmp, width, taken);
        x.settle();
        y.settle();
        (x, y)
    })
}

/// What is known of `a` where `a cmp b` holds, and where it does not: [`refine`] for a `b` that is not asked about again.
#[must_use]
pub fn refine_first<W: Full, const OLD: bool>(
    a: &ScalarOf<W, OLD>,
    b: &ScalarOf<W, OLD>,
    cmp: Cmp,
    width: Width,
) -> [ScalarOf<W, OLD>; 2] {
    [true, false].map(|taken| {
        let (mut x, _) = learned(a, b, cmp, width, taken);
        x.sync();
        x.settle();
        x
    })
}

/// One outcome of [`refine`], without the check for impossible ones. Kernel:
/// `regs_refine_cond_op`, then `reg_bounds_sync` of both.
#[must_use]
pub fn refine_raw<W: Full, const OLD: bool>(
    a: &ScalarOf<W, OLD>,
    b: &ScalarOf<W, OLD>,
    cmp: Cmp,
    width: Width,
    taken: bool,
) -> (ScalarOf<W, OLD>, ScalarOf<W, OLD>) {
    let (mut x, mut y) = learned(a, b, cmp, width, taken);
    x.sync();
    y.sync();
    (x, y)
}

/// Both operands after they have learned from each other. Kernel: `regs_refine_cond_op`.
fn learned<W: Full, const OLD: bool>(
    a: &ScalarOf<W, OLD>,
    b: &ScalarOf<W, OLD>,
    cmp: Cmp,
    width: Width,
    taken: bool,
) -> (ScalarOf<W, OLD>, ScalarOf<W, OLD>) {
    let (mut x, mut y) = (*a, *b);
    let (fact, reversed) = Fact::of(cmp, taken);
    if reversed {
        learn(&mut y, &mut x, fact, width);
    } else {
        learn(&mut x, &mut y, fact, width);
    }
    (x, y)
}

/// [`refine`] where both operands are the same register.
///
/// The kernel does not see that some outcomes are impossible then, and makes the register smaller than
/// itself. Since 6.19 it does.
#[must_use]
pub fn refine_same<W: Full, const OLD: bool>(
    a: &ScalarOf<W, OLD>,
    cmp: Cmp,
    width: Width,
) -> [ScalarOf<W, OLD>; 2] {
    [true, false].map(|taken| {
        let (mut x, mut y) = (*a, *a);
        let (fact, _) = Fact::of(cmp, taken);
        learn(&mut x, &mut y, fact, width);
        // One register took both: the ends from the first operand, the beginnings from the second.
        (x.umin, x.smin, x.u32_min, x.s32_min) = (y.umin, y.smin, y.u32_min, y.s32_min);
        x.sync();
        x.sync();
        x.settle();
        x
    })
}

fn learn<W: Full, const OLD: bool>(
    a: &mut ScalarOf<W, OLD>,
    b: &mut ScalarOf<W, OLD>,
    fact: Fact,
    width: Width,
) {
    match fact {
        Fact::Eq => learn_equal(a, b, width),
        Fact::Ne | Fact::Set | Fact::Clear => {
            // The one that is known teaches about the other.
            if bits(b, width).is_const() {
                learn_from_const(a, bits(b, width).value(), fact, width);
            } else if bits(a, width).is_const() {
                learn_from_const(b, bits(a, width).value(), fact, width);
            }
        }
        Fact::Lt | Fact::Le | Fact::Slt | Fact::Sle => match width {
            Width::W32 => {
                let (mut x, mut y) = (a.narrow(), b.narrow());
                learn_order(&mut x, &mut y, fact);
                a.set_narrow(x);
                b.set_narrow(y);
            }
            Width::W64 => {
                let (mut x, mut y) = (a.wide(), b.wide());
                learn_order(&mut x, &mut y, fact);
                a.set_wide(x);
                b.set_wide(y);
            }
        },
    }
}

fn learn_equal<W: Full, const OLD: bool>(
    a: &mut ScalarOf<W, OLD>,
    b: &mut ScalarOf<W, OLD>,
    width: Width,
) {
    let common = bits(a, width).meet(bits(b, width));
    match width {
        Width::W32 => {
            let mut both = a.narrow();
            both.clamp_unsigned(b.u32_min, b.u32_max);
            both.clamp_signed(b.s32_min, b.s32_max);
            a.set_narrow(both);
            b.set_narrow(both);
            a.var_off = a.join_bits(a.var_off, common);
            b.var_off = b.join_bits(b.var_off, common);
        }
        Width::W64 => {
            let mut both = a.wide();
            both.clamp_unsigned(b.umin, b.umax);
            both.clamp_signed(b.smin, b.smax);
            a.set_wide(both);
            b.set_wide(both);
            (a.var_off, b.var_off) = (common, common);
        }
    }
}

fn learn_from_const<W: Full, const OLD: bool>(
    a: &mut ScalarOf<W, OLD>,
    value: u64,
    fact: Fact,
    width: Width,
) {
    match fact {
        Fact::Ne => match width {
            Width::W32 => {
                let mut narrow = a.narrow();
                exclude(&mut narrow, <W::Half as Word>::low(value));
                a.set_narrow(narrow);
            }
            Width::W64 => {
                let mut wide = a.wide();
                exclude(&mut wide, W::low(value));
                a.set_wide(wide);
            }
        },
        // That one of several bits is set says nothing about any of them.
        Fact::Set if value.is_power_of_two() => {
            let set = bits(a, width).or(Tnum::constant(value));
            set_bits(a, set, width);
        }
        Fact::Clear => {
            a.mark_unbounded();
            let clear = bits(a, width).and(Tnum::constant(!value));
            set_bits(a, clear, width);
        }
        _ => {}
    }
}

fn set_bits<W: Full, const OLD: bool>(a: &mut ScalarOf<W, OLD>, bits: Tnum, width: Width) {
    a.var_off = match width {
        Width::W32 => a.join_bits(a.var_off, bits),
        Width::W64 => bits,
    };
}

/// A range without the number at one of its ends.
fn exclude<W: Word>(range: &mut Range<W>, value: W) {
    let (next, _) = value.add(W::low(1));
    let (last, _) = value.sub(W::low(1));
    if range.umin == value {
        range.umin = next;
    }
    if range.umax == value {
        range.umax = last;
    }
    if range.smin == value.signed() {
        range.smin = next.signed();
    }
    if range.smax == value.signed() {
        range.smax = last.signed();
    }
}

/// `a < b` or `a <= b`: `a` ends where `b` ends, and `b` begins where `a` begins.
fn learn_order<W: Word>(a: &mut Range<W>, b: &mut Range<W>, fact: Fact) {
    let one = if matches!(fact, Fact::Lt | Fact::Slt) { W::low(1) } else { W::ZERO };
    let before = |word: W| word.sub(one).0;
    let after = |word: W| word.add(one).0;
    match fact {
        Fact::Lt | Fact::Le => {
            a.umax = min(a.umax, before(b.umax));
            b.umin = max(after(a.umin), b.umin);
        }
        _ => {
            a.smax = min(a.smax, before(W::unsigned(b.smax)).signed());
            b.smin = max(after(W::unsigned(a.smin)).signed(), b.smin);
        }
    }
}
