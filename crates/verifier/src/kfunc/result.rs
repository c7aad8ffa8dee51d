//! What kernel functions return.

use super::KMeta;
use super::kind::{is_scalar, is_scalar_struct, is_struct, kind_str};
use crate::btf_ref::BtfRef;
use crate::call::low_half;
use crate::change::Change;
use crate::reg::{Base, Extra, RegState, RegType, flag};
use crate::reject::{Fact, Reject, Res, reject, unsupported};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::kfunc_flag;
use skep_btf::{Body, Type, TypeId};
use skep_isa::Reg;

/// Bytes of the largest per-CPU object. Kernel: `BPF_GLOBAL_PERCPU_MA_MAX_SIZE`.
const MAX_PERCPU: u32 = 512;

fn pointer(base: Base, flags: u32, extra: Extra) -> RegState {
    RegState::pointer(RegType { base, flags }, extra)
}

fn refuse<T>(text: impl Into<String>) -> Res<T> {
    reject(Rule::KfuncArg, text)
}

impl<'a> Verifier<'a> {
    /// Sets r0. Kernel: the end of `check_kfunc_call`.
    pub(super) fn set_kfunc_result(&mut self, meta: &KMeta<'a>) -> Res<()> {
        let Some(ret) = meta.btf.resolve(meta.ret) else {
            return reject(Rule::Internal, "kernel function of a malformed type");
        };
        let acquires = meta.has(kfunc_flag::ACQUIRE);
        let to = match ret.body {
            Body::Ptr(to) => meta.btf.resolve(to),
            _ => None,
        };
        let own = matches!(
            meta.name,
            "bpf_obj_new_impl" | "bpf_percpu_obj_new_impl" | "bpf_refcount_acquire_impl"
        );
        if acquires && !own && !to.is_some_and(|to| is_struct(&to)) {
            return refuse("acquire kernel function does not return PTR_TO_BTF_ID");
        }
        if is_scalar(&ret) {
            let locks = matches!(meta.name, "bpf_res_spin_lock" | "bpf_res_spin_lock_irqsave");
            let r0 = if locks { self.constant(0) } else { self.unknown() };
            *self.reg_mut(Reg::R0) = r0;
            return Ok(());
        }
        let Some(to) = to else { return Ok(()) };
        let (mut r0, plain) = self.kfunc_pointer(meta, &to)?;
        if plain {
            // `void *` is no pointer that programs could use.
            *self.reg_mut(Reg::R0) = r0;
            if !meta.may_return_null() {
                return Ok(());
            }
        }
        if meta.may_return_null() {
            r0.ty = r0.ty.with(flag::MAYBE_NULL);
            r0.id = self.new_id();
        }
        let node = matches!(to.name, "bpf_rb_node" | "bpf_list_node");
        if acquires {
            let id = self.acquire_reference();
            if meta.may_return_null() {
                r0.id = id;
            }
            r0.ref_obj_id = id;
        } else if node && is_struct(&to) {
            self.set_non_owning(&mut r0)?;
        }
        if r0.id == 0 && self.may_hold_spin_lock(&r0) {
            r0.id = self.new_id();
        }
        *self.reg_mut(Reg::R0) = r0;
        Ok(())
    }

    /// A pointer, and whether it counts as a number.
    fn kfunc_pointer(&mut self, meta: &KMeta<'a>, to: &Type<'a>) -> Res<(RegState, bool)> {
        if let Some(special) = self.special_pointer(meta, to)? {
            return Ok((special, false));
        }
        if matches!(to.body, Body::Void) {
            return Ok((self.unknown(), true));
        }
        if !is_struct(to) {
            return self.memory_pointer(meta, to).map(|r0| (r0, false));
        }
        let from_rcu_iter = || {
            let (frame, spi) = meta.iter?;
            let slot = self.cur.frames.get(frame as usize)?.stack.get(spi)?;
            Some(slot.reg.ty.has(flag::RCU))
        };
        let flags = if meta.name == "bpf_get_kmem_cache" {
            flag::UNTRUSTED
        } else if meta.has(kfunc_flag::RCU_PROTECTED)
            || (meta.has(kfunc_flag::ITER_NEXT) && from_rcu_iter() == Some(true))
        {
            flag::RCU
        } else if meta.has(kfunc_flag::ITER_NEXT) || self.has(Change::TrustedResults) {
            flag::TRUSTED
        } else {
            0
        };
        let extra = Extra::Btf { btf: BtfRef::Kernel, id: to.id };
        Ok((pointer(Base::BtfId, flags, extra), false))
    }

    /// Memory of numbers.
    fn memory_pointer(&mut self, meta: &KMeta<'a>, to: &Type<'a>) -> Res<RegState> {
        let (mut size, mut rdonly) = (meta.r0_size, meta.r0_rdonly);
        if size == 0
            && let Some(known) = meta.btf.size_of(to.id)
        {
            (size, rdonly) = (known.into(), true);
        }
        if size == 0 {
            return refuse(format!(
                "kernel function {} returns pointer type {} {} is not supported",
                meta.name,
                kind_str(to),
                to.name
            ));
        }
        let mut flags = if rdonly { flag::RDONLY } else { 0 };
        if meta.has(kfunc_flag::RCU_PROTECTED) {
            flags |= flag::RCU;
        }
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let given = self.given_here();
        given.bytes = given.bytes.max(size);
        let mut r0 = pointer(Base::Mem, flags, Extra::Mem(size));
        r0.ref_obj_id = meta.ref_obj_id;
        Ok(r0)
    }

