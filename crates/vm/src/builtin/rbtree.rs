//! Trees of objects: the red-black trees of the kernel, link by link, since programs may walk them.
//!
//! A root holds the topmost node and the leftmost; a node its parent with its colour in bit 0 (1 is
//! black), its right and left child, and whose it is. Programs can write all of that themselves, so every
//! walk is bounded: a tree that is deeper than any of so many objects can be ends the run.
//!
//! Source: `include/linux/rbtree.h`, `__bpf_rbtree_add`.

use super::argument;
use super::object::{get, put};
use crate::Cx;
use crate::helper::{Helpers, Stop};
use skep_abi::Errno;

pub(super) fn add<S: 'static>(helpers: Helpers<S>) -> Helpers<S> {
    helpers
        .with_kfunc("bpf_rbtree_add_impl", |cx: &mut Cx<'_, S>, root: u64, node: u64, less: u64| {
            insert(cx, root, node, less)
        })
        .with_kfunc("bpf_rbtree_remove", remove)
        .with_kfunc("bpf_rbtree_first", |cx: &mut Cx<'_, S>, root: u64| {
            get(cx, root.wrapping_add(LEFTMOST))
        })
        .with_kfunc("bpf_rbtree_root", |cx: &mut Cx<'_, S>, root: u64| get(cx, root))
        .with_kfunc("bpf_rbtree_left", |cx: &mut Cx<'_, S>, root: u64, node: u64| {
            child_in(cx, root, node, Side::Left)
        })
        .with_kfunc("bpf_rbtree_right", |cx: &mut Cx<'_, S>, root: u64, node: u64| {
            child_in(cx, root, node, Side::Right)
        })
}

/// Position in a root.
const LEFTMOST: u64 = 8;
/// Position in a node.
const OWNER: u64 = 24;
/// Bit of the parent's field.
const BLACK: u64 = 1;
/// More than any walk from the top to a leaf takes.
const MAX_DEPTH: u32 = 128;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Right,
    Left,
}

impl Side {
    const fn other(self) -> Self {
        match self {
            Self::Right => Self::Left,
            Self::Left => Self::Right,
        }
    }

    const fn off(self) -> u64 {
        match self {
            Self::Right => 8,
            Self::Left => 16,
        }
    }
}

fn too_deep(root: u64) -> Stop {
    argument("bpf_rbtree", 1, "a tree that only these functions have changed", root)
}

fn child<S>(cx: &mut Cx<'_, S>, node: u64, side: Side) -> Result<u64, Stop> {
    get(cx, node.wrapping_add(side.off()))
}

fn set_child<S>(cx: &mut Cx<'_, S>, node: u64, side: Side, to: u64) -> Result<(), Stop> {
    put(cx, node.wrapping_add(side.off()), to)
}

fn parent<S>(cx: &mut Cx<'_, S>, node: u64) -> Result<u64, Stop> {
    Ok(get(cx, node)? & !3)
}

/// Null is black.
fn is_red<S>(cx: &mut Cx<'_, S>, node: u64) -> Result<bool, Stop> {
    Ok(node != 0 && get(cx, node)? & BLACK == 0)
}

fn set_parent<S>(cx: &mut Cx<'_, S>, node: u64, to: u64) -> Result<(), Stop> {
    let colour = get(cx, node)? & BLACK;
    put(cx, node, to | colour)
}

fn set_red<S>(cx: &mut Cx<'_, S>, node: u64, red: bool) -> Result<(), Stop> {
    let field = get(cx, node)?;
    put(cx, node, if red { field & !BLACK } else { field | BLACK })
}

fn side_of<S>(cx: &mut Cx<'_, S>, parent: u64, node: u64) -> Result<Side, Stop> {
    Ok(if child(cx, parent, Side::Left)? == node { Side::Left } else { Side::Right })
}

/// A child of a node of the tree, or null. Kernel: `bpf_rbtree_left`, `bpf_rbtree_right`.
fn child_in<S>(cx: &mut Cx<'_, S>, root: u64, node: u64, side: Side) -> Result<u64, Stop> {
    if get(cx, node.wrapping_add(OWNER))? != root {
        return Ok(0);
    }
    child(cx, node, side)
}

