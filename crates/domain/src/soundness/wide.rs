//! Samples on 64 bits: a description is made around a number, so that one member is known.

use super::model::{Random, compare, operate};
use crate::{AluOp, Cmp, Scalar, Tnum, Width, is_branch_taken, refine, refine_first, refine_same};

/// A number near an edge, or any.
fn number(rng: &mut Random) -> u64 {
    let near = u64::from(rng.below(7)).wrapping_sub(3);
    match rng.below(4) {
        0 => (1_u64 << rng.below(64)).wrapping_add(near),
        1 => (u64::MAX << rng.below(64)).wrapping_add(near),
        2 => rng.next() >> rng.below(64),
        _ => rng.next(),
    }
}

/// A description that has the member, by bits and ranges around it.
fn around(rng: &mut Random, n: u64) -> Scalar {
    let mut scalar = Scalar::UNKNOWN;
    if rng.below(2) > 0 {
        let mask = if rng.below(2) > 0 { rng.next() } else { u64::MAX >> rng.below(65).min(63) };
        scalar.var_off = Tnum::new(n, mask);
    }
    let (a, b) = (number(rng), number(rng));
    if rng.below(2) > 0 {
        scalar.umin = a.min(b).min(n);
        scalar.umax = a.max(b).max(n);
    }
    if rng.below(2) > 0 {
        let (a, b, n) = (a.cast_signed(), b.cast_signed(), n.cast_signed());
        scalar.smin = a.min(b).min(n);
        scalar.smax = a.max(b).max(n);
    }
    let half = |n: u64| u32::try_from(n & 0xffff_ffff).expect("32 bits");
    let (a, b, n) = (half(number(rng)), half(number(rng)), half(n));
    if rng.below(3) == 0 {
        scalar.u32_min = a.min(b).min(n);
        scalar.u32_max = a.max(b).max(n);
    }
    if rng.below(3) == 0 {
        let (a, b, n) = (a.cast_signed(), b.cast_signed(), n.cast_signed());
        scalar.s32_min = a.min(b).min(n);
        scalar.s32_max = a.max(b).max(n);
    }
    if rng.below(4) > 0 {
        scalar.sync();
    }
    scalar
}

#[test]
fn operations_on_64_bits_are_sound() {
    let mut rng = Random(3);
    for _ in 0..40_000 {
        let (x, y) = (number(&mut rng), number(&mut rng));
        // Shifts want small numbers.
        let y = if rng.below(4) == 0 { y & 63 } else { y };
        let (a, b) = (around(&mut rng, x), around(&mut rng, y));
        let b = if rng.below(4) == 0 { Scalar::constant(y) } else { b };
        assert!(a.contains(x) && b.contains(y), "{a} {x:#x}, {b} {y:#x}");
        for width in Width::ALL {
            for op in AluOp::ALL {
                let (out, want) = (Scalar::alu(op, width, &a, &b), operate(op, width, x, y));
                assert!(out.contains(want), "{x:#x} {op:?} {y:#x} ({width:?}): {a}, {b}: {out}");
            }
            for cmp in Cmp::ALL {
                let holds = compare(cmp, width, x, y);
                let decided = is_branch_taken(&a, &b, cmp, width);
                let both = refine(&a, &b, cmp, width);
                assert_eq!(refine_first(&a, &b, cmp, width), both.map(|(first, _)| first));
                let (p, q) = both[usize::from(!holds)];
                let kept = p.contains(x) && q.contains(y);
                assert!(
                    kept && decided.is_none_or(|decided| decided == holds),
                    "{x:#x} {cmp:?} {y:#x} ({width:?}): {a}, {b}: {decided:?}, {p}, {q}"
                );
                let same = refine_same(&a, cmp, width)[usize::from(!compare(cmp, width, x, x))];
                assert!(same.contains(x), "{x:#x} {cmp:?} itself ({width:?}): {a}: {same}");
            }
        }
    }
}

#[test]
fn casts_on_64_bits_are_sound() {
    let mut rng = Random(4);
    for _ in 0..40_000 {
        let x = number(&mut rng);
        let a = around(&mut rng, x);
        for size in [1, 2, 4] {
            let unused = 64 - 8 * size;
            let low = (x << unused) >> unused;
            let extended = ((x << unused).cast_signed() >> unused).cast_unsigned();
            check(&a, x, low, "truncation", |a| a.coerce_to_size(size));
            check(&a, x, extended, "extension", |a| a.sext(size));
            if size < 4 {
                let half = extended & 0xffff_ffff;
                check(&a, x, half, "extension of the half", |a| a.sext_subreg(size));
            }
        }
        check(&a, x, x & 0xffff_ffff, "zero-extension", Scalar::zext);
        for size in [2, 4, 8] {
            let unused = 64 - 8 * size;
            check(&a, x, x.swap_bytes() >> unused, "swap", |a| a.swap_bytes(size));
        }
    }
}

#[track_caller]
fn check(a: &Scalar, x: u64, want: u64, what: &str, f: impl Fn(&mut Scalar)) {
    let mut out = *a;
    f(&mut out);
    assert!(out.contains(want), "{what} of {x:#x} in {a}: {out} lacks {want:#x}");
}
