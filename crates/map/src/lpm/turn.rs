//! Whose turn it is to change the trie, and what changes mean for readers.
//!
//! Writers take a lock, in the words of [`Owners`]. Before the first change they make a number odd, and
//! when all is done even again. A reader takes what it read for true if the number was even and the same
//! before and after; the argument is that of [`seq`](crate::seq).

use crate::Values;
use crate::lock::{Held, Owners};
use crate::memory::{ALIGN, Memory};
use core::hint::spin_loop;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU32, AtomicU64, fence};
use skep_abi::Errno;

/// Reads that fail before a reader takes the lock.
const TRIES: usize = 64;

#[derive(Debug)]
pub(super) struct Turns {
    /// [`Words`]
    words: Values,
    owners: Owners,
}

#[repr(C, align(128))]
struct Words {
    lock: AtomicU32,
    /// Odd during a change.
    count: AtomicU64,
    entries: AtomicU64,
}

const _: () = assert!(align_of::<Words>() <= ALIGN);

/// The lock, held.
pub(super) struct Turn<'t> {
    turns: &'t Turns,
    changed: bool,
    _held: Held<'t>,
}

impl Turns {
    pub(super) const BYTES: u64 = size_of::<Words>() as u64;

    pub(super) fn new(memory: &Memory) -> Result<Self, Errno> {
        Ok(Self { words: memory.values(size_of::<Words>(), 1)?, owners: memory.owners() })
    }

    #[inline(always)]
    fn words(&self) -> &Words {
        // SAFETY: the memory lives as long as `self`, `new` asked for the size, and pieces of memory are
        // aligned to as much; all of it is atomic, and any bytes are values.
        unsafe { self.words.as_ptr().cast::<Words>().as_ref() }
    }

    pub(super) fn entries(&self) -> u64 {
        self.words().entries.load(Relaxed)
    }

    pub(super) fn set_entries(&self, entries: u64) {
        self.words().entries.store(entries, Relaxed);
    }

    /// Keeps other writers out, and makes `repair` put right what one left that died.
    pub(super) fn lock(&self, repair: impl FnOnce()) -> Result<Turn<'_>, Errno> {
        let put_right = || {
            self.begin();
            repair();
            self.end();
        };
        let held = self.owners.lock(&self.words().lock, put_right)?;
        Ok(Turn { turns: self, changed: false, _held: held })
    }

    fn begin(&self) {
        let count = self.words().count.load(Relaxed);
        self.words().count.store(count | 1, Relaxed);
        fence(Release);
    }

    fn end(&self) {
        let count = self.words().count.load(Relaxed);
        self.words().count.store((count | 1).wrapping_add(1), Release);
    }

    /// Runs `read` until no change interfered. It must end whatever it sees, and is as good as never run
    /// where its result is not returned. `None` if another process keeps the lock.
    #[inline]
    pub(super) fn read<R>(&self, mut read: impl FnMut() -> R, repair: impl FnOnce()) -> Option<R> {
        for _ in 0..TRIES {
            let before = self.words().count.load(Acquire);
            if before & 1 == 0 {
                let result = read();
                fence(Acquire);
                if self.words().count.load(Relaxed) == before {
                    return Some(result);
                }
            }
            spin_loop();
        }
        let _turn = self.lock(repair).ok()?;
        Some(read())
    }
}

impl Turn<'_> {
    /// To be called before anything that readers see is changed.
    #[inline]
    pub(super) fn change(&mut self) {
        self.changed = true;
        self.turns.begin();
    }
}

impl Drop for Turn<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.changed {
            self.turns.end();
        }
    }
}
