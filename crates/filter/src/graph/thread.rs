//! What is known where a block begins, used to leave out what it decides.
//!
//! One walk from the root on. All ways to a block are known when it is its turn, so that what is known
//! there is what all of them know. From a block, a way leads past every test that this and the block's
//! own test decide; past touches of what was loaded on every way. Blocks are never copied for it: a way that
//! knows more than others stays with them where it meets them, and the graph only shrinks.

use super::ends::{ends_behind, is_near};
use super::few::FEW as FEWEST;
use super::{ACCEPT, Block, BlockId, Graph, REJECT, Step, filled};
use crate::form::{Cmp, Rhs, Test, Value, ValueId, Values};
use crate::implies::Fact;
use crate::memory::bytes;
use skep_cbpf::Size;
use smallvec::SmallVec;

/// Facts looked at, the latest first.
const LOOKED_AT: usize = 12;
/// Facts that a touch may contradict.
const LEARNED: usize = 32;
/// Facts of either way that are tried where ways meet.
const TRIED: usize = 8;
/// Facts gone back over to find where ways parted.
const APART: usize = 256;
/// Walks, at most: what one leaves out may let another leave out more, but seldom does.
const ROUNDS: usize = 6;

/// What was loaded before a place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loads {
    /// The packet has at least so many bytes.
    len: u32,
    /// Values computed before, of the first 64.
    values: u64,
}

/// What is known at a place.
#[derive(Clone, Copy, Debug)]
struct Known {
    loads: Loads,
    /// The latest fact that says what a value is, as a position in [`Facts`].
    is: u32,
    /// The latest fact that says what a value is not, or how large it is.
    is_not: u32,
}

/// Memory of a walk.
#[derive(Debug, Default)]
pub(super) struct Memory {
    known: Vec<Option<Known>>,
    facts: Facts,
}

impl Memory {
    pub(super) fn bytes(&self) -> usize {
        bytes(&self.known) + bytes(&self.facts.list)
    }
}

/// Facts, each with the one that was known before it.
#[derive(Debug, Default)]
struct Facts {
    list: Vec<Row>,
}

/// A fact, and how others are found from it.
#[derive(Clone, Copy, Debug)]
struct Row {
    fact: Fact,
    /// The one that was known before.
    before: u32,
    /// How many were.
    depth: u32,
    /// The one before about the same value, or one that stands between.
    same: u32,
    /// If it says that the value is not a number: of how many such facts about the value, one after the
    /// other, it is the last, a bit for each of their numbers, and the one before the first of them.
    run: u32,
    numbers: u64,
    skip: u32,
}

/// No fact.
const NONE: u32 = u32::MAX;
/// Facts gone back over to find one about the same value.
const NEAR: usize = 8;
/// Facts whose numbers are looked at together.
const RUN: u32 = 8;

/// The number that a value is not, by a fact.
fn excluded(fact: &Fact) -> Option<u32> {
    match fact {
        Fact {
            test: Test { mask: u32::MAX, cmp: Cmp::Eq, rhs: Rhs::Const(k), .. },
            holds: false,
        } => Some(*k),
        _ => None,
    }
}

/// A bit for a number.
pub(super) const fn number_bit(k: u32) -> u64 {
    1 << (k.wrapping_mul(0x9e37_79b1) >> 26)
}

impl Facts {
    fn after(&mut self, before: u32, fact: Fact) -> u32 {
        let depth = self.depth(before) + 1;
        let mut same = before;
        for _ in 0..NEAR {
            match self.list.get(same as usize) {
                Some(row) if row.fact.test.value != fact.test.value => same = row.before,
                _ => break,
            }
        }
        let mut row = Row { fact, before, depth, same, run: 0, numbers: 0, skip: same };
        if let Some(k) = excluded(&fact) {
            (row.run, row.numbers) = (1, number_bit(k));
            if let Some(other) = self.list.get(same as usize)
                && other.fact.test.value == fact.test.value
                && (1..RUN).contains(&other.run)
            {
                row.run = other.run + 1;
                row.numbers |= other.numbers;
                row.skip = other.skip;
            }
        }
        self.list.push(row);
        u32::try_from(self.list.len() - 1).unwrap_or(NONE)
    }

