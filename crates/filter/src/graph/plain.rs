//! A way of its own for IPv4 headers of 20 bytes, which nearly all are.
//!
//! What stands behind an IPv4 header is loaded from `4*([14]&0xf)` bytes further on. In the kernel such a load is a
//! call, one at a constant place a few instructions. So, where a way first comes to such a load, the header's first byte is
//! compared with 0x45, and a copy of what follows has constant places. That byte is what the other way loads first, too, so the same
//! packets are too short.

use super::{ACCEPT, Block, BlockId, Graph, Step};
use crate::form::{Cmp, Rhs, Test, Value, ValueId, compare};
use crate::lower::Meaning;
use skep_cbpf::Size;

/// Version 4, five words.
const FIRST_BYTE: u32 = 0x45;
/// What those are in bytes.
const LENGTH: u32 = 20;
/// Blocks of which no copy is made if there are more.
const MOST: usize = 1500;
/// Headers at different places, such as behind a VLAN tag, at most.
const HEADERS: usize = 4;

/// An IPv4 header at a constant place, and what values are if it has 20 bytes.
#[derive(Debug)]
pub(crate) struct PlainHeader {
    /// Its first byte.
    first: ValueId,
    /// For each value, what it is then.
    then: Vec<ValueId>,
}

impl Meaning {
    /// The headers behind which values are loaded. Values that are needed for them are added.
    pub(crate) fn plain_headers(&mut self) -> Vec<PlainHeader> {
        let count = ValueId::try_from(self.values.len()).unwrap_or(0);
        let mut places: Vec<u32> = Vec::new();
        for id in 0..count {
            if let Value::Ind(_, base, _) = self.values.get(id)
                && let Some(at) = self.header_below(base)
                && !places.contains(&at)
            {
                places.push(at);
            }
        }
        places.truncate(HEADERS);
        places.into_iter().map(|at| self.plain_header(at, count)).collect()
    }

    /// Where the header is whose length the place is made of.
    fn header_below(&self, mut place: ValueId) -> Option<u32> {
        loop {
            match self.values.get(place) {
                Value::Msh(at) => return Some(at),
                Value::Alu(_, left, right) => {
                    if let Value::Msh(at) = self.values.get(right) {
                        return Some(at);
                    }
                    place = left;
                }
                _ => return None,
            }
        }
    }

    fn plain_header(&mut self, at: u32, count: ValueId) -> PlainHeader {
        let values = &mut self.values;
        let first = values.load_at(Size::B, at);
        let mut then: Vec<ValueId> = Vec::with_capacity(count as usize);
        for id in 0..count {
            // Values stand after what they are made of.
            let of = |operand: ValueId| then.get(operand as usize).copied().unwrap_or(operand);
            let value = values.get(id);
            let new = match value {
                Value::Msh(other) if other == at => values.add(Value::Const(LENGTH)),
                Value::Ind(size, base, off) if of(base) != base => values.load(size, of(base), off),
                Value::Neg(operand) if of(operand) != operand => values.neg(of(operand)),
                Value::Alu(op, left, right) if (of(left), of(right)) != (left, right) => {
                    values.alu(op, of(left), of(right))
                }
                Value::Member(set, operand) if of(operand) != operand => {
                    values.add(Value::Member(set, of(operand)))
                }
                _ => id,
            };
            then.push(new);
        }
        PlainHeader { first, then }
    }
}

impl PlainHeader {
    /// What the value is then, if that is something else.
    pub(crate) fn of(&self, id: ValueId) -> Option<ValueId> {
        self.then.get(id as usize).copied().filter(|&then| then != id)
    }

    fn changes(&self, test: &Test) -> bool {
        self.of(test.value).is_some()
            || matches!(test.rhs, Rhs::Value(rhs) if self.of(rhs).is_some())
    }

    fn changed(&self, test: Test) -> Test {
        let of = |id: ValueId| self.of(id).unwrap_or(id);
        let rhs = match test.rhs {
            Rhs::Value(rhs) => Rhs::Value(of(rhs)),
            rhs => rhs,
        };
        Test { value: of(test.value), rhs, ..test }
    }
}

impl Graph<'_> {
    /// The graph from `root` on with a way of its own for each of the headers.
    pub(crate) fn specialise(&mut self, root: BlockId, headers: &[PlainHeader]) -> BlockId {
        let mut root = root;
        for header in headers {
            root = self.specialise_for(root, header);
        }
        root
    }

    /// A test, which may be one of a constant by now.
    fn decided(&mut self, test: Test, yes: BlockId, no: BlockId) -> BlockId {
        match (self.values.constant(test.value), test.rhs) {
            (Some(value), Rhs::Const(k)) if compare(test.cmp, value & test.mask, k) => yes,
            (Some(_), Rhs::Const(_)) => no,
            _ => self.test(test, yes, no),
        }
    }

    fn specialise_for(&mut self, root: BlockId, header: &PlainHeader) -> BlockId {
        let changes = |step: Step| matches!(step, Step::Test(test) if header.changes(&test));
        let ways = self.ways(root);
        let is_there =
            |id: BlockId| ways[id as usize] > 0 && changes(self.blocks[id as usize].step);
        if self.len(root) > MOST || !(ACCEPT + 1..=root).any(is_there) {
            return root;
        }
        // Of each block: where it is known that the header is plain, and where it is known that it is not.
        let mut then: Vec<BlockId> = (0..=root).collect();
        let mut other = then.clone();
        let old: Vec<Block> = self.blocks.clone();
        self.rebuild(root, &ways, |graph, id, made| {
            let Block { step, yes, no } = old[id as usize];
            let at = |list: &[BlockId]| (list[yes as usize], list[no as usize]);
            let here = changes(step);
            let ((yes, no), (other_yes, other_no)) = (at(&then), at(&other));
            then[id as usize] = match step {
                Step::Test(test) if here => graph.decided(header.changed(test), yes, no),
                _ => graph.remake(step, yes, no, true),
            };
            other[id as usize] = graph.remake(step, other_yes, other_no, true);
            let (made_yes, made_no) = at(made);
            Some(if here {
                let test = Test {
                    value: header.first,
                    mask: u32::MAX,
                    cmp: Cmp::Eq,
                    rhs: Rhs::Const(FIRST_BYTE),
                };
                let (plain, general) = (then[id as usize], other[id as usize]);
                // Where the copies are equal, nothing is loaded from behind the header.
                graph.add(Block { step: Step::Test(test), yes: plain, no: general })
            } else {
                graph.remake(step, made_yes, made_no, true)
            })
        })
    }
}
