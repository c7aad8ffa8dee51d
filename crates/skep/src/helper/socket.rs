//! Sockets that the user describes.

use super::status;
use crate::host::Host;
use crate::layout;
use crate::network::{Socket, Transport};
use skep_abi::Errno;
use skep_hooks::Hook;
use skep_map::{Map, Storage};
use skep_vm::{Cx, FaultKind, Helpers, KernelObject, Stop, cgroup_at};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

pub(super) fn add(helpers: Helpers<Host>) -> Helpers<Host> {
    let helpers = helpers
        .with(84, "bpf_sk_lookup_tcp", |cx: &mut Cx<'_, Host>, _ctx: u64, tuple, len, ns, flags| {
            look_up(cx, Transport::Tcp, (tuple, len), ns, flags)
        })
        .with(85, "bpf_sk_lookup_udp", |cx: &mut Cx<'_, Host>, _ctx: u64, tuple, len, ns, flags| {
            look_up(cx, Transport::Udp, (tuple, len), ns, flags)
        })
        .with(
            99,
            "bpf_skc_lookup_tcp",
            |cx: &mut Cx<'_, Host>, _ctx: u64, tuple, len, ns, flags| {
                look_up(cx, Transport::Tcp, (tuple, len), ns, flags)
            },
        )
        .with(86, "bpf_sk_release", release);
    let helpers = helpers
        // All sockets here are whole ones.
        .with(95, "bpf_sk_fullsock", |cx: &mut Cx<'_, Host>, sk: u64| {
            held(cx, "bpf_sk_fullsock", sk).map(|_| sk)
        })
        .with(98, "bpf_get_listener_sock", |cx: &mut Cx<'_, Host>, sk: u64| {
            let socket = held(cx, "bpf_get_listener_sock", sk)?;
            Ok::<_, Stop>(if socket.listens() { sk } else { 0 })
        })
        .with(96, "bpf_tcp_sock", tcp_sock)
        .with(124, "bpf_sk_assign", assign)
        .with(128, "bpf_sk_cgroup_id", |cx: &mut Cx<'_, Host>, sk: u64| {
            let socket = held(cx, "bpf_sk_cgroup_id", sk)?;
            Ok::<_, Stop>(socket.cgroups.last().copied().unwrap_or_default())
        })
        .with(129, "bpf_sk_ancestor_cgroup_id", |cx: &mut Cx<'_, Host>, sk: u64, level: i32| {
            let socket = held(cx, "bpf_sk_ancestor_cgroup_id", sk)?;
            let level = usize::try_from(level).unwrap_or(usize::MAX);
            Ok::<_, Stop>(socket.cgroups.get(level).copied().unwrap_or_default())
        })
        .with(33, "bpf_skb_under_cgroup", |cx: &mut Cx<'_, Host>, _ctx: u64, map, index| {
            under_cgroup(cx, map, index)
        })
        .with(107, "bpf_sk_storage_get", storage_get)
        .with(108, "bpf_sk_storage_delete", |cx: &mut Cx<'_, Host>, map: u64, sk: u64| {
            let (storage, object) = stored(cx, "bpf_sk_storage_delete", map, sk)?;
            Ok::<_, Stop>(status(storage.delete(object)))
        })
        .with(46, "bpf_get_socket_cookie", |cx: &mut Cx<'_, Host>| {
            own(cx).map_or(0, |at| at as u64 + 1)
        })
        .with(47, "bpf_get_socket_uid", |cx: &mut Cx<'_, Host>| {
            own(cx).and_then(|at| cx.state.network.sockets.get(at)).map_or(OVERFLOW_UID, |s| s.uid)
        });
    CASTS.iter().fold(helpers, |helpers, cast| {
        helpers
            .with(cast.id, cast.name, move |cx: &mut Cx<'_, Host>, sk: u64| as_kernel(cx, cast, sk))
    })
}

/// A helper that shows a socket as one of the kernel's structs.
struct Cast {
    id: i32,
    name: &'static str,
    strukt: &'static str,
    /// Whether a socket is such a one.
    fits: fn(&Socket) -> bool,
}

