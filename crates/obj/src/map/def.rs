//! A map definition: the type of a variable in `.maps`.
//!
//! Of libbpf: `parse_btf_map_def`.

use super::MapError;
use super::attr::{Attr, kind};
use crate::elf::MAX_NAME;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use skep_abi::MapType;
use skep_btf::{Body, Btf, SecVar, Type, TypeId, VarLinkage};
use skep_prog::MapDef;

/// A definition, and where in the variable initial content begins.
pub(super) struct Parsed {
    pub(super) def: MapDef,
    pub(super) values_at: Option<u64>,
}

/// The map that a variable defines.
pub(super) fn parse(btf: &Btf, var: SecVar, name: &str) -> Result<Parsed, MapError> {
    let ty = match btf.get(var.var).map(|ty| ty.body) {
        Some(Body::Var { ty, linkage: VarLinkage::Global }) => ty,
        Some(Body::Var { linkage: VarLinkage::Static, .. }) => {
            return Err(MapError::Linkage { linkage: "static" });
        }
        _ => return Err(MapError::Extern),
    };
    let ty = btf.resolve(ty);
    if let Some(Body::Struct { size, .. }) = ty.map(|ty| ty.body)
        && size > var.size
    {
        return Err(MapError::Size { def: size, var: var.size });
    }
    Fields::parse(btf, ty, false)?.build(btf, name)
}

/// The map that a type describes, whoever defines it.
pub(super) fn described(btf: &Btf, ty: TypeId, name: &str) -> Result<MapDef, MapError> {
    Ok(Fields::parse(btf, btf.resolve(ty), false)?.build(btf, name)?.def)
}

/// What has been said about a map so far.
#[derive(Default)]
struct Fields<'a> {
    map_type: Option<u32>,
    key_size: Option<u32>,
    value_size: Option<u32>,
    key_type: Option<TypeId>,
    value_type: Option<TypeId>,
    max_entries: u32,
    flags: u32,
    numa_node: u32,
    map_extra: u64,
    pinned: bool,
    values: Option<(Option<Type<'a>>, u64)>,
    /// Whether this defines the maps in a map of maps.
    inner: bool,
}

impl<'a> Fields<'a> {
    fn parse(btf: &'a Btf, ty: Option<Type<'a>>, inner: bool) -> Result<Self, MapError> {
        let Some(Body::Struct { members, .. }) = ty.map(|ty| ty.body) else {
            return Err(MapError::Kind { kind: kind(ty) });
        };
        let mut fields = Self { inner, ..Self::default() };
        let mut seen = BTreeSet::new();
        // Ends early on hostile input: no name is taken twice, and few are known.
        for member in members.iter() {
            if fields.values.is_some() {
                return Err(MapError::ValuesLast);
            }
            let attr = fields.attr(Attr { btf, member })?;
            if !seen.insert(attr) {
                return Err(MapError::Twice { field: attr });
            }
        }
        Ok(fields)
    }

