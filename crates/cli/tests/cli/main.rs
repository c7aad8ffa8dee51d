//! The command as people use it: what it prints, what it writes, how it ends.

mod bin;
mod captures;
mod endings;
mod golden;
mod machines;
mod types;
