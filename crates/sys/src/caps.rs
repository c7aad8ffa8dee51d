//! The capabilities of this process.

use skep_abi::ProgType;
use std::fs;

/// A capability: its bit and its name. Source: `include/uapi/linux/capability.h`.
pub(crate) type Cap = (u32, &'static str);

/// Holds whatever [`BPF`], [`PERFMON`] and [`NET_ADMIN`] allow bpf(2) to do.
const SYS_ADMIN: u32 = 21;
pub(crate) const BPF: Cap = (39, "CAP_BPF");
const PERFMON: Cap = (38, "CAP_PERFMON");
const NET_ADMIN: Cap = (12, "CAP_NET_ADMIN");

/// What loading a program of the type takes. Kernel: `is_net_admin_prog_type` and
/// `is_perfmon_prog_type`.
pub(crate) const fn of_prog(prog_type: ProgType) -> &'static [Cap] {
    match prog_type {
        ProgType::Kprobe
        | ProgType::Tracepoint
        | ProgType::PerfEvent
        | ProgType::RawTracepoint
        | ProgType::RawTracepointWritable
        | ProgType::Tracing
        | ProgType::Lsm
        | ProgType::StructOps => &[BPF, PERFMON],
        ProgType::Ext => &[BPF, NET_ADMIN, PERFMON],
        ProgType::SocketFilter
        | ProgType::CgroupSkb
        | ProgType::SkReuseport
        | ProgType::LircMode2
        | ProgType::Syscall => &[BPF],
        _ => &[BPF, NET_ADMIN],
    }
}

/// The first capability that this process does not have. None if it has all, or if that cannot be
/// told.
pub(crate) fn missing(wanted: &[Cap]) -> Option<&'static str> {
    missing_in(&fs::read_to_string("/proc/self/status").ok()?, wanted)
}

fn missing_in(status: &str, wanted: &[Cap]) -> Option<&'static str> {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let effective = u64::from_str_radix(effective.trim(), 16).ok()?;
    let has = |bit: u32| effective >> bit & 1 == 1;
    wanted.iter().find(|&&(bit, _)| !has(bit) && !has(SYS_ADMIN)).map(|&(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_missing_capability_is_named() {
        let status =
            |caps: u64| format!("Name:\tx\nCapPrm:\t0\nCapEff:\t{caps:016x}\nSeccomp:\t0\n");
        let table = [
            (0, Some("CAP_BPF")),
            (1 << 39, Some("CAP_NET_ADMIN")),
            (1 << 12, Some("CAP_BPF")),
            (1 << 39 | 1 << 12, None),
            (1 << 21, None),
            (u64::MAX, None),
        ];
        for (caps, want) in table {
            assert_eq!(missing_in(&status(caps), of_prog(ProgType::Xdp)), want, "{caps:x}");
        }
        assert_eq!(missing_in(&status(1 << 39), of_prog(ProgType::SocketFilter)), None);
        assert_eq!(missing_in("", of_prog(ProgType::Xdp)), None);
        assert_eq!(missing_in("CapEff:\tzz\n", of_prog(ProgType::Xdp)), None);
    }
}
