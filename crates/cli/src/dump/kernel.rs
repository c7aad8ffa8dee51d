//! Counting in the kernel: packets are not copied, but counted in a map by a program on the socket.
//!
//! The program takes only what is plain: TCP and UDP right behind an IPv4 header of 20 bytes or an IPv6 header, no tags, no
//! fragments. Anything else, and what finds no room in the map, it lets through to be counted here, as all packets are
//! without it; so both ways count the same.

use super::count::{Histogram, Top};
use super::rate::Rate;
use crate::dump::source::now;
use skep_asm::parse;
use skep_cbpf::{Program, Target, translate};
use skep_diag::Source;
use skep_dissect::{Field, Ip, Record, Transport};
use skep_hooks::Direction;
use skep_isa::{Insn, Insns, Pc};
use skep_linux::Loaded;
use skep_sys::{Bpf, Kernel, SysError};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes that every header looked at is in.
const LEAST_SNAPLEN: u32 = 128;
/// Values that are told apart in the kernel.
const ENTRIES: u32 = 1 << 16;
const NANOS: u64 = 1_000_000_000;
/// How long after the end of a second packets of it may still come.
const LATE: u64 = NANOS / 2;
/// How often the kernel is asked for what it has counted.
const EVERY: Duration = Duration::from_millis(500);

/// What is counted.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// By the values of fields.
    Fields(Vec<Field>),
    /// By seconds.
    Seconds,
}

impl What {
    /// Whether the kernel can count it.
    pub(crate) fn is_plain(&self) -> bool {
        match self {
            Self::Fields(fields) => fields.iter().all(|&field| is_counted(field)),
            Self::Seconds => true,
        }
    }

    fn has(&self, field: Field) -> bool {
        matches!(self, Self::Fields(fields) if fields.contains(&field))
    }

    /// Whether headers are looked at.
    fn parses(&self) -> bool {
        matches!(self, Self::Fields(fields) if fields.iter().any(|&field| field != Field::Length))
    }
}

/// How packets come to the program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) filter: Option<&'a Program>,
    pub(crate) snaplen: u32,
    pub(crate) direction: Direction,
    pub(crate) is_loopback: bool,
}

/// A program that counts, and its map.
pub(crate) struct Counter {
    loaded: Loaded<Kernel>,
    asked: Instant,
    /// Seconds that may get more packets.
    open: BTreeMap<u64, (u64, u64)>,
}

/// Where values stand in a key.
mod key {
    pub(super) const SIZE: usize = 64;
    pub(super) const LEN: usize = 0;
    pub(super) const PROTO: usize = 4;
    pub(super) const TTL: usize = 5;
    pub(super) const ETHERTYPE: usize = 6;
    pub(super) const SRC: usize = 8;
    pub(super) const DST: usize = 24;
    pub(super) const SPORT: usize = 40;
    pub(super) const DPORT: usize = 42;
    pub(super) const SMAC: usize = 44;
    pub(super) const DMAC: usize = 50;
    pub(super) const SECOND: usize = 56;
}

/// Whether the program finds the field.
const fn is_counted(field: Field) -> bool {
    matches!(
        field,
        Field::Length
            | Field::Protocol
            | Field::Ttl
            | Field::Ethertype
            | Field::Source
            | Field::Destination
            | Field::SourcePort
            | Field::DestinationPort
            | Field::SourceMac
            | Field::DestinationMac
    )
}

/// Place of the key on the stack; behind it stand the ports and the value of a new entry.
const KEY: i32 = -72;
/// Where the frame is copied to: its IP header is aligned there.
const FRAME: i32 = -126;
const PORTS: i32 = -136;
const VALUE: i32 = -152;

impl Counter {
    /// Loads the program; nothing if the kernel does not take it, or may not be asked.
    pub(crate) fn load(what: &What, place: &Place<'_>) -> Option<Self> {
        if !what.is_plain() || place.snaplen < LEAST_SNAPLEN {
            return None;
        }
        let text = text(what, place);
        let (mut image, _) =
            parse(&Source::new("count", &text), skep_abi::ProgType::SocketFilter).ok()?;
        let prog = image.progs.first_mut()?;
        if let Some(filter) = place.filter {
            prog.insns = behind(filter, &prog.insns)?;
        }
        prog.lines = Arc::default();
        let loaded = Loaded::load(Kernel, &image, "count").ok()?;
        Some(Self { loaded, asked: Instant::now(), open: BTreeMap::new() })
    }

