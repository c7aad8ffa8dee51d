//! The end of a function: what is still held, and what it returns.

use crate::call::func_call::within;
use crate::call::target::is_bool_lsm;
use crate::frame::RetRange;
use crate::reg::{Base, RegState};
use crate::reject::{Fact, Reject, Res, Stop};
use crate::rule::Rule;
use crate::verifier::{Next, Verifier};
use skep_abi::{AttachType, Errno, ProgType};
use skep_btf::{Body, Kind, TypeId};
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
        self.check_resource_leak(false, main, "BPF_EXIT instruction in main prog")?;
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
        let frame = self.frame();
        let (is_async, handler) = (frame.in_async_callback, frame.in_exception_callback);
        let is_subprog = frame.subprog != 0;
        if (!is_subprog || handler) && self.returns_nothing()? {
            return Ok(());
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
                return Reject::new(Rule::ReturnRange, text)
                    .fact(Fact::Reg(Reg::R0, r0))
                    .stop();
            }
            return Ok(());
        }
        match self.enforced_range()? {
            Some(enforced) => self.enforce(&r0, enforced, "At program exit"),
            None => Ok(()),
        }
    }

    fn enforce(&mut self, r0: &RegState, enforced: Enforced, place: &str) -> Res<()> {
        if !r0.ty.is(Base::Scalar) {
            let text = format!(
                "{place} the register R0 is not a known value ({})",
                r0.ty.kernel_name()
            );
            return Reject::new(Rule::ReturnRange, text).fact(Fact::Reg(Reg::R0, *r0)).stop();
        }
        self.mark_chain_precision(Reg::R0)?;
        if within(enforced.range, r0, enforced.half) {
            return Ok(());
        }
        let refused = self.invalid_result(r0, enforced.range, place, Rule::ReturnRange);
        let void_cgroup = self.frame().subprog == 0
            && self.prog.prog_type == ProgType::Lsm
            && self.prog.attach_type == Some(AttachType::LsmCgroup)
            && self.target_returns_void()?;
        match refused {
            Err(Stop::Reject(mut reject)) if void_cgroup => {
                reject.kernel += "\nNote, BPF_LSM_CGROUP that attach to void LSM hooks can't modify return value!";
                Err(Stop::Reject(reject))
            }
            other => other,
        }
    }

    /// Programs at functions without a result return none. Kernel: `program_returns_void`.
    fn returns_nothing(&self) -> Res<bool> {
        match self.prog.prog_type {
            ProgType::Lsm if self.prog.attach_type != Some(AttachType::LsmCgroup) => {
                self.target_returns_void()
            }
            ProgType::StructOps => self.target_returns_void(),
            _ => Ok(false),
        }
    }

    /// What the program may return; `None` is anything. Kernel: `return_retval_range`.
    fn enforced_range(&self) -> Res<Option<Enforced>> {
        use AttachType as A;
        let range = |min, max| Ok(Some(Enforced { range: RetRange { min, max }, half: false }));
        let attach = self.prog.attach_type.or_else(|| self.prog.prog_type.default_attach());
        match self.prog.prog_type {
            ProgType::CgroupSockAddr => match attach {
                Some(
                    A::CgroupUdp4Recvmsg
                    | A::CgroupUdp6Recvmsg
                    | A::CgroupUnixRecvmsg
                    | A::CgroupInet4Getpeername
                    | A::CgroupInet6Getpeername
                    | A::CgroupUnixGetpeername
                    | A::CgroupInet4Getsockname
                    | A::CgroupInet6Getsockname
                    | A::CgroupUnixGetsockname,
                ) => range(1, 1),
                Some(A::CgroupInet4Bind | A::CgroupInet6Bind) => range(0, 3),
                _ => range(0, 1),
            },
            ProgType::CgroupSkb if attach == Some(A::CgroupInetEgress) => range(0, 3),
            ProgType::CgroupSkb
            | ProgType::CgroupSock
            | ProgType::SockOps
            | ProgType::CgroupDevice
            | ProgType::CgroupSysctl
            | ProgType::CgroupSockopt
            | ProgType::SkLookup
            | ProgType::Netfilter => range(0, 1),
            ProgType::RawTracepoint if self.env.attach_to.is_empty() => Ok(None),
            ProgType::RawTracepoint => range(0, 0),
            ProgType::Tracing => match attach {
                Some(A::TraceFentry | A::TraceFexit) => range(0, 0),
                Some(A::TraceRawTp | A::ModifyReturn) => Ok(None),
                Some(A::TraceIter) => range(0, 1),
                _ => Reject::new(Rule::AttachTarget, "").errno(Errno::ENOTSUPP).stop(),
            },
            ProgType::Kprobe => match attach {
                Some(A::TraceKprobeSession | A::TraceUprobeSession) => range(0, 1),
                _ => Ok(None),
            },
            ProgType::Lsm if attach == Some(A::LsmCgroup) => {
                if self.target_returns_void()? { range(1, 1) } else { range(0, 1) }
            }
            ProgType::Lsm => self.lsm_range(),
            _ => Ok(None),
        }
    }

    /// What a hook of security modules takes. Kernel: `bpf_lsm_get_retval_range`.
    fn lsm_range(&self) -> Res<Option<Enforced>> {
        let name = self.env.attach_to;
        let Some(ret) = self.target_return()? else { return Ok(None) };
        let is_int = self
            .vmlinux
            .and_then(|btf| btf.get(ret))
            .is_some_and(|ty| matches!(ty.body, Body::Int(_)));
        if !is_int {
            return Ok(None);
        }
        let range = if is_bool_lsm(name) {
            RetRange { min: 0, max: 1 }
        } else {
            RetRange { min: -4095, max: 0 }
        };
        Ok(Some(Enforced { range, half: true }))
    }

    /// The type of the result of the function that the program is attached to.
    pub(crate) fn target_return(&self) -> Res<Option<TypeId>> {
        let Some(btf) = self.vmlinux else {
            return crate::reject::unsupported("attachment without the kernel's types");
        };
        let name = self.env.attach_to;
        let prefixed = format!("bpf_lsm_{name}");
        let func = if self.prog.prog_type == ProgType::Lsm && !name.starts_with("bpf_lsm_") {
            btf.find(&prefixed, Kind::Func)
        } else {
            btf.find(name, Kind::Func)
        };
        let proto = match func.map(|ty| ty.body) {
            Some(Body::Func { proto, .. }) => proto,
            _ => return self.struct_ops_return(),
        };
        match btf.get(proto).map(|ty| ty.body) {
            Some(Body::FuncProto { ret, .. }) => Ok(Some(ret)),
            _ => Ok(None),
        }
    }

    /// The type of the result of a member of a structure that the program implements.
    fn struct_ops_return(&self) -> Res<Option<TypeId>> {
        crate::reject::unsupported("the place that the program is attached to")
    }
}

/// The range of an asynchronous callback.
fn frame_range(cx: &Verifier<'_>) -> RetRange {
    cx.frame().callback_ret
}
