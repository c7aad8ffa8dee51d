//! `bpf_map_*_elem`.

use super::{Buf, argument};
use crate::Cx;
use crate::helper::{Helpers, Stop};
use skep_abi::Errno;
use skep_map::{Cpu, KeyValue, Map, Queue};

pub(super) fn add<S: 'static>(helpers: Helpers<S>) -> Helpers<S> {
    helpers
        .with(1, "bpf_map_lookup_elem", lookup)
        .with(2, "bpf_map_update_elem", update)
        .with(3, "bpf_map_delete_elem", delete)
        .with(81, "bpf_get_local_storage", |cx: &mut Cx<'_, S>, handle: u64| {
            let Some(Map::Attached(storage)) = cx.map(handle) else {
                let wants = "a map of storage of the cgroup that the program is attached to";
                return Err(argument("bpf_get_local_storage", 1, wants, handle));
            };
            let at = storage.value(cx.cpu());
            Ok(at.and_then(|at| cx.value_address(handle, at)).unwrap_or(0))
        })
        .with(87, "bpf_map_push_elem", push)
        .with(88, "bpf_map_pop_elem", pop)
        .with(89, "bpf_map_peek_elem", peek)
        .with(195, "bpf_map_lookup_percpu_elem", lookup_percpu)
        .with_kfunc("bpf_map_sum_elem_count", |cx: &mut Cx<'_, S>, handle: u64| {
            key_value(cx, "bpf_map_sum_elem_count", handle).map(|map| map.entries() as u64)
        })
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
    if let Some(Map::Maps(maps)) = cx.map(handle) {
        let key = cx.mem.read_vec(key, maps.def().key_size.into())?;
        return Ok(maps.get(&key).and_then(|inner| cx.handle_of(&inner)).unwrap_or(0));
    }
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

/// Kernel: `queue_stack_map_push_elem`, `bloom_map_push_elem`.
fn push<S>(cx: &mut Cx<'_, S>, handle: u64, value: u64, flags: u64) -> Result<u64, Stop> {
    let Some(map @ (Map::Queue(_) | Map::Bloom(_))) = cx.map(handle) else {
        return Err(no_queue("bpf_map_push_elem", handle));
    };
    let mut buf = Buf::new();
    let value = buf.read(&cx.mem, value, map.def().value_size)?;
    let pushed = match map {
        Map::Queue(queue) => queue.push(value, flags),
        Map::Bloom(bloom) => bloom.push(value, flags),
        _ => Ok(()),
    };
    Ok(pushed.map_or_else(|errno| errno.r0(), |()| 0))
}

fn pop<S>(cx: &mut Cx<'_, S>, handle: u64, to: u64) -> Result<u64, Stop> {
    match cx.map(handle) {
        Some(Map::Queue(queue)) => take(cx, queue, to, Queue::pop),
        Some(Map::Bloom(_)) => Ok(Errno::EOPNOTSUPP.r0()),
        _ => Err(no_queue("bpf_map_pop_elem", handle)),
    }
}

/// The next value of a queue; whether a filter has the value.
fn peek<S>(cx: &mut Cx<'_, S>, handle: u64, value: u64) -> Result<u64, Stop> {
    match cx.map(handle) {
        Some(Map::Queue(queue)) => take(cx, queue, value, Queue::peek),
        Some(Map::Bloom(bloom)) => {
            let mut buf = Buf::new();
            let value = buf.read(&cx.mem, value, bloom.def().value_size)?;
            Ok(bloom.peek(value).map_or_else(|errno| errno.r0(), |()| 0))
        }
        _ => Err(no_queue("bpf_map_peek_elem", handle)),
    }
}

fn take<S>(
    cx: &mut Cx<'_, S>,
    queue: &Queue,
    to: u64,
    operation: fn(&Queue, &mut [u8]) -> Result<(), Errno>,
) -> Result<u64, Stop> {
    // Nothing may be taken out before there is a place for it.
    cx.mem.zero(to, queue.def().value_size.into())?;
    let mut value = alloc::vec![0; queue.def().value_size as usize];
    let result = operation(queue, &mut value);
    cx.mem.write(to, &value)?;
    Ok(result.map_or_else(|errno| errno.r0(), |()| 0))
}

fn no_queue(helper: &str, handle: u64) -> Stop {
    argument(helper, 1, "a queue, a stack or a bloom filter", handle)
}
