//! Arguments of kernel functions, one by one.

use super::kind::{ArgKind, has_suffix, is_scalar, is_size, is_struct, kind_str, struct_of};
use super::{GivenDynptr, KMeta};
use crate::btf_ref::BtfRef;
use crate::call::arg::arg_reg;
use crate::lock::LockOp;
use crate::record::FieldKind;
use crate::reg::{Base, DynptrKind, Extra, IrqClass, RegType, flag};
use crate::reject::{Fact, Reject, Res, Stop, reject};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::{AttachType, Errno, ProgType, arg_flag, kfunc_flag};
use skep_btf::{Body, Btf, Type, TypeId};
use skep_isa::Reg;

/// An object that the program allocated and owns, or shares.
const ALLOC: RegType = RegType { base: Base::BtfId, flags: flag::ALLOC };

/// Flags that do not keep an object from being passed. Kernel: `BPF_REG_TRUSTED_MODIFIERS`.
const TRUSTED: u32 = flag::ALLOC | flag::TRUSTED | flag::NON_OWN_REF;

/// The type behind qualifiers, with its number.
fn pointee<'a>(btf: &'a Btf, id: TypeId) -> Res<Type<'a>> {
    match btf.resolve(id) {
        Some(ty) => Ok(ty),
        None => reject(Rule::Internal, "kernel function of a malformed type"),
    }
}

/// Names that are the same object before and after it was set up.
/// Kernel: `btf_type_ids_nocast_alias`.
fn is_nocast_alias(a: &str, b: &str) -> bool {
    a.strip_suffix("___init").is_some_and(|short| short == b)
        || b.strip_suffix("___init").is_some_and(|short| short == a)
}

impl<'a> Verifier<'a> {
    /// A refusal about an argument.
    pub(super) fn refuse_kfunc_arg<T>(&self, reg: Reg, text: impl Into<String>) -> Res<T> {
        Reject::new(Rule::KfuncArg, text)
            .fact(Fact::Reg(reg, *self.reg(reg)))
            .fact(Fact::Arg(reg.num()))
            .stop()
    }

    /// Kernel: `check_kfunc_args`.
    pub(super) fn check_kfunc_args(&mut self, meta: &mut KMeta<'a>) -> Res<()> {
        let count = meta.params.len();
        if count > 5 {
            let text = format!("Function {} has {count} > 5 args", meta.name);
            return reject(Rule::KfuncArg, text);
        }
        let mut at = 0;
        while at < count {
            at += self.check_kfunc_arg(meta, at)?;
        }
        if meta.has(kfunc_flag::RELEASE) && meta.release.is_none() {
            let text =
                format!("release kernel function {} expects refcounted PTR_TO_BTF_ID", meta.name);
            return reject(Rule::RefRelease, text);
        }
        Ok(())
    }

    /// One argument; how many it took, with its size.
    fn check_kfunc_arg(&mut self, meta: &mut KMeta<'a>, at: usize) -> Res<usize> {
        let btf = meta.btf;
        let param = meta.params[at];
        let reg = arg_reg(at);
        if has_suffix(&param, "__prog") || has_suffix(&param, "__ign") {
            return Ok(1);
        }
        let ty = pointee(btf, param.ty)?;
        if is_scalar(&ty) {
            self.check_kfunc_scalar(meta, at, reg)?;
            return Ok(1);
        }
        let Body::Ptr(to) = ty.body else {
            return self
                .refuse_kfunc_arg(reg, format!("Unrecognized arg#{at} type {}", kind_str(&ty)));
        };
        let state = *self.reg(reg);
        let nullable = has_suffix(&param, "__nullable");
        if (meta.wants_trusted() || meta.has(kfunc_flag::RCU))
            && (state.is_null() || state.ty.may_be_null())
            && !nullable
        {
            let text = format!("Possibly NULL pointer passed to trusted arg{at}");
            return Reject::new(Rule::KfuncArg, text)
                .errno(Errno::EACCES)
                .fact(Fact::Reg(reg, state))
                .fact(Fact::Arg(reg.num()))
                .stop();
        }
        let releases = meta.has(kfunc_flag::RELEASE);
        if state.ref_obj_id != 0 {
            if releases && meta.ref_obj_id != 0 {
                return reject(Rule::Internal, "more than one arg with ref_obj_id");
            }
            meta.ref_obj_id = state.ref_obj_id;
            if releases {
                meta.release = Some(reg);
            }
        }
        let target = pointee(btf, to)?;
        let kind = self.kfunc_arg_kind(meta, at, &target, to)?;
        if kind == ArgKind::Null {
            return Ok(1);
        }
        if kind == ArgKind::Map {
            self.check_kfunc_map(meta, reg)?;
        }
        if matches!(kind, ArgKind::Map | ArgKind::AllocBtfId | ArgKind::BtfId) {
            self.check_kfunc_trust(meta, reg)?;
        }
        let release = releases && state.ref_obj_id != 0;
        self.check_func_arg_reg_off(reg, release, false)?;
        self.check_kfunc_pointer(meta, (at, kind), &target)?;
        Ok(if kind == ArgKind::MemSize { 2 } else { 1 })
    }

