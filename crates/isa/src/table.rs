//! The instruction set as tables.
//!
//! Each enumeration of operations has one table, in the order of its variants, so that
//! `TABLE[op as usize]` is the row of `op` (a test keeps it so). A row holds the bits of the encoding
//! and the spellings of both dialects. What has no operation to enumerate stands in [`SINGLE`].

use crate::{AluOp, AtomicOp, CondOp, Size, Swap};

/// Conformance group of RFC 9669, section 2.4, or who adds the instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "names of RFC 9669")]
pub enum Group {
    Base32,
    Base64,
    Divmul32,
    Divmul64,
    Atomic32,
    Atomic64,
    /// Legacy packet access.
    Packet,
    /// Not in RFC 9669; Linux has it.
    Linux,
    /// In neither; LLVM emits it.
    Llvm,
}

/// Classes: the low three bits of `code`. RFC 9669, section 3.2.
pub mod class {
    #![expect(missing_docs, reason = "names of RFC 9669")]
    pub const LD: u8 = 0;
    pub const LDX: u8 = 1;
    pub const ST: u8 = 2;
    pub const STX: u8 = 3;
    pub const ALU: u8 = 4;
    pub const JMP: u8 = 5;
    pub const JMP32: u8 = 6;
    pub const ALU64: u8 = 7;
}

/// Modes of load and store: the high three bits of `code`. RFC 9669, section 5.
pub mod mode {
    #![expect(missing_docs, reason = "names of RFC 9669")]
    pub const IMM: u8 = 0x00;
    pub const ABS: u8 = 0x20;
    pub const IND: u8 = 0x40;
    pub const MEM: u8 = 0x60;
    pub const MEMSX: u8 = 0x80;
    pub const ATOMIC: u8 = 0xc0;
}

/// Bit of `code` that makes the second operand a register.
pub const X: u8 = 0x08;

/// Row of [`ALU`].
#[expect(missing_docs, reason = "fields are glossary terms")]
pub struct Alu {
    pub op: AluOp,
    /// High four bits of `code`.
    pub code: u8,
    pub off: i16,
    pub mnemonic: &'static str,
    /// Between `dst` and `src` in the C-like dialect.
    pub symbol: &'static str,
    /// Groups of the 32-bit and the 64-bit form.
    pub groups: [Group; 2],
}

/// Row of [`COND`].
#[expect(missing_docs, reason = "fields are glossary terms")]
pub struct Cond {
    pub op: CondOp,
    /// High four bits of `code`.
    pub code: u8,
    pub mnemonic: &'static str,
    pub symbol: &'static str,
}

/// Row of [`SIZE`].
#[expect(missing_docs, reason = "fields are glossary terms")]
pub struct SizeRow {
    pub size: Size,
    /// Bits 3 and 4 of `code`.
    pub code: u8,
    /// Suffix of the mnemonic: `ldxw`.
    pub suffix: &'static str,
    /// In the C-like dialect: `*(u32 *)`.
    pub unsigned: &'static str,
    /// In the C-like dialect: `*(s32 *)`.
    pub signed: &'static str,
}

/// Row of [`ATOMIC`].
#[expect(missing_docs, reason = "fields are glossary terms")]
pub struct Atomic {
    pub op: AtomicOp,
    pub imm: i32,
    pub mnemonic: &'static str,
}

/// Row of [`SWAP`].
#[expect(missing_docs, reason = "fields are glossary terms")]
pub struct SwapRow {
    pub kind: Swap,
    pub code: u8,
    /// Before the number of bits: `be16`.
    pub mnemonic: &'static str,
}

/// Arithmetic. RFC 9669, section 4.1.
#[rustfmt::skip]
pub const ALU: [Alu; 14] = {
    use Group::{Base32, Base64, Divmul32, Divmul64};
    const B: [Group; 2] = [Base32, Base64];
    const M: [Group; 2] = [Divmul32, Divmul64];
    [
        Alu { op: AluOp::Add,  code: 0x00, off: 0, mnemonic: "add",  symbol: "+=",   groups: B },
        Alu { op: AluOp::Sub,  code: 0x10, off: 0, mnemonic: "sub",  symbol: "-=",   groups: B },
        Alu { op: AluOp::Mul,  code: 0x20, off: 0, mnemonic: "mul",  symbol: "*=",   groups: M },
        Alu { op: AluOp::Div,  code: 0x30, off: 0, mnemonic: "div",  symbol: "/=",   groups: M },
        Alu { op: AluOp::SDiv, code: 0x30, off: 1, mnemonic: "sdiv", symbol: "s/=",  groups: M },
        Alu { op: AluOp::Or,   code: 0x40, off: 0, mnemonic: "or",   symbol: "|=",   groups: B },
        Alu { op: AluOp::And,  code: 0x50, off: 0, mnemonic: "and",  symbol: "&=",   groups: B },
        Alu { op: AluOp::Lsh,  code: 0x60, off: 0, mnemonic: "lsh",  symbol: "<<=",  groups: B },
        Alu { op: AluOp::Rsh,  code: 0x70, off: 0, mnemonic: "rsh",  symbol: ">>=",  groups: B },
        Alu { op: AluOp::Mod,  code: 0x90, off: 0, mnemonic: "mod",  symbol: "%=",   groups: M },
        Alu { op: AluOp::SMod, code: 0x90, off: 1, mnemonic: "smod", symbol: "s%=",  groups: M },
        Alu { op: AluOp::Xor,  code: 0xa0, off: 0, mnemonic: "xor",  symbol: "^=",   groups: B },
        Alu { op: AluOp::Mov,  code: 0xb0, off: 0, mnemonic: "mov",  symbol: "=",    groups: B },
        Alu { op: AluOp::Arsh, code: 0xc0, off: 0, mnemonic: "arsh", symbol: "s>>=", groups: B },
    ]
};

