//! The C-like dialect, as LLVM and the kernel's verifier print it and LLVM reads it.

use crate::cursor::Cursor;
use crate::operand::{RegName, access, looks_like_reg};
use crate::stmt::Stmt;
use crate::token::Tok;
use crate::{lddw, mnemonic};
use skep_diag::{Diagnostic, Span};
use skep_isa::table::{ALU, ATOMIC};
use skep_isa::{AddrCast, AluOp, AtomicOp, Insn, Reg, Size, Src, Swap, Width};

type Result<T> = std::result::Result<T, Diagnostic>;

/// `lddw`, which the kernel prints as `(18) r1 = 0x5`.
const LDDW: u8 = 0x18;

/// `*(u32 *)(r1 + 4) = …`
pub(crate) fn store<'a>(cur: &mut Cursor<'a, '_>) -> Result<Stmt<'a>> {
    cur.form = "*(u32 *)(r1 + 4) = r2";
    let (size, base, off) = place(cur)?;
    cur.expect("=")?;
    let src = if cur.at_number() { Src::Imm(cur.imm()?) } else { Src::Reg(cur.reg_for(size)?) };
    Ok(Insn::Store { size, base, off, src }.into())
}

/// `store_release((u32 *)(r1 + 4), r2)`
pub(crate) fn store_release<'a>(cur: &mut Cursor<'a, '_>) -> Result<Stmt<'a>> {
    cur.form = "store_release((u32 *)(r1 + 4), r2)";
    cur.bump();
    cur.expect("(")?;
    let (size, base, off) = pointer(cur)?;
    cur.expect(",")?;
    let src = cur.reg_for(size)?;
    cur.expect(")")?;
    Ok(Insn::StoreRelease { size, base, off, src }.into())
}

/// `lock *(u64 *)(r1 + 8) += r2`
pub(crate) fn lock<'a>(cur: &mut Cursor<'a, '_>) -> Result<Stmt<'a>> {
    cur.form = "lock *(u64 *)(r1 + 8) += r2";
    cur.bump();
    let span = cur.span_at(2);
    let (size, base, off) = place(cur)?;
    atomic_size(cur, span, size)?;
    let op = match cur.peek() {
        Tok::Op("+=") => AtomicOp::Add,
        Tok::Op("|=") => AtomicOp::Or,
        Tok::Op("&=") => AtomicOp::And,
        Tok::Op("^=") => AtomicOp::Xor,
        _ => return Err(cur.unexpected("`+=`, `|=`, `&=` or `^=`")),
    };
    cur.bump();
    let src = cur.reg_for(size)?;
    Ok(Insn::Atomic { size, op, base, off, src }.into())
}

/// Everything that begins with a register.
pub(crate) fn assign<'a>(cur: &mut Cursor<'a, '_>, code: Option<u8>) -> Result<Stmt<'a>> {
    let dst = cur.any_reg()?;
    let op = match cur.peek() {
        Tok::Op(symbol) => ALU.iter().find(|row| row.symbol == symbol),
        _ => None,
    };
    let Some(op) = op.map(|row| row.op) else {
        return Err(cur.unexpected("`=`, `+=` or the like"));
    };
    cur.bump();
    if op == AluOp::Mov {
        return value(cur, dst, code);
    }
    cur.form = "r1 += r2";
    let src = cur.src_extended(dst.width)?;
    Ok(Insn::Alu { width: dst.width, op, dst: dst.reg, src }.into())
}

/// What follows `r1 =`.
fn value<'a>(cur: &mut Cursor<'a, '_>, dst: RegName, code: Option<u8>) -> Result<Stmt<'a>> {
    let insn = match cur.peek() {
        Tok::Op("*") => load(cur, dst)?,
        Tok::Op("(") => move_sx(cur, dst)?,
        Tok::Op("-") if !cur.at_number() => neg(cur, dst)?,
        _ if cur.at_number() => return number(cur, dst, code),
        Tok::Word(word) if looks_like_reg(word) && cur.peek_at(1) != Tok::Word("ll") => {
            cur.form = "r1 = r2";
            let src = Src::Reg(cur.reg_of(dst.width)?);
            Insn::Alu { width: dst.width, op: AluOp::Mov, dst: dst.reg, src }
        }
        Tok::Word(word) if cur.peek_at(1) == Tok::Op("(") && !lddw::is_function(word) => {
            function(cur, dst, word)?
        }
        Tok::Word(word) => match swap_word(cur, word) {
            Some((kind, size)) => swap(cur, dst, kind, size)?,
            None => return symbol(cur, dst),
        },
        Tok::Str(_) => return symbol(cur, dst),
        _ => return Err(cur.unexpected("a value")),
    };
    Ok(insn.into())
}

