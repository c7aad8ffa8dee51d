//! What the loop rarely does, kept out of its way: faults, refills of the slice, memory that is not
//! private. `rest` is the number of ops behind the one that runs.

use crate::code::Code;
use crate::cx::Cx;
use crate::fault::{AccessError, Fault, FaultKind};
use crate::helper::Stop;
use crate::memory;
use alloc::boxed::Box;
use skep_isa::Reg;

/// `check_flow` has seen that no path does.
#[cold]
#[inline(never)]
pub(super) fn left_the_ops() -> ! {
    panic!("bug: control left the ops")
}

/// The code and op behind a function address; programs may make up addresses.
pub(crate) fn function<'r, S>(cx: &Cx<'r, S>, addr: u64) -> Option<(&'r Code<S>, usize)> {
    let (prog, op) = memory::func_of(addr)?;
    let code = cx.machine.codes.get(prog as usize)?;
    ((op as usize) < code.places.len()).then_some((code, op as usize))
}

#[cold]
pub(super) fn not_a_function(reg: u8, value: u64) -> FaultKind {
    FaultKind::NotAFunction { reg: Reg::new(reg).unwrap_or(Reg::R0), value }
}

/// The fault of the op before the last `rest` ones.
#[cold]
#[inline(never)]
pub(super) fn fault<S>(
    cx: &mut Cx<'_, S>,
    code: &Code<S>,
    rest: usize,
    kind: FaultKind,
) -> Box<Fault> {
    cx.meter.pause(rest);
    cx.fault(code, code.places.len() - rest - 1, kind)
}

/// The slice is used up.
#[cold]
#[inline(never)]
pub(super) fn refill<S>(cx: &mut Cx<'_, S>, code: &Code<S>, rest: usize) -> Result<(), Box<Fault>> {
    cx.meter.pause(rest);
    if let Err(kind) = cx.meter.refill() {
        return Err(cx.fault(code, code.places.len() - rest, kind));
    }
    cx.meter.resume(rest);
    Ok(())
}

/// Loads what is not private memory; `base` is a register and the offset that has been added to it.
#[cold]
#[inline(never)]
pub(super) fn load<S>(
    cx: &mut Cx<'_, S>,
    code: &Code<S>,
    rest: usize,
    base: (u8, i32),
    addr: u64,
    size: usize,
) -> Result<u64, Box<Fault>> {
    match cx.mem.load_slow(addr, size) {
        Ok(value) => Ok(value),
        Err(_) if code.probes.binary_search(&code.pc(code.places.len() - rest - 1)).is_ok() => {
            Ok(0)
        }
        Err(access) => Err(denied(cx, code, rest, base, access)),
    }
}

/// Stores to what is not private memory.
#[cold]
#[inline(never)]
pub(super) fn store<S>(
    cx: &mut Cx<'_, S>,
    code: &Code<S>,
    rest: usize,
    base: (u8, i32),
    (addr, value): (u64, u64),
    size: usize,
) -> Result<(), Box<Fault>> {
    let stored = if cx.mem.has_halves(addr) {
        let op = code.plain().get(code.places.len() - rest - 1);
        let immediate = op.is_some_and(|op| op.code.stores_immediate());
        cx.mem.store_ctx(addr, size, value, immediate)
    } else {
        cx.mem.store_slow(addr, size, value)
    };
    stored.map_err(|access| denied(cx, code, rest, base, access))
}

#[cold]
#[inline(never)]
pub(super) fn denied<S>(
    cx: &mut Cx<'_, S>,
    code: &Code<S>,
    rest: usize,
    (base, off): (u8, i32),
    access: AccessError,
) -> Box<Fault> {
    let place = cx.mem.place(access.addr);
    let base = Reg::new(base).map(|base| (base, off));
    fault(cx, code, rest, FaultKind::Access { access, base, place, helper: None })
}

/// The fault of a helper that did not return.
#[cold]
pub(crate) fn stopped<S>(
    cx: &Cx<'_, S>,
    code: &Code<S>,
    op: usize,
    name: &str,
    stop: Stop,
) -> Box<Fault> {
    match stop {
        Stop::Nested(fault) => fault,
        Stop::Fault(kind) => cx.fault(code, op, kind),
        Stop::Access(access) => {
            let place = cx.mem.place(access.addr);
            let helper = Some(name.into());
            cx.fault(code, op, FaultKind::Access { access, base: None, place, helper })
        }
        // Where the program exists, the macro that calls helpers has taken this one.
        Stop::TailCall(prog) => {
            let what = alloc::format!("a tail call to program {prog}, which does not exist");
            cx.fault(code, op, FaultKind::Unsupported { what })
        }
    }
}