    fn depth(&self, at: u32) -> u32 {
        self.list.get(at as usize).map_or(0, |row| row.depth)
    }

    fn chain(&self, from: u32) -> impl Iterator<Item = &Fact> {
        let mut at = from;
        std::iter::from_fn(move || {
            let row = self.list.get(at as usize)?;
            at = row.before;
            Some(&row.fact)
        })
    }

    /// How a test comes out by a fact that is known, if that may say so.
    fn decides(
        &self,
        known: &Known,
        test: &Test,
        may_say: impl Fn(&Fact) -> bool + Copy,
    ) -> Option<bool> {
        let from = |from| self.decides_from(from, test, may_say);
        from(known.is).or_else(|| from(known.is_not))
    }

    fn decides_from(
        &self,
        from: u32,
        test: &Test,
        may_say: impl Fn(&Fact) -> bool,
    ) -> Option<bool> {
        let number = match test {
            Test { mask: u32::MAX, cmp: Cmp::Eq, rhs: Rhs::Const(k), .. } => Some(number_bit(*k)),
            _ => None,
        };
        let mut at = from;
        for _ in 0..LOOKED_AT {
            let row = self.list.get(at as usize)?;
            // Most are about something else, or about other numbers.
            at = if row.fact.test.value != test.value {
                row.before
            } else if row.run > 0 && number.is_some_and(|bit| row.numbers & bit == 0) {
                row.skip
            } else {
                let decided = row.fact.decides(test).filter(|_| may_say(&row.fact));
                if decided.is_some() {
                    return decided;
                }
                row.same
            };
        }
        None
    }

    /// What is known after a test.
    fn with(&mut self, mut known: Known, test: Test, holds: bool) -> Known {
        let list = if holds && test.cmp == Cmp::Eq { &mut known.is } else { &mut known.is_not };
        *list = self.after(*list, Fact { test, holds });
        known
    }

    /// The facts that hold on both of two ways. `against` is all that is known on the other way of each.
    fn meet(&mut self, one: u32, other: u32, against: [Known; 2]) -> u32 {
        if one == other {
            return one;
        }
        let (mut a, mut b) = (one, other);
        let mut steps = 0;
        while a != b {
            let (row, deeper) =
                if self.depth(a) >= self.depth(b) { (a, &mut a) } else { (b, &mut b) };
            *deeper = self.list.get(row as usize).map_or(NONE, |row| row.before);
            steps += 1;
            if steps > APART {
                // Not worth the search: what both know is forgotten.
                (a, b) = (NONE, NONE);
            }
        }
        // What came after the ways parted may hold on both, too.
        let mut common = a;
        for (from, against) in [(one, against[0]), (other, against[1])] {
            let parted = self.depth(from) - self.depth(a);
            let tried: SmallVec<[Fact; TRIED]> =
                self.chain(from).take((parted as usize).min(TRIED)).copied().collect();
            for fact in tried {
                if self.decides(&against, &fact.test, |_| true) == Some(fact.holds)
                    && !self.chain(common).take(TRIED).any(|known| known.test == fact.test)
                {
                    common = self.after(common, fact);
                }
            }
        }
        common
    }
}

/// Blocks for which a second walk is affordable.
const FEW: usize = 20_000;
/// Blocks for which more walks are.
pub(super) const VERY_FEW: usize = 200;

impl Known {
    const NOTHING: Self = Self { loads: Loads::NOTHING, is: NONE, is_not: NONE };

    /// What is known here and there.
    fn meet(self, other: &Self, facts: &mut Facts) -> Self {
        Self {
            loads: self.loads.meet(&other.loads),
            is: facts.meet(self.is, other.is, [*other, self]),
            is_not: facts.meet(self.is_not, other.is_not, [*other, self]),
        }
    }
}

impl Loads {
    pub(crate) const NOTHING: Self = Self { len: 0, values: 0 };
    /// Where no way leads.
    pub(crate) const ALL: Self = Self { len: u32::MAX, values: u64::MAX };

    /// What was loaded here and there.
    pub(crate) fn meet(self, other: &Self) -> Self {
        Self { len: self.len.min(other.len), values: self.values & other.values }
    }

