//! Values that are the same, given once; simpler instructions; branches that are decided.

use crate::flow::Flow;
use crate::fold::{self, bits, compare, decided};
use crate::func::Func;
use crate::inst::{BlockId, Cmp, Inst, Term, UnOp, Value};
use alloc::vec;
use alloc::vec::Vec;

/// What has been given so far, by a hash of its instruction. A later one takes the place of an earlier one with the
/// same hash: what is forgotten is computed again.
///
/// Values of other blocks are used again only in functions without calls: over a call, what is kept in a register costs
/// more than what is computed again.
#[derive(Clone, Debug)]
pub struct Given {
    /// A value, its block, and the calls before it.
    table: Vec<(Value, BlockId, u32)>,
    has_calls: bool,
    calls: u32,
}

/// As many as are remembered at most: those that are used again are close, and these stay in the processor's cache.
const MOST_GIVEN: usize = 1 << 12;

impl Given {
    /// Nothing yet, in a function of about so many instructions.
    #[must_use]
    pub fn new(len: usize, has_calls: bool) -> Self {
        let rows = (len * 2).next_power_of_two().clamp(16, MOST_GIVEN);
        Self { table: vec![(Value::NONE, BlockId(0), 0); rows], has_calls, calls: 0 }
    }

    /// The first value that has been seen to be the number that a value is, or the value itself.
    fn number<C>(&mut self, f: &Func<C>, value: Value) -> Value {
        let inst @ Inst::Const(_) = f.inst(value) else { return value };
        match self.seek(f, inst, |_, _| true) {
            Ok(seen) => seen,
            Err(row) => {
                self.table[row] = (value, BlockId(0), 0);
                value
            }
        }
    }

    /// The value that an instruction gives in a block if it is there; else a row of the table for it.
    fn find<C>(
        &self,
        f: &Func<C>,
        flow: &Flow,
        block: BlockId,
        inst: &Inst,
    ) -> Result<Value, usize> {
        self.seek(f, inst, |at, calls| {
            if self.has_calls {
                at == block && calls == self.calls
            } else {
                flow.dominates(at, block)
            }
        })
    }

    /// The value of an instruction in one of the two rows where it may be, if its block and the calls before it are such as
    /// `is_there` says; else the one of them that is free, or the first.
    #[inline]
    fn seek<C>(
        &self,
        f: &Func<C>,
        inst: &Inst,
        is_there: impl Fn(BlockId, u32) -> bool,
    ) -> Result<Value, usize> {
        // The high bits depend on all others: [`MOST_GIVEN`] is as many as they count up to.
        let first = (mixed(inst) >> 52) as usize & (self.table.len() - 1);
        for row in [first, first ^ 1] {
            let (value, at, calls) = self.table[row];
            if value == Value::NONE {
                return Err(row);
            }
            if f.inst(value) == inst && is_there(at, calls) {
                return Ok(value);
            }
        }
        Err(first)
    }

    fn note(&mut self, row: usize, value: Value, block: BlockId) {
        self.table[row] = (value, block, self.calls);
    }
}

/// A number for what an instruction is, from which rows of a table are made. Nobody chooses programs so as to have it be the
/// same for many: what is forgotten costs little.
#[inline]
fn mixed(inst: &Inst) -> u64 {
    let pair = |a: Value, b: Value| u64::from(a.0) << 32 | u64::from(b.0);
    let (kind, operands) = match *inst {
        Inst::Const(number) => (0, number),
        Inst::Bin { op, width, a, b } => (1 + op as u64 * 2 + width as u64, pair(a, b)),
        Inst::Un { op, a } => (32 + un_kind(op), pair(a, a)),
        Inst::Select { cmp, yes, no } => (
            64 + cmp.cond as u64 * 2 + cmp.width as u64,
            pair(cmp.a, cmp.b) ^ pair(yes, no).wrapping_mul(MIX),
        ),
        _ => (128, 0),
    };
    (operands ^ kind << 24).wrapping_mul(MIX)
}

