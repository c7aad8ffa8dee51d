//! The long header of QUIC (RFC 9000), which begins a connection. tcpdump does not show it.

use crate::cx::{Cx, Printed};
use crate::tls::Rest;

/// What a long header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Long<'a> {
    pub(crate) version: u32,
    /// What kind of packet it is.
    pub(crate) kind: &'static str,
    pub(crate) destination: &'a [u8],
    pub(crate) source: &'a [u8],
}

const VERSION_1: u32 = 1;
const VERSION_2: u32 = 0x6b33_43cf;

/// A long header, if the bytes can be one.
pub(crate) fn long(bytes: &[u8]) -> Option<Long<'_>> {
    let mut rest = Rest(bytes);
    let first = rest.number(1)?;
    if first & 0x80 == 0 {
        return None;
    }
    let version = u32::try_from(rest.number(4)?).ok()?;
    let draft = version >> 8 == 0x00ff_0000;
    if !draft && !matches!(version, 0 | VERSION_1 | VERSION_2) {
        return None;
    }
    // Any other version than negotiation has the second bit set, unless both sides agreed otherwise before.
    if version != 0 && first & 0x40 == 0 {
        return None;
    }
    let size = rest.number(1).filter(|&size| size <= 20)?;
    let destination = rest.take(size)?;
    let size = rest.number(1).filter(|&size| size <= 20)?;
    let source = rest.take(size)?;
    // Version 2 counts the kinds from another one on (RFC 9369).
    let number = (first >> 4 & 3).wrapping_sub(usize::from(version == VERSION_2)) & 3;
    let kind = match (version, number) {
        (0, _) => "Version Negotiation",
        (_, 0) => "Initial",
        (_, 1) => "0-RTT",
        (_, 2) => "Handshake",
        _ => "Retry",
    };
    Some(Long { version, kind, destination, source })
}

/// The header, if there is one; whether there was.
pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed<bool> {
    let bytes = cx.bytes(at, len.min(cx.left(at)))?;
    let Some(header) = long(bytes) else { return Ok(false) };
    cx.s("QUIC ");
    match header.version {
        0 => {}
        VERSION_1 => cx.s("v1 "),
        VERSION_2 => cx.s("v2 "),
        version => put!(cx, "0x{version:08x} "),
    }
    cx.s(header.kind);
    for (name, id) in [(", dcid ", header.destination), (", scid ", header.source)] {
        if !id.is_empty() {
            cx.s(name);
            for &byte in id {
                cx.hex2(byte);
            }
        }
    }
    put!(cx, ", length {len}");
    Ok(true)
}
