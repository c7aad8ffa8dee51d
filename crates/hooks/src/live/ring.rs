//! Capturing at speed: a ring of blocks that the kernel fills and this process reads (packet(7),
//! `TPACKET_V3`).

use super::{Device, DeviceError, socket, sys};
use crate::capture::CaptureError;
use crate::{
    Interface, LinkType, Next, Packet, PacketMeta, PacketSource, PktType, Progress, VlanTag,
};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

const NEEDS: &str = "CAP_NET_RAW";
/// Interfaces that `any` stands for are not told apart by the socket, but by each packet.
const ANY: &str = "any";
/// `TPACKET_V3`.
const VERSION: i32 = 2;
/// Bytes of a block: longer frames than any device has fit.
const BLOCK: u32 = 1 << 20;
/// For the sake of the kernel's arithmetic; frames have the lengths they have.
const FRAME: u32 = 1 << 11;
const EVERY_PROTOCOL: u16 = 3;
/// `TP_STATUS_USER`: the block is ours.
const OURS: u32 = 1;
/// Where a block says its status, how many packets it holds, and where the first is.
const STATUS: usize = 8;
const PACKETS: usize = 12;
const FIRST: usize = 16;
/// Bytes of `struct tpacket3_hdr`, aligned, after which the sender's address stands.
const HEADER: usize = 48;
const VLAN_VALID: u32 = 1 << 4;
const TPID_VALID: u32 = 1 << 6;
/// Protocols that are VLAN tags.
const TAGS: [u16; 2] = [0x8100, 0x88a8];
/// Bytes of the second cooked header.
const COOKED: usize = 20;
const COOKED_ON_WIRE: u32 = 20;

/// How to capture.
#[derive(Clone, Debug)]
pub struct RingOptions<'a> {
    /// Bytes of a packet to keep.
    pub snaplen: u32,
    /// Whether frames to other hosts are wanted too.
    pub promiscuous: bool,
    /// Bytes of the ring.
    pub buffer: u32,
    /// How long the kernel may hold packets back to hand over many at once.
    pub delay: Duration,
    /// How long one call waits for a packet.
    pub timeout: Duration,
    /// A classic program for the kernel to filter with, as (code, jt, jf, k). On all interfaces at once it sees
    /// packets from the network header on: the cooked header is made here.
    pub filter: Option<&'a [(u16, u8, u8, u32)]>,
    /// A program of the kernel instead, of the type for sockets; `filter` is not attached then.
    pub program: Option<BorrowedFd<'a>>,
    /// Which way packets must go.
    pub direction: Direction,
}

/// Which way packets go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Either way.
    #[default]
    Both,
    /// To this host.
    In,
    /// From this host.
    Out,
}

/// `ARPHRD_LOOPBACK`.
const LOOPBACK: u16 = 772;

/// What the kernel counted, since the capture began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingStats {
    /// Packets that passed the filter, dropped ones included.
    pub received: u64,
    /// Packets for which there was no room in the ring.
    pub dropped: u64,
    /// How often the ring was full.
    pub full: u64,
}

/// A ring of packets of an interface, or of all. Needs CAP_NET_RAW.
pub struct PacketRing {
    fd: OwnedFd,
    ring: sys::Mapping,
    interface: [Interface; 1],
    cooked: bool,
    snaplen: usize,
    timeout: Duration,
    direction: Direction,
    blocks: usize,
    /// The block being read.
    block: usize,
    /// Packets left in it, and where the next one is; 0 packets if it is not ours.
    left: u32,
    at: usize,
    held: bool,
    /// Whether the last packet had a VLAN tag.
    tagged: bool,
    /// Whether the interface has ever gone down, since when it may be gone: packets from before come after that.
    down: bool,
    stats: RingStats,
    scratch: Vec<u8>,
    read: u64,
}

