//! Whether one state covers another: everything safe from the first is safe from the second.
//!
//! Ids are names without meaning of their own: two states are alike if a one-to-one map between their
//! ids makes them so. The map grows while registers are compared ([`IdMap`]).
//!
//! Kernel: `states_equal`, `func_states_equal`, `regsafe`, `stacksafe`, `refsafe`, `check_ids`.

use crate::frame::{Byte, Frame, Slot};
use crate::kept::{KeptFrame, KeptState};
use crate::reg::{ADD_CONST, Base, Extra, RegState};
use crate::state::{RefKind, State};
use crate::verifier::Verifier;
use crate::visited::UNBOUND;
use std::cell::Cell;

/// How closely states are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exact {
    /// What the old state did not need is passed over.
    No,
    /// All is the same.
    Yes,
    /// Ranges are within, needed or not.
    RangeWithin,
}

/// Ids of the old state and those of the new that stand for them.
pub(crate) struct IdMap {
    pairs: Vec<(u32, u32)>,
    /// Numbers for registers of the new state that have no id.
    next: u32,
}

impl IdMap {
    pub(crate) fn new(id_gen: u32) -> Self {
        Self { pairs: Vec::new(), next: id_gen }
    }

    /// Kernel: `check_ids`.
    fn check(&mut self, old: u32, cur: u32) -> bool {
        if old == 0 || cur == 0 {
            return old == cur;
        }
        for &(a, b) in &self.pairs {
            if a == old {
                return b == cur;
            }
            if b == cur {
                return false;
            }
        }
        self.pairs.push((old, cur));
        true
    }

    /// Kernel: `check_scalar_ids`.
    fn check_scalar(&mut self, old: u32, cur: u32) -> bool {
        if old == 0 {
            return true;
        }
        let cur = if cur == 0 {
            self.next += 1;
            self.next
        } else {
            cur
        };
        self.check(old, cur)
            && (old & ADD_CONST == 0 || self.check(old & !ADD_CONST, cur & !ADD_CONST))
    }
}

/// Where two states differ: they will probably differ there again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    frame: u8,
    value: Value,
}

#[derive(Clone, Copy, Debug)]
enum Value {
    Reg(u8),
    Slot(u8),
}

/// r0 to r10.
const ALL_REGS: u16 = 0x7ff;

/// Whether `old` covers `cur`. `missed` is where `old` did not cover the last state that it was
/// compared with; it is looked at first.
pub(crate) fn states_equal(
    cx: &Verifier<'_>,
    old: &KeptState,
    cur: &State,
    exact: Exact,
    ids: &mut IdMap,
    missed: &Cell<Option<Place>>,
) -> bool {
    let alike = old.frames.len() == cur.frames.len()
        && (!old.speculative || cur.speculative)
        && old.in_sleepable == cur.in_sleepable
        && old
            .frames
            .iter()
            .zip(&cur.frames)
            .all(|(a, b)| a.callsite == b.callsite && a.callback_depth <= b.callback_depth)
        && refs_safe(old, cur, ids);
    if !alike {
        return false;
    }
    let reg_covers = |frame: usize, at: usize, ids: &mut IdMap| {
        let (a, b) = (&old.frames[frame], &cur.frames[frame]);
        reg_safe(cx, &a.regs[at], a.precise.reg(at), &b.regs[at], exact, ids)
    };
    let slot_covers = |frame: usize, at: usize, ids: &mut IdMap| {
        slot_at_safe(cx, &old.frames[frame], &cur.frames[frame], at, exact, ids)
    };
    let live_regs = |frame: usize| cx.aux[old.frame_pc(frame) as usize].live_regs & ALL_REGS;
    // Without knowing of other ids, values only seem more alike than they are.
    if let Some(Place { frame, value }) = missed.get() {
        let (frame, ids) = (usize::from(frame), &mut IdMap::new(ids.next));
        let covers = match value {
            Value::Reg(at) => live_regs(frame) >> at & 1 == 0 || reg_covers(frame, at.into(), ids),
            Value::Slot(at) => slot_covers(frame, at.into(), ids),
        };
        if !covers {
            return false;
        }
    }
    for (number, frame) in (0..).zip(0..old.frames.len()) {
        let mut live = live_regs(frame);
        while live != 0 {
            let at = live.trailing_zeros() as usize;
            live &= live - 1;
            if !reg_covers(frame, at, ids) {
                let value = Value::Reg(u8::try_from(at).unwrap_or(u8::MAX));
                missed.set(Some(Place { frame: number, value }));
                return false;
            }
        }
        for (slot, at) in (0..).zip(0..old.frames[frame].stack.len()) {
            if !slot_covers(frame, at, ids) {
                missed.set(Some(Place { frame: number, value: Value::Slot(slot) }));
                return false;
            }
        }
    }
    true
}