    fn check_kfunc_scalar(&mut self, meta: &mut KMeta<'a>, at: usize, reg: Reg) -> Res<()> {
        let state = *self.reg(reg);
        let param = meta.params[at];
        if !state.ty.is(Base::Scalar) {
            return self.refuse_kfunc_arg(reg, format!("R{} is not a scalar", reg.num()));
        }
        if has_suffix(&param, "__k") {
            if meta.constant.is_some() {
                return reject(Rule::Internal, "only one constant argument permitted");
            }
            let Some(value) = state.num.is_const() else {
                return self
                    .refuse_kfunc_arg(reg, format!("R{} must be a known constant", reg.num()));
            };
            self.mark_chain_precision(reg)?;
            meta.constant = Some(value);
            return Ok(());
        }
        let rdonly = param.name == "rdonly_buf_size";
        if !rdonly && param.name != "rdwr_buf_size" {
            return Ok(());
        }
        meta.r0_rdonly |= rdonly;
        if meta.r0_size != 0 {
            let text = "2 or more rdonly/rdwr_buf_size parameters for kfunc";
            return self.refuse_kfunc_arg(reg, text);
        }
        let Some(size) = state.num.is_const() else {
            return self.refuse_kfunc_arg(reg, format!("R{} is not a const", reg.num()));
        };
        if u32::try_from(size).is_err() {
            let text = format!("R{} rdonly/rdwr_buf_size exceeds u32 max", reg.num());
            return self.refuse_kfunc_arg(reg, text);
        }
        meta.r0_size = size;
        self.mark_chain_precision(reg)
    }

    fn check_kfunc_map(&self, meta: &mut KMeta<'a>, reg: Reg) -> Res<()> {
        let state = self.reg(reg);
        let Extra::Map { map, uid } = state.extra else {
            if state.ty.base == Base::BtfId {
                // The kernel looks at it as at an object, and finds out below.
                return Ok(());
            }
            return self
                .refuse_kfunc_arg(reg, format!("pointer in R{} isn't map pointer", reg.num()));
        };
        if let Some((before, before_uid)) = meta.map
            && (before, before_uid) != (map, uid)
        {
            // Where the other map has no such field, the kernel itself falls over.
            let text = if self.maps[before as usize].record.has(FieldKind::TaskWork) {
                format!(
                    "bpf_task_work pointer in R2 map_uid={before_uid} doesn't match map pointer in R3 map_uid={uid}"
                )
            } else {
                format!(
                    "workqueue pointer in R1 map_uid={before_uid} doesn't match map pointer in R2 map_uid={uid}"
                )
            };
            return self.refuse_kfunc_arg(reg, text);
        }
        meta.map = Some((map, uid));
        Ok(())
    }

    fn check_kfunc_trust(&self, meta: &KMeta<'a>, reg: Reg) -> Res<()> {
        let rcu = meta.has(kfunc_flag::RCU);
        let state = *self.reg(reg);
        if !meta.wants_trusted() && !rcu || self.is_trusted_reg(&state) {
            return Ok(());
        }
        if !rcu {
            return self
                .refuse_kfunc_arg(reg, format!("R{} must be referenced or trusted", reg.num()));
        }
        if !state.ty.has(flag::RCU) {
            return self.refuse_kfunc_arg(reg, format!("R{} must be a rcu pointer", reg.num()));
        }
        Ok(())
    }

