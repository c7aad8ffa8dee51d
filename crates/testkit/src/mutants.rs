//! Programs that nobody wrote: accepted ones with a change, and random ones.
//!
//! In a [`Field`] the maps of a program are made once, and its instructions replaced often. [`Mutator`] changes a program in a place or two, [`random`] makes one that does not aim at being
//! valid. [`shrink`] makes a program on which two verifiers differ as small as it easily can, and
//! [`case_text`] writes it down. Every program is a function of a seed.

mod case;
mod field;
mod mutate;
mod random;
mod shrink;

pub use case::case_text;
pub use field::Field;
pub use mutate::{Mutator, is_wide};
pub use random::random;
pub use shrink::shrink;
