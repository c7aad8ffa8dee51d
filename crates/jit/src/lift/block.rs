//! Blocks of a function's instructions, and which variables each reads and writes.

use super::Lifted;
use super::vars::{Uses, Vars, within};
use crate::shape::{Shape, Target};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;
use skep_ir::{BlockId, Cmp, Cond, Flow, Func, Term, Value};
use skep_isa::{Insn, Insns, Pc, StaticBranch, Width};

/// Instructions in a row that control enters at the first and leaves at the last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Block {
    pub(super) start: u32,
    pub(super) end: u32,
    /// The slot of its last instruction.
    last: u32,
    /// Blocks that control goes to.
    nexts: [Option<u32>; 2],
    /// What its instructions do to variables.
    uses: Uses,
    /// Variables that are read from here on before they are written.
    pub(super) reads: u64,
}

/// All blocks of a function. In the function of the representation, whose entry has no edges to it, each comes one later.
pub(super) struct Blocks {
    pub(super) all: Vec<Block>,
    /// The block that starts at each slot from the function's first on.
    starts: Vec<u32>,
    first: u32,
}

impl Blocks {
    /// Blocks of the function in a range of slots, as a function without instructions, with the way control goes.
    pub(super) fn new(
        insns: &Insns,
        shape: &Shape,
        vars: &Vars,
        range: Range<u32>,
    ) -> (Self, Lifted, Flow) {
        let starts = vec![u32::MAX; range.len()];
        // Most blocks have more than a few instructions.
        let all = Vec::with_capacity(range.len() / 4 + 8);
        let mut this = Self { all, starts, first: range.start };
        this.cut(insns, shape, vars, range);
        this.link(insns);
        let f = this.outline();
        let flow = Flow::new(&f);
        this.find_reads(&flow);
        (this, f, flow)
    }

    /// The block that starts at a slot.
    pub(super) fn at(&self, pc: Pc) -> BlockId {
        let at = self.starts.get((pc.0 - self.first) as usize).copied().unwrap_or(u32::MAX);
        BlockId(at.wrapping_add(1))
    }

    /// A block of the representation's function, other than the entry.
    pub(super) fn of(&self, block: BlockId) -> &Block {
        &self.all[block.index() - 1]
    }

    /// Slots of the function.
    pub(super) const fn slots(&self) -> usize {
        self.starts.len()
    }

    /// Variables that the function reads before it writes them.
    pub(super) fn entry_reads(&self) -> u64 {
        self.all.first().map_or(0, |block| block.reads)
    }

    fn cut(&mut self, insns: &Insns, shape: &Shape, vars: &Vars, range: Range<u32>) {
        let mut open: Option<Block> = None;
        let mut starts = true;
        for (pc, insn) in within(insns, range.clone()) {
            let is_target = shape.is_target.get(pc.index()).is_some_and(|&at| at != Target::No);
            if starts || is_target {
                self.all.extend(open.map(|block| Block { end: pc.0, ..block }));
                open = None;
                self.starts[(pc.0 - self.first) as usize] =
                    u32::try_from(self.all.len()).unwrap_or(u32::MAX);
            }
            let new = Block { start: pc.0, end: range.end, ..Block::default() };
            let block = open.get_or_insert(new);
            block.last = pc.0;
            block.uses.then(vars.uses(insn));
            starts = !insn.falls_through() || insn.jump_off().is_some();
        }
        self.all.extend(open);
    }

    fn link(&mut self, insns: &Insns) {
        for at in 0..self.all.len() {
            let pc = Pc(self.all[at].last);
            let Some(insn) = insns.get(pc) else { continue };
            let behind = Pc(pc.0 + insn.slots());
            let to = insn.jump_off().and_then(|off| pc.jump(off));
            let (jump, next) = match insn {
                Insn::Exit | Insn::JumpReg { .. } => (None, None),
                Insn::Jump { .. } | Insn::JumpLong { .. } => (to, None),
                Insn::Static { branch, .. } | Insn::StaticLong { branch, .. } => {
                    if *branch == StaticBranch::Goto { (to, None) } else { (None, Some(behind)) }
                }
                Insn::Call(_) => (None, Some(behind)),
                _ => (to, Some(behind)),
            };
            let number = |pc: Pc| self.at(pc).0.wrapping_sub(1);
            let (jump, next) = (jump.map(number), next.map(number));
            self.all[at].nexts = [jump, next];
        }
    }

