//! Maps made in the kernel from their definitions.

use crate::LoadError;
use skep_abi::MapType;
use skep_prog::{DataKind, Initial, MapDef};
use skep_sys::{Bpf, MapCreate, SysError, possible_cpus};

/// Key and value; of all CPUs, each padded to eight bytes, in per-CPU maps.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Makes a map and gives it the content that needs no program.
pub(crate) fn create<B: Bpf>(sys: &B, def: &MapDef) -> Result<B::Map, LoadError> {
    let failed = |source| LoadError::Map { map: def.name.clone(), source };
    let inner = match &def.inner {
        Some(inner) => Some(make(sys, inner, None).map_err(failed)?),
        None => None,
    };
    let map = make(sys, def, inner.as_ref()).map_err(failed)?;
    if let Initial::Value(value) = &def.initial {
        sys.map_update(&map, &0u32.to_ne_bytes(), value, 0).map_err(failed)?;
    }
    if matches!(def.data, Some(DataKind::Rodata | DataKind::Kconfig)) {
        sys.map_freeze(&map).map_err(failed)?;
    }
    Ok(map)
}

fn make<B: Bpf>(sys: &B, def: &MapDef, inner: Option<&B::Map>) -> Result<B::Map, SysError> {
    sys.map_create(&MapCreate {
        max_entries: entries(def),
        flags: def.flags,
        numa_node: def.numa_node,
        map_extra: def.map_extra,
        inner,
        ..MapCreate::new(&def.name, def.map_type, def.key_size, def.value_size, 0)
    })
}

/// A perf event array of no entries gets one for each CPU, as by libbpf.
fn entries(def: &MapDef) -> u32 {
    match (def.map_type, def.max_entries) {
        // Where the number of CPUs cannot be had, the kernel refuses the 0.
        (MapType::PerfEventArray, 0) => possible_cpus().unwrap_or(0),
        (_, entries) => entries,
    }
}

/// All keys and values, in the kernel's order.
///
/// An entry that is deleted meanwhile is left out. An iteration that others keep sending back to the
/// start ends all the same, after as many keys as the map can have.
pub(crate) fn entries_of<B: Bpf>(
    sys: &B,
    def: &MapDef,
    map: &B::Map,
) -> Result<Vec<Entry>, SysError> {
    let (key_size, value_size) = sys.map_sizes(map);
    let mut found = Vec::new();
    let mut last: Option<Vec<u8>> = None;
    for _ in 0..def.max_entries {
        let mut key = vec![0; key_size];
        match sys.map_next_key(map, last.as_deref(), &mut key) {
            Ok(()) => {}
            Err(err) if err.errno == skep_abi::Errno::ENOENT => break,
            Err(err) => return Err(err),
        }
        let mut value = vec![0; value_size];
        match sys.map_lookup(map, &key, &mut value) {
            Ok(()) => found.push((key.clone(), value)),
            Err(err) if err.errno == skep_abi::Errno::ENOENT => {}
            Err(err) => return Err(err),
        }
        last = Some(key);
    }
    Ok(found)
}
