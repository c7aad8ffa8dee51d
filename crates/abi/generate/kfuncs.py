"""Prints `src/kfunc/table.rs`: python3 generate/kfuncs.py > src/kfunc/table.rs, as root.

Names and flags are read from the sets that the running kernel keeps for its own BTF; which program
types may call a function is asked of the verifier. What this kernel is built without is added below.
"""

import fnmatch
import struct

from bpf import BTF_BY_ID, EXIT, Kernel, bpf, insn, loads, mov
from btf import Btf
from helpers import prog_type_names, types_text
from hooks import hooks

FLAGS = [
    "ACQUIRE", "RELEASE", "RET_NULL", None, "TRUSTED_ARGS", "SLEEPABLE", "DESTRUCTIVE", "RCU", "ITER_NEW",
    "ITER_NEXT", "ITER_DESTROY", "RCU_PROTECTED", "FASTCALL", "ARENA_RET", "ARENA_ARG1", "ARENA_ARG2",
]
# Group, patterns of names.
SUBJECTS = [
    ("Iter", "bpf_iter_*"), ("Arena", "bpf_arena_*"), ("Cpumask", "bpf_cpumask_*"), ("String", "bpf_str[clnrs]*"),
    ("Conntrack", "bpf_*ct_* bpf_xdp_flow_lookup"), ("Crypto", "bpf_crypto_*"),
    ("Key", "bpf_*_key bpf_key_put bpf_verify_*"), ("Dynptr", "*dynptr*"), ("Cgroup", "*cgroup* css_rstat_*"),
    ("Task", "bpf_task_* bpf_send_signal_task bpf_copy_from_user_*"),
    ("Object", "bpf_*obj_* bpf_list_* bpf_rbtree_* bpf_refcount_*"),
    ("Lock", "bpf_rcu_* bpf_preempt_* bpf_local_irq_* bpf_res_spin_*"), ("Workqueue", "bpf_wq_*"),
    ("Network", "bpf_xdp_* bpf_sk* bpf_sock* bpf_kfree_skb bpf_qdisc_*"),
    ("File", "bpf_*_xattr bpf_*_file bpf_path_* bpf_get_fsverity_*"),
    ("Tcp", "bbr_* cubictcp_* tcp_* dctcp_*"), ("SchedExt", "scx_*"), ("Hid", "hid_*"), ("General", "*"),
]
# The release whose merge window took the commit; unknown for the rest.
SINCE = {
    "5, 13": "bbr_* cubictcp_* tcp_* dctcp_*",
    "5, 18": "bpf_xdp_ct_lookup bpf_skb_ct_lookup bpf_ct_release bpf_kfunc_call_test_release "
             "bpf_kfunc_call_memb_release",
    "6, 0": "bpf_*_ct_alloc bpf_ct_insert_entry bpf_ct_set_timeout bpf_ct_change_timeout bpf_ct_*_status",
    "6, 1": "crash_kexec bpf_ct_set_nat_info bpf_*_key bpf_key_put bpf_verify_pkcs7_signature",
    "6, 2": "bpf_obj_* bpf_list_pop_* bpf_task_acquire bpf_task_release bpf_task_from_pid "
            "bpf_cgroup_acquire bpf_cgroup_release bpf_cgroup_ancestor bpf_cast_to_kern_ctx bpf_rdonly_cast "
            "bpf_rcu_read_* bpf_skb_*_xfrm_info",
    "6, 3": "bpf_rbtree_remove bpf_rbtree_first bpf_xdp_metadata_rx_timestamp "
            "bpf_xdp_metadata_rx_hash bpf_cpumask_* hid_bpf_get_data hid_bpf_allocate_context "
            "hid_bpf_release_context hid_bpf_hw_request",
    "6, 4": "bpf_dynptr_from_skb bpf_dynptr_from_xdp bpf_dynptr_slice* bpf_iter_num_* bpf_refcount_acquire_impl "
            "bpf_list_push_*_impl bpf_rbtree_add_impl "
            "bpf_cgroup_from_id bpf_skb_*_fou_encap",
    "6, 5": "bpf_dynptr_adjust bpf_dynptr_is_* bpf_dynptr_size bpf_dynptr_clone bpf_task_under_cgroup "
            "bpf_sock_destroy bpf_cpumask_any*_distribute bpf_cpumask_first_and",
    "6, 6": "bpf_map_sum_elem_count",
    "6, 7": "bpf_percpu_obj_* bpf_throw bpf_iter_css_* bpf_iter_task_* bpf_sock_addr_set_sun_path",
    "6, 8": "bpf_get_file_xattr bpf_get_fsverity_digest bpf_task_get_cgroup1 bpf_xdp_metadata_rx_vlan_tag "
            "bpf_xdp_*xfrm_state* bpf_cpumask_weight",
    "6, 9": "bpf_sk_assign_tcp_reqsk bpf_arena_alloc_pages bpf_arena_free_pages",
    "6, 10": "bpf_modify_return_test_tp bpf_wq_* bpf_preempt_* bpf_session_* bpf_crypto_*",
    "6, 11": "bpf_iter_bits_* bpf_xdp_flow_lookup hid_bpf_hw_output_report hid_bpf_input_report "
             "hid_bpf_try_input_report",
    "6, 12": "scx_* bpf_iter_scx_dsq_* bpf_get_dentry_xattr bpf_get_task_exe_file bpf_put_file "
             "bpf_path_d_path bpf_copy_from_user_str",
    "6, 13": "scx_bpf_dsq_insert scx_bpf_dsq_insert_vtime scx_bpf_dsq_move* bpf_get_kmem_cache "
             "bpf_iter_kmem_cache_* bpf_send_signal_task",
    "6, 14": "bpf_local_irq_* bpf_task_from_vpid",
    "6, 15": "bpf_set_dentry_xattr bpf_remove_dentry_xattr bpf_sock_ops_enable_tx_tstamp bpf_res_spin_* "
             "bpf_copy_from_user_task_str bpf_dynptr_copy bpf_cpumask_populate",
    "6, 16": "bpf_qdisc_* bpf_skb_get_hash bpf_kfree_skb scx_bpf_select_cpu_and css_rstat_* "
             "bpf_*_dynptr bpf_iter_dmabuf_* bpf_rbtree_root bpf_rbtree_left bpf_rbtree_right "
             "bpf_list_front bpf_list_back __bpf_trap",
    "6, 17": "bpf_strc[hms]* bpf_strn* bpf_strr* bpf_strlen bpf_strs* bpf_dynptr_memset bpf_cgroup_read_xattr "
             "bpf_arena_reserve_pages",
    "6, 18": "bpf_strcasecmp bpf_dynptr_from_skb_meta bpf_xdp_pull_data bpf_task_work_* bpf_stream_vprintk_impl",
}
# Not in the kernel that was asked. Kernel: kernel/trace/bpf_trace.c, fs/verity/measure.c,
# net/xfrm/xfrm_interface_bpf.c, net/ipv4/fou_bpf.c, drivers/hid/bpf/hid_bpf_dispatch.c, kernel/sched/ext.c,
# net/sched/bpf_qdisc.c, net/ipv4/tcp_dctcp.c, kernel/bpf/helpers.c.
BY_HAND = [
    ("bpf_verify_pkcs7_signature", 1 << 5, {5, 7, 26, 29}), ("bpf_get_fsverity_digest", 1 << 4, {29}),
    ("bpf_skb_get_xfrm_info", 0, {3}), ("bpf_skb_set_xfrm_info", 0, {3}),
    ("bpf_skb_set_fou_encap", 0, {3}), ("bpf_skb_get_fou_encap", 0, {3}),
    ("bpf_xdp_flow_lookup", 1 << 2 | 1 << 4, {6}),
    ("crash_kexec", 1 << 6, {3, 5, 6, 7, 8, 9, 13, 15, 18, 23, 25, 26, 27, 29, 31}),
    ("bpf_skb_get_hash", 1 << 4, {27}), ("bpf_kfree_skb", 1 << 1, {27}), ("bpf_qdisc_skb_drop", 1 << 1, {27}),
    ("bpf_qdisc_watchdog_schedule", 1 << 4, {27}), ("bpf_qdisc_bstats_update", 1 << 4, {27}),
    ("bpf_qdisc_init_prologue", 1 << 4, {27}), ("bpf_qdisc_reset_destroy_epilogue", 1 << 4, {27}),
    ("hid_bpf_get_data", 1 << 2, {27}), ("hid_bpf_allocate_context", 1 | 1 << 2 | 1 << 5, {27, 31}),
    ("hid_bpf_release_context", 1 << 1 | 1 << 5, {27, 31}), ("hid_bpf_hw_request", 1 << 5, {27, 31}),
    ("hid_bpf_hw_output_report", 1 << 5, {27, 31}), ("hid_bpf_input_report", 1 << 5, {27, 31}),
    ("hid_bpf_try_input_report", 0, {27}),
] + [(name, 0, {27}) for name in (
    "dctcp_init dctcp_update_alpha dctcp_cwnd_event dctcp_ssthresh dctcp_cwnd_undo dctcp_state "
    "scx_bpf_dsq_insert scx_bpf_dsq_insert_vtime scx_bpf_dsq_move_to_local scx_bpf_dispatch_nr_slots "
    "scx_bpf_dispatch_cancel scx_bpf_reenqueue_local").split()
] + [(name, flags, {26, 27, 31}) for names, flags in (
    ("scx_bpf_kick_cpu scx_bpf_dsq_nr_queued scx_bpf_destroy_dsq scx_bpf_cpuperf_cap scx_bpf_cpuperf_cur "
     "scx_bpf_cpuperf_set scx_bpf_nr_cpu_ids scx_bpf_test_and_clear_cpu_idle scx_bpf_cpu_rq", 0),
    ("scx_bpf_get_possible_cpumask scx_bpf_get_online_cpumask scx_bpf_get_idle_cpumask "
     "scx_bpf_get_idle_smtmask", 1),
    ("scx_bpf_put_cpumask scx_bpf_put_idle_cpumask", 1 << 1),
    ("scx_bpf_exit_bstr scx_bpf_error_bstr scx_bpf_dump_bstr", 1 << 4),
    ("scx_bpf_pick_idle_cpu scx_bpf_pick_any_cpu scx_bpf_task_running scx_bpf_task_cpu "
     "scx_bpf_select_cpu_dfl scx_bpf_select_cpu_and scx_bpf_dsq_move scx_bpf_dsq_move_vtime "
     "scx_bpf_dsq_move_set_slice scx_bpf_dsq_move_set_vtime", 1 << 7),
    ("scx_bpf_task_cgroup", 1 | 1 << 7),
    ("scx_bpf_create_dsq", 1 << 5),
    ("bpf_iter_scx_dsq_new", 1 << 8 | 1 << 11), ("bpf_iter_scx_dsq_next", 1 << 2 | 1 << 9),
    ("bpf_iter_scx_dsq_destroy", 1 << 10),
) for name in names.split()]
# Programs of these hooks modify what they replace; they cannot be called.
NOT_CALLED = ("bpf_fentry_test*", "bpf_modify_return_test", "bpf_modify_return_test2", "update_socket_protocol")


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns.split())


