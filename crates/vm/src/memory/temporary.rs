//! Regions that come and go during a run.

use super::{Kind, Memory, address};
use alloc::vec::Vec;
use core::ops::Range;
use skep_map::{Record, RingBuf};

/// Copies that a run may hold.
const MAX_COPIES: usize = 1024;

impl<'m> Memory<'m> {
    /// A ring buffer record, touchable until it is taken back. Returns its address.
    pub(crate) fn push_record(&mut self, ring: &'m RingBuf, record: Record) -> u64 {
        self.push(Kind::Record { ring, record })
    }

    /// Bytes for the program to read until they are dropped, named for messages. Returns their address.
    pub(crate) fn push_copy(&mut self, name: &'static str, bytes: Vec<u8>) -> u64 {
        self.push(Kind::Copy(name, bytes, 0..0))
    }

    /// Takes away what [`Memory::show`] gave.
    pub fn drop_copy(&mut self, addr: u64) {
        let region = self.split(addr).0 as usize;
        if let Some(kind @ Kind::Copy(..)) = self.regions.get_mut(region) {
            *kind = Kind::Free;
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
        self.has_room().then(|| self.push(Kind::Copy(name, bytes, writable)))
    }

    /// Puts other bytes in place of those that [`Memory::show`] or [`Memory::lend`] gave, as many as there are.
    pub fn change_copy(&mut self, addr: u64, bytes: &[u8]) {
        let region = self.split(addr).0 as usize;
        if let Some(Kind::Copy(_, copy, _)) = self.regions.get_mut(region) {
            for (to, from) in copy.iter_mut().zip(bytes) {
                *to = *from;
            }
        }
    }

    /// Whether a program that never gives anything back may have more.
    fn has_room(&self) -> bool {
        self.regions.iter().filter(|kind| matches!(kind, Kind::Copy(..))).count() < MAX_COPIES
    }

    fn push(&mut self, kind: Kind<'m>) -> u64 {
        let idx = self.regions.iter().position(|kind| matches!(kind, Kind::Free));
        let idx = idx.unwrap_or(self.regions.len());
        match self.regions.get_mut(idx) {
            Some(free) => *free = kind,
            None => self.regions.push(kind),
        }
        self.seen(address(u32::try_from(idx).unwrap_or(u32::MAX), 0))
    }

    /// Takes back a record by its address.
    pub(crate) fn take_record(&mut self, addr: u64) -> Option<(&'m RingBuf, Record)> {
        let (region, 0) = self.split(addr) else { return None };
        let kind = self.regions.get_mut(region as usize)?;
        let Kind::Record { ring, record } = *kind else { return None };
        *kind = Kind::Free;
        self.taken += 1;
        Some((ring, record))
    }

    /// Takes back all records that are still open.
    #[inline]
    pub(crate) fn close_records(&mut self) {
        for kind in &mut self.regions {
            if let Kind::Record { ring, record } = *kind {
                ring.discard(record);
                *kind = Kind::Free;
                self.taken += 1;
            }
        }
    }
}
