//! Which slots were used least recently.
//!
//! Each CPU counts its uses, and each slot has the count of its last one ([`Order::touch`]): a lookup
//! writes two words that no other CPU writes at the time, and takes no lock. Counts of CPUs are
//! comparable because a CPU goes on from [`Control::epoch`] where its own count is lower; updates move
//! the epoch to their count, lookups every [`PUBLISH`] uses, and so does each search for old slots.
//!
//! Who evicts takes the oldest slot from a queue. It is filled, now and then, with an eighth of all
//! slots, the oldest, in order. As counts only rise, what is not in the queue is newer than what is; what
//! has been used since has another count and is passed over. So the first of the queue with the count that it
//! was put in with is the oldest slot of all.

use crate::Values;
use crate::lock::Owners;
use crate::memory::{ALIGN, Memory};
use crate::values::low32;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU32, AtomicU64};
use skep_abi::Errno;

/// Uses of a CPU after which the others get to know of them.
const PUBLISH: u64 = 64;
/// Ranges of counts that a search tells apart at a time.
const RANGES: usize = 256;
/// Slots in the least queue.
const QUEUE: usize = 16;

/// Counts of last uses, and the queue of the slots that go next, under a lock that comes after those of
/// the stripes.
///
/// A slot may have a count that is no entry of the map any more, if a lookup was as late; it is found out
/// when it is the oldest.
#[derive(Debug)]
pub(super) struct Order {
    /// Of each slot, the count of its last use; 0 for one that is no entry.
    uses: Values,
    /// Of each CPU a word in a cache line of its own.
    clocks: Values,
    /// [`Control`]
    control: Values,
    /// Counts and slots by turns, the oldest first.
    queue: Values,
    slots: u32,
    owners: Owners,
}

#[repr(C, align(128))]
struct Control {
    epoch: Epoch,
    lock: AtomicU32,
    /// What is in the queue: from where, and to where.
    next: AtomicU32,
    end: AtomicU32,
}

/// Read with each use, so that it has a cache line to itself.
#[repr(C, align(128))]
struct Epoch(AtomicU64);

const _: () = assert!(align_of::<Control>() <= ALIGN);

/// A slot, and the count of its last use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Use {
    count: u64,
    pub(super) slot: u32,
}

impl Order {
    pub(super) fn new(memory: &Memory, slots: u32, cpus: u32) -> Result<Self, Errno> {
        Ok(Self {
            uses: memory.words(slots as usize)?,
            clocks: memory.cells(8, ALIGN, cpus as usize)?,
            control: memory.values(size_of::<Control>(), 1)?,
            queue: memory.words(2 * queued(slots))?,
            slots,
            owners: memory.owners(),
        })
    }

    /// Bytes of the order of so many slots.
    pub(super) fn bytes(slots: u64, cpus: u32) -> u64 {
        let queue = (slots / 8).saturating_add(QUEUE as u64).saturating_mul(16);
        let clocks = u64::from(cpus).saturating_mul(ALIGN as u64);
        slots.saturating_mul(8).saturating_add(queue).saturating_add(clocks)
    }

    #[inline(always)]
    fn control(&self) -> &Control {
        // SAFETY: the memory lives as long as `self`, `new` asked for the size, and pieces of memory are
        // aligned to as much; all of it is atomic, and any bytes are values.
        unsafe { self.control.as_ptr().cast::<Control>().as_ref() }
    }

    /// The next count of a CPU.
    #[inline(always)]
    fn tick(&self, cpu: usize) -> u64 {
        let epoch = self.control().epoch.0.load(Relaxed);
        let Some(clock) = self.clocks.words().get(cpu * (ALIGN / 8)) else { return epoch };
        let now = clock.load(Relaxed).max(epoch).wrapping_add(1);
        clock.store(now, Relaxed);
        now
    }

    /// A CPU looks a slot up.
    #[inline(always)]
    pub(super) fn touch(&self, cpu: usize, slot: u32) {
        let Some(last) = self.uses.words().get(slot as usize) else { return };
        let now = self.tick(cpu);
        last.store(now, Relaxed);
        if now.is_multiple_of(PUBLISH) {
            self.publish(now);
        }
    }

    /// A slot is an entry now, and used after all that any CPU has used before. To be called when it is
    /// linked.
    #[inline]
    pub(super) fn enter(&self, slot: u32) {
        let now = self.latest().wrapping_add(1);
        self.control().epoch.0.store(now, Relaxed);
        if let Some(last) = self.uses.words().get(slot as usize) {
            last.store(now, Release);
        }
    }

    /// A slot is no entry any more.
    #[inline]
    pub(super) fn leave(&self, slot: u32) {
        if let Some(last) = self.uses.words().get(slot as usize) {
            last.store(0, Relaxed);
        }
    }

    /// The greatest count.
    #[inline]
    fn latest(&self) -> u64 {
        let mut latest = self.control().epoch.0.load(Relaxed);
        let (clocks, mut at) = (self.clocks.words(), 0);
        while let Some(clock) = clocks.get(at) {
            latest = latest.max(clock.load(Relaxed));
            at += ALIGN / 8;
        }
        latest
    }

