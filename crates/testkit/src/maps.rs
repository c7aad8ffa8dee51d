//! Maps of both engines, under the same random operations of bpf(2).
//!
//! [`MapCase`] is what a map is made from, [`MapPair`] the same map of the user engine and of the kernel.
//! [`refused_differently`] compares which definitions make a map at all.

mod batch;
mod create;
mod fields;
mod objects;
mod pair;

pub use create::refused_differently;
pub use pair::MapPair;

use skep_abi::{Errno, MapType};
use skep_map::Fields;
use skep_prog::MapDef;

/// What an operation gives: bytes, or the error.
type Answer = Result<Vec<u8>, Errno>;

/// A map to be made, named by what is particular about it.
#[derive(Clone, Debug)]
pub struct MapCase {
    /// Its definition.
    pub def: MapDef,
    /// What of its values is not bytes.
    pub fields: Fields,
}

const NO_PREALLOC: u32 = 1;
const RDONLY: u32 = 1 << 3;
const WRONLY: u32 = 1 << 4;
const MMAPABLE: u32 = 1 << 10;

/// Maps of all types that the kernel lets a process fill.
#[must_use]
pub fn map_cases() -> Vec<MapCase> {
    let def = |name: &str, map_type, key, value, entries, flags| {
        let mut def = MapDef::new(name, map_type, key, value, entries);
        def.flags |= flags;
        def
    };
    let outer = |name: &str, map_type| {
        let mut def = def(name, map_type, 4, 4, 4, 0);
        def.inner = Some(Box::new(MapDef::new("inner", MapType::Array, 4, 8, 2)));
        def
    };
    let plain = [
        def("array", MapType::Array, 4, 12, 5, 0),
        def("array of bytes", MapType::Array, 4, 1, 1, 0),
        def("array, read-only", MapType::Array, 4, 12, 5, RDONLY),
        def("percpu array", MapType::PercpuArray, 4, 12, 5, 0),
        def("hash", MapType::Hash, 4, 12, 4, 0),
        def("hash, write-only", MapType::Hash, 4, 12, 4, WRONLY),
        def("hash of long keys", MapType::Hash, 37, 3, 6, 0),
        def("hash, not preallocated", MapType::Hash, 8, 40, 4, NO_PREALLOC),
        def("percpu hash", MapType::PercpuHash, 4, 12, 4, 0),
        def("percpu hash, not preallocated", MapType::PercpuHash, 8, 8, 4, NO_PREALLOC),
        // So many entries that none is ever evicted: whom the kernel evicts is its own affair.
        def("lru hash", MapType::LruHash, 4, 12, 4096, 0),
        def("lru percpu hash", MapType::LruPercpuHash, 4, 12, 4096, 0),
        def("lpm trie", MapType::LpmTrie, 8, 12, 6, 0),
        def("lpm trie of short keys", MapType::LpmTrie, 5, 1, 100, 0),
        def("lpm trie of long keys", MapType::LpmTrie, 20, 8, 12, 0),
        def("queue", MapType::Queue, 0, 12, 5, 0),
        def("stack", MapType::Stack, 0, 12, 5, 0),
        def("bloom filter", MapType::BloomFilter, 0, 8, 10_000, 0),
        outer("array of maps", MapType::ArrayOfMaps),
        outer("hash of maps", MapType::HashOfMaps),
        def("devmap", MapType::Devmap, 4, 4, 4, 0),
        def("devmap of programs", MapType::Devmap, 4, 8, 4, 0),
        def("devmap hash", MapType::DevmapHash, 4, 8, 4, 0),
        def("cpumap", MapType::Cpumap, 4, 4, 5, 0),
        def("sockmap", MapType::Sockmap, 4, 8, 4, 0),
        def("sockhash", MapType::Sockhash, 4, 8, 4, 0),
        def("stack trace", MapType::StackTrace, 4, 64, 5, 0),
        def("ring buffer", MapType::Ringbuf, 0, 0, 4096, 0),
        def("storage of an attachment", MapType::CgroupStorage, 16, 12, 0, 0),
        def("storage of an attachment, by CPU", MapType::PercpuCgroupStorage, 8, 12, 0, 0),
        def("user ring buffer", MapType::UserRingbuf, 0, 0, 4096, 0),
    ];
    let of_objects = [
        def("prog array", MapType::ProgArray, 4, 4, 5, 0),
        def("xskmap", MapType::Xskmap, 4, 4, 4, 0),
        def("cgroup array", MapType::CgroupArray, 4, 4, 4, 0),
        def("reuseport sockarray", MapType::ReuseportSockarray, 4, 8, 4, 0),
        def("socket storage", MapType::SkStorage, 4, 16, 0, NO_PREALLOC),
        def("task storage", MapType::TaskStorage, 4, 16, 0, NO_PREALLOC),
        def("inode storage", MapType::InodeStorage, 4, 16, 0, NO_PREALLOC),
        def("cgroup storage", MapType::CgrpStorage, 4, 16, 0, NO_PREALLOC),
        def("arena", MapType::Arena, 0, 0, 4, MMAPABLE),
    ];
    let there = of_objects.into_iter().filter(|def| objects::are_there(def.map_type));
    let plain = plain.into_iter().chain(there);
    let plain = plain.map(|def| MapCase { def, fields: Fields::default() });
    plain.chain(fields::cases()).collect()
}
