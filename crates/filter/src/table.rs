//! Large sets of numbers as tables that a program looks into: in eBPF, the value of an array map.
//!
//! A table is a perfect hash: the upper bits of `number * FIRST` are a bucket, whose entry is a displacement;
//! the upper bits of `(number ^ displacement) * second` are a slot, no two numbers having the same one. The
//! number is in the set if it is in its slot, so that a packet costs two loads, however large the set is.

use crate::error::{Error, ErrorKind};
use skep_cbpf::Lookup;
use skep_diag::Span;

/// Fewer numbers are searched as a tree.
pub(crate) const LARGE: usize = 64;
/// More are refused: the value of a map would be larger than loaders like.
const MOST: usize = 4_000_000;
/// Multiplies for buckets, and at first for slots: the golden ratio and another odd number.
const FIRST: u32 = 0x9e37_79b1;
const SECOND: u32 = 0x85eb_ca6b;
/// From one displacement to the next.
const SPREAD: u32 = 0xc2b2_ae35;
/// Displacements that are tried for a bucket.
const TRIES: u32 = 1 << 16;
/// Multipliers that are tried.
const MULTIPLIERS: u32 = 16;

/// A table, and how numbers are looked up in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The displacements, then the slots: numbers of 32 bits, as the host has them.
    pub bytes: Vec<u8>,
    /// How many numbers are in it.
    pub count: usize,
    bucket_bits: u32,
    slot_bits: u32,
    multiplier: u32,
}

impl Table {
    /// A table of numbers, each there once.
    pub(crate) fn of(numbers: &[u32]) -> Result<Self, Error> {
        let refused = || {
            let kind = ErrorKind::TableTooLarge { count: numbers.len(), most: MOST };
            Error::new(Span::default(), kind)
        };
        if numbers.len() > MOST {
            return Err(refused());
        }
        // Slots are at most two thirds full, buckets have four numbers.
        let bits = |count: usize| usize::BITS - count.leading_zeros();
        let slot_bits = bits(numbers.len() + numbers.len() / 2).max(2);
        let bucket_bits = bits(numbers.len() / 4).max(1);
        (0..MULTIPLIERS)
            .map(|at| SECOND.wrapping_add(at.wrapping_mul(0x1234_5678)) | 1)
            .find_map(|multiplier| Self::with(numbers, bucket_bits, slot_bits, multiplier))
            .ok_or_else(refused)
    }

    fn with(numbers: &[u32], bucket_bits: u32, slot_bits: u32, multiplier: u32) -> Option<Self> {
        let bucket = |number: u32| (number.wrapping_mul(FIRST) >> (32 - bucket_bits)) as usize;
        let slot = |number: u32, displacement: u32| {
            ((number ^ displacement).wrapping_mul(multiplier) >> (32 - slot_bits)) as usize
        };
        let mut sorted: Vec<u32> = numbers.to_vec();
        sorted.sort_unstable_by_key(|&number| bucket(number));
        let mut buckets: Vec<&[u32]> = sorted.chunk_by(|&a, &b| bucket(a) == bucket(b)).collect();
        buckets.sort_by_key(|numbers| std::cmp::Reverse(numbers.len()));
        let mut displacements = vec![0u32; 1 << bucket_bits];
        let mut slots: Vec<Option<u32>> = vec![None; 1 << slot_bits];
        let mut taken: Vec<usize> = Vec::new();
        for numbers in buckets {
            // Spread over all bits, so that numbers that differ in any part only come apart.
            let mut displacements_tried = (0..TRIES).map(|at| at.wrapping_mul(SPREAD));
            let found = displacements_tried.find(|&displacement| {
                taken.clear();
                numbers.iter().all(|&number| {
                    let slot = slot(number, displacement);
                    let is_free = slots[slot].is_none() && !taken.contains(&slot);
                    taken.push(slot);
                    is_free
                })
            })?;
            for &number in numbers {
                displacements[bucket(number)] = found;
                slots[slot(number, found)] = Some(number);
            }
        }
        // What is in an empty slot is looked for elsewhere.
        let filler = numbers.first().copied().unwrap_or(0);
        let slots = slots.into_iter().map(|slot| slot.unwrap_or(filler));
        let bytes = displacements.into_iter().chain(slots).flat_map(u32::to_ne_bytes).collect();
        Some(Self { bytes, count: numbers.len(), bucket_bits, slot_bits, multiplier })
    }

    /// How the instruction at `pc` looks into it, being the value of map number `map`.
    pub(crate) const fn lookup(&self, pc: usize, map: usize) -> Lookup {
        Lookup {
            pc,
            map,
            bucket_multiplier: FIRST,
            bucket_bits: self.bucket_bits,
            slot_multiplier: self.multiplier,
            slot_bits: self.slot_bits,
        }
    }

    /// Whether a number is in it, found as programs find it.
    #[must_use]
    pub fn contains(&self, number: u32) -> bool {
        let word = |at: usize| {
            let bytes = self.bytes.get(4 * at..)?.first_chunk()?;
            Some(u32::from_ne_bytes(*bytes))
        };
        let bucket = number.wrapping_mul(FIRST) >> (32 - self.bucket_bits);
        let Some(displacement) = word(bucket as usize) else { return false };
        let slot = (number ^ displacement).wrapping_mul(self.multiplier) >> (32 - self.slot_bits);
        word((1 << self.bucket_bits) + slot as usize) == Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_was_put_in_is_there_and_nothing_else() {
        for count in [1u32, 2, 63, 64, 1000, 10_000, 100_000] {
            for spread in [1u32, 256, 2_654_435_761] {
                let mut numbers: Vec<u32> =
                    (0..count).map(|at| at.wrapping_mul(spread) ^ 0x0a00_0000).collect();
                numbers.sort_unstable();
                numbers.dedup();
                let table = Table::of(&numbers).unwrap();
                assert!(numbers.iter().all(|&number| table.contains(number)));
                let others = (0..1000u32).map(|at| at.wrapping_mul(0x0013_5791));
                for number in others {
                    let is_in = numbers.binary_search(&number).is_ok();
                    assert_eq!(table.contains(number), is_in, "{count} {spread} {number}");
                }
            }
        }
    }

    #[test]
    fn zero_is_not_what_empty_slots_hold() {
        let numbers: Vec<u32> = (1..100).collect();
        assert!(!Table::of(&numbers).unwrap().contains(0));
        let numbers: Vec<u32> = (0..100).collect();
        assert!(Table::of(&numbers).unwrap().contains(0));
    }
}
