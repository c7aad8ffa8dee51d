//! Which ways conditional jumps go.
//!
//! What a state knows of a number holds for the paths that the search follows, and not for all that there are: a path ends
//! where a remembered state covers it, and a number that does not matter behind there need not be in that state's range.
//! So nothing may be built on ranges of states as such. Which way a jump goes is another matter: where operands decide it, the
//! numbers among them are marked precise, all the way back to where they come from, so that a state covers only those
//! whose numbers lie in the same ranges and decide it as well. That is what the kernel builds on when it takes out code that no
//! path has come to; a way that no path has gone is no different from a way over an instruction that none has come to.
//!
//! Kernel: `is_branch_taken`, `mark_chain_precision`, `opt_hard_wire_dead_code_branches`.

/// The ways that paths have gone on from a conditional jump, other than those that only a guess of the processor takes, as
/// bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ways(u8);

impl Ways {
    const FALLS: u8 = 1;
    const JUMPS: u8 = 2;

    /// Both.
    pub(crate) const ALL: Self = Self(Self::FALLS | Self::JUMPS);

    /// A path goes on by the jump, or by the next instruction.
    pub(crate) const fn note(&mut self, jumps: bool) {
        self.0 |= if jumps { Self::JUMPS } else { Self::FALLS };
    }

    /// Whether all paths jump, or none does, where all go the same way.
    pub(crate) const fn only(self) -> Option<bool> {
        match self.0 {
            Self::FALLS => Some(false),
            Self::JUMPS => Some(true),
            _ => None,
        }
    }
}
