//! Who has which slot.
//!
//! The buckets are in up to 64 *stripes*, each with a lock of its own, so that updates of keys in
//! different stripes do not meet. A slot belongs to a stripe, its *home*, or to none and then to the
//! pool that all share. The slots of a stripe are those in the chains of its buckets, those that wait
//! as a CPU's next cell ([`Stripe::spare`]), and a few free ones, taken from the pool and given back
//! to it several at a time.
//!
//! As many slots as the map can have entries are in the pool at first, and every stripe has one more
//! for each CPU, so that a map is full exactly when no stripe and not the pool has a free slot.
//!
//! The lock of a stripe comes before that of the pool. Homes change under both. They tell whoever takes
//! a lock from a dead process which slots are to be accounted for.

use crate::Values;
use crate::lock::{Held, Owners, release};
use crate::memory::Memory;
use crate::values::low32;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Relaxed, Release};
use skep_abi::Errno;

/// Stripes of a large map.
const STRIPES: u32 = 64;
/// Slots that go from the pool to a stripe at a time; twice as many free ones it keeps.
const BATCH: u32 = 8;

/// Words of 32 bits of a stripe: its lock, its first free slot plus 1, free slots, entries, then for
/// each CPU the next slot plus 1.
const FREE: usize = 1;
const COUNT: usize = 2;
const USED: usize = 3;
const SPARE: usize = 4;

/// Words of the pool: its lock, its first slot plus 1, and slots from which on all were never used.
const HEAD: usize = 1;
const FRESH: usize = 2;

#[derive(Debug)]
pub(super) struct Slots {
    /// Each begins a cache line, or two.
    stripes: Values,
    /// Words of a stripe.
    stride: usize,
    /// Stripes less 1; their number is a power of two.
    mask: u32,
    pool: Values,
    /// Of each slot, its home above: a stripe plus 1; below, the next one in a list of free slots
    /// plus 1.
    links: Values,
    /// Slots that are in the pool at first.
    limit: u32,
    /// Whether free slots go back to the pool at once.
    direct: bool,
    /// For how many CPUs a stripe has a next slot.
    spares: u32,
    owners: Owners,
}

/// A stripe, locked.
pub(super) struct Stripe<'s> {
    slots: &'s Slots,
    number: u32,
}

/// Stripes for so many entries.
fn stripes(max_entries: u32) -> u32 {
    (max_entries / 16).clamp(1, STRIPES).next_power_of_two()
}

/// Slots for so many entries; `spares` is how many each stripe has besides.
pub(super) fn count(max_entries: u32, spares: u32) -> Option<u32> {
    max_entries.checked_add(spares.checked_mul(stripes(max_entries))?)
}

/// Bytes of a map's stripes.
pub(super) fn stripe_bytes(max_entries: u32, spares: u32) -> u64 {
    u64::from(stripes(max_entries)) * stride(spares) as u64
}

fn stride(spares: u32) -> usize {
    (SPARE * 4 + spares as usize * 4).next_multiple_of(128)
}

impl Slots {
    pub(super) fn new(
        memory: &Memory,
        max_entries: u32,
        spares: u32,
        direct: bool,
    ) -> Result<Self, Errno> {
        let count = count(max_entries, spares).ok_or(Errno::ENOMEM)?;
        let (number, stride) = (stripes(max_entries), stride(spares));
        let slots = Self {
            stripes: memory.cells(stride, stride, number as usize)?,
            stride: stride / 4,
            mask: number - 1,
            pool: memory.values(128, 1)?,
            links: memory.words(count as usize)?,
            limit: max_entries,
            direct,
            spares,
            owners: memory.owners(),
        };
        if memory.is_fresh() {
            let each = (0..number).flat_map(|stripe| (0..spares).map(move |cpu| (stripe, cpu)));
            for ((stripe, cpu), slot) in each.zip(max_entries..) {
                slots.set_link(slot, stripe + 1, 0);
                let at = stripe as usize * slots.stride + SPARE + cpu as usize;
                slots.stripes.set_word(at * 4, slot + 1);
            }
        }
        Ok(slots)
    }

