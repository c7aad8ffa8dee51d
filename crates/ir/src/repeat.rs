//! Small loops that look at the account in each turn, with several turns in one: the look costs as much as a turn may.
//!
//! Values of the loop that are used behind it become parameters of the blocks that it leads to, as each copy has values of
//! its own.

use crate::flow::Flow;
use crate::func::Func;
use crate::inst::{BlockId, Edge, Inst, Term, Value};
use alloc::vec;
use alloc::vec::Vec;

/// Blocks of a loop, at most.
const MOST_BLOCKS: usize = 6;
/// Instructions of all copies together, at most.
const MOST_INSTS: usize = 32;
/// Loops of a function at most, as each takes time in proportion to the function.
const MOST_LOOPS: usize = 64;
/// Copies at most.
const MOST_COPIES: usize = 4;

impl<C> Func<C> {
    /// Repeats small loops whose turns are charged; whether there are any, so that [`Flow`] is to be found anew.
    pub fn repeat_turns(&mut self, flow: &Flow) -> bool {
        if !self.kinds.charges {
            return false;
        }
        // Where each value is given.
        let mut home = vec![BlockId(u32::MAX); self.insts.len()];
        for &block in &flow.order {
            let of_block = &self.blocks[block.index()];
            for value in of_block.params.iter().chain(&of_block.insts) {
                home[value.index()] = block;
            }
        }
        let (mut any, mut left) = (false, MOST_LOOPS);
        // Loops that hold others come before them and stay as they are, and what follows a loop comes behind it, so that what
        // was known of the ways at first still says what is asked of it.
        for &head in &flow.heads {
            let Some(body) = body_of(flow, head) else { continue };
            let Some(copies) = self.copies(flow, &body) else { continue };
            let Some(less) = left.checked_sub(1) else { break };
            left = less;
            if self.close(flow, &body, &mut home) {
                self.repeat(flow, &body, copies);
                any = true;
            }
        }
        any
    }

    /// How many copies of a loop there may be, if it is one that is repeated: without loops in it or calls, with one way back.
    fn copies(&self, flow: &Flow, body: &[BlockId]) -> Option<usize> {
        let head = *body.first()?;
        let (mut insts, mut charges, mut backs) = (0, false, 0);
        for &block in body {
            let of_block = &self.blocks[block.index()];
            if !matches!(of_block.term, Term::Jump(_) | Term::Branch { .. }) {
                return None;
            }
            for &value in &of_block.insts {
                match self.inst(value) {
                    Inst::Charge(_) => charges = true,
                    Inst::Call { .. } => return None,
                    _ => insts += self.weight(value),
                }
            }
            insts += 1;
            let mut nested = false;
            self.edges(block, |edge| {
                backs += usize::from(edge.to == head);
                nested |= edge.to != head
                    && body.contains(&edge.to)
                    && flow.place[edge.to.index()] <= flow.place[block.index()];
            });
            if nested {
                return None;
            }
        }
        let copies = (MOST_INSTS / insts).min(MOST_COPIES);
        (charges && backs == 1 && copies > 1).then_some(copies)
    }

    /// Has values of a loop reach blocks behind it as parameters only; whether that can be.
    fn close(&mut self, flow: &Flow, body: &[BlockId], home: &mut Vec<BlockId>) -> bool {
        let is_inside = |value: Value, home: &[BlockId]| {
            home.get(value.index()).is_some_and(|block| body.contains(block))
        };
        // Blocks that only the loop leads to.
        let mut exits: Vec<BlockId> = Vec::new();
        for &block in body {
            self.edges(block, |edge| {
                let preds = flow.preds(edge.to);
                if !body.contains(&edge.to)
                    && preds.iter().all(|pred| body.contains(pred))
                    && !exits.contains(&edge.to)
                {
                    exits.push(edge.to);
                }
            });
        }
        let mut used: Vec<(BlockId, Value)> = Vec::new();
        let mut users: Vec<(BlockId, BlockId)> = Vec::new();
        for &block in flow.order.iter().filter(|block| !body.contains(block)) {
            let mut uses = Vec::new();
            let mut note = |value: Value| {
                if is_inside(value, home) {
                    uses.push(value);
                }
            };
            for value in &self.blocks[block.index()].insts {
                self.inst(*value).operands(&mut note);
            }
            self.term_operands(block, &mut note);
            self.edges(block, |edge| self.args(edge).iter().copied().for_each(&mut note));
            if uses.is_empty() {
                continue;
            }
            let Some(&exit) = exits.iter().find(|exit| flow.dominates(**exit, block)) else {
                return false;
            };
            users.push((block, exit));
            used.extend(uses.into_iter().map(|value| (exit, value)));
        }
        if used.is_empty() {
            return true;
        }
        used.sort_unstable();
        used.dedup();
        let mut params: Vec<(BlockId, Value, Value)> = Vec::with_capacity(used.len());
        for (exit, value) in used {
            let param = self.param(exit, self.origin(value));
            self.set_bits(param, self.bits(value));
            home.resize(self.insts.len(), BlockId(u32::MAX));
            home[param.index()] = exit;
            params.push((exit, value, param));
        }
        for &block in body {
            self.change_edges(block, |f, edge| {
                let more = params.iter().filter(|(exit, ..)| *exit == edge.to);
                let args: Vec<Value> =
                    f.args(edge).iter().copied().chain(more.map(|(_, value, _)| *value)).collect();
                f.edge(edge.to, args)
            });
        }
        for (block, exit) in users {
            let put = |value: &mut Value| {
                let found = params.iter().find(|(at, of, _)| (*at, *of) == (exit, *value));
                *value = found.map_or(*value, |(_, _, param)| *param);
            };
            self.change_uses(block, put);
        }
        true
    }

