//! A way of its own for IPv4 headers of 20 bytes, which nearly all are.
//!
//! What stands behind an IPv4 header is loaded from `4*([14]&0xf)` bytes further on. In the kernel such a load is a
//! call, one at a constant place a few instructions. So, where a way first comes to such a load, the header's first byte is
//! compared with 0x45, and a copy of what follows has constant places. That byte is what the other way loads first, too, so the same
//! packets are too short.
//!
//! Where the Ethernet type stands right before the header, one load tells both, and decides all that is asked about the type
//! besides. It goes first, and so would reject packets that are too short for it; that is right if no shorter packet is
//! accepted anyway. For the same reason protocol and fragment offset are one load.

use super::{ACCEPT, Block, BlockId, Graph, REJECT, Step};
use crate::form::{Cmp, Rhs, Test, Value, ValueId, compare};
use crate::implies::Fact;
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

/// The Ethernet type of IPv4.
const ETHERTYPE: u32 = 0x0800;
/// Type, first byte of the header, and the byte after that.
const KIND_AND_FIRST: (u32, u32) = (0xffff_ff00, ETHERTYPE << 16 | FIRST_BYTE << 8);
/// The bits of the fragment offset.
const FRAGMENT: u32 = 0x1fff;

/// An IPv4 header at a constant place, and what values are if it has 20 bytes.
#[derive(Debug)]
pub(crate) struct PlainHeader {
    at: u32,
    /// Its first byte.
    first: ValueId,
    /// The two bytes before it, and these with it and one more, if there are such.
    kind: Option<(ValueId, ValueId)>,
    /// Protocol, fragment offset, and both with the byte between.
    protocol: ValueId,
    fragment: ValueId,
    both: ValueId,
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
        // What the small program leaves out, the fast one does, too.
        let overlap = self.values.overlap();
        let headers = places.into_iter().map(|at| self.plain_header(at, count)).collect();
        self.values.restore_overlap(overlap);
        headers
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
        let kind =
            at.checked_sub(2).map(|at| (values.load_at(Size::H, at), values.load_at(Size::W, at)));
        let protocol = values.load_at(Size::B, at.wrapping_add(9));
        let fragment = values.load_at(Size::H, at.wrapping_add(6));
        let both = values.load_at(Size::W, at.wrapping_add(6));
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
        PlainHeader { at, first, kind, protocol, fragment, both, then }
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

    /// What is known where the header is plain.
    fn facts(&self, early: Option<ValueId>) -> Vec<Fact> {
        let is = |value, number| {
            let test = Test { value, mask: u32::MAX, cmp: Cmp::Eq, rhs: Rhs::Const(number) };
            Fact { test, holds: true }
        };
        let kind = self.kind.filter(|_| early.is_some()).map(|(kind, _)| is(kind, ETHERTYPE));
        [is(self.first, FIRST_BYTE)].into_iter().chain(kind).collect()
    }

    /// Whether only one test is about the protocol, so that it is in no register before.
    fn tests_protocol_once(&self, old: &[Block], reached: &[BlockId]) -> bool {
        let is_test = |&&id: &&BlockId| matches!(old[id as usize].step, Step::Test(test) if test.value == self.protocol);
        reached.iter().filter(is_test).count() == 1
    }

