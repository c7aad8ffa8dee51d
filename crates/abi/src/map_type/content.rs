//! What values of maps may hold, and who may use them.
//!
//! Kernel: `map_check_btf`, `check_map_prog_compatibility`, `map_meta_equal` of each type, Linux 6.18.

use crate::release::v;
use crate::{MapType, ProgType, Release};

/// A field of a value that the kernel minds: `enum btf_field_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// `struct bpf_spin_lock`
    SpinLock,
    /// `struct bpf_res_spin_lock`
    ResSpinLock,
    /// `struct bpf_timer`
    Timer,
    /// `struct bpf_wq`
    Workqueue,
    /// `struct bpf_task_work`
    TaskWork,
    /// A pointer to an object of the kernel or the program, with a tag `kptr`, `kptr_untrusted` or
    /// `percpu_kptr`.
    Kptr,
    /// A pointer to memory of the process, with a tag `uptr`.
    Uptr,
    /// `struct bpf_refcount`
    Refcount,
    /// `struct bpf_list_head`
    ListHead,
    /// `struct bpf_rb_root`
    RbRoot,
}

impl Special {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::SpinLock,
        Self::ResSpinLock,
        Self::Timer,
        Self::Workqueue,
        Self::TaskWork,
        Self::Kptr,
        Self::Uptr,
        Self::Refcount,
        Self::ListHead,
        Self::RbRoot,
    ];

    /// The first release that knows it.
    #[must_use]
    pub const fn since(self) -> Release {
        match self {
            Self::SpinLock => v(5, 1),
            Self::Timer => v(5, 15),
            Self::Kptr => v(5, 19),
            Self::ListHead => v(6, 2),
            Self::RbRoot => v(6, 3),
            Self::Refcount => v(6, 4),
            Self::Workqueue => v(6, 10),
            Self::Uptr => v(6, 13),
            Self::ResSpinLock => v(6, 15),
            Self::TaskWork => v(6, 18),
        }
    }

    /// What the verifier says to a program of this type that uses a map with such a field; `None` if it may.
    #[must_use]
    pub const fn refusal(self, prog_type: ProgType) -> Option<&'static str> {
        let filter = matches!(prog_type, ProgType::SocketFilter);
        match self {
            Self::SpinLock | Self::ResSpinLock if filter => {
                Some("socket filter progs cannot use bpf_spin_lock yet")
            }
            Self::SpinLock | Self::ResSpinLock if prog_type.is_tracing() => {
                Some("tracing progs cannot use bpf_spin_lock yet")
            }
            Self::ListHead | Self::RbRoot if prog_type.is_tracing() => {
                Some("tracing progs cannot use bpf_{list_head,rb_root} yet")
            }
            Self::Timer if prog_type.is_tracing() => Some("tracing progs cannot use bpf_timer yet"),
            Self::Workqueue if prog_type.is_tracing() => {
                Some("tracing progs cannot use bpf_wq yet")
            }
            _ => None,
        }
    }
}

impl MapType {
    /// Whether a map of this type may be made with such a field in its values.
    #[must_use]
    pub const fn may_hold(self, special: Special) -> bool {
        let plain = matches!(self, Self::Hash | Self::Array);
        let stored = matches!(
            self,
            Self::SkStorage | Self::InodeStorage | Self::TaskStorage | Self::CgrpStorage
        );
        match special {
            Special::SpinLock | Special::ResSpinLock => {
                plain || stored || matches!(self, Self::CgroupStorage)
            }
            Special::Timer
            | Special::Workqueue
            | Special::TaskWork
            | Special::ListHead
            | Special::RbRoot => plain || matches!(self, Self::LruHash),
            Special::Kptr | Special::Refcount => {
                let cpu = matches!(self, Self::PercpuHash | Self::PercpuArray);
                plain || stored || cpu || matches!(self, Self::LruHash | Self::LruPercpuHash)
            }
            Special::Uptr => matches!(self, Self::TaskStorage),
        }
    }

    /// Whether sleepable programs may use it. Otherwise the verifier says `Sleepable programs can only use
    /// array, hash, ringbuf and local storage maps`.
    #[must_use]
    pub const fn in_sleepable(self) -> bool {
        matches!(
            self,
            Self::Hash
                | Self::LruHash
                | Self::Array
                | Self::PercpuHash
                | Self::PercpuArray
                | Self::LruPercpuHash
                | Self::ArrayOfMaps
                | Self::HashOfMaps
                | Self::Ringbuf
                | Self::UserRingbuf
                | Self::InodeStorage
                | Self::SkStorage
                | Self::TaskStorage
                | Self::CgrpStorage
                | Self::Queue
                | Self::Stack
                | Self::Arena
        )
    }

    /// Whether an instruction may hold the address of its values (`BPF_PSEUDO_MAP_VALUE`); an array has one
    /// entry then. A value of such an array that neither programs nor, for it is frozen, user space can
    /// write is a constant to the verifier.
    #[must_use]
    pub const fn has_direct_values(self) -> bool {
        matches!(self, Self::Array | Self::Arena)
    }

    /// Whether `bpf_for_each_map_elem` goes over it.
    #[must_use]
    pub const fn is_walked(self) -> bool {
        matches!(
            self,
            Self::Array
                | Self::PercpuArray
                | Self::Hash
                | Self::PercpuHash
                | Self::LruHash
                | Self::LruPercpuHash
        )
    }

    /// Whether any program may name it in an instruction: not the one that holds operations.
    #[must_use]
    pub const fn in_programs(self) -> bool {
        !matches!(self, Self::StructOps | Self::Unspec)
    }

    /// Whether it may be in a map of maps.
    #[must_use]
    pub const fn may_be_inner(self) -> bool {
        !matches!(
            self,
            Self::Unspec
                | Self::ProgArray
                | Self::ArrayOfMaps
                | Self::HashOfMaps
                | Self::CgroupStorage
                | Self::PercpuCgroupStorage
                | Self::StructOps
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn every_field_has_a_map_and_the_storage_of_tasks_alone_has_memory_of_processes() {
        for special in Special::ALL {
            assert!(MapType::ALL.iter().any(|map| map.may_hold(special)), "{special:?}");
        }
        let holders: Vec<_> =
            MapType::ALL.iter().filter(|map| map.may_hold(Special::Uptr)).collect();
        assert_eq!(holders, [&MapType::TaskStorage]);
    }

    #[test]
    fn what_is_walked_is_what_the_rows_of_maps_say() {
        for info in crate::MapInfo::all() {
            let listed = info.helpers.contains(&"for_each_map_elem");
            assert_eq!(info.map_type.is_walked(), listed, "{}", info.map_type);
        }
    }

    #[test]
    fn programs_that_interrupt_anything_take_no_locks() {
        assert!(Special::SpinLock.refusal(ProgType::Kprobe).is_some());
        assert!(Special::SpinLock.refusal(ProgType::SocketFilter).is_some());
        assert_eq!(Special::SpinLock.refusal(ProgType::Xdp), None);
        assert_eq!(Special::Kptr.refusal(ProgType::Kprobe), None);
    }
}
