//! What is known of a packet beside its bytes.

use super::status;
use crate::host::{Host, change_packet, with_packet};
use skep_abi::Errno;
use skep_hooks::{Header, Packet, PktType};
use skep_vm::{Cx, Helpers, Stop};

pub(super) fn add(helpers: Helpers<Host>) -> Helpers<Host> {
    let helpers = helpers
        .with(31, "bpf_skb_change_proto", |cx: &mut Cx<'_, Host>, _ctx: u64, proto: u32, flags| {
            let [high, low, ..] = proto.to_le_bytes();
            let proto = u16::from_be_bytes([high, low]);
            status(change_packet(cx, |packet| change_proto(packet, proto, flags)))
        })
        .with(32, "bpf_skb_change_type", |cx: &mut Cx<'_, Host>, _ctx: u64, to: u32| {
            status(change_packet(cx, |packet| change_type(packet, to)))
        })
        .with(34, "bpf_get_hash_recalc", |cx: &mut Cx<'_, Host>| {
            change_packet(cx, |packet| {
                if packet.meta.hash == 0 {
                    packet.meta.hash = flow_hash(packet);
                }
                packet.meta.hash
            })
        })
        .with(97, "bpf_skb_ecn_set_ce", |cx: &mut Cx<'_, Host>| {
            u64::from(with_packet(cx, set_congested))
        })
        .with(192, "bpf_skb_set_tstamp", |cx: &mut Cx<'_, Host>, _ctx: u64, time, clock: u32| {
            status(change_packet(cx, |packet| set_tstamp(packet, time, clock)))
        });
    let helpers = add_device(helpers);
    // A packet here comes without route, transformation and owner.
    helpers
        .with(17, "bpf_get_cgroup_classid", || 0u64)
        .with(24, "bpf_get_route_realm", || 0u64)
        .with(
            66,
            "bpf_skb_get_xfrm_state",
            |cx: &mut Cx<'_, Host>, _ctx: u64, _index: u32, to, size| {
                absent(cx, to, size, Errno::EINVAL)
            },
        )
        .with(79, "bpf_skb_cgroup_id", || 0u64)
        .with(83, "bpf_skb_ancestor_cgroup_id", || 0u64)
        .with(122, "bpf_get_netns_cookie", || INIT_NETNS)
        .with(151, "bpf_skb_cgroup_classid", || 0u64)
}

/// What the device has found out, for XDP. Where it has not, the answer is that of a driver that does
/// not know the question.
fn add_device(helpers: Helpers<Host>) -> Helpers<Host> {
    helpers
        .with_kfunc("bpf_xdp_metadata_rx_timestamp", |cx: &mut Cx<'_, Host>, _ctx: u64, to: u64| {
            match cx.state.packet.meta.hwtstamp {
                0 => Ok(Errno::EOPNOTSUPP.r0()),
                time => put(cx, to, &time.to_le_bytes()),
            }
        })
        .with_kfunc(
            "bpf_xdp_metadata_rx_hash",
            |cx: &mut Cx<'_, Host>, _ctx: u64, to: u64, kind: u64| match cx.state.packet.meta.hash {
                0 => Ok(Errno::EOPNOTSUPP.r0()),
                hash => {
                    // `XDP_RSS_TYPE_NONE`: of what it was computed is not known.
                    cx.mem.write(kind, &[0; 4])?;
                    put(cx, to, &hash.to_le_bytes())
                }
            },
        )
        .with_kfunc(
            "bpf_xdp_metadata_rx_vlan_tag",
            |cx: &mut Cx<'_, Host>, _ctx: u64, proto: u64, tci: u64| match cx.state.packet.meta.vlan
            {
                None => Ok(Errno::EOPNOTSUPP.r0()),
                Some(tag) => {
                    cx.mem.write(proto, &tag.proto.to_be_bytes())?;
                    put(cx, tci, &tag.tci.to_le_bytes())
                }
            },
        )
        .with_kfunc("bpf_xdp_pull_data", |cx: &mut Cx<'_, Host>, _ctx: u64, len: u32| {
            // All of the packet is linear here.
            let all = with_packet(cx, |packet| packet.data().len());
            if len as usize > all { Errno::EINVAL.r0() } else { 0 }
        })
}

fn put(cx: &mut Cx<'_, Host>, to: u64, bytes: &[u8]) -> Result<u64, Stop> {
    cx.mem.write(to, bytes)?;
    Ok(0)
}

/// Cookie of the network namespace that is there first.
const INIT_NETNS: u64 = 1;