def since(name):
    found = [release for release, names in SINCE.items() if matches(name, names)]
    exact = [release for release, names in SINCE.items() if name in names.split()]
    # A name in full is worth more than a pattern; among patterns the later is the narrower.
    release = (exact or found or [None])[-1]
    return f"Some(v({release}))" if release else "None"


def sets(kernel, btf):
    """Names to flags of all sets that the kernel's own BTF has."""
    fd = next(fd for fd in (bpf(BTF_BY_ID, struct.pack("<II", id, 0)) for id in range(1, 64)) if fd >= 0)
    vmlinux = kernel.object_of(fd, btf.offset)
    assert kernel.read(vmlinux + btf.offset("btf", "name"), 8) == b"vmlinux\0"
    table = kernel.u64(vmlinux + btf.offset("btf", "kfunc_set_tab"))
    out = {}
    for hook in range(btf.enum("btf_kfunc_hook")["BTF_KFUNC_HOOK_MAX"]):
        at = kernel.u64(table + 8 * hook)
        for i in range(kernel.u32(at) if at else 0):
            id, flags = kernel.u32(at + 8 + 8 * i), kernel.u32(at + 12 + 8 * i)
            name = btf.types[id]["name"]
            if not any(fnmatch.fnmatchcase(name, pattern) for pattern in NOT_CALLED):
                out[name] = id, flags
    return out


