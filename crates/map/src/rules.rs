//! Which definitions make a map: the kernel's rules, and its error for each.
//!
//! Sources: the `*_alloc_check` and `*_alloc` functions of `kernel/bpf/arraymap.c`, `hashtab.c`,
//! `lpm_trie.c` and `ringbuf.c`; `map_create` in `syscall.c`.

mod objects;

use alloc::string::String;
use skep_abi::{Errno, MapType};
use skep_prog::MapDef;

/// Why a definition makes no map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are glossary terms")]
pub enum MapError {
    /// The kernel would refuse it too, with this error.
    #[error("map {map}: {rule}")]
    Refused { map: String, rule: Rule, errno: Errno },
    /// The user engine has no such maps.
    #[error("map {map}: maps of type {map_type} are not supported")]
    Unsupported { map: String, map_type: MapType },
    /// More memory than there is, or than [`Limits`](crate::Limits) leaves.
    #[error("map {map}: {asked} bytes asked for, {left} left")]
    Memory { map: String, asked: u64, left: u64 },
}

impl MapError {
    /// What bpf(2) would answer.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Refused { errno, .. } => *errno,
            Self::Unsupported { .. } => Errno::EOPNOTSUPP,
            Self::Memory { .. } => Errno::ENOMEM,
        }
    }
}