/// Sockets here are whole ones: none is a request or in `TIME_WAIT`.
const CASTS: &[Cast] = &[
    Cast {
        id: 136,
        name: "bpf_skc_to_tcp6_sock",
        strukt: "tcp6_sock",
        fits: |socket| socket.transport == Transport::Tcp && socket.local.is_ipv6(),
    },
    Cast {
        id: 137,
        name: "bpf_skc_to_tcp_sock",
        strukt: "tcp_sock",
        fits: |socket| socket.transport == Transport::Tcp,
    },
    Cast { id: 138, name: "bpf_skc_to_tcp_timewait_sock", strukt: "", fits: |_| false },
    Cast { id: 139, name: "bpf_skc_to_tcp_request_sock", strukt: "", fits: |_| false },
    Cast {
        id: 140,
        name: "bpf_skc_to_udp6_sock",
        strukt: "udp6_sock",
        fits: |socket| socket.transport == Transport::Udp && socket.local.is_ipv6(),
    },
    Cast { id: 178, name: "bpf_skc_to_unix_sock", strukt: "", fits: |_| false },
    Cast { id: 196, name: "bpf_skc_to_mptcp_sock", strukt: "", fits: |_| false },
];

/// Address of the struct, or null. Kernel: `bpf_skc_to_tcp_sock` and its kin.
fn as_kernel(cx: &mut Cx<'_, Host>, cast: &Cast, sk: u64) -> Result<u64, Stop> {
    if sk == 0 {
        return Ok(0);
    }
    let socket = held(cx, cast.name, sk)?;
    if !(cast.fits)(socket) {
        return Ok(0);
    }
    let held = cx.state.held.iter().find(|held| held.is_at(sk));
    let known = held.and_then(|held| held.kernel.iter().find(|(strukt, _)| *strukt == cast.strukt));
    if let Some(&(_, addr)) = known {
        return Ok(addr);
    }
    let socket = self::held(cx, cast.name, sk)?;
    let bytes = cx
        .state
        .kernel
        .as_deref()
        .map_or(Vec::new(), |btf| layout::socket(btf, cast.strukt, socket, socket.state()));
    let Some(addr) = cx.mem.lend(cast.strukt, bytes, 0..0) else { return Ok(0) };
    if let Some(held) = cx.state.held.iter_mut().find(|held| held.is_at(sk)) {
        held.kernel.push((cast.strukt, addr));
    }
    Ok(addr)
}

/// Whether the socket of the packet is in a cgroup of an array. Kernel: `bpf_skb_under_cgroup`.
fn under_cgroup(cx: &mut Cx<'_, Host>, map: u64, index: u32) -> Result<u64, Stop> {
    let cgroup = cgroup_at(cx, ("bpf_skb_under_cgroup", 2), map, index)?;
    let socket = own(cx).and_then(|at| cx.state.network.sockets.get(at));
    let Some(socket) = socket else { return Ok(Errno::ENOENT.r0()) };
    Ok(cgroup.map_or_else(Errno::r0, |id| u64::from(socket.cgroups.contains(&id))))
}

/// Owner of what has none. Kernel: `DEFAULT_OVERFLOWUID`.
const OVERFLOW_UID: u32 = 65_534;

impl Socket {
    pub(super) fn listens(&self) -> bool {
        matches!(self.transport, Transport::Tcp) && self.remote.is_none()
    }

    /// `TCP_*`
    const fn state(&self) -> u8 {
        const TCP_ESTABLISHED: u8 = 1;
        const TCP_CLOSE: u8 = 7;
        const TCP_LISTEN: u8 = 10;
        match (self.transport, self.remote) {
            (_, Some(_)) => TCP_ESTABLISHED,
            (Transport::Tcp, None) => TCP_LISTEN,
            (Transport::Udp, None) => TCP_CLOSE,
        }
    }

    /// `struct bpf_sock`
    fn to_bytes(&self) -> Vec<u8> {
        let (kind, protocol) = match self.transport {
            Transport::Tcp => (1, 6),
            Transport::Udp => (2, 17),
        };
        let state = u32::from(self.state());
        let family: u32 = if self.local.is_ipv4() { 2 } else { 10 };
        let mut bytes = Vec::with_capacity(80);
        for word in [self.ifindex, family, kind, protocol, self.mark, self.priority] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(addr_bytes(Some(self.local.ip())));
        bytes.extend(u32::from(self.local.port()).to_le_bytes());
        let port = self.remote.map_or(0, |remote| remote.port());
        bytes.extend(port.to_be_bytes());
        bytes.extend([0; 2]);
        bytes.extend(addr_bytes(self.remote.map(|remote| remote.ip())));
        bytes.extend(state.to_le_bytes());
        // No receive queue.
        bytes.extend((-1i32).to_le_bytes());
        bytes
    }
}

