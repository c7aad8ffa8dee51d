//! Records for the user in one ring.
//!
//! A record is a header of eight bytes, then its data, padded to eight bytes. Records are in the
//! order of their reservation; one that is neither submitted nor discarded holds up all after it.
//!
//! The kernel maps the ring twice in a row so that a record which wraps is contiguous. Here the ring
//! is followed by as much memory again, and a record which wraps runs on into it: its place at the
//! start of the ring stays unused, and as no two records in use have the point of wrapping in them,
//! none overlap.
//!
//! In memory that processes share, the second half of a record's header names the process that reserved
//! it. If that is dead, the reader who finds its record in the way discards and counts it
//! ([`RingBuf::abandoned`]).
//!
//! The kernel also keeps the position of the oldest record that is busy, as the reader's position is in
//! memory that any process may write. Here readers pass over no busy record, so that their position
//! says as much.
//!
//! Source: `kernel/bpf/ringbuf.c`.

use crate::Values;
use crate::lock::{Held, Owners};
use crate::memory::{ALIGN, Memory};
use alloc::vec::Vec;
use core::hint::spin_loop;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU32, AtomicU64};
use skep_abi::Errno;
use skep_prog::MapDef;

const HEADER: u64 = 8;
/// Neither submitted nor discarded.
const BUSY: u32 = 1 << 31;
const DISCARD: u32 = 1 << 30;
/// In the writers' position: a thread has it in hand.
const TAKEN: u64 = 1;
/// `RINGBUF_MAX_RECORD_SZ`
const RECORD_MAX: u64 = u32::MAX as u64 / 4;
const NO_WAKEUP: u64 = 1;
const FORCE_WAKEUP: u64 = 2;

/// A ring that programs write and the user reads.
#[derive(Debug)]
pub struct RingBuf {
    def: MapDef,
    /// One cell: the ring, and room for the record that wraps.
    values: Values,
    size: u64,
    /// [`Control`]
    control: Values,
    owners: Owners,
}

/// What writers and readers write, each alone in a cache line, and in the one that processors fetch
/// with it: they do not wait for each other's counts.
#[repr(C, align(128))]
struct Writers {
    /// Serialises the reservations of processes.
    lock: AtomicU32,
    /// Position after the last record, a multiple of 8; with [`TAKEN`] while a thread reserves, which
    /// serialises those of threads.
    producer: AtomicU64,
    dropped: AtomicU64,
}

#[repr(C, align(128))]
struct Readers {
    /// Serialises readers.
    lock: AtomicU32,
    consumer: AtomicU64,
    abandoned: AtomicU64,
}

#[repr(C)]
struct Control {
    writers: Writers,
    readers: Readers,
}

const _: () = assert!(align_of::<Control>() <= ALIGN);

/// Bytes of records that a reader copies before it looks what writers have added.
const BATCH: usize = 1 << 15;

/// Space reserved in a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Position of the data in [`RingBuf::values`].
    pub at: usize,
    /// Bytes of data.
    pub len: u32,
}

impl RingBuf {
    pub(crate) fn new(memory: &Memory, def: MapDef) -> Result<Self, Errno> {
        let bytes = (def.max_entries as usize).checked_mul(2).ok_or(Errno::ENOMEM)?;
        Ok(Self {
            size: def.max_entries.into(),
            values: memory.values(bytes, 1)?,
            control: memory.values(size_of::<Control>(), 1)?,
            owners: memory.owners(),
            def,
        })
    }

    #[inline(always)]
    fn control(&self) -> &Control {
        // SAFETY: the memory lives as long as `self`, `new` asked for the size, and pieces of memory are
        // aligned to as much; all of it is atomic, and any bytes are values.
        unsafe { self.control.as_ptr().cast::<Control>().as_ref() }
    }

    /// Bytes beside the ring.
    pub(crate) const fn control_bytes() -> u64 {
        size_of::<Control>() as u64
    }

    /// What the map was made from.
    #[must_use]
    pub fn def(&self) -> &MapDef {
        &self.def
    }

    /// Memory of the records. Whoever gives it to programs keeps them inside their [`Record`]s.
    #[must_use]
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// Reserves a record. `None` for flags, for too large a size and for want of room.
    ///
    /// Kernel: `__bpf_ringbuf_reserve`.
    #[inline]
    pub fn reserve(&self, size: u64, flags: u64) -> Option<Record> {
        if flags != 0 {
            return None;
        }
        let record = self.try_reserve(size);
        if record.is_none() {
            self.control().writers.dropped.fetch_add(1, Relaxed);
        }
        record
    }