/// What a definition breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are glossary terms")]
pub enum Rule {
    #[error("key of {key_size} bytes where {map_type} wants {want}")]
    KeySize { map_type: MapType, key_size: u32, want: &'static str },
    #[error("value of {value_size} bytes where {map_type} wants {want}")]
    ValueSize { map_type: MapType, value_size: u32, want: &'static str },
    #[error("max_entries is {max_entries} where {map_type} wants {want}")]
    MaxEntries { map_type: MapType, max_entries: u32, want: &'static str },
    #[error("flags {flags:#x} are not for {map_type}")]
    Flags { map_type: MapType, flags: u32 },
    #[error("{map_type} needs BPF_F_NO_PREALLOC")]
    Prealloc { map_type: MapType },
    #[error("programs may neither read nor write (BPF_F_RDONLY_PROG and BPF_F_WRONLY_PROG)")]
    NoAccess,
    #[error("{map_type} needs BPF_F_MMAPABLE")]
    Mmapable { map_type: MapType },
    #[error("{map_type} needs the definition of the maps inside")]
    NoInner { map_type: MapType },
    #[error("{inner} cannot be inside {map_type}")]
    Inner { map_type: MapType, inner: MapType },
    #[error("map_extra {map_extra:#x} is not for {map_type}")]
    Extra { map_type: MapType, map_extra: u64 },
    #[error("{map_type} cannot have such fields in its values")]
    Fields { map_type: MapType },
    #[error("initial value of {len} bytes where a value has {value_size}")]
    Initial { len: usize, value_size: u32 },
    #[error("no CPUs")]
    NoCpus,
}

const F_NO_PREALLOC: u32 = 1;
const F_NO_COMMON_LRU: u32 = 1 << 1;
const F_NUMA_NODE: u32 = 1 << 2;
pub(crate) const F_RDONLY: u32 = 1 << 3;
pub(crate) const F_WRONLY: u32 = 1 << 4;
const F_ZERO_SEED: u32 = 1 << 6;
pub(crate) const F_RDONLY_PROG: u32 = 1 << 7;
pub(crate) const F_WRONLY_PROG: u32 = 1 << 8;
const F_MMAPABLE: u32 = 1 << 10;
const F_PRESERVE_ELEMS: u32 = 1 << 11;
pub(crate) const F_INNER_MAP: u32 = 1 << 12;
const F_ACCESS: u32 = F_RDONLY | F_WRONLY | F_RDONLY_PROG | F_WRONLY_PROG;

/// `PCPU_MIN_UNIT_SIZE`
const PERCPU_VALUE_MAX: u32 = 32 << 10;
/// `KMALLOC_MAX_SIZE` with 4 KiB pages.
const KMALLOC_MAX: u32 = 4 << 20;
/// `sizeof(struct htab_elem)`
const HASH_ELEM: u32 = 48;
/// `sizeof(struct lpm_trie_node)` since Linux 6.14
const TRIE_NODE: u32 = 24;
const PAGE: u32 = 4096;

type Verdict = Result<(), (Rule, Errno)>;

/// Whether the kernel would make this map; [`MapError::Unsupported`] aside.
pub(crate) fn check(def: &MapDef) -> Verdict {
    let map_type = def.map_type;
    let extra = match map_type {
        // How many hashes.
        MapType::BloomFilter => 0xf,
        // Where the user maps it.
        MapType::Arena => u64::MAX,
        _ => 0,
    };
    if def.map_extra & !extra != 0 {
        return Err((Rule::Extra { map_type, map_extra: def.map_extra }, Errno::EINVAL));
    }
    match map_type {
        MapType::Array | MapType::PercpuArray => check_array(def),
        MapType::ProgArray | MapType::PerfEventArray => check_fd_array(def),
        MapType::LpmTrie => check_trie(def),
        MapType::Ringbuf | MapType::UserRingbuf => check_ringbuf(def),
        MapType::Queue | MapType::Stack => {
            objects::check_keyless(def, 0)?;
            value(def, def.value_size <= KMALLOC_MAX, Errno::E2BIG, "at most 4 MiB")
        }
        MapType::BloomFilter => objects::check_keyless(def, F_ZERO_SEED),
        MapType::ArrayOfMaps | MapType::HashOfMaps => check_maps(def),
        MapType::StackTrace => objects::check_stacks(def),
        MapType::Arena => objects::check_arena(def),
        MapType::SkStorage
        | MapType::TaskStorage
        | MapType::InodeStorage
        | MapType::CgrpStorage => objects::check_storage(def),
        MapType::CgroupStorage | MapType::PercpuCgroupStorage => objects::check_attached(def),
        _ if is_of_handles(map_type) => objects::check_handles(def),
        _ => check_hash(def),
    }
}

/// Whether values are numbers of objects of the kernel.
pub(crate) const fn is_of_handles(map_type: MapType) -> bool {
    matches!(
        map_type,
        MapType::Devmap
            | MapType::DevmapHash
            | MapType::Cpumap
            | MapType::Xskmap
            | MapType::Sockmap
            | MapType::Sockhash
            | MapType::ReuseportSockarray
            | MapType::CgroupArray
    )
}

/// Whether each CPU is to have an order of use of its own.
pub(crate) const fn has_percpu_lru(def: &MapDef) -> bool {
    matches!(def.map_type, MapType::LruHash | MapType::LruPercpuHash)
        && def.flags & F_NO_COMMON_LRU != 0
}

/// Kernel: `bpf_map_meta_alloc`, `array_of_map_alloc`, `fd_htab_map_alloc_check`.
fn check_maps(def: &MapDef) -> Verdict {
    let map_type = def.map_type;
    match map_type {
        MapType::ArrayOfMaps => check_fd_array(def)?,
        _ => {
            value(def, def.value_size == 4, Errno::EINVAL, "4")?;
            check_hash(def)?;
        }
    }
    let inner = def.inner.as_ref().ok_or((Rule::NoInner { map_type }, Errno::EBADF))?;
    let rule = Rule::Inner { map_type, inner: inner.map_type };
    match inner.map_type {
        MapType::ArrayOfMaps | MapType::HashOfMaps => Err((rule, Errno::EINVAL)),
        MapType::ProgArray | MapType::StructOps => Err((rule, Errno::ENOTSUPP)),
        _ => Ok(()),
    }
}

/// Kernel: `array_map_alloc_check`.
fn check_array(def: &MapDef) -> Verdict {
    let percpu = def.map_type == MapType::PercpuArray;
    entries(def)?;
    key(def, 4..=4, "4")?;
    value(def, def.value_size != 0, Errno::EINVAL, "at least 1")?;
    let flags = match def.map_type {
        MapType::Array => F_NUMA_NODE | F_MMAPABLE | F_INNER_MAP,
        MapType::PerfEventArray => F_NUMA_NODE | F_PRESERVE_ELEMS,
        MapType::PercpuArray => 0,
        _ => F_NUMA_NODE,
    };
    self::flags(def, flags | F_ACCESS)?;
    value(def, def.value_size <= i32::MAX as u32, Errno::E2BIG, "at most 2^31 - 1")?;
    let fits = !percpu || def.value_size <= PERCPU_VALUE_MAX;
    value(def, fits, Errno::E2BIG, "at most 32768")
}

/// Kernel: `fd_array_map_alloc_check`.
fn check_fd_array(def: &MapDef) -> Verdict {
    value(def, def.value_size == 4, Errno::EINVAL, "4")?;
    let flags = def.flags & (F_RDONLY_PROG | F_WRONLY_PROG);
    if flags != 0 {
        return Err((Rule::Flags { map_type: def.map_type, flags }, Errno::EINVAL));
    }
    check_array(def)
}

/// Kernel: `htab_map_alloc_check`, `htab_map_alloc`.
fn check_hash(def: &MapDef) -> Verdict {
    let percpu = matches!(def.map_type, MapType::PercpuHash | MapType::LruPercpuHash);
    let lru = matches!(def.map_type, MapType::LruHash | MapType::LruPercpuHash);
    let numa = if percpu { 0 } else { F_NUMA_NODE };
    let common = if lru { F_NO_COMMON_LRU } else { 0 };
    flags(def, F_NO_PREALLOC | F_ZERO_SEED | F_ACCESS | numa | common)?;
    if lru && def.flags & F_NO_PREALLOC != 0 {
        let rule = Rule::Flags { map_type: def.map_type, flags: F_NO_PREALLOC };
        return Err((rule, Errno::ENOTSUPP));
    }
    entries(def)?;
    key(def, 1..=u32::MAX, "at least 1")?;
    value(def, def.value_size != 0, Errno::EINVAL, "at least 1")?;
    let element = u64::from(def.key_size) + u64::from(def.value_size);
    let fits = element < u64::from(KMALLOC_MAX - HASH_ELEM);
    value(def, fits, Errno::E2BIG, "less than 4 MiB together with the key")?;
    let fits = !percpu || def.value_size <= PERCPU_VALUE_MAX;
    value(def, fits, Errno::E2BIG, "at most 32768")?;
    // The kernel's bucket array would not fit 32 bits.
    if def.max_entries > 1 << 27 {
        return Err((entries_rule(def, "at most 2^27"), Errno::E2BIG));
    }
    Ok(())
}

/// Kernel: `trie_alloc`.
fn check_trie(def: &MapDef) -> Verdict {
    entries(def)?;
    if def.flags & F_NO_PREALLOC == 0 {
        return Err((Rule::Prealloc { map_type: def.map_type }, Errno::EINVAL));
    }
    flags(def, F_NO_PREALLOC | F_NUMA_NODE | F_ACCESS)?;
    key(def, 5..=260, "5 to 260")?;
    let fits = (1..=KMALLOC_MAX - 256 - TRIE_NODE).contains(&def.value_size);
    value(def, fits, Errno::EINVAL, "1 to 4194024")
}

/// Kernel: `ringbuf_map_alloc`.
fn check_ringbuf(def: &MapDef) -> Verdict {
    flags(def, F_NUMA_NODE)?;
    key(def, 0..=0, "none")?;
    value(def, def.value_size == 0, Errno::EINVAL, "none")?;
    let size = def.max_entries;
    if !size.is_power_of_two() || !size.is_multiple_of(PAGE) {
        let want = "a power of two and a multiple of 4096";
        return Err((entries_rule(def, want), Errno::EINVAL));
    }
    Ok(())
}

fn flags(def: &MapDef, known: u32) -> Verdict {
    let unknown = def.flags & !known;
    if unknown != 0 {
        return Err((Rule::Flags { map_type: def.map_type, flags: unknown }, Errno::EINVAL));
    }
    if def.flags & F_RDONLY_PROG != 0 && def.flags & F_WRONLY_PROG != 0 {
        return Err((Rule::NoAccess, Errno::EINVAL));
    }
    user_access(def)
}

/// The user may do something; the system call looks at that first. Kernel: `bpf_get_file_flag`.
fn user_access(def: &MapDef) -> Verdict {
    let flags = F_RDONLY | F_WRONLY;
    if def.flags & flags == flags {
        return Err((Rule::Flags { map_type: def.map_type, flags }, Errno::EINVAL));
    }
    Ok(())
}

fn key(def: &MapDef, range: core::ops::RangeInclusive<u32>, want: &'static str) -> Verdict {
    if range.contains(&def.key_size) {
        return Ok(());
    }
    let rule = Rule::KeySize { map_type: def.map_type, key_size: def.key_size, want };
    Err((rule, Errno::EINVAL))
}

fn value(def: &MapDef, fits: bool, errno: Errno, want: &'static str) -> Verdict {
    if fits {
        return Ok(());
    }
    Err((Rule::ValueSize { map_type: def.map_type, value_size: def.value_size, want }, errno))
}

fn entries(def: &MapDef) -> Verdict {
    if def.max_entries == 0 {
        Err((entries_rule(def, "at least 1"), Errno::EINVAL))
    } else {
        Ok(())
    }
}

fn entries_rule(def: &MapDef, want: &'static str) -> Rule {
    Rule::MaxEntries { map_type: def.map_type, max_entries: def.max_entries, want }
}
