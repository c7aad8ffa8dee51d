//! Why bytes are no BTF.

use crate::{Kind, TypeId};

/// Why bytes are no BTF or no BTF.ext. `at` is a byte position in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named in the messages")]
pub enum BtfError {
    /// Input or section ends inside something.
    #[error("byte {at}: {what} needs {need} bytes, {have} are left")]
    Short { at: usize, what: &'static str, need: usize, have: usize },
    /// Neither byte order of 0xeb9f.
    #[error("magic {found:#06x} is not 0xeb9f in either byte order")]
    Magic { found: u16 },
    /// A version other than 1.
    #[error("byte 2: version {version} is not known, only 1 is")]
    Version { version: u8 },
    /// Flags may change what everything means, and none is known.
    #[error("byte 3: flags {flags:#x} are not known, none is")]
    Flags { flags: u8 },
    /// The header says it is shorter than its known fields.
    #[error("byte 4: header length {len} is less than {min}")]
    HeaderLen { len: u32, min: u32 },
    /// A section does not lie inside the input.
    #[error(
        "{section} section of {len} bytes at {off} ends beyond the {have} bytes after the header"
    )]
    Section { section: &'static str, off: u32, len: u32, have: usize },
    /// The string section overlaps the type section.
    #[error("type section {type_off}..{type_end} and string section {str_off}..{str_end} overlap")]
    Overlap { type_off: u32, type_end: u64, str_off: u32, str_end: u64 },
    /// An offset or size is no multiple of four.
    #[error("byte {at}: {what} {value} is not a multiple of 4")]
    Align { at: usize, what: &'static str, value: u32 },
    /// The string section must begin and end with a zero byte.
    #[error("byte {at}: string section does not {what} with a zero byte")]
    Strings { at: usize, what: &'static str },
    /// Split BTF and its base must be written alike.
    #[error("byte order is not that of the base")]
    BaseOrder,
    /// A string offset beyond the string section.
    #[error("byte {at}: string offset {off} is beyond the {len} bytes of strings")]
    Str { at: usize, off: u32, len: usize },
    /// A name longer than any that is looked at.
    #[error("byte {at}: the name at string offset {off} is longer than {limit} bytes")]
    NameLen { at: usize, off: u32, limit: usize },
    /// A kind that is not known.
    #[error("byte {at}: type {id} has kind {kind}, known are 1 to 19")]
    Kind { at: usize, id: TypeId, kind: u32 },
    /// A field of a type has a value that its kind does not allow.
    #[error("byte {at}: {kind} type {id} cannot have {what} {value:#x}")]
    Field { at: usize, id: TypeId, kind: Kind, what: &'static str, value: u32 },
    /// A reference to a type that does not exist.
    #[error("byte {at}: type {to} does not exist, there are {types}")]
    NoType { at: usize, to: TypeId, types: usize },
    /// A reference to a type of a kind that cannot stand there.
    #[error("byte {at}: {kind} type {id} cannot refer to type {to}, a {to_kind}")]
    Refers { at: usize, id: TypeId, kind: Kind, to: TypeId, to_kind: Kind },
    /// A type contains itself, or is spelled with itself.
    #[error("byte {at}: type {id} is a part of itself")]
    Cycle { at: usize, id: TypeId },
    /// Types are nested deeper than this crate follows.
    #[error("byte {at}: type {id} is nested more than {limit} deep")]
    Deep { at: usize, id: TypeId, limit: u8 },
    /// More types than can be numbered.
    #[error("{types} types are more than can be numbered")]
    TooMany { types: usize },
    /// A record of BTF.ext is smaller than its known fields.
    #[error("byte {at}: {what} records of {size} bytes, at least {min} are needed")]
    RecordSize { at: usize, what: &'static str, size: u32, min: u32 },
    /// A section of BTF.ext without records.
    #[error("byte {at}: {what} section without records")]
    NoRecords { at: usize, what: &'static str },
}
