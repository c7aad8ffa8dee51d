//! What a program and its kernel must have so that a helper is given to it.
//!
//! Kernel: `bpf_base_func_proto` and the functions that choose before it, Linux 6.18 (checked there by
//! loading with and without capabilities); 6.12 where it differs.

use super::Helper;
use crate::prog_type::bits::*;
use crate::{ProgType, ProgTypes};

/// A capability. `CAP_SYS_ADMIN` contains the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cap {
    /// `CAP_BPF`
    Bpf,
    /// `CAP_PERFMON`, and `CAP_BPF` with it.
    Perfmon,
    /// `CAP_SYS_ADMIN`
    SysAdmin,
}

/// What security lockdown keeps from programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lockdown {
    /// Reading the kernel's memory: from `confidentiality` on.
    ReadKernel,
    /// Writing the memory of processes: from `integrity` on.
    WriteUser,
}

impl Helper {
    /// The capability without which a program of this type does not get it; the capabilities for
    /// loading such a program at all come on top.
    #[must_use]
    pub fn needs_cap(&self, prog_type: ProgType) -> Option<Cap> {
        let bit = 1_u64 << prog_type.number();
        let here = |row: &&CapRow| row.progs & bit != 0 && row.helpers.contains(&self.name);
        CAPS.iter().find(here).map(|row| row.cap)
    }

    /// What a locked-down kernel refuses it for.
    #[must_use]
    pub fn lockdown(&self) -> Option<Lockdown> {
        match self.name {
            "probe_read" | "probe_read_str" | "probe_read_kernel" | "probe_read_kernel_str" => {
                Some(Lockdown::ReadKernel)
            }
            "probe_write_user" => Some(Lockdown::WriteUser),
            _ => None,
        }
    }

    /// Options without which a kernel that knows program types that call it does not have it.
    #[must_use]
    pub fn configs(&self) -> &'static [&'static str] {
        CONFIGS.iter().find(|row| row.1.contains(&self.name)).map_or(&[], |row| row.0)
    }
}

struct CapRow {
    cap: Cap,
    progs: u64,
    helpers: &'static [&'static str],
}

const ALL: u64 = EVERY | LIRC_MODE2;

#[rustfmt::skip]
const CAPS: &[CapRow] = &[
    CapRow { cap: Cap::SysAdmin, progs: ALL, helpers: &["probe_write_user"] },
    CapRow { cap: Cap::Perfmon, progs: ALL, helpers: &[
        "trace_printk", "get_current_comm", "perf_event_read", "get_current_task", "perf_event_read_value",
        "send_signal", "probe_read_user", "probe_read_kernel", "probe_read_user_str", "probe_read_kernel_str",
        "send_signal_thread", "get_task_stack", "copy_from_user", "snprintf_btf", "get_current_task_btf",
        "snprintf", "task_pt_regs", "get_branch_snapshot", "trace_vprintk", "find_vma", "copy_from_user_task",
        "sys_bpf",
    ] },
    CapRow { cap: Cap::Perfmon, progs: ALL & !(TRACING | LSM | SYSCALL), helpers: &[
        "skc_to_tcp6_sock", "skc_to_tcp_sock", "skc_to_tcp_timewait_sock", "skc_to_tcp_request_sock",
        "skc_to_udp6_sock", "skc_to_unix_sock", "skc_to_mptcp_sock",
    ] },
    CapRow { cap: Cap::Bpf, progs: ALL, helpers: &[
        "current_task_under_cgroup", "get_current_cgroup_id", "jiffies64", "get_current_ancestor_cgroup_id",
        "per_cpu_ptr", "this_cpu_ptr", "task_storage_get", "task_storage_delete", "for_each_map_elem",
        "timer_init", "timer_set_callback", "timer_start", "timer_cancel", "loop", "kptr_xchg",
        "dynptr_from_mem", "ringbuf_reserve_dynptr", "ringbuf_submit_dynptr", "ringbuf_discard_dynptr",
        "dynptr_read", "dynptr_write", "dynptr_data", "user_ringbuf_drain", "cgrp_storage_get",
        "cgrp_storage_delete",
    ] },
    CapRow { cap: Cap::Bpf, progs: ALL & !(TC | LWT), helpers: &["get_cgroup_classid"] },
    CapRow { cap: Cap::Bpf, progs: ALL & !LSM, helpers: &["spin_lock", "spin_unlock"] },
];

