//! What programs of a type may do, beyond calls and their context.
//!
//! Source: the predicates over program types in `kernel/bpf/verifier.c`, Linux 6.18.

use crate::{AttachType, ProgType};

/// What a program may do with the packet behind its context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PacketAccess {
    /// Nothing.
    None,
    /// Load from it.
    Read,
    /// Load from it and store to it.
    Write,
}

/// What a process must have to load programs of a type. `CAP_SYS_ADMIN` stands for any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadCap {
    /// Nothing, where `kernel.unprivileged_bpf_disabled` is 0; otherwise `CAP_BPF`.
    None,
    /// `CAP_BPF`
    Bpf,
    /// `CAP_BPF` and `CAP_NET_ADMIN`
    NetAdmin,
    /// `CAP_BPF` and `CAP_PERFMON`
    Perfmon,
    /// All three.
    Everything,
}

/// Where a program may pass pointers into the packet as memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketPass {
    /// To no helper.
    Never,
    /// To helpers whose prototype takes them: [`crate::Proto::takes_packet`].
    ToTakers,
    /// To any.
    Anywhere,
}

/// Which set of kernel functions a program draws from: `enum btf_kfunc_hook`, besides the common one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the kernel's own names")]
pub enum KfuncHook {
    Xdp,
    Tc,
    StructOps,
    Tracing,
    Syscall,
    Cgroup,
    SchedAct,
    SkSkb,
    SocketFilter,
    Lwt,
    Netfilter,
    Kprobe,
}

impl ProgType {
    /// Whether programs of the type can be loaded for a place; `None` is 0, which is `cgroup_inet_ingress`,
    /// too. If not, loading is `EINVAL` before anything is verified.
    ///
    /// Kernel: `bpf_prog_load_check_attach`. Most types take any place, whether it means anything to them or
    /// not; programs of type `struct_ops` give the number of a member instead.
    #[must_use]
    pub fn loads_for(self, attach_type: Option<AttachType>) -> bool {
        let place = attach_type.filter(|&place| place != AttachType::CgroupInetIngress);
        let listed = place.is_some_and(|place| self.info().attach.contains(&place));
        match self {
            Self::CgroupSkb | Self::CgroupSock | Self::SkReuseport => place.is_none() || listed,
            Self::CgroupSockAddr
            | Self::CgroupSockopt
            | Self::SkLookup
            | Self::Netfilter
            | Self::Tracing
            | Self::Lsm => listed,
            Self::Syscall | Self::Ext => place.is_none(),
            Self::Unspec => false,
            _ => true,
        }
    }

    /// What loading programs of the type takes; with less it is `EPERM`.
    ///
    /// Kernel: `is_net_admin_prog_type`, `is_perfmon_prog_type`. Extensions may be of any program.
    #[must_use]
    pub const fn load_cap(self) -> LoadCap {
        match self {
            Self::SocketFilter | Self::CgroupSkb => LoadCap::None,
            Self::SchedCls
            | Self::SchedAct
            | Self::Xdp
            | Self::LwtIn
            | Self::LwtOut
            | Self::LwtXmit
            | Self::LwtSeg6local
            | Self::SkSkb
            | Self::SkMsg
            | Self::FlowDissector
            | Self::CgroupDevice
            | Self::CgroupSock
            | Self::CgroupSockAddr
            | Self::CgroupSockopt
            | Self::CgroupSysctl
            | Self::SockOps
            | Self::Netfilter => LoadCap::NetAdmin,
            Self::Kprobe
            | Self::Tracepoint
            | Self::PerfEvent
            | Self::RawTracepoint
            | Self::RawTracepointWritable
            | Self::Tracing
            | Self::Lsm
            | Self::StructOps => LoadCap::Perfmon,
            Self::Ext => LoadCap::Everything,
            Self::Unspec | Self::SkReuseport | Self::LircMode2 | Self::SkLookup | Self::Syscall => {
                LoadCap::Bpf
            }
        }
    }

    /// Direct access to the packet, or to what its context has pointers to that look like one. For an
    /// extension ask of its target.
    ///
    /// Kernel: `may_access_direct_pkt_data` for stores; loads need only a pointer.
    #[must_use]
    pub const fn packet_access(self) -> PacketAccess {
        match self {
            Self::LwtIn
            | Self::LwtOut
            | Self::LwtSeg6local
            | Self::SkReuseport
            | Self::FlowDissector
            | Self::CgroupSkb
            | Self::SockOps => PacketAccess::Read,
            Self::SchedCls
            | Self::SchedAct
            | Self::Xdp
            | Self::LwtXmit
            | Self::SkSkb
            | Self::SkMsg
            | Self::CgroupSockopt => PacketAccess::Write,
            _ => PacketAccess::None,
        }
    }

    /// Which helpers take pointers into the packet from it: `helper access to the packet is not allowed`
    /// otherwise. What a helper writes there counts as a store.
    #[must_use]
    pub const fn passes_packet(self) -> PacketPass {
        match self {
            Self::SockOps => PacketPass::Never,
            Self::CgroupSockopt => PacketPass::Anywhere,
            _ if matches!(self.packet_access(), PacketAccess::None) => PacketPass::Never,
            _ => PacketPass::ToTakers,
        }
    }

    /// Whether it may use `ld_abs` and `ld_ind`: `may_access_skb`.
    #[must_use]
    pub const fn may_load_absolute(self) -> bool {
        matches!(self, Self::SocketFilter | Self::SchedCls | Self::SchedAct)
    }

