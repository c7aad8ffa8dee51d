//! Random numbers and operations that are worth a try.

use super::operation::Operation;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use skep_domain::{AluOp, Cmp, Scalar, Width};
use skep_isa::Swap;

/// A number at or near an edge of some width, or any.
pub(super) fn number(rng: &mut StdRng) -> u64 {
    let near = rng.random_range(-3_i64..=3).cast_unsigned();
    match rng.random_range(0..8) {
        0 => near,
        1 | 2 => (1_u64 << rng.random_range(0..64)).wrapping_add(near),
        3 => (u64::MAX << rng.random_range(0..64)).wrapping_add(near),
        4 => u64::from(rng.random::<u32>()),
        5 => rng.random_range(0..300),
        6 => rng.random::<u64>() >> rng.random_range(0..64),
        _ => {
            let edge = *[0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 0x8000_0000]
                .choose(rng)
                .expect("bug: an empty list");
            let upper = if rng.random() { u64::from(rng.random_range(0..3_u32)) << 32 } else { 0 };
            (edge + upper).wrapping_add(near)
        }
    }
}

/// A number at or next to a bound of a scalar.
pub(super) fn bound(rng: &mut StdRng, scalar: &Scalar) -> u64 {
    let bounds = [
        scalar.umin,
        scalar.umax,
        scalar.smin.cast_unsigned(),
        scalar.smax.cast_unsigned(),
        scalar.u32_min.into(),
        scalar.u32_max.into(),
        i64::from(scalar.s32_min).cast_unsigned(),
        i64::from(scalar.s32_max).cast_unsigned(),
        scalar.var_off.value(),
        scalar.var_off.mask(),
    ];
    let bound = *bounds.choose(rng).expect("bug: an empty list");
    bound.wrapping_add(rng.random_range(-1_i64..=1).cast_unsigned())
}

/// A number that fits an immediate, as sign-extended: any, or one that matters to the scalar.
#[expect(clippy::cast_possible_truncation, reason = "an immediate takes the lower half")]
pub(super) fn immediate(rng: &mut StdRng, scalar: &Scalar) -> i32 {
    let number = if rng.random() { number(rng) } else { bound(rng, scalar) };
    number as i32
}

pub(super) fn width(rng: &mut StdRng) -> Width {
    if rng.random() { Width::W64 } else { Width::W32 }
}

/// Any operation; arithmetic of all kinds and comparisons most.
pub(super) fn operation(rng: &mut StdRng) -> Operation {
    let pick = |rng: &mut StdRng, from: &[u32]| *from.choose(rng).expect("bug: an empty list");
    match rng.random_range(0..100) {
        0..3 => Operation::Zext,
        3..6 => Operation::Sext(pick(rng, &[1, 2, 4])),
        6..9 => Operation::SextSubreg(pick(rng, &[1, 2])),
        9..10 => Operation::Swap(
            *[Swap::Le, Swap::Be, Swap::Always].choose(rng).expect("bug: an empty list"),
            pick(rng, &[2, 4, 8]),
        ),
        10..13 => {
            let stored = pick(rng, &[4, 8]);
            let size = pick(rng, &[1, 2, 4, 8]).min(stored);
            if size < 8 && rng.random() {
                Operation::SignedSpill(stored, size)
            } else {
                Operation::Spill(stored, size)
            }
        }
        13..55 => Operation::Branch(*Cmp::ALL.choose(rng).expect("bug: none"), width(rng)),
        _ => Operation::Alu(*AluOp::ALL.choose(rng).expect("bug: none"), width(rng)),
    }
}
