//! The start of TLS (RFC 8446): who is called, and by which protocol. tcpdump does not show it.

use crate::cx::{Cx, Printed};

/// What a client's first message says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hello<'a> {
    /// The highest version that is offered.
    pub(crate) version: u16,
    pub(crate) server_name: Option<&'a [u8]>,
    /// The first protocol that is offered for after the handshake.
    pub(crate) protocol: Option<&'a [u8]>,
}

/// Bytes to be taken from the front.
#[derive(Clone, Copy)]
pub(crate) struct Rest<'a>(pub(crate) &'a [u8]);

impl<'a> Rest<'a> {
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }

    pub(crate) fn number(&mut self, bytes: usize) -> Option<usize> {
        Some(self.take(bytes)?.iter().fold(0, |n, &byte| n << 8 | usize::from(byte)))
    }

    /// Bytes behind their length, as many as there are.
    fn block(&mut self, size: usize) -> Option<Self> {
        let len = self.number(size)?.min(self.0.len());
        Some(Self(self.take(len)?))
    }
}

/// A record with the client's first message. Later extensions may be cut off.
pub(crate) fn record(bytes: &[u8]) -> Option<Hello<'_>> {
    let mut rest = Rest(bytes);
    // Handshake, any version of it.
    if rest.number(1)? != 22 || rest.number(1)? != 3 || rest.number(1)? > 4 {
        return None;
    }
    handshake(rest.block(2)?.0)
}

/// A handshake message that is the client's first.
pub(crate) fn handshake(bytes: &[u8]) -> Option<Hello<'_>> {
    let mut rest = Rest(bytes);
    if rest.number(1)? != 1 {
        return None;
    }
    let mut rest = rest.block(3)?;
    let mut hello = Hello { version: u16::try_from(rest.number(2)?).ok()?, ..Hello::default() };
    rest.take(32)?;
    rest.block(1)?;
    rest.block(2)?;
    rest.block(1)?;
    let Some(mut extensions) = rest.block(2) else { return Some(hello) };
    while let (Some(kind), Some(body)) = (extensions.number(2), extensions.block(2)) {
        match kind {
            0 => hello.server_name = server_name(body),
            16 => hello.protocol = first_protocol(body),
            43 => hello.version = highest(body).unwrap_or(hello.version),
            _ => {}
        }
    }
    Some(hello)
}

fn server_name(body: Rest<'_>) -> Option<&[u8]> {
    let mut rest = body;
    let mut list = rest.block(2)?;
    if list.number(1)? != 0 {
        return None;
    }
    list.block(2).map(|name| name.0)
}

fn first_protocol(body: Rest<'_>) -> Option<&[u8]> {
    let mut rest = body;
    let mut list = rest.block(2)?;
    list.block(1).map(|name| name.0)
}

/// Versions that are only there to keep the extension point open (RFC 8701) do not count.
fn highest(body: Rest<'_>) -> Option<u16> {
    let mut rest = body;
    let list = rest.block(1)?;
    let versions = list.0.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair));
    versions.filter(|version| version & 0x0f0f != 0x0a0a).max()
}

/// How a version is called.
pub(crate) const fn version_name(version: u16) -> &'static str {
    match version {
        0x0300 => "SSLv3",
        0x0301 => "TLSv1.0",
        0x0302 => "TLSv1.1",
        0x0303 => "TLSv1.2",
        0x0304 => "TLSv1.3",
        _ => "TLS",
    }
}

/// The client's first message, if it is one.
pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    let bytes = cx.bytes(at, len.min(cx.left(at)))?;
    let Some(hello) = record(bytes) else { return Ok(()) };
    put!(cx, ": {} Client Hello", version_name(hello.version));
    for (name, value) in [(", server ", hello.server_name), (", protocol ", hello.protocol)] {
        if let Some(value) = value {
            cx.s(name);
            for &c in value {
                cx.ch(c);
            }
        }
    }
    Ok(())
}
