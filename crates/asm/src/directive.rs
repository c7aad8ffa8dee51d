//! Directives: programs, maps, data, licence. `docs/asm.md` describes them.

use crate::cursor::Cursor;
use crate::data::KINDS;
use crate::map_text;
use crate::parse::Text;
use crate::prog_text::ProgText;
use crate::token::Tok;
use skep_abi::{AttachType, ProgType, SECTIONS, Section};
use skep_diag::{Diagnostic, Span, closest};

type Result<T> = std::result::Result<T, Diagnostic>;

/// All directives, for suggestions.
#[rustfmt::skip]
const NAMES: [&str; 22] = [
    ".section", ".text", ".type", ".globl", ".global", ".license", ".map",
    ".data", ".rodata", ".bss", ".kconfig",
    ".byte", ".short", ".long", ".quad", ".ascii", ".asciz", ".string", ".zero", ".align",
    ".2byte", ".4byte",
];

/// Reads a directive; the cursor stands at its name.
pub(crate) fn read<'a>(text: &mut Text<'a>, cur: &mut Cursor<'a, '_>, word: &str) -> Result<()> {
    let span = cur.span();
    if let Some(&(_, kind, flags)) = KINDS.iter().find(|&&(name, ..)| name == word) {
        cur.bump();
        cur.form = ".data NAME";
        let span = cur.span();
        let name = cur.name("a name")?;
        let flags = if cur.eat(",") {
            cur.expect_word("flags")?;
            cur.expect("=")?;
            cur.imm()?.cast_unsigned()
        } else {
            flags
        };
        cur.finish()?;
        return text.data.begin(name, span, kind, flags);
    }
    cur.bump();
    match word {
        ".section" => section(text, cur)?,
        ".text" => text.begin(ProgText::in_section(".text", span, text.default_type)),
        ".type" | ".globl" | ".global" => function(text, cur, word)?,
        ".license" => license(text, cur)?,
        ".map" => map_text::map(text, cur)?,
        ".byte" => numbers(text, cur, 1)?,
        ".short" | ".2byte" => numbers(text, cur, 2)?,
        ".long" | ".4byte" => numbers(text, cur, 4)?,
        ".quad" | ".8byte" => numbers(text, cur, 8)?,
        ".ascii" => string(text, cur, false)?,
        ".asciz" | ".string" => string(text, cur, true)?,
        ".zero" | ".align" => fill(text, cur, word)?,
        _ => return Err(unknown(word, span)),
    }
    cur.finish()
}

fn unknown(word: &str, span: Span) -> Diagnostic {
    let label = closest(word, NAMES)
        .map_or("no such directive".into(), |name| format!("did you mean `{name}`?"));
    Diagnostic::error("asm.unknown-directive", format!("unknown directive `{word}`"))
        .label(span, label)
}

/// `.section "xdp"`, `.section "", type=xdp, attach=xdp_devmap`
fn section<'a>(text: &mut Text<'a>, cur: &mut Cursor<'a, '_>) -> Result<()> {
    cur.form = ".section \"xdp\"";
    let span = cur.span();
    let name = cur.name("the name of a section")?;
    let known = Section::find(&name).is_some() || name.is_empty() || name.starts_with('.');
    let mut prog = ProgText::in_section(&name, span, text.default_type);
    let mut typed = false;
    while cur.eat(",") {
        if cur.eat_word("type") {
            cur.expect("=")?;
            prog.prog_type = keyword(cur, "program type", ProgType::from_name, &prog_types())?;
            (prog.attach_type, typed) = (None, true);
        } else if cur.eat_word("attach") {
            cur.expect("=")?;
            let attach = keyword(cur, "attach type", AttachType::from_name, &attach_types())?;
            prog.attach_type = Some(attach);
        } else if matches!(cur.peek(), Tok::Str(_) | Tok::Word("@progbits" | "@nobits")) {
            // Flags and kind of an ELF section, as compilers write them.
            cur.bump();
        } else {
            return Err(cur.unexpected("`type=` or `attach=`"));
        }
    }
    if !known && !typed {
        return Err(unknown_section(&name, span));
    }
    text.begin(prog);
    Ok(())
}

