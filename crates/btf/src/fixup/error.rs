//! Why there is no fixup, and what did not match.

use super::CoreKind;
use crate::TypeId;
use alloc::{string::String, vec::Vec};
use core::fmt;

/// Why a relocation has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named in the messages")]
pub enum CoreError {
    /// A kind that is not known.
    #[error("relocation kind {kind} is not known, known are 0 to 12")]
    Kind { kind: u32 },
    /// The type that it is about does not exist.
    #[error("type {ty} does not exist in the program's types")]
    NoType { ty: TypeId },
    /// The access string leads nowhere.
    #[error("{kind} of type {ty} has access string '{access}', which leads nowhere")]
    Access { kind: CoreKind, ty: TypeId, access: String },
    /// Types are found by name.
    #[error("{kind} of type {ty}, which has no name to look for")]
    Anonymous { kind: CoreKind, ty: TypeId },
    /// What is asked has no value, such as the size of a function.
    #[error("{local} has no such value")]
    Value { local: String },
    /// A type of the target cannot be compared.
    #[error("{local} cannot be compared with {candidate}: {why}")]
    Candidate { local: String, candidate: String, why: &'static str },
    /// Types of the target give different results.
    #[error("{local} is ambiguous: {} or {}", found[0], found[1])]
    Ambiguous { local: String, found: [Found; 2] },
}

/// A result of a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The candidate: `struct sock [231] of vmlinux`.
    pub ty: String,
    /// Where in it the field begins.
    pub bit_off: u64,
    /// The value for the instruction.
    pub value: u64,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (value {}, bit {})", self.ty, self.value, self.bit_off)
    }
}

/// What was looked for in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmatched {
    /// As the program knows it: `struct sock.__sk_common.skc_state`.
    pub local: String,
    /// Types of the same name that have nothing like it: `struct sock [231] of vmlinux`.
    pub candidates: Vec<String>,
}

impl fmt::Display for Unmatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the target has no {}", self.local)?;
        for (index, candidate) in self.candidates.iter().enumerate() {
            write!(f, "{}{candidate}", if index == 0 { "; looked at " } else { ", " })?;
        }
        Ok(())
    }
}
