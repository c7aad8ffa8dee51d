//! Netlink attributes in a packet.

use crate::packet::Packet;

/// Bytes of an attribute's header: length and type.
const HEADER: u32 = 4;
/// The two high bits of the type are flags. Linux: `NLA_TYPE_MASK`.
const TYPE_MASK: u16 = 0x3fff;

/// Offset of the first attribute of type `kind` in the list from offset `start` to the end of the
/// packet, 0 if there is none.
///
/// Kernel: `bpf_skb_get_nlattr`.
pub(super) fn find(packet: &Packet<'_>, start: u32, kind: u32) -> u32 {
    if !in_one_piece(packet, start) {
        return 0;
    }
    search(packet, start, packet.len.saturating_sub(start), kind)
}

/// The same in the list that the attribute at offset `start` contains.
///
/// Kernel: `bpf_skb_get_nlattr_nest`.
pub(super) fn find_nested(packet: &Packet<'_>, start: u32, kind: u32) -> u32 {
    if !in_one_piece(packet, start) {
        return 0;
    }
    match attribute(packet, start, packet.len.saturating_sub(start)) {
        Some((len, _)) => {
            search(packet, start.saturating_add(HEADER), len.saturating_sub(HEADER), kind)
        }
        None => 0,
    }
}

/// All bytes are at hand and there is room for a header.
fn in_one_piece(packet: &Packet<'_>, start: u32) -> bool {
    let there = packet.bytes.len().saturating_sub(packet.data);
    there >= packet.len as usize && packet.len.checked_sub(HEADER).is_some_and(|max| start <= max)
}

/// Kernel: `nla_find`.
fn search(packet: &Packet<'_>, mut at: u32, mut left: u32, kind: u32) -> u32 {
    while let Some((len, this)) = attribute(packet, at, left) {
        if u32::from(this & TYPE_MASK) == kind {
            return at;
        }
        // Attributes are at least four bytes long, so this ends; padding may be missing at the end.
        let step = len.next_multiple_of(4);
        let Some(rest) = left.checked_sub(step) else { break };
        (at, left) = (at.saturating_add(step), rest);
    }
    0
}

/// Length and type of the attribute at offset `at`, if it fits in `left` bytes. They are in the byte
/// order of the host, as netlink is.
///
/// Kernel: `nla_ok`.
fn attribute(packet: &Packet<'_>, at: u32, left: u32) -> Option<(u32, u16)> {
    let at = packet.data.checked_add(at as usize)?;
    let len = u32::from(u16::from_ne_bytes(packet.chunk_at(at)?));
    let kind = u16::from_ne_bytes(packet.chunk_at(at.checked_add(2)?)?);
    (left >= HEADER && len >= HEADER && len <= left).then_some((len, kind))
}
