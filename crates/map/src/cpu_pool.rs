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
//! must wait.

use crate::Cpu;
use alloc::boxed::Box;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// CPU numbers, each of one thread at a time.
#[derive(Debug)]
pub struct CpuPool {
    cpus: u32,
    /// A bit for each number that is taken.
    taken: Box<[AtomicU64]>,
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
        Self { cpus, taken: words.collect() }
    }

    /// A number, if one is free: the lowest.
    #[must_use]
    pub fn try_lease(&self) -> Option<CpuLease<'_>> {
        for (n, word) in (0..).zip(&self.taken) {
            let mut taken = word.load(Relaxed);
            while taken.trailing_ones() < 64 {
                let bit = taken.trailing_ones();
                let cpu = n * 64 + bit;
                if cpu >= self.cpus {
                    break;
                }
                match word.compare_exchange_weak(taken, taken | 1 << bit, Acquire, Relaxed) {
                    Ok(_) => return Some(CpuLease { pool: self, cpu }),
                    Err(now) => taken = now,
                }
            }
        }
        None
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
        if let Some(word) = self.pool.taken.get(self.cpu as usize / 64) {
            word.fetch_and(!(1 << (self.cpu % 64)), Release);
        }
    }
}
