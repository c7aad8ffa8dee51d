//! Tests of one value next to each other, so that it is loaded once.
//!
//! A *chain* is a run of tests each of which is reached only from the one before it, and all of which
//! have one way to the same block, their end. If that is [`REJECT`], the order of the tests does not matter: a load
//! beyond the packet rejects, too. If it is another one, a test may go before others as long as nothing that
//! changes places may reject, which is so when it was loaded before, or when packets that end before it are rejected from
//! the end on, too.

use super::thread::{LAST_BIT, Loads, VERY_FEW};
use super::{ACCEPT, Block, BlockId, Graph, REJECT, Step, filled};
use crate::form::{Rhs, Test, ValueId};
use crate::implies::Fact;
use crate::memory::bytes;
use smallvec::SmallVec;

/// Tests of a chain to something else than an end, at most.
const LONGEST: usize = 16;
/// Blocks of a graph whose ways are followed from the first one on, at most.
const MOST: BlockId = 100;
/// Rounds, at most, if what one changes may let another one change more.
const ROUNDS: usize = 8;

/// A test of a chain.
#[derive(Clone, Copy, Debug)]
struct Link {
    id: BlockId,
    test: Test,
    /// Whether the way to the end is the one of a test that holds.
    ends_if: bool,
}

/// Which values are at hand where a chain begins: what all ways bring along, or what some do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    All,
    Some,
}

/// Memory of the pass.
#[derive(Debug, Default)]
pub(super) struct Memory {
    held: Vec<Held>,
    safe: Vec<Loads>,
    /// Blocks that are done with.
    pub(super) done: Vec<bool>,
}

impl Memory {
    pub(super) fn bytes(&self) -> usize {
        bytes(&self.held) + bytes(&self.safe) + bytes(&self.done)
    }
}

/// The value in the register where a block begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// No way leads there.
    Nowhere,
    /// None, or not the same on all ways.
    Nothing,
    /// Bits of a value.
    Value(ValueId, u32),
}

impl Held {
    /// What a test leaves.
    const fn of(test: &Test) -> Self {
        Self::Value(test.value, test.left())
    }

    fn meet(self, other: Self) -> Self {
        match self {
            Self::Nowhere => other,
            held if held == other => held,
            _ => Self::Nothing,
        }
    }

    /// The value, if a test of it needs no other bits.
    fn value_for(self, chain: &[Link]) -> Option<ValueId> {
        let Self::Value(value, bits) = self else { return None };
        let may_ask = |test: &Test| test.value == value && (bits == u32::MAX || bits == test.mask);
        chain.iter().any(|link| may_ask(&link.test)).then_some(value)
    }
}

