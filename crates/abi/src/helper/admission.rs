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
    /// Whether the release is known. If not, it is the first that has both helper and type.
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
        Some(row.map_or(Admission { since: first, known: first >= v(6, 10) }, |row| Admission {
            since: row.0,
            known: true,
        }))
    }
}

/// What draws its helpers from `bpf_tracing_func_proto`.
const TRACED: u64 = TRACERS | SYSCALL;
/// What had `cgroup_current_func_proto` until 6.15.
const CURRENT: u64 =
    CGROUP_SOCK | CGROUP_DEVICE | CGROUP_SOCK_ADDR | CGROUP_SYSCTL | CGROUP_SOCKOPT;

/// Those that came later than helper and type, as the sources of 6.12 and the history after it say.
#[rustfmt::skip]
const LATER: &[(Release, u64, &[&str])] = &[
    (v(6, 16), EVERY & !TRACED, &[
        "perf_event_read", "perf_event_read_value", "send_signal", "send_signal_thread", "get_task_stack",
        "copy_from_user", "copy_from_user_task", "task_storage_get", "task_storage_delete",
        "get_branch_snapshot", "find_vma",
    ]),
    (v(6, 16), EVERY & !(TRACED | CURRENT), &["get_current_comm", "current_task_under_cgroup"]),
    (v(6, 16), EVERY & !(TRACED | CURRENT | SK_MSG), &["get_current_uid_gid"]),
    (v(6, 16), EVERY & !(TC | LWT | CURRENT | SK_MSG), &["get_cgroup_classid"]),
    (v(6, 15), TC | SOCKET_FILTER | CGROUP_SKB, &["get_netns_cookie"]),
    (v(6, 10), EVERY & !(TRACED | CURRENT | SK_MSG), &["get_current_pid_tgid"]),
    (v(6, 10), EVERY & !TRACED, &["get_ns_current_pid_tgid"]),
    (v(6, 0), LSM, &["setsockopt", "getsockopt", "get_retval", "set_retval", "get_local_storage"]),
    (v(5, 15), TRACING | STRUCT_OPS, &["setsockopt", "getsockopt"]),
    (v(5, 12), TRACING | LSM, &["get_socket_cookie"]),
    (v(5, 11), TRACING, &["sk_storage_get", "sk_storage_delete"]),
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
