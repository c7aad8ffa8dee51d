//! Branches that wait to be followed.

use crate::explore::Remembered;
use crate::kept::KeptState;
use crate::state::State;
use std::collections::VecDeque;

/// Branches that wait and are there in full.
const MAX_IN_FULL: usize = 64;

/// A branch that waits to be followed.
pub(crate) struct Pending<S = Box<State>> {
    pub(crate) state: S,
    pub(crate) pc: u32,
    pub(crate) prev_pc: u32,
}

/// Branches that wait, the next to be followed last. The last few are there in full.
#[derive(Default)]
pub(crate) struct Waiting {
    last: VecDeque<Pending>,
    /// Those before.
    kept: Vec<Pending<KeptState>>,
}

impl Waiting {
    pub(crate) fn len(&self) -> usize {
        self.last.len() + self.kept.len()
    }

    /// Adds a branch.
    pub(crate) fn push(&mut self, branch: Pending, remembered: &mut Remembered) -> &mut Pending {
        if self.last.len() >= MAX_IN_FULL
            && let Some(Pending { state, pc, prev_pc }) = self.last.pop_front()
        {
            let state = remembered.keep(&state);
            self.kept.push(Pending { state, pc, prev_pc });
        }
        self.last.push_back(branch);
        self.last.back_mut().expect("bug: just pushed")
    }

    /// Takes the branch that is to be followed next.
    pub(crate) fn pop(&mut self) -> Option<Pending> {
        self.last.pop_back().or_else(|| {
            let Pending { state, pc, prev_pc } = self.kept.pop()?;
            Some(Pending { state: Box::new(state.unfold()), pc, prev_pc })
        })
    }

    /// Takes the last branch that was left at an instruction.
    pub(crate) fn take_at(&mut self, pc: u32) -> Option<Pending> {
        loop {
            let branch = self.pop()?;
            if branch.pc == pc {
                return Some(branch);
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.last.clear();
        self.kept.clear();
    }
}
