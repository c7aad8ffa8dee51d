//! Numbers that instructions can hold.

use crate::operand::Width;

/// A number of 12 bits, shifted by 12 or not, as sums and comparisons have it.
pub(crate) const fn arithmetic(number: u64) -> Option<u32> {
    #[expect(clippy::cast_possible_truncation, reason = "12 bits")]
    match number {
        0..=0xfff => Some((number as u32) << 10),
        _ if number & 0xfff == 0 && number >> 24 == 0 => {
            Some(1 << 22 | ((number >> 12) as u32) << 10)
        }
        _ => None,
    }
}

/// Bits in the form of operations on bits: a run of ones, rotated, in elements of 2, 4, … 64 bits that repeat.
/// The fields N, immr and imms, where they belong in an instruction.
pub(crate) fn logical(width: Width, bits: u64) -> Option<u32> {
    let bits = match width {
        Width::W64 => bits,
        Width::W32 => bits << 32 | bits & 0xffff_ffff,
    };
    if bits == 0 || bits == u64::MAX {
        return None;
    }
    // The shortest element that repeats: turning by it changes nothing.
    let size = (1..6).map(|log| 1u32 << log).find(|&size| bits.rotate_right(size) == bits);
    let size = size.unwrap_or(64);
    // Where a run of ones begins: behind a zero.
    let start = (bits & !bits.rotate_left(1)).trailing_zeros();
    let element = u64::MAX >> (64 - size);
    let turned = bits.rotate_right(start) & element;
    let ones = turned.count_ones();
    if turned != (1 << ones) - 1 {
        return None;
    }
    let turn = (size - start % size) % size;
    let imms = (!(size * 2 - 1) & 0x3f) | (ones - 1);
    let n = u32::from(size == 64);
    Some(n << 22 | turn << 16 | imms << 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    /// What the fields mean, by the architecture's own account (`DecodeBitMasks`), and so every number that has any.
    fn all(width: Width) -> BTreeMap<u64, u32> {
        let mut all = BTreeMap::new();
        let len = u32::from(width.bits());
        for size in (1..=6).map(|log| 1u32 << log).filter(|&size| size <= len) {
            for ones in 1..size {
                for turn in 0..size {
                    let element = (1u64 << ones) - 1;
                    let mask = u64::MAX >> (64 - size);
                    let low = element >> turn;
                    let high = if turn == 0 { 0 } else { element << (size - turn) };
                    let element = (low | high) & mask;
                    let bits = (0..len / size).fold(0, |bits, n| bits | element << (n * size));
                    let imms = (!(size * 2 - 1) & 0x3f) | (ones - 1);
                    let n = u32::from(size == 64);
                    all.insert(bits, n << 22 | turn << 16 | imms << 10);
                }
            }
        }
        all
    }

    #[test]
    fn exactly_the_numbers_that_have_a_form_get_it() {
        for (width, count) in [(Width::W64, 5334), (Width::W32, 1302)] {
            let all = all(width);
            assert_eq!(all.len(), count);
            for (&bits, &fields) in &all {
                assert_eq!(logical(width, bits), Some(fields), "{bits:#x}");
                // One bit off is a form only if it is in the list.
                for bit in 0..u32::from(width.bits()) {
                    let other = bits ^ 1 << bit;
                    assert_eq!(logical(width, other), all.get(&other).copied(), "{other:#x}");
                }
            }
        }
    }

    #[test]
    fn sums_hold_twelve_bits() {
        assert_eq!(arithmetic(0), Some(0));
        assert_eq!(arithmetic(0xfff), Some(0xfff << 10));
        assert_eq!(arithmetic(0x1000), Some(1 << 22 | 1 << 10));
        assert_eq!(arithmetic(0xff_f000), Some(1 << 22 | 0xfff << 10));
        assert_eq!(arithmetic(0x1001), None);
        assert_eq!(arithmetic(0x100_0000), None);
        assert_eq!(arithmetic(u64::MAX), None);
    }
}
