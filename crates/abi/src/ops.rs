//! Structures of operations that programs of type `struct_ops` implement, and what programs may store to.
//!
//! Source: each `struct bpf_struct_ops` of the kernel (`cfi_stubs`, `check_member`, `verifier_ops`), Linux 6.12
//! and 6.18; those that 6.18 here has were asked.

use crate::release::v;
use crate::{ProgType, Release};

/// A structure of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ops {
    /// As C names it.
    pub name: &'static str,
    /// First release in which programs may implement it.
    pub since: Release,
    /// The option without which it is not there.
    pub config: &'static str,
    /// Members that programs may implement; for another that is a function the verifier says `attach to
    /// unsupported member`.
    pub members: &'static [&'static str],
    /// Members whose programs may sleep; `None` if all.
    pub sleepable: Option<&'static [&'static str]>,
    /// An argument of the first type is taken for one of the second.
    pub promotes: Option<(&'static str, &'static str)>,
    /// What its programs may store to, besides what they own.
    pub stores: &'static [Store],
}

/// A field of a structure of the kernel that programs may store to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store {
    /// The structure that the pointer is to.
    pub structure: &'static str,
    /// The field as an expression behind the pointer; empty for all of the structure.
    pub field: &'static str,
    /// Whether a store may begin inside the field. It never passes its end.
    pub inside: bool,
}

const fn at(structure: &'static str, field: &'static str) -> Store {
    Store { structure, field, inside: false }
}

const fn inside(structure: &'static str, field: &'static str) -> Store {
    Store { structure, field, inside: true }
}

impl Ops {
    /// All, by release.
    #[must_use]
    pub const fn all() -> &'static [Self] {
        OPS
    }

    /// The one of this name; a kernel's modules may have more.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        OPS.iter().find(|ops| ops.name == name)
    }

    /// Whether programs may implement the member, and sleep or not as told.
    #[must_use]
    pub fn admits(&self, member: &str, sleepable: bool) -> bool {
        let may_sleep = self.sleepable.is_none_or(|members| members.contains(&member));
        self.members.contains(&member) && (!sleepable || may_sleep)
    }
}

impl ProgType {
    /// Fields of kernel structures that programs of the type may store to, structures of operations aside.
    ///
    /// Kernel: `tc_cls_act_btf_struct_access`, `xdp_btf_struct_access`; needs `CONFIG_NF_CONNTRACK_MARK`.
    #[must_use]
    pub const fn stores(self) -> &'static [Store] {
        match self {
            Self::SchedCls | Self::SchedAct | Self::Xdp => CONNECTION,
            _ => &[],
        }
    }
}

const CONNECTION: &[Store] = &[at("nf_conn", "mark"), at("nf_conn___init", "mark")];

#[rustfmt::skip]
const OPS: &[Ops] = &[
    Ops {
        name: "tcp_congestion_ops",
        since: v(5, 6),
        config: "CONFIG_INET",
        members: &[
            "ssthresh", "cong_avoid", "set_state", "cwnd_event", "in_ack_event", "pkts_acked", "min_tso_segs",
            "cong_control", "undo_cwnd", "sndbuf_expand", "init", "release",
        ],
        sleepable: None,
        promotes: Some(("sock", "tcp_sock")),
        stores: &[
            at("tcp_sock", "inet_conn.icsk_inet.sk.sk_pacing_rate"),
            at("tcp_sock", "inet_conn.icsk_inet.sk.sk_pacing_status"),
            inside("tcp_sock", "inet_conn.icsk_ca_priv"),
            at("tcp_sock", "inet_conn.icsk_ack.pending"),
            at("tcp_sock", "snd_cwnd"),
            at("tcp_sock", "snd_cwnd_cnt"),
            at("tcp_sock", "snd_cwnd_stamp"),
            at("tcp_sock", "snd_ssthresh"),
            at("tcp_sock", "ecn_flags"),
            at("tcp_sock", "app_limited"),
        ],
    },
    Ops {
        name: "bpf_dummy_ops",
        since: v(5, 16),
        config: "CONFIG_NET",
        members: &["test_1", "test_2", "test_sleepable"],
        sleepable: Some(&["test_sleepable"]),
        promotes: None,
        stores: &[inside("bpf_dummy_ops_state", "")],
    },
    Ops {
        name: "hid_bpf_ops",
        since: v(6, 11),
        config: "CONFIG_HID_BPF",
        members: &["hid_device_event", "hid_rdesc_fixup", "hid_hw_request", "hid_hw_output_report"],
        sleepable: Some(&["hid_rdesc_fixup", "hid_hw_request", "hid_hw_output_report"]),
        promotes: None,
        stores: &[
            inside("hid_bpf_ctx", "retval"), inside("hid_device", "name"), inside("hid_device", "uniq"),
            inside("hid_device", "phys"),
        ],
    },
    Ops {
        name: "sched_ext_ops",
        since: v(6, 12),
        config: "CONFIG_SCHED_CLASS_EXT",
        members: &[
            "select_cpu", "enqueue", "dequeue", "dispatch", "tick", "runnable", "running", "stopping",
            "quiescent", "yield", "core_sched_before", "set_weight", "set_cpumask", "update_idle",
            "cpu_acquire", "cpu_release", "init_task", "exit_task", "enable", "disable", "cgroup_init",
            "cgroup_exit", "cgroup_prep_move", "cgroup_move", "cgroup_cancel_move", "cgroup_set_weight",
            "cgroup_set_bandwidth", "cpu_online", "cpu_offline", "init", "exit", "dump",
            "dump_cpu", "dump_task",
        ],
        sleepable: Some(&[
            "init_task", "cgroup_init", "cgroup_exit", "cgroup_prep_move", "cpu_online", "cpu_offline", "init",
            "exit",
        ]),
        promotes: None,
        stores: &[
            inside("task_struct", "scx.slice"), inside("task_struct", "scx.dsq_vtime"),
            inside("task_struct", "scx.disallow"),
        ],
    },
    Ops {
        name: "Qdisc_ops",
        since: v(6, 16),
        config: "CONFIG_NET_SCH_BPF",
        members: &["enqueue", "dequeue", "init", "reset", "destroy"],
        sleepable: None,
        promotes: None,
        stores: &[
            at("Qdisc", "limit"), at("Qdisc", "q.qlen"), inside("Qdisc", "qstats"), at("sk_buff", "tstamp"),
            // `struct qdisc_skb_cb`'s `data`, 20 bytes behind its first 8.
            inside("sk_buff", "cb[8..28]"),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_sleep_are_members() {
        assert!(OPS.is_sorted_by_key(|ops| ops.since));
        for ops in OPS {
            for member in ops.sleepable.unwrap_or_default() {
                assert!(ops.admits(member, true) && ops.admits(member, false), "{member}");
            }
            assert!(!ops.admits("owner", false), "{}", ops.name);
        }
        let dummy = Ops::find("bpf_dummy_ops").unwrap();
        assert!(dummy.admits("test_1", false) && !dummy.admits("test_1", true));
        assert_eq!(Ops::find("file_operations"), None);
    }
}
