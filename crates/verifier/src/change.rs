//! What releases decide in different ways, each with the release that changed it.
//!
//! Without a mark, a rule is that of all releases that the tables of `skep-abi` know.

use crate::verifier::Verifier;
use skep_abi::Release;

/// A change of what the verifier does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Numbers are followed through negation and byte order, and closer through sums and products. It came
    /// with several releases, none of them one that is supported for long.
    Arithmetic,
    /// What is held at the end of a program is told together with what the program tried to do.
    LeakWords,
    /// An array's value at a constant key within bounds is not null.
    ConstantKeys,
    /// Functions that do not return are not to be attached to where they would.
    NoReturn,
    /// Global functions may be called where preemption is disabled, unless they may sleep.
    SleepSummaries,
    /// What only a mispredicting CPU does wrong is prevented by a barrier, and no more refused.
    SpeculationBarriers,
    /// Buffers and sockets of `AF_XDP` are known not to be null once they were compared; and what equals a pointer
    /// is not null only if that is known of the pointer.
    NullOfBuffers,
    /// Objects that kernel functions return are trusted by themselves, and not only because they are held.
    TrustedResults,
}

impl Change {
    /// The first release that has it.
    const fn since(self) -> Release {
        let (major, minor) = match self {
            Self::Arithmetic => (6, 18),
            Self::LeakWords => (6, 13),
            Self::ConstantKeys => (6, 14),
            Self::SleepSummaries => (6, 15),
            Self::NoReturn => (6, 16),
            Self::SpeculationBarriers => (6, 17),
            Self::NullOfBuffers | Self::TrustedResults => (7, 0),
        };
        Release { major, minor }
    }

    /// Older releases that were given it, as far as they are followed.
    const fn backports(self) -> &'static [Release] {
        match self {
            Self::NullOfBuffers => &[Release { major: 6, minor: 12 }],
            _ => &[],
        }
    }
}

impl Verifier<'_> {
    /// Whether the kernel has a change.
    pub(crate) fn has(&self, change: Change) -> bool {
        self.is_since(change.since()) || change.backports().contains(&self.env.kernel.release)
    }
}
