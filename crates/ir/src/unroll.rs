//! Loops of one block whose turns are known, done several at once.
//!
//! Such a loop has a parameter that starts as a number, changes by a number in each turn, and is compared with a number at the
//! end. How many turns there are is worked out; so many copies of the block come to stand one behind the other that
//! they divide the turns, and only the last of them asks whether to go on. What the account takes off in each turn is taken
//! off before the loop, as long as that is not much.

use crate::flow::Flow;
use crate::fold::{compute, holds};
use crate::func::Func;
use crate::inst::{BinOp, BlockId, Cmp, Cond, Edge, Inst, Term, Value};
use crate::numbering::Given;
use alloc::vec;
use alloc::vec::Vec;
use skep_isa::Width;

/// Instructions of the copies together, at most.
const MOST_INSTS: usize = 72;
/// Copies at most.
const MOST_COPIES: u64 = 8;
/// Loops of a function at most, as each takes time in proportion to the function.
const MOST_LOOPS: usize = 256;
/// Turns that are followed at most.
const MOST_TURNS: u64 = 1 << 20;
/// Instructions that are taken off the account at once, at most: as many as are given at a time.
const MOST_CHARGE: u64 = 1 << 16;

/// A loop of one block.
#[derive(Clone, Copy)]
pub(crate) struct Loop {
    pub(crate) block: BlockId,
    pub(crate) back: Edge,
    /// Where control comes from.
    pub(crate) before: BlockId,
    /// And how.
    pub(crate) enter: Edge,
    /// What it asks at its end.
    pub(crate) cmp: Cmp,
    /// Whether it goes on where that holds.
    pub(crate) goes_on: bool,
}

impl<C> Func<C> {
    /// Unrolls loops; whether there were any.
    pub fn unroll(&mut self, flow: &Flow) -> bool {
        let mut any = false;
        let mut left = MOST_LOOPS;
        for &block in &flow.heads {
            let Some(found) = self.loop_of(flow, block) else { continue };
            let Some((_, turns)) = self.turns_of(&found) else { continue };
            let Some(less) = left.checked_sub(1) else { break };
            left = less;
            any |= self.charge_before(found, turns);
            let insts = self.blocks[block.index()].insts.iter();
            let insts = insts.map(|value| self.weight(*value)).sum::<usize>().max(1);
            let copies = (2..=MOST_COPIES).rev().find(|&copies| {
                turns.is_multiple_of(copies)
                    && usize::try_from(copies).is_ok_and(|copies| copies * insts <= MOST_INSTS)
            });
            if let Some(copies) = copies {
                self.copy_turns(flow, found, copies);
                any = true;
            }
        }
        if any {
            self.resolve_all();
        }
        any
    }

    /// For how many instructions an instruction counts, by the code that it becomes.
    pub(crate) fn weight(&self, value: Value) -> usize {
        match *self.inst(value) {
            Inst::Copy { len, .. } => usize::from(len / 8),
            Inst::Sum { len, .. } => usize::from(len / 4),
            _ => 1,
        }
    }

    /// The loop that a block is, if nothing else is part of it and control comes to it by one other edge.
    pub(crate) fn loop_of(&self, flow: &Flow, block: BlockId) -> Option<Loop> {
        let Term::Branch { cmp, yes, no } = self.blocks[block.index()].term else { return None };
        let (back, goes_on) = match (yes.to == block, no.to == block) {
            (true, false) => (yes, true),
            (false, true) => (no, false),
            _ => return None,
        };
        let [a, b] = *flow.preds(block) else { return None };
        let before = if a == block { b } else { a };
        let mut enters = None;
        self.edges(before, |edge| {
            if edge.to == block {
                enters = Some(edge);
            }
        });
        Some(Loop { block, back, before, enter: enters?, cmp, goes_on })
    }