/// What the kernel leaves where it has nothing to say.
fn absent(cx: &mut Cx<'_, Host>, to: u64, size: u32, errno: Errno) -> Result<u64, Stop> {
    cx.mem.zero(to, size.into())?;
    Ok(errno.r0())
}

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// Opens or closes the 20 bytes by which an IPv6 header is longer. Kernel: `bpf_skb_change_proto`.
fn change_proto(packet: &mut Packet, proto: u16, flags: u64) -> Result<(), Errno> {
    /// `BPF_ADJ_ROOM_MAC`
    const AFTER_LINK: u32 = 1;
    /// `BPF_F_ADJ_ROOM_DECAP_L3_IPV4`: an IPv4 header is what must remain.
    const TO_IPV4: u64 = 1 << 7;
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    match (packet.meta.protocol, proto) {
        (IPV4, IPV6) => packet.adjust_room(20, AFTER_LINK, 0)?,
        (IPV6, IPV4) => packet.adjust_room(-20, AFTER_LINK, TO_IPV4)?,
        _ => return Err(Errno::ENOTSUPP),
    }
    packet.meta.protocol = proto;
    packet.meta.hash = 0;
    Ok(())
}

/// Kernel: `bpf_skb_change_type`.
fn change_type(packet: &mut Packet, to: u32) -> Result<(), Errno> {
    let received = |pkt_type| pkt_type != PktType::Outgoing;
    let to = u16::try_from(to).ok().and_then(PktType::new).filter(|&to| received(to));
    match to {
        Some(to) if received(packet.meta.pkt_type) => {
            packet.meta.pkt_type = to;
            Ok(())
        }
        _ => Err(Errno::EINVAL),
    }
}

/// Kernel: `bpf_skb_set_tstamp`.
fn set_tstamp(packet: &mut Packet, time: u64, clock: u32) -> Result<(), Errno> {
    if !matches!(packet.meta.protocol, IPV4 | IPV6) {
        return Err(Errno::EOPNOTSUPP);
    }
    match u8::try_from(clock) {
        Ok(clock @ (0..=2)) if clock == 0 || time != 0 => {
            packet.meta.tstamp = time;
            packet.meta.tstamp_type = clock;
            Ok(())
        }
        _ => Err(Errno::EINVAL),
    }
}

/// The bytes from the network header on.
fn network(packet: &Packet) -> &[u8] {
    /// `BPF_HDR_START_NET`
    const START_NET: u32 = 1;
    let len = packet.window().end.saturating_sub(packet.header_at(Header::Net));
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    packet.load_bytes_relative(0, len, START_NET).unwrap_or_default()
}

/// A number for the flow of a packet, the same in both directions, never 0. The kernel's is keyed with
/// random bits; this one is the same in every run (FNV-1a).
fn flow_hash(packet: &Packet) -> u32 {
    let ip = network(packet);
    let (ends, protocol, ports) = match packet.meta.protocol {
        IPV4 => (ip.get(12..16).zip(ip.get(16..20)), ip.get(9), ipv4_payload(ip)),
        IPV6 => (ip.get(8..24).zip(ip.get(24..40)), ip.get(6), ip.get(40..)),
        _ => (None, None, None),
    };
    let ports = match (protocol, ports.and_then(|payload| payload.first_chunk())) {
        (Some(6 | 17 | 132), Some(&[a, b, c, d])) => ([a, b], [c, d]),
        _ => ([0; 2], [0; 2]),
    };
    let (src, dst) = ends.unwrap_or_default();
    let mut ends = [(src, ports.0), (dst, ports.1)];
    ends.sort_unstable();
    let bytes = ends.iter().flat_map(|(addr, port)| addr.iter().chain(port)).chain(protocol);
    let hash = bytes
        .fold(0x811c_9dc5, |hash: u32, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash.max(1)
}

/// What follows the header of a first fragment.
fn ipv4_payload(ip: &[u8]) -> Option<&[u8]> {
    let header = ip.first_chunk::<20>()?;
    let first = u16::from_be_bytes([header[6], header[7]]) & 0x1fff == 0;
    ip.get(usize::from(header[0] & 0xf) * 4..).filter(|_| first)
}

/// Marks congestion (RFC 3168, section 5) if the sender can take it; whether the mark is there. Kernel:
/// `INET_ECN_set_ce`.
fn set_congested(packet: &mut Packet) -> bool {
    let protocol = packet.meta.protocol;
    let start = packet.header_at(Header::Net);
    let end = packet.window().end;
    let Some(ip) = packet.buffer_mut().get_mut(start..end) else { return false };
    match (protocol, ip) {
        (IPV4, [_, tos, rest @ ..]) if rest.len() >= 18 => {
            let before = u16::from(*tos);
            if before & 3 != 0 {
                *tos |= 3;
                let after = u16::from(*tos);
                // RFC 1624, equation 3.
                let sum = u16::from_be_bytes([rest[8], rest[9]]);
                let sum = u32::from(!sum) + u32::from(!before) + u32::from(after);
                let sum = (sum & 0xffff) + (sum >> 16);
                let sum = (sum & 0xffff) + (sum >> 16);
                let [.., high, low] = (!sum).to_be_bytes();
                (rest[8], rest[9]) = (high, low);
            }
            before & 3 != 0
        }
        (IPV6, [_, class, rest @ ..]) if rest.len() >= 38 => {
            let capable = *class & 0x30 != 0;
            if capable {
                *class |= 0x30;
            }
            capable
        }
        _ => false,
    }
}
