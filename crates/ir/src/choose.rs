//! Branches that only decide between numbers, as choices.

use crate::flow::Flow;
use crate::func::Func;
use crate::inst::{BinOp, BlockId, Cmp, Edge, Inst, Term, Value};
use alloc::vec::Vec;
use skep_isa::Width;

/// Numbers that one branch may decide on, at most.
const MOST_NUMBERS: usize = 2;

/// A branch both ways of which lead to one block at once.
struct Fork {
    cmp: Cmp,
    /// Each with what is charged on the way.
    yes: (Edge, i32),
    no: (Edge, i32),
}

impl<C> Func<C> {
    /// Puts choices in place of branches whose ways only differ in numbers that they hand on, and in what they charge; whether
    /// there were any, so that [`Flow`] is to be found anew.
    ///
    /// Other values stay branches: processors guess which way control goes, but wait for the values of a choice.
    pub fn choose_numbers(&mut self, flow: &Flow) -> bool {
        let mut any = false;
        for &block in flow.order.iter().rev() {
            if let Some(fork) = self.fork(flow, block) {
                self.choose(block, &fork);
                any = true;
            }
        }
        any
    }

    fn fork(&self, flow: &Flow, block: BlockId) -> Option<Fork> {
        let Term::Branch { cmp, yes, no } = self.blocks[block.index()].term else { return None };
        let (yes, no) = (self.through(flow, yes), self.through(flow, no));
        let to = yes.0.to;
        if to != no.0.to || to == block {
            return None;
        }
        let mut numbers = 0;
        for (&a, &b) in self.args(yes.0).iter().zip(self.args(no.0)) {
            if a != b {
                self.known(a).and(self.known(b))?;
                numbers += 1;
            }
        }
        (numbers <= MOST_NUMBERS).then_some(Fork { cmp, yes, no })
    }

    /// Where a way leads in the end, if it leads to a block that only charges.
    pub(crate) fn through(&self, flow: &Flow, edge: Edge) -> (Edge, i32) {
        let block = &self.blocks[edge.to.index()];
        let Term::Jump(on) = block.term else { return (edge, 0) };
        let mut all = 0;
        for &value in &block.insts {
            let Inst::Charge(insns) = *self.inst(value) else { return (edge, 0) };
            all += insns;
        }
        let is_own = flow.preds(edge.to).len() == 1 && block.params.is_empty();
        if is_own { (on, all) } else { (edge, 0) }
    }

    fn choose(&mut self, block: BlockId, fork: &Fork) {
        let Fork { cmp, yes: (yes, yes_charge), no: (no, no_charge) } = *fork;
        let insts = self.blocks[block.index()].insts.last();
        let origin = insts.map_or(0, |&value| self.origin(value));
        let pairs: Vec<(Value, Value)> =
            self.args(yes).iter().copied().zip(self.args(no).iter().copied()).collect();
        let args: Vec<Value> = pairs
            .into_iter()
            .map(|(yes, no)| {
                if yes == no {
                    return yes;
                }
                self.push(block, Inst::Select { cmp, yes, no }, origin)
            })
            .collect();
        let (most, least) = (yes_charge.max(no_charge), yes_charge.min(no_charge));
        if most != 0 {
            self.push_as_is(block, Inst::Charge(most), origin);
        }
        if most != least {
            // By a choice of one or nothing, which the program may make as well.
            let [back, one, zero] =
                [u64::from(most.abs_diff(least)), 1, 0].map(|number| self.number(number, origin));
            let (yes, no) = if yes_charge < no_charge { (one, zero) } else { (zero, one) };
            let one = self.push(block, Inst::Select { cmp, yes, no }, origin);
            let all = Inst::Bin { op: BinOp::Mul, width: Width::W32, a: one, b: back };
            let all = self.push(block, all, origin);
            self.push_as_is(block, Inst::Refund(all), origin);
        }
        let edge = self.edge(yes.to, args);
        self.blocks[block.index()].term = Term::Jump(edge);
    }
}
