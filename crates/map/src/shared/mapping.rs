//! A file, mapped.

use super::process::{self, Processes};
use super::{SharedError, header, system};
use crate::values::low32;
use core::ptr::{self, NonNull};
use core::slice;
use core::sync::atomic::Ordering::{Acquire, Relaxed};
use core::sync::atomic::{AtomicU32, AtomicU64};
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap};
use std::fs::File;

const PAGE: usize = 4096;

/// The memory of a map in a file, and this process's number among those that have it.
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
    /// A page of this process alone whose first word is the number. The kernel empties it in children,
    /// which get numbers of their own.
    own: NonNull<u8>,
}

// SAFETY: the mappings belong to the value alone, and no access depends on the thread.
unsafe impl Send for Mapping {}

// SAFETY: all access through `&self` is atomic.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// `len` bytes of a file that is as long at least, and as [`header::DATA`].
    pub(super) fn new(file: &File, len: usize) -> Result<Self, SharedError> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel picks the place, where nothing is.
        let base = unsafe { mmap(ptr::null_mut(), len, access, MapFlags::SHARED, file, 0) };
        let base = base.ok().and_then(|base| NonNull::new(base.cast::<u8>()));
        let Some(base) = base else {
            return Err(system("map the file", std::io::Error::last_os_error()));
        };
        // SAFETY: as above.
        let own = unsafe { mmap_anonymous(ptr::null_mut(), PAGE, access, MapFlags::PRIVATE) };
        let Some(own) = own.ok().and_then(|own| NonNull::new(own.cast::<u8>())) else {
            // SAFETY: it was just mapped, and nobody has it.
            let _ = unsafe { munmap(base.as_ptr().cast(), len) };
            return Err(system("map a page", std::io::Error::last_os_error()));
        };
        let mapping = Self { base, len, own };
        // SAFETY: the page is this value's, and emptying it in a child leaves a valid number.
        let wiped = unsafe { madvise(own.as_ptr().cast(), PAGE, Advice::LinuxWipeOnFork) };
        wiped.map_err(|err| system("keep a page from children", err.into()))?;
        if mapping.register() == process::NOBODY {
            return Err(SharedError::Processes { limit: process::LIMIT });
        }
        Ok(mapping)
    }

    /// The address of `len` bytes at a position.
    pub(crate) fn piece(&self, at: usize, len: usize) -> Option<NonNull<u8>> {
        if at.checked_add(len)? > self.len {
            return None;
        }
        // SAFETY: `at` is no more than the length of the mapping.
        Some(unsafe { self.base.add(at) })
    }

    /// All of it as words.
    pub(super) fn words(&self) -> &[AtomicU64] {
        // SAFETY: `len` bytes from `base`, a page's address, are mapped as long as `self` lives, and
        // only touched atomically.
        unsafe { slice::from_raw_parts(self.base.cast().as_ptr(), self.len / 8) }
    }

    /// For each CPU number, the process that has it.
    pub(crate) fn cpus(&self) -> &[AtomicU32] {
        let len = (header::DATA - header::CPUS) / 4;
        // SAFETY: `new` is given a file with so many bytes at least.
        let start = unsafe { self.base.add(header::CPUS) };
        // SAFETY: as for `words`.
        unsafe { slice::from_raw_parts(start.cast().as_ptr(), len) }
    }

    fn processes(&self) -> Processes<'_> {
        Processes::new(self.words())
    }

    fn own_word(&self) -> &AtomicU32 {
        // SAFETY: the page is mapped as long as `self` lives, and only touched atomically.
        unsafe { AtomicU32::from_ptr(self.own.cast().as_ptr()) }
    }

    /// Number of this process, never 0.
    #[inline]
    pub(crate) fn own(&self) -> u32 {
        match self.own_word().load(Relaxed) {
            0 => self.register(),
            own => own,
        }
    }

    #[cold]
    fn register(&self) -> u32 {
        let number = self.processes().enter();
        if number == process::NOBODY {
            return number;
        }
        match self.own_word().compare_exchange(0, number, Relaxed, Relaxed) {
            Ok(_) => number,
            // Another thread was faster.
            Err(other) => {
                self.processes().leave(number);
                other
            }
        }
    }

    /// Whether a number is not that of a living process.
    pub(crate) fn is_dead(&self, number: u32) -> bool {
        // Its own are known without asking; so are numbers nobody was given.
        number != self.own_word().load(Acquire) && self.processes().is_dead(number)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.processes().leave(self.own_word().load(Relaxed));
        // SAFETY: the mapping is this value's, and nobody can use it any more.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
        // SAFETY: the same.
        let _ = unsafe { munmap(self.own.as_ptr().cast(), PAGE) };
    }
}

/// The position of a process in the table, from its number.
pub(super) const fn place(number: u32) -> u32 {
    low32((number & 0x3ff) as u64)
}
