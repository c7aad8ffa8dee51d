//! Jumps that lead on to jumps, and blocks that only one way leads to.

use crate::address::Uses;
use crate::flow::Flow;
use crate::func::Func;
use crate::inst::{BinOp, BlockId, Edge, Inst, Term, Value};
use alloc::vec::Vec;
use skep_isa::Width;

/// Terms of a sum that are put in another order, at least and at most.
const LEAST_TERMS: usize = 3;
const MOST_TERMS: usize = 32;

impl<C> Func<C> {
    /// Has edges lead past blocks that only jump; whether there were any, so that [`Flow`] is to be found anew.
    pub fn skip_jumps(&mut self, flow: &Flow) -> bool {
        let mut any = false;
        for &block in &flow.order {
            if let Term::Branch { cmp, yes, no } = self.blocks[block.index()].term
                && (self.jumps(yes.to) || self.jumps(no.to))
            {
                let (yes, no, past) = self.past_jumps(flow, block, yes, no);
                let (no, yes, other) = self.past_jumps(flow, block, no, yes);
                any |= past || other;
                self.blocks[block.index()].term = Term::Branch { cmp, yes, no };
            }
        }
        any
    }

    fn jumps(&self, block: BlockId) -> bool {
        matches!(self.blocks[block.index()].term, Term::Jump(_))
    }

    /// Puts blocks behind those from which alone control comes to them, by a jump.
    pub fn join_blocks(&mut self, flow: &mut Flow) {
        // Filled where there are any.
        let mut part_of: Vec<BlockId> = Vec::new();
        for &block in &flow.order {
            if part_of.get(block.index()).is_some_and(|of| *of != block) {
                continue;
            }
            while let Term::Jump(edge) = self.blocks[block.index()].term
                && flow.preds(edge.to).len() == 1
                && self.blocks[edge.to.index()].params.is_empty()
                && edge.to != block
            {
                if part_of.is_empty() {
                    part_of.extend((0..).map(BlockId).take(flow.place.len()));
                }
                let next = edge.to.index();
                let insts = core::mem::take(&mut self.blocks[next].insts);
                let own = &mut self.blocks[block.index()].insts;
                if own.is_empty() {
                    *own = insts;
                } else {
                    own.extend_from_slice(&insts);
                }
                self.blocks[block.index()].term = self.blocks[next].term;
                self.blocks[next].term = Term::Return(Value::NONE);
                part_of[next] = block;
            }
        }
        if !part_of.is_empty() {
            flow.join(&part_of);
        }
    }

    /// Where a way of a branch leads past a block that only jumps. If that block charges, and jumps back, so that each turn
    /// of a loop goes there, the branch charges in its place, and what is not due is given back on the other way.
    fn past_jumps(
        &mut self,
        flow: &Flow,
        block: BlockId,
        way: Edge,
        other: Edge,
    ) -> (Edge, Edge, bool) {
        let next = &self.blocks[way.to.index()];
        let Term::Jump(on) = next.term else { return (way, other, false) };
        let is_new = way.to.index() >= flow.place.len();
        if !next.params.is_empty() || on.to == way.to || other.to == way.to || is_new {
            return (way, other, false);
        }
        if next.insts.is_empty() {
            return (self.copy_edge(on), other, true);
        }
        let [value] = *next.insts else { return (way, other, false) };
        let Inst::Charge(insns) = *self.inst(value) else { return (way, other, false) };
        let is_back = flow.is_reached(on.to) && flow.is_back(way.to, on.to);
        // What was given back stays where it is, or two ways of a branch take turns.
        if !is_back || flow.preds(way.to).len() != 1 || insns <= 0 {
            return (way, other, false);
        }
        let origin = self.origin(value);
        self.push_as_is(block, Inst::Charge(insns), origin);
        let between = self.block();
        self.blocks[between.index()].place = self.blocks[block.index()].place;
        self.push_as_is(between, Inst::Charge(-insns), origin);
        self.blocks[between.index()].term = Term::Jump(other);
        let other = self.edge(between, []);
        (self.copy_edge(on), other, true)
    }