    #[inline(always)]
    fn try_reserve(&self, size: u64) -> Option<Record> {
        let len = u32::try_from(size).ok().filter(|_| size <= RECORD_MAX)?;
        let bytes = record_bytes(len);
        let Control { writers, readers } = self.control();
        // Readers only make room.
        let consumer = readers.consumer.load(Acquire);
        let (_writer, producer) = self.writer(writers)?;
        let end = producer.wrapping_add(bytes);
        if bytes > self.size || end.wrapping_sub(consumer) >= self.size {
            writers.producer.store(producer, Release);
            return None;
        }
        let at = self.at(producer);
        if self.owners.are_processes() {
            self.values.set_word(at + 4, self.owners.own());
        }
        self.values.set_word(at, len | BUSY);
        writers.producer.store(end, Release);
        Some(Record { at: at + 8, len })
    }

    /// Keeps other writers out until the position, which it gives, is stored again.
    #[inline(always)]
    fn writer<'w>(&self, writers: &'w Writers) -> Option<(Option<Held<'w>>, u64)> {
        if self.owners.are_processes() {
            // What a dead writer had in hand was not in the ring yet.
            let held = self.owners.lock(&writers.lock, || {}).ok()?;
            return Some((Some(held), writers.producer.load(Relaxed)));
        }
        let producer = writers.producer.load(Relaxed) & !TAKEN;
        let taken = writers.producer.compare_exchange(producer, producer | TAKEN, Acquire, Relaxed);
        Some((None, if taken.is_ok() { producer } else { wait(&writers.producer) }))
    }

    /// Where the writers are.
    #[inline]
    fn producer(&self) -> u64 {
        self.control().writers.producer.load(Acquire) & !TAKEN
    }

    /// Discards a busy record if whoever reserved it is dead.
    #[cold]
    fn abandon(&self, at: usize) -> bool {
        let header = self.values.word(at);
        let owner = self.values.word(at + 4);
        if header & BUSY == 0 || !self.owners.is_dead(owner) {
            return header & BUSY == 0;
        }
        let Some(word) = self.values.half_words().get(at / 4) else { return false };
        let discarded = header & !BUSY | DISCARD;
        // Another one may have been faster; then it counted.
        if word.compare_exchange(header, discarded, Release, Relaxed).is_ok() {
            self.control().readers.abandoned.fetch_add(1, Relaxed);
        }
        true
    }

    /// Hands the record to the reader. Nothing happens to a record that is not reserved.
    #[inline]
    pub fn submit(&self, record: Record) {
        self.commit(record, 0);
    }

    /// Gives the record back; the reader passes over it.
    pub fn discard(&self, record: Record) {
        self.commit(record, DISCARD);
    }

    #[inline]
    fn commit(&self, record: Record, discard: u32) {
        let Some(at) = record.at.checked_sub(8) else { return };
        let Some(header) = self.values.half_words().get(at / 4) else { return };
        // A header that says something else is not that of a reserved record.
        if header.load(Relaxed) == record.len | BUSY {
            header.store(record.len | discard, Release);
        }
    }

    /// Reserves, fills and submits a record.
    ///
    /// # Errors
    ///
    /// `EINVAL` for unknown flags, `EAGAIN` for want of room.
    ///
    /// Kernel: `bpf_ringbuf_output`.
    pub fn output(&self, bytes: &[u8], flags: u64) -> Result<(), Errno> {
        if flags & !(NO_WAKEUP | FORCE_WAKEUP) != 0 {
            return Err(Errno::EINVAL);
        }
        let record = self.reserve(bytes.len() as u64, 0).ok_or(Errno::EAGAIN)?;
        self.values.write(record.at, bytes).ok_or(Errno::EAGAIN)?;
        self.submit(record);
        Ok(())
    }

    /// `bpf_ringbuf_query`: bytes not yet read, size of the ring, position of the reader, position
    /// of the writers; 0 for any other number.
    #[must_use]
    pub fn query(&self, what: u64) -> u64 {
        match what {
            0 => {
                let consumer = self.control().readers.consumer.load(Acquire);
                self.producer().wrapping_sub(consumer)
            }
            1 => self.size,
            2 => self.control().readers.consumer.load(Acquire),
            3 => self.producer(),
            _ => 0,
        }
    }

    /// Reservations that failed.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.control().writers.dropped.load(Relaxed)
    }

    /// Records that processes had reserved when they died.
    #[must_use]
    pub fn abandoned(&self) -> u64 {
        self.control().readers.abandoned.load(Relaxed)
    }

    /// Moves the next record to `out`. False if there is none, or if it is not submitted yet.
    pub fn next(&self, out: &mut Vec<u8>) -> bool {
        let mut found = false;
        self.read(|record, len| {
            found = record.is_some();
            out.clear();
            if let Some(at) = record {
                self.copy(at, len, out);
            }
            !found
        });
        found
    }

    /// Gives all records that are ready to `sink`, which may call anything of this map. Returns how
    /// many.
    pub fn consume(&self, sink: &mut dyn FnMut(&[u8])) -> usize {
        let (mut bytes, mut lens) = (Vec::new(), Vec::new());
        let mut count = 0;
        loop {
            bytes.clear();
            lens.clear();
            self.read(|record, len| {
                if let Some(at) = record {
                    self.copy(at, len, &mut bytes);
                    lens.push(len);
                }
                bytes.len() < BATCH
            });
            if lens.is_empty() {
                return count;
            }
            let mut rest = &bytes[..];
            for len in &lens {
                let (record, after) = rest.split_at(*len);
                sink(record);
                rest = after;
            }
            count += lens.len();
        }
    }

    /// Passes over records, discarded ones too, while `each` wants more and there are any that are not
    /// busy. It gets a record's place and length, no place for a discarded one.
    #[inline]
    fn read(&self, mut each: impl FnMut(Option<usize>, usize) -> bool) {
        let readers = &self.control().readers;
        // A dead reader's records are read once more.
        let Ok(_reader) = self.reader() else { return };
        let mut consumer = readers.consumer.load(Relaxed);
        let end = self.producer();
        let words = self.values.half_words();
        while consumer != end {
            let at = self.at(consumer);
            let mut header = words.get(at / 4).map_or(BUSY, |header| header.load(Acquire));
            if header & BUSY != 0 {
                if !self.abandon(at) {
                    break;
                }
                header = words.get(at / 4).map_or(BUSY, |header| header.load(Acquire));
            }
            let len = header & !(BUSY | DISCARD);
            let bytes = record_bytes(len);
            if bytes > end.wrapping_sub(consumer) || bytes > self.size {
                // No writer of ours leaves such a ring behind: what is in it cannot be told apart.
                readers.abandoned.fetch_add(1, Relaxed);
                consumer = end;
                break;
            }
            consumer = consumer.wrapping_add(bytes);
            if !each((header & DISCARD == 0).then_some(at + 8), len as usize) {
                break;
            }
        }
        readers.consumer.store(consumer, Release);
    }

    fn reader(&self) -> Result<Held<'_>, Errno> {
        self.owners.lock(&self.control().readers.lock, || {})
    }

    /// Appends a record.
    #[inline]
    fn copy(&self, at: usize, len: usize, out: &mut Vec<u8>) {
        let before = out.len();
        out.resize(before + len, 0);
        // Whatever a position is, there is as much memory as the ring is long behind it.
        let _ = self.values.read(at, &mut out[before..]);
    }

    /// Where in memory a position of the ring is.
    #[expect(clippy::cast_possible_truncation, reason = "less than the size, which fits a usize")]
    #[inline(always)]
    fn at(&self, position: u64) -> usize {
        (position & (self.size - 1)) as usize
    }
}

/// Room a record takes.
fn record_bytes(len: u32) -> u64 {
    (u64::from(len) + HEADER).next_multiple_of(8)
}

/// Takes the writers' position from other threads.
#[cold]
#[inline(never)]
fn wait(word: &AtomicU64) -> u64 {
    loop {
        let producer = word.load(Relaxed) & !TAKEN;
        if word.compare_exchange_weak(producer, producer | TAKEN, Acquire, Relaxed).is_ok() {
            return producer;
        }
        while word.load(Relaxed) & TAKEN != 0 {
            spin_loop();
        }
    }
}
