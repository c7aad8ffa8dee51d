//! Memory that programs on several threads read and write at once.
//!
//! # Model
//!
//! [`Values`] is one piece of memory, zeroed at first, cut into cells of equal size: one value of a map
//! each, and behind it what else the map keeps of the entry. Cells
//! never move while the map lives, so that a program may keep the position (or, in machine code, the
//! address) of a value that another program deletes meanwhile; the cell may then get a new owner, as
//! in the kernel's preallocated maps, but stays memory of the map.
//!
//! # Races
//!
//! Programs race on values, and no rule forbids it. Every access from here is therefore an atomic
//! one: relaxed and whole when its address is a multiple of its size, byte by byte otherwise. Longer
//! copies go by aligned words, so a copy may mix old and new words but no halves of a word.
//! Two racing accesses of different sizes are atomic in hardware; Rust leaves them open. Nothing
//! here assumes a value to be other than bytes.

mod access;
mod owner;
#[cfg(test)]
mod tests;

use crate::memory::{Backing, Memory};
use access::{load, load_aligned, read, rmw32, rmw64, store, store_aligned, write};
use core::fmt;
use core::ptr::NonNull;
use core::slice;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU32, AtomicU64};
use skep_abi::Errno;
use skep_isa::{AtomicOp, Size};

pub(crate) use access::low32;

/// Cells of equal size at stable addresses.
pub struct Values {
    base: NonNull<u8>,
    len: usize,
    stride: usize,
    value_size: usize,
    /// The stride less 1 if it is a power of two, else 0.
    mask: usize,
    /// `⌈2^64 / stride⌉`: remainders without a division.
    inverse: u64,
    /// Keeps the memory.
    backing: Backing,
}

// SAFETY: the memory lives as long as the value, and no access depends on the thread.
unsafe impl Send for Values {}

// SAFETY: all access through `&self` is atomic.
unsafe impl Sync for Values {}

/// Why an atomic access is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum AccessError {
    /// Not inside one value.
    #[error("access is not inside a map value")]
    Outside,
    /// The address is no multiple of the size.
    #[error("atomic access is not aligned to its size")]
    Unaligned,
    /// Atomic operations have 4 or 8 bytes.
    #[error("atomic access is neither 4 nor 8 bytes")]
    Size,
}

impl Values {
    /// `cells` zeroed values of `value_size` bytes, [`Errno::ENOMEM`] where memory does not suffice.
    /// Large amounts take no memory before they are written.
    pub(crate) fn new(value_size: usize, cells: usize) -> Result<Self, Errno> {
        Memory::Heap.values(value_size, cells)
    }

    /// Cells in memory of [`Memory`].
    ///
    /// # Safety
    ///
    /// `len` bytes from `base`, an aligned address, must live as long as `backing`, and be touched by
    /// atomic accesses only. `stride` is a multiple of 8 that is not 0, `len` one of `stride`.
    pub(crate) unsafe fn from_parts(
        base: NonNull<u8>,
        len: usize,
        (value_size, stride): (usize, usize),
        backing: Backing,
    ) -> Self {
        let inverse = (u64::MAX / stride as u64).wrapping_add(1);
        let mask = if stride.is_power_of_two() { stride - 1 } else { 0 };
        Self { base, len, stride, value_size, mask, inverse, backing }
    }

    /// Bytes in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no cells.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes from one value to the next, a multiple of 8: [`Values::value_size`] and what the map
    /// keeps of the entry.
    #[must_use]
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Bytes of a value that belong to programs.
    #[must_use]
    pub fn value_size(&self) -> usize {
        self.value_size
    }

