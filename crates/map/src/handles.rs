//! Arrays of devices, CPUs, sockets and cgroups.
//!
//! A process has none of these to give to programs: a value is the number by which the user knows
//! the object, and what a redirection to it means is for whoever runs the program to say. Indices are
//! empty until something is put there.
//!
//! Source: `kernel/bpf/devmap.c`, `cpumap.c`, `reuseport_array.c`, `arraymap.c`;
//! `net/xdp/xskmap.c`, `net/core/sock_map.c`.

use crate::key_value::{ANY, EXIST, NOEXIST, next_index, prepare, sized};
use crate::seq::Seq;
use crate::{Cpu, KeyValue, UserSide, Values};
use alloc::vec::Vec;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;
use skep_abi::{Errno, MapType};
use skep_prog::MapDef;

/// `devmap`, `cpumap`, `xskmap`, `sockmap`, `reuseport_sockarray` and `cgroup_array`.
#[derive(Debug)]
pub struct HandleArray {
    def: MapDef,
    values: Values,
    /// For each index, 1 if there is something.
    present: Values,
    writer: Seq<()>,
    entries: AtomicUsize,
    cpus: usize,
}

/// Kernel: `_cpu_map_entry_alloc` refuses longer queues.
const CPU_QUEUE_MAX: u32 = 16384;

impl HandleArray {
    /// `cpus` is how many there are for a map of CPUs to name.
    pub(crate) fn new(def: MapDef, cpus: u32) -> Result<Self, Errno> {
        let len = def.max_entries as usize;
        let present = Values::new(len.checked_mul(4).ok_or(Errno::ENOMEM)?, 1)?;
        let values = Values::new(def.value_size as usize, len)?;
        let (writer, entries) = (Seq::new(()), AtomicUsize::new(0));
        Ok(Self { def, values, present, writer, entries, cpus: cpus as usize })
    }

    fn index(&self, key: &[u8]) -> Result<Option<usize>, Errno> {
        let index = u32::from_ne_bytes(*key.as_array().ok_or(Errno::EINVAL)?);
        Ok((index < self.def.max_entries).then_some(index as usize))
    }

    fn is_present(&self, index: usize) -> bool {
        self.present.word(index * 4) != 0
    }

    fn put(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        sized(value, self.values.value_size())?;
        let known = if self.def.map_type == MapType::CgroupArray { ANY } else { EXIST };
        if flags > known {
            return Err(Errno::EINVAL);
        }
        let index = self.index(key)?.ok_or(Errno::E2BIG)?;
        let by_index = matches!(self.def.map_type, MapType::Devmap | MapType::Cpumap);
        if by_index && flags == NOEXIST {
            return Err(Errno::EEXIST);
        }
        let remove = by_index && self.is_removal(value)?;
        if self.def.map_type == MapType::Cpumap && index >= self.cpus {
            return Err(Errno::ENODEV);
        }
        let mut writer = self.writer.lock();
        let is_xsk = self.def.map_type == MapType::Xskmap;
        match self.is_present(index) {
            // What is there already may be put there. Kernel: `xsk_map_update_elem`.
            true if is_xsk && self.is_at(index, value) => return Ok(()),
            true if flags == NOEXIST => return Err(Errno::EEXIST),
            false if flags == EXIST && !by_index => return Err(Errno::ENOENT),
            _ => {}
        }
        if self.def.map_type == MapType::ReuseportSockarray && self.holds(value) {
            return Err(Errno::EBUSY);
        }
        writer.change();
        self.mark(index, !remove);
        self.values.write(index * self.values.stride(), value).ok_or(Errno::EINVAL)
    }

    /// Whether the value is at any index: a socket of a group is in one place only.
    ///
    /// Kernel: `reuseport_array_update_check`.
    fn holds(&self, value: &[u8]) -> bool {
        (0..self.def.max_entries as usize)
            .any(|index| self.is_present(index) && self.is_at(index, value))
    }

    fn is_at(&self, index: usize, value: &[u8]) -> bool {
        let mut known = alloc::vec![0; value.len()];
        let read = self.values.read(index * self.values.stride(), &mut known);
        read.is_some() && known == value
    }

    /// A device of number 0 and a queue without room take the entry away.
    ///
    /// Kernel: `__dev_map_update_elem`, `cpu_map_update_elem`.
    fn is_removal(&self, value: &[u8]) -> Result<bool, Errno> {
        let (first, prog) = value.split_first_chunk().ok_or(Errno::EINVAL)?;
        let first = u32::from_ne_bytes(*first);
        let prog = prog.first_chunk().is_some_and(|prog| i32::from_ne_bytes(*prog) > 0);
        match self.def.map_type {
            MapType::Cpumap if first > CPU_QUEUE_MAX => Err(Errno::EOVERFLOW),
            MapType::Devmap if first == 0 && prog => Err(Errno::EINVAL),
            _ => Ok(first == 0),
        }
    }

    fn mark(&self, index: usize, present: bool) {
        let before = self.is_present(index);
        self.present.set_word(index * 4, present.into());
        let entries = self.entries() + usize::from(present) - usize::from(before);
        self.entries.store(entries, Relaxed);
    }
}

impl KeyValue for HandleArray {
    fn def(&self) -> &MapDef {
        &self.def
    }

    fn values(&self) -> &Values {
        &self.values
    }

    fn lookup(&self, key: &[u8], _cpu: Cpu) -> Option<usize> {
        let index = self.index(key).ok()??;
        self.is_present(index).then(|| index * self.values.stride())
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64, _cpu: Cpu) -> Result<(), Errno> {
        self.put(key, value, flags)
    }

    fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        let fd_array =
            matches!(self.def.map_type, MapType::ReuseportSockarray | MapType::CgroupArray);
        let beyond = if fd_array { Errno::E2BIG } else { Errno::EINVAL };
        let index = self.index(key)?.ok_or(beyond)?;
        let mut writer = self.writer.lock();
        if !self.is_present(index) {
            return match self.def.map_type {
                MapType::Sockmap => Err(Errno::EINVAL),
                _ if fd_array => Err(Errno::ENOENT),
                _ => Ok(()),
            };
        }
        writer.change();
        self.mark(index, false);
        Ok(())
    }
}

impl UserSide for HandleArray {
    /// For all types, so that users can see what they put in; the kernel shows neither AF_XDP sockets
    /// nor cgroups.
    fn lookup_user(&self, key: &[u8], out: &mut Vec<u8>) -> Result<(), Errno> {
        let index = self.index(key)?.ok_or(Errno::ENOENT)?;
        prepare(out, self.values.value_size())?;
        let found = self.writer.read(|| {
            let present = self.is_present(index);
            present.then(|| self.values.read(index * self.values.stride(), out)).flatten()
        });
        found.ok_or(Errno::ENOENT)
    }

    fn update_user(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        self.put(key, value, flags)
    }

    fn take_user(&self, _key: &[u8], _out: &mut Vec<u8>) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        sized(next, 4)?;
        next_index(self.def.max_entries, key, next)
    }

    fn entries(&self) -> usize {
        self.entries.load(Relaxed)
    }
}
