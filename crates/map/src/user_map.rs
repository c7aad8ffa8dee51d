//! A map as whoever opened it by bpf(2) has it: what the flags of the map let through, freezing, and
//! many entries at a time.
//!
//! Source: `map_lookup_elem` and its neighbours, `generic_map_*_batch`, `map_freeze` in
//! `kernel/bpf/syscall.c`.

use crate::key_value::{F_LOCK, KeyValue, sized};
use crate::rules::{F_RDONLY, F_WRONLY};
use crate::{Cpu, Map, UserSide};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::{AcqRel, Acquire};
use skep_abi::{Errno, MapType};

/// The user's side of any map; clones share whether it is frozen.
///
/// Keys of storage maps are the eight bytes of an object's number, values of program arrays the four bytes of
/// a program's, which is the engine's. A bloom filter is asked for the
/// value that `out` holds.
#[derive(Clone)]
pub struct UserMap {
    map: Map,
    frozen: Arc<AtomicBool>,
}

/// How far a batch came, and why no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Entries dealt with.
    pub count: u32,
    /// `ENOENT` after the last entry.
    pub end: Result<(), Errno>,
}

impl UserMap {
    /// The user's side of a map that is not frozen.
    #[must_use]
    pub fn new(map: Map) -> Self {
        Self { map, frozen: Arc::default() }
    }

    /// The map.
    #[must_use]
    pub fn map(&self) -> &Map {
        &self.map
    }

    /// Ends writing from this side, for good.
    ///
    /// # Errors
    ///
    /// `ENOTSUPP` for maps whose values have locks, timers or their like,
    /// `EPERM` without the right to write, which a frozen map gives nobody; `EBUSY` if another thread
    /// freezes it at the same time.
    pub fn freeze(&self) -> Result<(), Errno> {
        if let Map::KeyValue(map) = &self.map
            && !map.fields().is_empty()
        {
            return Err(Errno::ENOTSUPP);
        }
        self.may_write()?;
        if self.frozen.swap(true, AcqRel) { Err(Errno::EBUSY) } else { Ok(()) }
    }

    /// `BPF_MAP_LOOKUP_ELEM`
    ///
    /// # Errors
    ///
    /// `EPERM` for maps that are write-only, `EINVAL` for flags and sizes, `ENOENT`; `ENOTSUPP`,
    /// `EOPNOTSUPP` where there are no values to read.
    pub fn lookup(&self, key: &[u8], out: &mut Vec<u8>, flags: u64) -> Result<(), Errno> {
        no_flags(flags & !F_LOCK)?;
        self.may_read()?;
        self.check_lock(flags)?;
        match &self.map {
            Map::KeyValue(map) if flags & F_LOCK != 0 => {
                let at = map.lookup(key, Cpu(0)).ok_or(Errno::ENOENT)?;
                zeroed(out, map.def().value_size)?;
                let (values, fields) = (map.values(), map.fields());
                fields.locked(values, at, || values.read(at, out))?.ok_or(Errno::EINVAL)?;
                fields.hide(out);
                Ok(())
            }
            Map::Queue(queue) => {
                sized(key, 0)?;
                zeroed(out, queue.def().value_size)?;
                queue.peek(out)
            }
            Map::Bloom(filter) => {
                sized(key, 0)?;
                filter.peek(out)
            }
            Map::Progs(progs) => progs.lookup_user(key, out),
            Map::Storage(storage) => {
                let at = storage.get(object(key)?).ok_or(Errno::ENOENT)?;
                zeroed(out, storage.def().value_size)?;
                storage.values().read(at, out).ok_or(Errno::EINVAL)
            }
            Map::Arena(_) => Err(Errno::EINVAL),
            _ => self.keyed()?.lookup_user(key, out),
        }
    }

