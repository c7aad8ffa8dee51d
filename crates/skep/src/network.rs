//! The network around a packet, as the user describes it: devices, routes, neighbours, sockets.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// What programs can look up. Nothing is there unless it is put here.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Devices.
    pub devices: Vec<Device>,
    /// Routes, for `bpf_fib_lookup`.
    pub routes: Vec<Route>,
    /// Who answers at an address.
    pub neighbours: Vec<Neighbour>,
    /// Sockets, for `bpf_sk_lookup_tcp` and its kin.
    pub sockets: Vec<Socket>,
    /// Connections that are tracked, for `bpf_xdp_ct_lookup` and its kin.
    pub connections: Vec<Connection>,
    /// Transformations, for `bpf_xdp_get_xfrm_state`.
    pub transforms: Vec<Transform>,
    /// Flows that skip the rest of the stack, for `bpf_xdp_flow_lookup`.
    pub flows: Vec<Flow>,
}

/// A network device.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    /// Its index.
    pub ifindex: u32,
    /// Its address.
    pub mac: [u8; 6],
    /// The longest packet, link header not counted.
    pub mtu: u32,
    /// Whether packets that come in by it are forwarded.
    pub forwarding: bool,
}

/// What becomes of packets that a route is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouteKind {
    /// They are sent on.
    #[default]
    Unicast,
    /// They are for this host.
    Local,
    /// They vanish.
    Blackhole,
    /// They are answered with "unreachable".
    Unreachable,
    /// They are answered with "prohibited".
    Prohibit,
}

/// A route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Destinations: those with the first `len` bits of this address.
    pub prefix: IpAddr,
    /// See `prefix`.
    pub len: u8,
    /// Number of the table; [`Route::MAIN`] is the usual one.
    pub table: u32,
    /// What it does.
    pub kind: RouteKind,
    /// The device to send by.
    pub ifindex: u32,
    /// The router to send to; none if the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// The address to send from.
    pub source: Option<IpAddr>,
    /// Of several routes as long, the one with the lowest metric counts.
    pub metric: u32,
    /// The longest packet, if less than the device takes.
    pub mtu: Option<u32>,
}

impl Route {
    /// `RT_TABLE_MAIN`
    pub const MAIN: u32 = 254;

    /// A route of the main table.
    #[must_use]
    pub fn new(prefix: IpAddr, len: u8, ifindex: u32, gateway: Option<IpAddr>) -> Self {
        Self {
            prefix,
            len,
            table: Self::MAIN,
            kind: RouteKind::Unicast,
            ifindex,
            gateway,
            source: None,
            metric: 0,
            mtu: None,
        }
    }

    fn covers(&self, addr: IpAddr) -> bool {
        let (prefix, addr) = match (self.prefix, addr) {
            (IpAddr::V4(prefix), IpAddr::V4(addr)) => {
                (u128::from(prefix.to_bits()) << 96, u128::from(addr.to_bits()) << 96)
            }
            (IpAddr::V6(prefix), IpAddr::V6(addr)) => (prefix.to_bits(), addr.to_bits()),
            _ => return false,
        };
        (prefix ^ addr).leading_zeros() >= self.len.into()
    }
}

/// Who answers at an address of a link.
#[derive(Clone, Copy, Debug)]
pub struct Neighbour {
    /// The device of the link.
    pub ifindex: u32,
    /// The address.
    pub addr: IpAddr,
    /// The answer.
    pub mac: [u8; 6],
}

