//! A run of code in the memory of an interpreter's run, and the bridge from the code back to it.
//!
//! An [`Activation`] begins with the environment whose address the code hands to the bridge, so that the bridge
//! finds the rest. Each entry has an activation of its own: a helper that calls back enters anew, and when
//! that run is aborted, the helper hears of it as of any fault, and the run that called it is aborted in turn.

use crate::call::Function;
use crate::compiled::Compiled;
use core::ptr::NonNull;
use skep_isa::Pc;
use skep_jit::{Entry, Env, FRAME};
use skep_vm::{CodePlace, Cx, Fault, FaultKind, Replaced};

/// One entry into code.
#[repr(C)]
struct Activation<'a, 'r, S> {
    /// First, so that its address is that of the activation.
    env: Env,
    cx: NonNull<Cx<'r, S>>,
    compiled: &'a Compiled,
    fault: Option<Box<Fault>>,
}

/// Runs a function of a program to its end.
pub(crate) fn run<S>(
    compiled: &Compiled,
    cx: &mut Cx<'_, S>,
    at: CodePlace,
    args: [u64; 5],
) -> Result<u64, Box<Fault>> {
    let outer = cx.native_frame();
    if !is_fit(compiled, cx, outer.is_none(), args[0]) {
        let what = "machine code of another machine or context".into();
        return Err(cx.fault_at(at, FaultKind::Unsupported { what }));
    }
    let top = outer.unwrap_or_else(|| cx.stack_top());
    let is_main = at.pc == Pc(0) && outer.is_none();
    if compiled.frames(at).is_none_or(|frames| !cx.has_room(top, frames)) {
        return Err(cx.too_deep(at));
    }
    let Some((function, env)) = entry::<S>(compiled, at, is_main, (top, cx.cpu().0)) else {
        let what = "a function without code".into();
        return Err(cx.fault_at(at, FaultKind::Unsupported { what }));
    };
    let env = Env { meter: cx.left().cast_unsigned(), ..env };
    let mut activation = Activation { env, cx: NonNull::from(&mut *cx), compiled, fault: None };
    let [r1, r2, r3, r4, r5] = args;
    let env = (&raw mut activation).cast::<Env>();
    let r0 = function(r1, r2, r3, r4, r5, env);
    let fault = activation.fault.take();
    if compiled.is_metered {
        cx.set_left(activation.env.meter.cast_signed());
    }
    cx.set_native_frame(outer);
    fault.map_or(Ok(r0), Err)
}

/// Whether the run has what the code was made for: map values at its addresses, and a context behind r1.
fn is_fit<S>(compiled: &Compiled, cx: &Cx<'_, S>, is_main: bool, r1: u64) -> bool {
    let ctx = &compiled.ctx;
    let (base, len) = cx.native_ctx();
    let slots = ctx.pointers.len();
    compiled.machine == cx.machine_id()
        && (!is_main || (r1 == base && len >= ctx.len && cx.native_slots() >= slots))
}

/// What to call, and the environment to call it with.
fn entry<S>(
    compiled: &Compiled,
    at: CodePlace,
    is_main: bool,
    (top, cpu): (u64, u32),
) -> Option<(Function, Env)> {
    let entered = compiled.progs.get(at.prog)?;
    let by_enter = !is_main || entered.code().entry == Entry::AsFunction;
    let target = entered.address(entered.code().position(at.pc)?)?;
    // Functions go down by a frame themselves.
    let above = if is_main && by_enter { FRAME.unsigned_abs().into() } else { 0 };
    let env = Env {
        stack: top + above,
        target: target.as_ptr().expose_provenance() as u64,
        bridge: bridge::<S> as *const () as u64,
        access: access::<S> as *const () as u64,
        cpu: cpu.into(),
        ..Env::default()
    };
    Some((entered.function(by_enter)?, env))
}

