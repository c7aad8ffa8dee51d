//! Spin locks in words of memory, which may outlive whoever holds them.
//!
//! A word is 0 while the lock is free, else a number of its owner. Among the threads of a process all
//! owners have the same number, and a lock that is held will be released. Processes that share memory
//! have numbers of their own: one that waits too long asks whether the owner is still there, and takes
//! the lock over from a dead one. It is then to put right what the dead one may have
//! left half done.
//!
//! Changes are so ordered that all is whole but for what the holder of the lock can repair; each store
//! that others rely on is a release, which keeps it after those before it.

#[cfg(target_os = "linux")]
use crate::shared::{Mapping, NOBODY};
#[cfg(target_os = "linux")]
use alloc::sync::Arc;
use core::fmt;
use core::hint::spin_loop;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::fence;
use skep_abi::Errno;

/// Looks at a word before asking for its owner.
#[cfg(target_os = "linux")]
const PATIENCE: u32 = 1 << 10;

/// Who takes locks.
pub(crate) enum Owners {
    /// Threads of this process.
    Threads,
    /// Processes that have a mapping.
    #[cfg(target_os = "linux")]
    Processes(Arc<Mapping>),
}

/// A lock, held; dropping it releases it.
pub(crate) struct Held<'w> {
    word: &'w AtomicU32,
}

impl Owners {
    /// Number of this process, never 0.
    #[inline(always)]
    pub(crate) fn own(&self) -> u32 {
        match self {
            Self::Threads => 1,
            #[cfg(target_os = "linux")]
            Self::Processes(mapping) => mapping.own(),
        }
    }

    /// Whether there may be others than the threads of this process.
    #[inline(always)]
    pub(crate) fn are_processes(&self) -> bool {
        !matches!(self, Self::Threads)
    }

    /// Whether this number is not that of a living process. Among threads there is none such.
    pub(crate) fn is_dead(&self, owner: u32) -> bool {
        match self {
            Self::Threads => false,
            #[cfg(target_os = "linux")]
            Self::Processes(mapping) => mapping.is_dead(owner),
        }
    }

    /// Takes a lock. Gives whether its last owner died while it held it.
    ///
    /// # Errors
    ///
    /// `EBUSY` if another process that lives does not release it for some seconds.
    #[inline(always)]
    pub(crate) fn take(&self, word: &AtomicU32) -> Result<bool, Errno> {
        let orphaned = if self.try_take(word) { false } else { self.wait(word)? };
        fence(Release);
        Ok(orphaned)
    }

    /// Takes a lock that is free.
    #[inline(always)]
    pub(crate) fn try_take(&self, word: &AtomicU32) -> bool {
        let own = match self {
            Self::Threads => 1,
            #[cfg(target_os = "linux")]
            Self::Processes(mapping) => match mapping.own() {
                NOBODY => return false,
                own => own,
            },
        };
        let taken = word.compare_exchange(0, own, Acquire, Relaxed).is_ok();
        // What stood here is about to change, after all that was told of it under this lock.
        fence(Release);
        taken
    }

    /// As [`Owners::take`], and makes `repair` put right what a dead owner left half done.
    ///
    /// # Errors
    ///
    /// As [`Owners::take`].
    #[inline(always)]
    pub(crate) fn lock<'w>(
        &self,
        word: &'w AtomicU32,
        repair: impl FnOnce(),
    ) -> Result<Held<'w>, Errno> {
        let orphaned = self.take(word)?;
        let held = Held { word };
        if orphaned {
            repair();
        }
        Ok(held)
    }

    #[cold]
    #[inline(never)]
    fn wait(&self, word: &AtomicU32) -> Result<bool, Errno> {
        match self {
            Self::Threads => {
                while word.compare_exchange_weak(0, 1, Acquire, Relaxed).is_err() {
                    while word.load(Relaxed) != 0 {
                        spin_loop();
                    }
                }
                Ok(false)
            }
            #[cfg(target_os = "linux")]
            Self::Processes(mapping) => wait_for_process(mapping, word),
        }
    }
}

/// Whether the lock was taken from a dead process.
#[cfg(target_os = "linux")]
fn wait_for_process(mapping: &Mapping, word: &AtomicU32) -> Result<bool, Errno> {
    let own = mapping.own();
    if own == NOBODY {
        return Err(Errno::EBUSY);
    }
    let mut pause = crate::shared::Pause::new();
    loop {
        for _ in 0..PATIENCE {
            if word.load(Relaxed) == 0
                && word.compare_exchange_weak(0, own, Acquire, Relaxed).is_ok()
            {
                return Ok(false);
            }
            spin_loop();
        }
        let owner = word.load(Relaxed);
        if owner != 0
            && mapping.is_dead(owner)
            && word.compare_exchange(owner, own, Acquire, Relaxed).is_ok()
        {
            return Ok(true);
        }
        pause.next()?;
    }
}

/// Releases a lock that [`Owners::take`] took.
#[inline(always)]
pub(crate) fn release(word: &AtomicU32) {
    word.store(0, Release);
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        release(self.word);
    }
}

impl fmt::Debug for Owners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Threads => "Threads",
            #[cfg(target_os = "linux")]
            Self::Processes(_) => "Processes",
        })
    }
}
