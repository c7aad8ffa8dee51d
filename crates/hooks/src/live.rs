//! Devices: packet sockets and TUN/TAP.

mod control;
mod ring;
mod socket;
mod sys;
mod tap;

pub use ring::{Direction, PacketRing, RingOptions, RingStats};
pub use socket::{PacketSender, PacketSocket, SocketOptions};
pub use tap::{Tap, TapKind};

use std::ffi::CString;
use std::io;

/// The longest frame a device hands out: a packet of segments, with room to spare.
const MAX_FRAME: usize = 1 << 17;

/// Why a device could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named in the messages")]
pub enum DeviceError {
    /// Names have 1 to 15 bytes and no zero.
    #[error("{name:?} cannot be the name of an interface")]
    Name { name: String },
    /// Frames of the device start with something that hooks do not know.
    #[error("{device} has hardware type {hardware}, which is neither Ethernet nor bare IP")]
    Hardware { device: String, hardware: u16 },
    /// The kernel refused for want of privilege.
    #[error("{op} on {device} is not permitted, it needs {needs}")]
    Permission { op: &'static str, device: String, needs: &'static str, source: io::Error },
    /// The kernel refused.
    #[error("{op} on {device} failed")]
    System { op: &'static str, device: String, source: io::Error },
}

/// The name of a device, to give errors a place.
#[derive(Clone, Debug)]
struct Device {
    name: String,
    c_name: CString,
}

impl Device {
    fn new(name: &str) -> Result<Self, DeviceError> {
        let bad = || DeviceError::Name { name: name.to_owned() };
        let c_name = CString::new(name).map_err(|_| bad())?;
        // IFNAMSIZ, less the zero at the end.
        if !(1..=15).contains(&name.len()) {
            return Err(bad());
        }
        Ok(Self { name: name.to_owned(), c_name })
    }

    /// What an error of `op` means; `needs` says which privilege `op` takes.
    fn failed(
        &self,
        op: &'static str,
        needs: &'static str,
    ) -> impl FnOnce(io::Error) -> DeviceError {
        let device = self.name.clone();
        move |source| match source.kind() {
            io::ErrorKind::PermissionDenied => {
                DeviceError::Permission { op, device, needs, source }
            }
            _ => DeviceError::System { op, device, source },
        }
    }
}
