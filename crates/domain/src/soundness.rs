//! Proofs by trying everything, on words of a few bits, and samples on 64.
//!
//! The claim for each operation `f`: for all descriptions `a` and `b`, consistent or not, and all
//! members `x` and `y`, the concrete `f(x, y)` is a member of `f(a, b)`. A comparison that is decided
//! holds of all members or of none; members for which an outcome holds survive the refinement by it.
//!
//! The code under test is that of 64 bits, instantiated for smaller words: it is generic over the word.

mod circular;
mod model;
mod numbers;
mod wide;

use crate::scalar::ScalarOf;
use crate::word::{Full, Word, lower};
use crate::{AluOp, Cmp, Tnum, Width};
use alloc::vec::Vec;
use model::{Model, Random, compare, operate};
use numbers::Numbers;

type Four = Model<4>;
type Six = Model<6>;
type HalfSigned<W> = <<W as Full>::Half as Word>::Signed;

fn numbers<W: Word>() -> impl Iterator<Item = W> {
    (0..=W::MAX.bits()).map(W::low)
}

fn members<W: Full>(a: &impl Numbers<W>) -> Vec<W> {
    numbers().filter(|&n| a.contains(n)).collect()
}

/// Every tnum of the word.
fn tnums<W: Word>() -> impl Iterator<Item = Tnum> {
    let max = W::MAX.bits();
    (0..=max).flat_map(move |mask| {
        (0..=max).filter(move |value| value & mask == 0).map(move |value| Tnum::new(value, mask))
    })
}

/// Every pair in order.
fn ranges<T: Ord + Copy>(mut all: Vec<T>) -> Vec<(T, T)> {
    all.sort_unstable();
    let pairs = all.iter().flat_map(|&min| all.iter().map(move |&max| (min, max)));
    pairs.filter(|(min, max)| min <= max).collect()
}

/// All there is of each part of a description.
struct Parts<W: Full> {
    tnums: Vec<Tnum>,
    unsigned: Vec<(W, W)>,
    signed: Vec<(W::Signed, W::Signed)>,
    half_unsigned: Vec<(W::Half, W::Half)>,
    half_signed: Vec<(HalfSigned<W>, HalfSigned<W>)>,
}

impl<W: Full> Parts<W> {
    fn all() -> Self {
        Self {
            tnums: tnums::<W>().collect(),
            unsigned: ranges(numbers().collect()),
            signed: ranges(numbers::<W>().map(Word::signed).collect()),
            half_unsigned: ranges(numbers().collect()),
            half_signed: ranges(numbers::<W::Half>().map(Word::signed).collect()),
        }
    }

    /// Descriptions in which one part says something, and what follows from it.
    fn simple(&self) -> Vec<ScalarOf<W>> {
        let any = ScalarOf::ANY;
        let mut all = Vec::new();
        all.extend(self.tnums.iter().map(|&var_off| ScalarOf { var_off, ..any }));
        all.extend(self.unsigned.iter().map(|&(umin, umax)| ScalarOf { umin, umax, ..any }));
        all.extend(self.signed.iter().map(|&(smin, smax)| ScalarOf { smin, smax, ..any }));
        all.extend(self.half_unsigned.iter().map(|&(u32_min, u32_max)| ScalarOf {
            u32_min,
            u32_max,
            ..any
        }));
        all.extend(self.half_signed.iter().map(|&(s32_min, s32_max)| ScalarOf {
            s32_min,
            s32_max,
            ..any
        }));
        for scalar in &mut all {
            scalar.sync();
        }
        all
    }

    /// Any description that has a member, half of them synced.
    fn random<const OLD: bool>(&self, rng: &mut Random) -> ScalarOf<W, OLD> {
        loop {
            let mut any = ScalarOf::ANY;
            if rng.below(4) > 0 {
                any.var_off = *rng.pick(&self.tnums);
            }
            if rng.below(2) > 0 {
                (any.umin, any.umax) = *rng.pick(&self.unsigned);
            }
            if rng.below(2) > 0 {
                (any.smin, any.smax) = *rng.pick(&self.signed);
            }
            if rng.below(3) == 0 {
                (any.u32_min, any.u32_max) = *rng.pick(&self.half_unsigned);
            }
            if rng.below(3) == 0 {
                (any.s32_min, any.s32_max) = *rng.pick(&self.half_signed);
            }
            if numbers().any(|n| any.contains(n)) {
                if rng.below(2) > 0 {
                    any.sync();
                }
                return any;
            }
        }
    }
}

