//! One packet as hooks see it.
//!
//! ```text
//! buffer   0 ............ mac-meta_len .... mac ............ net ................ end ....... hard_end
//!          headroom       metadata          frame: link header, network header …  tailroom
//! ```
//!
//! The frame is what was captured and what will be written. `data`, the first byte a program sees,
//! is the link header or the network header, as the hook wants it ([`Packet::show_from`]).
//!
//! # Invariants
//!
//! - `meta_len <= mac <= data <= end <= buf.len()`.
//! - What an operation refuses it leaves unchanged, as the kernel does.
//! - Bytes a program may see are from the capture, written by a program, or zero: nothing of an
//!   earlier packet shows through.

mod bytes;
mod csum;
mod frame;
mod meta;
mod skb;
mod vlan;
mod xdp;

pub use csum::csum_diff;
pub use frame::Frame;
pub use meta::{PacketMeta, SockFields, VlanTag};

use crate::Errno;
use std::ops::{Deref, DerefMut, Range};

/// Room in front of a frame, `XDP_PACKET_HEADROOM`.
const HEADROOM: usize = 256;
/// Room the kernel keeps behind a frame for `struct skb_shared_info` (x86-64, cache line 64).
const SHARED_INFO: usize = 320;
/// Frames live in whole pages.
const PAGE: usize = 4096;
/// The longest that operations on the length make a frame, `SKB_MAX_ALLOC` with pages of 4 KiB.
const SKB_MAX_LEN: usize = (PAGE << 2) - SHARED_INFO;
/// Length of an Ethernet header.
const ETH_HLEN: usize = 14;

/// The header a program's data, or an offset, starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The link header, `BPF_HDR_START_MAC`.
    Mac,
    /// The network header, `BPF_HDR_START_NET`.
    Net,
}

/// A packet, its metadata and room to grow. Reuse one for a whole capture: [`Packet::reset`]
/// allocates only for a packet longer than any before.
///
/// ```
/// use skep_hooks::{Packet, PacketMeta};
///
/// let mut packet = Packet::new();
/// packet.reset(&[0; 60], PacketMeta::default());
/// packet.adjust_head(-4).unwrap();
/// assert_eq!(packet.data().len(), 64);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Packet(Box<Contents>);

/// What a [`Packet`] is, behind a pointer, so that it changes hands quickly.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    buf: Vec<u8>,
    mac: usize,
    net: usize,
    data: usize,
    end: usize,
    meta_len: usize,
    /// Where an XDP program's tail ends at the latest.
    hard_end: usize,
    /// A tunnel header was put in front, so there can be no second.
    encapsulated: bool,
    /// Length of the frame when it was captured, with the tag beside it.
    captured: usize,
    /// Length on the wire when it came to the hook.
    entered: u32,
    /// Checksums that a program has declared checked, less one (`CHECKSUM_UNNECESSARY`).
    checked: Option<u8>,
    /// Everything but the bytes.
    pub meta: PacketMeta,
}

impl Deref for Packet {
    type Target = Contents;

    fn deref(&self) -> &Contents {
        &self.0
    }
}

impl DerefMut for Packet {
    fn deref_mut(&mut self) -> &mut Contents {
        &mut self.0
    }
}

impl Packet {
    /// An empty packet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the packet by a captured frame. The protocol is read from it; programs see it from
    /// the link header on until [`Packet::show_from`] says otherwise.
    pub fn reset(&mut self, bytes: &[u8], meta: PacketMeta) {
        let len = bytes.len();
        self.0.hard_end = (HEADROOM + len + SHARED_INFO).next_multiple_of(PAGE) - SHARED_INFO;
        if self.0.buf.len() < self.0.hard_end {
            self.0.buf.resize(self.0.hard_end, 0);
        }
        // Programs can move the start of the data into the headroom.
        self.0.buf[..HEADROOM].fill(0);
        self.0.buf[HEADROOM..HEADROOM + len].copy_from_slice(bytes);
        self.0.mac = HEADROOM;
        self.0.data = HEADROOM;
        self.0.end = HEADROOM + len;
        self.0.meta_len = 0;
        self.0.encapsulated = false;
        self.0.checked = None;
        self.0.meta = meta;
        self.0.captured = self.frame().len();
        self.classify();
        self.enter();
    }

    /// Reads protocol and place of the network header from the link header.
    #[inline]
    pub(crate) fn classify(&mut self) {
        let layers = self.0.meta.link.classify(&self.0.buf[self.0.mac..self.0.end]);
        self.0.meta.protocol = layers.protocol;
        self.0.net = self.0.mac + layers.header;
    }

