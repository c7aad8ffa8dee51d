//! The mnemonic dialect, as uBPF and the public conformance files write it: every first word of an
//! instruction, and the instructions that have no name of something else in them.

use crate::c_like::cast;
use crate::cursor::Cursor;
use crate::token::Tok;
use skep_diag::{Diagnostic, closest};
use skep_isa::table::{ALU, ATOMIC, COND, SIZE, SWAP};
use skep_isa::{AluOp, AtomicOp, Call, CondOp, Insn, Reg, Size, Src, StaticBranch, Swap, Width};
use std::collections::BTreeMap;
use std::sync::LazyLock;

type Result<T> = std::result::Result<T, Diagnostic>;

/// What a first word says about the rest of the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Alu(Width, AluOp),
    MovSx(Width, Size),
    Neg(Width),
    Swap(Swap, Size),
    Cast,
    Lddw,
    LoadAbs(Size),
    LoadInd(Size),
    Load(Size),
    LoadSx(Size),
    LoadAcquire(Size),
    /// `st`: an immediate.
    StoreImm(Size),
    /// `stx`: a register.
    StoreReg(Size),
    StoreRelease(Size),
    Lock,
    JumpIf(Width, CondOp),
    Jump(Branch),
    JumpReg,
    Call,
    CallReg,
    Exit,
}

/// A jump without condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Branch {
    Short,
    Long,
    MayGoto,
    Static(StaticBranch),
    StaticLong(StaticBranch),
}

impl Form {
    /// How such a statement goes on after its first word.
    pub(crate) const fn usage(self) -> &'static str {
        match self {
            Self::Alu(..) | Self::MovSx(..) => " %r1, %r2",
            Self::Neg(_) | Self::Swap(..) | Self::JumpReg | Self::CallReg => " %r1",
            Self::Cast => " %r1, %r2, 0, 1",
            Self::Lddw => " %r1, 0x1122334455667788",
            Self::LoadAbs(_) => " 12",
            Self::LoadInd(_) => " %r1, 12",
            Self::Load(_) | Self::LoadSx(_) | Self::LoadAcquire(_) => " %r1, [%r2+4]",
            Self::StoreImm(_) => " [%r1+4], 5",
            Self::StoreReg(_) | Self::StoreRelease(_) => " [%r1+4], %r2",
            Self::Lock => " fetch_add [%r1+8], %r2",
            Self::JumpIf(..) => " %r1, %r2, label",
            Self::Jump(_) => " label",
            Self::Call => " name",
            Self::Exit => "",
        }
    }
}

/// Every first word.
static WORDS: LazyLock<BTreeMap<String, Form>> = LazyLock::new(|| {
    let mut words = BTreeMap::new();
    let mut add = |word: String, form| {
        let old = words.insert(word, form);
        assert!(old.is_none(), "bug: two forms begin with the same word");
    };
    alu_words(&mut add);
    memory_words(&mut add);
    jump_words(&mut add);
    words
});

fn alu_words(add: &mut impl FnMut(String, Form)) {
    for (width, suffixes) in [(Width::W32, &["32"][..]), (Width::W64, &["", "64"])] {
        for suffix in suffixes {
            for row in &ALU {
                add(format!("{}{suffix}", row.mnemonic), Form::Alu(width, row.op));
            }
            add(format!("neg{suffix}"), Form::Neg(width));
        }
        for from in [Size::B, Size::H, Size::W] {
            if u32::from(from.bits()) < width.bits() {
                let word = format!("movsx{}{}", from.bits(), width.bits());
                add(word, Form::MovSx(width, from));
            }
        }
    }
    for (kind, name) in
        SWAP.iter().map(|row| (row.kind, row.mnemonic)).chain([(Swap::Always, "swap")])
    {
        for size in [Size::H, Size::W, Size::Dw] {
            add(format!("{name}{}", size.bits()), Form::Swap(kind, size));
        }
    }
    add("addr_space_cast".into(), Form::Cast);
}

