//! `struct bpf_map` behind a map pointer.

use super::{Access, Found};
use crate::btf_ref::BtfRef;
use crate::reg::RegState;
use crate::reject::{Fact, Reject, Res, unsupported};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::{Errno, MapType};

/// The kernel's structure of a kind of map. Kernel: `map_btf_id` of each `struct bpf_map_ops`.
const fn structure(map: MapType) -> Option<&'static str> {
    use MapType as M;
    Some(match map {
        M::Array
        | M::PercpuArray
        | M::ProgArray
        | M::PerfEventArray
        | M::CgroupArray
        | M::ArrayOfMaps => "bpf_array",
        M::Hash | M::PercpuHash | M::LruHash | M::LruPercpuHash | M::HashOfMaps => "bpf_htab",
        M::BloomFilter => "bpf_bloom_filter",
        M::CgrpStorage | M::InodeStorage | M::TaskStorage | M::SkStorage => "bpf_local_storage_map",
        M::CgroupStorage | M::PercpuCgroupStorage => "bpf_cgroup_storage_map",
        M::StructOps => "bpf_struct_ops_map",
        M::Cpumap => "bpf_cpu_map",
        M::Devmap | M::DevmapHash => "bpf_dtab",
        M::LpmTrie => "lpm_trie",
        M::Queue | M::Stack => "bpf_queue_stack",
        M::ReuseportSockarray => "reuseport_array",
        M::Ringbuf | M::UserRingbuf => "bpf_ringbuf_map",
        M::StackTrace => "bpf_stack_map",
        M::Sockmap => "bpf_stab",
        M::Sockhash => "bpf_shtab",
        M::Xskmap => "xsk_map",
        M::Arena => "bpf_arena",
        _ => return None,
    })
}

impl Verifier<'_> {
    /// Kernel: `check_ptr_to_map_access`.
    pub(super) fn access_map_ptr(&mut self, reg: &RegState, access: Access) -> Res<()> {
        let refuse = |rule: Rule, errno: Errno, kernel: String| {
            Reject::new(rule, kernel).errno(errno).fact(Fact::Reg(access.base, *reg)).stop()
        };
        let Some(map) = self.map_of(reg) else {
            return refuse(Rule::Internal, Errno::EFAULT, "a map pointer without a map".into());
        };
        if self.vmlinux.is_none() {
            return unsupported("fields of a map on a kernel whose types are not known");
        }
        let found =
            structure(map.map_type()).and_then(|name| Some((name, self.kernel_struct(name)?)));
        let Some((name, id)) = found else {
            return refuse(
                Rule::MemBtf,
                Errno::ENOTSUPP,
                format!("map_ptr access not supported for map type {}", map.map_type().number()),
            );
        };
        if !self.allow_ptr_leaks {
            return refuse(
                Rule::Privilege,
                Errno::EPERM,
                format!("'struct {name}' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN"),
            );
        }
        if access.off < 0 {
            return refuse(
                Rule::MemBtf,
                Errno::EACCES,
                format!(
                    "R{} is {name} invalid negative access: off={}",
                    access.base.num(),
                    access.off
                ),
            );
        }
        if access.write {
            return refuse(
                Rule::MemReadOnly,
                Errno::EACCES,
                format!("only read from {name} is supported"),
            );
        }
        let object = (BtfRef::Kernel, id);
        let read = self.btf_struct_access(object, access.off, access.size, false);
        let (found, flags): (Found, u32) = match read {
            Ok((found, flags, _)) => (found, flags),
            Err(misfit) => return refuse(Rule::MemBtf, misfit.errno, misfit.kernel),
        };
        if let Some(dst) = access.value {
            self.mark_btf_ld_reg(dst, found, BtfRef::Kernel, flags);
        }
        Ok(())
    }
}
