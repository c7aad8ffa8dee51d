//! Arrays of programs, for tail calls.
//!
//! Source: `fd_array_map_*` in `kernel/bpf/arraymap.c`.

use crate::Values;
use crate::key_value::{ANY, next_index, prepare, sized};
use alloc::vec::Vec;
use skep_abi::Errno;
use skep_isa::Size;
use skep_prog::MapDef;

/// Programs by index. A program is a number of the engine's.
#[derive(Debug)]
pub struct ProgArray {
    def: MapDef,
    /// A word for each index, with [`ProgArray::SET`].
    progs: Values,
}

impl ProgArray {
    /// Marks an index that holds a program, whose number is in the lower half.
    pub const SET: u64 = 1 << 32;

    pub(crate) fn new(def: MapDef) -> Result<Self, Errno> {
        let progs = Values::new(8, def.max_entries as usize)?;
        Ok(Self { def, progs })
    }

    /// What the map was made from.
    #[must_use]
    pub fn def(&self) -> &MapDef {
        &self.def
    }

    /// The words of the array, one for each index: [`ProgArray::SET`] and the number of the program, or 0.
    #[must_use]
    pub fn words(&self) -> &Values {
        &self.progs
    }

    /// The program at an index. `None` beyond the end too.
    #[inline]
    #[must_use]
    pub fn get(&self, index: u32) -> Option<u32> {
        let word = self.progs.load(index as usize * 8, Size::Dw)?;
        (word & Self::SET != 0).then_some(crate::values::low32(word))
    }

    /// Puts a program at an index, or takes it away.
    ///
    /// # Errors
    ///
    /// `E2BIG` beyond the end; `ENOENT` if there was none to take away.
    pub fn set(&self, index: u32, prog: Option<u32>) -> Result<(), Errno> {
        let word = prog.map_or(0, |id| Self::SET | u64::from(id));
        let at = index as usize * 8;
        let old = self
            .progs
            .atomic(at, Size::Dw, skep_isa::AtomicOp::Xchg, word, 0)
            .map_err(|_| Errno::E2BIG)?;
        if prog.is_none() && old == 0 { Err(Errno::ENOENT) } else { Ok(()) }
    }

    /// The number of the program at an index, as four bytes.
    pub(crate) fn lookup_user(&self, key: &[u8], out: &mut Vec<u8>) -> Result<(), Errno> {
        let prog = self.get(index(key)?).ok_or(Errno::ENOENT)?;
        prepare(out, 4)?;
        out.copy_from_slice(&prog.to_ne_bytes());
        Ok(())
    }

    /// Kernel: `bpf_fd_array_map_update_elem`.
    pub(crate) fn update_user(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let prog = u32::from_ne_bytes(*value.as_array().ok_or(Errno::EINVAL)?);
        if flags != ANY {
            return Err(Errno::EINVAL);
        }
        self.set(index(key)?, Some(prog))
    }

    pub(crate) fn delete_user(&self, key: &[u8]) -> Result<(), Errno> {
        self.set(index(key)?, None)
    }

    pub(crate) fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        sized(next, 4)?;
        next_index(self.def.max_entries, key, next)
    }
}

fn index(key: &[u8]) -> Result<u32, Errno> {
    key.as_array().map(|key| u32::from_ne_bytes(*key)).ok_or(Errno::EINVAL)
}