fn memory_words(add: &mut impl FnMut(String, Form)) {
    for row in &SIZE {
        let (size, suffix) = (row.size, row.suffix);
        add(format!("ldx{suffix}"), Form::Load(size));
        add(format!("st{suffix}"), Form::StoreImm(size));
        add(format!("stx{suffix}"), Form::StoreReg(size));
        add(format!("load_acq{suffix}"), Form::LoadAcquire(size));
        add(format!("store_rel{suffix}"), Form::StoreRelease(size));
        if size != Size::Dw {
            add(format!("ldxs{suffix}"), Form::LoadSx(size));
            // uBPF and older conformance files.
            add(format!("ldx{suffix}s"), Form::LoadSx(size));
            add(format!("ldx{suffix}sx"), Form::LoadSx(size));
            add(format!("ldabs{suffix}"), Form::LoadAbs(size));
            add(format!("ldind{suffix}"), Form::LoadInd(size));
        }
    }
    add("lddw".into(), Form::Lddw);
    add("lock".into(), Form::Lock);
}

fn jump_words(add: &mut impl FnMut(String, Form)) {
    for row in &COND {
        add(row.mnemonic.into(), Form::JumpIf(Width::W64, row.op));
        add(format!("{}32", row.mnemonic), Form::JumpIf(Width::W32, row.op));
    }
    for (short, long) in [("goto", "gotol"), ("ja", "ja32")] {
        add(short.into(), Form::Jump(Branch::Short));
        add(long.into(), Form::Jump(Branch::Long));
        for (word, branch) in [(short, Branch::Static as fn(_) -> _), (long, Branch::StaticLong)] {
            add(format!("{word}_or_nop"), Form::Jump(branch(StaticBranch::Goto)));
            add(format!("nop_or_{word}"), Form::Jump(branch(StaticBranch::Nop)));
        }
    }
    add("may_goto".into(), Form::Jump(Branch::MayGoto));
    add("gotox".into(), Form::JumpReg);
    add("jx".into(), Form::JumpReg);
    add("call".into(), Form::Call);
    add("callx".into(), Form::CallReg);
    add("exit".into(), Form::Exit);
}

/// The form of statements that begin with this word.
pub(crate) fn find(word: &str) -> Option<Form> {
    WORDS.get(word).copied()
}

/// Every first word.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    WORDS.keys().map(String::as_str)
}

/// `be16` and its like.
pub(crate) fn swap(word: &str) -> Option<(Swap, Size)> {
    match find(word) {
        Some(Form::Swap(kind, size)) => Some((kind, size)),
        _ => None,
    }
}

/// Reads what follows the first word, for the forms that have no label or symbol.
pub(crate) fn insn(cur: &mut Cursor<'_, '_>, form: Form) -> Result<Insn> {
    Ok(match form {
        Form::Alu(width, op) => {
            let dst = reg_then_comma(cur)?;
            Insn::Alu { width, op, dst, src: src(cur, width)? }
        }
        Form::MovSx(width, from) => {
            Insn::MovSx { width, from, dst: reg_then_comma(cur)?, src: cur.reg()? }
        }
        Form::Neg(width) => Insn::Neg { width, dst: cur.reg()? },
        Form::Swap(kind, size) => Insn::Swap { kind, size, dst: cur.reg()? },
        Form::Cast => {
            let (dst, src) = (reg_then_comma(cur)?, reg_then_comma(cur)?);
            Insn::AddrSpaceCast { cast: cast(cur)?, dst, src }
        }
        Form::LoadAbs(size) => Insn::LoadAbs { size, imm: cur.imm()? },
        Form::LoadInd(size) => {
            let src = reg_then_comma(cur)?;
            Insn::LoadInd { size, src, imm: cur.imm()? }
        }
        Form::Load(size) => {
            let (dst, (base, off)) = (reg_then_comma(cur)?, bracketed(cur)?);
            Insn::Load { size, dst, base, off }
        }
        Form::LoadSx(size) => {
            let (dst, (base, off)) = (reg_then_comma(cur)?, bracketed(cur)?);
            Insn::LoadSx { size, dst, base, off }
        }
        Form::LoadAcquire(size) => {
            let (dst, (base, off)) = (reg_then_comma(cur)?, bracketed(cur)?);
            Insn::LoadAcquire { size, dst, base, off }
        }
        Form::StoreImm(size) => {
            let (base, off) = bracketed_then_comma(cur)?;
            Insn::Store { size, base, off, src: Src::Imm(store_imm(cur, size)?) }
        }
        Form::StoreReg(size) => {
            let (base, off) = bracketed_then_comma(cur)?;
            Insn::Store { size, base, off, src: Src::Reg(cur.reg()?) }
        }
        Form::StoreRelease(size) => {
            let (base, off) = bracketed_then_comma(cur)?;
            Insn::StoreRelease { size, base, off, src: cur.reg()? }
        }
        Form::Lock => lock(cur)?,
        Form::JumpReg => Insn::JumpReg { dst: cur.reg()? },
        Form::CallReg => Insn::Call(Call::Reg(cur.reg()?)),
        Form::Exit => Insn::Exit,
        Form::Lddw | Form::JumpIf(..) | Form::Jump(_) | Form::Call => {
            unreachable!("bug: forms with names are read elsewhere")
        }
    })
}

