//! Helpers that a process cannot serve, and why.

use crate::host::Host;
use skep_abi::{Kfunc, KfuncGroup};
use skep_vm::Helpers;
use std::collections::BTreeSet;

/// Numbers and reasons, beside those that stand next to the helpers of their kind.
const REFUSED: &[(&[i32], &str)] = &[
    (&[64, 116], "there is no socket of the kernel to ask or change"),
    (&[59, 142, 143, 144], "there is no TCP connection to watch"),
    (&[52, 53, 70, 72, 82, 162], "there is no socket of the kernel to hand on"),
    (&[60, 61, 62, 63, 71, 90, 91], "there is no message of a socket"),
    (&[73, 74, 75, 76], "there is no lightweight tunnel"),
    (&[77, 78, 92], "there is no infrared receiver"),
    (&[101, 102, 103, 104], "there is no sysctl being accessed"),
    (&[111, 121], "there is no packet of the kernel to trace"),
    (&[161, 193], "there are no files of the kernel"),
    (&[159, 186, 187], "there is no operation of the kernel to decide on"),
    (&[166, 168], "programs run here make no system calls"),
];

/// Beginnings of names of kernel functions, and reasons; the first that fits counts.
const KFUNCS: &[(&str, &str)] = &[
    ("bpf_iter_scx_", "there is no scheduler of the kernel"),
    ("scx_bpf_", "there is no scheduler of the kernel"),
    ("bpf_iter_dmabuf_", "there are no buffers of devices"),
    ("bpf_iter_kmem_cache_", "there is no memory of the kernel"),
    ("bpf_get_kmem_cache", "there is no memory of the kernel"),
    ("bpf_iter_css_", "a process has no tree of cgroups to walk"),
    ("bpf_cgroup_read_xattr", "there are no files of the kernel"),
    ("bpf_task_get_cgroup1", "tasks have cgroups of version 2 only"),
    ("css_rstat_", "there are no statistics of the kernel's cgroups"),
    ("bpf_copy_from_user_task", "there are no address spaces of other processes"),
    ("bpf_task_work_", "there is no return to user space that work could wait for"),
    ("bpf_send_signal_task", "a program run here sends no signals"),
    ("bpf_session_cookie", "no place outlives the run at a function's beginning until its end"),
    ("bpf_cast_to_kern_ctx", "no kernel structure is behind a context"),
    ("bpf_modify_return_test_tp", "it exists for the kernel's own tests"),
    ("bpf_kfunc_call_", "it exists for the kernel's own tests"),
    ("crash_kexec", "there is no kernel to end"),
    ("bpf_sk_assign_tcp_reqsk", "there is no socket of the kernel to hand on"),
    ("bpf_sock_destroy", "there is no socket of the kernel to ask or change"),
    ("bpf_sock_addr_", "there is no socket of the kernel to ask or change"),
    ("bpf_sock_ops_", "there is no TCP connection to watch"),
    ("bpf_qdisc_", "there is no queue of the kernel to manage"),
    ("bpf_kfree_skb", "there is no queue of the kernel to manage"),
    ("bpf_skb_get_hash", "there is no queue of the kernel to manage"),
];

/// Why no kernel function of a subject is served that has no reason of its own.
const fn of_group(group: KfuncGroup) -> Option<&'static str> {
    Some(match group {
        KfuncGroup::Key => "the keyrings are the kernel's",
        KfuncGroup::File => "there are no files of the kernel",
        KfuncGroup::Tcp => "there is no TCP connection to watch",
        KfuncGroup::SchedExt => "there is no scheduler of the kernel",
        KfuncGroup::Hid => "there are no input devices",
        _ => return None,
    })
}

fn why_no_kfunc(kfunc: &Kfunc) -> Option<&'static str> {
    let named = KFUNCS.iter().find(|(start, _)| kfunc.name.starts_with(start));
    named.map(|(_, why)| *why).or_else(|| of_group(kfunc.group))
}

pub(super) fn add(helpers: Helpers<Host>) -> Helpers<Host> {
    let all = REFUSED.iter().flat_map(|&(ids, why)| ids.iter().map(move |&id| (id, why)));
    let helpers = all.fold(helpers, |helpers, (id, why)| helpers.without(id, why));
    let served: BTreeSet<String> = helpers.kfuncs().map(str::to_owned).collect();
    let missing = Kfunc::all().iter().filter(|kfunc| !served.contains(kfunc.name));
    missing.fold(helpers, |helpers, kfunc| match why_no_kfunc(kfunc) {
        Some(why) => helpers.without_kfunc(kfunc.name, why),
        None => helpers,
    })
}