    /// Changes all operands in a block.
    fn change_uses(&mut self, block: BlockId, put: impl Fn(&mut Value)) {
        for at in 0..self.blocks[block.index()].insts.len() {
            let value = self.blocks[block.index()].insts[at];
            self.insts[value.index()].operands_mut(&put);
        }
        if let Term::Branch { cmp, .. } = &mut self.blocks[block.index()].term {
            put(&mut cmp.a);
            put(&mut cmp.b);
        }
        if let Term::Switch { value, .. } | Term::Return(value) =
            &mut self.blocks[block.index()].term
        {
            put(value);
        }
        self.change_edges(block, |f, edge| {
            f.args_mut(edge).iter_mut().for_each(&put);
            edge
        });
    }

    /// Has a turn of a loop do so many.
    fn repeat(&mut self, flow: &Flow, body: &[BlockId], copies: usize) {
        let head = body[0];
        let mut blocks = body.to_vec();
        // In the order of control, so that values are copied before they are used, and that a copy runs straight on.
        blocks.sort_unstable_by_key(|block| flow.place[block.index()]);
        let places = blocks.iter().map(|block| self.blocks[block.index()].place);
        let place = places.max().unwrap_or(0);
        // Copies of blocks, by copies; the first are the blocks themselves.
        let mut all: Vec<Vec<BlockId>> = vec![blocks.clone()];
        for _ in 1..copies {
            all.push(blocks.iter().map(|_| self.block()).collect());
        }
        let at = |block: BlockId| blocks.iter().position(|other| *other == block);
        let values = self.insts.len();
        for copy in 1..copies {
            let mut of: Vec<Value> = vec![Value::NONE; values];
            for (n, &block) in blocks.iter().enumerate() {
                let new = all[copy][n];
                self.blocks[new.index()].place = place;
                for at in 0..self.blocks[block.index()].params.len() {
                    let param = self.blocks[block.index()].params[at];
                    let same = self.param(new, self.origin(param));
                    self.set_bits(same, self.bits(param));
                    of[param.index()] = same;
                }
            }
            for (n, &block) in blocks.iter().enumerate() {
                let count = self.blocks[block.index()].insts.len();
                self.blocks[all[copy][n].index()].insts.reserve_exact(count);
                for at in 0..count {
                    let value = self.blocks[block.index()].insts[at];
                    let mut inst = self.insts[value.index()];
                    inst.operands_mut(|used| *used = copied(&of, *used));
                    let same = self.push_as_is(all[copy][n], inst, self.origin(value));
                    self.set_bits(same, self.bits(value));
                    of[value.index()] = same;
                }
            }
            let next = (copy + 1) % copies;
            for (n, &block) in blocks.iter().enumerate() {
                let new = all[copy][n];
                self.blocks[new.index()].term = self.blocks[block.index()].term;
                if let Term::Branch { cmp, .. } = &mut self.blocks[new.index()].term {
                    cmp.a = copied(&of, cmp.a);
                    cmp.b = copied(&of, cmp.b);
                }
                self.change_edges(new, |f, edge| {
                    let to = match at(edge.to) {
                        Some(to) if edge.to == head => all[next][to],
                        Some(to) => all[copy][to],
                        None => edge.to,
                    };
                    let edge = Edge { to, ..f.copy_edge(edge) };
                    f.args_mut(edge).iter_mut().for_each(|arg| *arg = copied(&of, *arg));
                    edge
                });
            }
        }
        let first = at(head).map_or(head, |at| all[1][at]);
        for block in blocks {
            self.change_edges(block, |_, edge| {
                if edge.to == head { Edge { to: first, ..edge } } else { edge }
            });
        }
    }
}

/// The blocks of the loop that starts at a block, which is the first of them, if there is one and they are few.
pub(crate) fn body_of(flow: &Flow, head: BlockId) -> Option<Vec<BlockId>> {
    let backs = flow.preds(head).iter().filter(|pred| flow.is_back(**pred, head));
    let mut next: Vec<BlockId> = Vec::with_capacity(2 * MOST_BLOCKS);
    next.extend(backs);
    if next.is_empty() {
        return None;
    }
    let mut body = Vec::with_capacity(MOST_BLOCKS);
    body.push(head);
    while let Some(block) = next.pop() {
        if body.contains(&block) {
            continue;
        }
        if body.len() == MOST_BLOCKS {
            return None;
        }
        body.push(block);
        next.extend_from_slice(flow.preds(block));
    }
    Some(body)
}

fn copied(of: &[Value], value: Value) -> Value {
    match of.get(value.index()) {
        Some(&copy) if copy != Value::NONE => copy,
        _ => value,
    }
}
