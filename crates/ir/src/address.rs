//! Sums that are addresses, taken into the accesses that follow them.

use crate::flow::Flow;
use crate::func::Func;
use crate::inst::{BinOp, Inst, Mem, Value};
use alloc::vec;
use alloc::vec::Vec;
use skep_isa::Width;

impl<C> Func<C> {
    /// Puts sums of values, shifted by up to 3, and of numbers into the places of memory that they are for. A sum of two values
    /// stays as it is if it is used for something else as well.
    pub fn fold_addresses(&mut self, flow: &Flow) {
        // Most functions have no sum of two values in an address: then how often values are used does not matter.
        let mut others = None;
        for &block in &flow.order {
            for at in 0..self.blocks[block.index()].insts.len() {
                let value = self.blocks[block.index()].insts[at];
                let mut inst = self.insts[value.index()];
                let Some(mem) = inst.mem_mut() else { continue };
                *mem = self.folded(*mem, |value| {
                    others.get_or_insert_with(|| self.other_uses(flow))[value.index()]
                });
                self.insts[value.index()] = inst;
            }
        }
    }

    /// How often each value is used other than as the base of an access.
    fn other_uses(&self, flow: &Flow) -> Vec<u32> {
        let mut uses = vec![0u32; self.insts.len()];
        for &block in &flow.order {
            for &value in &self.blocks[block.index()].insts {
                let mut inst = self.insts[value.index()];
                if let Some(mem) = inst.mem_mut() {
                    mem.base = Value::NONE;
                }
                inst.operands(|used| uses[used.index()] += 1);
            }
            self.term_operands(block, |used| uses[used.index()] += 1);
            self.edges(block, |edge| {
                self.args(edge).iter().for_each(|used| uses[used.index()] += 1);
            });
        }
        uses
    }

    /// The same place with sums taken in; `others` says how often a value is used other than as a base.
    fn folded(&self, mut mem: Mem, mut others: impl FnMut(Value) -> u32) -> Mem {
        loop {
            // `base + (index + number)`
            if mem.index != Value::NONE
                && let Some(&Inst::Bin { op: BinOp::Add, width: Width::W64, a, b }) =
                    self.insts.get(mem.index.index())
                && let Some(number) = self.known(b)
                && let Some(number) = i32::try_from(number.cast_signed()).ok()
                && let Some(number) = number.checked_mul(1 << mem.scale)
                && let Some(disp) = sum(mem.disp, number)
            {
                mem = Mem { index: a, disp, ..mem };
                continue;
            }
            let Some(&Inst::Bin { op: BinOp::Add, width: Width::W64, a, b }) =
                self.insts.get(mem.base.index())
            else {
                return mem;
            };
            if let Some(number) = self.known(b) {
                let number = i32::try_from(number.cast_signed()).ok();
                let Some(disp) = number.and_then(|number| sum(mem.disp, number)) else {
                    return mem;
                };
                mem = Mem { base: a, disp, ..mem };
                continue;
            }
            if mem.index != Value::NONE || others(mem.base) > 0 {
                return mem;
            }
            let scaled = |value: Value| match self.insts.get(value.index()) {
                Some(&Inst::Bin { op: BinOp::Shl, width: Width::W64, a, b }) => {
                    let count = self.known(b).filter(|count| (1..=3).contains(count))?;
                    Some((a, u8::try_from(count).ok()?))
                }
                _ => None,
            };
            let (base, (index, scale)) = match (scaled(a), scaled(b)) {
                (_, Some(scaled)) => (a, scaled),
                (Some(scaled), None) => (b, scaled),
                (None, None) => (a, (b, 0)),
            };
            mem = Mem { base, index, scale, ..mem };
        }
    }
}

/// The sum of displacements, where all bytes that an instruction accesses have one.
fn sum(disp: i32, number: i32) -> Option<i32> {
    disp.checked_add(number).filter(|disp| disp.checked_add(u8::MAX.into()).is_some())
}
