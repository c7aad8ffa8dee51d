//! The types of all objects.

use super::LinkError;
use super::sections::{Sections, is_said_once};
use super::source::{Source, is_public};
use super::symbols::Symbols;
use crate::SymbolPlace;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use skep_btf::{
    Body, Btf, Builder, CopyError, Def, Kind, SecVar, Type, TypeId, VarLinkage, WriteError, dedup,
};

/// Section of the types for externs of no section.
const EXTERN: &str = ".extern";

/// Merged types.
pub(super) struct Merged {
    pub(super) btf: Btf,
    /// By object and number there: the number in `btf`.
    ids: Vec<Vec<Option<TypeId>>>,
}

impl Merged {
    pub(super) fn id(&self, source: usize, id: TypeId) -> Option<TypeId> {
        if id == TypeId::VOID {
            return Some(id);
        }
        *self.ids.get(source)?.get(index(id))?
    }
}

impl From<WriteError> for LinkError {
    fn from(_: WriteError) -> Self {
        Self::TooManyTypes
    }
}

impl From<CopyError> for LinkError {
    fn from(_: CopyError) -> Self {
        Self::TooManyTypes
    }
}

/// The types of all objects; `None` if none has any.
pub(super) fn merge(
    sources: &[Source],
    sections: &Sections,
    symbols: &Symbols,
) -> Result<Option<Merged>, LinkError> {
    if sources.iter().all(|source| source.btf.is_none()) {
        return Ok(None);
    }
    let ids = number(sources, sections, symbols);
    let merged = |source: usize, id: TypeId| -> TypeId {
        let row = ids.get(source).and_then(|row| row.get(index(id)));
        row.copied().flatten().unwrap_or(TypeId::VOID)
    };
    let mut builder = Builder::new();
    let mut next = TypeId(1);
    for (source, btf) in all(sources) {
        for ty in btf.types() {
            // What another object describes has a number that has been given already, or will be.
            if merged(source, ty.id) == next {
                next = builder.copy(btf, ty.id, |to| merged(source, to))?;
                next = TypeId(next.0.saturating_add(1));
            }
        }
    }
    for section in datasecs(sources, sections, symbols, &merged)? {
        let DataSection { name, size, vars } = section;
        builder.add(&name, Def::Datasec { size, vars: &vars })?;
    }
    let deduped = dedup(&builder.finish()?)?;
    let ids = ids
        .iter()
        .map(|row| row.iter().map(|id| id.and_then(|id| deduped.map(id))).collect())
        .collect();
    Ok(Some(Merged { btf: deduped.btf, ids }))
}

/// Objects that have types.
fn all(sources: &[Source]) -> impl Iterator<Item = (usize, &Btf)> {
    let all = sources.iter().enumerate();
    all.filter_map(|(number, source)| Some((number, source.btf.as_ref()?)))
}

fn index(id: TypeId) -> usize {
    usize::try_from(id.0).unwrap_or(usize::MAX)
}

/// The object and type that describe a variable or function that several objects know.
fn describer(symbols: &Symbols, ty: &Type<'_>) -> Option<(usize, TypeId)> {
    let global = symbols.global(ty.name).filter(|_| is_public(ty))?;
    Some((global.source, global.id?))
}

/// New numbers: of a global symbol's descriptions one gets a number, and the others the same. Data
/// sections get none, since they are made anew.
fn number(sources: &[Source], sections: &Sections, symbols: &Symbols) -> Vec<Vec<Option<TypeId>>> {
    let mut ids: Vec<Vec<Option<TypeId>>> = sources
        .iter()
        .map(|source| vec![None; source.btf.as_ref().map_or(0, Btf::len).saturating_add(1)])
        .collect();
    let mut next = 1_u32;
    for (source, btf) in all(sources) {
        let gone = gone(source, btf, sources, sections, symbols);
        for ty in btf.types() {
            let elsewhere =
                describer(symbols, &ty).is_some_and(|described| described != (source, ty.id));
            if ty.kind() == Kind::Datasec || elsewhere || gone.contains(&ty.id) {
                continue;
            }
            let slot = ids.get_mut(source).and_then(|row| row.get_mut(index(ty.id)));
            if let Some(slot) = slot {
                *slot = Some(TypeId(next));
                next = next.saturating_add(1);
            }
        }
    }
    for (source, btf) in all(sources) {
        for ty in btf.types() {
            let Some((other, id)) = describer(symbols, &ty) else { continue };
            let known = ids.get(other).and_then(|row| row.get(index(id))).copied().flatten();
            if let Some(slot) = ids.get_mut(source).and_then(|row| row.get_mut(index(ty.id))) {
                *slot = known;
            }
        }
    }
    ids
}

