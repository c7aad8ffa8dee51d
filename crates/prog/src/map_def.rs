//! What a map is to be: inert data.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use skep_abi::MapType;
use skep_btf::TypeId;

/// Definition of a map. Sizes are bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapDef {
    /// Symbol in the object.
    pub name: String,
    /// Kind of map.
    pub map_type: MapType,
    /// 0 for maps without keys.
    pub key_size: u32,
    /// Of one CPU's value for per-CPU maps.
    pub value_size: u32,
    /// Type of a key in the BTF of the image.
    pub key_type: Option<TypeId>,
    /// Type of a value; for a map that holds a data section, the section.
    pub value_type: Option<TypeId>,
    /// Entries; bytes of data for a ring buffer.
    pub max_entries: u32,
    /// `BPF_F_*` of map creation.
    pub flags: u32,
    /// Where `flags` ask for the memory of one NUMA node (`BPF_F_NUMA_NODE`), which.
    pub numa_node: u32,
    /// Per-type extra, as `map_extra` of bpf(2).
    pub map_extra: u64,
    /// Whether loaders pin it by name (`LIBBPF_PIN_BY_NAME`).
    pub pinned: bool,
    /// Definition of the maps inside a map of maps.
    pub inner: Option<Box<Self>>,
    /// Set for maps that hold a data section.
    pub data: Option<DataKind>,
    /// Content before the first run.
    pub initial: Initial,
}

/// Kind of data section behind a map of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataKind {
    /// `.data`
    Data,
    /// `.rodata`: programs may not write, loaders freeze it.
    Rodata,
    /// `.bss`
    Bss,
    /// `.kconfig`: filled by the loader, then as `.rodata`.
    Kconfig,
}

/// Content of a map before the first run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Initial {
    /// Zeroes, or no entries.
    #[default]
    Empty,
    /// The value of key 0: a data section. Of an arena its first bytes.
    Value(Vec<u8>),
    /// Programs by name at indices of a prog array.
    Progs(Vec<(u32, String)>),
    /// Maps by name at indices of a map of maps.
    Maps(Vec<(u32, String)>),
    /// The members of a struct of the kernel.
    StructOps(StructOps),
}

/// What a map of type struct_ops holds: a struct of the kernel, as the object knows it. Loaders bring its
/// members to where the running kernel has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StructOps {
    /// The struct, laid out by [`MapDef::value_type`], with zeroes for functions.
    pub value: Vec<u8>,
    /// Bytes in the struct where members that point to functions are, and the programs for them.
    pub progs: Vec<(u32, String)>,
    /// Loaders make the map only when they are asked to: a section whose name begins with `?`.
    pub optional: bool,
}

/// `BPF_F_NO_PREALLOC`
const NO_PREALLOC: u32 = 1;

impl MapDef {
    /// A map without types, flags and initial content. An LPM trie gets `BPF_F_NO_PREALLOC`, without which
    /// no kernel makes one.
    #[must_use]
    pub fn new(
        name: &str,
        map_type: MapType,
        key_size: u32,
        value_size: u32,
        max_entries: u32,
    ) -> Self {
        Self {
            name: name.into(),
            map_type,
            key_size,
            value_size,
            key_type: None,
            value_type: None,
            max_entries,
            flags: if map_type == MapType::LpmTrie { NO_PREALLOC } else { 0 },
            numa_node: 0,
            map_extra: 0,
            pinned: false,
            inner: None,
            data: None,
            initial: Initial::Empty,
        }
    }
}
