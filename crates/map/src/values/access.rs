//! Atomic accesses to plain memory, by address.

use core::ptr::NonNull;
use core::sync::atomic::Ordering::{self, Relaxed, SeqCst};
use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64};
use skep_isa::{AtomicOp, Size};

#[expect(clippy::cast_possible_truncation, reason = "the low half is wanted")]
pub(crate) const fn low32(value: u64) -> u32 {
    value as u32
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is wanted")]
const fn low16(value: u64) -> u16 {
    value as u16
}

#[expect(clippy::cast_possible_truncation, reason = "the low byte is wanted")]
const fn low8(value: u64) -> u8 {
    value as u8
}

/// # Safety
///
/// `size` bytes at `place` must be live, and touched by atomic accesses only.
#[inline]
pub(super) unsafe fn load(place: NonNull<u8>, size: Size) -> u64 {
    let bytes = usize::from(size.bytes());
    if place.addr().get().is_multiple_of(bytes) {
        // SAFETY: the caller's promise, and the alignment was just tested.
        return unsafe { load_aligned(place, size, Relaxed) };
    }
    // SAFETY: the caller's promise.
    unsafe { load_bytes(place, bytes) }
}

/// # Safety
///
/// As for [`load`]; `bytes` is at most 8.
#[cold]
unsafe fn load_bytes(place: NonNull<u8>, bytes: usize) -> u64 {
    let mut out = [0; 8];
    let at = if cfg!(target_endian = "little") { 0 } else { 8 - bytes };
    // SAFETY: the caller's promise.
    unsafe { read(place, &mut out[at..at + bytes]) };
    u64::from_ne_bytes(out)
}

/// # Safety
///
/// As for [`load`].
#[inline]
pub(super) unsafe fn store(place: NonNull<u8>, size: Size, value: u64) {
    let bytes = usize::from(size.bytes());
    if place.addr().get().is_multiple_of(bytes) {
        // SAFETY: the caller's promise, and the alignment was just tested.
        return unsafe { store_aligned(place, size, value, Relaxed) };
    }
    // SAFETY: the caller's promise.
    unsafe { store_bytes(place, bytes, value) }
}

/// # Safety
///
/// As for [`load_bytes`].
#[cold]
unsafe fn store_bytes(place: NonNull<u8>, bytes: usize, value: u64) {
    let at = if cfg!(target_endian = "little") { 0 } else { 8 - bytes };
    // SAFETY: the caller's promise.
    unsafe { write(place, &value.to_ne_bytes()[at..at + bytes]) };
}

/// # Safety
///
/// As for [`load`]; `place` is a multiple of `size`.
#[inline]
pub(super) unsafe fn load_aligned(place: NonNull<u8>, size: Size, order: Ordering) -> u64 {
    match size {
        Size::B => {
            // SAFETY: the caller's promise.
            let byte = unsafe { AtomicU8::from_ptr(place.as_ptr()) };
            byte.load(order).into()
        }
        Size::H => {
            // SAFETY: the caller's promise.
            let half = unsafe { AtomicU16::from_ptr(place.cast().as_ptr()) };
            half.load(order).into()
        }
        Size::W => {
            // SAFETY: the caller's promise.
            let word = unsafe { AtomicU32::from_ptr(place.cast().as_ptr()) };
            word.load(order).into()
        }
        Size::Dw => {
            // SAFETY: the caller's promise.
            let word = unsafe { AtomicU64::from_ptr(place.cast().as_ptr()) };
            word.load(order)
        }
    }
}

/// # Safety
///
/// As for [`load_aligned`].
#[inline]
pub(super) unsafe fn store_aligned(place: NonNull<u8>, size: Size, value: u64, order: Ordering) {
    match size {
        Size::B => {
            // SAFETY: the caller's promise.
            let byte = unsafe { AtomicU8::from_ptr(place.as_ptr()) };
            byte.store(low8(value), order);
        }
        Size::H => {
            // SAFETY: the caller's promise.
            let half = unsafe { AtomicU16::from_ptr(place.cast().as_ptr()) };
            half.store(low16(value), order);
        }
        Size::W => {
            // SAFETY: the caller's promise.
            let word = unsafe { AtomicU32::from_ptr(place.cast().as_ptr()) };
            word.store(low32(value), order);
        }
        Size::Dw => {
            // SAFETY: the caller's promise.
            let word = unsafe { AtomicU64::from_ptr(place.cast().as_ptr()) };
            word.store(value, order);
        }
    }
}

/// By words from an aligned place, else by bytes.
///
/// # Safety
///
/// `out.len()` bytes at `place` must be live, and touched by atomic accesses only.
#[inline]
pub(super) unsafe fn read(place: NonNull<u8>, out: &mut [u8]) {
    let words = if is_word(place) { out.len() / 8 } else { 0 };
    let (words, rest) = out.split_at_mut(words * 8);
    // SAFETY: the caller vouches for the length, of which this is a part.
    let tail = unsafe { place.add(words.len()) };
    for (n, word) in words.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        // SAFETY: the word is among the bytes the caller vouches for.
        let from = unsafe { place.add(n * 8) };
        // SAFETY: the same, and `place` is aligned.
        *word = unsafe { load_aligned(from, Size::Dw, Relaxed) }.to_ne_bytes();
    }
    for (n, byte) in rest.iter_mut().enumerate() {
        // SAFETY: the byte is among those the caller vouches for.
        let from = unsafe { tail.add(n) };
        // SAFETY: the same.
        *byte = low8(unsafe { load_aligned(from, Size::B, Relaxed) });
    }
}

