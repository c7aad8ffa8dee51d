//! What the caller promises: the kernel, the privileges, the place.

use crate::replace::Target;
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
    /// Lines `CONFIG_X=y` and `# CONFIG_X is not set` of its configuration; of what it does not name, the types
    /// tell.
    pub config: Option<Arc<str>>,
    /// How far it is locked down.
    pub lockdown: Lockdown,
    /// Whether mitigations of speculative execution are off.
    pub mitigations_off: bool,
    /// CPUs it can have; programs learn that the number of theirs is below.
    pub cpus: u32,
    /// The architecture's compiler, whose abilities decide too.
    pub arch: Arch,
}

impl Kernel {
    /// One of the release, for x86-64 with two CPUs, of which neither types nor configuration are known and which
    /// is not locked down.
    #[must_use]
    pub fn new(release: Release) -> Self {
        Self {
            release,
            btf: None,
            config: None,
            lockdown: Lockdown::None,
            mitigations_off: false,
            cpus: 2,
            arch: Arch::X86_64,
        }
    }

    /// Whether the configuration sets an option; `None` if it does not name it.
    pub(crate) fn is_set(&self, option: &str) -> Option<bool> {
        self.config.as_deref()?.lines().find_map(|line| {
            let line = line.trim();
            if let Some(value) = line.strip_prefix(option).and_then(|rest| rest.strip_prefix('=')) {
                return Some(matches!(value, "y" | "m"));
            }
            let unset = line.strip_prefix("# ").and_then(|rest| rest.strip_prefix(option));
            unset.filter(|rest| *rest == " is not set").map(|_| false)
        })
    }
}

/// How far a kernel is locked down, as `/sys/kernel/security/lockdown` tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lockdown {
    /// Not at all.
    #[default]
    None,
    /// Programs do not write the memory of processes.
    Integrity,
    /// Nor do they read the kernel's.
    Confidentiality,
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
    /// kernel's BTF, or in that of [`Env::target`]; empty where there is none.
    pub attach_to: &'a str,
    /// The program of which a function is to be replaced.
    pub target: Option<&'a Target<'a>>,
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
            target: None,
        }
    }
}
