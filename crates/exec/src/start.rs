//! Where runs of code start.

use crate::call::Function;
use crate::compiled::Compiled;
use skep_isa::Pc;
use skep_jit::{Entry, FRAME};
use skep_vm::CodePlace;

/// How a function of a program is entered from outside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// What to call.
    pub(crate) function: Function,
    /// What that calls in turn ([`Env::target`](skep_jit::Env::target)).
    pub(crate) target: u64,
    /// What it finds above the frame pointer of the function that is entered ([`Env::stack`](skep_jit::Env::stack)).
    pub(crate) above: u64,
    /// Frames that it needs at most.
    pub(crate) frames: u32,
}

impl Compiled {
    /// That of a program's main function for which the stack begins, or of any below others. `None` if there is no
    /// such function.
    #[inline]
    pub(crate) fn start(&self, at: CodePlace, is_main: bool) -> Option<Start> {
        match self.first {
            first @ Some(_) if is_main && at.prog == 0 => first,
            _ => self.find_start(at, is_main),
        }
    }

    /// The same for the first program, which most runs start with: it is looked up once.
    pub(crate) fn find_first(&self) -> Option<Start> {
        self.find_start(CodePlace { prog: 0, pc: Pc(0) }, true)
    }

    fn find_start(&self, at: CodePlace, is_main: bool) -> Option<Start> {
        let entered = self.progs.get(at.prog)?;
        let by_enter = !is_main || entered.code().entry == Entry::AsFunction;
        let target = entered.address(entered.code().position(at.pc)?)?;
        // Functions go down by a frame themselves.
        let above = if is_main && by_enter { FRAME.unsigned_abs().into() } else { 0 };
        Some(Start {
            function: entered.function(by_enter)?,
            target: target.as_ptr().expose_provenance() as u64,
            above,
            frames: self.frames(at)?,
        })
    }
}
