//! Operations on maps of keys and values as direct calls from code, with the map known beforehand.
//!
//! They do what the interpreter's helpers do, which ask the same [`KeyValue`]; only the ways there differ. Keys and
//! values lie in memory of the program. That may be a value of a map, which other threads write, so
//! it is read by atomic accesses, by words where it is aligned.

use core::ptr::NonNull;
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64};
use skep_abi::Errno;
use skep_isa::Call;
use skep_jit::Env;
use skep_map::{Cpu, KeyValue, Map};
use skep_vm::map_of;
use std::sync::Arc;

/// A map that code has the address of.
pub(crate) struct FastMap {
    map: Arc<dyn KeyValue>,
    base: u64,
    key_size: usize,
    value_size: usize,
    /// CPUs of the machine.
    cpus: u32,
}

impl core::fmt::Debug for FastMap {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "FastMap({})", self.map.def().name)
    }
}

/// Keys and values that are copied to the host's stack.
const SHORT: usize = 64;

impl FastMap {
    /// A map of keys and values that are short enough.
    fn new(map: &Map, cpus: u32) -> Option<Self> {
        let Map::KeyValue(map) = map else { return None };
        let def = map.def();
        let (key_size, value_size) = (def.key_size as usize, def.value_size as usize);
        let base = map.values().as_ptr().as_ptr().expose_provenance() as u64;
        let this = Self { map: Arc::clone(map), base, key_size, value_size, cpus };
        (key_size <= SHORT && value_size <= SHORT).then_some(this)
    }

    /// Where a value is, or 0.
    fn address(&self, key: &[u8], cpu: Cpu) -> u64 {
        self.map.lookup(key, cpu).map_or(0, |at| self.base + at as u64)
    }

    /// What code hands to the functions below.
    pub(crate) fn context(&self) -> u64 {
        core::ptr::from_ref(self).expose_provenance() as u64
    }
}

/// The maps of a machine, each if its operations are direct. Code has the addresses of both these and each.
#[derive(Debug, Default)]
pub(crate) struct FastMaps(Box<[Option<FastMap>]>);

impl FastMaps {
    /// Those of a machine with so many CPUs.
    pub(crate) fn new(maps: &[Map], cpus: u32) -> Box<Self> {
        Box::new(Self(maps.iter().map(|map| FastMap::new(map, cpus)).collect()))
    }

    /// That of an index.
    pub(crate) fn get(&self, index: usize) -> Option<&FastMap> {
        self.0.get(index)?.as_ref()
    }

    /// What code hands to the functions for any of several.
    pub(crate) fn context(&self) -> u64 {
        core::ptr::from_ref(self).expose_provenance() as u64
    }
}

/// The function for a helper that gets any of several maps.
pub(crate) fn function_of_any(call: Call) -> Option<u64> {
    Some(match call {
        Call::Helper(1) => lookup_any as *const () as u64,
        Call::Helper(2) => update_any as *const () as u64,
        Call::Helper(3) => delete_any as *const () as u64,
        _ => return None,
    })
}

/// Does for the map of a handle what a function does for one that is known.
macro_rules! any {
    ($name:ident, $function:ident, $value:ty, $missing:expr) => {
        extern "C" fn $name(
            handle: u64,
            key: *const u8,
            value: $value,
            flags: u64,
            maps: NonNull<FastMaps>,
            env: NonNull<Env>,
        ) -> u64 {
            // SAFETY: code has the address from `FastMaps::context`, and lives no longer than they.
            let maps = unsafe { maps.as_ref() };
            match map_of(handle).and_then(|index| maps.get(index as usize)) {
                Some(map) => $function(handle, key, value, flags, NonNull::from(map), env),
                // The compiler has asked whether it is there.
                None => $missing,
            }
        }
    };
}

any!(lookup_any, lookup, u64, 0);
any!(update_any, update, *const u8, Errno::EINVAL.r0());
any!(delete_any, delete, u64, Errno::EINVAL.r0());

/// The function for a helper that gets one map.
pub(crate) fn function(call: Call) -> Option<u64> {
    Some(match call {
        Call::Helper(1) => lookup as *const () as u64,
        Call::Helper(2) => update as *const () as u64,
        Call::Helper(3) => delete as *const () as u64,
        Call::Helper(195) => lookup_percpu as *const () as u64,
        _ => return None,
    })
}

