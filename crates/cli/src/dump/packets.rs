//! Packet after packet.

use super::count::{Histogram, Top};
use super::expression::{self, Expression, Filter};
use super::names::Ahead;
use super::process::Processes;
use super::rate::Rate;
use super::requests::Requests;
use super::save::Saver;
use super::source::{Got, Sources, now};
use crate::failure::{Failure, Kind};
use crate::run::stop;
use crate::term::{Out, Term};
use skep_dissect::{Dissector, Packet as Shown, Record};
use skep_filter::{Process, Source as Origin};
use skep_hooks::{LinkType, Packet};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{self, Write};

/// Bytes of lines that are written at once.
const CHUNK: usize = 1 << 16;

/// What packets are used for.
pub(crate) enum Use {
    /// Only written.
    Nothing,
    Lines(Box<Dissector>),
    Json,
    Count,
    Top(Top),
    Histogram(Box<Histogram>),
    Rate(Rate),
}

/// A capture on its way.
pub(crate) struct Capture {
    pub(crate) sources: Sources,
    pub(crate) saver: Option<Saver>,
    pub(crate) uses: Use,
    /// Lines that wait for names, where these are shown.
    pub(crate) ahead: Option<Ahead>,
    pub(crate) expression: Expression,
    /// Finds the processes of packets, and whether these are shown.
    pub(crate) processes: Option<Processes>,
    pub(crate) shows_process: bool,
    pub(crate) requests: Requests,
    /// Whether the expression asks for them.
    pub(crate) filters_process: bool,
    /// Packets after which to stop.
    pub(crate) most: u64,
    /// Whether each line is to be seen at once.
    pub(crate) flush: bool,
    /// Packets that matched.
    pub(crate) seen: u64,
    /// Packets that the kernel counted, which are among those.
    pub(crate) counted: u64,
    /// When it began.
    pub(crate) begun: u64,
}

/// Filters by link type and process, if the expression asks for that; nothing where all packets match.
type Filters = HashMap<(LinkType, Option<Process>), Option<Filter>>;
/// Filters kept at most.
const MOST: usize = 1 << 12;

impl Capture {
    pub(crate) fn run(&mut self, term: &mut Term<'_>, as_tcpdump: bool) -> Result<(), Failure> {
        let mut packet = Packet::new();
        let mut lines = Vec::with_capacity(CHUNK * 2);
        let mut filters = Filters::new();
        let done = self.packets(&mut packet, &mut lines, &mut filters, term, as_tcpdump);
        // What was found before a failure comes first.
        self.show_waiting(&mut lines);
        term.out.write_all(&lines)?;
        done
    }

    fn packets(
        &mut self,
        packet: &mut Packet,
        lines: &mut Vec<u8>,
        filters: &mut Filters,
        term: &mut Term<'_>,
        as_tcpdump: bool,
    ) -> Result<(), Failure> {
        let live = self.sources.are_live();
        while self.seen < self.most {
            if self.requests.take_counts() && live {
                let who = if as_tcpdump { "tcpdump: " } else { "" };
                writeln!(term.err, "{who}{}", self.counts(as_tcpdump).join(", "))?;
            }
            if self.requests.take_flush()
                && let Some(saver) = &mut self.saver
            {
                saver.flush()?;
            }
            let out = &mut term.out;
            match self.sources.next(packet, stop::asked())? {
                Got::End => break,
                Got::Idle => {
                    // Nobody waits for lines that are there.
                    write(lines, out)?;
                    out.flush()?;
                    match (&mut self.uses, self.sources.counter()) {
                        (Use::Rate(_), Some(_)) => self.seconds(false, out)?,
                        (Use::Rate(rate), None) => rate.until(now(), out)?,
                        _ => {}
                    }
                    if let Some(saver) = &mut self.saver
                        && !saver.tick()?
                    {
                        break;
                    }
                    continue;
                }
                Got::Packet { filtered } => {
                    self.cut(packet);
                    if !filtered && !self.matches(packet, filters)? {
                        continue;
                    }
                }
            }
            self.seen += 1;
            if let Some(saver) = &mut self.saver
                && !saver.write(packet)?
            {
                break;
            }
            if let (Use::Rate(_), Some(counter)) = (&self.uses, self.sources.counter()) {
                counter.late(packet.meta.timestamp, wire_len(packet));
                self.seconds(false, out)?;
                continue;
            }
            self.show(packet, lines, out)?;
            if lines.len() >= CHUNK || self.flush {
                write(lines, out)?;
                if self.flush || live {
                    out.flush()?;
                }
            }
        }
        Ok(())
    }

