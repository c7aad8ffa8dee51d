//! The end of a function: what is still held, and what it returns.

use crate::btf_ref::BtfRef;
use crate::call::func_call::within;
use crate::frame::RetRange;
use crate::refs::EXIT;
use crate::reg::{Base, RegState};
use crate::reject::{Fact, Reject, Res, Stop};
use crate::rule::Rule;
use crate::verifier::{Next, Verifier};
use skep_abi::{AttachType, Errno, ProgType, ResultRule, Returns};
use skep_btf::{Body, Type};
use skep_isa::Reg;

/// A range that results must be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Enforced {
    range: RetRange,
    /// Whether only the lower half counts.
    half: bool,
}

impl Verifier<'_> {
    /// Kernel: `process_bpf_exit_full`.
    pub(crate) fn check_exit(&mut self) -> Res<Next> {
        let main = self.cur.curframe() == 0;
        self.check_resource_leak(false, main, EXIT)?;
        if !main {
            self.update_live_stack();
            return self.prepare_func_exit();
        }
        self.check_return_code()?;
        Ok(Next::End)
    }

    /// An exception leaves all functions. Kernel: `process_bpf_exit_full(…, true)`.
    pub(crate) fn check_throw_exit(&mut self) -> Res<Next> {
        self.check_resource_leak(true, true, "bpf_throw")?;
        Ok(Next::End)
    }

    /// What is thrown is what the program returns, without a handler.
    pub(crate) fn check_thrown(&mut self) -> Res<()> {
        self.check_return_code().map_err(|stop| match stop {
            Stop::Reject(mut reject) => {
                reject.kernel = reject.kernel.replace("R0", "R1");
                Stop::Reject(reject)
            }
            other => other,
        })
    }

    /// Kernel: `check_return_code`.
    fn check_return_code(&mut self) -> Res<()> {
        let frame = &self.cur.frames[0];
        let (is_async, handler) = (frame.in_async_callback, frame.in_exception_callback);
        let is_subprog = frame.subprog != 0;
        let rule = self.result_rule()?;
        if (!is_subprog || handler) && rule == ResultRule::Unread {
            return Ok(());
        }
        if rule == ResultRule::NullOrReference && self.returns_reference() {
            return self.check_ptr_off_reg(Reg::R0);
        }
        self.check_src(Reg::R0)?;
        let r0 = *self.reg(Reg::R0);
        if self.is_pointer_value(Reg::R0) {
            return Reject::new(Rule::PtrLeak, "R0 leaks addr as return value")
                .fact(Fact::Reg(Reg::R0, r0))
                .stop();
        }
        if is_async {
            let enforced = Enforced { range: frame_range(self), half: false };
            return self.enforce(&r0, enforced, "At async callback return");
        }
        if is_subprog && !handler {
            if !r0.ty.is(Base::Scalar) {
                let text = format!(
                    "At subprogram exit the register R0 is not a scalar value ({})",
                    r0.ty.kernel_name()
                );
                return Reject::new(Rule::ReturnRange, text).fact(Fact::Reg(Reg::R0, r0)).stop();
            }
            return Ok(());
        }
        let (min, max, half) = match rule {
            ResultRule::Range(min, max) => (min, max, false),
            ResultRule::Range32(min, max) => (min, max, true),
            ResultRule::Any | ResultRule::Unread => return Ok(()),
            // Null, where it is no reference.
            ResultRule::NullOrReference => (0, 0, false),
        };
        let enforced = Enforced { range: RetRange { min, max }, half };
        self.enforce(&r0, enforced, "At program exit")
    }

    fn enforce(&mut self, r0: &RegState, enforced: Enforced, place: &str) -> Res<()> {
        if !r0.ty.is(Base::Scalar) {
            let text =
                format!("{place} the register R0 is not a known value ({})", r0.ty.kernel_name());
            return Reject::new(Rule::ReturnRange, text).fact(Fact::Reg(Reg::R0, *r0)).stop();
        }
        self.mark_chain_precision(Reg::R0)?;
        if within(enforced.range, r0, enforced.half) {
            return Ok(());
        }
        let refused = self.invalid_result(r0, enforced.range, place, Rule::ReturnRange);
        let void_cgroup = self.cur.frames[0].subprog == 0
            && self.prog.prog_type == ProgType::Lsm
            && self.prog.attach_type == Some(AttachType::LsmCgroup)
            && self.target_returns_void();
        match refused {
            Err(Stop::Reject(mut reject)) if void_cgroup => {
                reject.kernel += "\nNote, BPF_LSM_CGROUP that attach to void LSM hooks can't modify return value!";
                Err(Stop::Reject(reject))
            }
            other => other,
        }
    }

    /// What the program may return; the kernel's table knows. Kernel: `return_retval_range`.
    fn result_rule(&self) -> Res<ResultRule> {
        use AttachType as A;
        let attach = self.prog.attach_type.or_else(|| self.prog.prog_type.default_attach());
        match self.prog.prog_type {
            ProgType::RawTracepoint if self.env.attach_to.is_empty() => return Ok(ResultRule::Any),
            ProgType::Tracing => {
                let known = matches!(
                    attach,
                    Some(
                        A::TraceFentry
                            | A::TraceFexit
                            | A::TraceRawTp
                            | A::ModifyReturn
                            | A::TraceIter
                    )
                );
                if !known {
                    return Reject::new(Rule::AttachTarget, "").errno(Errno::ENOTSUPP).stop();
                }
            }
            _ => {}
        }
        let returns = match self.target_return() {
            None => Returns::Void,
            Some(ty) => match ty.body {
                Body::Void => Returns::Void,
                Body::Ptr(_) => Returns::Pointer,
                _ => Returns::Number,
            },
        };
        let name = &self.mem.attached.name;
        Ok(self.prog.prog_type.result_rule(attach, name, returns))
    }

    /// The result of the function that the program is attached to, where there is one.
    fn target_return(&self) -> Option<Type<'_>> {
        let btf = self.vmlinux?;
        match btf.get(self.mem.attached.proto?)?.body {
            Body::FuncProto { ret, .. } => btf.resolve(ret),
            _ => None,
        }
    }

    /// Whether r0 is a reference of the type that the function returns a pointer to.
    fn returns_reference(&self) -> bool {
        let to = match self.target_return().map(|ty| ty.body) {
            Some(Body::Ptr(to)) => self.vmlinux.and_then(|btf| btf.resolve(to)),
            _ => None,
        };
        let r0 = self.reg(Reg::R0);
        to.is_some_and(|to| r0.btf() == Some((BtfRef::Kernel, to.id)) && r0.ref_obj_id != 0)
    }

    /// Whether the function that the program is attached to returns nothing.
    pub(crate) fn target_returns_void(&self) -> bool {
        self.target_return().is_none_or(|ty| matches!(ty.body, Body::Void))
    }
}

/// The range of an asynchronous callback.
fn frame_range(cx: &Verifier<'_>) -> RetRange {
    cx.cur.frames[0].callback_ret
}
