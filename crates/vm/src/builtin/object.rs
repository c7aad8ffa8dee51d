//! Objects, and lists of them.
//!
//! A list is a ring of addresses in the program's memory, as the kernel's: the head and each node begin
//! with the next and the previous one, and a node says third whose it is. Links that a program writes
//! itself lead to memory it could reach anyhow.

use super::{Env, argument};
use crate::Cx;
use crate::helper::{Helpers, Stop};
use crate::memory::What;
use skep_abi::Errno;

pub(super) fn add<S: Env + 'static>(helpers: Helpers<S>) -> Helpers<S> {
    let helpers = helpers
        .with_kfunc("bpf_obj_new_impl", |cx: &mut Cx<'_, S>, type_id: u32, _meta: u64| {
            let size = cx.state.size_of_type(type_id);
            size.and_then(|size| cx.mem.heap.make(size as usize)).unwrap_or(0)
        })
        .with_kfunc("bpf_obj_drop_impl", |cx: &mut Cx<'_, S>, object: u64, _meta: u64| {
            drop_own(cx, "bpf_obj_drop_impl", object)
        })
        .with_kfunc("bpf_refcount_acquire_impl", |cx: &mut Cx<'_, S>, object: u64, _meta: u64| {
            cx.mem.heap.acquire(object).map_or(0, |()| object)
        });
    let helpers = helpers
        .with_kfunc("bpf_list_push_front_impl", |cx: &mut Cx<'_, S>, head: u64, node: u64| {
            insert(cx, head, node, |_, _| Ok(head))
        })
        .with_kfunc("bpf_list_push_back_impl", |cx: &mut Cx<'_, S>, head: u64, node: u64| {
            insert(cx, head, node, last)
        })
        .with_kfunc("bpf_list_pop_front", |cx: &mut Cx<'_, S>, head: u64| {
            let node = first(cx, head)?;
            remove(cx, head, node)
        })
        .with_kfunc("bpf_list_pop_back", |cx: &mut Cx<'_, S>, head: u64| {
            let node = last(cx, head)?;
            remove(cx, head, node)
        })
        .with_kfunc("bpf_list_front", |cx: &mut Cx<'_, S>, head: u64| peek(cx, head, first))
        .with_kfunc("bpf_list_back", |cx: &mut Cx<'_, S>, head: u64| peek(cx, head, last));
    helpers
        .with_kfunc("bpf_percpu_obj_new_impl", |cx: &mut Cx<'_, S>, type_id: u32, _meta: u64| {
            let size = cx.state.size_of_type(type_id).map(|size| stride(size as usize));
            let len = size.and_then(|size| size.checked_mul(cx.machine.cpus() as usize));
            len.and_then(|len| cx.mem.heap.make(len)).unwrap_or(0)
        })
        .with_kfunc("bpf_percpu_obj_drop_impl", |cx: &mut Cx<'_, S>, object: u64, _meta: u64| {
            drop_own(cx, "bpf_percpu_obj_drop_impl", object)
        })
        .with(153, "bpf_per_cpu_ptr", |cx: &mut Cx<'_, S>, object: u64, cpu: u32| {
            if cpu >= cx.machine.cpus() {
                return Ok(0);
            }
            of_cpu(cx, "bpf_per_cpu_ptr", object, cpu)
        })
        .with(154, "bpf_this_cpu_ptr", |cx: &mut Cx<'_, S>, object: u64| {
            let cpu = cx.cpu().0;
            of_cpu(cx, "bpf_this_cpu_ptr", object, cpu)
        })
}

/// Distance of the parts of a per-CPU object.
const fn stride(size: usize) -> usize {
    size.next_multiple_of(8)
}

/// The part of a per-CPU object that belongs to a CPU.
fn of_cpu<S>(cx: &Cx<'_, S>, helper: &str, object: u64, cpu: u32) -> Result<u64, Stop> {
    let own = cx.mem.heap.what(object) == Some(What::Own);
    let len = cx.mem.heap.content(object).filter(|_| own).map(<[u8]>::len);
    let len = len.ok_or_else(|| argument(helper, 1, "a per-CPU object", object))?;
    let part = len / cx.machine.cpus().max(1) as usize;
    Ok(object.wrapping_add(part as u64 * u64::from(cpu)))
}

