//! The function that a tracing program is attached to.

use super::{Env, argument};
use crate::Cx;
use crate::helper::{Helpers, Stop};
use crate::memory::What;
use alloc::vec::Vec;
use skep_abi::Errno;
use skep_map::Map;

/// A call that is traced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traced {
    /// Its arguments.
    pub args: Vec<u64>,
    /// What it returned, for programs that run at its end.
    pub ret: Option<u64>,
    /// Its address.
    pub ip: u64,
    /// What the user gave with the attachment.
    pub cookie: u64,
    /// Return addresses of the kernel's functions that led to it, the innermost first.
    pub stack: Vec<u64>,
    /// Those of the process that it runs for.
    pub user_stack: Vec<u64>,
}

pub(super) fn add<S: Env + 'static>(helpers: Helpers<S>) -> Helpers<S> {
    helpers
        .with(173, "bpf_get_func_ip", |cx: &mut Cx<'_, S>| cx.state.traced().map_or(0, |f| f.ip))
        .with(174, "bpf_get_attach_cookie", |cx: &mut Cx<'_, S>| {
            cx.state.traced().map_or(0, |traced| traced.cookie)
        })
        .with(183, "bpf_get_func_arg", |cx: &mut Cx<'_, S>, _ctx: u64, n: u32, to: u64| {
            let arg = cx.state.traced().and_then(|f| f.args.get(n as usize)).copied();
            put(cx, to, arg, Errno::EINVAL)
        })
        .with(184, "bpf_get_func_ret", |cx: &mut Cx<'_, S>, _ctx: u64, to: u64| {
            let ret = cx.state.traced().and_then(|traced| traced.ret);
            put(cx, to, ret, Errno::EOPNOTSUPP)
        })
        .with(185, "bpf_get_func_arg_cnt", |cx: &mut Cx<'_, S>| {
            cx.state.traced().map_or(0, |traced| traced.args.len() as u64)
        })
        .with(27, "bpf_get_stackid", stack_id)
        .with(67, "bpf_get_stack", |cx: &mut Cx<'_, S>, _ctx: u64, to, size, flags| {
            stack(cx, to, size, flags)
        })
        .with(141, "bpf_get_task_stack", task_stack)
        .with_kfunc("bpf_session_is_return", |cx: &mut Cx<'_, S>| {
            u64::from(cx.state.traced().is_some_and(|traced| traced.ret.is_some()))
        })
        .without(22, "no hardware counts anything for a program run here")
        .without(55, "no hardware counts anything for a program run here")
        .without(56, "no hardware counts anything for a program run here")
        .without(58, "there is no function of the kernel to return from")
        .without(119, "no hardware records branches for a program run here")
        .without(176, "no hardware records branches for a program run here")
}

fn put<S>(cx: &mut Cx<'_, S>, to: u64, value: Option<u64>, none: Errno) -> Result<u64, Stop> {
    let Some(value) = value else { return Ok(none.r0()) };
    cx.mem.write(to, &value.to_le_bytes())?;
    Ok(0)
}

/// Frames to leave out, in the low bits of the flags.
const SKIP: u64 = 0xff;
/// `BPF_F_USER_STACK`
const USER_STACK: u64 = 1 << 8;
/// `BPF_F_USER_BUILD_ID`
const USER_BUILD_ID: u64 = 1 << 11;
/// `struct bpf_stack_build_id`: a status, 20 bytes of the build's number, and a position in the file or
/// an address.
const BUILD_ID: usize = 32;
/// `BPF_STACK_BUILD_ID_IP`: an address it is, as nobody says what files there are.
const IS_ADDRESS: u32 = 2;

/// The stack of the kernel, or that of the process.
fn frames<S: Env>(cx: &Cx<'_, S>, flags: u64) -> Option<Vec<u64>> {
    let traced = cx.state.traced()?;
    let user = flags & USER_STACK != 0;
    Some(if user { traced.user_stack.clone() } else { traced.stack.clone() })
}

fn stack_id<S: Env>(cx: &mut Cx<'_, S>, _ctx: u64, map: u64, flags: u64) -> Result<u64, Stop> {
    let Some(Map::Stacks(stacks)) = cx.map(map) else {
        return Err(argument("bpf_get_stackid", 2, "a map of stack traces", map));
    };
    let frames = frames(cx, flags).unwrap_or_default();
    Ok(stacks.insert(&frames, flags).map_or_else(Errno::r0, u64::from))
}

/// Kernel: `__bpf_get_stack`.
fn stack<S: Env>(cx: &mut Cx<'_, S>, to: u64, size: u32, flags: u64) -> Result<u64, Stop> {
    let build_id = flags & USER_BUILD_ID != 0;
    let elem = if build_id { BUILD_ID } else { 8 };
    let known = flags & !(SKIP | USER_STACK | USER_BUILD_ID) == 0;
    let sized = (size as usize).is_multiple_of(elem);
    if !known || !sized || (build_id && flags & USER_STACK == 0) {
        cx.mem.zero(to, size.into())?;
        return Ok(Errno::EINVAL.r0());
    }
    let skip = usize::from((flags & SKIP).to_le_bytes()[0]);
    let all = frames(cx, flags).unwrap_or_default();
    let Some(frames) = all.get(skip..).filter(|_| !all.is_empty()) else {
        cx.mem.zero(to, size.into())?;
        return Ok(Errno::EFAULT.r0());
    };
    let mut bytes = Vec::new();
    for frame in frames.iter().take(size as usize / elem) {
        if build_id {
            bytes.extend(IS_ADDRESS.to_le_bytes());
            bytes.extend([0; 20]);
        }
        bytes.extend(frame.to_le_bytes());
    }
    cx.mem.write(to, &bytes)?;
    let len = bytes.len() as u64;
    cx.mem.zero(to.wrapping_add(len), u64::from(size) - len)?;
    Ok(len)
}

/// Of the current task only, as nobody runs for others. Kernel: `__bpf_get_task_stack`.
fn task_stack<S: Env>(
    cx: &mut Cx<'_, S>,
    task: u64,
    to: u64,
    size: u32,
    flags: u64,
) -> Result<u64, Stop> {
    let current = cx.state.task().tid;
    match cx.mem.heap.what(task) {
        Some(What::Task(tid)) if tid == current => stack(cx, to, size, flags),
        Some(What::Task(_)) => {
            cx.mem.zero(to, size.into())?;
            let user = flags & USER_STACK != 0;
            Ok(if user { Errno::EOPNOTSUPP } else { Errno::EFAULT }.r0())
        }
        _ => Err(argument("bpf_get_task_stack", 1, "a task", task)),
    }
}
