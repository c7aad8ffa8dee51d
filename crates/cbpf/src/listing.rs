//! Listings: the texts that `tcpdump -d`, `-dd` and `-ddd` print.

mod cursor;
mod image;
mod parse;
mod print;

pub use parse::{ParseError, ParseErrorKind, parse};
pub use print::print;

/// The three forms of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `tcpdump -d`: an instruction a line, to be read by people. Loses the fields that an
    /// instruction does not use, and all of an unknown one but its opcode.
    Text,
    /// `tcpdump -dd`: C initialisers.
    C,
    /// `tcpdump -ddd`: the number of instructions, then their fields as decimal numbers.
    Decimal,
}

impl Format {
    /// The form that a text seems to have: by its first character that is not a space, `(` for
    /// [`Format::Text`], `{` for [`Format::C`] and a digit for [`Format::Decimal`].
    #[must_use]
    pub fn detect(text: &str) -> Option<Self> {
        match text.trim_ascii_start().bytes().next()? {
            b'(' => Some(Self::Text),
            b'{' => Some(Self::C),
            b'0'..=b'9' => Some(Self::Decimal),
            _ => None,
        }
    }
}
