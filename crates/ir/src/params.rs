//! Parameters of blocks that are not needed.

use crate::flow::Flow;
use crate::func::Func;
use crate::inst::{BlockId, Edge, Inst, Value};
use alloc::vec;
use alloc::vec::Vec;

impl<C> Func<C> {
    /// Takes out parameters that get one value from everywhere, or themselves, and puts that value in place of them.
    pub fn prune_params(&mut self, flow: &Flow) {
        // What each parameter gets; NONE where that is more than one.
        let mut gets: Vec<Option<Value>> = vec![None; self.insts.len()];
        let mut edges: Vec<Edge> = Vec::new();
        for &block in &flow.order {
            self.edges(block, |edge| {
                if edge.len > 0 {
                    edges.push(edge);
                }
            });
        }
        let mut changes = true;
        while changes {
            changes = false;
            for &block in &flow.order {
                for at in 0..self.blocks[block.index()].params.len() {
                    gets[self.blocks[block.index()].params[at].index()] = None;
                }
            }
            for &edge in &edges {
                for n in 0..edge.len as usize {
                    let param = self.blocks[edge.to.index()].params[n];
                    let arg = self.resolve(self.pool[edge.start as usize + n]);
                    let is_itself = arg == self.resolve(param);
                    let known = &mut gets[param.index()];
                    match *known {
                        _ if is_itself => {}
                        None => *known = Some(arg),
                        Some(other) if self.is_equal(other, arg) => {}
                        Some(_) => *known = Some(Value::NONE),
                    }
                }
            }
            for &block in flow.order.get(1..).unwrap_or_default() {
                for at in 0..self.blocks[block.index()].params.len() {
                    let param = self.blocks[block.index()].params[at];
                    if let Some(value) = gets[param.index()]
                        && value != Value::NONE
                        && self.resolve(param) == param
                        && self.resolve(value) != param
                    {
                        self.same(param, value);
                        changes = true;
                    }
                }
            }
        }
        let keep: Vec<bool> = (0..self.insts.len())
            .map(|at| {
                let value = Value(crate::func::number(at));
                self.resolve(value) == value
            })
            .collect();
        self.retain_params(flow, &keep);
        self.resolve_all();
    }

    /// Whether two values are known to be the same.
    fn is_equal(&self, a: Value, b: Value) -> bool {
        a == b || self.known(a).is_some_and(|number| self.known(b) == Some(number))
    }

    /// Takes out parameters, and what edges give to them. The entry keeps its own.
    pub fn retain_params(&mut self, flow: &Flow, keep: &[bool]) {
        for &block in &flow.order {
            let mut edges: Vec<Edge> = Vec::new();
            self.edges(block, |edge| edges.push(edge));
            for edge in &mut edges {
                let mut len = 0;
                for n in 0..edge.len as usize {
                    if keep[self.blocks[edge.to.index()].params[n].index()] {
                        let start = edge.start as usize;
                        self.pool[start + len] = self.pool[start + n];
                        len += 1;
                    }
                }
                edge.len = crate::func::number(len);
            }
            let mut new = edges.into_iter();
            self.edges_mut(block, |edge| {
                if let Some(new) = new.next() {
                    *edge = new;
                }
            });
        }
        for &block in flow.order.get(1..).unwrap_or_default() {
            self.blocks[block.index()].params.retain(|param| keep[param.index()]);
        }
    }

    /// Takes out instructions and parameters whose values nothing uses.
    pub fn drop_dead(&mut self, flow: &Flow) {
        let mut live = vec![false; self.insts.len()];
        let mut next: Vec<Value> = Vec::new();
        // Where each parameter is.
        let mut places = vec![(BlockId(0), 0u32); self.insts.len()];
        let mark = |value: Value, live: &mut Vec<bool>, next: &mut Vec<Value>| {
            if value != Value::NONE && !core::mem::replace(&mut live[value.index()], true) {
                next.push(value);
            }
        };
        for &block in &flow.order {
            for (n, param) in (0..).zip(&self.blocks[block.index()].params) {
                places[param.index()] = (block, n);
            }
            for &value in &self.blocks[block.index()].insts {
                if self.inst(value).has_effect() {
                    mark(value, &mut live, &mut next);
                }
            }
            self.term_operands(block, |value| mark(value, &mut live, &mut next));
        }
        while let Some(value) = next.pop() {
            let inst = self.insts[value.index()];
            inst.operands(|used| mark(used, &mut live, &mut next));
            if inst == Inst::Param {
                let (block, n) = places[value.index()];
                for &pred in flow.preds(block) {
                    self.edges(pred, |edge| {
                        if edge.to == block
                            && let Some(&arg) = self.args(edge).get(n as usize)
                        {
                            mark(arg, &mut live, &mut next);
                        }
                    });
                }
            }
        }
        self.retain_params(flow, &live);
        for &block in &flow.order {
            self.blocks[block.index()].insts.retain(|value| live[value.index()]);
        }
    }
}
