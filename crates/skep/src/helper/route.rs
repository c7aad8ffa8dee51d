//! Ways out: routes, and what fits through a device.

use crate::host::{Host, with_packet};
use crate::network::{Device, Network, Route, RouteKind};
use skep_abi::Errno;
use skep_hooks::Hook;
use skep_vm::{Cx, Helpers, Stop};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) fn add(helpers: Helpers<Host>) -> Helpers<Host> {
    helpers.with(69, "bpf_fib_lookup", fib_lookup).with(163, "bpf_check_mtu", check_mtu)
}

/// `BPF_FIB_LOOKUP_*`
mod flag {
    pub(super) const DIRECT: u32 = 1 << 0;
    pub(super) const OUTPUT: u32 = 1 << 1;
    pub(super) const SKIP_NEIGH: u32 = 1 << 2;
    pub(super) const TBID: u32 = 1 << 3;
    pub(super) const SRC: u32 = 1 << 4;
    pub(super) const ALL: u32 = (1 << 6) - 1;
}

/// `BPF_FIB_LKUP_RET_*`
mod answer {
    pub(super) const SUCCESS: u64 = 0;
    pub(super) const BLACKHOLE: u64 = 1;
    pub(super) const UNREACHABLE: u64 = 2;
    pub(super) const PROHIBIT: u64 = 3;
    pub(super) const NOT_FWDED: u64 = 4;
    pub(super) const FWD_DISABLED: u64 = 5;
    pub(super) const NO_NEIGH: u64 = 7;
    pub(super) const FRAG_NEEDED: u64 = 8;
    pub(super) const NO_SRC_ADDR: u64 = 9;
}

/// Positions in `struct bpf_fib_lookup`.
mod at {
    pub(super) const FAMILY: usize = 0;
    pub(super) const TOT_LEN: usize = 6;
    pub(super) const IFINDEX: usize = 8;
    pub(super) const METRIC: usize = 12;
    pub(super) const SRC: usize = 16;
    pub(super) const DST: usize = 32;
    pub(super) const TABLE: usize = 48;
    pub(super) const SMAC: usize = 52;
    pub(super) const DMAC: usize = 58;
    pub(super) const LEN: usize = 64;
}

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const EAFNOSUPPORT: Errno = Errno::from_number(97);
/// Tables in the order of the rules that every host has: `RT_TABLE_LOCAL`, `MAIN` and `DEFAULT`.
const TABLES: [u32; 3] = [255, Route::MAIN, 253];
/// Length of an Ethernet header.
const LINK_HEADER: u32 = 14;
/// Length of a VLAN tag, which may come on top.
const VLAN_TAG: u32 = 4;

/// `struct bpf_fib_lookup`, both ways.
struct Params([u8; at::LEN]);

impl Params {
    fn u32(&self, at: usize) -> u32 {
        self.0.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |&b| u32::from_le_bytes(b))
    }

    fn tot_len(&self) -> u32 {
        u16::from_le_bytes([self.0[at::TOT_LEN], self.0[at::TOT_LEN + 1]]).into()
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(field) = self.0.get_mut(at..at + bytes.len()) {
            field.copy_from_slice(bytes);
        }
    }

    fn put_mtu(&mut self, mtu: u32) {
        let [low, high, ..] = mtu.to_le_bytes();
        self.put(at::TOT_LEN, &[low, high]);
    }

    fn put_addr(&mut self, at: usize, addr: IpAddr) {
        match addr {
            IpAddr::V4(addr) => self.put(at, &addr.octets()),
            IpAddr::V6(addr) => self.put(at, &addr.octets()),
        }
    }

    /// The destination, by the family.
    fn dst(&self) -> Option<IpAddr> {
        let bytes: &[u8; 16] = self.0.get(at::DST..)?.first_chunk()?;
        match self.0[at::FAMILY] {
            AF_INET => Some(Ipv4Addr::from(*bytes.first_chunk::<4>()?).into()),
            AF_INET6 => Some(Ipv6Addr::from(*bytes).into()),
            _ => None,
        }
    }
}

/// Kernel: `bpf_xdp_fib_lookup`, `bpf_skb_fib_lookup`.
fn fib_lookup(
    cx: &mut Cx<'_, Host>,
    _ctx: u64,
    addr: u64,
    len: i32,
    flags: u32,
) -> Result<u64, Stop> {
    if usize::try_from(len).is_ok_and(|len| len < at::LEN) || flags & !flag::ALL != 0 {
        return Ok(Errno::EINVAL.r0());
    }
    let mut params = Params([0; at::LEN]);
    cx.mem.read(addr, &mut params.0)?;
    let is_skb = cx.state.hook.is_some_and(Hook::is_skb);
    let by_length = !is_skb || params.tot_len() != 0;
    let mut answer = match forward(&cx.state.network, &mut params, flags, by_length) {
        Ok(answer) => answer,
        Err(errno) => errno.r0(),
    };
    if answer == answer::SUCCESS && !by_length {
        let (len, gso) = with_packet(cx, |p| (p.data().len() as u64, p.meta.gso_size != 0));
        if let Some(device) = cx.state.network.device(params.u32(at::IFINDEX)) {
            if len > u64::from(device.mtu) + u64::from(LINK_HEADER + VLAN_TAG) && !gso {
                answer = answer::FRAG_NEEDED;
            }
            params.put_mtu(device.mtu);
        }
    }
    cx.mem.write(addr, &params.0)?;
    Ok(answer)
}