/// Copies bytes of the program.
///
/// # Safety
/// All of them may be read.
unsafe fn copy(from: *const u8, to: &mut [u8]) {
    if from.addr().is_multiple_of(8) && to.len().is_multiple_of(8) {
        for (n, word) in to.chunks_exact_mut(8).enumerate() {
            // SAFETY: the caller says that the bytes are there; the start of each word is aligned.
            let place =
                unsafe { AtomicU64::from_ptr(from.cast::<u64>().cast_mut().wrapping_add(n)) };
            word.copy_from_slice(&place.load(Relaxed).to_ne_bytes());
        }
    } else if from.addr().is_multiple_of(4) && to.len().is_multiple_of(4) {
        for (n, word) in to.chunks_exact_mut(4).enumerate() {
            // SAFETY: as above.
            let place =
                unsafe { AtomicU32::from_ptr(from.cast::<u32>().cast_mut().wrapping_add(n)) };
            word.copy_from_slice(&place.load(Relaxed).to_ne_bytes());
        }
    } else {
        for (n, byte) in to.iter_mut().enumerate() {
            // SAFETY: as above.
            *byte = unsafe { AtomicU8::from_ptr(from.cast_mut().wrapping_add(n)) }.load(Relaxed);
        }
    }
}

/// A key or value of the program in memory of the host.
macro_rules! bytes {
    ($name:ident, $from:expr, $len:expr) => {
        let from: *const u8 = $from;
        let mut buffer = [0; SHORT];
        let $name = buffer.get_mut(..$len).unwrap_or_default();
        // SAFETY: the verifier has seen that the program hands over so many bytes as the map's keys and values
        // have, and that they may be read.
        unsafe { copy(from, $name) };
    };
}

/// `bpf_map_lookup_elem`
extern "C" fn lookup(
    _: u64,
    key: *const u8,
    _: u64,
    _: u64,
    map: NonNull<FastMap>,
    env: NonNull<Env>,
) -> u64 {
    // SAFETY: code has the address from `FastMap::context`, and lives no longer than the map.
    let map = unsafe { map.as_ref() };
    // SAFETY: code hands on its environment, which nobody touches while code calls.
    let cpu = unsafe { env.as_ref() }.cpu;
    bytes!(key, key, map.key_size);
    map.address(key, cpu_of(cpu))
}

/// `bpf_map_lookup_percpu_elem`
extern "C" fn lookup_percpu(
    _: u64,
    key: *const u8,
    cpu: u32,
    _: u64,
    map: NonNull<FastMap>,
    _: NonNull<Env>,
) -> u64 {
    // SAFETY: as in `lookup`.
    let map = unsafe { map.as_ref() };
    if cpu >= map.cpus {
        return 0;
    }
    bytes!(key, key, map.key_size);
    map.address(key, Cpu(cpu))
}

/// `bpf_map_update_elem`
extern "C" fn update(
    _: u64,
    key: *const u8,
    value: *const u8,
    flags: u64,
    map: NonNull<FastMap>,
    env: NonNull<Env>,
) -> u64 {
    // SAFETY: as in `lookup`.
    let map = unsafe { map.as_ref() };
    // SAFETY: as in `lookup`.
    let cpu = unsafe { env.as_ref() }.cpu;
    bytes!(key, key, map.key_size);
    bytes!(value, value, map.value_size);
    map.map.update(key, value, flags, cpu_of(cpu)).map_or_else(|errno| errno.r0(), |()| 0)
}

/// `bpf_map_delete_elem`
extern "C" fn delete(
    _: u64,
    key: *const u8,
    _: u64,
    _: u64,
    map: NonNull<FastMap>,
    _: NonNull<Env>,
) -> u64 {
    // SAFETY: as in `lookup`.
    let map = unsafe { map.as_ref() };
    bytes!(key, key, map.key_size);
    map.map.delete(key).map_or_else(|errno| errno.r0(), |()| 0)
}

fn cpu_of(cpu: u64) -> Cpu {
    Cpu(u32::try_from(cpu).unwrap_or_default())
}
