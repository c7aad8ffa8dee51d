//! A map of any kind.

use crate::arena::{Arena, PAGE};
use crate::array::Array;
use crate::attached::AttachedStorage;
use crate::hash::Hash;
use crate::key_value::ANY;
use crate::lpm::LpmTrie;
use crate::memory::Memory;
use crate::rules::{self, F_RDONLY_PROG, F_WRONLY_PROG};
use crate::{
    BloomFilter, Fields, HandleArray, KeyValue, MapError, MapOfMaps, PerfEventArray, ProgArray,
    Queue, RingBuf, Rule, StackTrace, Storage,
};
use alloc::sync::Arc;
use skep_abi::{Errno, MapType};
use skep_prog::{DataKind, Initial, MapDef};

/// A live map; clones are the same map.
#[derive(Clone)]
pub enum Map {
    /// Keys and values.
    KeyValue(Arc<dyn KeyValue>),
    /// `prog_array`
    Progs(Arc<ProgArray>),
    /// `ringbuf`
    RingBuf(Arc<RingBuf>),
    /// `perf_event_array`
    PerfEvents(Arc<PerfEventArray>),
    /// `queue`, `stack`
    Queue(Arc<Queue>),
    /// `bloom_filter`
    Bloom(Arc<BloomFilter>),
    /// `array_of_maps`, `hash_of_maps`
    Maps(Arc<MapOfMaps>),
    /// `user_ringbuf`: what [`RingBuf::output`] takes from the user, programs get by
    /// [`RingBuf::next`].
    UserRing(Arc<RingBuf>),
    /// `stack_trace`
    Stacks(Arc<StackTrace>),
    /// `sk_storage`, `task_storage`, `inode_storage`, `cgrp_storage`
    Storage(Arc<Storage>),
    /// `cgroup_storage`, `percpu_cgroup_storage`
    Attached(Arc<AttachedStorage>),
    /// `arena`
    Arena(Arc<Arena>),
}

/// What maps may take. Maps reserve address space for all their entries at once, and memory as
/// entries come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes left for maps.
    pub bytes: u64,
}

impl Default for Limits {
    /// 1 GiB.
    fn default() -> Self {
        Self { bytes: 1 << 30 }
    }
}

/// What programs may do with the values of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgAccess {
    /// Unless `BPF_F_WRONLY_PROG`.
    pub read: bool,
    /// Unless `BPF_F_RDONLY_PROG`, or a section of constants.
    pub write: bool,
}

impl ProgAccess {
    /// From flags and kind of data section.
    #[must_use]
    pub fn of(def: &MapDef) -> Self {
        let constant = matches!(def.data, Some(DataKind::Rodata | DataKind::Kconfig));
        // What programs see of an entry is the kernel's own.
        let constant = constant || rules::is_of_handles(def.map_type);
        Self {
            read: def.flags & F_WRONLY_PROG == 0,
            write: def.flags & F_RDONLY_PROG == 0 && !constant,
        }
    }
}

impl Map {
    /// A map with its initial value, within the default [`Limits`].
    ///
    /// # Errors
    ///
    /// See [`Map::within`].
    pub fn new(def: &MapDef, cpus: u32) -> Result<Self, MapError> {
        Self::within(def, cpus, &mut Limits::default())
    }

    /// A map with its initial value; `limits` loses what the map may come to take. `cpus` is the
    /// number of CPUs that programs can be on; a perf event array of no entries gets one for each, as
    /// libbpf does. Programs and maps that a definition names
    /// ([`Initial::Progs`], [`Initial::Maps`]) are the caller's to put in.
    ///
    /// # Errors
    ///
    /// The definition breaks a rule of the kernel, the type is not supported, or memory does not
    /// suffice.
    pub fn within(def: &MapDef, cpus: u32, limits: &mut Limits) -> Result<Self, MapError> {
        Self::with_fields(def, cpus, limits, &Fields::default())
    }

    /// As [`Map::within`], for values with fields that are not bytes to the user.
    ///
    /// # Errors
    ///
    /// As [`Map::within`]; and for fields that are not inside values, or that maps of the type cannot
    /// have.
    pub fn with_fields(
        def: &MapDef,
        cpus: u32,
        limits: &mut Limits,
        fields: &Fields,
    ) -> Result<Self, MapError> {
        let def = &Self::checked(def, cpus, limits, fields)?;
        let asked = Self::bytes_of(def, cpus);
        let memory = || MapError::Memory { map: def.name.clone(), asked, left: limits.bytes };
        let map = Self::make(def.clone(), cpus, fields).map_err(|_| memory())?;
        map.set_initial_of(def)?;
        limits.bytes -= asked;
        Ok(map)
    }

