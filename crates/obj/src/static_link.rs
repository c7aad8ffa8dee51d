//! Several objects into one, as `bpftool gen object` does.
//!
//! # Model
//!
//! Sections of one name are put one behind the other. Global symbols of one name are one symbol: its
//! definition wins over declarations, a strong definition over weak ones, and of weak ones the first.
//! Static symbols stay apart. What the objects say about a global symbol must agree: types of variables
//! and functions, definitions of maps.
//!
//! Types are copied, but of a global symbol's descriptions only that of its definition, which the others
//! then lead to; in the end types that are the same are merged.
//!
//! Semantics are those of libbpf's `bpf_linker`. Debugging sections are left out, since DWARF would need
//! a linker of its own; the lines of the source stand in BTF.ext.

use crate::ObjectFile;
use alloc::string::String;
use alloc::vec::Vec;

mod compat;
mod error;
mod ext;
mod reloc;
mod sections;
mod source;
mod symbols;
mod types;

pub use compat::Mismatch;
pub use error::LinkError;

use sections::Sections;
use skep_btf::ByteOrder;
use source::Source;
use symbols::Symbols;

/// An object to be linked.
#[derive(Clone, Copy, Debug)]
pub struct LinkInput<'a> {
    /// What errors call it.
    pub name: &'a str,
    /// The bytes of the file.
    pub bytes: &'a [u8],
}

/// Several objects as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linked {
    /// The object.
    pub file: ObjectFile,
    /// Symbols that no object defines and no kernel is asked for, by name. An object with such symbols
    /// can be linked further, not loaded.
    pub undefined: Vec<Undefined>,
}

/// A symbol without definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undefined {
    /// Its name.
    pub symbol: String,
    /// The first object that refers to it.
    pub file: String,
}

/// Links objects into one.
///
/// # Errors
/// [`LinkError`]; it names the objects, the symbol or section, and what would help.
///
/// ```
/// # let bytes = include_bytes!("../../../corpus/obj/basic.clang19.o");
/// use skep_obj::{LinkInput, static_link};
///
/// let one = static_link(&[LinkInput { name: "a.o", bytes }]).unwrap();
/// assert!(one.undefined.is_empty());
/// let image = skep_obj::parse(&one.file.write().unwrap()).unwrap();
/// assert_eq!(image.progs[0].name, "count");
///
/// let twice = ["a.o", "b.o"].map(|name| LinkInput { name, bytes });
/// let err = static_link(&twice).unwrap_err().to_string();
/// assert!(err.starts_with("'count' is defined in a.o and again in b.o"), "{err}");
/// ```
pub fn static_link(inputs: &[LinkInput<'_>]) -> Result<Linked, LinkError> {
    if inputs.is_empty() {
        return Err(LinkError::NoInput);
    }
    let sources: Result<Vec<_>, _> = inputs.iter().map(Source::read).collect();
    let sources = sources?;
    let order = byte_order(&sources)?;
    let mut sections = Sections::merge(&sources)?;
    let symbols = Symbols::resolve(&sources, &sections)?;
    reloc::append(&sources, &mut sections, &symbols)?;
    if let Some(merged) = types::merge(&sources, &sections, &symbols)? {
        sections.types(ext::merge(&sources, &sections, (merged, order))?);
    }
    let undefined = symbols.undefined(&sources);
    let file = ObjectFile { order, sections: sections.list, symbols: symbols.list };
    Ok(Linked { file, undefined })
}

/// The byte order that all objects have.
fn byte_order(sources: &[Source]) -> Result<ByteOrder, LinkError> {
    let name = |order| {
        let source = sources.iter().find(|source| source.file.order == order);
        source.map(|source| source.name.clone())
    };
    match (name(ByteOrder::Little), name(ByteOrder::Big)) {
        (Some(little), Some(big)) => Err(LinkError::Order { little, big }),
        (None, Some(_)) => Ok(ByteOrder::Big),
        _ => Ok(ByteOrder::Little),
    }
}
