//! The function that a tracing program is attached to.

use super::Env;
use crate::Cx;
use crate::helper::{Helpers, Stop};
use alloc::vec::Vec;
use skep_abi::Errno;

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
        .without(22, "no hardware counts anything for a program run here")
        .without(27, "there is no stack of the kernel")
        .without(55, "no hardware counts anything for a program run here")
        .without(56, "no hardware counts anything for a program run here")
        .without(58, "there is no function of the kernel to return from")
        .without(67, "there is no stack of the kernel")
        .without(119, "no hardware records branches for a program run here")
        .without(141, "there is no stack of the kernel")
        .without(176, "no hardware records branches for a program run here")
}

fn put<S>(cx: &mut Cx<'_, S>, to: u64, value: Option<u64>, none: Errno) -> Result<u64, Stop> {
    let Some(value) = value else { return Ok(none.r0()) };
    cx.mem.write(to, &value.to_le_bytes())?;
    Ok(0)
}
