//! Branches one behind the other that ask the same, as one.
//!
//! Compilers of BPF make a branch of each choice between two values, so that those on one condition come one behind the other.

use crate::flow::Flow;
use crate::func::Func;
use crate::inst::{BlockId, Cmp, Edge, Inst, Term, Value};
use alloc::vec::Vec;

/// Branches that are put in place of one, at most: what each decides on is handed on to where all of them end.
const MOST_MERGED: usize = 16;

/// A way from a branch to where it meets the other one: values that are handed on, and what is charged.
struct Way {
    args: Vec<Value>,
    charge: i32,
}

/// Both ways of a branch.
struct Fork {
    cmp: Cmp,
    /// Where they meet.
    meet: BlockId,
    yes: Way,
    no: Way,
}

impl<C> Func<C> {
    /// Puts one branch in place of those that ask the same as the one before, where the ways of each meet; whether there were
    /// any, so that [`Flow`] is to be found anew.
    ///
    /// What stands between two of them is done before both, and what the first decides on is handed on to where the ways of the
    /// second meet.
    pub fn merge_forks(&mut self, flow: &Flow) -> bool {
        let mut any = false;
        for &block in &flow.order {
            let Some(mut fork) = self.fork_at(flow, block) else { continue };
            let merged =
                (0..MOST_MERGED).take_while(|_| self.merge_next(flow, block, &mut fork)).count();
            if merged > 0 {
                let (yes, no) = (
                    self.edge_by(block, fork.meet, &fork.yes),
                    self.edge_by(block, fork.meet, &fork.no),
                );
                self.blocks[block.index()].term = Term::Branch { cmp: fork.cmp, yes, no };
                any = true;
            }
        }
        any
    }

    /// The branch at the end of a block, if its ways meet at once where nothing else leads to.
    fn fork_at(&self, flow: &Flow, block: BlockId) -> Option<Fork> {
        let Term::Branch { cmp, yes, no } = self.blocks[block.index()].term else { return None };
        let (yes, no) = (self.through(flow, yes), self.through(flow, no));
        let meet = yes.0.to;
        if meet != no.0.to || meet == block || flow.preds(meet).len() != 2 {
            return None;
        }
        let way = |(edge, charge)| Way { args: self.args(edge).to_vec(), charge };
        Some(Fork { cmp, meet, yes: way(yes), no: way(no) })
    }

    /// Takes the branch at the end of the block where ways meet together with theirs, if it asks the same; whether it does.
    fn merge_next(&mut self, flow: &Flow, block: BlockId, fork: &mut Fork) -> bool {
        let meet = fork.meet.index();
        let Some(Fork { cmp, meet: end, mut yes, mut no }) = self.fork_at(flow, fork.meet) else {
            return false;
        };
        let opposite = Cmp { cond: cmp.cond.not(), ..cmp };
        if opposite == fork.cmp {
            (yes, no) = (no, yes);
        } else if cmp != fork.cmp {
            return false;
        }
        let params = &self.blocks[meet].params;
        let is_free = |value: &Value| {
            let inst = self.inst(*value);
            let mut is_free = !matches!(inst, Inst::Call { .. });
            inst.operands(|used| is_free &= !params.contains(&used));
            is_free
        };
        if end == block || !self.blocks[meet].insts.iter().all(is_free) {
            return false;
        }
        let params = core::mem::take(&mut self.blocks[meet].params);
        for (way, before) in [(&mut yes, &fork.yes), (&mut no, &fork.no)] {
            for arg in &mut way.args {
                if let Some(at) = params.iter().position(|param| param == arg) {
                    *arg = before.args[at];
                }
            }
            way.args.extend_from_slice(&before.args);
            way.charge += before.charge;
        }
        let insts = core::mem::take(&mut self.blocks[meet].insts);
        self.blocks[block.index()].insts.extend(insts);
        self.blocks[end.index()].params.extend(params);
        self.blocks[meet].term = Term::Return(Value::NONE);
        (fork.meet, fork.yes, fork.no) = (end, yes, no);
        true
    }

    /// An edge by a way, through a block that charges where that is due.
    fn edge_by(&mut self, block: BlockId, to: BlockId, way: &Way) -> Edge {
        let edge = self.edge(to, way.args.iter().copied());
        if way.charge == 0 {
            return edge;
        }
        let of_block = &self.blocks[block.index()];
        let place = of_block.place;
        let origin = of_block.insts.last().map_or(0, |&value| self.origin(value));
        let between = self.block();
        self.blocks[between.index()].place = place;
        self.push_as_is(between, Inst::Charge(way.charge), origin);
        self.blocks[between.index()].term = Term::Jump(edge);
        self.edge(between, [])
    }
}
