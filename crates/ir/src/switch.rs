//! Switches that compilers have made of comparisons, found again.
//!
//! Blocks that only compare one value with numbers, each reached from another of them alone, are a decision about that
//! value. Where many of the numbers are close to each other, a table says at once where the decision leads for each value
//! from the least to the greatest of them: it is followed for each beforehand. All other values go where they went,
//! through what comparisons are left, unless those lead to one place with one charge.

use crate::flow::Flow;
use crate::fold::{holds, ones};
use crate::func::Func;
use crate::inst::{BinOp, BlockId, Cmp, Cond, Edge, Inst, Term, UnOp, Value};
use alloc::vec;
use alloc::vec::Vec;
use skep_isa::{Size, Width};

/// Different numbers in a table at least. With fewer, comparisons are as quick.
const LEAST_NUMBERS: usize = 6;
/// Comparisons on the way to a case at least, in the mean of a table. Processors foresee a few branches better than where
/// a jump through a table leads: of a tree of four deep, a table made a loop take 1.5 times as long.
const LEAST_DEPTH: usize = 5;
/// Cases at most, and at most for each number.
const MOST_CASES: usize = 256;
const CASES_PER_NUMBER: usize = 4;
/// Comparisons of a decision at most.
const MOST_TESTS: usize = 512;
/// Blocks that are looked at, at most, for each of the function.
const MOST_LOOKS: usize = 8;
/// Comparisons that are followed, at most, for each of the decision and of its cases.
const MOST_STEPS: usize = 64;

/// What comparisons of one value have in common.
#[derive(Clone, Copy)]
struct Decision<'a> {
    value: Value,
    /// Of all of them, or of any where that makes no difference.
    width: Width,
    /// What the value cannot be more than, as it is compared.
    most: u64,
    /// The first is the one to which control comes from elsewhere.
    root: BlockId,
    tests: &'a [BlockId],
    /// The first of the comparisons that each block belongs to.
    part_of: &'a [BlockId],
}

/// Where a decision leads: an edge, and what is charged on the way.
type Way = (Edge, i32);

impl<C> Func<C> {
    /// Puts tables in place of comparisons; whether there were any, so that [`Flow`] is to be found anew.
    pub fn recover_switches(&mut self, flow: &Flow) -> bool {
        if flow.order.iter().filter(|block| self.test(**block).is_some()).count() < LEAST_NUMBERS {
            return false;
        }
        // Which blocks belong to the decision at hand, and which to one that has a table.
        let mut part_of = vec![BlockId(u32::MAX); flow.place.len()];
        let mut is_done = vec![false; flow.place.len()];
        let mut left = MOST_LOOKS * flow.order.len();
        let mut tests = Vec::new();
        let mut any = false;
        for &root in &flow.order {
            if is_done[root.index()] {
                continue;
            }
            let Some((value, width, most)) = self.decision(flow, root, &mut part_of, &mut tests)
            else {
                continue;
            };
            let Some(rest) = left.checked_sub(tests.len()) else { break };
            left = rest;
            let found = Decision { value, width, most, root, tests: &tests, part_of: &part_of };
            if self.recover(found) {
                tests.iter().for_each(|test| is_done[test.index()] = true);
                any = true;
            }
        }
        any
    }

    /// What a block compares: a value, with a number.
    fn test(&self, block: BlockId) -> Option<(Cmp, u64)> {
        match self.blocks[block.index()].term {
            Term::Branch { cmp, .. } if !matches!(cmp.cond, Cond::Set | Cond::Clear) => {
                Some((cmp, self.known(cmp.b)?)).filter(|_| self.known(cmp.a).is_none())
            }
            _ => None,
        }
    }

