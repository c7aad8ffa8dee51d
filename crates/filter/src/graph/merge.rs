//! Tests of which one does for another.
//!
//! A way that knows more than others goes on past tests that they meet, and so may have a copy of what is between. Here
//! such a copy gives way: a block may be replaced by another one that, by what is known where the first begins, does
//! the same, though it asks what is known already. No value is loaded for it that was not loaded before.

use super::few::{Askers, FEW, Place, bit, blocks};
use super::thread::{is_touch, number_bit};
use super::{ACCEPT, Block, BlockId, Graph, REJECT, Step, filled};
use crate::form::{Cmp, Rhs, Test};
use crate::implies::Fact;

/// Blocks replaced, at most.
const MERGED: usize = 16;
/// Pairs of blocks looked at to replace one.
const PAIRS: u32 = 64;

impl Graph<'_> {
    /// The graph from `root` on with fewer blocks, if there is one.
    pub(crate) fn merged(&mut self, root: BlockId) -> Option<BlockId> {
        if root == self.plain {
            return None;
        }
        let mut merged = None;
        for _ in 0..MERGED {
            let root = merged.unwrap_or(root);
            let copies = if (root as usize) < FEW { self.copies(root) } else { 0 };
            if copies == 0 {
                break;
            }
            let Some((one, other)) = self.copy(root, copies) else { break };
            merged = Some(self.replaced(root, one, other));
        }
        merged.map(|root| self.in_order(root))
    }

    /// Blocks that are the same test as others, so that one may do for another.
    fn copies(&self, root: BlockId) -> u64 {
        let (mut seen, mut copies) = ([0u64; 4], 0);
        for id in ACCEPT + 1..=root {
            let step = self.blocks[id as usize].step;
            let Step::Test(Test { value, mask, cmp, rhs: Rhs::Const(k) }) = step else { continue };
            let other = if (mask, cmp) == (u32::MAX, Cmp::Eq) { 0 } else { mask ^ cmp as u32 };
            let number = k.wrapping_add(value.wrapping_mul(0x0101)) ^ other.rotate_left(7);
            let (seen, number) = (&mut seen[value as usize & 3], number_bit(number));
            if *seen & number != 0 {
                for before in ACCEPT + 1..id {
                    if self.blocks[before as usize].step == step
                        && (self.may_do_for(id, before, root) || self.may_do_for(before, id, root))
                    {
                        copies |= bit(id) | bit(before);
                    }
                }
            }
            *seen |= number;
        }
        copies
    }

    /// Whether `other`, the same test, leads where `one` does, if tests that may come before decide what they can.
    fn may_do_for(&self, one: BlockId, other: BlockId, root: BlockId) -> bool {
        let (first, second) = (self.blocks[one as usize], self.blocks[other as usize]);
        [(first.yes, second.yes), (first.no, second.no)].into_iter().all(|(wanted, way)| {
            let (wanted, way) = (self.blocks[wanted as usize].step, self.block(way));
            let Step::Test(test) = way.step else { return way.step == wanted };
            let decides = |id: BlockId| match self.blocks[id as usize].step {
                Step::Test(known) if known.value == test.value => [true, false]
                    .into_iter()
                    .any(|holds| Fact { test: known, holds }.decides(&test).is_some()),
                _ => false,
            };
            way.step == wanted || is_touch(&test, way.yes, way.no) || (one..=root).any(decides)
        })
    }

    /// One of the blocks, and another one that does for it.
    fn copy(&mut self, root: BlockId, copies: u64) -> Option<(BlockId, BlockId)> {
        let count = root as usize + 1;
        let askers = self.askers(root);
        let places = self.places(root, &askers);
        let mut reached = filled(&mut self.memory.bits, count, 0u64);
        for id in ACCEPT as usize + 1..count {
            let Block { yes, no, .. } = self.blocks[id];
            let behind = reached[yes as usize] | reached[no as usize];
            reached[id] = behind | bit(yes) | bit(no);
        }
        let there = blocks(copies).filter(|&id| !places[id as usize].is_nowhere());
        let there = there.fold(0, |there, id| there | bit(id));
        let does_for = |one: BlockId, other: BlockId| {
            one != other
                && self.blocks[one as usize].step == self.blocks[other as usize].step
                && reached[other as usize] & bit(one) == 0
                && self.does_for(one, other, &places[one as usize], &askers, &mut { PAIRS })
        };
        let found = blocks(there)
            .find_map(|one| Some((one, blocks(there).find(|&other| does_for(one, other))?)));
        self.memory.bits = reached;
        (self.memory.few.places, self.memory.few.askers) = (places, askers);
        found
    }

    /// Whether, where so much is known, `other` does the same as `one`.
    fn does_for(
        &self,
        one: BlockId,
        other: BlockId,
        known: &Place,
        askers: &Askers,
        left: &mut u32,
    ) -> bool {
        let (mut one, mut other, mut known) = (one, other, *known);
        while one != other {
            let Some(fewer) = left.checked_sub(1) else { return false };
            *left = fewer;
            if let Some(next) = self.known_way(other, &known, askers) {
                other = next;
                continue;
            }
            if let Some(next) = self.known_way(one, &known, askers) {
                one = next;
                continue;
            }
            let (first, second) = (self.blocks[one as usize], self.blocks[other as usize]);
            if first.step != second.step || one <= ACCEPT || other <= ACCEPT {
                return false;
            }
            if let Step::Test(test) = first.step {
                known.loads.learn(self.values, test.value);
                if let Rhs::Value(rhs) = test.rhs {
                    known.loads.learn(self.values, rhs);
                }
                if first.yes != first.no || second.yes != second.no {
                    let there = known.with(one, true);
                    if !self.does_for(first.yes, second.yes, &there, askers, left) {
                        return false;
                    }
                    known = known.with(one, false);
                }
            }
            (one, other) = (first.no, second.no);
        }
        true
    }

    /// Where a block leads that what is known decides, or that loads nothing new.
    fn known_way(&self, id: BlockId, known: &Place, askers: &Askers) -> Option<BlockId> {
        let Block { step: Step::Test(test), yes, no } = self.blocks[id as usize] else {
            return None;
        };
        if is_touch(&test, yes, no) {
            return known.loads.is_safe(self, test.value).then_some(yes);
        }
        let decided = self.decided_by(known, &test, askers, |_| true)?;
        Some(if decided { yes } else { no })
    }

    /// The graph with a block in the place of another one. Which stands before which may change.
    fn replaced(&mut self, root: BlockId, one: BlockId, by: BlockId) -> BlockId {
        let old = self.clear();
        let mut made = filled(&mut self.memory.made, root as usize + 1, REJECT);
        made[ACCEPT as usize] = ACCEPT;
        let instead = |id: BlockId| if id == one { by } else { id };
        let (mut pending, mut done) = (vec![instead(root)], bit(REJECT) | bit(ACCEPT));
        while let Some(&id) = pending.last() {
            let block = old[id as usize];
            let (yes, no) = (instead(block.yes), instead(block.no));
            match [yes, no].into_iter().find(|&id| done & bit(id) == 0) {
                Some(next) => pending.push(next),
                None => {
                    pending.pop();
                    done |= bit(id);
                    made[id as usize] =
                        self.remake(block.step, made[yes as usize], made[no as usize], true);
                }
            }
        }
        let root = made[instead(root) as usize];
        (self.memory.spare, self.memory.made) = (old, made);
        root
    }
}
