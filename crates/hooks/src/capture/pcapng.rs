//! The block-structured capture file (draft-ietf-opsawg-pcapng).
//!
//! A file is one section or several; each starts with a header that fixes the byte order and has
//! interfaces of its own. Blocks of other kinds are skipped without being held in memory.

mod block;

use super::input::Input;
use super::{CaptureError, Interface, MAX_CAPTURED, Next, PacketSource, Progress, Unit};
use crate::{LinkType, Packet, PacketMeta, PktType};
use block::{Body, option};

/// Type of a section header block, the same in both byte orders.
pub(super) const MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const MAJOR: u16 = 1;
/// Type and length.
const HEAD: usize = 8;
/// The length again, at the end.
const TRAILER: usize = 4;
/// The longest block that is looked into: a packet and a lot of options.
const MAX_BLOCK: u32 = 1 << 20;
/// More interfaces than a host has.
const MAX_INTERFACES: usize = 1 << 16;

/// Types of blocks, section 4 of the draft.
mod kind {
    pub(super) const SECTION: u32 = 0x0a0d_0d0a;
    pub(super) const INTERFACE: u32 = 1;
    /// Obsolete, appendix A.
    pub(super) const PACKET: u32 = 2;
    pub(super) const SIMPLE: u32 = 3;
    pub(super) const ENHANCED: u32 = 6;
}

/// Reader of a pcapng file.
pub(super) struct Pcapng {
    input: Input,
    big_endian: bool,
    interfaces: Vec<Interface>,
    clocks: Vec<Clock>,
    /// Where this section's interfaces begin.
    section: usize,
    blocks: u64,
}

/// How an interface counts time, and how much of a packet it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Clock {
    /// `if_tsresol`: a negative power of 10, or with the upper bit set of 2.
    resolution: u8,
    /// `if_tsoffset`, in seconds.
    offset: i64,
    snaplen: u32,
}

impl Clock {
    const MICROS: u8 = 6;

    /// Nanoseconds since 1970, within what 64 bits can say.
    fn nanos(self, ticks: u64) -> u64 {
        let exponent = u32::from(self.resolution & 0x7f);
        let ticks = u128::from(ticks);
        let nanos = match (self.resolution & 0x80 != 0, exponent) {
            (true, _) => (ticks * 1_000_000_000) >> exponent,
            (false, 0..=9) => ticks * 10_u128.pow(9 - exponent),
            (false, _) => 10_u128.checked_pow(exponent - 9).map_or(0, |unit| ticks / unit),
        };
        // Both are below 2^94.
        let nanos = nanos.cast_signed() + i128::from(self.offset) * 1_000_000_000;
        u64::try_from(nanos.max(0)).unwrap_or(u64::MAX)
    }

    const fn finer_than_micros(self) -> bool {
        match self.resolution & 0x80 {
            0 => self.resolution > Self::MICROS,
            _ => self.resolution & 0x7f > 19,
        }
    }
}

/// A block that is there in full length but not consumed.
struct Head {
    unit: Unit,
    at: u64,
    kind: u32,
    len: u32,
}

impl Pcapng {
    /// Reads up to the first packet, so that the interfaces at the front are known.
    pub(super) fn new(input: Input) -> Result<Self, CaptureError> {
        let mut this = Self {
            input,
            big_endian: false,
            interfaces: Vec::new(),
            clocks: Vec::new(),
            section: 0,
            blocks: 0,
        };
        let head = this.head()?.ok_or(CaptureError::Empty)?;
        this.describe(&head)?;
        while let Some(head) = this.head()? {
            if head.is_packet() {
                break;
            }
            this.describe(&head)?;
        }
        Ok(this)
    }

    /// Type and length of the next block; `None` at the end.
    fn head(&mut self) -> Result<Option<Head>, CaptureError> {
        let (at, unit) = (self.input.at(), Unit::Block(self.blocks + 1));
        let cut = |have, want| Err(CaptureError::Truncated { unit, at, have, want });
        let bytes = match self.input.peek(HEAD + 4)? {
            [] => return Ok(None),
            bytes => bytes,
        };
        let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else {
            return cut(bytes.len(), HEAD);
        };
        let mut big_endian = self.big_endian;
        if head.starts_with(&MAGIC) {
            let Some(order) = rest.first_chunk() else { return cut(bytes.len(), HEAD + 4) };
            big_endian = match u32::from_be_bytes(*order) {
                BYTE_ORDER => true,
                order if order.swap_bytes() == BYTE_ORDER => false,
                order => {
                    let (value, expected) = (u64::from(order), u64::from(BYTE_ORDER));
                    let field = "byte-order magic";
                    return Err(CaptureError::Inconsistent { unit, at, field, value, expected });
                }
            };
        }
        let body = Body::new(head, big_endian);
        let head = Head { unit, at, kind: body.u32(0), len: body.u32(4) };
        head.check_len()?;
        self.big_endian = big_endian;
        Ok(Some(head))
    }

