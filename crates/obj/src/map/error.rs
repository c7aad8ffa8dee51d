//! Why a type defines no map.

use alloc::string::String;
use skep_btf::{Kind, TypeId};

/// Why a type defines no map. Wording as in libbpf (`parse_btf_map_def`), where it has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named in the messages")]
pub enum MapError {
    /// The map is in another object.
    #[error("declared extern: link the object that defines it (skep link)")]
    Extern,
    /// The variable is static.
    #[error("unsupported map linkage {linkage}")]
    Linkage { linkage: &'static str },
    /// A map is defined by a struct.
    #[error("unexpected def kind {kind}")]
    Kind { kind: Kind },
    /// The variable is smaller than its type.
    #[error("invalid def size: type of {def} bytes, variable of {var}")]
    Size { def: u32, var: u32 },
    /// No such attribute.
    #[error("unknown field '{field}'")]
    Field { field: String },
    /// An attribute stands twice.
    #[error("field '{field}' is there twice")]
    Twice { field: &'static str },
    /// An attribute is not written with `__uint`, `__ulong`, `__type` or `__array`.
    #[error("attr '{field}': expected {expected}, got {kind}")]
    Attr { field: String, expected: &'static str, kind: Kind },
    /// A number does not fit.
    #[error("attr '{field}': {value} does not fit")]
    Range { field: String, value: i128 },
    /// A key or value type without a size.
    #[error("can't determine {what} size for type [{ty}]")]
    NoSize { what: &'static str, ty: TypeId },
    /// Two attributes say different sizes.
    #[error("conflicting {what} size {first} != {second}")]
    Conflict { what: &'static str, first: u32, second: u32 },
    /// Neither `LIBBPF_PIN_NONE` nor `LIBBPF_PIN_BY_NAME`.
    #[error("invalid pinning value {value}")]
    Pinning { value: u32 },
    /// Only maps that loaders see can be pinned.
    #[error("inner def can't be pinned")]
    InnerPinned,
    /// The array of initial values has no length in the type, so nothing can follow it.
    #[error("'values' member should be last")]
    ValuesLast,
    /// `values` is not an array without length.
    #[error("value spec is not a zero-sized array")]
    ValuesArray,
    /// Only these have `values`.
    #[error("'values' of a {map_type} map: should be map-in-map or prog-array")]
    ValuesType { map_type: skep_abi::MapType },
    /// What `values` points to is neither a map definition nor a function.
    #[error("{what} def is of unexpected kind {kind}")]
    ValuesKind { what: &'static str, kind: Kind },
    /// Maps of maps of maps.
    #[error("multi-level inner maps not supported")]
    Nested,
    /// `type` is missing.
    #[error("map type isn't specified")]
    NoType,
    /// `type` is no number of `enum bpf_map_type`.
    #[error("map type {number} is not known")]
    Type { number: u32 },
}
