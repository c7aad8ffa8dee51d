//! What comparing a packet pointer with the packet's end teaches.
//!
//! Kernel: `try_match_pkt_pointers`, `find_good_pkt_pointers`, `mark_pkt_end`,
//! `is_pkt_ptr_branch_taken`.

use crate::reg::{AT_PKT_END, BEYOND_PKT_END, Base, Extra, RegState};
use crate::state::State;
use skep_isa::{CondOp, Reg, Src};

/// Offsets from the start of a packet. Kernel: `MAX_PACKET_OFF`.
const MAX_PACKET_OFF: u64 = 0xffff;

/// A pointer to the very start. Kernel: `reg_is_init_pkt_pointer`.
fn is_start(reg: &RegState) -> bool {
    reg.ty.is(Base::Packet)
        && reg.id == 0
        && reg.off == 0
        && reg.num.var_off.is_const()
        && reg.num.var_off.value() == 0
}

/// Whether the first operand is what moves and the second where it ends.
fn moves_towards(moving: &RegState, end: &RegState) -> bool {
    (moving.ty.is(Base::Packet) && end.ty.is(Base::PacketEnd))
        || (moving.ty.is(Base::PacketMeta) && is_start(end))
}

/// Learns from the comparison, if it is one with the end. `other` is where the jump is taken.
pub(crate) fn match_packet(
    op: CondOp,
    a: &RegState,
    b: &RegState,
    dst: Reg,
    src: Src,
    this: &mut State,
    other: &mut State,
) -> bool {
    let Src::Reg(src) = src else { return false };
    let (ptr, at, op) = if moves_towards(a, b) {
        (a, dst, op)
    } else if moves_towards(b, a) {
        let mirrored = match op {
            CondOp::Gt => CondOp::Lt,
            CondOp::Lt => CondOp::Gt,
            CondOp::Ge => CondOp::Le,
            CondOp::Le => CondOp::Ge,
            _ => return false,
        };
        (b, src, mirrored)
    } else {
        return false;
    };
    // `ptr op end`: where it is inside, whether it may be the end itself.
    let (inside, outside, open) = match op {
        CondOp::Gt => (this, other, false),
        CondOp::Le => (other, this, false),
        CondOp::Lt => (other, this, true),
        CondOp::Ge => (this, other, true),
        _ => return false,
    };
    widen_range(inside, ptr, open);
    // Not below the end is at or beyond it; above it is beyond.
    mark_end(outside, at, !open);
    true
}

/// All pointers of the same origin have at least as many bytes behind the start as this one proved.
fn widen_range(state: &mut State, ptr: &RegState, open: bool) {
    if ptr.off < 0 || (ptr.off == 0 && open) {
        return;
    }
    let off = u64::from(ptr.off.cast_unsigned());
    if ptr.num.umax > MAX_PACKET_OFF || ptr.num.umax + off > MAX_PACKET_OFF {
        return;
    }
    let range = ptr.off + i32::from(open);
    let (ty, id) = (ptr.ty, ptr.id);
    state.for_each_reg(|reg| {
        if reg.ty == ty && reg.id == id {
            reg.extra = Extra::Range(reg.range().max(range));
        }
    });
}

/// Kernel: `mark_pkt_end`.
fn mark_end(state: &mut State, at: Reg, beyond: bool) {
    let reg = state.top_mut().reg_mut(at);
    if reg.ty.is(Base::Packet) {
        reg.extra = Extra::Range(if beyond { BEYOND_PKT_END } else { AT_PKT_END });
    }
}

/// Which way a comparison goes for a pointer that is known to be at or beyond the end.
pub(crate) fn packet_branch_taken(a: &RegState, b: &RegState, op: CondOp) -> Option<bool> {
    let (ptr, op) = if b.ty.is(Base::PacketEnd) {
        (a, op)
    } else if a.ty.is(Base::PacketEnd) {
        let op = match op {
            CondOp::Gt => CondOp::Lt,
            CondOp::Lt => CondOp::Gt,
            CondOp::Ge => CondOp::Le,
            CondOp::Le => CondOp::Ge,
            other => other,
        };
        (b, op)
    } else {
        return None;
    };
    match (op, ptr.range()) {
        (CondOp::Le | CondOp::Gt, BEYOND_PKT_END) => Some(op == CondOp::Gt),
        (CondOp::Lt | CondOp::Ge, BEYOND_PKT_END | AT_PKT_END) => Some(op == CondOp::Ge),
        _ => None,
    }
}
