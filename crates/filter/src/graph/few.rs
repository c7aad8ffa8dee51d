//! What is known where a block begins, for graphs of few blocks: a bit for each test that came out on all ways there.
//!
//! The same as in `thread.rs`, which serves all sizes, but nothing is looked for that is not there: which
//! tests may decide another one is a set of bits, and so is what two ways have in common.

use super::thread::{Known, is_touch};
use super::{ACCEPT, Block, BlockId, Graph, Step, per_block};
use crate::form::{Rhs, Test, ValueId};
use crate::implies::Fact;
use smallvec::SmallVec;

/// Blocks, at most.
pub(super) const FEW: usize = 64;

/// What is known at a place.
#[derive(Clone, Copy)]
struct Place {
    /// What was loaded.
    loads: Known,
    /// Tests that hold, and tests that do not.
    holds: u64,
    fails: u64,
}

/// Which tests ask for a value, for each value.
type Askers = SmallVec<[u64; 32]>;

const fn bit(id: BlockId) -> u64 {
    1 << (id & 63)
}

/// The blocks of a set, the last one first.
fn blocks(mut set: u64) -> impl Iterator<Item = BlockId> {
    std::iter::from_fn(move || {
        let id = 63_u32.checked_sub(set.leading_zeros())?;
        set &= !bit(id);
        Some(id)
    })
}

