//! Program types: contexts, places, results, first releases.
//!
//! Sources: `bpf_prog_load_check_attach` in `kernel/bpf/syscall.c`, `check_return_code` and
//! `can_be_sleepable` in `kernel/bpf/verifier.c`, Linux 6.18; releases by the commit that added a type.

use crate::AttachType::{self, *};
use crate::ctx::table;
use crate::release::v;
use crate::{Ctx, Field, ProgType, Release};

/// What the kernel says of a program type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgInfo {
    /// The type.
    pub prog_type: ProgType,
    /// First release that has it.
    pub since: Release,
    /// What r1 points to.
    pub ctx: Ctx,
    /// Attach types that a program may name when it is loaded; empty if the kernel looks at none.
    pub attach: &'static [AttachType],
    /// What r0 may be at exit, by place; empty if anything.
    pub results: &'static [Results],
    /// Whether loading names a type or function of the kernel's BTF.
    pub needs_btf: bool,
    /// Whether programs of the type may be sleepable, all or some.
    pub sleepable: bool,
}

/// A range of values at exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Results {
    /// Where it holds; empty is everywhere else.
    pub at: &'static [AttachType],
    /// Least.
    pub min: i32,
    /// Greatest.
    pub max: i32,
}

impl ProgType {
    /// What the kernel says of it. [`ProgType::Unspec`] is described as a type without anything.
    #[must_use]
    pub fn info(self) -> &'static ProgInfo {
        let known = ProgInfo::all().iter().find(|info| info.prog_type == self);
        known.unwrap_or(&UNSPEC)
    }
}

impl ProgInfo {
    /// All, by number.
    #[must_use]
    pub const fn all() -> &'static [Self] {
        INFO
    }

    /// The values that r0 may have at exit in this place; `None` if any.
    #[must_use]
    pub fn results_at(&self, attach: Option<AttachType>) -> Option<(i32, i32)> {
        let named = |row: &&Results| attach.is_some_and(|attach| row.at.contains(&attach));
        let found = self.results.iter().find(named);
        let found = found.or_else(|| self.results.iter().find(|row| row.at.is_empty()));
        found.map(|row| (row.min, row.max))
    }
}

const UNSPEC: ProgInfo = ProgInfo {
    prog_type: ProgType::Unspec,
    since: v(3, 18),
    ctx: Ctx::Nothing,
    attach: &[],
    results: &[],
    needs_btf: false,
    sleepable: false,
};

/// A type that neither needs BTF nor sleeps.
const fn plain(
    prog_type: ProgType,
    since: Release,
    ctx: Ctx,
    attach: &'static [AttachType],
    results: &'static [Results],
) -> ProgInfo {
    ProgInfo { prog_type, since, ctx, attach, results, needs_btf: false, sleepable: false }
}

impl ProgInfo {
    const fn btf(self) -> Self {
        Self { needs_btf: true, ..self }
    }

    const fn sleeps(self) -> Self {
        Self { sleepable: true, ..self }
    }
}

const fn skb(fields: &'static [Field]) -> Ctx {
    of("__sk_buff", 192, fields)
}

const fn of(name: &'static str, size: u32, fields: &'static [Field]) -> Ctx {
    Ctx::Struct { name, size, fields }
}

const fn range(at: &'static [AttachType], min: i32, max: i32) -> Results {
    Results { at, min, max }
}

const YES_OR_NO: &[Results] = &[range(&[], 0, 1)];

