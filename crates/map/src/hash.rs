//! Hash maps: plain, per CPU, and with the least recently used entry making room.
//!
//! As in the kernel, updating an entry of a map that is not per CPU gives it a new cell: a program
//! that looked the value up before keeps the old one, until the next such update on the same CPU
//! takes the cell.
//!
//! Eviction is exact: when the map is full, the entry goes that programs looked up or anybody
//! updated least recently. Linux only approximates that order: lookups set a bit, lists of active
//! and inactive entries are sorted by it now and then, each CPU keeps a stock of free entries, and a
//! map may evict up to 128 entries before it is full (`kernel/bpf/bpf_lru_list.c`). A separate order
//! for each CPU (`BPF_F_NO_COMMON_LRU`) is an optimisation that exact eviction has no use for; it does
//! round the number of entries up to a multiple of the CPUs.
//!
//! Source: `kernel/bpf/hashtab.c`.

mod order;
mod table;

use crate::key_value::{EXIST, F_LOCK, NOEXIST, prepare, sized};
use crate::pool::Pool;
use crate::rules::is_of_handles;
use crate::seq::{Guard, Seq};
use crate::{Cpu, Fields, KeyValue, UserSide, Values};
use alloc::vec::Vec;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;
use order::Order;
use skep_abi::{Errno, MapType};
use skep_prog::MapDef;
use table::{Found, Key, Table};

/// `hash`, `percpu_hash`, `lru_hash` and `lru_percpu_hash`; `devmap_hash` and `sockhash`, whose values
/// are as in a [`HandleArray`](crate::HandleArray).
#[derive(Debug)]
pub struct Hash {
    def: MapDef,
    /// A cell for each slot for the first CPU, then for the next.
    values: Values,
    slots: usize,
    cpus: usize,
    /// Whether each CPU has a value of its own.
    percpu: bool,
    table: Table,
    /// Present where use decides what to evict.
    order: Option<Order>,
    writer: Seq<Writer>,
    entries: AtomicUsize,
    fields: Fields,
}

#[derive(Debug)]
struct Writer {
    pool: Pool,
    /// By CPU, the slot whose entry got another one: the next to be used so.
    spare: Vec<Option<u32>>,
}

/// A value from a program or from bpf(2).
#[derive(Clone, Copy)]
enum Given<'v> {
    /// Of one CPU.
    One(Cpu, &'v [u8]),
    /// Of all CPUs, padded.
    All(&'v [u8]),
}

impl Given<'_> {
    /// Kernel: `__dev_map_hash_update_elem` refuses the device of number 0.
    fn is_no_device(self) -> bool {
        let (Self::One(_, value) | Self::All(value)) = self;
        value.first_chunk() == Some(&[0; 4])
    }
}

impl Hash {
    pub(crate) fn new(def: MapDef, cpus: u32, fields: &Fields) -> Result<Self, Errno> {
        let slots = Self::slots(&def, cpus).ok_or(Errno::ENOMEM)?;
        let percpu = is_percpu(def.map_type);
        let copies = if percpu { cpus as usize } else { 1 };
        let cells = (slots as usize).checked_mul(copies).ok_or(Errno::ENOMEM)?;
        let mut spare = Vec::new();
        spare.try_reserve_exact(cpus as usize).map_err(|_| Errno::ENOMEM)?;
        spare.resize(cpus as usize, None);
        let lru = matches!(def.map_type, MapType::LruHash | MapType::LruPercpuHash);
        Ok(Self {
            values: Values::new(def.value_size as usize, cells)?,
            slots: slots as usize,
            cpus: cpus as usize,
            percpu,
            table: Table::new(def.max_entries, slots, def.key_size as usize)?,
            order: if lru { Some(Order::new(slots)?) } else { None },
            writer: Seq::new(Writer { pool: Pool::new(slots)?, spare }),
            entries: AtomicUsize::new(0),
            fields: fields.clone(),
            def,
        })
    }

    /// Bytes a map can come to take.
    pub(crate) fn bytes(def: &MapDef, cpus: u32) -> u64 {
        let slots = Self::slots(def, cpus).map_or(u64::MAX, u64::from);
        let copies = if is_percpu(def.map_type) { u64::from(cpus) } else { 1 };
        let values = u64::from(def.value_size).next_multiple_of(8).saturating_mul(copies);
        let table = table::node_size(def.key_size as usize) as u64;
        // Links of the pool and the order; at most four buckets for each slot.
        values.saturating_add(table + 4 + 8 + 16).saturating_mul(slots)
    }

