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
    /// The lists of `count` instructions, from pairs of an instruction and what stands in its list, which are gone through
    /// twice.
    fn new<I: Iterator<Item = (u32, u32)>>(count: usize, pairs: impl Fn() -> I) -> Self {
        // Of each list, its length stands two behind its number, then its start one behind, which moves along as it is filled.
        let mut starts = vec![0; count + 2];
        for (of, _) in pairs() {
            starts[of as usize + 2] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut items = vec![0; starts[count + 1] as usize];
        for (of, item) in pairs() {
            let free = &mut starts[of as usize + 1];
            items[*free as usize] = item;
            *free += 1;
        }
        Self { starts, items }
    }

    /// The list of an instruction.
    pub(crate) fn of(&self, pc: u32) -> &[u32] {
        let at = pc as usize;
        &self.items[self.starts[at] as usize..self.starts[at + 1] as usize]
    }
}

/// The way back over instructions. Only what is done to the stack flows along it, so that programs without stack need none.
#[derive(Debug)]
pub(crate) struct Backwards {
    /// Place of each instruction in the postorder.
    pub(crate) place: Vec<u32>,
    /// Instructions that can come before each inside the same function.
    pub(crate) predecessors: Lists,
}

impl Backwards {
    pub(crate) fn new(insns: &[Option<Insn>], postorder: &[u32]) -> Self {
        let mut place = vec![0; insns.len()];
        for (at, &pc) in (0..).zip(postorder) {
            place[pc as usize] = at;
        }
        let edges = |&pc: &u32| successors(insns, pc).map(move |next| (next, pc));
        let predecessors = Lists::new(insns.len(), || postorder.iter().flat_map(edges));
        Self { place, predecessors }
    }
}

/// Instructions that can follow inside the same function. Kernel: `bpf_insn_successors`.
fn successors(insns: &[Option<Insn>], pc: u32) -> impl Iterator<Item = u32> + use<> {
    let (next, jump) = next_and_jump(insns, pc);
    next.into_iter().chain(jump)
}

/// The instruction behind, if control may go on there, and the one that it may jump to.
#[inline]
fn next_and_jump(insns: &[Option<Insn>], pc: u32) -> (Option<u32>, Option<u32>) {
    match &insns[pc as usize] {
        // Most are such.
        Some(Insn::Alu { .. } | Insn::Load { .. } | Insn::Store { .. }) => (Some(pc + 1), None),
        Some(insn) => {
            let next = insn.falls_through().then(|| pc + insn.slots());
            (next, insn.jump_off().and_then(|off| Pc(pc).jump(off)).map(|to| to.0))
        }
        None => (None, None),
    }
}

impl Verifier<'_> {
    /// Instructions that can follow inside the same function.
    pub(crate) fn successors(&self, pc: u32) -> impl Iterator<Item = u32> + use<> {
        successors(self.insns, pc)
    }

    /// Instructions of each function, each after its successors where there is no loop.
    pub(crate) fn compute_postorder(&mut self) {
        let mut order = std::mem::take(&mut self.postorder);
        order.clear();
        order.reserve(self.insns.len());
        if !self.goes_back {
            // All of a function can be reached from its start, and control only goes down it: up from its end, each comes
            // after its successors.
            for subprog in &mut self.subprogs {
                subprog.postorder_start = order.len();
                let is_insn = |&pc: &u32| self.insns[pc as usize].is_some();
                order.extend((subprog.start..subprog.end).rev().filter(is_insn));
            }
            self.postorder = order;
            return;
        }
        let (mut state, mut stack) = self.scratch.take(self.insns.len());
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
        self.postorder = order;
        self.scratch.put_back(state, stack);
    }

    /// Instructions of a function, each after its successors where there is no loop.
    pub(crate) fn postorder_of(&self, subprog: usize) -> std::ops::Range<usize> {
        let end =
            self.subprogs.get(subprog + 1).map_or(self.postorder.len(), |s| s.postorder_start);
        self.subprogs[subprog].postorder_start..end
    }
}