    /// A test of the protocol and the test after it that the packet is no later fragment as one, and where that leads.
    fn joined(&self, test: &Test, next: Block, no: BlockId) -> Option<(Test, BlockId)> {
        let Test { value, mask: u32::MAX, cmp: Cmp::Eq, rhs: Rhs::Const(protocol) } = *test else {
            return None;
        };
        let Step::Test(Test { value: second, mask: FRAGMENT, cmp: Cmp::Eq, rhs: Rhs::Const(0) }) =
            next.step
        else {
            return None;
        };
        let mask = FRAGMENT << 16 | 0xff;
        let test = Test { value: self.both, mask, cmp: Cmp::Eq, rhs: Rhs::Const(protocol) };
        (value == self.protocol && second == self.fragment && next.no == no)
            .then_some((test, next.yes))
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

    /// The value that tells type and header at once, if asking for it first changes nothing: if the type is asked for
    /// anyway, and no packet that is too short for it is accepted.
    fn early(
        &self,
        old: &[Block],
        root: BlockId,
        reached: &[BlockId],
        header: &PlainHeader,
    ) -> Option<ValueId> {
        let (kind, both) = header.kind?;
        let asks = |block: &Block| match block.step {
            Step::Test(Test {
                value,
                mask: u32::MAX,
                cmp: Cmp::Eq,
                rhs: Rhs::Const(ETHERTYPE),
            }) => value == kind,
            _ => false,
        };
        // The least length of what is accepted from each block on.
        let mut least = vec![0; root as usize + 1];
        least[REJECT as usize] = u32::MAX;
        for &id in reached {
            let Block { step, yes, no } = old[id as usize];
            let end = match step {
                Step::Test(test) => self.end(test.value).unwrap_or(0),
                _ => 0,
            };
            least[id as usize] = end.max(least[yes as usize].min(least[no as usize]));
        }
        let is_asked = reached.iter().any(|&id| asks(&old[id as usize]));
        (is_asked && least[root as usize] >= header.at.saturating_add(2)).then_some(both)
    }

    fn specialise_for(&mut self, root: BlockId, header: &PlainHeader) -> BlockId {
        let changes = |step: Step| matches!(step, Step::Test(test) if header.changes(&test));
        let ways = self.ways(root);
        let reached: Vec<BlockId> =
            (ACCEPT + 1..=root).filter(|&id| ways[id as usize] > 0).collect();
        self.memory.counts = ways;
        if reached.len() > MOST || !reached.iter().any(|&id| changes(self.blocks[id as usize].step))
        {
            return root;
        }
        let old = self.clear();
        // Where it is known that the header is not plain, where it is known that it is, and where neither is; one
        // after the other, so that the blocks of a way stand together, and go on to each other without jumps.
        let mut other: Vec<BlockId> = (0..=root).collect();
        for &id in &reached {
            let Block { step, yes, no } = old[id as usize];
            other[id as usize] = self.remake(step, other[yes as usize], other[no as usize], true);
        }
        let early = self.early(&old, root, &reached, header);
        let facts = header.facts(early);
        let one_load = header.tests_protocol_once(&old, &reached);
        let mut then: Vec<BlockId> = (0..=root).collect();
        for &id in &reached {
            let Block { step, yes, no } = old[id as usize];
            let (yes, no) = (then[yes as usize], then[no as usize]);
            then[id as usize] = match step {
                Step::Test(test) => match facts.iter().find_map(|fact| fact.decides(&test)) {
                    Some(true) => yes,
                    Some(false) => no,
                    None if changes(step) => self.decided(header.changed(test), yes, no),
                    None => match header.joined(&test, self.block(yes), no).filter(|_| one_load) {
                        Some((test, yes)) => self.decided(test, yes, no),
                        None => self.remake(step, yes, no, true),
                    },
                },
                _ => self.remake(step, yes, no, true),
            };
        }
        if let Some(value) = early {
            let (mask, number) = KIND_AND_FIRST;
            let step = Step::Test(Test { value, mask, cmp: Cmp::Eq, rhs: Rhs::Const(number) });
            let (yes, no) = (then[root as usize], other[root as usize]);
            return self.add(Block { step, yes, no });
        }
        let mut made: Vec<BlockId> = (0..=root).collect();
        for &id in &reached {
            let Block { step, yes, no } = old[id as usize];
            made[id as usize] = if changes(step) {
                let (value, rhs) = (header.first, Rhs::Const(FIRST_BYTE));
                let step = Step::Test(Test { value, mask: u32::MAX, cmp: Cmp::Eq, rhs });
                self.add(Block { step, yes: then[id as usize], no: other[id as usize] })
            } else {
                self.remake(step, made[yes as usize], made[no as usize], true)
            };
        }
        made[root as usize]
    }
}
