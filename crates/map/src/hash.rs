//! Hash maps: plain, per CPU, and with the least recently used entry making room.
//!
//! As in the kernel, updating an entry of a map that is not per CPU gives it a new cell: a program
//! that looked the value up before keeps the old one, until the next such update on the same CPU
//! of a key in the same stripe takes the cell.
//!
//! # Threads
//!
//! Lookups write nothing and take no lock ([`table`]); they start over if the very bucket changed
//! meanwhile, and take its lock when that has happened [`TRIES`] times. Updates and removals lock one
//! stripe of the buckets and nothing else, but for every eighth insertion or so, which goes to the
//! pool of free slots ([`slots`]); the kernel has a lock for each bucket, and lists of free elements
//! for each CPU. With as many stripes as 64, two threads meet in one of 64 updates; a lock for each
//! bucket would need a spare cell for each bucket and CPU as well, or a second lock for those of a CPU.
//!
//! What a process was doing that died with a stripe locked, [`repair`] finds out and undoes.
//!
//! # Eviction
//!
//! When the map is full, the entry goes that programs looked up or anybody updated least recently
//! ([`order`]); lookups of one CPU since the last update may only be known to the others up to the last 64.
//! Linux only approximates that order: lookups set a bit, lists of active
//! and inactive entries are sorted by it now and then, each CPU keeps a stock of free entries, and a
//! map may evict up to 128 entries before it is full (`kernel/bpf/bpf_lru_list.c`). A separate order
//! for each CPU (`BPF_F_NO_COMMON_LRU`) is an optimisation that has no use here; it does
//! round the number of entries up to a multiple of the CPUs.
//!
//! Source: `kernel/bpf/hashtab.c`.

mod key;
mod order;
mod repair;
mod slots;
mod table;
mod user;

use crate::key_value::{EXIST, F_LOCK, NOEXIST, sized};
use crate::memory::Memory;
use crate::{Cpu, Fields, KeyValue, Values};
use core::hint::spin_loop;
use core::sync::atomic::Ordering::Acquire;
use core::sync::atomic::fence;
use key::{Key, Long, Short, with_key};
use order::Order;
use skep_abi::{Errno, MapType};
use skep_prog::MapDef;
use slots::{Slots, Stripe};
use table::{First, Found, Table};

/// Walks that changes of a bucket disturb before a reader takes its lock.
const TRIES: usize = 64;
/// Times that others may be faster to take the room made for an entry.
const ROOM_TRIES: usize = 256;

/// `hash`, `percpu_hash`, `lru_hash` and `lru_percpu_hash`; `devmap_hash` and `sockhash`, whose values
/// are as in a [`HandleArray`](crate::HandleArray).
#[derive(Debug)]
pub struct Hash {
    def: MapDef,
    key_size: usize,
    cpus: usize,
    /// Bytes between values, and between those of two CPUs: 0 where they have the same ones.
    stride: usize,
    cpu_stride: usize,
    table: Table,
    /// Where each CPU has a value of its own: a cell for each slot for the first CPU, then for the
    /// next. All other values are in the table.
    percpu: Option<Values>,
    slots: Slots,
    /// Present where use decides what to evict.
    order: Option<Order>,
    fields: Fields,
    /// Whether keys are short, and values are bytes alone and the same for all CPUs.
    is_simple: bool,
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

/// What came of an update.
enum Put {
    Done,
    /// All slots are in use, or free for other stripes.
    Full,
}

impl Hash {
    pub(crate) fn new(
        memory: &Memory,
        def: MapDef,
        cpus: u32,
        fields: &Fields,
    ) -> Result<Self, Errno> {
        let (key_size, value_size) = (def.key_size as usize, def.value_size as usize);
        let spares = spares(&def, cpus);
        let count = slots::count(def.max_entries, spares).ok_or(Errno::ENOMEM)?;
        let in_table = if is_percpu(def.map_type) { 0 } else { value_size };
        let table = Table::new(memory, (def.max_entries, count), (key_size, in_table))?;
        let lru = matches!(def.map_type, MapType::LruHash | MapType::LruPercpuHash);
        let percpu = if is_percpu(def.map_type) {
            let cells = (count as usize).checked_mul(cpus as usize).ok_or(Errno::ENOMEM)?;
            Some(memory.values(value_size, cells)?)
        } else {
            None
        };
        let stride = percpu.as_ref().unwrap_or(table.cells()).stride();
        Ok(Self {
            key_size,
            cpus: cpus as usize,
            stride,
            cpu_stride: if percpu.is_some() { stride * count as usize } else { 0 },
            table,
            percpu,
            slots: Slots::new(memory, def.max_entries, spares, lru)?,
            order: if lru { Some(Order::new(memory, count, cpus)?) } else { None },
            is_simple: matches!(def.map_type, MapType::Hash | MapType::LruHash)
                && key_size <= 8
                && fields.is_empty(),
            fields: fields.clone(),
            def,
        })
    }

