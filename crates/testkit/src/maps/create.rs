//! Which definitions make a map.

use super::MapCase;
use super::pair::make;
use crate::Host;
use rand::Rng;
use rand::rngs::StdRng;
use skep_abi::MapType;
use skep_map::{Fields, Map, MapError};
use skep_prog::MapDef;

/// A random definition, and what is wrong if one engine makes the map and the other does not.
pub fn refused_differently(host: Host, rng: &mut StdRng) -> Option<String> {
    let pick = |rng: &mut StdRng, of: &[u32]| of[rng.random_range(0..of.len())];
    let map_type = MapType::ALL[rng.random_range(0..MapType::ALL.len())];
    let types = [
        // These ask for types of keys and values, or have no meaning in a process.
        MapType::SkStorage,
        MapType::TaskStorage,
        MapType::InodeStorage,
        MapType::CgrpStorage,
        MapType::StructOps,
        MapType::Unspec,
        // These ask for a map.
        MapType::ArrayOfMaps,
        MapType::HashOfMaps,
        // Gets as many entries as there are CPUs if it asks for none.
        MapType::PerfEventArray,
    ];
    if types.contains(&map_type) {
        return None;
    }
    let mut def = MapDef::new("m", map_type, 0, 0, 0);
    def.key_size = pick(rng, &[0, 4, 4, 4, 8, 12, 260, 513]);
    def.value_size = pick(rng, &[0, 4, 4, 8, 8, 12, 1016, 1024, 32768, 40000]);
    def.max_entries = pick(rng, &[0, 1, 1, 2, 4096, 4096, 8192, 10_000]);
    def.flags = if rng.random() { def.flags } else { 1 << rng.random_range(0..19) };
    def.flags |= if rng.random_ratio(1, 8) { 1 << rng.random_range(0..19) } else { 0 };
    def.map_extra = pick(rng, &[0, 0, 0, 0, 1, 15, 16, 4096]).into();
    if rng.random() {
        // Something that the type takes.
        (def.key_size, def.value_size) = match map_type {
            MapType::Queue | MapType::Stack | MapType::BloomFilter => (0, 8),
            MapType::Ringbuf | MapType::UserRingbuf | MapType::Arena => (0, 0),
            MapType::LpmTrie => (8, 8),
            MapType::StackTrace => (4, 64),
            MapType::CgroupStorage | MapType::PercpuCgroupStorage => (pick(rng, &[8, 16]), 8),
            _ => (4, pick(rng, &[4, 8])),
        };
    }
    let user = match Map::new(&def, host.cpus) {
        Ok(_) => Ok(()),
        Err(MapError::Unsupported { .. } | MapError::Memory { .. }) => return None,
        Err(err) => Err(err.errno()),
    };
    // How many CPUs there may be is each kernel's own; symbols of frames, no process gives.
    let cpus = map_type == MapType::Cpumap && def.max_entries > 64;
    if cpus || (map_type == MapType::StackTrace && def.flags & (1 << 5) != 0) {
        return None;
    }
    // A node of memory, the types of another module, a token: each is a number of its own.
    if def.flags & (1 << 2 | 1 << 15 | 1 << 16) != 0 {
        return None;
    }
    let case = MapCase { def, fields: Fields::default() };
    let kernel = make(&case, None).map(drop).map_err(|err| err.errno);
    (user != kernel).then(|| {
        let MapDef { map_type, key_size, value_size, max_entries, flags, map_extra, .. } = case.def;
        format!(
            "{map_type}, key {key_size}, value {value_size}, entries {max_entries}, flags \
             {flags:#x}, extra {map_extra:#x}: user {user:?}, kernel {kernel:?}"
        )
    })
}
