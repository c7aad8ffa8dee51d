//! The 64-bit operand of `lddw`: numbers, and things whose address is known only later.
//!
//! Each thing has the spelling of LLVM or bpftool (`name ll`, `map[name]`, `subprog[+5]`) and that of
//! RFC 9669, section 5.4 (`map_by_fd(3)`, `map_val(map_by_fd(3)) + 8`, `code_addr(5)`). Both
//! dialects take either.

use crate::cursor::Cursor;
use crate::stmt::{Refer, Stmt, What};
use crate::token::Tok;
use skep_diag::{Diagnostic, Span};
use skep_isa::{ImmSrc, Insn, Reg};
use std::borrow::Cow;

type Result<T> = std::result::Result<T, Diagnostic>;

/// Whether `word(` begins an operand of `lddw`.
pub(crate) fn is_function(word: &str) -> bool {
    matches!(word, "map_by_fd" | "map_by_idx" | "map_val" | "var_addr" | "code_addr")
}

/// Reads the operand, `ll` included.
pub(crate) fn operand<'a>(cur: &mut Cursor<'a, '_>, dst: Reg) -> Result<Stmt<'a>> {
    let stmt = |value| {
        let (imm, refer) = match value {
            Value::Imm(imm) => (imm, None),
            Value::Name(refer) => (ImmSrc::Value(0), Some(refer)),
        };
        Stmt { insn: Insn::LoadImm { dst, imm }, refer }
    };
    let value = match cur.peek() {
        _ if cur.at_number() => Value::Imm(ImmSrc::Value(wide(cur)?)),
        Tok::Word(word) if cur.peek_at(1) == Tok::Op("[") => bracket(cur, word)?,
        Tok::Word(word) if cur.peek_at(1) == Tok::Op("(") && is_function(word) => {
            function(cur, word)?
        }
        Tok::Word(_) | Tok::Str(_) => symbol(cur)?,
        _ => return Err(cur.unexpected("a number or a name")),
    };
    cur.eat_word("ll");
    Ok(stmt(value))
}

enum Value<'a> {
    Imm(ImmSrc),
    Name(Refer<'a>),
}

/// 64 bits, signed or unsigned.
fn wide(cur: &mut Cursor<'_, '_>) -> Result<u64> {
    let value = cur.number_in("value", i64::MIN.into(), u64::MAX.into())?;
    #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "wraps on purpose")]
    Ok(value as u64)
}

/// `name`, `name+8`
fn symbol<'a>(cur: &mut Cursor<'a, '_>) -> Result<Value<'a>> {
    let span = cur.span();
    let name = cur.name("a name")?;
    let what = What::Symbol(plus(cur)?);
    Ok(Value::Name(Refer { what, name, span }))
}

/// `+8`, `-8` or nothing.
fn plus(cur: &mut Cursor<'_, '_>) -> Result<i32> {
    if matches!(cur.peek(), Tok::Op("+" | "-")) { cur.imm() } else { Ok(0) }
}

/// `map[…]`, `map[…][0]+8`, `subprog[…]`, `ksym[…]`
fn bracket<'a>(cur: &mut Cursor<'a, '_>, word: &str) -> Result<Value<'a>> {
    match word {
        "map" => {
            cur.bump();
            cur.expect("[")?;
            let map = map(cur)?;
            cur.expect("]")?;
            if cur.eat("[") {
                cur.number_in("index", 0, 0)?;
                cur.expect("]")?;
                let at = plus(cur)?;
                return Ok(map.value(at));
            }
            Ok(map.itself())
        }
        "subprog" => {
            cur.bump();
            cur.expect("[")?;
            let func = func(cur)?;
            cur.expect("]")?;
            Ok(func)
        }
        "ksym" => {
            cur.form = "r1 = ksym[id:5]";
            cur.bump();
            cur.expect("[")?;
            cur.expect_word("id")?;
            cur.expect(":")?;
            let id = cur.imm()?;
            let fd = if cur.eat(",") {
                cur.expect_word("fd")?;
                cur.expect(":")?;
                cur.imm()?
            } else {
                0
            };
            cur.expect("]")?;
            Ok(Value::Imm(ImmSrc::BtfId { id, fd }))
        }
        _ => Err(cur.unexpected("`map[…]`, `subprog[…]` or `ksym[…]`")),
    }
}

