//! The same for the domain of Linux 7.2.

use super::model::{Model, Random};
use super::numbers::Numbers;
use super::{check_pair, check_same, check_unary, keeps, members, numbers, tnums};
use crate::arc::Arc;
use crate::circular::CircularOf;
use crate::word::{Full, Word};
use alloc::vec::Vec;

type Four = Model<4>;
type Six = Model<6>;

/// Every arc that has a word; the last of those with all words comes in all its names.
fn arcs<W: Word>() -> Vec<Arc<W>> {
    let ends = numbers::<W>().flat_map(|a| numbers::<W>().map(move |b| Arc::unsigned(a, b)));
    ends.filter(|arc| !arc.is_empty()).collect()
}

fn words<W: Word>(arc: Arc<W>) -> Vec<W> {
    numbers().filter(|&n| arc.contains(n)).collect()
}

#[test]
fn arcs_meet_add_and_turn_soundly() {
    let all = arcs::<Four>();
    for &a in &all {
        let range = a.range();
        assert!(words(a).iter().all(|&n| range.contains(n)), "{a:?}: {range:?}");
        assert!(words(a).iter().all(|&n| a.neg().contains(Four::ZERO.sub(n).0)), "{a:?}");
        let halves = a.halves();
        assert!(
            words(a).iter().all(|&n| halves.contains(Word::low(n.bits()))),
            "{a:?}: {halves:?}"
        );
        for &b in &all {
            let (both, sum) = (a.intersect(b), a.add(b));
            for &x in &words(a) {
                assert!(!b.contains(x) || both.contains(x), "{x:?} of {a:?} and {b:?}: {both:?}");
                let lost = words(b).into_iter().find(|&y| !sum.contains(x.add(y).0));
                assert!(lost.is_none(), "{x:?} and {lost:?} of {a:?} and {b:?}: {sum:?}");
            }
            let is_subset = words(b).iter().all(|&n| a.contains(n));
            assert_eq!(a.includes(b), is_subset, "{a:?} includes {b:?}");
        }
        for half in arcs() {
            let cut = a.with_halves(half);
            let stays = |n: &Four| half.contains(Word::low(n.bits()));
            let lost = words(a).into_iter().filter(stays).find(|&n| !cut.contains(n));
            assert!(lost.is_none(), "{lost:?} of {a:?} and {half:?}: {cut:?}");
        }
    }
}

/// Any description that has a member, half of them synced.
fn random<W: Full>(rng: &mut Random, all: &Parts<W>) -> CircularOf<W> {
    loop {
        let mut out = CircularOf::ANY;
        if rng.below(4) > 0 {
            out = out.with_bits(*rng.pick(&all.0));
        }
        if rng.below(3) > 0 {
            out = out.with_arc(*rng.pick(&all.1));
        }
        if rng.below(3) > 0 {
            out = out.with_half_arc(*rng.pick(&all.2));
        }
        if numbers().any(|n| out.contains(n)) {
            if rng.below(2) > 0 {
                out.sync();
            }
            return out;
        }
    }
}

/// Everything that a part can say.
type Parts<W> = (Vec<crate::Tnum>, Vec<Arc<W>>, Vec<Arc<<W as Full>::Half>>);

fn parts<W: Full>() -> Parts<W> {
    (tnums::<W>().collect(), arcs(), arcs())
}

/// Every description of four bits: its deductions.
#[test]
fn deduction_is_sound() {
    let (tnums, arcs, halves) = parts::<Four>();
    for &tnum in &tnums {
        for &arc in &arcs {
            for &half in &halves {
                let before = CircularOf::ANY.with_bits(tnum).with_arc(arc).with_half_arc(half);
                if !members(&before).is_empty() {
                    keeps(&before, "deduction", |n| n, Numbers::sync);
                }
            }
        }
    }
}

/// All pairs of descriptions that say one thing.
#[test]
fn operations_on_simple_descriptions_are_sound() {
    let (tnums, arcs, halves) = parts::<Four>();
    let any = CircularOf::ANY;
    let mut simple: Vec<CircularOf<Four>> = Vec::new();
    simple.extend(tnums.iter().map(|&tnum| any.with_bits(tnum)));
    simple.extend(arcs.iter().map(|&arc| any.with_arc(arc)));
    simple.extend(halves.iter().map(|&half| any.with_half_arc(half)));
    simple.iter_mut().for_each(CircularOf::sync);
    for a in &simple {
        check_unary(a);
        check_same(a);
        for b in &simple {
            check_pair(a, b);
        }
    }
}

/// Descriptions that say many things, also such that do not follow from each other.
#[test]
fn operations_on_mixed_descriptions_are_sound() {
    let mut rng = Random(5);
    let all = parts::<Four>();
    for _ in 0..20_000 {
        let (a, b) = (random(&mut rng, &all), random(&mut rng, &all));
        check_unary(&a);
        check_same(&a);
        check_pair(&a, &b);
    }
}

#[test]
fn operations_on_six_bits_are_sound() {
    let mut rng = Random(6);
    let all = parts::<Six>();
    for _ in 0..1000 {
        let (a, b) = (random(&mut rng, &all), random(&mut rng, &all));
        check_unary(&a);
        check_same(&a);
        check_pair(&a, &b);
    }
}
