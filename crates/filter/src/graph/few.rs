//! What is known where a block begins, for graphs of few blocks: a bit for each test that came out on all ways there.
//!
//! The same as in `thread.rs`, which serves all sizes, but nothing is looked for that is not there: which
//! tests may decide another one is a set of bits, and so is what two ways have in common. Where ways meet that know of
//! a value which number it is, a different one on each, it is known to be one of them.

use super::idle::by_bytes;
use super::thread::{LAST_BIT, Loads, is_touch, number_bit};
use super::{ACCEPT, Block, BlockId, Graph, REJECT, Splits, Step, filled};
use crate::form::{Cmp, Rhs, Test, ValueId};
use crate::implies::Fact;
use crate::memory::bytes;

/// Blocks, at most.
pub(super) const FEW: usize = 64;

/// What is known at a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// What was loaded.
    pub(super) loads: Loads,
    /// Tests that hold, and tests that do not.
    pub(super) holds: u64,
    pub(super) fails: u64,
    /// What a value is on some ways or others.
    one_of: OneOf,
}

/// Numbers of which a value is one, each on some of the ways to a place.
#[derive(Clone, Copy, Debug)]
struct OneOf {
    value: ValueId,
    numbers: [u32; ONE_OF],
    /// How many they are.
    count: usize,
}

/// Numbers, at most: of the protocols that have ports, and of the families that are IPv6.
const ONE_OF: usize = 3;

impl OneOf {
    const NOTHING: Self = Self { value: ValueId::MAX, numbers: [0; ONE_OF], count: 0 };

    fn numbers(&self) -> &[u32] {
        &self.numbers[..self.count]
    }

    /// The numbers of both, if they are not too many.
    fn join(mut self, other: &Self) -> Option<Self> {
        for &number in other.numbers() {
            if !self.numbers().contains(&number) {
                *self.numbers.get_mut(self.count)? = number;
                self.count += 1;
            }
        }
        Some(self)
    }

    /// A fact for each of the numbers.
    fn facts(&self) -> impl Iterator<Item = Fact> {
        self.numbers().iter().map(|&k| {
            let rhs = Rhs::Const(k);
            Fact {
                test: Test { value: self.value, mask: u32::MAX, cmp: Cmp::Eq, rhs },
                holds: true,
            }
        })
    }
}

impl Place {
    const NOTHING: Self =
        Self { loads: Loads::NOTHING, holds: 0, fails: 0, one_of: OneOf::NOTHING };
    /// Where no way leads: told by the block that is no test.
    const NOWHERE: Self =
        Self { loads: Loads::ALL, holds: bit(REJECT), fails: 0, one_of: OneOf::NOTHING };

    pub(super) const fn is_nowhere(&self) -> bool {
        self.holds & bit(REJECT) != 0
    }

    /// The same after a block's test.
    pub(super) const fn with(mut self, id: BlockId, holds: bool) -> Self {
        match holds {
            true => self.holds |= bit(id),
            false => self.fails |= bit(id),
        }
        self
    }
}

/// Values that are asked for on ways to a block, as bits.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    /// Which number it is, where it is none that was asked for.
    is_not: u64,
    /// Anything else.
    others: u64,
    /// Those before the last one.
    left: u64,
}

impl Asked {
    fn join(&mut self, other: Self) {
        self.is_not |= other.is_not;
        self.others |= other.others;
        self.left |= other.left;
    }
}

/// Memory of the walks.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) places: Vec<Place>,
    pub(super) askers: Vec<u64>,
    asked: Vec<Asked>,
}

impl Memory {
    pub(super) fn bytes(&self) -> usize {
        bytes(&self.places) + bytes(&self.askers) + bytes(&self.asked)
    }
}

/// Which tests ask for a value, for each value.
pub(super) type Askers = [u64];

pub(super) const fn bit(id: BlockId) -> u64 {
    1 << (id & 63)
}

/// The blocks of a set, the last one first.
pub(super) fn blocks(mut set: u64) -> impl Iterator<Item = BlockId> {
    std::iter::from_fn(move || {
        let id = 63_u32.checked_sub(set.leading_zeros())?;
        set &= !bit(id);
        Some(id)
    })
}

