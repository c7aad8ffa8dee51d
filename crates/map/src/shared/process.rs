//! The processes that have a map, and which of them live.
//!
//! A process is known by its PID and by when it started, as PIDs come again. It has a place in a table,
//! and its number is the place with how many had it before: a number is of one process for good, or
//! nearly, as the count has 22 bits.

use super::mapping::place;
use crate::values::low32;
use alloc::format;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::fs;
use std::os::linux::fs::MetadataExt;
use std::time::{Duration, Instant};

/// Places.
pub(super) const LIMIT: usize = 512;
/// Number of a process that found no place, and may take nothing.
pub(crate) const NOBODY: u32 = u32::MAX;
/// First word of the table.
const TABLE: usize = 4096 / 8;
/// Bits of a number that are the place plus 1.
const PLACE_BITS: u32 = 10;
/// Bits of a process's word below its PID.
const MARK_BITS: u32 = 42;

/// How long a lock may stay with a process that lives.
const PATIENCE: Duration = Duration::from_secs(5);

/// The table: for each place the process, 0 for none, and how many have had it.
pub(super) struct Processes<'w>(&'w [[AtomicU64; 2]]);

impl<'w> Processes<'w> {
    pub(super) fn new(words: &'w [AtomicU64]) -> Self {
        let table = words.get(TABLE..TABLE + LIMIT * 2).unwrap_or_default();
        Self(table.as_chunks().0)
    }

    /// Takes a place, one of a dead process if need be.
    pub(super) fn enter(&self) -> u32 {
        let Some(process) = this_process() else { return NOBODY };
        for may_take in [|process| process == 0, |process| !lives(process)] {
            for (place, [word, count]) in self.0.iter().enumerate() {
                let before = word.load(Relaxed);
                if !may_take(before) {
                    continue;
                }
                if word.compare_exchange(before, process, AcqRel, Relaxed).is_ok() {
                    let count = count.fetch_add(1, AcqRel).wrapping_add(1);
                    return low32(count << PLACE_BITS | (place as u64 + 1));
                }
            }
        }
        NOBODY
    }

    /// Gives a place back.
    pub(super) fn leave(&self, number: u32) {
        let Some([word, count]) = self.get(number) else { return };
        if low32(count.load(Acquire) << PLACE_BITS) == number & !((1 << PLACE_BITS) - 1) {
            word.store(0, Relaxed);
        }
    }

    /// Whether a number is not that of a living process.
    pub(super) fn is_dead(&self, number: u32) -> bool {
        let Some([word, count]) = self.get(number) else { return true };
        let process = word.load(Acquire);
        let current = low32(count.load(Acquire) << PLACE_BITS);
        current != number & !((1 << PLACE_BITS) - 1) || process == 0 || !lives(process)
    }

    fn get(&self, number: u32) -> Option<&'w [AtomicU64; 2]> {
        self.0.get(place(number).checked_sub(1)? as usize)
    }
}

/// This process as a word of the table.
fn this_process() -> Option<u64> {
    let pid = std::process::id();
    let Stat::Lives { start } = stat(pid) else { return None };
    Some(word(pid, start))
}

fn word(pid: u32, start: u64) -> u64 {
    // Times count from the start of the machine, which a file may outlive.
    let boot = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let mix = |mark: u64, byte: &u8| (mark ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let mark = boot.iter().chain(&start.to_ne_bytes()).fold(0xcbf2_9ce4_8422_2325, mix);
    u64::from(pid) << MARK_BITS | (mark ^ mark >> 22) & ((1 << MARK_BITS) - 1)
}

fn lives(process: u64) -> bool {
    let pid = low32(process >> MARK_BITS);
    match stat(pid) {
        Stat::Lives { start } => word(pid, start) == process,
        Stat::Dead => false,
        // Without /proc, one that exists is taken for the one that is meant.
        Stat::Unknown => i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH)),
    }
}

/// What the system says of a process.
enum Stat {
    Lives { start: u64 },
    Dead,
    Unknown,
}

/// Fields 3, 20 and 22 of `/proc/PID/stat`: state, threads, time of start. One that was killed and not
/// waited for yet is a zombie; one with threads left is so too when the first of them ends.
fn stat(pid: u32) -> Stat {
    let Ok(text) = fs::read(format!("/proc/{pid}/stat")) else { return Stat::Unknown };
    // The name may have anything in it, but ends at the last parenthesis.
    let Some(name_end) = text.iter().rposition(|byte| *byte == b')') else { return Stat::Unknown };
    let rest = core::str::from_utf8(&text[name_end + 1..]).unwrap_or_default();
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next().unwrap_or_default();
    let number = |field: Option<&str>| field.and_then(|field| field.parse::<u64>().ok());
    let Some(threads) = number(fields.nth(16)) else { return Stat::Unknown };
    let Some(start) = number(fields.nth(1)) else { return Stat::Unknown };
    match state {
        "Z" | "X" | "x" if threads <= 1 => Stat::Dead,
        _ => Stat::Lives { start },
    }
}

/// Number of this process's PID namespace; 0 if it cannot be told.
pub(super) fn namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |metadata| metadata.st_ino())
}

/// Time that passes while another process has what is wanted.
pub(crate) struct Pause {
    rounds: u32,
    since: Instant,
}

impl Pause {
    pub(crate) fn new() -> Self {
        Self { rounds: 0, since: Instant::now() }
    }

    /// Lets others run.
    ///
    /// # Errors
    ///
    /// `EBUSY` when it was enough.
    pub(crate) fn next(&mut self) -> Result<(), skep_abi::Errno> {
        if self.since.elapsed() > PATIENCE {
            return Err(skep_abi::Errno::EBUSY);
        }
        self.rounds += 1;
        if self.rounds < 64 {
            std::thread::yield_now();
        } else {
            std::thread::sleep(Duration::from_micros(100));
        }
        Ok(())
    }
}
