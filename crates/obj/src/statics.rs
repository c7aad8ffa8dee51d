//! Initial content of prog arrays and maps of maps: relocations of the section `.maps`.
//!
//! Of libbpf: `bpf_object__collect_map_relos`.

use crate::ObjError;
use crate::data;
use crate::elf::Elf;
use crate::func::Funcs;
use crate::map::{MAPS, Maps};
use crate::reloc::{R_BPF_64_ABS64, Site, Target};
use alloc::string::String;
use skep_abi::MapType;
use skep_prog::Initial;

/// Fills in `initial` of maps whose definition names programs or maps.
pub(crate) fn fill(elf: &Elf<'_>, funcs: &Funcs<'_>, maps: &mut Maps) -> Result<(), ObjError> {
    for (index, section) in elf.sections.iter().enumerate() {
        let is_maps = section.name == MAPS;
        if !is_maps && data::kind(section).is_none() {
            continue;
        }
        for reloc in elf.relocs(index)? {
            let site = Site { elf, section: index, reloc };
            if !is_maps {
                return Err(site.bad("data cannot hold addresses"));
            }
            entry(&site, funcs, maps)?;
        }
    }
    Ok(())
}

/// One pointer in the array `values` of a map.
fn entry(site: &Site<'_, '_>, funcs: &Funcs<'_>, maps: &mut Maps) -> Result<(), ObjError> {
    if site.reloc.kind != R_BPF_64_ABS64 {
        return Err(site.bad("this type of relocation has no meaning in a map"));
    }
    let at = site.reloc.at;
    let (map, within) =
        maps.holding(site.section, at).ok_or_else(|| site.bad("no map is defined there"))?;
    let values_at = maps.values_at(site.section, at);
    let within = values_at.and_then(|start| within.checked_sub(start));
    let index = match within {
        Some(within) if within % 8 == 0 => u32::try_from(within / 8).ok(),
        _ => None,
    };
    let index = index.ok_or_else(|| site.bad("only 'values' of a map takes addresses"))?;
    let target = site.target(addend(site)?, funcs, maps)?;
    let name = |map: usize| maps.defs.get(map).map_or(String::new(), |def| def.name.clone());
    let value = match target {
        Target::Func(func) => Value::Prog(funcs.list.get(func).map_or("", |f| f.name).into()),
        Target::Map(map) => Value::Map(name(map)),
        Target::Data(..) => return Err(site.bad("a map holds no addresses of data")),
    };
    let def = maps.defs.get_mut(map).expect("bug: found above");
    // A hash of maps takes the index as its key.
    if index >= def.max_entries && def.map_type != MapType::HashOfMaps {
        let (map, max_entries) = (def.name.clone(), def.max_entries);
        return Err(ObjError::InitialIndex { map, index, max_entries });
    }
    match (value, def.map_type, &mut def.initial) {
        (Value::Prog(name), MapType::ProgArray, Initial::Progs(progs)) => progs.push((index, name)),
        (Value::Prog(name), MapType::ProgArray, initial) => {
            *initial = Initial::Progs([(index, name)].into());
        }
        (Value::Map(_), MapType::ProgArray, _) => {
            return Err(site.bad("a prog array holds programs"));
        }
        (Value::Map(name), _, Initial::Maps(maps)) => maps.push((index, name)),
        (Value::Map(name), _, initial) => *initial = Initial::Maps([(index, name)].into()),
        (Value::Prog(_), ..) => return Err(site.bad("a map of maps holds maps")),
    }
    Ok(())
}

/// What an entry names.
enum Value {
    Prog(String),
    Map(String),
}

/// The addend: what stands where the address is to be.
fn addend(site: &Site<'_, '_>) -> Result<i64, ObjError> {
    let section = site.elf.sections.get(site.section);
    let bytes = || {
        let at = usize::try_from(site.reloc.at).ok()?;
        section?.data.get(at..)?.first_chunk()
    };
    bytes().copied().map(i64::from_le_bytes).ok_or_else(|| site.bad("that is beyond the section"))
}
