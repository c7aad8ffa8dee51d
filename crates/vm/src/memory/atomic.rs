//! Atomic accesses and those with ordering.

use super::Memory;
use super::access::size_of_bytes;
use crate::fault::{AccessError, Denied};
use skep_isa::{AtomicOp, Size};

impl Memory<'_> {
    /// Atomic read-modify-write; returns the old value, zero-extended.
    pub(crate) fn atomic(
        &mut self,
        addr: u64,
        size: Size,
        op: AtomicOp,
        src: u64,
        r0: u64,
    ) -> Result<u64, AccessError> {
        let bytes = usize::from(size.bytes());
        let deny = |why| AccessError { addr, size: bytes, write: true, why };
        if !addr.is_multiple_of(bytes as u64) {
            return Err(deny(Denied::Unaligned));
        }
        if let Some((values, at)) = self.values(addr, bytes, true)? {
            return values.atomic(at, size, op, src, r0).map_err(|_| deny(Denied::Outside));
        }
        // Private bytes belong to this thread alone: a load and a store will do. What cannot be written
        // is refused even if nothing would change.
        let mut old = [0; 8];
        let copied = self.copied.get();
        self.read(addr, old.get_mut(..bytes).unwrap_or_default())
            .map_err(|access| AccessError { write: true, ..access })?;
        let old = u64::from_le_bytes(old);
        let new = modify(size, op, old, src, r0);
        self.write(addr, new.to_le_bytes().get(..bytes).unwrap_or_default())?;
        // An instruction is no copy that a helper makes.
        self.copied.set(copied);
        Ok(old)
    }

    /// Load with acquire ordering.
    pub(crate) fn load_acquire(&self, addr: u64, size: usize) -> Result<u64, AccessError> {
        if !addr.is_multiple_of(size as u64) {
            return Err(AccessError { addr, size, write: false, why: Denied::Unaligned });
        }
        match self.values(addr, size, false)? {
            Some((values, at)) => values
                .load_acquire(at, size_of_bytes(size))
                .map_err(|_| AccessError { addr, size, write: false, why: Denied::Outside }),
            None => self.load_slow(addr, size),
        }
    }

    /// Store with release ordering.
    pub(crate) fn store_release(
        &mut self,
        addr: u64,
        size: usize,
        value: u64,
    ) -> Result<(), AccessError> {
        if !addr.is_multiple_of(size as u64) {
            return Err(AccessError { addr, size, write: true, why: Denied::Unaligned });
        }
        match self.values(addr, size, true)? {
            Some((values, at)) => values
                .store_release(at, size_of_bytes(size), value)
                .map_err(|_| AccessError { addr, size, write: true, why: Denied::Outside }),
            None => self.store_slow(addr, size, value),
        }
    }
}

/// The value an atomic operation leaves in memory.
fn modify(size: Size, op: AtomicOp, old: u64, src: u64, r0: u64) -> u64 {
    let narrow = |v: u64| if size == Size::W { v & 0xffff_ffff } else { v };
    narrow(match op {
        AtomicOp::Add | AtomicOp::FetchAdd => old.wrapping_add(src),
        AtomicOp::Or | AtomicOp::FetchOr => old | src,
        AtomicOp::And | AtomicOp::FetchAnd => old & src,
        AtomicOp::Xor | AtomicOp::FetchXor => old ^ src,
        AtomicOp::Xchg => src,
        AtomicOp::CmpXchg if old == narrow(r0) => src,
        AtomicOp::CmpXchg => old,
    })
}
