//! What the arguments of a call told so far.

use crate::btf_ref::BtfRef;
use crate::mem::MemMeta;
use skep_btf::TypeId;
use skep_isa::Reg;

/// What the arguments of a call told so far. Kernel: `struct bpf_call_arg_meta`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meta {
    /// The helper, 0 for other calls.
    pub(crate) func: u32,
    /// Map that was passed, or that holds what was passed.
    pub(crate) map: Option<u32>,
    /// Which look-up an inner map came from.
    pub(crate) map_uid: u32,
    /// What accesses through the arguments left.
    pub(crate) mem: MemMeta,
    /// The argument that is released.
    pub(crate) release: Option<Reg>,
    /// Size of memory that is allocated.
    pub(crate) mem_size: u64,
    /// Reference that an argument holds.
    pub(crate) ref_obj_id: u32,
    /// Dynptr that was passed.
    pub(crate) dynptr_id: u32,
    /// Function that was passed.
    pub(crate) subprog: Option<u32>,
    /// Type of what a per-CPU pointer points to.
    pub(crate) ret_btf: Option<(BtfRef, TypeId)>,
    /// Field that holds a pointer.
    pub(crate) kptr: Option<crate::record::Field>,
    /// The key, if it is known.
    pub(crate) const_key: Option<u64>,
}

impl Meta {
    /// Of a call of this helper.
    pub(crate) fn of(func: u32) -> Self {
        Self { func, ..Self::default() }
    }
}
