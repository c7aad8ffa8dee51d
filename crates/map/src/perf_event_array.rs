//! Events for the user in a queue for each CPU.
//!
//! Source: `bpf_perf_event_output` in `kernel/trace/bpf_trace.c`; `perf_output_begin` in
//! `kernel/events/ring_buffer.c`.

use crate::Cpu;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;
use skep_abi::Errno;
use skep_prog::MapDef;
use spin::Mutex;

/// Bytes a CPU's queue holds: 64 pages, what `perf_buffer__new` is usually given.
const QUEUE_BYTES: usize = 64 * 4096;
/// Header and size field of a sample (`struct perf_sample_raw`).
const SAMPLE_HEADER: usize = 12;
/// `sizeof(struct perf_sample_lost)`
const LOST_BYTES: usize = 24;

/// Bounded queues of events, one for each CPU.
#[derive(Debug)]
pub struct PerfEventArray {
    def: MapDef,
    queues: Vec<Mutex<Queue>>,
    /// Samples so far.
    clock: AtomicU64,
}

/// What a reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PerfEvent {
    /// What a program put out.
    Sample {
        /// Where the program ran.
        cpu: Cpu,
        /// Exactly what it gave; the kernel pads to a multiple of 8 less 4.
        bytes: Box<[u8]>,
    },
    /// Events that found no room, between the events before and after.
    Lost {
        /// Whose queue was full.
        cpu: Cpu,
        /// How many.
        count: u64,
    },
}

#[derive(Debug, Default)]
struct Queue {
    /// With the time of output.
    events: VecDeque<(u64, PerfEvent)>,
    bytes: usize,
    /// Since the last event in the queue.
    lost: u64,
}

impl PerfEventArray {
    /// All CPUs have a queue, as far as the map has an entry for them.
    pub(crate) fn new(def: MapDef, cpus: u32) -> Result<Self, Errno> {
        let count = cpus.min(def.max_entries) as usize;
        let mut queues = Vec::new();
        queues.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        queues.resize_with(count, Mutex::default);
        Ok(Self { def, queues, clock: AtomicU64::new(0) })
    }

    /// Most bytes that all queues hold together.
    pub(crate) fn bytes(cpus: u32) -> u64 {
        u64::from(cpus) * QUEUE_BYTES as u64
    }

    /// What the map was made from.
    #[must_use]
    pub fn def(&self) -> &MapDef {
        &self.def
    }

    /// Puts out an event from a program on `cpu`; `index` is `cpu` where the program says
    /// `BPF_F_CURRENT_CPU`.
    ///
    /// # Errors
    ///
    /// `E2BIG` beyond the end of the map, `ENOENT` where there is no CPU of that number,
    /// `EOPNOTSUPP` for another CPU, `ENOSPC` when the queue is full.
    pub fn output(&self, index: u32, cpu: Cpu, bytes: &[u8]) -> Result<(), Errno> {
        if index >= self.def.max_entries {
            return Err(Errno::E2BIG);
        }
        let queue = self.queues.get(index as usize).ok_or(Errno::ENOENT)?;
        if index != cpu.0 {
            return Err(Errno::EOPNOTSUPP);
        }
        queue.lock().push(cpu, bytes, &self.clock)
    }

    /// The oldest event of all queues. A loss after which its CPU put nothing out comes last.
    pub fn next(&self) -> Option<PerfEvent> {
        let cpus = (0..).map(Cpu).zip(&self.queues);
        let oldest = cpus
            .filter_map(|(cpu, queue)| Some((queue.lock().time()?, cpu, queue)))
            .min_by_key(|(time, ..)| *time);
        oldest.and_then(|(_, cpu, queue)| queue.lock().pop(cpu))
    }
}

impl Queue {
    fn push(&mut self, cpu: Cpu, bytes: &[u8], clock: &AtomicU64) -> Result<(), Errno> {
        let pushed = self.try_push(cpu, bytes, clock);
        if pushed.is_err() {
            self.lost = self.lost.saturating_add(1);
        }
        pushed
    }

    fn try_push(&mut self, cpu: Cpu, bytes: &[u8], clock: &AtomicU64) -> Result<(), Errno> {
        let lost = if self.lost > 0 { LOST_BYTES } else { 0 };
        let size = sample_bytes(bytes.len()).saturating_add(lost);
        if size > QUEUE_BYTES - self.bytes {
            return Err(Errno::ENOSPC);
        }
        let mut copy = Vec::new();
        copy.try_reserve_exact(bytes.len()).map_err(|_| Errno::ENOSPC)?;
        self.events.try_reserve(2).map_err(|_| Errno::ENOSPC)?;
        copy.extend_from_slice(bytes);
        let time = clock.fetch_add(1, Relaxed);
        if self.lost > 0 {
            self.events.push_back((time, PerfEvent::Lost { cpu, count: self.lost }));
            self.lost = 0;
        }
        self.events.push_back((time, PerfEvent::Sample { cpu, bytes: copy.into() }));
        self.bytes += size;
        Ok(())
    }

    /// Of the next event, if there is one.
    fn time(&self) -> Option<u64> {
        let lost = (self.lost > 0).then_some(u64::MAX);
        self.events.front().map(|(time, _)| *time).or(lost)
    }

    fn pop(&mut self, cpu: Cpu) -> Option<PerfEvent> {
        let event = self.events.pop_front().map(|(_, event)| event);
        self.bytes -= match &event {
            Some(PerfEvent::Sample { bytes, .. }) => sample_bytes(bytes.len()),
            Some(PerfEvent::Lost { .. }) => LOST_BYTES,
            None => 0,
        };
        let count = self.lost;
        if event.is_none() && count > 0 {
            self.lost = 0;
            return Some(PerfEvent::Lost { cpu, count });
        }
        event
    }
}

/// Room a sample takes: header, size and data, padded to eight bytes.
const fn sample_bytes(len: usize) -> usize {
    len.saturating_add(SAMPLE_HEADER + 7) & !7
}
