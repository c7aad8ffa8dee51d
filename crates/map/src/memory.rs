//! Where maps have their memory: of this process alone, or shared with others.

use crate::Values;
use crate::lock::Owners;
#[cfg(target_os = "linux")]
use crate::shared::Mapping;
use alloc::alloc::{alloc_zeroed, dealloc};
#[cfg(target_os = "linux")]
use alloc::sync::Arc;
use core::alloc::Layout;
#[cfg(target_os = "linux")]
use core::cell::Cell;
use core::ptr::NonNull;
use skep_abi::Errno;

/// Where each piece of memory begins: a cache line, and the one that processors fetch with it.
pub(crate) const ALIGN: usize = 128;

/// Gives a map's constructor the pieces it asks for.
///
/// The constructors of maps that can be shared ask for the same pieces in the same order whenever the
/// definition is the same, and write nothing that depends on the process. So the first process
/// measures, makes a file of that length and constructs the map in it; the others construct it once
/// more over what is there.
pub(crate) enum Memory {
    /// Zeroed, from the allocator.
    Heap,
    /// From the allocator too, and adds up how much is asked for: none of it is written before it is
    /// used, so that it takes no memory.
    #[cfg(target_os = "linux")]
    Measure(Cell<usize>),
    /// From a position of a mapping on.
    #[cfg(target_os = "linux")]
    Shared {
        mapping: Arc<Mapping>,
        at: Cell<usize>,
        /// Whether the memory is new, and the map to be given its first state.
        fresh: bool,
    },
}

/// What keeps a piece of memory.
pub(crate) enum Backing {
    Heap {
        /// What the allocator gave, before rounding up to [`ALIGN`].
        start: NonNull<u8>,
        layout: Layout,
    },
    #[cfg(target_os = "linux")]
    Shared { mapping: Arc<Mapping> },
}

impl Memory {
    /// Cells of `value_size` bytes, rounded up to 8.
    pub(crate) fn values(&self, value_size: usize, cells: usize) -> Result<Values, Errno> {
        let stride = value_size.max(1).checked_next_multiple_of(8).ok_or(Errno::ENOMEM)?;
        self.cells(value_size, stride, cells)
    }

    /// Words of 64 bits in one cell.
    pub(crate) fn words(&self, count: usize) -> Result<Values, Errno> {
        self.values(count.checked_mul(8).ok_or(Errno::ENOMEM)?, 1)
    }

    /// Cells of `value_size` bytes every `stride` bytes, a multiple of 8 that is not 0.
    pub(crate) fn cells(
        &self,
        value_size: usize,
        stride: usize,
        cells: usize,
    ) -> Result<Values, Errno> {
        let len = stride.checked_mul(cells).ok_or(Errno::ENOMEM)?;
        let (base, backing) = self.piece(len)?;
        // SAFETY: `piece` gives live memory at an aligned address, which only `Values` touch.
        Ok(unsafe { Values::from_parts(base, len, (value_size, stride), backing) })
    }

    fn piece(&self, len: usize) -> Result<(NonNull<u8>, Backing), Errno> {
        match self {
            Self::Heap => heap(len),
            #[cfg(target_os = "linux")]
            Self::Measure(sum) => {
                let end =
                    sum.get().checked_add(len).and_then(|n| n.checked_next_multiple_of(ALIGN));
                sum.set(end.ok_or(Errno::ENOMEM)?);
                heap(len)
            }
            #[cfg(target_os = "linux")]
            Self::Shared { mapping, at, .. } => {
                let end = at.get().checked_add(len).ok_or(Errno::ENOMEM)?;
                let base = mapping.piece(at.get(), len).ok_or(Errno::ENOMEM)?;
                at.set(end.next_multiple_of(ALIGN));
                Ok((base, Backing::Shared { mapping: mapping.clone() }))
            }
        }
    }

    /// Whether the memory is zero, and what is not so at first is to be written.
    pub(crate) const fn is_fresh(&self) -> bool {
        match self {
            Self::Heap => true,
            #[cfg(target_os = "linux")]
            Self::Measure(_) => false,
            #[cfg(target_os = "linux")]
            Self::Shared { fresh, .. } => *fresh,
        }
    }

    /// Who takes the locks in it.
    pub(crate) fn owners(&self) -> Owners {
        match self {
            #[cfg(target_os = "linux")]
            Self::Shared { mapping, .. } => Owners::Processes(mapping.clone()),
            _ => Owners::Threads,
        }
    }
}

fn heap(len: usize) -> Result<(NonNull<u8>, Backing), Errno> {
    // A larger alignment would make std's allocator write zeroes instead of taking zero pages.
    let bytes = len.checked_add(ALIGN).ok_or(Errno::ENOMEM)?;
    let layout = Layout::from_size_align(bytes, 8).map_err(|_| Errno::ENOMEM)?;
    // SAFETY: `bytes` is at least `ALIGN`, so the layout is not empty.
    let start = unsafe { alloc_zeroed(layout) };
    let start = NonNull::new(start).ok_or(Errno::ENOMEM)?;
    let skip = start.addr().get().next_multiple_of(ALIGN) - start.addr().get();
    // SAFETY: `skip` is less than `ALIGN`, and `len + ALIGN` bytes were allocated.
    let base = unsafe { start.add(skip) };
    Ok((base, Backing::Heap { start, layout }))
}

impl Drop for Backing {
    fn drop(&mut self) {
        match self {
            Self::Heap { start, layout } => {
                // SAFETY: `start` came from the allocator with this layout, and who held the backing
                // is gone.
                unsafe { dealloc(start.as_ptr(), *layout) };
            }
            #[cfg(target_os = "linux")]
            Self::Shared { .. } => {}
        }
    }
}