    /// The body of a block that is to be looked into.
    fn body(&mut self, head: &Head) -> Result<Body<'_>, CaptureError> {
        let Head { unit, at, len, .. } = *head;
        let want = len as usize;
        let bytes = self.input.peek(want)?;
        if bytes.len() < want {
            return Err(CaptureError::Truncated { unit, at, have: bytes.len(), want });
        }
        let end = want - TRAILER;
        let trailer = Body::new(&bytes[end..], self.big_endian).u32(0);
        if trailer != len {
            let (value, expected) = (u64::from(trailer), u64::from(len));
            let field = "second length";
            return Err(CaptureError::Inconsistent { unit, at, field, value, expected });
        }
        Ok(Body::new(&bytes[HEAD..end], self.big_endian))
    }

    /// Takes in a block that is no packet, and consumes it.
    fn describe(&mut self, head: &Head) -> Result<(), CaptureError> {
        match head.kind {
            kind::SECTION => self.section(head)?,
            kind::INTERFACE => self.interface(head)?,
            _ => return self.skip(head),
        }
        self.consume(head);
        Ok(())
    }

    fn consume(&mut self, head: &Head) {
        self.input.consume(head.len as usize);
        self.blocks += 1;
    }

    fn skip(&mut self, head: &Head) -> Result<(), CaptureError> {
        let want = head.len as usize;
        let have = self.input.skip(want)?;
        if have < want {
            let Head { unit, at, .. } = *head;
            return Err(CaptureError::Truncated { unit, at, have, want });
        }
        self.blocks += 1;
        Ok(())
    }

    /// Section 4.1.
    fn section(&mut self, head: &Head) -> Result<(), CaptureError> {
        let body = self.body(head)?;
        let (major, minor) = (body.u16(4), body.u16(6));
        if major != MAJOR {
            return Err(CaptureError::Version { format: "pcapng", major, minor, at: head.at });
        }
        self.section = self.interfaces.len();
        Ok(())
    }

    /// Section 4.2.
    fn interface(&mut self, head: &Head) -> Result<(), CaptureError> {
        if self.interfaces.len() == MAX_INTERFACES {
            let (len, limit) = (self.interfaces.len() as u64 + 1, MAX_INTERFACES as u64);
            let Head { unit, at, .. } = *head;
            let field = "number of interfaces";
            return Err(CaptureError::Oversized { unit, at, field, len, limit });
        }
        let body = self.body(head)?;
        let link = LinkType(body.u16(0));
        let mut clock = Clock { resolution: Clock::MICROS, offset: 0, snaplen: body.u32(4) };
        let mut name = None;
        for (code, value) in body.options(8) {
            match (code, value.bytes()) {
                (option::IF_NAME, bytes) => name = Some(String::from_utf8_lossy(bytes).into()),
                (option::IF_TSRESOL, &[resolution, ..]) => clock.resolution = resolution,
                (option::IF_TSOFFSET, bytes) if bytes.len() >= 8 => {
                    clock.offset = value.u64(0).cast_signed();
                }
                _ => {}
            }
        }
        let nanos = clock.finer_than_micros();
        // The number of interfaces is limited, see above.
        let ifindex = u32::try_from(self.interfaces.len() + 1).unwrap_or(u32::MAX);
        let snaplen = clock.snaplen;
        self.interfaces.push(Interface { ifindex, name, link, nanos, snaplen });
        self.clocks.push(clock);
        Ok(())
    }

    /// Reads a packet block of any kind.
    fn packet(&mut self, head: &Head, packet: &mut Packet) -> Result<(), CaptureError> {
        // An interface is looked up before the block's bytes are borrowed.
        let fields = Fields::new(head.kind, self.body(head)?);
        let index = self.section + fields.interface as usize;
        let Head { unit, at, .. } = *head;
        let (Some(interface), Some(&clock)) = (self.interfaces.get(index), self.clocks.get(index))
        else {
            let count = self.interfaces.len() - self.section;
            return Err(CaptureError::Interface { unit, at, interface: fields.interface, count });
        };
        let (link, ifindex) = (interface.link, interface.ifindex);
        let body = self.body(head)?;
        let room = body.bytes().len().saturating_sub(fields.header);
        let len = match head.kind {
            kind::SIMPLE => simple_len(fields.wire_len, clock.snaplen, room),
            _ => fields.captured,
        };
        check_captured(head, len, room)?;
        let end = fields.header + len as usize;
        let bytes = &body.bytes()[fields.header..end];
        let timestamp = if head.kind == kind::SIMPLE { 0 } else { clock.nanos(fields.ticks) };
        let mut meta = PacketMeta {
            timestamp,
            tstamp: timestamp,
            wire_len: fields.wire_len,
            link,
            ifindex,
            ingress_ifindex: ifindex,
            pkt_type: link.pkt_type(bytes),
            ..PacketMeta::default()
        };
        if head.kind != kind::SIMPLE {
            read_options(body, end.next_multiple_of(4), &mut meta);
        }
        packet.reset(bytes, meta);
        self.consume(head);
        Ok(())
    }
}

