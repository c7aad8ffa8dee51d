//! Programs to text.

mod c_like;
mod image;
mod list;
mod mnemonic;
mod name;
mod operand;

pub use image::{PrintOptions, print};
pub use list::{ListOptions, list};

use operand::Operands;
use skep_isa::Insn;
use skep_prog::MapDef;

/// How instructions are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// As llvm-objdump writes: `r0 = *(u32 *)(r1 + 0x4)`.
    #[default]
    CLike,
    /// As uBPF and the conformance files write: `ldxw %r0, [%r1+4]`.
    Mnemonic,
}

/// One instruction as text that [`parse`](crate::parse) reads, jumps and calls as offsets. Maps that
/// it refers to by index are named if they are among `maps`.
///
/// ```
/// use skep_asm::{Dialect, print_insn};
/// use skep_isa::{Insn, Reg, Size};
///
/// let load = Insn::Load { size: Size::W, dst: Reg::R0, base: Reg::R1, off: 4 };
/// assert_eq!(print_insn(&load, Dialect::CLike, &[]), "r0 = *(u32 *)(r1 + 0x4)");
/// assert_eq!(print_insn(&load, Dialect::Mnemonic, &[]), "ldxw %r0, [%r1+4]");
/// ```
#[must_use]
pub fn print_insn(insn: &Insn, dialect: Dialect, maps: &[MapDef]) -> String {
    insn_text(insn, &Operands { dialect, maps, labels: None })
}

fn insn_text(insn: &Insn, operands: &Operands<'_>) -> String {
    match operands.dialect {
        Dialect::CLike => c_like::insn(insn, operands),
        Dialect::Mnemonic => mnemonic::insn(insn, operands),
    }
}
