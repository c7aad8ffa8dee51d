//! All pairs of 4-bit tnums.

use super::Tnum;

/// Numbers of 4 bits.
const LOW: u64 = 15;

/// Every tnum that knows all but the lower 4 bits to be 0.
fn all() -> impl Iterator<Item = Tnum> {
    (0..=LOW).flat_map(|mask| {
        (0..=LOW).filter(move |value| value & mask == 0).map(move |value| Tnum { value, mask })
    })
}

fn members(t: Tnum) -> impl Iterator<Item = u64> {
    (0..=LOW).filter(move |&n| t.contains(n))
}

/// `abs` contains every `con(x, y)` and, when `best`, no larger set than necessary.
#[track_caller]
fn check(best: bool, abs: fn(Tnum, Tnum) -> Tnum, con: fn(u64, u64) -> u64) {
    for (a, b) in all().flat_map(|a| all().map(move |b| (a, b))) {
        let got = abs(a, b);
        assert_eq!(got.value & got.mask, 0, "{a:?} {b:?}: {got:?} has a bit in both");
        let results = members(a).flat_map(|x| members(b).map(move |y| con(x, y)));
        let (mut ones, mut zeros) = (0, 0);
        for n in results {
            assert!(got.contains(n), "{a:?} {b:?}: {got:?} lacks {n:#x}");
            ones |= n;
            zeros |= !n;
        }
        assert!(!best || got.mask == ones & zeros, "{a:?} {b:?}: {got:?} is not the best tnum");
    }
}

#[test]
fn sums_and_differences_are_sound_and_best() {
    check(true, Tnum::add, u64::wrapping_add);
    check(true, Tnum::sub, u64::wrapping_sub);
    check(true, |a, _| a.neg(), |x, _| x.wrapping_neg());
}

#[test]
fn bitwise_operations_are_sound_and_best() {
    check(true, Tnum::and, |x, y| x & y);
    check(true, Tnum::or, |x, y| x | y);
    check(true, Tnum::xor, |x, y| x ^ y);
}

#[test]
fn products_are_sound() {
    check(false, Tnum::mul, u64::wrapping_mul);
    check(false, Tnum::mul_by_masks, u64::wrapping_mul);
}

#[test]
fn shifts_are_sound_and_best() {
    for by in [0, 1, 3, 31, 60, 63, 64, 99] {
        for t in all() {
            let left = members(t).all(|n| t.lsh(by).contains(n.checked_shl(by).unwrap_or(0)));
            let right = members(t).all(|n| t.rsh(by).contains(n.checked_shr(by).unwrap_or(0)));
            assert!(left && right, "{t:?} by {by}");
            // The four bits at the top of a word of each width.
            for width in [4, 8, 32, 64] {
                let top = t.lsh(width - 4);
                let shifted = top.arsh(by, width);
                for n in members(t) {
                    let wide = (n << 60).cast_signed() >> (by.min(63));
                    let want = wide.cast_unsigned() >> (64 - width);
                    assert!(shifted.contains(want), "{top:?} by {by} in {width}: {shifted:?}");
                }
                assert!(
                    shifted.mask.count_ones() <= width.min(4 + by)
                        && shifted.max() >> (width - 1) <= 1
                );
            }
        }
    }
}

#[test]
fn meets_and_unions_are_those_of_sets() {
    for (a, b) in all().flat_map(|a| all().map(move |b| (a, b))) {
        let common = |n| a.contains(n) && b.contains(n);
        match a.intersect(b) {
            Some(both) => assert!((0..=LOW).all(|n| both.contains(n) == common(n))),
            None => assert!(!(0..=LOW).any(common)),
        }
        assert_eq!(a.overlaps(b), (0..=LOW).any(common));
        assert_eq!(a.includes(b), members(b).all(|n| a.contains(n)));
        let union = a.union(b);
        assert!(union.includes(a) && union.includes(b));
        let least = all().filter(|t| t.includes(a) && t.includes(b)).min_by_key(|t| t.mask);
        assert_eq!(Some(union), least);
    }
}

#[test]
fn a_range_is_the_least_tnum_around_it() {
    for (min, max) in (0..=LOW).flat_map(|min| (min..=LOW).map(move |max| (min, max))) {
        let got = Tnum::range(min, max);
        assert!((min..=max).all(|n| got.contains(n)));
        let holds = |t: &Tnum| (min..=max).all(|n| t.contains(n));
        assert_eq!(Some(got), all().filter(holds).min_by_key(|t| t.mask));
    }
    assert_eq!(Tnum::range(0, u64::MAX), Tnum::UNKNOWN);
    assert_eq!(Tnum::range(1, 1 << 63), Tnum::UNKNOWN);
}

#[test]
fn a_step_is_the_next_member() {
    for t in all() {
        for n in 0..=LOW {
            let next = members(t).find(|&m| m > n).unwrap_or(t.max());
            assert_eq!(t.step(n), next, "{t:?} after {n}");
        }
    }
}

#[test]
fn parts_of_a_tnum_are_put_together() {
    let t = Tnum::new(0x1122_3344_5566_7700, 0xff);
    assert_eq!(t.subreg(), Tnum::new(0x5566_7700, 0xff));
    assert_eq!(t.clear_subreg(), Tnum::constant(0x1122_3344_0000_0000));
    assert_eq!(t.with_subreg(Tnum::new(0, 3)), Tnum::new(0x1122_3344_0000_0000, 3));
    assert_eq!(t.const_subreg(9), Tnum::constant(0x1122_3344_0000_0009));
    assert_eq!(t.cast(1), Tnum::new(0, 0xff));
    assert_eq!(t.cast(8), t);
    assert_eq!(t.swap_bytes(2), Tnum::new(0x77, 0xff00));
    assert_eq!(t.swap_bytes(8), Tnum::new(0x0077_6655_4433_2211, 0xff << 56));
    assert!(Tnum::new(8, 16).is_aligned(8) && !Tnum::new(8, 4).is_aligned(8) && t.is_aligned(0));
}
