//! Where older releases say otherwise than 6.18, in tables that have no release in their rows.
//!
//! Source: 6.12 with its stable updates, and for who may call which helper 5.10, 6.1 and 6.12 themselves, which
//! were asked about each place. What changed between two that were asked, changed in one of the releases
//! between; where it is not known in which, these functions take the last.

use crate::AttachType::{CgroupUnixGetpeername, CgroupUnixGetsockname, TraceIter, TraceRawTp};
use crate::arg_flag::{FIXED_SIZE, OR_NULL, RDONLY};
use crate::hooks::{SLEEPABLE_LSM, is_listed};
use crate::prog_type::bits::*;
use crate::release::v;
use crate::{Arg, AttachType, Helper, ProgType, Release};
use alloc::borrow::Cow;

/// The release that these tables know besides the one they are of.
const OLDER: Release = v(6, 12);

/// Whether programs for an LSM hook may sleep, by release.
#[must_use]
pub fn lsm_may_sleep(hook: &str, release: Release) -> bool {
    const NOT_YET: &[&str] = &["bpf_prog_free", "inode_post_removexattr", "inode_removexattr"];
    const STILL: &[&str] = &["current_getsecid_subj", "task_getsecid_obj"];
    let older = release <= OLDER;
    is_listed(SLEEPABLE_LSM, hook) && !(older && is_listed(NOT_YET, hook))
        || older && is_listed(STILL, hook)
}

/// Whether programs of this type, at this place, may call a helper that a release has and that they may
/// call in 6.18.
#[must_use]
pub fn may_call(
    helper: &Helper,
    prog_type: ProgType,
    attach_type: Option<AttachType>,
    release: Release,
) -> bool {
    let bit = 1_u64 << prog_type.number();
    let here = |at: &[AttachType]| {
        at.is_empty() || attach_type.is_some_and(|attach_type| at.contains(&attach_type))
    };
    !LATER.iter().any(|&(names, progs, at, since)| {
        release < since && progs & bit != 0 && here(at) && names.contains(&helper.name)
    })
}

/// The types that drew nothing from what tracing programs call.
const UNTRACED: u64 = EVERY & !(TRACERS | SYSCALL);
/// Hooks of cgroups that are not about packets: they always knew the current task.
const TASKS: u64 = CGROUP_DEVICE | CGROUP_SOCK | CGROUP_SOCK_ADDR | CGROUP_SOCKOPT | CGROUP_SYSCTL;

type Later = (&'static [&'static str], u64, &'static [AttachType], Release);

/// Helpers, program types that may call them since a later release than others, places or all, that release.
#[rustfmt::skip]
const LATER: &[Later] = &[
    (&[
        "find_vma", "get_branch_snapshot", "get_task_stack", "perf_event_read", "perf_event_read_value",
        "send_signal", "send_signal_thread", "task_storage_get", "task_storage_delete",
    ], UNTRACED, &[], v(6, 16)),
    (&["current_task_under_cgroup", "get_current_uid_gid", "get_current_comm"],
        UNTRACED & !(TASKS | SK_MSG), &[], v(6, 16)),
    (&["current_task_under_cgroup", "get_current_comm"], SK_MSG, &[], v(6, 16)),
    (&["current_task_under_cgroup"], TASKS, &[], v(6, 12)),
    (&["get_cgroup_classid"], EVERY & !(TC | LWT | TASKS | SK_MSG), &[], v(6, 16)),
    (&["get_netns_cookie"], CGROUP_SKB | TC | SOCKET_FILTER, &[], v(6, 15)),
    (&["skb_pull_data"], LWT_SEG6LOCAL, &[], v(6, 15)),
    (&["getsockopt", "setsockopt"], CGROUP_SOCK_ADDR, &[CgroupUnixGetpeername, CgroupUnixGetsockname],
        v(6, 15)),
    (&["get_current_pid_tgid", "get_current_cgroup_id", "get_current_ancestor_cgroup_id"],
        UNTRACED & !(TASKS | SK_MSG), &[], v(6, 10)),
    (&["get_ns_current_pid_tgid"], UNTRACED, &[], v(6, 10)),
    (&["get_attach_cookie"], RAW_TRACEPOINT | RAW_TRACEPOINT_WRITABLE, &[], v(6, 10)),
    (&["get_attach_cookie"], TRACING, &[TraceRawTp], v(6, 10)),
    (&["get_current_ancestor_cgroup_id"], TRACERS, &[], v(5, 15)),
    (&["getsockopt", "setsockopt"], STRUCT_OPS, &[], v(5, 15)),
    (&["getsockopt", "setsockopt"], TRACING, &[TraceIter], v(5, 15)),
    (&["strtol", "strtoul"], EVERY & !CGROUP_SYSCTL, &[], v(5, 13)),
    (&["spin_lock", "spin_unlock"], TRACERS, &[], v(5, 13)),
    (&["get_socket_cookie"], TRACING | LSM, &[], v(5, 12)),
    (&["sk_storage_get", "sk_storage_delete"], TRACING, &[], v(5, 11)),
];