    /// Takes the lock of a bucket's stripe, and makes `repair` put it right if it was a dead process's.
    #[inline(always)]
    pub(super) fn lock(
        &self,
        bucket: u32,
        repair: impl FnOnce(&Stripe<'_>),
    ) -> Result<Stripe<'_>, Errno> {
        let number = bucket & self.mask;
        let orphaned = self.owners.take(self.word(number, 0))?;
        let stripe = Stripe { slots: self, number };
        if orphaned {
            repair(&stripe);
        }
        Ok(stripe)
    }

    /// Takes the lock of a bucket's stripe if it is free.
    #[inline(always)]
    pub(super) fn try_lock(&self, bucket: u32) -> Option<Stripe<'_>> {
        let number = bucket & self.mask;
        // Only what is taken may be made, as it is released when it goes.
        self.owners.try_take(self.word(number, 0)).then(|| Stripe { slots: self, number })
    }

    /// A word of a stripe.
    #[inline(always)]
    fn word(&self, stripe: u32, at: usize) -> &AtomicU32 {
        let at = at.min(self.stride - 1);
        let words = self.stripes.half_words();
        // SAFETY: `new` made `mask + 1` stripes of `stride` words.
        unsafe { words.get_unchecked((stripe & self.mask) as usize * self.stride + at) }
    }

    /// One bucket of each stripe.
    pub(super) fn stripes(&self) -> impl Iterator<Item = u32> {
        0..=self.mask
    }

    /// Stripes less 1.
    pub(super) fn mask(&self) -> u32 {
        self.mask
    }

    /// Entries of all stripes.
    pub(super) fn entries(&self) -> usize {
        self.stripes().map(|stripe| self.word(stripe, USED).load(Relaxed) as usize).sum()
    }

    /// Whether a stripe may have free slots.
    pub(super) fn has_free(&self, stripe: u32) -> bool {
        self.word(stripe, COUNT).load(Relaxed) != 0
    }

    /// Home and next of a slot.
    fn link(&self, slot: u32) -> (u32, u32) {
        let word = self.links.words().get(slot as usize).map_or(0, |word| word.load(Relaxed));
        (low32(word >> 32), low32(word))
    }

    fn set_link(&self, slot: u32, home: u32, next: u32) {
        if let Some(word) = self.links.words().get(slot as usize) {
            word.store(u64::from(home) << 32 | u64::from(next), Release);
        }
    }

    fn total(&self) -> u32 {
        u32::try_from(self.links.words().len()).unwrap_or(u32::MAX)
    }

    fn pool(&self) -> Result<Held<'_>, Errno> {
        let word = self.pool.half_words().first().ok_or(Errno::EINVAL)?;
        self.owners.lock(word, || self.rebuild_pool())
    }

    /// A slot of the pool goes to a stripe.
    fn take_pooled(&self, home: u32, next: u32) -> Option<u32> {
        let head = self.pool.word(HEAD * 4);
        if let Some(slot) = head.checked_sub(1).filter(|slot| *slot < self.total()) {
            let (_, following) = self.link(slot);
            self.set_link(slot, home, next);
            self.pool.set_word(HEAD * 4, following);
            return Some(slot);
        }
        let slot = self.pool.word(FRESH * 4);
        if slot >= self.limit {
            return None;
        }
        self.set_link(slot, home, next);
        self.pool.set_word(FRESH * 4, slot + 1);
        Some(slot)
    }

    fn give_pooled(&self, slot: u32) {
        self.set_link(slot, 0, self.pool.word(HEAD * 4));
        self.pool.set_word(HEAD * 4, slot + 1);
    }

    /// What a process that died with the lock of the pool left of its list: all used slots without a
    /// home.
    fn rebuild_pool(&self) {
        let mut fresh = self.pool.word(FRESH * 4).min(self.limit);
        // A slot may have got its home just before it stopped being fresh.
        while fresh < self.limit && self.link(fresh).0 != 0 {
            fresh += 1;
        }
        self.pool.set_word(FRESH * 4, fresh);
        self.pool.set_word(HEAD * 4, 0);
        let used = (0..fresh).chain(self.limit..self.total());
        used.filter(|slot| self.link(*slot).0 == 0).for_each(|slot| self.give_pooled(slot));
    }
}

