//! Bloom filters: sets that may say yes to what was never put in.
//!
//! Source: `kernel/bpf/bloom_filter.c`, with another hash: which values are held for members by
//! mistake is each engine's own.

use crate::Values;
use crate::key_value::{ANY, sized};
use crate::memory::Memory;
use crate::values::{low32, padded};
use core::sync::atomic::Ordering::Relaxed;
use skep_abi::Errno;
use skep_prog::MapDef;

/// Hashes where the definition does not say how many.
const HASHES: u64 = 5;

/// `bloom_filter`
#[derive(Debug)]
pub struct BloomFilter {
    def: MapDef,
    bits: Values,
    /// Bits less 1; their number is a power of two.
    mask: u32,
    hashes: u64,
}

impl BloomFilter {
    pub(crate) fn new(memory: &Memory, def: MapDef) -> Result<Self, Errno> {
        let bytes = usize::try_from(Self::bytes(&def)).map_err(|_| Errno::ENOMEM)?;
        let mask = low32(Self::bytes(&def) * 8 - 1);
        let hashes = hashes(&def);
        Ok(Self { bits: memory.values(bytes, 1)?, mask, hashes, def })
    }

    /// Bytes of the bits: as many as make mistakes rarest, rounded up to a power of two.
    ///
    /// Kernel: `bloom_map_alloc`.
    pub(crate) fn bytes(def: &MapDef) -> u64 {
        let bits = (u64::from(def.max_entries) * hashes(def) / 5 * 7).clamp(64, 1 << 31);
        bits.next_power_of_two() / 8
    }

    /// What the map was made from.
    #[must_use]
    pub fn def(&self) -> &MapDef {
        &self.def
    }

    /// Puts a value in.
    ///
    /// # Errors
    ///
    /// `EINVAL` for flags and sizes.
    pub fn push(&self, value: &[u8], flags: u64) -> Result<(), Errno> {
        sized(value, self.def.value_size as usize)?;
        if flags != ANY {
            return Err(Errno::EINVAL);
        }
        for (word, bit) in self.places(value) {
            if let Some(word) = self.bits.half_words().get(word) {
                word.fetch_or(bit, Relaxed);
            }
        }
        Ok(())
    }

    /// Whether a value may have been put in; if it was, it is found.
    ///
    /// # Errors
    ///
    /// `ENOENT` if it was not, `EINVAL` for sizes.
    pub fn peek(&self, value: &[u8]) -> Result<(), Errno> {
        sized(value, self.def.value_size as usize)?;
        let words = self.bits.half_words();
        let set = |(word, bit): (usize, u32)| {
            words.get(word).is_some_and(|word| word.load(Relaxed) & bit != 0)
        };
        if self.places(value).all(set) { Ok(()) } else { Err(Errno::ENOENT) }
    }

    /// For each hash, a word and the bit in it.
    ///
    /// A. Kirsch, M. Mitzenmacher, "Less hashing, same performance", 2006: two hashes do for all.
    fn places(&self, value: &[u8]) -> impl Iterator<Item = (usize, u32)> {
        let mix = |hash: u64, word: u64| {
            let product = u128::from(hash ^ word) * 0x9e37_79b9_7f4a_7c15;
            low64(product) ^ low64(product >> 64)
        };
        let first = padded(value).fold(0xd6e8_feb8_6659_fd93, mix);
        let second = mix(first, 0xa076_1d64_78bd_642f) | 1;
        (0..self.hashes).map(move |n| {
            let bit = low32(first.wrapping_add(n.wrapping_mul(second)) >> 20) & self.mask;
            (bit as usize / 32, 1 << (bit % 32))
        })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is wanted")]
const fn low64(value: u128) -> u64 {
    value as u64
}

fn hashes(def: &MapDef) -> u64 {
    match def.map_extra & 0xf {
        0 => HASHES,
        hashes => hashes,
    }
}
