//! A lock whose readers do not write.
//!
//! Writers take a spin lock: a number that is odd while it is held, and goes on to the next even one
//! if they changed anything. A reader takes what it read for true if the number was even and the same
//! before and after. What readers see in between may be any mixture of old and new, so they follow
//! links only through checked, atomic accesses, and give up after a bounded number of steps.
//!
//! # Argument
//!
//! A reader whose two looks at the number agree on an even `n` synchronises with the end of change
//! `n` (release store, acquire load), so it sees everything written up to there. Had it read
//! anything written by a later change, then its fence after the reads would have synchronised with
//! the writer's fence after the number became odd, and the second look would show at least `n + 1`.
//! H.-J. Boehm, "Can seqlocks get along with programming language memory models?", 2012.

use core::cell::UnsafeCell;
use core::hint::spin_loop;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicUsize, fence};

/// Reads that fail before a reader takes the lock.
const TRIES: usize = 64;

/// Guards tables of atomic words; `W` is what only writers need.
#[derive(Debug)]
pub(crate) struct Seq<W> {
    /// Odd while the lock is held.
    count: AtomicUsize,
    writer: UnsafeCell<W>,
}

// SAFETY: `writer` is reached through a guard alone, of which there is one at a time.
unsafe impl<W: Send> Sync for Seq<W> {}

/// The lock, held.
pub(crate) struct Guard<'s, W> {
    seq: &'s Seq<W>,
    /// What the count becomes.
    after: usize,
}

impl<W> Seq<W> {
    pub(crate) fn new(writer: W) -> Self {
        Self { count: AtomicUsize::new(0), writer: UnsafeCell::new(writer) }
    }

    /// Keeps other writers out, and readers waiting.
    #[inline]
    pub(crate) fn lock(&self) -> Guard<'_, W> {
        loop {
            let count = self.count.load(Relaxed) & !1;
            if self.count.compare_exchange_weak(count, count | 1, Acquire, Relaxed).is_ok() {
                fence(Release);
                return Guard { seq: self, after: count };
            }
            while self.count.load(Relaxed) & 1 == 1 {
                spin_loop();
            }
        }
    }

    /// Runs `read` until no change interfered. It must end whatever it sees, and is as good as
    /// never run where its result is not returned.
    #[inline]
    pub(crate) fn read<R>(&self, mut read: impl FnMut() -> R) -> R {
        match self.attempt(&mut read) {
            Some(result) => result,
            None => self.read_again(read),
        }
    }

    #[inline]
    fn attempt<R>(&self, read: &mut impl FnMut() -> R) -> Option<R> {
        let before = self.count.load(Acquire);
        if before & 1 != 0 {
            return None;
        }
        let result = read();
        fence(Acquire);
        (self.count.load(Relaxed) == before).then_some(result)
    }

    #[cold]
    fn read_again<R>(&self, mut read: impl FnMut() -> R) -> R {
        for _ in 0..TRIES {
            if let Some(result) = self.attempt(&mut read) {
                return result;
            }
            spin_loop();
        }
        let _writer = self.lock();
        read()
    }
}

impl<W> Guard<'_, W> {
    /// To be called, once, before anything that readers see is changed.
    #[inline]
    pub(crate) fn change(&mut self) {
        self.after = self.after.wrapping_add(2);
    }
}

impl<W> Deref for Guard<'_, W> {
    type Target = W;

    fn deref(&self) -> &W {
        // SAFETY: the lock is held, and the reference borrows the guard.
        unsafe { &*self.seq.writer.get() }
    }
}

impl<W> DerefMut for Guard<'_, W> {
    fn deref_mut(&mut self) -> &mut W {
        // SAFETY: the lock is held, and the reference borrows the guard.
        unsafe { &mut *self.seq.writer.get() }
    }
}

impl<W> Drop for Guard<'_, W> {
    #[inline]
    fn drop(&mut self) {
        self.seq.count.store(self.after, Release);
    }
}
