//! Programs to machine code: the first tier, one pass over the instructions with each BPF register in a
//! register of the host.
//!
//! [`x64::compile`] and [`a64::compile`] take a [`Prog`](skep_prog::Prog) and what surrounds it ([`Surroundings`]: what its
//! constants are, where its calls go, which accesses are not plain) and give [`Code`]: bytes, entries, and
//! the way from native positions back to instructions. They execute nothing, and check nothing of what the
//! program does with memory: whoever runs the code answers for that, by having the program verified.
//!
//! ```
//! use skep_jit::NoSurroundings;
//! use skep_jit::x64::{Features, compile};
//! use skep_prog::Prog;
//!
//! let insns = skep_asm::assemble("r0 = 2\nexit").unwrap();
//! let prog = Prog::new("two", skep_abi::ProgType::Xdp, insns);
//! let code = compile(&prog, &NoSurroundings, Features::default()).unwrap();
//! assert_eq!(code.bytes[..6], [0xb8, 2, 0, 0, 0, 0xc3]); // mov eax, 2; ret
//! ```
//!
//! Start reading at [`x64::compile`], then `x64.rs`; `a64.rs` has the same parts;
//! `docs/jit.md` has the picture.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod a64;
mod ahead;
mod best;
mod blind;
mod checks;
mod code;
mod counted;
mod env;
mod grouped;
mod hoisted;
mod lift;
mod meter;
mod optimise;
mod shape;
mod stride;
mod surroundings;
mod unread;
pub mod x64;

pub use code::{Checked, Code, CompileError, Entry};
pub use env::{CHECKS, Check, Env, FRAME, PROBES};
pub use lift::Outer;
pub use surroundings::{
    Access, ArrayLookup, CallbackLoop, Callee, NoSurroundings, Probe, ProgSlots, Style,
    Surroundings,
};
