//! Large sets of numbers and of IPv6 prefixes as tables that a program looks into: in eBPF, the value of an array map.
//!
//! A table is a perfect hash: the upper bits of `number * FIRST` are a bucket, whose entry is a displacement;
//! the upper bits of `(number ^ displacement) * second` are a slot, no two numbers having the same one. The
//! number is in the set if it is in its slot, so that a packet costs two loads, however large the set is. Prefixes
//! are first mixed to 64 bits, which are looked up so; what is compared in the end is the prefix.

use crate::error::{Error, ErrorKind};
use skep_cbpf::{Key, Lookup};
use skep_diag::Span;

/// Fewer numbers are searched as a tree.
pub(crate) const LARGE: usize = 64;
/// More are refused: the value of a map would be larger than loaders like.
const MOST: usize = 4_000_000;
/// Multiplies for buckets, and at first for slots: the golden ratio and another odd number.
const FIRST: u32 = 0x9e37_79b1;
const SECOND: u32 = 0x85eb_ca6b;
/// Mix prefixes: the golden ratio and another odd number.
const FIRST_WIDE: u64 = 0x9e37_79b9_7f4a_7c15;
const SECOND_WIDE: u64 = 0xd6e8_feb8_6659_fd93;
/// From one displacement to the next.
const SPREAD: u32 = 0xc2b2_ae35;
/// Displacements that are tried for a bucket.
const TRIES: u32 = 1 << 16;
/// Multipliers that are tried.
const MULTIPLIERS: u32 = 16;

/// A table, and how numbers are looked up in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The displacements, then the slots: numbers as the host has them.
    pub bytes: Vec<u8>,
    /// How many numbers or prefixes are in it.
    pub count: usize,
    bucket_bits: u32,
    slot_bits: u32,
    hash: Hash,
}

/// How what is looked for finds its bucket and its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    /// A number, with the multiplier for slots.
    Number(u32),
    /// The bits of a prefix.
    Prefix(u64, u64),
}

/// IPv6 prefixes of one length, in order, other bits being 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prefixes {
    pub(crate) len: u32,
    pub(crate) list: Vec<u128>,
}

impl Prefixes {
    /// Words of 32 bits that have the prefix.
    pub(crate) const fn words(&self) -> u32 {
        if self.len == 0 { 1 } else { self.len.div_ceil(32) }
    }

    pub(crate) const fn mask(&self) -> u128 {
        if self.len == 0 { 0 } else { u128::MAX << (128 - self.len) }
    }
}

/// What is put into slots.
trait Entry: Copy + PartialEq {
    fn bucket(self, hash: Hash, bits: u32) -> usize;
    fn slot(self, hash: Hash, displacement: u32, bits: u32) -> usize;
    fn write(self, bytes: &mut Vec<u8>);
}

impl Entry for u32 {
    fn bucket(self, _: Hash, bits: u32) -> usize {
        (self.wrapping_mul(FIRST) >> (32 - bits)) as usize
    }

    fn slot(self, hash: Hash, displacement: u32, bits: u32) -> usize {
        let Hash::Number(multiplier) = hash else { return 0 };
        ((self ^ displacement).wrapping_mul(multiplier) >> (32 - bits)) as usize
    }

    fn write(self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_ne_bytes());
    }
}

impl Entry for u128 {
    fn bucket(self, hash: Hash, bits: u32) -> usize {
        upper(mixed(self, hash), bits)
    }

    fn slot(self, hash: Hash, displacement: u32, bits: u32) -> usize {
        let Hash::Prefix(_, second) = hash else { return 0 };
        upper((mixed(self, hash) ^ u64::from(displacement)).wrapping_mul(second), bits)
    }

    fn write(self, bytes: &mut Vec<u8>) {
        for half in halves(self) {
            bytes.extend(half.to_ne_bytes());
        }
    }
}

fn halves(prefix: u128) -> [u64; 2] {
    [prefix >> 64, prefix & u128::from(u64::MAX)].map(|half| u64::try_from(half).unwrap_or(0))
}

fn mixed(prefix: u128, hash: Hash) -> u64 {
    let Hash::Prefix(first, second) = hash else { return 0 };
    let [upper, lower] = halves(prefix);
    upper.wrapping_mul(first).wrapping_add(lower).wrapping_mul(second)
}

fn upper(number: u64, bits: u32) -> usize {
    usize::try_from(number >> (64 - bits)).unwrap_or(0)
}

impl Table {
    /// A table of numbers, each there once.
    pub(crate) fn of(numbers: &[u32]) -> Result<Self, Error> {
        Self::with_one_of(numbers, |at| {
            Hash::Number(SECOND.wrapping_add(at.wrapping_mul(0x1234_5678)) | 1)
        })
    }

    /// A table of prefixes, each there once.
    pub(crate) fn of_prefixes(prefixes: &Prefixes) -> Result<Self, Error> {
        Self::with_one_of(&prefixes.list, |at| {
            let more = u64::from(at).wrapping_mul(0x2545_f491_4f6c_dd1d);
            Hash::Prefix(FIRST_WIDE.wrapping_add(more << 1), SECOND_WIDE.wrapping_add(more << 1))
        })
    }