    pub(crate) fn program(&self) -> BorrowedFd<'_> {
        self.loaded.program().as_fd()
    }

    fn entries(&self) -> Result<Vec<(Vec<u8>, u64, u64)>, SysError> {
        let entries = self.loaded.entries("counts").unwrap_or(Ok(Vec::new()))?;
        let number = |bytes: &[u8], at: usize| {
            bytes
                .get(at..)
                .and_then(|rest| rest.first_chunk())
                .map_or(0, |b| u64::from_ne_bytes(*b))
        };
        let entry = |(key, value): (Vec<u8>, Vec<u8>)| (key, number(&value, 0), number(&value, 8));
        Ok(entries.into_iter().map(entry).collect())
    }

    /// Adds what the kernel has counted by fields. The number of packets.
    pub(crate) fn add_to_top(&self, top: &mut Top) -> Result<u64, SysError> {
        self.each(|record, packets, bytes| top.add_many(record, packets, bytes))
    }

    /// The same for the spread of a field.
    pub(crate) fn add_to_histogram(&self, histogram: &mut Histogram) -> Result<u64, SysError> {
        self.each(|record, packets, _| histogram.add_many(record, packets))
    }

    fn each(&self, mut add: impl FnMut(&Record<'_>, u64, u64)) -> Result<u64, SysError> {
        let mut all = 0;
        for (key, packets, bytes) in self.entries()? {
            add(&record(&key), packets, bytes);
            all += packets;
        }
        Ok(all)
    }

    /// Counts a packet that the program let through.
    pub(crate) fn late(&mut self, time: u64, bytes: u32) {
        let second = self.open.entry(time / NANOS).or_default();
        second.0 += 1;
        second.1 += u64::from(bytes);
    }

    /// Adds the seconds that are over, or all at the end. The number of packets that the kernel counted.
    pub(crate) fn add_to_rate(
        &mut self,
        rate: &mut Rate,
        ends: bool,
        mut show: impl FnMut(&mut Rate, u64, u64, u64) -> std::io::Result<()>,
    ) -> Result<std::io::Result<u64>, SysError> {
        if !ends && self.asked.elapsed() < EVERY {
            return Ok(Ok(0));
        }
        self.asked = Instant::now();
        let over = |second: u64| ends || (second + 1) * NANOS + LATE < now();
        let mut all = 0;
        for (key, packets, bytes) in self.entries()? {
            let second = key.get(key::SECOND..).and_then(|rest| rest.first_chunk());
            let second = second.map_or(0, |bytes| u64::from_ne_bytes(*bytes));
            if over(second) {
                let sum = self.open.entry(second).or_default();
                sum.0 += packets;
                sum.1 += bytes;
                all += packets;
                if let Some((_, map)) = self.loaded.maps().next() {
                    Kernel.map_delete(map, &key)?;
                }
            }
        }
        while let Some((&second, &(packets, bytes))) = self.open.first_key_value() {
            if !over(second) {
                break;
            }
            self.open.remove(&second);
            if let Err(err) = show(rate, second, packets, bytes) {
                return Ok(Err(err));
            }
        }
        Ok(Ok(all))
    }
}

/// The instructions of a filter, then those of the program, which finds in `r0` what the filter returned.
fn behind(filter: &Program, program: &Insns) -> Option<Insns> {
    let mut insns = translate(filter, Target::SocketFilter).ok()?;
    let end = insns.len();
    let exits: Vec<Pc> =
        insns.iter().filter(|(_, insn)| *insn == Insn::Exit).map(|(pc, _)| pc).collect();
    for pc in exits {
        let distance = i32::try_from(end - usize::try_from(pc.0).ok()? - 1).ok()?;
        *insns.get_mut(pc)? = match i16::try_from(distance) {
            Ok(off) => Insn::Jump { off },
            Err(_) => Insn::JumpLong { off: distance },
        };
    }
    for (_, insn) in program.iter() {
        insns.push(insn);
    }
    Some(insns)
}

