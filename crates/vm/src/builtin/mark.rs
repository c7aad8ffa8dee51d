//! Kernel functions that only tell the kernel, or its verifier, something.

use crate::helper::Helpers;

pub(super) fn add<S: 'static>(helpers: Helpers<S>) -> Helpers<S> {
    // A run is alone with its objects, which stay until it ends, and nothing preempts it.
    let marks = [
        "bpf_rcu_read_lock",
        "bpf_rcu_read_unlock",
        "bpf_preempt_disable",
        "bpf_preempt_enable",
        "bpf_local_irq_save",
        "bpf_local_irq_restore",
    ];
    let helpers =
        marks.into_iter().fold(helpers, |helpers, name| helpers.with_kfunc(name, || 0u64));
    // Where the kernel would read zeroes instead of a bad address, the run faults.
    helpers.with_kfunc("bpf_rdonly_cast", |object: u64, _type_id: u32| object)
}