/// 2^64 by the golden ratio, as in Knuth's multiplicative hashing.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// Which operation one is, by as many numbers as tell most apart.
const fn un_kind(op: UnOp) -> u64 {
    match op {
        UnOp::Neg(width) => width as u64,
        UnOp::Zext(size) => 2 + size as u64,
        UnOp::Sext(size, width) => 6 + size as u64 * 2 + width as u64,
        UnOp::Bswap(size) => 14 + size as u64,
        UnOp::Hold => 18,
    }
}

/// Whether control comes somewhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Comes {
    No,
    /// From behind only, where it may not come itself.
    Perhaps,
    Surely,
}

impl<C> Func<C> {
    /// The value of an instruction at the end of a block: a simpler one or one that is there already, where that is the same.
    #[inline]
    pub fn push_once(
        &mut self,
        given: &mut Given,
        flow: &Flow,
        (block, origin): (BlockId, u32),
        inst: Inst,
    ) -> Value {
        let inst = match fold::simpler(self, block, inst, origin) {
            Ok(value) => return value,
            Err(inst) => inst,
        };
        if !inst.is_pure() {
            given.calls += u32::from(matches!(inst, Inst::Call { .. }));
            return self.push_as_is(block, inst, origin);
        }
        match given.find(self, flow, block, &inst) {
            Ok(value) => value,
            Err(row) => {
                let value = self.push_as_is(block, inst, origin);
                given.note(row, value, block);
                value
            }
        }
    }

    /// Puts an instruction that is there already at the end of a block; or, where what it gives is there, has its value be the
    /// same.
    pub(crate) fn put_once(
        &mut self,
        given: &mut Given,
        flow: &Flow,
        block: BlockId,
        value: Value,
    ) {
        let inst = self.resolved(self.insts[value.index()]);
        let mut inst = match fold::simpler(self, block, inst, self.origin(value)) {
            Ok(other) => return self.same(value, other),
            Err(inst) => inst,
        };
        given.calls += u32::from(matches!(inst, Inst::Call { .. }));
        if inst.is_pure() {
            inst.operands_mut(|operand| *operand = given.number(self, *operand));
            match given.find(self, flow, block, &inst) {
                Ok(other) => return self.same(value, other),
                Err(row) => given.note(row, value, block),
            }
        }
        self.insts[value.index()] = inst;
        self.set_bits(value, bits(self, &inst));
        self.blocks[block.index()].insts.push(value);
    }

    /// Gives each value once, and simplifies; whether ways are gone, so that [`Flow`] is to be found anew.
    pub fn number_values(&mut self, flow: &Flow) -> bool {
        let has_calls = self.blocks.iter().flat_map(|block| &block.insts).any(|&v| self.is_call(v));
        let mut given = Given::new(self.insts.len(), has_calls);
        let mut ways = false;
        // Whether control still comes to each block, as far as branches are decided.
        let mut comes = vec![Comes::No; self.blocks.len()];
        let (mut preds, mut most, mut insts) = (Vec::new(), Vec::new(), Vec::new());
        for &block in &flow.order {
            let here = self.find_preds(flow, block, &comes, &mut preds);
            comes[block.index()] = here;
            match here {
                Comes::No => continue,
                Comes::Perhaps => {}
                Comes::Surely => self.find_params(&preds, block),
            }
            self.bound_params(&preds, block, &mut most);
            // What takes their place grows in what the last block's were in.
            core::mem::swap(&mut insts, &mut self.blocks[block.index()].insts);
            self.blocks[block.index()].insts.reserve(insts.len());
            for value in insts.drain(..) {
                self.put_once(&mut given, flow, block, value);
            }
            self.resolve_term(block);
            if let Term::Branch { cmp, yes, no } = self.blocks[block.index()].term {
                let cmp = compare(self, cmp);
                let term = match decided(self, cmp) {
                    Some(holds) => {
                        ways = true;
                        Term::Jump(if holds { yes } else { no })
                    }
                    None => Term::Branch { cmp, yes, no },
                };
                self.blocks[block.index()].term = term;
            }
        }
        self.resolve_all();
        ways
    }

