//! Calls: of helpers, of the program's own functions, of kernel functions.
//!
//! This file only says which kind of call it is. Of helpers: [`gate`] (who may call), [`arg`] and
//! [`reg_types`] (what they take), [`map_func`] (with which maps), [`helper`] (the order of it all and
//! single helpers), [`result`]. [`func_call`] and [`callback`] follow functions of the program,
//! `kfunc.rs` those of the kernel.
//!
//! Kernel: `check_helper_call`, `check_func_call`, `check_kfunc_call`.

pub(crate) mod arg;
pub(crate) mod callback;
mod effects;
mod format;
pub(crate) mod func_call;
pub(crate) mod gate;
mod helper;
pub(crate) mod id;
mod map_func;
mod meta;
mod reg_types;
mod result;

use crate::reject::{Fact, Reject, Res, reject};
use crate::rule::Rule;
use crate::verifier::{Next, Verifier};
use skep_isa::Call;

pub(crate) use effects::Summary;
pub(crate) use gate::{NoProto, Proto};
pub(crate) use meta::Meta;

/// The lower half of a number, as C assigns it.
pub(crate) const fn low_half(value: u64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

impl Verifier<'_> {
    /// The current instruction is a call.
    pub(crate) fn check_call(&mut self, call: Call) -> Res<Next> {
        if self.cur.active_locks != 0 && !self.may_call_locked(call) {
            let taken = self.cur.refs.iter().rev().find(|held| held.kind.is_lock());
            let mut refused =
                Reject::new(Rule::Lock, "function calls are not allowed while holding a lock");
            refused.facts.extend(taken.map(|held| Fact::Since(held.pc)));
            return refused.stop();
        }
        match call {
            Call::Helper(func) => self.check_helper_call(func.cast_unsigned()),
            Call::Local(off) => self.check_func_call(off),
            Call::Kfunc { .. } => self.check_kfunc_call(call),
            Call::Reg(_) => reject(Rule::InsnEncoding, "BPF_CALL uses reserved fields"),
        }
    }

    /// Whether the call may be made while a lock is held.
    fn may_call_locked(&self, call: Call) -> bool {
        match call {
            Call::Helper(func) => {
                matches!(func.cast_unsigned(), id::SPIN_UNLOCK | id::KPTR_XCHG)
            }
            Call::Kfunc { .. } => self.kfunc_may_run_locked(call),
            Call::Local(_) | Call::Reg(_) => true,
        }
    }
}