    /// Kernel: `check_special_kfunc`.
    fn special_pointer(&mut self, meta: &KMeta<'a>, to: &Type<'a>) -> Res<Option<RegState>> {
        let object = |flags, btf, id| Some(pointer(Base::BtfId, flags, Extra::Btf { btf, id }));
        Ok(match meta.name {
            "bpf_obj_new_impl" | "bpf_percpu_obj_new_impl" => {
                let id = self.new_object(meta)?;
                let percpu = if meta.name == "bpf_percpu_obj_new_impl" { flag::PERCPU } else { 0 };
                object(flag::ALLOC | percpu, BtfRef::Prog, id)
            }
            "bpf_refcount_acquire_impl" => match meta.object {
                Some((btf, id)) => object(flag::ALLOC, btf, id),
                None => return reject(Rule::Internal, "no object to count"),
            },
            "bpf_cast_to_kern_ctx" => match meta.kern_ctx {
                Some(id) => object(flag::TRUSTED, BtfRef::Kernel, id),
                None => return reject(Rule::Internal, "no context to cast"),
            },
            "bpf_rdonly_cast" => Some(self.rdonly_cast(meta)?),
            "bpf_dynptr_slice" | "bpf_dynptr_slice_rdwr" => Some(self.dynptr_slice(meta)?),
            _ if is_struct(to) && matches!(to.name, "bpf_list_node" | "bpf_rb_node") => {
                let root = if to.name == "bpf_list_node" { meta.list_head } else { meta.rb_root };
                match root.and_then(|field| field.graph) {
                    Some(graph) => Some(self.graph_node(graph)),
                    None => return unsupported("nodes of no list or tree"),
                }
            }
            _ => None,
        })
    }

    /// The type of a new object.
    fn new_object(&self, meta: &KMeta<'a>) -> Res<TypeId> {
        let Some(id) = meta.constant else {
            return reject(Rule::Internal, "no type of a new object");
        };
        let Ok(id) = u32::try_from(id) else {
            return refuse("local type ID argument must be in range [0, U32_MAX]");
        };
        let id = TypeId(id);
        let Some(btf) = self.btf else {
            return refuse("bpf_obj_new/bpf_percpu_obj_new requires prog BTF");
        };
        let Some(ty @ Type { body: Body::Struct { size, .. }, .. }) = btf.get(id) else {
            return refuse("bpf_obj_new/bpf_percpu_obj_new type ID argument must be of a struct");
        };
        if meta.name == "bpf_percpu_obj_new_impl" {
            if size > MAX_PERCPU {
                return refuse(format!(
                    "bpf_percpu_obj_new type size ({size}) is greater than {MAX_PERCPU}"
                ));
            }
            if !is_scalar_struct(btf, &ty, 0) {
                return refuse(
                    "bpf_percpu_obj_new type ID argument must be of a struct of scalars",
                );
            }
            if self.struct_record((BtfRef::Prog, id)).is_some() {
                return refuse(
                    "bpf_percpu_obj_new type ID argument must not contain special fields",
                );
            }
        }
        Ok(id)
    }

    fn rdonly_cast(&self, meta: &KMeta<'a>) -> Res<RegState> {
        let value = meta.constant.unwrap_or(0);
        // The kernel takes the lower half for the number of the type.
        let id = TypeId(low_half(value));
        match meta.btf.get(id).map(|ty| ty.body) {
            None => refuse(format!(
                "Unknown type ID {} passed to kfunc bpf_rdonly_cast",
                value.cast_signed()
            )),
            Some(Body::Struct { .. } | Body::Union { .. }) => {
                let extra = Extra::Btf { btf: BtfRef::Kernel, id };
                Ok(pointer(Base::BtfId, flag::UNTRUSTED, extra))
            }
            Some(Body::Void) => {
                Ok(pointer(Base::Mem, flag::RDONLY | flag::UNTRUSTED, Extra::Mem(0)))
            }
            Some(_) => refuse("kfunc bpf_rdonly_cast type ID argument must be of a struct or void"),
        }
    }

    fn dynptr_slice(&mut self, meta: &KMeta<'a>) -> Res<RegState> {
        let (Some(size), Some(dynptr)) = (meta.constant, meta.dynptr) else {
            return reject(Rule::Internal, "bpf_dynptr_slice(_rdwr) no constant size");
        };
        let mut flags = dynptr.kind.flags();
        if meta.name == "bpf_dynptr_slice" {
            flags |= flag::RDONLY;
        } else if !self.may_access_direct_pkt_data(None, true) {
            return Reject::new(Rule::KfuncArg, "the prog does not allow writes to packet data")
                .fact(Fact::Call(meta.name.to_owned()))
                .stop();
        }
        // The kernel keeps 32 bits.
        let extra = Extra::Slice { size: low_half(size), dynptr: dynptr.id };
        let mut r0 = pointer(Base::Mem, flags, extra);
        r0.ref_obj_id = dynptr.ref_obj_id;
        Ok(r0)
    }
}
