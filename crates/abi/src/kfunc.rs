//! Kernel functions that programs may call (kfuncs).
//!
//! Source: the sets that the kernel registers for its BTF, Linux 6.18. Unlike helpers they are no
//! promise: a release may change or drop them.

mod effect;
mod only;
mod table;

use crate::release::v;
use crate::{ProgTypes, Release};

/// A kernel function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kfunc {
    /// Its symbol.
    pub name: &'static str,
    /// What it is about.
    pub group: KfuncGroup,
    /// First release that has it under this name.
    pub since: Option<Release>,
    /// Bits of [`kfunc_flag`](flag).
    pub flags: u32,
    /// Program types that may call it.
    pub progs: ProgTypes,
}

/// What a kernel function is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "subjects, in one word each")]
pub enum KfuncGroup {
    Iter,
    Arena,
    Cpumask,
    String,
    Conntrack,
    Crypto,
    Key,
    Dynptr,
    Cgroup,
    Task,
    Object,
    Lock,
    Workqueue,
    Network,
    File,
    Tcp,
    SchedExt,
    Hid,
    General,
}

/// Bits of [`Kfunc::flags`]: `KF_*` of `include/linux/btf.h`.
pub mod flag {
    /// Returns a reference that must be released.
    pub const ACQUIRE: u32 = 1;
    /// Releases its argument.
    pub const RELEASE: u32 = 1 << 1;
    /// The result may be null.
    pub const RET_NULL: u32 = 1 << 2;
    /// Pointers must be trusted.
    pub const TRUSTED_ARGS: u32 = 1 << 4;
    /// Only sleepable programs may call it.
    pub const SLEEPABLE: u32 = 1 << 5;
    /// Harms the machine: crashes it, for one. Needs `CAP_SYS_BOOT`.
    pub const DESTRUCTIVE: u32 = 1 << 6;
    /// Pointers may be trusted or protected by RCU.
    pub const RCU: u32 = 1 << 7;
    /// Makes an iterator.
    pub const ITER_NEW: u32 = 1 << 8;
    /// Moves an iterator on.
    pub const ITER_NEXT: u32 = 1 << 9;
    /// Ends an iterator.
    pub const ITER_DESTROY: u32 = 1 << 10;
    /// Only inside an RCU read-side section.
    pub const RCU_PROTECTED: u32 = 1 << 11;
    /// r1 to r5 may keep their values.
    pub const FASTCALL: u32 = 1 << 12;
    /// Returns an address in an arena.
    pub const ARENA_RET: u32 = 1 << 13;
    /// The second parameter is an address in an arena.
    pub const ARENA_ARG2: u32 = 1 << 15;

    /// Each with the kernel's name.
    pub(crate) const NAMES: [(u32, &str); 14] = [
        (ACQUIRE, "acquire"),
        (RELEASE, "release"),
        (RET_NULL, "ret_null"),
        (TRUSTED_ARGS, "trusted_args"),
        (SLEEPABLE, "sleepable"),
        (DESTRUCTIVE, "destructive"),
        (RCU, "rcu"),
        (ITER_NEW, "iter_new"),
        (ITER_NEXT, "iter_next"),
        (ITER_DESTROY, "iter_destroy"),
        (RCU_PROTECTED, "rcu_protected"),
        (FASTCALL, "fastcall"),
        (ARENA_RET, "arena_ret"),
        (ARENA_ARG2, "arena_arg2"),
    ];
}

impl Kfunc {
    /// All, by group and name.
    #[must_use]
    pub const fn all() -> &'static [Self] {
        table::KFUNCS
    }

    /// By symbol; `___flavor` is the program's business and passed over.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        let name = name.split_once("___").map_or(name, |(name, _)| name);
        table::KFUNCS.iter().find(|kfunc| kfunc.name == name)
    }

    /// By the symbol that it has in a release, and the release in which it came under this symbol.
    #[must_use]
    pub fn find_at(name: &str, release: Release) -> Option<(&'static Self, Option<Release>)> {
        let former = FORMER.iter().find(|former| former.name == name && release < former.until);
        match former {
            Some(former) => Some((Self::find(former.now)?, Some(former.since))),
            None => Self::find(name).map(|row| (row, row.since)),
        }
    }
}

