//! A line of `tcpdump -d`.

use super::cursor::Cursor;
use super::parse::{ParseError, ParseErrorKind};
use crate::insn::Ancillary;
use crate::raw::RawInsn;
use crate::table::{ANCILLARY, Operand, TABLE};
use alloc::borrow::ToOwned;

/// `(002) jeq      #0x800           jt 3 jf 15`, as instruction `pc`.
pub(super) fn parse(cursor: &mut Cursor<'_>, pc: u32) -> Result<RawInsn, ParseError> {
    position(cursor, pc)?;
    cursor.skip_spaces();
    let start = *cursor;
    let mnemonic = cursor.word();
    if mnemonic == "unimp" {
        let code = cursor.number(u16::MAX.into())?;
        let (jt, jf) = targets(cursor, pc)?;
        return Ok(RawInsn { code: u16::try_from(code).unwrap_or(u16::MAX), jt, jf, k: 0 });
    }
    let mut rows = TABLE.iter().filter(|row| row.mnemonic == mnemonic).peekable();
    let Some(first) = rows.peek().copied() else {
        let kind = if mnemonic.is_empty() {
            ParseErrorKind::Expected("an instruction")
        } else {
            ParseErrorKind::Mnemonic(mnemonic.to_owned())
        };
        return Err(start.error(kind));
    };
    cursor.skip_spaces();
    // The forms of an instruction differ in how their operands begin, so what the first one that
    // begins right has to complain about is what is wrong.
    let row = rows
        .find(|row| begins(row.operand, cursor.rest()))
        .ok_or_else(|| cursor.error(ParseErrorKind::Operand { mnemonic: first.mnemonic }))?;
    let k = operand(cursor, row.operand, pc)?;
    let is_cond = row.code & 7 == 5 && row.operand != Operand::Target;
    if is_cond {
        cursor.skip_spaces();
        if !cursor.rest().starts_with("jt") {
            return Err(cursor.error(ParseErrorKind::Expected("jt")));
        }
    }
    let (jt, jf) = if is_cond { targets(cursor, pc)? } else { (0, 0) };
    Ok(RawInsn { code: row.code, jt, jf, k })
}

/// `(002)`
fn position(cursor: &mut Cursor<'_>, expected: u32) -> Result<(), ParseError> {
    cursor.expect("(")?;
    cursor.skip_spaces();
    let start = *cursor;
    let found = cursor.number(u32::MAX)?;
    if found != expected {
        return Err(start.error(ParseErrorKind::Position { expected, found }));
    }
    cursor.expect(")")
}

/// Whether the rest of a line can be such an operand.
fn begins(operand: Operand, rest: &str) -> bool {
    match operand {
        Operand::None => rest.is_empty() || rest.starts_with('\n'),
        Operand::Len => rest.starts_with("#pktlen"),
        Operand::Hex | Operand::Dec => rest.starts_with('#') && !rest.starts_with("#pktlen"),
        Operand::Abs => rest.starts_with('[') && !begins(Operand::Ind, rest),
        Operand::Ind => {
            let inner = rest.strip_prefix('[').unwrap_or("").trim_start_matches(' ');
            inner.strip_prefix('x').is_some_and(|rest| rest.trim_start().starts_with('+'))
        }
        Operand::Msh => rest.starts_with('4'),
        Operand::Mem => rest.starts_with('M'),
        Operand::X => rest.starts_with('x'),
        Operand::Target => rest.starts_with(|c: char| c.is_ascii_digit() || c == '-'),
    }
}

/// The immediate that an operand stands for.
fn operand(cursor: &mut Cursor<'_>, operand: Operand, pc: u32) -> Result<u32, ParseError> {
    match operand {
        Operand::None => Ok(0),
        Operand::Len => cursor.expect("#pktlen").map(|()| 0),
        Operand::X => cursor.expect("x").map(|()| 0),
        Operand::Hex | Operand::Dec => {
            cursor.expect("#")?;
            cursor.immediate()
        }
        Operand::Abs => {
            cursor.expect("[")?;
            let k = ancillary(cursor)?;
            cursor.expect("]").map(|()| k)
        }
        Operand::Ind => {
            cursor.expect("[")?;
            cursor.expect("x")?;
            cursor.expect("+")?;
            let k = cursor.immediate()?;
            cursor.expect("]").map(|()| k)
        }
        Operand::Msh => {
            for token in ["4", "*", "(", "["] {
                cursor.expect(token)?;
            }
            let k = cursor.immediate()?;
            for token in ["]", "&", "0xf", ")"] {
                cursor.expect(token)?;
            }
            Ok(k)
        }
        Operand::Mem => {
            cursor.expect("M")?;
            cursor.expect("[")?;
            let k = cursor.immediate()?;
            cursor.expect("]").map(|()| k)
        }
        Operand::Target => {
            let to = cursor.immediate()?;
            Ok(to.wrapping_sub(pc).wrapping_sub(1))
        }
    }
}

/// A name of ancillary data, or an offset.
fn ancillary(cursor: &mut Cursor<'_>) -> Result<u32, ParseError> {
    cursor.skip_spaces();
    if !cursor.rest().starts_with(|c: char| c.is_ascii_alphabetic()) {
        return cursor.immediate();
    }
    let start = *cursor;
    let name = cursor.word();
    ANCILLARY
        .iter()
        .find(|row| row.1 == name)
        .map(|row| Ancillary::k(row.0))
        .ok_or_else(|| start.error(ParseErrorKind::Ancillary(name.to_owned())))
}

/// `jt 3 jf 15`, or nothing.
fn targets(cursor: &mut Cursor<'_>, pc: u32) -> Result<(u8, u8), ParseError> {
    if !cursor.eat("jt") {
        return Ok((0, 0));
    }
    let jt = target(cursor, pc)?;
    cursor.expect("jf")?;
    Ok((jt, target(cursor, pc)?))
}

fn target(cursor: &mut Cursor<'_>, pc: u32) -> Result<u8, ParseError> {
    cursor.skip_spaces();
    let start = *cursor;
    let to = cursor.number(u32::MAX)?;
    let first = pc.wrapping_add(1);
    to.checked_sub(first).and_then(|off| u8::try_from(off).ok()).ok_or_else(|| {
        let last = first.wrapping_add(u8::MAX.into());
        start.error(ParseErrorKind::Target { first, last, target: to })
    })
}
