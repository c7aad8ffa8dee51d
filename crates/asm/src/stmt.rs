//! One instruction as text has it: some refer to names that only the whole text explains.

use crate::cursor::Cursor;
use crate::mnemonic::{self, Form};
use crate::operand::looks_like_reg;
use crate::token::Tok;
use crate::{c_like, jump, lddw};
use skep_diag::{Diagnostic, Span, closest};
use skep_isa::Insn;
use std::borrow::Cow;

/// An instruction and the name in it, if any. The field that the name stands for is 0 until then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stmt<'a> {
    pub(crate) insn: Insn,
    pub(crate) refer: Option<Refer<'a>>,
}

/// A name in an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refer<'a> {
    pub(crate) what: What,
    pub(crate) name: Cow<'a, str>,
    pub(crate) span: Span,
}

/// What a name is to be, and so what it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A label to jump to.
    Jump,
    /// A subprogram or a helper.
    Call,
    /// A subprogram, for a call or its address.
    Func,
    /// A map.
    Map,
    /// The value of a map, and bytes to add.
    MapValue(i32),
    /// Data, a map or a subprogram, and bytes to add.
    Symbol(i32),
}

impl From<Insn> for Stmt<'_> {
    fn from(insn: Insn) -> Self {
        Self { insn, refer: None }
    }
}

/// Reads an instruction of either dialect. `code` is its opcode if a listing says so: the kernel
/// prints a move and a load of 64 bits alike.
pub(crate) fn stmt<'a>(cur: &mut Cursor<'a, '_>, code: Option<u8>) -> Result<Stmt<'a>, Diagnostic> {
    let stmt = match cur.peek() {
        Tok::Op("*") => c_like::store(cur)?,
        Tok::Word("if") => jump::conditional(cur)?,
        Tok::Word("store_release") => c_like::store_release(cur)?,
        Tok::Word("lock") if cur.peek_at(1) == Tok::Op("*") => c_like::lock(cur)?,
        Tok::Word(word) if looks_like_reg(word) => c_like::assign(cur, code)?,
        Tok::Word(word) => match mnemonic::find(word) {
            Some(form) => {
                cur.bump();
                (cur.word, cur.form) = (word, form.usage());
                form_of(cur, form)?
            }
            None => return Err(unknown(cur, word)),
        },
        _ => return Err(cur.unexpected("an instruction")),
    };
    cur.finish()?;
    Ok(stmt)
}

fn form_of<'a>(cur: &mut Cursor<'a, '_>, form: Form) -> Result<Stmt<'a>, Diagnostic> {
    match form {
        Form::Lddw => {
            let dst = cur.reg()?;
            cur.expect(",")?;
            lddw::operand(cur, dst)
        }
        Form::JumpIf(width, op) => jump::mnemonic_if(cur, width, op),
        Form::Jump(branch) => jump::unconditional(cur, branch),
        Form::Call => jump::call(cur),
        _ => mnemonic::insn(cur, form).map(Stmt::from),
    }
}

fn unknown(cur: &Cursor<'_, '_>, word: &str) -> Diagnostic {
    // `x1 = 5` wants to be an assignment.
    if cur.peek_at(1) == Tok::Op("=") {
        return cur.unknown_reg(word);
    }
    let names = mnemonic::names().chain(["if", "store_release"]);
    let label = closest(word, names)
        .map_or("no instruction begins so".into(), |name| format!("did you mean `{name}`?"));
    Diagnostic::error("asm.unknown-instruction", format!("unknown instruction `{word}`"))
        .label(cur.span(), label)
}