    /// Bytes a map can come to take.
    pub(crate) fn bytes(def: &MapDef, cpus: u32) -> u64 {
        let spares = spares(def, cpus);
        let slots = slots::count(def.max_entries, spares).map_or(u64::MAX, u64::from);
        let (key_size, value_size) = (def.key_size as usize, def.value_size as usize);
        let cell = if is_percpu(def.map_type) {
            let values = u64::from(def.value_size).next_multiple_of(8) * u64::from(cpus);
            values.saturating_add(table::cell_size(0, key_size) as u64)
        } else {
            table::cell_size(value_size, key_size) as u64
        };
        // Links of the pool; at most four buckets for each slot.
        let all = cell.saturating_add(8 + 32).saturating_mul(slots);
        let lru = matches!(def.map_type, MapType::LruHash | MapType::LruPercpuHash);
        let order = if lru { Order::bytes(slots, cpus) } else { 0 };
        let stripes = slots::stripe_bytes(def.max_entries, spares);
        all.saturating_add(order).saturating_add(stripes).saturating_add(512)
    }

    #[inline(always)]
    fn at(&self, slot: u32, cpu: usize) -> usize {
        slot as usize * self.stride + cpu * self.cpu_stride
    }

    /// Bytes of a value in bpf(2).
    fn user_size(&self) -> usize {
        match &self.percpu {
            None => self.values().value_size(),
            Some(values) => values.stride() * self.cpus,
        }
    }

    /// Runs `read` with the head of a bucket's chain until no change of the bucket interfered. It must
    /// end whatever it sees, and is as good as never run where its result is not returned. `None` if
    /// another process keeps changing the bucket or its lock.
    #[inline(always)]
    fn read<R>(&self, bucket: u32, mut read: impl FnMut(u32) -> R) -> Option<R> {
        let state = self.table.look(bucket);
        let result = read(Table::head(state));
        fence(Acquire);
        if self.table.is(bucket, state) {
            return Some(result);
        }
        self.read_again(bucket, read)
    }

    #[cold]
    #[inline(never)]
    fn read_again<R>(&self, bucket: u32, mut read: impl FnMut(u32) -> R) -> Option<R> {
        for _ in 0..TRIES {
            let state = self.table.look(bucket);
            let result = read(Table::head(state));
            fence(Acquire);
            if self.table.is(bucket, state) {
                return Some(result);
            }
            spin_loop();
        }
        let _stripe = self.lock(bucket).ok()?;
        Some(read(Table::head(self.table.look(bucket))))
    }

    /// The slot of a key.
    #[inline(always)]
    fn find(&self, key: impl Key) -> Option<u32> {
        let find = |head| self.table.find(head, key).map(|found| found.slot);
        self.read(self.table.bucket(key.hash()), find)?
    }

    #[inline(always)]
    fn lock(&self, bucket: u32) -> Result<Stripe<'_>, Errno> {
        self.slots.lock(bucket, |stripe| self.repair(stripe))
    }