    /// The decision that starts with a block: of what value, on which width, and what that is at most.
    fn decision(
        &self,
        flow: &Flow,
        root: BlockId,
        part_of: &mut [BlockId],
        tests: &mut Vec<BlockId>,
    ) -> Option<(Value, Width, u64)> {
        let (cmp, _) = self.test(root)?;
        let value = cmp.a;
        let bits = self.bits(value);
        // What has fewer bits is the same on both widths, and not negative on either.
        let is_short = bits < 32;
        let width = if is_short { Width::W64 } else { cmp.width };
        let most = if width == Width::W32 { ones(32) } else { ones(bits) };
        tests.clear();
        tests.push(root);
        part_of[root.index()] = root;
        let mut next = 0;
        while let Some(&test) = tests.get(next) {
            next += 1;
            self.edges(test, |edge| {
                let to = edge.to;
                let is_part = tests.len() < MOST_TESTS
                    && flow.preds(to).len() == 1
                    && self.blocks[to.index()].params.is_empty()
                    && self.charged(to).is_some()
                    && self
                        .test(to)
                        .is_some_and(|(cmp, _)| cmp.a == value && (is_short || cmp.width == width));
                if is_part {
                    part_of[to.index()] = root;
                    tests.push(to);
                }
            });
        }
        (tests.len() >= LEAST_NUMBERS).then_some((value, width, most))
    }

    /// What a block charges, if it does nothing else.
    fn charged(&self, block: BlockId) -> Option<i32> {
        self.blocks[block.index()].insts.iter().try_fold(0i32, |sum, value| {
            match *self.inst(*value) {
                Inst::Charge(insns) => sum.checked_add(insns),
                _ => None,
            }
        })
    }

    /// The numbers that a decision compares with, as far as the value may be them.
    fn numbers(&self, decision: Decision<'_>) -> impl Iterator<Item = u64> {
        let numbers = decision.tests.iter().filter_map(move |test| {
            let (cmp, number) = self.test(*test)?;
            Some(if cmp.width == Width::W32 { number & ones(32) } else { number })
        });
        numbers.filter(move |&number| number <= decision.most)
    }

    /// Values for which there is to be a table: the first, and how many.
    fn window(&self, decision: Decision<'_>) -> Option<(u64, usize)> {
        let mut numbers: Vec<u64> = self.numbers(decision).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut best = (0, 0);
        let mut first = 0;
        for last in 0..numbers.len() {
            while numbers[last] - numbers[first] >= MOST_CASES as u64 {
                first += 1;
            }
            // The sparsest ones are left out of it.
            let is_sparse = |first: usize| {
                let cases = numbers[last] - numbers[first] + 1;
                cases > (CASES_PER_NUMBER * (last - first + 1)) as u64
            };
            let Some(dense) = (first..=last).find(|&first| !is_sparse(first)) else { continue };
            if last - dense > best.1 - best.0 {
                best = (dense, last);
            }
        }
        let count = best.1 - best.0 + 1;
        if numbers.is_empty() || count < LEAST_NUMBERS {
            return None;
        }
        let (mut base, last) = (numbers[best.0], numbers[best.1]);
        // Nothing is taken off where the table may start at 0 as well.
        let limit = (CASES_PER_NUMBER * count).min(MOST_CASES) as u64;
        if last < limit {
            base = 0;
        }
        // Nothing is beyond the table where it has all that there can be.
        let end = if base == 0 && decision.most < limit { decision.most } else { last };
        Some((base, usize::try_from(end - base + 1).ok()?))
    }

    /// Where a decision leads for a value, with the number of comparisons on the way.
    fn way(&self, decision: Decision<'_>, value: u64) -> Option<(Way, usize)> {
        let Decision { root, part_of, .. } = decision;
        let (mut at, mut charge, mut depth) = (root, 0i32, 0);
        loop {
            let (cmp, number) = self.test(at)?;
            let Term::Branch { yes, no, .. } = self.blocks[at.index()].term else { return None };
            let edge = if holds(cmp.cond, cmp.width, value, number) { yes } else { no };
            depth += 1;
            let is_part = part_of.get(edge.to.index()) == Some(&root) && edge.to != root;
            if !is_part {
                return Some(((edge, charge), depth));
            }
            charge = charge.checked_add(self.charged(edge.to)?)?;
            at = edge.to;
        }
    }