impl PacketRing {
    /// Captures on the interface with a name, which has to be up, or on all for `any`.
    pub fn open(name: &str, options: &RingOptions<'_>) -> Result<Self, DeviceError> {
        let device = Device::new(name)?;
        let cooked = name == ANY;
        let ifindex = if cooked { 0 } else { socket::find(&device)? };
        let fd = sys::packet_socket_of(cooked)
            .map_err(device.failed("opening a packet socket", NEEDS))?;
        let setup = || -> io::Result<(sys::Mapping, usize)> {
            if let Some(program) = options.program {
                let number = program.as_raw_fd().to_ne_bytes();
                sys::set_option(&fd, libc::SOL_SOCKET, libc::SO_ATTACH_BPF, &number)?;
            } else if let Some(filter) = options.filter {
                sys::attach_filter(&fd, filter)?;
            }
            if options.promiscuous && !cooked {
                socket::promiscuous(&fd, ifindex)?;
            }
            set_up(&fd, options)
        };
        let (ring, blocks) = setup().map_err(device.failed("setting up the ring", NEEDS))?;
        // An interface that is down does not fail to be bound to: the error waits.
        let bound = sys::bind(&fd, ifindex, EVERY_PROTOCOL).and_then(|()| sys::take_error(&fd));
        bound.map_err(device.failed("listening", NEEDS))?;
        let link = if cooked { LinkType::LINUX_SLL2 } else { socket::link_of(&device, &fd)? };
        let name = Some(name.to_owned());
        let snaplen = options.snaplen;
        Ok(Self {
            fd,
            ring,
            interface: [Interface { ifindex, name, link, nanos: true, snaplen }],
            cooked,
            snaplen: snaplen as usize,
            timeout: options.timeout,
            direction: options.direction,
            blocks,
            block: 0,
            left: 0,
            at: 0,
            held: false,
            tagged: false,
            down: false,
            stats: RingStats::default(),
            scratch: Vec::new(),
            read: 0,
        })
    }

    /// What the kernel has counted so far.
    pub fn stats(&mut self) -> io::Result<RingStats> {
        // The kernel's counters start anew each time they are read.
        let [received, dropped, full] = sys::ring_statistics(&self.fd)?;
        self.stats.received += u64::from(received);
        self.stats.dropped += u64::from(dropped);
        self.stats.full += u64::from(full);
        Ok(self.stats)
    }

    /// Whether so much waits to be read that half of the ring is full.
    #[must_use]
    pub fn is_half_full(&self) -> bool {
        let block = (self.block + self.blocks / 2) % self.blocks * BLOCK as usize;
        self.ring.load(block + STATUS) & OURS != 0
    }

    /// Whether the last packet had a VLAN tag, in which case the filter of a cooked socket may have been told another
    /// protocol than the cooked header has.
    #[must_use]
    pub const fn was_tagged(&self) -> bool {
        self.tagged
    }

    fn receive(&mut self, packet: &mut Packet) -> io::Result<Next> {
        loop {
            if self.left == 0 && !self.next_block()? {
                return Ok(Next::Idle);
            }
            if self.take(packet) {
                return Ok(Next::Packet);
            }
        }
    }

    /// Goes on to the next block that holds packets; `false` if none came in time.
    fn next_block(&mut self) -> io::Result<bool> {
        for waited in [false, true] {
            loop {
                if self.held {
                    let block = self.block * BLOCK as usize;
                    self.ring.store(block + STATUS, 0);
                    self.held = false;
                    self.block = (self.block + 1) % self.blocks;
                }
                let block = self.block * BLOCK as usize;
                if self.ring.load(block + STATUS) & OURS == 0 {
                    break;
                }
                self.held = true;
                self.left = self.word(block + PACKETS);
                self.at = block + self.word(block + FIRST) as usize;
                if self.left > 0 {
                    return Ok(true);
                }
            }
            // Nothing to read, though there was something to wake up for: an error, which would do so again.
            if waited {
                self.check()?;
            } else if !sys::wait(&self.fd, self.timeout)? {
                // The kernel says that an interface goes down, and not that it is gone then.
                return if self.down { self.check().map(|()| false) } else { Ok(false) };
            }
        }
        Ok(false)
    }

    /// What is wrong with the socket. An interface that goes down may come up again, one that is gone does not.
    fn check(&mut self) -> io::Result<()> {
        match sys::take_error(&self.fd) {
            Err(err) if err.kind() == io::ErrorKind::NetworkDown => self.down = true,
            other => other?,
        }
        match sys::bound_to(&self.fd)? {
            (..0, _) => Err(io::ErrorKind::NetworkDown.into()),
            _ => Ok(()),
        }
    }

    fn word(&self, at: usize) -> u32 {
        self.ring.bytes(at, 4).first_chunk().map_or(0, |word| u32::from_ne_bytes(*word))
    }