    /// State of a key's bucket.
    #[inline(always)]
    fn state_of(&self, key: impl Key) -> u64 {
        self.table.look(self.table.bucket(key.hash()))
    }

    /// Where a key is, for whoever has the lock.
    #[inline(always)]
    fn find_locked(&self, key: impl Key) -> Option<Found> {
        self.table.find(Table::head(self.state_of(key)), key)
    }

    #[inline(never)]
    fn lookup_any(&self, key: &[u8], cpu: Cpu) -> Option<usize> {
        if key.len() != self.key_size || cpu.index() >= self.cpus {
            return None;
        }
        let slot =
            if key.len() <= 8 { self.find(Short::new(key))? } else { self.find(Long::new(key))? };
        if let Some(order) = &self.order {
            order.touch(cpu.index(), slot);
        }
        Some(self.at(slot, cpu.index()))
    }

    /// A lookup of a short key that is not the first of its chain. Apart from [`KeyValue::lookup`], which needs few
    /// registers without it.
    #[inline(never)]
    fn lookup_behind(&self, key: Short, cpu: Cpu) -> Option<usize> {
        let slot = match self.table.find_quickly(key) {
            Ok(found) => found?,
            Err(()) => self.find(key)?,
        };
        if let Some(order) = &self.order {
            order.touch(cpu.index(), slot);
        }
        Some(slot as usize * self.stride)
    }

    /// What almost all updates are, and nothing that is not: [`Hash::update_any`] does the same.
    ///
    /// `None` if it takes more to know what is to be done.
    #[inline(always)]
    fn put_simple(
        &self,
        key: Short,
        value: &[u8],
        flags: u64,
        cpu: Cpu,
    ) -> Option<Result<(), Errno>> {
        if flags > EXIST || cpu.index() >= self.cpus {
            return None;
        }
        let stripe = self.slots.try_lock(self.table.bucket(key.hash()))?;
        let state = self.state_of(key);
        let Some(old) = self.table.find(Table::head(state), key) else {
            if flags == EXIST {
                return Some(Err(Errno::ENOENT));
            }
            return self.insert_simple(stripe, key, value);
        };
        if flags == NOEXIST {
            return Some(Err(Errno::EEXIST));
        }
        let slot = stripe.spare_now(cpu.index())?;
        self.table.write(slot, value)?;
        self.table.replace(state, old, slot, key);
        stripe.set_spare(cpu.index(), old.slot);
        self.used(Some(old.slot), slot);
        Some(Ok(()))
    }

    /// Takes the stripe, as what stays with the caller would have to be where it can be pointed to.
    #[inline(never)]
    fn insert_simple(
        &self,
        stripe: Stripe<'_>,
        key: Short,
        value: &[u8],
    ) -> Option<Result<(), Errno>> {
        let slot = stripe.take()?;
        self.table.write(slot, value)?;
        self.table.insert(slot, key);
        stripe.add_entry();
        self.used(None, slot);
        Some(Ok(()))
    }

    #[inline(never)]
    fn update_any(&self, key: &[u8], value: &[u8], flags: u64, cpu: Cpu) -> Result<(), Errno> {
        sized(value, self.values().value_size())?;
        if cpu.index() >= self.cpus {
            return Err(Errno::EINVAL);
        }
        self.put(key, Given::One(cpu, value), flags)
    }

    #[inline(never)]
    fn put(&self, key: &[u8], given: Given<'_>, flags: u64) -> Result<(), Errno> {
        sized(key, self.key_size)?;
        with_key!(key, key => self.put_key(key, given, flags))
    }

    #[inline(always)]
    fn put_key(&self, key: impl Key, given: Given<'_>, flags: u64) -> Result<(), Errno> {
        if self.def.map_type == MapType::DevmapHash && given.is_no_device() {
            return Err(Errno::EINVAL);
        }
        let (lock, flags) = (flags & F_LOCK != 0, flags & !F_LOCK);
        if flags > EXIST || (lock && self.fields.spin_lock.is_none()) {
            return Err(Errno::EINVAL);
        }
        for _ in 0..ROOM_TRIES {
            match self.try_put(key, given, flags, lock)? {
                Put::Done => return Ok(()),
                Put::Full => self.make_room()?,
            }
        }
        Err(Errno::E2BIG)
    }