fn refs_safe(old: &KeptState, cur: &State, ids: &mut IdMap) -> bool {
    old.refs.len() == cur.refs.len()
        && old.active_locks == cur.active_locks
        && old.active_preempt_locks == cur.active_preempt_locks
        && old.active_rcu_locks == cur.active_rcu_locks
        && ids.check(old.active_irq_id, cur.active_irq_id)
        && ids.check(old.active_lock_id, cur.active_lock_id)
        && old.active_lock_place == cur.active_lock_place
        && old.refs.iter().zip(&cur.refs).all(|(a, b)| {
            ids.check(a.id, b.id)
                && a.kind == b.kind
                && match a.kind {
                    RefKind::Ptr | RefKind::Irq => true,
                    RefKind::Lock | RefKind::ResLock | RefKind::ResLockIrq => a.place == b.place,
                }
        })
}

fn regs_exact(old: &RegState, cur: &RegState, ids: &mut IdMap) -> bool {
    old.same_but_ids(cur) && ids.check(old.id, cur.id) && ids.check(old.ref_obj_id, cur.ref_obj_id)
}

fn within(old: &RegState, cur: &RegState) -> bool {
    cur.num.is_within(&old.num)
}

fn reg_safe(
    cx: &Verifier<'_>,
    old: &RegState,
    precise: bool,
    cur: &RegState,
    exact: Exact,
    ids: &mut IdMap,
) -> bool {
    if exact == Exact::Yes {
        return regs_exact(old, cur, ids);
    }
    if old.ty.base == Base::NotInit && (exact == Exact::No || cur.ty.base == Base::NotInit) {
        return true;
    }
    if old.ty != cur.ty {
        return false;
    }
    match old.ty.base {
        Base::Scalar => scalar_safe(cx, old, precise, cur, exact, ids),
        Base::MapKey | Base::MapValue | Base::Mem | Base::Buf | Base::TpBuffer => {
            old.off == cur.off
                && old.extra == cur.extra
                && within(old, cur)
                && ids.check(old.id, cur.id)
                && ids.check(old.ref_obj_id, cur.ref_obj_id)
        }
        Base::Packet | Base::PacketMeta => {
            let (had, has) = (old.range(), cur.range());
            let ranges = if had < 0 || has < 0 { had == has } else { had <= has };
            ranges && old.off == cur.off && ids.check(old.id, cur.id) && within(old, cur)
        }
        Base::Stack => regs_exact(old, cur, ids) && old.frame == cur.frame,
        Base::Arena => true,
        _ => regs_exact(old, cur, ids),
    }
}

fn scalar_safe(
    cx: &Verifier<'_>,
    old: &RegState,
    precise: bool,
    cur: &RegState,
    exact: Exact,
    ids: &mut IdMap,
) -> bool {
    if cx.explore_alu_limits {
        return old.same_but_ids(cur) && ids.check_scalar(old.id, cur.id);
    }
    if !precise && exact == Exact::No {
        return true;
    }
    if old.id != 0 && (old.id ^ cur.id) & ADD_CONST != 0 {
        return false;
    }
    if old.id & ADD_CONST != 0 && old.off != cur.off {
        return false;
    }
    ids.check_scalar(old.id, cur.id) && within(old, cur)
}

fn slot_at_safe(
    cx: &Verifier<'_>,
    old: &KeptFrame,
    cur: &Frame,
    at: usize,
    exact: Exact,
    ids: &mut IdMap,
) -> bool {
    let slot = &old.stack[at];
    match cur.stack.get(at) {
        Some(now) => slot_safe(cx, slot, old.precise.slot(at), now, exact, ids),
        // What the old state did not use may be missing.
        None => {
            exact == Exact::No
                && slot.bytes.iter().all(|&byte| {
                    byte == Byte::Invalid || (byte == Byte::Misc && cx.takes_old_stack())
                })
        }
    }
}

