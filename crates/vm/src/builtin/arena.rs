//! Pages of arenas.
//!
//! Kernel: `kernel/bpf/arena.c`.

use super::argument;
use crate::Cx;
use crate::helper::{Helpers, Stop};
use skep_abi::Errno;
use skep_map::{Arena, Map};

pub(super) fn add<S: 'static>(helpers: Helpers<S>) -> Helpers<S> {
    helpers
        .with_kfunc("bpf_arena_alloc_pages", alloc)
        .with_kfunc("bpf_arena_free_pages", free)
        .with_kfunc("bpf_arena_reserve_pages", reserve)
}

/// Bytes of a page, as a power of two.
const PAGE_SHIFT: u32 = 12;
const PAGE_MASK: u32 = (1 << PAGE_SHIFT) - 1;

fn arena<'r, S>(cx: &Cx<'r, S>, kfunc: &str, handle: u64) -> Result<&'r Arena, Stop> {
    match cx.map(handle) {
        Some(Map::Arena(arena)) => Ok(arena),
        _ => Err(argument(kfunc, 1, "an arena", handle)),
    }
}

/// The position that an address of the arena has in it.
fn position(addr: u64) -> u32 {
    let [a, b, c, d, ..] = addr.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Address of so many new pages, at `addr` if that is not null; null where there is no room.
fn alloc<S>(
    cx: &mut Cx<'_, S>,
    handle: u64,
    addr: u64,
    pages: u32,
    node: i32,
    flags: u64,
) -> Result<u64, Stop> {
    let arena = arena(cx, "bpf_arena_alloc_pages", handle)?;
    // One node is all there is.
    if flags != 0 || pages == 0 || !(-1..=0).contains(&node) || position(addr) & PAGE_MASK != 0 {
        return Ok(0);
    }
    let at = (addr != 0).then(|| position(addr) >> PAGE_SHIFT);
    let start = arena.alloc(at, pages).ok().and_then(|page| page.checked_mul(1 << PAGE_SHIFT));
    Ok(start.and_then(|start| cx.value_address(handle, start as usize)).unwrap_or(0))
}

fn free<S>(cx: &mut Cx<'_, S>, handle: u64, addr: u64, pages: u32) -> Result<(), Stop> {
    let arena = arena(cx, "bpf_arena_free_pages", handle)?;
    if pages != 0 && addr != 0 {
        arena.free(position(addr) >> PAGE_SHIFT, pages);
    }
    Ok(())
}

/// Kernel: `bpf_arena_reserve_pages`.
fn reserve<S>(cx: &mut Cx<'_, S>, handle: u64, addr: u64, pages: u32) -> Result<u64, Stop> {
    let arena = arena(cx, "bpf_arena_reserve_pages", handle)?;
    if pages == 0 || position(addr) & PAGE_MASK != 0 {
        return Ok(0);
    }
    let reserved = arena.reserve(position(addr) >> PAGE_SHIFT, pages);
    Ok(reserved.map_or_else(Errno::r0, |()| 0))
}
