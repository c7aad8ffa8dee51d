//! Memory for code: written once, then executable and no longer writable.

use core::ptr::NonNull;
use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use std::io;

/// Code that lies in memory of its own, to be executed and read.
#[derive(Debug)]
pub struct ExecMemory {
    base: NonNull<u8>,
    len: usize,
    mapped: usize,
}

// SAFETY: nobody writes to the memory, and it stays until the value is dropped.
unsafe impl Send for ExecMemory {}

// SAFETY: as for `Send`.
unsafe impl Sync for ExecMemory {}

/// What is behind the code up to the end of the page: `int3`, or `udf` four bytes each.
const TRAP: u8 = if cfg!(target_arch = "aarch64") { 0 } else { 0xcc };
const PAGE: usize = 4096;

impl ExecMemory {
    /// Memory that holds these bytes.
    ///
    /// # Errors
    /// What the system says to the mapping.
    pub fn new(code: &[u8]) -> io::Result<Self> {
        let mapped = code.len().max(1).next_multiple_of(PAGE);
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a new anonymous mapping at an address of the system's choice overlaps nothing.
        let base = unsafe { mmap_anonymous(core::ptr::null_mut(), mapped, prot, flags) }?;
        let base = NonNull::new(base.cast::<u8>()).ok_or(Errno::NOMEM)?;
        let this = Self { base, len: code.len(), mapped };
        // SAFETY: the mapping has `mapped` bytes, all of them writable, and nobody else knows of it yet.
        let bytes = unsafe { core::slice::from_raw_parts_mut(base.as_ptr(), mapped) };
        let (start, rest) = bytes.split_at_mut(code.len());
        start.copy_from_slice(code);
        rest.fill(TRAP);
        // SAFETY: these are whole pages of this mapping, and the slice above is not used any more.
        unsafe {
            mprotect(base.as_ptr().cast(), mapped, MprotectFlags::READ | MprotectFlags::EXEC)
        }?;
        #[cfg(target_arch = "aarch64")]
        crate::sync::instructions(&this);
        Ok(this)
    }

    /// Bytes of code.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no code.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Address of a position in the code.
    #[must_use]
    pub fn address(&self, at: u32) -> Option<NonNull<u8>> {
        let at = at as usize;
        // SAFETY: the position is inside the mapping.
        (at < self.len).then(|| unsafe { self.base.add(at) })
    }
}

impl Drop for ExecMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and code in it runs only while the value is borrowed.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.mapped) };
        debug_assert!(unmapped.is_ok(), "bug: the mapping is not what it was");
    }
}
