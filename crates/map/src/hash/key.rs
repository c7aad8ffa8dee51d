//! Keys, ready to be looked for.

use crate::values::{first_word, low32, padded};
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

/// A key and its hash, which is the same in every run, so that iteration has the same order. Whoever
/// chooses the keys can make them collide, which costs time in proportion to the entries and no more.
pub(super) trait Key: Copy {
    fn hash(self) -> u32;

    /// Whether it is the key of a node with this link, in these words.
    fn is_in(self, link: u64, first: &AtomicU64, rest: &[AtomicU64]) -> bool;

    /// Writes it to the words of a node.
    fn store(self, first: &AtomicU64, rest: &[AtomicU64]);
}

/// Up to eight bytes: what most keys have.
#[derive(Clone, Copy)]
pub(super) struct Short {
    hash: u32,
    /// Padded with zeroes.
    word: u64,
}

/// Any other number of bytes.
#[derive(Clone, Copy)]
pub(super) struct Long<'k> {
    hash: u32,
    bytes: &'k [u8],
}

impl Short {
    #[inline(always)]
    pub(super) fn new(key: &[u8]) -> Self {
        let word = match key.as_array::<4>() {
            Some(key) => u64::from(u32::from_le_bytes(*key)).to_le(),
            None => word(key),
        };
        Self { hash: short(fold(key.len() as u64 ^ word.to_le())), word }
    }
}

impl Short {
    /// Of four or eight bytes alone, which needs no call.
    #[inline(always)]
    pub(super) fn quick(key: &[u8]) -> Option<Self> {
        let word = match (key.as_array::<4>(), key.as_array::<8>()) {
            (Some(key), _) => u64::from(u32::from_le_bytes(*key)).to_le(),
            (_, Some(key)) => u64::from_ne_bytes(*key),
            _ => return None,
        };
        Some(Self { hash: short(fold(key.len() as u64 ^ word.to_le())), word })
    }

    /// Whether a node begins its key with this word, which is all of it.
    #[inline(always)]
    pub(super) fn is_at(self, first: &AtomicU64) -> bool {
        first.load(Relaxed) == self.word
    }
}

#[inline(never)]
fn word(key: &[u8]) -> u64 {
    first_word(key)
}

impl Key for Short {
    #[inline(always)]
    fn hash(self) -> u32 {
        self.hash
    }

    #[inline(always)]
    fn is_in(self, _link: u64, first: &AtomicU64, _rest: &[AtomicU64]) -> bool {
        self.is_at(first)
    }

    #[inline(always)]
    fn store(self, first: &AtomicU64, _rest: &[AtomicU64]) {
        first.store(self.word, Relaxed);
    }
}

impl<'k> Long<'k> {
    #[inline]
    pub(super) fn new(bytes: &'k [u8]) -> Self {
        let hash = bytes.len() as u64;
        let (words, rest) = bytes.as_chunks::<8>();
        let hash = words.iter().fold(hash, |hash, word| fold(hash ^ u64::from_le_bytes(*word)));
        let rest = if rest.is_empty() { hash } else { fold(hash ^ word(rest).to_le()) };
        Self { hash: short(rest), bytes }
    }
}

impl Key for Long<'_> {
    #[inline(always)]
    fn hash(self) -> u32 {
        self.hash
    }

    #[inline]
    fn is_in(self, link: u64, first: &AtomicU64, rest: &[AtomicU64]) -> bool {
        let Some((head, tail)) = self.bytes.split_first_chunk::<8>() else { return false };
        if link >> 32 != u64::from(self.hash) || first.load(Relaxed) != u64::from_ne_bytes(*head) {
            return false;
        }
        let (whole, last) = tail.as_chunks::<8>();
        let same =
            |(at, bytes): (&AtomicU64, &[u8; 8])| at.load(Relaxed) == u64::from_ne_bytes(*bytes);
        rest.iter().zip(whole).all(same)
            && (last.is_empty()
                || rest.get(whole.len()).is_some_and(|at| at.load(Relaxed) == word(last)))
    }

    #[inline]
    fn store(self, first: &AtomicU64, rest: &[AtomicU64]) {
        let words = [first].into_iter().chain(rest);
        words.zip(padded(self.bytes)).for_each(|(at, word)| at.store(word, Relaxed));
    }
}

/// Runs an expression with the bytes of a key as the kind of [`Key`] that they are.
macro_rules! with_key {
    ($bytes:expr, $key:ident => $then:expr) => {
        if $bytes.len() <= 8 {
            let $key = Short::new($bytes);
            $then
        } else {
            let $key = Long::new($bytes);
            $then
        }
    };
}
pub(super) use with_key;

#[inline(always)]
const fn short(hash: u64) -> u32 {
    low32(hash ^ hash >> 32)
}

/// A multiplication folded to itself. The factor is the fraction of the golden ratio; the summand keeps
/// 0 from being a fixed point.
#[inline(always)]
const fn fold(word: u64) -> u64 {
    let word = word ^ 0xd6e8_feb8_6659_fd93;
    let product = word as u128 * 0x9e37_79b9_7f4a_7c15;
    #[expect(clippy::cast_possible_truncation, reason = "both halves are wanted")]
    let folded = product as u64 ^ (product >> 64) as u64;
    folded
}