    fn check_kfunc_pointer(
        &mut self,
        meta: &mut KMeta<'a>,
        (at, kind): (usize, ArgKind),
        target: &Type<'a>,
    ) -> Res<()> {
        let reg = arg_reg(at);
        let state = *self.reg(reg);
        match kind {
            ArgKind::Ctx => {
                if !state.ty.is(Base::Ctx) {
                    let name = state.ty.kernel_name();
                    return self.refuse_kfunc_arg(
                        reg,
                        format!("arg#{at} expected pointer to ctx, but got {name}"),
                    );
                }
                if meta.name == "bpf_cast_to_kern_ctx" {
                    meta.kern_ctx = Some(self.kern_ctx()?);
                }
                Ok(())
            }
            ArgKind::AllocBtfId => self.check_dropped(meta, at, reg),
            ArgKind::Dynptr => self.check_kfunc_dynptr(meta, at, reg),
            ArgKind::Iter => {
                if meta.name == "bpf_iter_css_task_new" && !self.may_iterate_css_tasks() {
                    let text =
                        "css_task_iter is only allowed in bpf_lsm, bpf_iter and sleepable progs";
                    return self.refuse_kfunc_arg(reg, text);
                }
                self.process_iter_arg(meta, at, reg)
            }
            ArgKind::ListHead => self.check_graph_root(meta, at, FieldKind::ListHead),
            ArgKind::RbRoot => self.check_graph_root(meta, at, FieldKind::RbRoot),
            ArgKind::ListNode => self.check_list_node(meta, at),
            ArgKind::RbNode => self.check_rb_node(meta, at),
            ArgKind::Map => {
                let map = pointee(meta.btf, self.need_struct("bpf_map")?)?;
                self.check_kfunc_object(meta, at, &map)
            }
            ArgKind::BtfId => self.check_kfunc_object(meta, at, target),
            ArgKind::Mem => {
                let Some(size) = sized(meta.btf, target) else {
                    let text = format!(
                        "arg#{at} reference type('{} {}') size cannot be determined: -22",
                        kind_str(target),
                        target.name
                    );
                    return self.refuse_kfunc_arg(reg, text);
                };
                self.check_mem_reg(reg, size)
            }
            ArgKind::MemSize => self.check_mem_and_size(meta, at),
            ArgKind::Callback => match state.extra {
                Extra::Subprog(subprog) if state.ty.is(Base::Func) => {
                    meta.subprog = Some(subprog);
                    Ok(())
                }
                _ => self.refuse_kfunc_arg(reg, format!("arg{at} expected pointer to func")),
            },
            ArgKind::RefcountedKptr => self.check_refcounted(meta, at, reg),
            ArgKind::ConstStr => {
                if !state.ty.is(Base::MapValue) {
                    let text = format!("arg#{at} doesn't point to a const string");
                    return self.refuse_kfunc_arg(reg, text);
                }
                self.check_const_str(reg)
            }
            ArgKind::Workqueue => self.check_later_field(meta, at, FieldKind::Workqueue, "bpf_wq"),
            ArgKind::TaskWork => {
                self.check_later_field(meta, at, FieldKind::TaskWork, "bpf_task_work")
            }
            ArgKind::IrqFlag => {
                if !state.ty.is(Base::Stack) {
                    let text = format!("arg#{at} doesn't point to an irq flag on stack");
                    return self.refuse_kfunc_arg(reg, text);
                }
                let class = if meta.name.starts_with("bpf_res_spin_") {
                    IrqClass::Lock
                } else {
                    IrqClass::Native
                };
                let saves = matches!(meta.name, "bpf_local_irq_save" | "bpf_res_spin_lock_irqsave");
                self.process_irq_flag(at, reg, saves, class)
            }
            ArgKind::ResSpinLock => self.check_res_spin_lock(meta, at, reg),
            ArgKind::Null => Ok(()),
        }
    }

    /// Kernel: `check_css_task_iter_allowlist`.
    fn may_iterate_css_tasks(&self) -> bool {
        match self.prog.prog_type {
            ProgType::Lsm => true,
            ProgType::Tracing if self.prog.attach_type == Some(AttachType::TraceIter) => true,
            _ => self.in_sleepable(),
        }
    }

    fn check_later_field(
        &mut self,
        meta: &mut KMeta<'a>,
        at: usize,
        kind: FieldKind,
        name: &str,
    ) -> Res<()> {
        let reg = arg_reg(at);
        if !self.reg(reg).ty.is(Base::MapValue) {
            return self.refuse_kfunc_arg(reg, format!("arg#{at} doesn't point to a map value"));
        }
        meta.map = Some(self.check_map_field(reg, kind, name)?);
        Ok(())
    }

    fn check_res_spin_lock(&mut self, meta: &KMeta<'a>, at: usize, reg: Reg) -> Res<()> {
        if self.in_rbtree_lock_required_cb() {
            return Reject::new(Rule::Lock, "can't res_spin_{lock,unlock} in rbtree cb")
                .errno(Errno::EACCES)
                .stop();
        }
        let ty = self.reg(reg).ty;
        if !ty.is(Base::MapValue) && ty != ALLOC {
            let text = format!("arg#{at} doesn't point to map value or allocated object");
            return self.refuse_kfunc_arg(reg, text);
        }
        self.process_spin_lock(
            reg,
            LockOp {
                lock: meta.name.starts_with("bpf_res_spin_lock"),
                res: true,
                irq: meta.name.contains("irq"),
            },
        )
    }