/// A protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    /// `IPPROTO_*`
    pub(crate) const fn protocol(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

/// A socket.
#[derive(Clone, Debug)]
pub struct Socket {
    /// Its protocol.
    pub transport: Transport,
    /// Where it receives; the unspecified address stands for all.
    pub local: SocketAddr,
    /// Whom it is connected to; a TCP socket without listens.
    pub remote: Option<SocketAddr>,
    /// The device it is bound to, or 0.
    pub ifindex: u32,
    /// Its mark.
    pub mark: u32,
    /// Its priority.
    pub priority: u32,
    /// Its owner.
    pub uid: u32,
    /// Its cgroup and the ones around it, the outermost first, by number.
    pub cgroups: Vec<u64>,
    /// What `bpf_tcp_sock` tells of it, if it is of TCP.
    pub tcp: TcpState,
    /// Whether its queue of connections is full, so that SYN cookies stand in for those to come.
    pub flooded: bool,
    /// The name of its congestion control, if it is of TCP.
    pub congestion: String,
    /// Options that have been set and are no fields here, by level and name.
    pub options: BTreeMap<(i32, i32), i32>,
}

impl Socket {
    /// A socket on any device, without mark, priority and cgroup, of user 0.
    #[must_use]
    pub fn new(transport: Transport, local: SocketAddr, remote: Option<SocketAddr>) -> Self {
        Self {
            transport,
            local,
            remote,
            ifindex: 0,
            mark: 0,
            priority: 0,
            uid: 0,
            cgroups: Vec::new(),
            tcp: TcpState::default(),
            flooded: false,
            congestion: "cubic".to_string(),
            options: BTreeMap::new(),
        }
    }
}

/// A connection that is tracked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its protocol.
    pub transport: Transport,
    /// Who began it.
    pub from: SocketAddr,
    /// With whom.
    pub to: SocketAddr,
    /// Source and destination of replies, where addresses are translated other than the ends turned round.
    pub reply: (SocketAddr, SocketAddr),
    /// Its zone.
    pub zone: u16,
    /// Directions that the zone is meant for: 1, 2 or both, 3.
    pub zone_dirs: u8,
    /// Its mark.
    pub mark: u32,
    /// `IPS_*`
    pub status: u32,
    /// When it is over, in nanoseconds of the session's clock; never, if it is not said.
    pub expires: Option<u64>,
}

impl Connection {
    /// A connection that is confirmed, without mark, in zone 0, and never over.
    #[must_use]
    pub fn new(transport: Transport, from: SocketAddr, to: SocketAddr) -> Self {
        /// `IPS_CONFIRMED`
        const CONFIRMED: u32 = 1 << 3;
        Self {
            transport,
            from,
            to,
            reply: (to, from),
            zone: 0,
            zone_dirs: 3,
            mark: 0,
            status: CONFIRMED,
            expires: None,
        }
    }
}

/// A transformation of packets (IPsec): `struct xfrm_state`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transform {
    /// Where packets come from.
    pub from: IpAddr,
    /// Where they go.
    pub to: IpAddr,
    /// The number that packets name it by.
    pub spi: u32,
    /// `IPPROTO_ESP` (50), `IPPROTO_AH` (51) or `IPPROTO_COMP` (108).
    pub protocol: u8,
    /// Marks of packets that it is for: those of which the bits of `mark_mask` are these.
    pub mark: u32,
    /// See `mark`.
    pub mark_mask: u32,
    /// The number of its interface.
    pub if_id: u32,
    /// The number of the request that it belongs to.
    pub request: u32,
    /// Whether whole packets are wrapped.
    pub tunnel: bool,
}

/// A flow of packets that skips the rest of the stack: `struct flow_offload_tuple`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Its protocol.
    pub transport: Transport,
    /// Where packets come from.
    pub from: SocketAddr,
    /// Where they go.
    pub to: SocketAddr,
    /// The device that they come in by.
    pub ifindex: u32,
    /// The device that they go out by.
    pub out: u32,
    /// Their link addresses then.
    pub source: [u8; 6],
    /// See `source`.
    pub dest: [u8; 6],
    /// The longest packet.
    pub mtu: u16,
}

