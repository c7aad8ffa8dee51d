//! What registers and cells hold between blocks.

use crate::form::{Cell, ValueId};

/// No value, and no cell.
pub(super) const NO_VALUE: ValueId = ValueId::MAX;
pub(super) const NO_CELL: Cell = Cell::MAX;

/// What the registers hold, where that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// The value in `A`, and the mask on it.
    pub(super) a: ValueId,
    pub(super) mask: u32,
    pub(super) x: ValueId,
    /// A cell, and the value that it has.
    pub(super) cell: Cell,
    pub(super) constant: u32,
    is_nowhere: bool,
}

impl State {
    pub(super) const NOTHING: Self = Self {
        a: NO_VALUE,
        mask: u32::MAX,
        x: NO_VALUE,
        cell: NO_CELL,
        constant: 0,
        is_nowhere: false,
    };
    /// Where no way leads.
    pub(super) const NOWHERE: Self = Self { is_nowhere: true, ..Self::NOTHING };

    pub(super) const fn is_nowhere(&self) -> bool {
        self.is_nowhere
    }

    /// One more way leads here, with what holds on it.
    pub(super) fn meet(&mut self, other: &Self) {
        if self.is_nowhere {
            *self = *other;
            return;
        }
        if (self.a, self.mask) != (other.a, other.mask) {
            self.a = NO_VALUE;
        }
        if self.x != other.x {
            self.x = NO_VALUE;
        }
        if (self.cell, self.constant) != (other.cell, other.constant) {
            self.cell = NO_CELL;
        }
    }

    /// Whether the value is in `A`, with the mask on it.
    pub(super) const fn has(&self, id: ValueId, mask: u32) -> bool {
        self.a == id && self.mask == mask
    }

    /// `A` has the value now, with the mask on it.
    pub(super) const fn put(&mut self, id: ValueId, mask: u32) {
        (self.a, self.mask) = (id, mask);
    }

    /// What the cell has, if that is a known constant.
    pub(super) fn constant(&self, cell: Cell) -> Option<u32> {
        (self.cell == cell && cell != NO_CELL).then_some(self.constant)
    }
}
