//! Program types as bits, for the tables: each by its number, and those that share much.

/// 1 for the bit of a type's number.
macro_rules! bits {
    ($($name:ident = $number:literal;)*) => { $(pub(crate) const $name: u64 = 1 << $number;)* };
}

bits! {
    SOCKET_FILTER = 1; KPROBE = 2; SCHED_CLS = 3; SCHED_ACT = 4; TRACEPOINT = 5; XDP = 6; PERF_EVENT = 7;
    CGROUP_SKB = 8; CGROUP_SOCK = 9; LWT_IN = 10; LWT_OUT = 11; LWT_XMIT = 12; SOCK_OPS = 13; SK_SKB = 14;
    CGROUP_DEVICE = 15; SK_MSG = 16; RAW_TRACEPOINT = 17; CGROUP_SOCK_ADDR = 18; LWT_SEG6LOCAL = 19;
    LIRC_MODE2 = 20; SK_REUSEPORT = 21; FLOW_DISSECTOR = 22; CGROUP_SYSCTL = 23; RAW_TRACEPOINT_WRITABLE = 24;
    CGROUP_SOCKOPT = 25; TRACING = 26; STRUCT_OPS = 27; LSM = 29; SK_LOOKUP = 30; SYSCALL = 31; NETFILTER = 32;
}

pub(crate) const TRACERS: u64 =
    KPROBE | TRACEPOINT | PERF_EVENT | RAW_TRACEPOINT | RAW_TRACEPOINT_WRITABLE | TRACING | LSM;
pub(crate) const TC: u64 = SCHED_CLS | SCHED_ACT;
pub(crate) const LWT: u64 = LWT_IN | LWT_OUT | LWT_XMIT | LWT_SEG6LOCAL;
pub(crate) const CGROUP: u64 = CGROUP_SKB
    | CGROUP_SOCK
    | SOCK_OPS
    | CGROUP_DEVICE
    | CGROUP_SOCK_ADDR
    | CGROUP_SYSCTL
    | CGROUP_SOCKOPT;
pub(crate) const SOCKMAP: u64 = SK_SKB | SK_MSG;
/// All but LIRC's, which lists its own, and extensions, which call what their target may.
pub(crate) const EVERY: u64 = TRACERS
    | TC
    | LWT
    | CGROUP
    | SOCKMAP
    | SOCKET_FILTER
    | XDP
    | SK_REUSEPORT
    | FLOW_DISSECTOR
    | STRUCT_OPS
    | SK_LOOKUP
    | SYSCALL
    | NETFILTER;
