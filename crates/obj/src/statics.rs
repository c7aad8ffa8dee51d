//! Initial content of prog arrays and maps of maps: relocations of the section `.maps`.
//!
//! Of libbpf: `bpf_object__collect_map_relos`.

use crate::ObjError;
use crate::budget::Budget;
use crate::data;
use crate::elf::{Elf, Place};
use crate::func::Funcs;
use crate::map::{MAPS, Maps};
use crate::reloc::{R_BPF_64_ABS64, Site, Target};
use alloc::string::String;
use core::mem::size_of;
use skep_abi::MapType;
use skep_prog::{Initial, MapDef};

/// Fills in `initial` of maps whose definition names programs or maps.
pub(crate) fn fill(
    elf: &Elf<'_>,
    funcs: &Funcs<'_>,
    maps: &mut Maps,
    budget: &mut Budget,
) -> Result<(), ObjError> {
    for (index, section) in elf.sections.iter().enumerate() {
        let is_maps = section.name == MAPS;
        if !is_maps && data::kind(section).is_none() {
            continue;
        }
        for reloc in elf.relocs(index)? {
            let site = Site { elf, section: index, reloc };
            if !is_maps {
                // Functions have no address that data could hold: programs find there what stands in the
                // object, as with libbpf. Structs of hooks that are attached by hand are made so.
                match reloc_to_code(&site) {
                    true => continue,
                    false => return Err(site.bad("data cannot hold addresses")),
                }
            }
            entry(&site, funcs, maps, budget)?;
        }
    }
    Ok(())
}

fn reloc_to_code(site: &Site<'_, '_>) -> bool {
    let Place::Section(section) = site.reloc.symbol.place else { return false };
    site.elf.sections.get(section).is_some_and(|section| section.is_code())
}

/// One pointer in the array `values` of a map.
fn entry(
    site: &Site<'_, '_>,
    funcs: &Funcs<'_>,
    maps: &mut Maps,
    budget: &mut Budget,
) -> Result<(), ObjError> {
    if site.reloc.kind != R_BPF_64_ABS64 {
        return Err(site.bad("this type of relocation has no meaning in a map"));
    }
    let (map, index) = slot(site, maps)?;
    let target = match site.target(addend(site)?, funcs, maps)? {
        Target::Func(func) => {
            let func = funcs.list.get(func).expect("bug: targets exist");
            Value::Prog(func.name.into())
        }
        Target::Map(map) => {
            Value::Map(maps.defs.get(map).expect("bug: targets exist").name.clone())
        }
        Target::Data(..) => return Err(site.bad("a map holds no addresses of data")),
    };
    let (Value::Prog(name) | Value::Map(name)) = &target;
    budget.spend(name.len().saturating_add(size_of::<(u32, String)>()))?;
    let def = maps.defs.get_mut(map).expect("bug: slots are in maps");
    // In a hash of maps the index is the key.
    if index >= def.max_entries && def.map_type != MapType::HashOfMaps {
        let (map, max_entries) = (def.name.clone(), def.max_entries);
        return Err(ObjError::InitialIndex { map, index, max_entries });
    }
    store(def, index, target).map_err(|why| site.bad(why))
}

/// The map and index that the relocated bytes are the initial value of.
fn slot(site: &Site<'_, '_>, maps: &Maps) -> Result<(usize, u32), ObjError> {
    let (map, at) = maps
        .holding(site.section, site.reloc.at)
        .ok_or_else(|| site.bad("no map is defined there"))?;
    let start = maps.values_at(site.section, site.reloc.at);
    let index = match start.and_then(|start| at.checked_sub(start)) {
        Some(within) if within % 8 == 0 => u32::try_from(within / 8).ok(),
        _ => None,
    };
    Ok((map, index.ok_or_else(|| site.bad("only 'values' of a map takes addresses"))?))
}

/// What an entry names.
enum Value {
    Prog(String),
    Map(String),
}

fn store(def: &mut MapDef, index: u32, value: Value) -> Result<(), &'static str> {
    match (value, def.map_type == MapType::ProgArray) {
        (Value::Prog(name), true) => match &mut def.initial {
            Initial::Progs(progs) => progs.push((index, name)),
            initial => *initial = Initial::Progs([(index, name)].into()),
        },
        (Value::Map(name), false) => match &mut def.initial {
            Initial::Maps(maps) => maps.push((index, name)),
            initial => *initial = Initial::Maps([(index, name)].into()),
        },
        (Value::Map(_), true) => return Err("a prog array holds programs"),
        (Value::Prog(_), false) => return Err("a map of maps holds maps"),
    }
    Ok(())
}

/// The addend: what stands where the address is to be.
pub(crate) fn addend(site: &Site<'_, '_>) -> Result<i64, ObjError> {
    let section = site.elf.sections.get(site.section);
    let bytes = || {
        let at = usize::try_from(site.reloc.at).ok()?;
        section?.data.get(at..)?.first_chunk()
    };
    bytes().copied().map(i64::from_le_bytes).ok_or_else(|| site.bad("that is beyond the section"))
}