    /// The definition with what is left out of it, if it makes a map.
    pub(crate) fn checked(
        def: &MapDef,
        cpus: u32,
        limits: &Limits,
        fields: &Fields,
    ) -> Result<MapDef, MapError> {
        let def = with_default_size(def, cpus);
        let refused = |(rule, errno)| MapError::Refused { map: def.name.clone(), rule, errno };
        if cpus == 0 {
            return Err(refused((Rule::NoCpus, Errno::EINVAL)));
        }
        let asked = Self::bytes(&def, cpus).ok_or_else(|| MapError::Unsupported {
            map: def.name.clone(),
            map_type: def.map_type,
        })?;
        rules::check(&def).map_err(refused)?;
        fields.check(&def).map_err(refused)?;
        if asked > limits.bytes {
            let (map, left) = (def.name.clone(), limits.bytes);
            return Err(MapError::Memory { map, asked, left });
        }
        Ok(def)
    }

    /// Gives the map its initial value.
    pub(crate) fn set_initial_of(&self, def: &MapDef) -> Result<(), MapError> {
        let refused = |(rule, errno)| MapError::Refused { map: def.name.clone(), rule, errno };
        self.set_initial(def).map_err(refused)
    }

    /// Bytes the map can come to take.
    pub(crate) fn bytes_of(def: &MapDef, cpus: u32) -> u64 {
        Self::bytes(def, cpus).unwrap_or(u64::MAX)
    }

    /// Bytes the map can come to take. `None` for unknown types.
    fn bytes(def: &MapDef, cpus: u32) -> Option<u64> {
        let stride = u64::from(def.value_size).next_multiple_of(8);
        let entries = u64::from(def.max_entries);
        let values = stride.saturating_mul(entries);
        Some(match def.map_type {
            MapType::Array => values,
            MapType::PercpuArray => values.saturating_mul(cpus.into()),
            MapType::ProgArray => entries * 8,
            MapType::PerfEventArray => PerfEventArray::bytes(cpus),
            MapType::Ringbuf | MapType::UserRingbuf => entries * 2 + RingBuf::control_bytes(),
            MapType::Hash | MapType::PercpuHash | MapType::LruHash | MapType::LruPercpuHash => {
                Hash::bytes(def, cpus)
            }
            MapType::DevmapHash | MapType::Sockhash => Hash::bytes(def, cpus),
            MapType::LpmTrie => LpmTrie::bytes(def),
            MapType::Queue | MapType::Stack => values.saturating_add(16),
            MapType::BloomFilter => BloomFilter::bytes(def),
            MapType::ArrayOfMaps | MapType::HashOfMaps => {
                entries.saturating_mul(u64::from(def.key_size) + 64)
            }
            MapType::Devmap | MapType::Cpumap | MapType::Xskmap => {
                values.saturating_add(entries * 4)
            }
            MapType::Sockmap | MapType::ReuseportSockarray | MapType::CgroupArray => {
                values.saturating_add(entries * 4)
            }
            MapType::StackTrace => StackTrace::bytes(def),
            MapType::SkStorage
            | MapType::TaskStorage
            | MapType::InodeStorage
            | MapType::CgrpStorage => Storage::bytes(def, cpus),
            MapType::CgroupStorage => stride,
            MapType::PercpuCgroupStorage => stride.saturating_mul(cpus.into()),
            MapType::Arena => entries * (u64::from(PAGE) + 1),
            _ => return None,
        })
    }