impl Verifier<'_> {
    /// Whether bytes of the stack that were not written are as good as numbers. If so, what follows may read
    /// them, although no path is followed on which it does.
    fn takes_old_stack(&self) -> bool {
        if self.allow_uninit_stack {
            self.reads_old_stack.set(true);
        }
        self.allow_uninit_stack
    }
}

/// Stands for a slot that holds one number, known or not. Kernel: `scalar_reg_for_stack`.
fn number_in<'a>(cx: &Verifier<'_>, slot: &'a Slot) -> Option<&'a RegState> {
    if slot.is_spilled_scalar64() {
        return Some(&slot.reg);
    }
    let misc = |&byte: &Byte| byte == Byte::Misc || (byte == Byte::Invalid && cx.takes_old_stack());
    slot.bytes.iter().all(misc).then_some(&UNBOUND)
}

fn slot_safe(
    cx: &Verifier<'_>,
    old: &Slot,
    precise: bool,
    cur: &Slot,
    exact: Exact,
    ids: &mut IdMap,
) -> bool {
    // The common cases, of which the loop would say the same.
    if old.is(Byte::Invalid) && exact == Exact::No {
        return true;
    }
    if old.is(Byte::Spill) && cur.is(Byte::Spill) {
        return reg_safe(cx, &old.reg, precise, &cur.reg, exact, ids);
    }
    if old.is(Byte::Zero) && cur.is(Byte::Zero) {
        return true;
    }
    for at in 0..8 {
        let (had, has) = (old.bytes[at], cur.bytes[at]);
        if exact != Exact::No && had != has {
            return false;
        }
        if had == Byte::Invalid || (cx.allow_uninit_stack && had == Byte::Misc) {
            if had == Byte::Misc && has == Byte::Invalid {
                cx.takes_old_stack();
            }
            continue;
        }
        if let (Some(a), Some(b)) = (number_in(cx, old), number_in(cx, cur)) {
            let precise = precise && old.is_spilled_scalar64();
            return reg_safe(cx, a, precise, b, exact, ids);
        }
        if had == Byte::Misc && has == Byte::Zero {
            continue;
        }
        if had != has {
            return false;
        }
        if at < 7 {
            continue;
        }
        return match had {
            Byte::Spill => reg_safe(cx, &old.reg, precise, &cur.reg, exact, ids),
            Byte::Dynptr => {
                old.reg.extra == cur.reg.extra && ids.check(old.reg.ref_obj_id, cur.reg.ref_obj_id)
            }
            Byte::Iter => iters_alike(&old.reg, &cur.reg, ids),
            Byte::IrqFlag => {
                ids.check(old.reg.ref_obj_id, cur.reg.ref_obj_id) && old.reg.extra == cur.reg.extra
            }
            Byte::Misc | Byte::Zero | Byte::Invalid => true,
        };
    }
    true
}

/// The depth of an iterator does not matter here.
fn iters_alike(old: &RegState, cur: &RegState, ids: &mut IdMap) -> bool {
    let part = |reg: &RegState| match reg.extra {
        Extra::Iter { btf, id, state, .. } => Some((btf, id, state)),
        _ => None,
    };
    old.ty == cur.ty && part(old) == part(cur) && ids.check(old.ref_obj_id, cur.ref_obj_id)
}

/// Whether the innermost registers are the same, so that a loop may make no progress.
/// Kernel: `states_maybe_looping`.
pub(crate) fn maybe_looping(old: &KeptState, cur: &State) -> bool {
    old.frames.len() == cur.frames.len()
        && old
            .top()
            .regs
            .iter()
            .zip(&cur.top().regs)
            .all(|(a, b)| a.same_but_ids(b) && a.id == b.id && a.ref_obj_id == b.ref_obj_id)
}

/// Compares registers for widening: the same in all but ids that correspond. Kernel: `regs_exact`.
pub(crate) fn same_reg(old: &RegState, cur: &RegState, ids: &mut IdMap) -> bool {
    regs_exact(old, cur, ids)
}
