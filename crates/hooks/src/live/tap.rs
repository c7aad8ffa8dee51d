//! TUN and TAP devices (`Documentation/networking/tuntap.rst`).

use super::socket::{now, send};
use super::{Device, DeviceError, MAX_FRAME, sys};
use crate::capture::CaptureError;
use crate::{
    Interface, LinkType, Next, Packet, PacketMeta, PacketSink, PacketSource, Progress, SinkError,
};
use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

const CLONE: &str = "/dev/net/tun";
const NEEDS: &str = "CAP_NET_ADMIN, or a device given to this user, and access to /dev/net/tun";

/// What a device carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapKind {
    /// IP packets.
    Tun,
    /// Ethernet frames.
    Tap,
}

impl TapKind {
    const fn flags(self) -> i32 {
        match self {
            Self::Tun => libc::IFF_TUN | libc::IFF_NO_PI,
            Self::Tap => libc::IFF_TAP | libc::IFF_NO_PI,
        }
    }

    const fn link(self) -> LinkType {
        match self {
            Self::Tun => LinkType::RAW,
            Self::Tap => LinkType::ETHERNET,
        }
    }
}

/// The far end of a TUN or TAP device: reads what the host sends on it, and what it writes the host
/// receives. A device that did not exist lives as long as this and its clones.
pub struct Tap {
    file: File,
    interface: [Interface; 1],
    timeout: Duration,
    buf: Vec<u8>,
    read: u64,
}

impl Tap {
    /// Attaches to the device with a name, or creates it. One call of [`PacketSource::next`] waits
    /// for `timeout`.
    pub fn open(name: &str, kind: TapKind, timeout: Duration) -> Result<Self, DeviceError> {
        let device = Device::new(name)?;
        let file = File::options()
            .read(true)
            .write(true)
            .open(CLONE)
            .map_err(device.failed("opening /dev/net/tun", NEEDS))?;
        sys::set_tap(&file, &device.c_name, kind.flags())
            .map_err(device.failed("attaching", NEEDS))?;
        let ifindex = sys::ifindex(&device.c_name)
            .map_err(device.failed("looking up the interface", NEEDS))?;
        let name = Some(name.to_owned());
        let link = kind.link();
        let interface = [Interface { ifindex, name, link, nanos: true, snaplen: 0 }];
        Ok(Self { file, interface, timeout, buf: vec![0; MAX_FRAME], read: 0 })
    }

    /// The same device once more, so that it can be source and sink.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            file: self.file.try_clone()?,
            interface: self.interface.clone(),
            timeout: self.timeout,
            buf: vec![0; MAX_FRAME],
            read: 0,
        })
    }

    fn receive(&mut self, packet: &mut Packet) -> io::Result<Next> {
        if !sys::wait(&self.file, self.timeout)? {
            return Ok(Next::Idle);
        }
        let len = match self.file.read(&mut self.buf) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(Next::Idle),
            len => len?,
        };
        let bytes = &self.buf[..len];
        let [Interface { ifindex, link, .. }] = self.interface;
        let timestamp = now();
        let meta = PacketMeta {
            timestamp,
            tstamp: timestamp,
            wire_len: u32::try_from(len).unwrap_or(u32::MAX),
            link,
            ifindex,
            ingress_ifindex: ifindex,
            pkt_type: link.pkt_type(bytes),
            ..PacketMeta::default()
        };
        packet.reset(bytes, meta);
        self.read += len as u64;
        Ok(Next::Packet)
    }
}

impl PacketSource for Tap {
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

impl PacketSink for Tap {
    fn write(&mut self, packet: &Packet) -> Result<(), SinkError> {
        let [Interface { link, .. }] = self.interface;
        send(&mut self.file, link, packet)
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}
