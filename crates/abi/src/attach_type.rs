//! Where exactly a program is attached.
//!
//! Source: `enum bpf_attach_type` in `include/uapi/linux/bpf.h`, Linux 6.18, and of Linux 7.0 what objects
//! name by their sections.

use crate::release::v;
use crate::{Release, table_enum};

table_enum! {
    /// Where exactly a program is attached.
    pub enum AttachType "BPF_" {
        CgroupInetIngress = 0, "cgroup_inet_ingress";
        CgroupInetEgress = 1, "cgroup_inet_egress";
        CgroupInetSockCreate = 2, "cgroup_inet_sock_create";
        CgroupSockOps = 3, "cgroup_sock_ops";
        SkSkbStreamParser = 4, "sk_skb_stream_parser";
        SkSkbStreamVerdict = 5, "sk_skb_stream_verdict";
        CgroupDevice = 6, "cgroup_device";
        SkMsgVerdict = 7, "sk_msg_verdict";
        CgroupInet4Bind = 8, "cgroup_inet4_bind";
        CgroupInet6Bind = 9, "cgroup_inet6_bind";
        CgroupInet4Connect = 10, "cgroup_inet4_connect";
        CgroupInet6Connect = 11, "cgroup_inet6_connect";
        CgroupInet4PostBind = 12, "cgroup_inet4_post_bind";
        CgroupInet6PostBind = 13, "cgroup_inet6_post_bind";
        CgroupUdp4Sendmsg = 14, "cgroup_udp4_sendmsg";
        CgroupUdp6Sendmsg = 15, "cgroup_udp6_sendmsg";
        LircMode2 = 16, "lirc_mode2";
        FlowDissector = 17, "flow_dissector";
        CgroupSysctl = 18, "cgroup_sysctl";
        CgroupUdp4Recvmsg = 19, "cgroup_udp4_recvmsg";
        CgroupUdp6Recvmsg = 20, "cgroup_udp6_recvmsg";
        CgroupGetsockopt = 21, "cgroup_getsockopt";
        CgroupSetsockopt = 22, "cgroup_setsockopt";
        TraceRawTp = 23, "trace_raw_tp";
        TraceFentry = 24, "trace_fentry";
        TraceFexit = 25, "trace_fexit";
        ModifyReturn = 26, "modify_return";
        LsmMac = 27, "lsm_mac";
        TraceIter = 28, "trace_iter";
        CgroupInet4Getpeername = 29, "cgroup_inet4_getpeername";
        CgroupInet6Getpeername = 30, "cgroup_inet6_getpeername";
        CgroupInet4Getsockname = 31, "cgroup_inet4_getsockname";
        CgroupInet6Getsockname = 32, "cgroup_inet6_getsockname";
        XdpDevmap = 33, "xdp_devmap";
        CgroupInetSockRelease = 34, "cgroup_inet_sock_release";
        XdpCpumap = 35, "xdp_cpumap";
        SkLookup = 36, "sk_lookup";
        Xdp = 37, "xdp";
        SkSkbVerdict = 38, "sk_skb_verdict";
        SkReuseportSelect = 39, "sk_reuseport_select";
        SkReuseportSelectOrMigrate = 40, "sk_reuseport_select_or_migrate";
        PerfEvent = 41, "perf_event";
        TraceKprobeMulti = 42, "trace_kprobe_multi";
        LsmCgroup = 43, "lsm_cgroup";
        StructOps = 44, "struct_ops";
        Netfilter = 45, "netfilter";
        TcxIngress = 46, "tcx_ingress";
        TcxEgress = 47, "tcx_egress";
        TraceUprobeMulti = 48, "trace_uprobe_multi";
        CgroupUnixConnect = 49, "cgroup_unix_connect";
        CgroupUnixSendmsg = 50, "cgroup_unix_sendmsg";
        CgroupUnixRecvmsg = 51, "cgroup_unix_recvmsg";
        CgroupUnixGetpeername = 52, "cgroup_unix_getpeername";
        CgroupUnixGetsockname = 53, "cgroup_unix_getsockname";
        NetkitPrimary = 54, "netkit_primary";
        NetkitPeer = 55, "netkit_peer";
        TraceKprobeSession = 56, "trace_kprobe_session";
        TraceUprobeSession = 57, "trace_uprobe_session";
        TraceFsession = 58, "trace_fsession";
    }
}

/// Numbers that releases began with: attach types were added in order.
const SINCE: [(AttachType, Release); 22] = [
    (AttachType::CgroupInetIngress, v(4, 10)),
    (AttachType::CgroupSockOps, v(4, 13)),
    (AttachType::SkSkbStreamParser, v(4, 14)),
    (AttachType::CgroupDevice, v(4, 15)),
    (AttachType::SkMsgVerdict, v(4, 17)),
    (AttachType::CgroupUdp4Sendmsg, v(4, 18)),
    (AttachType::FlowDissector, v(4, 20)),
    (AttachType::CgroupSysctl, v(5, 2)),
    (AttachType::CgroupGetsockopt, v(5, 3)),
    (AttachType::TraceRawTp, v(5, 5)),
    (AttachType::ModifyReturn, v(5, 7)),
    (AttachType::TraceIter, v(5, 8)),
    (AttachType::CgroupInetSockRelease, v(5, 9)),
    (AttachType::SkSkbVerdict, v(5, 13)),
    (AttachType::SkReuseportSelect, v(5, 14)),
    (AttachType::PerfEvent, v(5, 15)),
    (AttachType::TraceKprobeMulti, v(5, 18)),
    (AttachType::LsmCgroup, v(6, 0)),
    (AttachType::StructOps, v(6, 4)),
    (AttachType::TcxIngress, v(6, 6)),
    (AttachType::CgroupUnixConnect, v(6, 7)),
    (AttachType::TraceKprobeSession, v(6, 10)),
];

impl AttachType {
    /// First release that has it.
    #[must_use]
    pub fn since(self) -> Release {
        match self {
            Self::TraceUprobeSession => return v(6, 13),
            Self::TraceFsession => return v(7, 0),
            _ => {}
        }
        let next = SINCE.partition_point(|&(first, _)| first <= self);
        SINCE[next.saturating_sub(1)].1
    }
}