/// An IPv4 and an IPv6 address, of which one is zeroes.
fn addr_bytes(addr: Option<IpAddr>) -> [u8; 20] {
    let mut bytes = [0; 20];
    match addr {
        Some(IpAddr::V4(addr)) => bytes[..4].copy_from_slice(&addr.octets()),
        Some(IpAddr::V6(addr)) => bytes[4..].copy_from_slice(&addr.octets()),
        None => {}
    }
    bytes
}

/// Address of a `struct bpf_sock`, or null. Kernel: `bpf_sk_lookup`.
fn look_up(
    cx: &mut Cx<'_, Host>,
    transport: Transport,
    (tuple, len): (u64, u32),
    ns: u64,
    flags: u64,
) -> Result<u64, Stop> {
    let bytes = cx.mem.read_vec(tuple, len.into())?;
    // There is one network namespace, and it has no numbers for others.
    let current = i32::try_from(ns.cast_signed() << 32 >> 32).is_ok_and(|ns| ns < 0);
    let Some((from, to)) = tuple_of(&bytes).filter(|_| flags == 0 && current) else { return Ok(0) };
    let ifindex = cx.state.packet.meta.ifindex;
    let found = cx.state.network.socket(transport, from, to, ifindex);
    let Some((at, bytes)) = found.map(|(at, socket)| (at, socket.to_bytes())) else {
        return Ok(0);
    };
    let Some(sk) = cx.mem.show("socket", bytes) else { return Ok(0) };
    cx.state.held.push(Held { sk, at, tcp: None, kernel: Vec::new() });
    Ok(sk)
}

/// `struct bpf_sock_tuple`: source and destination of a packet.
pub(super) fn tuple_of(bytes: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let (addr_len, ports) = (bytes.len().checked_sub(4)? / 2, bytes.last_chunk::<4>()?);
    let addr = |at: usize| {
        let bytes = bytes.get(at..at + addr_len)?;
        Some(match addr_len {
            4 => IpAddr::from(Ipv4Addr::from(*bytes.first_chunk::<4>()?)),
            16 => IpAddr::from(Ipv6Addr::from(*bytes.first_chunk::<16>()?)),
            _ => return None,
        })
    };
    let [a, b, c, d] = *ports;
    let from = SocketAddr::new(addr(0)?, u16::from_be_bytes([a, b]));
    let to = SocketAddr::new(addr(addr_len)?, u16::from_be_bytes([c, d]));
    matches!(bytes.len(), 12 | 36).then_some((from, to))
}

/// A socket that a program has looked up and not given back.
pub(crate) struct Held {
    /// Where the program sees it.
    sk: u64,
    /// Where it sees it as one of TCP, if it has asked for that.
    tcp: Option<u64>,
    /// Where it sees it as structs of the kernel.
    kernel: Vec<(&'static str, u64)>,
    /// Its place in the network's list.
    at: usize,
}

impl Held {
    fn is_at(&self, addr: u64) -> bool {
        let mut kernel = self.kernel.iter().map(|(_, at)| *at);
        self.sk == addr || self.tcp == Some(addr) || kernel.any(|at| at == addr)
    }
}

/// Address of a socket as a struct of the kernel, for an iterator, or null.
pub(crate) fn shown(cx: &mut Cx<'_, Host>, at: usize) -> u64 {
    let Some(socket) = cx.state.network.sockets.get(at) else { return 0 };
    let strukt = match socket.transport {
        Transport::Tcp => "tcp_sock",
        Transport::Udp => "udp_sock",
    };
    let bytes = cx.state.laid_out(|btf| layout::socket(btf, strukt, socket, socket.state()));
    let Some(sk) = cx.borrow(KernelObject::Socket(at as u64), bytes) else { return 0 };
    if !cx.state.held.iter().any(|held| held.is_at(sk)) {
        cx.state.held.push(Held { sk, at, tcp: None, kernel: vec![(strukt, sk)] });
    }
    sk
}

/// Its place in the network's list.
pub(super) fn place(cx: &Cx<'_, Host>, sk: u64) -> Option<usize> {
    cx.state.held.iter().find(|held| held.is_at(sk)).map(|held| held.at)
}

/// The socket behind an address that a look-up gave.
pub(super) fn held<'a>(cx: &'a Cx<'_, Host>, helper: &str, sk: u64) -> Result<&'a Socket, Stop> {
    let held = cx.state.held.iter().find(|held| held.is_at(sk));
    let socket = held.and_then(|held| cx.state.network.sockets.get(held.at));
    socket.ok_or_else(|| no_socket(helper, sk))
}

/// Address of a `struct bpf_tcp_sock`, or null.
fn tcp_sock(cx: &mut Cx<'_, Host>, sk: u64) -> Result<u64, Stop> {
    let socket = held(cx, "bpf_tcp_sock", sk)?;
    if socket.transport != Transport::Tcp {
        return Ok(0);
    }
    let bytes = socket.tcp.to_bytes();
    let known = cx.state.held.iter().find(|held| held.is_at(sk)).and_then(|held| held.tcp);
    let Some(tcp) = known.or_else(|| cx.mem.show("TCP socket", bytes)) else { return Ok(0) };
    if let Some(held) = cx.state.held.iter_mut().find(|held| held.is_at(sk)) {
        held.tcp = Some(tcp);
    }
    Ok(tcp)
}

/// Steers the packet to a socket. Kernel: `bpf_sk_assign`.
fn assign(cx: &mut Cx<'_, Host>, _ctx: u64, sk: u64, flags: u64) -> Result<u64, Stop> {
    if sk == 0 || flags != 0 {
        return Ok(Errno::EINVAL.r0());
    }
    held(cx, "bpf_sk_assign", sk)?;
    if cx.state.hook != Some(Hook::TcIngress) {
        return Ok(Errno::EOPNOTSUPP.r0());
    }
    let at = cx.state.held.iter().find(|held| held.is_at(sk)).map(|held| held.at);
    cx.state.assigned = at;
    Ok(0)
}

/// A map of storage, and the number of a socket in it.
fn stored<'r>(
    cx: &Cx<'r, Host>,
    helper: &str,
    map: u64,
    sk: u64,
) -> Result<(&'r Storage, u64), Stop> {
    held(cx, helper, sk)?;
    let at = cx.state.held.iter().find(|held| held.is_at(sk)).map_or(0, |held| held.at);
    match cx.map(map) {
        Some(Map::Storage(storage)) => Ok((storage, at as u64 + 1)),
        _ => {
            let wants = "a map of socket storage";
            Err(FaultKind::Argument { helper: helper.into(), arg: 1, wants, value: map }.into())
        }
    }
}

