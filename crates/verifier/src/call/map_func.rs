//! Which helpers work with which maps, and what the kernel remembers of the maps and keys they get.

use super::gate::func_and_number;
use super::{Meta, id};
use crate::map_info::RDONLY_PROG;
use crate::reject::{Fact, Reject, Res, reject};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::{AttachType, Errno, MapType, ProgType};
use skep_isa::Reg;

/// The helpers that a map of this type works with; `None` if it has no say.
fn helpers_of(map_type: MapType) -> Option<&'static [u32]> {
    Some(match map_type {
        MapType::ProgArray => &[id::TAIL_CALL],
        MapType::PerfEventArray => &[
            id::PERF_EVENT_READ,
            id::PERF_EVENT_OUTPUT,
            id::SKB_OUTPUT,
            id::PERF_EVENT_READ_VALUE,
            id::XDP_OUTPUT,
        ],
        MapType::Ringbuf => RINGBUF,
        MapType::UserRingbuf => &[id::USER_RINGBUF_DRAIN],
        MapType::StackTrace => &[id::GET_STACKID],
        MapType::CgroupArray => &[id::SKB_UNDER_CGROUP, id::CURRENT_TASK_UNDER_CGROUP],
        MapType::CgroupStorage | MapType::PercpuCgroupStorage => &[id::GET_LOCAL_STORAGE],
        MapType::Devmap | MapType::DevmapHash | MapType::Xskmap => {
            &[id::REDIRECT_MAP, id::MAP_LOOKUP_ELEM]
        }
        MapType::Cpumap => &[id::REDIRECT_MAP],
        MapType::ArrayOfMaps | MapType::HashOfMaps => &[id::MAP_LOOKUP_ELEM],
        MapType::Sockmap => &[
            id::SK_REDIRECT_MAP,
            id::SOCK_MAP_UPDATE,
            id::MSG_REDIRECT_MAP,
            id::SK_SELECT_REUSEPORT,
            id::MAP_LOOKUP_ELEM,
        ],
        MapType::Sockhash => &[
            id::SK_REDIRECT_HASH,
            id::SOCK_HASH_UPDATE,
            id::MSG_REDIRECT_HASH,
            id::SK_SELECT_REUSEPORT,
            id::MAP_LOOKUP_ELEM,
        ],
        MapType::ReuseportSockarray => &[id::SK_SELECT_REUSEPORT],
        MapType::Queue | MapType::Stack => {
            &[id::MAP_PEEK_ELEM, id::MAP_POP_ELEM, id::MAP_PUSH_ELEM]
        }
        MapType::SkStorage => &[id::SK_STORAGE_GET, id::SK_STORAGE_DELETE, id::KPTR_XCHG],
        MapType::InodeStorage => &[id::INODE_STORAGE_GET, id::INODE_STORAGE_DELETE, id::KPTR_XCHG],
        MapType::TaskStorage => &[id::TASK_STORAGE_GET, id::TASK_STORAGE_DELETE, id::KPTR_XCHG],
        MapType::CgrpStorage => &[id::CGRP_STORAGE_GET, id::CGRP_STORAGE_DELETE, id::KPTR_XCHG],
        MapType::BloomFilter => &[id::MAP_PEEK_ELEM, id::MAP_PUSH_ELEM],
        _ => return None,
    })
}

const RINGBUF: &[u32] = &[
    id::RINGBUF_OUTPUT,
    id::RINGBUF_RESERVE,
    id::RINGBUF_QUERY,
    id::RINGBUF_RESERVE_DYNPTR,
    id::RINGBUF_SUBMIT_DYNPTR,
    id::RINGBUF_DISCARD_DYNPTR,
];

/// The maps that a helper works with; `None` if it has no say.
fn maps_of(func: u32) -> Option<&'static [MapType]> {
    use MapType as M;
    Some(match func {
        id::TAIL_CALL => &[M::ProgArray],
        id::PERF_EVENT_READ
        | id::PERF_EVENT_OUTPUT
        | id::PERF_EVENT_READ_VALUE
        | id::SKB_OUTPUT
        | id::XDP_OUTPUT => &[M::PerfEventArray],
        func if RINGBUF.contains(&func) => &[M::Ringbuf],
        id::USER_RINGBUF_DRAIN => &[M::UserRingbuf],
        id::GET_STACKID => &[M::StackTrace],
        id::CURRENT_TASK_UNDER_CGROUP | id::SKB_UNDER_CGROUP => &[M::CgroupArray],
        id::REDIRECT_MAP => &[M::Devmap, M::DevmapHash, M::Cpumap, M::Xskmap],
        id::SK_REDIRECT_MAP | id::MSG_REDIRECT_MAP | id::SOCK_MAP_UPDATE => &[M::Sockmap],
        id::SK_REDIRECT_HASH | id::MSG_REDIRECT_HASH | id::SOCK_HASH_UPDATE => &[M::Sockhash],
        id::GET_LOCAL_STORAGE => &[M::CgroupStorage, M::PercpuCgroupStorage],
        id::SK_SELECT_REUSEPORT => &[M::ReuseportSockarray, M::Sockmap, M::Sockhash],
        id::MAP_POP_ELEM => &[M::Queue, M::Stack],
        id::MAP_PEEK_ELEM | id::MAP_PUSH_ELEM => &[M::Queue, M::Stack, M::BloomFilter],
        id::MAP_LOOKUP_PERCPU_ELEM => &[M::PercpuArray, M::PercpuHash, M::LruPercpuHash],
        id::SK_STORAGE_GET | id::SK_STORAGE_DELETE => &[M::SkStorage],
        id::INODE_STORAGE_GET | id::INODE_STORAGE_DELETE => &[M::InodeStorage],
        id::TASK_STORAGE_GET | id::TASK_STORAGE_DELETE => &[M::TaskStorage],
        id::CGRP_STORAGE_GET | id::CGRP_STORAGE_DELETE => &[M::CgrpStorage],
        _ => return None,
    })
}

