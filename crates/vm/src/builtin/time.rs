//! Clocks, CPU, chance.

use super::Env;
use crate::Cx;
use crate::helper::Helpers;

pub(super) fn add<S: Env + 'static>(helpers: Helpers<S>) -> Helpers<S> {
    helpers
        .with_number(5, "bpf_ktime_get_ns", S::monotonic_ns)
        .with_number(125, "bpf_ktime_get_boot_ns", S::monotonic_ns)
        .with_number(160, "bpf_ktime_get_coarse_ns", S::monotonic_ns)
        .with_number(208, "bpf_ktime_get_tai_ns", S::tai_ns)
        .with_number(118, "bpf_jiffies64", |state| state.monotonic_ns() / NS_PER_JIFFY)
        .with_number(7, "bpf_get_prandom_u32", |state| state.random().into())
        .with(8, "bpf_get_smp_processor_id", |cx: &mut Cx<'_, S>| cx.cpu().0)
        .with_number(42, "bpf_get_numa_node_id", |_| 0)
}

/// At 250 Hz, the common kernel configuration.
const NS_PER_JIFFY: u64 = 4_000_000;
