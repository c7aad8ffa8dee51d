//! Arrays: every index exists from the start, and always will.
//!
//! Source: `kernel/bpf/arraymap.c`.

use crate::key_value::{EXIST, F_LOCK, NOEXIST, next_index, prepare, sized};
use crate::memory::Memory;
use crate::{Cpu, Fields, KeyValue, UserSide, Values};
use alloc::vec::Vec;
use skep_abi::{Errno, MapType};
use skep_prog::MapDef;

/// `array` and `percpu_array`.
#[derive(Debug)]
pub struct Array {
    def: MapDef,
    /// `len` cells for the first CPU, then for the next.
    values: Values,
    len: usize,
    cpus: usize,
    fields: Fields,
}

impl Array {
    /// `cpus` is 1 unless values are per CPU.
    pub(crate) fn new(
        memory: &Memory,
        def: MapDef,
        cpus: usize,
        fields: &Fields,
    ) -> Result<Self, Errno> {
        let len = def.max_entries as usize;
        let cells = len.checked_mul(cpus).ok_or(Errno::ENOMEM)?;
        let values = memory.values(def.value_size as usize, cells)?;
        Ok(Self { def, values, len, cpus, fields: fields.clone() })
    }

    fn is_percpu(&self) -> bool {
        self.def.map_type == MapType::PercpuArray
    }

    /// Position of an index for a CPU.
    #[inline]
    fn at(&self, key: &[u8], cpu: usize) -> Option<usize> {
        let index = u32::from_ne_bytes(*key.as_array()?) as usize;
        (index < self.len).then(|| (cpu * self.len + index) * self.values.stride())
    }

    /// Kernel: `array_map_update_elem`.
    fn check(&self, key: &[u8], flags: u64) -> Result<usize, Errno> {
        sized(key, 4)?;
        if flags & !F_LOCK > EXIST {
            return Err(Errno::EINVAL);
        }
        let at = self.at(key, 0).ok_or(Errno::E2BIG)?;
        if flags & NOEXIST != 0 {
            return Err(Errno::EEXIST);
        }
        let lockable = self.fields.spin_lock.is_some();
        if flags & F_LOCK != 0 && !lockable { Err(Errno::EINVAL) } else { Ok(at) }
    }

    fn cpu_size(&self) -> usize {
        self.len * self.values.stride()
    }
}

impl KeyValue for Array {
    fn def(&self) -> &MapDef {
        &self.def
    }

    fn values(&self) -> &Values {
        &self.values
    }

    fn fields(&self) -> &Fields {
        &self.fields
    }

    #[inline]
    fn lookup(&self, key: &[u8], cpu: Cpu) -> Option<usize> {
        let cpu = if self.cpus == 1 { 0 } else { cpu.index() };
        if cpu < self.cpus { self.at(key, cpu) } else { None }
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64, cpu: Cpu) -> Result<(), Errno> {
        sized(value, self.values.value_size())?;
        self.check(key, flags)?;
        let at = self.lookup(key, cpu).ok_or(Errno::EINVAL)?;
        let write = || self.fields.write(&self.values, at, value).ok_or(Errno::EINVAL);
        if flags & F_LOCK == 0 { write() } else { self.fields.locked(&self.values, at, write)? }
    }

    fn delete(&self, _key: &[u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }
}

impl UserSide for Array {
    fn lookup_user(&self, key: &[u8], out: &mut Vec<u8>) -> Result<(), Errno> {
        sized(key, 4)?;
        let at = self.at(key, 0).ok_or(Errno::ENOENT)?;
        if !self.is_percpu() {
            prepare(out, self.values.value_size())?;
            self.values.read(at, out).ok_or(Errno::EINVAL)?;
            self.fields.hide(out);
            return Ok(());
        }
        prepare(out, self.values.stride() * self.cpus)?;
        for (cpu, value) in out.chunks_mut(self.values.stride()).enumerate() {
            self.values.read_cell(at + cpu * self.cpu_size(), value).ok_or(Errno::EINVAL)?;
        }
        Ok(())
    }

    /// Kernel: `bpf_percpu_array_update` for per-CPU values.
    fn update_user(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        // The system call looks for the lock before anything else.
        if flags & F_LOCK != 0 && self.fields.spin_lock.is_none() {
            return Err(Errno::EINVAL);
        }
        if !self.is_percpu() {
            return self.update(key, value, flags, Cpu(0));
        }
        sized(value, self.values.stride() * self.cpus)?;
        let at = self.check(key, flags)?;
        for (cpu, value) in value.chunks(self.values.stride()).enumerate() {
            self.values.write_cell(at + cpu * self.cpu_size(), value).ok_or(Errno::EINVAL)?;
        }
        Ok(())
    }

    fn take_user(&self, _key: &[u8], _out: &mut Vec<u8>) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        sized(next, 4)?;
        next_index(self.def.max_entries, key, next)
    }

    fn entries(&self) -> usize {
        self.len
    }
}
