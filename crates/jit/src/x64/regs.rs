//! Which host register holds which of the program's.

use skep_isa::{Reg, Size, Width};
use skep_x64::{Gpr, MemSize};

/// By number; there are none above 10, and no need to look.
const OF: [Gpr; 16] = [
    Gpr::Rax,
    Gpr::Rdi,
    Gpr::Rsi,
    Gpr::Rdx,
    Gpr::Rcx,
    Gpr::R8,
    Gpr::Rbx,
    Gpr::R13,
    Gpr::R14,
    Gpr::R15,
    Gpr::Rbp,
    Gpr::R11,
    Gpr::R11,
    Gpr::R11,
    Gpr::R11,
    Gpr::R11,
];

/// What a function may have to save: r6 to r9, and in the second tier registers that have nothing else to hold.
pub(super) const SAVED: [Gpr; 6] = [Gpr::Rbx, Gpr::R13, Gpr::R14, Gpr::R15, Gpr::Rbp, Gpr::R12];
/// r10.
pub(super) const FRAME_POINTER: Gpr = Gpr::Rbp;
/// The environment.
pub(super) const ENV: Gpr = Gpr::R12;

#[inline(always)]
pub(super) const fn of(reg: Reg) -> Gpr {
    OF[reg.num() as usize & 15]
}

#[inline(always)]
pub(super) const fn width(width: Width) -> skep_x64::Width {
    match width {
        Width::W32 => skep_x64::Width::W32,
        Width::W64 => skep_x64::Width::W64,
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
pub(super) const fn width_of(size: Size) -> skep_x64::Width {
    match size {
        Size::Dw => skep_x64::Width::W64,
        _ => skep_x64::Width::W32,
    }
}
