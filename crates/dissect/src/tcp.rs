//! TCP (RFC 9293).

use crate::cx::{Cut, Cx, Printed, sub32};
use crate::ip::{Around, TCP};
use crate::options::Carried;
use crate::sum::should_be;
use crate::tcp_options::{Ended, options};
use crate::{bgp, dns, tls, txt};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, Hash, Hasher};

const HEADER: usize = 20;
const FIN: usize = 1;
const SYN: usize = 2;
const RST: usize = 4;
const ACK: usize = 16;
const URG: usize = 32;
/// Characters for the flags, from the lowest bit on.
const FLAGS: &[u8; 8] = b"FSRP.UEW";
/// Data of a reset segment that is shown.
const RESET_DATA: usize = 30;

/// Both ends of a connection, in an order that does not depend on the direction.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Ends {
    addrs: [[u8; 16]; 2],
    ports: [u16; 2],
    v6: bool,
}

/// The first sequence numbers of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct First {
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    /// Whether this packet goes against the order of the ends.
    pub(crate) reverse: bool,
    /// Whether all data of the packet was captured.
    pub(crate) whole: bool,
}

/// Connections met so far. As tcpdump does, all are kept; beyond a number of them, which bounds memory, the
/// oldest half is forgotten.
///
/// Each is known by 64 bits of a hash with a secret of this process. Two of a hundred thousand that nobody chose share
/// theirs once in a billion captures, and then have each other's first numbers.
pub(crate) struct Flows {
    secret: u64,
    young: HashMap<u64, (u32, u32), Hashed>,
    old: HashMap<u64, (u32, u32), Hashed>,
}

/// Connections in each half: as many as a table of 65,536 places takes, which is a megabyte.
const MOST: usize = (1 << 16) / 8 * 7;

impl Default for Flows {
    fn default() -> Self {
        let secret = std::hash::RandomState::new().hash_one(0);
        Self { secret, young: HashMap::default(), old: HashMap::default() }
    }
}

impl Flows {
    fn get(&mut self, ends: Ends) -> Entry<'_, u64, (u32, u32)> {
        let mut hash = QuickHash(self.secret);
        ends.hash(&mut hash);
        let name = hash.finish();
        if self.young.len() >= MOST {
            std::mem::swap(&mut self.old, &mut self.young);
            self.young.clear();
        }
        // Places that nothing is put into take no memory.
        self.young.reserve(MOST - self.young.len());
        if !self.old.is_empty()
            && let Some(first) = self.old.remove(&name)
        {
            self.young.entry(name).or_insert(first);
        }
        self.young.entry(name)
    }
}

/// Keys that are hashes themselves.
#[derive(Clone, Default)]
struct Hashed(u64);

impl BuildHasher for Hashed {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0 << 8 | u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A hash of addresses that is made in a few steps, against those who choose them.
struct QuickHash(u64);

impl QuickHash {
    /// Folds the product of 64 bits, as wyhash does.
    fn mix(&mut self, word: u64) {
        let product =
            u128::from(self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let [high, low] = [product >> 64, product & u128::from(u64::MAX)];
        self.0 = u64::try_from(high ^ low).unwrap_or(0);
    }
}

impl Hasher for QuickHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_ne_bytes(*word));
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        self.mix(u64::from_ne_bytes(last));
    }
}

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize, around: Around) -> Printed {
    cx.proto = "tcp";
    if !cx.has(at + 2, 2) {
        around.addrs(cx)?;
        cx.s(":");
        cx.trunc();
        return Ok(());
    }
    let ports = (cx.port(at)?, cx.port(at + 2)?);
    around.ports(cx, TCP, ports, |cx, port| cx.tcp_port(port))?;
    if !cx.has(at, HEADER) {
        cx.trunc();
        return Ok(());
    }
    let head = (cx.u8(at + 12)? >> 4) * 4;
    if head < HEADER {
        put!(cx, " tcp {} [bad hdr length {head} - too short, < 20]", sub32(len, head));
        return Ok(());
    }
    if cx.o.quick {
        put!(cx, "tcp {}", sub32(len, head));
        if head > len {
            put!(cx, " [bad hdr length {head} - too long, > {len}]");
        }
        return Ok(());
    }
    let flags = cx.u8(at + 13)?;
    let (mut seq, mut ack) = (cx.word(at + 4)?, cx.word(at + 8)?);
    cx.s("Flags [");
    if flags == 0 {
        cx.s("none");
    }
    for (bit, &name) in FLAGS.iter().enumerate() {
        if flags >> bit & 1 == 1 {
            cx.out.push(name);
        }
    }
    cx.s("]");
    let mut first = First { seq: 0, ack: 0, reverse: false, whole: false };
    if !cx.o.absolute_seq && flags & ACK != 0 {
        first = relate(cx, around, ports, flags, (&mut seq, &mut ack))?;
    }
    if head > len {
        put!(cx, " [bad hdr length {head} - too long, > {len}]");
        return Ok(());
    }
    if cx.o.verbose > 0 && !cx.o.no_checksums && !around.fragment && cx.has(at, len) {
        let have = cx.u16(at + 16)?;
        match around.checksum(cx, 6, at, len, len)? {
            0 => put!(cx, ", cksum 0x{have:04x} (correct)"),
            sum => put!(cx, ", cksum 0x{have:04x} (incorrect -> 0x{:04x})", should_be(have, sum)),
        }
    }
    let data = len - head;
    if cx.o.verbose > 1 || data > 0 || flags & (SYN | FIN | RST) != 0 {
        cx.s(", seq ");
        cx.u(seq as usize);
        if data > 0 {
            cx.s(":");
            cx.u((seq as usize + data) & 0xffff_ffff);
        }
    }
    if flags & ACK != 0 {
        cx.s(", ack ");
        cx.u(ack as usize);
    }
    cx.s(", win ");
    cx.u(cx.u16(at + 14)?);
    if flags & URG != 0 {
        put!(cx, ", urg {}", cx.u16(at + 18)?);
    }
    if head > HEADER {
        first.whole = cx.has(at + head, data);
        match options(cx, at, head, flags, &first)? {
            Ended::Whole => {}
            Ended::Bad | Ended::Cut => return Ok(()),
        }
    }
    cx.s(", length ");
    cx.u(data);
    if data == 0 {
        return Ok(());
    }
    if !cx.has(at, head) {
        put!(cx, " [remaining caplen({}) < header length({head})]", cx.left(at));
        return Err(Cut);
    }
    if flags & RST != 0 && cx.o.verbose > 0 {
        return reset_data(cx, at + head, data);
    }
    payload(cx, at + head, data, ports)
}