    /// Computing the value did not reject.
    #[inline]
    pub(crate) fn learn(&mut self, values: &Values, id: ValueId) {
        if let Value::Abs(size, at) = values.get(id) {
            self.values |= bit(id);
            self.reaches(at, size.bytes());
        } else {
            self.learn_more(values, id);
        }
    }

    fn learn_more(&mut self, values: &Values, id: ValueId) {
        let mut id = id;
        loop {
            self.values |= bit(id);
            match values.get(id) {
                Value::Abs(size, at) => return self.reaches(at, size.bytes()),
                Value::Msh(at) => return self.reaches(at, 1),
                Value::Ind(size, base, off) => {
                    self.reaches_behind_some(values, size, base, off);
                    id = base;
                }
                Value::Neg(operand) | Value::Member(_, operand) => id = operand,
                Value::Alu(_, left, right) => {
                    // Nested no deeper than parentheses.
                    self.learn(values, right);
                    id = left;
                }
                _ => return,
            }
        }
    }

    fn reaches(&mut self, at: u32, size: u8) {
        self.len = self.len.max(at.saturating_add(size.into()));
    }

    /// A load behind a header reaches at least as far as if that began at 0.
    fn reaches_behind_some(&mut self, values: &Values, size: Size, base: ValueId, off: u32) {
        if is_near(values, base, off) {
            self.reaches(off, size.bytes());
        }
    }

    /// A value is a number: what was loaded behind there reaches as far.
    pub(super) fn learn_begin(&mut self, values: &Values, begin: ValueId, at: u32) {
        let mut rest = self.values;
        while rest != 0 {
            if let Value::Ind(size, base, off) = values.get(rest.trailing_zeros())
                && base == begin
                && let Some(at) = at.checked_add(off)
                // Negative places are none of the packet.
                && at <= i32::MAX.cast_unsigned()
            {
                self.reaches(at, size.bytes());
            }
            rest &= rest - 1;
        }
    }

    /// The bytes that the packet has at least.
    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    /// Whether the value was computed.
    pub(super) const fn has(&self, id: ValueId) -> bool {
        self.values & bit(id) != 0
    }

    /// Whether something was loaded that ends as far behind the same header.
    pub(super) fn reaches_behind(&self, values: &Values, id: ValueId) -> bool {
        let mut rest = if matches!(values.get(id), Value::Ind(..)) { self.values } else { 0 };
        while rest != 0 {
            if ends_behind(values, rest.trailing_zeros(), id) {
                return true;
            }
            rest &= rest - 1;
        }
        false
    }

    /// Whether computing the value cannot reject.
    pub(crate) fn is_safe(&self, graph: &Graph<'_>, id: ValueId) -> bool {
        self.values & bit(id) != 0
            || graph.end_at_most(id).is_some_and(|end| end <= self.len)
            || self.reaches_behind(graph.values, id)
            || !graph.may_reject(id)
    }
}

/// The last value that has a bit.
pub(super) const LAST_BIT: ValueId = 63;

/// The bit of a value.
const fn bit(id: ValueId) -> u64 {
    if id <= LAST_BIT { 1 << id } else { 0 }
}