/// The program as text.
fn text(what: &What, place: &Place<'_>) -> String {
    let mut text = String::new();
    let mut add = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    add(".license \"Dual MIT/GPL\"");
    // Without room set aside: most of it is never used.
    add(&format!(".map counts, hash, key={}, value=16, entries={ENTRIES}, flags=1", key::SIZE));
    add(".section \"\", type=socket_filter\ncount:");
    add(if place.filter.is_some() { "if r0 == 0 goto drop" } else { "r6 = r1" });
    // `struct __sk_buff`: length, type, and whether there is a tag beside the bytes.
    add("r7 = *(u32 *)(r6 + 0)\nr1 = *(u32 *)(r6 + 4)");
    match place.direction {
        // What goes out of a loopback interface comes in there again.
        Direction::Both if !place.is_loopback => {}
        Direction::Both | Direction::In => add("if r1 == 4 goto drop"),
        Direction::Out if place.is_loopback => add("goto drop"),
        Direction::Out => add("if r1 != 4 goto drop"),
    }
    add("r1 = *(u32 *)(r6 + 20)");
    if what.parses() {
        add("if r1 != 0 goto pass");
    } else {
        add("if r1 == 0 goto untagged\nr7 += 4\nuntagged:");
    }
    for at in (0..key::SIZE).step_by(8) {
        add(&format!("*(u64 *)(r10 {}) = 0", KEY + i32::try_from(at).unwrap_or(0)));
    }
    if what.parses() {
        headers(what, &mut add);
    }
    if what.has(Field::Length) {
        store(&mut add, 32, "r7", key::LEN);
    }
    if matches!(what, What::Seconds) {
        // The kernel's clock counts from elsewhere.
        add("call bpf_ktime_get_ns");
        add(&format!("r1 = {} ll\nr0 += r1\nr0 /= {NANOS}", clock_distance()));
        store(&mut add, 64, "r0", key::SECOND);
    }
    add(&format!(
        "r2 = r10\nr2 += {KEY}\nr1 = counts ll\ncall bpf_map_lookup_elem\nif r0 != 0 goto known
r1 = 1\n*(u64 *)(r10 {VALUE}) = r1\n*(u64 *)(r10 {}) = r7
r2 = r10\nr2 += {KEY}\nr3 = r10\nr3 += {VALUE}\nr4 = 1\nr1 = counts ll\ncall bpf_map_update_elem
if r0 == 0 goto drop
r2 = r10\nr2 += {KEY}\nr1 = counts ll\ncall bpf_map_lookup_elem\nif r0 == 0 goto pass
known:\nr1 = 1\nlock *(u64 *)(r0 + 0) += r1\nlock *(u64 *)(r0 + 8) += r7
drop:\nr0 = 0\nexit\npass:\nw0 = {}\nexit",
        VALUE + 8,
        place.snaplen
    ));
    text
}

fn store(add: &mut impl FnMut(&str), bits: u32, reg: &str, at: usize) {
    let at = KEY + i32::try_from(at).unwrap_or(0);
    add(&format!("*(u{bits} *)(r10 {at}) = {reg}"));
}