    /// One for each entry, and where updates take a new cell, one for each CPU.
    fn slots(def: &MapDef, cpus: u32) -> Option<u32> {
        let spare = if is_percpu(def.map_type) { 0 } else { cpus };
        def.max_entries.checked_add(spare)
    }

    #[inline]
    fn at(&self, slot: u32, cpu: usize) -> usize {
        let cpu = if self.percpu { cpu } else { 0 };
        (cpu * self.slots + slot as usize) * self.values.stride()
    }

    /// Bytes of a value in bpf(2).
    fn user_size(&self) -> usize {
        if self.percpu { self.values.stride() * self.cpus } else { self.values.value_size() }
    }

    /// Makes a slot the most recently used one, if that matters.
    fn touch(&self, key: Key<'_>) -> Option<u32> {
        // Nobody looks at the order without the lock but to see which slot is the newest.
        let _writer = self.writer.lock();
        let slot = self.table.find(key)?.slot;
        self.reorder(Some(slot), slot);
        Some(slot)
    }

    fn put(&self, key: &[u8], given: Given<'_>, flags: u64) -> Result<(), Errno> {
        sized(key, self.def.key_size as usize)?;
        if self.def.map_type == MapType::DevmapHash && given.is_no_device() {
            return Err(Errno::EINVAL);
        }
        let (lock, flags) = (flags & F_LOCK != 0, flags & !F_LOCK);
        if flags > EXIST || (lock && self.fields.spin_lock.is_none()) {
            return Err(Errno::EINVAL);
        }
        let key = Key::new(key);
        let mut writer = self.writer.lock();
        match self.table.find(key) {
            Some(_) if flags == NOEXIST => Err(Errno::EEXIST),
            None if flags == EXIST && self.def.map_type != MapType::DevmapHash => {
                Err(Errno::ENOENT)
            }
            // The value that is there changes, so that its lock means something.
            Some(old) if lock => {
                let at = self.at(old.slot, 0);
                let (Given::One(_, value) | Given::All(value)) = given;
                let write = || self.fields.write(&self.values, at, value).ok_or(Errno::EINVAL);
                self.fields.locked(&self.values, at, write)?
            }
            Some(old) if self.percpu => {
                self.fill(old.slot, given);
                self.reorder(Some(old.slot), old.slot);
                Ok(())
            }
            Some(old) => self.replace(&mut writer, key, given, old),
            None => self.insert(&mut writer, key, given),
        }
    }

    /// Links a new slot in place of `old`.
    fn replace(
        &self,
        writer: &mut Guard<'_, Writer>,
        key: Key<'_>,
        given: Given<'_>,
        old: Found,
    ) -> Result<(), Errno> {
        let cpu = if let Given::One(cpu, _) = given { cpu } else { Cpu(0) };
        writer.change();
        let slot = writer.swap(old.slot, cpu).ok_or(Errno::E2BIG)?;
        self.fill(slot, given);
        self.table.replace(old, slot, key);
        self.reorder(Some(old.slot), slot);
        Ok(())
    }

    /// Links a slot for a key that has none.
    fn insert(
        &self,
        writer: &mut Guard<'_, Writer>,
        key: Key<'_>,
        given: Given<'_>,
    ) -> Result<(), Errno> {
        let full = self.entries() == self.def.max_entries as usize;
        let evict = if full { Some(self.oldest().ok_or(Errno::E2BIG)?) } else { None };
        writer.change();
        if let Some(slot) = evict {
            self.unlink(writer, self.table.locate(slot));
        }
        let slot = writer.pool.take().ok_or(Errno::E2BIG)?;
        if self.percpu {
            (0..self.cpus).for_each(|cpu| self.values.clear_cell(self.at(slot, cpu)));
        }
        self.fill(slot, given);
        self.table.link(slot, key);
        self.entries.store(self.entries() + 1, Relaxed);
        self.reorder(None, slot);
        Ok(())
    }

    fn oldest(&self) -> Option<u32> {
        self.order.as_ref()?.oldest()
    }

    /// `new` takes the place of `old`, as the most recently used.
    fn reorder(&self, old: Option<u32>, new: u32) {
        if let Some(order) = &self.order {
            if let Some(old) = old {
                order.remove(old);
            }
            order.insert(new);
        }
    }

    fn unlink(&self, writer: &mut Writer, found: Found) {
        let slot = found.slot;
        self.table.unlink(found);
        if let Some(order) = &self.order {
            order.remove(slot);
        }
        writer.pool.give(slot);
        self.entries.store(self.entries() - 1, Relaxed);
    }

