//! Queues and stacks: values without keys.
//!
//! Source: `kernel/bpf/queue_stack_maps.c`.

use crate::Values;
use crate::key_value::{ANY, EXIST, sized};
use skep_abi::{Errno, MapType};
use skep_prog::MapDef;
use spin::Mutex;

/// `queue` and `stack`: the first value in is the first out, or the last.
#[derive(Debug)]
pub struct Queue {
    def: MapDef,
    values: Values,
    span: Mutex<Span>,
}

/// Cells in use: `len` of them from `oldest` on, around the end.
#[derive(Debug, Default)]
struct Span {
    oldest: usize,
    len: usize,
}

impl Queue {
    pub(crate) fn new(def: MapDef) -> Result<Self, Errno> {
        let values = Values::new(def.value_size as usize, def.max_entries as usize)?;
        Ok(Self { def, values, span: Mutex::default() })
    }

    /// What the map was made from.
    #[must_use]
    pub fn def(&self) -> &MapDef {
        &self.def
    }

    /// Values at present.
    #[must_use]
    pub fn len(&self) -> usize {
        self.span.lock().len
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
        let mut span = self.span.lock();
        if span.len == self.cells() {
            if flags != EXIST {
                return Err(Errno::E2BIG);
            }
            span.oldest = (span.oldest + 1) % self.cells();
            span.len -= 1;
        }
        let at = self.at(span.oldest + span.len);
        span.len += 1;
        self.values.write(at, value).ok_or(Errno::EINVAL)
    }

    /// Copies the next value, and takes it out. `out` becomes zeroes where there is none.
    ///
    /// # Errors
    ///
    /// `ENOENT` for an empty map, `EINVAL` for sizes.
    pub fn pop(&self, out: &mut [u8]) -> Result<(), Errno> {
        let mut span = self.span.lock();
        self.read_next(&span, out)?;
        if self.def.map_type == MapType::Queue {
            span.oldest = (span.oldest + 1) % self.cells();
        }
        span.len -= 1;
        Ok(())
    }

    /// Copies the next value. `out` becomes zeroes where there is none.
    ///
    /// # Errors
    ///
    /// As [`Queue::pop`].
    pub fn peek(&self, out: &mut [u8]) -> Result<(), Errno> {
        self.read_next(&self.span.lock(), out)
    }

    fn read_next(&self, span: &Span, out: &mut [u8]) -> Result<(), Errno> {
        sized(out, self.values.value_size())?;
        let Some(last) = span.len.checked_sub(1) else {
            out.fill(0);
            return Err(Errno::ENOENT);
        };
        let next = if self.def.map_type == MapType::Queue { 0 } else { last };
        self.values.read(self.at(span.oldest + next), out).ok_or(Errno::EINVAL)
    }

    fn cells(&self) -> usize {
        self.def.max_entries as usize
    }

    fn at(&self, cell: usize) -> usize {
        cell % self.cells() * self.values.stride()
    }
}
