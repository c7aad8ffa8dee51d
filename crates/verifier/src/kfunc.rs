//! Calls of functions of the kernel (kfuncs).
//!
//! Unlike helpers they have no table of prototypes: what they take is read off their types in the
//! kernel's BTF ([`kind`]), from the types and suffixes of their parameters. [`arg`] checks what the
//! registers hold, [`graph`] lists and trees, [`result`] what comes back.
//!
//! Kernel: `check_kfunc_call`.

mod arg;
mod graph;
mod kind;
mod result;

use crate::aux::Aux;
use crate::call::Summary;
use crate::call::callback::Callback;
use crate::record::Field;
use crate::reg::{DynptrKind, flag};
use crate::reject::{Fact, Reject, Res, Stop, reject, unsupported};
use crate::rule::Rule;
use crate::verifier::{Next, Verifier};
use crate::{BtfRef, frame::Byte};
use skep_abi::{Errno, Kfunc, Release, kfunc_flag};
use skep_btf::{Body, Btf, Kind, Param, Type, TypeId, fixup};
use skep_isa::{Call, Insn, Reg};
use skep_prog::Extern;
use std::cell::RefCell;
use std::collections::HashMap;

/// Number that loaders call in place of a kernel function that is not there. Of libbpf:
/// `POISON_CALL_KFUNC_BASE`.
const POISON: u32 = 2_002_000_000;

/// A call of no function, which is only refused if it is not dead code.
const NO_KFUNC: Call = Call::Kfunc { id: 0, module: 0 };

/// Least error of a lock that was not taken. Kernel: `-MAX_ERRNO`.
const MIN_ERRNO: i32 = -4095;

/// The release whose functions the table lists; some of older ones are gone.
const TABLE: Release = Release { major: 6, minor: 18 };

/// Functions of the kernel: looking through all its types takes time.
#[derive(Clone, Debug, Default)]
pub(crate) struct FuncCache {
    names: RefCell<HashMap<String, Option<TypeId>>>,
    /// Those that the program names, by the number of the extern.
    externs: RefCell<HashMap<i32, Option<TypeId>>>,
}

/// A dynptr that was passed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GivenDynptr {
    pub(crate) kind: DynptrKind,
    pub(crate) id: u32,
    pub(crate) ref_obj_id: u32,
}

/// A call and what its arguments told so far. Kernel: `struct bpf_kfunc_call_arg_meta`.
#[derive(Clone, Debug)]
pub(crate) struct KMeta<'a> {
    pub(crate) name: &'static str,
    pub(crate) flags: u32,
    pub(crate) btf: &'a Btf,
    pub(crate) params: Vec<Param<'a>>,
    pub(crate) ret: TypeId,
    /// Bytes behind the result, and whether they may only be read.
    pub(crate) r0_size: u64,
    pub(crate) r0_rdonly: bool,
    pub(crate) ref_obj_id: u32,
    pub(crate) release: Option<Reg>,
    pub(crate) constant: Option<u64>,
    /// Map that was passed, or that holds what was passed, and which look-up it came from.
    pub(crate) map: Option<(u32, u32)>,
    pub(crate) subprog: Option<u32>,
    /// Frame and slot of an iterator.
    pub(crate) iter: Option<(u32, usize)>,
    pub(crate) dynptr: Option<GivenDynptr>,
    /// Type of an object that was passed.
    pub(crate) object: Option<(BtfRef, TypeId)>,
    pub(crate) owning: bool,
    pub(crate) list_head: Option<Field>,
    pub(crate) rb_root: Option<Field>,
    /// The kernel's view of the context.
    pub(crate) kern_ctx: Option<TypeId>,
}

impl KMeta<'_> {
    /// Whether any of these flags is set.
    pub(crate) fn has(&self, flags: u32) -> bool {
        self.flags & flags != 0
    }

    /// Kernel: `is_kfunc_trusted_args`.
    pub(crate) fn wants_trusted(&self) -> bool {
        self.has(kfunc_flag::TRUSTED_ARGS | kfunc_flag::RELEASE)
    }

    /// Kernel: `is_kfunc_ret_null`.
    pub(crate) fn may_return_null(&self) -> bool {
        self.has(kfunc_flag::RET_NULL) && !(self.name == "bpf_refcount_acquire_impl" && self.owning)
    }
}

