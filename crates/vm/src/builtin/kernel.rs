//! Tasks and cgroups: objects that stand for those of the kernel, and values stored with them.
//!
//! Which there are the embedder says ([`Env::task_of`], [`Env::cgroup`]); what programs read in them it
//! lays out ([`Env::task_struct`], [`Env::cgroup_struct`]). Each is one object however often it is looked
//! up, so that pointers to it are equal, and is nobody's to write.

use super::{Env, Task, argument};
use crate::Cx;
use crate::helper::{Helpers, Stop};
use crate::memory::{KernelObject, What};
use alloc::vec::Vec;
use skep_abi::{Errno, MapType};
use skep_map::{Map, Storage};

pub(super) fn add<S: Env + 'static>(helpers: Helpers<S>) -> Helpers<S> {
    let helpers = helpers
        .with(35, "bpf_get_current_task", current)
        .with(158, "bpf_get_current_task_btf", current)
        .with(156, "bpf_task_storage_get", |cx: &mut Cx<'_, S>, map, task, initial, flags| {
            storage_get(cx, (&TASKS, "bpf_task_storage_get"), map, task, initial, flags)
        })
        .with(157, "bpf_task_storage_delete", |cx: &mut Cx<'_, S>, map, task| {
            storage_delete(cx, (&TASKS, "bpf_task_storage_delete"), map, task)
        })
        .with(145, "bpf_inode_storage_get", |cx: &mut Cx<'_, S>, map, inode, initial, flags| {
            storage_get(cx, (&INODES, "bpf_inode_storage_get"), map, inode, initial, flags)
        })
        .with(146, "bpf_inode_storage_delete", |cx: &mut Cx<'_, S>, map, inode| {
            storage_delete(cx, (&INODES, "bpf_inode_storage_delete"), map, inode)
        })
        .with(210, "bpf_cgrp_storage_get", |cx: &mut Cx<'_, S>, map, cgroup, initial, flags| {
            storage_get(cx, (&CGROUPS, "bpf_cgrp_storage_get"), map, cgroup, initial, flags)
        })
        .with(211, "bpf_cgrp_storage_delete", |cx: &mut Cx<'_, S>, map, cgroup| {
            storage_delete(cx, (&CGROUPS, "bpf_cgrp_storage_delete"), map, cgroup)
        });
    let helpers = helpers
        .with_kfunc("bpf_task_from_pid", |cx: &mut Cx<'_, S>, pid: u32| {
            Ok::<_, Stop>(task(cx, pid).unwrap_or(0))
        })
        // There is one namespace of processes.
        .with_kfunc("bpf_task_from_vpid", |cx: &mut Cx<'_, S>, pid: u32| {
            Ok::<_, Stop>(task(cx, pid).unwrap_or(0))
        })
        .with_kfunc("bpf_iter_task_new", iterate)
        .with_kfunc("bpf_iter_task_next", next_task)
        .with_kfunc("bpf_iter_task_destroy", |cx: &mut Cx<'_, S>, it: u64| {
            Ok::<_, Stop>(cx.mem.write(it, &[0; ITER])?)
        })
        .with_kfunc("bpf_task_acquire", |cx: &mut Cx<'_, S>, task: u64| {
            TASKS.number(cx, "bpf_task_acquire", 1, task)?;
            Ok::<_, Stop>(cx.mem.heap.acquire(task).map_or(0, |()| task))
        })
        .with_kfunc("bpf_task_release", |cx: &mut Cx<'_, S>, task: u64| {
            release(cx, (&TASKS, "bpf_task_release"), task)
        })
        .with_kfunc("bpf_task_under_cgroup", |cx: &mut Cx<'_, S>, task: u64, cgroup: u64| {
            let tid = TASKS.number(cx, "bpf_task_under_cgroup", 1, task)?;
            let id = CGROUPS.number(cx, "bpf_task_under_cgroup", 2, cgroup)?;
            let task = u32::try_from(tid).ok().and_then(|tid| cx.state.task_of(tid));
            Ok::<_, Stop>(u64::from(task.is_some_and(|task| task.cgroups.contains(&id))))
        });
    helpers
        .with_kfunc("bpf_cgroup_from_id", |cx: &mut Cx<'_, S>, id: u64| {
            Ok::<_, Stop>(cgroup(cx, id).unwrap_or(0))
        })
        .with_kfunc("bpf_cgroup_ancestor", |cx: &mut Cx<'_, S>, cgroup: u64, level: i32| {
            let id = CGROUPS.number(cx, "bpf_cgroup_ancestor", 1, cgroup)?;
            let level = usize::try_from(level).unwrap_or(usize::MAX);
            let ancestor = cx.state.cgroup(id).and_then(|path| path.get(level).copied());
            Ok::<_, Stop>(ancestor.and_then(|id| self::cgroup(cx, id)).unwrap_or(0))
        })
        .with_kfunc("bpf_cgroup_acquire", |cx: &mut Cx<'_, S>, cgroup: u64| {
            CGROUPS.number(cx, "bpf_cgroup_acquire", 1, cgroup)?;
            Ok::<_, Stop>(cx.mem.heap.acquire(cgroup).map_or(0, |()| cgroup))
        })
        .with_kfunc("bpf_cgroup_release", |cx: &mut Cx<'_, S>, cgroup: u64| {
            release(cx, (&CGROUPS, "bpf_cgroup_release"), cgroup)
        })
}