/// Address of the socket's value, or null. Kernel: `bpf_sk_storage_get`.
fn storage_get(
    cx: &mut Cx<'_, Host>,
    map: u64,
    sk: u64,
    initial: u64,
    flags: u64,
) -> Result<u64, Stop> {
    /// `BPF_SK_STORAGE_GET_F_CREATE`
    const CREATE: u64 = 1;
    let (storage, object) = stored(cx, "bpf_sk_storage_get", map, sk)?;
    let at = match flags {
        0 => storage.get(object),
        CREATE if initial == 0 => storage.get_or_create(object, None).ok(),
        CREATE => {
            let initial = cx.mem.read_vec(initial, storage.def().value_size.into())?;
            storage.get_or_create(object, Some(&initial)).ok()
        }
        _ => None,
    };
    Ok(at.and_then(|at| cx.value_address(map, at)).unwrap_or(0))
}

fn no_socket(helper: &str, value: u64) -> Stop {
    let wants = "a socket that was looked up";
    FaultKind::Argument { helper: helper.into(), arg: 1, wants, value }.into()
}

fn release(cx: &mut Cx<'_, Host>, sk: u64) -> Result<(), Stop> {
    let held = cx.state.held.iter().position(|held| held.is_at(sk));
    let held = held.ok_or_else(|| no_socket("bpf_sk_release", sk))?;
    let held = cx.state.held.swap_remove(held);
    cx.mem.drop_copy(held.sk);
    for copy in held.tcp.into_iter().chain(held.kernel.into_iter().map(|(_, at)| at)) {
        cx.mem.drop_copy(copy);
    }
    Ok(())
}

/// The socket that the packet of a cgroup's program belongs to.
fn own(cx: &Cx<'_, Host>) -> Option<usize> {
    let meta = &cx.state.packet.meta;
    let addr = |v4: [u8; 4], v6: [u8; 16]| match meta.sock.family {
        2 => Some(IpAddr::from(v4)),
        10 => Some(IpAddr::from(v6)),
        _ => None,
    };
    let remote = addr(meta.sock.remote_ip4, meta.sock.remote_ip6)?;
    let local = addr(meta.sock.local_ip4, meta.sock.local_ip6)?;
    let from = SocketAddr::new(remote, meta.sock.remote_port);
    let to = SocketAddr::new(local, meta.sock.local_port);
    let network = &cx.state.network;
    let by = |transport| network.socket(transport, from, to, meta.ifindex);
    by(Transport::Tcp).or_else(|| by(Transport::Udp)).map(|(at, _)| at)
}