pub(crate) type ConfigRow = (&'static [&'static str], &'static [&'static str]);

#[rustfmt::skip]
const CONFIGS: &[ConfigRow] = &[
    (&["CONFIG_BPF_KPROBE_OVERRIDE"], &["override_return"]),
    (&["CONFIG_ARCH_HAS_NON_OVERLAPPING_ADDRESS_SPACE"], &["probe_read", "probe_read_str"]),
    (&["CONFIG_CGROUPS"], &[
        "cgrp_storage_get", "cgrp_storage_delete", "get_current_cgroup_id", "get_current_ancestor_cgroup_id",
        "current_task_under_cgroup",
    ]),
    (&["CONFIG_CGROUP_BPF"], &["get_local_storage", "get_retval", "set_retval"]),
    (&["CONFIG_CGROUP_NET_CLASSID"], &["skb_cgroup_classid"]),
    (&["CONFIG_SOCK_CGROUP_DATA"], &[
        "skb_cgroup_id", "skb_ancestor_cgroup_id", "sk_cgroup_id", "sk_ancestor_cgroup_id",
    ]),
    (&["CONFIG_XFRM"], &["skb_get_xfrm_state"]),
    (&["CONFIG_INET"], &[
        "sk_lookup_tcp", "sk_lookup_udp", "skc_lookup_tcp", "sk_release", "tcp_sock", "get_listener_sock",
        "skb_ecn_set_ce", "tcp_check_syncookie", "tcp_gen_syncookie", "skb_set_tstamp", "load_hdr_opt",
        "store_hdr_opt", "reserve_hdr_opt", "tcp_send_ack",
    ]),
    (&["CONFIG_INET", "CONFIG_SYN_COOKIES"], &[
        "tcp_raw_gen_syncookie_ipv4", "tcp_raw_gen_syncookie_ipv6", "tcp_raw_check_syncookie_ipv4",
        "tcp_raw_check_syncookie_ipv6",
    ]),
    (&["CONFIG_IPV6_SEG6_BPF"], &["lwt_seg6_store_bytes", "lwt_seg6_action", "lwt_seg6_adjust_srh"]),
    (&["CONFIG_BPF_LIRC_MODE2"], &["rc_repeat", "rc_keydown", "rc_pointer_rel"]),
    (&["CONFIG_BPF_LSM"], &[
        "inode_storage_get", "inode_storage_delete", "bprm_opts_set", "ima_inode_hash", "ima_file_hash",
    ]),
    (&["CONFIG_BPF_STREAM_PARSER"], &[
        "sk_redirect_map", "sk_redirect_hash", "msg_redirect_map", "msg_redirect_hash", "sock_map_update",
        "sock_hash_update",
    ]),
];

/// Rows of capabilities, for the page.
pub(crate) fn capabilities() -> impl Iterator<Item = (Cap, ProgTypes, &'static [&'static str])> {
    CAPS.iter().map(|row| (row.cap, ProgTypes::of(row.progs), row.helpers))
}

/// Rows of options, for the page.
pub(crate) fn configurations() -> impl Iterator<Item = ConfigRow> {
    CONFIGS.iter().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helper_id;

    #[test]
    fn rows_name_helpers() {
        let capped = CAPS.iter().flat_map(|row| row.helpers);
        for name in capped.chain(CONFIGS.iter().flat_map(|row| row.1)) {
            assert!(helper_id(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_same_helper_may_be_free_elsewhere() {
        let needs = |name, prog| Helper::find(helper_id(name).unwrap()).unwrap().needs_cap(prog);
        assert_eq!(needs("map_lookup_elem", ProgType::SocketFilter), None);
        assert_eq!(needs("skc_to_tcp_sock", ProgType::SchedCls), Some(Cap::Perfmon));
        assert_eq!(needs("skc_to_tcp_sock", ProgType::Tracing), None);
        assert_eq!(needs("spin_lock", ProgType::Lsm), None);
        assert_eq!(needs("spin_lock", ProgType::Xdp), Some(Cap::Bpf));
    }
}
