//! The way a path took since the last remembered state.

use crate::state::{HistEntry, LinkedRegs, State};
use crate::verifier::Verifier;

impl Verifier<'_> {
    /// Notes the current instruction. Kernel: `push_jmp_history`.
    pub(crate) fn push_history(&mut self, flags: u8, spi: u8, frame: u8) {
        self.push_linked(flags, spi, frame, LinkedRegs::default());
    }

    /// Notes the current instruction and registers that get a range together.
    pub(crate) fn push_linked(&mut self, flags: u8, spi: u8, frame: u8, linked: LinkedRegs) {
        if let Some(at) = self.hist_entry {
            let entry = &mut self.cur.history[at];
            entry.flags |= flags;
            if flags & crate::state::hist::STACK_ACCESS != 0 {
                (entry.spi, entry.frame) = (spi, frame);
            }
            if !linked.is_empty() {
                entry.linked = linked;
            }
            return;
        }
        let (pc, prev) = (self.pc, self.prev_pc);
        self.hist_entry = Some(self.cur.history.len());
        self.cur.history.push(HistEntry { pc, prev, flags, spi, frame, linked });
    }
}

/// The instruction before `pc` on the path; `left` counts the entries of the history that were not gone
/// past. `None` at the start of the state. Kernel: `get_prev_insn_idx`.
pub(crate) fn prev_pc(state: &State, pc: u32, left: &mut usize) -> Option<u32> {
    if pc == state.first_pc {
        match *left {
            0 => return None,
            1 if state.history[0].pc == pc => return None,
            _ => {}
        }
    }
    match left.checked_sub(1).map(|at| &state.history[at]) {
        Some(entry) if entry.pc == pc => {
            *left -= 1;
            Some(entry.prev)
        }
        _ => Some(pc.wrapping_sub(1)),
    }
}

/// The entry of `pc`, if it has one. Kernel: `get_jmp_hist_entry`.
pub(crate) fn entry_at(state: &State, pc: u32, left: usize) -> Option<&HistEntry> {
    state.history.get(left.checked_sub(1)?).filter(|entry| entry.pc == pc)
}