/// `be16` before a register; anywhere else it is a name like any other.
fn swap_word(cur: &Cursor<'_, '_>, word: &str) -> Option<(Swap, Size)> {
    let before_reg = matches!(cur.peek_at(1), Tok::Word(next) if looks_like_reg(next));
    mnemonic::swap(word).filter(|_| before_reg)
}

/// `r1 = 5`, `r1 = 5 ll`
fn number<'a>(cur: &mut Cursor<'a, '_>, dst: RegName, code: Option<u8>) -> Result<Stmt<'a>> {
    let sign = usize::from(matches!(cur.peek(), Tok::Op(_)));
    if code == Some(LDDW) || cur.peek_at(sign + 1) == Tok::Word("ll") {
        return symbol(cur, dst);
    }
    cur.form = "r1 = 5";
    let src = cur.src_extended(dst.width)?;
    Ok(Insn::Alu { width: dst.width, op: AluOp::Mov, dst: dst.reg, src }.into())
}

/// `r1 = … ll`
fn symbol<'a>(cur: &mut Cursor<'a, '_>, dst: RegName) -> Result<Stmt<'a>> {
    cur.form = "r1 = name ll";
    lddw::operand(cur, dst.of(Width::W64)?)
}

/// `-r1`
fn neg(cur: &mut Cursor<'_, '_>, dst: RegName) -> Result<Insn> {
    cur.form = "r1 = -r1";
    cur.bump();
    same(cur, dst)?;
    Ok(Insn::Neg { width: dst.width, dst: dst.reg })
}

/// `be16 r1`
fn swap(cur: &mut Cursor<'_, '_>, dst: RegName, kind: Swap, size: Size) -> Result<Insn> {
    cur.form = "r1 = be16 r1";
    cur.bump();
    let reg = dst.of(Width::W64)?;
    same(cur, dst)?;
    Ok(Insn::Swap { kind, size, dst: reg })
}

/// The instruction has one register; it is written twice.
fn same(cur: &mut Cursor<'_, '_>, dst: RegName) -> Result<()> {
    let span = cur.span();
    let reg = cur.reg_of(dst.width)?;
    if reg == dst.reg {
        return Ok(());
    }
    let title = format!("both registers must be the same, {} and {reg} differ", dst.reg);
    Err(cur.with_form(
        Diagnostic::error("asm.register-differs", title).label(span, format!("{} here", dst.reg)),
    ))
}

/// `(s8)r2`
fn move_sx(cur: &mut Cursor<'_, '_>, dst: RegName) -> Result<Insn> {
    cur.form = "r1 = (s8)r2";
    cur.bump();
    let span = cur.span();
    let (from, signed) = ty(cur)?;
    if !signed || u32::from(from.bits()) >= dst.width.bits() {
        let types = if dst.width == Width::W64 { "s8, s16 or s32" } else { "s8 or s16" };
        return Err(Diagnostic::error("asm.access-type", "no move extends from this type")
            .label(span, types));
    }
    cur.expect(")")?;
    Ok(Insn::MovSx { width: dst.width, from, dst: dst.reg, src: cur.reg_of(dst.width)? })
}

/// `*(u32 *)(r1 + 4)`, `*(u32 *)skb[r1 + 4]`
fn load(cur: &mut Cursor<'_, '_>, dst: RegName) -> Result<Insn> {
    cur.form = "r1 = *(u32 *)(r2 + 4)";
    cur.expect("*")?;
    let span = cur.span_at(1);
    let (size, signed) = pointer_type(cur)?;
    if cur.eat_word("skb") {
        return packet(cur, dst, size, signed, span);
    }
    let (base, off) = parenthesised(cur)?;
    match (signed, size) {
        (false, _) => Ok(Insn::Load { size, dst: dst.holds(size)?, base, off }),
        (true, Size::Dw) => {
            Err(Diagnostic::error("asm.access-type", "64 bits have no sign to extend")
                .label(span, "did you mean `u64`?"))
        }
        (true, _) => Ok(Insn::LoadSx { size, dst: dst.of(Width::W64)?, base, off }),
    }
}

