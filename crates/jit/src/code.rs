//! What compilation gives, and why it may not.

use crate::shape::Shape;
use alloc::vec::Vec;
use skep_isa::Pc;
use skep_x64::FixupError;

/// How the program's main function is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// As `extern "C" fn(r1, r2, r3, r4, r5, &mut Env) -> r0`. Of the environment the code reads at most
    /// [`Env::stack`](crate::Env::stack), and nothing if the program has no stack.
    Direct,
    /// The same, but the environment must be complete.
    WithEnv,
    /// By [`Code::enter`] only, as a function: some program replaces another here.
    AsFunction,
}

impl Entry {
    /// How a program of this shape is entered.
    pub(crate) fn of(shape: &Shape, has_tail_calls: bool) -> Self {
        let main_is_called = shape.functions.first().is_some_and(|main| main.called);
        if has_tail_calls || main_is_called {
            Self::AsFunction
        } else if shape.env {
            Self::WithEnv
        } else {
            Self::Direct
        }
    }
}

/// Machine code of one program, and how to use it.
#[derive(Clone, Debug)]
pub struct Code {
    /// The instructions, position-independent.
    pub bytes: Vec<u8>,
    /// How the first byte is entered, where the main function begins.
    pub entry: Entry,
    /// Position of what enters the function at [`Env::target`](crate::Env::target), with the signature of
    /// [`Entry::Direct`]; callbacks of helpers are entered by it.
    pub enter: Option<u32>,
    /// Native position of each slot, and last the end of the last instruction. The second slot of `lddw` has
    /// that of the first; instructions that became one are all at its position.
    pub at: Vec<u32>,
    /// The accesses that remember what they have found ([`Check`](crate::Check)), ascending; empty in code that
    /// does not check.
    pub checks: Vec<Checked>,
}

/// An access that remembers what it has found, or one of the two of a call that copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The instruction.
    pub pc: Pc,
    /// How many bytes its check is for: its own, or those of all accesses that it is checked for.
    pub bytes: u32,
}

impl Code {
    /// Native position of an instruction: of a function, if the instruction is its first.
    #[must_use]
    pub fn position(&self, pc: Pc) -> Option<u32> {
        self.at.get(pc.index()).copied()
    }

    /// The instruction that a native position belongs to; `None` for code that belongs to none.
    #[must_use]
    pub fn pc(&self, at: u32) -> Option<Pc> {
        let next = self.at.partition_point(|&start| start <= at);
        // What is behind the last position is no instruction's, and neither is what is before the first.
        let slot = next.checked_sub(1).filter(|_| next < self.at.len())?;
        u32::try_from(slot).ok().map(Pc)
    }
}

/// Where slots are, from the labels of slots and, behind them, of functions.
pub(crate) fn positions(shape: &Shape, mut labels: Vec<u32>, slots: usize, end: u32) -> Vec<u32> {
    for (n, function) in shape.functions.iter().enumerate() {
        let entry = labels.get(slots + n).copied();
        if let (Some(slot), Some(entry)) = (labels.get_mut(function.start as usize), entry) {
            *slot = entry;
        }
    }
    labels.truncate(slots);
    labels.push(end);
    labels
}

/// Why there is no code for a program; nothing is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// Control leaves the program or one of its functions.
    #[error("insn {pc}: control leaves the function")]
    Flow {
        /// Where.
        pc: Pc,
    },
    /// An instruction or what it refers to is not compiled.
    #[error("insn {pc}: {what}")]
    Unsupported {
        /// Where.
        pc: Pc,
        /// What.
        what: &'static str,
    },
    /// Its code would be longer than branches reach.
    #[error("the code is longer than branches reach")]
    TooLong,
    /// The code does not hold together; a bug.
    #[error("bug: {0}")]
    Fixup(#[from] FixupError),
    /// The same, on AArch64.
    #[error("bug: {0}")]
    Branch(#[from] skep_a64::FixupError),
}
