//! Queues and stacks: values without keys.
//!
//! Source: `kernel/bpf/queue_stack_maps.c`.

use crate::Values;
use crate::key_value::{ANY, EXIST, sized};
use crate::lock::{Held, Owners};
use crate::memory::Memory;
use crate::values::low32;
use core::sync::atomic::Ordering::{Relaxed, Release};
use skep_abi::{Errno, MapType};
use skep_prog::MapDef;

/// `queue` and `stack`: the first value in is the first out, or the last.
#[derive(Debug)]
pub struct Queue {
    def: MapDef,
    values: Values,
    /// A lock in the first word; in the second a [`Span`], which changes as a whole.
    control: Values,
    owners: Owners,
}

/// Cells in use: `len` of them from `oldest` on, around the end.
#[derive(Clone, Copy, Debug)]
struct Span {
    oldest: u32,
    len: u32,
}

impl Queue {
    pub(crate) fn new(memory: &Memory, def: MapDef) -> Result<Self, Errno> {
        let values = memory.values(def.value_size as usize, def.max_entries as usize)?;
        Ok(Self { def, values, control: memory.words(2)?, owners: memory.owners() })
    }

    fn lock(&self) -> Result<Held<'_>, Errno> {
        let word = self.control.half_words().first().ok_or(Errno::EINVAL)?;
        // Nothing is half done, as the span changes as a whole.
        self.owners.lock(word, || {})
    }

    fn span(&self) -> Span {
        let word = self.control.words().get(1).map_or(0, |word| word.load(Relaxed));
        // Whatever another process may have written.
        let oldest = low32(word >> 32) % self.def.max_entries;
        Span { oldest, len: low32(word).min(self.def.max_entries) }
    }

    fn set_span(&self, span: Span) {
        if let Some(word) = self.control.words().get(1) {
            word.store(u64::from(span.oldest) << 32 | u64::from(span.len), Release);
        }
    }

    /// What the map was made from.
    #[must_use]
    pub fn def(&self) -> &MapDef {
        &self.def
    }

    /// Values at present.
    #[must_use]
    pub fn len(&self) -> usize {
        self.span().len as usize
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a value. With `BPF_EXIST`, the oldest value of a full map makes room.
    ///
    /// # Errors
    ///
    /// `EINVAL` for any other flag and for sizes, `E2BIG` for a full map.
    ///
    /// Kernel: `queue_stack_map_push_elem`.
    pub fn push(&self, value: &[u8], flags: u64) -> Result<(), Errno> {
        sized(value, self.values.value_size())?;
        if flags != ANY && flags != EXIST {
            return Err(Errno::EINVAL);
        }
        let _held = self.lock()?;
        let mut span = self.span();
        if span.len == self.def.max_entries {
            if flags != EXIST {
                return Err(Errno::E2BIG);
            }
            span.oldest = self.after(span.oldest, 1);
            span.len -= 1;
        }
        self.values
            .write(self.at(self.after(span.oldest, span.len)), value)
            .ok_or(Errno::EINVAL)?;
        span.len += 1;
        self.set_span(span);
        Ok(())
    }

    /// Copies the next value, and takes it out. `out` becomes zeroes where there is none.
    ///
    /// # Errors
    ///
    /// `ENOENT` for an empty map, `EINVAL` for sizes.
    pub fn pop(&self, out: &mut [u8]) -> Result<(), Errno> {
        let _held = self.lock()?;
        let mut span = self.span();
        self.read_next(span, out)?;
        if self.def.map_type == MapType::Queue {
            span.oldest = self.after(span.oldest, 1);
        }
        span.len -= 1;
        self.set_span(span);
        Ok(())
    }

    /// Copies the next value. `out` becomes zeroes where there is none.
    ///
    /// # Errors
    ///
    /// As [`Queue::pop`].
    pub fn peek(&self, out: &mut [u8]) -> Result<(), Errno> {
        let _held = self.lock()?;
        self.read_next(self.span(), out)
    }

    fn read_next(&self, span: Span, out: &mut [u8]) -> Result<(), Errno> {
        sized(out, self.values.value_size())?;
        let Some(last) = span.len.checked_sub(1) else {
            out.fill(0);
            return Err(Errno::ENOENT);
        };
        let next = if self.def.map_type == MapType::Queue { 0 } else { last };
        self.values.read(self.at(self.after(span.oldest, next)), out).ok_or(Errno::EINVAL)
    }

    /// The cell so many, at most as many as there are, after one.
    fn after(&self, cell: u32, by: u32) -> u32 {
        let cell = u64::from(cell) + u64::from(by);
        low32(cell % u64::from(self.def.max_entries))
    }

    fn at(&self, cell: u32) -> usize {
        cell as usize * self.values.stride()
    }
}