/// `skb[…]`, whose result is always in r0.
fn packet(
    cur: &mut Cursor<'_, '_>,
    dst: RegName,
    size: Size,
    signed: bool,
    span: Span,
) -> Result<Insn> {
    cur.form = "r0 = *(u8 *)skb[r1 + 12]";
    if signed || size == Size::Dw {
        return Err(Diagnostic::error("asm.access-type", "no packet load has this type")
            .label(span, "u8, u16 or u32"));
    }
    if dst.reg != Reg::R0 {
        return Err(Diagnostic::error("asm.register-differs", "a packet load ends in r0")
            .label(dst.span, "`r0` would do"));
    }
    cur.expect("[")?;
    let insn = if cur.at_number() {
        Insn::LoadAbs { size, imm: cur.imm()? }
    } else {
        let src = cur.reg()?;
        let imm = if cur.peek() == Tok::Op("]") { 0 } else { displacement(cur)? };
        Insn::LoadInd { size, src, imm }
    };
    cur.expect("]")?;
    Ok(insn)
}

/// `+ 12`, `- 4`; the kernel prints `+ -4`.
fn displacement(cur: &mut Cursor<'_, '_>) -> Result<i32> {
    if matches!(cur.peek_at(1), Tok::Op("-")) {
        cur.expect("+")?;
    }
    cur.imm()
}

/// `name(…)`
fn function(cur: &mut Cursor<'_, '_>, dst: RegName, word: &str) -> Result<Insn> {
    match word {
        "load_acquire" => load_acquire(cur, dst),
        "addr_space_cast" => addr_space_cast(cur, dst),
        "cmpxchg_64" | "cmpxchg32_32" | "xchg_64" | "xchg32_32" => {
            let size = if word.ends_with("_64") { Size::Dw } else { Size::W };
            let op = if word.starts_with('c') { AtomicOp::CmpXchg } else { AtomicOp::Xchg };
            cur.form = "r0 = cmpxchg_64(r1 + 8, r0, r2)";
            cur.bump();
            cur.expect("(")?;
            let (base, off) = cur.address()?;
            atomic_rest(cur, dst, (size, op, base, off))
        }
        _ => {
            let name = word.strip_prefix("atomic64_").or_else(|| word.strip_prefix("atomic_"));
            let op = ATOMIC
                .iter()
                .find(|row| row.op.fetches() && Some(row.mnemonic) == name)
                .ok_or_else(|| unknown_function(cur, word))?
                .op;
            cur.form = "r2 = atomic_fetch_add((u64 *)(r1 + 8), r2)";
            cur.bump();
            cur.expect("(")?;
            let span = cur.span_at(1);
            let (size, base, off) = pointer(cur)?;
            atomic_size(cur, span, size)?;
            atomic_rest(cur, dst, (size, op, base, off))
        }
    }
}

fn unknown_function(cur: &Cursor<'_, '_>, word: &str) -> Diagnostic {
    let names = ["load_acquire", "addr_space_cast", "cmpxchg_64", "cmpxchg32_32", "xchg_64"];
    let names = names.into_iter().chain(["xchg32_32", "atomic_fetch_add", "atomic_fetch_or"]);
    let names = names.chain(["atomic_fetch_and", "atomic_fetch_xor", "atomic_xchg"]);
    let label = skep_diag::closest(word, names.chain(["atomic_cmpxchg"]))
        .map_or("no instruction is called so".into(), |name| format!("did you mean `{name}`?"));
    Diagnostic::error("asm.unknown-instruction", format!("unknown operation `{word}`"))
        .label(cur.span(), label)
}

