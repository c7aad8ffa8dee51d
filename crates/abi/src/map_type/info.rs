//! Map types: keys, values, flags, users, first releases.
//!
//! Sources: `map_alloc_check` of each type and `check_map_func_compatibility` in the kernel, Linux 6.18;
//! sizes and flags are what map creation there accepts.

use crate::prog_type::bits::*;
use crate::release::v;
use crate::{MapFlag, MapType, ProgTypes, Release};

/// What the kernel says of a map type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapInfo {
    /// The type.
    pub map_type: MapType,
    /// First release that has it.
    pub since: Release,
    /// What a key is.
    pub key: MapKey,
    /// What a value is.
    pub value: MapValue,
    /// What `max_entries` means.
    pub entries: MapEntries,
    /// `BPF_F_*` that creation takes, besides those of [`MapFlag::is_general`].
    pub flags: &'static [MapFlag],
    /// Flags without which it is not made.
    pub must: &'static [MapFlag],
    /// Helpers that work with it, without `bpf_`.
    pub helpers: &'static [&'static str],
    /// Program types that the map's own nature admits; all where none is said to be wrong.
    pub progs: ProgTypes,
}

/// What a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapKey {
    /// There are no keys; the size is 0.
    None,
    /// A `__u32` below the number of entries.
    Index,
    /// Any bytes, from 1 up to this number.
    Bytes(u32),
    /// `struct bpf_lpm_trie_key_u8`: a `__u32` of bits and up to 256 bytes.
    Prefix,
    /// A `__u32` that the kernel or user gives: a stack's id, a CPU, an interface.
    Id,
    /// User space names an object by its descriptor; programs pass the object.
    Object(&'static str),
    /// `struct bpf_cgroup_storage_key`, or the cgroup's id alone.
    Cgroup,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapValue {
    /// There are no values; the size is 0.
    None,
    /// Any bytes, at least 1.
    Bytes,
    /// Bytes for each CPU, at most 32 KiB each.
    PerCpu,
    /// User space writes a descriptor of this and reads an id, if anything.
    Fd(&'static str),
    /// A structure that the kernel defines, of one of these sizes.
    Struct(&'static str, &'static [u32]),
    /// Addresses, 8 bytes each, up to `kernel.perf_event_max_stack` of them.
    Stack,
    /// The structure of the kernel that the map implements.
    Ops,
}

/// What `max_entries` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapEntries {
    /// A number of entries, at least 1.
    Count,
    /// Bytes: a power of two and whole pages.
    Bytes,
    /// Pages.
    Pages,
    /// Must be 0.
    Zero,
}

impl MapType {
    /// What the kernel says of it; `None` for [`MapType::Unspec`].
    #[must_use]
    pub fn info(self) -> Option<&'static MapInfo> {
        INFO.get((self as usize).checked_sub(1)?)
    }
}

impl MapInfo {
    /// All, by number.
    #[must_use]
    pub const fn all() -> &'static [Self] {
        INFO
    }
}

const fn row(
    map_type: MapType,
    since: Release,
    shape: (MapKey, MapValue, MapEntries),
    flags: &'static [MapFlag],
    helpers: &'static [&'static str],
) -> MapInfo {
    let (key, value, entries) = shape;
    let progs = ProgTypes::of(EVERY | LIRC_MODE2);
    MapInfo { map_type, since, key, value, entries, flags, must: &[], helpers, progs }
}

impl MapInfo {
    const fn must(self, must: &'static [MapFlag]) -> Self {
        Self { must, ..self }
    }

    const fn only(self, progs: u64) -> Self {
        Self { progs: ProgTypes::of(progs), ..self }
    }
}

const RP: MapFlag = MapFlag::RdonlyProg;
const WP: MapFlag = MapFlag::WronlyProg;
const BASIC: &[&str] =
    &["map_lookup_elem", "map_update_elem", "map_delete_elem", "for_each_map_elem"];
const PERCPU: &[&str] = &[
    "map_lookup_elem",
    "map_update_elem",
    "map_delete_elem",
    "for_each_map_elem",
    "map_lookup_percpu_elem",
];
const QUEUE: &[&str] = &["map_push_elem", "map_pop_elem", "map_peek_elem"];
const HASHED: MapKey = MapKey::Bytes(u32::MAX);