    /// Shows the seconds that are over, as the kernel has counted them.
    fn seconds(&mut self, ends: bool, out: &mut Out<'_>) -> Result<(), Failure> {
        let (Use::Rate(rate), Some(counter)) = (&mut self.uses, self.sources.counter()) else {
            return Ok(());
        };
        let shown = counter.add_to_rate(rate, ends, |rate, second, packets, bytes| {
            rate.add_many(second.saturating_mul(1_000_000_000), packets, bytes, out)
        });
        let counted = shown.map_err(|err| Failure::of(Kind::Environment, &err))??;
        self.counted += counted;
        self.seen += counted;
        Ok(())
    }

    /// Adds what the kernel has counted.
    fn collect(&mut self, out: &mut Out<'_>) -> Result<(), Failure> {
        let Some(counter) = self.sources.counter() else { return Ok(()) };
        let counted = match &mut self.uses {
            Use::Top(top) => counter.add_to_top(top),
            Use::Histogram(histogram) => counter.add_to_histogram(histogram),
            Use::Rate(_) => return self.seconds(true, out),
            _ => Ok(0),
        };
        let counted = counted.map_err(|err| Failure::of(Kind::Environment, &err))?;
        self.counted += counted;
        self.seen += counted;
        Ok(())
    }

    /// Takes away what the capture says it has not kept.
    fn cut(&self, packet: &mut Packet) {
        let snaplen = self.sources.snaplen(packet);
        if snaplen == 0 || packet.frame().len() <= snaplen as usize {
            return;
        }
        let mut bytes = packet.frame().to_vec();
        bytes.truncate(snaplen as usize);
        let meta = skep_hooks::PacketMeta { vlan: None, ..packet.meta };
        packet.reset(&bytes, meta);
    }

    fn matches(&mut self, packet: &Packet, filters: &mut Filters) -> Result<bool, Failure> {
        if self.expression.text.trim().is_empty() {
            return Ok(true);
        }
        let link = packet.meta.link;
        let process = if self.filters_process { Some(self.process(packet)) } else { None };
        if filters.len() >= MOST {
            filters.clear();
        }
        let filter = match filters.entry((link, process)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let process = new.key().1.as_ref();
                let link = expression::of_file(link)?;
                let filter = self.expression.filter_of(link, Origin::File, process)?;
                new.insert(filter)
            }
        };
        let Some(filter) = filter else { return Ok(true) };
        Ok(with_bytes(packet, |bytes| {
            let packet = if link == LinkType::ETHERNET {
                skep_cbpf::Packet::ethernet(bytes, packet.meta.wire_len)
            } else {
                let mut this = skep_cbpf::Packet::new(bytes);
                this.len = packet.meta.wire_len;
                this
            };
            filter.matches(&packet)
        }))
    }

    /// The process that a packet belongs to.
    fn process(&mut self, packet: &Packet) -> Process {
        let Some(processes) = &mut self.processes else { return Process::default() };
        with_bytes(packet, |bytes| {
            let link = packet.meta.link.0;
            let shown =
                Shown { bytes, wire_len: packet.wire_len(), time: 0, link, interface: None };
            processes.of(&Record::new(&shown))
        })
    }

    fn show(&mut self, packet: &Packet, lines: &mut Vec<u8>, out: &mut Out<'_>) -> io::Result<()> {
        if matches!(self.uses, Use::Nothing | Use::Count) {
            return Ok(());
        }
        let process = self.shows_process.then(|| self.process(packet));
        let (uses, sources, number) = (&mut self.uses, &self.sources, self.seen);
        let ahead = &mut self.ahead;
        let begin = lines.len();
        with_bytes(packet, |bytes| {
            let shown = shown(packet, bytes, sources.name(packet));
            match uses {
                Use::Lines(dissector) => match ahead {
                    Some(ahead) => ahead.add(number, packet, &Record::new(&shown)),
                    None => dissector.line(number, &shown, lines),
                },
                Use::Json => Record::new(&shown).write_json(number, lines),
                Use::Top(top) => top.add(&Record::new(&shown)),
                Use::Histogram(histogram) => histogram.add(&Record::new(&shown)),
                Use::Rate(rate) => rate.add(&Record::new(&shown), out)?,
                Use::Nothing | Use::Count => {}
            }
            io::Result::Ok(())
        })?;
        if self.ahead.as_ref().is_some_and(Ahead::is_full) {
            self.show_waiting(lines);
        }
        if let Some(Process { pid: Some(pid), name }) = process {
            name_process(lines, begin, pid, &name, matches!(self.uses, Use::Json));
        }
        Ok(())
    }

    /// Shows those that waited for names.
    fn show_waiting(&mut self, lines: &mut Vec<u8>) {
        let (Use::Lines(dissector), Some(ahead)) = (&mut self.uses, &mut self.ahead) else {
            return;
        };
        for waiting in ahead.take() {
            let packet = &waiting.packet;
            with_bytes(packet, |bytes| {
                let shown = shown(packet, bytes, waiting.interface.as_deref());
                dissector.line(waiting.number, &shown, lines);
            });
        }
    }

    /// Ends what was begun, says what was counted, then why there are no more packets.
    pub(crate) fn conclude(
        mut self,
        ended: Result<(), Failure>,
        term: &mut Term<'_>,
        as_tcpdump: bool,
    ) -> Result<(), Failure> {
        let finished = self.saver.as_mut().map_or(Ok(()), Saver::finish);
        if let Some(files) = self.saver.as_ref().and_then(Saver::limit).filter(|_| as_tcpdump) {
            writeln!(term.err, "Maximum file limit reached: {files}")?;
        }
        if ended.as_ref().is_err_and(Failure::is_closed_pipe) {
            return ended.and(finished);
        }
        let collected = self.collect(&mut term.out);
        let ended = ended.and(collected);
        let out = &mut term.out;
        // The terminal has shown `^C`, perhaps.
        if stop::asked() && self.sources.are_live() {
            match as_tcpdump {
                true if self.saver.is_none() => writeln!(out)?,
                false if term.err.is_terminal => writeln!(term.err)?,
                _ => {}
            }
        }
        match &mut self.uses {
            Use::Count => writeln!(out, "{} packet{}", self.seen, plural(self.seen))?,
            Use::Top(top) => top.show(out)?,
            Use::Histogram(histogram) => histogram.show(out)?,
            Use::Rate(rate) => {
                if self.sources.are_live() {
                    rate.spans(self.begun, now());
                }
                rate.show(out)?;
            }
            Use::Nothing | Use::Lines(_) | Use::Json => {}
        }
        out.flush()?;
        if let Use::Top(top) = &self.uses
            && top.floor() > 0
        {
            let most = top.floor();
            writeln!(
                term.err,
                "more values than are kept: counts may be up to {most} packet{} too low, and values with no more may be missing",
                plural(most)
            )?;
        }
        if self.sources.are_live() {
            writeln!(term.err, "{}", self.counts(as_tcpdump).join("\n"))?;
        }
        ended.and(finished)
    }

    /// What was captured and what was lost so far.
    fn counts(&mut self, as_tcpdump: bool) -> Vec<String> {
        let seen = self.seen;
        let stats = self.sources.stats();
        let several = stats.len() > 1 && !as_tcpdump;
        let mut counts = vec![format!("{seen} packet{} captured", plural(seen))];
        for (name, stats) in stats {
            let of = if several { format!("{name}: ") } else { String::new() };
            let (received, dropped) = (stats.received + self.counted, stats.dropped);
            counts.push(format!("{of}{received} packet{} received by filter", plural(received)));
            let times = stats.full;
            let why = match dropped > 0 && !as_tcpdump {
                true => {
                    format!(
                        ": the buffer was full {times} time{}, -B makes it larger",
                        plural(times)
                    )
                }
                false => String::new(),
            };
            counts.push(format!("{of}{dropped} packet{} dropped by kernel{why}", plural(dropped)));
        }
        counts
    }
}

