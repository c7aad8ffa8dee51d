//! Copies of the same tests on two ways that a test before tells apart.
//!
//! What that test tells may decide something behind them, so that each way has a copy of its own. Here one copy does
//! for both, and where the ways part in the end the test is asked again.

use super::few::{FEW, Place, blocks};
use super::thread::is_touch;
use super::{ACCEPT, Block, BlockId, Graph, REJECT, Step, filled};
use crate::form::{Rhs, Test};
use std::collections::HashMap;

/// Pairs of copies joined, at most.
const JOINED: usize = 16;

/// Where two copies begin: one where a test holds, another one where it does not.
#[derive(Clone, Copy)]
struct Pair {
    told_by: Test,
    one: BlockId,
    other: BlockId,
}

impl Graph<'_> {
    /// The graph from `root` on with one copy for two, where that is fewer blocks.
    pub(crate) fn joined(&mut self, root: BlockId) -> Option<BlockId> {
        let mut joined = None;
        for _ in 0..JOINED {
            let root = joined.unwrap_or(root);
            if root as usize >= FEW {
                break;
            }
            let most = self.len(root);
            let pairs = self.pairs(root);
            let new = pairs.into_iter().find_map(|pair| Joined::of(&self.blocks, pair, root, most));
            let Some(new) = new else { break };
            joined = Some(self.install(&new));
        }
        joined
    }

    /// Blocks that load the same first, and a test that tells the ways to them apart.
    fn pairs(&mut self, root: BlockId) -> Vec<Pair> {
        let askers = self.askers(root);
        let places = self.places(root, &askers);
        let reached = self.reached(root);
        let there = |id: &BlockId| !places[*id as usize].is_nowhere();
        let mut pairs = Vec::new();
        for one in (ACCEPT + 1..=root).rev().filter(there) {
            let loads_the_same = |other: &BlockId| {
                let (one, other) = (&self.blocks[one as usize], &self.blocks[*other as usize]);
                both_do(one, other).is_some()
            };
            let apart = blocks(!reached[one as usize]).skip_while(|&other| other >= one);
            let apart = apart.filter(|&other| other > ACCEPT).filter(there);
            pairs.extend(apart.filter(loads_the_same).filter_map(|other| {
                let (here, there) = (&places[one as usize], &places[other as usize]);
                let pair = |one, other| move |told_by| Pair { told_by, one, other };
                let told = self.told_apart(here, there).map(pair(one, other));
                told.or_else(|| self.told_apart(there, here).map(pair(other, one)))
            }));
        }
        self.memory.bits = reached;
        (self.memory.few.places, self.memory.few.askers) = (places, askers);
        pairs
    }

    /// A test that holds at one place and does not at another one.
    fn told_apart(&self, one: &Place, other: &Place) -> Option<Test> {
        let told_by = blocks(one.holds & other.fails).last()?;
        match self.blocks[told_by as usize].step {
            Step::Test(test) => Some(test),
            _ => None,
        }
    }

    /// These blocks in place of all others.
    fn install(&mut self, new: &[Block]) -> BlockId {
        self.memory.spare = self.clear();
        let mut made = filled(&mut self.memory.made, new.len(), REJECT);
        made[ACCEPT as usize] = ACCEPT;
        for (id, block) in new.iter().enumerate().skip(ACCEPT as usize + 1) {
            let (yes, no) = (made[block.yes as usize], made[block.no as usize]);
            made[id] = self.remake(block.step, yes, no, block.yes == block.no);
        }
        let root = made.last().copied().unwrap_or(REJECT);
        self.memory.made = made;
        root
    }
}

/// The step that does for both blocks, and where each goes on after it, if it comes out so or so: the same test, or one
/// that loads no more than the other block, which only loads.
fn both_do(one: &Block, other: &Block) -> Option<(Step, [(BlockId, BlockId); 2])> {
    let (Step::Test(test), Step::Test(same)) = (one.step, other.step) else { return None };
    let ways = [(one.yes, other.yes), (one.no, other.no)];
    if test == same {
        return Some((one.step, ways));
    }
    let loads_that = |block: &Block, of: &Test, test: &Test| {
        of.value == test.value
            && is_touch(of, block.yes, block.no)
            && matches!(test.rhs, Rhs::Const(_))
    };
    if loads_that(one, &test, &same) {
        return Some((other.step, ways));
    }
    loads_that(other, &same, &test).then_some((one.step, ways))
}

/// The blocks of a graph in which one copy does for two.
struct Joined<'a> {
    old: &'a [Block],
    pair: Pair,
    new: Vec<Block>,
    /// Which stands for which.
    made: HashMap<(BlockId, BlockId), BlockId>,
    /// Blocks, at most.
    most: usize,
}

impl Joined<'_> {
    /// The blocks, the ends first and the root last, if they are fewer than `most`.
    fn of(old: &[Block], pair: Pair, root: BlockId, most: usize) -> Option<Vec<Block>> {
        let end = Block { step: Step::End, yes: REJECT, no: REJECT };
        let new = vec![end; ACCEPT as usize + 1];
        let mut joined =
            Joined { old, pair, new, made: HashMap::new(), most: most + ACCEPT as usize };
        joined.one(root)?;
        Some(joined.new)
    }

    /// What stands for a block.
    fn one(&mut self, id: BlockId) -> Option<BlockId> {
        if id <= ACCEPT {
            return Some(id);
        }
        let Pair { one, other, .. } = self.pair;
        if id == one || id == other {
            return self.two(one, other);
        }
        if let Some(&made) = self.made.get(&(id, id)) {
            return Some(made);
        }
        let Block { step, yes, no } = self.old[id as usize];
        let block = Block { step, yes: self.one(yes)?, no: self.one(no)? };
        self.add((id, id), block)
    }

    /// What stands for one block where the test holds, and for another one where it does not.
    fn two(&mut self, one: BlockId, other: BlockId) -> Option<BlockId> {
        if one == other {
            return self.one(one);
        }
        if let Some(&made) = self.made.get(&(one, other)) {
            return Some(made);
        }
        let (first, second) = (&self.old[one as usize], &self.old[other as usize]);
        let block = match both_do(first, second) {
            Some((step, [yes, no])) => {
                Block { step, yes: self.two(yes.0, yes.1)?, no: self.two(no.0, no.1)? }
            }
            None => {
                let step = Step::Test(self.pair.told_by);
                Block { step, yes: self.one(one)?, no: self.one(other)? }
            }
        };
        self.add((one, other), block)
    }

    fn add(&mut self, stands_for: (BlockId, BlockId), block: Block) -> Option<BlockId> {
        let there = self.new.iter().position(|other| block.is(other));
        if there.is_none() && self.new.len() >= self.most {
            return None;
        }
        let id = BlockId::try_from(there.unwrap_or(self.new.len())).ok()?;
        if there.is_none() {
            self.new.push(block);
        }
        self.made.insert(stands_for, id);
        Some(id)
    }
}
