//! An assembler for x86-64: one method an instruction, the shortest encoding of each.
//!
//! It knows no BPF, and nothing of where the code will lie: code is position-independent, and jumps go to
//! [`Label`]s. What is asked for is emitted at once; jumps ahead are filled in by [`Assembler::finish`].
//!
//! ```
//! use skep_x64::{Assembler, Gpr, Width};
//!
//! let mut asm = Assembler::new();
//! asm.mov_imm(Gpr::Rax, 2);
//! asm.ret();
//! assert_eq!(asm.finish().unwrap(), [0xb8, 2, 0, 0, 0, 0xc3]);
//! ```
//!
//! Start reading at [`Assembler`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod buffer;
mod emit;
mod operand;
mod simd;

pub use buffer::{Assembler, FixupError, Label, Reach};
pub use operand::{Alu, Bmi, Cond, Gpr, Mem, MemSize, Shift, Unary, Width};
pub use simd::{Simd, Xmm};