    fn check_dropped(&self, meta: &mut KMeta<'a>, at: usize, reg: Reg) -> Res<()> {
        let state = self.reg(reg);
        let text = match state.ty.flags {
            _ if state.ty.base != Base::BtfId => "pointer to allocated object",
            flag::ALLOC if meta.name == "bpf_obj_drop_impl" => "",
            flag::ALLOC => "for bpf_obj_drop_impl()",
            flags if flags == flag::ALLOC | flag::PERCPU => {
                if meta.name == "bpf_percpu_obj_drop_impl" {
                    ""
                } else {
                    "for bpf_percpu_obj_drop_impl()"
                }
            }
            _ => "pointer to allocated object",
        };
        if !text.is_empty() {
            return self.refuse_kfunc_arg(reg, format!("arg#{at} expected {text}"));
        }
        if state.ref_obj_id == 0 {
            return self.refuse_kfunc_arg(reg, "allocated object must be referenced");
        }
        meta.object = state.btf();
        Ok(())
    }

    fn check_refcounted(&self, meta: &mut KMeta<'a>, at: usize, reg: Reg) -> Res<()> {
        let state = *self.reg(reg);
        if !Self::is_alloc_object(&state) {
            let text = format!("arg#{at} is neither owning or non-owning ref");
            return self.refuse_kfunc_arg(reg, text);
        }
        meta.owning |= !state.ty.has(flag::NON_OWN_REF) && state.ref_obj_id != 0;
        let Some(record) = self.record_of(&state) else {
            return reject(Rule::Internal, "Couldn't find btf_record");
        };
        if !record.has(FieldKind::Refcount) {
            let text = format!("arg#{at} doesn't point to a type with bpf_refcount field");
            return self.refuse_kfunc_arg(reg, text);
        }
        meta.object = state.btf();
        Ok(())
    }

    fn check_kfunc_dynptr(&mut self, meta: &mut KMeta<'a>, at: usize, reg: Reg) -> Res<()> {
        let state = *self.reg(reg);
        let mut flags = if state.ty.is(Base::ConstDynptr) { arg_flag::RDONLY } else { 0 };
        let mut clone_of = 0;
        if has_suffix(&meta.params[at], "__uninit") {
            flags |= arg_flag::UNINIT;
        }
        match meta.name {
            "bpf_dynptr_from_skb" => flags |= flag::DYNPTR_SKB,
            "bpf_dynptr_from_xdp" => flags |= flag::DYNPTR_XDP,
            "bpf_dynptr_from_skb_meta" => flags |= flag::DYNPTR_SKB_META,
            "bpf_dynptr_from_file" => flags |= flag::DYNPTR_FILE,
            "bpf_dynptr_file_discard" => {
                flags |= flag::DYNPTR_FILE;
                meta.release = Some(reg);
            }
            "bpf_dynptr_clone" if flags & arg_flag::UNINIT != 0 => {
                let Some(given) = meta.dynptr.filter(|given| given.kind != DynptrKind::Invalid)
                else {
                    return reject(Rule::Internal, "no dynptr type for parent of clone");
                };
                flags |= given.kind.flags();
                clone_of = given.ref_obj_id;
                if given.kind.is_referenced() && clone_of == 0 {
                    return reject(Rule::Internal, "missing ref obj id for parent of clone");
                }
            }
            _ => {}
        }
        self.process_dynptr_arg(reg, flags, clone_of)?;
        if flags & arg_flag::UNINIT == 0 {
            let dynptr = self.dynptr_state(reg)?;
            meta.dynptr = Some(GivenDynptr {
                kind: self.dynptr_kind(&state)?,
                id: dynptr.id,
                ref_obj_id: dynptr.ref_obj_id,
            });
        }
        Ok(())
    }

    fn check_mem_and_size(&mut self, meta: &mut KMeta<'a>, at: usize) -> Res<()> {
        let (reg, size) = (arg_reg(at), arg_reg(at + 1));
        let optional = has_suffix(&meta.params[at], "__opt");
        if !self.reg(reg).is_null() || !optional {
            self.check_kfunc_mem_size_reg(size).map_err(|stop| match stop {
                Stop::Reject(mut reject) => {
                    reject.kernel += &format!(
                        "\narg#{at} arg#{} memory, len pair leads to invalid memory access",
                        at + 1
                    );
                    Stop::Reject(reject)
                }
                other => other,
            })?;
        }
        let state = *self.reg(size);
        if is_size(meta.btf, &meta.params[at + 1], &state, "__szk") {
            if meta.constant.is_some() {
                return reject(Rule::Internal, "only one constant argument permitted");
            }
            let Some(value) = state.num.is_const() else {
                let text = format!("R{} must be a known constant", size.num());
                return self.refuse_kfunc_arg(size, text);
            };
            meta.constant = Some(value);
        }
        Ok(())
    }

