//! Types by name, put in order when somebody looks up many.

use crate::Btf;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};
use spin::Once;

/// Look-ups that are answered by going through all types, before that is too much.
const PATIENCE: u32 = 8;

/// The order of the names of one [`Btf`], made when it pays.
#[derive(Default)]
pub(crate) struct Names {
    asked: AtomicU32,
    sorted: Once<Sorted>,
}

/// Hashes of names with the index of the type, in order.
pub(crate) struct Sorted(Vec<(u32, u32)>);

impl Names {
    /// The order, once enough was asked.
    pub(crate) fn of(&self, btf: &Btf) -> Option<&Sorted> {
        if let Some(sorted) = self.sorted.get() {
            return Some(sorted);
        }
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        (asked >= PATIENCE).then(|| self.sorted.call_once(|| Sorted::of(btf)))
    }
}

impl Sorted {
    fn of(btf: &Btf) -> Self {
        let words = btf.words();
        let hashed = btf.starts.iter().zip(0..).filter_map(|(&start, index)| {
            let name = words.get(usize::try_from(start).ok()?)?;
            Some((hash(btf.c_str(btf.order.u32(*name))), index))
        });
        let mut hashed: Vec<_> = hashed.collect();
        hashed.sort_unstable();
        Self(hashed)
    }

    /// The first index with this name for which `is` holds.
    pub(crate) fn find(&self, name: &str, is: impl Fn(usize) -> bool) -> Option<usize> {
        let hash = hash(name.as_bytes());
        let start = self.0.partition_point(|&(other, _)| other < hash);
        let same = self.0.get(start..)?.iter().take_while(|&&(other, _)| other == hash);
        same.filter_map(|&(_, index)| usize::try_from(index).ok()).find(|&index| is(index))
    }
}

/// FNV-1a.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
