//! What the caller promises: the kernel, the privileges, the place.

use skep_abi::Release;
use skep_btf::Btf;
use skep_prog::Image;
use std::sync::Arc;

/// The kernel whose verdict is asked for.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Its release.
    pub release: Release,
    /// Its types; without them nothing that depends on them can be decided.
    pub btf: Option<Arc<Btf>>,
    /// Whether it is locked down to integrity: no writing to memory of others.
    pub lockdown: bool,
    /// Whether mitigations of speculative execution are off.
    pub mitigations_off: bool,
    /// CPUs it can have; programs learn that the number of theirs is below.
    pub cpus: u32,
    /// The architecture's compiler, whose abilities decide too.
    pub arch: Arch,
}

/// Machine that programs are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// x86-64
    X86_64,
    /// arm64
    Aarch64,
}

/// Capabilities of whoever loads the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// `CAP_BPF`
    pub bpf: bool,
    /// `CAP_PERFMON`
    pub perfmon: bool,
    /// `CAP_NET_ADMIN`
    pub net_admin: bool,
    /// `CAP_SYS_ADMIN`; includes the others.
    pub sys_admin: bool,
}

impl Caps {
    /// Everything.
    pub const ROOT: Self = Self { bpf: true, perfmon: true, net_admin: true, sys_admin: true };
    /// Nothing.
    pub const NONE: Self = Self { bpf: false, perfmon: false, net_admin: false, sys_admin: false };
}

/// Flags of loading (`BPF_F_*` in `prog_flags`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadFlags {
    /// `BPF_F_STRICT_ALIGNMENT`
    pub strict_alignment: bool,
    /// `BPF_F_ANY_ALIGNMENT`
    pub any_alignment: bool,
    /// `BPF_F_TEST_STATE_FREQ`
    pub test_state_freq: bool,
    /// `BPF_F_SLEEPABLE`
    pub sleepable: bool,
    /// `BPF_F_XDP_HAS_FRAGS`
    pub xdp_has_frags: bool,
    /// `BPF_F_TEST_REG_INVARIANTS`
    pub test_reg_invariants: bool,
}

/// What the caller promises.
#[derive(Clone, Debug)]
pub struct Env<'a> {
    /// The image that the program belongs to: maps, types, licence.
    pub image: &'a Image,
    /// The kernel.
    pub kernel: Kernel,
    /// Privileges.
    pub caps: Caps,
    /// Flags.
    pub flags: LoadFlags,
    /// Whether the loader tells of functions of which the image has no types, as static ones.
    pub tells_functions: bool,
    /// Function, type or tracepoint that the program is to be attached to, by its name in the
    /// kernel's BTF; empty where there is none.
    pub attach_to: &'a str,
}

impl<'a> Env<'a> {
    /// Root, on this kernel.
    #[must_use]
    pub fn new(image: &'a Image, kernel: Kernel) -> Self {
        Self {
            image,
            kernel,
            caps: Caps::ROOT,
            flags: LoadFlags::default(),
            tells_functions: false,
            attach_to: "",
        }
    }
}
