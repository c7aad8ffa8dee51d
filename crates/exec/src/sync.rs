//! What AArch64 asks for between writing code and running it: its caches for data and for instructions know
//! nothing of each other.

use crate::memory::ExecMemory;
use core::arch::asm;

/// Makes code that has been written what this and other processors fetch.
pub(crate) fn instructions(code: &ExecMemory) {
    let Some(start) = code.address(0).map(|start| start.as_ptr().addr()) else { return };
    let end = start + code.len();
    let types: u64;
    // SAFETY: the register that tells the shape of caches is readable from everywhere.
    unsafe {
        asm!("mrs {}, ctr_el0", out(reg) types, options(nomem, nostack, preserves_flags));
    }
    // Words of a line, as powers of two: of instructions in bits 0 to 3, of data in bits 16 to 19.
    let line = |shift: u64| 4usize << (types >> shift & 15);
    for at in (start & !(line(16) - 1)..end).step_by(line(16)) {
        // SAFETY: the address is in a line with code, which is readable; cleaning it changes nothing.
        unsafe { asm!("dc cvau, {}", in(reg) at, options(nostack, preserves_flags)) };
    }
    // SAFETY: a barrier.
    unsafe { asm!("dsb ish", options(nostack, preserves_flags)) };
    for at in (start & !(line(0) - 1)..end).step_by(line(0)) {
        // SAFETY: as above.
        unsafe { asm!("ic ivau, {}", in(reg) at, options(nostack, preserves_flags)) };
    }
    // SAFETY: barriers.
    unsafe { asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
}
