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
//! Source: `kernel/bpf/ringbuf.c`.

use crate::Values;
use alloc::vec::Vec;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use skep_abi::Errno;
use skep_prog::MapDef;
use spin::Mutex;

const HEADER: u64 = 8;
/// Neither submitted nor discarded.
const BUSY: u32 = 1 << 31;
const DISCARD: u32 = 1 << 30;
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
    writers: Line<Writers>,
    /// Serialises readers.
    reader: Line<Mutex<()>>,
    consumer: Line<AtomicU64>,
}

/// What writers write at each reservation.
#[derive(Debug)]
struct Writers {
    /// Serialises reservations; where the oldest record was that was busy when last looked at.
    pending: Mutex<u64>,
    producer: AtomicU64,
    dropped: AtomicU64,
}

/// Alone in its cache line, and the one that processors fetch with it: readers and writers do not wait
/// for each other's counts.
#[derive(Debug)]
#[repr(align(128))]
struct Line<T>(T);

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
    pub(crate) fn new(def: MapDef) -> Result<Self, Errno> {
        let size = u64::from(def.max_entries);
        let bytes = (def.max_entries as usize).checked_mul(2).ok_or(Errno::ENOMEM)?;
        let values = Values::new(bytes, 1)?;
        Ok(Self {
            def,
            values,
            size,
            writers: Line(Writers {
                pending: Mutex::new(0),
                producer: AtomicU64::new(0),
                dropped: AtomicU64::new(0),
            }),
            reader: Line(Mutex::new(())),
            consumer: Line(AtomicU64::new(0)),
        })
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
    pub fn reserve(&self, size: u64, flags: u64) -> Option<Record> {
        if flags != 0 {
            return None;
        }
        let record = self.try_reserve(size);
        if record.is_none() {
            self.writers.0.dropped.fetch_add(1, Relaxed);
        }
        record
    }

    fn try_reserve(&self, size: u64) -> Option<Record> {
        let len = u32::try_from(size).ok().filter(|_| size <= RECORD_MAX)?;
        let bytes = record_bytes(len);
        if bytes > self.size {
            return None;
        }
        let consumer = self.consumer.0.load(Acquire);
        let mut pending = self.writers.0.pending.lock();
        let producer = self.writers.0.producer.load(Relaxed);
        while *pending < producer {
            let header = self.header(*pending);
            if header & BUSY != 0 {
                break;
            }
            *pending += record_bytes(header & !DISCARD);
        }
        let end = producer + bytes;
        if end - consumer >= self.size || end - *pending >= self.size {
            return None;
        }
        let at = self.at(producer);
        self.values.set_word(at, len | BUSY);
        self.writers.0.producer.store(end, Release);
        Some(Record { at: at + 8, len })
    }

    /// Hands the record to the reader. Nothing happens to a record that is not reserved.
    pub fn submit(&self, record: Record) {
        self.commit(record, 0);
    }

    /// Gives the record back; the reader passes over it.
    pub fn discard(&self, record: Record) {
        self.commit(record, DISCARD);
    }

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
                let consumer = self.consumer.0.load(Acquire);
                self.writers.0.producer.load(Acquire) - consumer
            }
            1 => self.size,
            2 => self.consumer.0.load(Acquire),
            3 => self.writers.0.producer.load(Acquire),
            _ => 0,
        }
    }

    /// Reservations that failed.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.writers.0.dropped.load(Relaxed)
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
        let _reader = self.reader.0.lock();
        let mut consumer = self.consumer.0.load(Relaxed);
        let end = self.writers.0.producer.load(Acquire);
        let words = self.values.half_words();
        while consumer != end {
            let at = self.at(consumer);
            let header = words.get(at / 4).map_or(BUSY, |header| header.load(Acquire));
            if header & BUSY != 0 {
                break;
            }
            let len = header & !DISCARD;
            consumer += record_bytes(len);
            if !each((header & DISCARD == 0).then_some(at + 8), len as usize) {
                break;
            }
        }
        self.consumer.0.store(consumer, Release);
    }

    /// Appends a record.
    #[inline]
    fn copy(&self, at: usize, len: usize, out: &mut Vec<u8>) {
        let before = out.len();
        out.resize(before + len, 0);
        let copied = self.values.read(at, &mut out[before..]);
        debug_assert!(copied.is_some(), "bug: the record at {at} has {len} bytes");
    }

    #[inline]
    fn header(&self, position: u64) -> u32 {
        self.values.word(self.at(position))
    }

    /// Where in memory a position of the ring is.
    #[expect(clippy::cast_possible_truncation, reason = "less than the size, which fits a usize")]
    fn at(&self, position: u64) -> usize {
        (position & (self.size - 1)) as usize
    }
}

/// Room a record takes.
fn record_bytes(len: u32) -> u64 {
    (u64::from(len) + HEADER).next_multiple_of(8)
}