    fn is_same_way(&self, (a, charge_a): Way, (b, charge_b): Way) -> bool {
        a.to == b.to && charge_a == charge_b && self.args(a) == self.args(b)
    }

    /// The place of a way among others, where it is put if it is not there.
    fn place_of(&self, ways: &mut Vec<Way>, way: Way) -> usize {
        let found = ways.iter().position(|&other| self.is_same_way(way, other));
        found.unwrap_or_else(|| {
            ways.push(way);
            ways.len() - 1
        })
    }

    /// Puts a table in place of a decision, if that is worth it.
    fn recover(&mut self, decision: Decision<'_>) -> bool {
        let Decision { value, width, root, tests, .. } = decision;
        let Some((base, len)) = self.window(decision) else { return false };
        let mut ways: Vec<Way> = Vec::new();
        let mut cases: Vec<usize> = Vec::with_capacity(len);
        let (mut depths, most_steps) = (0, MOST_STEPS * (tests.len() + len));
        for case in 0..len {
            let case = base + case as u64;
            let Some((way, depth)) = self.way(decision, case) else { return false };
            depths += depth;
            if depths > most_steps {
                return false;
            }
            cases.push(self.place_of(&mut ways, way));
        }
        if depths < LEAST_DEPTH * len {
            return false;
        }
        let beyond = self.beyond(decision, (base, len));
        let beyond = beyond.map(|way| self.place_of(&mut ways, way));
        let place = self.blocks[root.index()].place;
        let origin = self.origin(value);
        let mut targets = Vec::with_capacity(ways.len());
        for way in ways {
            targets.push(self.target(way, place, origin));
        }
        let default = beyond.map_or_else(
            || {
                let rest = self.block();
                self.blocks[rest.index()].place = place;
                self.blocks[rest.index()].term = self.blocks[root.index()].term;
                rest
            },
            |way| targets[way],
        );
        let index = if base > 0 {
            let b = self.number(base.wrapping_neg(), origin);
            self.push(root, Inst::Bin { op: BinOp::Add, width, a: value, b }, origin)
        } else if width == Width::W32 {
            self.push(root, Inst::Un { op: UnOp::Zext(Size::W), a: value }, origin)
        } else {
            value
        };
        let to = |block| Edge { to: block, ..Edge::default() };
        let table = self.table(cases.into_iter().map(|case| to(targets[case])), to(default));
        self.blocks[root.index()].term = Term::Switch { value: index, table };
        true
    }

    /// Where all values lead that are not in a table, if that is one place with one charge.
    fn beyond(&self, decision: Decision<'_>, (base, len): (u64, usize)) -> Option<Way> {
        let Decision { width, most, .. } = decision;
        let last = base + (len as u64 - 1);
        let is_beyond = |&number: &u64| number < base || number > last;
        // Comparisons change at their numbers only, and where signs do.
        if self.numbers(decision).any(|number| is_beyond(&number)) {
            return None;
        }
        let sign = if width == Width::W32 { ones(31) } else { ones(63) };
        let ends = [0, base.wrapping_sub(1), last.wrapping_add(1), sign, sign + 1, most];
        let ends = ends.into_iter().filter(|value| *value <= most && is_beyond(value));
        // Where nothing is beyond, any way does.
        let mut only = self.way(decision, base)?.0;
        for (n, value) in ends.enumerate() {
            let (way, _) = self.way(decision, value)?;
            if n > 0 && !self.is_same_way(only, way) {
                return None;
            }
            only = way;
        }
        Some(only)
    }

    /// A block to which an edge without values may lead in place of a way.
    fn target(&mut self, (edge, charge): Way, place: u32, origin: u32) -> BlockId {
        if charge == 0 && self.args(edge).is_empty() {
            return edge.to;
        }
        let between = self.block();
        if charge != 0 {
            self.push_as_is(between, Inst::Charge(charge), origin);
        }
        let edge = self.copy_edge(edge);
        self.blocks[between.index()].term = Term::Jump(edge);
        self.blocks[between.index()].place = place;
        between
    }
}
