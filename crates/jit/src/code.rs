//! What compilation gives, and why it may not.

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
    /// The code does not hold together; a bug.
    #[error("bug: {0}")]
    Fixup(#[from] FixupError),
}
