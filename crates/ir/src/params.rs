//! Parameters of blocks that are not needed.

use crate::flow::Flow;
use crate::func::Func;
use crate::inst::{BlockId, Edge, Inst, Term, Value};
use alloc::vec;
use alloc::vec::Vec;

/// Times that parameters are looked at, at most: one for each loop that one is nested in, but for odd ones.
const MOST_ROUNDS: usize = 8;

impl<C> Func<C> {
    /// Takes out parameters that get one value from everywhere, or themselves, and puts that value in place of them; whether
    /// more is known of one of these than was of the parameter, so that what uses it may become simpler.
    ///
    /// Blocks come behind those that lead to them, so that what is found goes on at once along all ways but those back.
    pub fn prune_params(&mut self, flow: &Flow) -> bool {
        let mut found = false;
        for _ in 0..MOST_ROUNDS {
            let mut changes = false;
            for &block in flow.order.get(1..).unwrap_or_default() {
                for n in 0..self.blocks[block.index()].params.len() {
                    let param = self.blocks[block.index()].params[n];
                    if self.resolve(param) == param
                        && let Some(value) = self.only_value(flow.preds(block), block, n)
                    {
                        self.same(param, value);
                        changes = true;
                    }
                }
            }
            found |= changes;
            if !changes {
                break;
            }
        }
        let is_same = |param: &Value| self.alias_of(*param) != *param;
        found |=
            flow.order.iter().any(|block| self.blocks[block.index()].params.iter().any(is_same));
        if !found {
            return false;
        }
        let (mut keep, mut tells) = (vec![true; self.insts.len()], false);
        for block in flow.order.get(1..).unwrap_or_default() {
            for n in 0..self.blocks[block.index()].params.len() {
                let param = self.blocks[block.index()].params[n];
                let value = self.resolve(param);
                keep[param.index()] = value == param;
                let is_narrower = self.bits(value) < self.bits(param);
                tells |= value != param && (is_narrower || self.inst(value).is_pure());
            }
        }
        self.retain_params(flow, &keep);
        self.resolve_all();
        tells
    }

    /// The same in a function as it is lifted. But for blocks that edges lead back to, or have before branches were decided as
    /// `ways` says, blocks have parameters for what differs only: as long as those of others stay, all do.
    pub fn prune_lifted_params(&mut self, flow: &Flow, ways: bool) -> bool {
        if ways || self.any_goes(flow, &flow.heads) {
            return self.prune_params(flow);
        }
        debug_assert!(!self.any_goes(flow, flow.order.get(1..).unwrap_or_default()));
        false
    }

    /// Whether any parameter of these blocks gets one value.
    fn any_goes(&mut self, flow: &Flow, blocks: &[BlockId]) -> bool {
        blocks.iter().any(|&block| {
            let params = self.blocks[block.index()].params.len();
            (0..params).any(|n| self.only_value(flow.preds(block), block, n).is_some())
        })
    }

    /// Notes where parameters have fewer bits than was known, by what they get; whether there were any. In a function as it is
    /// lifted, of parameters of other blocks than those just as much is known.
    pub fn narrow_params(&mut self, flow: &Flow, ways: bool) -> bool {
        let blocks = if ways { flow.order.get(1..).unwrap_or_default() } else { &flow.heads };
        let (mut any, mut most) = (false, Vec::new());
        for &block in blocks {
            any |= self.bound_params(flow.preds(block), block, &mut most);
        }
        any
    }

    /// What a block's parameter gets along edges from these blocks, other than itself, if that is one value.
    pub(crate) fn only_value(
        &mut self,
        preds: &[BlockId],
        block: BlockId,
        n: usize,
    ) -> Option<Value> {
        let param = self.blocks[block.index()].params[n];
        let mut only = None;
        let mut fits = |f: &mut Self, edge: Edge| {
            if edge.to != block {
                return true;
            }
            let arg = f.pool[edge.start as usize + n];
            let arg = f.resolve(arg);
            arg == param || f.is_equal(*only.get_or_insert(arg), arg)
        };
        for &pred in preds {
            let fit = match self.blocks[pred.index()].term {
                Term::Jump(edge) => fits(self, edge),
                Term::Branch { yes, no, .. } | Term::MayGoto { yes, no } => {
                    fits(self, yes) && fits(self, no)
                }
                // Tables are long, and rarely give one value only.
                Term::Switch { .. } => false,
                Term::Return(_) => true,
            };
            if !fit {
                return None;
            }
        }
        only
    }

