//! The instruction set as tables.
//!
//! One row per opcode that Linux allows: decoding, encoding and the listings of `tcpdump -d` read
//! the same rows. Sources: `chk_code_allowed` in `net/core/filter.c` for the opcodes,
//! `bpf_image.c` of libpcap for the spellings.

use crate::insn::{AluOp, Ancillary, CondOp, Insn, Reg, Size, Src};

/// Row of [`TABLE`].
#[expect(missing_docs, reason = "fields are glossary terms")]
pub struct Row {
    pub code: u16,
    /// The instruction with all its fields zero.
    pub insn: Insn,
    pub mnemonic: &'static str,
    pub operand: Operand,
}

/// How `tcpdump -d` writes the operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// Nothing.
    None,
    /// `#0x1f`
    Hex,
    /// `#-1`
    Dec,
    /// `[12]`, or `[name]` of ancillary data.
    Abs,
    /// `[x + 14]`
    Ind,
    /// `4*([14]&0xf)`
    Msh,
    /// `M[3]`
    Mem,
    /// `#pktlen`
    Len,
    /// `x`
    X,
    /// The position jumped to.
    Target,
}

const fn row(code: u16, insn: Insn, mnemonic: &'static str, operand: Operand) -> Row {
    Row { code, insn, mnemonic, operand }
}

const fn alu(code: u16, op: AluOp, src: Src, mnemonic: &'static str, operand: Operand) -> Row {
    row(code, Insn::Alu { op, src }, mnemonic, operand)
}

const fn cond(code: u16, op: CondOp, src: Src, mnemonic: &'static str, operand: Operand) -> Row {
    row(code, Insn::JumpIf { op, src, jt: 0, jf: 0 }, mnemonic, operand)
}

const K: Src = Src::K(0);

/// Every instruction, by opcode.
#[rustfmt::skip]
pub const TABLE: [Row; 49] = [
    row(0x00, Insn::LoadImm { reg: Reg::A, k: 0 },         "ld",   Operand::Hex),
    row(0x01, Insn::LoadImm { reg: Reg::X, k: 0 },         "ldx",  Operand::Hex),
    row(0x02, Insn::Store { reg: Reg::A, k: 0 },           "st",   Operand::Mem),
    row(0x03, Insn::Store { reg: Reg::X, k: 0 },           "stx",  Operand::Mem),
    alu(0x04, AluOp::Add, K,                               "add",  Operand::Dec),
    row(0x05, Insn::Jump { k: 0 },                         "ja",   Operand::Target),
    row(0x06, Insn::RetK { k: 0 },                         "ret",  Operand::Dec),
    row(0x07, Insn::Tax,                                   "tax",  Operand::None),
    alu(0x0c, AluOp::Add, Src::X,                          "add",  Operand::X),
    alu(0x14, AluOp::Sub, K,                               "sub",  Operand::Dec),
    cond(0x15, CondOp::Eq, K,                              "jeq",  Operand::Hex),
    row(0x16, Insn::RetA,                                  "ret",  Operand::None),
    alu(0x1c, AluOp::Sub, Src::X,                          "sub",  Operand::X),
    cond(0x1d, CondOp::Eq, Src::X,                         "jeq",  Operand::X),
    row(0x20, Insn::LoadAbs { size: Size::W, k: 0 },       "ld",   Operand::Abs),
    alu(0x24, AluOp::Mul, K,                               "mul",  Operand::Dec),
    cond(0x25, CondOp::Gt, K,                              "jgt",  Operand::Hex),
    row(0x28, Insn::LoadAbs { size: Size::H, k: 0 },       "ldh",  Operand::Abs),
    alu(0x2c, AluOp::Mul, Src::X,                          "mul",  Operand::X),
    cond(0x2d, CondOp::Gt, Src::X,                         "jgt",  Operand::X),
    row(0x30, Insn::LoadAbs { size: Size::B, k: 0 },       "ldb",  Operand::Abs),
    alu(0x34, AluOp::Div, K,                               "div",  Operand::Dec),
    cond(0x35, CondOp::Ge, K,                              "jge",  Operand::Hex),
    alu(0x3c, AluOp::Div, Src::X,                          "div",  Operand::X),
    cond(0x3d, CondOp::Ge, Src::X,                         "jge",  Operand::X),
    row(0x40, Insn::LoadInd { size: Size::W, k: 0 },       "ld",   Operand::Ind),
    alu(0x44, AluOp::Or, K,                                "or",   Operand::Hex),
    cond(0x45, CondOp::Set, K,                             "jset", Operand::Hex),
    row(0x48, Insn::LoadInd { size: Size::H, k: 0 },       "ldh",  Operand::Ind),
    alu(0x4c, AluOp::Or, Src::X,                           "or",   Operand::X),
    cond(0x4d, CondOp::Set, Src::X,                        "jset", Operand::X),
    row(0x50, Insn::LoadInd { size: Size::B, k: 0 },       "ldb",  Operand::Ind),
    alu(0x54, AluOp::And, K,                               "and",  Operand::Hex),
    alu(0x5c, AluOp::And, Src::X,                          "and",  Operand::X),
    row(0x60, Insn::LoadMem { reg: Reg::A, k: 0 },         "ld",   Operand::Mem),
    row(0x61, Insn::LoadMem { reg: Reg::X, k: 0 },         "ldx",  Operand::Mem),
    alu(0x64, AluOp::Lsh, K,                               "lsh",  Operand::Dec),
    alu(0x6c, AluOp::Lsh, Src::X,                          "lsh",  Operand::X),
    alu(0x74, AluOp::Rsh, K,                               "rsh",  Operand::Dec),
    alu(0x7c, AluOp::Rsh, Src::X,                          "rsh",  Operand::X),
    row(0x80, Insn::LoadLen { reg: Reg::A },               "ld",   Operand::Len),
    // libpcap knows this one only as `unimp`; see `listing::print`.
    row(0x81, Insn::LoadLen { reg: Reg::X },               "ldx",  Operand::Len),
    row(0x84, Insn::Neg,                                   "neg",  Operand::None),
    row(0x87, Insn::Txa,                                   "txa",  Operand::None),
    alu(0x94, AluOp::Mod, K,                               "mod",  Operand::Dec),
    alu(0x9c, AluOp::Mod, Src::X,                          "mod",  Operand::X),
    alu(0xa4, AluOp::Xor, K,                               "xor",  Operand::Hex),
    alu(0xac, AluOp::Xor, Src::X,                          "xor",  Operand::X),
    row(0xb1, Insn::LoadMsh { k: 0 },                      "ldxb", Operand::Msh),
];

