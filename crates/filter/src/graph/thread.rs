//! What is known where a block begins, used to leave out what it decides.
//!
//! One walk from the root on. All ways to a block are known when it is its turn, so that what is known
//! there is what all of them know. From a block, a way leads past every test that this and the block's
//! own test decide; past touches of what was loaded on every way. Blocks are never copied for it: a way that
//! knows more than others stays with them where it meets them, and the graph only shrinks.

use super::{ACCEPT, Block, BlockId, Graph, Step};
use crate::form::{Cmp, Rhs, Test, Value, ValueId, Values};
use crate::implies::Fact;

/// Facts kept at once.
const FACTS: usize = 8;
/// Walks: what one leaves out may let another leave out more.
const ROUNDS: usize = 4;

/// What is known at a place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// The packet has at least so many bytes.
    len: u32,
    /// Values computed before, of the first 64.
    values: u64,
    facts: [Option<Fact>; FACTS],
}

impl Known {
    pub(crate) const NOTHING: Self = Self { len: 0, values: 0, facts: [None; FACTS] };

    /// What is known here and there.
    fn meet(mut self, other: &Self) -> Self {
        self.len = self.len.min(other.len);
        self.values &= other.values;
        for fact in &mut self.facts {
            if fact.is_some_and(|fact| other.decides(&fact.test) != Some(fact.holds)) {
                *fact = None;
            }
        }
        // Weaker facts of the other may hold here, too.
        for fact in other.facts.iter().flatten() {
            if self.decides(&fact.test).is_none() {
                continue;
            }
            let known = |known: &Option<Fact>| known.is_some_and(|known| known.test == fact.test);
            if self.decides(&fact.test) == Some(fact.holds) && !self.facts.iter().any(known) {
                self.add(*fact);
            }
        }
        self
    }

    pub(crate) fn decides(&self, test: &Test) -> Option<bool> {
        self.facts.iter().flatten().find_map(|fact| fact.decides(test))
    }

    /// Facts that say what a value is stay longest.
    fn add(&mut self, fact: Fact) {
        let is = |fact: &Fact| fact.holds && fact.test.cmp == Cmp::Eq;
        if is(&fact) && fact.test.mask == u32::MAX {
            for known in &mut self.facts {
                if known.is_some_and(|known| known.test.value == fact.test.value) {
                    *known = None;
                }
            }
        }
        if let Some(free) = self.facts.iter_mut().find(|fact| fact.is_none()) {
            *free = Some(fact);
            return;
        }
        let weak = self.facts.iter().position(|known| known.is_some_and(|known| !is(&known)));
        let at = weak.unwrap_or(0);
        self.facts[at..].rotate_left(1);
        self.facts[FACTS - 1] = Some(fact);
    }

    /// Computing the value did not reject.
    pub(crate) fn learn(&mut self, values: &Values, id: ValueId) {
        let mut id = id;
        loop {
            self.values |= bit(id);
            match values.get(id) {
                Value::Abs(size, at) => return self.reaches(at, size.bytes()),
                Value::Msh(at) => return self.reaches(at, 1),
                Value::Ind(_, base, _) => id = base,
                Value::Neg(operand) => id = operand,
                Value::Alu(_, left, right) => {
                    self.values |= bit(right);
                    if let Value::Abs(size, at) = values.get(right) {
                        self.reaches(at, size.bytes());
                    }
                    id = left;
                }
                _ => return,
            }
        }
    }

    fn reaches(&mut self, at: u32, size: u8) {
        self.len = self.len.max(at.saturating_add(size.into()));
    }

    /// Whether computing the value cannot reject.
    pub(crate) fn is_safe(&self, graph: &Graph<'_>, id: ValueId) -> bool {
        self.values & bit(id) != 0
            || graph.end(id).is_some_and(|end| end <= self.len)
            || !graph.values.may_fail(id)
    }
}

const fn bit(id: ValueId) -> u64 {
    if id < 64 { 1 << id } else { 0 }
}

impl Graph<'_> {
    /// The graph from `root` on without what is known already.
    pub(crate) fn thread(&mut self, root: BlockId) -> BlockId {
        let mut root = root;
        for _ in 0..ROUNDS {
            let threaded = self.thread_once(root);
            if threaded == root {
                break;
            }
            root = threaded;
        }
        root
    }

    fn thread_once(&mut self, root: BlockId) -> BlockId {
        if root <= ACCEPT {
            return root;
        }
        let count = root as usize + 1;
        let mut known: Vec<Option<Known>> = vec![None; count];
        let mut ways: Vec<(BlockId, BlockId)> = vec![(0, 0); count];
        known[root as usize] = Some(Known::NOTHING);
        let mut changed = false;
        for id in (ACCEPT + 1..=root).rev() {
            let Some(mut here) = known[id as usize] else { continue };
            let Block { step, yes, no } = self.blocks[id as usize];
            let way = match step {
                Step::Test(test) => {
                    here.learn(self.values, test.value);
                    if let Rhs::Value(rhs) = test.rhs {
                        here.learn(self.values, rhs);
                    }
                    let (mut there, mut elsewhere) = (here, here);
                    if yes != no {
                        there.add(Fact { test, holds: true });
                        elsewhere.add(Fact { test, holds: false });
                    }
                    let yes = self.follow(yes, &there);
                    let no = self.follow(no, &elsewhere);
                    meet_at(&mut known, yes, &there);
                    meet_at(&mut known, no, &elsewhere);
                    (yes, no)
                }
                Step::Effect(_) | Step::End => {
                    let next = self.follow(yes, &here);
                    meet_at(&mut known, next, &here);
                    (next, next)
                }
            };
            changed |= way != (yes, no);
            ways[id as usize] = way;
        }
        if !changed {
            return root;
        }
        let mut made: Vec<BlockId> = (0..=root).collect();
        for id in ACCEPT + 1..=root {
            if known[id as usize].is_none() {
                continue;
            }
            let (yes, no) = ways[id as usize];
            let (yes, no) = (made[yes as usize], made[no as usize]);
            let block = self.blocks[id as usize];
            made[id as usize] = if (yes, no) == (block.yes, block.no) {
                id
            } else {
                match block.step {
                    Step::Test(test) => self.finish(test, yes, no),
                    step => self.add(Block { step, yes, no }),
                }
            };
        }
        made[root as usize]
    }

    /// Where a way leads, past what is decided on it.
    fn follow(&self, mut id: BlockId, known: &Known) -> BlockId {
        loop {
            let Block { step: Step::Test(test), yes, no } = self.blocks[id as usize] else {
                return id;
            };
            id = if is_touch(&test, yes, no) {
                if !known.is_safe(self, test.value) {
                    return id;
                }
                yes
            } else {
                match known.decides(&test) {
                    Some(true) => yes,
                    Some(false) => no,
                    None => return id,
                }
            };
        }
    }
}

fn meet_at(known: &mut [Option<Known>], id: BlockId, way: &Known) {
    if id > ACCEPT {
        let known = &mut known[id as usize];
        *known = Some(known.map_or(*way, |known| known.meet(way)));
    }
}

/// Whether the block only loads.
pub(crate) fn is_touch(test: &Test, yes: BlockId, no: BlockId) -> bool {
    yes == no && test.mask == 0 && matches!(test.rhs, Rhs::Const(_))
}