/// Puts `to` where `node` is under its parent.
fn replace<S>(cx: &mut Cx<'_, S>, root: u64, node: u64, to: u64) -> Result<(), Stop> {
    let above = parent(cx, node)?;
    if above == 0 {
        put(cx, root, to)?;
    } else {
        let side = side_of(cx, above, node)?;
        set_child(cx, above, side, to)?;
    }
    if to == 0 { Ok(()) } else { set_parent(cx, to, above) }
}

/// Turns a node down to a side; its child of the other side takes its place.
fn rotate<S>(cx: &mut Cx<'_, S>, root: u64, node: u64, down: Side) -> Result<(), Stop> {
    let up = child(cx, node, down.other())?;
    let middle = child(cx, up, down)?;
    replace(cx, root, node, up)?;
    set_child(cx, node, down.other(), middle)?;
    if middle != 0 {
        set_parent(cx, middle, node)?;
    }
    set_child(cx, up, down, node)?;
    set_parent(cx, node, up)
}

/// Puts a node in its place, behind those that are not greater. One that is in a tree already is given
/// up, as in the kernel.
fn insert<S>(cx: &mut Cx<'_, S>, root: u64, node: u64, less: u64) -> Result<u64, Stop> {
    if get(cx, node.wrapping_add(OWNER))? != 0 {
        // Nothing happens to what is no object.
        let _ = cx.mem.heap.release(node);
        return Ok(Errno::EINVAL.r0());
    }
    let (mut above, mut at, mut side, mut leftmost) = (0, get(cx, root)?, Side::Left, true);
    // Each step runs the program's function, so that the budget bounds the walk.
    while at != 0 {
        above = at;
        side = if cx.call(less, [node, at, 0, 0, 0])? != 0 { Side::Left } else { Side::Right };
        leftmost &= side == Side::Left;
        at = child(cx, at, side)?;
    }
    put(cx, node, above)?;
    set_child(cx, node, Side::Left, 0)?;
    set_child(cx, node, Side::Right, 0)?;
    put(cx, node.wrapping_add(OWNER), root)?;
    if above == 0 {
        put(cx, root, node)?;
    } else {
        set_child(cx, above, side, node)?;
    }
    if leftmost {
        put(cx, root.wrapping_add(LEFTMOST), node)?;
    }
    balance_inserted(cx, root, node)?;
    Ok(0)
}

/// A red node may have a red parent.
fn balance_inserted<S>(cx: &mut Cx<'_, S>, root: u64, mut node: u64) -> Result<(), Stop> {
    for _ in 0..MAX_DEPTH {
        let mut above = parent(cx, node)?;
        if above == 0 {
            return set_red(cx, node, false);
        }
        if !is_red(cx, above)? {
            return Ok(());
        }
        let top = parent(cx, above)?;
        let side = side_of(cx, top, above)?;
        let uncle = child(cx, top, side.other())?;
        if is_red(cx, uncle)? {
            set_red(cx, above, false)?;
            set_red(cx, uncle, false)?;
            set_red(cx, top, true)?;
            node = top;
            continue;
        }
        if child(cx, above, side.other())? == node {
            rotate(cx, root, above, side)?;
            above = node;
        }
        set_red(cx, above, false)?;
        set_red(cx, top, true)?;
        return rotate(cx, root, top, side.other());
    }
    Err(too_deep(root))
}

/// The node after this one, in order.
fn next<S>(cx: &mut Cx<'_, S>, root: u64, node: u64) -> Result<u64, Stop> {
    let mut at = child(cx, node, Side::Right)?;
    if at != 0 {
        return end(cx, root, at);
    }
    at = node;
    for _ in 0..MAX_DEPTH {
        let above = parent(cx, at)?;
        if above == 0 || child(cx, above, Side::Left)? == at {
            return Ok(above);
        }
        at = above;
    }
    Err(too_deep(root))
}

