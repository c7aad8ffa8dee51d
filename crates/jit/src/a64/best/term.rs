//! Ends of blocks.

use super::alu::Test;
use super::host::Move;
use super::mem::{S0, S1};
use super::{Best, Cur};
use crate::a64::regs::RESULT;
use crate::best::moves;
use crate::surroundings::Surroundings;
use alloc::vec::Vec;
use skep_a64::{Cond, Label, Mem, MemSize, Width};
use skep_ir::{BlockId, Edge, Table, Term, Value};

/// Of how many bits the length of a jump in a table is.
const JUMP_SHIFT: u8 = 2;

impl<O: Surroundings + ?Sized> Best<'_, O> {
    pub(super) fn term(&mut self, cur: &Cur<'_>, at: usize) {
        let next = cur.layout.get(at + 1).copied();
        match cur.f.blocks[cur.layout[at].index()].term {
            Term::Return(value) => {
                if value != Value::NONE {
                    self.bring(RESULT, cur.loc(value));
                }
                self.c.exit();
            }
            Term::Jump(edge) => self.go(cur, edge, next),
            Term::Branch { cmp, yes, no } => {
                let test = self.test(cur, cmp);
                self.either(cur, next, test, (yes, no));
            }
            Term::MayGoto { yes, no } => self.may_goto_best(cur, next, (yes, no)),
            Term::Switch { value, table } => self.switch(cur, value, table),
        }
    }

    fn moves_of(cur: &Cur<'_>, edge: Edge) -> Vec<Move> {
        moves::of_edge(cur.f, cur.places, edge)
    }

    /// Follows an edge, by a jump if its block is not the next.
    fn go(&mut self, cur: &Cur<'_>, edge: Edge, next: Option<BlockId>) {
        let mut moves = Self::moves_of(cur, edge);
        self.moves(&mut moves);
        if next != Some(edge.to) {
            self.c.asm.b(cur.label(edge.to));
        }
    }

    /// Follows an edge if a test holds, else another.
    fn either(
        &mut self,
        cur: &Cur<'_>,
        next: Option<BlockId>,
        test: Test,
        (yes, no): (Edge, Edge),
    ) {
        let is_moved = |edge: Edge| !Self::moves_of(cur, edge).is_empty();
        // The way that is jumped to has no moves, if there is one.
        let swap = match (is_moved(yes), is_moved(no)) {
            (true, false) => true,
            (false, true) => false,
            _ => next == Some(yes.to),
        };
        let (test, far, near) = if swap { (test.not(), no, yes) } else { (test, yes, no) };
        if !is_moved(far) {
            self.jump_if(test, cur.label(far.to));
            return self.go(cur, near, next);
        }
        // Both have moves: those of the way jumped to lie between.
        let over = self.c.asm.label();
        self.jump_if(test.not(), over);
        self.go(cur, far, None);
        self.c.asm.bind(over);
        self.go(cur, near, next);
    }

    /// Jumps into a table of jumps, which follows: nothing is loaded.
    fn switch(&mut self, cur: &Cur<'_>, value: Value, table: Table) {
        let (cases, default) = (cur.f.cases_of(table), table.default);
        let index = self.reg(cur, value, S0);
        // Ways with moves have them behind the table.
        let mut labels: Vec<(Edge, Label, bool)> = Vec::new();
        let mut label_of = |this: &mut Self, edge: Edge| {
            if let Some((_, label, _)) = labels.iter().find(|(other, ..)| *other == edge) {
                return *label;
            }
            let has_moves = !Self::moves_of(cur, edge).is_empty();
            let label = if has_moves { this.c.asm.label() } else { cur.label(edge.to) };
            labels.push((edge, label, has_moves));
            label
        };
        // Nothing is beyond a table of all that a value of few bits can be.
        let bits = cur.f.bits(value);
        if bits >= 16 || 1 << bits > cases.len() {
            self.c.asm.cmp_imm(Width::W64, index, i64::try_from(cases.len()).unwrap_or(i64::MAX));
            let default = label_of(self, default);
            self.jump_if(Test::Flags(Cond::Hs), default);
        }
        let start = self.c.asm.label();
        self.c.asm.adr(S1, start);
        self.c.asm.add_shifted(S1, S1, index, JUMP_SHIFT);
        self.c.asm.br(S1);
        self.c.asm.bind(start);
        for &edge in cases {
            let label = label_of(self, edge);
            self.c.asm.b(label);
        }
        for (edge, label, has_moves) in labels {
            if has_moves {
                self.c.asm.bind(label);
                self.go(cur, edge, None);
            }
        }
    }

    /// Takes the second way while the function's count, which lies on the host's stack, is not 0; it stays there.
    fn may_goto_best(&mut self, cur: &Cur<'_>, next: Option<BlockId>, (yes, no): (Edge, Edge)) {
        let count = Mem::sp(self.c.room().into());
        let end = self.c.asm.label();
        self.c.asm.load(MemSize::B4, S0, count);
        self.jump_if(Test::Zero(true, Width::W32, S0), end);
        self.c.asm.add_imm(Width::W32, S0, S0, -1);
        self.c.asm.store(MemSize::B4, S0, count);
        self.go(cur, no, None);
        self.c.asm.bind(end);
        self.go(cur, yes, next);
    }
}
