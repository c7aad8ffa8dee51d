//! Calls of the program's own functions, and returns from them.

use crate::change::Change;
use crate::frame::{Frame, RetRange};
use crate::reg::{Base, RegState};
use crate::reject::{Fact, Reject, Res, Stop, reject};
use crate::rule::Rule;
use crate::state::State;
use crate::verifier::{MAX_FRAMES, Next, Verifier};
use skep_abi::Errno;
use skep_isa::{Pc, Reg};

impl Verifier<'_> {
    /// Kernel: `check_func_call`.
    pub(crate) fn check_func_call(&mut self, off: i32) -> Res<Next> {
        let target = Pc(self.pc).jump(off).map(|pc| pc.0);
        let Some(subprog) = target.and_then(|pc| self.subprog_starting(pc)) else {
            return reject(Rule::Internal, "target of func call is not a program");
        };
        let args = self.check_subprog_call(subprog)?;
        if self.subprogs[subprog as usize].is_global {
            return self.call_global(subprog, args);
        }
        let pc = self.pc;
        let mut state = self.take_current();
        let entered = self.enter(&mut state, subprog, pc, |_, caller, callee| {
            callee.regs[1..=5].copy_from_slice(&caller.regs[1..=5]);
            Ok(())
        });
        let caller = state.frames.len().saturating_sub(2);
        if entered.is_ok() {
            for reg in &mut state.frames[caller].regs[..6] {
                *reg = RegState::NOT_INIT;
            }
        }
        self.cur = state;
        entered?;
        self.pc = self.subprogs[subprog as usize].start;
        self.live.reset_chain();
        Ok(Next::Jump)
    }

    /// The current state, for a while out of the verifier's hands.
    fn take_current(&mut self) -> Box<State> {
        let empty = State::new(Frame::new(crate::frame::MAIN, 0, 0), 0, false);
        std::mem::replace(&mut self.cur, Box::new(empty))
    }

    /// A global function is verified by itself; here it is enough that the arguments fit.
    fn call_global(&mut self, subprog: u32, args: Result<(), Box<Reject>>) -> Res<Next> {
        let name = self.subprog_name(subprog).to_owned();
        let fact = Fact::Call(name.clone());
        if self.cur.active_locks != 0 {
            let text = "global function calls are not allowed while holding a lock,\n\
                        use static function instead";
            return Reject::new(Rule::Lock, text).fact(fact).stop();
        }
        if !self.has(Change::SleepSummaries) && self.cur.active_preempt_locks != 0 {
            let text = "global function calls are not allowed with preemption disabled,\n\
                        use static function instead";
            return Reject::new(Rule::Lock, text).fact(fact).stop();
        }
        let may_sleep_here = self.in_sleepable()
            && self.cur.active_rcu_locks == 0
            && self.cur.active_preempt_locks == 0
            && self.cur.active_irq_id == 0;
        if self.has(Change::SleepSummaries)
            && self.subprogs[subprog as usize].might_sleep
            && !may_sleep_here
        {
            let text = "global functions that may sleep are not allowed in non-sleepable context,\n\
                        i.e., in a RCU/IRQ/preempt-disabled section, or in\n\
                        a non-sleepable BPF program context";
            return Reject::new(Rule::HelperSleep, text).fact(fact).stop();
        }
        if let Err(mut refused) = args {
            let text = format!("Caller passes invalid args into func#{subprog} ('{name}')");
            if !refused.kernel.is_empty() {
                refused.kernel.push('\n');
            }
            refused.kernel += &text;
            if refused.rule != Rule::SubprogProto {
                refused.rule = Rule::SubprogArg;
            }
            refused.facts.push(fact);
            return refused.stop();
        }
        if self.subprogs[subprog as usize].changes_pkt_data {
            self.clear_packet_pointers();
        }
        self.subprogs[subprog as usize].called = true;
        self.clear_caller_saved();
        self.mark_unknown(Reg::R0);
        Ok(Next::Fall)
    }

    /// Adds the frame of a function. Kernel: `setup_func_entry`.
    pub(crate) fn enter(
        &mut self,
        state: &mut State,
        subprog: u32,
        callsite: u32,
        set: impl FnOnce(&mut Self, &Frame, &mut Frame) -> Res<()>,
    ) -> Res<()> {
        let depth = state.frames.len();
        if depth >= MAX_FRAMES {
            return reject(
                Rule::CallDepth,
                format!("the call stack of {} frames is too deep", depth + 1),
            );
        }
        let frame = u32::try_from(depth).unwrap_or(u32::MAX);
        let mut callee = Frame::new(callsite, frame, subprog);
        set(self, state.top(), &mut callee)?;
        state.frames.push(callee);
        Ok(())
    }

    /// Name of a function, empty where it is not known.
    pub(crate) fn subprog_name(&self, subprog: u32) -> &str {
        let start = self.subprogs[subprog as usize].start;
        let found = self.prog.subprogs.iter().find(|sub| sub.start.0 == start);
        found.map_or("", |sub| sub.name.as_str())
    }

    /// Returns from the innermost function. Kernel: `prepare_func_exit`.
    pub(crate) fn prepare_func_exit(&mut self) -> Res<Next> {
        let r0 = *self.reg(Reg::R0);
        if r0.ty.is(Base::Stack) {
            return Reject::new(Rule::PtrLeak, "cannot return stack pointer to the caller")
                .errno(Errno::EINVAL)
                .fact(Fact::Reg(Reg::R0, r0))
                .stop();
        }
        let in_callback = self.frame().in_callback;
        if in_callback {
            self.check_callback_result(&r0)?;
        }
        let callsite = self.frame().callsite;
        self.cur.frames.pop();
        if in_callback {
            // Where the call is followed again: with another round, or beyond the last.
            self.pc = callsite;
        } else {
            *self.reg_mut(Reg::R0) = r0;
            self.pc = callsite + 1;
        }
        self.live.reset_chain();
        if in_callback && let Some(old) = self.previous_entry(self.pc, self.cur.dfs_depth) {
            let mut state = self.take_current();
            self.widen(old, &mut state);
            self.cur = state;
        }
        Ok(Next::Jump)
    }

    fn check_callback_result(&mut self, r0: &RegState) -> Res<()> {
        if !r0.ty.is(Base::Scalar) {
            return Reject::new(Rule::Callback, "R0 not a scalar value")
                .errno(Errno::EACCES)
                .fact(Fact::Reg(Reg::R0, *r0))
                .stop();
        }
        self.mark_chain_precision(Reg::R0)?;
        let range = self.frame().callback_ret;
        if !within(range, r0, false) {
            return self.invalid_result(r0, range, "At callback return", Rule::Callback);
        }
        Ok(())
    }

    /// A result outside its range. Kernel: `verbose_invalid_scalar`.
    pub(crate) fn invalid_result<T>(
        &self,
        r0: &RegState,
        range: RetRange,
        place: &str,
        rule: Rule,
    ) -> Res<T> {
        let mut text = format!("{place} the register R0 has");
        if r0.num.smin > i64::MIN {
            text += &format!(" smin={}", r0.num.smin);
        }
        if r0.num.smax < i64::MAX {
            text += &format!(" smax={}", r0.num.smax);
        }
        if r0.num.smin == i64::MIN && r0.num.smax == i64::MAX {
            text += " unknown scalar value";
        }
        text += &format!(" should have been in [{}, {}]", range.min, range.max);
        Reject::new(rule, text)
            .fact(Fact::Reg(Reg::R0, *r0))
            .fact(Fact::Required(format!("a number from {} to {}", range.min, range.max)))
            .stop()
    }

    /// The function's parameters fit what the registers hold, as far as its prototype is known. The
    /// inner result says so; only the kernel's own confusion stops. Kernel: `btf_check_subprog_call`.
    pub(crate) fn check_subprog_call(&mut self, subprog: u32) -> Res<Result<(), Box<Reject>>> {
        let refused = |text: &str| Ok(Err(Box::new(Reject::new(Rule::SubprogArg, text))));
        if !self.has_func_info() {
            return refused("");
        }
        if self.subprogs[subprog as usize].unreliable {
            return refused("");
        }
        match self.check_args_match(subprog) {
            Ok(()) => Ok(Ok(())),
            Err(Stop::Reject(reject)) if reject.errno == Errno::EFAULT => Err(Stop::Reject(reject)),
            Err(Stop::Reject(reject)) => {
                self.subprogs[subprog as usize].unreliable = true;
                Ok(Err(reject))
            }
            Err(stop) => Err(stop),
        }
    }
}

/// Kernel: `retval_range_within`.
pub(crate) fn within(range: RetRange, r0: &RegState, half: bool) -> bool {
    if half {
        range.min <= r0.num.s32_min && r0.num.s32_max <= range.max
    } else {
        i64::from(range.min) <= r0.num.smin && r0.num.smax <= i64::from(range.max)
    }
}
