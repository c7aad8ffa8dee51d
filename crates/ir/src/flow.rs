//! Which way control goes: order of blocks, where they come from, dominators, loops.

use crate::func::Func;
use crate::inst::BlockId;
use alloc::vec;
use alloc::vec::Vec;

/// What is known of the way control goes through a function. It holds as long as no edge changes but by `join`.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    /// Blocks that control reaches, each behind those that dominate it.
    pub order: Vec<BlockId>,
    /// Where each block is in the order; [`u32::MAX`] if it is not.
    pub place: Vec<u32>,
    /// Where edges to each block come from, once for each edge.
    preds: Vec<BlockId>,
    /// Where those of each block start.
    starts: Vec<u32>,
    /// The closest block through which control surely came.
    pub idom: Vec<BlockId>,
    /// Number of each block in a walk down the tree of dominators, and the last number below it.
    span: Vec<(u32, u32)>,
    /// Blocks that edges lead back to in the order, in that order: where loops start, and any by which control enters others.
    pub heads: Vec<BlockId>,
    /// How many loops each block is in, once [`Flow::find_depths`] has found it.
    pub depth: Vec<u8>,
}

const NOWHERE: u32 = u32::MAX;

impl Flow {
    /// Of a function.
    #[must_use]
    pub fn new<C>(f: &Func<C>) -> Self {
        let mut this = Self::default();
        this.renew(f);
        this
    }

    /// Finds it anew, where edges have changed.
    pub fn renew<C>(&mut self, f: &Func<C>) {
        self.find_order(f);
        self.find_preds(f);
        self.find_dominators(f.blocks.len());
    }

