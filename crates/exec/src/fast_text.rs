//! Texts compared by a direct call from code, where the verifier knows them to be there.

use core::sync::atomic::AtomicU8;
use core::sync::atomic::Ordering::Relaxed;

/// Bytes that are compared at most: of longer texts the interpreter's helper counts what it reads.
const SHORT: u32 = 32;

/// Whether so many bytes are compared here.
pub(crate) const fn is_short(size: u32) -> bool {
    size <= SHORT
}

/// `bpf_strncmp`; the second text ends with a zero, and both may change meanwhile.
pub(crate) extern "C" fn strncmp(a: *const u8, size: u32, b: *const u8) -> u64 {
    for at in 0..size as usize {
        // SAFETY: the verifier has seen that `size` bytes of the first text may be read, and the second up to its zero,
        // where the loop ends at the latest.
        let x = unsafe { AtomicU8::from_ptr(a.cast_mut().wrapping_add(at)) }.load(Relaxed);
        // SAFETY: as above.
        let y = unsafe { AtomicU8::from_ptr(b.cast_mut().wrapping_add(at)) }.load(Relaxed);
        if x != y || x == 0 {
            return (i64::from(x > y) - i64::from(x < y)).cast_unsigned();
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_differ_at_the_first_byte_that_does() {
        let compare =
            |a: &[u8], size, b: &[u8]| strncmp(a.as_ptr(), size, b.as_ptr()).cast_signed();
        assert_eq!(compare(b"helpez", 6, b"helper\0"), 1);
        assert_eq!(compare(b"helper", 6, b"helpez\0"), -1);
        assert_eq!(compare(b"help\0r", 6, b"help\0"), 0);
        assert_eq!(compare(b"helper", 4, b"help\0"), 0);
        assert_eq!(compare(b"helper", 6, b"help\0"), 1);
        assert_eq!(compare(b"x", 0, b"\0"), 0);
        assert!(is_short(32) && !is_short(33));
    }
}
