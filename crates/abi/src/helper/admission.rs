//! Since when a type of program may call a helper.

use super::Helper;
use crate::prog_type::bits::*;
use crate::release::v;
use crate::{ProgType, ProgTypes, Release};

/// The first release in which programs of a type may call a helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// That release, or the earliest that it can be.
    pub since: Release,
    /// Whether the release is known, from the sources of 5.10 and later. If not, it is the first that has
    /// both helper and type.
    pub known: bool,
}

impl Helper {
    /// Since when programs of this type may call it; `None` if they may not.
    #[must_use]
    pub fn admission(&self, prog_type: ProgType) -> Option<Admission> {
        if !self.progs.contains(prog_type) {
            return None;
        }
        let bit = 1_u64 << prog_type.number();
        let row = LATER.iter().find(|row| row.1 & bit != 0 && row.2.contains(&self.name));
        let first = self.since.max(prog_type.info().since);
        Some(match row {
            Some(row) => Admission { since: row.0.max(first), known: true },
            None => Admission { since: first, known: first >= v(5, 10) || READ & bit != 0 },
        })
    }
}

/// What draws its helpers from `bpf_tracing_func_proto`.
const TRACED: u64 = TRACERS | SYSCALL;
/// What has a current task: sockets of cgroups, and the rest that had `cgroup_current_func_proto` until 6.15.
const SOCKETS: u64 = CGROUP_SOCK | CGROUP_SOCK_ADDR;
const CONTROLS: u64 = CGROUP_DEVICE | CGROUP_SYSCTL | CGROUP_SOCKOPT;
const CURRENT: u64 = SOCKETS | CONTROLS;
/// What general networking programs draw from, tracing aside.
const OTHERS: u64 = EVERY & !TRACED;
/// Types whose lists were read in the source of 5.10, besides those of 5.15, 6.1 and 6.12.
const READ: u64 = TC
    | XDP
    | SOCKET_FILTER
    | CGROUP_SKB
    | SOCK_OPS
    | SK_MSG
    | SK_SKB
    | FLOW_DISSECTOR
    | LWT
    | TRACERS;

/// Those that came later than helper and type. Rows for one helper name different types.
#[rustfmt::skip]
const LATER: &[(Release, u64, &[&str])] = &[
    (v(6, 16), OTHERS, &[
        "perf_event_read", "perf_event_read_value", "send_signal", "send_signal_thread", "get_task_stack",
        "copy_from_user", "copy_from_user_task", "task_storage_get", "task_storage_delete",
        "get_branch_snapshot", "find_vma",
    ]),
    (v(6, 16), OTHERS & !CURRENT, &["get_current_comm", "current_task_under_cgroup"]),
    (v(6, 16), OTHERS & !(CURRENT | SK_MSG), &["get_current_uid_gid"]),
    (v(6, 16), EVERY & !(TC | LWT | CURRENT | SK_MSG), &["get_cgroup_classid"]),
    (v(6, 15), TC | SOCKET_FILTER | CGROUP_SKB, &["get_netns_cookie"]),
    (v(6, 12), CURRENT, &["current_task_under_cgroup"]),
    (v(6, 10), OTHERS & !(CURRENT | SK_MSG), &["get_current_pid_tgid"]),
    (v(6, 10), OTHERS, &["get_ns_current_pid_tgid"]),
    (v(6, 4), OTHERS & !(CURRENT | SK_MSG), &["get_current_cgroup_id", "get_current_ancestor_cgroup_id"]),
    (v(6, 1), EVERY & !CGROUP_SYSCTL, &["strtol", "strtoul"]),
    (v(6, 1), CONTROLS, &[
        "get_current_pid_tgid", "get_current_comm", "get_cgroup_classid", "get_current_ancestor_cgroup_id",
    ]),
    (v(6, 0), LSM, &["setsockopt", "getsockopt", "get_retval", "set_retval", "get_local_storage"]),
    (v(5, 15), TRACING | STRUCT_OPS | CGROUP_SOCKOPT, &["setsockopt", "getsockopt"]),
    (v(5, 15), SOCK_OPS | SK_MSG | CGROUP_SOCKOPT, &["get_netns_cookie"]),
    (v(5, 15), TRACED, &["get_current_ancestor_cgroup_id"]),
    (v(5, 15), TRACED & !LSM, &["spin_lock", "spin_unlock"]),
    (v(5, 14), SK_REUSEPORT, &["get_socket_cookie"]),
    (v(5, 12), TRACING | LSM, &["get_socket_cookie"]),
    (v(5, 11), TRACING, &["sk_storage_get", "sk_storage_delete"]),
    (v(5, 11), LSM, &["spin_lock", "spin_unlock"]),
    (v(5, 8), OTHERS, &[
        "get_current_task", "probe_read_user", "probe_read_kernel", "probe_read_user_str",
        "probe_read_kernel_str",
    ]),
    (v(5, 8), SK_MSG, &[
        "get_current_uid_gid", "get_current_pid_tgid", "get_current_cgroup_id",
        "get_current_ancestor_cgroup_id", "get_cgroup_classid", "perf_event_output", "sk_storage_get",
        "sk_storage_delete",
    ]),
    (v(5, 8), CGROUP_SOCK_ADDR, &["setsockopt", "getsockopt"]),
    (v(5, 7), CURRENT, &["perf_event_output"]),
    (v(5, 7), SOCKETS, &[
        "get_current_pid_tgid", "get_current_comm", "get_current_cgroup_id", "get_cgroup_classid",
    ]),
    (v(5, 7), CGROUP_SOCK, &["get_socket_cookie"]),
    (v(5, 4), SOCKET_FILTER | CGROUP_SKB | SK_SKB, &["perf_event_output"]),
];

/// Every row, for the page.
pub(crate) fn later() -> impl Iterator<Item = (Release, ProgTypes, &'static [&'static str])> {
    LATER.iter().map(|row| (row.0, ProgTypes::of(row.1), row.2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helper_id;

    #[test]
    fn rows_are_later_than_helper_and_type() {
        for &(since, progs, names) in LATER {
            for name in names {
                let helper = Helper::find(helper_id(name).unwrap()).unwrap();
                assert!(since > helper.since, "{name}");
                let some = ProgType::ALL
                    .iter()
                    .any(|prog| progs >> prog.number() & 1 == 1 && helper.progs.contains(*prog));
                assert!(some, "{name}");
            }
        }
    }

    #[test]
    fn one_row_decides() {
        for (at, (_, progs, names)) in LATER.iter().enumerate() {
            for (_, others, list) in &LATER[at + 1..] {
                let both = names.iter().find(|name| list.contains(name));
                assert!(both.is_none() || progs & others == 0, "{both:?}");
            }
        }
        assert!(LATER.is_sorted_by_key(|row| core::cmp::Reverse(row.0)));
    }

    #[test]
    fn nothing_is_admitted_before_it_exists() {
        let helper = Helper::find(helper_id("send_signal").unwrap()).unwrap();
        let later = Some(Admission { since: v(6, 16), known: true });
        assert_eq!(helper.admission(ProgType::Xdp), later);
        assert_eq!(helper.admission(ProgType::Kprobe).unwrap().since, helper.since);
        assert_eq!(helper.admission(ProgType::Unspec), None);
        for helper in Helper::all() {
            for &prog in ProgType::ALL {
                let Some(admission) = helper.admission(prog) else { continue };
                assert!(admission.since >= helper.since && admission.since >= prog.info().since);
            }
        }
    }
}
