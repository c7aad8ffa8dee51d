use super::*;
use std::thread;
use std::vec::Vec;

const SIZES: [Size; 4] = [Size::B, Size::H, Size::W, Size::Dw];

/// Every access at every position of maps with values of 1 to 24 bytes, against plain bytes.
#[test]
fn accesses_are_those_to_bytes_inside_one_value() {
    for value_size in 1..=24 {
        let values = Values::new(value_size, 3).unwrap();
        let stride = values.stride();
        assert_eq!(stride, value_size.next_multiple_of(8));
        let mut bytes = std::vec![0; values.len()];
        for (at, size) in (0..values.len() + 9).flat_map(|at| SIZES.map(|size| (at, size))) {
            let len = usize::from(size.bytes());
            let inside = at < values.len() && at % stride + len <= value_size;
            let value = 0x8182_8384_8586_8788u64.wrapping_mul(at as u64 * 2 + 1);
            assert_eq!(
                values.store(at, size, value).is_some(),
                inside,
                "{value_size}: {at} {size:?}"
            );
            if inside {
                let from = if cfg!(target_endian = "little") { 0 } else { 8 - len };
                bytes[at..at + len].copy_from_slice(&value.to_ne_bytes()[from..from + len]);
            }
            let kept = value & (u64::MAX >> (64 - len * 8));
            assert_eq!(values.load(at, size), inside.then_some(kept));
        }
        for (cell, expected) in bytes.chunks(stride).enumerate() {
            let mut out = std::vec![0; value_size];
            values.read(cell * stride, &mut out).unwrap();
            assert_eq!(out, expected[..value_size]);
        }
    }
}

#[test]
fn copies_stay_inside_one_value_at_any_alignment() {
    let values = Values::new(21, 2).unwrap();
    let bytes: Vec<u8> = (1..=30).collect();
    for at in 0..values.len() + 2 {
        for len in 0..=bytes.len() {
            let inside = at < values.len() && at % 24 + len <= 21;
            assert_eq!(values.write(at, &bytes[..len]).is_some(), inside, "{at} {len}");
            let mut out = std::vec![0; len];
            assert_eq!(values.read(at, &mut out).is_some(), inside);
            assert!(!inside || out == bytes[..len]);
        }
    }
    assert!(values.read(usize::MAX, &mut [0]).is_none());
    assert!(values.load(usize::MAX, Size::Dw).is_none());
}

#[test]
fn padding_belongs_to_whole_cells_only() {
    let values = Values::new(5, 2).unwrap();
    values.write_cell(8, &[9; 8]).unwrap();
    assert!(values.write_cell(9, &[9; 8]).is_none());
    let mut out = [0; 8];
    assert!(values.read(8, &mut out).is_none());
    values.read_cell(8, &mut out).unwrap();
    assert_eq!(out, [9; 8]);
    values.clear_cell(8);
    values.read_cell(8, &mut out).unwrap();
    assert_eq!(out, [0; 8]);
}

#[test]
fn words_are_padded_at_the_end() {
    let bytes: Vec<u8> = (1..=24).collect();
    for len in 0..=bytes.len() {
        let mut expected = bytes[..len].to_vec();
        expected.resize(len.next_multiple_of(8), 0);
        let words: Vec<u8> = padded(&bytes[..len]).flat_map(u64::to_ne_bytes).collect();
        assert_eq!(words, expected);

        let values = Values::new(32, 1).unwrap();
        values.set_padded(8, &bytes[..len]);
        let word: Vec<u8> = bytes[..len.min(8)].iter().copied().chain([0; 8]).take(8).collect();
        assert_eq!(first_word(&bytes[..len.min(8)]).to_ne_bytes(), word[..]);
        let mut out = std::vec![0; len];
        values.get_padded(8, &mut out);
        assert_eq!(out, bytes[..len]);
    }
}