    /// How many turns a loop has, if that is known, and the place of the parameter that says so.
    pub(crate) fn turns_of(&self, found: &Loop) -> Option<(usize, u64)> {
        let Loop { block, back, enter, cmp, goes_on, .. } = *found;
        let bound = self.known(cmp.b)?;
        let cond = if goes_on { cmp.cond } else { cmp.cond.not() };
        let params = self.blocks[block.index()].params.iter();
        let all = params.zip(self.args(back)).zip(self.args(enter));
        for (at, ((&param, &next), &start)) in all.enumerate() {
            let Some((width, step)) = self.step(next, param) else { continue };
            let Some(start) = self.known(start) else { continue };
            let compared = if cmp.a == next {
                true
            } else if cmp.a == param {
                false
            } else {
                continue;
            };
            return Some((at, turns((start, step, width), (cond, cmp.width, bound), compared)?));
        }
        None
    }

    /// By how much a value is more than another.
    fn step(&self, next: Value, param: Value) -> Option<(Width, u64)> {
        match *self.insts.get(next.index())? {
            Inst::Bin { op: BinOp::Add, width, a, b } if a == param => {
                Some((width, self.known(b)?))
            }
            _ => None,
        }
    }

    /// Takes off the account before the loop what its turns take off.
    fn charge_before(&mut self, Loop { block, before, .. }: Loop, turns: u64) -> bool {
        let mut charge = 0i64;
        for &value in &self.blocks[block.index()].insts {
            match *self.inst(value) {
                Inst::Charge(insns) => charge += i64::from(insns),
                Inst::Call { .. } => return false,
                _ => {}
            }
        }
        let charge = u64::try_from(charge).unwrap_or(0);
        let all = charge.saturating_mul(turns);
        let is_only = matches!(self.blocks[before.index()].term, Term::Jump(_));
        if charge == 0 || all > MOST_CHARGE || !is_only {
            return false;
        }
        let insts = core::mem::take(&mut self.blocks[block.index()].insts);
        let is_charge = |value: &Value| matches!(self.inst(*value), Inst::Charge(_));
        let rest = insts.into_iter().filter(|value| !is_charge(value));
        let rest: Vec<Value> = rest.collect();
        let origin = rest.first().map_or(0, |&value| self.origin(value));
        self.blocks[block.index()].insts = rest;
        self.push_as_is(before, Inst::Charge(i32::try_from(all).unwrap_or(i32::MAX)), origin);
        true
    }

    /// Has a turn of a loop do so many.
    fn copy_turns(&mut self, flow: &Flow, Loop { block, back, .. }: Loop, copies: u64) {
        let params = core::mem::take(&mut self.blocks[block.index()].params);
        let insts = core::mem::take(&mut self.blocks[block.index()].insts);
        let args: Vec<Value> = self.args(back).to_vec();
        // Most instructions come with a number at most.
        let all = insts.len().saturating_mul(usize::try_from(copies).unwrap_or(0));
        self.reserve(2 * all + params.len());
        self.blocks[block.index()].insts = Vec::with_capacity(all);
        let mut now: Vec<Value> = params
            .iter()
            .map(|&param| {
                let new = self.param(block, self.origin(param));
                self.set_bits(new, self.bits(param));
                new
            })
            .collect();
        // Values that are the same in several turns are given once.
        let mut given = Given::new(MOST_INSTS, true);
        let mut copy_of: Vec<Value> = vec![Value::NONE; self.insts.len()];
        for _ in 1..copies {
            for (param, now) in params.iter().zip(&now) {
                copy_of[param.index()] = *now;
            }
            for &value in &insts {
                let mut inst = self.insts[value.index()];
                inst.operands_mut(|used| *used = copied(&copy_of, *used));
                let origin = self.origin(value);
                copy_of[value.index()] = self.push_once(&mut given, flow, (block, origin), inst);
            }
            for (now, arg) in now.iter_mut().zip(&args) {
                *now = copied(&copy_of, *arg);
            }
        }
        // The last copy keeps its values, which others may use behind the loop.
        for (&param, &now) in params.iter().zip(&now) {
            self.same(param, now);
        }
        for value in insts {
            self.put_once(&mut given, flow, block, value);
        }
    }
}

