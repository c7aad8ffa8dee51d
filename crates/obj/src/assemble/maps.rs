//! Maps as variables of `.maps`, and data sections.

use super::{AssembleError, Assembly, DATA};
use crate::reloc::R_BPF_64_ABS64;
use crate::{Binding, Content, FileReloc, SymbolKind};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;
use object::elf;
use skep_abi::MapType;
use skep_btf::{
    Builder, Def, FuncLinkage, Int, Member, Param, SecVar, TypeId, VarLinkage, Variant,
};
use skep_prog::{DataKind, Initial, MapDef};

/// Bytes of a pointer.
const PTR: u32 = 8;

impl Assembly {
    /// Gives every map a symbol: maps by BTF in `.maps`, data as a section.
    pub(super) fn place_maps(&mut self, maps: &[MapDef]) -> Result<(), AssembleError> {
        let mut vars = Vec::new();
        let mut end = 0_u32;
        let mut symbols = BTreeMap::new();
        // Loaders make one map after the other, so what holds others comes behind them.
        let (outer, maps): (Vec<_>, Vec<_>) =
            maps.iter().enumerate().partition(|(_, map)| matches!(map.initial, Initial::Maps(_)));
        for (at, map) in maps.into_iter().chain(outer) {
            if let Some(kind) = map.data {
                symbols.insert(at, self.data(map, kind)?);
                continue;
            }
            self.name(&map.name)?;
            let (ty, size) = self.types.def(map)?;
            let values = match &map.initial {
                Initial::Progs(values) | Initial::Maps(values) => {
                    values.iter().map(|&(index, _)| index.saturating_add(1)).max().unwrap_or(0)
                }
                Initial::Empty => 0,
                Initial::Value(_) | Initial::StructOps(_) => {
                    let (map, what) = (map.name.clone(), "content of a type of its own");
                    return Err(AssembleError::Map { map, what });
                }
            };
            let size = values.checked_mul(PTR).and_then(|values| values.checked_add(size));
            let size = size.ok_or(AssembleError::Full)?;
            let section = self.section(".maps", DATA, u64::from(PTR));
            let place = (section, u64::from(end));
            let symbol =
                self.symbol(&map.name, SymbolKind::Object, Binding::Global, place, size.into());
            symbols.insert(at, symbol);
            let var =
                self.types.builder.add(&map.name, Def::Var { ty, linkage: VarLinkage::Global })?;
            vars.push(SecVar { var, off: end, size });
            end = end.checked_add(size).ok_or(AssembleError::Full)?;
        }
        self.maps = symbols.into_values().collect();
        if vars.is_empty() {
            return Ok(());
        }
        self.types.builder.add(".maps", Def::Datasec { size: end, vars: &vars })?;
        let section = self.section(".maps", DATA, u64::from(PTR));
        let len = usize::try_from(end).map_err(|_| AssembleError::Full)?;
        self.bytes(section).resize(len, 0);
        Ok(())
    }

    /// Points the content of maps to what it names.
    pub(super) fn write_maps(&mut self, maps: &[MapDef]) -> Result<(), AssembleError> {
        for (at, map) in maps.iter().enumerate() {
            let (Initial::Progs(values) | Initial::Maps(values)) = &map.initial else { continue };
            let Some(symbol) = self.maps.get(at).and_then(|&at| self.file.symbols.get(at)) else {
                continue;
            };
            let count = values.iter().map(|&(index, _)| u64::from(index).saturating_add(1)).max();
            let values_len = count.unwrap_or(0).saturating_mul(PTR.into());
            let first = symbol.value.saturating_add(symbol.size.saturating_sub(values_len));
            for (index, name) in values {
                let symbol = match &map.initial {
                    Initial::Progs(_) => self.progs.get(name).copied(),
                    _ => {
                        let map = maps.iter().position(|map| map.name == *name);
                        map.and_then(|map| self.maps.get(map)).copied()
                    }
                };
                let symbol = symbol.ok_or_else(|| AssembleError::Missing {
                    map: map.name.clone(),
                    name: name.clone(),
                })?;
                let at = first.saturating_add(u64::from(*index).saturating_mul(PTR.into()));
                let section = self.section(".maps", DATA, PTR.into());
                if let Some(section) = self.file.sections.get_mut(section) {
                    section.relocs.push(FileReloc { at, kind: R_BPF_64_ABS64, symbol });
                }
            }
        }
        Ok(())
    }

