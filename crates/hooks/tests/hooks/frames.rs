//! Frames to test with.

use skep_hooks::{Hook, Packet, PacketMeta};

/// An Ethernet header with an ethertype.
pub(crate) fn ethernet(protocol: u16) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    frame.extend(protocol.to_be_bytes());
    frame
}

/// Ethernet, IPv4 without options, UDP from port 1000 to port 53, and a payload.
pub(crate) fn udp4(payload: &[u8]) -> Vec<u8> {
    let mut frame = ethernet(0x0800);
    frame.extend([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0xab, 0xcd]);
    frame.extend([10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend([0x03, 0xe8, 0, 53, 0, 0, 0x12, 0x34]);
    frame.extend(payload);
    frame
}

/// Ethernet, IPv6, TCP ports 2 and 3.
pub(crate) fn tcp6() -> Vec<u8> {
    let mut frame = ethernet(0x86dd);
    frame.extend([0x60, 0, 0, 0, 0, 20, 6, 64]);
    frame.extend([0x11; 16]);
    frame.extend([0x22; 16]);
    frame.extend([0, 2, 0, 3]);
    frame.extend([0; 16]);
    frame
}

/// `frame` with a tag of `proto` and `tci` after the addresses.
pub(crate) fn tagged(frame: &[u8], proto: u16, tci: u16) -> Vec<u8> {
    let mut out = frame[..12].to_vec();
    out.extend(proto.to_be_bytes());
    out.extend(tci.to_be_bytes());
    out.extend(&frame[12..]);
    out
}

/// A packet at a hook.
pub(crate) fn at(hook: Hook, frame: &[u8]) -> Packet {
    let mut packet = Packet::new();
    let wire_len = u32::try_from(frame.len()).unwrap();
    packet.reset(frame, PacketMeta { wire_len, ..PacketMeta::default() });
    hook.enter(&mut packet);
    packet
}