/// What follows the address in an atomic operation that fetches: `, r0` before `, r2)` for a
/// comparison, and the result register again.
fn atomic_rest(
    cur: &mut Cursor<'_, '_>,
    dst: RegName,
    (size, op, base, off): (Size, AtomicOp, Reg, i16),
) -> Result<Insn> {
    dst.holds(size)?;
    cur.expect(",")?;
    let result = |reg| if reg == dst.reg { Ok(()) } else { Err(dst.reg) };
    let mut span = cur.span();
    let mut reg = cur.reg_for(size)?;
    let mut same = result(reg);
    if op == AtomicOp::CmpXchg {
        same = if dst.reg == Reg::R0 { result(reg) } else { Err(Reg::R0) };
        cur.expect(",")?;
        span = if same.is_ok() { cur.span() } else { span };
        reg = cur.reg_for(size)?;
    }
    cur.expect(")")?;
    same.map_err(|wanted| {
        cur.with_form(
            Diagnostic::error("asm.register-differs", "the result ends in another register")
                .label(span, format!("{wanted} here and on the left")),
        )
    })?;
    Ok(Insn::Atomic { size, op, base, off, src: reg })
}

/// `load_acquire((u32 *)(r2 + 4))`
fn load_acquire(cur: &mut Cursor<'_, '_>, dst: RegName) -> Result<Insn> {
    cur.form = "r1 = load_acquire((u32 *)(r2 + 4))";
    cur.bump();
    cur.expect("(")?;
    let (size, base, off) = pointer(cur)?;
    cur.expect(")")?;
    Ok(Insn::LoadAcquire { size, dst: dst.holds(size)?, base, off })
}

/// `addr_space_cast(r2, 0, 1)`
fn addr_space_cast(cur: &mut Cursor<'_, '_>, dst: RegName) -> Result<Insn> {
    cur.form = "r1 = addr_space_cast(r2, 0, 1)";
    cur.bump();
    cur.expect("(")?;
    let dst = dst.of(Width::W64)?;
    let src = cur.reg()?;
    cur.expect(",")?;
    let cast = cast(cur)?;
    cur.expect(")")?;
    Ok(Insn::AddrSpaceCast { cast, dst, src })
}

/// `0, 1` or `1, 0`: the address spaces of both operands.
pub(crate) fn cast(cur: &mut Cursor<'_, '_>) -> Result<AddrCast> {
    let span = cur.span();
    let dst = cur.number()?;
    cur.expect(",")?;
    let span = span.to(cur.span());
    match (dst, cur.number()?) {
        (0, 1) => Ok(AddrCast::ToKernel),
        (1, 0) => Ok(AddrCast::ToUser),
        _ => {
            Err(Diagnostic::error("asm.number-range", "no such cast")
                .label(span, "`0, 1` or `1, 0`"))
        }
    }
}

/// `*(u32 *)(r1 + 4)` as a place to store to.
fn place(cur: &mut Cursor<'_, '_>) -> Result<(Size, Reg, i16)> {
    cur.expect("*")?;
    pointer(cur)
}

/// `(u32 *)(r1 + 4)`
fn pointer(cur: &mut Cursor<'_, '_>) -> Result<(Size, Reg, i16)> {
    let span = cur.span_at(1);
    let (size, signed) = pointer_type(cur)?;
    if signed {
        return Err(Diagnostic::error("asm.access-type", "only loads have a sign to extend")
            .label(span, format!("did you mean `u{}`?", size.bits())));
    }
    let (base, off) = parenthesised(cur)?;
    Ok((size, base, off))
}

/// `(u32 *)`
fn pointer_type(cur: &mut Cursor<'_, '_>) -> Result<(Size, bool)> {
    cur.expect("(")?;
    let ty = ty(cur)?;
    cur.expect("*")?;
    cur.expect(")")?;
    Ok(ty)
}

fn parenthesised(cur: &mut Cursor<'_, '_>) -> Result<(Reg, i16)> {
    cur.expect("(")?;
    let address = cur.address()?;
    cur.expect(")")?;
    Ok(address)
}

fn ty(cur: &mut Cursor<'_, '_>) -> Result<(Size, bool)> {
    const TYPES: &str = "a type, u8 to u64 or s8 to s32";
    let Tok::Word(word) = cur.peek() else { return Err(cur.unexpected(TYPES)) };
    let ty = access(word).ok_or_else(|| cur.unexpected(TYPES))?;
    cur.bump();
    Ok(ty)
}

/// Atomic operations exist on 32 and 64 bits.
fn atomic_size(cur: &Cursor<'_, '_>, span: Span, size: Size) -> Result<()> {
    if matches!(size, Size::W | Size::Dw) {
        return Ok(());
    }
    let title = format!("no atomic operation on {} bits", size.bits());
    Err(cur.with_form(Diagnostic::error("asm.access-type", title).label(span, "u32 or u64")))
}
