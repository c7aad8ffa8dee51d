//! What programs read in objects of the kernel: structs laid out by the types that they were fitted to.

pub(crate) mod object;
pub(crate) mod offload;

use crate::network::{Connection, Socket, Transport};
use skep_btf::{Body, Btf, Kind, TypeId};
use skep_vm::Task;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// Anonymous structs in structs that are looked into.
const MAX_DEPTH: u32 = 8;
/// More than any struct that is shown.
const MAX_SIZE: u32 = 1 << 20;

/// A `struct task_struct` of which numbers and name are filled in.
pub(crate) fn task_struct(btf: &Btf, task: &Task) -> Vec<u8> {
    let mut comm = task.comm.clone();
    comm.truncate(15);
    let fields = [
        ("pid", task.tid.to_le_bytes().to_vec()),
        ("tgid", task.pid.to_le_bytes().to_vec()),
        ("comm", comm),
    ];
    with_fields(btf, "task_struct", &fields)
}

/// A `struct cgroup` of which the level is filled in.
pub(crate) fn cgroup_struct(btf: &Btf, path: &[u64]) -> Vec<u8> {
    let level = u32::try_from(path.len().saturating_sub(1)).unwrap_or(u32::MAX);
    with_fields(btf, "cgroup", &[("level", level.to_le_bytes().to_vec())])
}

/// A `struct nf_conn` of which status, mark, timeout, zone and both tuples are filled in, and where its mark is.
pub(crate) fn nf_conn(btf: &Btf, of: &Connection, timeout: u32) -> (Vec<u8>, Range<usize>) {
    let protocol = match of.transport {
        Transport::Tcp => 6,
        Transport::Udp => 17,
    };
    let tuple = |(from, to): (SocketAddr, SocketAddr), reply: bool| {
        let ends = with_fields(
            btf,
            "nf_conntrack_tuple_hash",
            &[("tuple", tuple(from, to, protocol, reply))],
        );
        ends.into_iter()
    };
    let hashes = tuple((of.from, of.to), false).chain(tuple(of.reply, true)).collect();
    let mut zone = of.zone.to_le_bytes().to_vec();
    zone.extend([0, of.zone_dirs]);
    let fields = [
        ("status", of.status.to_le_bytes().to_vec()),
        ("mark", of.mark.to_le_bytes().to_vec()),
        ("timeout", timeout.to_le_bytes().to_vec()),
        ("zone", zone),
        ("tuplehash", hashes),
    ];
    let bytes = with_fields(btf, "nf_conn", &fields);
    let mark = nf_conn_mark(btf).map_or(0..0, |at| at as usize..at as usize + 4);
    (bytes, mark)
}

/// A `struct tcp_sock` or another that begins with a `struct sock`, of which addresses, ports, state and what the
/// user tells of the connection are filled in.
pub(crate) fn socket(btf: &Btf, strukt: &str, of: &Socket, state: u8) -> Vec<u8> {
    let v4 = |end: Option<SocketAddr>| match end.map(|end| end.ip()) {
        Some(IpAddr::V4(ip)) => ip.octets().to_vec(),
        _ => vec![0; 4],
    };
    let v6 = |end: Option<SocketAddr>| match end.map(|end| end.ip()) {
        Some(IpAddr::V6(ip)) => ip.octets().to_vec(),
        _ => vec![0; 16],
    };
    let family: u16 = if of.local.is_ipv4() { 2 } else { 10 };
    let port = of.remote.map_or(0, |remote| remote.port());
    let common = [
        ("skc_family", family.to_le_bytes().to_vec()),
        ("skc_state", vec![state]),
        ("skc_num", of.local.port().to_le_bytes().to_vec()),
        ("skc_dport", port.to_be_bytes().to_vec()),
        ("skc_rcv_saddr", v4(Some(of.local))),
        ("skc_daddr", v4(of.remote)),
        ("skc_v6_rcv_saddr", v6(Some(of.local))),
        ("skc_v6_daddr", v6(of.remote)),
        ("skc_bound_dev_if", of.ifindex.to_le_bytes().to_vec()),
    ];
    let (kind, protocol): (u16, u16) = match of.transport {
        Transport::Tcp => (1, 6),
        Transport::Udp => (2, 17),
    };
    let sock = [
        ("sk_mark", of.mark.to_le_bytes().to_vec()),
        ("sk_priority", of.priority.to_le_bytes().to_vec()),
        ("sk_type", kind.to_le_bytes().to_vec()),
        ("sk_protocol", protocol.to_le_bytes().to_vec()),
        ("__sk_common", with_fields(btf, "sock_common", &common)),
    ];
    let sock = with_fields(btf, "sock", &sock);
    // Each struct begins with the one that it extends.
    let tcp = match of.transport {
        Transport::Tcp => with_fields(btf, "tcp_sock", &of.tcp.fields()),
        Transport::Udp => Vec::new(),
    };
    let mut bytes = with_fields(btf, strukt, &[]);
    for (to, from) in bytes.iter_mut().zip(&tcp) {
        *to = *from;
    }
    for (to, from) in bytes.iter_mut().zip(sock) {
        *to = from;
    }
    bytes
}

/// Where a `struct nf_conn` has its mark.
pub(crate) fn nf_conn_mark(btf: &Btf) -> Option<u32> {
    let ty = btf.find("nf_conn", Kind::Struct)?;
    place(btf, ty.id, "mark", MAX_DEPTH).map(|(at, ..)| at)
}

/// `struct nf_conntrack_tuple`
fn tuple(from: SocketAddr, to: SocketAddr, protocol: u8, reply: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(40);
    let mut end = |end: SocketAddr, last: [u8; 2]| {
        let mut addr = [0; 16];
        match end.ip() {
            IpAddr::V4(ip) => addr[..4].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => addr.copy_from_slice(&ip.octets()),
        }
        bytes.extend(addr);
        bytes.extend(end.port().to_be_bytes());
        bytes.extend(last);
    };
    let family: u16 = if from.is_ipv4() { 2 } else { 10 };
    end(from, family.to_le_bytes());
    end(to, [protocol, u8::from(reply)]);
    bytes
}

/// The bytes of a struct, zeroes but for some fields; none if there is no such struct.
fn with_fields(btf: &Btf, name: &str, fields: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let Some(ty) = btf.find(name, Kind::Struct) else { return Vec::new() };
    let Body::Struct { size, .. } = ty.body else { return Vec::new() };
    let mut bytes = vec![0; size.min(MAX_SIZE) as usize];
    for (field, value) in fields {
        let Some((at, len, _)) = place(btf, ty.id, field, MAX_DEPTH) else { continue };
        let Some(room) = bytes.get_mut(at as usize..at.saturating_add(len) as usize) else {
            continue;
        };
        for (to, from) in room.iter_mut().zip(value) {
            *to = *from;
        }
    }
    bytes
}

/// Position, size and type of a member, perhaps of an anonymous struct in it.
fn place(btf: &Btf, id: TypeId, name: &str, depth: u32) -> Option<(u32, u32, TypeId)> {
    let depth = depth.checked_sub(1)?;
    let members = match btf.resolve(id)?.body {
        Body::Struct { members, .. } | Body::Union { members, .. } => members,
        _ => return None,
    };
    members.iter().find_map(|member| {
        if member.name == name {
            return Some((member.bit_off / 8, btf.size_of(member.ty)?, member.ty));
        }
        let inner = member.name.is_empty().then(|| place(btf, member.ty, name, depth)).flatten();
        inner.and_then(|(at, len, ty)| Some((at.checked_add(member.bit_off / 8)?, len, ty)))
    })
}
