//! Maps: where each one stands in the object.

use crate::ObjError;
use crate::elf::Elf;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use skep_btf::{Body, Btf, Kind, TypeId, VarLinkage};
use skep_prog::MapDef;

mod attr;
mod def;
mod error;

pub use error::MapError;

/// Section of maps that are defined by their types.
pub(crate) const MAPS: &str = ".maps";

/// Maps by index, and what parts of the object they stand for.
#[derive(Default)]
pub(crate) struct Maps {
    pub(crate) defs: Vec<MapDef>,
    /// Section and first byte there to what stands there.
    spans: BTreeMap<(usize, u64), Span>,
}

struct Span {
    map: usize,
    size: u64,
    /// Where in it the initial content of a map of maps or programs begins.
    values_at: Option<u64>,
}

impl Maps {
    /// Adds a map that `size` bytes from `at` of a section stand for.
    pub(crate) fn push(
        &mut self,
        def: MapDef,
        (section, at): (usize, u64),
        size: u64,
        values_at: Option<u64>,
    ) -> Result<(), ObjError> {
        let span = Span { map: self.defs.len(), size, values_at };
        if self.spans.insert((section, at), span).is_some() {
            return Err(ObjError::SamePlace { map: def.name, at });
        }
        self.defs.push(def);
        Ok(())
    }

    /// Makes a whole section stand for a map that is there already.
    pub(crate) fn stand_for(&mut self, map: usize, section: usize, size: u64) {
        self.spans.insert((section, 0), Span { map, size, values_at: None });
    }

    /// Adds a map that nothing in the object stands for; says its index.
    pub(crate) fn add(&mut self, def: MapDef) -> usize {
        self.defs.push(def);
        self.defs.len().saturating_sub(1)
    }

    /// The map whose part of the object holds byte `at` of a section, and which byte of it that is.
    pub(crate) fn holding(&self, section: usize, at: u64) -> Option<(usize, u64)> {
        let (span, within) = self.span(section, at)?;
        Some((span.map, within))
    }

    /// Where in such a map, in bytes, its initial content begins.
    pub(crate) fn values_at(&self, section: usize, at: u64) -> Option<u64> {
        self.span(section, at)?.0.values_at
    }

    fn span(&self, section: usize, at: u64) -> Option<(&Span, u64)> {
        let (&(_, start), span) = self.spans.range((section, 0)..=(section, at)).next_back()?;
        let within = at.checked_sub(start)?;
        (within < span.size).then_some((span, within))
    }
}

/// Maps of the section `.maps`. Of libbpf: `bpf_object__init_user_btf_maps`.
pub(crate) fn collect(elf: &Elf<'_>, btf: Option<&Btf>, maps: &mut Maps) -> Result<(), ObjError> {
    if let Some((_, section)) = elf.section("maps")
        && section.size > 0
    {
        return Err(ObjError::LegacyMaps);
    }
    let Some((section, _)) = elf.section(MAPS) else { return Ok(()) };
    let vars = btf.and_then(|btf| Some((btf, btf.find(MAPS, Kind::Datasec)?)));
    let Some((btf, Body::Datasec { vars, .. })) = vars.map(|(btf, vars)| (btf, vars.body)) else {
        return Err(ObjError::NoTypes { section: MAPS });
    };
    // Of libbpf: `btf_fixup_datasec` sorts. Linkers leave any order.
    let mut found = Vec::new();
    for var in vars.iter() {
        let ty = btf.get(var.var);
        let name = ty.map_or("", |var| var.name);
        // Names in BTF can be as long as the object.
        let short = || name.chars().take(crate::elf::MAX_NAME).collect();
        if matches!(ty.map(|ty| ty.body), Some(Body::Var { linkage: VarLinkage::Extern, .. })) {
            return Err(ObjError::Map { map: short(), source: MapError::Extern });
        }
        let symbol = elf.symbol(section, name);
        let symbol = symbol.ok_or_else(|| ObjError::MapSymbol { map: short() })?;
        found.push((symbol, var));
    }
    found.sort_by_key(|(symbol, _)| symbol.value);
    for (symbol, var) in found {
        let parsed = def::parse(btf, var, symbol.name)
            .map_err(|source| ObjError::Map { map: symbol.name.into(), source })?;
        maps.push(parsed.def, (section, symbol.value), symbol.size, parsed.values_at)?;
    }
    Ok(())
}

/// The map that a type describes, whoever defines it.
pub(crate) fn described(btf: &Btf, ty: TypeId, name: &str) -> Result<MapDef, MapError> {
    def::described(btf, ty, name)
}