def callers(btf, functions):
    out, asked = {name: set() for name in functions}, set()
    for hook in hooks(btf):
        if not any(loads(hook, mov(0, value) + EXIT)[0] for value in (0, 1)):
            continue
        asked.add(hook.prog_type)
        for name, (id, _) in functions.items():
            ok, log = loads(hook, insn(0x85, src=2, imm=id) + mov(0, 1) + EXIT)
            if ok or (log.strip() and "is not allowed" not in log):
                out[name].add(hook.prog_type)
    for name, types in out.items():
        # Kernel: bpf_prog_type_to_kfunc_hook, bpf_fs_kfuncs_filter.
        if 26 in types and name != "bpf_sock_destroy" or matches(name, dict(SUBJECTS)["File"]):
            types.add(29)
        if types >= asked:
            types.update((20, 29))
        if matches(name, "bpf_xdp_metadata_*"):  # refused in words of its own
            types.clear()
            types.add(6)
    return out


def main():
    btf = Btf()
    progs = prog_type_names(btf)
    functions = sets(Kernel(), btf)
    who = callers(btf, functions)
    rows = [(name, flags, who[name]) for name, (_, flags) in functions.items()] + BY_HAND
    print("//! Kernel functions: groups, flags, callers, first releases.\n//!\n"
          "//! Printed by `generate/kfuncs.py` from Linux 6.18.\n\n"
          "use super::KfuncGroup::*;\nuse super::flag::*;\nuse super::{Kfunc, kfunc};\n"
          "use crate::prog_type::bits::*;\nuse crate::release::v;\n\n"
          "#[rustfmt::skip]\npub(super) const KFUNCS: &[Kfunc] = &[")
    everything = set(range(1, 33)) - {28}
    for subject, _ in SUBJECTS:
        for name, flags, types in sorted(rows):
            if subject != next(s for s, patterns in SUBJECTS if matches(name, patterns)):
                continue
            bits = " | ".join(n for i, n in enumerate(FLAGS) if n and flags >> i & 1) or "0"
            text = "EVERY | LIRC_MODE2" if types == everything else types_text(types, progs)
            print(f'    kfunc("{name}", {subject}, {since(name)}, {bits}, {text}),')
    print("];")


main()