    #[cold]
    fn publish(&self, now: u64) {
        self.control().epoch.0.fetch_max(now, Relaxed);
    }

    /// Takes the oldest slot out of the queue; `None` if no slot has a count.
    pub(super) fn oldest(&self) -> Result<Option<Use>, Errno> {
        let control = self.control();
        // What a process left that died is searched for anew.
        let empty = || control.next.store(control.end.load(Relaxed), Relaxed);
        let _held = self.owners.lock(&control.lock, empty)?;
        if let Some(oldest) = self.pop() {
            return Ok(Some(oldest));
        }
        self.fill();
        Ok(self.pop())
    }

    /// The first of the queue that has not been used since.
    fn pop(&self) -> Option<Use> {
        let control = self.control();
        let (queue, end) = (self.queue.words(), control.end.load(Relaxed));
        let mut next = control.next.load(Relaxed);
        // Ends: the queue has so many places, whatever `end` is.
        while next < end {
            let at = next as usize * 2;
            let (Some(count), Some(slot)) = (queue.get(at), queue.get(at + 1)) else { break };
            let found = Use { count: count.load(Relaxed), slot: low32(slot.load(Relaxed)) };
            next += 1;
            if found.count != 0 && self.is_current(found) {
                control.next.store(next, Relaxed);
                return Some(found);
            }
        }
        control.next.store(end, Relaxed);
        None
    }

    /// Whether a slot has not been used since.
    pub(super) fn is_current(&self, found: Use) -> bool {
        let last = self.uses.words().get(found.slot as usize);
        last.is_some_and(|last| last.load(Acquire) == found.count)
    }

    /// Forgets a slot that turned out to be no entry, unless it has become one.
    pub(super) fn forget(&self, found: Use) {
        if let Some(last) = self.uses.words().get(found.slot as usize) {
            let _ = last.compare_exchange(found.count, 0, Relaxed, Relaxed);
        }
    }

    /// Counts an entry as old that has no count, as a process died that was about to give it one.
    #[cold]
    pub(super) fn adopt(&self, slot: u32) {
        if let Some(last) = self.uses.words().get(slot as usize) {
            let _ = last.compare_exchange(0, 1, Relaxed, Relaxed);
        }
    }

    /// Slots and counts.
    fn all(&self) -> impl Iterator<Item = Use> {
        let uses = (0..self.slots).zip(self.uses.words());
        let uses = uses.map(|(slot, last)| Use { count: last.load(Acquire), slot });
        uses.filter(|found| found.count != 0)
    }

    /// Puts the oldest slots into the queue.
    #[cold]
    #[inline(never)]
    fn fill(&self) {
        let control = self.control();
        // What is used from now on is newer than what goes into the queue.
        control.epoch.0.store(self.latest(), Relaxed);
        let room = queued(self.slots);
        let limit = self.limit(room);
        let mut found = Vec::new();
        if found.try_reserve_exact(room).is_err() {
            // One at a time takes no memory.
            self.put(self.all().min().as_slice());
            return;
        }
        found.extend(self.all().filter(|found| found.count <= limit).take(room));
        found.sort_unstable();
        self.put(&found);
    }

    fn put(&self, found: &[Use]) {
        let control = self.control();
        let mut end = 0;
        for (pair, found) in self.queue.words().chunks_exact(2).zip(found) {
            if let [count, slot] = pair {
                count.store(found.count, Relaxed);
                slot.store(found.slot.into(), Relaxed);
                end += 1;
            }
        }
        control.end.store(end, Relaxed);
        control.next.store(0, Relaxed);
    }

    /// A count that some slots have not passed, and no more than `room` of them; more only if they have
    /// the same count.
    fn limit(&self, room: usize) -> u64 {
        let bounds = self.all().map(|found| found.count);
        let Some((first, mut last)) = bounds.fold(None, |bounds: Option<(u64, u64)>, count| {
            let (first, last) = bounds.unwrap_or((count, count));
            Some((first.min(count), last.max(count)))
        }) else {
            return 0;
        };
        // Ends: the counts are less apart each time.
        loop {
            let width = (last - first) / RANGES as u64 + 1;
            let mut ranges = [0_usize; RANGES];
            for found in self.all().filter(|found| (first..=last).contains(&found.count)) {
                let at = usize::try_from((found.count - first) / width).unwrap_or(usize::MAX);
                if let Some(range) = ranges.get_mut(at) {
                    *range += 1;
                }
            }
            let mut sum = 0;
            let fit = ranges.iter().take_while(|&&range| {
                sum += range;
                sum <= room
            });
            let fit = fit.count() as u64;
            if fit > 0 || width == 1 {
                return first.saturating_add(width.saturating_mul(fit.max(1))) - 1;
            }
            last = first + (width - 1);
        }
    }
}

/// Slots that the queue of a map has room for.
fn queued(slots: u32) -> usize {
    (slots as usize / 8).max(QUEUE)
}
