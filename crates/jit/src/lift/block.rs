//! Blocks of a function's instructions, and which variables each reads.

use super::vars::{Vars, within};
use crate::shape::{Shape, Target};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;
use skep_ir::BlockId;
use skep_isa::{Insn, Insns, Pc, StaticBranch};

/// Instructions in a row that control enters at the first and leaves at the last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Block {
    pub(super) start: u32,
    pub(super) end: u32,
    /// Blocks that control goes to.
    nexts: [Option<u32>; 2],
    /// The only one that control comes from, by its number and 1, or 0 for the function's entry.
    pub(super) only: Option<u32>,
    /// Ways that lead to it.
    ways: u32,
    /// Variables that are read from here on before they are written.
    pub(super) reads: u64,
}

/// All blocks of a function.
pub(super) struct Blocks {
    pub(super) all: Vec<Block>,
    /// Those that control reaches, each behind one that leads to it, and behind all but those that jump back.
    pub(super) order: Vec<u32>,
    /// The block that starts at each slot from the function's first on.
    starts: Vec<u32>,
    first: u32,
}

impl Blocks {
    pub(super) fn new(insns: &Insns, shape: &Shape, vars: &Vars, range: Range<u32>) -> Self {
        let mut this = Self {
            all: Vec::new(),
            order: Vec::new(),
            starts: vec![u32::MAX; range.len()],
            first: range.start,
        };
        this.cut(insns, shape, range.clone());
        this.link(insns);
        this.find_order();
        this.find_reads(insns, vars);
        this
    }

    /// The block that starts at a slot.
    pub(super) fn at(&self, pc: Pc) -> BlockId {
        let at = self.starts.get((pc.0 - self.first) as usize).copied().unwrap_or(u32::MAX);
        BlockId(at.wrapping_add(1))
    }

    /// Slots of the function.
    pub(super) const fn slots(&self) -> usize {
        self.starts.len()
    }

    /// Variables that the function reads before it writes them.
    pub(super) fn entry_reads(&self) -> u64 {
        self.all.first().map_or(0, |block| block.reads)
    }

    fn cut(&mut self, insns: &Insns, shape: &Shape, range: Range<u32>) {
        let mut starts = true;
        for (pc, insn) in within(insns, range.clone()) {
            let is_target = shape.is_target.get(pc.index()).is_some_and(|&at| at != Target::No);
            if starts || is_target {
                if let Some(last) = self.all.last_mut() {
                    last.end = pc.0;
                }
                self.starts[(pc.0 - self.first) as usize] =
                    u32::try_from(self.all.len()).unwrap_or(u32::MAX);
                self.all.push(Block { start: pc.0, end: range.end, ..Block::default() });
            }
            starts = !insn.falls_through() || insn.jump_off().is_some();
        }
    }

    fn link(&mut self, insns: &Insns) {
        for at in 0..self.all.len() {
            let Block { start, end, .. } = self.all[at];
            let Some((pc, insn)) = within(insns, start..end).last() else { continue };
            let behind = Pc(pc.0 + insn.slots());
            let to = insn.jump_off().and_then(|off| pc.jump(off));
            let (jump, next) = match insn {
                Insn::Exit | Insn::JumpReg { .. } => (None, None),
                Insn::Jump { .. } | Insn::JumpLong { .. } => (to, None),
                Insn::Static { branch, .. } | Insn::StaticLong { branch, .. } => {
                    if *branch == StaticBranch::Goto { (to, None) } else { (None, Some(behind)) }
                }
                Insn::Call(_) => (None, Some(behind)),
                _ => (to, Some(behind)),
            };
            let number = |pc: Pc| self.at(pc).0.wrapping_sub(1);
            let (jump, next) = (jump.map(number), next.map(number));
            self.all[at].nexts = [jump, next];
        }
    }

    fn find_order(&mut self) {
        let mut seen = vec![false; self.all.len()];
        let mut stack = vec![(0u32, 0usize)];
        if let Some(first) = self.all.first_mut() {
            first.ways = 1;
            first.only = Some(0);
            seen[0] = true;
        } else {
            return;
        }
        while let Some((at, n)) = stack.pop() {
            // What follows is walked last, and so comes first.
            let Some(next) = self.all[at as usize].nexts.get(n).copied() else {
                self.order.push(at);
                continue;
            };
            stack.push((at, n + 1));
            if let Some(next) = next {
                let block = &mut self.all[next as usize];
                block.ways += 1;
                block.only = (block.ways == 1).then_some(at + 1);
                if !core::mem::replace(&mut seen[next as usize], true) {
                    stack.push((next, 0));
                }
            }
        }
        self.order.reverse();
    }

    fn find_reads(&mut self, insns: &Insns, vars: &Vars) {
        let mut own = vec![(0u64, 0u64); self.all.len()];
        for &at in &self.order {
            let Block { start, end, .. } = self.all[at as usize];
            let (mut reads, mut writes) = (0, 0);
            for (_, insn) in within(insns, start..end) {
                let (read, written) = vars.uses(insn);
                reads |= read & !writes;
                writes |= written;
            }
            own[at as usize] = (reads, writes);
        }
        let mut changes = true;
        while changes {
            changes = false;
            for &at in self.order.iter().rev() {
                let block = self.all[at as usize];
                let behind = block
                    .nexts
                    .iter()
                    .flatten()
                    .fold(0, |reads, &next| reads | self.all[next as usize].reads);
                let (reads, writes) = own[at as usize];
                let reads = reads | (behind & !writes);
                if reads != block.reads {
                    self.all[at as usize].reads = reads;
                    changes = true;
                }
            }
        }
    }
}
