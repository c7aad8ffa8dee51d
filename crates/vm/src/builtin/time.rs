//! Clocks, CPU, chance.

use super::Env;
use crate::Cx;
use crate::helper::Helpers;

pub(super) fn add<S: Env + 'static>(helpers: Helpers<S>) -> Helpers<S> {
    helpers
        .with(5, "bpf_ktime_get_ns", now)
        .with(125, "bpf_ktime_get_boot_ns", now)
        .with(160, "bpf_ktime_get_coarse_ns", now)
        .with(208, "bpf_ktime_get_tai_ns", |cx: &mut Cx<'_, S>| cx.state.tai_ns())
        .with(118, "bpf_jiffies64", |cx: &mut Cx<'_, S>| now(cx) / NS_PER_JIFFY)
        .with(7, "bpf_get_prandom_u32", |cx: &mut Cx<'_, S>| cx.state.random())
        .with(8, "bpf_get_smp_processor_id", |cx: &mut Cx<'_, S>| cx.cpu().0)
        .with(42, "bpf_get_numa_node_id", || 0u32)
}

/// At 250 Hz, the common kernel configuration.
const NS_PER_JIFFY: u64 = 4_000_000;

fn now<S: Env>(cx: &mut Cx<'_, S>) -> u64 {
    cx.state.monotonic_ns()
}
