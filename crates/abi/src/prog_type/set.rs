//! Sets of program types.

use crate::ProgType;

/// A set of program types.
///
/// Extensions (`ext`) are in none: they may do what the program may that they replace a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgTypes(u64);

impl ProgTypes {
    pub(crate) const fn of(bits: u64) -> Self {
        Self(bits)
    }

    /// Whether it holds this one.
    #[must_use]
    pub const fn contains(self, prog_type: ProgType) -> bool {
        self.0 >> prog_type.number() & 1 == 1
    }

    /// By number.
    pub fn iter(self) -> impl Iterator<Item = ProgType> {
        ProgType::ALL.iter().copied().filter(move |&prog_type| self.contains(prog_type))
    }
}
