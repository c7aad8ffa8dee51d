//! Calls of functions of the kernel (kfuncs).

use crate::call::Summary;
use crate::reject::{Res, unsupported};
use crate::verifier::{Next, Verifier};
use skep_abi::{Kfunc, kfunc_flag};
use skep_btf::{Body, Kind, Type};
use skep_isa::{Call, Insn};
use skep_prog::Extern;

impl<'a> Verifier<'a> {
    /// The kernel function that a call names, as the program spells it, without flavor.
    pub(crate) fn kfunc_name(&self, call: Call) -> Option<&'a str> {
        let Call::Kfunc { id, module } = call else { return None };
        let name = if module == Extern::MODULE {
            let named = self.prog.externs.get(usize::try_from(id).ok()?)?;
            named.name.as_str()
        } else {
            let id = skep_btf::TypeId(u32::try_from(id).ok()?);
            self.vmlinux.filter(|_| module == 0)?.get(id)?.name
        };
        Some(name.split_once("___").map_or(name, |(name, _)| name))
    }

    /// Name and flags of a kernel function that programs may know.
    pub(crate) fn kfunc_row(&self, call: Call) -> Option<(&'static str, u32)> {
        let row = Kfunc::find(self.kfunc_name(call)?)?;
        Some((row.name, row.flags))
    }

    /// Kernel: `bpf_get_call_summary`.
    pub(crate) fn kfunc_summary(&self, call: Call) -> Option<Summary> {
        let (name, flags) = self.kfunc_row(call)?;
        let btf = self.vmlinux?;
        let Some(Type { body: Body::Func { proto, .. }, .. }) = btf.find(name, Kind::Func) else {
            return None;
        };
        let Some(Type { body: Body::FuncProto { ret, params }, .. }) = btf.get(proto) else {
            return None;
        };
        Some(Summary {
            params: u8::try_from(params.len()).ok()?,
            is_void: matches!(btf.get(ret)?.body, Body::Void),
            fastcall: flags & kfunc_flag::FASTCALL != 0,
        })
    }

    /// Whether the call at the slot is one that holds a tree's lock during a callback.
    pub(crate) fn is_rbtree_call(&self, pc: u32) -> bool {
        let Some(Insn::Call(call)) = self.insns[pc as usize] else { return false };
        self.kfunc_row(call).is_some_and(|(name, _)| name.starts_with("bpf_rbtree_"))
    }

    /// Kernel: `kfunc_spin_allowed`.
    pub(crate) fn kfunc_may_run_locked(&self, call: Call) -> bool {
        self.kfunc_row(call).is_some_and(|(name, _)| {
            name.starts_with("bpf_list_")
                || name.starts_with("bpf_rbtree_")
                || name.starts_with("bpf_iter_num_")
                || name.starts_with("bpf_res_spin_")
                || name.starts_with("bpf_stream_")
                || name == "bpf_refcount_acquire_impl"
        })
    }

    /// Kernel: `check_kfunc_call`.
    pub(crate) fn check_kfunc_call(&mut self, call: Call) -> Res<Next> {
        let name = self.kfunc_name(call).unwrap_or("of unknown name");
        unsupported(format!("the kernel function {name}"))
    }
}