/// A symbol that a function had.
struct Former {
    name: &'static str,
    since: Release,
    /// The first release without it.
    until: Release,
    now: &'static str,
}

const fn former(name: &'static str, since: Release, until: Release, now: &'static str) -> Former {
    Former { name, since, until, now }
}

#[rustfmt::skip]
const FORMER: &[Former] = &[
    former("cgroup_rstat_updated", v(6, 1), v(6, 16), "css_rstat_updated"),
    former("cgroup_rstat_flush", v(6, 1), v(6, 16), "css_rstat_flush"),
    former("scx_bpf_dispatch", v(6, 12), v(6, 15), "scx_bpf_dsq_insert"),
    former("scx_bpf_dispatch_vtime", v(6, 12), v(6, 15), "scx_bpf_dsq_insert_vtime"),
    former("scx_bpf_consume", v(6, 12), v(6, 15), "scx_bpf_dsq_move_to_local"),
    former("scx_bpf_dispatch_from_dsq", v(6, 12), v(6, 15), "scx_bpf_dsq_move"),
    former("scx_bpf_dispatch_from_dsq_set_slice", v(6, 12), v(6, 15), "scx_bpf_dsq_move_set_slice"),
    former("scx_bpf_dispatch_from_dsq_set_vtime", v(6, 12), v(6, 15), "scx_bpf_dsq_move_set_vtime"),
    former("scx_bpf_dispatch_vtime_from_dsq", v(6, 12), v(6, 15), "scx_bpf_dsq_move_vtime"),
];

const fn kfunc(
    name: &'static str,
    group: KfuncGroup,
    since: Option<Release>,
    flags: u32,
    progs: u64,
) -> Kfunc {
    Kfunc { name, group, since, flags, progs: ProgTypes::of(progs) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProgType;

    #[test]
    fn each_is_listed_once_and_called_by_some() {
        for kfunc in Kfunc::all() {
            assert_eq!(Kfunc::find(kfunc.name), Some(kfunc));
            assert!(kfunc.progs.iter().next().is_some(), "{}", kfunc.name);
        }
        assert_eq!(Kfunc::find("bpf_task_acquire___new").unwrap().name, "bpf_task_acquire");
        assert!(Kfunc::find("bpf_dynptr_from_xdp").unwrap().progs.contains(ProgType::Xdp));
        assert!(!Kfunc::find("bpf_dynptr_from_xdp").unwrap().progs.contains(ProgType::SchedCls));
        assert_eq!(Kfunc::find("schedule"), None);
    }

    #[test]
    fn former_names_are_gone_and_their_successors_known() {
        for former in FORMER {
            let (old, now) = (former.name, Kfunc::find(former.now));
            assert!(Kfunc::find(old).is_none() && now.is_some(), "{old}");
            let then = Kfunc::find_at(old, v(6, 12));
            assert_eq!(then, now.map(|now| (now, Some(former.since))));
            assert_eq!(Kfunc::find_at(old, v(6, 18)), None);
        }
    }

    #[test]
    fn iterators_are_complete() {
        for kfunc in Kfunc::all().iter().filter(|kfunc| kfunc.flags & flag::ITER_NEW != 0) {
            let stem = kfunc.name.strip_suffix("_new").unwrap();
            let has = |end, bit| {
                let found =
                    Kfunc::all().iter().find(|row| row.name.strip_suffix(end) == Some(stem));
                found.is_some_and(|row| row.flags & bit != 0)
            };
            assert!(has("_next", flag::ITER_NEXT) && has("_destroy", flag::ITER_DESTROY), "{stem}");
        }
    }
}
