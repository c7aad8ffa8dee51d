//! The world around programs, described in a file: devices, routes, neighbours, sockets, tracked connections, tasks.
//!
//! JSON, as in `examples/world.json`. Every mistake is told with its line.

use crate::failure::{Failure, Kind};
use crate::file;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::value::RawValue;
use skep::{
    Connection, Device, Flow, Neighbour, Network, Route, RouteKind, Session, Socket, Task,
    TcpState, Transform, Transport,
};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::str::FromStr;

/// Why a description makes no sense.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorldError {
    /// It is no JSON, or not what the place wants.
    #[error("line {line}: {what}")]
    Syntax { line: usize, what: String },
    /// Something is said of a device that is not described.
    #[error("line {line}: there is no device {ifindex}")]
    NoDevice { line: usize, ifindex: u32 },
    /// A device is described twice.
    #[error("line {line}: device {ifindex} is there already")]
    Twice { line: usize, ifindex: u32 },
    /// A gateway or address of another family.
    #[error("line {line}: {addr} and {other} are of different families")]
    Family { line: usize, addr: IpAddr, other: IpAddr },
}

/// What a file describes.
#[derive(Debug, Default)]
pub(crate) struct World {
    network: Network,
    task: Option<Task>,
    tasks: Vec<Task>,
}

impl World {
    /// Reads the description in a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = file::read(path)?;
        let wrong = |err: &(dyn std::error::Error + 'static)| {
            Failure::at(Kind::Input, &file::name(path), err)
                .help("--world takes JSON as examples/world.json")
        };
        let text = String::from_utf8(bytes).map_err(|err| wrong(&err))?;
        Self::parse(&text).map_err(|err| wrong(&err))
    }

    fn parse(text: &str) -> Result<Self, WorldError> {
        let whole: Whole<'_> = serde_json::from_str(text).map_err(|err| syntax(&err, 1))?;
        let place = Place { text };
        let mut world = Self::default();
        for (line, device) in place.items::<DeviceItem>(&whole.devices)? {
            let ifindex = device.ifindex;
            if world.network.devices.iter().any(|known| known.ifindex == ifindex) {
                return Err(WorldError::Twice { line, ifindex });
            }
            world.network.devices.push(device.into());
        }
        for (line, route) in place.items::<RouteItem>(&whole.routes)? {
            if route.kind == Means::Unicast {
                world.known(line, route.dev)?;
            }
            if let Some(source) = route.src.filter(|src| src.is_ipv4() != route.to.0.is_ipv4()) {
                return Err(WorldError::Family { line, addr: route.to.0, other: source });
            }
            world.network.routes.push(route.into());
        }
        for (line, neighbour) in place.items::<NeighbourItem>(&whole.neighbours)? {
            world.known(line, neighbour.dev)?;
            world.network.neighbours.push(neighbour.into());
        }
        for (line, socket) in place.items::<SocketItem>(&whole.sockets)? {
            if socket.dev != 0 {
                world.known(line, socket.dev)?;
            }
            let (local, remote) = (socket.local, socket.remote);
            if let Some(remote) = remote.filter(|remote| remote.is_ipv4() != local.is_ipv4()) {
                return Err(WorldError::Family { line, addr: local.ip(), other: remote.ip() });
            }
            world.network.sockets.push(socket.into());
        }
        for (line, connection) in place.items::<ConnectionItem>(&whole.connections)? {
            let ends = [connection.to, connection.reply.from, connection.reply.to];
            let of_another = |addr: &SocketAddr| addr.is_ipv4() != connection.from.is_ipv4();
            if let Some(other) = ends.into_iter().find(of_another) {
                let (addr, other) = (connection.from.ip(), other.ip());
                return Err(WorldError::Family { line, addr, other });
            }
            world.network.connections.push(connection.into());
        }
        for (line, transform) in place.items::<TransformItem>(&whole.transforms)? {
            if transform.from.is_ipv4() != transform.to.is_ipv4() {
                let (addr, other) = (transform.from, transform.to);
                return Err(WorldError::Family { line, addr, other });
            }
            world.network.transforms.push(transform.into());
        }
        for (line, flow) in place.items::<FlowItem>(&whole.flows)? {
            world.known(line, flow.dev)?;
            world.known(line, flow.out)?;
            if flow.from.is_ipv4() != flow.to.is_ipv4() {
                let (addr, other) = (flow.from.ip(), flow.to.ip());
                return Err(WorldError::Family { line, addr, other });
            }
            world.network.flows.push(flow.into());
        }
        world.task =
            whole.task.map(|task| place.item::<TaskItem>(task)).transpose()?.map(Task::from);
        for (_, task) in place.items::<TaskItem>(&whole.tasks)? {
            world.tasks.push(task.into());
        }
        Ok(world)
    }

    fn known(&self, line: usize, ifindex: u32) -> Result<(), WorldError> {
        let known = self.network.devices.iter().any(|device| device.ifindex == ifindex);
        if known { Ok(()) } else { Err(WorldError::NoDevice { line, ifindex }) }
    }

    /// Puts a session into it.
    pub(crate) fn surround(self, session: &mut Session) {
        session.set_network(self.network);
        if let Some(task) = self.task {
            session.set_task(task);
        }
        session.set_tasks(self.tasks);
    }
}