/// High four bits of `code` of negation, a 15th arithmetic operation without second operand.
pub const NEG: u8 = 0x80;

/// Conditions. RFC 9669, section 4.3.
#[rustfmt::skip]
pub const COND: [Cond; 11] = [
    Cond { op: CondOp::Eq,  code: 0x10, mnemonic: "jeq",  symbol: "==" },
    Cond { op: CondOp::Gt,  code: 0x20, mnemonic: "jgt",  symbol: ">" },
    Cond { op: CondOp::Ge,  code: 0x30, mnemonic: "jge",  symbol: ">=" },
    Cond { op: CondOp::Set, code: 0x40, mnemonic: "jset", symbol: "&" },
    Cond { op: CondOp::Ne,  code: 0x50, mnemonic: "jne",  symbol: "!=" },
    Cond { op: CondOp::SGt, code: 0x60, mnemonic: "jsgt", symbol: "s>" },
    Cond { op: CondOp::SGe, code: 0x70, mnemonic: "jsge", symbol: "s>=" },
    Cond { op: CondOp::Lt,  code: 0xa0, mnemonic: "jlt",  symbol: "<" },
    Cond { op: CondOp::Le,  code: 0xb0, mnemonic: "jle",  symbol: "<=" },
    Cond { op: CondOp::SLt, code: 0xc0, mnemonic: "jslt", symbol: "s<" },
    Cond { op: CondOp::SLe, code: 0xd0, mnemonic: "jsle", symbol: "s<=" },
];

/// The other jumps: high four bits of `code`.
pub mod jump {
    #![expect(missing_docs, reason = "names of RFC 9669 and Linux")]
    pub const JA: u8 = 0x00;
    pub const CALL: u8 = 0x80;
    pub const EXIT: u8 = 0x90;
    /// Conditions on the state of the run; `src` 0 is `may_goto`.
    pub const JCOND: u8 = 0xe0;
}

/// Access sizes. RFC 9669, section 5.
#[rustfmt::skip]
pub const SIZE: [SizeRow; 4] = [
    SizeRow { size: Size::B,  code: 0x10, suffix: "b",  unsigned: "u8",  signed: "s8" },
    SizeRow { size: Size::H,  code: 0x08, suffix: "h",  unsigned: "u16", signed: "s16" },
    SizeRow { size: Size::W,  code: 0x00, suffix: "w",  unsigned: "u32", signed: "s32" },
    SizeRow { size: Size::Dw, code: 0x18, suffix: "dw", unsigned: "u64", signed: "s64" },
];

/// Atomic operations by `imm`. RFC 9669, section 5.3.
#[rustfmt::skip]
pub const ATOMIC: [Atomic; 10] = [
    Atomic { op: AtomicOp::Add,      imm: 0x00, mnemonic: "add" },
    Atomic { op: AtomicOp::Or,       imm: 0x40, mnemonic: "or" },
    Atomic { op: AtomicOp::And,      imm: 0x50, mnemonic: "and" },
    Atomic { op: AtomicOp::Xor,      imm: 0xa0, mnemonic: "xor" },
    Atomic { op: AtomicOp::FetchAdd, imm: 0x01, mnemonic: "fetch_add" },
    Atomic { op: AtomicOp::FetchOr,  imm: 0x41, mnemonic: "fetch_or" },
    Atomic { op: AtomicOp::FetchAnd, imm: 0x51, mnemonic: "fetch_and" },
    Atomic { op: AtomicOp::FetchXor, imm: 0xa1, mnemonic: "fetch_xor" },
    Atomic { op: AtomicOp::Xchg,     imm: 0xe1, mnemonic: "xchg" },
    Atomic { op: AtomicOp::CmpXchg,  imm: 0xf1, mnemonic: "cmpxchg" },
];