#[test]
fn remainders_are_exact() {
    for value_size in [1, 8, 24, 56, 1000, 4104, 65_528] {
        let values = Values::new(value_size, 1).unwrap();
        let stride = values.stride();
        let ends = [0, 1, stride * 77, u32::MAX as usize, 1 << 32, 1 << 40, usize::MAX];
        for at in ends.into_iter().flat_map(|at| (0..20).map(move |n| at.wrapping_sub(n))) {
            assert_eq!(values.within(at), at % stride, "{at} % {stride}");
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "ends the run instead of failing the allocation")]
fn too_much_is_an_error() {
    for (value_size, cells) in
        [(usize::MAX, 1), (usize::MAX - 6, 1), (8, usize::MAX / 8), (1 << 62, 1)]
    {
        let made = std::hint::black_box(Values::new(value_size, cells));
        assert_eq!(made.err(), Some(Errno::ENOMEM));
    }
    let values = Values::new(4, 0).unwrap();
    assert_eq!((values.is_empty(), values.load(0, Size::B)), (true, None));
    assert!(values.as_ptr().addr().get().is_multiple_of(64));
}

/// Old value and new value of each operation on corner values, at both sizes.
#[test]
#[rustfmt::skip]
fn atomics() {
    type New = fn(u64, u64, u64) -> u64;
    let new: [(AtomicOp, New); 10] = [
        (AtomicOp::Add, |old, src, _| old.wrapping_add(src)),
        (AtomicOp::Or, |old, src, _| old | src),
        (AtomicOp::And, |old, src, _| old & src),
        (AtomicOp::Xor, |old, src, _| old ^ src),
        (AtomicOp::FetchAdd, |old, src, _| old.wrapping_add(src)),
        (AtomicOp::FetchOr, |old, src, _| old | src),
        (AtomicOp::FetchAnd, |old, src, _| old & src),
        (AtomicOp::FetchXor, |old, src, _| old ^ src),
        (AtomicOp::Xchg, |_, src, _| src),
        (AtomicOp::CmpXchg, |old, src, r0| if old == r0 { src } else { old }),
    ];
    let corners = [0, 1, u64::MAX, 1 << 31, 1 << 63, 0x1234_5678_9abc_def0, 0xffff_ffff];
    let values = Values::new(16, 1).unwrap();
    for (op, new) in new {
        for (old, src, r0) in corners.into_iter().flat_map(|a| corners.into_iter().flat_map(move |b| corners.map(|c| (a, b, c)))) {
            for (size, mask) in [(Size::W, 0xffff_ffff), (Size::Dw, u64::MAX)] {
                values.store(8, size, old).unwrap();
                assert_eq!(values.atomic(8, size, op, src, r0), Ok(old & mask), "{op:?}");
                let expected = new(old & mask, src & mask, r0 & mask) & mask;
                assert_eq!(values.load(8, size), Some(expected), "{op:?} {old:#x} {src:#x} {r0:#x}");
            }
        }
    }
}

#[test]
fn atomics_refuse_what_is_not_an_aligned_word_of_one_value() {
    let values = Values::new(12, 2).unwrap();
    let table = [
        (0, Size::Dw, Ok(())),
        (4, Size::Dw, Err(AccessError::Unaligned)),
        (8, Size::Dw, Err(AccessError::Outside)),
        (8, Size::W, Ok(())),
        (10, Size::W, Err(AccessError::Outside)),
        (6, Size::W, Err(AccessError::Unaligned)),
        (12, Size::W, Err(AccessError::Outside)),
        (32, Size::W, Err(AccessError::Outside)),
        (usize::MAX, Size::W, Err(AccessError::Outside)),
    ];
    for (at, size, expected) in table {
        assert_eq!(values.atomic(at, size, AtomicOp::Add, 1, 0).map(drop), expected, "{at}");
        assert_eq!(values.load_acquire(at, size).map(drop), expected, "{at}");
        assert_eq!(values.store_release(at, size, 1), expected, "{at}");
    }
    assert_eq!(values.atomic(0, Size::H, AtomicOp::Add, 1, 0), Err(AccessError::Size));
    assert_eq!(values.store_release(6, Size::H, 0x1_2345), Ok(()));
    assert_eq!(values.load_acquire(6, Size::H), Ok(0x2345));
}

#[test]
fn no_addition_is_lost_between_threads() {
    let values = Values::new(8, 1).unwrap();
    let rounds = if cfg!(miri) { 50 } else { 20_000 };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                (0..rounds).for_each(|_| {
                    values.atomic(0, Size::Dw, AtomicOp::Add, 1, 0).unwrap();
                })
            });
        }
    });
    assert_eq!(values.load(0, Size::Dw), Some(rounds * 4));
}

/// What a store releases, a load acquires.
#[test]
fn release_and_acquire_carry_plain_stores_over() {
    let values = Values::new(16, 1).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            values.store(0, Size::Dw, 7).unwrap();
            values.store_release(8, Size::Dw, 1).unwrap();
        });
        while values.load_acquire(8, Size::Dw) == Ok(0) {
            thread::yield_now();
        }
        assert_eq!(values.load(0, Size::Dw), Some(7));
    });
}