/// The file, with its parts as they stand in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole<'a> {
    #[serde(borrow, default)]
    devices: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    routes: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    neighbours: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    sockets: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    connections: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    transforms: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    flows: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    task: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tasks: Vec<&'a RawValue>,
}

/// Where in the text parts are.
struct Place<'a> {
    text: &'a str,
}

impl<'a> Place<'a> {
    /// Line of a part, from 1.
    fn line(&self, part: &RawValue) -> usize {
        let at = part.get().as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        1 + self.text.bytes().take(at).filter(|&byte| byte == b'\n').count()
    }

    fn item<T: Deserialize<'a>>(&self, part: &'a RawValue) -> Result<T, WorldError> {
        serde_json::from_str(part.get()).map_err(|err| syntax(&err, self.line(part)))
    }

    fn items<T: Deserialize<'a>>(
        &self,
        parts: &[&'a RawValue],
    ) -> Result<Vec<(usize, T)>, WorldError> {
        parts.iter().map(|part| Ok((self.line(part), self.item(part)?))).collect()
    }
}

/// The error of a part that begins in a line.
fn syntax(err: &serde_json::Error, first: usize) -> WorldError {
    let text = err.to_string();
    let place = format!(" at line {} column {}", err.line(), err.column());
    let what = text.strip_suffix(&place).unwrap_or(&text).to_string();
    WorldError::Syntax { line: first + err.line().saturating_sub(1), what }
}

/// Anything that is written as text.
fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(from: D) -> Result<T, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(|err| D::Error::custom(format!("`{text}`: {err}")))
}