/// Descriptors at indices.
const fn fds(of: &'static str) -> (MapKey, MapValue, MapEntries) {
    (MapKey::Index, MapValue::Fd(of), MapEntries::Count)
}

const fn local(object: &'static str) -> (MapKey, MapValue, MapEntries) {
    (MapKey::Object(object), MapValue::Bytes, MapEntries::Zero)
}

#[rustfmt::skip]
const INFO: &[MapInfo] = {
    use MapEntries::{Count, Pages, Zero};
    use MapFlag::*;
    use MapKey::{Id, Index, Prefix};
    use MapValue::{Fd, Ops, PerCpu, Stack, Struct};
    &[
        row(MapType::Hash, v(3, 19), (HASHED, MapValue::Bytes, Count), &[NoPrealloc, NumaNode, Rdonly, Wronly, ZeroSeed, RP, WP], BASIC),
        row(MapType::Array, v(3, 19), (Index, MapValue::Bytes, Count), &[NumaNode, Rdonly, Wronly, RP, WP, Mmapable, InnerMap], BASIC),
        row(MapType::ProgArray, v(4, 2), fds("program"), &[NumaNode, Rdonly, Wronly], &["tail_call"]),
        row(MapType::PerfEventArray, v(4, 3), fds("perf event"), &[NumaNode, Rdonly, Wronly, PreserveElems],
            &["perf_event_read", "perf_event_output", "perf_event_read_value", "skb_output", "xdp_output"]),
        row(MapType::PercpuHash, v(4, 6), (HASHED, PerCpu, Count), &[NoPrealloc, Rdonly, Wronly, ZeroSeed, RP, WP], PERCPU),
        row(MapType::PercpuArray, v(4, 6), (Index, PerCpu, Count), &[Rdonly, Wronly, RP, WP], PERCPU),
        row(MapType::StackTrace, v(4, 6), (Id, Stack, Count), &[NumaNode, Rdonly, Wronly, StackBuildId], &["get_stackid"]),
        row(MapType::CgroupArray, v(4, 8), fds("cgroup"), &[NumaNode, Rdonly, Wronly], &["skb_under_cgroup", "current_task_under_cgroup"]),
        row(MapType::LruHash, v(4, 10), (HASHED, MapValue::Bytes, Count), &[NoCommonLru, NumaNode, Rdonly, Wronly, ZeroSeed, RP, WP], BASIC),
        row(MapType::LruPercpuHash, v(4, 10), (HASHED, PerCpu, Count), &[NoCommonLru, Rdonly, Wronly, ZeroSeed, RP, WP], PERCPU),
        row(MapType::LpmTrie, v(4, 11), (Prefix, MapValue::Bytes, Count), &[NoPrealloc, NumaNode, Rdonly, Wronly, RP, WP],
            &["map_lookup_elem", "map_update_elem", "map_delete_elem"]).must(&[NoPrealloc]),
        row(MapType::ArrayOfMaps, v(4, 12), fds("map"), &[NumaNode, Rdonly, Wronly], &["map_lookup_elem"]),
        row(MapType::HashOfMaps, v(4, 12), (HASHED, Fd("map"), Count), &[NoPrealloc, NumaNode, Rdonly, Wronly, ZeroSeed, RP, WP], &["map_lookup_elem"]),
        row(MapType::Devmap, v(4, 14), (Index, Struct("struct bpf_devmap_val", &[4, 8]), Count), &[NumaNode, Rdonly, Wronly], &["redirect_map", "map_lookup_elem"]),
        row(MapType::Sockmap, v(4, 14), (Index, Struct("socket, or its cookie", &[4, 8]), Count), &[NumaNode, Rdonly, Wronly],
            &["sk_redirect_map", "sock_map_update", "map_delete_elem", "msg_redirect_map", "sk_select_reuseport", "map_lookup_elem", "map_update_elem"]),
        row(MapType::Cpumap, v(4, 15), (Id, Struct("struct bpf_cpumap_val", &[4, 8]), Count), &[NumaNode], &["redirect_map"]),
        row(MapType::Xskmap, v(4, 18), fds("AF_XDP socket"), &[NumaNode, Rdonly, Wronly], &["redirect_map", "map_lookup_elem"]),
        row(MapType::Sockhash, v(4, 18), (MapKey::Bytes(512), Struct("socket, or its cookie", &[4, 8]), Count), &[NumaNode, Rdonly, Wronly],
            &["sk_redirect_hash", "sock_hash_update", "map_delete_elem", "msg_redirect_hash", "sk_select_reuseport", "map_lookup_elem", "map_update_elem"]),
        row(MapType::CgroupStorage, v(4, 19), (MapKey::Cgroup, MapValue::Bytes, Zero), &[NumaNode, Rdonly, Wronly, RP, WP], &["get_local_storage"]).only(CGROUP | LSM),
        row(MapType::ReuseportSockarray, v(4, 19), (Index, Struct("socket, or its cookie", &[4, 8]), Count), &[NumaNode, Rdonly, Wronly, RP, WP], &["sk_select_reuseport"]),
        row(MapType::PercpuCgroupStorage, v(4, 20), (MapKey::Cgroup, PerCpu, Zero), &[NumaNode, Rdonly, Wronly, RP, WP], &["get_local_storage"]).only(CGROUP | LSM),
        row(MapType::Queue, v(4, 20), (MapKey::None, MapValue::Bytes, Count), &[NumaNode, Rdonly, Wronly, RP, WP], QUEUE),
        row(MapType::Stack, v(4, 20), (MapKey::None, MapValue::Bytes, Count), &[NumaNode, Rdonly, Wronly, RP, WP], QUEUE),
        row(MapType::SkStorage, v(5, 2), local("socket"), &[NoPrealloc, Clone], &["sk_storage_get", "sk_storage_delete"]).must(&[NoPrealloc]),
        row(MapType::DevmapHash, v(5, 4), (Id, Struct("struct bpf_devmap_val", &[4, 8]), Count), &[NumaNode, Rdonly, Wronly], &["redirect_map", "map_lookup_elem"]),
        row(MapType::StructOps, v(5, 6), (Index, Ops, Count), &[Link, VtypeBtfObjFd], &[]),
        row(MapType::Ringbuf, v(5, 8), (MapKey::None, MapValue::None, MapEntries::Bytes), &[NumaNode],
            &["ringbuf_output", "ringbuf_reserve", "ringbuf_query", "ringbuf_reserve_dynptr"]),
        row(MapType::InodeStorage, v(5, 10), local("inode"), &[NoPrealloc, Clone], &["inode_storage_get", "inode_storage_delete"]).must(&[NoPrealloc]),
        row(MapType::TaskStorage, v(5, 11), local("task"), &[NoPrealloc, Clone], &["task_storage_get", "task_storage_delete"]).must(&[NoPrealloc]),
        row(MapType::BloomFilter, v(5, 16), (MapKey::None, MapValue::Bytes, Count), &[NumaNode, Rdonly, Wronly, ZeroSeed, RP, WP], &["map_peek_elem", "map_push_elem"]),
        row(MapType::UserRingbuf, v(6, 1), (MapKey::None, MapValue::None, MapEntries::Bytes), &[NumaNode], &["user_ringbuf_drain"]),
        row(MapType::CgrpStorage, v(6, 2), local("cgroup"), &[NoPrealloc, Clone], &["cgrp_storage_get", "cgrp_storage_delete"]).must(&[NoPrealloc]),
        row(MapType::Arena, v(6, 9), (MapKey::None, MapValue::None, Pages), &[Mmapable, SegvOnFault, NoUserConv], &[]).must(&[Mmapable]),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helper_id;

    #[test]
    fn every_type_has_its_row() {
        assert_eq!(INFO.len() + 1, MapType::ALL.len());
        for info in INFO {
            assert_eq!(info.map_type.info(), Some(info));
            assert!(info.must.iter().all(|flag| info.flags.contains(flag)), "{}", info.map_type);
            assert!(info.helpers.iter().all(|name| helper_id(name).is_some()), "{}", info.map_type);
        }
        assert!(INFO.is_sorted_by_key(|info| info.since));
        assert_eq!(MapType::Unspec.info(), None);
    }
}