/// Objects of a kind, and what may be stored with them.
struct Kind {
    storage: MapType,
    wants: &'static str,
    wants_map: &'static str,
    number: fn(What) -> Option<u64>,
}

const TASKS: Kind = Kind {
    storage: MapType::TaskStorage,
    wants: "a task",
    wants_map: "a map of task storage",
    number: |what| match what {
        What::Task(tid) => Some(tid.into()),
        _ => None,
    },
};

const CGROUPS: Kind = Kind {
    storage: MapType::CgrpStorage,
    wants: "a cgroup",
    wants_map: "a map of cgroup storage",
    number: |what| match what {
        What::Cgroup(id) => Some(id),
        _ => None,
    },
};

const INODES: Kind = Kind {
    storage: MapType::InodeStorage,
    wants: "an inode",
    wants_map: "a map of inode storage",
    number: |what| match what {
        What::Kernel(KernelObject::Inode(number)) => Some(number),
        _ => None,
    },
};

impl Kind {
    /// The number of the object in an argument.
    fn number<S>(&self, cx: &Cx<'_, S>, helper: &str, arg: u8, object: u64) -> Result<u64, Stop> {
        let number = cx.mem.heap.what(object).and_then(self.number);
        number.ok_or_else(|| argument(helper, arg, self.wants, object))
    }

    fn storage<'r, S>(&self, cx: &Cx<'r, S>, helper: &str, map: u64) -> Result<&'r Storage, Stop> {
        match cx.map(map) {
            Some(Map::Storage(storage)) if storage.def().map_type == self.storage => Ok(storage),
            _ => Err(argument(helper, 1, self.wants_map, map)),
        }
    }
}

/// The object that stands for the current task, until the run ends.
fn current<S: Env>(cx: &mut Cx<'_, S>) -> Result<u64, Stop> {
    let tid = cx.state.task().tid;
    Ok(borrow_task(cx, tid).unwrap_or(0))
}

/// The object that stands for a thread, until the run ends; none if there is no such thread.
pub fn borrow_task<S: Env>(cx: &mut Cx<'_, S>, tid: u32) -> Option<u64> {
    let mut known = cx.borrowed.iter().copied();
    if let Some(task) = known.find(|task| cx.mem.heap.what(*task) == Some(What::Task(tid))) {
        return Some(task);
    }
    let task = task(cx, tid)?;
    cx.borrowed.push(task);
    Some(task)
}

/// The same for a cgroup.
pub fn borrow_cgroup<S: Env>(cx: &mut Cx<'_, S>, id: u64) -> Option<u64> {
    let mut known = cx.borrowed.iter().copied();
    if let Some(cgroup) = known.find(|addr| cx.mem.heap.what(*addr) == Some(What::Cgroup(id))) {
        return Some(cgroup);
    }
    let cgroup = cgroup(cx, id)?;
    cx.borrowed.push(cgroup);
    Some(cgroup)
}

/// The number of the thread that an argument of a helper stands for.
///
/// # Errors
/// It stands for none.
pub fn task_number<S>(cx: &Cx<'_, S>, (helper, arg): (&str, u8), task: u64) -> Result<u32, Stop> {
    let tid = TASKS.number(cx, helper, arg, task)?;
    u32::try_from(tid).map_err(|_| argument(helper, arg, TASKS.wants, task))
}

/// `struct bpf_iter_task`: how many tasks are behind, the process whose threads are wanted, and the
/// flags.
const ITER: usize = 24;
/// `BPF_TASK_ITER_ALL_PROCS`, `_ALL_THREADS`, `_PROC_THREADS`
const PROCESSES: u32 = 0;
const THREADS: u32 = 1;
const OF_PROCESS: u32 = 2;