    /// The section of a map that holds data.
    fn data(&mut self, map: &MapDef, kind: DataKind) -> Result<usize, AssembleError> {
        let prefix = match kind {
            DataKind::Data => ".data",
            DataKind::Rodata => ".rodata",
            DataKind::Bss => ".bss",
            DataKind::Kconfig => {
                let (map, what) = (map.name.clone(), "the kernel's configuration");
                return Err(AssembleError::Map { map, what });
            }
        };
        let own = map
            .name
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let name = if own {
            map.name.clone()
        } else if kind == DataKind::Bss && !self.names.contains(prefix) {
            // Older libbpf know no other.
            prefix.into()
        } else {
            format!("{prefix}.{}", map.name)
        };
        self.name(&name)?;
        let flags = if kind == DataKind::Rodata { elf::SHF_ALLOC } else { DATA };
        let section = self.section(&name, flags, 8);
        match &map.initial {
            Initial::Value(bytes) => self.bytes(section).extend(bytes),
            _ => {
                if let Some(section) = self.file.sections.get_mut(section) {
                    section.content = Content::Zeroes(map.value_size.into());
                }
            }
        }
        if kind == DataKind::Bss
            && let Some(section) = self.file.sections.get_mut(section)
        {
            section.kind = elf::SHT_NOBITS;
        }
        Ok(self.symbol("", SymbolKind::Section, Binding::Local, (section, 0), 0))
    }
}

/// Types, those of maps as `bpf_helpers.h` makes them: a number is the length of an array.
#[derive(Default)]
pub(super) struct Types {
    pub(super) builder: Builder,
    /// `int`, where it was added.
    int: Option<TypeId>,
}

impl Types {
    fn int(&mut self) -> Result<TypeId, AssembleError> {
        if let Some(int) = self.int {
            return Ok(int);
        }
        let int = Int { size: 4, bits: 32, bit_off: 0, signed: true, char: false, bool: false };
        let int = self.builder.add("int", Def::Int(int))?;
        self.int = Some(int);
        Ok(int)
    }

    /// `int name(void *ctx)` of a program, `static int name(void)` of what it calls.
    pub(super) fn func(&mut self, name: &str, entry: bool) -> Result<TypeId, AssembleError> {
        let ret = self.int()?;
        let (linkage, proto) = if entry {
            let ty = self.builder.add("", Def::Ptr(TypeId(0)))?;
            let proto = Def::FuncProto { ret, params: &[Param { name: "ctx", ty }] };
            (FuncLinkage::Global, self.builder.add("", proto)?)
        } else {
            let proto = Def::FuncProto { ret, params: &[] };
            (FuncLinkage::Static, self.builder.add("", proto)?)
        };
        Ok(self.builder.add(name, Def::Func { proto, linkage })?)
    }

    /// `int (*name)[number]`
    fn number(&mut self, number: u32) -> Result<TypeId, AssembleError> {
        let int = self.int()?;
        let array = Def::Array { elem: int, index: int, len: number };
        let array = self.builder.add("", array)?;
        Ok(self.builder.add("", Def::Ptr(array))?)
    }

    /// The struct of a map, and its bytes.
    fn def(&mut self, map: &MapDef) -> Result<(TypeId, u32), AssembleError> {
        let mut members = Vec::new();
        let mut at = 0_u32;
        let numbers = [
            ("type", map.map_type.number()),
            ("key_size", map.key_size),
            ("value_size", map.value_size),
            ("max_entries", map.max_entries),
            ("map_flags", map.flags),
            ("numa_node", map.numa_node),
            ("pinning", u32::from(map.pinned)),
        ];
        for (name, number) in numbers {
            if number != 0 {
                let ty = self.number(number)?;
                members.push(Member { name, ty, bit_off: at.saturating_mul(8), bitfield: None });
                at = at.saturating_add(PTR);
            }
        }
        if map.map_extra != 0 {
            // A number of 64 bits is the only one of an enumeration.
            let only = Variant { name: "map_extra", value: map.map_extra.into() };
            let def = Def::Enum64 { size: 8, signed: false, variants: &[only] };
            let ty = self.builder.add("", def)?;
            let bit_off = at.saturating_mul(8);
            members.push(Member { name: "map_extra", ty, bit_off, bitfield: None });
            at = at.saturating_add(PTR);
        }
        if let Some(elem) = self.elem(map)? {
            let elem = self.builder.add("", Def::Ptr(elem))?;
            let def = Def::Array { elem, index: self.int()?, len: 0 };
            let ty = self.builder.add("", def)?;
            let bit_off = at.saturating_mul(8);
            members.push(Member { name: "values", ty, bit_off, bitfield: None });
        }
        let ty = self.builder.add("", Def::Struct { size: at, members: &members })?;
        Ok((ty, at))
    }

    /// What the values of a map point to.
    fn elem(&mut self, map: &MapDef) -> Result<Option<TypeId>, AssembleError> {
        if let Some(inner) = &map.inner {
            return Ok(Some(self.def(inner)?.0));
        }
        if map.map_type != MapType::ProgArray || map.initial == Initial::Empty {
            return Ok(None);
        }
        let param = Param { name: "", ty: self.builder.add("", Def::Ptr(TypeId(0)))? };
        let proto = Def::FuncProto { ret: self.int()?, params: &[param] };
        Ok(Some(self.builder.add("", proto)?))
    }
}