/// By words to an aligned place, else by bytes.
///
/// # Safety
///
/// As for [`read`].
#[inline]
pub(super) unsafe fn write(place: NonNull<u8>, bytes: &[u8]) {
    let words = if is_word(place) { bytes.len() / 8 } else { 0 };
    let (words, rest) = bytes.split_at(words * 8);
    // SAFETY: the caller vouches for the length, of which this is a part.
    let tail = unsafe { place.add(words.len()) };
    for (n, word) in words.as_chunks::<8>().0.iter().enumerate() {
        // SAFETY: the word is among the bytes the caller vouches for.
        let to = unsafe { place.add(n * 8) };
        // SAFETY: the same, and `place` is aligned.
        unsafe { store_aligned(to, Size::Dw, u64::from_ne_bytes(*word), Relaxed) };
    }
    for (n, byte) in rest.iter().enumerate() {
        // SAFETY: the byte is among those the caller vouches for.
        let to = unsafe { tail.add(n) };
        // SAFETY: the same.
        unsafe { store_aligned(to, Size::B, (*byte).into(), Relaxed) };
    }
}

fn is_word(place: NonNull<u8>) -> bool {
    place.addr().get().is_multiple_of(8)
}

macro_rules! rmw {
    ($name:ident, $atomic:ty, $word:ty) => {
        pub(super) fn $name(word: &$atomic, op: AtomicOp, src: $word, r0: $word) -> $word {
            match op {
                AtomicOp::Add | AtomicOp::FetchAdd => word.fetch_add(src, SeqCst),
                AtomicOp::Or | AtomicOp::FetchOr => word.fetch_or(src, SeqCst),
                AtomicOp::And | AtomicOp::FetchAnd => word.fetch_and(src, SeqCst),
                AtomicOp::Xor | AtomicOp::FetchXor => word.fetch_xor(src, SeqCst),
                AtomicOp::Xchg => word.swap(src, SeqCst),
                AtomicOp::CmpXchg => {
                    let (Ok(old) | Err(old)) = word.compare_exchange(r0, src, SeqCst, SeqCst);
                    old
                }
            }
        }
    };
}

rmw!(rmw32, AtomicU32, u32);
rmw!(rmw64, AtomicU64, u64);
