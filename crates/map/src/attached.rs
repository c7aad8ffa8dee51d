//! The value that belongs to the cgroup a program is attached to.
//!
//! A program that runs here is attached once, so there is one value, or one for each CPU. It is there for the
//! program from the start; the user finds it, under a key of zeroes, once a program has asked for it.
//!
//! Source: `kernel/bpf/local_storage.c`.

use crate::array::Array;
use crate::key_value::{EXIST, F_LOCK, NOEXIST};
use crate::memory::Memory;
use crate::{Cpu, Fields, KeyValue, UserSide, Values};
use alloc::vec::Vec;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::Relaxed;
use skep_abi::{Errno, MapType};
use skep_prog::MapDef;

/// `cgroup_storage` and `percpu_cgroup_storage`.
#[derive(Debug)]
pub struct AttachedStorage {
    def: MapDef,
    value: Array,
    /// Whether a program has asked for the value.
    known: AtomicBool,
}

impl AttachedStorage {
    pub(crate) fn new(def: MapDef, cpus: u32, fields: &Fields) -> Result<Self, Errno> {
        let (map_type, cpus) = match def.map_type {
            MapType::PercpuCgroupStorage => (MapType::PercpuArray, cpus as usize),
            _ => (MapType::Array, 1),
        };
        let one = MapDef { map_type, key_size: 4, max_entries: 1, flags: 0, ..def.clone() };
        let value = Array::new(&Memory::Heap, one, cpus, fields)?;
        Ok(Self { def, value, known: AtomicBool::new(false) })
    }

    /// Where the value is.
    #[must_use]
    pub fn values(&self) -> &Values {
        self.value.values()
    }

    /// What the map was made from.
    #[must_use]
    pub const fn def(&self) -> &MapDef {
        &self.def
    }

    /// Position of the value of a CPU, for the program.
    #[must_use]
    pub fn value(&self, cpu: Cpu) -> Option<usize> {
        self.known.store(true, Relaxed);
        self.value.lookup(&[0; 4], cpu)
    }

    /// Whether a key names the value.
    fn has(&self, key: &[u8]) -> Result<(), Errno> {
        if key.len() != self.def.key_size as usize {
            return Err(Errno::EINVAL);
        }
        let found = self.known.load(Relaxed) && key.iter().all(|&byte| byte == 0);
        if found { Ok(()) } else { Err(Errno::ENOENT) }
    }
}

impl KeyValue for AttachedStorage {
    fn def(&self) -> &MapDef {
        &self.def
    }

    fn values(&self) -> &Values {
        self.value.values()
    }

    fn fields(&self) -> &Fields {
        self.value.fields()
    }

    fn lookup(&self, key: &[u8], cpu: Cpu) -> Option<usize> {
        self.has(key).ok().and_then(|()| self.value.lookup(&[0; 4], cpu))
    }

    /// Programs write to the value, and no other way.
    fn update(&self, _key: &[u8], _value: &[u8], _flags: u64, _cpu: Cpu) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn delete(&self, _key: &[u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }
}

impl UserSide for AttachedStorage {
    fn lookup_user(&self, key: &[u8], out: &mut Vec<u8>) -> Result<(), Errno> {
        self.has(key)?;
        self.value.lookup_user(&[0; 4], out)
    }

    /// Kernel: `cgroup_storage_update_elem`, `bpf_percpu_cgroup_storage_update`.
    fn update_user(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let known =
            if self.def.map_type == MapType::CgroupStorage { F_LOCK | EXIST } else { EXIST };
        if flags & !known != 0 || flags & NOEXIST != 0 {
            return Err(Errno::EINVAL);
        }
        self.has(key)?;
        self.value.update_user(&[0; 4], value, flags & F_LOCK)
    }

    fn take_user(&self, _key: &[u8], _out: &mut Vec<u8>) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        if key.is_some() || !self.known.load(Relaxed) {
            return Err(Errno::ENOENT);
        }
        next.fill(0);
        Ok(())
    }

    fn entries(&self) -> usize {
        usize::from(self.known.load(Relaxed))
    }
}
