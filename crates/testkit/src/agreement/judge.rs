//! The other opinion.

use crate::agreement::{Mode, Subject};
use std::time::Duration;

/// What the verifier of this workspace says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are glossary terms")]
pub enum Ours {
    /// The program may run.
    Accepted { processed: u64 },
    /// It may not.
    Rejected { insn: Option<u32>, rule: String, message: String, kernel_message: String },
    /// Something that is not modelled.
    Unsupported { insn: Option<u32>, what: String },
    /// A bug: it panicked.
    Panic { message: String },
    /// It took longer than the limit.
    Timeout,
}

impl Ours {
    /// In one word.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Rejected { .. } => "rejected",
            Self::Unsupported { .. } => "unsupported",
            Self::Panic { .. } => "panic",
            Self::Timeout => "timeout",
        }
    }
}

/// An opinion and how long it took.
#[derive(Clone, Debug)]
pub struct Timed {
    /// What came of it.
    pub ours: Ours,
    /// How long.
    pub took: Duration,
}

/// Whoever has an opinion about programs.
pub trait Judge: Send + Sync {
    /// Decides about one program.
    fn judge(&self, subject: &Subject, mode: Mode) -> Ours;

    /// A log in the kernel's format, where there is one.
    fn log(&self, subject: &Subject, mode: Mode) -> Option<String>;
}