macro_rules! tcp_state {
    ($($(#[doc = $doc:literal])+ $field:ident: $ty:ty,)*) => {
        /// State of a TCP socket: `struct bpf_tcp_sock`, whose names these are.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct TcpState {
            $($(#[doc = $doc])+ pub $field: $ty,)*
        }

        impl TcpState {
            /// Names of the fields, in order.
            pub const FIELDS: &'static [&'static str] = &[$(stringify!($field)),*];

            /// Sets a field by its name, if there is one and the number fits.
            pub fn set(&mut self, field: &str, number: u64) -> Option<()> {
                match field {
                    $(stringify!($field) => self.$field = number.try_into().ok()?,)*
                    _ => return None,
                }
                Some(())
            }

            /// Names, and numbers as bytes.
            pub(crate) fn fields(self) -> Vec<(&'static str, Vec<u8>)> {
                vec![$((stringify!($field), self.$field.to_le_bytes().to_vec())),*]
            }

            pub(crate) fn to_bytes(self) -> Vec<u8> {
                let mut bytes = Vec::new();
                $(bytes.extend(self.$field.to_le_bytes());)*
                bytes
            }
        }
    };
}
tcp_state! {
    /// Packets that may be on the way.
    snd_cwnd: u32,
    /// Smoothed round trip time in eighths of a microsecond.
    srtt_us: u32,
    /// Least round trip time.
    rtt_min: u32,
    /// Window up to which slow start goes.
    snd_ssthresh: u32,
    /// Number expected next.
    rcv_nxt: u32,
    /// Number sent next.
    snd_nxt: u32,
    /// First number that is not acknowledged.
    snd_una: u32,
    /// Bytes of a segment.
    mss_cache: u32,
    /// Bits of explicit congestion notification.
    ecn_flags: u32,
    /// Packets of the last rate sample.
    rate_delivered: u32,
    /// Its time.
    rate_interval_us: u32,
    /// Packets on the way.
    packets_out: u32,
    /// Of these, sent again.
    retrans_out: u32,
    /// All that were ever sent again.
    total_retrans: u32,
    /// Segments received.
    segs_in: u32,
    /// Of these, with data.
    data_segs_in: u32,
    /// Segments sent.
    segs_out: u32,
    /// Of these, with data.
    data_segs_out: u32,
    /// Packets taken for lost.
    lost_out: u32,
    /// Packets acknowledged selectively.
    sacked_out: u32,
    /// Bytes received.
    bytes_received: u64,
    /// Bytes acknowledged.
    bytes_acked: u64,
    /// Duplicates reported.
    dsack_dups: u32,
    /// Packets delivered.
    delivered: u32,
    /// Of these, marked as congested.
    delivered_ce: u32,
    /// Timeouts since the last acknowledgement.
    icsk_retransmits: u32,
}

impl Network {
    /// The device of this index.
    pub(crate) fn device(&self, ifindex: u32) -> Option<&Device> {
        self.devices.iter().find(|device| device.ifindex == ifindex)
    }

    /// The route of a table for a destination, by one device if one is given.
    pub(crate) fn route(&self, table: u32, to: IpAddr, by: Option<u32>) -> Option<&Route> {
        let fits = |route: &&Route| {
            let device = route.kind != RouteKind::Unicast || self.device(route.ifindex).is_some();
            let by = by.is_none_or(|by| by == route.ifindex);
            route.table == table && route.covers(to) && device && by
        };
        let routes = self.routes.iter().filter(fits);
        routes.min_by_key(|route| (u8::MAX - route.len, route.metric))
    }

    pub(crate) fn neighbour(&self, ifindex: u32, addr: IpAddr) -> Option<[u8; 6]> {
        let found = self.neighbours.iter().find(|n| (n.ifindex, n.addr) == (ifindex, addr));
        found.map(|neighbour| neighbour.mac)
    }

    /// The socket that gets a packet which came in by a device: a connected one first, then one bound to
    /// the address, then one for all addresses. Its place in the list too.
    pub(crate) fn socket(
        &self,
        transport: Transport,
        from: SocketAddr,
        to: SocketAddr,
        ifindex: u32,
    ) -> Option<(usize, &Socket)> {
        let score = |socket: &Socket| {
            let any = socket.local.ip().is_unspecified();
            let local = socket.local.port() == to.port()
                && socket.local.is_ipv4() == to.is_ipv4()
                && (any || socket.local.ip() == to.ip());
            let remote = socket.remote.is_none_or(|remote| remote == from);
            let device = socket.ifindex == 0 || socket.ifindex == ifindex;
            (socket.transport == transport && local && remote && device).then_some((
                socket.remote.is_some(),
                !any,
                socket.ifindex != 0,
            ))
        };
        let scored = self.sockets.iter().enumerate().filter_map(|at| Some((score(at.1)?, at)));
        // Of equals, the first.
        scored.rev().max_by_key(|&(score, _)| score).map(|(_, found)| found)
    }
}