    #[inline(always)]
    fn try_put(
        &self,
        key: impl Key,
        given: Given<'_>,
        flags: u64,
        lock: bool,
    ) -> Result<Put, Errno> {
        let stripe = self.lock(self.table.bucket(key.hash()))?;
        match self.find_locked(key) {
            Some(_) if flags == NOEXIST => Err(Errno::EEXIST),
            None if flags == EXIST && self.def.map_type != MapType::DevmapHash => {
                Err(Errno::ENOENT)
            }
            // The value that is there changes, so that its lock means something.
            Some(old) if lock => {
                let at = self.at(old.slot, 0);
                let (Given::One(_, value) | Given::All(value)) = given;
                let write = || self.fields.write(self.values(), at, value).ok_or(Errno::EINVAL);
                self.fields.locked(self.values(), at, write)?.map(|()| Put::Done)
            }
            Some(old) if self.percpu.is_some() => {
                self.fill(old.slot, given)?;
                self.used(None, old.slot);
                Ok(Put::Done)
            }
            Some(old) => self.replace(&stripe, key, given, old),
            None => self.insert(&stripe, key, given),
        }
    }

    /// Links a new slot in place of `old`.
    #[inline(always)]
    fn replace(
        &self,
        stripe: &Stripe<'_>,
        key: impl Key,
        given: Given<'_>,
        old: Found,
    ) -> Result<Put, Errno> {
        let cpu = if let Given::One(cpu, _) = given { cpu } else { Cpu(0) };
        let slot = stripe.spare(cpu.index()).ok_or(Errno::E2BIG)?;
        self.fill(slot, given)?;
        self.table.replace(self.state_of(key), old, slot, key);
        stripe.set_spare(cpu.index(), old.slot);
        self.used(Some(old.slot), slot);
        Ok(Put::Done)
    }

    /// Links a slot for a key that has none.
    #[inline(never)]
    fn insert(&self, stripe: &Stripe<'_>, key: impl Key, given: Given<'_>) -> Result<Put, Errno> {
        let Some(slot) = stripe.take() else { return Ok(Put::Full) };
        if let Some(values) = &self.percpu {
            (0..self.cpus).for_each(|cpu| values.clear_cell(self.at(slot, cpu)));
        }
        self.fill(slot, given)?;
        self.table.insert(slot, key);
        stripe.add_entry();
        self.used(None, slot);
        Ok(Put::Done)
    }

    /// Frees the slot of the entry that was used least recently, or what others keep in stock.
    #[cold]
    fn make_room(&self) -> Result<(), Errno> {
        if self.order.is_some() {
            return self.evict();
        }
        let mut any = false;
        for bucket in self.slots.stripes().filter(|stripe| self.slots.has_free(*stripe)) {
            any |= self.lock(bucket)?.shed(0)?;
        }
        if any { Ok(()) } else { Err(Errno::E2BIG) }
    }

    fn evict(&self) -> Result<(), Errno> {
        let Some(order) = &self.order else { return Err(Errno::E2BIG) };
        // As many as there can be that have a count and are no more in the map, and as may be used
        // meanwhile.
        for _ in 0..self.table.slots() {
            let Some(oldest) = order.oldest()? else {
                self.repair_order(order);
                continue;
            };
            let bucket = self.table.bucket(self.table.hash(oldest.slot));
            let stripe = self.lock(bucket)?;
            match self.table.locate(bucket, oldest.slot) {
                Some(_) if !order.is_current(oldest) => {}
                Some(found) => {
                    self.unlink(&stripe, found);
                    return Ok(());
                }
                None => order.forget(oldest),
            }
        }
        Err(Errno::E2BIG)
    }