    /// Adds values that come round a loop last, so that the turns of it wait for one addition each:
    /// `((sum + a) + b) + c` becomes `sum + ((a + b) + c)`.
    pub(crate) fn balance_sums(&mut self, flow: &Flow, uses: &mut Option<Vec<Uses>>) {
        for &block in &flow.heads {
            let is_loop = flow.preds(block).contains(&block);
            if !is_loop || !self.has_sum(block) {
                continue;
            }
            let uses = uses.get_or_insert_with(|| self.count_uses(flow));
            for at in 0..self.blocks[block.index()].params.len() {
                let param = self.blocks[block.index()].params[at];
                if uses[param.index()].all == 1 {
                    self.balance(block, param, uses);
                }
            }
        }
    }

    /// Whether a block adds so many values to any parameter, one after the other, that their order matters.
    fn has_sum(&self, block: BlockId) -> bool {
        // Sums, each with how many values have been added.
        let mut sums: Vec<(Value, BinOp, Width, usize)> = Vec::new();
        for &value in &self.blocks[block.index()].insts {
            let Inst::Bin { op: op @ (BinOp::Add | BinOp::Xor), width, a, b } = *self.inst(value)
            else {
                continue;
            };
            for (sum, of, on, terms) in &mut sums {
                if (*sum == a || *sum == b) && (*of, *on) == (op, width) {
                    (*sum, *terms) = (value, *terms + 1);
                    if *terms == LEAST_TERMS {
                        return true;
                    }
                }
            }
            if [a, b].iter().any(|term| matches!(self.inst(*term), Inst::Param)) {
                sums.push((value, op, width, 1));
            }
        }
        false
    }

    /// The same for one parameter, which is used once.
    fn balance(&mut self, block: BlockId, param: Value, uses: &[Uses]) {
        let insts = &self.blocks[block.index()].insts;
        let mut sum = param;
        let (mut chain, mut terms) =
            (Vec::with_capacity(MOST_TERMS), Vec::with_capacity(MOST_TERMS));
        let mut on = None;
        for &value in insts {
            let Inst::Bin { op: op @ (BinOp::Add | BinOp::Xor), width, a, b } = *self.inst(value)
            else {
                continue;
            };
            let term = match (a == sum, b == sum) {
                (true, false) => b,
                (false, true) => a,
                _ => continue,
            };
            if *on.get_or_insert((op, width)) != (op, width) {
                break;
            }
            chain.push(value);
            terms.push(term);
            sum = value;
            if uses[value.index()].all != 1 || chain.len() == MOST_TERMS {
                break;
            }
        }
        // The last keeps its value.
        let (Some((op, width)), LEAST_TERMS..) = (on, chain.len()) else { return };
        let mut all = terms[0];
        for (&value, &term) in chain.iter().zip(terms.get(1..).unwrap_or_default()) {
            // This stood where one term fewer was there; it moves to where the next is.
            self.insts[value.index()] = Inst::Bin { op, width, a: all, b: term };
            self.set_bits(value, crate::fold::bits(self, &self.insts[value.index()]));
            all = value;
        }
        let Some((&last, rest)) = chain.split_last() else { return };
        self.insts[last.index()] = Inst::Bin { op, width, a: param, b: all };
        self.set_bits(last, 64);
        // Each of the others goes to where the next one was, when its second term has been given.
        let insts = &mut self.blocks[block.index()].insts;
        let mut moved = rest.iter().rev().copied().collect::<Vec<_>>();
        let mut new = Vec::with_capacity(insts.len());
        let first = chain[0];
        for &value in insts.iter() {
            if value == first {
                continue;
            }
            if chain.contains(&value)
                && let Some(before) = moved.pop()
            {
                new.push(before);
                if value == last {
                    new.push(last);
                }
                continue;
            }
            new.push(value);
        }
        *insts = new;
    }
}