    /// An object of the kernel. Kernel: the case `KF_ARG_PTR_TO_BTF_ID` and
    /// `process_kf_arg_ptr_to_btf_id`.
    fn check_kfunc_object(&mut self, meta: &KMeta<'a>, at: usize, target: &Type<'a>) -> Res<()> {
        let reg = arg_reg(at);
        let state = *self.reg(reg);
        let known = struct_of(state.ty.base);
        let unsafe_flags = state.ty.flags & !TRUSTED != 0;
        let is_object = state.ty.base == Base::BtfId && (!unsafe_flags || state.ty.has(flag::RCU));
        if !is_object && known.is_none() {
            let kept = RegType { base: state.ty.base, flags: state.ty.flags & TRUSTED };
            let text = format!(
                "arg#{at} is {} expected {} or socket",
                state.ty.kernel_name(),
                kept.kernel_name()
            );
            return self.refuse_kfunc_arg(reg, text);
        }
        let (set, id) = match (state.btf(), known) {
            (Some(btf), _) if state.ty.base == Base::BtfId => btf,
            (_, Some(name)) => (BtfRef::Kernel, self.need_struct(name)?),
            _ => return reject(Rule::Internal, "object without type"),
        };
        let own = self.own_type(set, id)?;
        let strict = (meta.has(kfunc_flag::RELEASE) && state.ref_obj_id != 0)
            || is_nocast_alias(own.name, target.name);
        let walk = !state.ty.has(flag::ALLOC);
        let same = self.btf_struct_ids_match(
            (set, own.id),
            state.off,
            (BtfRef::Kernel, target.id),
            strict,
            walk,
        );
        // The program's view of a context stands for what the kernel has.
        let projected =
            matches!((target.name, own.name), ("__sk_buff", "sk_buff") | ("xdp_md", "xdp_buff"));
        if same || projected {
            return Ok(());
        }
        let text = format!(
            "kernel function {} args#{at} expected pointer to {} {} but R{} has a pointer to {} {}",
            meta.name,
            kind_str(target),
            target.name,
            at + 1,
            kind_str(&own),
            own.name
        );
        self.refuse_kfunc_arg(reg, text)
    }

    fn own_type(&self, set: BtfRef, id: TypeId) -> Res<Type<'a>> {
        match self.btf_of(set).and_then(|btf| btf.resolve(id)) {
            Some(ty) => Ok(ty),
            None => reject(Rule::Internal, "object of an unknown type"),
        }
    }

    /// The kernel's own structure behind the context. Kernel: `get_kern_ctx_btf_id`.
    fn kern_ctx(&self) -> Res<TypeId> {
        use ProgType as P;
        let name = match self.prog.prog_type {
            P::SocketFilter
            | P::SchedCls
            | P::SchedAct
            | P::CgroupSkb
            | P::LwtIn
            | P::LwtOut
            | P::LwtXmit
            | P::LwtSeg6local
            | P::SkSkb => "sk_buff",
            P::Xdp => "xdp_buff",
            P::CgroupSock => "sock",
            P::CgroupSockAddr => "bpf_sock_addr_kern",
            P::SockOps => "bpf_sock_ops_kern",
            P::SkMsg => "sk_msg",
            P::FlowDissector => "bpf_flow_dissector",
            P::Kprobe => "pt_regs",
            P::PerfEvent => "bpf_perf_event_data_kern",
            P::CgroupDevice => "bpf_cgroup_dev_ctx",
            P::CgroupSysctl => "bpf_sysctl_kern",
            P::CgroupSockopt => "bpf_sockopt_kern",
            P::SkReuseport => "sk_reuseport_kern",
            P::SkLookup => "bpf_sk_lookup_kern",
            P::Netfilter => "bpf_nf_ctx",
            _ => return reject(Rule::KfuncArg, "kern ctx type is not a struct"),
        };
        self.need_struct(name)
    }
}

/// Bytes of what a pointer points to.
fn sized(btf: &Btf, ty: &Type<'_>) -> Option<u32> {
    match ty.body {
        Body::Void | Body::FuncProto { .. } | Body::Func { .. } | Body::Fwd { .. } => None,
        _ if is_struct(ty) || is_scalar(ty) => btf.size_of(ty.id),
        _ => btf.size_of(ty.id),
    }
}
