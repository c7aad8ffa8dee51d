//! Numbers of CPUs for threads that run programs.
//!
//! A per-CPU value is read, changed and written back without any lock. Two runs that overlap in time
//! must not do so on the same value, and asking the machine does not keep them apart: between
//! `getcpu` and the write, a thread may be preempted, another one may run on that CPU and change the
//! value, and the first then writes back what it had read before. With more threads than CPUs that
//! loses a large part of all updates. The kernel can disable preemption or migration; a process
//! cannot.
//!
//! A [`CpuPool`] has as many numbers as maps have per-CPU values, and gives each to one thread at a
//! time. Who has a number is alone with the values of that CPU, wherever the thread runs, so that no
//! update is lost. A thread takes a lease for as many runs as it likes; one that finds no number free
//! must wait. Processes that share maps share the numbers as well (`SharedMap::cpu_pool`); those of a
//! process that died are given to others.

use crate::Cpu;
#[cfg(target_os = "linux")]
use crate::shared::{Mapping, NOBODY};
use alloc::boxed::Box;
#[cfg(target_os = "linux")]
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// CPU numbers, each of one thread at a time.
#[derive(Debug)]
pub struct CpuPool {
    cpus: u32,
    taken: Taken,
}

enum Taken {
    /// A bit for each number that is taken.
    Here(Box<[AtomicU64]>),
    /// For each number, the process that has it.
    #[cfg(target_os = "linux")]
    Shared(Arc<Mapping>),
}

/// A CPU number that nobody else has. Dropping it gives it back, and makes all that was written
/// under it visible to the next.
#[derive(Debug)]
pub struct CpuLease<'p> {
    pool: &'p CpuPool,
    cpu: u32,
}

impl CpuPool {
    /// For the CPUs that maps were made for.
    #[must_use]
    pub fn new(cpus: u32) -> Self {
        let words = (0..cpus.div_ceil(64)).map(|_| AtomicU64::new(0));
        Self { cpus, taken: Taken::Here(words.collect()) }
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn shared(mapping: Arc<Mapping>, cpus: u32) -> Self {
        Self { cpus, taken: Taken::Shared(mapping) }
    }

    /// A number, if one is free: the lowest.
    #[must_use]
    pub fn try_lease(&self) -> Option<CpuLease<'_>> {
        let cpu = match &self.taken {
            Taken::Here(words) => self.take_here(words),
            #[cfg(target_os = "linux")]
            Taken::Shared(mapping) => self.take_shared(mapping),
        };
        cpu.map(|cpu| CpuLease { pool: self, cpu })
    }

    fn take_here(&self, words: &[AtomicU64]) -> Option<u32> {
        for (n, word) in (0..).zip(words) {
            let mut taken = word.load(Relaxed);
            while taken.trailing_ones() < 64 {
                let bit = taken.trailing_ones();
                let cpu = n * 64 + bit;
                if cpu >= self.cpus {
                    break;
                }
                match word.compare_exchange_weak(taken, taken | 1 << bit, Acquire, Relaxed) {
                    Ok(_) => return Some(cpu),
                    Err(now) => taken = now,
                }
            }
        }
        None
    }

    #[cfg(target_os = "linux")]
    fn take_shared(&self, mapping: &Mapping) -> Option<u32> {
        let own = mapping.own();
        if own == NOBODY {
            return None;
        }
        let take = |(cpu, word): (u32, &core::sync::atomic::AtomicU32), from: u32| {
            word.compare_exchange(from, own, Acquire, Relaxed).is_ok().then_some(cpu)
        };
        let words = || (0..self.cpus).zip(mapping.cpus());
        let free = words().find_map(|word| take(word, 0));
        free.or_else(|| {
            words().find_map(|(cpu, word)| {
                let owner = word.load(Relaxed);
                if mapping.is_dead(owner) { take((cpu, word), owner) } else { None }
            })
        })
    }

    /// A number; calls `wait` (a pause, a yield to other threads) while none is free.
    pub fn lease(&self, mut wait: impl FnMut()) -> CpuLease<'_> {
        loop {
            if let Some(lease) = self.try_lease() {
                return lease;
            }
            wait();
        }
    }
}

impl CpuLease<'_> {
    /// The number.
    #[must_use]
    pub fn cpu(&self) -> Cpu {
        Cpu(self.cpu)
    }
}

impl Drop for CpuLease<'_> {
    fn drop(&mut self) {
        match &self.pool.taken {
            Taken::Here(words) => {
                if let Some(word) = words.get(self.cpu as usize / 64) {
                    word.fetch_and(!(1 << (self.cpu % 64)), Release);
                }
            }
            #[cfg(target_os = "linux")]
            Taken::Shared(mapping) => {
                if let Some(word) = mapping.cpus().get(self.cpu as usize) {
                    word.store(0, Release);
                }
            }
        }
    }
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(words) => words.fmt(f),
            #[cfg(target_os = "linux")]
            Self::Shared(_) => f.write_str("Shared"),
        }
    }
}
