//! `bpf_map_*_elem`.

use super::{Buf, argument};
use crate::Cx;
use crate::helper::{Helpers, Stop};
use skep_map::{Cpu, KeyValue, Map};

pub(super) fn add<S: 'static>(helpers: Helpers<S>) -> Helpers<S> {
    helpers
        .with(1, "bpf_map_lookup_elem", lookup)
        .with(2, "bpf_map_update_elem", update)
        .with(3, "bpf_map_delete_elem", delete)
        .with(195, "bpf_map_lookup_percpu_elem", lookup_percpu)
}

/// The map of keys and values in argument 1.
pub(super) fn key_value<'r, S>(
    cx: &Cx<'r, S>,
    helper: &'static str,
    handle: u64,
) -> Result<&'r dyn KeyValue, Stop> {
    match cx.map(handle) {
        Some(Map::KeyValue(map)) => Ok(&**map),
        _ => Err(argument(helper, 1, "a map of keys and values", handle)),
    }
}

fn lookup<S>(cx: &mut Cx<'_, S>, handle: u64, key: u64) -> Result<u64, Stop> {
    let cpu = cx.cpu();
    find(cx, "bpf_map_lookup_elem", handle, key, cpu)
}

fn lookup_percpu<S>(cx: &mut Cx<'_, S>, handle: u64, key: u64, cpu: u32) -> Result<u64, Stop> {
    if cpu >= cx.machine.cpus() {
        return Ok(0);
    }
    find(cx, "bpf_map_lookup_percpu_elem", handle, key, Cpu(cpu))
}

/// Address of the value, or null.
fn find<S>(
    cx: &Cx<'_, S>,
    helper: &'static str,
    handle: u64,
    key: u64,
    cpu: Cpu,
) -> Result<u64, Stop> {
    let map = key_value(cx, helper, handle)?;
    let mut buf = Buf::new();
    let key = buf.read(&cx.mem, key, map.def().key_size)?;
    let at = map.lookup(key, cpu);
    Ok(at.and_then(|at| cx.value_address(handle, at)).unwrap_or(0))
}

fn update<S>(
    cx: &mut Cx<'_, S>,
    handle: u64,
    key: u64,
    value: u64,
    flags: u64,
) -> Result<u64, Stop> {
    let map = key_value(cx, "bpf_map_update_elem", handle)?;
    let (mut key_buf, mut value_buf) = (Buf::new(), Buf::new());
    let key = key_buf.read(&cx.mem, key, map.def().key_size)?;
    let value = value_buf.read(&cx.mem, value, map.def().value_size)?;
    Ok(map.update(key, value, flags, cx.cpu()).map_or_else(|errno| errno.r0(), |()| 0))
}

fn delete<S>(cx: &mut Cx<'_, S>, handle: u64, key: u64) -> Result<u64, Stop> {
    let map = key_value(cx, "bpf_map_delete_elem", handle)?;
    let mut buf = Buf::new();
    let key = buf.read(&cx.mem, key, map.def().key_size)?;
    Ok(map.delete(key).map_or_else(|errno| errno.r0(), |()| 0))
}
