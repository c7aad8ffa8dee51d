//! Why a run ended without a result: facts, and one line of words.

use crate::memory::Place;
use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use skep_isa::{Pc, Reg};
use skep_prog::LineInfo;

/// Why an access was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denied {
    /// Some byte lies outside the region.
    Outside,
    /// The region may not be written.
    ReadOnly,
    /// The region may not be read.
    WriteOnly,
    /// The address is in the first 64 KiB, as null pointers are.
    Null,
    /// The address belongs to no region.
    NoRegion,
    /// An atomic access must be aligned to its size.
    Unaligned,
}

/// An access that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessError {
    /// Virtual address.
    pub addr: u64,
    /// Bytes.
    pub size: usize,
    /// Whether it was a store.
    pub write: bool,
    /// Why.
    pub why: Denied,
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.write { "store" } else { "load" };
        write!(f, "{what} of {} bytes at {:#x}: {:?}", self.size, self.addr, self.why)
    }
}

impl core::error::Error for AccessError {}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The program touched memory it may not touch.
    Access {
        /// The access.
        access: AccessError,
        /// The base register and the offset added to it; `None` inside helpers.
        base: Option<(Reg, i32)>,
        /// Where the address lies, if anywhere.
        place: Option<Place>,
        /// The helper that made the access on behalf of the program.
        helper: Option<Box<str>>,
    },
    /// The instruction budget is used up.
    Budget {
        /// Instructions allowed.
        insns: u64,
    },
    /// The wall-clock deadline has passed.
    Deadline,
    /// A call would exceed the number of active functions.
    CallDepth {
        /// The limit.
        max: u32,
    },
    /// A call or jump through a register that holds no function address.
    NotAFunction {
        /// The register.
        reg: Reg,
        /// What it holds.
        value: u64,
    },
    /// A helper was given what it cannot take.
    Argument {
        /// The helper.
        helper: Box<str>,
        /// 1 to 5.
        arg: u8,
        /// What it takes.
        wants: &'static str,
        /// What it was given.
        value: u64,
    },
    /// The program threw an exception where nothing catches it: in a callback of a timer. Elsewhere it
    /// ends the run with a result.
    Thrown {
        /// What it threw.
        cookie: u64,
    },
    /// Something the user engine gives no meaning.
    Unsupported {
        /// What.
        what: String,
    },
}

/// A run that ended without a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The program.
    pub prog: String,
    /// The instruction.
    pub pc: Pc,
    /// Its source line, if the program has line information.
    pub line: Option<LineInfo>,
    /// What went wrong.
    pub kind: FaultKind,
}

impl core::error::Error for Fault {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, insn {}", self.prog, self.pc)?;
        if let Some(line) = &self.line {
            write!(f, " ({}:{})", line.file, line.line)?;
        }
        write!(f, ": {}", self.kind)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Access { access, base, place, helper } => {
                show_access(f, access, *base, place.as_ref(), helper.as_deref())
            }
            Self::Budget { insns } => write!(f, "the budget of {insns} instructions is used up"),
            Self::Deadline => f.write_str("the deadline has passed"),
            Self::CallDepth { max } => write!(f, "more than {max} functions active"),
            Self::NotAFunction { reg, value } => {
                write!(f, "{reg} holds {value:#x}, which is no function")
            }
            Self::Argument { helper, arg, wants, value } => {
                write!(f, "{helper}: argument {arg} must be {wants}, is {value:#x}")
            }
            Self::Thrown { cookie } => write!(f, "{cookie:#x} was thrown and nothing catches it"),
            Self::Unsupported { what } => write!(f, "{what}: not supported by the user engine"),
        }
    }
}

fn show_access(
    f: &mut fmt::Formatter<'_>,
    access: &AccessError,
    base: Option<(Reg, i32)>,
    place: Option<&Place>,
    helper: Option<&str>,
) -> fmt::Result {
    if let Some(helper) = helper {
        write!(f, "{helper}: ")?;
    }
    let what = if access.write { "store" } else { "load" };
    let plural = if access.size == 1 { "" } else { "s" };
    write!(f, "{what} of {} byte{plural}", access.size)?;
    if let Some((reg, off)) = base {
        let value = access.addr.wrapping_sub(i64::from(off).cast_unsigned());
        write!(f, " at {reg}{off:+}, {reg} = {value:#x}")?;
    } else {
        write!(f, " at {:#x}", access.addr)?;
    }
    match (access.why, place) {
        (Denied::Null, _) => f.write_str(": null pointer"),
        (Denied::NoRegion, _) | (_, None) => f.write_str(": no memory there"),
        (Denied::ReadOnly, Some(place)) => write!(f, ": {} is read-only", place.region),
        (Denied::WriteOnly, Some(place)) => write!(f, ": {} may not be read", place.region),
        (Denied::Unaligned, Some(_)) => f.write_str(": an atomic access must be aligned"),
        (Denied::Outside, Some(place)) => {
            let at = i64::from(place.at) - i64::from(place.lo);
            write!(f, ": byte {at} of {}, which has {}", place.region, place.len)
        }
    }
}
