//! What a tunnel is to do with the packet, as a program says.
//!
//! The same goes for a transformation (xfrm), of which a packet has either one or a tunnel.
//!
//! A packet comes without; what `bpf_skb_set_tunnel_key` says stays with it for the run. As in the kernel, what
//! was said of either end is found as that of the other, since the tunnel is yet to send.

use super::status;
use crate::host::Host;
use skep_abi::Errno;
use skep_vm::{Cx, Helpers, Stop};

/// `struct bpf_tunnel_key`
const KEY: usize = 44;
/// The sizes that it had before, each the position of a later field.
const OLD_KEYS: [usize; 4] = [8, 22, 24, 28];
/// `struct bpf_xfrm_info`: numbers of an interface and of the link below it.
pub(crate) const XFRM_INFO: usize = 8;
/// `IP_TUNNEL_OPTS_MAX`
const OPTIONS_MAX: usize = 255;

const TUNINFO_IPV6: u64 = 1;
const ZERO_CSUM_TX: u64 = 1 << 1;
const DONT_FRAGMENT: u64 = 1 << 2;
const SEQ_NUMBER: u64 = 1 << 3;
const NO_TUNNEL_KEY: u64 = 1 << 4;
/// `BPF_F_TUNINFO_FLAGS`
const TUNINFO_FLAGS: u64 = 1 << 4;

/// A tunnel's end and what the packet is to carry.
#[derive(Clone, Debug)]
pub(crate) struct Tunnel {
    id: u32,
    remote: [u8; 16],
    local: [u8; 16],
    ipv6: bool,
    tos: u8,
    ttl: u8,
    /// `IP_TUNNEL_*_BIT`, those that fit 16 bits.
    flags: u16,
    label: u32,
    options: Option<Vec<u8>>,
    /// Source and destination port of what the tunnel is wrapped in, in the packet's order.
    ports: [u8; 4],
}

pub(super) fn add(helpers: Helpers<Host>) -> Helpers<Host> {
    helpers
        .with(20, "bpf_skb_get_tunnel_key", |cx: &mut Cx<'_, Host>, _ctx: u64, to, size, flags| {
            get_key(cx, to, size, flags)
        })
        .with(
            21,
            "bpf_skb_set_tunnel_key",
            |cx: &mut Cx<'_, Host>, _ctx: u64, from, size, flags| set_key(cx, from, size, flags),
        )
        .with(29, "bpf_skb_get_tunnel_opt", |cx: &mut Cx<'_, Host>, _ctx: u64, to, size| {
            get_options(cx, to, size)
        })
        .with(30, "bpf_skb_set_tunnel_opt", |cx: &mut Cx<'_, Host>, _ctx: u64, from, size| {
            set_options(cx, from, size)
        })
        .with_kfunc(
            "bpf_skb_set_fou_encap",
            |cx: &mut Cx<'_, Host>, _ctx: u64, from: u64, _type: i32| {
                let mut ports = [0; 4];
                cx.mem.read(from, &mut ports)?;
                let tunnel = cx.state.tunnel.as_mut().map(|tunnel| tunnel.ports = ports);
                Ok::<_, Stop>(status(tunnel.ok_or(Errno::EINVAL)))
            },
        )
        .with_kfunc("bpf_skb_get_fou_encap", |cx: &mut Cx<'_, Host>, _ctx: u64, to: u64| {
            let Some(tunnel) = &cx.state.tunnel else { return Ok(Errno::EINVAL.r0()) };
            let ports = tunnel.ports;
            cx.mem.write(to, &ports)?;
            Ok::<_, Stop>(0)
        })
        .with_kfunc("bpf_skb_set_xfrm_info", |cx: &mut Cx<'_, Host>, _ctx: u64, from: u64| {
            let mut info = [0; XFRM_INFO];
            cx.mem.read(from, &mut info)?;
            if cx.state.tunnel.is_some() || cx.state.transform.is_some() {
                return Ok::<_, Stop>(Errno::EINVAL.r0());
            }
            cx.state.transform = Some(info);
            Ok(0)
        })
        .with_kfunc("bpf_skb_get_xfrm_info", |cx: &mut Cx<'_, Host>, _ctx: u64, to: u64| {
            let Some(info) = cx.state.transform else { return Ok(Errno::EINVAL.r0()) };
            cx.mem.write(to, &info)?;
            Ok::<_, Stop>(0)
        })
}