/// Offset of the first ancillary datum; the others follow every 4. Linux: `SKF_AD_OFF`.
pub const AD_OFF: u32 = 0u32.wrapping_sub(0x1000);
/// Offsets from here on count from the network header. Linux: `SKF_NET_OFF`.
pub const NET_OFF: u32 = 0u32.wrapping_sub(0x10_0000);
/// Offsets from here on, up to [`NET_OFF`], count from the link-layer header. Linux: `SKF_LL_OFF`.
pub const LL_OFF: u32 = 0u32.wrapping_sub(0x20_0000);

/// Ancillary data by offset, with libpcap's names.
#[rustfmt::skip]
pub const ANCILLARY: [(Ancillary, &str); 16] = [
    (Ancillary::Protocol,       "proto"),
    (Ancillary::PktType,        "type"),
    (Ancillary::IfIndex,        "ifidx"),
    (Ancillary::Nlattr,         "nla"),
    (Ancillary::NlattrNest,     "nlan"),
    (Ancillary::Mark,           "mark"),
    (Ancillary::Queue,          "queue"),
    (Ancillary::HaType,         "hatype"),
    (Ancillary::RxHash,         "rxhash"),
    (Ancillary::Cpu,            "cpu"),
    (Ancillary::AluXorX,        "xor_x"),
    (Ancillary::VlanTag,        "vlan_tci"),
    (Ancillary::VlanTagPresent, "vlanp"),
    (Ancillary::PayOffset,      "poff"),
    (Ancillary::Random,         "random"),
    (Ancillary::VlanTpid,       "vlan_tpid"),
];

impl Ancillary {
    /// The datum at this offset.
    #[must_use]
    pub fn at(k: u32) -> Option<Self> {
        ANCILLARY.iter().map(|&(anc, _)| anc).find(|anc| anc.k() == k)
    }

    /// Its offset.
    #[must_use]
    pub const fn k(self) -> u32 {
        AD_OFF.wrapping_add((self as u32).wrapping_mul(4))
    }

    /// libpcap's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        ANCILLARY.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_order() {
        assert!(TABLE.is_sorted_by(|a, b| a.code < b.code));
        assert!(ANCILLARY.iter().zip(0..).all(|(row, i)| row.0 as usize == i));
        assert_eq!(Ancillary::Protocol.k(), 0xffff_f000);
        assert_eq!(Ancillary::VlanTpid.k(), 0xffff_f03c);
        assert_eq!(Ancillary::VlanTpid.name(), "vlan_tpid");
    }
}
