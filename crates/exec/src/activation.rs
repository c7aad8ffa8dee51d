//! A run of code in the memory of an interpreter's run, and the bridge from the code back to it.
//!
//! An [`Activation`] begins with the environment whose address the code hands to the bridge, so that the bridge
//! finds the rest. Each entry has an activation of its own: a helper that calls back enters anew, and when
//! that run is aborted, the helper hears of it as of any fault, and the run that called it is aborted in turn.

use crate::compiled::Compiled;
use crate::outside::Bridged;
use crate::start::Start;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use skep_isa::Pc;
use skep_jit::{Check, Env, FRAME, PROBES};
use skep_vm::{AccessError, CodePlace, Cx, Fault, FaultKind, Replaced};

/// One entry into code.
#[repr(C)]
struct Activation<'a, 'r, S> {
    /// First, so that its address is that of the activation.
    env: Env,
    /// Behind the environment, as code wants it. Of those that the code has, the limit is set.
    checks: [MaybeUninit<Check>; PROBES],
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
    let Some(Start { function, target, above, frames }) = compiled.start(at, is_main) else {
        let what = "a function without code".into();
        return Err(cx.fault_at(at, FaultKind::Unsupported { what }));
    };
    let first = if outer.is_some() { top.saturating_sub(FRAME.unsigned_abs().into()) } else { top };
    if !cx.has_room(first, frames) {
        return Err(cx.too_deep(at));
    }
    let mut activation = Activation {
        env: Env {
            stack: top + above,
            target,
            bridge: bridge::<S> as *const () as u64,
            access: access::<S> as *const () as u64,
            cpu: cx.cpu().0.into(),
            meter: cx.left().cast_unsigned(),
            tail_calls: cx.tail_calls().into(),
            top: if outer.is_some() { u64::MAX } else { top },
            bottom: cx.stack_bottom(),
            mains: compiled.mains().as_ptr().expose_provenance() as u64,
            progs: compiled.mains().len() as u64,
            ..Env::default()
        },
        checks: [MaybeUninit::uninit(); PROBES],
        cx: NonNull::from(&mut *cx),
        compiled,
        fault: None,
    };
    activation.forget();
    let [r1, r2, r3, r4, r5] = args;
    let env = (&raw mut activation).cast::<Env>();
    let r0 = function(r1, r2, r3, r4, r5, env);
    let fault = activation.fault.take();
    if compiled.is_metered {
        cx.set_left(activation.env.meter.cast_signed());
    }
    cx.set_tail_calls(activation.env.tail_calls);
    cx.set_native_frame(outer);
    fault.map_or(Ok(r0), Err)
}

/// Whether the run has what the code was made for: map values at its addresses, those of its CPU among them, and a context
/// behind r1.
fn is_fit<S>(compiled: &Compiled, cx: &Cx<'_, S>, is_main: bool, r1: u64) -> bool {
    let ctx = &compiled.ctx;
    let (base, len) = cx.native_ctx();
    let slots = ctx.pointers.len();
    compiled.machine == cx.machine_id()
        && cx.cpu().0 < compiled.cpus
        && (!is_main || (r1 == base && len >= ctx.len && cx.native_slots() >= slots))
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
    let Some(&call) = activation.compiled.bridged.get(id as usize) else {
        return activation.end(bug(
            cx,
            CodePlace { prog: 0, pc: Pc(0) },
            "a call without a number",
        ));
    };
    cx.set_native_frame(Some(activation.env.frame));
    if let Err(fault) = begin_call(cx, &activation.env, activation.compiled, call) {
        return activation.end(fault);
    }
    cx.set_tail_calls(activation.env.tail_calls);
    let layout = activation.has_checks().then(|| cx.layout());
    let result = cx.help(call.at, call.helper, [r1, r2, r3, r4, r5]);
    if layout.is_some_and(|layout| layout != cx.layout()) {
        activation.forget();
    }
    if call.is_probe && matches!(result, Ok(0)) {
        activation.remember(cx, call.at, r3);
    }
    activation.env.tail_calls = cx.tail_calls().into();
    activation.env.meter = cx.left().cast_unsigned();
    match result {
        Ok(value) => {
            activation.env.tail = 0;
            value
        }
        Err(Replaced::By(prog)) => {
            let entered = activation.compiled.progs.get(prog);
            let main = entered.and_then(|entered| entered.address(entered.code().position(Pc(0))?));
            let Some(main) = main else {
                return activation.end(bug(cx, call.at, "a program without code"));
            };
            // It gets the frame of the function that it replaces.
            let frames = activation.compiled.frames(CodePlace { prog, pc: Pc(0) });
            if frames.is_none_or(|frames| !cx.has_room(activation.env.frame, frames)) {
                return activation.end(cx.too_deep(call.at));
            }
            activation.env.tail = main.as_ptr().expose_provenance() as u64;
            activation.env.tail_ctx = r1;
            0
        }
        Err(Replaced::Fault(fault)) => activation.end(fault),
    }
}

