//! Whom a program runs for.

use super::{Env, argument};
use crate::Cx;
use crate::helper::{Helpers, Stop};
use alloc::vec::Vec;
use skep_abi::{Errno, MapType};
use skep_isa::Size;
use skep_map::Map;

/// The thread that a program sees as current.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// Its number, which the kernel calls `pid`.
    pub tid: u32,
    /// That of its process, which the kernel calls `tgid`.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its name, at most 15 bytes.
    pub comm: Vec<u8>,
    /// Its cgroup (version 2) and the ones around it, the outermost first, by number.
    pub cgroups: Vec<u64>,
    /// Device and inode of its namespace of processes.
    pub pid_ns: (u64, u64),
}

pub(super) fn add<S: Env + 'static>(helpers: Helpers<S>) -> Helpers<S> {
    helpers
        .with_number(14, "bpf_get_current_pid_tgid", |state| {
            let task = state.task();
            u64::from(task.pid) << 32 | u64::from(task.tid)
        })
        .with_number(15, "bpf_get_current_uid_gid", |state| {
            let task = state.task();
            u64::from(task.gid) << 32 | u64::from(task.uid)
        })
        .with(16, "bpf_get_current_comm", comm)
        .with_number(80, "bpf_get_current_cgroup_id", |state| {
            state.task().cgroups.last().copied().unwrap_or_default()
        })
        .with(123, "bpf_get_current_ancestor_cgroup_id", |cx: &mut Cx<'_, S>, level: i32| {
            let level = usize::try_from(level).unwrap_or(usize::MAX);
            cx.state.task().cgroups.get(level).copied().unwrap_or_default()
        })
        .with(120, "bpf_get_ns_current_pid_tgid", in_namespace)
        .with(37, "bpf_current_task_under_cgroup", |cx: &mut Cx<'_, S>, map: u64, index: u32| {
            let cgroup = cgroup_at(cx, ("bpf_current_task_under_cgroup", 1), map, index)?;
            let under = |id| u64::from(cx.state.task().cgroups.contains(&id));
            Ok::<_, Stop>(cgroup.map_or_else(Errno::r0, under))
        })
        .without(109, "a program run here sends no signals")
        .without(117, "a program run here sends no signals")
        .without(175, "there are no registers of a thread in the kernel")
}

/// The number of the cgroup that an array has at an index. Kernel: `bpf_current_task_under_cgroup`.
///
/// # Errors
/// The argument of the helper is no such array; inside, `E2BIG` beyond it and `EAGAIN` where there is none.
pub fn cgroup_at<S>(
    cx: &Cx<'_, S>,
    (helper, arg): (&str, u8),
    map: u64,
    index: u32,
) -> Result<Result<u64, Errno>, Stop> {
    let array = match cx.map(map) {
        Some(Map::KeyValue(array)) if array.def().map_type == MapType::CgroupArray => array,
        _ => return Err(argument(helper, arg, "an array of cgroups", map)),
    };
    if index >= array.def().max_entries {
        return Ok(Err(Errno::E2BIG));
    }
    let at = array.lookup(&index.to_ne_bytes(), cx.cpu());
    Ok(at.and_then(|at| array.values().load(at, Size::W)).ok_or(Errno::EAGAIN))
}

/// The name, padded with zeroes; cut so that it ends with one.
fn comm<S: Env>(cx: &mut Cx<'_, S>, to: u64, size: u32) -> Result<(), Stop> {
    let Some(room) = (size as usize).checked_sub(1) else {
        return Err(argument("bpf_get_current_comm", 2, "a size above 0", 0));
    };
    let mut name = cx.state.task().comm.clone();
    name.truncate(room.min(15));
    cx.mem.write(to, &name)?;
    cx.mem.zero(to.wrapping_add(name.len() as u64), u64::from(size) - name.len() as u64)?;
    Ok(())
}

/// `struct bpf_pidns_info`
const PIDNS_INFO: u32 = 8;

fn in_namespace<S: Env>(
    cx: &mut Cx<'_, S>,
    dev: u64,
    inode: u64,
    to: u64,
    size: u32,
) -> Result<u64, Stop> {
    let task = cx.state.task();
    if size != PIDNS_INFO || task.pid_ns != (dev, inode) {
        cx.mem.zero(to, size.into())?;
        return Ok(Errno::EINVAL.r0());
    }
    let info = u64::from(task.pid) << 32 | u64::from(task.tid);
    cx.mem.write(to, &info.to_le_bytes())?;
    Ok(0)
}
