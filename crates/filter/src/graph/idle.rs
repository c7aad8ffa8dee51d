//! Loads that are left of tests whose outcome does not matter, and whether they matter.
//!
//! A touch rejects packets that end before what it loads. It may go if what follows rejects those as well: on every
//! way from it to an acceptance something as far is loaded, or what is known where it stands contradicts the way.
//! The ways are followed one by one, so a few steps must do; a touch that takes more stays.

use super::ends::ends_behind;
use super::thread::{Loads, is_touch};
use super::{ACCEPT, Block, BlockId, Graph, REJECT, Splits, Step};
use crate::form::{Cmp, Rhs, Test, Value, ValueId, Values};
use crate::implies::Fact;
use smallvec::SmallVec;

/// Blocks looked at from a touch on, at most.
const STEPS: u32 = 64;
/// Blocks looked at from the first one on, at most.
const STEPS_IN_ALL: u32 = 400;
/// Blocks looked at to see whether a test may be moved, at most.
const STEPS_TO_MOVE: u32 = 40;
/// Walks over a graph, at most.
const WALKS: usize = 4;
/// Blocks of a graph that is looked at from the first one on, at most.
const MOST: usize = 128;

/// The packets on which a value cannot be loaded, where a certain way led.
struct Search<'g, 'a> {
    graph: &'g Graph<'a>,
    /// The value, and the byte that they end before, if there is one.
    value: ValueId,
    end: Option<u32>,
    /// What came out so far.
    facts: SmallVec<[Fact; 32]>,
    /// Touches that are not there any more.
    gone: &'g [bool],
    /// Where the way goes on from the block that it must lead through, if not as usual, and what came out by then.
    detour: Option<(BlockId, SmallVec<[Fact; 8]>)>,
    /// Blocks from which a way leads to the one that it must lead through, as bits.
    lead_there: u128,
    left: u32,
}

impl Graph<'_> {
    /// The graph from `root` on without touches of values that, on all ways to them, are idle.
    ///
    /// Unlike in [`Graph::thread`], nothing is forgotten where ways meet: each is followed from the first block on.
    pub(crate) fn without_idle(&mut self, root: BlockId) -> BlockId {
        let mut root = root;
        // What one walk leaves out may leave more to the next one.
        for _ in 0..WALKS {
            match self.without_idle_once(root) {
                Some(new) => root = new,
                None => break,
            }
        }
        root
    }

    /// The same, in one walk; nothing if it found nothing.
    fn without_idle_once(&mut self, root: BlockId) -> Option<BlockId> {
        let count = root as usize + 1;
        if !self.has_touches || root <= ACCEPT || count > MOST {
            return None;
        }
        let mut gone = vec![false; count];
        let mut is_any = false;
        for id in (ACCEPT + 1..=root).rev() {
            let Block { step: Step::Test(test), yes, no } = self.blocks[id as usize] else {
                continue;
            };
            if is_touch(&test, yes, no)
                && self.search(test.value, &gone, STEPS_IN_ALL).is_idle(root, id)
            {
                gone[id as usize] = true;
                is_any = true;
            }
        }
        if !is_any {
            return None;
        }
        let past = |id: BlockId, blocks: &[Block]| {
            let mut id = id;
            while gone[id as usize] {
                id = blocks[id as usize].yes;
            }
            id
        };
        let blocks = self.blocks.clone();
        let first = past(root, &blocks);
        let root = self.renew(
            first,
            |_, block| Some((past(block.yes, &blocks), past(block.no, &blocks))),
            |_, _, _| None,
        );
        Some(self.thread(root))
    }

    fn search<'g>(&'g self, value: ValueId, gone: &'g [bool], steps: u32) -> Search<'g, 'g> {
        Search {
            graph: self,
            value,
            end: self.end_at_most(value),
            facts: SmallVec::new(),
            gone,
            detour: None,
            lead_there: 0,
            left: steps,
        }
    }

    /// Whether packets on which the value cannot be loaded are rejected from a block on, too, after what is known.
    pub(super) fn is_idle(
        &self,
        value: ValueId,
        next: BlockId,
        loads: Loads,
        facts: impl Iterator<Item = Fact>,
    ) -> bool {
        let mut search = self.search(value, &[], STEPS);
        search.facts.extend(facts);
        search.rejects(next, REJECT, loads)
    }

    /// Whether packets on which the value cannot be loaded are rejected, too, if they go on from the block `at` to `end`
    /// after what is told of other tests.
    pub(super) fn is_idle_at(
        &self,
        root: BlockId,
        at: BlockId,
        end: BlockId,
        value: ValueId,
        facts: impl Iterator<Item = Fact>,
    ) -> bool {
        let mut search = self.search(value, &[], STEPS_TO_MOVE);
        search.detour = Some((end, facts.collect()));
        search.is_idle(root, at)
    }

    /// As [`Graph::by_length`], if a way is to go on past such a test.
    #[inline]
    pub(super) fn past_by_length(&self, loads: &Loads, test: &Test) -> Option<bool> {
        let decided = self.by_length(loads, test)?;
        self.was_split.set(true);
        (self.splits == Splits::Yes).then_some(decided)
    }

    /// How a test comes out on packets of which so much was loaded: they are at least as long.
    #[inline]
    fn by_length(&self, loads: &Loads, test: &Test) -> Option<bool> {
        if self.values.known_len() != Some(test.value) || test.mask != u32::MAX {
            return None;
        }
        let Rhs::Const(k) = test.rhs else { return None };
        match test.cmp {
            Cmp::Ge if k <= loads.len() => Some(true),
            Cmp::Eq if k < loads.len() => Some(false),
            _ => None,
        }
    }
}