/// What code calls for a helper that gives a number of the embedder's state: there is nothing to tell the interpreter
/// before, and nothing to ask it after.
pub(crate) extern "C" fn number<S>(
    _: u64,
    _: u64,
    _: u64,
    _: u64,
    id: u64,
    env: NonNull<Env>,
) -> u64 {
    // SAFETY: as in `bridge`.
    let activation = unsafe { env.cast::<Activation<'_, '_, S>>().as_mut() };
    // SAFETY: as in `bridge`.
    let cx = unsafe { activation.cx.as_mut() };
    let call = usize::try_from(id).ok().and_then(|id| activation.compiled.bridged.get(id));
    // The compiler asked whether there is one.
    call.and_then(|call| cx.number(call.at, call.helper)).unwrap_or(0)
}

impl<S> Activation<'_, '_, S> {
    #[inline]
    fn has_checks(&self) -> bool {
        self.compiled.probes.len() > 0
    }

    /// From now on each load and copy of what may not be there looks its part of memory up again.
    #[inline]
    fn forget(&mut self) {
        for check in self.checks.iter_mut().take(self.compiled.probes.len()) {
            check.write(Check::default());
        }
    }

    /// Notes where one was, if the code may go there itself.
    fn remember(&mut self, cx: &mut Cx<'_, S>, at: CodePlace, addr: u64) {
        let Some(probe) = self.compiled.probes.get(at) else { return };
        let Some(window) = cx.host_window(addr) else { return };
        if let Some(slot) = self.checks.get_mut(probe.check) {
            let limit = (window.len + 1).saturating_sub(probe.bytes as usize) as u64;
            slot.write(Check { lo: window.lo, limit, to_host: 0 });
        }
    }

    /// The code returns from its entry next, and the run ends with this.
    fn end(&mut self, fault: Box<Fault>) -> u64 {
        self.fault = Some(fault);
        self.env.stop = 1;
        0
    }
}

/// What code calls for an access that is not plain.
extern "C" fn access<S>(env: NonNull<Env>, addr: u64, kind: u64, value: u64) -> u64 {
    // SAFETY: as in `bridge`.
    let activation = unsafe { env.cast::<Activation<'_, '_, S>>().as_mut() };
    // SAFETY: as in `bridge`.
    let cx = unsafe { activation.cx.as_mut() };
    let (kind, bytes, prog, pc) = Env::parts(kind);
    let at = CodePlace { prog, pc };
    match kind {
        Env::LOAD | Env::LOAD_SX => {
            activation.remember(cx, at, addr);
            let value = cx.probe(addr, bytes);
            if kind == Env::LOAD { value } else { extended(value, bytes) }
        }
        Env::METER => match refill(cx, &mut activation.env, at) {
            Ok(()) => 0,
            Err(fault) => activation.end(fault),
        },
        Env::STORE | Env::STORE_IMM => {
            match cx.store_ctx(addr, bytes, value, kind == Env::STORE_IMM) {
                Ok(()) => 0,
                Err(access) => activation.end(denied(cx, at, access)),
            }
        }
        Env::LOAD_ARENA | Env::LOAD_ARENA_SX => match cx.load_arena(addr, bytes) {
            Ok(value) if kind == Env::LOAD_ARENA => value,
            Ok(value) => extended(value, bytes),
            Err(access) => activation.end(denied(cx, at, access)),
        },
        Env::STORE_ARENA => match cx.store_arena(addr, bytes, value) {
            Ok(()) => 0,
            Err(access) => activation.end(denied(cx, at, access)),
        },
        Env::TURNS => match cx.take_turns(at, Env::SOME_TURNS) {
            Ok(()) => 0,
            Err(fault) => activation.end(fault),
        },
        Env::EACH => cx.show_key(bytes),
        Env::EACH_END => {
            cx.mem.drop_copy(addr);
            // What was found there is gone.
            activation.forget();
            0
        }
        Env::PACKET => load_packet(cx, &mut activation.env, addr, bytes),
        _ => activation.end(bug(cx, at, "an access of a kind that does not exist")),
    }
}

/// Tells the interpreter what its helper must know: the account, or that the program goes round once more.
pub(crate) fn begin_call<S>(
    cx: &mut Cx<'_, S>,
    env: &Env,
    compiled: &Compiled,
    call: Bridged,
) -> Result<(), Box<Fault>> {
    if compiled.is_metered {
        cx.set_left(env.meter.cast_signed());
    } else if call.is_turn {
        cx.take_turn(call.at)?;
    }
    Ok(())
}