impl Graph<'_> {
    /// The graph from `root` on with chains in a better order. Tests that are next to each other now may decide each
    /// other.
    pub(crate) fn in_order(&mut self, root: BlockId) -> BlockId {
        let mut root = root;
        for _ in 0..ROUNDS {
            let Some((new, was_proved)) = self.regroup(root, At::All) else { break };
            root = if new as usize <= VERY_FEW { self.thread(new) } else { new };
            if !was_proved {
                break;
            }
        }
        root
    }

    /// The graph from `root` on with chains that begin with a value which only some ways to them bring along, if there are
    /// any: the others may go past the tests of it.
    pub(crate) fn in_order_of_some(&mut self, root: BlockId) -> Option<BlockId> {
        let few = root as usize <= VERY_FEW;
        let (new, _) = few.then(|| self.regroup(root, At::Some)).flatten()?;
        let new = self.thread(new);
        Some(self.in_order(new))
    }

    fn regroup(&mut self, root: BlockId, at: At) -> Option<(BlockId, bool)> {
        if root <= ACCEPT || root == self.plain || !self.leaves_and_returns(root) {
            return None;
        }
        let mut ways = self.ways(root);
        let new = self.regroup_with(root, &mut ways, at);
        self.memory.counts = ways;
        new
    }

    fn regroup_with(&mut self, root: BlockId, ways: &mut [u32], at: At) -> Option<(BlockId, bool)> {
        let count = root as usize + 1;
        let mut held = filled(&mut self.memory.regroup.held, count, Held::Nowhere);
        let mut safe = filled(&mut self.memory.regroup.safe, count, Loads::ALL);
        held[root as usize] = Held::Nothing;
        safe[root as usize] = Loads::NOTHING;
        // The values that some way brings along, as bits.
        let mut brought = filled(&mut self.memory.bits, count, 0u64);
        for id in (ACCEPT + 1..=root).rev() {
            if ways[id as usize] == 0 {
                continue;
            }
            let Block { step, yes, no } = self.blocks[id as usize];
            let mut here = safe[id as usize];
            let holds = match step {
                Step::Test(test) => {
                    here.learn(self.values, test.value);
                    if let Rhs::Value(rhs) = test.rhs {
                        here.learn(self.values, rhs);
                    }
                    Held::of(&test)
                }
                _ => Held::Nothing,
            };
            let nexts = [yes, no];
            for &next in if yes == no { &nexts[..1] } else { &nexts[..] } {
                let next = next as usize;
                held[next] = held[next].meet(holds);
                safe[next] = safe[next].meet(&here);
                if let Held::Value(value @ ..=LAST_BIT, u32::MAX) = holds {
                    brought[next] |= 1 << value;
                }
            }
        }
        let mut done = filled(&mut self.memory.regroup.done, count, false);
        let mut was_proved = false;
        let mut chain: Vec<Link> = Vec::new();
        // From the root on, so that a chain is found at its first test; made from the end.
        let mut chains: Vec<(BlockId, BlockId, Vec<Link>, BlockId)> = Vec::new();
        for id in (ACCEPT + 1..=root).rev() {
            if ways[id as usize] == 0 || done[id as usize] {
                continue;
            }
            let Some((end, next)) = self.chain_from(id, ways, &mut chain, &mut done) else {
                continue;
            };
            let first = match at {
                At::All => held[id as usize].value_for(&chain),
                At::Some => {
                    let is_brought = |value: &ValueId| {
                        *value <= LAST_BIT && brought[id as usize] >> value & 1 != 0
                    };
                    let mut values = chain.iter().skip(1).map(|link| link.test.value);
                    let value =
                        values.find(is_brought).filter(|&value| value != chain[0].test.value);
                    if value.is_none() {
                        continue;
                    }
                    value
                }
            };
            let safe = safe[id as usize];
            let order = self.order(root, &chain, end, safe, first);
            if let Some((ordered, is_proved)) = order {
                was_proved = is_proved;
                // All but the first are made with it.
                for link in &chain[1..] {
                    ways[link.id as usize] = 0;
                    done[link.id as usize] = true;
                }
                // Where it goes on, another value is at hand now.
                if let Some(link) = ordered.last() {
                    let (holds, next) = (Held::of(&link.test), next as usize);
                    let is_only = ways[next] == 1;
                    held[next] = if is_only { holds } else { held[next].meet(holds) };
                }
                chains.push((id, end, ordered, next));
            }
            if was_proved {
                // What is known behind it is not known any more.
                break;
            }
        }
        self.memory.regroup = Memory { held, safe, done };
        self.memory.bits = brought;
        if chains.is_empty() {
            return None;
        }
        let mut chains = chains.into_iter().rev().peekable();
        let root = self.rebuild(root, ways, |graph, id, made| {
            let (_, end, links, next) = chains.next_if(|chain| chain.0 == id)?;
            let (end, last) = (made[end as usize], made[next as usize]);
            Some(links.iter().rev().fold(last, |next, link| {
                let (yes, no) = if link.ends_if { (end, next) } else { (next, end) };
                graph.finish(link.test, yes, no)
            }))
        });
        Some((root, was_proved))
    }

    /// The chain that begins at a block: its end, and where it goes on.
    fn chain_from(
        &self,
        first: BlockId,
        ways: &[u32],
        chain: &mut Vec<Link>,
        done: &mut [bool],
    ) -> Option<(BlockId, BlockId)> {
        let Block { step: Step::Test(test), yes, no } = self.blocks[first as usize] else {
            return None;
        };
        // Which of the two ways is the one to the end is told by the next test.
        let is_end = |&(end, _, next): &(BlockId, bool, BlockId)| {
            next > ACCEPT
                && end != next
                && ways[next as usize] == 1
                && matches!(self.blocks[next as usize],
                    Block { step: Step::Test(_), yes, no } if yes != no && (yes == end || no == end))
        };
        let mut ends = [(yes, true, no), (no, false, yes)];
        ends.sort_by_key(|end| end.0 > ACCEPT);
        let (end, ends_if, mut next) = ends.into_iter().find(is_end)?;
        chain.clear();
        chain.push(Link { id: first, test, ends_if });
        while next > ACCEPT && ways[next as usize] == 1 && (end <= ACCEPT || chain.len() < LONGEST)
        {
            let Block { step: Step::Test(test), yes, no } = self.blocks[next as usize] else {
                break;
            };
            if yes == no || yes != end && no != end {
                break;
            }
            chain.push(Link { id: next, test, ends_if: yes == end });
            done[next as usize] |= end <= ACCEPT;
            next = if yes == end { no } else { yes };
        }
        Some((end, next))
    }

    /// A better order, if there is one.
    ///
    /// Says also whether that takes what the ways from `root` on tell: then less is loaded on some ways behind it.
    fn order(
        &self,
        root: BlockId,
        chain: &[Link],
        end: BlockId,
        mut known: Loads,
        mut held: Option<ValueId>,
    ) -> Option<(Vec<Link>, bool)> {
        // What is compared with another value may reject for that, too.
        if end != REJECT && chain.iter().any(|link| matches!(link.test.rhs, Rhs::Value(_))) {
            return None;
        }
        let (mut loads, mut again) = (0, false);
        let mut before = held.map_or(Held::Nothing, |held| Held::Value(held, u32::MAX));
        for link in chain {
            match before {
                Held::Value(value, bits) if value == link.test.value => {
                    again |= bits != u32::MAX && link.test.left() == u32::MAX;
                }
                _ => loads += 1,
            }
            before = Held::of(&link.test);
        }
        let mut distinct: SmallVec<[ValueId; 8]> = SmallVec::new();
        for link in chain {
            if !distinct.contains(&link.test.value) {
                distinct.push(link.test.value);
                // The value at hand takes no load.
                if distinct.len() > loads.max(1) || distinct.len() > 64 {
                    return None;
                }
            }
        }
        let is_held = held.is_some_and(|held| distinct.contains(&held));
        if !again && distinct.len() - usize::from(is_held) >= loads {
            return None;
        }
        // Values, and the first test of each that is not in the new order yet.
        let first = |value: ValueId, from: usize| {
            chain[from..].iter().position(|link| link.test.value == value).map(|at| from + at)
        };
        let mut queues: SmallVec<[(ValueId, Option<usize>); 8]> =
            distinct.iter().map(|&value| (value, first(value, 0))).collect();
        let mut ordered: Vec<Link> = Vec::with_capacity(chain.len());
        let mut was_proved = false;
        while ordered.len() < chain.len() {
            if queues.iter().all(|(value, _)| known.is_safe(self, *value)) {
                // Nothing is in the way of anything any more.
                queues.sort_by_key(|&(value, front)| (Some(value) != held, front));
                for &(value, front) in &queues {
                    let rest = &chain[front.unwrap_or(chain.len())..];
                    let all = || rest.iter().filter(|link| link.test.value == value);
                    // Those that leave the value as it was go before those that leave some bits of it.
                    let is_whole = |link: &&Link| link.test.left() == u32::MAX;
                    ordered.extend(all().filter(is_whole));
                    ordered.extend(all().filter(|link| !is_whole(link)));
                }
                break;
            }
            let earliest = queues.iter().filter_map(|queue| queue.1).min()?;
            // Those of the value at hand go first, if those before them may wait.
            let may_go = |at: usize, known: &Loads| {
                let mut waiting = queues.iter().filter(|(value, front)| {
                    end != REJECT
                        && front.is_some_and(|front| front < at)
                        && !known.is_safe(self, *value)
                });
                let Some(first) = waiting.next() else { return Some(false) };
                // They need not be loaded where what goes before them leads, if such packets are rejected there anyway.
                let is_idle = |&(value, _): &(ValueId, Option<usize>)| {
                    let fact =
                        |link: &Link, ends| Fact { test: link.test, holds: link.ends_if == ends };
                    let facts = ordered.iter().map(|link| fact(link, false));
                    let facts = facts.chain([fact(&chain[at], true)]);
                    self.is_idle_at(root, chain[0].id, end, value, facts)
                };
                let is_idle = root <= MOST && is_idle(first) && waiting.all(is_idle);
                is_idle.then_some(true)
            };
            let same = queues
                .iter()
                .find(|queue| Some(queue.0) == held)
                .and_then(|queue| queue.1)
                .filter(|&at| at != earliest)
                .and_then(|at| Some((at, may_go(at, &known)?)));
            let (at, is_proved) = same.unwrap_or((earliest, false));
            was_proved |= is_proved;
            let link = chain[at];
            if let Some(queue) = queues.iter_mut().find(|queue| queue.0 == link.test.value) {
                queue.1 = first(queue.0, at + 1);
            }
            known.learn(self.values, link.test.value);
            if let Rhs::Value(rhs) = link.test.rhs {
                known.learn(self.values, rhs);
            }
            held = Some(link.test.value);
            ordered.push(link);
        }
        let is_new = ordered.iter().zip(chain).any(|(link, before)| link.id != before.id);
        is_new.then_some((ordered, was_proved))
    }
}
