//! Which helpers take which maps.
//!
//! Kernel: `check_map_func_compatibility`, which asks from both sides, and `may_update_sockmap`, Linux 6.18.
//! What it refuses, the verifier calls `cannot pass map_type N into func NAME#N`.

use crate::AttachType::TraceIter;
use crate::{AttachType, Helper, MapType, ProgType};

impl MapType {
    /// Whether a program of this type may pass a map of this type to the helper.
    ///
    /// A program that could not call the helper at all is not asked about here.
    #[must_use]
    pub fn goes_with(
        self,
        helper: &Helper,
        prog_type: ProgType,
        attach_type: Option<AttachType>,
    ) -> bool {
        let of_map = match self.only_helpers() {
            Some(names) => {
                let socket = matches!(self, Self::Sockmap | Self::Sockhash);
                names.contains(&helper.name)
                    || socket && may_update_sockets(helper, prog_type, attach_type)
            }
            None => true,
        };
        of_map && helper.only_maps().is_none_or(|maps| maps.contains(&self))
    }

    /// The only helpers that take a map of this type; `None` if the map's type does not matter.
    ///
    /// Maps of sockets are more, depending on the program: [`may_update_sockets`].
    #[must_use]
    pub const fn only_helpers(self) -> Option<&'static [&'static str]> {
        Some(match self {
            Self::ProgArray => &["tail_call"],
            Self::PerfEventArray => PERF,
            Self::Ringbuf => RING,
            Self::UserRingbuf => &["user_ringbuf_drain"],
            Self::StackTrace => &["get_stackid"],
            Self::CgroupArray => &["skb_under_cgroup", "current_task_under_cgroup"],
            Self::CgroupStorage | Self::PercpuCgroupStorage => &["get_local_storage"],
            Self::Devmap | Self::DevmapHash | Self::Xskmap => &["redirect_map", "map_lookup_elem"],
            Self::Cpumap => &["redirect_map"],
            Self::ArrayOfMaps | Self::HashOfMaps => &["map_lookup_elem"],
            Self::Sockmap => &[
                "sk_redirect_map",
                "sock_map_update",
                "msg_redirect_map",
                "sk_select_reuseport",
                "map_lookup_elem",
            ],
            Self::Sockhash => &[
                "sk_redirect_hash",
                "sock_hash_update",
                "msg_redirect_hash",
                "sk_select_reuseport",
                "map_lookup_elem",
            ],
            Self::ReuseportSockarray => &["sk_select_reuseport"],
            Self::Queue | Self::Stack => &["map_peek_elem", "map_pop_elem", "map_push_elem"],
            Self::SkStorage => &["sk_storage_get", "sk_storage_delete", "kptr_xchg"],
            Self::InodeStorage => &["inode_storage_get", "inode_storage_delete", "kptr_xchg"],
            Self::TaskStorage => &["task_storage_get", "task_storage_delete", "kptr_xchg"],
            Self::CgrpStorage => &["cgrp_storage_get", "cgrp_storage_delete", "kptr_xchg"],
            Self::BloomFilter => &["map_peek_elem", "map_push_elem"],
            Self::Unspec
            | Self::Hash
            | Self::Array
            | Self::PercpuHash
            | Self::PercpuArray
            | Self::LruHash
            | Self::LruPercpuHash
            | Self::LpmTrie
            | Self::StructOps
            | Self::Arena => return None,
        })
    }
}

const PERF: &[&str] =
    &["perf_event_read", "perf_event_output", "skb_output", "perf_event_read_value", "xdp_output"];
const RING: &[&str] = &[
    "ringbuf_output",
    "ringbuf_reserve",
    "ringbuf_query",
    "ringbuf_reserve_dynptr",
    "ringbuf_submit_dynptr",
    "ringbuf_discard_dynptr",
];

impl Helper {
    /// The only types of map that it takes; `None` if that depends on the map alone.
    #[must_use]
    pub fn only_maps(&self) -> Option<&'static [MapType]> {
        use MapType as M;
        Some(match self.name {
            "tail_call" => &[M::ProgArray],
            name if PERF.contains(&name) => &[M::PerfEventArray],
            name if RING.contains(&name) => &[M::Ringbuf],
            "user_ringbuf_drain" => &[M::UserRingbuf],
            "get_stackid" => &[M::StackTrace],
            "current_task_under_cgroup" | "skb_under_cgroup" => &[M::CgroupArray],
            "redirect_map" => &[M::Devmap, M::DevmapHash, M::Cpumap, M::Xskmap],
            "sk_redirect_map" | "msg_redirect_map" | "sock_map_update" => &[M::Sockmap],
            "sk_redirect_hash" | "msg_redirect_hash" | "sock_hash_update" => &[M::Sockhash],
            "get_local_storage" => &[M::CgroupStorage, M::PercpuCgroupStorage],
            "sk_select_reuseport" => &[M::ReuseportSockarray, M::Sockmap, M::Sockhash],
            "map_pop_elem" => &[M::Queue, M::Stack],
            "map_peek_elem" | "map_push_elem" => &[M::Queue, M::Stack, M::BloomFilter],
            "map_lookup_percpu_elem" => &[M::PercpuArray, M::PercpuHash, M::LruPercpuHash],
            "sk_storage_get" | "sk_storage_delete" => &[M::SkStorage],
            "inode_storage_get" | "inode_storage_delete" => &[M::InodeStorage],
            "task_storage_get" | "task_storage_delete" => &[M::TaskStorage],
            "cgrp_storage_get" | "cgrp_storage_delete" => &[M::CgrpStorage],
            _ => return None,
        })
    }
}

/// Whether a program may put sockets into a map, or take them out, by the general helpers: not where a
/// socket may be locked already. Otherwise the verifier says `cannot update sockmap in this context`.
#[must_use]
pub fn may_update_sockets(
    helper: &Helper,
    prog_type: ProgType,
    attach_type: Option<AttachType>,
) -> bool {
    let delete = match helper.name {
        "map_update_elem" => false,
        "map_delete_elem" => true,
        _ => return false,
    };
    match prog_type {
        ProgType::Tracing => attach_type == Some(TraceIter),
        ProgType::SockOps => delete,
        ProgType::SocketFilter
        | ProgType::SchedCls
        | ProgType::SchedAct
        | ProgType::Xdp
        | ProgType::SkReuseport
        | ProgType::FlowDissector
        | ProgType::SkLookup => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helper_id;

    fn helper(name: &str) -> &'static Helper {
        Helper::find(helper_id(name).unwrap()).unwrap()
    }

    #[test]
    fn lists_name_helpers_that_take_maps() {
        for &map in MapType::ALL {
            for name in map.only_helpers().unwrap_or_default() {
                helper(name);
            }
        }
    }

    #[test]
    fn both_sides_are_asked() {
        let goes = |map: MapType, name| map.goes_with(helper(name), ProgType::Xdp, None);
        assert!(goes(MapType::Hash, "map_lookup_elem"));
        assert!(!goes(MapType::Hash, "redirect_map"));
        assert!(!goes(MapType::Queue, "map_lookup_elem"));
        assert!(goes(MapType::Sockmap, "map_update_elem"));
        let delete = helper("map_delete_elem");
        assert!(MapType::Sockmap.goes_with(delete, ProgType::SockOps, None));
        assert!(!MapType::Sockmap.goes_with(delete, ProgType::SkSkb, None));
    }
}