#[track_caller]
fn keeps<W: Full, N: Numbers<W>>(before: &N, what: &str, f: impl Fn(W) -> W, act: impl Fn(&mut N)) {
    let mut after = *before;
    act(&mut after);
    for n in members(before) {
        let result = f(n);
        assert!(
            after.contains(result),
            "{what} of {n:?} in {before:?}: {after:?} lacks {result:?}"
        );
    }
}

/// The kernel's steps, none left out.
fn sync_in_full<W: Full, const OLD: bool>(mut scalar: ScalarOf<W, OLD>) -> ScalarOf<W, OLD> {
    scalar.update_bounds();
    scalar.deduce_bounds();
    scalar.deduce_bounds();
    scalar.deduce_bounds();
    scalar.bound_offset();
    scalar.update_bounds();
    scalar
}

fn deduces_soundly<const OLD: bool>() {
    let Parts { tnums, unsigned, signed, half_unsigned, half_signed } = Parts::<Four>::all();
    // All of it is 150 million; the ranges of the half take turns.
    let halves: Vec<_> =
        half_unsigned.iter().flat_map(|&u| half_signed.iter().map(move |&s| (u, s))).collect();
    let mut turn = halves.iter().cycle();
    for &var_off in &tnums {
        for &(umin, umax) in &unsigned {
            for &(smin, smax) in &signed {
                // Also those that say of the half what the whole says: there most steps are left out.
                let (low, high) = (lower(umin), lower(umax));
                let own = ((low, high), (low.signed(), high.signed()));
                for &((u32_min, u32_max), (s32_min, s32_max)) in [turn.next().unwrap(), &own] {
                    let before = ScalarOf::<Four, OLD> {
                        var_off,
                        umin,
                        umax,
                        smin,
                        smax,
                        u32_min,
                        u32_max,
                        s32_min,
                        s32_max,
                    };
                    keeps(&before, "sync", |n| n, ScalarOf::sync);
                    let mut after = before;
                    after.sync();
                    assert_eq!(after, sync_in_full(before), "{before:?}");
                }
            }
        }
    }
}

/// Deduction loses no member, whatever the parts say, and takes no short cut that can be seen.
#[test]
fn deduction_is_sound() {
    deduces_soundly::<false>();
    deduces_soundly::<true>();
}

fn check_unary<W: Full>(a: &impl Numbers<W>) {
    let half = |n: u64| W::low(W::Half::low(n).bits());
    for bits in 1..=W::BITS {
        let low = |n: u64| W::low(n & (u64::MAX >> (64 - bits)));
        let extend = |n: u64| ((n << (64 - bits)).cast_signed() >> (64 - bits)).cast_unsigned();
        keeps(a, "truncation", |n| low(n.bits()), |a| a.coerce_to_bits(bits));
        if bits <= W::Half::BITS {
            keeps(a, "extension", |n| W::low(extend(n.bits())), |a| a.sext_bits(bits));
        }
        if bits < W::Half::BITS {
            let extended = |n: W| half(extend(n.bits()));
            keeps(a, "extension of the half", extended, |a| a.sext_half_bits(bits));
        }
    }
    keeps(a, "zero-extension", |n| half(n.bits()), Numbers::zext);
    keeps(a, "deduction", |n| n, Numbers::sync);
    keeps(a, "settling", |n| n, Numbers::settle);
}