/// Variables of sections that were left out, and the tags on them.
fn gone(
    source: usize,
    btf: &Btf,
    sources: &[Source],
    sections: &Sections,
    symbols: &Symbols,
) -> BTreeSet<TypeId> {
    let file = sources.get(source).map(|source| &source.file);
    let mut gone = BTreeSet::new();
    for section in btf.types() {
        let Body::Datasec { vars, .. } = section.body else { continue };
        let place = file.and_then(|file| file.section(section.name));
        if place.is_some_and(|place| sections.placed(source, place).is_none()) {
            gone.extend(vars.iter().map(|var| var.var));
        }
    }
    // What is described elsewhere is not gone.
    gone.retain(|&id| btf.get(id).is_some_and(|ty| describer(symbols, &ty).is_none()));
    for ty in btf.types() {
        if let Body::DeclTag { ty: tagged, .. } = ty.body
            && gone.contains(&tagged)
        {
            gone.insert(ty.id);
        }
    }
    gone
}

/// A data section of the result.
struct DataSection {
    name: String,
    size: u32,
    vars: Vec<SecVar>,
}

/// The data sections of all objects, those of one name together, in the order in which they are first
/// met.
fn datasecs(
    sources: &[Source],
    sections: &Sections,
    symbols: &Symbols,
    merged: &impl Fn(usize, TypeId) -> TypeId,
) -> Result<Vec<DataSection>, LinkError> {
    let mut list = Vec::<DataSection>::new();
    let mut named = BTreeMap::new();
    for (source, btf) in all(sources) {
        let from = sources.get(source).expect("bug: numbered above");
        for section in btf.types() {
            let Body::Datasec { vars, .. } = section.body else { continue };
            let place = from.file.section(section.name);
            let placed = place.and_then(|place| sections.placed(source, place));
            if place.is_some() && placed.is_none() {
                continue;
            }
            let number = *named.entry(section.name).or_insert_with(|| {
                let name = String::from(section.name);
                list.push(DataSection { name, size: 0, vars: Vec::new() });
                list.len().saturating_sub(1)
            });
            let out = list.get_mut(number).expect("bug: added above");
            for var in vars.iter() {
                let Some(ty) = btf.get(var.var) else { continue };
                // Of several descriptions the one that has been copied counts.
                let elsewhere = describer(symbols, &ty).is_some_and(|one| one != (source, ty.id));
                if elsewhere || merged(source, ty.id) == TypeId::VOID {
                    continue;
                }
                let base = placed.map_or(0, |placed| placed.at);
                let off = off(from, place, section.name, &ty, var)?;
                let off = u32::try_from(base.saturating_add(off)).unwrap_or(u32::MAX);
                out.vars.push(SecVar { var: merged(source, ty.id), off, size: var.size });
            }
        }
    }
    for section in &mut list {
        if let Some((_, real)) = sections.named(&section.name) {
            section.size = u32::try_from(real.content.len()).unwrap_or(u32::MAX);
            section.vars.sort_by_key(|var| var.off);
        }
    }
    list.retain(|section| !section.vars.is_empty() || sections.named(&section.name).is_some());
    Ok(list)
}

/// Where in its section a variable is. Compilers write the positions of static variables; those of
/// others are in the symbol table. Of libbpf: `linker_fixup_btf`.
fn off(
    from: &Source,
    place: Option<usize>,
    section: &str,
    ty: &Type<'_>,
    var: SecVar,
) -> Result<u64, LinkError> {
    let Body::Var { linkage: VarLinkage::Global, .. } = ty.body else { return Ok(var.off.into()) };
    if section == EXTERN || is_said_once(section) {
        return Ok(var.off.into());
    }
    let mut symbols = from.file.symbols.iter();
    let symbol = symbols.find(|symbol| {
        symbol.name == ty.name && place.map(SymbolPlace::Section) == Some(symbol.place)
    });
    let symbol = symbol.ok_or_else(|| LinkError::VarSymbol {
        symbol: ty.name.into(),
        section: section.into(),
        file: from.name.clone(),
    })?;
    Ok(symbol.value)
}
