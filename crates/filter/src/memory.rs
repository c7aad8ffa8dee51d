//! Memory of a compilation, kept for the next one on the same thread.
//!
//! A compilation works in some twenty vectors, of a few dozen bytes or, for a thousand hosts, a megabyte in all. To ask for them each
//! time takes a tenth of the time of a short expression; an allocator that then gives them back to the system
//! makes the kernel clear their pages anew each time, which takes a third of that of a long one.

use crate::lower::Meaning;
use crate::{emit, graph};
use std::cell::Cell;

/// Bytes that a thread keeps, at most.
const MOST: usize = 4 << 20;

thread_local! {
    static KEPT: Cell<Option<Box<Workspace>>> = const { Cell::new(None) };
}

/// What the passes work in.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) graph: graph::Memory,
    pub(crate) emit: emit::Memory,
}

/// What a compilation works in.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    /// For expressions that are compiled at once.
    pub(crate) meaning: Meaning,
    pub(crate) memory: Memory,
}

impl Workspace {
    /// What `work` returns, which may use the thread's memory.
    pub(crate) fn with<T>(work: impl FnOnce(&mut Self) -> T) -> T {
        // The thread may be ending.
        let kept = KEPT.try_with(Cell::take).ok().flatten();
        let mut workspace = kept.unwrap_or_default();
        let result = work(&mut workspace);
        workspace.meaning.clear();
        if workspace.bytes() <= MOST {
            // If another one is there by now, one of the two goes.
            let _ = KEPT.try_with(|kept| kept.set(Some(workspace)));
        }
        result
    }

    fn bytes(&self) -> usize {
        self.meaning.bytes() + self.memory.graph.bytes() + self.memory.emit.bytes()
    }
}

/// Bytes that a vector takes.
pub(crate) const fn bytes<T>(vec: &Vec<T>) -> usize {
    vec.capacity() * size_of::<T>()
}