    /// A function with these blocks and their edges, and nothing else: comparisons are yet to be said.
    pub(super) fn outline(&self) -> Lifted {
        // About half of all instructions come with a number, and the entry has parameters.
        let mut f = Func::with_capacity(self.slots() * 2 + 16, self.all.len() + 1);
        let entry = f.block();
        for _ in &self.all {
            f.block();
        }
        let edge = |f: &mut Lifted, next: u32| f.edge(BlockId(next + 1), []);
        f.blocks[entry.index()].term = Term::Jump(edge(&mut f, 0));
        for (at, block) in (1..).zip(&self.all) {
            f.blocks[at].term = match block.nexts {
                [None, None] => continue,
                [Some(to), None] | [None, Some(to)] => Term::Jump(edge(&mut f, to)),
                // Both lead to the same place with the same values.
                [Some(yes), Some(no)] if yes == no => Term::Jump(edge(&mut f, no)),
                [Some(yes), Some(no)] => {
                    let (yes, no) = (edge(&mut f, yes), edge(&mut f, no));
                    let none = Value::NONE;
                    let cmp = Cmp { cond: Cond::Eq, width: Width::W64, a: none, b: none };
                    Term::Branch { cmp, yes, no }
                }
            };
        }
        f
    }

    fn find_reads(&mut self, flow: &Flow) {
        // The last first; each again when what is behind it has changed, which is as often as there are variables at most.
        let mut todo: Vec<BlockId> = flow.order.get(1..).unwrap_or_default().to_vec();
        let mut waits = vec![true; self.all.len() + 1];
        while let Some(at) = todo.pop() {
            waits[at.index()] = false;
            let block = self.all[at.index() - 1];
            let nexts = block.nexts.iter().flatten();
            let behind = nexts.fold(0, |reads, &next| reads | self.all[next as usize].reads);
            let reads = block.uses.reads | (behind & !block.uses.writes);
            if reads == block.reads {
                continue;
            }
            self.all[at.index() - 1].reads = reads;
            for &pred in flow.preds(at) {
                if pred != BlockId(0) && !core::mem::replace(&mut waits[pred.index()], true) {
                    todo.push(pred);
                }
            }
        }
    }

    /// What blocks from each place in the order on to the last that leads back there do to variables, as far as
    /// that is found with few steps; else it may be anything.
    pub(super) fn rounds(&self, flow: &Flow) -> Vec<Uses> {
        let mut found = vec![Uses::default(); flow.order.len()];
        // Heads of loops from the last on: where the ones that are not within others start and end.
        let mut loops: Vec<(usize, usize)> = Vec::new();
        let mut steps = MOST_STEPS * flow.order.len();
        for (start, &block) in flow.order.iter().enumerate().skip(1).rev() {
            let places = flow.preds(block).iter().map(|pred| flow.place[pred.index()] as usize);
            let Some(mut end) = places.filter(|&place| place >= start).max() else { continue };
            // Blocks of a loop that starts between may lie behind.
            while let Some((_, last)) = loops.pop_if(|(first, _)| *first <= end) {
                end = end.max(last);
            }
            loops.push((start, end));
            let blocks = &flow.order[start..=end];
            found[start] = match steps.checked_sub(blocks.len()) {
                Some(left) => {
                    steps = left;
                    let uses = blocks.iter().map(|&block| self.of(block).uses);
                    uses.fold(Uses::default(), |mut all, uses| {
                        all.writes |= uses.writes;
                        all.wide |= uses.wide;
                        all
                    })
                }
                None => Uses::ANY,
            };
        }
        found
    }
}

/// Blocks that are looked at for all loops together, at most, for each that there is: as deep as loops are nested.
const MOST_STEPS: usize = 8;
