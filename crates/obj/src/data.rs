//! Data sections: each is a map of one entry.
//!
//! Of libbpf: `bpf_object__init_internal_map`.

use crate::ObjError;
use crate::elf::{Elf, Section};
use crate::map::Maps;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use object::elf;
use skep_abi::MapType;
use skep_btf::{Body, Btf, Kind, TypeId, VarLinkage};
use skep_prog::{DataKind, Initial, MapDef};

/// `BPF_F_RDONLY_PROG`
const RDONLY_PROG: u32 = 1 << 7;
/// `BPF_F_MMAPABLE`
const MMAPABLE: u32 = 1 << 10;
/// Largest value of an array map. Kernel: `array_map_alloc_check`.
const MAX_VALUE: u32 = i32::MAX.unsigned_abs();

/// Appends a map for each data section.
pub(crate) fn collect(elf: &Elf<'_>, btf: Option<&Btf>, maps: &mut Maps) -> Result<(), ObjError> {
    let types: BTreeMap<_, _> = btf.into_iter().flat_map(datasecs).collect();
    for (index, section) in elf.sections.iter().enumerate() {
        if let Some(kind) = kind(section) {
            let ty = types.get(section.name).copied();
            let mut def = map(section, kind, ty)?;
            if btf.zip(ty).is_some_and(|(btf, ty)| has_shared_vars(elf, index, btf, ty)) {
                def.flags |= MMAPABLE;
            }
            maps.push(def, (index, 0), section.size, None)?;
        }
    }
    Ok(())
}

/// What kind of data a section holds; `None` for empty sections and those that are no data.
pub(crate) fn kind(section: &Section<'_>) -> Option<DataKind> {
    let is = |name| match section.name.strip_prefix(name) {
        Some(rest) => rest.is_empty() || rest.starts_with('.'),
        None => false,
    };
    match section.kind {
        _ if section.size == 0 => None,
        elf::SHT_PROGBITS if is(".data") => Some(DataKind::Data),
        elf::SHT_PROGBITS if is(".rodata") => Some(DataKind::Rodata),
        elf::SHT_NOBITS if is(".bss") => Some(DataKind::Bss),
        _ => None,
    }
}

/// Names and types of the sections that `btf` describes.
fn datasecs(btf: &Btf) -> impl Iterator<Item = (&str, TypeId)> {
    btf.types().filter(|ty| ty.kind() == Kind::Datasec).map(|ty| (ty.name, ty.id))
}

/// Tells `btf` where in each section the variables are.
pub(crate) fn place_vars(elf: &Elf<'_>, btf: &mut Btf) {
    let found = datasecs(btf).filter_map(|(name, ty)| Some((elf.section(name)?, ty)));
    let found: Vec<_> = found.collect();
    for ((index, section), ty) in found {
        let size = u32::try_from(section.size).unwrap_or(u32::MAX);
        btf.place_vars(ty, size, |var| u32::try_from(elf.symbol(index, var)?.value).ok());
    }
}

fn map(section: &Section<'_>, kind: DataKind, ty: Option<TypeId>) -> Result<MapDef, ObjError> {
    let size = u32::try_from(section.size).ok().filter(|&size| size <= MAX_VALUE);
    let size = size.ok_or_else(|| ObjError::DataSize {
        section: section.name.into(),
        size: section.size,
        limit: MAX_VALUE,
    })?;
    let mut def = MapDef::new(section.name, MapType::Array, 4, size, 1);
    def.data = Some(kind);
    if kind == DataKind::Rodata {
        def.flags |= RDONLY_PROG;
    }
    if kind != DataKind::Bss {
        def.initial = Initial::Value(section.data.into());
    }
    def.value_type = ty;
    Ok(def)
}

/// Whether others than the programs may want to see a variable. Of libbpf: `map_is_mmapable`, and
/// `btf_fixup_datasec` for hidden ones.
fn has_shared_vars(elf: &Elf<'_>, index: usize, btf: &Btf, ty: TypeId) -> bool {
    let Some(Body::Datasec { vars, .. }) = btf.get(ty).map(|ty| ty.body) else { return false };
    let mut vars = vars.iter().filter_map(|var| btf.get(var.var));
    vars.any(|var| match var.body {
        Body::Var { linkage, .. } if linkage != VarLinkage::Static => {
            elf.symbol(index, var.name).is_none_or(|symbol| !symbol.hidden)
        }
        _ => false,
    })
}
