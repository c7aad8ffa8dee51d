//! Helpers and kernel functions that machine code may call.
//!
//! What fits takes numbers, handles of maps and addresses of plain memory, and gives numbers or addresses of
//! memory that stays where it is for as long as the verifier lets a program follow them. What works on objects of
//! programs or of the kernel, on tasks and cgroups and what is stored with them, and whatever is not known
//! here, is left to the interpreter. Pages of
//! arenas have the same addresses for both.

/// By name, ascending.
#[rustfmt::skip]
const ALLOWED: &[&str] = &[
    "__bpf_trap",
    "bpf_arena_alloc_pages",
    "bpf_arena_free_pages",
    "bpf_arena_reserve_pages",
    "bpf_check_mtu",
    "bpf_clone_redirect",
    "bpf_copy_from_user",
    "bpf_copy_from_user_dynptr",
    "bpf_copy_from_user_str",
    "bpf_copy_from_user_str_dynptr",
    "bpf_csum_diff",
    "bpf_csum_level",
    "bpf_csum_update",
    "bpf_current_task_under_cgroup",
    "bpf_dynptr_adjust",
    "bpf_dynptr_clone",
    "bpf_dynptr_copy",
    "bpf_dynptr_data",
    "bpf_dynptr_from_mem",
    "bpf_dynptr_from_skb",
    "bpf_dynptr_from_xdp",
    "bpf_dynptr_is_null",
    "bpf_dynptr_is_rdonly",
    "bpf_dynptr_memset",
    "bpf_dynptr_read",
    "bpf_dynptr_size",
    "bpf_dynptr_slice",
    "bpf_dynptr_slice_rdwr",
    "bpf_dynptr_write",
    "bpf_fib_lookup",
    "bpf_for_each_map_elem",
    "bpf_get_attach_cookie",
    "bpf_get_cgroup_classid",
    "bpf_get_current_ancestor_cgroup_id",
    "bpf_get_current_cgroup_id",
    "bpf_get_current_comm",
    "bpf_get_current_pid_tgid",
    "bpf_get_current_task",
    "bpf_get_current_uid_gid",
    "bpf_get_func_arg",
    "bpf_get_func_arg_cnt",
    "bpf_get_func_ip",
    "bpf_get_func_ret",
    "bpf_get_hash_recalc",
    "bpf_get_listener_sock",
    "bpf_get_netns_cookie",
    "bpf_get_ns_current_pid_tgid",
    "bpf_get_numa_node_id",
    "bpf_get_prandom_u32",
    "bpf_get_route_realm",
    "bpf_get_smp_processor_id",
    "bpf_get_socket_cookie",
    "bpf_get_socket_uid",
    "bpf_get_stack",
    "bpf_get_stackid",
    "bpf_iter_bits_destroy",
    "bpf_iter_bits_new",
    "bpf_iter_bits_next",
    "bpf_iter_num_destroy",
    "bpf_iter_num_new",
    "bpf_iter_num_next",
    "bpf_jiffies64",
    "bpf_ktime_get_boot_ns",
    "bpf_ktime_get_coarse_ns",
    "bpf_ktime_get_ns",
    "bpf_ktime_get_tai_ns",
    "bpf_l3_csum_replace",
    "bpf_l4_csum_replace",
    "bpf_local_irq_restore",
    "bpf_local_irq_save",
    "bpf_loop",
    "bpf_map_delete_elem",
    "bpf_map_lookup_elem",
    "bpf_map_lookup_percpu_elem",
    "bpf_map_peek_elem",
    "bpf_map_pop_elem",
    "bpf_map_push_elem",
    "bpf_map_sum_elem_count",
    "bpf_map_update_elem",
    "bpf_perf_event_output",
    "bpf_preempt_disable",
    "bpf_preempt_enable",
    "bpf_probe_read",
    "bpf_probe_read_kernel",
    "bpf_probe_read_kernel_dynptr",
    "bpf_probe_read_kernel_str",
    "bpf_probe_read_kernel_str_dynptr",
    "bpf_probe_read_str",
    "bpf_probe_read_user",
    "bpf_probe_read_user_dynptr",
    "bpf_probe_read_user_str",
    "bpf_probe_read_user_str_dynptr",
    "bpf_rcu_read_lock",
    "bpf_rcu_read_unlock",
    "bpf_redirect",
    "bpf_redirect_map",
    "bpf_redirect_neigh",
    "bpf_redirect_peer",
    "bpf_res_spin_lock",
    "bpf_res_spin_lock_irqsave",
    "bpf_res_spin_unlock",
    "bpf_res_spin_unlock_irqrestore",
    "bpf_ringbuf_discard",
    "bpf_ringbuf_discard_dynptr",
    "bpf_ringbuf_output",
    "bpf_ringbuf_query",
    "bpf_ringbuf_reserve",
    "bpf_ringbuf_reserve_dynptr",
    "bpf_ringbuf_submit",
    "bpf_ringbuf_submit_dynptr",
    "bpf_session_is_return",
    "bpf_set_hash",
    "bpf_set_hash_invalid",
    "bpf_sk_ancestor_cgroup_id",
    "bpf_sk_assign",
    "bpf_sk_cgroup_id",
    "bpf_sk_fullsock",
    "bpf_sk_lookup_tcp",
    "bpf_sk_lookup_udp",
    "bpf_sk_release",
    "bpf_skb_adjust_room",
    "bpf_skb_ancestor_cgroup_id",
    "bpf_skb_cgroup_classid",
    "bpf_skb_cgroup_id",
    "bpf_skb_change_head",
    "bpf_skb_change_proto",
    "bpf_skb_change_tail",
    "bpf_skb_change_type",
    "bpf_skb_ecn_set_ce",
    "bpf_skb_get_tunnel_key",
    "bpf_skb_get_tunnel_opt",
    "bpf_skb_get_xfrm_state",
    "bpf_skb_load_bytes",
    "bpf_skb_load_bytes_relative",
    "bpf_skb_pull_data",
    "bpf_skb_set_tstamp",
    "bpf_skb_set_tunnel_key",
    "bpf_skb_set_tunnel_opt",
    "bpf_skb_store_bytes",
    "bpf_skb_under_cgroup",
    "bpf_skb_vlan_pop",
    "bpf_skb_vlan_push",
    "bpf_skc_lookup_tcp",
    "bpf_snprintf",
    "bpf_snprintf_btf",
    "bpf_spin_lock",
    "bpf_spin_unlock",
    "bpf_strcasecmp",
    "bpf_strchr",
    "bpf_strchrnul",
    "bpf_strcmp",
    "bpf_strcspn",
    "bpf_stream_vprintk_impl",
    "bpf_strlen",
    "bpf_strnchr",
    "bpf_strncmp",
    "bpf_strnlen",
    "bpf_strnstr",
    "bpf_strrchr",
    "bpf_strspn",
    "bpf_strstr",
    "bpf_strtol",
    "bpf_strtoul",
    "bpf_tail_call",
    "bpf_tcp_raw_check_syncookie_ipv4",
    "bpf_tcp_raw_check_syncookie_ipv6",
    "bpf_tcp_raw_gen_syncookie_ipv4",
    "bpf_tcp_raw_gen_syncookie_ipv6",
    "bpf_tcp_sock",
    "bpf_trace_printk",
    "bpf_trace_vprintk",
    "bpf_xdp_adjust_head",
    "bpf_xdp_adjust_meta",
    "bpf_xdp_adjust_tail",
    "bpf_xdp_get_buff_len",
    "bpf_xdp_load_bytes",
    "bpf_xdp_metadata_rx_hash",
    "bpf_xdp_metadata_rx_timestamp",
    "bpf_xdp_metadata_rx_vlan_tag",
    "bpf_xdp_pull_data",
    "bpf_xdp_store_bytes",
];

