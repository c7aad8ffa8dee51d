//! Functions of a program.

use skep_btf::TypeId;

/// A function of a program. Kernel: `struct bpf_subprog_info`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subprog {
    /// First slot.
    pub(crate) start: u32,
    /// After the last slot.
    pub(crate) end: u32,
    /// Bytes of stack it uses.
    pub(crate) stack_depth: u32,
    /// Bytes of stack that spills around fast calls may take.
    pub(crate) fastcall_stack_off: i32,
    /// Where its instructions start in the postorder.
    pub(crate) postorder_start: usize,
    pub(crate) has_tail_call: bool,
    pub(crate) tail_call_reachable: bool,
    pub(crate) has_ld_abs: bool,
    pub(crate) is_cb: bool,
    pub(crate) is_async_cb: bool,
    pub(crate) is_exception_cb: bool,
    pub(crate) changes_pkt_data: bool,
    pub(crate) might_sleep: bool,
    /// Whether spills around fast calls are only used so.
    pub(crate) keep_fastcall_stack: bool,
    /// Whether its prototype was read, and what came of it.
    pub(crate) args_cached: bool,
    /// Parameters of a global function.
    pub(crate) args: Vec<SubArg>,
    /// Its `FUNC` in the program's BTF.
    pub(crate) func: Option<TypeId>,
    /// Whether it is verified by itself.
    pub(crate) is_global: bool,
    /// Whether its prototype does not say what it takes.
    pub(crate) unreliable: bool,
    /// Whether a verified function calls it.
    pub(crate) called: bool,
    /// Whether it was verified by itself.
    pub(crate) verified: bool,
}

/// Parameter of a global function. Kernel: `struct bpf_subprog_arg_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SubArg {
    pub(crate) kind: SubArgKind,
    /// Bits of [`crate::reg::flag`].
    pub(crate) flags: u32,
    /// Bytes behind a [`SubArgKind::Mem`].
    pub(crate) mem_size: u32,
    /// Type behind a [`SubArgKind::BtfId`], in the kernel's BTF.
    pub(crate) btf_id: TypeId,
}

/// Kind of parameter of a global function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubArgKind {
    Anything,
    Ctx,
    Mem,
    Dynptr,
    BtfId,
    Arena,
}