impl Graph<'_> {
    /// Whether there may be a test on some way that those before it decide, or a load that need not be.
    ///
    /// Most graphs have none: they ask for a value again only where it was not what they asked for. Most of these do so
    /// at once, and have no test twice, which is noted.
    pub(super) fn may_be_decided(&mut self, root: BlockId) -> bool {
        if self.asks_once(root) {
            self.plain = root;
            return false;
        }
        let mut asked = filled(&mut self.memory.few.asked, root as usize + 1, Asked::default());
        let found = self.is_decided_perhaps(root, &mut asked);
        self.memory.few.asked = asked;
        found
    }

    /// Whether no value is asked for twice.
    fn asks_once(&self, root: BlockId) -> bool {
        if self.values.overlap() || self.values.indexed() {
            return false;
        }
        let mut asked = 0;
        let tests = self.blocks.get(ACCEPT as usize + 1..=root as usize).unwrap_or(&[]);
        tests.iter().rev().all(|block| {
            let Step::Test(test) = &block.step else { return false };
            let value = bit(test.value);
            let is_new = asked & value == 0 && test.value <= LAST_BIT;
            asked |= value;
            is_new && block.yes != block.no && self.values.known_len() != Some(test.value)
        })
    }

    /// `asked` has, for each block, the values that blocks before it ask for.
    fn is_decided_perhaps(&mut self, root: BlockId, asked: &mut [Asked]) -> bool {
        if self.values.overlap() || self.values.indexed() {
            return true;
        }
        let (mut numbers, mut is_plain) = (0, true);
        for id in (ACCEPT + 1..=root).rev() {
            let Block { step, yes, no } = &self.blocks[id as usize];
            let before = asked[id as usize];
            let (mut there, mut elsewhere) = (before, before);
            if let Step::Test(test) = step {
                // The length is told by what was loaded, too, and tells what cannot be loaded.
                let is_len = self.values.known_len() == Some(test.value);
                if yes == no
                    || test.value > LAST_BIT
                    || is_len && (id != root || self.may_be_beyond(root))
                {
                    return true;
                }
                let value = bit(test.value);
                is_plain &= before.left & value == 0;
                let before_it = before.others | before.is_not;
                (there.left, elsewhere.left) = (before_it & !value, before_it & !value);
                there.others |= value;
                if test.mask == u32::MAX
                    && test.cmp == Cmp::Eq
                    && let Rhs::Const(k) = test.rhs
                {
                    let number = number_bit(k.wrapping_add(test.value));
                    let is_there = |other: &Block| other.step == *step;
                    if before.others & value != 0
                        || numbers & number != 0
                            && self.blocks[id as usize + 1..=root as usize].iter().any(is_there)
                    {
                        return true;
                    }
                    numbers |= number;
                    elsewhere.is_not |= value;
                } else {
                    if before_it & value != 0 {
                        return true;
                    }
                    if let Rhs::Const(k) = test.rhs {
                        let number = number_bit(k.wrapping_add(test.value ^ test.mask));
                        is_plain &= numbers & number == 0;
                        numbers |= number;
                    }
                    elsewhere.others |= value;
                }
            } else {
                is_plain = false;
            }
            if *yes > ACCEPT {
                asked[*yes as usize].join(there);
            }
            if *no > ACCEPT {
                asked[*no as usize].join(elsewhere);
            }
        }
        if is_plain {
            self.plain = root;
        }
        false
    }

    /// Whether a graph that begins with a test of the length may load what is beyond.
    fn may_be_beyond(&self, root: BlockId) -> bool {
        let Step::Test(Test { rhs: Rhs::Const(longest), .. }) = self.blocks[root as usize].step
        else {
            return false;
        };
        (ACCEPT + 1..root).any(|id| {
            matches!(self.blocks[id as usize].step,
                Step::Test(test) if self.reaches_beyond(&test, longest))
        })
    }

    /// Which tests ask for a value, for each value.
    pub(super) fn askers(&mut self, root: BlockId) -> Vec<u64> {
        let mut askers = filled(&mut self.memory.few.askers, self.values.len(), 0);
        for (id, block) in (0..).zip(&self.blocks[..=root as usize]) {
            if let Step::Test(test) = block.step {
                askers[test.value as usize] |= bit(id);
            }
        }
        askers
    }

    /// What is known where each block begins.
    pub(super) fn places(&mut self, root: BlockId, askers: &Askers) -> Vec<Place> {
        let mut places = filled(&mut self.memory.few.places, root as usize + 1, Place::NOWHERE);
        places[root as usize] = Place::NOTHING;
        for id in (ACCEPT + 1..=root).rev() {
            let mut here = places[id as usize];
            if here.is_nowhere() {
                continue;
            }
            let Block { step, yes, no } = self.blocks[id as usize];
            if let Step::Test(test) = step {
                here.loads.learn(self.values, test.value);
                if let Rhs::Value(rhs) = test.rhs {
                    here.loads.learn(self.values, rhs);
                }
            }
            if yes == no {
                self.arrive(&mut places[yes as usize], yes, &here, askers);
            } else {
                self.arrive(&mut places[yes as usize], yes, &here.with(id, true), askers);
                self.arrive(&mut places[no as usize], no, &here.with(id, false), askers);
            }
        }
        places
    }

    /// One walk; nothing if it found nothing.
    pub(super) fn thread_few(&mut self, root: BlockId) -> Option<BlockId> {
        let count = root as usize + 1;
        let askers = self.askers(root);
        let mut places = filled(&mut self.memory.few.places, count, Place::NOWHERE);
        let mut ways = filled(&mut self.memory.ways, count, (REJECT, REJECT));
        places[root as usize] = Place::NOTHING;
        let mut changed = false;
        for id in (ACCEPT + 1..=root).rev() {
            let mut here = places[id as usize];
            if here.is_nowhere() {
                continue;
            }
            let Block { step, yes, no } = self.blocks[id as usize];
            let way = if let Step::Test(test) = step {
                here.loads.learn(self.values, test.value);
                if let Rhs::Value(rhs) = test.rhs {
                    here.loads.learn(self.values, rhs);
                }
                let (mut there, mut elsewhere) = (here, here);
                if yes != no {
                    (there, elsewhere) = (here.with(id, true), here.with(id, false));
                    if self.values.indexed()
                        && let Test { value, mask: u32::MAX, cmp: Cmp::Eq, rhs: Rhs::Const(k) } =
                            test
                    {
                        there.loads.learn_begin(self.values, value, k);
                    }
                }
                let ways = (
                    self.follow_few(yes, &there, &askers),
                    self.follow_few(no, &elsewhere, &askers),
                );
                // Only a way that does not meet the other may leave what both would lead to.
                let ways = match ways {
                    (one, other) if one == other => ways,
                    (one, other) => (
                        self.past_both(one, &there, &askers),
                        self.past_both(other, &elsewhere, &askers),
                    ),
                };
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
        let new = changed.then(|| {
            let leads =
                |id: BlockId| (!places[id as usize].is_nowhere()).then(|| ways[id as usize]);
            self.renew(root, |id, _| leads(id), |_, _, _| None)
        });
        self.memory.ways = ways;
        (self.memory.few.places, self.memory.few.askers) = (places, askers);
        new
    }

    /// Where a way leads, past what is decided on it.
    fn follow_few(&self, mut id: BlockId, known: &Place, askers: &Askers) -> BlockId {
        let longest = self.longest(known, askers);
        while id > ACCEPT {
            let Block { step: Step::Test(test), yes, no } = self.blocks[id as usize] else { break };
            if longest.is_some_and(|longest| self.reaches_beyond(&test, longest)) {
                return REJECT;
            }
            id = if is_touch(&test, yes, no) {
                if !known.loads.is_safe(self, test.value)
                    && !self.is_idle(test.value, yes, known.loads, self.facts(known))
                {
                    break;
                }
                yes
            } else {
                let goes_past = |fact: &Fact| self.goes_past(fact, &test);
                let decided = self.decided_by(known, &test, askers, goes_past);
                let decided = decided.or_else(|| self.past_by_length(&known.loads, &test));
                match decided.or_else(|| self.past_by_bytes(known, &test)) {
                    Some(true) => yes,
                    Some(false) => no,
                    None => break,
                }
            };
        }
        id
    }

    /// The bytes that the packet has at most, if its length has been asked for.
    #[inline]
    fn longest(&self, known: &Place, askers: &Askers) -> Option<u32> {
        let others = askers[self.values.known_len()? as usize];
        let most = |id: BlockId, holds: bool| match self.blocks[id as usize].step {
            Step::Test(Test { mask: u32::MAX, cmp, rhs: Rhs::Const(k), .. }) => {
                match (cmp, holds) {
                    (Cmp::Eq, true) => Some(k),
                    (Cmp::Ge, false) => k.checked_sub(1),
                    _ => None,
                }
            }
            _ => None,
        };
        let holds = blocks(known.holds & others).filter_map(|id| most(id, true));
        holds.chain(blocks(known.fails & others).filter_map(|id| most(id, false))).min()
    }

    /// Whether a test loads what no packet of at most so many bytes has.
    fn reaches_beyond(&self, test: &Test, longest: u32) -> bool {
        let mut loads = Loads::NOTHING;
        loads.learn(self.values, test.value);
        if let Rhs::Value(rhs) = test.rhs {
            loads.learn(self.values, rhs);
        }
        loads.len() > longest
    }

    /// Where a way leads, past tests that lead to the same place either way, if what they load rejects nothing.
    fn past_both(&self, mut id: BlockId, known: &Place, askers: &Askers) -> BlockId {
        let known_of = known.holds | known.fails;
        let is_known = |id: BlockId| match self.blocks[id as usize].step {
            Step::Test(test) => known_of & askers[test.value as usize] != 0,
            _ => false,
        };
        let past = |mut id: BlockId, known: &Place| {
            while let Block { step: Step::Test(test), yes, no } = self.blocks[id as usize] {
                let goes_past = |fact: &Fact| self.goes_past(fact, &test);
                id = match self.decided_by(known, &test, askers, goes_past) {
                    Some(true) => yes,
                    Some(false) => no,
                    None => break,
                };
            }
            id
        };
        while let Block { step: Step::Test(test), yes, no } = self.blocks[id as usize] {
            let may_pass = (is_known(yes) || is_known(no))
                && yes != no
                && matches!(test.rhs, Rhs::Const(_))
                && known.loads.is_safe(self, test.value);
            let next = if may_pass { past(yes, &known.with(id, true)) } else { break };
            if next != past(no, &known.with(id, false)) {
                break;
            }
            id = self.follow_few(next, known, askers);
        }
        id
    }

    /// How a test comes out by a fact that is known, if that may say so.
    #[inline]
    pub(super) fn decided_by(
        &self,
        known: &Place,
        test: &Test,
        askers: &Askers,
        may_say: impl Fn(&Fact) -> bool,
    ) -> Option<bool> {
        let others = askers[test.value as usize];
        let is_one_of = known.one_of.value == test.value;
        if (known.holds | known.fails) & others == 0 && !is_one_of {
            return None;
        }
        let decided = self
            .decided_by_any(known, test, others, &may_say)
            .or_else(|| self.decided_by_two(known, test, others, &may_say));
        if decided.is_some() || !is_one_of {
            return decided;
        }
        let mut facts = known.one_of.facts();
        let first = facts.next()?;
        let decided = first.decides(test)?;
        let is_all = facts.all(|fact| fact.decides(test) == Some(decided));
        (is_all && may_say(&first)).then_some(decided)
    }

    /// The same by two facts: what is at least a number, and not that one, is above it.
    fn decided_by_two(
        &self,
        known: &Place,
        test: &Test,
        others: u64,
        may_say: impl Fn(&Fact) -> bool,
    ) -> Option<bool> {
        let Test { value, mask: u32::MAX, cmp: Cmp::Ge, rhs: Rhs::Const(k) } = *test else {
            return None;
        };
        let below = Rhs::Const(k.checked_sub(1)?);
        let test = |cmp| Test { value, mask: u32::MAX, cmp, rhs: below };
        let is_not = Fact { test: test(Cmp::Eq), holds: false };
        let decides = |test| self.decided_by_any(known, &test, others, |_| true);
        let is_above = decides(is_not.test) == Some(false) && decides(test(Cmp::Ge)) == Some(true);
        (is_above && may_say(&is_not)).then_some(true)
    }

    /// The same, by those of the blocks that came out.
    fn decided_by_any(
        &self,
        known: &Place,
        test: &Test,
        others: u64,
        may_say: impl Fn(&Fact) -> bool,
    ) -> Option<bool> {
        let says = |id: BlockId, holds: bool| match self.blocks[id as usize].step {
            Step::Test(other) => {
                let fact = Fact { test: other, holds };
                fact.decides(test).filter(|_| may_say(&fact))
            }
            _ => None,
        };
        blocks(known.holds & others)
            .find_map(|id| says(id, true))
            .or_else(|| blocks(known.fails & others).find_map(|id| says(id, false)))
    }

    /// How a test comes out by other loads of its bytes, if a way is to go on past it.
    #[inline]
    fn past_by_bytes(&self, known: &Place, test: &Test) -> Option<bool> {
        if !self.values.overlap() || !known.loads.is_safe(self, test.value) {
            return None;
        }
        let decided = by_bytes(self.values, self.facts(known), test)?;
        self.was_split.set(true);
        (self.splits == Splits::Yes).then_some(decided)
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
    fn arrive(&self, there: &mut Place, id: BlockId, way: &Place, askers: &Askers) {
        if id <= ACCEPT {
            return;
        }
        if there.is_nowhere() {
            *there = *way;
            return;
        }
        let mut both = Place {
            loads: there.loads.meet(&way.loads),
            holds: there.holds & way.holds,
            fails: there.fails & way.fails,
            one_of: self.one_of(there, way, askers),
        };
        // What is known on one way may follow from what is known on the other.
        for (one, other) in [(*there, way), (*way, &*there)] {
            let follows = |id: BlockId, holds: bool| {
                matches!(self.blocks[id as usize].step, Step::Test(test)
                    if self.decided_by(other, &test, askers, |_| true) == Some(holds))
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

    /// What a value is on one way and on another.
    fn one_of(&self, one: &Place, other: &Place, askers: &Askers) -> OneOf {
        let (lost, other_lost) = (one.holds & !other.holds, other.holds & !one.holds);
        if one.one_of.count + other.one_of.count == 0 && (lost == 0 || other_lost == 0) {
            return OneOf::NOTHING;
        }
        let lost = blocks(lost).filter_map(|id| self.number(id));
        let mut values = [one.one_of, other.one_of].into_iter().chain(lost).map(|from| from.value);
        let both = |value: ValueId| {
            let others = askers.get(value as usize)?;
            let numbers = |place: &Place| {
                if place.one_of.value == value {
                    return Some(place.one_of);
                }
                blocks(place.holds & others).find_map(|id| self.number(id))
            };
            numbers(one)?.join(&numbers(other)?)
        };
        values.find_map(both).unwrap_or(OneOf::NOTHING)
    }

    /// What the value is if the block's test holds.
    fn number(&self, id: BlockId) -> Option<OneOf> {
        match self.blocks[id as usize].step {
            Step::Test(Test { value, mask: u32::MAX, cmp: Cmp::Eq, rhs: Rhs::Const(k) }) => {
                Some(OneOf { value, numbers: [k, 0, 0], count: 1 })
            }
            _ => None,
        }
    }

    /// Whether a value is asked for, then another one or some bits of it, then the first again, on some way.
    pub(super) fn leaves_and_returns(&mut self, root: BlockId) -> bool {
        let mut asked = filled(&mut self.memory.bits, root as usize + 1, 0);
        let found = self.is_asked_again(root, &mut asked);
        self.memory.bits = asked;
        found
    }

    /// `asked` has, for each block, bits of the values that blocks before it ask for.
    fn is_asked_again(&self, root: BlockId, asked: &mut [u64]) -> bool {
        let value = |id: BlockId| match self.blocks[id as usize].step {
            Step::Test(test) => Some(test.value),
            _ => None,
        };
        let leaves_part = |id: BlockId| {
            matches!(self.blocks[id as usize].step,
                Step::Test(test) if test.left() != u32::MAX)
        };
        let value_bit = |value: ValueId| 1u64 << (value & 63);
        for id in (ACCEPT + 1..=root).rev() {
            let Block { yes, no, .. } = self.blocks[id as usize];
            let own = value(id);
            let above = asked[id as usize] | own.map_or(0, value_bit);
            for next in [yes, no] {
                let next_value = value(next);
                if (next_value != own || leaves_part(id) && !leaves_part(next))
                    && next_value.is_some_and(|next| above & value_bit(next) != 0)
                {
                    return true;
                }
                asked[next as usize] |= above;
            }
        }
        false
    }
}