/// Makes sequence numbers relative to the first ones of their connection, which are recorded.
fn relate(
    cx: &mut Cx<'_>,
    around: Around,
    (sport, dport): (u16, u16),
    flags: usize,
    (seq, ack): (&mut u32, &mut u32),
) -> Printed<First> {
    let (src, dst) = if around.v6 {
        (cx.ipv6(around.ip + 8)?, cx.ipv6(around.ip + 24)?)
    } else {
        let wide = |[a, b, c, d]: [u8; 4]| [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        (wide(cx.ipv4(around.ip + 12)?), wide(cx.ipv4(around.ip + 16)?))
    };
    let reverse = sport > dport || (sport == dport && src > dst);
    let (addrs, ports) =
        if reverse { ([dst, src], [dport, sport]) } else { ([src, dst], [sport, dport]) };
    let start = if reverse { (ack.wrapping_sub(1), *seq) } else { (*seq, ack.wrapping_sub(1)) };
    let entry = cx.flows.get(Ends { addrs, ports, v6: around.v6 });
    let (first_seq, first_ack) = match entry {
        Entry::Occupied(known) if flags & SYN == 0 => {
            let (first_seq, first_ack) = *known.get();
            if reverse {
                *seq = seq.wrapping_sub(first_ack);
                *ack = ack.wrapping_sub(first_seq);
            } else {
                *seq = seq.wrapping_sub(first_seq);
                *ack = ack.wrapping_sub(first_ack);
            }
            (first_seq, first_ack)
        }
        entry => *entry.insert_entry(start).get(),
    };
    Ok(First { seq: first_seq, ack: first_ack, reverse, whole: false })
}

fn reset_data(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.s(if cx.has(at, len) { " [RST" } else { " [!RST" });
    if len > RESET_DATA {
        cx.s("+");
    }
    cx.s(" ");
    cx.chars(at, len.min(RESET_DATA));
    cx.s("]");
    Ok(())
}

fn payload(cx: &mut Cx<'_>, at: usize, len: usize, (sport, dport): (u16, u16)) -> Printed {
    if let Some(carried) = cx.o.carried {
        return match carried {
            Carried::Domain => dns::over_tcp(cx, at, len),
            _ => Ok(()),
        };
    }
    let on = |port| sport == port || dport == port;
    let text = |cx: &mut Cx<'_>, print: fn(&mut Cx<'_>, usize, usize) -> Printed| {
        cx.s(": ");
        print(cx, at, len)
    };
    if on(25) {
        text(cx, txt::smtp)
    } else if on(43) {
        text(cx, txt::whois)
    } else if on(179) {
        bgp::print(cx, at, len)
    } else if on(22) {
        txt::ssh(cx, at, len)
    } else if on(21) {
        text(cx, txt::ftp)
    } else if on(80) || on(8080) {
        text(cx, txt::http)
    } else if on(554) || on(8554) {
        text(cx, txt::rtsp)
    } else if on(53) {
        dns::over_tcp(cx, at, len)
    } else if cx.o.beyond {
        tls::print(cx, at, len)
    } else {
        Ok(())
    }
}
