//! Spin locks in values: a word that is 1 while somebody holds it.
//!
//! Where processes share the value it is the number of one, whose locks the others take if it is dead.
//! Other threads may run programs over the same maps, so the word is taken atomically and waited for
//! within the budget. A run that ends, however it does, gives back what it holds.

use super::argument;
use crate::Cx;
use crate::fault::FaultKind;
use crate::helper::{Helpers, Stop};
use skep_abi::Errno;
use skep_isa::{AtomicOp, Size};

pub(super) fn add<S: 'static>(helpers: Helpers<S>) -> Helpers<S> {
    let helpers = helpers
        .with(93, "bpf_spin_lock", lock)
        .with(94, "bpf_spin_unlock", |cx: &mut Cx<'_, S>, addr: u64| {
            unlock(cx, "bpf_spin_unlock", addr)
        })
        .with(194, "bpf_kptr_xchg", |cx: &mut Cx<'_, S>, addr: u64, new: u64| {
            cx.mem.atomic(addr, Size::Dw, AtomicOp::Xchg, new, 0).map_err(Stop::from)
        });
    let locks = ["bpf_res_spin_lock", "bpf_res_spin_lock_irqsave"];
    let helpers =
        locks.into_iter().fold(helpers, |helpers, name| helpers.with_kfunc(name, resilient_lock));
    let unlocks = ["bpf_res_spin_unlock", "bpf_res_spin_unlock_irqrestore"];
    unlocks.into_iter().fold(helpers, |helpers, name| {
        helpers.with_kfunc(name, move |cx: &mut Cx<'_, S>, addr: u64| unlock(cx, name, addr))
    })
}

/// Takes the lock; one is all a program may hold, so that two cannot wait for each other.
fn lock<S>(cx: &mut Cx<'_, S>, addr: u64) -> Result<(), Stop> {
    if !cx.locks.is_empty() {
        let what = "a lock while this run holds one, which would never end,".into();
        return Err(FaultKind::Unsupported { what }.into());
    }
    wait(cx, addr)
}

fn wait<S>(cx: &mut Cx<'_, S>, addr: u64) -> Result<(), Stop> {
    let own = cx.mem.lock_owner(addr);
    let (mut free, mut tries) = (0, 0_u32);
    loop {
        let owner = cx.mem.atomic(addr, Size::W, AtomicOp::CmpXchg, own.into(), free)?;
        if owner == free {
            break;
        }
        core::hint::spin_loop();
        cx.meter.spend(1)?;
        tries = tries.wrapping_add(1);
        // A process that is gone does not give it back.
        let ask = tries.is_multiple_of(PATIENCE) && cx.mem.is_dead_owner(addr, owner);
        free = if ask { owner } else { 0 };
    }
    cx.locks.push(addr);
    Ok(())
}

/// Looks at a lock before asking for its owner.
const PATIENCE: u32 = 1 << 14;

/// Locks that a run may hold at once. Kernel: `RES_NR_HELD`.
const MAX_LOCKS: usize = 31;

/// Takes a lock that says so when it would wait for itself. Kernel: `bpf_res_spin_lock`.
fn resilient_lock<S>(cx: &mut Cx<'_, S>, addr: u64) -> Result<u64, Stop> {
    if cx.locks.contains(&addr) || cx.locks.len() >= MAX_LOCKS {
        return Ok(Errno::EDEADLK.r0());
    }
    wait(cx, addr).map(|()| 0)
}

fn unlock<S>(cx: &mut Cx<'_, S>, helper: &'static str, addr: u64) -> Result<(), Stop> {
    let held = cx.locks.iter().position(|&held| held == addr);
    let held = held.ok_or_else(|| argument(helper, 1, "a lock that this run holds", addr))?;
    cx.locks.remove(held);
    Ok(cx.mem.store_release(addr, 4, 0)?)
}

/// Gives back what a run still holds at its end.
pub(crate) fn release<S>(cx: &mut Cx<'_, S>) {
    while let Some(addr) = cx.locks.pop() {
        // It was taken there, so it can be given back.
        let _ = cx.mem.store_release(addr, 4, 0);
    }
}
