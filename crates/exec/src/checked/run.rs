//! A run of code that checks, and what it leaves to the interpreter's functions.

use crate::activation::{begin_call, bug, load_packet, refill};
use crate::compiled::Compiled;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use skep_isa::{Insn, Pc};
use skep_jit::{CHECKS, Check, Entry, Env};
use skep_vm::{CodePlace, Cx, FRAME_SIZE, Fault, FaultKind, MAX_FRAMES, Replaced};

/// One entry into code.
#[repr(C)]
struct Activation<'a, 'r, S> {
    /// First, so that its address is that of the activation.
    env: Env,
    /// Behind the environment, as code wants it. Of those that the code has, the limit is set.
    checks: [MaybeUninit<Check>; CHECKS],
    cx: NonNull<Cx<'r, S>>,
    compiled: &'a Compiled,
    prog: usize,
    fault: Option<Box<Fault>>,
}

/// Runs a function of a program to its end.
pub(crate) fn run<S>(
    compiled: &Compiled,
    cx: &mut Cx<'_, S>,
    at: CodePlace,
    args: [u64; 5],
) -> Result<u64, Box<Fault>> {
    if compiled.machine != cx.machine_id() {
        let what = "machine code of another machine".into();
        return Err(cx.fault_at(at, FaultKind::Unsupported { what }));
    }
    let depth = cx.depth();
    if depth >= MAX_FRAMES {
        return Err(cx.too_deep(at));
    }
    let Some(entered) = compiled.progs.get(at.prog) else {
        return Err(bug(cx, at, "a program without code"));
    };
    let functions = compiled.frames_of(at.prog);
    let least = functions.and_then(|functions| functions.get(&at.pc).copied());
    if least.is_none_or(|least| depth + 1 < least) {
        // Programs may make addresses up, of what is no function but can be run from, and of functions that are never
        // called from where they are then.
        return cx.interpret(at, args);
    }
    let is_main = at.pc == Pc(0) && entered.code().entry != Entry::AsFunction;
    let target = entered.code().position(at.pc).and_then(|pos| entered.address(pos));
    let function = entered.function(!is_main);
    let (Some(target), Some(function)) = (target, function) else {
        return Err(bug(cx, at, "a function without code"));
    };
    let (end, to_region) = cx.stack_end();
    let above = end - u64::from(FRAME_SIZE * depth);
    cx.set_depth(depth + 1);
    let env = Env {
        // Functions go down by a frame themselves.
        stack: if is_main { above } else { above + u64::from(FRAME_SIZE) },
        target: target.as_ptr().expose_provenance() as u64,
        bridge: bridge::<S> as *const () as u64,
        access: access::<S> as *const () as u64,
        cpu: cx.cpu().0.into(),
        meter: cx.left().cast_unsigned(),
        bottom: end - u64::from(FRAME_SIZE * MAX_FRAMES),
        to_region,
        ..Env::default()
    };
    let mut activation = Activation {
        env,
        checks: [MaybeUninit::uninit(); CHECKS],
        cx: NonNull::from(&mut *cx),
        compiled,
        prog: at.prog,
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
    cx.set_depth(depth);
    fault.map_or(Ok(r0), Err)
}

impl<S> Activation<'_, '_, S> {
    /// From now on each access looks its part of memory up again.
    fn forget(&mut self) {
        let code = self.compiled.progs.get(self.prog).map(|entered| entered.code());
        let used = code.map_or(0, |code| code.checks.len());
        // Those that are shared lie at the end.
        let used = if used < CHECKS / 2 { used } else { CHECKS };
        for check in self.checks.iter_mut().take(used) {
            check.write(Check::default());
        }
    }

    /// The code returns from its entry next, and the run ends with this.
    fn end(&mut self, fault: Box<Fault>) -> u64 {
        self.fault = Some(fault);
        self.env.stop = 1;
        0
    }

    /// Notes where a call has copied from, and where to.
    fn remember_probe(&mut self, cx: &mut Cx<'_, S>, at: CodePlace, (from, to): (u64, u64)) {
        let Some(entered) = self.compiled.progs.get(at.prog) else { return };
        let checks = &entered.code().checks;
        let first = checks.partition_point(|check| check.pc < at.pc);
        // There are none where there were too many before it.
        let pair = checks.get(first..first + 2).unwrap_or_default();
        let frames = self.compiled.least_depth(at);
        for (n, (check, (addr, write))) in
            (first..).zip(pair.iter().zip([(from, false), (to, true)]))
        {
            if check.pc == at.pc
                && let Some(window) = cx.window(addr, write, frames)
                && let Some(slot) = self.checks.get_mut(n)
            {
                slot.write(Check {
                    lo: window.lo,
                    limit: (window.len + 1).saturating_sub(check.bytes as usize) as u64,
                    to_host: window.host.wrapping_sub(window.lo),
                });
            }
        }
    }

    /// Notes where an access was, if the code may go there itself.
    fn remember(&mut self, cx: &mut Cx<'_, S>, at: CodePlace, addr: u64) {
        let Some(entered) = self.compiled.progs.get(at.prog) else { return };
        let checks = &entered.code().checks;
        let Ok(n) = checks.binary_search_by_key(&at.pc, |check| check.pc) else { return };
        let all = checks.get(n).map_or(0, |check| check.bytes as usize);
        let insn = cx.insn_at(at);
        let Some(Insn::Load { size, .. } | Insn::LoadSx { size, .. } | Insn::Store { size, .. }) =
            insn
        else {
            return;
        };
        let (bytes, write) = (usize::from(size.bytes()), matches!(insn, Some(Insn::Store { .. })));
        // Of the stack all functions that share a check have only the first frame.
        let frames = if Check::is_shared(n) { 1 } else { self.compiled.least_depth(at) };
        let Some(window) = cx.window(addr, write, frames) else { return };
        let Some(check) = self.checks.get_mut(Check::number(n, bytes, write)) else { return };
        check.write(Check {
            lo: window.lo,
            limit: (window.len + 1).saturating_sub(all) as u64,
            to_host: window.host.wrapping_sub(window.lo),
        });
    }
}

/// Functions active when the frame pointer is this.
fn depth_at<S>(cx: &Cx<'_, S>, frame: u64) -> u32 {
    let below = cx.stack_end().0.saturating_sub(frame) / u64::from(FRAME_SIZE);
    u32::try_from(below).map_or(MAX_FRAMES, |below| below + 1)
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
        let at = CodePlace { prog: activation.prog, pc: Pc(0) };
        return activation.end(bug(cx, at, "a call without a number"));
    };
    cx.set_depth(depth_at(cx, activation.env.frame));
    if let Err(fault) = begin_call(cx, &activation.env, activation.compiled, call) {
        return activation.end(fault);
    }
    let layout = cx.layout();
    let args = [r1, r2, r3, r4, r5];
    let result = cx.help(call.at, call.helper, args);
    activation.env.tail = matches!(result, Err(Replaced::By(_))).into();
    let result = match result {
        Ok(value) => Ok(value),
        Err(Replaced::By(prog)) => {
            // It gets the frame of the function that it replaces.
            cx.set_depth(cx.depth().saturating_sub(1));
            run(activation.compiled, cx, CodePlace { prog, pc: Pc(0) }, args)
        }
        Err(Replaced::Fault(fault)) => Err(fault),
    };
    if cx.layout() != layout {
        activation.forget();
    }
    if call.is_probe && matches!(result, Ok(0)) {
        activation.remember_probe(cx, call.at, (r3, r1));
    }
    activation.env.meter = cx.left().cast_unsigned();
    result.unwrap_or_else(|fault| activation.end(fault))
}

/// What code calls for what it does not do itself.
extern "C" fn access<S>(env: NonNull<Env>, addr: u64, kind: u64, value: u64) -> u64 {
    // SAFETY: as in `bridge`.
    let activation = unsafe { env.cast::<Activation<'_, '_, S>>().as_mut() };
    // SAFETY: as in `bridge`.
    let cx = unsafe { activation.cx.as_mut() };
    let (kind, bytes, prog, pc) = Env::parts(kind);
    let at = CodePlace { prog, pc };
    match kind {
        Env::CHECKED => {
            cx.set_depth(depth_at(cx, activation.env.frame));
            match cx.execute(at, addr, value, activation.env.r0) {
                Ok(value) => {
                    activation.remember(cx, at, addr);
                    value
                }
                Err(fault) => activation.end(fault),
            }
        }
        Env::DEEP => activation.end(cx.too_deep(at)),
        Env::METER => match refill(cx, &mut activation.env, at) {
            Ok(()) => 0,
            Err(fault) => activation.end(fault),
        },
        Env::PACKET => load_packet(cx, &mut activation.env, addr, bytes),
        _ => activation.end(bug(cx, at, "an access of a kind that does not exist")),
    }
}
