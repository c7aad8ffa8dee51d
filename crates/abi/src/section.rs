//! Section names of objects and what they say about the program inside.
//!
//! Source: the table `section_defs` of libbpf 1.7; the names are its interface with every object.

use crate::{AttachType, ProgType};

/// What a section name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// The part of the name that decides: `tracepoint` of `tracepoint/syscalls/sys_enter_openat`.
    pub name: &'static str,
    /// Whether `/target` may follow.
    pub takes_target: bool,
    /// Program type to load with.
    pub prog_type: ProgType,
    /// Expected attach type, if the program type has any.
    pub attach_type: Option<AttachType>,
    /// Loaded with `BPF_F_SLEEPABLE`.
    pub sleepable: bool,
    /// Loaded with `BPF_F_XDP_HAS_FRAGS`.
    pub frags: bool,
}

impl Section {
    /// The row for a section of an object, and the target after the slash (empty if there is none).
    /// A leading `?` (do not load by default) is passed over.
    #[must_use]
    pub fn find(section: &str) -> Option<(&'static Self, &str)> {
        let section = section.strip_prefix('?').unwrap_or(section);
        SECTIONS.iter().find_map(|row| {
            let rest = section.strip_prefix(row.name)?;
            match rest.strip_prefix('/') {
                _ if rest.is_empty() => Some((row, "")),
                Some(target) if row.takes_target => Some((row, target)),
                _ => None,
            }
        })
    }
}

const fn row(
    name: &'static str,
    takes_target: bool,
    prog_type: ProgType,
    attach_type: Option<AttachType>,
    sleepable: bool,
    frags: bool,
) -> Section {
    Section { name, takes_target, prog_type, attach_type, sleepable, frags }
}