fn drop_own<S>(cx: &mut Cx<'_, S>, kfunc: &str, object: u64) -> Result<(), Stop> {
    let own = cx.mem.heap.what(object) == Some(What::Own);
    let dropped = own.then(|| cx.mem.heap.release(object)).flatten();
    dropped.ok_or_else(|| argument(kfunc, 1, "an object", object))
}

/// Positions in a head and a node.
const NEXT: u64 = 0;
const PREV: u64 = 8;
const OWNER: u64 = 16;

pub(super) fn get<S>(cx: &Cx<'_, S>, addr: u64) -> Result<u64, Stop> {
    let mut bytes = [0; 8];
    cx.mem.read(addr, &mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

pub(super) fn put<S>(cx: &mut Cx<'_, S>, addr: u64, value: u64) -> Result<(), Stop> {
    Ok(cx.mem.write(addr, &value.to_le_bytes())?)
}

/// The first node, or the head itself if there is none. Zeroes are an empty list.
fn first<S>(cx: &mut Cx<'_, S>, head: u64) -> Result<u64, Stop> {
    Ok(Some(get(cx, head.wrapping_add(NEXT))?).filter(|&node| node != 0).unwrap_or(head))
}

/// The last node, or the head.
fn last<S>(cx: &mut Cx<'_, S>, head: u64) -> Result<u64, Stop> {
    Ok(Some(get(cx, head.wrapping_add(PREV))?).filter(|&node| node != 0).unwrap_or(head))
}

/// A node at an end, or null.
fn peek<S>(
    cx: &mut Cx<'_, S>,
    head: u64,
    end: fn(&mut Cx<'_, S>, u64) -> Result<u64, Stop>,
) -> Result<u64, Stop> {
    let node = end(cx, head)?;
    Ok(if node == head { 0 } else { node })
}

/// Puts a node behind the one that `place` finds. A node that is in a list already is given up, as in the
/// kernel. Kernel: `__bpf_list_add`.
fn insert<S>(
    cx: &mut Cx<'_, S>,
    head: u64,
    node: u64,
    place: impl FnOnce(&mut Cx<'_, S>, u64) -> Result<u64, Stop>,
) -> Result<u64, Stop> {
    if get(cx, node.wrapping_add(OWNER))? != 0 {
        // Nothing happens to what is no object.
        let _ = cx.mem.heap.release(node);
        return Ok(Errno::EINVAL.r0());
    }
    if get(cx, head.wrapping_add(NEXT))? == 0 {
        put(cx, head.wrapping_add(NEXT), head)?;
        put(cx, head.wrapping_add(PREV), head)?;
    }
    let before = place(cx, head)?;
    let after = get(cx, before.wrapping_add(NEXT))?;
    put(cx, node.wrapping_add(NEXT), after)?;
    put(cx, node.wrapping_add(PREV), before)?;
    put(cx, node.wrapping_add(OWNER), head)?;
    put(cx, before.wrapping_add(NEXT), node)?;
    put(cx, after.wrapping_add(PREV), node)?;
    Ok(0)
}

/// Takes a node out and returns it; null if it is not in there.
fn remove<S>(cx: &mut Cx<'_, S>, head: u64, node: u64) -> Result<u64, Stop> {
    if node == head || get(cx, node.wrapping_add(OWNER))? != head {
        return Ok(0);
    }
    let next = get(cx, node.wrapping_add(NEXT))?;
    let prev = get(cx, node.wrapping_add(PREV))?;
    put(cx, prev.wrapping_add(NEXT), next)?;
    put(cx, next.wrapping_add(PREV), prev)?;
    for field in [NEXT, PREV, OWNER] {
        put(cx, node.wrapping_add(field), 0)?;
    }
    Ok(node)
}