fn check_same<W: Full>(a: &impl Numbers<W>) {
    for (cmp, width) in Cmp::ALL.into_iter().flat_map(|cmp| Width::ALL.map(|width| (cmp, width))) {
        let decided = a.is_same_branch_taken(cmp, width);
        let [yes, no] = a.refine_same(cmp, width);
        for n in members(a) {
            let holds = compare(cmp, width, n, n);
            let after = if holds { yes } else { no };
            assert!(
                after.contains(n) && decided.is_none_or(|decided| decided == holds),
                "{cmp:?} {width:?} {n:?} with itself in {a:?}: {decided:?}, {after:?}"
            );
        }
    }
}

fn check_pair<W: Full, N: Numbers<W>>(a: &N, b: &N) {
    let (xs, ys) = (members(a), members(b));
    let pairs: Vec<(W, W)> = xs.iter().flat_map(|&x| ys.iter().map(move |&y| (x, y))).collect();
    for width in Width::ALL {
        for op in AluOp::ALL {
            check_alu(a, b, op, width, &pairs);
        }
        for cmp in Cmp::ALL {
            check_cmp(a, b, cmp, width, &pairs);
        }
    }
    for op in [AluOp::Add, AluOp::Sub] {
        let out = N::pointer_alu(op, a, b);
        let lost = pairs.iter().find(|(x, y)| !out.contains(operate(op, Width::W64, *x, *y)));
        assert!(lost.is_none(), "pointer {op:?} of {lost:?} in {a:?} and {b:?}: {out:?}");
    }
}

fn check_alu<W: Full, N: Numbers<W>>(a: &N, b: &N, op: AluOp, width: Width, pairs: &[(W, W)]) {
    let whole = N::alu(op, width, a, b);
    let parts = N::fork(op, a, b).map(|both| both.map(|part| (part, N::alu(op, width, &part, b))));
    for &(x, y) in pairs {
        let result = operate(op, width, x, y);
        let in_part = |(part, after): &(N, N)| part.contains(x) && after.contains(result);
        assert!(
            whole.contains(result) && parts.is_none_or(|parts| parts.iter().any(in_part)),
            "{op:?} {width:?} of {x:?} in {a:?} and {y:?} in {b:?} is {result:?}: {whole:?}, {parts:?}"
        );
    }
}

fn check_cmp<W: Full, N: Numbers<W>>(a: &N, b: &N, cmp: Cmp, width: Width, pairs: &[(W, W)]) {
    let decided = N::is_branch_taken(a, b, cmp, width);
    let [yes, no] = N::refine(a, b, cmp, width);
    for &(x, y) in pairs {
        let holds = compare(cmp, width, x, y);
        let (p, q) = if holds { yes } else { no };
        assert!(
            decided.is_none_or(|decided| decided == holds) && p.contains(x) && q.contains(y),
            "{x:?} {cmp:?} {y:?} ({width:?}) is {holds}, of {a:?} and {b:?}: {decided:?}, {p:?}, {q:?}"
        );
    }
}

/// All pairs of descriptions that say one thing.
#[test]
fn operations_on_simple_descriptions_are_sound() {
    let simple = Parts::<Four>::all().simple();
    for a in &simple {
        check_unary(a);
        check_same(a);
        for b in &simple {
            check_pair(a, b);
        }
    }
}

fn check_mixed<W: Full, const OLD: bool>(seed: u64, pairs: usize) {
    let mut rng = Random(seed);
    let parts = Parts::<W>::all();
    for _ in 0..pairs {
        let (a, b) = (parts.random::<OLD>(&mut rng), parts.random::<OLD>(&mut rng));
        check_unary(&a);
        check_same(&a);
        check_pair(&a, &b);
    }
}

/// Descriptions that say many things, also such that do not follow from each other.
#[test]
fn operations_on_mixed_descriptions_are_sound() {
    check_mixed::<Four, false>(1, 20_000);
}

/// Six bits have room for sign changes apart from those of the half.
#[test]
fn operations_on_six_bits_are_sound() {
    check_mixed::<Six, false>(2, 2_000);
}

/// What Linux 6.12 does differently.
#[test]
fn operations_of_6_12_are_sound() {
    check_mixed::<Four, true>(7, 10_000);
    check_mixed::<Six, true>(8, 1_000);
}
