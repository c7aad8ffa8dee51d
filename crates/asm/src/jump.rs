//! Jumps and calls, in both dialects.

use crate::cursor::Cursor;
use crate::mnemonic::{self, Branch, reg_then_comma};
use crate::operand::looks_like_reg;
use crate::stmt::{Refer, Stmt, What};
use crate::token::Tok;
use skep_abi::helper_id;
use skep_diag::Diagnostic;
use skep_isa::table::COND;
use skep_isa::{Call, CondOp, Insn, Src, Width};

type Result<T> = std::result::Result<T, Diagnostic>;

/// `if r1 s> 5 goto label`
pub(crate) fn conditional<'a>(cur: &mut Cursor<'a, '_>) -> Result<Stmt<'a>> {
    cur.form = "if r1 == r2 goto label";
    cur.bump();
    let name = cur.any_reg()?;
    let op = match cur.peek() {
        Tok::Op(symbol) => COND.iter().find(|row| row.symbol == symbol),
        _ => None,
    };
    let op = op.ok_or_else(|| cur.unexpected("a comparison"))?.op;
    cur.bump();
    let src = cur.src(name.width)?;
    cur.expect_word("goto")?;
    let insn = |off| Insn::JumpIf { width: name.width, op, dst: name.reg, src, off };
    short(cur, insn)
}

/// What follows `jeq`.
pub(crate) fn mnemonic_if<'a>(
    cur: &mut Cursor<'a, '_>,
    width: Width,
    op: CondOp,
) -> Result<Stmt<'a>> {
    let dst = reg_then_comma(cur)?;
    let src = if cur.at_number() { Src::Imm(cur.imm()?) } else { mnemonic::src(cur, width)? };
    cur.expect(",")?;
    short(cur, |off| Insn::JumpIf { width, op, dst, src, off })
}

/// What follows `goto` and its like.
pub(crate) fn unconditional<'a>(cur: &mut Cursor<'a, '_>, branch: Branch) -> Result<Stmt<'a>> {
    match branch {
        Branch::Short => short(cur, |off| Insn::Jump { off }),
        Branch::MayGoto => short(cur, |off| Insn::MayGoto { off }),
        Branch::Static(branch) => short(cur, |off| Insn::Static { branch, off }),
        Branch::Long => long(cur, What::Jump, |off| Insn::JumpLong { off }),
        Branch::StaticLong(branch) => long(cur, What::Jump, |off| Insn::StaticLong { branch, off }),
    }
}

/// A target within 16 bits.
fn short<'a>(cur: &mut Cursor<'a, '_>, insn: impl Fn(i16) -> Insn) -> Result<Stmt<'a>> {
    if let Some(refer) = label(cur, What::Jump)? {
        return Ok(Stmt { insn: insn(0), refer: Some(refer) });
    }
    let off = cur.number_in("jump offset", i16::MIN.into(), i16::MAX.into())?;
    comment(cur);
    Ok(insn(i16::try_from(off).unwrap_or_default()).into())
}

/// A target within 32 bits.
fn long<'a>(cur: &mut Cursor<'a, '_>, what: What, insn: impl Fn(i32) -> Insn) -> Result<Stmt<'a>> {
    if let Some(refer) = label(cur, what)? {
        return Ok(Stmt { insn: insn(0), refer: Some(refer) });
    }
    let off = cur.number_in("jump offset", i32::MIN.into(), i32::MAX.into())?;
    comment(cur);
    Ok(insn(i32::try_from(off).unwrap_or_default()).into())
}

