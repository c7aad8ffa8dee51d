//! What the compiler asks of whoever knows the machine.

use skep_isa::{Call, ImmSrc, Pc, Size};

/// Where a call of a helper or kernel function goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callee {
    /// To a C function with the program's arguments at this address.
    Function(u64),
    /// Through [`Env::bridge`](crate::Env::bridge), which gets the number.
    Bridge(u32),
    /// A tail call: as [`Callee::Bridge`], after which the program may be replaced. Where the array is known, the
    /// common case needs no bridge.
    TailCall {
        /// The number.
        id: u32,
        /// The array that r2 stands for.
        array: Option<ProgSlots>,
    },
    /// `bpf_loop` with a function that is known; what it is not made for is left to [`Callee::Bridge`].
    Loop(CallbackLoop),
    /// `bpf_for_each_map_elem` over an array and with a function that are known; what it is not made for is left to
    /// [`Callee::Bridge`].
    Each(CallbackLoop, ArrayLookup),
    /// To a helper that copies a few bytes from where there may be none.
    Probe(Probe),
    /// To an array's value, without a call.
    Array(ArrayLookup),
    /// To a C function of four of the program's arguments, this number and the environment.
    WithContext {
        /// Its address.
        function: u64,
        /// The number.
        context: u64,
    },
    /// Gives the number of the CPU, [`Env::cpu`](crate::Env::cpu).
    Cpu,
    /// Gives a constant that is known now.
    Constant(u64),
}

/// A look-up in an array: the address of a value, or null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrayLookup {
    /// Address of the first value.
    pub base: u64,
    /// Bytes between values.
    pub stride: u32,
    /// Values.
    pub len: u32,
    /// Bytes from the value for a CPU to that for the next ([`Env::cpu`](crate::Env::cpu)); 0 if it is the same for all.
    pub cpu_stride: u32,
}

/// An array of programs: words of 8 bytes, each 0 or [`ProgSlots::SET`] and the number of a program in the lower half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgSlots {
    /// Address of the first word.
    pub base: u64,
    /// Words.
    pub len: u32,
}

impl ProgSlots {
    /// What a word has beside the number of a program.
    pub const SET: u64 = 1 << 32;
}

/// Calls of a function of the program until one gives something: for `bpf_loop`, `r1` of them, each with its number and
/// `r3`; for `bpf_for_each_map_elem`, one for each entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallbackLoop {
    /// The number for the bridge.
    pub id: u32,
    /// The first slot of the function.
    pub start: Pc,
    /// Frames that it needs on the stack, its own included.
    pub frames: u32,
}

/// `bpf_probe_read` of so many bytes as are known. Where a [`Check`](crate::Check) says that they are there, code copies
/// them; else [`Callee::Bridge`] does, which may set the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The number for the bridge.
    pub id: u32,
    /// Bytes; [`Probe::is_short`].
    pub bytes: u32,
    /// The number of the check. Code that checks all its accesses numbers them itself.
    pub check: u32,
}

impl Probe {
    /// Whether code copies so many bytes itself.
    #[must_use]
    pub const fn is_short(bytes: u32) -> bool {
        bytes > 0 && bytes / 8 + (bytes % 8).count_ones() <= 6
    }

    /// Position and size of what is copied at once.
    pub(crate) fn parts(bytes: u32) -> impl Iterator<Item = (u32, Size)> {
        let mut at = 0;
        core::iter::from_fn(move || {
            let left = bytes - at;
            let (size, step) = match left {
                0 => return None,
                8.. => (Size::Dw, 8),
                4.. => (Size::W, 4),
                2.. => (Size::H, 2),
                _ => (Size::B, 1),
            };
            at += step;
            Some((at - step, size))
        })
    }
}

/// How an access to memory is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// As it stands.
    #[default]
    Plain,
    /// A load that becomes one of 8 bytes at another offset from the same base.
    Pointer {
        /// The offset.
        off: i32,
    },
    /// By [`Env::access`](crate::Env::access).
    Bridged,
    /// A load, as it stands where the [`Check`](crate::Check) of this number says that there is memory, else as
    /// [`Access::Bridged`].
    Probed {
        /// The number.
        check: u32,
    },
    /// The same, into an arena.
    Arena,
    /// Not at all: the program is not compiled.
    Refused,
}

/// What there is to choose of code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether the instructions that the program executes are to be counted and limited by
    /// [`Env::meter`](crate::Env::meter).
    pub metered: bool,
    /// What keys come from that numbers of the program are combined with, so that they do not stand in its code; they
    /// do without it. Whoever writes programs must not be able to guess it.
    pub blinding: Option<u64>,
    /// Whether calls and jumps to addresses in registers and memory are done so that the processor does not guess
    /// where they go. Without effect but on x86-64.
    pub retpolines: bool,
}

/// What surrounds a program. What is not known is refused by an error that says what.
pub trait Surroundings {
    /// The number that `lddw` loads.
    ///
    /// # Errors
    /// What it would take.
    fn imm(&self, pc: Pc, imm: ImmSrc) -> Result<u64, &'static str>;

    /// Where a call leads that is not to a function of the program.
    ///
    /// # Errors
    /// What it would take.
    fn call(&self, pc: Pc, call: Call) -> Result<Callee, &'static str>;

    /// How the instruction accesses memory.
    fn access(&self, pc: Pc) -> Access;

    /// Whether the program may replace another, or be replaced.
    fn has_tail_calls(&self) -> bool {
        false
    }

    /// Whether each function has a frame of its own, used or not, so that r10 tells how many are active: what replaces a
    /// program gets the frame of the function that it replaces, and callbacks are called below any.
    fn keeps_frames(&self) -> bool {
        self.has_tail_calls()
    }

    /// What a cast of the instruction adds to a position in an arena.
    ///
    /// # Errors
    /// What it would take.
    fn arena(&self, pc: Pc) -> Result<u64, &'static str> {
        let _ = pc;
        Err("addr_space_cast")
    }

    /// The number of the program, below 2^24, by which [`Env::access`](crate::Env::access) knows it.
    fn number(&self) -> u32 {
        0
    }

    /// What the code is to be like.
    fn style(&self) -> Style {
        Style::default()
    }

    /// Whether code checks each access, with addresses being those of regions, and calls for room on the stack.
    /// Programs that have not been verified need that.
    fn checks(&self) -> bool {
        false
    }

    /// Whether functions must find zeroes on their stack.
    fn zeroes_stack(&self) -> bool {
        false
    }
}

/// A program that stands alone: no helpers, no maps, all memory plain.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSurroundings;

impl Surroundings for NoSurroundings {
    fn imm(&self, _: Pc, imm: ImmSrc) -> Result<u64, &'static str> {
        match imm {
            ImmSrc::Value(value) => Ok(value),
            _ => Err("a reference to something outside"),
        }
    }

    fn call(&self, _: Pc, _: Call) -> Result<Callee, &'static str> {
        Err("a call of something outside")
    }

    fn access(&self, _: Pc) -> Access {
        Access::Plain
    }
}
