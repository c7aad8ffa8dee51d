//! Helpers that decide what runs next.

use super::argument;
use super::map::key_value;
use crate::Cx;
use crate::fault::FaultKind;
use crate::helper::{Helpers, Stop};
use crate::interp::MAX_TAIL_CALLS;
use alloc::boxed::Box;
use alloc::vec::Vec;
use skep_abi::{Errno, MapType};
use skep_map::{KeyValue, Map};

pub(super) fn add<S: 'static>(helpers: Helpers<S>) -> Helpers<S> {
    helpers
        .with(12, "bpf_tail_call", tail_call)
        .with(164, "bpf_for_each_map_elem", for_each)
        .with(181, "bpf_loop", repeat)
        .with_kfunc("bpf_throw", |cookie: u64| -> Result<u64, Stop> {
            Err(FaultKind::Thrown { cookie }.into())
        })
        .with_kfunc("__bpf_trap", || -> Result<u64, Stop> {
            let what = "a place that the compiler took for unreachable".into();
            Err(FaultKind::Unsupported { what }.into())
        })
}

/// Goes on with the program at an index of a prog array; returns only if there is none.
fn tail_call<S>(cx: &mut Cx<'_, S>, _ctx: u64, handle: u64, index: u32) -> Result<u64, Stop> {
    let Some(Map::Progs(progs)) = cx.map(handle) else {
        return Err(argument("bpf_tail_call", 2, "a prog array", handle));
    };
    let known = |&prog: &u32| (prog as usize) < cx.machine.codes.len();
    match progs.get(index).filter(known) {
        Some(prog) if cx.tail_calls < MAX_TAIL_CALLS => {
            cx.tail_calls += 1;
            Err(Stop::TailCall(prog))
        }
        _ => Ok(Errno::ENOENT.r0()),
    }
}

/// Kernel: `BPF_MAX_LOOPS`.
const MAX_LOOPS: u32 = 8 * 1024 * 1024;

/// Calls `func(i, ctx)` for i from 0 until it returns nonzero; returns how often.
fn repeat<S>(cx: &mut Cx<'_, S>, times: u32, func: u64, ctx: u64, flags: u64) -> Result<u64, Stop> {
    if flags != 0 {
        return Ok(Errno::EINVAL.r0());
    }
    if times > MAX_LOOPS {
        return Ok(Errno::E2BIG.r0());
    }
    for i in 0..u64::from(times) {
        if cx.call(func, [i, ctx, 0, 0, 0])? != 0 {
            return Ok(i + 1);
        }
    }
    Ok(times.into())
}

/// Calls `func(map, key, value, ctx)` for each entry until it returns nonzero; returns how often.
fn for_each<S>(
    cx: &mut Cx<'_, S>,
    handle: u64,
    func: u64,
    ctx: u64,
    flags: u64,
) -> Result<u64, Stop> {
    let map = key_value(cx, "bpf_for_each_map_elem", handle)?;
    if flags != 0 {
        return Ok(Errno::EINVAL.r0());
    }
    let mut seen = 0;
    let shown = cx.show_key(map.def().key_size as usize);
    for key in keys(map) {
        let at = map.lookup(&key, cx.cpu());
        let Some(value) = at.and_then(|at| cx.value_address(handle, at)) else { continue };
        cx.mem.change_copy(shown, &key);
        seen += 1;
        if cx.call(func, [handle, shown, value, ctx, 0])? != 0 {
            break;
        }
    }
    cx.mem.drop_copy(shown);
    Ok(seen)
}

/// The keys of a map.
pub(super) fn keys(map: &dyn KeyValue) -> Box<dyn Iterator<Item = Vec<u8>>> {
    // Arrays can be large without taking memory, and lose no entries.
    if matches!(map.def().map_type, MapType::Array | MapType::PercpuArray) {
        return Box::new((0..map.def().max_entries).map(|n| n.to_ne_bytes().to_vec()));
    }
    // From others the callback may delete what it is shown, so the keys are listed first.
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let mut next = alloc::vec![0; map.def().key_size as usize];
    while map.next_key(keys.last().map(Vec::as_slice), &mut next).is_ok() {
        keys.push(next.clone());
    }
    Box::new(keys.into_iter())
}