    /// Takes one attribute; gives its name.
    fn attr(&mut self, attr: Attr<'a>) -> Result<&'static str, MapError> {
        Ok(match attr.member.name {
            "type" => {
                self.map_type = Some(attr.uint()?);
                "type"
            }
            "max_entries" => {
                self.max_entries = attr.uint()?;
                "max_entries"
            }
            "map_flags" => {
                self.flags = attr.uint()?;
                "map_flags"
            }
            "numa_node" => {
                self.numa_node = attr.uint()?;
                "numa_node"
            }
            "map_extra" => {
                self.map_extra = attr.ulong()?;
                "map_extra"
            }
            "key_size" => {
                agree(&mut self.key_size, "key", attr.uint()?)?;
                "key_size"
            }
            "value_size" => {
                agree(&mut self.value_size, "value", attr.uint()?)?;
                "value_size"
            }
            "key" => {
                let ty = attr.pointee()?;
                self.key_type = Some(ty);
                agree(&mut self.key_size, "key", size(attr.btf, "key", ty)?)?;
                "key"
            }
            "value" => {
                let ty = attr.pointee()?;
                self.value_type = Some(ty);
                agree(&mut self.value_size, "value", size(attr.btf, "value", ty)?)?;
                "value"
            }
            "values" => {
                self.values(attr)?;
                "values"
            }
            "pinning" => {
                self.pinning(attr.uint()?)?;
                "pinning"
            }
            name => {
                let field = name.chars().take(MAX_NAME).collect();
                return Err(MapError::Field { field });
            }
        })
    }

    fn values(&mut self, attr: Attr<'a>) -> Result<(), MapError> {
        if self.inner {
            return Err(MapError::Nested);
        }
        self.values = Some(attr.values()?);
        // The kernel takes file descriptors there.
        agree(&mut self.value_size, "value", 4)
    }

    fn pinning(&mut self, value: u32) -> Result<(), MapError> {
        match value {
            _ if self.inner => Err(MapError::InnerPinned),
            0 | 1 => {
                self.pinned = value == 1;
                Ok(())
            }
            _ => Err(MapError::Pinning { value }),
        }
    }

    fn build(self, btf: &'a Btf, name: &str) -> Result<Parsed, MapError> {
        let map_type = match self.map_type {
            None | Some(0) => return Err(MapError::NoType),
            Some(number) => MapType::from_number(number).ok_or(MapError::Type { number })?,
        };
        let inner = match self.values {
            Some((target, _)) => inner(btf, name, map_type, target)?,
            None => None,
        };
        let mut def = MapDef::new(
            name,
            map_type,
            self.key_size.unwrap_or_default(),
            self.value_size.unwrap_or_default(),
            match map_type {
                MapType::Ringbuf | MapType::UserRingbuf => ring_size(self.max_entries),
                _ => self.max_entries,
            },
        );
        // As written: what a kernel would refuse is not repaired here.
        def.flags = self.flags;
        def.numa_node = self.numa_node;
        def.map_extra = self.map_extra;
        def.pinned = self.pinned;
        def.key_type = self.key_type;
        def.value_type = self.value_type;
        def.inner = inner;
        Ok(Parsed { def, values_at: self.values.map(|(_, at)| at) })
    }
}

/// The definition of the maps in a map of maps; nothing for a prog array.
fn inner<'a>(
    btf: &'a Btf,
    outer: &str,
    map_type: MapType,
    target: Option<Type<'a>>,
) -> Result<Option<Box<MapDef>>, MapError> {
    match (map_type, target.map(|target| target.body)) {
        (MapType::ProgArray, Some(Body::FuncProto { .. })) => Ok(None),
        (MapType::ProgArray, _) => {
            Err(MapError::ValuesKind { what: "prog-array value", kind: kind(target) })
        }
        (MapType::ArrayOfMaps | MapType::HashOfMaps, Some(Body::Struct { .. })) => {
            let inner = Fields::parse(btf, target, true)?.build(btf, &format!("{outer}.inner"))?;
            Ok(Some(Box::new(inner.def)))
        }
        (MapType::ArrayOfMaps | MapType::HashOfMaps, _) => {
            Err(MapError::ValuesKind { what: "map-in-map inner", kind: kind(target) })
        }
        _ => Err(MapError::ValuesType { map_type }),
    }
}

/// Sizes may be said twice, if they are the same.
fn agree(slot: &mut Option<u32>, what: &'static str, size: u32) -> Result<(), MapError> {
    match slot.replace(size) {
        Some(first) if first != size => Err(MapError::Conflict { what, first, second: size }),
        _ => Ok(()),
    }
}

/// The next size that a ring buffer can have: a power of two, whole pages. Of libbpf:
/// `adjust_ringbuf_sz`; with the page size of most machines.
fn ring_size(size: u32) -> u32 {
    const PAGE: u32 = 4096;
    match size.checked_next_power_of_two() {
        Some(next) if size > 0 => next.max(PAGE),
        _ => size,
    }
}

fn size(btf: &Btf, what: &'static str, ty: TypeId) -> Result<u32, MapError> {
    btf.size_of(ty).ok_or(MapError::NoSize { what, ty })
}
