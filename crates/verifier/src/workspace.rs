//! Memory that one verification leaves to the next on its thread.
//!
//! Of a small program most of what a verification took would be the allocator's. So each thread keeps the tables and states of
//! its last one, empty, and with them registers and slots that were kept lately ([`crate::kept`]), as the next program
//! probably has the same. Those of large programs go: little is left of a thread's memory, whatever it has verified.

use crate::aux::Aux;
use crate::explore::{MAX_SPARE, Remembered};
use crate::stack_live::StackLive;
use crate::state::State;
use crate::subprog::Subprog;
use crate::verifier::Verifier;
use crate::waiting::Waiting;
use std::cell::Cell;
use std::mem;

/// Slots of a program, and states of one, whose memory is kept.
const MAX_KEPT: usize = 128;

/// What is empty at the start of a verification.
#[derive(Default)]
pub(crate) struct Workspace {
    pub(crate) aux: Vec<Aux>,
    pub(crate) postorder: Vec<u32>,
    pub(crate) subprogs: Vec<Subprog>,
    pub(crate) pending: Waiting,
    #[expect(clippy::vec_box, reason = "the boxes are what is used again")]
    pub(crate) spare: Vec<Box<State>>,
    pub(crate) scratch: Scratch,
    pub(crate) remembered: Remembered,
    pub(crate) live: StackLive,
}

thread_local! {
    static LAST: Cell<Option<Workspace>> = const { Cell::new(None) };
}

impl Workspace {
    /// The one that was left last, or a new one. A thread that ends has none.
    pub(crate) fn take() -> Self {
        LAST.try_with(Cell::take).ok().flatten().unwrap_or_default()
    }
}

impl Verifier<'_> {
    /// Leaves the memory of a verification that has ended to the next.
    pub(crate) fn leave_workspace(mut self) {
        if self.insns.len() > MAX_KEPT
            || self.remembered.size() > MAX_KEPT
            || self.live.size() > MAX_KEPT
        {
            return;
        }
        self.forget();
        self.aux.clear();
        self.postorder.clear();
        self.subprogs.clear();
        let Self {
            aux,
            postorder,
            subprogs,
            pending,
            mut spare,
            scratch,
            remembered,
            live,
            cur,
            ..
        } = self;
        if spare.len() < MAX_SPARE {
            spare.push(cur);
        }
        let left =
            Workspace { aux, postorder, subprogs, pending, spare, scratch, remembered, live };
        let _ = LAST.try_with(|last| last.set(Some(left)));
    }
}

/// Lists for the walks over the control flow.
#[derive(Default)]
pub(crate) struct Scratch {
    marks: Vec<u8>,
    stack: Vec<u32>,
}

impl Scratch {
    /// A zero for each slot, and an empty stack.
    pub(crate) fn take(&mut self, slots: usize) -> (Vec<u8>, Vec<u32>) {
        let (mut marks, mut stack) = (mem::take(&mut self.marks), mem::take(&mut self.stack));
        marks.clear();
        marks.resize(slots, 0);
        stack.clear();
        (marks, stack)
    }

    /// Gives both back.
    pub(crate) fn put_back(&mut self, marks: Vec<u8>, stack: Vec<u32>) {
        (self.marks, self.stack) = (marks, stack);
    }
}