    /// Where edges to a block come from, as far as control gets there.
    #[inline]
    #[must_use]
    pub fn preds(&self, block: BlockId) -> &[BlockId] {
        let (start, end) = (self.starts[block.index()], self.starts[block.index() + 1]);
        self.preds.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Whether control reaches a block.
    #[inline]
    #[must_use]
    pub fn is_reached(&self, block: BlockId) -> bool {
        self.place[block.index()] != NOWHERE
    }

    /// Whether control comes to `b` through `a` only, or they are the same.
    #[inline]
    #[must_use]
    pub fn dominates(&self, a: BlockId, b: BlockId) -> bool {
        let ((start, end), (at, _)) = (self.span[a.index()], self.span[b.index()]);
        start <= at && at <= end
    }

    /// Whether an edge leads back to where a loop starts.
    #[inline]
    #[must_use]
    pub fn is_back(&self, from: BlockId, to: BlockId) -> bool {
        self.dominates(to, from)
    }

    fn find_order<C>(&mut self, f: &Func<C>) {
        let len = f.blocks.len();
        refill(&mut self.place, NOWHERE, len);
        self.order.clear();
        if len == 0 {
            return;
        }
        // A walk in depth: behind each block that has been seen, which has some place, lie those it leads to, and it is put down
        // when all of them have been.
        const SEEN: u32 = 1 << 31;
        let mut stack = core::mem::take(&mut self.preds);
        stack.clear();
        stack.reserve(2 * len);
        stack.push(BlockId(0));
        self.order.reserve_exact(len);
        while let Some(block) = stack.pop() {
            if block.0 & SEEN != 0 {
                self.order.push(BlockId(block.0 & !SEEN));
            } else if self.place[block.index()] == NOWHERE {
                self.place[block.index()] = 0;
                stack.push(BlockId(block.0 | SEEN));
                f.edges(block, |edge| stack.push(edge.to));
            }
        }
        self.preds = stack;
        self.order.reverse();
        for (place, block) in (0..).zip(&self.order) {
            self.place[block.index()] = place;
        }
    }

    fn find_preds<C>(&mut self, f: &Func<C>) {
        // First where those of each block end; they are filled in from there.
        let mut starts = core::mem::take(&mut self.starts);
        refill(&mut starts, 0, f.blocks.len() + 1);
        self.heads.clear();
        for (place, &block) in (0..).zip(&self.order) {
            f.edges(block, |edge| {
                starts[edge.to.index()] += 1;
                if self.place[edge.to.index()] <= place {
                    self.heads.push(edge.to);
                }
            });
        }
        self.heads.sort_unstable_by_key(|head| self.place[head.index()]);
        self.heads.dedup();
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        refill(&mut self.preds, BlockId(0), starts.last().copied().unwrap_or(0) as usize);
        for &block in self.order.iter().rev() {
            f.edges(block, |edge| {
                let at = &mut starts[edge.to.index()];
                *at -= 1;
                self.preds[*at as usize] = block;
            });
        }
        self.starts = starts;
    }

    /// By Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm", 2001.
    fn find_dominators(&mut self, len: usize) {
        const UNKNOWN: BlockId = BlockId(NOWHERE);
        let mut idom = core::mem::take(&mut self.idom);
        refill(&mut idom, UNKNOWN, len);
        refill(&mut self.span, (NOWHERE, 0), len);
        let Some(&entry) = self.order.first() else { return };
        idom[entry.index()] = entry;
        let blocks = self.order.get(1..).unwrap_or_default();
        let mut changes = true;
        while changes {
            changes = false;
            for &block in blocks {
                let mut found = UNKNOWN;
                for &pred in self.preds(block) {
                    if idom[pred.index()] == UNKNOWN {
                        continue;
                    }
                    found = if found == UNKNOWN { pred } else { self.common(&idom, pred, found) };
                }
                if idom[block.index()] != found {
                    idom[block.index()] = found;
                    changes = true;
                }
            }
            // Ways back to what all ways there come through change nothing.
            let is_kept = |block: &BlockId| {
                self.preds(*block).iter().all(|pred| {
                    self.place[pred.index()] < self.place[block.index()]
                        || self.common(&idom, *pred, *block) == *block
                })
            };
            changes = changes && !self.heads.iter().all(is_kept);
        }
        // Numbers in the tree: sizes from below, then places from above.
        let span = &mut self.span;
        for &block in self.order.iter().rev() {
            let size = span[block.index()].1 + 1;
            span[block.index()].1 = size;
            if block != entry {
                span[idom[block.index()].index()].1 += size;
            }
        }
        // Once a block has its place, what was its size is the next place below it.
        for &block in &self.order {
            let size = span[block.index()].1;
            let start = if block == entry {
                0
            } else {
                let next = &mut span[idom[block.index()].index()].1;
                core::mem::replace(next, *next + size)
            };
            span[block.index()] = (start, start + 1);
        }
        for block in &self.order {
            span[block.index()].1 -= 1;
        }
        self.idom = idom;
    }

    fn common(&self, idom: &[BlockId], mut a: BlockId, mut b: BlockId) -> BlockId {
        while a != b {
            while self.place[a.index()] > self.place[b.index()] {
                a = idom[a.index()];
            }
            while self.place[b.index()] > self.place[a.index()] {
                b = idom[b.index()];
            }
        }
        a
    }

    /// Blocks that have been put behind others, from which alone control came to them, are gone: what was known of
    /// each is so of the one that it is part of now. `part_of` says of each block which that is, itself if it stays.
    pub(crate) fn join(&mut self, part_of: &[BlockId]) {
        self.order.retain(|block| part_of[block.index()] == *block);
        for (block, &of) in part_of.iter().enumerate() {
            if of.index() != block {
                self.place[block] = NOWHERE;
            }
        }
        for (place, block) in (0..).zip(&self.order) {
            self.place[block.index()] = place;
        }
        let part_of = |block: &mut BlockId| {
            if let Some(of) = part_of.get(block.index()) {
                *block = *of;
            }
        };
        self.preds.iter_mut().for_each(part_of);
        self.idom.iter_mut().for_each(part_of);
    }

    /// Finds how many loops each block is in, from the innermost loops on: what is found to be one stands for all of its
    /// blocks in those around it (Tarjan, "Testing Flow Graph Reducibility", 1974).
    pub fn find_depths(&mut self) {
        const NONE: BlockId = BlockId(NOWHERE);
        let len = self.place.len();
        refill(&mut self.depth, 0, len);
        if self.heads.is_empty() {
            return;
        }
        // The closest start of a loop around each block other than itself, and the farthest that is known.
        let mut around = vec![NONE; len];
        let mut outer: Vec<BlockId> = (0..).map(BlockId).take(len).collect();
        let mut next = Vec::new();
        for &head in self.heads.iter().rev() {
            let preds = self.preds(head).iter();
            next.extend(preds.filter(|pred| self.is_back(**pred, head)));
            if next.is_empty() {
                continue;
            }
            self.depth[head.index()] = 1;
            while let Some(block) = next.pop() {
                let block = stands_for(&mut outer, block);
                if block == head {
                    continue;
                }
                around[block.index()] = head;
                outer[block.index()] = head;
                next.extend_from_slice(self.preds(block));
            }
        }
        for &block in &self.order {
            if let Some(&more) = self.depth.get(around[block.index()].index()) {
                let depth = &mut self.depth[block.index()];
                *depth = depth.saturating_add(more);
            }
        }
    }
}

/// Makes a vector one of so many of a value, in the room that it has if that is enough.
fn refill<T: Copy>(all: &mut Vec<T>, value: T, len: usize) {
    if all.capacity() < len {
        *all = vec![value; len];
    } else {
        all.clear();
        all.resize(len, value);
    }
}

/// The end of a chain, which becomes shorter.
fn stands_for(next: &mut [BlockId], mut at: BlockId) -> BlockId {
    while next[at.index()] != at {
        let beyond = next[next[at.index()].index()];
        next[at.index()] = beyond;
        at = beyond;
    }
    at
}
