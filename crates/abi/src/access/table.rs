//! Contexts by program type.

use super::CtxKind::{Argument, Btf, Scalar, TpBuffer};
use super::CtxSizes::{Any, Inside, Narrow, No, Whole};
use super::rule::{field, narrow};
use super::{CtxField, CtxRefusal, CtxRule, Viewed, network, skb, socket};
use crate::AttachType::{CgroupGetsockopt, CgroupSetsockopt};
use crate::{AttachType, ProgType};

/// A context and what programs may do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CtxTable {
    /// As C names it.
    pub name: &'static str,
    /// Accesses begin below this.
    pub size: u32,
    /// What offsets are multiples of.
    pub align: CtxAlign,
    /// Whether the kernel rewrites accesses. If not, helpers may take the context as memory.
    pub converted: bool,
    /// By offset; where several hold the same bytes, the first that admits the place counts.
    pub rules: &'static [CtxRule],
    /// Fields of `rules` that programs of the type do not see.
    pub(super) hidden: &'static [&'static str],
    /// Fields of `rules` that programs of the type may store to, where the rules allow more.
    pub(super) writable: Option<&'static [&'static str]>,
    /// Loads, or stores, for which a program needs `CAP_BPF`.
    pub(super) guarded: &'static [(&'static str, bool)],
}

/// What the offset of an access is a multiple of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CtxAlign {
    /// The size of the access.
    Natural,
    /// 8 bytes, for every size.
    Word,
}

impl CtxTable {
    /// That of a program type; `None` for extensions, which have their target's.
    #[must_use]
    pub const fn of(prog_type: ProgType) -> Option<&'static Self> {
        Some(match prog_type {
            ProgType::Unspec | ProgType::Ext => return None,
            ProgType::SocketFilter => &skb::SOCKET_FILTER,
            ProgType::SchedCls | ProgType::SchedAct => &skb::TC,
            ProgType::CgroupSkb => &skb::CGROUP_SKB,
            ProgType::LwtIn | ProgType::LwtOut | ProgType::LwtXmit | ProgType::LwtSeg6local => {
                &skb::LWT
            }
            ProgType::SkSkb => &skb::SK_SKB,
            ProgType::FlowDissector => &skb::FLOW_DISSECTOR,
            ProgType::CgroupSock => &socket::CGROUP_SOCK,
            ProgType::CgroupSockAddr => &socket::CGROUP_SOCK_ADDR,
            ProgType::SockOps => &socket::SOCK_OPS,
            ProgType::SkMsg => &network::SK_MSG,
            ProgType::SkReuseport => &network::SK_REUSEPORT,
            ProgType::SkLookup => &network::SK_LOOKUP,
            ProgType::Xdp => &network::XDP,
            ProgType::CgroupDevice => &CGROUP_DEVICE,
            ProgType::CgroupSysctl => &CGROUP_SYSCTL,
            ProgType::CgroupSockopt => &CGROUP_SOCKOPT,
            ProgType::Netfilter => &NETFILTER,
            ProgType::LircMode2 => &LIRC,
            ProgType::Kprobe => &KPROBE,
            ProgType::PerfEvent => &PERF_EVENT,
            ProgType::Tracepoint => &TRACEPOINT,
            ProgType::RawTracepoint => &RAW_TRACEPOINT,
            ProgType::RawTracepointWritable => &RAW_TRACEPOINT_WRITABLE,
            ProgType::Tracing | ProgType::StructOps => &TRACING,
            ProgType::Lsm => &LSM,
            ProgType::Syscall => &SYSCALL,
        })
    }

    /// That of a structure behind a pointer.
    #[must_use]
    pub const fn of_view(view: Viewed) -> &'static Self {
        match view {
            Viewed::Socket => &socket::SOCKET,
            Viewed::SockCommon => &socket::SOCK_COMMON,
            Viewed::TcpSock => &socket::TCP_SOCK,
            Viewed::XdpSock => &socket::XDP_SOCK,
        }
    }

    /// Whether programs of the type see the field of a rule at all.
    #[must_use]
    pub fn shows(&self, rule: &CtxRule) -> bool {
        !self.hidden.contains(&rule.name)
    }

    /// Whether an access is allowed.
    ///
    /// # Errors
    /// [`CtxRefusal`] with the reason.
    pub fn access(
        &self,
        attach: Option<AttachType>,
        off: i32,
        size: u32,
        write: bool,
    ) -> Result<CtxField, CtxRefusal> {
        if u32::try_from(off).map_or(true, |off| off >= self.size) {
            return Err(CtxRefusal::Outside);
        }
        let multiple = match self.align {
            CtxAlign::Natural => i64::from(size.max(1)),
            CtxAlign::Word => 8,
        };
        if i64::from(off) % multiple != 0 {
            return Err(CtxRefusal::Unaligned);
        }
        let seen = |rule: &&CtxRule| rule.holds(off) && self.shows(rule);
        let mut rules = self.rules.iter().filter(seen);
        let Some(first) = rules.clone().next() else { return Err(CtxRefusal::NoField) };
        let rule = rules.find(|rule| rule.admits(attach));
        let rule = rule.ok_or(CtxRefusal::OtherPlace(first.name))?;
        let kept = self.writable.is_some_and(|names| !names.contains(&rule.name));
        if write && kept {
            return Err(CtxRefusal::ReadOnly(rule.name));
        }
        let field = rule.access(off, size, write)?;
        let needs_cap_bpf = self.guarded.contains(&(rule.name, write));
        Ok(CtxField { needs_cap_bpf, ..field })
    }
}

