//! Stores to a context that is not all plain memory.

use super::{CTX, HalfField, Memory};
use crate::fault::{AccessError, Denied};

impl Memory<'_> {
    /// Whether an address lies in a context with such fields.
    pub(crate) fn has_halves(&self, addr: u64) -> bool {
        self.split(addr).0 == CTX && !self.halves.is_empty()
    }

    /// Stores the low `size` bytes as the kernel does after it has rewritten the access; `signed` is
    /// said of immediates. Kernel: `bpf_convert_ctx_access`.
    pub(crate) fn store_ctx(
        &self,
        addr: u64,
        size: usize,
        value: u64,
        signed: bool,
    ) -> Result<(), AccessError> {
        let at = self.split(addr).1;
        if let Some(field) = self.halves.iter().find(|field| field.at == at)
            && field.drops(value, signed)
        {
            return Ok(());
        }
        self.write_ctx(addr, value.to_le_bytes().get(..size).unwrap_or_default())
    }

    /// Writes bytes, but for the upper halves of fields.
    pub(super) fn write_ctx(&self, addr: u64, bytes: &[u8]) -> Result<(), AccessError> {
        let at = self.split(addr).1;
        let deny = AccessError { addr, size: bytes.len(), write: true, why: Denied::Outside };
        let end = (at as usize).checked_add(bytes.len()).ok_or(deny)?;
        let ctx = self.bytes.get(CTX as usize).and_then(|ctx| ctx.rd.get(at as usize..end));
        for ((at, cell), byte) in (at..).zip(ctx.ok_or(deny)?).zip(bytes) {
            if !self.halves.iter().any(|field| (field.at + 2..field.at + 4).contains(&at)) {
                cell.set(*byte);
            }
        }
        Ok(())
    }
}

impl HalfField {
    const fn drops(&self, value: u64, signed: bool) -> bool {
        match self.limit {
            Some(limit) if signed => value.cast_signed() >= limit as i64,
            Some(limit) => value >= limit as u64,
            None => false,
        }
    }
}
