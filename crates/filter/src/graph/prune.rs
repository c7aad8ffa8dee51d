//! Touches that cannot reject any more: what they load was loaded on every way to them.

use super::{ACCEPT, BlockId, Graph, Step};
use crate::form::{Rhs, Test, Value, ValueId, Values};

/// What is known where a block begins.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// The packet has at least so many bytes.
    len: u32,
    /// Values computed before, of the first 64.
    values: u64,
}

impl Known {
    fn meet(self, other: Self) -> Self {
        Self { len: self.len.min(other.len), values: self.values & other.values }
    }

    /// Computing the value did not reject.
    fn learn(&mut self, values: &Values, id: ValueId) {
        let mut id = id;
        loop {
            self.values |= bit(id);
            match values.get(id) {
                Value::Abs(size, at) => {
                    self.len = self.len.max(at.saturating_add(size.bytes().into()));
                    return;
                }
                Value::Msh(at) => {
                    self.len = self.len.max(at.saturating_add(1));
                    return;
                }
                Value::Ind(_, base, _) => id = base,
                Value::Neg(operand) => id = operand,
                Value::Alu(_, left, right) => {
                    if values.constant(right).is_none() {
                        self.learn_shallow(values, right);
                    }
                    id = left;
                }
                _ => return,
            }
        }
    }

    fn learn_shallow(&mut self, values: &Values, id: ValueId) {
        self.values |= bit(id);
        if let Value::Abs(size, at) = values.get(id) {
            self.len = self.len.max(at.saturating_add(size.bytes().into()));
        }
    }

    fn is_safe(&self, graph: &Graph<'_>, id: ValueId) -> bool {
        self.values & bit(id) != 0
            || graph.end(id).is_some_and(|end| end <= self.len)
            || !graph.values.may_fail(id)
    }
}

const fn bit(id: ValueId) -> u64 {
    if id < 64 { 1 << id } else { 0 }
}

impl Graph<'_> {
    /// The graph from `root` on without touches that reject nothing.
    pub(crate) fn prune(&mut self, root: BlockId) -> BlockId {
        let mut root = root;
        // Without a touch, two ways may have become one.
        for _ in 0..3 {
            match self.prune_once(root) {
                Some(pruned) => root = pruned,
                None => break,
            }
        }
        root
    }

    fn prune_once(&mut self, root: BlockId) -> Option<BlockId> {
        let count = root as usize + 1;
        let mut known: Vec<Option<Known>> = vec![None; count];
        let mut vain = Vec::new();
        if let Some(first) = known.last_mut() {
            *first = Some(Known { len: 0, values: 0 });
        }
        for id in (ACCEPT + 1..=root).rev() {
            let Some(mut here) = known[id as usize] else { continue };
            let block = self.blocks[id as usize];
            if let Step::Test(test) = block.step {
                if is_touch(&test, block.yes, block.no) && here.is_safe(self, test.value) {
                    vain.push(id);
                }
                here.learn(self.values, test.value);
                if let Rhs::Value(rhs) = test.rhs {
                    here.learn(self.values, rhs);
                }
            }
            for next in [block.yes, block.no] {
                let known = &mut known[next as usize];
                *known = Some(known.map_or(here, |known| known.meet(here)));
            }
        }
        if vain.is_empty() {
            return None;
        }
        let mut made: Vec<BlockId> = (0..=root).collect();
        for id in ACCEPT + 1..=root {
            if known[id as usize].is_none() {
                continue;
            }
            let block = self.blocks[id as usize];
            let (yes, no) = (made[block.yes as usize], made[block.no as usize]);
            made[id as usize] = if vain.last() == Some(&id) {
                vain.pop();
                yes
            } else if (yes, no) == (block.yes, block.no) {
                id
            } else {
                match block.step {
                    Step::Test(test) => self.finish(test, yes, no),
                    step => self.add(super::Block { step, yes, no }),
                }
            };
        }
        made.last().copied()
    }
}

/// Whether the block only loads.
pub(crate) fn is_touch(test: &Test, yes: BlockId, no: BlockId) -> bool {
    yes == no && test.mask == 0 && matches!(test.rhs, Rhs::Const(_))
}