/// Kernel: `bpf_skb_set_tunnel_key`.
fn set_key(cx: &mut Cx<'_, Host>, from: u64, size: u32, flags: u64) -> Result<u64, Stop> {
    const KNOWN: u64 = TUNINFO_IPV6 | ZERO_CSUM_TX | DONT_FRAGMENT | SEQ_NUMBER | NO_TUNNEL_KEY;
    let len = size as usize;
    if flags & !KNOWN != 0 || (len != KEY && !OLD_KEYS.contains(&len)) {
        return Ok(Errno::EINVAL.r0());
    }
    let mut key = [0; KEY];
    cx.mem.read(from, &mut key[..len])?;
    let word = |at: usize| u32::from_le_bytes([key[at], key[at + 1], key[at + 2], key[at + 3]]);
    let ipv6 = flags & TUNINFO_IPV6 != 0;
    let (label, ext) = (word(24), [key[22], key[23]]);
    if (!ipv6 && label != 0) || ext != [0; 2] {
        return Ok(Errno::EINVAL.r0());
    }
    let used = if ipv6 { 16 } else { 4 };
    let address = |at: usize| {
        let mut address = [0; 16];
        address[..used].copy_from_slice(&key[at..at + used]);
        address
    };
    let bit = |set: bool, bit: u32| u16::from(set) << bit;
    cx.state.tunnel = Some(Tunnel {
        id: word(0),
        remote: address(4),
        local: address(28),
        ipv6,
        tos: key[20],
        ttl: key[21],
        flags: bit(flags & ZERO_CSUM_TX == 0, 0)
            | bit(flags & NO_TUNNEL_KEY == 0, 2)
            | bit(flags & SEQ_NUMBER != 0, 3)
            | bit(flags & DONT_FRAGMENT != 0, 8)
            // No route is kept for it.
            | bit(true, 13),
        label: label & 0x000f_ffff,
        options: None,
        ports: [0; 4],
    });
    cx.state.transform = None;
    Ok(0)
}

/// Kernel: `bpf_skb_get_tunnel_key`.
fn get_key(cx: &mut Cx<'_, Host>, to: u64, size: u32, flags: u64) -> Result<u64, Stop> {
    let len = size as usize;
    let ipv6 = flags & TUNINFO_IPV6 != 0;
    let key = match &cx.state.tunnel {
        None => Err(Errno::EINVAL),
        Some(_) if flags & !(TUNINFO_IPV6 | TUNINFO_FLAGS) != 0 => Err(Errno::EINVAL),
        Some(tunnel) if tunnel.ipv6 != ipv6 => Err(Errno::EPROTO),
        Some(_) if len != KEY && (!OLD_KEYS.contains(&len) || (len == 8 && ipv6)) => {
            Err(Errno::EINVAL)
        }
        Some(tunnel) => Ok(tunnel.key(flags & TUNINFO_FLAGS != 0)),
    };
    match key {
        Ok(key) => {
            cx.mem.write(to, &key[..len])?;
            Ok(0)
        }
        Err(errno) => {
            cx.mem.zero(to, size.into())?;
            Ok(errno.r0())
        }
    }
}

impl Tunnel {
    /// `struct bpf_tunnel_key`
    fn key(&self, with_flags: bool) -> [u8; KEY] {
        let mut key = [0; KEY];
        key[..4].copy_from_slice(&self.id.to_le_bytes());
        (key[20], key[21]) = (self.tos, self.ttl);
        if with_flags {
            key[22..24].copy_from_slice(&self.flags.to_be_bytes());
        }
        if self.ipv6 {
            key[24..28].copy_from_slice(&self.label.to_le_bytes());
        }
        key[4..20].copy_from_slice(&self.local);
        key[28..].copy_from_slice(&self.remote);
        key
    }
}

/// Kernel: `bpf_skb_get_tunnel_opt`.
fn get_options(cx: &mut Cx<'_, Host>, to: u64, size: u32) -> Result<u64, Stop> {
    let options = cx.state.tunnel.as_ref().and_then(|tunnel| tunnel.options.clone());
    cx.mem.zero(to, size.into())?;
    match options {
        None => Ok(Errno::ENOENT.r0()),
        Some(options) if options.len() > size as usize => Ok(Errno::ENOMEM.r0()),
        Some(options) => {
            cx.mem.write(to, &options)?;
            Ok(options.len() as u64)
        }
    }
}

/// Kernel: `bpf_skb_set_tunnel_opt`.
fn set_options(cx: &mut Cx<'_, Host>, from: u64, size: u32) -> Result<u64, Stop> {
    if cx.state.tunnel.is_none() || !size.is_multiple_of(4) {
        return Ok(Errno::EINVAL.r0());
    }
    if size as usize > OPTIONS_MAX {
        return Ok(Errno::ENOMEM.r0());
    }
    let options = cx.mem.read_vec(from, size.into())?;
    if let Some(tunnel) = &mut cx.state.tunnel {
        tunnel.options = Some(options);
    }
    Ok(0)
}
