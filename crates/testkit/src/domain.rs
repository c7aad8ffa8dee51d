//! The kernel's numbers next to ours.
//!
//! A [`Plan`] is a program of random arithmetic and comparisons, made together with what
//! [`skep_domain`] says of every result. [`judge`] loads it with the verifier's log switched on, reads
//! the state of each register out of the log, and lists where the two differ in a single character.

mod check;
mod operation;
mod plan;
mod recipe;

pub use check::{Judged, judge};
pub use operation::{Operation, Outcome as NumberOutcome};
pub use plan::{Expected, Place, Plan, Step};
