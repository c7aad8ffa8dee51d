//! Transformations and flows as structs of the kernel.

use super::{MAX_DEPTH, place, with_fields};
use crate::network::{Flow, Transform};
use skep_btf::{Btf, Kind, TypeId};
use std::net::IpAddr;

/// A `struct xfrm_state`: its `id`, `mark`, `if_id`, and of `props` mode, request, family and source.
pub(crate) fn transform(btf: &Btf, of: &Transform) -> Vec<u8> {
    let family: u16 = if of.to.is_ipv4() { 2 } else { 10 };
    let fields: [(&[&str], Vec<u8>); 10] = [
        (&["id", "daddr"], addr(of.to)),
        (&["id", "spi"], of.spi.to_be_bytes().to_vec()),
        (&["id", "proto"], vec![of.protocol]),
        (&["mark", "v"], of.mark.to_le_bytes().to_vec()),
        (&["mark", "m"], of.mark_mask.to_le_bytes().to_vec()),
        (&["if_id"], of.if_id.to_le_bytes().to_vec()),
        (&["props", "reqid"], of.request.to_le_bytes().to_vec()),
        (&["props", "mode"], vec![u8::from(of.tunnel)]),
        (&["props", "family"], family.to_le_bytes().to_vec()),
        (&["props", "saddr"], addr(of.from)),
    ];
    with_paths(btf, "xfrm_state", &fields)
}

/// A `struct flow_offload_tuple_rhash`: both ends, where packets come from, and where they go.
pub(crate) fn flow(btf: &Btf, of: &Flow) -> Vec<u8> {
    let family: u8 = if of.from.is_ipv4() { 2 } else { 10 };
    let v6 = of.from.is_ipv6();
    let fields: [(&[&str], Vec<u8>); 11] = [
        (&["tuple", if v6 { "src_v6" } else { "src_v4" }], addr(of.from.ip())),
        (&["tuple", if v6 { "dst_v6" } else { "dst_v4" }], addr(of.to.ip())),
        (&["tuple", "src_port"], of.from.port().to_be_bytes().to_vec()),
        (&["tuple", "dst_port"], of.to.port().to_be_bytes().to_vec()),
        (&["tuple", "iifidx"], of.ifindex.to_le_bytes().to_vec()),
        (&["tuple", "l3proto"], vec![family]),
        (&["tuple", "l4proto"], vec![of.transport.protocol()]),
        (&["tuple", "mtu"], of.mtu.to_le_bytes().to_vec()),
        (&["tuple", "out", "ifidx"], of.out.to_le_bytes().to_vec()),
        (&["tuple", "out", "h_source"], of.source.to_vec()),
        (&["tuple", "out", "h_dest"], of.dest.to_vec()),
    ];
    with_paths(btf, "flow_offload_tuple_rhash", &fields)
}

fn addr(addr: IpAddr) -> Vec<u8> {
    match addr {
        IpAddr::V4(addr) => addr.octets().to_vec(),
        IpAddr::V6(addr) => addr.octets().to_vec(),
    }
}

/// The bytes of a struct, zeroes but for some members of members.
fn with_paths(btf: &Btf, name: &str, fields: &[(&[&str], Vec<u8>)]) -> Vec<u8> {
    let mut bytes = with_fields(btf, name, &[]);
    let Some(ty) = btf.find(name, Kind::Struct) else { return bytes };
    for (path, value) in fields {
        let Some((at, len)) = place_of_path(btf, ty.id, path) else { continue };
        let room = bytes.get_mut(at as usize..at.saturating_add(len) as usize);
        for (to, from) in room.unwrap_or_default().iter_mut().zip(value) {
            *to = *from;
        }
    }
    bytes
}

/// Position and size of a member of a member.
fn place_of_path(btf: &Btf, ty: TypeId, path: &[&str]) -> Option<(u32, u32)> {
    let (first, rest) = path.split_first()?;
    let (at, len, member) = place(btf, ty, first, MAX_DEPTH)?;
    if rest.is_empty() {
        return Some((at, len));
    }
    let (inner, len) = place_of_path(btf, member, rest)?;
    Some((at.checked_add(inner)?, len))
}
