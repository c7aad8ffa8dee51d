//! What libpcap refuses since it sees that no packet matches.
//!
//! Its optimiser knows less than the rest of this crate: a test is decided by one of the same register that surely
//! came before, if it is the same test, or was equal to another number (`fold_edge` and `opt_j` in its `optimize.c`).
//! So an expression that no packet matches may still be one that it takes.

use super::{ACCEPT, Block, BlockId, Graph, REJECT, Step};
use crate::form::{Cmp, Rhs, Test, Value, compare};

/// Blocks of a graph that is looked through, at most; others are refused.
const MOST: usize = 2048;
/// Rounds, at most. libpcap gives up as well.
const ROUNDS: usize = 64;

/// Ways through a graph, which change.
struct Ways {
    tests: Vec<Option<Test>>,
    /// Where each block leads if its test holds, and if not.
    to: Vec<[BlockId; 2]>,
    /// For each block, the ways that surely come before it, as bits: two for each block. None if none leads there.
    before: Vec<Option<Vec<u64>>>,
}

impl Graph<'_> {
    /// Whether libpcap refuses the graph, which is as the expression has it.
    pub(crate) fn is_refused(&self, root: BlockId) -> bool {
        if self.blocks.len() > MOST {
            return true;
        }
        let ways = |block: &Block| {
            let goes_on = match block.step {
                Step::Effect(_) => true,
                Step::Test(test) => self.only_loads(&test),
                Step::End => false,
            };
            [block.yes, if goes_on { block.yes } else { block.no }]
        };
        let test = |block: &Block| match block.step {
            Step::Test(test) => Some(test),
            _ => None,
        };
        let mut graph = Ways {
            tests: self.blocks.iter().map(test).collect(),
            to: self.blocks.iter().map(ways).collect(),
            before: Vec::new(),
        };
        for _ in 0..ROUNDS {
            graph.find_before(root);
            if !graph.shorten(root) {
                break;
            }
        }
        let mut at = root;
        while at > ACCEPT {
            let [yes, no] = graph.to[at as usize];
            // What is computed of constants is known at last, where it helps the first block only.
            at = match graph.tests[at as usize].and_then(|test| self.of_constants(&test)) {
                Some(holds) => {
                    if holds {
                        yes
                    } else {
                        no
                    }
                }
                None if yes == no => yes,
                None => break,
            };
        }
        at == REJECT
    }

    /// Whether a test is of nothing, where libpcap has a load at most. What it knows of loads that must fail is nothing.
    fn only_loads(&self, test: &Test) -> bool {
        let of_nothing = test.mask == 0 && test.cmp == Cmp::Eq && test.rhs == Rhs::Const(0);
        of_nothing && self.values.get(test.value) != Value::Fault
    }

    fn of_constants(&self, test: &Test) -> Option<bool> {
        let value = self.values.constant(test.value)? & test.mask;
        let Rhs::Const(k) = test.rhs else { return None };
        Some(compare(test.cmp, value, k))
    }
}

impl Ways {
    fn find_before(&mut self, root: BlockId) {
        let count = self.to.len();
        self.before = vec![None; count];
        self.before[root as usize] = Some(vec![0; (2 * count).div_ceil(64)]);
        for id in (ACCEPT as usize + 1..count).rev() {
            let Some(before) = self.before[id].clone() else { continue };
            for (way, to) in self.to[id].into_iter().enumerate() {
                let mut there = before.clone();
                let (word, bit) = ((2 * id + way) / 64, (2 * id + way) % 64);
                there[word] |= 1 << bit;
                match &mut self.before[to as usize] {
                    Some(known) => {
                        for (known, word) in known.iter_mut().zip(there) {
                            *known &= word;
                        }
                    }
                    unknown => *unknown = Some(there),
                }
            }
        }
    }

    /// Whether a way could go on past tests that are decided on it.
    fn shorten(&mut self, root: BlockId) -> bool {
        let mut changed = false;
        for id in ACCEPT + 1..=root {
            let Some(before) = self.before[id as usize].clone() else { continue };
            for way in 0..2 {
                let mut to = self.to[id as usize][way];
                if to > ACCEPT && self.to[to as usize][0] == self.to[to as usize][1] {
                    to = self.to[to as usize][0];
                }
                while to > ACCEPT
                    && let Some(holds) = self.decided(to, (id, way), &before)
                {
                    to = self.to[to as usize][usize::from(!holds)];
                }
                changed |= to != self.to[id as usize][way];
                self.to[id as usize][way] = to;
            }
        }
        changed
    }

    /// How a block's test comes out behind a way, and those that surely come before that.
    fn decided(
        &self,
        block: BlockId,
        (from, way): (BlockId, usize),
        before: &[u64],
    ) -> Option<bool> {
        let test = self.tests[block as usize]?;
        let by = |id: usize, holds: bool| {
            let known = self.tests.get(id).copied().flatten()?;
            if (known.value, known.mask, known.cmp) != (test.value, test.mask, test.cmp) {
                return None;
            }
            match (known.rhs, test.rhs) {
                (one, other) if one == other => Some(holds),
                (Rhs::Const(_), Rhs::Const(_)) => {
                    (holds && test.cmp == Cmp::Eq && !test.is_of_bits() && !known.is_of_bits())
                        .then_some(false)
                }
                _ => None,
            }
        };
        by(from as usize, way == 0).or_else(|| {
            before.iter().enumerate().find_map(|(at, &word)| {
                let mut word = word;
                while word != 0 {
                    let edge = 64 * at + word.trailing_zeros() as usize;
                    word &= word - 1;
                    if let Some(decided) = by(edge / 2, edge.is_multiple_of(2)) {
                        return Some(decided);
                    }
                }
                None
            })
        })
    }
}