/// From the frame to the key.
fn headers(what: &What, add: &mut impl FnMut(&str)) {
    let copy = |add: &mut dyn FnMut(&str), field: Field, bits: u32, from: i32, to: usize| {
        if what.has(field) {
            let (from, to) = (FRAME + from, KEY + i32::try_from(to).unwrap_or(0));
            add(&format!("r1 = *(u{bits} *)(r10 {from})\n*(u{bits} *)(r10 {to}) = r1"));
        }
    };
    let bytes =
        |add: &mut dyn FnMut(&str), field: Field, from: i32, to: usize, len: i32, by: i32| {
            for at in (0..len).step_by(usize::try_from(by).unwrap_or(1)) {
                let more = usize::try_from(at).unwrap_or(0);
                copy(add, field, u32::try_from(by * 8).unwrap_or(8), from + at, to + more);
            }
        };
    let load = |from: &str, to: i32, len: u32| {
        format!(
            "r1 = r6\nr2 = {from}\nr3 = r10\nr3 += {to}\nr4 = {len}\ncall bpf_skb_load_bytes\nif r0 != 0 goto pass"
        )
    };
    let half = |at: i32| format!("r1 = *(u16 *)(r10 {})\nr1 = be16 r1", FRAME + at);
    add(&load("0", FRAME, 34));
    add(&format!("{}\nr9 = r1\nif r1 == 0x86dd goto ip6\nif r1 != 0x800 goto pass", half(12)));
    add(&format!("r1 = *(u8 *)(r10 {})\nif r1 != 0x45 goto pass", FRAME + 14));
    add(&format!("{}\nr1 &= 0x3fff\nif r1 != 0 goto pass", half(20)));
    // What the header and those behind it need is in the packet, by its own word, too.
    add(&format!("r2 = *(u8 *)(r10 {})\n{}\nr8 = 34", FRAME + 23, half(16)));
    add(
        "if r2 == 6 goto tcp4\nif r2 != 17 goto pass\nif r1 < 28 goto pass\nif r7 < 42 goto pass\ngoto ip4",
    );
    add("tcp4:\nif r1 < 40 goto pass\nif r7 < 54 goto pass\nip4:");
    copy(add, Field::Protocol, 8, 23, key::PROTO);
    copy(add, Field::Ttl, 8, 22, key::TTL);
    copy(add, Field::Source, 32, 26, key::SRC);
    copy(add, Field::Destination, 32, 30, key::DST);
    add("goto transport\nip6:");
    add(&load("0", FRAME, 54));
    add(&format!("r1 = *(u8 *)(r10 {})\nr1 >>= 4\nif r1 != 6 goto pass", FRAME + 14));
    add(&format!("r2 = *(u8 *)(r10 {})\n{}\nr8 = 54", FRAME + 20, half(18)));
    add(
        "if r2 == 6 goto tcp6\nif r2 != 17 goto pass\nif r1 < 8 goto pass\nif r7 < 62 goto pass\ngoto far6",
    );
    add("tcp6:\nif r1 < 20 goto pass\nif r7 < 74 goto pass\nfar6:");
    copy(add, Field::Protocol, 8, 20, key::PROTO);
    copy(add, Field::Ttl, 8, 21, key::TTL);
    bytes(add, Field::Source, 22, key::SRC, 16, 8);
    bytes(add, Field::Destination, 38, key::DST, 16, 8);
    add("transport:");
    if what.has(Field::SourcePort) || what.has(Field::DestinationPort) {
        add(&load("r8", PORTS, 4));
        copy(add, Field::SourcePort, 16, PORTS - FRAME, key::SPORT);
        copy(add, Field::DestinationPort, 16, PORTS - FRAME + 2, key::DPORT);
    }
    bytes(add, Field::DestinationMac, 0, key::DMAC, 6, 2);
    bytes(add, Field::SourceMac, 6, key::SMAC, 6, 2);
    if [Field::Ethertype, Field::Source, Field::Destination].iter().any(|&field| what.has(field)) {
        store(add, 16, "r9", key::ETHERTYPE);
    }
}

/// From the clock that programs see to the time of day, in nanoseconds.
fn clock_distance() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let part = |n: i64| u64::try_from(n).unwrap_or(0);
    now().saturating_sub(part(time.tv_sec) * NANOS + part(time.tv_nsec))
}

/// A packet with the values of a key.
fn record(bytes: &[u8]) -> Record<'static> {
    fn at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
        bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }
    let ethertype = u16::from_ne_bytes(at(bytes, key::ETHERTYPE));
    let addr = |place: usize| -> IpAddr {
        if ethertype == 0x86dd {
            Ipv6Addr::from(at::<16>(bytes, place)).into()
        } else {
            Ipv4Addr::from(at::<4>(bytes, place)).into()
        }
    };
    let [protocol, ttl] = at(bytes, key::PROTO);
    let ports =
        (u16::from_be_bytes(at(bytes, key::SPORT)), u16::from_be_bytes(at(bytes, key::DPORT)));
    let mut record = Record::default();
    record.wire_len = u32::from_ne_bytes(at(bytes, key::LEN));
    record.ethertype = Some(ethertype);
    record.link = Some((at(bytes, key::SMAC), at(bytes, key::DMAC)));
    let (src, dst) = (addr(key::SRC), addr(key::DST));
    record.ip = Some(Ip { src, dst, protocol, ttl, tos: 0, fragment: None });
    record.transport = Some(Transport { ports: Some(ports), ..Transport::default() });
    record
}