/// A context whose accesses the kernel rewrites.
pub(super) const fn table(name: &'static str, size: u32, rules: &'static [CtxRule]) -> CtxTable {
    CtxTable {
        name,
        size,
        align: CtxAlign::Natural,
        converted: true,
        rules,
        hidden: &[],
        writable: None,
        guarded: &[],
    }
}

impl CtxTable {
    /// Its accesses stay as they are.
    const fn direct(self) -> Self {
        Self { converted: false, ..self }
    }

    pub(super) const fn hides(self, hidden: &'static [&'static str]) -> Self {
        Self { hidden, ..self }
    }

    pub(super) const fn writes(self, writable: &'static [&'static str]) -> Self {
        Self { writable: Some(writable), ..self }
    }

    pub(super) const fn guards(self, guarded: &'static [(&'static str, bool)]) -> Self {
        Self { guarded, ..self }
    }
}

/// `struct pt_regs` of x86-64, which the kernel's own size of it must be.
const REGISTERS: u16 = 168;
/// Most arguments of a function, as words.
const ARGUMENTS: u16 = 12 * 8;
/// `PERF_MAX_TRACE_SIZE`; 2048 before 5.12.
const RECORD: u16 = 8192;

static CGROUP_DEVICE: CtxTable = table(
    "bpf_cgroup_dev_ctx",
    12,
    &[narrow("access_type", 0, 4), field("major", 4, 4), field("minor", 8, 4)],
)
.direct();

static CGROUP_SYSCTL: CtxTable =
    table("bpf_sysctl", 8, &[narrow("write", 0, 4), narrow("file_pos", 4, 4).write(Whole(4))]);

#[rustfmt::skip]
static CGROUP_SOCKOPT: CtxTable = table("bpf_sockopt", 40, &[
    field("sk", 0, 8).gives(super::CtxKind::Socket),
    field("optval", 8, 8).gives(super::CtxKind::Packet),
    field("optval_end", 16, 8).gives(super::CtxKind::PacketEnd),
    field("level", 24, 4).write(Whole(4)).only(&[CgroupSetsockopt]),
    field("level", 24, 4),
    field("optname", 28, 4).write(Whole(4)).only(&[CgroupSetsockopt]),
    field("optname", 28, 4),
    field("optlen", 32, 4).write(Whole(4)),
    field("retval", 36, 4).write(Whole(4)).only(&[CgroupGetsockopt]),
]);

static NETFILTER: CtxTable = table(
    "bpf_nf_ctx",
    16,
    &[field("state", 0, 8).gives(Btf("nf_hook_state")), field("skb", 8, 8).gives(Btf("sk_buff"))],
)
.direct();

static LIRC: CtxTable = table("__u32", 4, &[field("sample", 0, 4)]).direct();

/// Uprobes may store to registers from 6.19 on.
static KPROBE: CtxTable =
    table("pt_regs", REGISTERS as u32, &[field("regs", 0, REGISTERS).read(Inside)]).direct();

static PERF_EVENT: CtxTable = table(
    "bpf_perf_event_data",
    REGISTERS as u32 + 16,
    &[
        field("regs", 0, REGISTERS).read(Whole(8)),
        field("sample_period", REGISTERS, 8).read(Narrow(8)),
        field("addr", REGISTERS + 8, 8).read(Narrow(8)).since(4, 17),
    ],
);

static TRACEPOINT: CtxTable =
    table("record", RECORD as u32, &[field("record", 8, RECORD - 8).read(Any)]).direct();

static RAW_TRACEPOINT: CtxTable =
    table("bpf_raw_tracepoint_args", ARGUMENTS as u32, &[field("args", 0, ARGUMENTS).read(Any)])
        .direct();

static RAW_TRACEPOINT_WRITABLE: CtxTable = table(
    "bpf_raw_tracepoint_args",
    ARGUMENTS as u32,
    &[
        field("args", 0, 1).read(Whole(8)).gives(TpBuffer),
        field("args", 1, ARGUMENTS - 1).read(Any).gives(Scalar),
    ],
)
.direct();

static TRACING: CtxTable = table(
    "arguments",
    ARGUMENTS as u32,
    &[field("argument", 0, ARGUMENTS).read(Any).write(No).gives(Argument)],
)
.direct();

/// No rule about direction or size: the hook's type in BTF decides alone.
static LSM: CtxTable = CtxTable {
    align: CtxAlign::Word,
    ..table(
        "arguments",
        ARGUMENTS as u32,
        &[field("argument", 0, ARGUMENTS).read(Any).write(Any).gives(Argument)],
    )
    .direct()
};

static SYSCALL: CtxTable =
    table("memory", 65_535, &[field("memory", 0, 65_535).read(Any).write(Any)]).direct();
