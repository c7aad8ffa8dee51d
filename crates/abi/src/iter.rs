//! Iterators: what programs at `trace_iter` get as arguments, where BTF does not say it.
//!
//! Source: `struct bpf_iter_reg` of each target, Linux 6.18 (`ctx_arg_info`).

use crate::Release;
use crate::release::v;

/// What an iterator goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IterTarget {
    /// As in `SEC("iter/NAME")`; programs are for the function `bpf_iter_NAME`.
    pub name: &'static str,
    /// The first release that has it.
    pub since: Release,
    /// Arguments that are more or less than a trusted pointer or a number, by position.
    pub args: &'static [(u32, IterArg)],
}

/// What an argument of an iterator's program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IterArg {
    /// A trusted pointer of its type, or null.
    TrustedOrNull,
    /// A pointer of its type that is not trusted, or null.
    OrNull,
    /// Memory to read, or null; how much depends on the map.
    RdonlyBufOrNull,
    /// Memory to read and write, or null; how much depends on the map.
    BufOrNull,
}

impl IterTarget {
    /// All, by release.
    #[must_use]
    pub const fn all() -> &'static [Self] {
        TARGETS
    }

    /// The one of this name, with or without `bpf_iter_`; a kernel's modules may have more.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        let short = name.strip_prefix("bpf_iter_").unwrap_or(name);
        TARGETS.iter().find(|target| target.name == short || target.name == name)
    }

    /// What the argument of this number, from 0, is; `None` if its type in BTF says it all.
    #[must_use]
    pub fn arg(&self, number: u32) -> Option<IterArg> {
        self.args.iter().find(|row| row.0 == number).map(|row| row.1)
    }
}

const fn target(name: &'static str, since: Release, args: &'static [(u32, IterArg)]) -> IterTarget {
    IterTarget { name, since, args }
}

#[rustfmt::skip]
const TARGETS: &[IterTarget] = {
    use IterArg::*;
    &[
        target("bpf_map", v(5, 8), &[(1, TrustedOrNull)]),
        target("ipv6_route", v(5, 8), &[(1, OrNull)]),
        target("netlink", v(5, 8), &[(1, OrNull)]),
        target("task", v(5, 8), &[(1, TrustedOrNull)]),
        target("task_file", v(5, 8), &[(1, OrNull), (3, OrNull)]),
        target("bpf_map_elem", v(5, 9), &[(2, RdonlyBufOrNull), (3, BufOrNull)]),
        target("bpf_prog", v(5, 9), &[(1, OrNull)]),
        target("bpf_sk_storage_map", v(5, 9), &[(2, OrNull), (3, BufOrNull)]),
        target("tcp", v(5, 9), &[(1, TrustedOrNull)]),
        target("udp", v(5, 9), &[(1, TrustedOrNull)]),
        target("sockmap", v(5, 10), &[(2, RdonlyBufOrNull), (3, OrNull)]),
        target("task_vma", v(5, 12), &[(1, OrNull), (2, OrNull)]),
        target("unix", v(5, 15), &[(1, OrNull)]),
        target("bpf_link", v(5, 19), &[(1, OrNull)]),
        target("ksym", v(6, 0), &[(1, OrNull)]),
        target("cgroup", v(6, 1), &[(1, TrustedOrNull)]),
        target("kmem_cache", v(6, 13), &[(1, TrustedOrNull)]),
        target("dmabuf", v(6, 16), &[(1, OrNull)]),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_found_by_section_and_function() {
        assert!(TARGETS.is_sorted_by_key(|target| (target.since, target.name)));
        for target in TARGETS {
            assert_eq!(IterTarget::find(target.name), Some(target));
            let function = alloc::format!("bpf_iter_{}", target.name);
            assert_eq!(IterTarget::find(&function), Some(target));
        }
        let elem = IterTarget::find("bpf_map_elem").unwrap();
        assert_eq!((elem.arg(2), elem.arg(1)), (Some(IterArg::RdonlyBufOrNull), None));
    }
}