    /// Whether two values are known to be the same.
    #[must_use]
    pub fn is_equal(&self, a: Value, b: Value) -> bool {
        a == b || self.known(a).is_some_and(|number| self.known(b) == Some(number))
    }

    /// Takes out parameters, and what edges give to them. The entry keeps its own.
    pub fn retain_params(&mut self, flow: &Flow, keep: &[bool]) {
        for &block in &flow.order {
            self.change_edges(block, |f, edge| {
                let start = edge.start as usize;
                let mut len = 0;
                for n in 0..edge.len as usize {
                    if keep[f.blocks[edge.to.index()].params[n].index()] {
                        f.pool[start + len] = f.pool[start + n];
                        len += 1;
                    }
                }
                Edge { len: crate::func::number(len), ..edge }
            });
        }
        for &block in flow.order.get(1..).unwrap_or_default() {
            self.blocks[block.index()].params.retain(|param| keep[param.index()]);
        }
    }

    /// Takes out instructions and parameters whose values nothing uses.
    pub fn drop_dead(&mut self, flow: &Flow) {
        let mut used = Used { live: vec![false; self.insts.len()], next: Vec::new() };
        // Where each parameter is, once that is asked for.
        let mut places: Vec<(BlockId, u32)> = Vec::new();
        let (mut is_any_dead, mut is_any_left) = (false, false);
        // The last first: uses come before what they use, but for those round loops.
        for &block in flow.order.iter().rev() {
            self.edges(block, |edge| {
                let params = &self.blocks[edge.to.index()].params;
                for (arg, param) in self.args(edge).iter().zip(params) {
                    used.live[arg.index()] |= used.live[param.index()];
                }
            });
            self.term_operands(block, |value| used.live[value.index()] = true);
            for &value in self.blocks[block.index()].insts.iter().rev() {
                let inst = self.inst(value);
                if used.live[value.index()] || inst.has_effect() {
                    used.live[value.index()] = true;
                    inst.operands(|operand| used.live[operand.index()] = true);
                } else {
                    is_any_left = true;
                }
            }
            let place = flow.place[block.index()];
            let is_passed = |pred: &&BlockId| flow.place[pred.index()] >= place;
            for &pred in flow.preds(block).iter().filter(is_passed) {
                self.edges(pred, |edge| {
                    if edge.to == block {
                        let params = self.blocks[block.index()].params.iter();
                        for (&arg, param) in self.args(edge).iter().zip(params) {
                            if used.live[param.index()] {
                                used.mark(arg);
                            }
                        }
                    }
                });
            }
            self.follow(flow, &mut used, &mut places);
        }
        let live = used.live;
        for block in flow.order.get(1..).unwrap_or_default() {
            is_any_dead |=
                self.blocks[block.index()].params.iter().any(|param| !live[param.index()]);
        }
        if is_any_dead {
            self.retain_params(flow, &live);
        }
        if is_any_left {
            for &block in &flow.order {
                self.blocks[block.index()].insts.retain(|value| live[value.index()]);
            }
        }
    }

    /// Marks what the values that wait are made of.
    fn follow(&self, flow: &Flow, used: &mut Used, places: &mut Vec<(BlockId, u32)>) {
        while let Some(value) = used.next.pop() {
            let inst = self.inst(value);
            inst.operands(|operand| used.mark(operand));
            if !matches!(inst, Inst::Param) {
                continue;
            }
            if places.is_empty() {
                *places = self.places_of_params(flow);
            }
            let (block, n) = places[value.index()];
            for &pred in flow.preds(block) {
                self.edges(pred, |edge| {
                    if edge.to == block
                        && let Some(&arg) = self.args(edge).get(n as usize)
                    {
                        used.mark(arg);
                    }
                });
            }
        }
    }

    /// The block of each parameter, and where it is among others.
    fn places_of_params(&self, flow: &Flow) -> Vec<(BlockId, u32)> {
        let mut places = vec![(BlockId(0), 0); self.insts.len()];
        for &block in &flow.order {
            for (n, param) in (0..).zip(&self.blocks[block.index()].params) {
                places[param.index()] = (block, n);
            }
        }
        places
    }
}

/// Which values are used.
struct Used {
    live: Vec<bool>,
    /// Values that are, and whose operands are yet to be looked at.
    next: Vec<Value>,
}

impl Used {
    fn mark(&mut self, value: Value) {
        if !core::mem::replace(&mut self.live[value.index()], true) {
            self.next.push(value);
        }
    }
}
