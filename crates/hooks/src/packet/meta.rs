//! What is known of a packet besides its bytes.

use crate::{LinkType, PktType};

/// Metadata of a packet: of the capture, and the fields of `struct __sk_buff`
/// (`include/uapi/linux/bpf.h`) that live outside the bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketMeta {
    /// When it was captured, in nanoseconds since 1970.
    pub timestamp: u64,
    /// Its length on the wire, before a capture cut it.
    pub wire_len: u32,
    /// What the frame starts with.
    pub link: LinkType,
    /// The interface: its index, or 1 + its number in the capture.
    pub ifindex: u32,
    /// The interface it came in by, 0 if it was made here.
    pub ingress_ifindex: u32,
    /// The interface an XDP program in a device map sends it to.
    pub egress_ifindex: u32,
    /// The receive queue.
    pub rx_queue: u32,
    /// A VLAN tag beside the bytes.
    pub vlan: Option<VlanTag>,
    /// `skb->mark`.
    pub mark: u32,
    /// `skb->priority`.
    pub priority: u32,
    /// `skb->hash`, 0 if not computed.
    pub hash: u32,
    /// Ethertype, as a number of the host: 0x0800 is IPv4.
    pub protocol: u16,
    /// To whom it was sent.
    pub pkt_type: PktType,
    /// The transmit queue.
    pub queue_mapping: u16,
    /// `skb->tc_index`.
    pub tc_index: u16,
    /// Scratch words between programs.
    pub cb: [u32; 5],
    /// The traffic class.
    pub tc_classid: u16,
    /// The NAPI instance that received it.
    pub napi_id: u32,
    /// The socket's addresses, for cgroup programs.
    pub sock: SockFields,
    /// `skb->tstamp`: time of receipt, or of departure on egress.
    pub tstamp: u64,
    /// Clock of `tstamp`, `BPF_SKB_CLOCK_*`.
    pub tstamp_type: u8,
    /// Segments in an offloaded packet.
    pub gso_segs: u32,
    /// Length of their payload, 0 for an ordinary packet.
    pub gso_size: u32,
    /// The device's time stamp.
    pub hwtstamp: u64,
}

/// A VLAN tag (IEEE 802.1Q), as numbers of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VlanTag {
    /// 0x8100 or 0x88a8.
    pub proto: u16,
    /// Priority, drop eligibility and VLAN id.
    pub tci: u16,
}

/// The fields `family` to `local_port` of `struct __sk_buff`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SockFields {
    /// `AF_INET`, `AF_INET6` or 0.
    pub family: u32,
    /// The peer's IPv4 address, in network order.
    pub remote_ip4: [u8; 4],
    /// The own IPv4 address, in network order.
    pub local_ip4: [u8; 4],
    /// The peer's IPv6 address, in network order.
    pub remote_ip6: [u8; 16],
    /// The own IPv6 address, in network order.
    pub local_ip6: [u8; 16],
    /// The peer's port, as a number of the host.
    pub remote_port: u16,
    /// The own port, as a number of the host.
    pub local_port: u16,
}

impl SockFields {
    /// As the other end sees it.
    pub(crate) const fn swapped(self) -> Self {
        Self {
            family: self.family,
            remote_ip4: self.local_ip4,
            local_ip4: self.remote_ip4,
            remote_ip6: self.local_ip6,
            local_ip6: self.remote_ip6,
            remote_port: self.local_port,
            local_port: self.remote_port,
        }
    }
}
