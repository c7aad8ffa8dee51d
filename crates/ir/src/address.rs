//! Sums that are addresses, taken into the accesses that follow them.

use crate::flow::Flow;
use crate::func::Func;
use crate::inst::{BinOp, Inst, Mem, Value};
use alloc::vec;
use alloc::vec::Vec;
use skep_isa::Width;

/// How often a value is used.
#[derive(Clone, Copy, Default)]
pub(crate) struct Uses {
    pub(crate) all: u32,
    /// How often of these as the base of an access.
    bases: u32,
}

impl<C> Func<C> {
    /// Puts sums in the order that is best: those that come round a loop last, and those that are addresses into what
    /// accesses memory.
    pub fn arrange_sums(&mut self, flow: &Flow) {
        // Most functions have neither: then how often values are used does not matter.
        let mut uses = None;
        self.balance_sums(flow, &mut uses);
        self.fold_addresses(flow, &mut uses);
    }

    /// Puts sums of values, shifted by up to 3, and of numbers into the places of memory that they are for. A sum of two values
    /// stays as it is if it is used for something else as well.
    fn fold_addresses(&mut self, flow: &Flow, uses: &mut Option<Vec<Uses>>) {
        for &block in &flow.order {
            for at in 0..self.blocks[block.index()].insts.len() {
                let value = self.blocks[block.index()].insts[at];
                let Some(&mut mem) = self.insts[value.index()].mem_mut() else { continue };
                let folded = self.folded(mem, |value| {
                    let uses = uses.get_or_insert_with(|| self.count_uses(flow))[value.index()];
                    uses.all - uses.bases
                });
                if let Some(mem) = self.insts[value.index()].mem_mut() {
                    *mem = folded;
                }
            }
        }
    }

    /// How often each value is used.
    pub(crate) fn count_uses(&self, flow: &Flow) -> Vec<Uses> {
        let mut uses = vec![Uses::default(); self.insts.len()];
        for &block in &flow.order {
            for &value in &self.blocks[block.index()].insts {
                let inst = &self.insts[value.index()];
                inst.operands(|used| uses[used.index()].all += 1);
                if let Some(mem) = inst.mem() {
                    uses[mem.base.index()].bases += 1;
                }
            }
            self.term_operands(block, |used| uses[used.index()].all += 1);
            self.edges(block, |edge| {
                self.args(edge).iter().for_each(|used| uses[used.index()].all += 1);
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
