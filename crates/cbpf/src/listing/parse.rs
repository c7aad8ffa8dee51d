//! Text to programs.

use super::cursor::Cursor;
use super::{Format, image};
use crate::raw::RawInsn;
use alloc::string::String;
use alloc::vec::Vec;

/// Why a text is no listing, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {kind}")]
pub struct ParseError {
    /// Byte of the text.
    pub at: usize,
    /// Line, from 1.
    pub line: usize,
    /// Character of the line, from 1.
    pub column: usize,
    /// What is wrong there.
    pub kind: ParseErrorKind,
}

/// What is wrong with a listing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are glossary terms")]
pub enum ParseErrorKind {
    /// The text begins like none of the three forms.
    #[error("expected `(000)`, `{{ 0x28, 0, 0, 0x0000000c }},` or a number of instructions")]
    Unrecognised,
    /// Something else should stand here.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A number does not fit.
    #[error("the number must be at most {max}")]
    Range { max: u32 },
    /// No instruction has this name.
    #[error("unknown instruction `{0}`")]
    Mnemonic(String),
    /// Linux has no ancillary data of this name.
    #[error("unknown ancillary data `{0}`")]
    Ancillary(String),
    /// The instruction exists, but not with such an operand.
    #[error("`{mnemonic}` takes no such operand")]
    Operand { mnemonic: &'static str },
    /// Lines are numbered from 0 without gaps.
    #[error("instruction {found} where {expected} should stand")]
    Position { expected: u32, found: u32 },
    /// A conditional jump leads 0 to 255 instructions beyond the next one.
    #[error("the jump must lead to one of {first} to {last}, not {target}")]
    Target { first: u32, last: u32, target: u32 },
    /// The first line gives another number of instructions.
    #[error("{count} instructions announced, {found} follow")]
    Count { count: u32, found: usize },
}

/// Reads a listing in any of the three forms.
///
/// The result need not be a valid program: [`check`](crate::check()) tells.
///
/// # Errors
/// [`ParseError`] with the place.
pub fn parse(text: &str) -> Result<Vec<RawInsn>, ParseError> {
    let mut cursor = Cursor::new(text);
    cursor.skip_lines();
    match Format::detect(text) {
        Some(Format::Text) => lines(&mut cursor, image::parse),
        Some(Format::C) => lines(&mut cursor, |cursor, _| initialiser(cursor)),
        Some(Format::Decimal) => decimal(&mut cursor),
        None => Err(cursor.error(ParseErrorKind::Unrecognised)),
    }
}

/// One instruction a line; empty lines do not count.
fn lines<'t>(
    cursor: &mut Cursor<'t>,
    line: impl Fn(&mut Cursor<'t>, u32) -> Result<RawInsn, ParseError>,
) -> Result<Vec<RawInsn>, ParseError> {
    let mut insns = Vec::new();
    let mut pc = 0u32;
    while !cursor.skip_lines() {
        insns.push(line(cursor, pc)?);
        cursor.expect_line_end()?;
        pc = pc.wrapping_add(1);
    }
    Ok(insns)
}

/// `{ 0x28, 0, 0, 0x0000000c },`
fn initialiser(cursor: &mut Cursor<'_>) -> Result<RawInsn, ParseError> {
    cursor.expect("{")?;
    let code = cursor.number(u16::MAX.into())?;
    cursor.expect(",")?;
    let jt = cursor.number(u8::MAX.into())?;
    cursor.expect(",")?;
    let jf = cursor.number(u8::MAX.into())?;
    cursor.expect(",")?;
    let k = cursor.immediate()?;
    cursor.expect("}")?;
    cursor.eat(",");
    Ok(raw(code, jt, jf, k))
}

/// The count, then `40 0 0 12`.
fn decimal(cursor: &mut Cursor<'_>) -> Result<Vec<RawInsn>, ParseError> {
    let start = *cursor;
    let count = cursor.number(u32::MAX)?;
    cursor.expect_line_end()?;
    let insns = lines(cursor, |cursor, _| {
        let code = cursor.number(u16::MAX.into())?;
        let jt = cursor.number(u8::MAX.into())?;
        let jf = cursor.number(u8::MAX.into())?;
        Ok(raw(code, jt, jf, cursor.immediate()?))
    })?;
    if usize::try_from(count) == Ok(insns.len()) {
        Ok(insns)
    } else {
        Err(start.error(ParseErrorKind::Count { count, found: insns.len() }))
    }
}

/// The numbers have been read within the limits of the fields.
fn raw(code: u32, jt: u32, jf: u32, k: u32) -> RawInsn {
    let byte = |value: u32| u8::try_from(value).unwrap_or(u8::MAX);
    RawInsn { code: u16::try_from(code).unwrap_or(u16::MAX), jt: byte(jt), jf: byte(jf), k }
}
