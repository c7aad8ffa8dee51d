//! What sets a cell behind tests that do not read it.
//!
//! `vlan` says where headers are from then on, but where it asks for a tag more is asked of the same bytes. What it sets
//! goes behind those tests, so that they are next to those before it.

use super::{ACCEPT, Block, BlockId, Graph, Step};
use crate::form::{Effect, Rhs, Test, Value, ValueId};
use crate::lower::Meaning;

impl Graph<'_> {
    /// The graph from `root` on with tags noted where they are first of use.
    pub(crate) fn with_tags_late(&mut self, meaning: &Meaning, root: BlockId) -> BlockId {
        let is_tag = |step| {
            matches!(step, Step::Effect(effect)
            if matches!(meaning.effects.get(effect as usize), Some(Effect::Tag(_))))
        };
        if meaning.effects.is_empty() || !self.blocks.iter().any(|block| is_tag(block.step)) {
            return root;
        }
        let mut ways = self.ways(root);
        // For each tag, the tests that it goes behind, and where it goes on to.
        let mut moved = Vec::new();
        for id in ACCEPT + 1..=root {
            let Block { step, yes, .. } = self.blocks[id as usize];
            if ways[id as usize] == 0 || !is_tag(step) {
                continue;
            }
            let (mut next, mut tests) = (yes, Vec::new());
            while let Some(after) = self.behind(next, ways[next as usize]) {
                tests.push(next);
                next = after;
            }
            if !tests.is_empty() || !self.may_read(next) {
                tests.iter().for_each(|&test| ways[test as usize] = 0);
                moved.push((id, tests, next));
            }
        }
        let new = if moved.is_empty() {
            root
        } else {
            let mut moved = moved.into_iter().peekable();
            let blocks = self.blocks.clone();
            self.rebuild(root, &ways, |graph, id, made| {
                let (_, tests, next) = moved.next_if(|row| row.0 == id)?;
                let (step, next) = (blocks[id as usize].step, made[next as usize]);
                let tag =
                    if graph.may_read(next) { graph.remake(step, next, next, true) } else { next };
                Some(tests.iter().rev().fold(tag, |behind, &test| {
                    let Block { step, yes, no } = blocks[test as usize];
                    let way = |id: BlockId| if id > ACCEPT { behind } else { made[id as usize] };
                    graph.remake(step, way(yes), way(no), false)
                }))
            })
        };
        self.memory.counts = ways;
        new
    }

    /// Whether some block that a block may lead to reads a cell, or sets one.
    fn may_read(&self, id: BlockId) -> bool {
        self.blocks[..=id as usize].iter().any(|block| match block.step {
            Step::Test(test) => self.asks_cell(&test),
            Step::Effect(_) => true,
            Step::End => false,
        })
    }

    fn asks_cell(&self, test: &Test) -> bool {
        let rhs = match test.rhs {
            Rhs::Value(rhs) => self.reads_cell(rhs),
            Rhs::Const(_) => false,
        };
        rhs || self.reads_cell(test.value)
    }

    /// Where a test goes on to that has its other way to an end, is reached once and reads no cell.
    fn behind(&self, id: BlockId, ways: u32) -> Option<BlockId> {
        let Block { step: Step::Test(test), yes, no } = self.blocks[id as usize] else {
            return None;
        };
        match ((yes <= ACCEPT).then_some(no), (no <= ACCEPT).then_some(yes)) {
            (Some(next), None) | (None, Some(next)) if ways == 1 && !self.asks_cell(&test) => {
                Some(next)
            }
            _ => None,
        }
    }

    fn reads_cell(&self, value: ValueId) -> bool {
        let mut value = value;
        loop {
            value = match self.values.get(value) {
                Value::Ind(_, base, _)
                | Value::Neg(base)
                | Value::Member(_, base)
                | Value::Prefix(_, base, _) => base,
                // Nested no deeper than parentheses.
                Value::Alu(_, left, right) if !self.reads_cell(right) => left,
                Value::Alu(..) | Value::Cell(_) | Value::Chain(_) => return true,
                Value::Const(_)
                | Value::Len
                | Value::Anc(_)
                | Value::Abs(..)
                | Value::Msh(_)
                | Value::Fault => return false,
            };
        }
    }
}
