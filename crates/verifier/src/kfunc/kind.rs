//! What a parameter of a kernel function takes, by its type and the suffix of its name.

use super::KMeta;
use crate::ctx_type::is_ctx_type;
use crate::reg::{Base, RegState};
use crate::reject::{Reject, Res};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::kfunc_flag;
use skep_btf::{Body, Btf, Param, Type, TypeId};

/// Kind of pointer that a parameter takes. Kernel: `enum kfunc_ptr_arg_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ArgKind {
    Ctx,
    AllocBtfId,
    RefcountedKptr,
    Dynptr,
    Iter,
    ListHead,
    BtfId,
    Mem,
    MemSize,
    ListNode,
    Callback,
    RbRoot,
    RbNode,
    Null,
    ConstStr,
    Map,
    Workqueue,
    TaskWork,
    IrqFlag,
    ResSpinLock,
}

/// The structure that a register of the kind points to, whatever it says of itself.
/// Kernel: `reg2btf_ids`.
pub(super) const fn struct_of(base: Base) -> Option<&'static str> {
    match base {
        Base::Socket => Some("sock"),
        Base::SockCommon => Some("sock_common"),
        Base::TcpSock => Some("tcp_sock"),
        Base::ConstMap => Some("bpf_map"),
        _ => None,
    }
}

/// Whether the name ends so. Kernel: `btf_param_match_suffix`.
pub(super) fn has_suffix(param: &Param<'_>, suffix: &str) -> bool {
    param.name.len() > suffix.len() && param.name.ends_with(suffix)
}

/// Kernel: `btf_type_is_scalar`.
pub(super) const fn is_scalar(ty: &Type<'_>) -> bool {
    matches!(ty.body, Body::Int(_) | Body::Enum { .. } | Body::Enum64 { .. })
}

pub(super) const fn is_struct(ty: &Type<'_>) -> bool {
    matches!(ty.body, Body::Struct { .. } | Body::Union { .. })
}