/// Kernel: `bpf_iter_task_new`.
fn iterate<S: Env>(cx: &mut Cx<'_, S>, it: u64, task: u64, flags: u32) -> Result<u64, Stop> {
    let mut state = [0; ITER];
    let process = match (flags, task) {
        (PROCESSES | THREADS, _) => 0,
        (OF_PROCESS, 1..) => {
            let tid = TASKS.number(cx, "bpf_iter_task_new", 2, task)?;
            let task = u32::try_from(tid).ok().and_then(|tid| cx.state.task_of(tid));
            task.map_or(0, |task| task.pid)
        }
        _ => {
            state[..8].fill(0xff);
            cx.mem.write(it, &state)?;
            return Ok(Errno::EINVAL.r0());
        }
    };
    state[8..12].copy_from_slice(&process.to_le_bytes());
    state[16..20].copy_from_slice(&flags.to_le_bytes());
    cx.mem.write(it, &state)?;
    Ok(0)
}

/// The next task, or null. Kernel: `bpf_iter_task_next`.
fn next_task<S: Env>(cx: &mut Cx<'_, S>, it: u64) -> Result<u64, Stop> {
    let mut state = [0; ITER];
    cx.mem.read(it, &mut state)?;
    let word = |at: usize| {
        let mut word = [0; 4];
        word.copy_from_slice(&state[at..at + 4]);
        u32::from_le_bytes(word)
    };
    let (behind, process, flags) = (word(0) as usize, word(8), word(16));
    let wanted = |task: &Task| match flags {
        PROCESSES => task.tid == task.pid,
        THREADS => true,
        _ => task.pid == process,
    };
    let tasks = cx.state.tasks();
    let mut rest = tasks.iter().enumerate().skip(behind);
    let next = rest.find(|(_, tid)| cx.state.task_of(**tid).is_some_and(wanted));
    let after = next.map_or(tasks.len(), |(at, _)| at + 1);
    cx.mem.write(it, &u32::try_from(after).unwrap_or(u32::MAX).to_le_bytes())?;
    Ok(next.and_then(|(_, tid)| borrow_task(cx, *tid)).unwrap_or(0))
}

/// A reference to a task.
fn task<S: Env>(cx: &mut Cx<'_, S>, tid: u32) -> Option<u64> {
    let task = cx.state.task_of(tid)?;
    let (tid, bytes) = (task.tid, cx.state.task_struct(task));
    cx.mem.heap.find_or_put(What::Task(tid), bytes)
}

/// A reference to a cgroup.
fn cgroup<S: Env>(cx: &mut Cx<'_, S>, id: u64) -> Option<u64> {
    let path: Vec<u64> = cx.state.cgroup(id)?.to_vec();
    let bytes = cx.state.cgroup_struct(&path);
    cx.mem.heap.find_or_put(What::Cgroup(id), bytes)
}

fn release<S>(cx: &mut Cx<'_, S>, (kind, helper): (&Kind, &str), object: u64) -> Result<(), Stop> {
    kind.number(cx, helper, 1, object)?;
    let released = cx.mem.heap.release(object);
    released.ok_or_else(|| argument(helper, 1, kind.wants, object))
}

/// `BPF_LOCAL_STORAGE_GET_F_CREATE`
const CREATE: u64 = 1;

/// Address of the object's value, or null. Kernel: `bpf_task_storage_get`, `bpf_cgrp_storage_get`.
fn storage_get<S>(
    cx: &mut Cx<'_, S>,
    (kind, helper): (&Kind, &str),
    map: u64,
    object: u64,
    initial: u64,
    flags: u64,
) -> Result<u64, Stop> {
    let storage = kind.storage(cx, helper, map)?;
    if flags & !CREATE != 0 || object == 0 {
        return Ok(0);
    }
    let number = kind.number(cx, helper, 2, object)?;
    let at = if flags == 0 {
        storage.get(number)
    } else if initial == 0 {
        storage.get_or_create(number, None).ok()
    } else {
        let initial = cx.mem.read_vec(initial, storage.def().value_size.into())?;
        storage.get_or_create(number, Some(&initial)).ok()
    };
    Ok(at.and_then(|at| cx.value_address(map, at)).unwrap_or(0))
}

fn storage_delete<S>(
    cx: &mut Cx<'_, S>,
    (kind, helper): (&Kind, &str),
    map: u64,
    object: u64,
) -> Result<u64, Stop> {
    let storage = kind.storage(cx, helper, map)?;
    if object == 0 {
        return Ok(Errno::EINVAL.r0());
    }
    let number = kind.number(cx, helper, 2, object)?;
    Ok(storage.delete(number).map_or_else(Errno::r0, |()| 0))
}