impl Verifier<'_> {
    /// The map and the helper work with each other. Kernel: `check_map_func_compatibility`.
    pub(crate) fn check_map_func(&self, func: u32, map: Option<u32>) -> Res<()> {
        let Some(map) = map else { return Ok(()) };
        let map_type = self.maps[map as usize].map_type();
        let mut more = String::new();
        let map_agrees = match helpers_of(map_type) {
            None => true,
            Some(helpers) if helpers.contains(&func) => true,
            Some(_) if matches!(map_type, MapType::Sockmap | MapType::Sockhash) => {
                let allowed = self.may_update_sockmap(func);
                if !allowed && matches!(func, id::MAP_UPDATE_ELEM | id::MAP_DELETE_ELEM) {
                    more = "cannot update sockmap in this context\n".to_owned();
                }
                allowed
            }
            Some(_) => false,
        };
        let helper_agrees = maps_of(func).is_none_or(|maps| maps.contains(&map_type));
        if map_agrees && helper_agrees {
            return Ok(());
        }
        Reject::new(
            Rule::HelperMap,
            format!(
                "{more}cannot pass map_type {} into func {}",
                map_type.number(),
                func_and_number(func)
            ),
        )
        .fact(Fact::Map(map))
        .fact(Fact::Call(super::gate::func_name(func)))
        .stop()
    }

    /// Kernel: `may_update_sockmap`.
    fn may_update_sockmap(&self, func: u32) -> bool {
        if !matches!(func, id::MAP_UPDATE_ELEM | id::MAP_DELETE_ELEM) {
            return false;
        }
        match self.prog.prog_type {
            ProgType::Tracing => self.prog.attach_type == Some(AttachType::TraceIter),
            ProgType::SockOps => func == id::MAP_DELETE_ELEM,
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

    /// Helpers that write to maps do not get one that programs may only read. Kernel: `record_func_map`.
    pub(crate) fn check_func_map(&mut self, meta: &Meta) -> Res<()> {
        if !matches!(
            meta.func,
            id::TAIL_CALL
                | id::MAP_LOOKUP_ELEM
                | id::MAP_UPDATE_ELEM
                | id::MAP_DELETE_ELEM
                | id::MAP_PUSH_ELEM
                | id::MAP_POP_ELEM
                | id::MAP_PEEK_ELEM
                | id::FOR_EACH_MAP_ELEM
                | id::REDIRECT_MAP
                | id::MAP_LOOKUP_PERCPU_ELEM
        ) {
            return Ok(());
        }
        let Some(map) = meta.map else {
            return reject(Rule::Internal, "expected map for helper call");
        };
        let writes = matches!(
            meta.func,
            id::MAP_DELETE_ELEM | id::MAP_UPDATE_ELEM | id::MAP_PUSH_ELEM | id::MAP_POP_ELEM
        );
        if writes && self.maps[map as usize].flags & RDONLY_PROG != 0 {
            return Reject::new(Rule::MapUse, "write into map forbidden")
                .errno(Errno::EACCES)
                .fact(Fact::Map(map))
                .stop();
        }
        Ok(())
    }

    /// The key of a tail call matters where it is known. Kernel: `record_func_key`.
    pub(crate) fn check_func_key(&mut self, meta: &Meta) -> Res<()> {
        if meta.func != id::TAIL_CALL {
            return Ok(());
        }
        let map = meta.map.filter(|&map| self.maps[map as usize].map_type() == MapType::ProgArray);
        let Some(map) = map else {
            return reject(Rule::HelperMap, "expected prog array map for tail call");
        };
        let entries = u64::from(self.maps[map as usize].def.max_entries);
        let key = self.reg(Reg::R3).num.is_const().filter(|&key| key < entries);
        if key.is_some() {
            // The kernel makes this a plain jump only as long as the key is known.
            self.mark_chain_precision(Reg::R3)?;
        }
        Ok(())
    }
}
