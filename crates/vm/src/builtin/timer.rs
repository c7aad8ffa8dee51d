//! Timers and pieces of work in values. The embedder keeps them between runs and says when one is due; its callback is a
//! run of its own ([`Vm::fire`](crate::Vm::fire)).
//!
//! A timer is known by its address, and the first eight bytes there are its number: an entry that is
//! deleted and made anew brings other bytes, and the timer is gone with the old ones.

use super::flow::keys;
use super::{Env, argument};
use crate::Cx;
use crate::fault::Fault;
use crate::helper::{Helpers, Stop};
use crate::interp::function;
use crate::memory;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use skep_abi::{Errno, MapType};
use skep_map::{KeyValue, Map};

pub(super) fn add<S: Env + 'static>(helpers: Helpers<S>) -> Helpers<S> {
    helpers
        .with(169, "bpf_timer_init", init)
        .with(170, "bpf_timer_set_callback", set_callback)
        .with(171, "bpf_timer_start", start)
        .with(172, "bpf_timer_cancel", cancel)
        .with_kfunc("bpf_wq_init", |cx: &mut Cx<'_, S>, addr: u64, handle: u64, flags: u32| {
            if flags != 0 {
                return Ok(Errno::EINVAL.r0());
            }
            set_up(cx, "bpf_wq_init", addr, handle)
        })
        .with_kfunc("bpf_wq_set_callback_impl", |cx: &mut Cx<'_, S>, addr, func, flags: u32| {
            if flags != 0 {
                return Ok(Errno::EINVAL.r0());
            }
            call_back(cx, "bpf_wq_set_callback_impl", addr, func)
        })
        .with_kfunc("bpf_wq_start", start_work)
}

/// Timers that an embedder keeps at most.
const MAX_TIMERS: usize = 1 << 16;

struct Timer {
    number: u64,
    map: u64,
    callback: Option<u64>,
    due: Option<u64>,
}

/// The timers of all values, by the clock of [`Env::monotonic_ns`].
#[derive(Default)]
pub struct Timers {
    by_addr: BTreeMap<u64, Timer>,
    queue: BTreeSet<(u64, u64)>,
    last: u64,
    running: Option<u64>,
}

/// A timer whose time has come.
#[derive(Clone, Copy, Debug)]
pub struct Expired {
    /// When it was due.
    pub due: u64,
    addr: u64,
    number: u64,
    map: u64,
    callback: u64,
}

impl Timers {
    /// Takes the timer that is due first, at `now` or before.
    pub fn expire(&mut self, now: u64) -> Option<Expired> {
        let &(due, addr) = self.queue.first().filter(|&&(due, _)| due <= now)?;
        self.queue.pop_first();
        let timer = self.by_addr.get_mut(&addr)?;
        timer.due = None;
        let Timer { number, map, callback, .. } = *timer;
        Some(Expired { due, addr, number, map, callback: callback? })
    }

    /// Whether no timer runs.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Starts the timer, or stops it; whether it was running.
    fn set_due(&mut self, addr: u64, due: Option<u64>) -> bool {
        let Some(timer) = self.by_addr.get_mut(&addr) else { return false };
        let before = core::mem::replace(&mut timer.due, due);
        if let Some(before) = before {
            self.queue.remove(&(before, addr));
        }
        if let Some(due) = due {
            self.queue.insert((due, addr));
        }
        before.is_some()
    }

    fn remove(&mut self, addr: u64) {
        self.set_due(addr, None);
        self.by_addr.remove(&addr);
    }
}

