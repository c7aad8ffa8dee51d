//! What calls of single helpers do to the verifier's state, beyond their prototypes.
//!
//! Kernel: the lists of `kernel/bpf/verifier.c` and `bpf_helper_changes_pkt_data`, Linux 6.18.

use super::Helper;
use crate::MapType;

/// How a helper calls the function that it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// During the call, maybe often.
    Now,
    /// Later, on its own.
    Later,
}

impl Helper {
    /// Whether pointers into the packet are no longer valid after it.
    #[must_use]
    pub fn changes_packet(&self) -> bool {
        CHANGE_PACKET.contains(&self.name)
    }

    /// Whether r0 is a reference to be released; of a lookup it depends on the kind of map.
    #[must_use]
    pub fn acquires(&self, map: Option<MapType>) -> bool {
        let socket = matches!(map, Some(MapType::Sockmap | MapType::Sockhash));
        ACQUIRE.contains(&self.name) || self.name == "map_lookup_elem" && socket
    }

    /// Whether r0 is the argument seen as another type: it shares its reference.
    #[must_use]
    pub fn casts(&self) -> bool {
        CAST.contains(&self.name)
    }

    /// Whether r0 points into a dynptr, whose end ends it.
    #[must_use]
    pub fn slices_dynptr(&self) -> bool {
        self.name == "dynptr_data"
    }

    /// How it calls a function of the program, if it does.
    #[must_use]
    pub fn calls(&self) -> Option<Calls> {
        match self.name {
            "for_each_map_elem" | "find_vma" | "loop" | "user_ringbuf_drain" => Some(Calls::Now),
            "timer_set_callback" => Some(Calls::Later),
            _ => None,
        }
    }

    /// Whether it finds or makes an object's storage, and may sleep for it where the program may.
    #[must_use]
    pub fn gets_storage(&self) -> bool {
        matches!(
            self.name,
            "sk_storage_get" | "inode_storage_get" | "task_storage_get" | "cgrp_storage_get"
        )
    }
}

const CHANGE_PACKET: &[&str] = &[
    "clone_redirect",
    "l3_csum_replace",
    "l4_csum_replace",
    "lwt_push_encap",
    "lwt_seg6_action",
    "lwt_seg6_adjust_srh",
    "lwt_seg6_store_bytes",
    "msg_pop_data",
    "msg_pull_data",
    "msg_push_data",
    "skb_adjust_room",
    "skb_change_head",
    "skb_change_proto",
    "skb_change_tail",
    "skb_pull_data",
    "skb_store_bytes",
    "skb_vlan_pop",
    "skb_vlan_push",
    "store_hdr_opt",
    "xdp_adjust_head",
    "xdp_adjust_meta",
    "xdp_adjust_tail",
    // The program that takes over could call any of them.
    "tail_call",
];
const ACQUIRE: &[&str] =
    &["sk_lookup_tcp", "sk_lookup_udp", "skc_lookup_tcp", "ringbuf_reserve", "kptr_xchg"];
const CAST: &[&str] = &[
    "tcp_sock",
    "sk_fullsock",
    "skc_to_tcp_sock",
    "skc_to_tcp6_sock",
    "skc_to_udp6_sock",
    "skc_to_mptcp_sock",
    "skc_to_tcp_timewait_sock",
    "skc_to_tcp_request_sock",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RetKind, arg_flag, helper_id};

    #[test]
    fn lists_name_helpers_whose_prototypes_fit() {
        for name in CHANGE_PACKET.iter().chain(ACQUIRE).chain(CAST) {
            assert!(helper_id(name).is_some(), "{name}");
        }
        for helper in Helper::all().iter().filter(|helper| helper.casts() || helper.acquires(None))
        {
            assert!(helper.ret.flags & arg_flag::OR_NULL != 0, "{}", helper.name);
            assert!(!matches!(helper.ret.kind, RetKind::Int | RetKind::Void), "{}", helper.name);
        }
        for helper in Helper::all() {
            let function = helper.args.iter().any(|arg| arg.kind == crate::ArgKind::Func);
            assert_eq!(helper.calls().is_some(), function, "{}", helper.name);
        }
    }

    #[test]
    fn a_lookup_acquires_only_sockets() {
        let lookup = Helper::find(1).unwrap();
        assert!(lookup.acquires(Some(MapType::Sockhash)) && !lookup.acquires(Some(MapType::Hash)));
    }
}
