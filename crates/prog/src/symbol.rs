//! What a program needs of the kernel it will run on: names, and places that depend on its types.

use alloc::string::String;
use skep_btf::{StrOff, TypeId};
use skep_isa::Pc;

/// A kernel function or variable that a program names (`extern … __ksym`).
///
/// Until an engine knows better, instructions refer to the n-th of [`Prog::externs`](crate::Prog) by
/// `Call::Kfunc { id: n, module: Extern::MODULE }` and `ImmSrc::BtfId { id: n, fd: Extern::FD }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extern {
    /// Its symbol.
    pub name: String,
    /// `FUNC` or `VAR` in the BTF of the image; none for a variable without type.
    pub type_id: Option<TypeId>,
    /// Whether the program copes with its absence.
    pub weak: bool,
}

impl Extern {
    /// `module` of a call that names an [`Extern`].
    pub const MODULE: i16 = -1;
    /// `fd` of a load that names an [`Extern`].
    pub const FD: i32 = -1;
}

/// An instruction whose offset or immediate depends on the types of the kernel (CO-RE).
///
/// Source: `struct bpf_core_relo` in `include/uapi/linux/bpf.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreReloc {
    /// The instruction.
    pub pc: Pc,
    /// The type as the program knows it, in the BTF of the image.
    pub ty: TypeId,
    /// Which part of it, a string of the image's BTF.
    pub access: StrOff,
    /// What is asked: `enum bpf_core_relo_kind`.
    pub kind: u32,
}

impl CoreReloc {
    /// The helper that a poisoned instruction calls: one whose relocation had nothing to match, and
    /// which must not run. No kernel has it; the number is libbpf's (`bpf_core_poison_insn`).
    pub const POISON: i32 = 0x0bad_2310;
}

/// A variable of `.kconfig`: a value of the kernel's configuration that a loader fills in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kconfig {
    /// `CONFIG_HZ`, or `LINUX_KERNEL_VERSION` and its like.
    pub name: String,
    /// Bytes from the start of the section.
    pub at: u32,
    /// Type of the variable in the BTF of the image.
    pub type_id: TypeId,
    /// Whether the program copes with its absence.
    pub weak: bool,
}
