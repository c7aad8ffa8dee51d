//! The packet hooks: what a program of each sees, may change, and says.

mod ctx;
mod verdict;

pub use verdict::{Action, Verdict};

use crate::link::ethertype;
use crate::packet::SockFields;
use crate::{Header, Packet};

/// Where in the kernel's path of a packet a program runs.
///
/// The life of a packet at a hook:
///
/// ```
/// use skep_hooks::{Hook, Packet, PacketMeta};
///
/// let (hook, base) = (Hook::TcIngress, 0x1000);
/// let (mut packet, mut ctx) = (Packet::new(), Vec::new());
/// packet.reset(&[0; 60], PacketMeta::default());
/// packet.untag(); // as received packets are; not for XDP
/// hook.enter(&mut packet);
/// hook.write_ctx(&packet, base, &mut ctx);
/// let r0 = 2; // the program runs, with `packet.window()` of `packet.buffer_mut()` at `base`
/// hook.read_ctx(&mut packet, &ctx);
/// assert_eq!(hook.verdict(r0).to_string(), "TC_ACT_SHOT");
/// ```
///
/// A helper that changes the packet stands between `read_ctx` and `write_ctx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    /// In the driver, before the kernel looks at the packet.
    Xdp,
    /// A classifier in direct-action mode, or a tcx link, on received packets.
    TcIngress,
    /// The same on packets to send.
    TcEgress,
    /// An action of tc.
    SchedAct,
    /// A filter of a packet socket.
    SocketFilter,
    /// A cgroup's filter of what its sockets receive.
    CgroupSkbIngress,
    /// A cgroup's filter of what its sockets send.
    CgroupSkbEgress,
}

impl Hook {
    /// Whether programs get a `struct __sk_buff`. Those see a received packet after
    /// [`Packet::untag`].
    #[must_use]
    pub const fn is_skb(self) -> bool {
        !matches!(self, Self::Xdp)
    }

    /// The header that a program's data begins with. A socket filter belongs to a raw packet
    /// socket.
    #[must_use]
    pub const fn starts_at(self) -> Header {
        match self {
            Self::CgroupSkbIngress | Self::CgroupSkbEgress => Header::Net,
            Self::Xdp | Self::TcIngress | Self::TcEgress | Self::SchedAct | Self::SocketFilter => {
                Header::Mac
            }
        }
    }

    /// Makes a packet what the hook's programs expect: data from the right header on, protocol,
    /// socket addresses, and clean scratch words where the kernel does not pass them on.
    pub fn enter(self, packet: &mut Packet) {
        packet.classify();
        packet.enter();
        packet.show_from(self.starts_at());
        match self {
            Self::Xdp | Self::TcIngress | Self::TcEgress | Self::SchedAct => {}
            // Kernel: `bpf_prog_run_clear_cb`, `bpf_prog_run_save_cb`.
            Self::SocketFilter => packet.meta.cb = [0; 5],
            Self::CgroupSkbIngress | Self::CgroupSkbEgress => {
                packet.meta.cb = [0; 5];
                packet.meta.sock = sock_fields(packet, self == Self::CgroupSkbIngress);
            }
        }
    }
}

/// The addresses of the socket that a packet, seen from its network header, belongs to.
fn sock_fields(packet: &Packet, received: bool) -> SockFields {
    let addrs = match packet.meta.protocol {
        ethertype::IPV4 => ipv4_addrs(packet.data()),
        ethertype::IPV6 => ipv6_addrs(packet.data()),
        _ => None,
    };
    let addrs = addrs.unwrap_or_default();
    if received { addrs.swapped() } else { addrs }
}

/// `AF_INET`.
const AF_INET: u32 = 2;
/// `AF_INET6`.
const AF_INET6: u32 = 10;

/// RFC 791, section 3.1; the sender is local.
fn ipv4_addrs(ip: &[u8]) -> Option<SockFields> {
    let header = ip.first_chunk::<20>()?;
    let ihl = usize::from(header[0] & 0xf) * 4;
    // Later fragments have no ports.
    let first = u16::from_be_bytes([header[6], header[7]]) & 0x1fff == 0;
    let (local_port, remote_port) = if first { ports(header[9], ip.get(ihl..)) } else { (0, 0) };
    Some(SockFields {
        family: AF_INET,
        local_ip4: *header[12..].first_chunk()?,
        remote_ip4: *header[16..].first_chunk()?,
        local_port,
        remote_port,
        ..SockFields::default()
    })
}

/// RFC 8200, section 3; the sender is local. Extension headers hide the ports.
fn ipv6_addrs(ip: &[u8]) -> Option<SockFields> {
    let header = ip.first_chunk::<40>()?;
    let (local_port, remote_port) = ports(header[6], ip.get(40..));
    Some(SockFields {
        family: AF_INET6,
        local_ip6: *header[8..].first_chunk()?,
        remote_ip6: *header[24..].first_chunk()?,
        local_port,
        remote_port,
        ..SockFields::default()
    })
}

/// Source and destination port of TCP and UDP.
fn ports(protocol: u8, segment: Option<&[u8]>) -> (u16, u16) {
    match (protocol, segment.and_then(|s| s.first_chunk())) {
        (6 | 17, Some(&[a, b, c, d])) => (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])),
        _ => (0, 0),
    }
}
