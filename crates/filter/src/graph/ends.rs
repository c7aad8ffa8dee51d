//! Where loads end, and so how long packets are that they do not reject.

use super::{Block, BlockId, Graph, Step};
use crate::form::{Rhs, Test, Value, ValueId, Values};
use skep_cbpf::{AluOp, Size};

impl Graph<'_> {
    /// The bytes that a packet has at least which is accepted from a block on. Few ask, so it is computed for them.
    pub(crate) fn needed(&mut self, block: BlockId) -> u32 {
        for id in self.needs.len()..=block as usize {
            let need = self.blocks.get(id).map_or(0, |block| self.need(block));
            self.needs.push(need);
        }
        self.needs[block as usize]
    }

    /// What [`Graph::needs`] says of a block that leads to those that it is known of.
    fn need(&self, block: &Block) -> u32 {
        let after = self.needs[block.yes as usize].min(self.needs[block.no as usize]);
        let Step::Test(Test { value, rhs, .. }) = block.step else { return after };
        let rhs = match rhs {
            Rhs::Value(rhs) => self.least(rhs),
            Rhs::Const(_) => 0,
        };
        after.max(self.least(value)).max(rhs)
    }

    /// The bytes that a packet has at least of which the value is computed.
    pub(super) fn least(&self, mut value: ValueId) -> u32 {
        let mut behind = 0;
        let end = loop {
            match self.values.get(value) {
                Value::Ind(size, base, off) => {
                    behind = behind.max(self.end_at_least(size, base, off));
                    value = base;
                }
                Value::Neg(base) | Value::Member(_, base) => value = base,
                Value::Alu(_, left, right) => {
                    // Nested no deeper than parentheses.
                    behind = behind.max(self.least(right));
                    value = left;
                }
                _ => break self.end(value),
            }
        };
        behind.max(end.unwrap_or(0))
    }

    /// The byte that a load behind a header does not end before.
    fn end_at_least(&self, size: Size, base: ValueId, off: u32) -> u32 {
        let is_near = is_near(self.values, base, off);
        if is_near { off.saturating_add(size.bytes().into()) } else { 0 }
    }

    /// The byte that what the value is loaded from ends before or at, if there is one.
    pub(super) fn end_at_most(&self, value: ValueId) -> Option<u32> {
        /// Bytes of the longest IPv4 header.
        const LONGEST: u32 = 60;
        match self.values.get(value) {
            Value::Ind(size, base, off) => match self.values.get(base) {
                Value::Msh(at) if is_near(self.values, base, off) => {
                    let end = off + LONGEST + u32::from(size.bytes());
                    Some(end.max(at.saturating_add(1)))
                }
                _ => None,
            },
            _ => self.end(value),
        }
    }

    /// The byte behind the last one that the value is loaded from, if the place is constant.
    pub(crate) fn end(&self, value: ValueId) -> Option<u32> {
        match self.values.get(value) {
            Value::Abs(size, at) => Some(at.saturating_add(size.bytes().into())),
            Value::Msh(at) => Some(at.saturating_add(1)),
            _ => None,
        }
    }
}

/// Whether a place is so near behind a header that it does not wrap.
///
/// The header begins behind a few others, whose lengths have 16 bits, and is of at most 60 bytes if it is its own length
/// that is counted from.
pub(super) fn is_near(values: &Values, base: ValueId, off: u32) -> bool {
    let is_place = match values.get(base) {
        Value::Alu(AluOp::Add, left, right) => is_length(values, left) && is_length(values, right),
        Value::Msh(_) | Value::Cell(_) => true,
        _ => false,
    };
    off <= FAR && is_place
}

/// What is near.
const FAR: u32 = u16::MAX as u32;

/// Whether a value is a length, or a place that some lengths lead to.
fn is_length(values: &Values, id: ValueId) -> bool {
    match values.get(id) {
        Value::Msh(_) | Value::Cell(_) => true,
        _ => values.most(id) <= FAR,
    }
}

/// Whether a load ends no earlier than another one behind the same header, or one before, so that it rejects where that
/// does.
pub(super) fn ends_behind(values: &Values, later: ValueId, id: ValueId) -> bool {
    let (Value::Ind(size, base, off), Value::Ind(other_size, other_base, other)) =
        (values.get(id), values.get(later))
    else {
        return false;
    };
    let end = |off: u32, size: Size| off.saturating_add(size.bytes().into());
    // What begins a length behind a header is behind it as well.
    let is_behind = || {
        let Value::Alu(AluOp::Add, left, right) = values.get(other_base) else { return false };
        left == base && is_length(values, right) || right == base && is_length(values, left)
    };
    (base == other_base || is_behind())
        && end(other, other_size) >= end(off, size)
        && is_near(values, base, off)
        && is_near(values, base, other)
}
