//! Transformations (xfrm) and flows that the user describes, for programs at XDP.
//!
//! Source: `net/xfrm/xfrm_state_bpf.c`, `net/netfilter/nf_flow_table_bpf.c`.

use crate::host::Host;
use crate::layout;
use crate::network::{Flow, Transform};
use skep_abi::Errno;
use skep_vm::{Cx, FaultKind, Helpers, KernelObject, Stop};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
/// `struct bpf_xfrm_state_opts`: error, namespace, mark, address, SPI, protocol, family.
const XFRM_OPTS: usize = 36;
/// `struct bpf_flowtable_opts`: the error alone.
const FLOW_OPTS: u32 = 4;
/// `struct bpf_fib_lookup`
const FIB_LOOKUP: usize = 64;

pub(super) fn add(helpers: Helpers<Host>) -> Helpers<Host> {
    helpers
        .with_kfunc(
            "bpf_xdp_get_xfrm_state",
            |cx: &mut Cx<'_, Host>, _ctx: u64, opts, size: u32| find_transform(cx, opts, size),
        )
        .with_kfunc("bpf_xdp_xfrm_state_release", |cx: &mut Cx<'_, Host>, state: u64| {
            match cx.object_at(state) {
                Some(KernelObject::Transform(_)) => Ok(()),
                _ => {
                    let (helper, wants) = (
                        "bpf_xdp_xfrm_state_release".into(),
                        "a transformation that was looked up",
                    );
                    Err(Stop::from(FaultKind::Argument { helper, arg: 1, wants, value: state }))
                }
            }
        })
        .with_kfunc(
            "bpf_xdp_flow_lookup",
            |cx: &mut Cx<'_, Host>, _ctx: u64, tuple, opts, size: u32| {
                find_flow(cx, tuple, opts, size)
            },
        )
}

/// Kernel: `bpf_xdp_get_xfrm_state`. The object is there until the run ends.
fn find_transform(cx: &mut Cx<'_, Host>, opts: u64, size: u32) -> Result<u64, Stop> {
    if opts == 0 || size < 4 {
        return Ok(0);
    }
    let given = cx.mem.read_vec(opts, size.into())?;
    let Some(wanted) = given.as_array::<XFRM_OPTS>() else {
        return fail(cx, opts, Errno::EINVAL);
    };
    let word = |at: usize| {
        u32::from_le_bytes([wanted[at], wanted[at + 1], wanted[at + 2], wanted[at + 3]])
    };
    match word(4).cast_signed() {
        ..-1 => return fail(cx, opts, Errno::EINVAL),
        // There is one network namespace, and it has no numbers for others.
        0.. => return fail(cx, opts, Errno::ENONET),
        -1 => {}
    }
    let spi = word(28).swap_bytes();
    let family = u16::from_le_bytes([wanted[34], wanted[35]]);
    let to = address(family, &wanted[12..28]);
    let fits = |of: &Transform| {
        (Some(of.to), of.spi, of.protocol) == (to, spi, wanted[32])
            && word(8) & of.mark_mask == of.mark
    };
    let found = cx.state.network.transforms.iter().enumerate().find(|(_, of)| fits(of));
    let Some((at, of)) = found else { return fail(cx, opts, Errno::ENOENT) };
    let bytes = cx.state.laid_out(|btf| layout::offload::transform(btf, of));
    Ok(cx.borrow(KernelObject::Transform(at as u64), bytes).unwrap_or(0))
}

/// Kernel: `bpf_xdp_flow_lookup`.
fn find_flow(cx: &mut Cx<'_, Host>, tuple: u64, opts: u64, size: u32) -> Result<u64, Stop> {
    if size != FLOW_OPTS {
        return fail(cx, opts, Errno::EINVAL);
    }
    let tuple = cx.mem.read_vec(tuple, FIB_LOOKUP as u64)?;
    let Some(tuple) = tuple.as_array::<FIB_LOOKUP>() else { return Ok(0) };
    let family = u16::from(tuple[0]);
    let ends = (address(family, &tuple[16..32]), address(family, &tuple[32..48]));
    let (Some(from), Some(to)) = ends else { return fail(cx, opts, Errno::EAFNOSUPPORT) };
    let port = |at: usize| u16::from_be_bytes([tuple[at], tuple[at + 1]]);
    let (from, to) = (SocketAddr::new(from, port(2)), SocketAddr::new(to, port(4)));
    let ifindex = u32::from_le_bytes([tuple[8], tuple[9], tuple[10], tuple[11]]);
    let fits = |of: &Flow| {
        (of.from, of.to, of.ifindex, of.transport.protocol()) == (from, to, ifindex, tuple[1])
    };
    let found = cx.state.network.flows.iter().enumerate().find(|(_, of)| fits(of));
    let Some((at, of)) = found else { return fail(cx, opts, Errno::ENOENT) };
    let bytes = cx.state.laid_out(|btf| layout::offload::flow(btf, of));
    Ok(cx.borrow(KernelObject::Flow(at as u64), bytes).unwrap_or(0))
}

/// Says why there is nothing, where options begin.
fn fail(cx: &mut Cx<'_, Host>, opts: u64, errno: Errno) -> Result<u64, Stop> {
    cx.mem.write(opts, &(-errno.number()).to_le_bytes())?;
    Ok(0)
}

fn address(family: u16, bytes: &[u8]) -> Option<IpAddr> {
    match family {
        AF_INET => bytes.first_chunk::<4>().map(|addr| Ipv4Addr::from(*addr).into()),
        AF_INET6 => bytes.first_chunk::<16>().map(|addr| Ipv6Addr::from(*addr).into()),
        _ => None,
    }
}
