//! An assembler for AArch64: one method an operation, in the fewest instructions for its operands.
//!
//! It knows no BPF, and nothing of where the code will lie: code is position-independent, and branches go to
//! [`Label`]s. What is asked for is emitted at once; branches ahead are filled in by [`Assembler::finish`].
//!
//! Where no instruction has an immediate or a distance, the number goes through [`Gpr::X16`], which is the
//! assembler's own, as it is the linker's.
//!
//! ```
//! use skep_a64::{Assembler, Gpr};
//!
//! let mut asm = Assembler::new();
//! asm.mov_imm(Gpr::X0, 2);
//! asm.ret();
//! assert_eq!(asm.finish().unwrap(), [0x40, 0, 0x80, 0x52, 0xc0, 3, 0x5f, 0xd6]);
//! ```
//!
//! Start reading at [`Assembler`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod arith;
mod branch;
mod buffer;
mod immediate;
mod memory;
mod operand;
mod vector;

pub use branch::Reach;
pub use buffer::{Assembler, FixupError, Label};
pub use operand::{Add, Cond, Divide, Gpr, Logic, Mem, MemSize, Move, Rmw, Shift, Width};
pub use vector::{Lanes, Vector};
