//! The account of instructions, kept by as few operations as can be: what a block takes off is handed on to the blocks
//! that follow, and taken off where somebody may look.

use crate::flow::Flow;
use crate::func::Func;
use crate::inst::{BlockId, Inst, Term, Value};
use alloc::vec;
use alloc::vec::Vec;

/// Where blocks lie that are hardly ever gone through.
const BEHIND: u32 = u32::MAX;
/// Ways to a block that take off what it charges, at most, as each has code of its own for that.
const MOST_WAYS: usize = 16;

/// What is known of the account.
struct Account {
    /// Of each block, what has been used at its end and not yet been taken off.
    open: Vec<i32>,
    /// The same at its start: less than nothing where more has been taken off than has been used.
    before: Vec<i32>,
    /// Whether the account is looked at on the ways to each block.
    asks_before: Vec<bool>,
    /// Whether a way leads to each block from itself or from one behind it.
    is_head: Vec<bool>,
    /// Whether each block is a loop of its own that takes nothing off.
    is_silent: Vec<bool>,
}

impl<C> Func<C> {
    /// Puts charges together and moves them along the ways of control, over nothing that can tell: not over calls, nor into or
    /// round loops. Each way through the function is charged what it was. Loops that charge look at the account in each turn,
    /// where they have just charged for it, and the function does at its start; whether there are new blocks, so that [`Flow`]
    /// is to be found anew.
    ///
    /// So each way through what is no loop charges once or twice, however many branches there are on it, and ways of a turn that
    /// meet at its end once.
    pub fn gather_charges(&mut self, flow: &Flow) -> bool {
        if !self.insts.iter().any(|inst| matches!(inst, Inst::Charge(_))) {
            return false;
        }
        let len = self.blocks.len();
        let mut account = Account {
            open: vec![0; len],
            before: vec![0; len],
            asks_before: vec![false; len],
            is_head: vec![false; len],
            is_silent: vec![false; len],
        };
        for &block in &flow.order {
            let is_back = |pred: &BlockId| flow.place[pred.index()] >= flow.place[block.index()];
            account.is_head[block.index()] = flow.preds(block).iter().any(is_back);
            let charges = |value: &Value| matches!(self.inst(*value), Inst::Charge(_));
            account.is_silent[block.index()] = flow.preds(block).contains(&block)
                && !self.blocks[block.index()].insts.iter().any(charges);
        }
        for &block in &flow.order {
            self.charge_block(flow, block, &mut account);
        }
        let mut splits = false;
        for &block in &flow.order {
            splits |= self.charge_ways(block, &account);
        }
        splits
    }

    /// Takes the charges of a block together: before its first call, between calls, and those behind, which are handed on if
    /// what follows is no loop.
    fn charge_block(&mut self, flow: &Flow, block: BlockId, account: &mut Account) {
        let at = block.index();
        let preds = flow.preds(block).iter();
        let mut open = match preds.map(|pred| account.open[pred.index()]).min() {
            Some(least) if !account.is_head[at] => least,
            _ => 0,
        };
        account.before[at] = open;
        let mut insts = core::mem::take(&mut self.blocks[at].insts);
        let mut origin = insts.first().map_or(0, |&value| self.origin(value));
        let mut asks = block == BlockId(0);
        if asks {
            // All that is known to be used before anybody can tell.
            open = self.charges(insts.iter().take_while(|value| !self.is_call(**value)));
            self.settle(block, &mut open, origin, &mut asks);
        }
        let mut calls = block != BlockId(0);
        let is_plain = calls && !insts.iter().any(|value| self.is_call(*value));
        if is_plain {
            open += self.take_charges(&mut insts);
            self.blocks[at].insts = insts;
        } else {
            self.blocks[at].insts.reserve(insts.len() + 2);
            for value in insts {
                match self.insts[value.index()] {
                    // This has been taken off at the start.
                    Inst::Charge(_) if !calls => {}
                    Inst::Charge(insns) => open += insns,
                    Inst::Call { .. } => {
                        calls = true;
                        origin = self.origin(value);
                        self.settle(block, &mut open, origin, &mut asks);
                        self.blocks[at].insts.push(value);
                    }
                    _ => self.blocks[at].insts.push(value),
                }
            }
        }
        let mut settles = matches!(self.blocks[at].term, Term::Return(_));
        self.edges(block, |edge| {
            let to = edge.to.index();
            settles |= account.is_head[to];
            let is_back = flow.place[to] <= flow.place[at];
            asks |= is_back && !(account.is_silent[to] && edge.to == block);
            asks |= account.is_silent[to] && open > 0;
        });
        if settles && open > 0 && is_plain && self.is_for_ways(flow, block, account) {
            account.before[at] -= core::mem::take(&mut open);
            account.asks_before[at] = core::mem::take(&mut asks);
        } else if settles {
            self.settle(block, &mut open, origin, &mut asks);
        }
        account.open[at] = open;
    }

    /// Whether the ways to a block had better take off what it charges: more of them have something to take off themselves than
    /// need a block of their own for it.
    fn is_for_ways(&self, flow: &Flow, block: BlockId, account: &Account) -> bool {
        let (preds, least) = (flow.preds(block), account.before[block.index()]);
        if account.is_head[block.index()] || preds.len() > MOST_WAYS {
            return false;
        }
        let (mut gains, mut costs) = (0, 0);
        for pred in preds {
            if account.open[pred.index()] > least {
                gains += 1;
            } else if !matches!(self.blocks[pred.index()].term, Term::Jump(_)) {
                costs += 1;
            }
        }
        gains > costs
    }

    /// Takes charges out of instructions; what they are together.
    fn take_charges(&self, insts: &mut Vec<Value>) -> i32 {
        let mut all = 0;
        insts.retain(|value| {
            let Inst::Charge(insns) = *self.inst(*value) else { return true };
            all += insns;
            false
        });
        all
    }

    /// What instructions charge together.
    fn charges<'a>(&self, insts: impl Iterator<Item = &'a Value>) -> i32 {
        let charge = |value: &Value| match *self.inst(*value) {
            Inst::Charge(insns) => insns,
            _ => 0,
        };
        insts.map(charge).sum()
    }

    /// Takes off what has been used, at the end of a block, and looks whether anything is left.
    fn settle(&mut self, block: BlockId, open: &mut i32, origin: u32, asks: &mut bool) {
        let insns = core::mem::take(open);
        if insns != 0 {
            self.push_as_is(block, Inst::Charge(insns), origin);
        }
        if core::mem::take(asks) {
            self.push_as_is(block, Inst::Ask, origin);
        }
    }

    /// Takes off what is open on ways to a block and is not on the others; whether there are new blocks for that.
    fn charge_ways(&mut self, block: BlockId, account: &Account) -> bool {
        let (at, mut splits) = (block.index(), false);
        let origin = self.blocks[at].insts.last().map_or(0, |&value| self.origin(value));
        let is_jump = matches!(self.blocks[at].term, Term::Jump(_));
        self.change_edges(block, |f, edge| {
            let mut open = account.open[at] - account.before[edge.to.index()];
            if open == 0 {
                return edge;
            }
            let mut asks = account.asks_before[edge.to.index()];
            if is_jump {
                f.settle(block, &mut open, origin, &mut asks);
                return edge;
            }
            let between = f.block();
            f.blocks[between.index()].place = BEHIND;
            f.settle(between, &mut open, origin, &mut asks);
            f.blocks[between.index()].term = Term::Jump(edge);
            splits = true;
            f.edge(between, [])
        });
        splits
    }
}