/// Whether machine code may call the helper or kernel function of this name.
pub(crate) fn is_allowed(name: &str) -> bool {
    ALLOWED.binary_search(&name).is_ok()
}

/// Bytes that lie where a kernel function points, of those that may be called. What types of a kernel say of it is the
/// word of whoever gave them.
pub(crate) fn gives_bytes(name: &str) -> u32 {
    match name {
        "bpf_iter_num_next" | "bpf_iter_bits_next" => 4,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_abi::Kfunc;

    #[test]
    fn names_are_those_of_the_kernel_in_order() {
        assert!(ALLOWED.is_sorted());
        let helpers: Vec<_> =
            (1..).map_while(skep_abi::helper_name).map(|name| format!("bpf_{name}")).collect();
        for name in ALLOWED {
            let is_known = helpers.iter().any(|helper| helper == name);
            assert!(is_known || Kfunc::find(name).is_some(), "{name}");
        }
    }

    #[test]
    fn objects_and_what_is_unknown_stay_with_the_interpreter() {
        for name in [
            "bpf_task_storage_get",
            "bpf_cgrp_storage_get",
            "bpf_sk_storage_get",
            "bpf_rdonly_cast",
            "bpf_kptr_xchg",
            "bpf_obj_new_impl",
            "bpf_throw",
            "bpf_map_lookup",
            "bpf_map_lookup_elem2",
            "",
        ] {
            assert!(!is_allowed(name), "{name}");
        }
    }
}
