//! Operands that depend on more than the instruction.

use super::Dialect;
use super::name::name;
use skep_abi::helper_name;
use skep_isa::{Call, ImmSrc, Pc};
use skep_prog::MapDef;
use std::collections::BTreeMap;

/// What there is to know about the surroundings of an instruction.
pub(super) struct Operands<'a> {
    pub(super) dialect: Dialect,
    pub(super) maps: &'a [MapDef],
    /// Where the instruction stands, and the names of slots.
    pub(super) labels: Option<(Pc, &'a BTreeMap<Pc, String>)>,
}

impl Operands<'_> {
    /// A number with sign in the way of the dialect.
    pub(super) fn num(&self, value: i64) -> String {
        match self.dialect {
            Dialect::CLike => hex(value),
            Dialect::Mnemonic => value.to_string(),
        }
    }

    /// The target of a jump: `label`, `+0x3`.
    pub(super) fn target(&self, off: i32) -> String {
        self.label(off).unwrap_or_else(|| self.offset(off))
    }

    fn label(&self, off: i32) -> Option<String> {
        let (pc, labels) = self.labels?;
        Some(name(labels.get(&pc.jump(off)?)?).into())
    }

    fn offset(&self, off: i32) -> String {
        let sign = if off < 0 { "" } else { "+" };
        format!("{sign}{}", self.num(off.into()))
    }

    /// What follows `call`.
    pub(super) fn call(&self, call: Call) -> String {
        let c_like = self.dialect == Dialect::CLike;
        match call {
            Call::Helper(id) => match u32::try_from(id).ok().and_then(helper_name) {
                Some(helper) if c_like => format!("bpf_{helper}#{id}"),
                _ => self.num(id.into()),
            },
            Call::Local(off) => match self.label(off) {
                Some(label) if c_like => label,
                Some(label) => format!("local {label}"),
                None if c_like => format!("pc{}", self.offset(off)),
                None => format!("local {}", self.offset(off)),
            },
            Call::Kfunc { id, module } => {
                let kind = if c_like { "kernel-function#" } else { "kfunc " };
                let module = if module == 0 { String::new() } else { format!(", {module}") };
                format!("{kind}{id}{module}")
            }
            Call::Reg(reg) if c_like => format!("{reg}"),
            Call::Reg(reg) => format!("%{reg}"),
        }
    }

    /// The operand of `lddw`.
    pub(super) fn imm(&self, imm: ImmSrc) -> String {
        let c_like = self.dialect == Dialect::CLike;
        match imm {
            ImmSrc::Value(value) if c_like => format!("{} ll", hex(value.cast_signed())),
            ImmSrc::Value(value) => format!("{value:#x}"),
            ImmSrc::MapFd(fd) if c_like => format!("map[fd:{fd}]"),
            ImmSrc::MapFd(fd) => format!("map_by_fd({fd})"),
            ImmSrc::MapValue { fd, at } if c_like => format!("map[fd:{fd}][0]{}", self.plus(at)),
            ImmSrc::MapValue { fd, at } => format!("map_val(map_by_fd({fd})){}", self.plus(at)),
            ImmSrc::BtfId { id, fd: 0 } if c_like => format!("ksym[id:{id}]"),
            ImmSrc::BtfId { id, fd } if c_like => format!("ksym[id:{id},fd:{fd}]"),
            ImmSrc::BtfId { id, fd: 0 } => format!("var_addr({id})"),
            ImmSrc::BtfId { id, fd } => format!("var_addr({id}, {fd})"),
            ImmSrc::Func(off) => self.func(off),
            ImmSrc::MapIdx(idx) => self.map(idx),
            ImmSrc::MapIdxValue { idx, at } => self.map_value(idx, at),
        }
    }

    /// `+8`, or nothing for 0.
    fn plus(&self, at: i32) -> String {
        if at == 0 { String::new() } else { self.offset(at) }
    }

    fn func(&self, off: i32) -> String {
        match (self.label(off), self.dialect) {
            (Some(label), Dialect::CLike) => format!("subprog[{label}]"),
            (None, Dialect::CLike) => format!("subprog[{}]", self.offset(off)),
            (Some(label), Dialect::Mnemonic) => format!("code_addr({label})"),
            (None, Dialect::Mnemonic) => format!("code_addr({off})"),
        }
    }

    fn named(&self, idx: i32) -> Option<&MapDef> {
        self.maps.get(usize::try_from(idx).ok()?)
    }

    fn map(&self, idx: i32) -> String {
        match (self.named(idx), self.dialect) {
            (Some(map), Dialect::CLike) if map.data.is_none() => format!("{} ll", name(&map.name)),
            (Some(map), Dialect::CLike) => format!("map[{}]", name(&map.name)),
            (None, Dialect::CLike) => format!("map[idx:{idx}]"),
            (Some(map), Dialect::Mnemonic) => format!("map_by_fd({})", name(&map.name)),
            (None, Dialect::Mnemonic) => format!("map_by_idx({idx})"),
        }
    }

    fn map_value(&self, idx: i32, at: i32) -> String {
        let at = self.plus(at);
        match (self.named(idx), self.dialect) {
            (Some(map), Dialect::CLike) if map.data.is_some() => {
                format!("{}{at} ll", name(&map.name))
            }
            (Some(map), Dialect::CLike) => format!("map[{}][0]{at}", name(&map.name)),
            (None, Dialect::CLike) => format!("map[idx:{idx}][0]{at}"),
            (Some(map), Dialect::Mnemonic) => {
                format!("map_val(map_by_fd({})){at}", name(&map.name))
            }
            (None, Dialect::Mnemonic) => format!("map_val(map_by_idx({idx})){at}"),
        }
    }
}

/// As LLVM prints numbers: `0x5`, `-0x5`.
pub(super) fn hex(value: i64) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{:#x}", value.unsigned_abs())
}