fn mac<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 6], D::Error> {
    let text = String::deserialize(from)?;
    let digits = |part: &str| match part.len() {
        2 => u8::from_str_radix(part, 16).ok(),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = text.split(':').map(digits).collect();
    let mac = bytes.and_then(|bytes| bytes.try_into().ok());
    mac.ok_or_else(|| D::Error::custom(format!("`{text}` is no address as 02:00:5e:10:00:01")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeviceItem {
    ifindex: u32,
    #[serde(deserialize_with = "mac")]
    mac: [u8; 6],
    #[serde(default = "usual_mtu")]
    mtu: u32,
    #[serde(default)]
    forwarding: bool,
}

const fn usual_mtu() -> u32 {
    1500
}

impl From<DeviceItem> for Device {
    fn from(item: DeviceItem) -> Self {
        let DeviceItem { ifindex, mac, mtu, forwarding } = item;
        Self { ifindex, mac, mtu, forwarding }
    }
}

/// `10.0.0.0/8`
struct Prefix(IpAddr, u8);

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let (addr, len) = text.split_once('/').unwrap_or((&text, ""));
        let addr: Option<IpAddr> = addr.parse().ok();
        let whole = if addr.is_some_and(|addr| addr.is_ipv4()) { 32 } else { 128 };
        let len = if text.contains('/') { len.parse().ok() } else { Some(whole) };
        match (addr, len) {
            (Some(addr), Some(len)) if len <= whole => Ok(Self(addr, len)),
            _ => Err(D::Error::custom(format!("`{text}` is no prefix as 10.0.0.0/8"))),
        }
    }
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Means {
    #[default]
    Unicast,
    Local,
    Blackhole,
    Unreachable,
    Prohibit,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteItem {
    to: Prefix,
    #[serde(default)]
    dev: u32,
    #[serde(default)]
    via: Option<IpAddr>,
    #[serde(default)]
    src: Option<IpAddr>,
    #[serde(default)]
    metric: u32,
    #[serde(default)]
    mtu: Option<u32>,
    #[serde(default = "main_table")]
    table: u32,
    #[serde(default)]
    kind: Means,
}

const fn main_table() -> u32 {
    Route::MAIN
}

impl From<RouteItem> for Route {
    fn from(item: RouteItem) -> Self {
        let kind = match item.kind {
            Means::Unicast => RouteKind::Unicast,
            Means::Local => RouteKind::Local,
            Means::Blackhole => RouteKind::Blackhole,
            Means::Unreachable => RouteKind::Unreachable,
            Means::Prohibit => RouteKind::Prohibit,
        };
        let RouteItem { to: Prefix(prefix, len), dev, via, src, metric, mtu, table, .. } = item;
        Self { table, kind, source: src, metric, mtu, ..Self::new(prefix, len, dev, via) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NeighbourItem {
    dev: u32,
    addr: IpAddr,
    #[serde(deserialize_with = "mac")]
    mac: [u8; 6],
}

impl From<NeighbourItem> for Neighbour {
    fn from(item: NeighbourItem) -> Self {
        Self { ifindex: item.dev, addr: item.addr, mac: item.mac }
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Proto {
    Tcp,
    Udp,
}

impl From<Proto> for Transport {
    fn from(proto: Proto) -> Self {
        match proto {
            Proto::Tcp => Self::Tcp,
            Proto::Udp => Self::Udp,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SocketItem {
    proto: Proto,
    #[serde(deserialize_with = "parsed")]
    local: SocketAddr,
    #[serde(default)]
    remote: Option<SocketAddr>,
    #[serde(default)]
    dev: u32,
    #[serde(default)]
    mark: u32,
    #[serde(default)]
    priority: u32,
    #[serde(default)]
    uid: u32,
    #[serde(default)]
    cgroups: Vec<u64>,
    #[serde(default)]
    tcp: Tcp,
    #[serde(default)]
    flooded: bool,
}

/// Fields of `struct bpf_tcp_sock` by name.
#[derive(Default)]
struct Tcp(TcpState);

impl<'de> Deserialize<'de> for Tcp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut state = TcpState::default();
        for (name, number) in BTreeMap::<String, u64>::deserialize(from)? {
            if !TcpState::FIELDS.contains(&name.as_str()) {
                return Err(D::Error::custom(format!("struct bpf_tcp_sock has no field `{name}`")));
            }
            let set = state.set(&name, number);
            set.ok_or_else(|| D::Error::custom(format!("`{name}` is no number of 32 bits")))?;
        }
        Ok(Self(state))
    }
}

impl From<SocketItem> for Socket {
    fn from(item: SocketItem) -> Self {
        let transport = item.proto.into();
        let SocketItem { local, remote, dev, mark, priority, uid, .. } = item;
        let SocketItem { cgroups, tcp, flooded, .. } = item;
        let socket = Self::new(transport, local, remote);
        Self { ifindex: dev, mark, priority, uid, cgroups, tcp: tcp.0, flooded, ..socket }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplyItem {
    #[serde(deserialize_with = "parsed")]
    from: SocketAddr,
    #[serde(deserialize_with = "parsed")]
    to: SocketAddr,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenConnection {
    proto: Proto,
    #[serde(deserialize_with = "parsed")]
    from: SocketAddr,
    #[serde(deserialize_with = "parsed")]
    to: SocketAddr,
    #[serde(default)]
    reply: Option<ReplyItem>,
    #[serde(default)]
    zone: u16,
    #[serde(default)]
    mark: u32,
    #[serde(default)]
    status: Option<u32>,
}

/// With the ends of replies, written or not.
#[derive(Deserialize)]
#[serde(from = "WrittenConnection")]
struct ConnectionItem {
    proto: Proto,
    from: SocketAddr,
    to: SocketAddr,
    reply: ReplyItem,
    zone: u16,
    mark: u32,
    status: Option<u32>,
}

impl From<WrittenConnection> for ConnectionItem {
    fn from(item: WrittenConnection) -> Self {
        let WrittenConnection { proto, from, to, reply, zone, mark, status } = item;
        let reply = reply.unwrap_or(ReplyItem { from: to, to: from });
        Self { proto, from, to, reply, zone, mark, status }
    }
}

impl From<ConnectionItem> for Connection {
    fn from(item: ConnectionItem) -> Self {
        let ConnectionItem { proto, from, to, reply, zone, mark, status } = item;
        let connection = Self::new(proto.into(), from, to);
        let status = status.map_or(connection.status, |status| connection.status | status);
        let reply = (reply.from, reply.to);
        Self { reply, zone, mark, status, ..connection }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TransformItem {
    from: IpAddr,
    to: IpAddr,
    spi: u32,
    #[serde(default = "esp")]
    proto: u8,
    #[serde(default)]
    mark: u32,
    #[serde(default)]
    mask: u32,
    #[serde(default)]
    if_id: u32,
    #[serde(default)]
    reqid: u32,
    #[serde(default)]
    tunnel: bool,
}

const fn esp() -> u8 {
    50
}

impl From<TransformItem> for Transform {
    fn from(item: TransformItem) -> Self {
        let TransformItem { from, to, spi, proto, mark, mask, if_id, reqid, tunnel } = item;
        Self {
            from,
            to,
            spi,
            protocol: proto,
            mark,
            mark_mask: mask,
            if_id,
            request: reqid,
            tunnel,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlowItem {
    proto: Proto,
    #[serde(deserialize_with = "parsed")]
    from: SocketAddr,
    #[serde(deserialize_with = "parsed")]
    to: SocketAddr,
    dev: u32,
    out: u32,
    #[serde(deserialize_with = "mac")]
    source: [u8; 6],
    #[serde(deserialize_with = "mac")]
    dest: [u8; 6],
    #[serde(default = "usual_flow_mtu")]
    mtu: u16,
}

const fn usual_flow_mtu() -> u16 {
    1500
}

impl From<FlowItem> for Flow {
    fn from(item: FlowItem) -> Self {
        let FlowItem { proto, from, to, dev, out, source, dest, mtu } = item;
        Self { transport: proto.into(), from, to, ifindex: dev, out, source, dest, mtu }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskItem {
    pid: u32,
    #[serde(default)]
    tid: Option<u32>,
    #[serde(default)]
    uid: u32,
    #[serde(default)]
    gid: u32,
    #[serde(default)]
    comm: String,
    #[serde(default)]
    cgroups: Vec<u64>,
}

impl From<TaskItem> for Task {
    fn from(item: TaskItem) -> Self {
        let TaskItem { pid, tid, uid, gid, comm, cgroups } = item;
        let tid = tid.unwrap_or(pid);
        Self { pid, tid, uid, gid, comm: comm.into_bytes(), cgroups, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn wrong(text: &str) -> String {
        World::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_said_is_there() {
        let text = include_str!("../../../../examples/world.json");
        let world = World::parse(text).unwrap();
        let network = &world.network;
        assert_eq!(network.devices.len(), 2);
        assert!(!network.routes.is_empty() && !network.neighbours.is_empty());
        assert_eq!(network.sockets[0].tcp.snd_cwnd, 10);
        assert_eq!(network.connections[0].reply.1.to_string(), "192.0.2.9:41000");
        assert_eq!(world.task.unwrap().comm, b"worker");
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let device = "{\"devices\": [{\"ifindex\": 1, \"mac\": \"02:00:00:00:00:01\"},\n";
        let cases = [
            ("{\n\"routs\": []}", "line 2: unknown field `routs`"),
            ("{\"devices\": [\n{\"ifindex\": 1,\n\"mac\": \"x\"}]}", "line 3: `x` is no address"),
            ("{\"devices\": [\n\n{\"ifindex\": -1}]}", "line 3: invalid value"),
            (
                "{\"routes\": [\n{\"to\": \"10.0.0.0/33\", \"dev\": 1}]}",
                "line 2: `10.0.0.0/33` is no",
            ),
            ("{\"routes\": [\n{\"to\": \"::/0\", \"dev\": 1}]}", "line 2: there is no device 1"),
            ("{\n\n\"sockets\": [{\"proto\": \"sctp\"}]}", "line 3: unknown variant `sctp`"),
            ("{\"task\": {\"pid\": 1, \"tcp\": 2}}", "line 1: unknown field `tcp`"),
            ("{\"task\"", "line 1: EOF"),
        ];
        for (text, want) in cases {
            let got = wrong(text);
            assert!(got.starts_with(want), "{text}: {got}");
        }
        let twice = format!("{device}{}]}}", "{\"ifindex\": 1, \"mac\": \"02:00:00:00:00:02\"}");
        assert_eq!(wrong(&twice), "line 2: device 1 is there already");
        let family = "{\"sockets\": [\n{\"proto\": \"tcp\", \"local\": \"10.0.0.1:1\", \
                      \"remote\": \"[::1]:2\"}]}";
        assert_eq!(wrong(family), "line 2: 10.0.0.1 and ::1 are of different families");
        let flow = "{\"flows\": [\n{\"proto\": \"tcp\", \"from\": \"10.0.0.1:1\", \"to\": \"10.0.0.2:2\", \
                    \"dev\": 1, \"out\": 2, \"source\": \"02:00:00:00:00:01\", \"dest\": \"02:00:00:00:00:02\"}]}";
        assert_eq!(wrong(flow), "line 2: there is no device 1");
        let transform = "{\"transforms\": [{\"from\": \"10.0.0.1\", \"to\": \"::1\", \"spi\": 1}]}";
        assert_eq!(wrong(transform), "line 1: 10.0.0.1 and ::1 are of different families");
        let tcp = "{\"sockets\": [{\"proto\": \"tcp\", \"local\": \"10.0.0.1:1\",\n\
                   \"tcp\": {\"snd_cwnd\": 4294967296}}]}";
        assert_eq!(wrong(tcp), "line 2: `snd_cwnd` is no number of 32 bits");
    }
}