/// What code calls for a helper.
extern "C" fn bridge<S>(
    r1: u64,
    r2: u64,
    r3: u64,
    r4: u64,
    r5: u64,
    env: NonNull<Env>,
    id: u32,
) -> u64 {
    // SAFETY: the code hands on what `run` gave it: the first member of an activation, which lives until the
    // code returns; `run` does not touch it meanwhile.
    let activation = unsafe { env.cast::<Activation<'_, '_, S>>().as_mut() };
    // SAFETY: `run` has the context exclusively and does not touch it while the code runs, which calls the
    // bridge only once at a time.
    let cx = unsafe { activation.cx.as_mut() };
    let Some(call) = activation.compiled.bridged.get(id as usize) else {
        return abort(&mut activation.env);
    };
    cx.set_native_frame(Some(activation.env.frame));
    let is_metered = activation.compiled.is_metered;
    if is_metered {
        cx.set_left(activation.env.meter.cast_signed());
    }
    if call.is_turn
        && !is_metered
        && let Err(fault) = cx.take_turn(call.at)
    {
        activation.fault = Some(fault);
        return abort(&mut activation.env);
    }
    let result = cx.help(call.at, call.helper, [r1, r2, r3, r4, r5]);
    activation.env.meter = cx.left().cast_unsigned();
    match result {
        Ok(value) => {
            activation.env.tail = 0;
            value
        }
        Err(Replaced::By(prog)) => {
            let entered = activation.compiled.progs.get(prog);
            let main = entered.and_then(|entered| entered.address(entered.code().position(Pc(0))?));
            let Some(main) = main else { return abort(&mut activation.env) };
            // From within a function it has the frames of its callers above it, and perhaps not this one.
            let (frame, top) = (activation.env.frame, cx.stack_top());
            let above =
                if frame >= top { top } else { frame.saturating_sub(FRAME.unsigned_abs().into()) };
            let frames = activation.compiled.frames(CodePlace { prog, pc: Pc(0) });
            if frames.is_none_or(|frames| !cx.has_room(above, frames)) {
                activation.fault = Some(cx.too_deep(call.at));
                return abort(&mut activation.env);
            }
            activation.env.tail = main.as_ptr().expose_provenance() as u64;
            activation.env.tail_ctx = r1;
            0
        }
        Err(Replaced::Fault(fault)) => {
            activation.fault = Some(fault);
            abort(&mut activation.env)
        }
    }
}

/// The code returns from its entry next.
fn abort(env: &mut Env) -> u64 {
    env.stop = 1;
    0
}

/// What code calls for an access that is not plain.
extern "C" fn access<S>(env: NonNull<Env>, addr: u64, kind: u32, value: u64) -> u64 {
    // SAFETY: as in `bridge`.
    let activation = unsafe { env.cast::<Activation<'_, '_, S>>().as_mut() };
    // SAFETY: as in `bridge`.
    let cx = unsafe { activation.cx.as_mut() };
    let (size, kind) = (kind & 15, kind & !15);
    let bytes = size as usize;
    match kind {
        Env::LOAD => cx.probe(addr, bytes),
        Env::LOAD_SX => {
            let unused = 64 - size * 8;
            (cx.probe(addr, bytes) << unused).cast_signed().wrapping_shr(unused).cast_unsigned()
        }
        Env::METER => {
            cx.set_left(activation.env.meter.cast_signed());
            let (prog, pc) = (addr >> 32, addr & u64::from(u32::MAX));
            #[expect(clippy::cast_possible_truncation, reason = "two halves")]
            let at = CodePlace { prog: prog as usize, pc: Pc(pc as u32) };
            if let Err(fault) = cx.refill(at) {
                activation.fault = Some(fault);
                activation.env.stop = 1;
            }
            activation.env.meter = cx.left().cast_unsigned();
            0
        }
        Env::STORE | Env::STORE_IMM => {
            cx.store_ctx(addr, bytes, value, kind == Env::STORE_IMM);
            0
        }
        _ => {
            #[expect(clippy::cast_possible_truncation, reason = "the low half is the offset")]
            let found = cx.load_packet((addr as u32).cast_signed(), size.cast_signed());
            activation.env.miss = found.is_none().into();
            found.unwrap_or(0)
        }
    }
}
