//! Entering code.

use crate::compiled::CodeOptions;
use crate::memory::ExecMemory;
use crate::processor::{Features, compile_native};
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use skep_isa::{Call, ImmSrc, Pc};
use skep_jit::{Access, Callee, Code, CompileError, Entry, Env, Style, Surroundings};
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
    pub fn new(mut code: Code) -> io::Result<Self> {
        // It has grown to what it might have needed.
        code.bytes.shrink_to_fit();
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
/// functions. There is no packet, nothing behind pointers of the kernel, and always more instructions where they are
/// counted.
#[derive(Debug)]
pub struct Bare {
    entered: Entered,
    function: Function,
    has_env: bool,
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
    /// It has no entry.
    #[error("the program has no entry")]
    Entry,
}

impl Bare {
    /// Compiles the program.
    ///
    /// # Errors
    /// [`BareError`], also if the program calls an interpreter's helper.
    ///
    /// # Safety
    /// Nothing checks what the program does. It must come to an end, touch only what its arguments and its
    /// own stack of 512 bytes a function allow it to, and call functions as they expect.
    pub unsafe fn new(
        prog: &Prog,
        outside: &dyn Surroundings,
        features: Features,
        options: CodeOptions,
    ) -> Result<Self, BareError> {
        let alone = Alone { outside, style: options.style() };
        let code = compile_native(prog, &alone, features, options.optimised)?;
        let entered = Entered::new(code)?;
        let by_enter = entered.code.entry == Entry::AsFunction;
        let function = entered.function(by_enter).ok_or(BareError::Entry)?;
        let has_env = entered.code.entry != Entry::Direct;
        Ok(Self { entered, function, has_env })
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
        // SAFETY: the caller says so.
        unsafe { self.run_counted(args, stack) }.0
    }

    /// The same, with the instructions that were executed; 0 where they are not counted.
    ///
    /// # Safety
    /// As [`Bare::run`].
    #[inline]
    pub unsafe fn run_counted(&self, args: [u64; 5], stack: &mut [u8]) -> (u64, u64) {
        let top = stack.as_mut_ptr_range().end.expose_provenance() as u64;
        let [r1, r2, r3, r4, r5] = args;
        if !self.has_env {
            // Such code reads nothing else, and to clear the rest takes longer than a short program.
            let mut env = MaybeUninit::<Env>::uninit();
            // SAFETY: a place inside of a variable that is there; nothing is read.
            let place = unsafe { &raw mut (*env.as_mut_ptr()).stack };
            // SAFETY: as above, and nobody else knows of the variable.
            unsafe { place.write(top) };
            return ((self.function)(r1, r2, r3, r4, r5, env.as_mut_ptr()), 0);
        }
        let env =
            Env { stack: top, access: alone as *const () as u64, meter: SLICE, ..Env::default() };
        let mut lonely = Lonely { env, given: SLICE };
        let env = &mut lonely.env;
        if self.entered.code.entry == Entry::AsFunction {
            let main = self.entered.address(self.entered.code.at.first().copied().unwrap_or(0));
            env.target = main.map_or(0, |main| main.as_ptr().expose_provenance() as u64);
            env.stack += skep_jit::FRAME.unsigned_abs() as u64;
        }
        let r0 = (self.function)(r1, r2, r3, r4, r5, (&raw mut lonely).cast());
        (r0, lonely.given.wrapping_sub(lonely.env.meter))
    }
}

/// Instructions that a [`Bare`] program gets at once.
const SLICE: u64 = 1 << 16;

/// The environment of a [`Bare`] program.
#[repr(C)]
struct Lonely {
    /// First, so that its address is that of the whole.
    env: Env,
    /// Instructions given so far.
    given: u64,
}

/// What code calls for an access that is not plain.
extern "C" fn alone(env: NonNull<Env>, _: u64, kind: u64, _: u64) -> u64 {
    // SAFETY: the code hands on what `run` gave it: the first member of a larger whole, which `run` does not touch
    // meanwhile.
    let Lonely { env, given } = unsafe { env.cast::<Lonely>().as_mut() };
    match Env::parts(kind).0 {
        Env::METER => {
            env.meter = env.meter.wrapping_add(SLICE);
            *given += SLICE;
        }
        Env::PACKET => env.miss = 1,
        _ => {}
    }
    0
}

/// Surroundings that lead nowhere else.
struct Alone<'a> {
    outside: &'a dyn Surroundings,
    style: Style,
}

impl Surroundings for Alone<'_> {
    fn imm(&self, pc: Pc, imm: ImmSrc) -> Result<u64, &'static str> {
        self.outside.imm(pc, imm)
    }

    fn call(&self, pc: Pc, call: Call) -> Result<Callee, &'static str> {
        match self.outside.call(pc, call)? {
            Callee::Bridge(_)
            | Callee::TailCall { .. }
            | Callee::Probe(_)
            | Callee::Loop(_)
            | Callee::Each(..) => Err("a call of an interpreter's helper"),
            callee => Ok(callee),
        }
    }

    fn access(&self, pc: Pc) -> Access {
        match self.outside.access(pc) {
            // Nothing is ever found.
            Access::Probed { .. } => Access::Bridged,
            access => access,
        }
    }

    fn has_tail_calls(&self) -> bool {
        self.outside.has_tail_calls()
    }

    fn number(&self) -> u32 {
        self.outside.number()
    }

    fn style(&self) -> Style {
        self.style
    }

    fn zeroes_stack(&self) -> bool {
        self.outside.zeroes_stack()
    }
}