    /// Keeps the length on the wire as programs at a hook see it, whatever they do to the packet.
    /// Kernel: `qdisc_skb_cb(skb)->pkt_len`, set before the first program.
    #[inline]
    pub(crate) fn enter(&mut self) {
        self.0.entered = self.wire_len();
    }

    /// The length on the wire when the packet came to the hook.
    pub(crate) const fn entered_len(&self) -> u32 {
        self.0.entered
    }

    /// Sets where the data that programs see begins. [`Hook::enter`](crate::Hook::enter) does it as
    /// the hook demands; what remains is `BPF_PROG_TEST_RUN`, which shows a socket filter the
    /// packet from its network header.
    pub fn show_from(&mut self, header: Header) {
        self.0.data = match header {
            Header::Mac => self.0.mac,
            Header::Net => self.0.net.clamp(self.0.mac, self.0.end),
        };
    }

    /// What a program sees between `data` and `data_end`.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.0.buf[self.0.data..self.0.end]
    }

    /// [`Packet::data`], to be written.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.0.buf[self.0.data..self.0.end]
    }

    /// XDP's metadata, between `data_meta` and `data`.
    #[must_use]
    pub fn metadata(&self) -> &[u8] {
        &self.0.buf[self.0.mac - self.0.meta_len..self.0.mac]
    }

    /// The whole buffer, headroom first. Addresses in a context are those of its bytes, see
    /// [`Hook::write_ctx`](crate::Hook::write_ctx).
    pub fn buffer_mut(&mut self) -> &mut [u8] {
        &mut self.0.buf
    }

    /// Lends the whole buffer to an engine for a run; until [`Packet::return_buffer`] the packet has
    /// no bytes, and only its bounds and metadata may be used.
    #[inline]
    pub fn take_buffer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0.buf)
    }

    /// Takes back what [`Packet::take_buffer`] lent.
    ///
    /// # Panics
    /// If the buffer has not kept its length.
    #[inline]
    pub fn return_buffer(&mut self, buf: Vec<u8>) {
        assert!(buf.len() >= self.0.end, "bug: a lent buffer came back shorter");
        self.0.buf = buf;
    }

    /// Where a header begins in the buffer.
    #[must_use]
    pub const fn header_at(&self, header: Header) -> usize {
        match header {
            Header::Mac => self.0.mac,
            Header::Net => self.0.net,
        }
    }

    /// The part of the buffer that a program may touch: metadata and data.
    #[must_use]
    #[inline]
    pub fn window(&self) -> Range<usize> {
        let start =
            if self.0.data == self.0.mac { self.0.mac - self.0.meta_len } else { self.0.data };
        start..self.0.end
    }

    /// Cuts the data that a program sees to at most `len` bytes, as a socket does with what its
    /// filter returned. The length on the wire remains.
    pub fn trim(&mut self, len: usize) {
        let before = self.frame_len();
        self.0.end = self.0.end.min(self.0.data.saturating_add(len));
        self.0.captured = self.0.captured.saturating_sub(before - self.frame_len());
    }

    fn frame_len(&self) -> usize {
        self.0.end - self.0.mac
    }

    fn data_at(&self) -> usize {
        self.0.data
    }

    /// Operations on link headers need the data to start there.
    fn at_mac(&self) -> Result<(), Errno> {
        if self.0.data == self.0.mac { Ok(()) } else { Err(Errno::EINVAL) }
    }

    /// Opens `len` bytes in front of the frame. Metadata stays adjacent. The new bytes are
    /// arbitrary.
    fn push(&mut self, len: usize) {
        self.reserve_head(len);
        let meta = self.0.mac - self.0.meta_len;
        self.0.buf.copy_within(meta..self.0.mac, meta - len);
        self.0.mac -= len;
        self.0.data = self.0.mac;
    }

    /// Drops the first `len` bytes of the frame, at most all. Metadata stays adjacent.
    fn pull(&mut self, len: usize) {
        let meta = self.0.mac - self.0.meta_len;
        self.0.buf.copy_within(meta..self.0.mac, meta + len);
        self.0.mac += len;
        self.0.data = self.0.mac;
    }

    /// Makes room for `len` bytes in front of the metadata.
    fn reserve_head(&mut self, len: usize) {
        let room = self.0.mac - self.0.meta_len;
        if len <= room {
            return;
        }
        let more = (len - room).next_multiple_of(HEADROOM);
        self.0.buf.splice(..0, std::iter::repeat_n(0, more));
        for at in [
            &mut self.0.mac,
            &mut self.0.net,
            &mut self.0.data,
            &mut self.0.end,
            &mut self.0.hard_end,
        ] {
            *at += more;
        }
    }
}