impl Head {
    const fn is_packet(&self) -> bool {
        matches!(self.kind, kind::PACKET | kind::SIMPLE | kind::ENHANCED)
    }

    /// The shortest block of the kind.
    const fn least(&self) -> u32 {
        match self.kind {
            kind::SECTION => 28,
            kind::INTERFACE => 20,
            kind::PACKET | kind::ENHANCED => 32,
            kind::SIMPLE => 16,
            _ => 12,
        }
    }

    fn check_len(&self) -> Result<(), CaptureError> {
        let Self { unit, at, kind, len } = *self;
        let value = u64::from(len);
        if len < self.least() || len % 4 != 0 {
            let expected = u64::from(len.max(self.least())).next_multiple_of(4);
            let field = "length";
            return Err(CaptureError::Inconsistent { unit, at, field, value, expected });
        }
        let held = self.is_packet() || kind == kind::SECTION || kind == kind::INTERFACE;
        if held && len > MAX_BLOCK {
            let limit = u64::from(MAX_BLOCK);
            return Err(CaptureError::Oversized { unit, at, field: "length", len: value, limit });
        }
        Ok(())
    }
}

/// The fixed fields of a packet block.
struct Fields {
    interface: u32,
    ticks: u64,
    captured: u32,
    wire_len: u32,
    /// Where the packet starts in the body.
    header: usize,
}

impl Fields {
    /// Sections 4.3 and 4.4, appendix A. The length of the body was checked.
    fn new(kind: u32, body: Body<'_>) -> Self {
        if kind == kind::SIMPLE {
            let wire_len = body.u32(0);
            return Self { interface: 0, ticks: 0, captured: wire_len, wire_len, header: 4 };
        }
        let interface = if kind == kind::PACKET { u32::from(body.u16(0)) } else { body.u32(0) };
        let ticks = u64::from(body.u32(4)) << 32 | u64::from(body.u32(8));
        Self { interface, ticks, captured: body.u32(12), wire_len: body.u32(16), header: 20 }
    }
}

/// A simple packet block does not say how much was captured.
fn simple_len(wire_len: u32, snaplen: u32, room: usize) -> u32 {
    let snaplen = if snaplen == 0 { u32::MAX } else { snaplen };
    wire_len.min(snaplen).min(u32::try_from(room).unwrap_or(u32::MAX))
}

fn check_captured(head: &Head, captured: u32, room: usize) -> Result<(), CaptureError> {
    let limit = (room as u64).min(u64::from(MAX_CAPTURED));
    let len = u64::from(captured);
    if len > limit {
        let Head { unit, at, .. } = *head;
        let field = "captured length";
        return Err(CaptureError::Oversized { unit, at, field, len, limit });
    }
    Ok(())
}

/// Section 4.3, `epb_flags` and `epb_queue`.
fn read_options(body: Body<'_>, from: usize, meta: &mut PacketMeta) {
    for (code, value) in body.options(from) {
        match (code, value.bytes().len()) {
            (option::EPB_FLAGS, 4) => {
                let flags = value.u32(0);
                let pkt_type = match (flags & 3, flags >> 2 & 7) {
                    (2, _) => PktType::Outgoing,
                    (_, 1) => PktType::Host,
                    (_, 2) => PktType::Multicast,
                    (_, 3) => PktType::Broadcast,
                    (_, 4) => PktType::OtherHost,
                    _ => continue,
                };
                meta.pkt_type = pkt_type;
            }
            (option::EPB_QUEUE, 4) => meta.rx_queue = value.u32(0),
            _ => {}
        }
    }
}

impl PacketSource for Pcapng {
    fn next(&mut self, packet: &mut Packet) -> Result<Next, CaptureError> {
        while let Some(head) = self.head()? {
            if head.is_packet() {
                self.packet(&head, packet)?;
                return Ok(Next::Packet);
            }
            self.describe(&head)?;
        }
        Ok(Next::End)
    }

    fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    fn progress(&self) -> Progress {
        self.input.progress()
    }
}

#[cfg(test)]
mod tests;
