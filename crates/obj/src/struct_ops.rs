//! Structs of the kernel whose members are programs: the sections `.struct_ops` and `.struct_ops.link`.
//!
//! Each variable becomes a map of type struct_ops that holds the struct as the object knows it. What the
//! running kernel makes of it is for loaders. Of libbpf: `init_struct_ops_maps`,
//! `bpf_object__collect_st_ops_relos`.

use crate::ObjError;
use crate::budget::Budget;
use crate::elf::Elf;
use crate::func::Funcs;
use crate::map::Maps;
use crate::reloc::{R_BPF_64_ABS64, Site, Target};
use crate::statics::addend;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use core::mem::size_of;
use skep_abi::{MapType, ProgType, Section};
use skep_btf::{Body, Btf, Kind, SecVar};
use skep_prog::{Initial, MapDef, StructOps};

/// Section names, flags of the maps, and whether they are optional.
const SECTIONS: [(&str, u32, bool); 4] = [
    (".struct_ops", 0, false),
    (".struct_ops.link", LINK, false),
    ("?.struct_ops", 0, true),
    ("?.struct_ops.link", LINK, true),
];
/// `BPF_F_LINK`
const LINK: u32 = 1 << 13;
/// Largest struct: what a page of a kernel has room for, several times over.
const MAX_SIZE: u32 = 1 << 20;

/// Appends a map for each struct.
pub(crate) fn collect(
    elf: &Elf<'_>,
    btf: Option<&Btf>,
    maps: &mut Maps,
    budget: &mut Budget,
) -> Result<(), ObjError> {
    for (name, flags, optional) in SECTIONS {
        let Some((index, section)) = elf.section(name).filter(|(_, section)| section.size > 0)
        else {
            continue;
        };
        let vars = btf.and_then(|btf| Some((btf, btf.find(name, Kind::Datasec)?.body)));
        let Some((btf, Body::Datasec { vars, .. })) = vars else {
            return Err(ObjError::NoTypes { section: name });
        };
        for var in vars.iter() {
            let place = || {
                let at = usize::try_from(var.off).ok()?;
                let end = at.checked_add(usize::try_from(var.size).ok()?)?;
                section.data.get(at..end)
            };
            let def = map(btf, var, place(), flags, optional)?;
            // Variables may overlap.
            budget.spend(usize::try_from(var.size).unwrap_or(usize::MAX))?;
            maps.push(def, (index, var.off.into()), var.size.into(), None)?;
        }
    }
    Ok(())
}

fn map(
    btf: &Btf,
    var: SecVar,
    bytes: Option<&[u8]>,
    flags: u32,
    optional: bool,
) -> Result<MapDef, ObjError> {
    let ty = btf.get(var.var);
    let name = ty.map_or("", |ty| ty.name);
    let bad = |why| ObjError::StructOps {
        // Names in BTF can be as long as the object.
        map: name.chars().take(crate::elf::MAX_NAME).collect(),
        why,
    };
    let ty = match ty.map(|ty| ty.body) {
        Some(Body::Var { ty, .. }) => btf.resolve(ty),
        _ => None,
    };
    let Some((id, Body::Struct { size, .. })) = ty.map(|ty| (ty.id, ty.body)) else {
        return Err(bad("a variable that is no struct"));
    };
    if size != var.size || size > MAX_SIZE {
        return Err(bad("the size of the variable is not that of its type, or beyond 1 MiB"));
    }
    let value = bytes.ok_or(bad("the variable lies beyond the section"))?.into();
    let mut def = MapDef::new(name, MapType::StructOps, 4, size, 1);
    def.flags = flags;
    def.value_type = Some(id);
    def.initial = Initial::StructOps(StructOps { value, optional, ..StructOps::default() });
    Ok(def)
}

/// Fills in the programs that members point to.
pub(crate) fn fill(
    elf: &Elf<'_>,
    btf: Option<&Btf>,
    funcs: &Funcs<'_>,
    maps: &mut Maps,
    budget: &mut Budget,
) -> Result<(), ObjError> {
    let Some(btf) = btf else { return Ok(()) };
    let mut known = BTreeMap::new();
    for (name, ..) in SECTIONS {
        let Some((section, _)) = elf.section(name) else { continue };
        for reloc in elf.relocs(section)? {
            let site = Site { elf, section, reloc };
            let (map, at) = maps
                .holding(section, site.reloc.at)
                .ok_or_else(|| site.bad("no struct is defined there"))?;
            let at = u32::try_from(at).map_err(|_| site.bad("the offset needs 32 bits"))?;
            let def = maps.defs.get(map).expect("bug: found by position");
            // A struct may have as many members as relocations.
            let members = known.entry(map).or_insert_with(|| function_members(btf, def));
            if !members.contains(&at) {
                return Err(site.bad("no member there points to a function"));
            }
            let prog = prog(&site, funcs, maps)?;
            budget.spend(prog.len().saturating_add(size_of::<(u32, String)>()))?;
            let def = maps.defs.get_mut(map).expect("bug: found by position");
            if let Initial::StructOps(ops) = &mut def.initial {
                ops.progs.push((at, prog));
            }
        }
    }
    Ok(())
}

/// The program that a member is to point to.
fn prog(site: &Site<'_, '_>, funcs: &Funcs<'_>, maps: &Maps) -> Result<String, ObjError> {
    if site.reloc.kind != R_BPF_64_ABS64 {
        return Err(site.bad("this type of relocation has no meaning in a struct"));
    }
    let Target::Func(func) = site.target(addend(site)?, funcs, maps)? else {
        return Err(site.bad("a member that points to a function holds a program"));
    };
    let func = funcs.list.get(func).expect("bug: targets exist");
    let section = site.elf.sections.get(func.section).map_or("", |section| section.name);
    match Section::find(section) {
        Some((row, _)) if row.prog_type == ProgType::StructOps && !func.local => {
            Ok(func.name.into())
        }
        _ => Err(site.bad("a member holds a program of a section 'struct_ops'")),
    }
}

/// The bytes of the struct where members that point to functions begin.
fn function_members(btf: &Btf, def: &MapDef) -> BTreeSet<u32> {
    let Some(Body::Struct { members, .. }) =
        def.value_type.and_then(|id| btf.get(id)).map(|ty| ty.body)
    else {
        return BTreeSet::new();
    };
    let is_function = |ty| match btf.resolve(ty).map(|ty| ty.body) {
        Some(Body::Ptr(to)) => {
            btf.resolve(to).is_some_and(|to| matches!(to.body, Body::FuncProto { .. }))
        }
        _ => false,
    };
    let members = members.iter().filter(|member| is_function(member.ty));
    members.map(|member| member.bit_off / 8).collect()
}
