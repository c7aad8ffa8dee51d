//! Which pointers are known to be valid, and which fields pass that on.

use crate::btf_ref::BtfRef;
use crate::null::{TRUSTED_FLAGS, is_rcu};
use crate::reg::{Base, RegState, flag};
use crate::verifier::Verifier;
use skep_btf::{Body, TypeId};

/// Suffix of the kernel's lists of fields that are as valid as what they are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    Trusted,
    TrustedOrNull,
    Rcu,
    RcuOrNull,
}

impl List {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Trusted => "__safe_trusted",
            Self::TrustedOrNull => "__safe_trusted_or_null",
            Self::Rcu => "__safe_rcu",
            Self::RcuOrNull => "__safe_rcu_or_null",
        }
    }
}

/// Room for the name of such a list in the kernel.
const MAX_NAME: usize = 64;

impl Verifier<'_> {
    /// Pointers that RCU protects are valid here. Kernel: `in_rcu_cs`.
    pub(crate) fn in_rcu_cs(&self) -> bool {
        self.cur.active_rcu_locks != 0 || self.cur.active_locks != 0 || !self.in_sleepable()
    }

    /// Whether a pointer to a kernel object is known to be valid. Kernel: `is_trusted_reg`.
    pub(crate) fn is_trusted_reg(&self, reg: &RegState) -> bool {
        let unsafe_flags = reg.ty.flags & !TRUSTED_FLAGS;
        // What the program gets only from the kernel itself.
        let always =
            matches!(reg.ty.base, Base::Socket | Base::SockCommon | Base::TcpSock | Base::ConstMap);
        reg.ref_obj_id != 0 || (unsafe_flags == 0 && (always || reg.ty.has(TRUSTED_FLAGS)))
    }

    /// Flags of a pointer that was read from a field of an object. `flags` are those of the field.
    /// Kernel: the end of `check_ptr_to_btf_access`.
    pub(super) fn trust_of_field(
        &self,
        reg: &RegState,
        field: &str,
        to: TypeId,
        flags: u32,
    ) -> u32 {
        if reg.ty.has(flag::UNTRUSTED) {
            return flag::UNTRUSTED;
        }
        if !self.is_trusted_reg(reg) && !is_rcu(reg.ty) {
            return flags & !(TRUSTED_FLAGS | flag::RCU);
        }
        let listed = |list| self.is_listed(reg, field, to, list);
        if listed(List::Trusted) {
            return flags | flag::TRUSTED;
        }
        if listed(List::TrustedOrNull) {
            return flags | flag::TRUSTED | flag::MAYBE_NULL;
        }
        if !self.in_rcu_cs() || reg.ty.may_be_null() {
            return flag::UNTRUSTED;
        }
        if listed(List::Rcu) {
            return flags | flag::RCU;
        }
        let or_null = listed(List::RcuOrNull);
        if flags & flag::RCU != 0 || or_null {
            let flags = flags | flag::RCU | flag::MAYBE_NULL;
            return if or_null { flags & !flag::UNTRUSTED } else { flags };
        }
        if flags & (flag::PERCPU | flag::USER) != 0 {
            return flags;
        }
        flags & !(TRUSTED_FLAGS | flag::RCU)
    }

    /// The kernel's types contain the lists, each as a structure beside the one it is about.
    /// Kernel: `btf_nested_type_is_trusted`.
    fn is_listed(&self, reg: &RegState, field: &str, to: TypeId, list: List) -> bool {
        let Some((BtfRef::Kernel, id)) = reg.btf() else { return false };
        let name = format!("{}{}", self.type_name(BtfRef::Kernel, id), list.suffix());
        if name.len() >= MAX_NAME {
            return false;
        }
        let Some(btf) = self.vmlinux else { return false };
        let safe = self.kernel_struct(&name).and_then(|id| btf.get(id));
        let Some(Body::Struct { members, .. }) = safe.map(|safe| safe.body) else { return false };
        members.iter().any(|member| {
            let Some(Body::Ptr(target)) = btf.get(member.ty).map(|ty| ty.body) else {
                return false;
            };
            member.name == field && btf.resolve(target).is_some_and(|target| target.id == to)
        })
    }
}
