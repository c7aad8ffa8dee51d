//! Text to programs and back, in both dialects.
//!
//! [`parse`] reads the C-like dialect of LLVM, the kernel and bpftool and the mnemonic dialect of uBPF
//! and the public conformance files, mixed as one likes, with labels, maps and data, and listings as
//! those tools print them. `docs/asm.md` describes the language. This crate neither checks nor runs
//! programs: whether control stays inside and what a program may do is for engines to say.
//!
//! ```
//! let insns = skep_asm::assemble("r0 = *(u32 *)(r1 + 4)\nldxw %r0, [%r1+4]\nexit").unwrap();
//! let [first, second, _] = insns.iter().map(|(_, insn)| insn).collect::<Vec<_>>()[..] else {
//!     panic!("three instructions were written");
//! };
//! assert_eq!(first, second);
//! ```
//!
//! Start reading at [`parse`]; `stmt.rs` reads one instruction.
#![forbid(unsafe_code)]

mod c_like;
mod cursor;
mod data;
mod directive;
mod jump;
mod layout;
mod lddw;
mod listing;
mod map_text;
mod mnemonic;
mod operand;
mod parse;
mod print;
mod prog_text;
mod report;
mod resolve;
mod stmt;
mod token;

pub use parse::{assemble, parse};
pub use print::{Dialect, ListOptions, PrintOptions, list, print, print_insn};
