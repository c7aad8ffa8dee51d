//! Packets sent elsewhere.

use crate::host::{Host, Redirect, with_packet};
use skep_abi::Errno;
use skep_hooks::Hook;
use skep_vm::{Cx, Helpers, Stop};

pub(super) fn add(helpers: Helpers<Host>) -> Helpers<Host> {
    helpers
        .with(13, "bpf_clone_redirect", clone_redirect)
        .with(23, "bpf_redirect", redirect)
        .with(152, "bpf_redirect_neigh", redirect_neigh)
        .with(155, "bpf_redirect_peer", |cx: &mut Cx<'_, Host>, ifindex: u32, flags: u64| {
            hand_on(cx, ifindex, flags == 0)
        })
}

/// `BPF_F_INGRESS`
const INGRESS: u64 = 1;
const TC_ACT_SHOT: u64 = 2;
const TC_ACT_REDIRECT: u64 = 7;
const XDP_ABORTED: u64 = 0;
const XDP_REDIRECT: u64 = 4;

/// Kernel: `bpf_redirect`, `bpf_xdp_redirect`.
fn redirect(cx: &mut Cx<'_, Host>, ifindex: u32, flags: u64) -> u64 {
    let (refused, accepted, allowed) = match cx.state.hook {
        Hook::Xdp => (XDP_ABORTED, XDP_REDIRECT, 0),
        _ => (TC_ACT_SHOT, TC_ACT_REDIRECT, INGRESS),
    };
    if flags & !allowed != 0 {
        return refused;
    }
    cx.state.redirect = Some(Redirect { ifindex });
    accepted
}

/// The next hop is the kernel's to find; what counts here is the device. Kernel: `bpf_redirect_neigh`.
fn redirect_neigh(
    cx: &mut Cx<'_, Host>,
    ifindex: u32,
    params: u64,
    len: i32,
    flags: u64,
) -> Result<u64, Stop> {
    /// Bytes of `struct bpf_redir_neigh`.
    const PARAMS: usize = 20;
    if len != 0 && usize::try_from(len).is_ok_and(|len| len >= PARAMS) {
        cx.mem.read(params, &mut [0; PARAMS])?;
    }
    Ok(hand_on(cx, ifindex, flags == 0 && !(1..20).contains(&len)))
}

fn hand_on(cx: &mut Cx<'_, Host>, ifindex: u32, accepted: bool) -> u64 {
    if !accepted {
        return TC_ACT_SHOT;
    }
    cx.state.redirect = Some(Redirect { ifindex });
    TC_ACT_REDIRECT
}

/// Copies that one run may send: more memory than for these, no program gets.
const MAX_CLONES: usize = 1024;

/// Kernel: `bpf_clone_redirect`.
fn clone_redirect(cx: &mut Cx<'_, Host>, _ctx: u64, ifindex: u32, flags: u64) -> Result<(), Errno> {
    if flags & !INGRESS != 0 {
        return Err(Errno::EINVAL);
    }
    if cx.state.clones.len() >= MAX_CLONES {
        return Err(Errno::ENOMEM);
    }
    let copy = with_packet(cx, |packet| packet.clone());
    cx.state.clones.push((ifindex, copy));
    Ok(())
}