/// Adds the process to what was written of a packet from `begin` on: at the end of its first line, or as fields.
fn name_process(lines: &mut Vec<u8>, begin: usize, pid: u32, name: &str, as_json: bool) {
    let end = lines.iter().skip(begin).position(|&byte| byte == b'\n');
    let end = begin + end.unwrap_or(lines.len().saturating_sub(begin));
    if as_json {
        let fields = format!(",\"pid\":{pid},\"process\":{}", serde_json::json!(name));
        // Before the brace.
        let at = end.saturating_sub(1);
        lines.splice(at..at, fields.into_bytes());
    } else {
        // Names are what processes call themselves.
        let name: String = name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        lines.splice(end..end, format!(" [{name} {pid}]").into_bytes());
    }
}

const fn plural(n: u64) -> &'static str {
    if n == 1 { "" } else { "s" }
}

fn write(lines: &mut Vec<u8>, out: &mut Out<'_>) -> io::Result<()> {
    out.write_all(lines)?;
    lines.clear();
    Ok(())
}

/// A packet as it is shown.
fn shown<'a>(packet: &Packet, bytes: &'a [u8], interface: Option<&'a str>) -> Shown<'a> {
    let (wire_len, time) = (wire_len(packet), packet.meta.timestamp);
    Shown { bytes, wire_len, time, link: packet.meta.link.0, interface }
}

/// The length on the wire as the capture has it, which may be less than what was captured.
fn wire_len(packet: &Packet) -> u32 {
    if packet.meta.vlan.is_some() { packet.wire_len() } else { packet.meta.wire_len }
}

/// Lends the bytes of the frame in one piece.
fn with_bytes<T>(packet: &Packet, use_them: impl FnOnce(&[u8]) -> T) -> T {
    let frame = packet.frame();
    match frame.as_slice() {
        Some(bytes) => use_them(bytes),
        // A tag beside the packet is put in its place.
        None => use_them(&frame.to_vec()),
    }
}