/// The kernel's word for a kind of type. Kernel: `btf_type_str`.
pub(super) fn kind_str(ty: &Type<'_>) -> &'static str {
    match ty.body {
        Body::Struct { .. } => "STRUCT",
        Body::Union { .. } => "UNION",
        Body::Int(_) => "INT",
        Body::Ptr(_) => "PTR",
        Body::Array { .. } => "ARRAY",
        Body::Enum { .. } => "ENUM",
        Body::Enum64 { .. } => "ENUM64",
        Body::Fwd { .. } => "FWD",
        Body::FuncProto { .. } => "FUNC_PROTO",
        Body::Func { .. } => "FUNC",
        Body::Float { .. } => "FLOAT",
        _ => "UNKNOWN",
    }
}

/// Whether the parameter is the size of the memory before it.
pub(super) fn is_size(btf: &Btf, param: &Param<'_>, reg: &RegState, suffix: &str) -> bool {
    btf.resolve(param.ty).is_some_and(|ty| is_scalar(&ty))
        && reg.ty.is(Base::Scalar)
        && has_suffix(param, suffix)
}

/// Whether it consists of numbers only. Kernel: `__btf_type_is_scalar_struct`.
pub(super) fn is_scalar_struct(btf: &Btf, ty: &Type<'_>, depth: u32) -> bool {
    let (Body::Struct { members, .. } | Body::Union { members, .. }) = ty.body else {
        return false;
    };
    members.iter().all(|member| {
        let Some(ty) = btf.resolve(member.ty) else { return false };
        match ty.body {
            Body::Struct { .. } | Body::Union { .. } => {
                depth < 3 && is_scalar_struct(btf, &ty, depth + 1)
            }
            Body::Array { elem, len, .. } => {
                len != 0 && btf.resolve(elem).is_some_and(|elem| is_scalar(&elem))
            }
            _ => is_scalar(&ty),
        }
    })
}

/// A function, or a pointer to one. Kernel: `btf_type_resolve_func_ptr`.
fn is_func_ptr(btf: &Btf, id: TypeId) -> bool {
    let Some(Type { body: Body::Ptr(to), .. }) = btf.resolve(id) else { return false };
    btf.resolve(to).is_some_and(|ty| matches!(ty.body, Body::FuncProto { .. }))
}

impl<'a> Verifier<'a> {
    /// Kernel: `get_kfunc_ptr_arg_type`. `to` is what the parameter points to.
    pub(super) fn kfunc_arg_kind(
        &self,
        meta: &KMeta<'a>,
        at: usize,
        to: &Type<'a>,
        pointee: TypeId,
    ) -> Res<ArgKind> {
        let btf = meta.btf;
        let param = &meta.params[at];
        let reg = self.reg(crate::call::arg::arg_reg(at));
        if meta.name == "bpf_cast_to_kern_ctx" {
            return Ok(ArgKind::Ctx);
        }
        if is_ctx_type(btf, self.vmlinux, pointee, self.prog.prog_type) {
            return Ok(ArgKind::Ctx);
        }
        let next_is_size = meta.params.get(at + 1).is_some_and(|next| {
            let reg = self.reg(crate::call::arg::arg_reg(at + 1));
            is_size(btf, next, reg, "__sz") || is_size(btf, next, reg, "__szk")
        });
        if has_suffix(param, "__nullable") && reg.is_null() && !next_is_size {
            return Ok(ArgKind::Null);
        }
        const ITER: u32 = kfunc_flag::ITER_NEW | kfunc_flag::ITER_NEXT | kfunc_flag::ITER_DESTROY;
        let is_iter = if meta.has(ITER) { at == 0 } else { has_suffix(param, "__iter") };
        let by_suffix = [
            (has_suffix(param, "__alloc"), ArgKind::AllocBtfId),
            (has_suffix(param, "__refcounted_kptr"), ArgKind::RefcountedKptr),
            (is_struct(to) && to.name == "bpf_dynptr", ArgKind::Dynptr),
            (is_iter, ArgKind::Iter),
            (is_struct(to) && to.name == "bpf_list_head", ArgKind::ListHead),
            (is_struct(to) && to.name == "bpf_list_node", ArgKind::ListNode),
            (is_struct(to) && to.name == "bpf_rb_root", ArgKind::RbRoot),
            (is_struct(to) && to.name == "bpf_rb_node", ArgKind::RbNode),
            (has_suffix(param, "__str"), ArgKind::ConstStr),
            (has_suffix(param, "__map"), ArgKind::Map),
            (is_struct(to) && to.name == "bpf_wq", ArgKind::Workqueue),
            (is_struct(to) && to.name == "bpf_task_work", ArgKind::TaskWork),
            (has_suffix(param, "__irq_flag"), ArgKind::IrqFlag),
            (is_struct(to) && to.name == "bpf_res_spin_lock", ArgKind::ResSpinLock),
        ];
        if let Some((_, kind)) = by_suffix.into_iter().find(|(is, _)| *is) {
            return Ok(kind);
        }
        if reg.ty.base == Base::BtfId || struct_of(reg.ty.base).is_some() {
            if !is_struct(to) {
                let text = format!(
                    "kernel function {} args#{at} pointer type {} {} is not supported",
                    meta.name,
                    kind_str(to),
                    to.name
                );
                return Reject::new(Rule::KfuncArg, text).stop();
            }
            return Ok(ArgKind::BtfId);
        }
        if is_func_ptr(btf, param.ty) {
            return Ok(ArgKind::Callback);
        }
        let anything = next_is_size && matches!(to.body, Body::Void);
        if !is_scalar(to) && !is_scalar_struct(btf, to, 0) && !anything {
            let void = if next_is_size { "void, " } else { "" };
            let text = format!(
                "arg#{at} pointer type {} {} must point to {void}scalar, or struct with scalar",
                kind_str(to),
                to.name
            );
            return Reject::new(Rule::KfuncArg, text).stop();
        }
        Ok(if next_is_size { ArgKind::MemSize } else { ArgKind::Mem })
    }
}
