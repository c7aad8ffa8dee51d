//! Kinds of types and how their records are laid out.

use core::fmt;

/// What a type is: `BTF_KIND_*` of `include/uapi/linux/btf.h`, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "names of the kernel")]
pub enum Kind {
    Void,
    Int,
    Ptr,
    Array,
    Struct,
    Union,
    Enum,
    Fwd,
    Typedef,
    Volatile,
    Const,
    Restrict,
    Func,
    FuncProto,
    Var,
    Datasec,
    Float,
    DeclTag,
    TypeTag,
    Enum64,
}

/// The third word of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Third {
    Size,
    Type,
    Unused,
}

/// How many entries follow the three words that all records begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entries {
    One,
    /// As many as the low 16 bits of the second word, `vlen`, say.
    Vlen,
}

/// Layout of the records of one kind. What parses, checks or renumbers records reads these rows.
#[derive(Debug)]
pub(crate) struct Layout {
    kind: Kind,
    name: &'static str,
    pub(crate) third: Third,
    pub(crate) entries: Entries,
    /// Words of an entry.
    pub(crate) words: usize,
    /// Which words of an entry are string offsets.
    pub(crate) strings: &'static [usize],
    /// Which words of an entry are type ids.
    pub(crate) types: &'static [usize],
    /// Whether bit 31 of the second word, `kind_flag`, has a meaning.
    pub(crate) flag: bool,
}

/// Rows in the order of [`Kind`]. Source: `Documentation/bpf/btf.rst`, section 2.2.
#[rustfmt::skip]
const LAYOUT: [Layout; 20] = {
    use Entries::{One, Vlen};
    use Third::{Size, Type, Unused};
    #[expect(clippy::too_many_arguments, reason = "a row of a table")]
    const fn row(
        kind: Kind, name: &'static str, third: Third, entries: Entries, words: usize,
        strings: &'static [usize], types: &'static [usize], flag: bool,
    ) -> Layout {
        Layout { kind, name, third, entries, words, strings, types, flag }
    }
    [
        //                                           third   entries words strings types  flag
        row(Kind::Void,      "void",                 Unused, One,    0,    &[],    &[],     false),
        row(Kind::Int,       "int",                  Size,   One,    1,    &[],    &[],     false),
        row(Kind::Ptr,       "pointer",              Type,   One,    0,    &[],    &[],     false),
        row(Kind::Array,     "array",                Unused, One,    3,    &[],    &[0, 1], false),
        row(Kind::Struct,    "struct",               Size,   Vlen,   3,    &[0],   &[1],    true),
        row(Kind::Union,     "union",                Size,   Vlen,   3,    &[0],   &[1],    true),
        row(Kind::Enum,      "enum",                 Size,   Vlen,   2,    &[0],   &[],     true),
        row(Kind::Fwd,       "forward declaration",  Unused, One,    0,    &[],    &[],     true),
        row(Kind::Typedef,   "typedef",              Type,   One,    0,    &[],    &[],     false),
        row(Kind::Volatile,  "volatile",             Type,   One,    0,    &[],    &[],     false),
        row(Kind::Const,     "const",                Type,   One,    0,    &[],    &[],     false),
        row(Kind::Restrict,  "restrict",             Type,   One,    0,    &[],    &[],     false),
        // The linkage of a function stands where others have the number of entries.
        row(Kind::Func,      "function",             Type,   One,    0,    &[],    &[],     false),
        row(Kind::FuncProto, "function prototype",   Type,   Vlen,   2,    &[0],   &[1],    false),
        row(Kind::Var,       "variable",             Type,   One,    1,    &[],    &[],     false),
        row(Kind::Datasec,   "data section",         Size,   Vlen,   3,    &[],    &[0],    false),
        row(Kind::Float,     "float",                Size,   One,    0,    &[],    &[],     false),
        row(Kind::DeclTag,   "declaration tag",      Type,   One,    1,    &[],    &[],     true),
        row(Kind::TypeTag,   "type tag",             Type,   One,    0,    &[],    &[],     true),
        row(Kind::Enum64,    "64-bit enum",          Size,   Vlen,   3,    &[0],   &[],     true),
    ]
};

/// The kind's number in the second word. Kernel: `BTF_INFO_KIND`.
pub(crate) const fn kind_bits(info: u32) -> u32 {
    (info >> 24) & 0x1f
}

/// Words of a record by the number of its kind: those that it has always, none where there is no such kind, and those for
/// each of its `vlen`.
#[expect(clippy::indexing_slicing, reason = "a constant")]
const WORDS: [(u8, u8); 32] = {
    let mut words = [(0, 0); 32];
    let mut number = 1;
    while number < LAYOUT.len() {
        let row = &LAYOUT[number];
        #[expect(clippy::cast_possible_truncation, reason = "three at the most")]
        let entry = row.words as u8;
        words[number] = match row.entries {
            Entries::One => (3 + entry, 0),
            Entries::Vlen => (3, entry),
        };
        number += 1;
    }
    words
};

/// Words of a record with this second word; `None` if it names no kind.
///
/// All types of a file are gone through by it before the first can be looked up, and their kinds follow no pattern:
/// there is no branch on them.
#[inline]
pub(crate) fn record_words(info: u32) -> Option<usize> {
    let &(always, each) = WORDS.get(usize::try_from(kind_bits(info)).ok()?)?;
    let entries = u32::from(each).saturating_mul(info & 0xffff);
    let words = usize::try_from(u32::from(always).saturating_add(entries)).ok()?;
    (always != 0).then_some(words)
}

impl Kind {
    /// The kind with this number; a record never has kind 0.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        let row = LAYOUT.get(usize::try_from(number).ok()?)?;
        (row.kind != Self::Void).then_some(row.kind)
    }

    pub(crate) fn layout(self) -> &'static Layout {
        LAYOUT.get(self as usize).expect("bug: a kind without a row")
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.layout().name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_kinds() {
        for (number, row) in LAYOUT.iter().enumerate() {
            assert_eq!(row.kind as usize, number);
            assert_eq!(row.kind.layout().kind, row.kind);
        }
        assert_eq!(Kind::from_number(0), None);
        assert_eq!(Kind::from_number(19), Some(Kind::Enum64));
        assert_eq!(Kind::from_number(20), None);
    }
}
