//! Why a program is refused, as facts.

use crate::reg::RegState;
use crate::rule::Rule;
use crate::verdict::Unsupported;
use skep_abi::Errno;
use skep_isa::Reg;

/// What ends the exploration of a program early: two words, as every step of it may end so and hardly any does.
#[derive(Clone, Debug)]
pub(crate) enum Stop {
    /// A rule is broken.
    Reject(Box<Reject>),
    /// The program uses what is not modelled; no verdict is given. The instruction is filled in at the end.
    Unsupported(Box<Unsupported>),
}

impl Stop {
    /// With one more fact.
    pub(crate) fn with_fact(mut self, fact: Fact) -> Self {
        if let Self::Reject(reject) = &mut self {
            reject.facts.push(fact);
        }
        self
    }
}

/// Result of a step.
pub(crate) type Res<T> = Result<T, Stop>;

/// A broken rule, without place and path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The rule.
    pub rule: Rule,
    /// What bpf(2) answers.
    pub errno: Errno,
    /// The kernel's own words: the last line or lines of its log.
    pub kernel: String,
    /// What is known of it.
    pub facts: Vec<Fact>,
}

/// A fact about a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact {
    /// The register in question and what is known of it.
    Reg(Reg, RegState),
    /// The frame and byte offset of the stack in question.
    Stack {
        /// Frame.
        frame: u32,
        /// Bytes from the frame pointer.
        off: i32,
    },
    /// An access: bytes `start..end` relative to the start of the memory, of which `size` bytes may be used.
    Access {
        /// First byte that may be reached.
        start: i64,
        /// After the last byte that may be reached.
        end: i64,
        /// Bytes there are.
        size: i64,
    },
    /// Index of the map in the image.
    Map(u32),
    /// The memory in question must be as large as a key or a value of this map.
    SizeOf {
        /// Index of the map in the image.
        map: u32,
        /// Whether of a key.
        key: bool,
        /// The size in bytes.
        size: u32,
    },
    /// Functions that call each other, the outermost first, with the bytes of stack that each takes.
    Stacks(Vec<(u32, u32)>),
    /// The function called, as the program names it.
    Call(String),
    /// The argument in question, 1 to 5.
    Arg(u8),
    /// What was required, in words.
    Required(String),
    /// What is wrong, where the kernel says nothing of it.
    Wrong {
        /// A clause.
        what: String,
        /// What would do; may be empty.
        remedy: String,
    },
    /// The instruction where what is missing began: an unreleased reference, a lock.
    Since(u32),
}

impl Reject {
    /// With the rule's usual error number.
    pub(crate) fn new(rule: Rule, kernel: impl Into<String>) -> Self {
        Self { rule, errno: rule.errno(), kernel: kernel.into(), facts: Vec::new() }
    }

    /// With another error number.
    pub(crate) fn errno(mut self, errno: Errno) -> Self {
        self.errno = errno;
        self
    }

    /// With one more fact.
    pub(crate) fn fact(mut self, fact: Fact) -> Self {
        self.facts.push(fact);
        self
    }

    /// As the end of a step.
    pub(crate) fn stop<T>(self) -> Res<T> {
        Err(Stop::Reject(Box::new(self)))
    }
}

impl From<Reject> for Stop {
    fn from(reject: Reject) -> Self {
        Self::Reject(Box::new(reject))
    }
}

/// Ends the step with a refusal.
pub(crate) fn reject<T>(rule: Rule, kernel: impl Into<String>) -> Res<T> {
    Reject::new(rule, kernel).stop()
}

/// Ends the exploration: what is not modelled gets no verdict.
pub(crate) fn unsupported<T>(what: impl Into<String>) -> Res<T> {
    Err(Stop::Unsupported(Box::new(Unsupported { pc: None, what: what.into() })))
}