    /// The next packet of the block; `false` if it goes the wrong way.
    fn take(&mut self, packet: &mut Packet) -> bool {
        let at = self.at;
        self.left -= 1;
        let offset = self.word(at) as usize;
        self.at = if offset == 0 { at } else { at + offset };
        let header = self.ring.bytes(at, HEADER + 20);
        let word = |at: usize| number(header, at).map_or(0, u32::from_ne_bytes);
        let half = |at: usize| number(header, at).map_or(0, u16::from_ne_bytes);
        let (seconds, nanos) = (word(4), word(8));
        let (kept, wire, status) = (word(12) as usize, word(16), word(20));
        let mac = usize::from(half(24));
        // `struct sockaddr_ll`: family, protocol, interface, hardware, packet type, address.
        let (protocol, hardware) = (half(HEADER + 2), half(HEADER + 8));
        let ifindex = word(HEADER + 4);
        let kind = header.get(HEADER + 10).copied().unwrap_or(0);
        let addr_len = header.get(HEADER + 11).copied().unwrap_or(0);
        let outgoing = kind == 4;
        let wanted = match self.direction {
            // What goes out of a loopback interface comes in there again.
            _ if outgoing && hardware == LOOPBACK => false,
            Direction::Both => true,
            Direction::In => !outgoing,
            Direction::Out => outgoing,
        };
        if !wanted {
            return false;
        }
        let vlan = (status & VLAN_VALID != 0).then(|| VlanTag {
            tci: half(32),
            proto: if status & TPID_VALID != 0 { half(36) } else { 0x8100 },
        });
        self.tagged = vlan.is_some() || TAGS.contains(&u16::from_be(protocol));
        let timestamp = u64::from(seconds) * 1_000_000_000 + u64::from(nanos);
        let frame = self.ring.bytes(at + mac, kept);
        let [Interface { link, .. }] = self.interface;
        let meta = PacketMeta {
            timestamp,
            tstamp: timestamp,
            wire_len: wire,
            link,
            ifindex,
            ingress_ifindex: ifindex,
            pkt_type: PktType::new(kind.into()).unwrap_or_default(),
            ..PacketMeta::default()
        };
        self.read += kept as u64;
        if self.cooked {
            let mut cooked = [0; COOKED];
            cooked[..2].copy_from_slice(&protocol.to_ne_bytes());
            cooked[4..8].copy_from_slice(&ifindex.to_be_bytes());
            cooked[8..10].copy_from_slice(&hardware.to_be_bytes());
            cooked[10] = kind;
            cooked[11] = addr_len;
            if let Some(addr) = header.get(HEADER + 12..HEADER + 20) {
                cooked[12..].copy_from_slice(addr);
            }
            let room = self.snaplen.saturating_sub(COOKED).min(frame.len());
            self.scratch.clear();
            self.scratch.extend_from_slice(&cooked);
            self.scratch.extend_from_slice(&frame[..room]);
            let wire_len = wire.saturating_add(COOKED_ON_WIRE);
            packet.reset(&self.scratch, PacketMeta { wire_len, ..meta });
            return true;
        }
        let tag = if vlan.is_some() { 4 } else { 0 };
        let room = self.snaplen.saturating_sub(tag).min(frame.len());
        let wire_len = wire.saturating_add(if vlan.is_some() { 4 } else { 0 });
        packet.reset(&frame[..room], PacketMeta { wire_len, vlan, ..meta });
        true
    }
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn set_up(fd: &OwnedFd, options: &RingOptions<'_>) -> io::Result<(sys::Mapping, usize)> {
    sys::set_option(fd, libc::SOL_PACKET, libc::PACKET_VERSION, &VERSION.to_ne_bytes())?;
    let mut blocks = options.buffer.div_ceil(BLOCK).clamp(2, 1024);
    let delay = u32::try_from(options.delay.as_millis()).unwrap_or(u32::MAX).max(1);
    loop {
        // `struct tpacket_req3`.
        let request =
            [BLOCK, blocks, FRAME, BLOCK / FRAME * blocks, delay, 0, 0].map(u32::to_ne_bytes);
        let request = request.as_flattened();
        match sys::set_option(fd, libc::SOL_PACKET, libc::PACKET_RX_RING, request) {
            // Less than asked for is better than nothing.
            Err(err) if err.raw_os_error() == Some(libc::ENOMEM) && blocks > 2 => blocks /= 2,
            Err(err) => return Err(err),
            Ok(()) => break,
        }
    }
    let len = BLOCK as usize * blocks as usize;
    Ok((sys::Mapping::new(fd, len)?, blocks as usize))
}

impl PacketSource for PacketRing {
    fn next(&mut self, packet: &mut Packet) -> Result<Next, CaptureError> {
        self.receive(packet).map_err(|source| CaptureError::Io { at: self.read, source })
    }

    fn interfaces(&self) -> &[Interface] {
        &self.interface
    }

    fn progress(&self) -> Progress {
        Progress { read: self.read, total: None }
    }
}
