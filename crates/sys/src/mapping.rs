//! Memory shared with the kernel.

use crate::{Cmd, SysError};
use skep_abi::Errno;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::{io, slice};

/// A shared mapping of a buffer, undone when dropped. Positions are bytes from its start; one that
/// is out of it or not aligned is a bug.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

impl Mapping {
    /// Maps `len` bytes of the buffer from byte `at` on.
    pub(crate) fn new(
        fd: BorrowedFd<'_>,
        at: usize,
        len: usize,
        writable: bool,
    ) -> Result<Self, SysError> {
        let errno = |number| SysError::new(Cmd::Mmap, Errno::from_number(number));
        let at = libc::off_t::try_from(at).map_err(|_| errno(libc::EINVAL))?;
        let prot = if writable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        // SAFETY: no address is requested, so no mapping in use is replaced.
        let base =
            unsafe { libc::mmap(ptr::null_mut(), len, prot, libc::MAP_SHARED, fd.as_raw_fd(), at) };
        if base == libc::MAP_FAILED {
            return Err(errno(io::Error::last_os_error().raw_os_error().unwrap_or(0)));
        }
        let base = NonNull::new(base.cast()).expect("bug: mmap returned the null page");
        Ok(Self { base, len })
    }

    fn at(&self, at: usize, size: usize) -> NonNull<u8> {
        let end = at.checked_add(size).expect("bug: position beyond the address space");
        assert!(end <= self.len && at.is_multiple_of(size), "bug: position outside the mapping");
        // SAFETY: the assertion keeps the result inside the mapping.
        unsafe { self.base.add(at) }
    }

    /// A position that the kernel publishes.
    pub(crate) fn acquire64(&self, at: usize) -> u64 {
        let cell = self.at(at, 8).cast::<AtomicU64>();
        // SAFETY: `at` yields 8 aligned bytes of a mapping that lives as long as `self`; all accesses to
        // positions are atomic.
        unsafe { cell.as_ref() }.load(Ordering::Acquire)
    }

    /// The head of a record that the kernel publishes.
    pub(crate) fn acquire32(&self, at: usize) -> u32 {
        let cell = self.at(at, 4).cast::<AtomicU32>();
        // SAFETY: as in `acquire64`, for 4 bytes.
        unsafe { cell.as_ref() }.load(Ordering::Acquire)
    }

    /// Gives space back to the kernel. The mapping must be writable.
    pub(crate) fn release64(&self, at: usize, value: u64) {
        let cell = self.at(at, 8).cast::<AtomicU64>();
        // SAFETY: as in `acquire64`.
        unsafe { cell.as_ref() }.store(value, Ordering::Release);
    }

    /// Bytes of a record that the kernel has finished.
    pub(crate) fn copy(&self, at: usize, len: usize) -> Vec<u8> {
        let end = at.checked_add(len);
        assert!(end.is_some_and(|end| end <= self.len), "bug: record outside the mapping");
        // SAFETY: the assertion keeps `at` inside the mapping.
        let start = unsafe { self.base.add(at) };
        // SAFETY: `len` bytes follow within the mapping, and the kernel writes a finished record no
        // more until its space is given back.
        unsafe { slice::from_raw_parts(start.as_ptr(), len) }.to_vec()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new`, and nothing refers to it after `self`.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// Bytes of a page.
pub(crate) fn page_size() -> usize {
    // SAFETY: sysconf reads a constant.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}
