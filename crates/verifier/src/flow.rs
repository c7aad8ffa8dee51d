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
    let insn = insns[pc as usize];
    let next = insn.filter(Insn::falls_through).map(|insn| pc + insn.slots());
    let jump = insn.and_then(|insn| Pc(pc).jump(insn.jump_off()?));
    next.into_iter().chain(jump.map(|to| to.0))
}

impl Verifier<'_> {
    /// Instructions that can follow inside the same function.
    pub(crate) fn successors(&self, pc: u32) -> impl Iterator<Item = u32> + use<> {
        successors(self.insns, pc)
    }

    /// Whether any instruction can be followed by itself or one before it in the same function.
    pub(crate) fn goes_back(&self) -> bool {
        self.insns.iter().flatten().any(|insn| insn.jump_off().is_some_and(|off| off < 0))
    }

    /// Instructions of each function, each after its successors where there is no loop.
    pub(crate) fn compute_postorder(&mut self) {
        let mut order = std::mem::take(&mut self.postorder);
        order.reserve(self.insns.len());
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