impl Search<'_, '_> {
    /// Whether all ways from `root` on that lead through the touch reject.
    fn is_idle(&mut self, root: BlockId, touch: BlockId) -> bool {
        self.lead_there = 1 << touch;
        for id in touch + 1..=root {
            let Block { yes, no, .. } = self.graph.blocks[id as usize];
            self.lead_there |= (self.lead_there >> yes & 1 | self.lead_there >> no & 1) << id;
        }
        self.rejects(root, touch, Loads::NOTHING)
    }

    /// Whether all ways from a block on reject, if only those count that lead through another, which may be [`REJECT`].
    fn rejects(&mut self, mut id: BlockId, mut through: BlockId, mut loads: Loads) -> bool {
        while id > ACCEPT {
            if through != REJECT && self.lead_there >> id & 1 == 0 {
                return true;
            }
            let Some(left) = self.left.checked_sub(1) else { return false };
            self.left = left;
            let Block { step, yes, no } = self.graph.blocks[id as usize];
            let Step::Test(test) = step else {
                id = yes;
                continue;
            };
            if id == through
                && let Some((end, facts)) = self.detour.take()
            {
                let is_rejected = self.rejects_after(&facts, end, loads);
                self.detour = Some((end, facts));
                return is_rejected;
            }
            if id == through || self.gone.get(id as usize) == Some(&true) {
                through = if id == through { REJECT } else { through };
                id = yes;
                continue;
            }
            if self.fails(&test, &mut loads) {
                return true;
            }
            id = match self.decides(&test, &loads) {
                Some(true) => yes,
                Some(false) => no,
                None if yes == no => yes,
                None => {
                    let facts = self.facts.len();
                    self.facts.push(Fact { test, holds: true });
                    let is_rejected = self.rejects(yes, through, loads);
                    self.facts.truncate(facts);
                    if !is_rejected {
                        return false;
                    }
                    self.facts.push(Fact { test, holds: false });
                    let is_rejected = self.rejects(no, through, loads);
                    self.facts.truncate(facts);
                    return is_rejected;
                }
            };
        }
        id == REJECT || through != REJECT
    }

    /// The same from a block on, after tests that came out in a certain way.
    fn rejects_after(&mut self, facts: &[Fact], id: BlockId, mut loads: Loads) -> bool {
        for &fact in facts {
            let is_never = self.fails(&fact.test, &mut loads)
                || self.decides(&fact.test, &loads) == Some(!fact.holds);
            if is_never {
                return true;
            }
            self.facts.push(fact);
        }
        self.rejects(id, REJECT, loads)
    }

    /// Whether the values of a test cannot be loaded either; if they can, `loads` knows.
    fn fails(&self, test: &Test, loads: &mut Loads) -> bool {
        let values = self.graph.values;
        loads.learn(values, test.value);
        if let Rhs::Value(rhs) = test.rhs {
            loads.learn(values, rhs);
        }
        loads.has(self.value)
            || self.end.is_some_and(|end| loads.len() >= end)
            || loads.reaches_behind(values, self.value)
            || ends_behind(values, test.value, self.value)
    }