/// `imm` of a load with acquire ordering, in the atomic mode of `STX`. Kernel: `BPF_LOAD_ACQ`.
pub const LOAD_ACQUIRE: i32 = 0x100;
/// `imm` of a store with release ordering. Kernel: `BPF_STORE_REL`.
pub const STORE_RELEASE: i32 = 0x110;

/// Byte order. RFC 9669, section 4.2.
#[rustfmt::skip]
pub const SWAP: [SwapRow; 3] = [
    SwapRow { kind: Swap::Le,     code: 0xd4, mnemonic: "le" },
    SwapRow { kind: Swap::Be,     code: 0xdc, mnemonic: "be" },
    SwapRow { kind: Swap::Always, code: 0xd7, mnemonic: "bswap" },
];

/// `src` of `lddw`, in the order of [`crate::ImmSrc`], with the meaning of both immediates.
/// RFC 9669, section 5.4.
#[rustfmt::skip]
pub const IMM_SRC: [(u8, &str); 7] = [
    (0, "dst = imm | next.imm << 32"),
    (1, "dst = map by fd imm"),
    (2, "dst = value of map by fd imm, + next.imm"),
    (3, "dst = address of kernel variable, BTF id imm"),
    (4, "dst = address of subprogram pc + 1 + imm"),
    (5, "dst = map by index imm"),
    (6, "dst = value of map by index imm, + next.imm"),
];

/// Instructions that are no row of another table: `(code, fields that tell them apart, C-like text,
/// mnemonic text, group)`. For the reference; decoding matches them one by one.
#[rustfmt::skip]
pub const SINGLE: &[(u8, &str, &str, &str, Group)] = &[
    (0x84, "",              "w1 = -w1",                          "neg32 %r1",         Group::Base32),
    (0x87, "",              "r1 = -r1",                          "neg %r1",           Group::Base64),
    (0xbc, "off 8, 16",     "w1 = (s8)w2",                       "movsx832 %r1, %r2", Group::Base32),
    (0xbf, "off 8, 16, 32", "r1 = (s8)r2",                       "movsx864 %r1, %r2", Group::Base64),
    (0xbf, "off 1, imm 1",  "r1 = addr_space_cast(r2, 0, 1)",    "addr_space_cast %r1, %r2, 0, 1", Group::Linux),
    (0xbf, "off 1, imm 0x10000", "r1 = addr_space_cast(r2, 1, 0)", "addr_space_cast %r1, %r2, 1, 0", Group::Linux),
    (0x05, "src 0",         "goto pc+off",                       "ja +off",           Group::Base64),
    (0x05, "src 1",         "goto_or_nop pc+off",                "ja_or_nop +off",    Group::Llvm),
    (0x05, "src 3",         "nop_or_goto pc+off",                "nop_or_ja +off",    Group::Llvm),
    (0x06, "src 0",         "gotol pc+imm",                      "ja32 +imm",         Group::Base32),
    (0x06, "src 1",         "gotol_or_nop pc+imm",               "ja32_or_nop +imm",  Group::Llvm),
    (0x06, "src 3",         "nop_or_gotol pc+imm",               "nop_or_ja32 +imm",  Group::Llvm),
    (0x0d, "",              "gotox r1",                          "jx %r1",            Group::Linux),
    (0xe5, "src 0",         "may_goto pc+off",                   "may_goto +off",     Group::Linux),
    (0x85, "src 0",         "call imm",                          "call imm",          Group::Base64),
    (0x85, "src 1",         "call pc+imm",                       "call local +imm",   Group::Base64),
    (0x85, "src 2",         "call kernel-function#imm",          "call kfunc imm",    Group::Base64),
    (0x8d, "",              "callx r1",                          "callx %r1",         Group::Linux),
    (0x95, "",              "exit",                              "exit",              Group::Base64),
];

macro_rules! rows {
    ($($ty:ty, $table:ident, $row:ty, $doc:literal;)*) => {$(
        impl $ty {
            #[doc = $doc]
            #[must_use]
            pub const fn row(self) -> &'static $row {
                &$table[self as usize]
            }
        }
    )*};
}
rows! {
    AluOp, ALU, Alu, "Row of [`ALU`].";
    CondOp, COND, Cond, "Row of [`COND`].";
    AtomicOp, ATOMIC, Atomic, "Row of [`ATOMIC`].";
    Size, SIZE, SizeRow, "Row of [`SIZE`].";
    Swap, SWAP, SwapRow, "Row of [`SWAP`].";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_stand_in_the_order_of_their_enums() {
        assert!(ALU.iter().all(|row| row.op.row().op == row.op));
        assert!(COND.iter().all(|row| row.op.row().op == row.op));
        assert!(ATOMIC.iter().all(|row| row.op.row().op == row.op));
        assert!(SIZE.iter().all(|row| row.size.row().size == row.size));
        assert!(SWAP.iter().all(|row| row.kind.row().kind == row.kind));
    }
}
