//! The other opinion.

use crate::agreement::{Mode, Subject, Target, Verifier};
use skep_isa::SlotError;
use skep_prog::Prog;
use skep_verifier::kernel_on_encoding;
use std::error::Error as _;
use std::sync::Arc;
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

impl Ours {
    /// About what is no program at all: whoever reads instructions refuses it before anybody verifies it.
    #[must_use]
    pub fn undecoded(why: &SlotError) -> Self {
        let (insn, kernel_message) = match why {
            SlotError::Insn { pc, source } => (Some(pc.0), kernel_on_encoding(source)),
            _ => (None, String::new()),
        };
        let message =
            why.source().map_or_else(|| why.to_string(), |cause| format!("{why}: {cause}"));
        Self::Rejected { insn, rule: "decode".into(), message, kernel_message }
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

/// The verifier of this workspace, for the kernel that `target` describes.
#[must_use]
pub fn ours(target: &Target) -> Option<Arc<dyn Judge>> {
    Some(Arc::new(Verifier::new(target)))
}

/// Whoever has an opinion about programs.
pub trait Judge: Send + Sync {
    /// Decides about a program in the place of the subject's: the same maps, types, flags and target.
    fn judge(&self, subject: &Subject, prog: &Prog, mode: Mode) -> Ours;

    /// A log in the kernel's format, where there is one.
    fn log(&self, subject: &Subject, prog: &Prog, mode: Mode) -> Option<String>;
}
