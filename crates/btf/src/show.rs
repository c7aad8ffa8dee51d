//! Values shown by their types.
//!
//! # Model
//!
//! The type is walked with a bit position in the value's bytes. Kinds and encodings say what the bits
//! are; the names of fields and typedefs say what numbers mean in the network ([`names`]).
//!
//! # Limits
//!
//! The work is bounded whatever the types say: nesting by [`Btf::MAX_NESTING`], and the size of the
//! tree by [`LIMIT`]. What is beyond shows as [`Shown::Truncated`], as does what the bytes lack.

mod names;
mod tree;
mod walk;

pub use tree::Shown;

use crate::{Btf, ByteOrder, TypeId};

/// How much one tree may hold: values, and bytes of names and strings.
const LIMIT: usize = 1 << 18;

impl Btf {
    /// The value of type `id` that `bytes` hold, in the byte order of the program that wrote them.
    ///
    /// Bytes beyond the type are ignored; values beyond the bytes are [`Shown::Truncated`]. A data
    /// section shows as a struct of its variables.
    ///
    /// - Members of anonymous structs and unions stand in their parent. All members of a union are
    ///   shown.
    /// - Arrays of `char` that are text are strings; other arrays of bytes are hex.
    /// - `__be16`, `__be32` and `__be64` are numbers in network byte order.
    /// - Fields whose names say so are IPv4, IPv6 or MAC addresses. Without a field name, a `__be32`
    ///   is an IPv4 address.
    #[must_use]
    pub fn show(&self, id: TypeId, bytes: &[u8], order: ByteOrder) -> Shown {
        walk::Walk::new(self, bytes, order, LIMIT).show(id)
    }
}
