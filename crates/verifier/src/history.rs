//! The way a path took since the last remembered state.

use crate::state::{HistEntry, History, LinkedReg, LinkedRegs, State, StateId};
use crate::verifier::Verifier;

impl Verifier<'_> {
    /// Notes the current instruction. Kernel: `push_jmp_history`.
    pub(crate) fn push_history(&mut self, flags: u8, spi: u8, frame: u8) {
        self.push_linked(flags, spi, frame, LinkedRegs::default());
    }

    /// Notes the current instruction and registers that get a range together.
    pub(crate) fn push_linked(&mut self, flags: u8, spi: u8, frame: u8, linked: LinkedRegs) {
        if let Some(at) = self.hist_entry {
            let History { steps, linked: all } = &mut self.cur.history;
            let entry = &mut steps[at];
            entry.flags |= flags;
            if flags & crate::state::hist::STACK_ACCESS != 0 {
                (entry.spi, entry.frame) = (spi, frame);
            }
            if !linked.is_empty() {
                entry.linked = add(all, linked);
            }
            return;
        }
        let (pc, prev) = (self.pc, self.prev_pc);
        let History { steps, linked: all } = &mut self.cur.history;
        self.hist_entry = Some(steps.len());
        let linked = if linked.is_empty() { 0 } else { add(all, linked) };
        steps.push(HistEntry { pc, prev, flags, spi, frame, linked });
    }
}

/// Adds to a list. Its number there, from 1.
fn add(all: &mut Vec<LinkedRegs>, linked: LinkedRegs) -> u32 {
    all.push(linked);
    u32::try_from(all.len()).unwrap_or(0)
}

/// The steps of a path from one remembered state to the next, or to the current one.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    history: &'a History,
    /// First instruction after the remembered state that it starts at.
    pub(crate) first_pc: u32,
    /// Last instruction before the state that it ends at.
    pub(crate) last_pc: u32,
    /// The remembered state that it starts at.
    pub(crate) parent: Option<StateId>,
}

impl<F> State<F> {
    /// The way here from the remembered state before.
    #[must_use]
    pub(crate) fn way(&self) -> Way<'_> {
        self.way_with(&self.history)
    }

    /// The same with a history that was taken out.
    #[must_use]
    pub(crate) fn way_with<'a>(&self, history: &'a History) -> Way<'a> {
        let &Self { first_pc, last_pc, parent, .. } = self;
        Way { history, first_pc, last_pc, parent }
    }
}

impl<'a> Way<'a> {
    /// Entries of its history.
    #[must_use]
    pub(crate) fn len(self) -> usize {
        self.history.steps.len()
    }

    /// The instruction before `pc`; `left` counts the entries of the history that were not gone past.
    /// `None` at the start. Kernel: `get_prev_insn_idx`.
    #[must_use]
    pub(crate) fn before(self, pc: u32, left: &mut usize) -> Option<u32> {
        if pc == self.first_pc {
            match *left {
                0 => return None,
                1 if self.history.steps[0].pc == pc => return None,
                _ => {}
            }
        }
        match left.checked_sub(1).map(|at| &self.history.steps[at]) {
            Some(entry) if entry.pc == pc => {
                *left -= 1;
                Some(entry.prev)
            }
            _ => Some(pc.wrapping_sub(1)),
        }
    }

    /// The entry of `pc`, if it has one. Kernel: `get_jmp_hist_entry`.
    #[must_use]
    pub(crate) fn entry(self, pc: u32, left: usize) -> Option<&'a HistEntry> {
        self.history.steps.get(left.checked_sub(1)?).filter(|entry| entry.pc == pc)
    }
    /// Registers and slots that got a range together there.
    #[must_use]
    pub(crate) fn linked(self, entry: Option<&HistEntry>) -> &'a [LinkedReg] {
        let at = entry.and_then(|entry| entry.linked.checked_sub(1));
        let linked = at.and_then(|at| self.history.linked.get(at as usize));
        linked.map_or(&[], LinkedRegs::items)
    }
}
