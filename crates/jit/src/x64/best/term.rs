//! Ends of blocks.

use super::host::{Loc, Move};
use super::mem::{S1, S2};
use super::{Best, Cur, reach};
use crate::best::moves;
use crate::surroundings::Surroundings;
use alloc::vec::Vec;
use skep_ir::{BlockId, Cmp, Edge, Table, Term, Value};
use skep_x64::{Alu, Cond, Gpr, Label, Mem, MemSize, Reach, Width};

/// Bytes of a jump in a table, and of how many bits that is.
const JUMP: u32 = 8;
const JUMP_SHIFT: u8 = 3;

impl<O: Surroundings + ?Sized> Best<'_, O> {
    pub(super) fn term(&mut self, cur: &Cur<'_>, at: usize) {
        let next = cur.layout.get(at + 1).copied();
        match cur.f.blocks[cur.layout[at].index()].term {
            Term::Return(value) => {
                if value != Value::NONE {
                    self.bring(Gpr::Rax, cur.loc(value));
                }
                self.c.exit();
            }
            Term::Jump(edge) => self.go(cur, at, edge, next),
            Term::Branch { cmp, yes, no } => self.branch(cur, at, cmp, (yes, no)),
            Term::MayGoto { yes, no } => self.may_goto_best(cur, at, (yes, no)),
            Term::Switch { value, table } => self.switch(cur, at, value, table),
        }
    }

    /// Moves of an edge.
    fn moves_of(&self, cur: &Cur<'_>, edge: Edge) -> Vec<Move> {
        moves::of_edge(cur.f, cur.places, edge)
    }

    /// Follows an edge, by a jump if its block is not the next.
    pub(super) fn go(&mut self, cur: &Cur<'_>, at: usize, edge: Edge, next: Option<BlockId>) {
        let moves = self.moves_of(cur, edge);
        self.go_by(cur, at, edge, moves, next);
    }

    /// The same by its moves.
    fn go_by(
        &mut self,
        cur: &Cur<'_>,
        at: usize,
        edge: Edge,
        mut moves: Vec<Move>,
        next: Option<BlockId>,
    ) {
        self.moves(cur, &mut moves);
        if next != Some(edge.to) {
            self.c.asm.jmp(cur.label(edge.to), self.reach_to(cur, at, edge.to));
        }
    }

    /// How far a jump from the end of a block reaches.
    fn reach_to(&self, cur: &Cur<'_>, at: usize, to: BlockId) -> Reach {
        let to = cur.before[cur.place[to.index()]];
        reach(self.is_far, to.saturating_sub(cur.before[at + 1]))
    }

    fn branch(&mut self, cur: &Cur<'_>, at: usize, cmp: Cmp, (yes, no): (Edge, Edge)) {
        let cond = self.compare_values(cur, cmp);
        self.either(cur, at, cond, (yes, no));
    }

    /// Follows an edge if a condition holds, else another.
    fn either(&mut self, cur: &Cur<'_>, at: usize, cond: Cond, (yes, no): (Edge, Edge)) {
        let next = cur.layout.get(at + 1).copied();
        let (yes_moves, no_moves) = (self.moves_of(cur, yes), self.moves_of(cur, no));
        // The way that is jumped to has no moves, if there is one.
        let swap = match (yes_moves.is_empty(), no_moves.is_empty()) {
            (true, true) => next == Some(yes.to),
            (true, false) => false,
            (false, true) => true,
            (false, false) => next == Some(yes.to),
        };
        let (cond, far, near, far_moves, mut near_moves) = if swap {
            (cond.not(), no, yes, no_moves, yes_moves)
        } else {
            (cond, yes, no, yes_moves, no_moves)
        };
        if far_moves.is_empty() {
            let is_aside = near.to != far.to && next != Some(near.to) && next == Some(far.to);
            // Moves on the way to a loop's start may come first, where they change nothing for the other way.
            if is_aside && self.are_harmless(cur, &near_moves, far) {
                self.moves(cur, &mut near_moves);
                let reach = self.reach_to(cur, at, near.to);
                return self.c.asm.jcc(cond.not(), cur.label(near.to), reach);
            }
            // A way that only hands on numbers leads out of what is done most often, as do those of errors.
            let is_back = cur.flow.is_back(cur.layout[at], near.to);
            let is_number = |(_, from): &Move| matches!(from, Loc::Number(_));
            if is_aside && !is_back && near_moves.iter().all(is_number) {
                let aside = self.c.asm.label();
                self.c.asm.jcc(cond.not(), aside, Reach::Long);
                return self.asides.push((at, near, aside));
            }
            let reach = self.reach_to(cur, at, far.to);
            self.c.asm.jcc(cond, cur.label(far.to), reach);
            return self.go_by(cur, at, near, near_moves, next);
        }
        // Both have moves: those of the way jumped to lie between.
        let over = self.c.asm.label();
        self.c.asm.jcc(cond.not(), over, reach(self.is_far, 0));
        self.go_by(cur, at, far, far_moves, None);
        self.c.asm.bind(over);
        self.go_by(cur, at, near, near_moves, next);
    }

    /// Whether moves change nothing that is alive on the way along an edge.
    fn are_harmless(&self, cur: &Cur<'_>, moves: &[Move], edge: Edge) -> bool {
        let block = edge.to;
        let is_written = |value: &Value| moves.iter().any(|(to, _)| *to == cur.loc(*value));
        !cur.places.comes_in(block).iter().any(is_written)
            && !cur.f.args(edge).iter().any(is_written)
    }

    /// Jumps into a table of jumps, which lies behind the program: that takes one register, and nothing is loaded.
    fn switch(&mut self, cur: &Cur<'_>, at: usize, value: Value, table: Table) {
        let (cases, default) = (cur.f.cases_of(table), table.default);
        let index = self.reg(cur, value, S2);
        // Ways with moves have them here, behind the jump.
        let mut labels: Vec<(Edge, Label, bool)> = Vec::new();
        let mut label_of = |this: &mut Self, edge: Edge| {
            if let Some((_, label, _)) = labels.iter().find(|(other, ..)| *other == edge) {
                return *label;
            }
            let has_moves = !this.moves_of(cur, edge).is_empty();
            let label = if has_moves { this.c.asm.label() } else { cur.label(edge.to) };
            labels.push((edge, label, has_moves));
            label
        };
        // Nothing is beyond a table of all that a value of few bits can be.
        let bits = cur.f.bits(value);
        if bits >= 16 || 1 << bits > cases.len() {
            let len = i32::try_from(cases.len()).unwrap_or(i32::MAX);
            self.c.asm.alu_imm(Alu::Cmp, Width::W64, index, len);
            let default = label_of(self, default);
            self.c.asm.jcc(Cond::Ae, default, Reach::Long);
        }
        let start = self.c.asm.label();
        self.c.asm.lea_label(S1, start);
        self.c.asm.lea(Width::W64, S1, Mem::new(S1, 0).with_index(index, JUMP_SHIFT));
        self.c.jump_indirect();
        let jumps = cases.iter().map(|&edge| label_of(self, edge)).collect();
        self.tables.push((start, jumps));
        for (edge, label, has_moves) in labels {
            if has_moves {
                self.c.asm.bind(label);
                self.go(cur, at, edge, None);
            }
        }
    }

    /// Tables of jumps, each of which takes as many bytes.
    pub(super) fn add_tables(&mut self) {
        for (table, labels) in core::mem::take(&mut self.tables) {
            self.c.asm.align(JUMP, JUMP - 1);
            self.c.asm.bind(table);
            for label in labels {
                self.c.asm.jmp(label, Reach::Long);
                self.c.asm.align(JUMP, JUMP - 1);
            }
            self.c.asm.trap();
        }
    }

    /// Takes the second way while the function's count, which lies on the host's stack, is not 0; it stays there.
    fn may_goto_best(&mut self, cur: &Cur<'_>, at: usize, (yes, no): (Edge, Edge)) {
        let count = Mem::new(Gpr::Rsp, 0);
        let end = self.c.asm.label();
        self.c.asm.load(MemSize::B4, S1, count);
        self.c.asm.alu_imm(Alu::Sub, Width::W32, S1, 1);
        self.c.asm.jcc(Cond::B, end, Reach::Long);
        self.c.asm.store(MemSize::B4, count, S1);
        self.go(cur, at, no, None);
        self.c.asm.bind(end);
        self.go(cur, at, yes, cur.layout.get(at + 1).copied());
    }
}
