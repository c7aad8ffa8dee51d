//! Packets as both engines take them.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use skep_abi::ProgType;
use skep_hooks::{LinkType, Packet, PacketMeta, PktType};

/// An Ethernet frame.
#[derive(Clone, Debug)]
pub struct Frame<'a>(pub &'a [u8]);

/// The loopback device, which test runs pretend to receive from.
const LOOPBACK: u32 = 1;
const ETH_HLEN: usize = 14;

impl Frame<'_> {
    /// Bytes that a test run puts in front of what the program saw.
    pub(crate) const fn extra(prog_type: ProgType) -> usize {
        match prog_type {
            ProgType::Xdp | ProgType::SchedCls | ProgType::SchedAct => 0,
            _ => ETH_HLEN,
        }
    }

    /// The packet that `BPF_PROG_TEST_RUN` makes of it, for the user engine. Socket filters are shown
    /// the frame from its network header on, as those of cooked packet sockets are: to them it is IP
    /// without a link header.
    pub(crate) fn for_user(&self, prog_type: ProgType, packet: &mut Packet) {
        let (bytes, link) = match prog_type {
            ProgType::SocketFilter => (self.0.get(ETH_HLEN..).unwrap_or_default(), LinkType::RAW),
            _ => (self.0, LinkType::ETHERNET),
        };
        let meta = PacketMeta {
            wire_len: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            link,
            ifindex: LOOPBACK,
            ingress_ifindex: if prog_type == ProgType::Xdp { LOOPBACK } else { 0 },
            pkt_type: self.pkt_type(),
            ..PacketMeta::default()
        };
        packet.reset(bytes, meta);
    }

    /// To whom the frame is on a device whose address is all zeroes. Kernel: `eth_skb_pkt_type`.
    fn pkt_type(&self) -> PktType {
        match self.0.first_chunk::<6>() {
            Some([0, 0, 0, 0, 0, 0]) => PktType::Host,
            Some([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]) => PktType::Broadcast,
            Some([first, ..]) if first & 1 == 1 => PktType::Multicast,
            _ => PktType::OtherHost,
        }
    }
}

/// Random bytes of a frame: of IP, or of a protocol that neither engine knows, perhaps behind one VLAN tag
/// or two. Those of IP must be long enough for its header.
#[must_use]
pub fn packet(seed: u64, len: usize) -> Vec<u8> {
    /// IPv4, IPv6 and local experiments: IEEE 802, table of EtherTypes.
    const PROTOCOLS: [[u8; 2]; 3] = [[0x08, 0x00], [0x86, 0xdd], [0x88, 0xb5]];
    /// IEEE 802.1Q, 802.1ad.
    const TAGS: [[u8; 2]; 2] = [[0x81, 0x00], [0x88, 0xa8]];
    let mut rng = StdRng::seed_from_u64(seed);
    let mut bytes: Vec<u8> = (0..len).map(|_| rng.random()).collect();
    let mut put = |at: usize, protocol: [u8; 2]| {
        if let Some(place) = bytes.get_mut(at..at + 2) {
            place.copy_from_slice(&protocol);
        }
    };
    put(12, PROTOCOLS[rng.random_range(0..PROTOCOLS.len())]);
    for at in 0..[0, 0, 0, 0, 1, 2][rng.random_range(0..6)] {
        put(12 + 4 * at, TAGS[rng.random_range(0..TAGS.len())]);
        put(16 + 4 * at, PROTOCOLS[rng.random_range(0..PROTOCOLS.len())]);
    }
    bytes
}