    /// Decides comparisons of what has turned out to be numbers since values were numbered last; whether ways are gone.
    pub fn decide_comparisons(&mut self, flow: &Flow) -> bool {
        let (mut ways, mut any) = (false, false);
        for &block in &flow.order {
            let insts = if self.kinds.choices { self.blocks[block.index()].insts.len() } else { 0 };
            for n in 0..insts {
                let value = self.blocks[block.index()].insts[n];
                if let Inst::Select { cmp, yes, no } = self.insts[value.index()]
                    && let Some(holds) = self.decided_now(cmp)
                {
                    self.same(value, if holds { yes } else { no });
                    any = true;
                }
            }
            if let Term::Branch { cmp, yes, no } = self.blocks[block.index()].term
                && let Some(holds) = self.decided_now(cmp)
            {
                self.blocks[block.index()].term = Term::Jump(if holds { yes } else { no });
                ways = true;
            }
            if let Term::Switch { value, table } = self.blocks[block.index()].term
                && let Some(number) = {
                    let value = self.resolve(value);
                    self.known(value)
                }
            {
                self.blocks[block.index()].term = Term::Jump(self.case_of(table, number));
                ways = true;
            }
        }
        if any {
            self.resolve_all();
        }
        ways
    }

    fn decided_now(&mut self, mut cmp: Cmp) -> Option<bool> {
        cmp.a = self.resolve(cmp.a);
        cmp.b = self.resolve(cmp.b);
        decided(self, cmp)
    }

    pub(crate) fn is_call(&self, value: Value) -> bool {
        matches!(self.inst(value), Inst::Call { .. })
    }

    /// Blocks that lead to a block: those that came before it, where control still comes, and those behind. Also
    /// whether control comes to the block itself.
    fn find_preds(
        &self,
        flow: &Flow,
        block: BlockId,
        comes: &[Comes],
        preds: &mut Vec<BlockId>,
    ) -> Comes {
        preds.clear();
        let mut here = if block == BlockId(0) { Comes::Surely } else { Comes::No };
        for &pred in flow.preds(block) {
            let is_behind = flow.place[pred.index()] >= flow.place[block.index()];
            let there = if is_behind { Comes::Perhaps } else { comes[pred.index()] };
            let mut leads = is_behind;
            self.edges(pred, |edge| leads |= edge.to == block);
            if leads && there != Comes::No {
                here = here.max(there);
                if preds.last() != Some(&pred) {
                    preds.push(pred);
                }
            }
        }
        here
    }

    /// Parameters that get one value. Control must come in some way on which none of that value depends on them: what
    /// goes round where nothing enters would be explained by itself.
    fn find_params(&mut self, preds: &[BlockId], block: BlockId) {
        if block == BlockId(0) {
            return;
        }
        for n in 0..self.blocks[block.index()].params.len() {
            let param = self.blocks[block.index()].params[n];
            if self.resolve(param) == param
                && let Some(value) = self.only_value(preds, block, n)
            {
                self.same(param, value);
            }
        }
    }

    /// What parameters may be, by what they get; whether that is less for any than was known.
    pub(crate) fn bound_params(
        &mut self,
        preds: &[BlockId],
        block: BlockId,
        most: &mut Vec<u8>,
    ) -> bool {
        if block == BlockId(0) || self.blocks[block.index()].params.is_empty() {
            return false;
        }
        most.clear();
        most.resize(self.blocks[block.index()].params.len(), 0);
        for &pred in preds {
            self.edges(pred, |edge| {
                if edge.to == block {
                    for (most, arg) in most.iter_mut().zip(self.args(edge)) {
                        *most = self.bits(*arg).max(*most);
                    }
                }
            });
        }
        let mut any = false;
        for (param, most) in self.blocks[block.index()].params.iter().zip(most) {
            let bits = &mut self.notes[param.index()].bits;
            any |= *most < *bits;
            *bits = *most;
        }
        any
    }
}