    fn decides(&self, test: &Test, loads: &Loads) -> Option<bool> {
        let mut facts = self.facts.iter().rev();
        facts
            .find_map(|fact| fact.decides(test))
            .or_else(|| by_bytes(self.graph.values, self.facts.iter().copied(), test))
            .or_else(|| self.graph.by_length(loads, test))
    }
}

/// How a test comes out by what is known of its bytes by other loads.
pub(super) fn by_bytes(
    values: &Values,
    facts: impl IntoIterator<Item = Fact>,
    test: &Test,
) -> Option<bool> {
    let asked = Bytes::of(values.get(test.value))?;
    let mut known = Bits { which: 0, are: 0 };
    let asked_bits = Bits::of(test, true);
    for fact in facts {
        // What it says of the value itself is looked at before.
        if fact.test.value == test.value {
            continue;
        }
        let Some(bytes) = Bytes::of(values.get(fact.test.value)) else { continue };
        if !bytes.are_near(&asked) {
            continue;
        }
        if let Some(bits) = Bits::of(&fact.test, fact.holds) {
            known = known.and(bytes.as_of(&asked, bits));
        } else if let Some(bits) = asked_bits
            && bytes.decides(&fact.test, asked.as_of(&bytes, bits)) == Some(!fact.holds)
        {
            // What is compared with a number is not this one.
            return Some(false);
        }
    }
    asked.decides(test, known)
}

/// Bits of a number that are known, and what they are.
#[derive(Clone, Copy)]
struct Bits {
    which: u32,
    are: u32,
}

impl Bits {
    /// Those of a value of which it is known how a test came out.
    fn of(test: &Test, holds: bool) -> Option<Self> {
        let &Test { mask, cmp: Cmp::Eq, rhs: Rhs::Const(k), .. } = test else { return None };
        match holds {
            true => Some(Self { which: mask, are: k & mask }),
            // A single bit that is not the one is the other.
            false if mask.is_power_of_two() => Some(Self { which: mask, are: (k ^ mask) & mask }),
            false => None,
        }
    }

    const fn and(self, other: Self) -> Self {
        Self { which: self.which | other.which, are: self.are | other.are }
    }
}

/// Bytes that are loaded: behind which value, if any, from where, and how many.
#[derive(Clone, Copy)]
struct Bytes {
    base: Option<ValueId>,
    at: u32,
    size: u32,
}

impl Bytes {
    fn of(value: Value) -> Option<Self> {
        match value {
            Value::Abs(size, at) => Some(Self { base: None, at, size: size.bytes().into() }),
            Value::Ind(size, base, at) => {
                Some(Self { base: Some(base), at, size: size.bytes().into() })
            }
            _ => None,
        }
    }

    /// Whether some of them may be the same.
    fn are_near(&self, other: &Self) -> bool {
        let after = self.at.wrapping_sub(other.at);
        (after < other.size || after.wrapping_neg() < self.size) && self.base == other.base
    }

    const fn all(&self) -> u32 {
        u32::MAX >> (32 - 8 * self.size)
    }

    /// Bits of the number that these bytes are, as bits of the one that others are.
    fn as_of(&self, other: &Self, bits: Bits) -> Bits {
        const FAR: u32 = 4;
        let end = |bytes: &Self| bytes.at.wrapping_add(bytes.size);
        let (after, before) =
            (end(other).wrapping_sub(end(self)), end(self).wrapping_sub(end(other)));
        let moved = |bits: u32| match (after, before) {
            _ if self.base != other.base => 0,
            (0..FAR, _) => bits << (8 * after),
            (_, 0..FAR) => bits >> (8 * before),
            _ => 0,
        };
        let all = other.all();
        Bits {
            which: moved(bits.which & self.all()) & all,
            are: moved(bits.are & self.all()) & all,
        }
    }

    /// How a test of the number comes out, by the bits that are known.
    fn decides(&self, test: &Test, bits: Bits) -> Option<bool> {
        let &Test { mask, cmp, rhs: Rhs::Const(k), .. } = test else { return None };
        match cmp {
            Cmp::Eq if (bits.are ^ k) & bits.which & mask != 0 => Some(false),
            Cmp::Eq if self.all() & mask & !bits.which == 0 => Some(true),
            Cmp::Ge if bits.are & mask >= k => Some(true),
            Cmp::Ge if (bits.are | self.all() & !bits.which) & mask < k => Some(false),
            _ => None,
        }
    }
}
