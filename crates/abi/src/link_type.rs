//! Kinds of link: what holds a program in its place.
//!
//! Source: `enum bpf_link_type` in `include/uapi/linux/bpf.h`, Linux 6.18.

use crate::prog_type::bits::*;
use crate::release::v;
use crate::{ProgTypes, Release, table_enum};

table_enum! {
    /// Kinds of link: what holds a program in its place.
    pub enum LinkType "BPF_LINK_TYPE_" {
        Unspec = 0, "unspec";
        RawTracepoint = 1, "raw_tracepoint";
        Tracing = 2, "tracing";
        Cgroup = 3, "cgroup";
        Iter = 4, "iter";
        Netns = 5, "netns";
        Xdp = 6, "xdp";
        PerfEvent = 7, "perf_event";
        KprobeMulti = 8, "kprobe_multi";
        StructOps = 9, "struct_ops";
        Netfilter = 10, "netfilter";
        Tcx = 11, "tcx";
        UprobeMulti = 12, "uprobe_multi";
        Netkit = 13, "netkit";
        Sockmap = 14, "sockmap";
    }
}

/// Since when, and for which programs, by number from 1.
const INFO: [(Release, u64); 14] = [
    (v(4, 17), RAW_TRACEPOINT | RAW_TRACEPOINT_WRITABLE),
    (v(5, 5), TRACING | LSM),
    (v(5, 7), CGROUP | LSM),
    (v(5, 8), TRACING),
    (v(5, 8), FLOW_DISSECTOR | SK_LOOKUP),
    (v(5, 9), XDP),
    (v(5, 15), KPROBE | TRACEPOINT | PERF_EVENT),
    (v(5, 18), KPROBE),
    (v(6, 4), STRUCT_OPS),
    (v(6, 4), NETFILTER),
    (v(6, 6), SCHED_CLS),
    (v(6, 6), KPROBE),
    (v(6, 7), SCHED_CLS),
    (v(6, 10), SOCKMAP),
];

impl LinkType {
    /// First release whose bpf(2) makes one; `None` for [`LinkType::Unspec`].
    #[must_use]
    pub fn since(self) -> Option<Release> {
        self.info().map(|(since, _)| since)
    }

    /// Program types that it holds. Extensions are held by tracing links too.
    #[must_use]
    pub fn progs(self) -> ProgTypes {
        ProgTypes::of(self.info().map_or(0, |(_, progs)| progs))
    }

    fn info(self) -> Option<(Release, u64)> {
        INFO.get((self as usize).checked_sub(1)?).copied()
    }
}