    fn make(def: MapDef, cpus: u32, fields: &Fields) -> Result<Self, Errno> {
        if let Some(made) = Self::make_in(&Memory::Heap, &def, cpus, fields) {
            return made;
        }
        Ok(match def.map_type {
            MapType::ProgArray => Self::Progs(Arc::new(ProgArray::new(def)?)),
            MapType::PerfEventArray => Self::PerfEvents(Arc::new(PerfEventArray::new(def, cpus)?)),
            MapType::ArrayOfMaps | MapType::HashOfMaps => {
                Self::Maps(Arc::new(MapOfMaps::new(def)?))
            }
            MapType::StackTrace => Self::Stacks(Arc::new(StackTrace::new(def)?)),
            MapType::SkStorage
            | MapType::TaskStorage
            | MapType::InodeStorage
            | MapType::CgrpStorage => Self::Storage(Arc::new(Storage::new(def, cpus)?)),
            MapType::CgroupStorage | MapType::PercpuCgroupStorage => {
                Self::Attached(Arc::new(AttachedStorage::new(def, cpus, fields)?))
            }
            MapType::Arena => Self::Arena(Arc::new(Arena::new(def)?)),
            MapType::Devmap
            | MapType::Cpumap
            | MapType::Xskmap
            | MapType::Sockmap
            | MapType::ReuseportSockarray
            | MapType::CgroupArray => Self::KeyValue(Arc::new(HandleArray::new(def, cpus)?)),
            _ => Self::KeyValue(Arc::new(Hash::new(&Memory::Heap, def, cpus, fields)?)),
        })
    }

    /// A map of a type that has all its state in memory as it comes; `None` for the others.
    pub(crate) fn make_in(
        memory: &Memory,
        def: &MapDef,
        cpus: u32,
        fields: &Fields,
    ) -> Option<Result<Self, Errno>> {
        let def = def.clone();
        Some(match def.map_type {
            MapType::Array | MapType::PercpuArray => {
                let cpus = if def.map_type == MapType::Array { 1 } else { cpus as usize };
                Array::new(memory, def, cpus, fields).map(|map| Self::KeyValue(Arc::new(map)))
            }
            MapType::Hash | MapType::PercpuHash | MapType::LruHash | MapType::LruPercpuHash => {
                Hash::new(memory, def, cpus, fields).map(|map| Self::KeyValue(Arc::new(map)))
            }
            MapType::LpmTrie => LpmTrie::new(memory, def).map(|map| Self::KeyValue(Arc::new(map))),
            MapType::Queue | MapType::Stack => {
                Queue::new(memory, def).map(|map| Self::Queue(Arc::new(map)))
            }
            MapType::BloomFilter => {
                BloomFilter::new(memory, def).map(|map| Self::Bloom(Arc::new(map)))
            }
            MapType::Ringbuf => RingBuf::new(memory, def).map(|map| Self::RingBuf(Arc::new(map))),
            MapType::UserRingbuf => {
                RingBuf::new(memory, def).map(|map| Self::UserRing(Arc::new(map)))
            }
            _ => return None,
        })
    }

    fn set_initial(&self, def: &MapDef) -> Result<(), (Rule, Errno)> {
        let Initial::Value(value) = &def.initial else { return Ok(()) };
        let rule = Rule::Initial { len: value.len(), value_size: def.value_size };
        let set = match self {
            Self::KeyValue(map) => map.update_user(&[0; 4], value, ANY),
            Self::Arena(arena) => arena.set_initial(value),
            _ => Ok(()),
        };
        set.map_err(|errno| (rule, errno))
    }

    /// What the map was made from.
    #[must_use]
    pub fn def(&self) -> &MapDef {
        match self {
            Self::KeyValue(map) => map.def(),
            Self::Progs(map) => map.def(),
            Self::RingBuf(map) => map.def(),
            Self::PerfEvents(map) => map.def(),
            Self::Queue(map) => map.def(),
            Self::Bloom(map) => map.def(),
            Self::Maps(map) => map.def(),
            Self::UserRing(map) => map.def(),
            Self::Stacks(map) => map.def(),
            Self::Storage(map) => map.def(),
            Self::Attached(map) => map.def(),
            Self::Arena(map) => map.def(),
        }
    }

    /// What programs may do with its values.
    #[must_use]
    pub fn prog_access(&self) -> ProgAccess {
        ProgAccess::of(self.def())
    }
}

fn with_default_size(def: &MapDef, cpus: u32) -> MapDef {
    let mut def = def.clone();
    if def.map_type == MapType::PerfEventArray && def.max_entries == 0 {
        def.max_entries = cpus;
    }
    // Orders for each CPU have equal shares of the entries. Kernel: `htab_map_alloc`.
    if rules::has_percpu_lru(&def) && cpus != 0 {
        let rounded = def.max_entries.checked_next_multiple_of(cpus);
        def.max_entries = rounded.unwrap_or(def.max_entries / cpus * cpus);
    }
    def
}