    /// `BPF_MAP_UPDATE_ELEM`; adds to queues and filters.
    ///
    /// # Errors
    ///
    /// `EPERM` for maps that are read-only or frozen, otherwise as the map itself.
    pub fn update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        self.may_write()?;
        self.check_lock(flags)?;
        match &self.map {
            Map::Queue(queue) => {
                sized(key, 0)?;
                queue.push(value, flags)
            }
            Map::Bloom(filter) => {
                sized(key, 0)?;
                filter.push(value, flags)
            }
            Map::Progs(progs) => progs.update_user(key, value, flags),
            Map::Storage(storage) => storage.set(object(key)?, value, flags),
            _ => self.keyed()?.update_user(key, value, flags),
        }
    }

    /// `BPF_MAP_UPDATE_ELEM` of a map of maps.
    ///
    /// # Errors
    ///
    /// As [`UserMap::update`] and [`MapOfMaps::set`](crate::MapOfMaps::set); `ENOTSUPP` for other maps.
    pub fn update_map(&self, key: &[u8], map: Map, flags: u64) -> Result<(), Errno> {
        self.may_write()?;
        match &self.map {
            Map::Maps(maps) => maps.set(key, map, flags),
            _ => Err(Errno::ENOTSUPP),
        }
    }

    /// `BPF_MAP_DELETE_ELEM`
    ///
    /// # Errors
    ///
    /// As [`UserMap::update`].
    pub fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        self.may_write()?;
        match &self.map {
            Map::KeyValue(map) => map.delete(key),
            Map::Maps(maps) => maps.delete(key),
            Map::Stacks(stacks) => stacks.delete_user(key),
            Map::Progs(progs) => progs.delete_user(key),
            Map::Storage(storage) => storage.delete(object(key)?),
            Map::Attached(storage) => storage.delete(key),
            Map::Queue(_) => Err(Errno::EINVAL),
            Map::Bloom(_) | Map::Arena(_) => Err(Errno::EOPNOTSUPP),
            _ => Err(Errno::ENOTSUPP),
        }
    }

    /// `BPF_MAP_LOOKUP_AND_DELETE_ELEM`; takes the next value out of queues.
    ///
    /// # Errors
    ///
    /// `EPERM` unless the map may be both read and written, otherwise as the map itself.
    pub fn take(&self, key: &[u8], out: &mut Vec<u8>, flags: u64) -> Result<(), Errno> {
        self.may_read()?;
        self.may_write()?;
        no_flags(flags)?;
        match &self.map {
            Map::Queue(queue) => {
                sized(key, 0)?;
                zeroed(out, queue.def().value_size)?;
                queue.pop(out)
            }
            Map::KeyValue(map) => map.take_user(key, out),
            Map::Stacks(stacks) => stacks.take_user(key, out),
            _ => Err(Errno::ENOTSUPP),
        }
    }

    /// `BPF_MAP_GET_NEXT_KEY`: the first key for `None` and for a key that is not, or no longer, in
    /// the map; a walk that deletes what it has seen starts over each time.
    ///
    /// # Errors
    ///
    /// `EPERM` for maps that are write-only, `ENOENT` after the last; others where there are no keys.
    pub fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        self.may_read()?;
        match &self.map {
            Map::Maps(maps) => maps.next_key(key, next),
            Map::Progs(progs) => progs.next_key(key, next),
            Map::Queue(_) => Err(Errno::EINVAL),
            Map::Bloom(_) | Map::Arena(_) => Err(Errno::EOPNOTSUPP),
            _ => self.keyed()?.next_key(key, next),
        }
    }

    /// `BPF_MAP_LOOKUP_BATCH`: up to `count` entries after the key `cursor`, one after the other. The
    /// cursor becomes the last key. Entries that others delete meanwhile are left out.
    ///
    /// # Errors
    ///
    /// `EPERM` and `ENOTSUPP` before anything is read; the rest is in the [`Batch`].
    pub fn lookup_batch(
        &self,
        cursor: &mut Option<Vec<u8>>,
        count: u32,
        keys: &mut Vec<u8>,
        values: &mut Vec<u8>,
    ) -> Result<Batch, Errno> {
        self.may_read()?;
        let map = self.batched(true)?;
        keys.clear();
        values.clear();
        let mut next = alloc::vec![0; self.map.def().key_size as usize];
        let mut value = Vec::new();
        let mut done = 0;
        while done < count {
            if let Err(errno) = map.next_key(cursor.as_deref(), &mut next) {
                return Ok(Batch { count: done, end: Err(errno) });
            }
            match map.lookup_user(&next, &mut value) {
                Ok(()) => {
                    keys.extend_from_slice(&next);
                    values.extend_from_slice(&value);
                    done += 1;
                }
                Err(Errno::ENOENT) => {}
                Err(errno) => return Ok(Batch { count: done, end: Err(errno) }),
            }
            *cursor = Some(next.clone());
        }
        Ok(Batch { count: done, end: Ok(()) })
    }

    /// `BPF_MAP_LOOKUP_AND_DELETE_BATCH`: takes up to `count` entries out.
    ///
    /// # Errors
    ///
    /// `EPERM` and `ENOTSUPP` before anything is taken; the rest is in the [`Batch`].
    pub fn take_batch(
        &self,
        count: u32,
        keys: &mut Vec<u8>,
        values: &mut Vec<u8>,
    ) -> Result<Batch, Errno> {
        self.may_read()?;
        self.may_write()?;
        if self.map.def().map_type == MapType::LpmTrie {
            return Err(Errno::ENOTSUPP);
        }
        let map = self.batched(false)?;
        keys.clear();
        values.clear();
        let mut next = alloc::vec![0; self.map.def().key_size as usize];
        let mut value = Vec::new();
        let mut done = 0;
        while done < count {
            if let Err(errno) = map.next_key(None, &mut next) {
                return Ok(Batch { count: done, end: Err(errno) });
            }
            if map.take_user(&next, &mut value).is_ok() {
                keys.extend_from_slice(&next);
                values.extend_from_slice(&value);
                done += 1;
            }
        }
        Ok(Batch { count: done, end: Ok(()) })
    }

    /// `BPF_MAP_UPDATE_BATCH`: sets entries up to the first that cannot be.
    ///
    /// # Errors
    ///
    /// `EPERM`, `ENOTSUPP`, and `EINVAL` for keys and values that are not as many, before anything is
    /// set; the rest is in the [`Batch`].
    pub fn update_batch(&self, keys: &[u8], values: &[u8], flags: u64) -> Result<Batch, Errno> {
        self.may_write()?;
        self.batched(true)?;
        no_flags(flags & !F_LOCK)?;
        self.check_lock(flags)?;
        let count = self.count(keys)?;
        let size = values.len().checked_div(count).unwrap_or(0).max(1);
        if values.len() != count * size {
            return Err(Errno::EINVAL);
        }
        let keys = keys.chunks(self.map.def().key_size.max(1) as usize);
        let entries = keys.zip(values.chunks(size));
        Ok(each(entries, |(key, value)| self.update(key, value, flags)))
    }

    /// `BPF_MAP_DELETE_BATCH`: deletes entries up to the first that is not there.
    ///
    /// # Errors
    ///
    /// `EPERM`, `ENOTSUPP`, and `EINVAL` for keys that are not whole, before anything is deleted; the
    /// rest is in the [`Batch`].
    pub fn delete_batch(&self, keys: &[u8]) -> Result<Batch, Errno> {
        self.may_write()?;
        self.batched(false)?;
        self.count(keys)?;
        let keys = keys.chunks(self.map.def().key_size.max(1) as usize);
        Ok(each(keys, |key| self.delete(key)))
    }

    fn flags(&self) -> u32 {
        self.map.def().flags
    }

    fn may_read(&self) -> Result<(), Errno> {
        if self.flags() & F_WRONLY == 0 { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// Kernel: `map_get_sys_perms`.
    fn may_write(&self) -> Result<(), Errno> {
        let frozen = self.frozen.load(Acquire);
        if self.flags() & F_RDONLY == 0 && !frozen { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// `EINVAL` for a lock that values do not have.
    fn check_lock(&self, flags: u64) -> Result<(), Errno> {
        let lockable = match &self.map {
            Map::KeyValue(map) => map.fields().spin_lock.is_some(),
            _ => false,
        };
        if flags & F_LOCK == 0 || lockable { Ok(()) } else { Err(Errno::EINVAL) }
    }

    fn keyed(&self) -> Result<&dyn UserSide, Errno> {
        match &self.map {
            Map::KeyValue(map) => Ok(&**map),
            Map::Stacks(stacks) => Ok(&**stacks),
            Map::Attached(storage) => Ok(&**storage),
            Map::Arena(_) => Err(Errno::EOPNOTSUPP),
            _ => Err(Errno::ENOTSUPP),
        }
    }

    /// Maps that have batches; entries of arrays cannot be deleted.
    fn batched(&self, arrays: bool) -> Result<&dyn UserSide, Errno> {
        match self.map.def().map_type {
            MapType::Array | MapType::PercpuArray if arrays => self.keyed(),
            MapType::Hash
            | MapType::PercpuHash
            | MapType::LruHash
            | MapType::LruPercpuHash
            | MapType::LpmTrie => self.keyed(),
            _ => Err(Errno::ENOTSUPP),
        }
    }

    /// Keys one after the other.
    fn count(&self, keys: &[u8]) -> Result<usize, Errno> {
        let size = self.map.def().key_size.max(1) as usize;
        if keys.len().is_multiple_of(size) { Ok(keys.len() / size) } else { Err(Errno::EINVAL) }
    }
}

fn each<T>(items: impl Iterator<Item = T>, mut act: impl FnMut(T) -> Result<(), Errno>) -> Batch {
    let mut count = 0;
    for item in items {
        if let Err(errno) = act(item) {
            return Batch { count, end: Err(errno) };
        }
        count += 1;
    }
    Batch { count, end: Ok(()) }
}

/// Flags where there are none.
fn no_flags(flags: u64) -> Result<(), Errno> {
    if flags == 0 { Ok(()) } else { Err(Errno::EINVAL) }
}

fn object(key: &[u8]) -> Result<u64, Errno> {
    key.as_array().map(|key| u64::from_ne_bytes(*key)).ok_or(Errno::EINVAL)
}

fn zeroed(out: &mut Vec<u8>, len: u32) -> Result<(), Errno> {
    crate::key_value::prepare(out, len as usize)
}