/// The leftmost node under one.
fn end<S>(cx: &mut Cx<'_, S>, root: u64, mut node: u64) -> Result<u64, Stop> {
    for _ in 0..MAX_DEPTH {
        match child(cx, node, Side::Left)? {
            0 => return Ok(node),
            left => node = left,
        }
    }
    Err(too_deep(root))
}

/// Takes a node out and returns it; null if it is not in there.
fn remove<S>(cx: &mut Cx<'_, S>, root: u64, node: u64) -> Result<u64, Stop> {
    if node == root || get(cx, node.wrapping_add(OWNER))? != root {
        return Ok(0);
    }
    if get(cx, root.wrapping_add(LEFTMOST))? == node {
        let after = next(cx, root, node)?;
        put(cx, root.wrapping_add(LEFTMOST), after)?;
    }
    take_out(cx, root, node)?;
    for field in [0, Side::Right.off(), Side::Left.off(), OWNER] {
        put(cx, node.wrapping_add(field), 0)?;
    }
    Ok(node)
}

fn take_out<S>(cx: &mut Cx<'_, S>, root: u64, node: u64) -> Result<(), Stop> {
    let left = child(cx, node, Side::Left)?;
    let right = child(cx, node, Side::Right)?;
    // Where a black node goes missing: the parent and the side.
    let (above, side, was_red) = if left == 0 || right == 0 {
        let only = if left == 0 { right } else { left };
        let above = parent(cx, node)?;
        let side = if above == 0 { Side::Left } else { side_of(cx, above, node)? };
        let was_red = is_red(cx, node)?;
        replace(cx, root, node, only)?;
        if only != 0 {
            // An only child is red, under a black node.
            return set_red(cx, only, false);
        }
        (above, side, was_red)
    } else {
        let heir = end(cx, root, right)?;
        let was_red = is_red(cx, heir)?;
        let orphan = child(cx, heir, Side::Right)?;
        let (above, side) =
            if heir == right { (heir, Side::Right) } else { (parent(cx, heir)?, Side::Left) };
        if heir != right {
            replace(cx, root, heir, orphan)?;
            set_child(cx, heir, Side::Right, right)?;
            set_parent(cx, right, heir)?;
        }
        replace(cx, root, node, heir)?;
        set_child(cx, heir, Side::Left, left)?;
        set_parent(cx, left, heir)?;
        let red = is_red(cx, node)?;
        set_red(cx, heir, red)?;
        if orphan != 0 {
            return set_red(cx, orphan, false);
        }
        (above, side, was_red)
    };
    if was_red || above == 0 { Ok(()) } else { balance_removed(cx, root, above, side) }
}

/// On one side of a node, a black one is missing.
fn balance_removed<S>(
    cx: &mut Cx<'_, S>,
    root: u64,
    mut above: u64,
    mut side: Side,
) -> Result<(), Stop> {
    for _ in 0..MAX_DEPTH {
        let mut sibling = child(cx, above, side.other())?;
        if is_red(cx, sibling)? {
            set_red(cx, sibling, false)?;
            set_red(cx, above, true)?;
            rotate(cx, root, above, side)?;
            sibling = child(cx, above, side.other())?;
        }
        let mut outer = child(cx, sibling, side.other())?;
        if !is_red(cx, outer)? {
            let inner = child(cx, sibling, side)?;
            if !is_red(cx, inner)? {
                set_red(cx, sibling, true)?;
                if is_red(cx, above)? {
                    return set_red(cx, above, false);
                }
                let top = parent(cx, above)?;
                if top == 0 {
                    return Ok(());
                }
                side = side_of(cx, top, above)?;
                above = top;
                continue;
            }
            set_red(cx, inner, false)?;
            set_red(cx, sibling, true)?;
            rotate(cx, root, sibling, side.other())?;
            (outer, sibling) = (sibling, inner);
        }
        let red = is_red(cx, above)?;
        set_red(cx, sibling, red)?;
        set_red(cx, above, false)?;
        set_red(cx, outer, false)?;
        return rotate(cx, root, above, side);
    }
    Err(too_deep(root))
}
