//! Entering code.

use crate::memory::ExecMemory;
use crate::processor::{Features, native};
use core::ptr::NonNull;
use skep_jit::{Code, CompileError, Entry, Env, Surroundings};
use skep_prog::Prog;
use std::io;

/// How code is entered: [`Entry::Direct`].
pub(crate) type Function = extern "C" fn(u64, u64, u64, u64, u64, *mut Env) -> u64;

/// Code of a program, and the function that enters it.
#[derive(Debug)]
pub struct Entered {
    code: Code,
    memory: ExecMemory,
}

impl Entered {
    /// Puts code into memory of its own.
    ///
    /// # Errors
    /// What the system says to the mapping.
    pub fn new(code: Code) -> io::Result<Self> {
        Ok(Self { memory: ExecMemory::new(&code.bytes)?, code })
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &Code {
        &self.code
    }

    /// Address of a position in the code.
    pub(crate) fn address(&self, at: u32) -> Option<NonNull<u8>> {
        self.memory.address(at)
    }

    /// What to call, for a main function or by [`Code::enter`].
    pub(crate) fn function(&self, by_enter: bool) -> Option<Function> {
        let at = if by_enter { self.code.enter? } else { 0 };
        let address = self.address(at)?;
        // SAFETY: the compiler has put a function of this type at its entries, and says where.
        Some(unsafe { core::mem::transmute::<*mut u8, Function>(address.as_ptr()) })
    }
}

/// A program without surroundings that its owner vouches for: it has no maps, and its helpers are plain C
/// functions.
#[derive(Debug)]
pub struct Bare {
    entered: Entered,
    function: Function,
}

/// Why there is no [`Bare`] program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BareError {
    /// It is not compiled.
    #[error("the program is not compiled")]
    Compile(#[from] CompileError),
    /// There is no memory for it.
    #[error("there is no memory for code")]
    Memory(#[from] io::Error),
    /// It needs an environment.
    #[error("the program needs an environment")]
    Env,
}

impl Bare {
    /// Compiles the program.
    ///
    /// # Errors
    /// [`BareError`], also if the program needs an environment.
    ///
    /// # Safety
    /// Nothing checks what the program does. It must come to an end, touch only what its arguments and its
    /// own stack of 512 bytes a function allow it to, and call functions as they expect.
    pub unsafe fn new(
        prog: &Prog,
        outside: &dyn Surroundings,
        features: Features,
    ) -> Result<Self, BareError> {
        let entered = Entered::new(native::compile(prog, outside, features)?)?;
        let by_enter = entered.code.entry == Entry::AsFunction;
        let function = entered.function(by_enter).ok_or(BareError::Env)?;
        if entered.code.entry == Entry::WithEnv {
            return Err(BareError::Env);
        }
        Ok(Self { entered, function })
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &Code {
        self.entered.code()
    }

    /// Runs the program; its stack is the end of `stack`.
    ///
    /// # Safety
    /// What [`Bare::new`] asks must hold with these arguments, and `stack` must be long enough.
    #[inline]
    pub unsafe fn run(&self, args: [u64; 5], stack: &mut [u8]) -> u64 {
        let top = stack.as_mut_ptr_range().end.expose_provenance() as u64;
        let mut env = Env { stack: top, ..Env::default() };
        if self.entered.code.entry == Entry::AsFunction {
            let main = self.entered.address(self.entered.code.at.first().copied().unwrap_or(0));
            env.target = main.map_or(0, |main| main.as_ptr().expose_provenance() as u64);
            env.stack += skep_jit::FRAME.unsigned_abs() as u64;
        }
        let [r1, r2, r3, r4, r5] = args;
        (self.function)(r1, r2, r3, r4, r5, &raw mut env)
    }
}