/// Name, whether a target may follow, program type, attach type, sleepable, frags.
#[rustfmt::skip]
pub const SECTIONS: &[Section] = &[
    row("socket", false, ProgType::SocketFilter, None, false, false),
    row("sk_reuseport/migrate", false, ProgType::SkReuseport, Some(AttachType::SkReuseportSelectOrMigrate), false, false),
    row("sk_reuseport", false, ProgType::SkReuseport, Some(AttachType::SkReuseportSelect), false, false),
    row("kprobe", true, ProgType::Kprobe, None, false, false),
    row("uprobe", true, ProgType::Kprobe, None, false, false),
    row("uprobe.s", true, ProgType::Kprobe, None, true, false),
    row("kretprobe", true, ProgType::Kprobe, None, false, false),
    row("uretprobe", true, ProgType::Kprobe, None, false, false),
    row("uretprobe.s", true, ProgType::Kprobe, None, true, false),
    row("kprobe.multi", true, ProgType::Kprobe, Some(AttachType::TraceKprobeMulti), false, false),
    row("kretprobe.multi", true, ProgType::Kprobe, Some(AttachType::TraceKprobeMulti), false, false),
    row("kprobe.session", true, ProgType::Kprobe, Some(AttachType::TraceKprobeSession), false, false),
    row("uprobe.multi", true, ProgType::Kprobe, Some(AttachType::TraceUprobeMulti), false, false),
    row("uretprobe.multi", true, ProgType::Kprobe, Some(AttachType::TraceUprobeMulti), false, false),
    row("uprobe.multi.s", true, ProgType::Kprobe, Some(AttachType::TraceUprobeMulti), true, false),
    row("uretprobe.multi.s", true, ProgType::Kprobe, Some(AttachType::TraceUprobeMulti), true, false),
    row("uprobe.session", true, ProgType::Kprobe, Some(AttachType::TraceUprobeSession), false, false),
    row("uprobe.session.s", true, ProgType::Kprobe, Some(AttachType::TraceUprobeSession), true, false),
    row("ksyscall", true, ProgType::Kprobe, None, false, false),
    row("kretsyscall", true, ProgType::Kprobe, None, false, false),
    row("usdt", true, ProgType::Kprobe, None, false, false),
    row("usdt.s", true, ProgType::Kprobe, None, true, false),
    row("tc/ingress", false, ProgType::SchedCls, Some(AttachType::TcxIngress), false, false),
    row("tc/egress", false, ProgType::SchedCls, Some(AttachType::TcxEgress), false, false),
    row("tcx/ingress", false, ProgType::SchedCls, Some(AttachType::TcxIngress), false, false),
    row("tcx/egress", false, ProgType::SchedCls, Some(AttachType::TcxEgress), false, false),
    row("tc", false, ProgType::SchedCls, None, false, false),
    row("classifier", false, ProgType::SchedCls, None, false, false),
    row("action", false, ProgType::SchedAct, None, false, false),
    row("netkit/primary", false, ProgType::SchedCls, Some(AttachType::NetkitPrimary), false, false),
    row("netkit/peer", false, ProgType::SchedCls, Some(AttachType::NetkitPeer), false, false),
    row("tracepoint", true, ProgType::Tracepoint, None, false, false),
    row("tp", true, ProgType::Tracepoint, None, false, false),
    row("raw_tracepoint", true, ProgType::RawTracepoint, None, false, false),
    row("raw_tp", true, ProgType::RawTracepoint, None, false, false),
    row("raw_tracepoint.w", true, ProgType::RawTracepointWritable, None, false, false),
    row("raw_tp.w", true, ProgType::RawTracepointWritable, None, false, false),
    row("tp_btf", true, ProgType::Tracing, Some(AttachType::TraceRawTp), false, false),
    row("fentry", true, ProgType::Tracing, Some(AttachType::TraceFentry), false, false),
    row("fmod_ret", true, ProgType::Tracing, Some(AttachType::ModifyReturn), false, false),
    row("fexit", true, ProgType::Tracing, Some(AttachType::TraceFexit), false, false),
    row("fentry.s", true, ProgType::Tracing, Some(AttachType::TraceFentry), true, false),
    row("fmod_ret.s", true, ProgType::Tracing, Some(AttachType::ModifyReturn), true, false),
    row("fexit.s", true, ProgType::Tracing, Some(AttachType::TraceFexit), true, false),
    row("fsession", true, ProgType::Tracing, Some(AttachType::TraceFsession), false, false),
    row("fsession.s", true, ProgType::Tracing, Some(AttachType::TraceFsession), true, false),
    row("freplace", true, ProgType::Ext, None, false, false),
    row("lsm", true, ProgType::Lsm, Some(AttachType::LsmMac), false, false),
    row("lsm.s", true, ProgType::Lsm, Some(AttachType::LsmMac), true, false),
    row("lsm_cgroup", true, ProgType::Lsm, Some(AttachType::LsmCgroup), false, false),
    row("iter", true, ProgType::Tracing, Some(AttachType::TraceIter), false, false),
    row("iter.s", true, ProgType::Tracing, Some(AttachType::TraceIter), true, false),
    row("syscall", false, ProgType::Syscall, None, true, false),
    row("xdp.frags/devmap", false, ProgType::Xdp, Some(AttachType::XdpDevmap), false, true),
    row("xdp/devmap", false, ProgType::Xdp, Some(AttachType::XdpDevmap), false, false),
    row("xdp.frags/cpumap", false, ProgType::Xdp, Some(AttachType::XdpCpumap), false, true),
    row("xdp/cpumap", false, ProgType::Xdp, Some(AttachType::XdpCpumap), false, false),
    row("xdp.frags", false, ProgType::Xdp, Some(AttachType::Xdp), false, true),
    row("xdp", false, ProgType::Xdp, Some(AttachType::Xdp), false, false),
    row("perf_event", false, ProgType::PerfEvent, None, false, false),
    row("lwt_in", false, ProgType::LwtIn, None, false, false),
    row("lwt_out", false, ProgType::LwtOut, None, false, false),
    row("lwt_xmit", false, ProgType::LwtXmit, None, false, false),
    row("lwt_seg6local", false, ProgType::LwtSeg6local, None, false, false),
    row("sockops", false, ProgType::SockOps, Some(AttachType::CgroupSockOps), false, false),
    row("sk_skb/stream_parser", false, ProgType::SkSkb, Some(AttachType::SkSkbStreamParser), false, false),
    row("sk_skb/stream_verdict", false, ProgType::SkSkb, Some(AttachType::SkSkbStreamVerdict), false, false),
    row("sk_skb/verdict", false, ProgType::SkSkb, Some(AttachType::SkSkbVerdict), false, false),
    row("sk_skb", false, ProgType::SkSkb, None, false, false),
    row("sk_msg", false, ProgType::SkMsg, Some(AttachType::SkMsgVerdict), false, false),
    row("lirc_mode2", false, ProgType::LircMode2, Some(AttachType::LircMode2), false, false),
    row("flow_dissector", false, ProgType::FlowDissector, Some(AttachType::FlowDissector), false, false),
    row("cgroup_skb/ingress", false, ProgType::CgroupSkb, Some(AttachType::CgroupInetIngress), false, false),
    row("cgroup_skb/egress", false, ProgType::CgroupSkb, Some(AttachType::CgroupInetEgress), false, false),
    row("cgroup/skb", false, ProgType::CgroupSkb, None, false, false),
    row("cgroup/sock_create", false, ProgType::CgroupSock, Some(AttachType::CgroupInetSockCreate), false, false),
    row("cgroup/sock_release", false, ProgType::CgroupSock, Some(AttachType::CgroupInetSockRelease), false, false),
    row("cgroup/sock", false, ProgType::CgroupSock, Some(AttachType::CgroupInetSockCreate), false, false),
    row("cgroup/post_bind4", false, ProgType::CgroupSock, Some(AttachType::CgroupInet4PostBind), false, false),
    row("cgroup/post_bind6", false, ProgType::CgroupSock, Some(AttachType::CgroupInet6PostBind), false, false),
    row("cgroup/bind4", false, ProgType::CgroupSockAddr, Some(AttachType::CgroupInet4Bind), false, false),
    row("cgroup/bind6", false, ProgType::CgroupSockAddr, Some(AttachType::CgroupInet6Bind), false, false),
    row("cgroup/connect4", false, ProgType::CgroupSockAddr, Some(AttachType::CgroupInet4Connect), false, false),
    row("cgroup/connect6", false, ProgType::CgroupSockAddr, Some(AttachType::CgroupInet6Connect), false, false),
    row("cgroup/connect_unix", false, ProgType::CgroupSockAddr, Some(AttachType::CgroupUnixConnect), false, false),
    row("cgroup/sendmsg4", false, ProgType::CgroupSockAddr, Some(AttachType::CgroupUdp4Sendmsg), false, false),
    row("cgroup/sendmsg6", false, ProgType::CgroupSockAddr, Some(AttachType::CgroupUdp6Sendmsg), false, false),
    row("cgroup/sendmsg_unix", false, ProgType::CgroupSockAddr, Some(AttachType::CgroupUnixSendmsg), false, false),
    row("cgroup/recvmsg4", false, ProgType::CgroupSockAddr, Some(AttachType::CgroupUdp4Recvmsg), false, false),
    row("cgroup/recvmsg6", false, ProgType::CgroupSockAddr, Some(AttachType::CgroupUdp6Recvmsg), false, false),
    row("cgroup/recvmsg_unix", false, ProgType::CgroupSockAddr, Some(AttachType::CgroupUnixRecvmsg), false, false),
    row("cgroup/getpeername4", false, ProgType::CgroupSockAddr, Some(AttachType::CgroupInet4Getpeername), false, false),
    row("cgroup/getpeername6", false, ProgType::CgroupSockAddr, Some(AttachType::CgroupInet6Getpeername), false, false),
    row("cgroup/getpeername_unix", false, ProgType::CgroupSockAddr, Some(AttachType::CgroupUnixGetpeername), false, false),
    row("cgroup/getsockname4", false, ProgType::CgroupSockAddr, Some(AttachType::CgroupInet4Getsockname), false, false),
    row("cgroup/getsockname6", false, ProgType::CgroupSockAddr, Some(AttachType::CgroupInet6Getsockname), false, false),
    row("cgroup/getsockname_unix", false, ProgType::CgroupSockAddr, Some(AttachType::CgroupUnixGetsockname), false, false),
    row("cgroup/sysctl", false, ProgType::CgroupSysctl, Some(AttachType::CgroupSysctl), false, false),
    row("cgroup/getsockopt", false, ProgType::CgroupSockopt, Some(AttachType::CgroupGetsockopt), false, false),
    row("cgroup/setsockopt", false, ProgType::CgroupSockopt, Some(AttachType::CgroupSetsockopt), false, false),
    row("cgroup/dev", false, ProgType::CgroupDevice, Some(AttachType::CgroupDevice), false, false),
    row("struct_ops", true, ProgType::StructOps, None, false, false),
    row("struct_ops.s", true, ProgType::StructOps, None, true, false),
    row("sk_lookup", false, ProgType::SkLookup, Some(AttachType::SkLookup), false, false),
    row("netfilter", false, ProgType::Netfilter, Some(AttachType::Netfilter), false, false),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_find_their_row() {
        let find = |name| Section::find(name).map(|(row, target)| (row.prog_type, target));
        assert_eq!(find("xdp"), Some((ProgType::Xdp, "")));
        assert_eq!(find("?xdp.frags"), Some((ProgType::Xdp, "")));
        assert_eq!(
            find("tp/sched/sched_switch"),
            Some((ProgType::Tracepoint, "sched/sched_switch"))
        );
        assert_eq!(find("kprobe.multi/tcp_*"), Some((ProgType::Kprobe, "tcp_*")));
        assert_eq!(find("tc/ingress"), Some((ProgType::SchedCls, "")));
        assert_eq!(find("xdp/wrong"), None);
        assert_eq!(find(".text"), None);
        assert!(Section::find("uprobe.s/a:b").unwrap().0.sleepable);
    }

    #[test]
    fn no_row_hides_another() {
        for row in SECTIONS {
            assert_eq!(Section::find(row.name).unwrap().0, row);
        }
    }
}
