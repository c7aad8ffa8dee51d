//! A packet on its way out.

use super::{Packet, VlanTag};
use crate::LinkType;
use std::io::{self, Write};

/// The two MAC addresses, which a VLAN tag follows.
const TAG_AT: usize = 12;
/// Bytes of a tag.
const TAG_LEN: usize = 4;

/// The bytes of a packet as they go to a file or a device: a VLAN tag beside the packet is back in
/// its place. Not copied until written.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    head: &'a [u8],
    tag: Option<[u8; TAG_LEN]>,
    rest: &'a [u8],
}

impl Frame<'_> {
    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.head.len() + self.tag.map_or(0, |tag| tag.len()) + self.rest.len()
    }

    /// Whether there is no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the bytes.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(self.head)?;
        if let Some(tag) = self.tag {
            out.write_all(&tag)?;
        }
        out.write_all(self.rest)
    }

    /// The bytes, if they are in one piece.
    #[must_use]
    pub fn as_slice(&self) -> Option<&[u8]> {
        if self.tag.is_none() && self.rest.is_empty() { Some(self.head) } else { None }
    }

    /// The bytes in one piece.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        [self.head, self.tag.as_ref().map_or(&[][..], |tag| tag), self.rest].concat()
    }
}

impl Packet {
    /// The frame to write. Only Ethernet has a place for a VLAN tag.
    #[must_use]
    pub fn frame(&self) -> Frame<'_> {
        let bytes = &self.0.buf[self.0.mac..self.0.end];
        match (self.tag_to_write(), bytes.split_at_checked(TAG_AT)) {
            (Some(tag), Some((head, rest))) => Frame { head, tag: Some(tag.to_bytes()), rest },
            _ => Frame { head: bytes, tag: None, rest: &[] },
        }
    }

    /// The tag that [`Packet::frame`] puts back.
    fn tag_to_write(&self) -> Option<VlanTag> {
        let has_place = self.0.meta.link == LinkType::ETHERNET && self.frame_len() >= TAG_AT;
        self.0.meta.vlan.filter(|_| has_place)
    }

    /// The frame's length on the wire: that of the capture, changed by what programs added and
    /// took away, and never below the bytes there are.
    #[must_use]
    pub fn wire_len(&self) -> u32 {
        let now = self.frame_len() + if self.tag_to_write().is_some() { TAG_LEN } else { 0 };
        let wire = usize::try_from(self.0.meta.wire_len).unwrap_or(usize::MAX);
        let changed = wire.saturating_add(now).saturating_sub(self.0.captured);
        u32::try_from(changed.max(now)).unwrap_or(u32::MAX)
    }
}

impl VlanTag {
    pub(super) const fn to_bytes(self) -> [u8; TAG_LEN] {
        let ([a, b], [c, d]) = (self.proto.to_be_bytes(), self.tci.to_be_bytes());
        [a, b, c, d]
    }
}