/// A register is written without width here: `add32 %r1, %r2`.
pub(crate) fn src(cur: &mut Cursor<'_, '_>, width: Width) -> Result<Src> {
    if cur.at_number() && width == Width::W32 {
        return cur.imm().map(Src::Imm);
    }
    cur.src_extended(Width::W64)
}

/// A store of a word that is given as a register is the other instruction.
fn store_imm(cur: &mut Cursor<'_, '_>, size: Size) -> Result<i32> {
    if let Tok::Word(_) = cur.peek() {
        let suffix = size.row().suffix;
        return Err(cur.unexpected("a number").help(format!("`stx{suffix}` stores a register")));
    }
    cur.imm()
}

pub(crate) fn reg_then_comma(cur: &mut Cursor<'_, '_>) -> Result<Reg> {
    let reg = cur.reg()?;
    cur.expect(",")?;
    Ok(reg)
}

/// `[%r1+4]`
fn bracketed(cur: &mut Cursor<'_, '_>) -> Result<(Reg, i16)> {
    cur.expect("[")?;
    let address = cur.address()?;
    cur.expect("]")?;
    Ok(address)
}

fn bracketed_then_comma(cur: &mut Cursor<'_, '_>) -> Result<(Reg, i16)> {
    let address = bracketed(cur)?;
    cur.expect(",")?;
    Ok(address)
}

/// `lock fetch_add32 [%r1+8], %r2`; conformance files write `fetch add32`.
fn lock(cur: &mut Cursor<'_, '_>) -> Result<Insn> {
    let span = cur.span();
    let fetch = cur.eat_word("fetch");
    let Tok::Word(word) = cur.peek() else { return Err(cur.unexpected("an atomic operation")) };
    let span = span.to(cur.span());
    let (size, name) = word.strip_suffix("32").map_or((Size::Dw, word), |name| (Size::W, name));
    let row = ATOMIC.iter().find(|row| {
        if fetch {
            row.mnemonic.strip_prefix("fetch_").unwrap_or(row.mnemonic) == name && row.op.fetches()
        } else {
            row.mnemonic == name
        }
    });
    let op = row.ok_or_else(|| unknown_atomic(word).label(span, atomic_hint(name)))?.op;
    cur.bump();
    let (base, off) = bracketed_then_comma(cur)?;
    Ok(atomic(size, op, base, off, cur.reg()?))
}

const fn atomic(size: Size, op: AtomicOp, base: Reg, off: i16, src: Reg) -> Insn {
    Insn::Atomic { size, op, base, off, src }
}

fn unknown_atomic(word: &str) -> Diagnostic {
    Diagnostic::error("asm.unknown-instruction", format!("unknown atomic operation `{word}`"))
}

fn atomic_hint(name: &str) -> String {
    let names = || ATOMIC.iter().map(|row| row.mnemonic);
    closest(name, names()).map_or_else(
        || names().collect::<Vec<_>>().join(", "),
        |name| format!("did you mean `{name}`?"),
    )
}