impl Graph<'_> {
    /// One walk; nothing if it found nothing.
    pub(super) fn thread_few(&mut self, root: BlockId) -> Option<BlockId> {
        let count = root as usize + 1;
        let mut askers = Askers::new();
        askers.resize(self.values.len(), 0);
        for (id, block) in (0..).zip(&self.blocks[..count]) {
            if let Step::Test(test) = block.step {
                askers[test.value as usize] |= bit(id);
            }
        }
        per_block!(places: Option<Place> = None; count);
        per_block!(ways: (BlockId, BlockId) = (0, 0); count);
        places[root as usize] = Some(Place { loads: Known::NOTHING, holds: 0, fails: 0 });
        let mut changed = false;
        for id in (ACCEPT + 1..=root).rev() {
            let Some(mut here) = places[id as usize] else { continue };
            let Block { step, yes, no } = self.blocks[id as usize];
            let way = if let Step::Test(test) = step {
                here.loads.learn(self.values, test.value);
                if let Rhs::Value(rhs) = test.rhs {
                    here.loads.learn(self.values, rhs);
                }
                let (mut there, mut elsewhere) = (here, here);
                if yes != no {
                    there.holds |= bit(id);
                    elsewhere.fails |= bit(id);
                }
                let ways = (
                    self.follow_few(yes, &there, &askers),
                    self.follow_few(no, &elsewhere, &askers),
                );
                // What is known without the test may lead to one place, too.
                let both = (ways != (yes, no) && ways.0 != ways.1)
                    .then(|| self.follow_few(yes, &here, &askers))
                    .filter(|&both| both == self.follow_few(no, &here, &askers));
                if let Some(both) = both {
                    self.arrive(&mut places[both as usize], both, &here, &askers);
                    (both, both)
                } else {
                    self.arrive(&mut places[ways.0 as usize], ways.0, &there, &askers);
                    self.arrive(&mut places[ways.1 as usize], ways.1, &elsewhere, &askers);
                    ways
                }
            } else {
                let next = self.follow_few(yes, &here, &askers);
                self.arrive(&mut places[next as usize], next, &here, &askers);
                (next, next)
            };
            changed |= way != (yes, no);
            ways[id as usize] = way;
        }
        changed.then(|| {
            let leads = |id: BlockId| places[id as usize].map(|_| ways[id as usize]);
            self.renew(root, |id, _| leads(id), |_, _, _| None)
        })
    }

    /// Where a way leads, past what is decided on it.
    fn follow_few(&self, mut id: BlockId, known: &Place, askers: &Askers) -> BlockId {
        while id > ACCEPT {
            let Block { step: Step::Test(test), yes, no } = self.blocks[id as usize] else { break };
            id = if is_touch(&test, yes, no) {
                if !known.loads.is_safe(self, test.value)
                    && !self.is_idle(test.value, yes, known.loads, self.facts(known))
                {
                    break;
                }
                yes
            } else {
                let decided = self.decided_by(known, &test, askers);
                match decided.or_else(|| self.by_length(&known.loads, &test)) {
                    Some(true) => yes,
                    Some(false) => no,
                    None => break,
                }
            };
        }
        id
    }

    #[inline]
    fn decided_by(&self, known: &Place, test: &Test, askers: &Askers) -> Option<bool> {
        let others = askers[test.value as usize];
        if (known.holds | known.fails) & others == 0 {
            return None;
        }
        self.decided_by_any(known, test, others)
    }

    /// How a test comes out by those of the blocks that came out.
    fn decided_by_any(&self, known: &Place, test: &Test, others: u64) -> Option<bool> {
        let says = |id: BlockId, holds: bool| match self.blocks[id as usize].step {
            Step::Test(other) => {
                let fact = Fact { test: other, holds };
                let decided = fact.decides(test)?;
                self.goes_past(&fact, test).then_some(decided)
            }
            _ => None,
        };
        blocks(known.holds & others)
            .find_map(|id| says(id, true))
            .or_else(|| blocks(known.fails & others).find_map(|id| says(id, false)))
    }

    /// All that came out.
    fn facts(&self, known: &Place) -> impl Iterator<Item = Fact> {
        let fact = |id: BlockId, holds| match self.blocks[id as usize].step {
            Step::Test(test) => Some(Fact { test, holds }),
            _ => None,
        };
        let holds = blocks(known.holds).filter_map(move |id| fact(id, true));
        holds.chain(blocks(known.fails).filter_map(move |id| fact(id, false)))
    }

    /// One more way leads to a block.
    fn arrive(&self, place: &mut Option<Place>, id: BlockId, way: &Place, askers: &Askers) {
        if id <= ACCEPT {
            return;
        }
        let Some(there) = place else {
            *place = Some(*way);
            return;
        };
        let mut both = Place {
            loads: there.loads.meet_loads(&way.loads),
            holds: there.holds & way.holds,
            fails: there.fails & way.fails,
        };
        // What is known on one way may follow from what is known on the other.
        for (one, other) in [(*there, way), (*way, &*there)] {
            let follows = |id: BlockId, holds: bool| {
                matches!(self.blocks[id as usize].step, Step::Test(test)
                    if self.decided_by(other, &test, askers) == Some(holds))
            };
            for id in blocks(one.holds & !both.holds).filter(|&id| follows(id, true)) {
                both.holds |= bit(id);
            }
            for id in blocks(one.fails & !both.fails).filter(|&id| follows(id, false)) {
                both.fails |= bit(id);
            }
        }
        *there = both;
    }

    /// Whether a value is asked for, then another one, then the first again, on some way.
    pub(super) fn leaves_and_returns(&self, root: BlockId) -> bool {
        per_block!(asked: u64 = 0; root as usize + 1);
        let value = |id: BlockId| match self.blocks[id as usize].step {
            Step::Test(test) => Some(test.value),
            _ => None,
        };
        let value_bit = |value: ValueId| 1u64 << (value & 63);
        for id in (ACCEPT + 1..=root).rev() {
            let Block { yes, no, .. } = self.blocks[id as usize];
            let own = value(id);
            let above = asked[id as usize] | own.map_or(0, value_bit);
            for next in [yes, no] {
                let next_value = value(next);
                if next_value != own && next_value.is_some_and(|next| above & value_bit(next) != 0)
                {
                    return true;
                }
                asked[next as usize] |= above;
            }
        }
        false
    }
}
