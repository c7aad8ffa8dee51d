//! Values that are the same, given once; simpler instructions; branches that are decided.

use crate::flow::Flow;
use crate::fold::{self, bits, compare, decided};
use crate::func::Func;
use crate::inst::{BlockId, Inst, Term, Value};
use alloc::vec;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

/// What has been given so far, by a hash of its instruction. A later one takes the place of an earlier one with the
/// same hash: what is forgotten is computed again.
struct Given {
    table: Vec<(Value, BlockId, u32)>,
}

impl Given {
    fn new(len: usize) -> Self {
        let rows = (len * 2).next_power_of_two().max(16);
        Self { table: vec![(Value::NONE, BlockId(0), 0); rows] }
    }

    fn row(&mut self, inst: &Inst) -> &mut (Value, BlockId, u32) {
        let mut hasher = Mixed(0);
        inst.hash(&mut hasher);
        let mixed = hasher.finish();
        let at = (mixed >> 32) as usize & (self.table.len() - 1);
        &mut self.table[at]
    }
}

/// A hash that is quick, for numbers that nobody chooses so as to slow it down: what is forgotten costs little.
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_i32(&mut self, word: i32) {
        self.write_u64(word.cast_unsigned().into());
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word.cast_unsigned() as u64);
    }
}

impl<C> Func<C> {
    /// Gives each value once, and simplifies; whether ways are gone, so that [`Flow`] is to be found anew.
    ///
    /// Values of other blocks are used again only in functions without calls: over a call, what is kept in a register costs
    /// more than what is computed again.
    pub fn number_values(&mut self, flow: &Flow) -> bool {
        let has_calls = self.blocks.iter().flat_map(|block| &block.insts).any(|&v| self.is_call(v));
        let mut given = Given::new(self.insts.len());
        let mut ways = false;
        let mut calls = 0;
        for &block in &flow.order {
            self.bound_params(flow, block);
            let insts = core::mem::take(&mut self.blocks[block.index()].insts);
            self.blocks[block.index()].insts.reserve(insts.len());
            for value in insts {
                calls += u32::from(self.is_call(value));
                let inst = self.resolved(self.insts[value.index()]);
                let origin = self.origins[value.index()];
                let inst = match fold::simpler(self, block, inst, origin) {
                    Ok(other) => {
                        self.same(value, other);
                        continue;
                    }
                    Err(inst) => inst,
                };
                if inst.is_pure() {
                    let (other, at, when) = *given.row(&inst);
                    if other != Value::NONE
                        && self.insts[other.index()] == inst
                        && if has_calls {
                            at == block && when == calls
                        } else {
                            flow.dominates(at, block)
                        }
                    {
                        self.same(value, other);
                        continue;
                    }
                    *given.row(&inst) = (value, block, calls);
                }
                self.insts[value.index()] = inst;
                self.bits[value.index()] = bits(self, &inst);
                self.blocks[block.index()].insts.push(value);
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

    fn is_call(&self, value: Value) -> bool {
        matches!(self.inst(value), Inst::Call { .. })
    }

    /// What parameters may be, by what they get.
    fn bound_params(&mut self, flow: &Flow, block: BlockId) {
        if block == BlockId(0) || self.blocks[block.index()].params.is_empty() {
            return;
        }
        let mut most = vec![0u8; self.blocks[block.index()].params.len()];
        for &pred in flow.preds(block) {
            self.edges(pred, |edge| {
                if edge.to == block {
                    for (most, arg) in most.iter_mut().zip(self.args(edge)) {
                        *most = self.bits[arg.index()].max(*most);
                    }
                }
            });
        }
        for (n, most) in most.into_iter().enumerate() {
            let param = self.blocks[block.index()].params[n];
            self.bits[param.index()] = most;
        }
    }
}
