//! A packet being read and the line being written.

use crate::options::{Names, Options};
use crate::oui::OUIS;
use crate::tcp::Flows;
use crate::tok::{Toks, tok};
use std::fmt;
use std::io::Write;
use std::net::IpAddr;

/// The packet is cut where something was to be read: the line ends here, with a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut;

/// What a printer gives; an error ends the whole line.
pub(crate) type Printed<T = ()> = Result<T, Cut>;

/// Protocols within protocols that are followed, of which no sane packet has as many.
const MAX_DEPTH: u32 = 100;

/// Reader and writer at once, as printers do both in turn.
///
/// Positions count from the first captured byte. `end` is where reading ends: the end of the captured bytes,
/// or where an enclosing header says that its packet ends. All getters fail beyond it.
pub(crate) struct Cx<'a> {
    pkt: &'a [u8],
    /// Reading ends here.
    pub(crate) end: usize,
    pub(crate) out: &'a mut Vec<u8>,
    pub(crate) o: &'a Options,
    pub(crate) flows: &'a mut Flows,
    pub(crate) names: Option<&'a mut (dyn Names + 'static)>,
    /// The protocol that a mark of truncation names.
    pub(crate) proto: &'static str,
    depth: u32,
}

impl<'a> Cx<'a> {
    pub(crate) fn new(
        pkt: &'a [u8],
        out: &'a mut Vec<u8>,
        o: &'a Options,
        flows: &'a mut Flows,
        names: Option<&'a mut (dyn Names + 'static)>,
    ) -> Self {
        Self { pkt, end: pkt.len(), out, o, flows, names, proto: "", depth: 0 }
    }

    /// A printer of other bytes, such as a packet that was escaped within this one.
    pub(crate) fn within<T>(&mut self, pkt: &[u8], print: impl FnOnce(&mut Cx<'_>) -> T) -> T {
        let names: Option<&mut (dyn Names + 'static)> = match &mut self.names {
            Some(names) => Some(*names),
            None => None,
        };
        let mut inner = Cx::new(pkt, self.out, self.o, self.flows, names);
        inner.depth = self.depth;
        inner.proto = self.proto;
        let done = print(&mut inner);
        self.proto = inner.proto;
        done
    }

    /// One protocol deeper.
    pub(crate) fn nest<T: Default>(
        &mut self,
        print: impl FnOnce(&mut Self) -> Printed<T>,
    ) -> Printed<T> {
        if self.depth >= MAX_DEPTH {
            self.s(" [nested too deep]");
            return Ok(T::default());
        }
        self.depth += 1;
        let done = print(self);
        self.depth -= 1;
        done
    }

    /// What is shown only if all of it can be.
    pub(crate) fn all(&mut self, print: impl FnOnce(&mut Self) -> Printed) -> Printed {
        let start = self.out.len();
        let done = print(self);
        if done.is_err() {
            self.out.truncate(start);
        }
        done
    }

    /// What `print` prints, after some words, or neither.
    pub(crate) fn after(
        &mut self,
        words: &str,
        print: impl FnOnce(&mut Self) -> Printed,
    ) -> Printed {
        self.all(|cx| {
            cx.s(words);
            print(cx)
        })
    }

    /// Reading ends after `len` bytes from `at` on, unless it ends before.
    pub(crate) fn limit(&mut self, at: usize, len: usize) -> usize {
        let saved = self.end;
        self.end = saved.min(at.saturating_add(len));
        saved
    }

    // Reading.

    pub(crate) fn has(&self, at: usize, len: usize) -> bool {
        at <= self.end && len <= self.end - at
    }

    pub(crate) fn need(&self, at: usize, len: usize) -> Printed {
        if self.has(at, len) { Ok(()) } else { Err(Cut) }
    }

    /// Whether bytes are missing, which is marked without ending the caller.
    pub(crate) fn is_cut(&mut self, at: usize, len: usize) -> bool {
        let is_cut = !self.has(at, len);
        if is_cut {
            self.trunc();
        }
        is_cut
    }

    /// Bytes left from `at` on.
    pub(crate) fn left(&self, at: usize) -> usize {
        self.end.saturating_sub(at)
    }

    pub(crate) fn bytes(&self, at: usize, len: usize) -> Printed<&'a [u8]> {
        self.need(at, len)?;
        self.pkt.get(at..at + len).ok_or(Cut)
    }

    fn array<const N: usize>(&self, at: usize) -> Printed<[u8; N]> {
        self.bytes(at, N)?.first_chunk().copied().ok_or(Cut)
    }

    pub(crate) fn u8(&self, at: usize) -> Printed<usize> {
        self.byte(at).map(usize::from)
    }

    pub(crate) fn byte(&self, at: usize) -> Printed<u8> {
        if at < self.end { self.pkt.get(at).copied().ok_or(Cut) } else { Err(Cut) }
    }

    pub(crate) fn u16(&self, at: usize) -> Printed<usize> {
        Ok(u16::from_be_bytes(self.array(at)?).into())
    }

    pub(crate) fn port(&self, at: usize) -> Printed<u16> {
        Ok(u16::from_be_bytes(self.array(at)?))
    }

    pub(crate) fn u24(&self, at: usize) -> Printed<usize> {
        let [a, b, c] = self.array(at)?;
        Ok(u32::from_be_bytes([0, a, b, c]) as usize)
    }

    pub(crate) fn u32(&self, at: usize) -> Printed<usize> {
        Ok(self.word(at)? as usize)
    }

    pub(crate) fn word(&self, at: usize) -> Printed<u32> {
        Ok(u32::from_be_bytes(self.array(at)?))
    }

    pub(crate) fn u64(&self, at: usize) -> Printed<u64> {
        Ok(u64::from_be_bytes(self.array(at)?))
    }

    pub(crate) fn ipv4(&self, at: usize) -> Printed<[u8; 4]> {
        self.array(at)
    }

    pub(crate) fn ipv6(&self, at: usize) -> Printed<[u8; 16]> {
        self.array(at)
    }

    // Writing.

    pub(crate) fn s(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn fmt(&mut self, args: fmt::Arguments<'_>) {
        // A vector takes everything.
        let _ = self.out.write_fmt(args);
    }

    /// A decimal number.
    pub(crate) fn u(&mut self, n: usize) {
        self.s(itoa::Buffer::new().format(n));
    }

    /// Two hexadecimal digits.
    pub(crate) fn hex2(&mut self, byte: u8) {
        self.out.extend_from_slice(&hex(byte));
    }

    /// The end of a line that could not be finished, without ending the caller.
    pub(crate) fn trunc(&mut self) {
        self.s(" [|");
        self.s(self.proto);
        self.s("]");
    }

    pub(crate) fn invalid(&mut self) {
        self.s(" (invalid)");
    }

    pub(crate) fn mac(&mut self, at: usize) -> Printed {
        let addr = self.array::<6>(at)?;
        if self.names.is_some() && addr == [0xff; 6] {
            self.s("Broadcast");
            return Ok(());
        }
        let [a, b, c, d, e, f] = addr.map(hex);
        let text = [
            a[0], a[1], b':', b[0], b[1], b':', c[0], c[1], b':', d[0], d[1], b':', e[0], e[1],
            b':', f[0], f[1],
        ];
        self.out.extend_from_slice(&text);
        if self.names.is_some() {
            let organisation = self.u24(at)?;
            self.s(" (oui ");
            self.s(tok(OUIS, organisation).unwrap_or("Unknown"));
            self.s(")");
        }
        Ok(())
    }

    /// Bytes in hexadecimal, with colons between.
    pub(crate) fn link_addr(&mut self, at: usize, len: usize) -> Printed {
        if len == 0 {
            self.s("<empty>");
            return Ok(());
        }
        if len == 6 { self.mac(at) } else { self.long_addr(at, len) }
    }

    /// Bytes in hexadecimal, with colons between, whatever their number.
    pub(crate) fn long_addr(&mut self, at: usize, len: usize) -> Printed {
        for (n, &byte) in self.bytes(at, len)?.iter().enumerate() {
            if n > 0 {
                self.s(":");
            }
            self.hex2(byte);
        }
        Ok(())
    }

    /// An IPv4 address, or its name.
    pub(crate) fn ip(&mut self, at: usize) -> Printed {
        let addr = self.ipv4(at)?;
        if self.name(addr.into()) {
            return Ok(());
        }
        self.dotted(addr);
        Ok(())
    }

    /// An IPv6 address, or its name.
    pub(crate) fn ip6(&mut self, at: usize) -> Printed {
        let addr = self.ipv6(at)?;
        if self.name(addr.into()) {
            return Ok(());
        }
        self.colons(addr);
        Ok(())
    }

    fn name(&mut self, addr: IpAddr) -> bool {
        let Some(name) = self.names.as_mut().and_then(|names| names.host(addr)) else {
            return false;
        };
        self.out.extend_from_slice(name.as_bytes());
        true
    }

    pub(crate) fn dotted(&mut self, addr: [u8; 4]) {
        for (n, byte) in addr.into_iter().enumerate() {
            if n > 0 {
                self.out.push(b'.');
            }
            self.s(itoa::Buffer::new().format(byte));
        }
    }

    /// An IPv6 address as RFC 5952 has it, mapped and compatible IPv4 addresses dotted.
    pub(crate) fn colons(&mut self, addr: [u8; 16]) {
        push_ipv6(self.out, addr);
    }

    pub(crate) fn tcp_port(&mut self, port: u16) {
        match self.names.as_mut().and_then(|names| names.tcp_port(port)) {
            Some(name) => self.out.extend_from_slice(name.as_bytes()),
            None => self.u(port.into()),
        }
    }

    pub(crate) fn udp_port(&mut self, port: u16) {
        match self.names.as_mut().and_then(|names| names.udp_port(port)) {
            Some(name) => self.out.extend_from_slice(name.as_bytes()),
            None => self.u(port.into()),
        }
    }

    /// A byte as terminals bear it: `M-` before what is no ASCII, `^` before what controls.
    pub(crate) fn ch(&mut self, mut c: u8) {
        if c >= 0x80 {
            c &= 0x7f;
            self.s("M-");
        }
        if !(0x20..0x7f).contains(&c) {
            c ^= 0x40;
            self.s("^");
        }
        self.out.push(c);
    }

    /// `n` characters; whether they were not all there.
    pub(crate) fn chars(&mut self, at: usize, n: usize) -> bool {
        let have = n.min(self.left(at));
        for &c in self.bytes(at, have).unwrap_or_default() {
            self.ch(c);
        }
        have < n
    }

    /// Characters up to a zero or `n`.
    pub(crate) fn padded_chars(&mut self, at: usize, n: usize) -> Printed {
        for at in at..at.saturating_add(n) {
            match self.byte(at)? {
                0 => break,
                c => self.ch(c),
            }
        }
        Ok(())
    }

    /// Characters up to a zero within `n` bytes; how many bytes those are with the zero, 0 if there is none.
    pub(crate) fn terminated_chars(&mut self, at: usize, n: usize) -> usize {
        for (used, at) in (at..at.saturating_add(n)).enumerate() {
            match self.byte(at) {
                Err(Cut) => return 0,
                Ok(0) => return used + 1,
                Ok(c) => self.ch(c),
            }
        }
        0
    }

    /// Names of the bits that are set, with `sep` between, or `none`.
    pub(crate) fn bits(&mut self, table: &'static Toks, value: usize, sep: &str, none: &str) {
        let mut first = true;
        for &(bit, name) in table {
            if bit != 0 && value & bit == bit {
                if !first {
                    self.s(sep);
                }
                first = false;
                self.s(name);
            }
        }
        if first {
            self.s(none);
        }
    }

    /// Seconds as `1h2m3s`.
    pub(crate) fn duration(&mut self, mut seconds: usize) {
        const UNITS: [(usize, &str); 6] =
            [(31_536_000, "y"), (604_800, "w"), (86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
        if seconds == 0 {
            self.s("0s");
        }
        for (unit, name) in UNITS {
            if seconds >= unit {
                self.u(seconds / unit);
                self.s(name);
                seconds %= unit;
            }
        }
    }
}

/// The two hexadecimal digits of a byte.
pub(crate) const fn hex(byte: u8) -> [u8; 2] {
    const fn digit(n: u8) -> u8 {
        if n < 10 { b'0' + n } else { b'a' + n - 10 }
    }
    [digit(byte >> 4), digit(byte & 15)]
}

/// `a - b` as 32 bits have it, which may be large.
pub(crate) const fn sub32(a: usize, b: usize) -> usize {
    a.wrapping_sub(b) & 0xffff_ffff
}

pub(crate) fn push_ipv6(out: &mut Vec<u8>, addr: [u8; 16]) {
    let mut words = [0u16; 8];
    for (word, pair) in words.iter_mut().zip(addr.as_chunks::<2>().0) {
        *word = u16::from_be_bytes(*pair);
    }
    let (start, len) = zeros(&words);
    let dotted = start == 0 && (len == 6 || (len == 5 && words[5] == 0xffff));
    let mut at = 0;
    while at < 8 {
        if at == start && len > 0 {
            out.extend_from_slice(if at == 0 { b"::" } else { b":" });
            at += len;
            continue;
        }
        if dotted && at == 6 {
            let [.., a, b, c, d] = addr;
            for (n, byte) in [a, b, c, d].into_iter().enumerate() {
                if n > 0 {
                    out.push(b'.');
                }
                out.extend_from_slice(itoa::Buffer::new().format(byte).as_bytes());
            }
            return;
        }
        push_hex(out, words.get(at).copied().unwrap_or(0));
        at += 1;
        if at < 8 {
            out.push(b':');
        }
    }
}

/// First of the longest runs of zero words that are longer than one.
fn zeros(words: &[u16; 8]) -> (usize, usize) {
    let (mut best, mut run) = ((8, 0), 0);
    for (at, &word) in words.iter().enumerate() {
        run = if word == 0 { run + 1 } else { 0 };
        if run > best.1 {
            best = (at + 1 - run, run);
        }
    }
    if best.1 < 2 { (8, 0) } else { best }
}

/// Hexadecimal without leading zeros.
fn push_hex(out: &mut Vec<u8>, word: u16) {
    let [high, low] = word.to_be_bytes();
    let [[a, b], [c, d]] = [hex(high), hex(low)];
    let digits = [a, b, c, d];
    let skip = digits.iter().take(3).take_while(|&&digit| digit == b'0').count();
    out.extend_from_slice(digits.get(skip..).unwrap_or_default());
}