impl Graph<'_> {
    /// The graph from `root` on without what is known already.
    pub(crate) fn thread(&mut self, root: BlockId) -> BlockId {
        let mut root = root;
        let is_few = (root as usize) < FEWEST;
        if !if is_few { self.may_be_decided(root) } else { self.asks_again(root) } {
            return root;
        }
        for round in 1..=ROUNDS {
            let folded = self.folded;
            let blocks = root as usize;
            if blocks < FEWEST {
                match self.thread_few(root) {
                    Some(new) if self.folded != folded => {
                        root = new;
                        continue;
                    }
                    new => return new.unwrap_or(root),
                }
            }
            root = self.thread_once(root);
            let blocks = root as usize;
            if self.folded == folded || blocks > FEW || blocks > VERY_FEW && round > 1 {
                break;
            }
        }
        root
    }

    /// Whether two blocks test the same value, or one only loads. If not, nothing that is known decides anything.
    fn asks_again(&self, root: BlockId) -> bool {
        let mut asked = 0u64;
        (ACCEPT + 1..=root).any(|id| {
            let Block { step: Step::Test(test), yes, no } = self.blocks[id as usize] else {
                return false;
            };
            let is_again = test.value > LAST_BIT || asked & bit(test.value) != 0 || yes == no;
            asked |= bit(test.value);
            is_again
        })
    }

    fn thread_once(&mut self, root: BlockId) -> BlockId {
        if root <= ACCEPT {
            return root;
        }
        let count = root as usize + 1;
        let mut known = filled(&mut self.memory.thread.known, count, None);
        let mut ways = filled(&mut self.memory.ways, count, (REJECT, REJECT));
        known[root as usize] = Some(Known::NOTHING);
        let mut facts = std::mem::take(&mut self.memory.thread.facts);
        facts.list.clear();
        facts.list.reserve(count);
        let mut changed = false;
        for id in (ACCEPT + 1..=root).rev() {
            let Some(mut here) = known[id as usize] else { continue };
            let Block { step, yes, no } = self.blocks[id as usize];
            let way = match step {
                Step::Test(test) => {
                    here.loads.learn(self.values, test.value);
                    if let Rhs::Value(rhs) = test.rhs {
                        here.loads.learn(self.values, rhs);
                    }
                    let (mut there, mut elsewhere) = (here, here);
                    // At the end nobody wants to know.
                    if yes != no && yes > ACCEPT {
                        there = facts.with(here, test, true);
                    }
                    if yes != no && no > ACCEPT {
                        elsewhere = facts.with(here, test, false);
                    }
                    let ways =
                        (self.follow(yes, &there, &facts), self.follow(no, &elsewhere, &facts));
                    // What is known without the test may lead to one place, too.
                    let both = (count <= VERY_FEW && ways != (yes, no) && ways.0 != ways.1)
                        .then(|| self.follow(yes, &here, &facts))
                        .filter(|&both| both == self.follow(no, &here, &facts));
                    if let Some(both) = both {
                        meet_at(&mut known, both, &here, &mut facts);
                        (both, both)
                    } else {
                        meet_at(&mut known, ways.0, &there, &mut facts);
                        meet_at(&mut known, ways.1, &elsewhere, &mut facts);
                        ways
                    }
                }
                Step::Effect(_) | Step::End => {
                    let next = self.follow(yes, &here, &facts);
                    meet_at(&mut known, next, &here, &mut facts);
                    (next, next)
                }
            };
            changed |= way != (yes, no);
            ways[id as usize] = way;
        }
        let new = if changed {
            let leads = |id: BlockId| known[id as usize].is_some().then(|| ways[id as usize]);
            self.renew(root, |id, _| leads(id), |_, _, _| None)
        } else {
            root
        };
        self.memory.ways = ways;
        self.memory.thread = Memory { known, facts };
        new
    }

    /// Where a way leads, past what is decided on it.
    fn follow(&self, mut id: BlockId, known: &Known, facts: &Facts) -> BlockId {
        loop {
            let Block { step: Step::Test(test), yes, no } = self.blocks[id as usize] else {
                return id;
            };
            id = if is_touch(&test, yes, no) {
                let facts = || {
                    [known.is, known.is_not].map(|from| facts.chain(from).take(LEARNED).copied())
                };
                if !known.loads.is_safe(self, test.value)
                    && !self.is_idle(test.value, yes, known.loads, facts().into_iter().flatten())
                {
                    return id;
                }
                yes
            } else {
                match facts
                    .decides(known, &test, |fact| self.goes_past(fact, &test))
                    .or_else(|| self.past_by_length(&known.loads, &test))
                {
                    Some(true) => yes,
                    Some(false) => no,
                    None => return id,
                }
            };
        }
    }
}

fn meet_at(known: &mut [Option<Known>], id: BlockId, way: &Known, facts: &mut Facts) {
    if id > ACCEPT {
        let known = &mut known[id as usize];
        *known = Some(known.map_or(*way, |known| known.meet(way, facts)));
    }
}

/// Whether the block only loads.
pub(crate) fn is_touch(test: &Test, yes: BlockId, no: BlockId) -> bool {
    yes == no && test.mask == 0 && matches!(test.rhs, Rhs::Const(_))
}
