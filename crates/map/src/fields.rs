//! Fields of values that are not bytes to the user: spin locks, timers, pointers of the kernel.
//!
//! Lookups of the user show them as zeroes and updates leave them out. Only who knows the types of
//! values can tell where they are, so whoever makes a map says so.
//!
//! Source: `copy_map_value`, `zero_map_value`, `copy_map_value_locked`, `check_and_init_map_value` in
//! `include/linux/bpf.h` and `kernel/bpf/helpers.c`; `map_check_btf` in `syscall.c`.

use crate::rules::{F_RDONLY_PROG, F_WRONLY_PROG};
use crate::{Rule, Values};
use alloc::vec::Vec;
use core::hint::spin_loop;
use core::ops::Range;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use skep_abi::{Errno, MapType};
use skep_prog::MapDef;

/// Looks at a lock before giving up, about a second: its owner may have lost its CPU for a while, but
/// a run that ended in a fault may have left it held.
const TRIES: u32 = 1 << 26;
/// Looks at a lock before asking for its owner.
const PATIENCE: u32 = 1 << 14;
/// `sizeof(struct bpf_spin_lock)`
const LOCK: u32 = 4;

/// Where a value has fields of the kernel's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Position of a `struct bpf_spin_lock`: a word that is not 0 while the lock is held.
    pub spin_lock: Option<u32>,
    /// Bytes of all others: `struct bpf_timer`, kptrs, and their like.
    pub opaque: Vec<Range<u32>>,
}

impl Fields {
    /// Whether a map may have them.
    pub(crate) fn check(&self, def: &MapDef) -> Result<(), (Rule, Errno)> {
        let Some(last) = self.ranges().map(|range| range.end).max() else { return Ok(()) };
        let rule = |errno| Err((Rule::Fields { map_type: def.map_type }, errno));
        let locked = self.spin_lock.is_some_and(|at| !at.is_multiple_of(LOCK));
        if locked || last > def.value_size || self.ranges().any(|range| range.is_empty()) {
            return rule(Errno::EINVAL);
        }
        if def.flags & (F_RDONLY_PROG | F_WRONLY_PROG) != 0 {
            return rule(Errno::EACCES);
        }
        match def.map_type {
            MapType::Array | MapType::Hash => Ok(()),
            // Kernel: `map_check_btf` lets these have all but locks.
            MapType::LruHash if self.spin_lock.is_none() => Ok(()),
            _ => rule(Errno::EOPNOTSUPP),
        }
    }

    fn ranges(&self) -> impl Iterator<Item = Range<u32>> {
        let lock = self.spin_lock.map(|at| at..at.saturating_add(LOCK));
        lock.into_iter().chain(self.opaque.iter().cloned())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.spin_lock.is_none() && self.opaque.is_empty()
    }

    /// Whether byte `at` of a value is in none of them.
    fn is_plain(&self, at: usize) -> bool {
        self.ranges().all(|range| !(range.start as usize..range.end as usize).contains(&at))
    }

    /// Writes a value but for the fields.
    #[inline]
    pub(crate) fn write(&self, values: &Values, at: usize, value: &[u8]) -> Option<()> {
        if self.is_empty() {
            return values.write(at, value);
        }
        let mut start = 0;
        while start < value.len() {
            let rest = start..value.len();
            let end = rest.clone().find(|n| !self.is_plain(*n)).unwrap_or(value.len());
            values.write(at + start, &value[start..end])?;
            start = (end..value.len()).find(|n| self.is_plain(*n)).unwrap_or(value.len());
        }
        Some(())
    }

    /// As [`Fields::write`] for a new value, whose fields are zero.
    #[inline]
    pub(crate) fn init(&self, values: &Values, at: usize, value: &[u8]) -> Option<()> {
        if !self.is_empty() {
            values.clear_cell(at);
        }
        self.write(values, at, value)
    }

    /// Makes the fields of a copy zero.
    #[inline]
    pub(crate) fn hide(&self, value: &mut [u8]) {
        for range in self.ranges() {
            if let Some(field) = value.get_mut(range.start as usize..range.end as usize) {
                field.fill(0);
            }
        }
    }

    /// Runs `act` while it holds the lock in the value at `at`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if values have no lock, `EBUSY` if it stays held.
    pub(crate) fn locked<R>(
        &self,
        values: &Values,
        at: usize,
        act: impl FnOnce() -> R,
    ) -> Result<R, Errno> {
        let field = self.spin_lock.ok_or(Errno::EINVAL)? as usize;
        let lock = values.half_words().get((at + field) / 4).ok_or(Errno::EINVAL)?;
        acquire(values, lock)?;
        let result = act();
        lock.store(0, Release);
        Ok(result)
    }
}

fn acquire(values: &Values, lock: &AtomicU32) -> Result<(), Errno> {
    let own = values.lock_owner();
    for n in 1..TRIES {
        let owner = lock.load(Relaxed);
        let free = owner == 0 || (n.is_multiple_of(PATIENCE) && values.is_dead_owner(owner));
        if free && lock.compare_exchange_weak(owner, own, Acquire, Relaxed).is_ok() {
            return Ok(());
        }
        spin_loop();
    }
    Err(Errno::EBUSY)
}