    fn fill(&self, slot: u32, given: Given<'_>) {
        let written = match given {
            Given::One(cpu, value) => {
                self.fields.init(&self.values, self.at(slot, cpu.index()), value)
            }
            Given::All(value) if !self.percpu => {
                self.fields.init(&self.values, self.at(slot, 0), value)
            }
            Given::All(values) => {
                let mut cpus = values.chunks(self.values.stride()).enumerate();
                cpus.try_for_each(|(cpu, value)| self.values.write_cell(self.at(slot, cpu), value))
            }
        };
        debug_assert!(written.is_some(), "bug: no slot {slot}");
    }

    fn read(&self, slot: u32, out: &mut [u8]) {
        let read = if self.percpu {
            let mut cpus = out.chunks_mut(self.values.stride()).enumerate();
            cpus.try_for_each(|(cpu, value)| self.values.read_cell(self.at(slot, cpu), value))
        } else {
            self.values.read(self.at(slot, 0), out)
        };
        self.fields.hide(out);
        debug_assert!(read.is_some(), "bug: no slot {slot}");
    }
}

impl Writer {
    /// A slot for the new value of an entry that has `old`.
    fn swap(&mut self, old: u32, cpu: Cpu) -> Option<u32> {
        let spare = self.spare.get_mut(cpu.index())?;
        match spare.replace(old) {
            Some(slot) => Some(slot),
            None => self.pool.take(),
        }
    }
}

impl KeyValue for Hash {
    fn def(&self) -> &MapDef {
        &self.def
    }

    fn values(&self) -> &Values {
        &self.values
    }

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn lookup(&self, key: &[u8], cpu: Cpu) -> Option<usize> {
        if key.len() != self.def.key_size as usize || cpu.index() >= self.cpus {
            return None;
        }
        let key = Key::new(key);
        let mut slot = self.writer.read(|| self.table.find(key))?.slot;
        if self.order.as_ref().is_some_and(|order| order.newest() != Some(slot)) {
            slot = self.touch(key)?;
        }
        Some(self.at(slot, cpu.index()))
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64, cpu: Cpu) -> Result<(), Errno> {
        sized(value, self.values.value_size())?;
        if cpu.index() >= self.cpus {
            return Err(Errno::EINVAL);
        }
        self.put(key, Given::One(cpu, value), flags)
    }

    fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        sized(key, self.def.key_size as usize)?;
        let mut writer = self.writer.lock();
        let found = self.table.find(Key::new(key)).ok_or(Errno::ENOENT)?;
        writer.change();
        self.unlink(&mut writer, found);
        Ok(())
    }
}

impl UserSide for Hash {
    fn lookup_user(&self, key: &[u8], out: &mut Vec<u8>) -> Result<(), Errno> {
        sized(key, self.def.key_size as usize)?;
        prepare(out, self.user_size())?;
        let key = Key::new(key);
        // A cell gets a new owner in a change, which makes this read again.
        let found = self.writer.read(|| {
            let found = self.table.find(key)?;
            self.read(found.slot, out);
            Some(())
        });
        found.ok_or(Errno::ENOENT)
    }

    fn update_user(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        sized(value, self.user_size())?;
        self.put(key, Given::All(value), flags)
    }

    fn take_user(&self, key: &[u8], out: &mut Vec<u8>) -> Result<(), Errno> {
        if is_of_handles(self.def.map_type) {
            return Err(Errno::ENOTSUPP);
        }
        sized(key, self.def.key_size as usize)?;
        prepare(out, self.user_size())?;
        let mut writer = self.writer.lock();
        let found = self.table.find(Key::new(key)).ok_or(Errno::ENOENT)?;
        self.read(found.slot, out);
        writer.change();
        self.unlink(&mut writer, found);
        Ok(())
    }

    /// In the order of buckets, as the kernel, whose hash is another and random.
    ///
    /// Kernel: `htab_map_get_next_key`.
    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        let size = self.def.key_size as usize;
        sized(next, size)?;
        key.map_or(Ok(()), |key| sized(key, size))?;
        let found = self.writer.read(|| {
            let found = key.and_then(|key| self.table.find(Key::new(key)));
            let slot = self.table.following(found.map(|found| found.slot))?;
            self.table.read_key(slot, next);
            Some(())
        });
        found.ok_or(Errno::ENOENT)
    }

    fn entries(&self) -> usize {
        self.entries.load(Relaxed)
    }
}

fn is_percpu(map_type: MapType) -> bool {
    matches!(map_type, MapType::PercpuHash | MapType::LruPercpuHash)
}