/// The parameters of a helper that programs of this type call, as a release has them; `now` are those of
/// 6.18. Most differences are memory that later prototypes say is written, or only read.
#[must_use]
pub fn args(
    helper: &Helper,
    prog_type: ProgType,
    now: &'static [Arg],
    release: Release,
) -> Cow<'static, [Arg]> {
    let bit = 1_u64 << prog_type.number();
    let mut args = Cow::Borrowed(now);
    let rows = ARG_FLAGS.iter().filter(|row| row.0 == helper.name && row.1 & bit != 0);
    for &(_, _, at, flags) in rows.filter(|_| release <= OLDER) {
        if let Some(arg) = args.to_mut().get_mut(at) {
            arg.flags = flags;
        }
    }
    args
}

const ANY: u64 = u64::MAX;
const RAW: u64 = RAW_TRACEPOINT | RAW_TRACEPOINT_WRITABLE | TRACING | LSM | SYSCALL;

/// Helper, program types, parameter, flags up to 6.12.
const ARG_FLAGS: &[(&str, u64, usize, u32)] = &[
    ("d_path", ANY, 1, 0),
    ("fib_lookup", ANY, 1, 0),
    ("get_stack", RAW, 1, RDONLY),
    ("kallsyms_lookup_name", ANY, 0, 0),
    ("read_branch_records", ANY, 1, OR_NULL),
    ("snprintf", ANY, 0, OR_NULL),
    ("snprintf_btf", ANY, 0, 0),
    ("sysctl_get_name", ANY, 1, 0),
    ("tcp_raw_check_syncookie_ipv4", ANY, 0, FIXED_SIZE),
    ("tcp_raw_check_syncookie_ipv4", ANY, 1, FIXED_SIZE),
    ("tcp_raw_check_syncookie_ipv6", ANY, 0, FIXED_SIZE),
    ("tcp_raw_check_syncookie_ipv6", ANY, 1, FIXED_SIZE),
    ("tcp_raw_gen_syncookie_ipv4", ANY, 0, FIXED_SIZE),
    ("tcp_raw_gen_syncookie_ipv4", ANY, 1, 0),
    ("tcp_raw_gen_syncookie_ipv6", ANY, 0, FIXED_SIZE),
    ("tcp_raw_gen_syncookie_ipv6", ANY, 1, 0),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helper_id;

    #[test]
    fn rows_differ_from_what_is_now_in_how_memory_is_used_alone() {
        use crate::arg_flag::{UNINIT, WRITE};
        for &(name, _, arg, flags) in ARG_FLAGS {
            let helper = Helper::find(helper_id(name).unwrap()).unwrap();
            let now = helper.args[arg].flags;
            assert_ne!(now, flags, "{name}");
            let rest = !(RDONLY | WRITE | UNINIT);
            assert_eq!(now & rest, flags & rest, "{name}");
        }
    }

    #[test]
    fn helpers_reach_more_programs_in_later_releases() {
        let find = |name| Helper::find(helper_id(name).unwrap()).unwrap();
        for &(names, progs, _, since) in LATER {
            for helper in names.iter().map(|name| find(name)) {
                assert!(helper.since < since, "{}", helper.name);
                let types = crate::ProgTypes::of(progs);
                assert!(types.iter().all(|ty| may_call(helper, ty, None, v(6, 18))));
            }
        }
        let comm = find("get_current_comm");
        assert!(!may_call(comm, ProgType::Xdp, None, v(6, 12)));
        assert!(may_call(comm, ProgType::Xdp, None, v(6, 16)));
        assert!(may_call(comm, ProgType::Kprobe, None, v(5, 4)));
    }

    #[test]
    fn the_release_decides() {
        let (old, new) = (v(6, 6), v(6, 18));
        assert!(!lsm_may_sleep("inode_removexattr", old));
        assert!(lsm_may_sleep("bpf_lsm_inode_removexattr", new));
        assert!(
            lsm_may_sleep("task_getsecid_obj", old) && !lsm_may_sleep("task_getsecid_obj", new)
        );
        let snprintf = Helper::find(helper_id("snprintf").unwrap()).unwrap();
        let first = |release| args(snprintf, ProgType::Xdp, snprintf.args, release)[0].flags;
        assert_eq!(first(old), OR_NULL);
        assert_ne!(first(new), OR_NULL);
    }
}