impl<'a> Verifier<'a> {
    /// The kernel function that a call names, as the program spells it, without flavor.
    pub(crate) fn kfunc_name(&self, call: Call) -> Option<&'a str> {
        let Call::Kfunc { id, module } = call else { return None };
        let name = if module == Extern::MODULE {
            if self.vmlinux.is_some() {
                self.extern_func(id)?;
            }
            let named = self.prog.externs.get(usize::try_from(id).ok()?)?;
            named.name.as_str()
        } else {
            let id = TypeId(u32::try_from(id).ok()?);
            self.vmlinux.filter(|_| module == 0)?.get(id)?.name
        };
        Some(name.split_once("___").map_or(name, |(name, _)| name))
    }

    /// Name and flags of a kernel function that programs may know.
    pub(crate) fn kfunc_row(&self, call: Call) -> Option<(&'static str, u32)> {
        let row = Kfunc::find(self.kfunc_name(call)?)?;
        Some((row.name, row.flags))
    }

    /// The function of the kernel that the program names by the number of an extern: one of another
    /// prototype is none.
    pub(crate) fn extern_func(&self, id: i32) -> Option<TypeId> {
        if let Some(&known) = self.kernel_funcs.externs.borrow().get(&id) {
            return known;
        }
        let named = self.prog.externs.get(usize::try_from(id).ok()?)?;
        let found = match self.btf.zip(named.type_id) {
            Some((btf, ty)) => fixup::kernel_func(btf, ty, &named.name, self.vmlinux?),
            None => self.kernel_func(&named.name),
        };
        self.kernel_funcs.externs.borrow_mut().insert(id, found);
        found
    }

    /// A function of the kernel by its name.
    pub(crate) fn kernel_func(&self, name: &str) -> Option<TypeId> {
        if let Some(&known) = self.kernel_funcs.names.borrow().get(name) {
            return known;
        }
        let found = self.vmlinux?.find(name, Kind::Func).map(|func| func.id);
        self.kernel_funcs.names.borrow_mut().insert(name.to_owned(), found);
        found
    }

    /// Result and parameters of a function of the kernel.
    fn kernel_proto(&self, name: &str) -> Option<(&'a Btf, TypeId, Vec<Param<'a>>)> {
        let btf = self.vmlinux?;
        let Type { body: Body::Func { proto, .. }, .. } = btf.get(self.kernel_func(name)?)? else {
            return None;
        };
        let Type { body: Body::FuncProto { ret, params }, .. } = btf.get(proto)? else {
            return None;
        };
        Some((btf, ret, params.iter().collect()))
    }

    /// Kernel: `bpf_get_call_summary`.
    pub(crate) fn kfunc_summary(&self, call: Call) -> Option<Summary> {
        let (name, flags) = self.kfunc_row(call)?;
        let (btf, ret, params) = self.kernel_proto(name)?;
        Some(Summary {
            params: u8::try_from(params.len()).ok()?,
            is_void: matches!(btf.get(ret)?.body, Body::Void),
            fastcall: flags & kfunc_flag::FASTCALL != 0,
        })
    }

    /// Whether the call at the slot is one that holds a tree's lock during a callback.
    pub(crate) fn is_rbtree_call(&self, pc: u32) -> bool {
        let Some(Insn::Call(call)) = self.insns[pc as usize] else { return false };
        self.kfunc_row(call).is_some_and(|(name, _)| graph::is_rbtree(name))
    }

    /// Kernel: `kfunc_spin_allowed`.
    pub(crate) fn kfunc_may_run_locked(&self, call: Call) -> bool {
        let row = self.kfunc_name(call).and_then(Kfunc::find);
        row.is_some_and(Kfunc::runs_locked)
    }

    /// What keeps a program from calling kernel functions whether it comes to it or not.
    /// Kernel: `add_kfunc_call`.
    pub(crate) fn check_kfunc_calls(&self) -> Res<()> {
        if !self.names_functions {
            return Ok(());
        }
        for insn in self.insns.iter().flatten() {
            let Insn::Call(call @ Call::Kfunc { .. }) = *insn else { continue };
            if !self.is_gpl() {
                let text = "cannot call kernel function from non-GPL compatible program";
                return Reject::new(Rule::HelperGpl, text).stop();
            }
            let Some(name) = self.kfunc_name(call) else { continue };
            let fact = Fact::Call(name.to_owned());
            if name.starts_with("bpf_xdp_metadata_rx_") && self.kernel_func(name).is_some() {
                let text = "metadata kfuncs require device-bound program";
                return Reject::new(Rule::KfuncUnknown, text)
                    .errno(Errno::EINVAL)
                    .fact(fact)
                    .stop();
            }
        }
        Ok(())
    }

    /// Calls of no function were not reached. Kernel: `fixup_kfunc_call`.
    pub(crate) fn check_no_kfuncs(&mut self) -> Res<()> {
        let is_left =
            |(insn, aux): (&Option<Insn>, &Aux)| aux.seen && *insn == Some(Insn::Call(NO_KFUNC));
        if self.names_functions && self.insns.iter().zip(&self.aux).any(is_left) {
            let text = "invalid kernel function call not eliminated in verifier pass";
            return reject(Rule::KfuncArg, text);
        }
        Ok(())
    }

    /// The call's function, if the program may call it. Kernel: `fetch_kfunc_meta`.
    fn kfunc_meta(&self, call: Call) -> Res<KMeta<'a>> {
        let Some(name) = self.kfunc_name(call) else {
            return self.absent_kfunc(call);
        };
        if self.vmlinux.is_none() {
            return unsupported("kernel functions without the kernel's types");
        }
        let fact = Fact::Call(name.to_owned());
        let Some((btf, ret, params)) = self.kernel_proto(name) else {
            return unsupported(format!("the kernel function {name} without its prototype"));
        };
        let (prog_type, attach) = (self.prog.prog_type, self.prog.attach_type);
        let target = &self.mem.attached;
        let ops = target.ops.map(|ops| (ops.name, target.name.as_str()));
        let row = Kfunc::find_at(name, self.env.kernel.release)
            .filter(|(row, _)| row.admits(prog_type, attach, ops));
        let Some((row, since)) = row else {
            if Kfunc::find(name).is_none() && !self.is_since(TABLE) {
                return unsupported(format!(
                    "the kernel function {name}, which later kernels lack"
                ));
            }
            let text = format!("calling kernel function {name} is not allowed");
            return Reject::new(Rule::KfuncUnknown, text).fact(fact).stop();
        };
        if let Some(since) = since.filter(|&since| !self.is_since(since)) {
            return Self::newer(Rule::KfuncUnknown, since, &format!("the kernel function {name}"))
                .fact(fact)
                .stop();
        }
        Ok(KMeta {
            name: row.name,
            flags: row.flags,
            btf,
            params,
            ret,
            r0_size: 0,
            r0_rdonly: false,
            ref_obj_id: 0,
            release: None,
            constant: None,
            map: None,
            subprog: None,
            iter: None,
            dynptr: None,
            object: None,
            owning: false,
            list_head: None,
            rb_root: None,
            kern_ctx: None,
        })
    }

    /// A function that the kernel does not have: a loader makes the call one of no helper.
    fn absent_kfunc<T>(&self, call: Call) -> Res<T> {
        let Call::Kfunc { id, .. } = call else { return unsupported("no kernel function") };
        let named = usize::try_from(id).ok().and_then(|at| self.prog.externs.get(at));
        let Some(named) = named else { return unsupported("a kernel function without name") };
        if named.weak {
            let poison = POISON.wrapping_add(id.cast_unsigned());
            return Reject::new(Rule::HelperUnknown, format!("invalid func unknown#{poison}"))
                .fact(Fact::Call(named.name.clone()))
                .stop();
        }
        let name = &named.name;
        unsupported(format!(
            "the kernel function {name}, which the kernel does not have, or not with this prototype"
        ))
    }

    /// Kernel: `check_kfunc_call`.
    pub(crate) fn check_kfunc_call(&mut self, call: Call) -> Res<Next> {
        if call == NO_KFUNC {
            return Ok(Next::Fall);
        }
        let mut meta = self.kfunc_meta(call)?;
        let name = meta.name;
        self.checked_kfunc_call(&mut meta).map_err(|stop| match stop {
            Stop::Reject(mut reject) => {
                if !reject.facts.iter().any(|fact| matches!(fact, Fact::Call(_))) {
                    reject.facts.push(Fact::Call(name.to_owned()));
                }
                Stop::Reject(reject)
            }
            other => other,
        })
    }

    fn checked_kfunc_call(&mut self, meta: &mut KMeta<'a>) -> Res<Next> {
        if matches!(meta.name, "bpf_res_spin_lock" | "bpf_res_spin_lock_irqsave") {
            self.branch_lock_failed()?;
        }
        let sleepable = meta.has(kfunc_flag::SLEEPABLE);
        if sleepable && !self.in_sleepable() {
            let text = format!("program must be sleepable to call sleepable kfunc {}", meta.name);
            return Reject::new(Rule::HelperSleep, text).errno(Errno::EACCES).stop();
        }
        self.check_kfunc_args(meta)?;
        if meta.name == "bpf_session_cookie" {
            (meta.r0_size, meta.r0_rdonly) = (8, false);
        }
        self.follow_kfunc_callback(meta)?;
        self.check_regions(meta, sleepable)?;
        self.release_kfunc_argument(meta)?;
        self.insert_in_graph(meta)?;
        if meta.name == "bpf_throw" && self.exception_cb.is_none() {
            self.check_cookie()?;
        }
        self.clear_caller_saved();
        self.set_kfunc_result(meta)?;
        if meta.name == "bpf_xdp_pull_data" {
            self.clear_packet_pointers();
        }
        if meta.has(kfunc_flag::ITER_NEXT) {
            self.process_iter_next(meta)?;
        }
        if meta.name == "bpf_throw" {
            return self.check_throw_exit();
        }
        Ok(Next::Fall)
    }

    /// A lock may not be taken; that path goes on without it.
    fn branch_lock_failed(&mut self) -> Res<()> {
        let mut state = self.cur.clone();
        for reg in &mut state.top_mut().regs[..6] {
            *reg = crate::reg::RegState::NOT_INIT;
        }
        let mut failed = self.unknown();
        let num = &mut failed.num;
        (num.s32_min, num.s32_max) = (num.s32_min.max(MIN_ERRNO), num.s32_max.min(-1));
        (num.smin, num.smax) = (num.smin.max(MIN_ERRNO.into()), num.smax.min(-1));
        num.sync();
        let _ = num.settle();
        state.top_mut().regs[0] = failed;
        let pc = self.pc;
        self.push_state(state, pc + 1, pc, false)?;
        Ok(())
    }

    fn follow_kfunc_callback(&mut self, meta: &KMeta<'a>) -> Res<()> {
        let callback = match meta.name {
            "bpf_rbtree_add_impl" => match meta.rb_root.and_then(|field| field.graph) {
                Some(graph) => Callback::Less(graph),
                None => return reject(Rule::Internal, "a tree without type"),
            },
            "bpf_wq_set_callback_impl" => self.later(meta, false)?,
            name if name.starts_with("bpf_task_work_schedule_") => self.later(meta, true)?,
            _ => return Ok(()),
        };
        let Some(subprog) = meta.subprog else { return reject(Rule::Internal, "no callback") };
        let sleepable = !matches!(callback, Callback::Less(_));
        self.follow_callback(subprog, callback, sleepable)
    }

    fn later(&self, meta: &KMeta<'a>, free: bool) -> Res<Callback> {
        match meta.map {
            Some((map, uid)) => Ok(Callback::Later { map, uid, free }),
            None => reject(Rule::Internal, "a callback without map"),
        }
    }

    /// RCU sections and those without preemption.
    fn check_regions(&mut self, meta: &KMeta<'a>, sleepable: bool) -> Res<()> {
        let name = meta.name;
        let rcu = match name {
            "bpf_rcu_read_lock" => Some(true),
            "bpf_rcu_read_unlock" => Some(false),
            _ => None,
        };
        let refuse = |text: String, errno| Reject::new(Rule::Lock, text).errno(errno).stop();
        if self.cur.active_rcu_locks != 0 {
            if rcu.is_some() && self.in_rbtree_lock_required_cb() {
                let text = "Calling bpf_rcu_read_{lock,unlock} in unnecessary rbtree callback";
                return refuse(text.to_owned(), Errno::EACCES);
            }
            match rcu {
                Some(true) => {
                    let text = format!("nested rcu read lock (kernel function {name})");
                    return refuse(text, Errno::EINVAL);
                }
                Some(false) => {
                    self.cur.active_rcu_locks -= 1;
                    if self.cur.active_rcu_locks == 0 {
                        self.leave_rcu();
                    }
                }
                None if sleepable => {
                    let text =
                        format!("kernel func {name} is sleepable within rcu_read_lock region");
                    return refuse(text, Errno::EACCES);
                }
                None => {}
            }
        } else {
            match rcu {
                Some(true) => self.cur.active_rcu_locks = 1,
                Some(false) => {
                    let text = format!("unmatched rcu read unlock (kernel function {name})");
                    return refuse(text, Errno::EINVAL);
                }
                None => {}
            }
        }
        match name {
            "bpf_preempt_disable" => self.cur.active_preempt_locks += 1,
            "bpf_preempt_enable" if self.cur.active_preempt_locks == 0 => {
                let text =
                    format!("unmatched attempt to enable preemption (kernel function {name})");
                return refuse(text, Errno::EINVAL);
            }
            "bpf_preempt_enable" => self.cur.active_preempt_locks -= 1,
            _ if sleepable && self.cur.active_preempt_locks != 0 => {
                let text = format!("kernel func {name} is sleepable within non-preemptible region");
                return refuse(text, Errno::EACCES);
            }
            _ => {}
        }
        if sleepable && self.cur.active_irq_id != 0 {
            let text = format!("kernel func {name} is sleepable within IRQ-disabled region");
            return refuse(text, Errno::EACCES);
        }
        if meta.has(kfunc_flag::RCU_PROTECTED) && rcu.is_none() && !self.in_rcu_cs() {
            let text = format!("kernel func {name} requires RCU critical section protection");
            return refuse(text, Errno::EACCES);
        }
        Ok(())
    }

    /// What RCU protected may be gone. Kernel: `invalidate_rcu_protected_refs`.
    fn leave_rcu(&mut self) {
        for frame in &mut self.cur.frames {
            let slots = frame
                .stack
                .iter_mut()
                .filter(|slot| matches!(slot.bytes[7], Byte::Spill | Byte::Iter));
            let regs = frame.regs.iter_mut().chain(slots.map(|slot| &mut slot.reg));
            for reg in regs.filter(|reg| reg.ty.has(flag::RCU)) {
                reg.ty = reg.ty.without(flag::RCU | flag::MAYBE_NULL).with(flag::UNTRUSTED);
            }
        }
    }

    fn release_kfunc_argument(&mut self, meta: &KMeta<'a>) -> Res<()> {
        let Some(reg) = meta.release else { return Ok(()) };
        let state = *self.reg(reg);
        if self.try_release(state.ref_obj_id) {
            return Ok(());
        }
        Reject::new(
            Rule::RefRelease,
            format!("kfunc {} reference has not been acquired before", meta.name),
        )
        .fact(Fact::Reg(reg, state))
        .stop()
    }

    /// Without a handler, what is thrown is what the program returns.
    fn check_cookie(&mut self) -> Res<()> {
        let r0 = *self.reg(Reg::R0);
        let cookie = *self.reg(Reg::R1);
        *self.reg_mut(Reg::R0) = cookie;
        let checked = self.check_thrown();
        *self.reg_mut(Reg::R0) = r0;
        checked
    }
}