fn copied(copy_of: &[Value], value: Value) -> Value {
    match copy_of.get(value.index()) {
        Some(&copy) if copy != Value::NONE => copy,
        _ => value,
    }
}

/// How many turns there are until the condition does not hold any more.
fn turns(
    (start, step, width): (u64, u64, Width),
    (cond, on, bound): (Cond, Width, u64),
    compares_next: bool,
) -> Option<u64> {
    let at = |turns: u64| match turns {
        0 => start,
        turns => compute(BinOp::Add, width, start, step.wrapping_mul(turns)),
    };
    let goes_on =
        |turn: u64| holds(cond, on, at(if compares_next { turn } else { turn - 1 }), bound);
    let signed = match width {
        Width::W64 => step.cast_signed(),
        #[expect(clippy::cast_possible_truncation, reason = "the low half")]
        Width::W32 => i64::from((step as u32).cast_signed()),
    };
    let guess = bound.wrapping_sub(start).cast_signed().checked_div(signed)?.unsigned_abs();
    let is_exact = |turn: u64| {
        // All that the register is lies between what it is first and last, and is not negative on either width.
        let half = if width == Width::W32 || on == Width::W32 { 31 } else { 62 };
        let way = i64::try_from(turn).ok().and_then(|turn| turn.checked_mul(signed));
        let end = way.and_then(|way| start.checked_add_signed(way));
        let is_small = start >> half == 0 && end.is_some_and(|end| end >> half == 0);
        // So a condition of order that holds first and last holds between, and what is not equal is so but once.
        let is_ordered = match cond {
            Cond::Ne => true,
            Cond::Eq | Cond::Set | Cond::Clear => false,
            _ => turn == 1 || (goes_on(1) && goes_on(turn - 1)),
        };
        !goes_on(turn) && is_small && is_ordered
    };
    let near = if guess <= MOST_TURNS { guess.saturating_sub(1).max(1)..guess + 3 } else { 0..0 };
    near.into_iter().find(|&turn| is_exact(turn)).or_else(|| (1..=64).find(|&turn| !goes_on(turn)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_those_that_are_made() {
        let numbers = [0, 1, 2, 3, 8, 100, 1000, 4096, 1 << 31, u64::MAX, u64::MAX - 7, 1 << 63];
        let conds =
            [Cond::Ne, Cond::Lt, Cond::Le, Cond::Gt, Cond::Ge, Cond::SLt, Cond::SGt, Cond::SGe];
        let widths = [Width::W32, Width::W64];
        let mut known = 0;
        for start in numbers {
            for step in [1, 2, 3, 8, u64::MAX, u64::MAX - 1, 1 << 31] {
                for bound in numbers {
                    for (cond, next) in
                        conds.iter().flat_map(|cond| [(*cond, true), (*cond, false)])
                    {
                        for (width, on) in widths.iter().flat_map(|w| widths.map(|on| (*w, on))) {
                            let (mut reg, mut made) = (start, 0u64);
                            while made < 5000 {
                                let new = compute(BinOp::Add, width, reg, step);
                                let compared = if next { new } else { reg };
                                (reg, made) = (new, made + 1);
                                if !holds(cond, on, compared, bound) {
                                    break;
                                }
                            }
                            let Some(turns) = turns((start, step, width), (cond, on, bound), next)
                            else {
                                continue;
                            };
                            known += 1;
                            if made < 5000 || turns < 5000 {
                                assert_eq!(
                                    turns, made,
                                    "{start:#x} + {step:#x} {width:?} {cond:?} {on:?} {bound:#x} {next}"
                                );
                            }
                        }
                    }
                }
            }
        }
        assert!(known > 5000, "{known}");
    }
}
