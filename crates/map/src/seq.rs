//! A lock whose readers do not write.
//!
//! Writers take a spin lock and count a number up before and after each change; a reader takes what
//! it read for true if the number was even and the same before and after. What readers see in
//! between may be any mixture of old and new, so they follow links only through checked, atomic
//! accesses, and give up after a bounded number of steps.
//!
//! # Argument
//!
//! A reader whose two looks at the number agree on an even `n` synchronises with the end of change
//! `n` (release store, acquire load), so it sees everything written up to there. Had it read
//! anything written by a later change, then its fence after the reads would have synchronised with
//! the writer's fence after the number became odd, and the second look would show at least `n + 1`.
//! H.-J. Boehm, "Can seqlocks get along with programming language memory models?", 2012.

use core::hint::spin_loop;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicUsize, fence};
use spin::{Mutex, MutexGuard};

/// Reads that fail before a reader takes the lock.
const TRIES: usize = 32;

/// Guards tables of atomic words; `W` is what only writers need.
#[derive(Debug)]
pub(crate) struct Seq<W> {
    /// Odd during a change.
    count: AtomicUsize,
    writer: Mutex<W>,
}

impl<W> Seq<W> {
    pub(crate) fn new(writer: W) -> Self {
        Self { count: AtomicUsize::new(0), writer: Mutex::new(writer) }
    }

    /// Keeps other writers out.
    pub(crate) fn lock(&self) -> MutexGuard<'_, W> {
        self.writer.lock()
    }

    /// Changes what readers see. That `writer` is borrowed from the lock is the caller's to keep.
    pub(crate) fn change<R>(&self, writer: &mut W, change: impl FnOnce(&mut W) -> R) -> R {
        let count = self.count.load(Relaxed);
        self.count.store(count.wrapping_add(1), Relaxed);
        fence(Release);
        let result = change(writer);
        self.count.store(count.wrapping_add(2), Release);
        result
    }

    /// Runs `read` until no change interfered. It must end whatever it sees, and is as good as
    /// never run where its result is not returned.
    #[inline]
    pub(crate) fn read<R>(&self, mut read: impl FnMut() -> R) -> R {
        for _ in 0..TRIES {
            let before = self.count.load(Acquire);
            if before & 1 == 0 {
                let result = read();
                fence(Acquire);
                if self.count.load(Relaxed) == before {
                    return result;
                }
            }
            spin_loop();
        }
        let _writer = self.writer.lock();
        read()
    }
}