    /// Address of the first value, a multiple of 64. For machine code, which owes that it touches
    /// nothing but values; positions are offsets from here.
    #[must_use]
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.base
    }

    /// Zero-extended. `None` unless all bytes are inside one value.
    #[inline]
    #[must_use]
    pub fn load(&self, at: usize, size: Size) -> Option<u64> {
        let place = self.place(at, usize::from(size.bytes()))?;
        // SAFETY: `place` checked that the bytes are inside a cell, which is only touched atomically.
        Some(unsafe { load(place, size) })
    }

    /// Stores the low bytes of `value`. `None` unless all bytes are inside one value.
    #[inline]
    pub fn store(&self, at: usize, size: Size, value: u64) -> Option<()> {
        let place = self.place(at, usize::from(size.bytes()))?;
        // SAFETY: `place` checked that the bytes are inside a cell, which is only touched atomically.
        unsafe { store(place, size, value) };
        Some(())
    }

    /// A sequentially consistent operation on 4 or 8 bytes; gives the old value, zero-extended.
    ///
    /// # Errors
    ///
    /// The access is not inside one value, unaligned, or of another size.
    pub fn atomic(
        &self,
        at: usize,
        size: Size,
        op: AtomicOp,
        src: u64,
        r0: u64,
    ) -> Result<u64, AccessError> {
        let place = self.aligned(at, size)?;
        match size {
            Size::W => {
                // SAFETY: `aligned` checked place and alignment; cells are only touched atomically.
                let word = unsafe { AtomicU32::from_ptr(place.cast().as_ptr()) };
                Ok(u64::from(rmw32(word, op, low32(src), low32(r0))))
            }
            Size::Dw => {
                // SAFETY: `aligned` checked place and alignment; cells are only touched atomically.
                let word = unsafe { AtomicU64::from_ptr(place.cast().as_ptr()) };
                Ok(rmw64(word, op, src, r0))
            }
            Size::B | Size::H => Err(AccessError::Size),
        }
    }

    /// A load that later accesses may not overtake, zero-extended.
    ///
    /// # Errors
    ///
    /// The access is not inside one value or unaligned.
    pub fn load_acquire(&self, at: usize, size: Size) -> Result<u64, AccessError> {
        let place = self.aligned(at, size)?;
        // SAFETY: `aligned` checked place and alignment; cells are only touched atomically.
        Ok(unsafe { load_aligned(place, size, Acquire) })
    }

    /// A store that earlier accesses may not be delayed beyond.
    ///
    /// # Errors
    ///
    /// The access is not inside one value or unaligned.
    pub fn store_release(&self, at: usize, size: Size, value: u64) -> Result<(), AccessError> {
        let place = self.aligned(at, size)?;
        // SAFETY: `aligned` checked place and alignment; cells are only touched atomically.
        unsafe { store_aligned(place, size, value, Release) };
        Ok(())
    }

    /// Copies out. `None` unless all bytes are inside one value.
    pub fn read(&self, at: usize, out: &mut [u8]) -> Option<()> {
        let place = self.place(at, out.len())?;
        // SAFETY: `place` checked the whole length.
        unsafe { read(place, out) };
        Some(())
    }

    /// Copies in. `None` unless all bytes are inside one value.
    pub fn write(&self, at: usize, bytes: &[u8]) -> Option<()> {
        let place = self.place(at, bytes.len())?;
        // SAFETY: `place` checked the whole length.
        unsafe { write(place, bytes) };
        Some(())
    }

    /// As [`Values::read`] for a whole cell, padding included: what bpf(2) copies of per-CPU values.
    pub(crate) fn read_cell(&self, at: usize, out: &mut [u8]) -> Option<()> {
        let place = self.cell(at, out.len())?;
        // SAFETY: `cell` checked the whole length.
        unsafe { read(place, out) };
        Some(())
    }

    /// As [`Values::write`] for a whole cell, padding included.
    pub(crate) fn write_cell(&self, at: usize, bytes: &[u8]) -> Option<()> {
        let place = self.cell(at, bytes.len())?;
        // SAFETY: `cell` checked the whole length.
        unsafe { write(place, bytes) };
        Some(())
    }

    /// Zeroes the value at `at`, padding included.
    pub(crate) fn clear_cell(&self, at: usize) {
        for word in 0..self.value_size.div_ceil(8) {
            if let Some(place) = self.cell(at + word * 8, 8) {
                // SAFETY: `cell` checked the eight bytes.
                unsafe { store(place, Size::Dw, 0) };
            }
        }
    }

    /// All of it as words of 64 bits. For the crate's own tables.
    #[inline]
    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: `len` bytes from `base`, an aligned address, live as long as `self` and are only
        // touched atomically.
        unsafe { slice::from_raw_parts(self.base.cast().as_ptr(), self.len / 8) }
    }

    /// All of it as words of 32 bits. For the crate's own tables.
    #[inline]
    pub(crate) fn half_words(&self) -> &[AtomicU32] {
        // SAFETY: as for `words`.
        unsafe { slice::from_raw_parts(self.base.cast().as_ptr(), self.len / 4) }
    }

    /// The 32-bit word at `at`, a multiple of 4; 0 outside. For the crate's own tables.
    #[inline]
    pub(crate) fn word(&self, at: usize) -> u32 {
        self.half_words().get(at / 4).map_or(0, |word| word.load(Relaxed))
    }

    /// Counterpart of [`Values::word`].
    #[inline]
    pub(crate) fn set_word(&self, at: usize, word: u32) {
        match self.half_words().get(at / 4) {
            Some(place) => place.store(word, Relaxed),
            None => self.assert_bug_free(at),
        }
    }

    /// Writes `bytes`, padded with zeroes, by words alone: races with
    /// [`Values::get_padded`] are races of words.
    pub(crate) fn set_padded(&self, at: usize, bytes: &[u8]) {
        let mut words = padded(bytes).enumerate();
        if words.try_for_each(|(n, word)| self.store(at + n * 8, Size::Dw, word)).is_none() {
            self.assert_bug_free(at);
        }
    }

    /// What another process may have written is no bug of this one.
    #[cold]
    fn assert_bug_free(&self, at: usize) {
        debug_assert!(!matches!(self.backing, Backing::Heap { .. }), "bug: {at} is outside");
    }

    /// Counterpart of [`Values::set_padded`].
    pub(crate) fn get_padded(&self, at: usize, out: &mut [u8]) {
        for (n, bytes) in out.chunks_mut(8).enumerate() {
            let word = self.load(at + n * 8, Size::Dw).unwrap_or(0).to_ne_bytes();
            bytes.copy_from_slice(&word[..bytes.len()]);
        }
    }

    /// Address of `len` bytes inside one value.
    #[inline]
    fn place(&self, at: usize, len: usize) -> Option<NonNull<u8>> {
        let within = if at < self.value_size { at } else { self.within(at) };
        if at >= self.len || self.value_size.checked_sub(within)? < len {
            return None;
        }
        // SAFETY: `at` is less than `len`, the size of the allocation from `base` on.
        Some(unsafe { self.base.add(at) })
    }

    /// Address of `len` bytes inside one cell.
    fn cell(&self, at: usize, len: usize) -> Option<NonNull<u8>> {
        if at >= self.len || self.value_size.next_multiple_of(8) < self.within(at) + len {
            return None;
        }
        // SAFETY: `at` is less than `len`, the size of the allocation from `base` on.
        Some(unsafe { self.base.add(at) })
    }

    /// `at % stride`. With 32 bits on both sides the product of the fraction bits of `at / stride`
    /// with `stride` is exact (Lemire, Kaser, Kurz, "Faster Remainder by Direct Computation").
    #[inline]
    fn within(&self, at: usize) -> usize {
        if self.mask != 0 {
            return at & self.mask;
        }
        if let (Ok(short), Ok(_)) = (u32::try_from(at), u32::try_from(self.stride)) {
            let fraction = self.inverse.wrapping_mul(short.into());
            #[expect(clippy::cast_possible_truncation, reason = "less than stride, a usize")]
            let rest = ((u128::from(fraction) * self.stride as u128) >> 64) as usize;
            return rest;
        }
        at % self.stride
    }

    #[inline]
    fn aligned(&self, at: usize, size: Size) -> Result<NonNull<u8>, AccessError> {
        let bytes = usize::from(size.bytes());
        let place = self.place(at, bytes).ok_or(AccessError::Outside)?;
        // The base is aligned, so the position tells.
        if at.is_multiple_of(bytes) { Ok(place) } else { Err(AccessError::Unaligned) }
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Values({} x {} bytes)", self.len / self.stride, self.value_size)
    }
}

/// The words of some bytes, padded with zeroes.
#[inline]
pub(crate) fn padded(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let (words, rest) = bytes.as_chunks::<8>();
    let last = (!rest.is_empty()).then(|| padded_word(rest));
    words.iter().map(|word| u64::from_ne_bytes(*word)).chain(last)
}

/// At most 8 bytes as a word, padded with zeroes.
#[inline]
pub(crate) fn first_word(bytes: &[u8]) -> u64 {
    match bytes.as_array() {
        Some(word) => u64::from_ne_bytes(*word),
        None => padded_word(bytes),
    }
}

/// At most 7 bytes as a word. Copying a number of bytes that is not constant would cost more than
/// the rest of a map lookup.
#[inline]
fn padded_word(bytes: &[u8]) -> u64 {
    let word = match (bytes.first_chunk(), bytes.last_chunk()) {
        // Where the two overlap they have the same bits.
        (Some(first), Some(last)) => {
            let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
            u64::from(first) | u64::from(last) << ((bytes.len() - 4) * 8)
        }
        _ => bytes.iter().rfold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    word.to_le()
}
