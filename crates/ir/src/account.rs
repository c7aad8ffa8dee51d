//! The account of instructions, kept by as few operations as can be: what is taken off on every way on from a block is
//! taken off in that block.

use crate::flow::Flow;
use crate::func::Func;
use crate::inst::{BlockId, Inst, Term, Value};
use alloc::vec;
use alloc::vec::Vec;

impl<C> Func<C> {
    /// Puts charges together and moves them against the way of control, where nothing can tell: over no call, and not out of
    /// loops. Each way through the function is charged what it was.
    pub fn gather_charges(&mut self, flow: &Flow) {
        if !self.insts.iter().any(|inst| matches!(inst, Inst::Charge(_))) {
            return;
        }
        // Of each block, what is charged before its first call and behind its last.
        let mut first = vec![0i32; self.blocks.len()];
        let mut last = vec![0i32; self.blocks.len()];
        let mut calls = vec![false; self.blocks.len()];
        for &block in &flow.order {
            self.join_charges(block, &mut first, &mut last, &mut calls);
        }
        for &block in flow.order.iter().rev() {
            self.charge_from_next(flow, block, (&mut first, &mut last), &calls);
        }
        for &block in &flow.order {
            self.put_charges(block, &first, &last, &calls);
        }
    }

    /// Takes charges at both ends of a block out of it, and puts those between calls together.
    fn join_charges(
        &mut self,
        block: BlockId,
        first: &mut [i32],
        last: &mut [i32],
        calls: &mut [bool],
    ) {
        let at = block.index();
        let insts = core::mem::take(&mut self.blocks[at].insts);
        let mut rest: Vec<_> = Vec::with_capacity(insts.len());
        // Where the last charge since a call stands.
        let mut open = None;
        let mut asked = false;
        for value in insts {
            match self.insts[value.index()] {
                Inst::Charge(insns) if !calls[at] => {
                    first[at] += insns;
                    continue;
                }
                Inst::Charge(insns) => {
                    if let Some(open) = open {
                        self.add_charge(open, insns);
                        continue;
                    }
                    open = Some(value);
                }
                Inst::Call { .. } => {
                    calls[at] = true;
                    (open, asked) = (None, false);
                }
                // One look is enough.
                Inst::Ask if core::mem::replace(&mut asked, true) => continue,
                _ => {}
            }
            rest.push(value);
        }
        if let Some(open) = open
            && let Inst::Charge(insns) = self.insts[open.index()]
        {
            last[at] = insns;
            rest.retain(|value| *value != open);
        }
        self.blocks[at].insts = rest;
    }

    fn add_charge(&mut self, value: Value, more: i32) {
        if let Inst::Charge(insns) = &mut self.insts[value.index()] {
            *insns += more;
        }
    }

    /// Charges in a block what all ways on from it are charged.
    fn charge_from_next(
        &self,
        flow: &Flow,
        block: BlockId,
        (first, last): (&mut [i32], &mut [i32]),
        calls: &[bool],
    ) {
        let mut nexts: Vec<BlockId> = Vec::new();
        self.edges(block, |edge| {
            if !nexts.contains(&edge.to) {
                nexts.push(edge.to);
            }
        });
        // A way on that others lead to as well is charged by all of them, if none of them leads elsewhere.
        let is_own = |next: &BlockId| {
            let preds = flow.preds(*next);
            *next != block && preds.iter().all(|pred| *pred == block)
        };
        let at = block.index();
        if !nexts.is_empty() && nexts.iter().all(is_own) {
            let least = nexts.iter().map(|next| first[next.index()]).min().unwrap_or(0);
            for next in nexts {
                first[next.index()] -= least;
            }
            let own = if calls[at] { &mut *last } else { &mut *first };
            own[at] += least;
        }
        // Now this block's own charge, if only jumps lead to it.
        let preds = flow.preds(block);
        let jumps = |pred: &BlockId| {
            matches!(self.blocks[pred.index()].term, Term::Jump(edge) if edge.to == block)
                && !flow.is_back(*pred, block)
        };
        if !preds.is_empty() && preds.iter().all(jumps) {
            let moved = core::mem::take(&mut first[at]);
            for pred in preds {
                let of_pred = if calls[pred.index()] { &mut *last } else { &mut *first };
                of_pred[pred.index()] += moved;
            }
        }
    }

    /// Puts charges back: at the start of the block, and behind its last call.
    fn put_charges(&mut self, block: BlockId, first: &[i32], last: &[i32], calls: &[bool]) {
        let at = block.index();
        let insts = &self.blocks[at].insts;
        let origin = |n: usize| insts.get(n).map(|value| self.origins[value.index()]);
        let start = origin(0).unwrap_or(0);
        let behind = insts
            .iter()
            .rposition(|value| matches!(self.insts[value.index()], Inst::Call { .. }))
            .map_or(0, |call| call + 1);
        if calls[at] && last[at] != 0 {
            let origin = origin(behind - 1).unwrap_or(start);
            let value = self.add(Inst::Charge(last[at]), origin);
            self.blocks[at].insts.insert(behind, value);
        }
        if first[at] != 0 {
            let value = self.add(Inst::Charge(first[at]), start);
            self.blocks[at].insts.insert(0, value);
        }
    }
}