fn unknown_section(name: &str, span: Span) -> Diagnostic {
    let diag = Diagnostic::error("asm.unknown-section", format!("unknown section `{name}`"));
    let label = closest(name, SECTIONS.iter().map(|row| row.name))
        .map_or("says no program type".into(), |known| format!("did you mean `{known}`?"));
    diag.label(span, label).help("a type can be given: `.section \"NAME\", type=xdp`")
}

fn prog_types() -> Vec<&'static str> {
    ProgType::ALL.iter().map(|row| row.name()).collect()
}

fn attach_types() -> Vec<&'static str> {
    AttachType::ALL.iter().map(|row| row.name()).collect()
}

/// A word of a table.
pub(crate) fn keyword<T>(
    cur: &mut Cursor<'_, '_>,
    what: &str,
    find: impl Fn(&str) -> Option<T>,
    names: &[&str],
) -> Result<T> {
    let Tok::Word(word) = cur.peek() else { return Err(cur.unexpected(&format!("a {what}"))) };
    let found = find(word).ok_or_else(|| {
        let label = closest(word, names.iter().copied())
            .map_or_else(String::new, |name| format!("did you mean `{name}`?"));
        Diagnostic::error("asm.unknown-keyword", format!("unknown {what} `{word}`"))
            .label(cur.span(), label)
    })?;
    cur.bump();
    Ok(found)
}

/// `.type name, @function`, `.globl name`: the label is a function.
fn function<'a>(text: &mut Text<'a>, cur: &mut Cursor<'a, '_>, word: &str) -> Result<()> {
    cur.form = ".type name, @function";
    let name = cur.name("a label")?;
    if word == ".type" {
        cur.expect(",")?;
        cur.expect_word("@function")?;
    }
    text.prog().funcs.insert(name);
    Ok(())
}

/// `.license "GPL"`
fn license<'a>(text: &mut Text<'a>, cur: &mut Cursor<'a, '_>) -> Result<()> {
    cur.form = ".license \"GPL\"";
    let span = cur.span();
    let Tok::Str(_) = cur.peek() else { return Err(cur.unexpected("a string")) };
    let license = cur.name("a string")?.into_owned();
    match &text.license {
        Some((_, first)) => text.report.duplicate("license", &license, span, *first),
        None => text.license = Some((license, span)),
    }
    Ok(())
}

/// `.byte 1, 2, 'a'`
fn numbers<'a>(text: &mut Text<'a>, cur: &mut Cursor<'a, '_>, bytes: u32) -> Result<()> {
    loop {
        let span = cur.span();
        let most = 1i128 << (bytes * 8);
        let value = cur.number_in("value", -most / 2, most - 1)?;
        text.data.bytes(&value.to_le_bytes()[..bytes as usize], span)?;
        if !cur.eat(",") {
            return Ok(());
        }
    }
}

/// `.ascii "text"`
fn string<'a>(text: &mut Text<'a>, cur: &mut Cursor<'a, '_>, zero: bool) -> Result<()> {
    loop {
        let span = cur.span();
        let Tok::Str(raw) = cur.peek() else { return Err(cur.unexpected("a string")) };
        let mut bytes = cur.bytes(raw)?;
        cur.bump();
        if zero {
            bytes.push(0);
        }
        text.data.bytes(&bytes, span)?;
        if !cur.eat(",") {
            return Ok(());
        }
    }
}

/// `.zero 16`, `.align 8`
fn fill<'a>(text: &mut Text<'a>, cur: &mut Cursor<'a, '_>, word: &str) -> Result<()> {
    let span = cur.span();
    if word == ".zero" {
        let len = cur.number_in("length", 0, u32::MAX.into())?;
        return text.data.zero(u32::try_from(len).unwrap_or_default(), span);
    }
    let to = u32::try_from(cur.number_in("alignment", 1, 4096)?).unwrap_or(1);
    if !to.is_power_of_two() {
        return Err(Diagnostic::error("asm.number-range", format!("cannot align to {to}"))
            .label(span, "a power of two"));
    }
    text.data.align(to, span)
}
