//! Devices by name: `eth0`, `tap:NAME`, `tun:NAME`.

use crate::failure::{Failure, Kind};
use skep::{DeviceError, PacketSource};
use skep_hooks::{PacketSocket, SocketOptions, Tap, TapKind};
use std::io;
use std::time::Duration;

/// How long to wait for a packet before looking for signals.
const WAIT: Duration = Duration::from_millis(100);

/// Kind and name of a TUN or TAP device.
pub(crate) fn tap_name(name: &str) -> Option<(TapKind, &str)> {
    let (kind, name) = name.split_once(':')?;
    match kind {
        "tap" => Some((TapKind::Tap, name)),
        "tun" => Some((TapKind::Tun, name)),
        _ => None,
    }
}

/// Attaches to a TUN or TAP device, or creates it.
pub(crate) fn tap(kind: TapKind, name: &str) -> Result<Tap, Failure> {
    Tap::open(name, kind, WAIT).map_err(|err| failure(&err))
}

/// Listens on an interface.
pub(crate) fn listen(name: &str) -> Result<Box<dyn PacketSource>, Failure> {
    let options = SocketOptions { promiscuous: true, outgoing: true, timeout: WAIT };
    let socket = PacketSocket::open(name, options).map_err(|err| failure(&err))?;
    Ok(Box::new(socket))
}

/// Why a device could not be opened, for people.
pub(crate) fn failure(err: &DeviceError) -> Failure {
    let kind = match err {
        DeviceError::Name { .. } => Kind::Usage,
        DeviceError::Hardware { .. } => Kind::Unsupported,
        _ => Kind::Environment,
    };
    let failure = Failure::of(kind, err);
    match err {
        DeviceError::Permission { .. } => failure.help("run it as root, with sudo for example"),
        DeviceError::System { device, source, .. } if is_missing(source) => {
            let text = format!("{device}: no such interface");
            Failure::new(Kind::Environment, text).help("`ip link` lists the interfaces")
        }
        DeviceError::System { device, source, .. }
            if source.kind() == io::ErrorKind::NetworkDown =>
        {
            let help = format!("`ip link set {device} up`, as root");
            Failure::new(Kind::Environment, format!("{device}: the interface is not up")).help(help)
        }
        _ => failure,
    }
}

/// `ENODEV`
fn is_missing(err: &io::Error) -> bool {
    err.raw_os_error() == Some(19)
}
