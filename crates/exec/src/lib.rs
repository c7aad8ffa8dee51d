//! Runs the machine code that `skep-jit` makes, in the memory and with the helpers of `skep-vm`.
//!
//! [`Compiled`] holds the code of all programs of a [`Machine`](skep_vm::Machine), and is made only from
//! programs that the verifier has accepted: a [`Verified`](skep_verifier::Verified) each is the key to unchecked
//! execution. Memory with code is never writable and executable at once ([`ExecMemory`]). Where a program
//! uses what machine code does not do yet, there is a [`Refused`] that says what, and the interpreter runs it.
//!
//! ```
//! use skep_exec::ExecMemory;
//!
//! let code = ExecMemory::new(&[0xc3]).unwrap(); // ret, on x86-64
//! assert_eq!(code.len(), 1);
//! ```
//!
//! Start reading at `compiled.rs`, then `activation.rs`.

mod activation;
mod allowed;
mod call;
mod checked;
mod compiled;
mod dead_code;
mod debug_elf;
mod fast_map;
mod fast_text;
mod frames;
mod gdb;
mod jitdump;
mod memory;
mod outside;
mod perf_map;
mod processor;
mod start;
mod symbol;
#[cfg(target_arch = "aarch64")]
mod sync;
mod uses;

pub use call::{Bare, BareError, Entered};
pub use compiled::{CodeOptions, Compiled, CtxShape, Refused};
pub use gdb::GdbSymbols;
pub use jitdump::JitDump;
pub use memory::ExecMemory;
pub use perf_map::write_perf_map;
pub use processor::{Features, Processor, features};
pub use skep_jit::{Code, CompileError};
pub use symbol::{Line, Symbol};
