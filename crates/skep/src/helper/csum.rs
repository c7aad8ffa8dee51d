//! Checksums.

use super::status;
use crate::host::{Host, with_packet};
use skep_abi::Errno;
use skep_hooks::csum_diff;
use skep_vm::{Cx, Helpers, Stop};

pub(super) fn add(helpers: Helpers<Host>) -> Helpers<Host> {
    helpers
        .with(
            10,
            "bpf_l3_csum_replace",
            |cx: &mut Cx<'_, Host>, _ctx: u64, off, from, to, flags| {
                status(with_packet(cx, |packet| packet.l3_csum_replace(off, from, to, flags)))
            },
        )
        .with(
            11,
            "bpf_l4_csum_replace",
            |cx: &mut Cx<'_, Host>, _ctx: u64, off, from, to, flags| {
                status(with_packet(cx, |packet| packet.l4_csum_replace(off, from, to, flags)))
            },
        )
        .with(28, "bpf_csum_diff", diff)
        // Packets from captures come without a checksum made by hardware.
        .with(40, "bpf_csum_update", |_ctx: u64, _csum: u32| Errno::ENOTSUPP.r0())
        .with(135, "bpf_csum_level", |_ctx: u64, operation: u64| match operation {
            0 => Errno::EACCES.r0(),
            1..=3 => 0,
            _ => Errno::EINVAL.r0(),
        })
}

fn diff(
    cx: &mut Cx<'_, Host>,
    from: u64,
    from_size: u32,
    to: u64,
    to_size: u32,
    seed: u32,
) -> Result<u64, Stop> {
    let from = cx.mem.read_vec(from, from_size.into())?;
    let to = cx.mem.read_vec(to, to_size.into())?;
    Ok(csum_diff(&from, &to, seed).map_or_else(Errno::r0, u64::from))
}
