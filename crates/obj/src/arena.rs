//! Global variables in the address space of an arena.
//!
//! They stand in a section of their own and become the first bytes of the object's one arena. Of libbpf:
//! `init_arena_map_data`; on kernels that can name places beyond 512 MiB of a map, libbpf puts them at the
//! arena's end instead.

use crate::ObjError;
use crate::elf::Elf;
use crate::map::Maps;
use skep_abi::MapType;
use skep_prog::Initial;

/// Section of variables in address space 1.
const SECTION: &str = ".addr_space.1";
/// Bytes of a page on most machines.
const PAGE: u64 = 4096;

/// Gives the arena its first bytes.
pub(crate) fn place(elf: &Elf<'_>, maps: &mut Maps) -> Result<(), ObjError> {
    let is_arena =
        |map: &usize| maps.defs.get(*map).is_some_and(|def| def.map_type == MapType::Arena);
    let mut arenas = (0..maps.defs.len()).filter(is_arena);
    let (first, second) = (arenas.next(), arenas.next());
    let name = |map: usize| maps.defs.get(map).map(|def| def.name.clone()).unwrap_or_default();
    if let (Some(first), Some(second)) = (first, second) {
        return Err(ObjError::Arenas { first: name(first), second: name(second) });
    }
    let Some((index, section)) = elf.section(SECTION).filter(|(_, section)| section.size > 0)
    else {
        return Ok(());
    };
    let bad = |why| ObjError::ArenaData { section: SECTION, size: section.size, why };
    let arena = first.ok_or(bad("but the object defines no map of type arena"))?;
    let def = maps.defs.get_mut(arena).expect("bug: found above");
    if section.size > u64::from(def.max_entries).saturating_mul(PAGE) {
        return Err(bad("more than the pages that the map has as max_entries"));
    }
    if !section.data.is_empty() {
        def.initial = Initial::Value(section.data.into());
    }
    maps.stand_for(arena, index, section.size);
    Ok(())
}