/// A target by name; `None` leaves the cursor at the sign of an offset: `pc+3`, `+3`.
fn label<'a>(cur: &mut Cursor<'a, '_>, what: What) -> Result<Option<Refer<'a>>> {
    let signed = |tok| matches!(tok, Tok::Op("+" | "-"));
    if cur.peek() == Tok::Word("pc") && signed(cur.peek_at(1)) {
        cur.bump();
    }
    if signed(cur.peek()) {
        return Ok(None);
    }
    if let Tok::Num(value) = cur.peek() {
        return Err(cur
            .unexpected("a label or an offset with a sign")
            .help(format!("write `+{value}` to pass over {value} slots")));
    }
    let span = cur.span();
    let name = cur.name("a label or an offset")?;
    Ok(Some(Refer { what, name, span }))
}

/// `<LBB0_3>`, as objdump writes after an offset.
fn comment(cur: &mut Cursor<'_, '_>) {
    if cur.eat("<") {
        while cur.peek() != Tok::End && !cur.eat(">") {
            cur.bump();
        }
    }
}

/// What follows `call`.
pub(crate) fn call<'a>(cur: &mut Cursor<'a, '_>) -> Result<Stmt<'a>> {
    let local = |off| Insn::Call(Call::Local(off));
    match cur.peek() {
        Tok::Word("pc") if matches!(cur.peek_at(1), Tok::Op("+" | "-")) => {
            long(cur, What::Func, local)
        }
        Tok::Word("local") if cur.peek_at(1) != Tok::End => {
            cur.bump();
            long(cur, What::Func, local)
        }
        Tok::Word("helper") if cur.peek_at(1) != Tok::End => {
            cur.bump();
            helper(cur)
        }
        Tok::Word("kfunc" | "runtime") if cur.peek_at(1) != Tok::End => {
            cur.bump();
            kfunc(cur)
        }
        Tok::Word("kernel") if cur.peek_at(2) == Tok::Word("function") => {
            cur.bump();
            cur.expect("-")?;
            cur.bump();
            cur.expect("#")?;
            kfunc(cur)
        }
        Tok::Word(word) if looks_like_reg(word) => Ok(Insn::Call(Call::Reg(cur.reg()?)).into()),
        Tok::Word(word) if cur.peek_at(1) == Tok::Op("#") => numbered(cur, word),
        _ => helper(cur),
    }
}

/// A number or a name.
fn helper<'a>(cur: &mut Cursor<'a, '_>) -> Result<Stmt<'a>> {
    if let (Tok::Op("+"), Tok::Num(n)) = (cur.peek(), cur.peek_at(1)) {
        return Err(cur
            .unexpected("a name or a number without sign")
            .help(format!("write `call pc+{n}` for a subprogram, `call {n}` for a helper")));
    }
    if cur.at_number() {
        return Ok(Insn::Call(Call::Helper(cur.imm()?)).into());
    }
    let span = cur.span();
    let name = cur.name("a subprogram or a helper")?;
    let refer = Some(Refer { what: What::Call, name, span });
    Ok(Stmt { insn: Insn::Call(Call::Helper(0)), refer })
}

/// `123`, `123, 2`: BTF id and module.
fn kfunc<'a>(cur: &mut Cursor<'a, '_>) -> Result<Stmt<'a>> {
    let id = cur.imm()?;
    let module = if cur.eat(",") {
        let module = cur.number_in("module index", i16::MIN.into(), i16::MAX.into())?;
        i16::try_from(module).unwrap_or_default()
    } else {
        0
    };
    Ok(Insn::Call(Call::Kfunc { id, module }).into())
}

/// `map_lookup_elem#1`. The name counts where it is a helper's: a dump of a loaded program has
/// addresses in place of the numbers. Other names are kernel functions by BTF id.
fn numbered<'a>(cur: &mut Cursor<'a, '_>, name: &str) -> Result<Stmt<'a>> {
    cur.bump();
    cur.expect("#")?;
    let n = cur.imm()?;
    Ok(Insn::Call(match helper_id(name) {
        Some(id) => Call::Helper(id.cast_signed()),
        None if name == "unknown" => Call::Helper(n),
        None => Call::Kfunc { id: n, module: 0 },
    })
    .into())
}
