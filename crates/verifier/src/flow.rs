//! Which instructions follow which, and the order in which data flows back over them.

use crate::verifier::Verifier;
use skep_isa::{Insn, Pc};

/// Marks of the search for the postorder.
const DISCOVERED: u8 = 1;
const EXPLORED: u8 = 2;

/// A list for each instruction, in one piece of memory.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    /// Where the list of each starts, and where the last ends.
    starts: Vec<u32>,
    items: Vec<u32>,
}

impl Lists {
    /// The lists of `count` instructions, from pairs of an instruction and what stands in its list.
    fn new(count: usize, pairs: &[(u32, u32)]) -> Self {
        let mut starts = vec![0; count + 1];
        for &(of, _) in pairs {
            starts[of as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut items = vec![0; starts[count] as usize];
        let mut free = starts.clone();
        for &(of, item) in pairs {
            items[free[of as usize] as usize] = item;
            free[of as usize] += 1;
        }
        Self { starts, items }
    }

    /// The list of an instruction.
    pub(crate) fn of(&self, pc: u32) -> &[u32] {
        let at = pc as usize;
        &self.items[self.starts[at] as usize..self.starts[at + 1] as usize]
    }
}

impl Verifier<'_> {
    /// Instructions that can follow inside the same function. Kernel: `bpf_insn_successors`.
    pub(crate) fn successors(&self, pc: u32) -> impl Iterator<Item = u32> + use<> {
        let insn = self.insns[pc as usize];
        let next = insn.filter(Insn::falls_through).map(|insn| pc + insn.slots());
        let jump = insn.and_then(|insn| Pc(pc).jump(insn.jump_off()?));
        next.into_iter().chain(jump.map(|to| to.0))
    }

    /// Instructions of each function, each after its successors where there is no loop.
    pub(crate) fn compute_postorder(&mut self) {
        let mut order = Vec::with_capacity(self.insns.len());
        let mut state = vec![0_u8; self.insns.len()];
        let mut stack = Vec::new();
        for at in 0..self.subprogs.len() {
            self.subprogs[at].postorder_start = order.len();
            stack.push(self.subprogs[at].start);
            while let Some(&top) = stack.last() {
                state[top as usize] |= DISCOVERED;
                if state[top as usize] & EXPLORED != 0 {
                    order.push(top);
                    stack.pop();
                    continue;
                }
                for next in self.successors(top) {
                    if state[next as usize] == 0 {
                        stack.push(next);
                        state[next as usize] |= DISCOVERED;
                    }
                }
                state[top as usize] |= EXPLORED;
            }
        }
        self.postorder_place = vec![0; self.insns.len()];
        for (place, &pc) in (0..).zip(&order) {
            self.postorder_place[pc as usize] = place;
        }
        let edges = |&pc: &u32| self.successors(pc).map(move |next| (next, pc));
        let edges: Vec<_> = order.iter().flat_map(edges).collect();
        self.predecessors = Lists::new(self.insns.len(), &edges);
        self.postorder = order;
    }

    /// Instructions of a function, each after its successors where there is no loop.
    pub(crate) fn postorder_of(&self, subprog: usize) -> std::ops::Range<usize> {
        let end =
            self.subprogs.get(subprog + 1).map_or(self.postorder.len(), |s| s.postorder_start);
        self.subprogs[subprog].postorder_start..end
    }
}