#[rustfmt::skip]
const INFO: &[ProgInfo] = &[
    plain(ProgType::SocketFilter, v(3, 19), skb(table::SOCKET_FILTER), &[], &[]),
    plain(ProgType::Kprobe, v(4, 1), Ctx::Registers,
        &[TraceKprobeMulti, TraceKprobeSession, TraceUprobeMulti, TraceUprobeSession],
        &[range(&[TraceKprobeSession, TraceUprobeSession], 0, 1)]).sleeps(),
    plain(ProgType::SchedCls, v(4, 1), skb(table::SCHED_CLS), &[TcxIngress, TcxEgress, NetkitPrimary, NetkitPeer], &[]),
    plain(ProgType::SchedAct, v(4, 1), skb(table::SCHED_ACT), &[], &[]),
    plain(ProgType::Tracepoint, v(4, 7), Ctx::Record, &[], &[]),
    plain(ProgType::Xdp, v(4, 8), of("xdp_md", 24, table::XDP), &[Xdp, XdpDevmap, XdpCpumap], &[]),
    plain(ProgType::PerfEvent, v(4, 9), of("bpf_perf_event_data", 184, table::PERF_EVENT), &[PerfEvent], &[]),
    plain(ProgType::CgroupSkb, v(4, 10), skb(table::CGROUP_SKB), &[CgroupInetIngress, CgroupInetEgress],
        &[range(&[CgroupInetEgress], 0, 3), range(&[], 0, 1)]),
    plain(ProgType::CgroupSock, v(4, 10), of("bpf_sock", 80, table::CGROUP_SOCK),
        &[CgroupInetSockCreate, CgroupInetSockRelease, CgroupInet4PostBind, CgroupInet6PostBind], YES_OR_NO),
    plain(ProgType::LwtIn, v(4, 10), skb(table::LWT_IN), &[], &[]),
    plain(ProgType::LwtOut, v(4, 10), skb(table::LWT_OUT), &[], &[]),
    plain(ProgType::LwtXmit, v(4, 10), skb(table::LWT_XMIT), &[], &[]),
    plain(ProgType::SockOps, v(4, 13), of("bpf_sock_ops", 224, table::SOCK_OPS), &[CgroupSockOps], YES_OR_NO),
    plain(ProgType::SkSkb, v(4, 14), skb(table::SK_SKB), &[SkSkbStreamParser, SkSkbStreamVerdict, SkSkbVerdict], &[]),
    plain(ProgType::CgroupDevice, v(4, 15), of("bpf_cgroup_dev_ctx", 12, table::CGROUP_DEVICE), &[CgroupDevice], YES_OR_NO),
    plain(ProgType::SkMsg, v(4, 17), of("sk_msg_md", 80, table::SK_MSG), &[SkMsgVerdict], &[]),
    plain(ProgType::RawTracepoint, v(4, 17), Ctx::Words, &[], &[]),
    plain(ProgType::CgroupSockAddr, v(4, 17), of("bpf_sock_addr", 72, table::CGROUP_SOCK_ADDR),
        &[CgroupInet4Bind, CgroupInet6Bind, CgroupInet4Connect, CgroupInet6Connect, CgroupUnixConnect,
          CgroupUdp4Sendmsg, CgroupUdp6Sendmsg, CgroupUnixSendmsg, CgroupUdp4Recvmsg, CgroupUdp6Recvmsg,
          CgroupUnixRecvmsg, CgroupInet4Getpeername, CgroupInet6Getpeername, CgroupUnixGetpeername,
          CgroupInet4Getsockname, CgroupInet6Getsockname, CgroupUnixGetsockname],
        &[range(&[CgroupInet4Bind, CgroupInet6Bind], 0, 3),
          range(&[CgroupUdp4Recvmsg, CgroupUdp6Recvmsg, CgroupUnixRecvmsg, CgroupInet4Getpeername,
                  CgroupInet6Getpeername, CgroupUnixGetpeername, CgroupInet4Getsockname,
                  CgroupInet6Getsockname, CgroupUnixGetsockname], 1, 1),
          range(&[], 0, 1)]),
    plain(ProgType::LwtSeg6local, v(4, 18), skb(table::LWT_SEG6LOCAL), &[], &[]),
    plain(ProgType::LircMode2, v(4, 18), Ctx::Sample, &[LircMode2], &[]),
    plain(ProgType::SkReuseport, v(4, 19), of("sk_reuseport_md", 56, table::SK_REUSEPORT),
        &[SkReuseportSelect, SkReuseportSelectOrMigrate], &[]),
    plain(ProgType::FlowDissector, v(4, 20), skb(table::FLOW_DISSECTOR), &[FlowDissector], &[]),
    plain(ProgType::CgroupSysctl, v(5, 2), of("bpf_sysctl", 8, table::CGROUP_SYSCTL), &[CgroupSysctl], YES_OR_NO),
    plain(ProgType::RawTracepointWritable, v(5, 2), Ctx::Words, &[], &[]),
    plain(ProgType::CgroupSockopt, v(5, 3), of("bpf_sockopt", 40, table::CGROUP_SOCKOPT),
        &[CgroupGetsockopt, CgroupSetsockopt], YES_OR_NO),
    plain(ProgType::Tracing, v(5, 5), Ctx::Typed, &[TraceRawTp, TraceFentry, TraceFexit, ModifyReturn, TraceIter, TraceFsession],
        &[range(&[TraceFentry, TraceFexit, TraceFsession], 0, 0), range(&[TraceIter], 0, 1)]).btf().sleeps(),
    plain(ProgType::StructOps, v(5, 6), Ctx::Typed, &[], &[]).btf().sleeps(),
    plain(ProgType::Ext, v(5, 6), Ctx::Target, &[], &[]).btf(),
    plain(ProgType::Lsm, v(5, 7), Ctx::Typed, &[LsmMac, LsmCgroup],
        &[range(&[LsmMac], -4095, 0), range(&[LsmCgroup], 0, 1)]).btf().sleeps(),
    plain(ProgType::SkLookup, v(5, 9), of("bpf_sk_lookup", 72, table::SK_LOOKUP), &[SkLookup], YES_OR_NO),
    plain(ProgType::Syscall, v(5, 14), Ctx::Buffer, &[], &[]).sleeps(),
    plain(ProgType::Netfilter, v(6, 4), of("bpf_nf_ctx", 16, table::NETFILTER), &[Netfilter], YES_OR_NO),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_row() {
        let numbers = INFO.iter().map(|info| info.prog_type.number());
        assert!(numbers.eq(1..=32));
        assert!(INFO.is_sorted_by_key(|info| info.since));
        assert_eq!(ProgType::Unspec.info().ctx, Ctx::Nothing);
    }

    #[test]
    fn every_place_belongs_to_one_type() {
        for &attach in AttachType::ALL {
            let owners = INFO.iter().filter(|info| info.attach.contains(&attach)).count();
            // Struct_ops programs name a member where others name a place.
            assert_eq!(owners, usize::from(attach != StructOps), "{attach}");
        }
    }

    #[test]
    fn fields_lie_inside_their_context_and_can_be_used() {
        for info in INFO {
            let Ctx::Struct { size, fields, .. } = info.ctx else { continue };
            for field in fields {
                let end = u32::from(field.at) + u32::from(field.size);
                assert!(end <= size, "{} {}", info.prog_type, field.name);
                assert!(field.read | field.write != 0 && (field.read | field.write) < 16);
                assert!(field.only.iter().all(|attach| info.attach.contains(attach)));
            }
            assert!(fields.is_sorted_by_key(|field| field.at), "{}", info.prog_type);
        }
    }

    #[test]
    fn results_depend_on_the_place() {
        let skb = ProgType::CgroupSkb.info();
        assert_eq!(skb.results_at(Some(CgroupInetEgress)), Some((0, 3)));
        assert_eq!(skb.results_at(Some(CgroupInetIngress)), Some((0, 1)));
        assert_eq!(ProgType::Tracing.info().results_at(Some(TraceRawTp)), None);
        assert_eq!(ProgType::Xdp.info().results_at(None), None);
    }
}