    fn with_one_of<T: Entry>(entries: &[T], hash: impl Fn(u32) -> Hash) -> Result<Self, Error> {
        let refused = || {
            let kind = ErrorKind::TableTooLarge { count: entries.len(), most: MOST };
            Error::new(Span::default(), kind)
        };
        if entries.len() > MOST {
            return Err(refused());
        }
        // Slots are at most two thirds full, buckets have four entries.
        let bits = |count: usize| usize::BITS - count.leading_zeros();
        let slot_bits = bits(entries.len() + entries.len() / 2).max(2);
        let bucket_bits = bits(entries.len() / 4).max(1);
        (0..MULTIPLIERS)
            .find_map(|at| Self::with(entries, bucket_bits, slot_bits, hash(at)))
            .ok_or_else(refused)
    }

    fn with<T: Entry>(entries: &[T], bucket_bits: u32, slot_bits: u32, hash: Hash) -> Option<Self> {
        let bucket = |entry: T| entry.bucket(hash, bucket_bits);
        let slot = |entry: T, displacement: u32| entry.slot(hash, displacement, slot_bits);
        let mut sorted: Vec<T> = entries.to_vec();
        sorted.sort_unstable_by_key(|&entry| bucket(entry));
        let mut buckets: Vec<&[T]> = sorted.chunk_by(|&a, &b| bucket(a) == bucket(b)).collect();
        buckets.sort_by_key(|entries| std::cmp::Reverse(entries.len()));
        let mut displacements = vec![0u32; 1 << bucket_bits];
        let mut slots: Vec<Option<T>> = vec![None; 1 << slot_bits];
        let mut taken: Vec<usize> = Vec::new();
        for entries in buckets {
            // Spread over all bits, so that numbers that differ in any part only come apart.
            let mut displacements_tried = (0..TRIES).map(|at| at.wrapping_mul(SPREAD));
            let found = displacements_tried.find(|&displacement| {
                taken.clear();
                entries.iter().all(|&entry| {
                    let slot = slot(entry, displacement);
                    let is_free = slots[slot].is_none() && !taken.contains(&slot);
                    taken.push(slot);
                    is_free
                })
            })?;
            for &entry in entries {
                displacements[bucket(entry)] = found;
                slots[slot(entry, found)] = Some(entry);
            }
        }
        let mut bytes: Vec<u8> = displacements.into_iter().flat_map(u32::to_ne_bytes).collect();
        // What is in an empty slot is looked for elsewhere.
        let filler = entries.first().copied()?;
        slots.into_iter().for_each(|slot| slot.unwrap_or(filler).write(&mut bytes));
        Some(Self { bytes, count: entries.len(), bucket_bits, slot_bits, hash })
    }

    /// How the instruction at `pc` looks into it, being the value of map number `map`; for prefixes of so many words, of
    /// which the first is in a scratch cell.
    pub(crate) const fn lookup(&self, pc: usize, map: usize, (count, cell): (u32, u32)) -> Lookup {
        let (bucket_bits, slot_bits) = (self.bucket_bits, self.slot_bits);
        let key = match self.hash {
            Hash::Number(slot_multiplier) => {
                Key::Number { bucket_multiplier: FIRST, slot_multiplier }
            }
            Hash::Prefix(first, second) => Key::Words { count, cell, multipliers: (first, second) },
        };
        Lookup { pc, map, bucket_bits, slot_bits, key }
    }

    /// Whether a number is in it, found as programs find it.
    #[must_use]
    pub fn contains(&self, number: u32) -> bool {
        matches!(self.hash, Hash::Number(_)) && self.finds(number)
    }

    /// Whether a prefix is in it, its other bits being 0, found as programs find it.
    #[must_use]
    pub fn contains_prefix(&self, prefix: u128) -> bool {
        matches!(self.hash, Hash::Prefix(..)) && self.finds(prefix)
    }

    fn finds<T: Entry>(&self, entry: T) -> bool {
        let at = 4 * entry.bucket(self.hash, self.bucket_bits);
        let displacement = self.bytes.get(at..).and_then(|bytes| bytes.first_chunk());
        let displacement = displacement.map_or(0, |bytes| u32::from_ne_bytes(*bytes));
        let slot = entry.slot(self.hash, displacement, self.slot_bits);
        let mut wanted = Vec::new();
        entry.write(&mut wanted);
        let at = (4 << self.bucket_bits) + slot * wanted.len();
        self.bytes.get(at..).is_some_and(|bytes| bytes.starts_with(&wanted))
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
    fn prefixes_are_found_and_nothing_else() {
        for count in [1u128, 63, 64, 1000, 100_000] {
            for len in [32, 48, 64, 128] {
                for spread in [1u128, 0x1234_5678_9abc_def1_1357_9bdf_0246_8ace] {
                    let shift = 128 - len;
                    let mut list: Vec<u128> =
                        (0..count).map(|at| (at.wrapping_mul(spread) >> 3) << shift).collect();
                    list.sort_unstable();
                    list.dedup();
                    let prefixes = Prefixes { len, list };
                    let table = Table::of_prefixes(&prefixes).unwrap();
                    assert!(prefixes.list.iter().all(|&prefix| table.contains_prefix(prefix)));
                    for prefix in (0..1000).map(|at: u128| (at.wrapping_mul(0x97) << 9) << shift) {
                        let is_in = prefixes.list.binary_search(&prefix).is_ok();
                        assert_eq!(
                            table.contains_prefix(prefix),
                            is_in,
                            "{count} {len} {prefix:x}"
                        );
                    }
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