    /// Whether it may interrupt anything, and so may not use what locks: `is_tracing_prog_type`.
    #[must_use]
    pub const fn is_tracing(self) -> bool {
        matches!(
            self,
            Self::Kprobe
                | Self::Tracepoint
                | Self::PerfEvent
                | Self::RawTracepoint
                | Self::RawTracepointWritable
        )
    }

    /// Whether a program at this place may be loaded as sleepable: `can_be_sleepable`.
    ///
    /// Programs of type `syscall` are sleepable and nothing else; of a function or LSM hook the function
    /// decides, too. `None` as place is 0, as for the kernel.
    #[must_use]
    pub const fn may_be_sleepable(self, attach_type: Option<AttachType>) -> bool {
        match self {
            Self::Tracing => matches!(
                attach_type,
                Some(
                    AttachType::TraceFentry
                        | AttachType::TraceFexit
                        | AttachType::ModifyReturn
                        | AttachType::TraceIter
                )
            ),
            Self::Lsm => !matches!(attach_type, Some(AttachType::LsmCgroup)),
            Self::Kprobe | Self::StructOps | Self::Syscall => true,
            _ => false,
        }
    }

    /// The set of kernel functions that are for it besides the common ones; `None` if none is.
    #[must_use]
    pub const fn kfunc_hook(self) -> Option<KfuncHook> {
        Some(match self {
            Self::Xdp => KfuncHook::Xdp,
            Self::SchedCls => KfuncHook::Tc,
            Self::StructOps => KfuncHook::StructOps,
            Self::Tracing | Self::Tracepoint | Self::PerfEvent | Self::Lsm => KfuncHook::Tracing,
            Self::Syscall => KfuncHook::Syscall,
            Self::CgroupSkb
            | Self::CgroupSock
            | Self::CgroupDevice
            | Self::CgroupSockAddr
            | Self::CgroupSockopt
            | Self::CgroupSysctl
            | Self::SockOps => KfuncHook::Cgroup,
            Self::SchedAct => KfuncHook::SchedAct,
            Self::SkSkb => KfuncHook::SkSkb,
            Self::SocketFilter => KfuncHook::SocketFilter,
            Self::LwtIn | Self::LwtOut | Self::LwtXmit | Self::LwtSeg6local => KfuncHook::Lwt,
            Self::Netfilter => KfuncHook::Netfilter,
            Self::Kprobe => KfuncHook::Kprobe,
            _ => return None,
        })
    }

    /// Names of the context as a program's BTF has it and as the kernel has it: a structure or typedef.
    ///
    /// `None` where both are `void`. Kernel: `struct bpf_ctx_convert`.
    #[must_use]
    pub const fn ctx_types(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::SocketFilter
            | Self::SchedCls
            | Self::SchedAct
            | Self::CgroupSkb
            | Self::LwtIn
            | Self::LwtOut
            | Self::LwtXmit
            | Self::LwtSeg6local
            | Self::SkSkb => ("__sk_buff", "sk_buff"),
            Self::FlowDissector => ("__sk_buff", "bpf_flow_dissector"),
            Self::Xdp => ("xdp_md", "xdp_buff"),
            Self::CgroupSock => ("bpf_sock", "sock"),
            Self::CgroupSockAddr => ("bpf_sock_addr", "bpf_sock_addr_kern"),
            Self::SockOps => ("bpf_sock_ops", "bpf_sock_ops_kern"),
            Self::SkMsg => ("sk_msg_md", "sk_msg"),
            Self::Kprobe => ("bpf_user_pt_regs_t", "pt_regs"),
            Self::Tracepoint => ("__u64", "u64"),
            Self::PerfEvent => ("bpf_perf_event_data", "bpf_perf_event_data_kern"),
            Self::RawTracepoint | Self::RawTracepointWritable => ("bpf_raw_tracepoint_args", "u64"),
            Self::CgroupDevice => ("bpf_cgroup_dev_ctx", "bpf_cgroup_dev_ctx"),
            Self::CgroupSysctl => ("bpf_sysctl", "bpf_sysctl_kern"),
            Self::CgroupSockopt => ("bpf_sockopt", "bpf_sockopt_kern"),
            Self::LircMode2 => ("__u32", "u32"),
            Self::SkReuseport => ("sk_reuseport_md", "sk_reuseport_kern"),
            Self::SkLookup => ("bpf_sk_lookup", "bpf_sk_lookup_kern"),
            Self::Netfilter => ("bpf_nf_ctx", "bpf_nf_ctx"),
            Self::Unspec
            | Self::Tracing
            | Self::StructOps
            | Self::Ext
            | Self::Lsm
            | Self::Syscall => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ctx, CtxKind, CtxTable, ProgInfo};

    #[test]
    fn packets_are_read_where_the_context_has_pointers_to_them() {
        for &prog in ProgType::ALL {
            let Some(table) = CtxTable::of(prog) else { continue };
            let shown =
                table.rules.iter().any(|rule| rule.kind == CtxKind::Packet && table.shows(rule));
            assert_eq!(shown, prog.packet_access() != PacketAccess::None, "{prog}");
            assert!(shown || prog.passes_packet() == PacketPass::Never);
        }
    }

    #[test]
    fn what_can_sleep_and_what_the_context_is_called_agree_with_the_types_row() {
        for info in ProgInfo::all() {
            let places = info.attach.iter().map(|&place| Some(place)).chain([None]);
            let sleeps = places.into_iter().any(|place| info.prog_type.may_be_sleepable(place));
            assert_eq!(sleeps, info.sleepable, "{}", info.prog_type);
            if let Ctx::Struct { name, .. } = info.ctx {
                assert_eq!(info.prog_type.ctx_types().map(|names| names.0), Some(name));
            }
        }
    }
}
