//! Why objects cannot be linked.

use super::Mismatch;
use crate::{MapError, ObjError};
use alloc::boxed::Box;
use alloc::string::String;
use skep_btf::BtfError;

/// Why objects cannot be linked. `first` is the object that came first.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named in the messages")]
pub enum LinkError {
    /// No object was given.
    #[error("nothing to link: no object was given")]
    NoInput,
    /// Numbers of one are not those of the other.
    #[error(
        "{little} is little-endian and {big} big-endian: compile both for one target, bpfel or bpfeb"
    )]
    Order { little: String, big: String },
    /// An object cannot be read.
    #[error("{file}")]
    Object { file: String, source: Box<ObjError> },

    // Sections.
    /// Objects under different licenses, or for different kernels.
    #[error(
        "section '{section}' is \"{first_text}\" in {first} and \"{second_text}\" in {second}: all objects must say the same"
    )]
    Differs {
        section: String,
        first: String,
        first_text: String,
        second: String,
        second_text: String,
    },
    /// Sections of one name and different nature.
    #[error(
        "section '{section}' has {what} {new:#x} in {file} and {old:#x} before: name one of them differently"
    )]
    SectionNature { section: String, file: String, what: &'static str, old: u64, new: u64 },
    /// Code that is not whole instructions.
    #[error("section '{section}' of {file} has {len} bytes of code, not a multiple of 8")]
    Code { section: String, file: String, len: u64 },
    /// The result would be larger than can be addressed.
    #[error("section '{section}' would have more than {limit} bytes")]
    TooLarge { section: String, limit: u32 },

    // Symbols.
    /// Two definitions.
    #[error(
        "'{symbol}' is defined in {first} and again in {second}: make one of them static, or __weak if the other may take its place"
    )]
    Duplicate { symbol: String, first: String, second: String },
    /// Without types nobody can say whether a declaration means what is defined.
    #[error(
        "'{symbol}' has no type in {file}, so it cannot be matched with other objects: compile with clang -g, and strip with -g only"
    )]
    NoTypes { symbol: String, file: String },
    /// Several types for one symbol.
    #[error("'{symbol}' has two types in {file}, [{one}] and [{other}]")]
    Ambiguous { symbol: String, file: String, one: u32, other: u32 },
    /// Declarations of one symbol in different sections.
    #[error(
        "'{symbol}' is in section '{first_section}' in {first} and in '{second_section}' in {second}: declare it as it is defined"
    )]
    Section {
        symbol: String,
        first: String,
        first_section: String,
        second: String,
        second_section: String,
    },
    /// Different types for one symbol.
    #[error(
        "'{symbol}' has different types in {first} and {second}: share its declaration in a header"
    )]
    Types { symbol: String, first: String, second: String, source: Box<Mismatch> },
    /// A map's definition makes no sense.
    #[error("map '{symbol}' of {file}")]
    MapDef { symbol: String, file: String, source: Box<MapError> },
    /// Different definitions of one map.
    #[error(
        "map '{symbol}' has another {what} in {first} than in {second}: share its definition in a header"
    )]
    Map {
        symbol: String,
        what: &'static str,
        first: String,
        second: String,
        source: Option<Box<Mismatch>>,
    },
    /// A variable in the types that the symbol table does not know.
    #[error("variable '{symbol}' of section '{section}' in {file} has no symbol: do not strip it")]
    VarSymbol { symbol: String, section: String, file: String },
    /// A relocation that cannot be carried over.
    #[error("section '{section}' of {file}: relocation of byte {at}: {why}")]
    Reloc { section: String, file: String, at: u64, why: &'static str },

    // Types.
    /// A record of BTF.ext for a section that is not in the object.
    #[error(".BTF.ext of {file} tells of section '{section}', which is not there")]
    Ext { file: String, section: String },
    /// The types of an object cannot be read; positions are those in the section.
    #[error("section '{section}' of {file}")]
    Btf { file: String, section: &'static str, source: BtfError },
    /// The types of all objects together are refused.
    #[error("the types of all objects together")]
    Merged(#[from] BtfError),
    /// Types or strings are more than can be numbered.
    #[error("the objects have more types or strings than can be numbered")]
    TooManyTypes,
}