impl Stripe<'_> {
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    #[inline(always)]
    fn get(&self, at: usize) -> u32 {
        self.slots.word(self.number, at).load(Relaxed)
    }

    #[inline(always)]
    fn set(&self, at: usize, value: u32) {
        self.slots.word(self.number, at).store(value, Release);
    }

    /// A slot for the new value of an entry, the CPU's next.
    #[inline(always)]
    pub(super) fn spare(&self, cpu: usize) -> Option<u32> {
        let spare = self.get(SPARE + cpu).checked_sub(1);
        spare.or_else(|| self.take())
    }

    /// As [`Stripe::spare`], if there is one without looking further.
    #[inline(always)]
    pub(super) fn spare_now(&self, cpu: usize) -> Option<u32> {
        self.get(SPARE + cpu).checked_sub(1)
    }

    /// Makes a slot the CPU's next.
    #[inline(always)]
    pub(super) fn set_spare(&self, cpu: usize, slot: u32) {
        self.set(SPARE + cpu, slot + 1);
    }

    /// Counts an entry more.
    #[inline]
    pub(super) fn add_entry(&self) {
        self.set(USED, self.get(USED).wrapping_add(1));
    }

    /// A free slot.
    #[inline]
    pub(super) fn take(&self) -> Option<u32> {
        if self.get(FREE) == 0 {
            self.refill()?;
        }
        let slot = self.get(FREE).checked_sub(1)?;
        self.set(FREE, self.slots.link(slot).1);
        self.set(COUNT, self.get(COUNT).wrapping_sub(1));
        Some(slot)
    }

    /// The slot of an entry that is no more.
    #[inline]
    pub(super) fn give(&self, slot: u32) {
        self.set(USED, self.get(USED).saturating_sub(1));
        self.give_free(slot);
        let keep = if self.slots.direct { 0 } else { 2 * BATCH };
        if self.get(COUNT) > keep {
            let _ = self.shed(keep / 2);
        }
    }

    fn give_free(&self, slot: u32) {
        self.slots.set_link(slot, self.number + 1, self.get(FREE));
        self.set(FREE, slot + 1);
        self.set(COUNT, self.get(COUNT).wrapping_add(1));
    }

    #[cold]
    #[inline(never)]
    fn refill(&self) -> Option<()> {
        let _pool = self.slots.pool().ok()?;
        for _ in 0..if self.slots.direct { 1 } else { BATCH } {
            let Some(slot) = self.slots.take_pooled(self.number + 1, self.get(FREE)) else { break };
            self.set(FREE, slot + 1);
            self.set(COUNT, self.get(COUNT).wrapping_add(1));
        }
        Some(())
    }

    /// Gives all free slots but so many to the pool. Whether there were any.
    #[cold]
    #[inline(never)]
    pub(super) fn shed(&self, keep: u32) -> Result<bool, Errno> {
        let _pool = self.slots.pool()?;
        let mut any = false;
        while self.get(COUNT) > keep {
            let Some(slot) = self.get(FREE).checked_sub(1) else { break };
            let (_, next) = self.slots.link(slot);
            self.set(FREE, next);
            self.set(COUNT, self.get(COUNT).wrapping_sub(1));
            self.slots.give_pooled(slot);
            any = true;
        }
        Ok(any)
    }

    /// Accounts anew for the slots of the stripe after a process died with its lock: those that
    /// `is_linked` are entries.
    pub(super) fn rebuild(&self, is_linked: impl Fn(u32) -> bool) {
        let home = self.number + 1;
        let mine = || (0..self.slots.total()).filter(|slot| self.slots.link(*slot).0 == home);
        let used = mine().filter(|slot| is_linked(*slot)).count();
        self.set(USED, u32::try_from(used).unwrap_or(u32::MAX));
        let cpus = self.slots.spares as usize;
        let spare = |cpu: usize| self.get(SPARE + cpu).checked_sub(1);
        let mut loose = mine().filter(|slot| !is_linked(*slot)).collect::<alloc::vec::Vec<_>>();
        for cpu in 0..cpus {
            let Some(slot) = spare(cpu) else { continue };
            match loose.iter().position(|other| *other == slot) {
                Some(at) => _ = loose.swap_remove(at),
                // It was linked, and the slot it replaced is loose.
                None => match loose.pop() {
                    Some(other) => self.set_spare(cpu, other),
                    None => self.set(SPARE + cpu, 0),
                },
            }
        }
        self.set(FREE, 0);
        self.set(COUNT, 0);
        loose.into_iter().for_each(|slot| self.give_free(slot));
    }
}

impl Drop for Stripe<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        release(self.slots.word(self.number, 0));
    }
}
