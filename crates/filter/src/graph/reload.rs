//! Values that would be loaded again only because some ways go on past a test of them.
//!
//! A way that knows how a test comes out goes on past it, to a block that may ask for the same value. That must then load
//! it, as not all ways bring it along. So such a way goes by the test after all, where the value is loaded for others, too.

use super::few::{Askers, FEW, Place, bit, blocks};
use super::{ACCEPT, Block, BlockId, Graph, Step};
use crate::form::{Rhs, Test, ValueId};

/// Blocks, at most, that need not load their value any more.
const ROUNDS: usize = 8;

/// A way of a block, and the block that it leads to instead.
#[derive(Clone, Copy, Debug)]
struct Turn {
    from: BlockId,
    holds: bool,
    to: BlockId,
}

/// Blocks that ways lead to which have their value loaded, and that ways lead to which have not, as bits.
#[derive(Clone, Copy, Debug, Default)]
struct Brought {
    by_some: u64,
    not_by_all: u64,
}

impl Graph<'_> {
    /// The graph from `root` on with fewer loads, if there is one.
    pub(crate) fn without_reloads(&mut self, root: BlockId) -> Option<BlockId> {
        let mut new = None;
        for _ in 0..ROUNDS {
            let root = new.unwrap_or(root);
            if root == self.plain || root as usize >= FEW {
                break;
            }
            let brought = self.brought(root);
            if brought.by_some & brought.not_by_all == 0 {
                break;
            }
            let Some(turns) = self.turns(root, brought) else { break };
            let way = |from: BlockId, holds: bool, to: BlockId| {
                let turn = turns.iter().find(|turn| (turn.from, turn.holds) == (from, holds));
                turn.map_or(to, |turn| turn.to)
            };
            new = Some(self.renew(
                root,
                |id, block| Some((way(id, true, block.yes), way(id, false, block.no))),
                |_, _, _| None,
            ));
        }
        new
    }

    /// The value that a block leaves in the register, if it asks for one.
    fn left(&self, id: BlockId) -> Option<ValueId> {
        match self.blocks[id as usize].step {
            Step::Test(test @ Test { value, mask, rhs: Rhs::Const(_), .. })
                if mask == u32::MAX || test.is_of_bits() =>
            {
                Some(value)
            }
            _ => None,
        }
    }

    /// The value that a block asks for.
    fn asked(&self, id: BlockId) -> Option<ValueId> {
        match self.blocks[id as usize].step {
            Step::Test(Test { value, rhs: Rhs::Const(_), .. }) => Some(value),
            _ => None,
        }
    }

    fn brought(&self, root: BlockId) -> Brought {
        let (mut brought, mut reached) = (Brought::default(), bit(root));
        for id in blocks((bit(root) - 1) | bit(root)) {
            if reached & bit(id) == 0 || id <= ACCEPT {
                continue;
            }
            let Block { yes, no, .. } = self.blocks[id as usize];
            reached |= bit(yes) | bit(no);
            let left = self.left(id);
            for next in [yes, no] {
                match self.asked(next) {
                    Some(asked) if left == Some(asked) => brought.by_some |= bit(next),
                    _ => brought.not_by_all |= bit(next),
                }
            }
        }
        brought
    }

    /// How the ways to some block lead so that all bring its value.
    fn turns(&mut self, root: BlockId, brought: Brought) -> Option<Vec<Turn>> {
        let askers = self.askers(root);
        let places = self.places(root, &askers);
        let candidates = brought.by_some & brought.not_by_all;
        let found =
            blocks(candidates).find_map(|id| self.turns_to(id, root, brought, &places, &askers));
        (self.memory.few.places, self.memory.few.askers) = (places, askers);
        found
    }

    fn turns_to(
        &self,
        to: BlockId,
        root: BlockId,
        brought: Brought,
        places: &[Place],
        askers: &Askers,
    ) -> Option<Vec<Turn>> {
        let value = self.asked(to)?;
        let mut turns = Vec::new();
        for from in to + 1..=root {
            let Block { yes, no, .. } = self.blocks[from as usize];
            if places[from as usize].is_nowhere() || self.left(from) == Some(value) {
                continue;
            }
            for (holds, next) in [(true, yes), (false, no)] {
                if next != to {
                    continue;
                }
                let mut known = match self.blocks[from as usize].step {
                    Step::Test(_) if yes != no => places[from as usize].with(from, holds),
                    _ => return None,
                };
                if let Step::Test(test) = self.blocks[from as usize].step {
                    known.loads.learn(self.values, test.value);
                }
                let leads_there = |&by: &BlockId| {
                    brought.not_by_all & bit(by) != 0
                        && self.left(by) == Some(value)
                        && !places[by as usize].is_nowhere()
                        && self.known_way(by, &known, askers) == Some(to)
                };
                turns.push(Turn { from, holds, to: (to + 1..from).find(leads_there)? });
            }
        }
        (!turns.is_empty()).then_some(turns)
    }
}