/// A map by what is known of it.
enum Map<'a> {
    Fd(i32),
    Idx(i32),
    Name(Cow<'a, str>, Span),
}

impl<'a> Map<'a> {
    fn itself(self) -> Value<'a> {
        match self {
            Self::Fd(fd) => Value::Imm(ImmSrc::MapFd(fd)),
            Self::Idx(idx) => Value::Imm(ImmSrc::MapIdx(idx)),
            Self::Name(name, span) => Value::Name(Refer { what: What::Map, name, span }),
        }
    }

    fn value(self, at: i32) -> Value<'a> {
        match self {
            Self::Fd(fd) => Value::Imm(ImmSrc::MapValue { fd, at }),
            Self::Idx(idx) => Value::Imm(ImmSrc::MapIdxValue { idx, at }),
            Self::Name(name, span) => Value::Name(Refer { what: What::MapValue(at), name, span }),
        }
    }
}

/// `fd:3`, `idx:3`, `id:3` or a name. A kernel id means the map declared as `id_3`: a text has no
/// kernel to ask.
fn map<'a>(cur: &mut Cursor<'a, '_>) -> Result<Map<'a>> {
    cur.form = "r1 = map[name]";
    let span = cur.span();
    if cur.peek_at(1) != Tok::Op(":") {
        return Ok(Map::Name(cur.name("a map")?, span));
    }
    let Tok::Word(kind @ ("fd" | "idx" | "id")) = cur.peek() else {
        return Err(cur.unexpected("`fd`, `idx` or `id`"));
    };
    cur.bump();
    cur.bump();
    let span = span.to(cur.span());
    let n = cur.imm()?;
    Ok(match kind {
        "fd" => Map::Fd(n),
        "idx" => Map::Idx(n),
        _ => Map::Name(format!("id_{}", n.cast_unsigned()).into(), span),
    })
}

/// `+5` or a label.
fn func<'a>(cur: &mut Cursor<'a, '_>) -> Result<Value<'a>> {
    if cur.at_number() {
        return Ok(Value::Imm(ImmSrc::Func(cur.imm()?)));
    }
    let span = cur.span();
    let name = cur.name("a subprogram")?;
    Ok(Value::Name(Refer { what: What::Func, name, span }))
}

/// The spellings of RFC 9669.
fn function<'a>(cur: &mut Cursor<'a, '_>, word: &str) -> Result<Value<'a>> {
    cur.bump();
    cur.expect("(")?;
    let value = match word {
        "map_val" => {
            let Tok::Word(inner @ ("map_by_fd" | "map_by_idx")) = cur.peek() else {
                return Err(cur.unexpected("`map_by_fd(…)` or `map_by_idx(…)`"));
            };
            cur.bump();
            cur.expect("(")?;
            let map = rfc_map(cur, inner)?;
            cur.expect(")")?;
            cur.expect(")")?;
            return Ok(map.value(plus(cur)?));
        }
        "var_addr" => {
            let id = cur.imm()?;
            let fd = if cur.eat(",") { cur.imm()? } else { 0 };
            Value::Imm(ImmSrc::BtfId { id, fd })
        }
        "code_addr" => func(cur)?,
        _ => rfc_map(cur, word)?.itself(),
    };
    cur.expect(")")?;
    Ok(value)
}

fn rfc_map<'a>(cur: &mut Cursor<'a, '_>, word: &str) -> Result<Map<'a>> {
    let span = cur.span();
    if !cur.at_number() {
        return Ok(Map::Name(cur.name("a map or a number")?, span));
    }
    let n = cur.imm()?;
    Ok(if word == "map_by_fd" { Map::Fd(n) } else { Map::Idx(n) })
}
