//! Pointers that were compared with null.
//!
//! Kernel: `mark_ptr_or_null_regs`, `mark_ptr_not_null_reg`, `is_trusted_reg`.

use crate::reg::{Base, Extra, RegState, RegType, flag};
use crate::state::State;
use crate::verifier::Verifier;
use skep_abi::MapType;
use skep_isa::Reg;

/// Flags that say a pointer is valid. Kernel: `BPF_REG_TRUSTED_MODIFIERS`.
pub(crate) const TRUSTED_FLAGS: u32 = flag::ALLOC | flag::TRUSTED | flag::NON_OWN_REF;

/// Objects of the program's own types. Kernel: `type_is_ptr_alloc_obj`.
pub(crate) fn is_alloc(ty: RegType) -> bool {
    ty.base == Base::BtfId && ty.has(flag::ALLOC)
}

/// References to such objects that do not own them. Kernel: `type_is_non_owning_ref`.
pub(crate) fn is_non_owning(ty: RegType) -> bool {
    is_alloc(ty) && ty.has(flag::NON_OWN_REF)
}

/// Protected by RCU. Kernel: `is_rcu_reg`.
pub(crate) fn is_rcu(ty: RegType) -> bool {
    ty.has(flag::RCU)
}

impl Verifier<'_> {
    /// Whether a pointer to a kernel object is known to be valid. Kernel: `is_trusted_reg`.
    pub(crate) fn is_trusted(&self, reg: &RegState) -> bool {
        if reg.ref_obj_id != 0 {
            return true;
        }
        // Sockets and the like are valid by themselves.
        if matches!(reg.ty.base, Base::Socket | Base::SockCommon | Base::TcpSock | Base::XdpSock)
            && reg.ty.flags == 0
        {
            return true;
        }
        reg.ty.has(TRUSTED_FLAGS) && !reg.ty.has(flag::RINGBUF | flag::UNTRUSTED) && {
            let modifiers = flag::USER
                | flag::PERCPU
                | flag::UNTRUSTED
                | flag::MAYBE_NULL
                | flag::RCU
                | flag::RDONLY;
            reg.ty.flags & modifiers == 0
        }
    }

    /// What was compared with null in register `at` is null or not, in all registers that hold it.
    pub(crate) fn mark_or_null(&mut self, state: &mut State, at: Reg, is_null: bool) {
        let (id, ref_obj_id) = {
            let reg = state.top().reg(at);
            (reg.id, reg.ref_obj_id)
        };
        if is_null && ref_obj_id != 0 && ref_obj_id == id {
            // Nothing was acquired.
            state.refs.retain(|reference| reference.id != id);
        }
        state.for_each_reg(|reg| {
            if !reg.ty.may_be_null() || reg.id != id || (id == 0 && !is_rcu(reg.ty)) {
                return;
            }
            if is_null {
                *reg = RegState {
                    ty: RegType::new(Base::Scalar),
                    extra: Extra::None,
                    id: 0,
                    ref_obj_id: 0,
                    ..*reg
                };
            } else {
                self.mark_not_null(reg);
                if !self.may_hold_spin_lock(reg) {
                    reg.id = 0;
                }
            }
        });
    }

    /// A pointer that is not null, as its kind has it then.
    pub(crate) fn mark_not_null(&self, reg: &mut RegState) {
        let Some(map) = reg.map().filter(|_| reg.ty.base == Base::MapValue) else {
            reg.ty = reg.ty.without(flag::MAYBE_NULL);
            return;
        };
        let info = &self.maps[map as usize];
        if let Some(inner) = info.inner {
            reg.ty = RegType::new(Base::ConstMap);
            let record = &self.maps[inner as usize].record;
            let uid = if record.has_timer() || record.has_workqueue() { reg.id } else { 0 };
            reg.extra = Extra::Map { map: inner, uid };
        } else {
            reg.ty = RegType::new(match info.map_type() {
                MapType::Xskmap => Base::XdpSock,
                MapType::Sockmap | MapType::Sockhash => Base::Socket,
                _ => Base::MapValue,
            });
        }
    }

    /// Whether a lock may lie where the pointer points, so that its identity matters.
    /// Kernel: `reg_may_point_to_spin_lock`.
    pub(crate) fn may_hold_spin_lock(&self, reg: &RegState) -> bool {
        self.record_of(reg).is_some_and(|record| record.has_spin_lock())
    }
}
