//! A value as a tree, and as one line.

use alloc::{string::String, vec::Vec};
use core::fmt;

/// A value, apart from its type. [`fmt::Display`] puts it on one line.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// A signed number.
    Int(i64),
    /// An unsigned number.
    UInt(u64),
    /// A truth value.
    Bool(bool),
    /// A printable character.
    Char(char),
    /// A floating-point number.
    Float(f64),
    /// An address in memory.
    Pointer(u64),
    /// Text in the value; printed in quotes.
    Str(String),
    /// What the value means: an address of the network, the name of an enumeration, or a number of
    /// more than 64 bits in hex.
    Text(String),
    /// Bytes without known meaning.
    Bytes(Vec<u8>),
    /// An array.
    Array(Vec<Self>),
    /// Members with their names, in order. Members of a union, too.
    Struct(Vec<(String, Self)>),
    /// The bytes end before the value does, or it is too large to show.
    Truncated,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::UInt(value) => value.fmt(f),
            Self::Bool(value) => value.fmt(f),
            Self::Char(value) => write!(f, "{value:?}"),
            // As `Debug` has it: with a point, and with an exponent when it is large.
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Pointer(value) => write!(f, "{value:#x}"),
            Self::Str(text) => write!(f, "{text:?}"),
            Self::Text(text) => f.write_str(text),
            Self::Bytes(bytes) => {
                f.write_str("[")?;
                separated(f, " ", bytes, |f, byte| write!(f, "{byte:02x}"))?;
                f.write_str("]")
            }
            Self::Array(values) => {
                f.write_str("[")?;
                separated(f, ", ", values, |f, value| value.fmt(f))?;
                f.write_str("]")
            }
            Self::Struct(members) => {
                f.write_str("{")?;
                separated(f, ", ", members, |f, (name, value)| write!(f, "{name}: {value}"))?;
                f.write_str("}")
            }
            Self::Truncated => f.write_str("<truncated>"),
        }
    }
}

fn separated<T>(
    f: &mut fmt::Formatter<'_>,
    separator: &str,
    items: &[T],
    write: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index != 0 {
            f.write_str(separator)?;
        }
        write(f, item)?;
    }
    Ok(())
}
