//! Numbers that no instruction can have, held over loops.
//!
//! Instructions have numbers of 32 bits at most, and choices none: others are put into a register each time. Where that
//! happens in a small loop without calls, it is done before the loop instead. Places are given to such values last, as they
//! may be made anew at each use where registers run out.

use crate::flow::Flow;
use crate::func::{Func, is_large};
use crate::inst::{BinOp, BlockId, Cmp, Inst, Term, UnOp, Value};
use crate::repeat::body_of;
use alloc::vec::Vec;
use skep_isa::{Size, Width};

/// Numbers of a loop at most, as each takes a register.
const MOST_NUMBERS: usize = 4;
/// Loops of a function at most, as each takes some time.
const MOST_LOOPS: usize = 64;

impl<C> Func<C> {
    /// Holds such numbers; whether there are any.
    pub fn hold_numbers(&mut self, flow: &Flow) -> bool {
        if !self.kinds.large && !self.kinds.choices {
            return false;
        }
        let (mut any, mut left) = (false, MOST_LOOPS);
        // Inner loops come behind those around them.
        for &head in flow.heads.iter().rev() {
            let Some(body) = body_of(flow, head) else { continue };
            let Some(less) = left.checked_sub(1) else { break };
            left = less;
            if let Some(before) = self.before(flow, &body) {
                any |= self.hold(before, &body);
            }
        }
        any
    }

    /// The block from which alone control comes to a loop without calls, and to nothing else.
    fn before(&self, flow: &Flow, body: &[BlockId]) -> Option<BlockId> {
        let mut outside = flow.preds(*body.first()?).iter().filter(|pred| !body.contains(pred));
        let (Some(&before), None) = (outside.next(), outside.next()) else { return None };
        let mut insts = body.iter().flat_map(|block| &self.blocks[block.index()].insts);
        let is_jump = matches!(self.blocks[before.index()].term, Term::Jump(_));
        (is_jump && !insts.any(|value| self.is_call(*value))).then_some(before)
    }

    fn hold(&mut self, before: BlockId, body: &[BlockId]) -> bool {
        // Numbers with the values that are held for them.
        let mut held: Vec<(u64, Value)> = Vec::new();
        for &block in body {
            for at in 0..self.blocks[block.index()].insts.len() {
                let value = self.blocks[block.index()].insts[at];
                if !self.may_hold(value) {
                    continue;
                }
                let (mut inst, origin) = (self.insts[value.index()], self.origin(value));
                let held = &mut held;
                match &mut inst {
                    Inst::Bin { b: number, .. } | Inst::Store { value: number, .. } => {
                        self.hold_number((before, origin), held, number, is_large);
                    }
                    Inst::Select { cmp, yes, no } => {
                        if cmp.width == Width::W64 {
                            self.hold_number((before, origin), held, &mut cmp.b, is_large);
                        }
                        let is_bit = |value: Value| self.known(value).is_some_and(|bit| bit <= 1);
                        // A choice of 1 or nothing takes no number, and of others only the second is moved at once.
                        if !is_bit(*yes) || !is_bit(*no) {
                            self.hold_number((before, origin), held, yes, |_| true);
                        }
                    }
                    _ => continue,
                }
                self.insts[value.index()] = inst;
            }
            if let Term::Branch { cmp: cmp @ Cmp { width: Width::W64, .. }, yes, no } =
                self.blocks[block.index()].term
            {
                let (mut b, origin) = (cmp.b, self.origin(cmp.a));
                self.hold_number((before, origin), &mut held, &mut b, is_large);
                self.blocks[block.index()].term = Term::Branch { cmp: Cmp { b, ..cmp }, yes, no };
            }
        }
        !held.is_empty()
    }

    /// Whether an instruction may have a number that is held.
    fn may_hold(&self, value: Value) -> bool {
        let is_large = |value: Value| self.known(value).is_some_and(is_large);
        match *self.inst(value) {
            Inst::Bin { op, width: Width::W64, b, .. } => takes_numbers(op) && is_large(b),
            Inst::Store { size: Size::Dw, value, .. } => is_large(value),
            Inst::Select { .. } => true,
            _ => false,
        }
    }

    /// Puts a value that is held before a loop in place of a number, if it is one that is asked for.
    fn hold_number(
        &mut self,
        (before, origin): (BlockId, u32),
        held: &mut Vec<(u64, Value)>,
        operand: &mut Value,
        is_asked: fn(u64) -> bool,
    ) {
        let Some(number) = self.known(*operand).filter(|number| is_asked(*number)) else { return };
        if let Some((_, value)) = held.iter().find(|(other, _)| *other == number) {
            *operand = *value;
        } else if held.len() < MOST_NUMBERS {
            let inst = Inst::Un { op: UnOp::Hold, a: *operand };
            *operand = self.push_as_is(before, inst, origin);
            held.push((number, *operand));
        }
    }
}

/// Whether an operation has its second operand in a register like any other.
const fn takes_numbers(op: BinOp) -> bool {
    matches!(op, BinOp::Add | BinOp::Sub | BinOp::Mul | BinOp::And | BinOp::Or | BinOp::Xor)
}
