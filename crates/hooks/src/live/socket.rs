//! Packet sockets (packet(7)).

use super::control::Control;
use super::{Device, DeviceError, MAX_FRAME, sys};
use crate::capture::CaptureError;
use crate::{
    Interface, LinkType, Next, Packet, PacketMeta, PacketSink, PacketSource, PktType, Progress,
    SinkError,
};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime};

/// `ETH_P_ALL`.
const EVERY_PROTOCOL: u16 = 3;
/// Room for the control messages of a packet socket.
const CONTROL: usize = 256;
const NEEDS: &str = "CAP_NET_RAW";

/// How to listen on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Whether frames to other hosts are wanted too.
    pub promiscuous: bool,
    /// Whether frames that this host sends are wanted too. Without, a program that sends packets
    /// back does not meet them again.
    pub outgoing: bool,
    /// How long one call waits for a packet.
    pub timeout: Duration,
}

/// Listens on an interface. Needs CAP_NET_RAW.
pub struct PacketSocket {
    fd: OwnedFd,
    interface: [Interface; 1],
    timeout: Duration,
    buf: Vec<u8>,
    read: u64,
}

impl PacketSocket {
    /// Listens on the interface with a name.
    pub fn open(name: &str, options: SocketOptions) -> Result<Self, DeviceError> {
        let device = Device::new(name)?;
        let ifindex = find(&device)?;
        let fd = sys::packet_socket().map_err(device.failed("opening a packet socket", NEEDS))?;
        set_options(&fd, ifindex, options).map_err(device.failed("setting up", NEEDS))?;
        sys::bind(&fd, ifindex, EVERY_PROTOCOL).map_err(device.failed("listening", NEEDS))?;
        let link = link_of(&device, &fd)?;
        let name = Some(name.to_owned());
        let interface = [Interface { ifindex, name, link, nanos: true, snaplen: 0 }];
        let buf = vec![0; MAX_FRAME];
        Ok(Self { fd, interface, timeout: options.timeout, buf, read: 0 })
    }

    fn receive(&mut self, packet: &mut Packet) -> io::Result<Next> {
        if !sys::wait(&self.fd, self.timeout)? {
            return Ok(Next::Idle);
        }
        let mut control = [0; CONTROL];
        let got = match sys::receive(&self.fd, &mut self.buf, &mut control) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(Next::Idle),
            got => got?,
        };
        let control = Control::new(&control[..got.control.min(CONTROL)]);
        let [Interface { ifindex, link, .. }] = self.interface;
        let timestamp = control.timestamp.unwrap_or_else(now);
        let tag = if control.vlan.is_some() { 4 } else { 0 };
        let meta = PacketMeta {
            timestamp,
            tstamp: timestamp,
            wire_len: u32::try_from(got.len + tag).unwrap_or(u32::MAX),
            link,
            ifindex,
            ingress_ifindex: ifindex,
            vlan: control.vlan,
            pkt_type: PktType::new(u16::from(got.pkt_type)).unwrap_or_default(),
            ..PacketMeta::default()
        };
        packet.reset(&self.buf[..got.len.min(MAX_FRAME)], meta);
        self.read += got.len as u64;
        Ok(Next::Packet)
    }
}

impl PacketSource for PacketSocket {
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

/// Sends frames on an interface. Needs CAP_NET_RAW.
pub struct PacketSender {
    /// A bound packet socket, on which write(2) sends.
    socket: File,
    link: LinkType,
}

impl PacketSender {
    /// Sends on the interface with a name.
    pub fn open(name: &str) -> Result<Self, DeviceError> {
        let device = Device::new(name)?;
        let ifindex = find(&device)?;
        let fd = sys::packet_socket().map_err(device.failed("opening a packet socket", NEEDS))?;
        // Protocol 0: frames that nobody reads must not fill the socket's queue.
        sys::bind(&fd, ifindex, 0).map_err(device.failed("binding", NEEDS))?;
        let link = link_of(&device, &fd)?;
        Ok(Self { socket: File::from(fd), link })
    }
}

impl PacketSink for PacketSender {
    fn write(&mut self, packet: &Packet) -> Result<(), SinkError> {
        send(&mut self.socket, self.link, packet)
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// Sends a frame in one write(2) to a device of frames of type `device`.
pub(super) fn send(file: &mut File, device: LinkType, packet: &Packet) -> Result<(), SinkError> {
    let link = packet.meta.link;
    let bare_ip = [LinkType::RAW, LinkType::IPV4, LinkType::IPV6];
    if link != device && !(device == LinkType::RAW && bare_ip.contains(&link)) {
        return Err(SinkError::Device { device, link });
    }
    Ok(file.write_all(&packet.frame().to_vec())?)
}

/// The present in nanoseconds since 1970.
pub(super) fn now() -> u64 {
    let elapsed = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}

/// Index of the interface. It is looked for before anything that takes privilege: who lacks that as well hears of what no
/// privilege mends.
pub(super) fn find(device: &Device) -> Result<u32, DeviceError> {
    sys::ifindex(&device.c_name).map_err(device.failed("looking up the interface", NEEDS))
}

fn set_options(fd: &OwnedFd, ifindex: u32, options: SocketOptions) -> io::Result<()> {
    let on = 1_i32.to_ne_bytes();
    sys::set_option(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &on)?;
    sys::set_option(fd, libc::SOL_PACKET, libc::PACKET_AUXDATA, &on)?;
    if !options.outgoing {
        sys::set_option(fd, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &on)?;
    }
    if options.promiscuous {
        promiscuous(fd, ifindex)?;
    }
    Ok(())
}

/// Asks for frames to other hosts too, as long as the socket is open.
pub(super) fn promiscuous(fd: &OwnedFd, ifindex: u32) -> io::Result<()> {
    // `struct packet_mreq`: interface, kind, an address of no length.
    let mut request = [0; 16];
    request[..4].copy_from_slice(&ifindex.to_ne_bytes());
    let kind = u16::try_from(libc::PACKET_MR_PROMISC).map_err(io::Error::other)?;
    request[4..6].copy_from_slice(&kind.to_ne_bytes());
    sys::set_option(fd, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &request)
}

/// What frames of the bound interface start with.
pub(super) fn link_of(device: &Device, fd: &OwnedFd) -> Result<LinkType, DeviceError> {
    let (_, hardware) = sys::bound_to(fd).map_err(device.failed("reading the address", NEEDS))?;
    match hardware {
        libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => Ok(LinkType::ETHERNET),
        libc::ARPHRD_NONE
        | libc::ARPHRD_PPP
        | libc::ARPHRD_RAWHDLC
        | libc::ARPHRD_TUNNEL
        | libc::ARPHRD_TUNNEL6
        | libc::ARPHRD_SIT
        | libc::ARPHRD_IPGRE => Ok(LinkType::RAW),
        _ => Err(DeviceError::Hardware { device: device.name.clone(), hardware }),
    }
}
