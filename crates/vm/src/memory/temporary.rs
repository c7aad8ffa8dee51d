//! Regions that come and go during a run.

use super::{MAPS, Memory, Temporary, address};
use alloc::vec::Vec;
use core::ops::Range;
use skep_map::{Record, RingBuf};

/// Copies that a run may hold.
const MAX_COPIES: usize = 1024;

impl<'m> Memory<'m> {
    /// A ring buffer record, touchable until it is taken back. Returns its address.
    pub(crate) fn push_record(&mut self, ring: &'m RingBuf, record: Record) -> u64 {
        self.push(Temporary::Record { ring, record })
    }

    /// Bytes for the program to read until they are dropped, named for messages. Returns their address.
    pub(crate) fn push_copy(&mut self, name: &'static str, bytes: Vec<u8>) -> u64 {
        self.push(Temporary::Copy(name, bytes, 0..0))
    }

    /// Takes away what [`Memory::show`] gave.
    pub fn drop_copy(&mut self, addr: u64) {
        let region = self.split(addr).0;
        if let Some(kind @ Temporary::Copy(..)) = self.temporary_mut(region) {
            *kind = Temporary::Free;
            self.taken += 1;
        }
    }

    /// Bytes for the program to read until [`Memory::drop_copy`], named for messages. None if the program
    /// has been given too many that it never gave back.
    pub fn show(&mut self, name: &'static str, bytes: Vec<u8>) -> Option<u64> {
        self.has_room().then(|| self.push_copy(name, bytes))
    }

    /// The same, of which the program may write a part. There is at least a byte, so that each has an address of
    /// its own.
    pub fn lend(
        &mut self,
        name: &'static str,
        mut bytes: Vec<u8>,
        writable: Range<usize>,
    ) -> Option<u64> {
        if bytes.is_empty() {
            bytes.push(0);
        }
        self.has_room().then(|| self.push(Temporary::Copy(name, bytes, writable)))
    }

    /// Puts other bytes in place of those that [`Memory::show`] or [`Memory::lend`] gave, as many as there are.
    pub fn change_copy(&mut self, addr: u64, bytes: &[u8]) {
        let region = self.split(addr).0;
        if let Some(Temporary::Copy(_, copy, _)) = self.temporary_mut(region) {
            for (to, from) in copy.iter_mut().zip(bytes) {
                *to = *from;
            }
        }
    }

    /// Whether a program that never gives anything back may have more.
    fn has_room(&self) -> bool {
        self.temporary.iter().filter(|kind| matches!(kind, Temporary::Copy(..))).count()
            < MAX_COPIES
    }

    fn push(&mut self, kind: Temporary<'m>) -> u64 {
        let idx = self.temporary.iter().position(|kind| matches!(kind, Temporary::Free));
        let idx = idx.unwrap_or(self.temporary.len());
        match self.temporary.get_mut(idx) {
            Some(free) => *free = kind,
            None => self.temporary.push(kind),
        }
        let region = u32::try_from(MAPS as usize + self.maps.len() + idx).unwrap_or(u32::MAX);
        self.seen(address(region, 0))
    }

    /// Takes back a record by its address.
    pub(crate) fn take_record(&mut self, addr: u64) -> Option<(&'m RingBuf, Record)> {
        let (region, 0) = self.split(addr) else { return None };
        let kind = self.temporary_mut(region)?;
        let Temporary::Record { ring, record } = *kind else { return None };
        *kind = Temporary::Free;
        self.taken += 1;
        Some((ring, record))
    }

    /// Takes back all records that are still open.
    #[inline]
    pub(crate) fn close_records(&mut self) {
        for kind in &mut self.temporary {
            if let Temporary::Record { ring, record } = *kind {
                ring.discard(record);
                *kind = Temporary::Free;
                self.taken += 1;
            }
        }
    }
}
