//! Packet bytes to and from the program's memory.

use super::status;
use crate::host::{Host, change_packet, with_packet};
use skep_abi::Errno;
use skep_hooks::Packet;
use skep_vm::{Cx, Helpers, Stop};

pub(super) fn add(helpers: Helpers<Host>) -> Helpers<Host> {
    helpers
        .with(9, "bpf_skb_store_bytes", store)
        .with(26, "bpf_skb_load_bytes", |cx: &mut Cx<'_, Host>, _ctx: u64, off, to, len| {
            load(cx, to, len, |packet| packet.load_bytes(off, len).map(<[u8]>::to_vec))
        })
        .with(68, "bpf_skb_load_bytes_relative", load_relative)
        .with(189, "bpf_xdp_load_bytes", xdp_load)
        .with(
            190,
            "bpf_xdp_store_bytes",
            |cx: &mut Cx<'_, Host>, _ctx: u64, off, from, len: u32| {
                let bytes = cx.mem.read_vec(from, len.into())?;
                Ok::<_, Stop>(status(with_packet(cx, |packet| packet.xdp_store_bytes(off, &bytes))))
            },
        )
        .with(188, "bpf_xdp_get_buff_len", |cx: &mut Cx<'_, Host>| {
            with_packet(cx, |packet| packet.data().len() as u64)
        })
        .with(39, "bpf_skb_pull_data", |cx: &mut Cx<'_, Host>, _ctx: u64, len: u32| {
            // All of the packet is linear here.
            let all = with_packet(cx, |packet| packet.data().len());
            if len as usize > all { Errno::ENOMEM.r0() } else { 0 }
        })
}

/// Copies what `find` finds to the program; zeroes and an error where it finds nothing.
fn load(
    cx: &mut Cx<'_, Host>,
    to: u64,
    len: u32,
    find: impl FnOnce(&Packet) -> Result<Vec<u8>, Errno>,
) -> Result<u64, Stop> {
    match with_packet(cx, |packet| find(packet)) {
        Ok(bytes) => {
            cx.mem.write(to, &bytes)?;
            Ok(0)
        }
        Err(errno) => {
            for at in 0..u64::from(len) {
                cx.mem.write(to.wrapping_add(at), &[0])?;
            }
            Ok(errno.r0())
        }
    }
}

/// Leaves the destination as it is where there are not so many bytes.
fn xdp_load(cx: &mut Cx<'_, Host>, _ctx: u64, off: u32, to: u64, len: u32) -> Result<u64, Stop> {
    match with_packet(cx, |packet| packet.xdp_load_bytes(off, len).map(<[u8]>::to_vec)) {
        Ok(bytes) => {
            cx.mem.write(to, &bytes)?;
            Ok(0)
        }
        Err(errno) => Ok(errno.r0()),
    }
}

fn load_relative(
    cx: &mut Cx<'_, Host>,
    _ctx: u64,
    off: u32,
    to: u64,
    len: u32,
    start: u32,
) -> Result<u64, Stop> {
    load(cx, to, len, |packet| packet.load_bytes_relative(off, len, start).map(<[u8]>::to_vec))
}

fn store(
    cx: &mut Cx<'_, Host>,
    _ctx: u64,
    off: u32,
    from: u64,
    len: u32,
    flags: u64,
) -> Result<u64, Stop> {
    let bytes = cx.mem.read_vec(from, len.into())?;
    Ok(status(change_packet(cx, |packet| packet.store_bytes(off, &bytes, flags))))
}
