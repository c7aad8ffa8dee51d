//! Which pointers the verifier trusts, beyond what types say.
//!
//! Sources: the `*__safe_*` structures in the types of 6.18, `raw_tp_null_args` in its memory,
//! `rcu_protected_types` of `kernel/bpf/verifier.c`.

mod tracepoints;

/// How far a pointer in a field of a trusted structure is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safe {
    /// Inside an RCU read-side section: `MEM_RCU`.
    Rcu,
    /// The same, and it may be null.
    RcuOrNull,
    /// As the structure itself: `PTR_TRUSTED`.
    Trusted,
    /// The same, and it may be null.
    TrustedOrNull,
}

/// Structure, how far, its fields. Other fields give pointers that are not trusted.
pub const SAFE_FIELDS: &[(&str, Safe, &[&str])] = &[
    ("task_struct", Safe::Rcu, &["cpus_ptr", "cgroups", "real_parent", "group_leader"]),
    ("cgroup", Safe::Rcu, &["kn"]),
    ("css_set", Safe::Rcu, &["dfl_cgrp"]),
    ("cgroup_subsys_state", Safe::Rcu, &["cgroup"]),
    ("mm_struct", Safe::RcuOrNull, &["exe_file"]),
    ("sk_buff", Safe::RcuOrNull, &["sk"]),
    ("request_sock", Safe::RcuOrNull, &["sk"]),
    ("bpf_iter_meta", Safe::Trusted, &["seq"]),
    ("bpf_iter__task", Safe::Trusted, &["meta", "task"]),
    ("linux_binprm", Safe::Trusted, &["file"]),
    ("file", Safe::Trusted, &["f_inode"]),
    ("dentry", Safe::TrustedOrNull, &["d_inode"]),
    ("socket", Safe::TrustedOrNull, &["sk"]),
];

/// How far the pointer in a field is trusted; `None` if it is not.
///
/// A kernel's own types tell more exactly: they have a structure `task_struct__safe_rcu` and its kin.
#[must_use]
pub fn safe_field(structure: &str, field: &str) -> Option<Safe> {
    let row = SAFE_FIELDS.iter().find(|row| row.0 == structure && row.2.contains(&field));
    row.map(|row| row.1)
}

/// Structures that live until no RCU read-side section sees them: kptrs to them may be used in one.
pub const RCU_PROTECTED: &[&str] =
    &["prog_test_ref_kfunc", "cgroup", "bpf_cpumask", "task_struct", "bpf_crypto_ctx"];

/// What an argument of a tracepoint may be besides a valid pointer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TracepointArg {
    /// Null: `PTR_MAYBE_NULL`.
    pub null: bool,
    /// An error in place of a pointer: the verifier takes it for a number.
    pub error: bool,
}

/// What the argument of this number, from 0, of a tracepoint of the kernel may be; since 6.14.
///
/// The name has no `btf_trace_` before it. Arguments of tracepoints of modules may always be null where
/// the tracepoint is not known here.
#[must_use]
pub fn tracepoint_arg(tracepoint: &str, arg: u32) -> Option<TracepointArg> {
    let found = tracepoints::ARGUMENTS.binary_search_by_key(&tracepoint, |row| row.0).ok()?;
    let (_, bits) = tracepoints::ARGUMENTS.get(found)?;
    let of_arg = arg.checked_mul(4).and_then(|by| bits.checked_shr(by)).unwrap_or(0);
    Some(TracepointArg { null: of_arg & 1 != 0, error: of_arg & 2 != 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_structure() {
        assert_eq!(safe_field("task_struct", "real_parent"), Some(Safe::Rcu));
        assert_eq!(safe_field("task_struct", "parent"), None);
        assert_eq!(safe_field("socket", "sk"), Some(Safe::TrustedOrNull));
    }

    #[test]
    fn bits_belong_to_arguments() {
        assert!(tracepoints::ARGUMENTS.is_sorted());
        let skb = |arg| tracepoint_arg("kfree_skb", arg);
        assert_eq!(skb(3), Some(TracepointArg { null: true, error: false }));
        assert_eq!(skb(0), Some(TracepointArg::default()));
        assert_eq!(skb(u32::MAX), Some(TracepointArg::default()));
        let lookup = tracepoint_arg("cachefiles_lookup", 2);
        assert_eq!(lookup, Some(TracepointArg { null: false, error: true }));
        assert_eq!(tracepoint_arg("no_such_tracepoint", 0), None);
    }
}
