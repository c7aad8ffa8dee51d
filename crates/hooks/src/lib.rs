//! Packets for the user engine: where they come from, what programs see and do, where they go.
//!
//! A [`PacketSource`] is a capture file or a device, a [`PacketSink`] the same for output. A
//! [`Packet`] is one buffer that every source fills and that offers what the kernel's helpers do to
//! packets, under the kernel's rules. A [`Hook`] says what a program of its kind sees of a packet
//! (its context), may change, and means by its return value. Nothing here runs programs: an engine
//! does, between [`Hook::write_ctx`] and [`Hook::read_ctx`].
//!
//! ```
//! use skep_hooks::{Hook, Interface, LinkType, Next, Packet, PacketSink, PcapWriter, open};
//!
//! let link = LinkType::ETHERNET;
//! let ethernet = Interface { ifindex: 1, name: None, link, nanos: false, snaplen: 0 };
//! let mut packet = Packet::new();
//! packet.reset(&[0xff; 60], Default::default());
//! let mut file = Vec::new();
//! PcapWriter::new(&mut file, &[ethernet])?.write(&packet)?;
//!
//! let mut source = open(std::io::Cursor::new(file))?;
//! while source.next(&mut packet)? == Next::Packet {
//!     Hook::Xdp.enter(&mut packet);
//!     packet.adjust_head(-4)?; // as a program may ask for
//!     assert_eq!(packet.data().len(), 64);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Start reading at [`Packet`]. Sources: `include/uapi/linux/bpf.h`, `net/core/filter.c` and
//! `net/core/skbuff.c` of Linux; draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng.

mod capture;
mod hook;
mod link;
mod live;
mod local;
mod packet;
mod sink;

pub use capture::{
    CaptureError, Interface, Next, PacketSource, Progress, Unit, open, open_file, open_handle,
};
pub use hook::{Action, Hook, Verdict};
pub use link::{LinkType, PktType};
pub use live::{
    DeviceError, Direction, PacketRing, PacketSender, PacketSocket, RingOptions, RingStats,
    SocketOptions, Tap, TapKind,
};
pub use local::{host_name, strftime, utc_offset};
pub use packet::{Contents, Frame, Header, Packet, PacketMeta, SockFields, VlanTag, csum_diff};
pub use sink::{Finish, Outputs, PacketSink, PcapWriter, PcapngWriter, SinkError, create};
pub use skep_abi::Errno;
