//! Tests of which one does for another.
//!
//! A way that knows more than others goes on past tests that they meet, and so may have a copy of what is between. Here
//! such a copy gives way: a block may be replaced by another one that, by what is known where the first begins, does
//! the same, though it asks what is known already. No value is loaded for it that was not loaded before.
//!
//! So may a test: what it decides may be decided behind it all the same, and only ways that go on past that need it.

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

    /// The graph from `root` on without tests of which one way does for the other, if there are some.
    pub(crate) fn without_needless(&mut self, root: BlockId) -> Option<BlockId> {
        let mut new = None;
        for _ in 0..MERGED {
            let root = new.unwrap_or(root);
            if root == self.plain || root as usize + 1 >= FEW {
                break;
            }
            let again = self.asked_behind(root);
            let needless = (again != 0).then(|| self.needless(root, again)).flatten();
            let Some((id, way)) = needless.or_else(|| self.with_same_ways(root)) else { break };
            new = Some(self.with_one_way(root, id, way));
        }
        let root = self.thread(new?);
        let root = self.in_order(root);
        Some(self.without_idle(root))
    }

    /// Tests with one way to an end and one to where their value is asked for again, but for those that something which
    /// nothing else decides leads to the other end.
    fn asked_behind(&self, root: BlockId) -> u64 {
        /// What is behind a block: the values that are asked for, and the ends that some packet comes to, as bits.
        #[derive(Clone, Copy, Default)]
        struct Behind {
            values: u64,
            ends: u64,
        }
        // The values that are asked for before a block.
        let (mut before, mut is_again) = ([0u64; FEW], false);
        for id in (ACCEPT + 1..=root).rev() {
            let Block { step, yes, no } = self.blocks[id as usize];
            let mut values = before[id as usize];
            if let Step::Test(test) = step {
                let value = 1 << (test.value & 63);
                is_again |= values & value != 0;
                values |= value;
            }
            before[yes as usize] |= values;
            before[no as usize] |= values;
        }
        if !is_again {
            return 0;
        }
        let mut behind = [Behind::default(); FEW];
        behind[REJECT as usize].ends = bit(REJECT);
        behind[ACCEPT as usize].ends = bit(ACCEPT);
        let mut found = 0;
        for id in ACCEPT + 1..=root {
            let Block { step, yes, no } = self.blocks[id as usize];
            let (there, elsewhere) = (behind[yes as usize], behind[no as usize]);
            let mut here = Behind {
                values: there.values | elsewhere.values,
                ends: there.ends & elsewhere.ends,
            };
            if let Step::Test(test) = step {
                let value = 1 << (test.value & 63);
                let is_again = here.values & value != 0 && matches!(test.rhs, Rhs::Const(_));
                let decides = |holds: bool| {
                    let fact = Fact { test, holds };
                    self.blocks[ACCEPT as usize + 1..id as usize].iter().any(|block| {
                        matches!(block.step, Step::Test(other)
                            if other.value == test.value && fact.decides(&other).is_some())
                    })
                };
                let may_end = |end: BlockId, other: Behind, holds: bool| {
                    end <= ACCEPT
                        && other.values & value != 0
                        && other.ends & !bit(end) == 0
                        && decides(holds)
                };
                if is_again
                    && yes != no
                    && (may_end(yes, elsewhere, true) || may_end(no, there, false))
                {
                    found |= bit(id);
                }
                here.values |= value;
                if before[id as usize] & value == 0 {
                    here.ends = there.ends | elsewhere.ends;
                }
            }
            behind[id as usize] = here;
        }
        found
    }

    /// The last of some tests of which one way does for the other, and that way.
    fn needless(&mut self, root: BlockId, tests: u64) -> Option<(BlockId, BlockId)> {
        let askers = self.askers(root);
        let places = self.places(root, &askers);
        let does_for = |id: BlockId, holds: bool| {
            let Block { yes, no, .. } = self.blocks[id as usize];
            let (one, other) = if holds { (yes, no) } else { (no, yes) };
            let known = places[id as usize];
            (one <= ACCEPT && !known.is_nowhere()).then_some(())?;
            let Step::Test(test) = self.blocks[id as usize].step else { return None };
            let mut known = known.with(id, holds);
            known.loads.learn(self.values, test.value);
            self.ends_like(one, other, &known, &askers, &mut { PAIRS }).then_some((id, other))
        };
        let mut ids = tests;
        let mut found = None;
        while ids != 0 && found.is_none() {
            let id = ids.trailing_zeros();
            ids &= ids - 1;
            found = does_for(id, true).or_else(|| does_for(id, false));
        }
        (self.memory.few.places, self.memory.few.askers) = (places, askers);
        found
    }

    /// A test both of whose ways do the same, and one of them.
    fn with_same_ways(&mut self, root: BlockId) -> Option<(BlockId, BlockId)> {
        let askers = self.askers(root);
        let places = self.places(root, &askers);
        let found = (ACCEPT + 1..=root).find_map(|id| {
            let Block { step: Step::Test(test), yes, no } = self.blocks[id as usize] else {
                return None;
            };
            let mut known = places[id as usize];
            let is_plain = yes != no && yes > ACCEPT && no > ACCEPT && !known.is_nowhere();
            (is_plain && matches!(test.rhs, Rhs::Const(_))).then_some(())?;
            known.loads.learn(self.values, test.value);
            let does = |one, other, holds| {
                self.comes_to_the_same(one, other, &known.with(id, holds), &askers, &mut { PAIRS })
            };
            if does(yes, no, true) {
                Some((id, no))
            } else {
                does(no, yes, false).then_some((id, yes))
            }
        });
        (self.memory.few.places, self.memory.few.askers) = (places, askers);
        found
    }

    /// Whether, where so much is known, the ways from two blocks on come to the same ends.
    fn comes_to_the_same(
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
            if let Some(next) = self.known_way(one, &known, askers) {
                one = next;
            } else if let Some(next) = self.known_way(other, &known, askers) {
                other = next;
            } else {
                // A block that stands before another one cannot lead there.
                let id = one.max(other);
                let Block { step: Step::Test(test), .. } = self.blocks[id as usize] else {
                    return false;
                };
                if !matches!(test.rhs, Rhs::Const(_)) || !known.loads.is_safe(self, test.value) {
                    return false;
                }
                known.loads.learn(self.values, test.value);
                let there = known.with(id, true);
                if !self.comes_to_the_same(one, other, &there, askers, left) {
                    return false;
                }
                known = known.with(id, false);
            }
        }
        true
    }

    /// Whether, where so much is known, all ways from a block on come to the end.
    fn ends_like(
        &self,
        end: BlockId,
        from: BlockId,
        known: &Place,
        askers: &Askers,
        left: &mut u32,
    ) -> bool {
        let (mut from, mut known) = (from, *known);
        while from != end {
            let Some(fewer) = left.checked_sub(1) else { return false };
            *left = fewer;
            if let Some(next) = self.known_way(from, &known, askers) {
                from = next;
                continue;
            }
            let Block { step: Step::Test(test), yes, no } = self.blocks[from as usize] else {
                return false;
            };
            // A value that cannot be loaded rejects.
            let is_safe = |id| end == REJECT || known.loads.is_safe(self, id);
            let Rhs::Const(_) = test.rhs else { return false };
            if !is_safe(test.value) {
                return false;
            }
            known.loads.learn(self.values, test.value);
            if yes != no {
                if !self.ends_like(end, yes, &known.with(from, true), askers, left) {
                    return false;
                }
                known = known.with(from, false);
            }
            from = no;
        }
        true
    }

    /// The graph from `root` on, in which a block has one way on.
    fn with_one_way(&mut self, root: BlockId, one: BlockId, way: BlockId) -> BlockId {
        let leads = |id: BlockId, block: &Block| {
            Some(if id == one { (way, way) } else { (block.yes, block.no) })
        };
        self.renew(root, leads, |_, _, _| None)
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
        let askers = self.askers(root);
        let places = self.places(root, &askers);
        let reached = self.reached(root);
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

    /// Which blocks each one leads to, as bits. The caller gives it back as [`super::Memory::bits`].
    pub(super) fn reached(&mut self, root: BlockId) -> Vec<u64> {
        let count = root as usize + 1;
        let mut reached = filled(&mut self.memory.bits, count, 0u64);
        for id in ACCEPT as usize + 1..count {
            let Block { yes, no, .. } = self.blocks[id];
            let behind = reached[yes as usize] | reached[no as usize];
            reached[id] = behind | bit(yes) | bit(no);
        }
        reached
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
    pub(super) fn known_way(&self, id: BlockId, known: &Place, askers: &Askers) -> Option<BlockId> {
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
