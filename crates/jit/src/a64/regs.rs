//! Which host register holds which of the program's.

use skep_a64::{Gpr, MemSize};
use skep_isa::{Reg, Size, Width};

/// By number.
const OF: [Gpr; 11] = [
    Gpr::X7,
    Gpr::X0,
    Gpr::X1,
    Gpr::X2,
    Gpr::X3,
    Gpr::X4,
    Gpr::X19,
    Gpr::X20,
    Gpr::X21,
    Gpr::X22,
    Gpr::X23,
];

/// r0.
pub(super) const RESULT: Gpr = Gpr::X7;
/// r6 to r9.
pub(super) const SAVED: [Gpr; 4] = [Gpr::X19, Gpr::X20, Gpr::X21, Gpr::X22];
/// r10.
pub(super) const FRAME_POINTER: Gpr = Gpr::X23;
/// The environment.
pub(super) const ENV: Gpr = Gpr::X24;
/// What is left of the instructions, where they are counted.
pub(super) const METER: Gpr = Gpr::X25;
/// Where the environment is at entries, and where the bridge expects it.
pub(super) const ENV_ARG: Gpr = Gpr::X5;

/// Scratch.
pub(super) const S0: Gpr = Gpr::X9;
pub(super) const S1: Gpr = Gpr::X10;
pub(super) const S2: Gpr = Gpr::X11;
pub(super) const S3: Gpr = Gpr::X12;

#[inline(always)]
pub(super) const fn of(reg: Reg) -> Gpr {
    OF[reg.num() as usize]
}

#[inline(always)]
pub(super) const fn width(width: Width) -> skep_a64::Width {
    match width {
        Width::W32 => skep_a64::Width::W32,
        Width::W64 => skep_a64::Width::W64,
    }
}

#[inline(always)]
pub(super) const fn size(size: Size) -> MemSize {
    match size {
        Size::B => MemSize::B1,
        Size::H => MemSize::B2,
        Size::W => MemSize::B4,
        Size::Dw => MemSize::B8,
    }
}

/// Width of an atomic operation of a size.
#[inline(always)]
pub(super) const fn width_of(size: Size) -> skep_a64::Width {
    match size {
        Size::Dw => skep_a64::Width::W64,
        _ => skep_a64::Width::W32,
    }
}
