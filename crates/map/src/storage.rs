//! Values that belong to sockets, tasks, inodes or cgroups.
//!
//! The objects are the caller's: numbers that differ for different objects. The kernel keeps a value
//! until its object goes; here the caller says when ([`Storage::delete`]).
//!
//! Source: `kernel/bpf/bpf_local_storage.c`.

use crate::hash::Hash;
use crate::key_value::{EXIST, NOEXIST};
use crate::memory::Memory;
use crate::{Cpu, Fields, KeyValue, UserSide, Values};
use skep_abi::{Errno, MapType};
use skep_prog::MapDef;

/// Objects that can have a value at a time; the kernel sets no limit.
const OBJECTS: u32 = 1 << 14;

/// `sk_storage`, `task_storage`, `inode_storage` and `cgrp_storage`.
#[derive(Debug)]
pub struct Storage {
    def: MapDef,
    objects: Hash,
}

impl Storage {
    pub(crate) fn new(def: MapDef, cpus: u32) -> Result<Self, Errno> {
        Ok(Self {
            objects: Hash::new(&Memory::Heap, by_object(&def), cpus, &Fields::default())?,
            def,
        })
    }

    /// Bytes a map can come to take.
    pub(crate) fn bytes(def: &MapDef, cpus: u32) -> u64 {
        Hash::bytes(&by_object(def), cpus)
    }

    /// What the map was made from.
    #[must_use]
    pub fn def(&self) -> &MapDef {
        &self.def
    }

    /// Where the values are.
    #[must_use]
    pub fn values(&self) -> &Values {
        self.objects.values()
    }

    /// Position of an object's value.
    #[must_use]
    pub fn get(&self, object: u64) -> Option<usize> {
        self.objects.lookup(&object.to_ne_bytes(), Cpu(0))
    }

    /// As [`Storage::get`], and where the object has no value, gives it `initial`, or zeroes
    /// (`BPF_LOCAL_STORAGE_GET_F_CREATE`).
    ///
    /// # Errors
    ///
    /// `EINVAL` if `initial` has another size than values, `ENOMEM` for too many objects.
    pub fn get_or_create(&self, object: u64, initial: Option<&[u8]>) -> Result<usize, Errno> {
        let key = object.to_ne_bytes();
        let zeroes;
        let initial = match initial {
            Some(initial) => initial,
            None => {
                zeroes = alloc::vec![0; self.def.value_size as usize];
                &zeroes
            }
        };
        loop {
            if let Some(at) = self.get(object) {
                return Ok(at);
            }
            match self.objects.update(&key, initial, NOEXIST, Cpu(0)) {
                // Another thread was first, or takes the value away again at once.
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(Errno::E2BIG) => return Err(Errno::ENOMEM),
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Sets the value of an object.
    ///
    /// # Errors
    ///
    /// `EEXIST` and `ENOENT` as flags ask, `EINVAL` for other flags and sizes, `ENOMEM` for too many
    /// objects.
    pub fn set(&self, object: u64, value: &[u8], flags: u64) -> Result<(), Errno> {
        if flags > EXIST {
            return Err(Errno::EINVAL);
        }
        let set = self.objects.update_user(&object.to_ne_bytes(), value, flags);
        set.map_err(|errno| if errno == Errno::E2BIG { Errno::ENOMEM } else { errno })
    }

    /// Takes an object's value away.
    ///
    /// # Errors
    ///
    /// `ENOENT` if it has none.
    pub fn delete(&self, object: u64) -> Result<(), Errno> {
        self.objects.delete(&object.to_ne_bytes())
    }

    /// Objects that have a value.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.objects.entries()
    }
}

fn by_object(def: &MapDef) -> MapDef {
    let mut def = def.clone();
    def.map_type = MapType::Hash;
    (def.key_size, def.max_entries, def.flags) = (8, OBJECTS, 0);
    def
}