/// Gives code more instructions.
pub(crate) fn refill<S>(
    cx: &mut Cx<'_, S>,
    env: &mut Env,
    at: CodePlace,
) -> Result<(), Box<Fault>> {
    cx.set_left(env.meter.cast_signed());
    cx.refill(at)?;
    env.meter = cx.left().cast_unsigned();
    Ok(())
}

/// A load of `LD_ABS` or `LD_IND`; notes whether there is nothing.
pub(crate) fn load_packet<S>(cx: &mut Cx<'_, S>, env: &mut Env, off: u64, bytes: usize) -> u64 {
    #[expect(clippy::cast_possible_truncation, reason = "the low half is the offset")]
    let off = (off as u32).cast_signed();
    let found = cx.load_packet(off, i32::try_from(bytes).unwrap_or(0));
    env.miss = found.is_none().into();
    found.unwrap_or(0)
}

/// A number of so many bytes, sign-extended.
fn extended(value: u64, bytes: usize) -> u64 {
    let unused = 64 - u32::try_from(bytes * 8).unwrap_or(64);
    (value << unused).cast_signed().wrapping_shr(unused).cast_unsigned()
}

/// The fault of an access that may not be.
#[cold]
fn denied<S>(cx: &Cx<'_, S>, at: CodePlace, access: AccessError) -> Box<Fault> {
    cx.fault_at(at, FaultKind::Access { access, base: None, place: None, helper: None })
}

/// The fault of code that does what the compiler never makes it do.
#[cold]
pub(crate) fn bug<S>(cx: &Cx<'_, S>, at: CodePlace, what: &str) -> Box<Fault> {
    cx.fault_at(at, FaultKind::Unsupported { what: format!("bug: {what}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_abi::ProgType;
    use skep_prog::Prog;
    use skep_vm::{Helpers, HostPointers, Input, Machine, Native, Stop, Vm};

    /// Code of a program that is there, and none of the program itself.
    fn without_code() -> Compiled {
        let at = CodePlace { prog: 0, pc: Pc(0) };
        Compiled::of_calls(vec![Bridged { at, helper: 0, is_turn: false, is_probe: false }])
    }

    type Act = fn(NonNull<Env>);

    /// Does what code would do that goes wrong.
    struct Wrong {
        compiled: Compiled,
        act: Act,
    }

    impl Native<()> for Wrong {
        fn call(&self, cx: &mut Cx<'_, ()>, at: CodePlace, _: [u64; 5]) -> Result<u64, Box<Fault>> {
            assert_eq!(at.prog, 0);
            let (cx, compiled) = (NonNull::from(&mut *cx), &self.compiled);
            let checks = [MaybeUninit::new(Check::default()); PROBES];
            let mut activation =
                Activation { env: Env::default(), checks, cx, compiled, fault: None };
            (self.act)(NonNull::from(&mut activation).cast());
            assert_eq!(activation.env.stop, 1, "the code would go on");
            Err(activation.fault.expect("an end without a fault"))
        }
    }

    #[track_caller]
    fn ends(act: Act) -> FaultKind {
        let helpers = Helpers::new()
            .with(12, "bpf_tail_call", || -> Result<u64, Stop> { Err(Stop::TailCall(0)) });
        let mut machine = Machine::<()>::new(helpers, Vec::new());
        let insns = skep_asm::assemble("call 12\nexit").unwrap();
        machine.load(&Prog::new("wrong", ProgType::Xdp, insns)).unwrap();
        let wrong = Wrong { compiled: without_code(), act };
        let mut vm = Vm::default();
        let pointers = HostPointers::default();
        let output = vm.run_native(&machine, 0, &mut (), Input::default(), pointers, &wrong);
        output.result.unwrap_err().kind
    }

    #[test]
    fn what_code_never_does_ends_the_run_with_a_fault() {
        let calls: [(Act, &str); 3] = [
            (|env| assert_eq!(bridge::<()>(0, 0, 0, 0, 0, env, 7), 0), "a call without a number"),
            (|env| assert_eq!(bridge::<()>(0, 0, 0, 0, 0, env, 0), 0), "a program without code"),
            (|env| assert_eq!(access::<()>(env, 0, 0xf8, 0), 0), "an access of a kind"),
        ];
        for (act, what) in calls {
            let kind = ends(act);
            let FaultKind::Unsupported { what: said } = &kind else { panic!("{kind:?}") };
            assert!(said.starts_with(&format!("bug: {what}")), "{said}");
        }
    }

    #[test]
    fn a_store_beside_the_context_ends_the_run_with_a_fault() {
        let kind = ends(|env| {
            let kind = u64::from(Env::STORE) | 8;
            assert_eq!(access::<()>(env, 0x1234_5678_0000, kind, 1), 0);
        });
        let FaultKind::Access { access, .. } = kind else { panic!("{kind:?}") };
        assert_eq!((access.addr, access.size, access.write), (0x1234_5678_0000, 8, true));
    }
}
