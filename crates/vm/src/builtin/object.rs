//! Objects, and lists and trees of them.
//!
//! A list is a ring of addresses in the program's memory, as the kernel's: the head and each node begin
//! with the next and the previous one, and a node says third whose it is. Links that a program writes
//! itself lead to memory it could reach anyhow. A tree is such a ring kept in order, so that the smallest
//! is found at once and an insertion compares with what is greater.

use super::{Env, argument};
use crate::Cx;
use crate::helper::{Helpers, Stop};
use skep_abi::Errno;

pub(super) fn add<S: Env + 'static>(helpers: Helpers<S>) -> Helpers<S> {
    let helpers = helpers
        .with_kfunc("bpf_obj_new_impl", |cx: &mut Cx<'_, S>, type_id: u32, _meta: u64| {
            let size = cx.state.size_of_type(type_id);
            size.and_then(|size| cx.mem.heap.make(size as usize)).unwrap_or(0)
        })
        .with_kfunc("bpf_obj_drop_impl", |cx: &mut Cx<'_, S>, object: u64, _meta: u64| {
            let dropped = cx.mem.heap.release(object);
            dropped.ok_or_else(|| argument("bpf_obj_drop_impl", 1, "an object", object))
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
        .with_kfunc("bpf_rbtree_add_impl", |cx: &mut Cx<'_, S>, root: u64, node: u64, less: u64| {
            insert(cx, root, node, |cx, root| {
                let mut at = last(cx, root)?;
                while at != root && cx.call(less, [node, at, 0, 0, 0])? != 0 {
                    at = get(cx, at.wrapping_add(PREV))?;
                }
                Ok(at)
            })
        })
        .with_kfunc("bpf_rbtree_remove", remove)
        .with_kfunc("bpf_rbtree_first", |cx: &mut Cx<'_, S>, root: u64| peek(cx, root, first))
}

/// Positions in a head and a node.
const NEXT: u64 = 0;
const PREV: u64 = 8;
const OWNER: u64 = 16;

fn get<S>(cx: &Cx<'_, S>, addr: u64) -> Result<u64, Stop> {
    let mut bytes = [0; 8];
    cx.mem.read(addr, &mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

fn put<S>(cx: &mut Cx<'_, S>, addr: u64, value: u64) -> Result<(), Stop> {
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