/// Kernel: `bpf_ipv4_fib_lookup`, `bpf_ipv6_fib_lookup`.
fn forward(
    network: &Network,
    params: &mut Params,
    flags: u32,
    by_length: bool,
) -> Result<u64, Errno> {
    let dst = params.dst().ok_or(EAFNOSUPPORT)?;
    let input = network.device(params.u32(at::IFINDEX)).ok_or(Errno::ENODEV)?;
    if !input.forwarding {
        return Ok(answer::FWD_DISABLED);
    }
    let by = (flags & flag::OUTPUT != 0).then_some(input.ifindex);
    let route = if flags & flag::DIRECT == 0 {
        TABLES.iter().find_map(|&table| network.route(table, dst, by))
    } else if flags & flag::TBID == 0 {
        network.route(Route::MAIN, dst, by)
    } else {
        let table = params.u32(at::TABLE);
        params.put(at::TABLE, &[0; 4]);
        network.route(table, dst, by)
    };
    let Some(route) = route else { return Ok(answer::NOT_FWDED) };
    match route.kind {
        RouteKind::Unicast => send(network, params, route, flags, by_length),
        RouteKind::Local => Ok(answer::NOT_FWDED),
        RouteKind::Blackhole => Ok(answer::BLACKHOLE),
        RouteKind::Unreachable => Ok(answer::UNREACHABLE),
        RouteKind::Prohibit => Ok(answer::PROHIBIT),
    }
}

/// Fills in the next hop.
fn send(
    network: &Network,
    params: &mut Params,
    route: &Route,
    flags: u32,
    by_length: bool,
) -> Result<u64, Errno> {
    let device = network.device(route.ifindex).ok_or(Errno::ENODEV)?;
    let mtu = route.mtu.unwrap_or(device.mtu).min(device.mtu);
    if by_length && params.tot_len() > mtu {
        params.put_mtu(mtu);
        return Ok(answer::FRAG_NEEDED);
    }
    params.put(at::METRIC, &route.metric.to_le_bytes());
    params.put(at::IFINDEX, &route.ifindex.to_le_bytes());
    if flags & flag::SRC != 0 {
        match route.source {
            Some(source) => params.put_addr(at::SRC, source),
            None if params.0[at::FAMILY] == AF_INET => params.put(at::SRC, &[0; 4]),
            None => return Ok(answer::NO_SRC_ADDR),
        }
    }
    if let Some(gateway) = route.gateway {
        params.put_addr(at::DST, gateway);
        params.0[at::FAMILY] = if gateway.is_ipv4() { AF_INET } else { AF_INET6 };
    }
    if flags & flag::SKIP_NEIGH == 0 {
        let hop = params.dst().and_then(|hop| network.neighbour(route.ifindex, hop));
        let Some(mac) = hop else { return Ok(answer::NO_NEIGH) };
        params.put(at::DMAC, &mac);
        params.put(at::SMAC, &device.mac);
    }
    params.put(at::TABLE, &[0; 4]);
    if by_length {
        params.put_mtu(mtu);
    }
    Ok(answer::SUCCESS)
}

/// `BPF_MTU_CHK_SEGS`
const SEGMENTS: u64 = 1;

/// Kernel: `bpf_xdp_check_mtu`, `bpf_skb_check_mtu`.
fn check_mtu(
    cx: &mut Cx<'_, Host>,
    _ctx: u64,
    ifindex: u32,
    addr: u64,
    more: i32,
    flags: u64,
) -> Result<u64, Stop> {
    let mut bytes = [0; 4];
    cx.mem.read(addr, &mut bytes)?;
    let asked = u32::from_le_bytes(bytes);
    let xdp = cx.state.hook == Some(Hook::Xdp);
    let segments = flags & SEGMENTS != 0;
    if flags & !SEGMENTS != 0 || segments && (xdp || more != 0 || asked != 0) {
        return Ok(Errno::EINVAL.r0());
    }
    let ifindex = if ifindex == 0 { cx.state.packet.meta.ifindex } else { ifindex };
    let Some(&Device { mtu, .. }) = cx.state.network.device(ifindex) else {
        return Ok(Errno::ENODEV.r0());
    };
    let (len, gso) = with_packet(cx, |packet| (packet.data().len(), packet.meta.gso_size));
    let len = match asked {
        0 => i64::try_from(len).unwrap_or(i64::MAX),
        asked => i64::from(asked) + i64::from(LINK_HEADER),
    };
    let fits = len + i64::from(more) <= i64::from(mtu) + i64::from(LINK_HEADER);
    /// `BPF_MTU_CHK_RET_FRAG_NEEDED`, `BPF_MTU_CHK_RET_SEGS_TOOBIG`
    const FRAG_NEEDED: u64 = 1;
    const SEGS_TOOBIG: u64 = 2;
    let answer = match (fits, gso) {
        (true, _) => 0,
        (false, 0) => FRAG_NEEDED,
        (false, payload) => {
            if segments && payload > mtu {
                SEGS_TOOBIG
            } else {
                0
            }
        }
    };
    cx.mem.write(addr, &mtu.to_le_bytes())?;
    Ok(answer)
}