/// The number in memory.
fn number<S>(cx: &Cx<'_, S>, addr: u64) -> Result<u64, Stop> {
    let mut bytes = [0; 8];
    cx.mem.read(addr, &mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// The timer at an address, unless the bytes there are those of another or of none.
fn find<'s, S: Env>(cx: &'s mut Cx<'_, S>, addr: u64) -> Result<Option<&'s mut Timer>, Stop> {
    let number = number(cx, addr)?;
    let timers = cx.state.timers();
    let timer = timers.and_then(|timers| timers.by_addr.get_mut(&addr));
    Ok(timer.filter(|timer| timer.number == number))
}

/// Kernel: `bpf_timer_init`.
fn init<S: Env>(cx: &mut Cx<'_, S>, addr: u64, handle: u64, clock: u64) -> Result<u64, Stop> {
    /// `CLOCK_REALTIME`, `CLOCK_MONOTONIC`, `CLOCK_BOOTTIME`
    const CLOCKS: [u64; 3] = [0, 1, 7];
    if !CLOCKS.contains(&clock) {
        return Ok(Errno::EINVAL.r0());
    }
    set_up(cx, "bpf_timer_init", addr, handle)
}

fn set_up<S: Env>(cx: &mut Cx<'_, S>, helper: &str, addr: u64, handle: u64) -> Result<u64, Stop> {
    let kinds = [MapType::Array, MapType::Hash, MapType::LruHash];
    let has_timers = |map: &Map| kinds.contains(&map.def().map_type);
    if !cx.map(handle).is_some_and(has_timers) {
        return Err(argument(helper, 2, "an array or a hash map", handle));
    }
    if cx.value_address(handle, 0).is_none_or(|values| values >> 32 != addr >> 32) {
        return Err(argument(helper, 1, "a field in a value of the map", addr));
    }
    if find(cx, addr)?.is_some() {
        return Ok(Errno::EBUSY.r0());
    }
    let Some(timers) = cx.state.timers() else { return Ok(Errno::EOPNOTSUPP.r0()) };
    timers.remove(addr);
    if timers.by_addr.len() >= MAX_TIMERS {
        return Ok(Errno::ENOMEM.r0());
    }
    timers.last += 1;
    let number = timers.last;
    let timer = Timer { number, map: handle, callback: None, due: None };
    timers.by_addr.insert(addr, timer);
    cx.mem.write(addr, &number.to_le_bytes())?;
    Ok(0)
}

fn set_callback<S: Env>(cx: &mut Cx<'_, S>, addr: u64, func: u64) -> Result<u64, Stop> {
    call_back(cx, "bpf_timer_set_callback", addr, func)
}

/// Starts the work, which is done as soon as the embedder looks; what waits already waits once. Kernel:
/// `bpf_wq_start`.
fn start_work<S: Env>(cx: &mut Cx<'_, S>, addr: u64, flags: u32) -> Result<u64, Stop> {
    let ready = find(cx, addr)?.is_some_and(|work| work.callback.is_some());
    if flags != 0 || !ready {
        return Ok(Errno::EINVAL.r0());
    }
    let now = cx.state.monotonic_ns();
    if let Some(timers) = cx.state.timers()
        && timers.by_addr.get(&addr).is_some_and(|work| work.due.is_none())
    {
        timers.set_due(addr, Some(now));
    }
    Ok(0)
}

fn call_back<S: Env>(cx: &mut Cx<'_, S>, helper: &str, addr: u64, func: u64) -> Result<u64, Stop> {
    if function(cx, func).is_none() {
        return Err(argument(helper, 2, "a function", func));
    }
    let Some(timer) = find(cx, addr)? else { return Ok(Errno::EINVAL.r0()) };
    timer.callback = Some(func);
    Ok(0)
}

/// Kernel: `bpf_timer_start`.
fn start<S: Env>(cx: &mut Cx<'_, S>, addr: u64, ns: u64, flags: u64) -> Result<u64, Stop> {
    /// `BPF_F_TIMER_ABS`
    const ABSOLUTE: u64 = 1;
    /// `BPF_F_TIMER_CPU_PIN`
    const PINNED: u64 = 2;
    let ready = find(cx, addr)?.is_some_and(|timer| timer.callback.is_some());
    if flags & !(ABSOLUTE | PINNED) != 0 || !ready {
        return Ok(Errno::EINVAL.r0());
    }
    let base = if flags & ABSOLUTE == 0 { cx.state.monotonic_ns() } else { 0 };
    if let Some(timers) = cx.state.timers() {
        timers.set_due(addr, Some(base.saturating_add(ns)));
    }
    Ok(0)
}

/// Whether it was running. Kernel: `bpf_timer_cancel`.
fn cancel<S: Env>(cx: &mut Cx<'_, S>, addr: u64) -> Result<u64, Stop> {
    let Some(timer) = find(cx, addr)? else { return Ok(Errno::EINVAL.r0()) };
    let callback = timer.callback.take();
    let Some(timers) = cx.state.timers() else { return Ok(0) };
    if timers.running == Some(addr) {
        // It would wait for itself.
        if let Some(timer) = timers.by_addr.get_mut(&addr) {
            timer.callback = callback;
        }
        return Ok(Errno::EDEADLK.r0());
    }
    Ok(timers.set_due(addr, None).into())
}

/// Calls back, if the entry is still there.
pub(crate) fn fire<S: Env>(cx: &mut Cx<'_, S>, timer: &Expired) -> Result<u64, Box<Fault>> {
    let found = number(cx, timer.addr).is_ok_and(|number| number == timer.number);
    let entry = if found { entry(cx, timer) } else { None };
    let (Some((key, value)), Some((code, op))) = (entry, function(cx, timer.callback)) else {
        if let Some(timers) = cx.state.timers() {
            timers.remove(timer.addr);
        }
        return Ok(0);
    };
    let key = cx.mem.push_copy("map key", key);
    let running = |cx: &mut Cx<'_, S>, addr| {
        if let Some(timers) = cx.state.timers() {
            timers.running = addr;
        }
    };
    running(cx, Some(timer.addr));
    let result = cx.call(timer.callback, [timer.map, key, value, 0, 0]);
    running(cx, None);
    result.map_err(|stop| match stop {
        Stop::Nested(fault) => fault,
        Stop::Fault(kind) => cx.fault(code, op, kind),
        Stop::Access(_) | Stop::TailCall(_) => unreachable!("bug: a callback ends with {stop:?}"),
    })
}

/// Key and address of the value that the timer is in.
fn entry<S>(cx: &Cx<'_, S>, timer: &Expired) -> Option<(Vec<u8>, u64)> {
    let Some(Map::KeyValue(map)) = cx.map(timer.map) else { return None };
    let map: &dyn KeyValue = &**map;
    let at = usize::try_from(timer.addr & u64::from(u32::MAX)).ok()?;
    let start = at - at.checked_rem(map.values().stride())?;
    let is_it = |key: &Vec<u8>| map.lookup(key, cx.cpu()) == Some(start);
    let key = match map.def().map_type {
        MapType::Array => {
            let index = u32::try_from(start / map.values().stride()).ok()?;
            Some(index.to_le_bytes().to_vec()).filter(is_it)?
        }
        _ => keys(map).find(is_it)?,
    };
    Some((key, memory::address(u32::try_from(timer.addr >> 32).ok()?, u32::try_from(start).ok()?)))
}
