//! Packets sent elsewhere.

use crate::host::{Host, Redirect, with_packet};
use skep_abi::{Errno, MapType};
use skep_hooks::Hook;
use skep_isa::Size;
use skep_map::{KeyValue, Map};
use skep_vm::{Cx, FaultKind, Helpers, Stop};

pub(super) fn add(helpers: Helpers<Host>) -> Helpers<Host> {
    helpers
        .with(13, "bpf_clone_redirect", clone_redirect)
        .with(23, "bpf_redirect", redirect)
        .with(51, "bpf_redirect_map", redirect_map)
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
        Some(Hook::Xdp) => (XDP_ABORTED, XDP_REDIRECT, 0),
        _ => (TC_ACT_SHOT, TC_ACT_REDIRECT, INGRESS),
    };
    if flags & !allowed != 0 {
        return refused;
    }
    cx.state.redirect = Some(Redirect { ifindex });
    accepted
}

/// Sends to what a map has at an index: a device, all of them, or a CPU or socket, which have no device.
/// Kernel: `__bpf_xdp_redirect_map`.
fn redirect_map(cx: &mut Cx<'_, Host>, handle: u64, key: u64, flags: u64) -> Result<u64, Stop> {
    /// What to return where there is nothing.
    const FALLBACK: u64 = 3;
    /// `BPF_F_BROADCAST`, `BPF_F_EXCLUDE_INGRESS`
    const BROADCAST: u64 = 8;
    const EXCLUDE_INGRESS: u64 = 16;
    let map = match cx.map(handle) {
        Some(Map::KeyValue(map)) if is_of_targets(map.def().map_type) => &**map,
        _ => {
            let (helper, wants) = ("bpf_redirect_map".into(), "a map of devices, CPUs or sockets");
            return Err(FaultKind::Argument { helper, arg: 1, wants, value: handle }.into());
        }
    };
    let devices = matches!(map.def().map_type, MapType::Devmap | MapType::DevmapHash);
    let known = if devices { FALLBACK | BROADCAST | EXCLUDE_INGRESS } else { FALLBACK };
    if flags & !known != 0 {
        return Ok(XDP_ABORTED);
    }
    cx.state.redirect = None;
    if flags & BROADCAST != 0 {
        let ingress = cx.state.packet.meta.ifindex;
        broadcast(cx, map, (flags & EXCLUDE_INGRESS != 0).then_some(ingress));
        return Ok(XDP_REDIRECT);
    }
    let [a, b, c, d, ..] = key.to_le_bytes();
    let Some(at) = map.lookup(&[a, b, c, d], cx.cpu()) else { return Ok(flags & FALLBACK) };
    if devices {
        cx.state.redirect = device_at(map, at).map(|ifindex| Redirect { ifindex });
    }
    Ok(XDP_REDIRECT)
}

const fn is_of_targets(map_type: MapType) -> bool {
    matches!(map_type, MapType::Devmap | MapType::DevmapHash | MapType::Cpumap | MapType::Xskmap)
}

/// The index in a `struct bpf_devmap_val`.
fn device_at(map: &dyn KeyValue, at: usize) -> Option<u32> {
    let ifindex = map.values().load(at, Size::W)?;
    u32::try_from(ifindex).ok()
}

/// Sends to all devices of the map: to the last of them, and copies to the others.
fn broadcast(cx: &mut Cx<'_, Host>, map: &dyn KeyValue, but: Option<u32>) {
    let mut next = vec![0; map.def().key_size as usize];
    let mut last: Option<Vec<u8>> = None;
    while map.next_key(last.as_deref(), &mut next).is_ok() && cx.state.clones.len() < MAX_CLONES {
        last = Some(next.clone());
        let device = map.lookup(&next, cx.cpu()).and_then(|at| device_at(map, at));
        let Some(ifindex) = device.filter(|&ifindex| Some(ifindex) != but) else { continue };
        if let Some(before) = cx.state.redirect.replace(Redirect { ifindex }) {
            let copy = with_packet(cx, |packet| packet.clone());
            cx.state.clones.push((before.ifindex, copy));
        }
    }
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
