//! An intermediate representation for programs: functions in SSA form, with parameters of blocks in place of φ.
//!
//! [`Func`] is what compilers make, passes change, and back ends turn into code. [`check`] says whether one holds
//! together, [`eval`] runs one; both are for tests, and share nothing with passes but the meaning of an
//! operation ([`fold::compute`]). What lies outside of a function, such as helpers and the engine, is known by
//! numbers of calls only.
//!
//! ```
//! use skep_ir::{BinOp, Func, Inst, Term, check};
//! use skep_isa::Width;
//!
//! let mut f: Func<()> = Func::new();
//! let entry = f.block();
//! let (a, b) = (f.param(entry, 0), f.param(entry, 0));
//! let sum = f.push(entry, Inst::Bin { op: BinOp::Add, width: Width::W64, a, b }, 0);
//! f.blocks[0].term = Term::Return(sum);
//! assert!(check(&f).is_ok());
//! assert_eq!(f.to_string(), "b0(v0, v1):\n    v2 = Add.64 v0 v1\n    Return v2\n");
//! ```
//!
//! Start reading at `inst.rs`, then `func.rs`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod account;
mod address;
mod check;
mod choose;
mod divide;
mod eval;
mod flow;
pub mod fold;
mod forks;
mod func;
mod hold;
mod inst;
mod invariant;
mod numbering;
mod params;
mod repeat;
mod straighten;
mod switch;
mod text;
mod unroll;
mod widen;

pub use check::{CheckError, check};
pub use eval::{Ended, World, eval};
pub use flow::Flow;
pub use func::{Block, Func};
pub use inst::{BinOp, BlockId, Cmp, Cond, Edge, Inst, Mem, Table, Term, UnOp, Value};
pub use numbering::Given;
