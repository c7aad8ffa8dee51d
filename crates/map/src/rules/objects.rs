//! Rules of the maps that hold objects of the kernel, or belong to them.

use super::{
    F_ACCESS, F_MMAPABLE, F_NO_PREALLOC, F_NUMA_NODE, F_RDONLY, F_WRONLY, PAGE, PERCPU_VALUE_MAX,
    Rule, Verdict, check_array, check_fd_array, entries, entries_rule, flags, key, user_access,
    value,
};
use skep_abi::{Errno, MapType};
use skep_prog::MapDef;

const F_STACK_BUILD_ID: u32 = 1 << 5;
const F_CLONE: u32 = 1 << 9;
const F_SEGV_ON_FAULT: u32 = 1 << 17;
const F_NO_USER_CONV: u32 = 1 << 18;

/// `NR_CPUS` of distributions' kernels.
const CPUS_MAX: u32 = 8192;
/// `MAX_BPF_STACK`
const STACK_MAX: u32 = 512;
/// `sysctl_perf_event_max_stack`, as it is unless set.
const FRAMES_MAX: u32 = 127;
/// `BPF_LOCAL_STORAGE_MAX_VALUE_SIZE`: 64 KiB less 1 less `sizeof(struct bpf_local_storage_elem)`.
const STORAGE_MAX: u32 = u16::MAX as u32 - 128;

/// Kernel: `dev_map_alloc_check`, `cpu_map_alloc`, `xsk_map_alloc`, `sock_map_alloc`,
/// `sock_hash_alloc`, `reuseport_array_alloc_check`.
pub(super) fn check_handles(def: &MapDef) -> Verdict {
    let user = F_RDONLY | F_WRONLY;
    match def.map_type {
        MapType::CgroupArray => return check_fd_array(def),
        MapType::ReuseportSockarray => {
            value(def, matches!(def.value_size, 4 | 8), Errno::EINVAL, "4 or 8")?;
            return check_array(def);
        }
        _ => {}
    }
    entries(def)?;
    let any_key = matches!(def.map_type, MapType::Sockhash);
    if any_key {
        key(def, 1..=u32::MAX, "at least 1")?;
    } else {
        key(def, 4..=4, "4")?;
    }
    if def.map_type == MapType::Xskmap {
        value(def, def.value_size == 4, Errno::EINVAL, "4")?;
    } else {
        value(def, matches!(def.value_size, 4 | 8), Errno::EINVAL, "4 or 8")?;
    }
    let known = if def.map_type == MapType::Cpumap { 0 } else { user };
    flags(def, F_NUMA_NODE | known)?;
    if def.key_size > STACK_MAX {
        let rule =
            Rule::KeySize { map_type: def.map_type, key_size: def.key_size, want: "at most 512" };
        return Err((rule, Errno::E2BIG));
    }
    match def.map_type {
        MapType::Cpumap if def.max_entries > CPUS_MAX => {
            Err((entries_rule(def, "at most 8192"), Errno::E2BIG))
        }
        MapType::DevmapHash if def.max_entries > 1 << 31 => {
            Err((entries_rule(def, "at most 2^31"), Errno::EINVAL))
        }
        _ => Ok(()),
    }
}

/// Kernel: `bpf_local_storage_map_alloc_check`; that there are types for key and value, it asks too.
pub(super) fn check_storage(def: &MapDef) -> Verdict {
    if def.flags & F_NO_PREALLOC == 0 {
        return Err((Rule::Prealloc { map_type: def.map_type }, Errno::EINVAL));
    }
    flags(def, F_NO_PREALLOC | F_CLONE)?;
    if def.max_entries != 0 {
        return Err((entries_rule(def, "none"), Errno::EINVAL));
    }
    key(def, 4..=4, "4")?;
    value(def, def.value_size != 0, Errno::EINVAL, "at least 1")?;
    value(def, def.value_size <= STORAGE_MAX, Errno::E2BIG, "at most 65407")
}

/// Kernel: `cgroup_storage_map_alloc`.
pub(super) fn check_attached(def: &MapDef) -> Verdict {
    let percpu = def.map_type == MapType::PercpuCgroupStorage;
    user_access(def)?;
    let most = if percpu { PERCPU_VALUE_MAX } else { STORAGE_MAX };
    // A `struct bpf_cgroup_storage_key`, or the number of the cgroup alone.
    let fits = matches!(def.key_size, 8 | 16);
    key(def, if fits { 0..=u32::MAX } else { 8..=8 }, "8 or 16")?;
    value(def, def.value_size != 0, Errno::EINVAL, "at least 1")?;
    value(def, def.value_size <= most, Errno::E2BIG, "at most 65407, or 32768 for each CPU")?;
    flags(def, F_NUMA_NODE | F_ACCESS)?;
    if def.max_entries != 0 {
        return Err((entries_rule(def, "none"), Errno::EINVAL));
    }
    Ok(())
}

/// Kernel: `stack_map_alloc`.
pub(super) fn check_stacks(def: &MapDef) -> Verdict {
    flags(def, F_NUMA_NODE | F_RDONLY | F_WRONLY | F_STACK_BUILD_ID)?;
    if def.flags & F_STACK_BUILD_ID != 0 {
        let rule = Rule::Flags { map_type: def.map_type, flags: F_STACK_BUILD_ID };
        return Err((rule, Errno::ENOTSUPP));
    }
    entries(def)?;
    key(def, 4..=4, "4")?;
    let size = def.value_size;
    let fits = size >= 8 && size.is_multiple_of(8) && size / 8 <= FRAMES_MAX;
    value(def, fits, Errno::EINVAL, "a multiple of 8, up to 1016")?;
    if def.max_entries > 1 << 31 {
        return Err((entries_rule(def, "at most 2^31"), Errno::E2BIG));
    }
    Ok(())
}

/// Kernel: `arena_map_alloc`.
pub(super) fn check_arena(def: &MapDef) -> Verdict {
    key(def, 0..=0, "none")?;
    value(def, def.value_size == 0, Errno::EINVAL, "none")?;
    entries(def)?;
    flags(def, F_MMAPABLE | F_SEGV_ON_FAULT | F_NO_USER_CONV)?;
    if def.flags & F_MMAPABLE == 0 {
        return Err((Rule::Mmapable { map_type: def.map_type }, Errno::EINVAL));
    }
    let extra = |errno| (Rule::Extra { map_type: def.map_type, map_extra: def.map_extra }, errno);
    if !def.map_extra.is_multiple_of(PAGE.into()) {
        return Err(extra(Errno::EINVAL));
    }
    let bytes = u64::from(def.max_entries) * u64::from(PAGE);
    if bytes > 1 << 32 {
        return Err((entries_rule(def, "at most 2^20 pages"), Errno::E2BIG));
    }
    let end = def.map_extra.wrapping_add(bytes - 1);
    if def.map_extra >> 32 == end >> 32 { Ok(()) } else { Err(extra(Errno::ERANGE)) }
}

/// Kernel: `queue_stack_map_alloc_check`, `bloom_map_alloc`.
pub(super) fn check_keyless(def: &MapDef, more: u32) -> Verdict {
    entries(def)?;
    key(def, 0..=0, "none")?;
    value(def, def.value_size != 0, Errno::EINVAL, "at least 1")?;
    flags(def, F_NUMA_NODE | F_ACCESS | more)
}
