//! What a verifier knows of a number, computed as Linux computes it.
//!
//! A [`Scalar`] describes a set of 64-bit numbers by its known bits (a [`Tnum`]) and by four ranges:
//! unsigned and signed, of the whole and of the lower half. Arithmetic ([`AluOp`]), truncation and
//! extension, and comparisons ([`Cmp`]) are defined on such sets. Results are those of Linux 6.18 to
//! the bit, neither looser nor tighter: whether a program is accepted may hang on either.
//!
//! The crate knows no instruction, no register and no verdict. It never allocates.
//!
//! ```
//! use skep_domain::{AluOp, Cmp, Scalar, Width, is_branch_taken, refine};
//!
//! // r1 = *(u16 *)(…); if r1 > 100 goto …; r1 <<= 2;
//! let r1 = Scalar::after_load(2);
//! let hundred = Scalar::constant(100);
//! assert_eq!(is_branch_taken(&r1, &hundred, Cmp::Gt, Width::W64), None);
//! let [_, (r1, _)] = refine(&r1, &hundred, Cmp::Gt, Width::W64);
//! let r1 = Scalar::alu(AluOp::Lsh, Width::W64, &r1, &Scalar::constant(2));
//! assert_eq!(r1.umax, 400);
//! assert_eq!(r1.to_string(), "scalar(smin=smin32=0,smax=umax=smax32=umax32=400,var_off=(0x0; 0x1fc))");
//! ```
//!
//! # How that is known
//!
//! That results are sound, that is lack no number that can come out, is proved by trying everything on
//! words of a few bits (`soundness.rs`); the code is generic over the word. That they are the kernel's is
//! seen in the kernel's log: `domain_differential` of the testkit loads random programs and compares the
//! state of each register behind each operation. `corpus/domain` keeps cases of that.
//!
//! Start reading at [`Tnum`], then [`Scalar`] and its `sync`, then `alu.rs` and `branch.rs`. The rest of
//! the world talks to a number through [`Domain`], since Linux 6.12 has a simpler one ([`Scalar612`]) and 7.2 another one ([`Circular`]).

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate alloc;

mod alu;
mod arc;
mod branch;
mod cast;
mod circular;
mod domain;
mod error;
mod log;
mod parse;
mod range;
mod scalar;
#[cfg(test)]
mod soundness;
mod sync;
mod tnum;
mod word;

pub use alu::{AluOp, Width};
pub use branch::{Cmp, is_branch_taken, refine, refine_first, refine_raw, refine_same};
pub use circular::{Circular, CircularOf};
pub use domain::Domain;
pub use error::Inconsistent;
pub use log::{Ranges, Signed, Unsigned};
pub use parse::ParseScalarError;
pub use scalar::{Scalar, Scalar612, ScalarOf};
pub use tnum::Tnum;
pub use word::{Full, Word};