    /// `new`, which is linked, is the most recently used, and has taken the place of `old`.
    #[inline(always)]
    fn used(&self, old: Option<u32>, new: u32) {
        if let Some(order) = &self.order {
            old.iter().for_each(|old| order.leave(*old));
            order.enter(new);
        }
    }

    fn unlink(&self, stripe: &Stripe<'_>, found: Found) {
        self.table.unlink(found);
        if let Some(order) = &self.order {
            order.leave(found.slot);
        }
        stripe.give(found.slot);
    }

    #[inline(always)]
    fn fill(&self, slot: u32, given: Given<'_>) -> Result<(), Errno> {
        if let (true, Given::One(_, value)) = (self.is_simple, given) {
            return self.table.write(slot, value).ok_or(Errno::EINVAL);
        }
        self.fill_any(slot, given)
    }

    #[inline(never)]
    fn fill_any(&self, slot: u32, given: Given<'_>) -> Result<(), Errno> {
        let written = match (&self.percpu, given) {
            (Some(values), Given::All(all)) => {
                let mut cpus = all.chunks(values.stride()).enumerate();
                cpus.try_for_each(|(cpu, value)| values.write_cell(self.at(slot, cpu), value))
            }
            (Some(values), Given::One(cpu, value)) => {
                values.write(self.at(slot, cpu.index()), value)
            }
            (None, Given::One(_, value) | Given::All(value)) => {
                self.fields.init(self.table.cells(), self.at(slot, 0), value)
            }
        };
        // No such slot: another process has broken the map.
        written.ok_or(Errno::EINVAL)
    }

    fn copy(&self, slot: u32, out: &mut [u8]) -> Option<()> {
        match &self.percpu {
            Some(values) => {
                let mut cpus = out.chunks_mut(values.stride()).enumerate();
                cpus.try_for_each(|(cpu, value)| values.read_cell(self.at(slot, cpu), value))
            }
            None => {
                self.table.cells().read(self.at(slot, 0), out)?;
                self.fields.hide(out);
                Some(())
            }
        }
    }
}

impl KeyValue for Hash {
    fn def(&self) -> &MapDef {
        &self.def
    }

    #[inline]
    fn values(&self) -> &Values {
        self.percpu.as_ref().unwrap_or(self.table.cells())
    }

    fn fields(&self) -> &Fields {
        &self.fields
    }

    #[inline]
    fn lookup(&self, key: &[u8], cpu: Cpu) -> Option<usize> {
        if self.is_simple
            && key.len() == self.key_size
            && cpu.index() < self.cpus
            && let Some(short) = Short::quick(key)
        {
            return match self.table.find_first(short) {
                First::Is(slot) => {
                    if let Some(order) = &self.order {
                        order.touch(cpu.index(), slot);
                    }
                    Some(slot as usize * self.stride)
                }
                First::None => None,
                First::Else => self.lookup_behind(short, cpu),
            };
        }
        self.lookup_any(key, cpu)
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64, cpu: Cpu) -> Result<(), Errno> {
        if self.is_simple
            && (key.len(), value.len()) == (self.key_size, self.table.cells().value_size())
            && let Some(put) = self.put_simple(Short::new(key), value, flags, cpu)
        {
            return put;
        }
        self.update_any(key, value, flags, cpu)
    }

    fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        sized(key, self.key_size)?;
        with_key!(key, key => {
            let stripe = self.lock(self.table.bucket(key.hash()))?;
            let found = self.find_locked(key).ok_or(Errno::ENOENT)?;
            self.unlink(&stripe, found);
            Ok(())
        })
    }
}

fn is_percpu(map_type: MapType) -> bool {
    matches!(map_type, MapType::PercpuHash | MapType::LruPercpuHash)
}

/// Slots that a stripe has for updates in progress: one for each CPU where they take a new cell.
fn spares(def: &MapDef, cpus: u32) -> u32 {
    if is_percpu(def.map_type) { 0 } else { cpus }
}
