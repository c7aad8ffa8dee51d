//! Where packets come from: captures one after another, or interfaces side by side.

use super::devices;
use super::expression::{self, Expression, Filter};
use super::kernel::{Counter, Place, What};
use crate::failure::{Failure, Kind};
use crate::file;
use crate::run::device;
use crate::term::Out;
use skep_cbpf::Program;
use skep_filter::{Process, Source as Origin, program_of_all};
use skep_hooks::{
    CaptureError, DeviceError, Direction, Interface, LinkType, Next, Packet, PacketRing,
    PacketSource, RingOptions, RingStats,
};
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long to wait for a packet before looking for signals.
const WAIT: Duration = Duration::from_millis(100);
/// How long the kernel may hold packets back to hand over many at once.
const DELAY: Duration = Duration::from_millis(200);
/// The same for each of several interfaces, whose packets wait for each other.
const DELAY_OF_SEVERAL: Duration = Duration::from_millis(50);
/// The same where packets are wanted as they come.
const NO_DELAY: Duration = Duration::from_millis(1);
/// How long to sleep when none of several interfaces has a packet.
const NAP: Duration = Duration::from_millis(2);
/// All interfaces at once.
const ANY: &str = "any";
/// What else may pass until a packet is seen.
const SLACK: Duration = Duration::from_millis(50);

/// How to listen.
#[derive(Clone, Copy)]
pub(crate) struct Options<'a> {
    pub(crate) interfaces: &'a [String],
    pub(crate) snaplen: u32,
    pub(crate) promiscuous: bool,
    pub(crate) buffer: u32,
    pub(crate) immediate: bool,
    pub(crate) direction: Direction,
    pub(crate) linktype: Option<&'a str>,
    /// Whether root is given up once all is open.
    pub(crate) gives_up_root: bool,
    /// Where times are to come from, if not from the host's clock.
    pub(crate) time_stamp_type: Option<&'a str>,
    /// What the kernel is to count, if it can.
    pub(crate) count: Option<&'a What>,
}

/// Where packets come from.
pub(crate) enum Sources {
    Files(Files),
    Rings(Rings),
}

/// Captures, the first being read.
pub(crate) struct Files {
    current: Box<dyn PacketSource>,
    path: PathBuf,
    /// The others, open already if root is given up before their turn.
    rest: VecDeque<(PathBuf, Option<File>)>,
    direction: Direction,
}

/// Interfaces.
pub(crate) struct Rings {
    rings: Vec<Ring>,
    /// By then, in nanoseconds, the kernel has handed a packet over.
    late: u64,
    names: HashMap<u32, String>,
    /// When to stop, once asked: packets of later are not wanted.
    until: Option<u64>,
    /// What the kernel does, or does not.
    remarks: Vec<String>,
    /// What counts in the kernel.
    counter: Option<Counter>,
}

struct Ring {
    ring: PacketRing,
    name: String,
    filters: Filters,
    /// Its next packet, which waits for earlier ones of other interfaces, whether there is one, and whether it is known
    /// to match.
    next: Packet,
    waits: bool,
    matches: bool,
    /// Whether all packets from before the signal to stop have come.
    ended: bool,
    /// Whether the interface is there no more.
    gone: bool,
}

/// Who filters packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filters {
    Here,
    Kernel,
    /// The kernel, but those with VLAN tags are to be looked at here as well.
    KernelButTags,
}

/// A packet, or what is there instead.
pub(crate) enum Got {
    /// A packet; whether it is known to match.
    Packet {
        filtered: bool,
    },
    Idle,
    End,
}

/// Opens a capture.
pub(crate) fn open_capture(path: &Path) -> Result<Box<dyn PacketSource>, Failure> {
    let opened = if file::is_std(path) {
        skep_hooks::open(io::stdin())
    } else {
        skep_hooks::open_file(path)
    };
    opened.map_err(|err| failure(path, &err))
}

/// Says what is read as tcpdump does.
pub(crate) fn announce_capture(
    path: &Path,
    capture: &dyn PacketSource,
    err: &mut Out<'_>,
) -> io::Result<()> {
    let interface = capture.interfaces().first();
    let link = interface.map_or(LinkType::ETHERNET, |interface| interface.link);
    let snaplen = interface.map_or(0, |interface| interface.snaplen);
    let snaplen = if snaplen == 0 { 262_144 } else { snaplen };
    let (name, words) = (path.display(), link_words(link));
    writeln!(err, "reading from file {name}, link-type {words}, snapshot length {snaplen}")?;
    if link == LinkType::LINUX_SLL2 {
        writeln!(err, "Warning: interface names might be incorrect")?;
    }
    Ok(())
}

/// Says, as tcpdump does, that packets are those of any interface.
pub(crate) fn announce_cooked(err: &mut Out<'_>) -> io::Result<()> {
    writeln!(err, "tcpdump: data link type LINUX_SLL2")
}

/// What is wrong with a capture, for people.
fn failure(path: &Path, err: &CaptureError) -> Failure {
    match err {
        // What the system says is of the file, anything else of its bytes.
        CaptureError::Io { at: 0, source } if source.raw_os_error().is_some() => {
            Failure::file(&file::name(path), source)
        }
        err => Failure::at(Kind::Input, &file::name(path), err),
    }
}

impl Sources {
    pub(crate) fn open(
        read: &[PathBuf],
        options: &Options<'_>,
        expression: &Expression,
    ) -> Result<Self, Failure> {
        if let Some(name) = options.linktype {
            expression::by_name(name)?;
        }
        if let [path, rest @ ..] = read {
            let current = open_capture(path)?;
            // What cannot be opened is said when its turn comes.
            let early = |path: &PathBuf| {
                let opens = options.gives_up_root && !file::is_std(path);
                (path.clone(), opens.then(|| File::open(path).ok()).flatten())
            };
            let rest = rest.iter().map(early).collect();
            // What is wrong with the expression is said before any packet is shown.
            let link = current.interfaces().first().map(|interface| interface.link);
            if let Some(link) = link.filter(|_| !expression.text.trim().is_empty()) {
                expression.filter(expression::of_file(link)?, Origin::File)?;
            }
            let (path, direction) = (path.clone(), options.direction);
            return Ok(Self::Files(Files { current, path, rest, direction }));
        }
        Rings::open(options, expression).map(Self::Rings)
    }

    pub(crate) const fn are_live(&self) -> bool {
        matches!(self, Self::Rings(_))
    }

    /// Says what is listened on.
    pub(crate) fn announce(&self, err: &mut Out<'_>) -> io::Result<()> {
        match self {
            Self::Files(_) => Ok(()),
            Self::Rings(rings) => rings.announce(err),
        }
    }

    /// Says what is read or listened on as tcpdump does; `verbose` if it says no word about that.
    pub(crate) fn announce_as_tcpdump(&self, verbose: bool, err: &mut Out<'_>) -> io::Result<()> {
        match self {
            Self::Files(files) => announce_capture(&files.path, &*files.current, err),
            Self::Rings(rings) => {
                let kinds = rings.rings.iter().flat_map(|ring| ring.ring.interfaces());
                if kinds.into_iter().any(|one| one.link == LinkType::LINUX_SLL2) {
                    announce_cooked(err)?;
                }
                write!(err, "tcpdump: ")?;
                if !verbose {
                    writeln!(
                        err,
                        "verbose output suppressed, use -v[v]... for full protocol decode"
                    )?;
                }
                rings.announce(err)
            }
        }
    }

    /// The interfaces known so far.
    pub(crate) fn interfaces(&self) -> Vec<Interface> {
        match self {
            Self::Files(files) => files.current.interfaces().to_vec(),
            Self::Rings(rings) => {
                rings.rings.iter().flat_map(|ring| ring.ring.interfaces()).cloned().collect()
            }
        }
    }

    /// Most bytes of a packet from an interface, 0 if any number.
    pub(crate) fn snaplen(&self, packet: &Packet) -> u32 {
        match self {
            Self::Files(files) => {
                let at = usize::try_from(packet.meta.ifindex).unwrap_or(0).saturating_sub(1);
                files.current.interfaces().get(at).map_or(0, |interface| interface.snaplen)
            }
            Self::Rings(_) => 0,
        }
    }

    /// The name of the interface that a packet came by.
    pub(crate) fn name(&self, packet: &Packet) -> Option<&str> {
        match self {
            Self::Files(files) => {
                let at = usize::try_from(packet.meta.ifindex).unwrap_or(0).checked_sub(1)?;
                files.current.interfaces().get(at)?.name.as_deref()
            }
            Self::Rings(rings) => rings.names.get(&packet.meta.ifindex).map(String::as_str),
        }
    }

    pub(crate) fn next(&mut self, packet: &mut Packet, stop: bool) -> Result<Got, Failure> {
        match self {
            Self::Files(_) if stop => Ok(Got::End),
            Self::Files(files) => files.next(packet),
            Self::Rings(rings) => rings.next(packet, stop),
        }
    }

    /// What counts in the kernel.
    pub(crate) const fn counter(&mut self) -> Option<&mut Counter> {
        match self {
            Self::Files(_) => None,
            Self::Rings(rings) => rings.counter.as_mut(),
        }
    }

    /// What was counted on each interface.
    pub(crate) fn stats(&mut self) -> Vec<(String, RingStats)> {
        match self {
            Self::Files(_) => Vec::new(),
            Self::Rings(rings) => {
                let each = rings.rings.iter_mut();
                each.filter_map(|ring| Some((ring.name.clone(), ring.ring.stats().ok()?))).collect()
            }
        }
    }
}

impl Files {
    fn next(&mut self, packet: &mut Packet) -> Result<Got, Failure> {
        loop {
            match self.current.next(packet).map_err(|err| failure(&self.path, &err))? {
                Next::Packet if self.goes_right(packet) => {
                    return Ok(Got::Packet { filtered: false });
                }
                Next::Packet => {}
                Next::Idle => return Ok(Got::Idle),
                Next::End => match self.rest.pop_front() {
                    None => return Ok(Got::End),
                    Some((path, opened)) => {
                        self.current = match opened {
                            Some(file) => {
                                skep_hooks::open_handle(file).map_err(|err| failure(&path, &err))?
                            }
                            None => open_capture(&path)?,
                        };
                        self.path = path;
                    }
                },
            }
        }
    }

    /// What is read, and what will be.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.path].into_iter().chain(self.rest.iter().map(|(path, _)| path))
    }

    fn goes_right(&self, packet: &Packet) -> bool {
        let outgoing = packet.meta.pkt_type == skep_hooks::PktType::Outgoing;
        match self.direction {
            Direction::Both => true,
            Direction::In => !outgoing,
            Direction::Out => outgoing,
        }
    }
}

impl Rings {
    fn announce(&self, err: &mut Out<'_>) -> io::Result<()> {
        for remark in &self.remarks {
            writeln!(err, "{remark}")?;
        }
        for Ring { ring, name, .. } in &self.rings {
            let [Interface { link, snaplen, .. }] = ring.interfaces() else { continue };
            let link = link_words(*link);
            writeln!(
                err,
                "listening on {name}, link-type {link}, snapshot length {snaplen} bytes"
            )?;
        }
        Ok(())
    }

    fn open(options: &Options<'_>, expression: &Expression) -> Result<Self, Failure> {
        let none = || {
            let text = "there is no interface that is up";
            Failure::new(Kind::Environment, text).help("-r reads a capture")
        };
        let interfaces = match options.interfaces {
            [] => vec![devices::default().ok_or_else(none)?],
            given => given.iter().map(|name| devices::named(name)).collect(),
        };
        let mut rings = Vec::new();
        let (mut remarks, mut counter) = (Vec::new(), None);
        let several = interfaces.len() > 1;
        let timeout = if several { Duration::ZERO } else { WAIT };
        let delay = match (options.immediate, several) {
            (true, _) => NO_DELAY,
            (false, true) => DELAY_OF_SEVERAL,
            (false, false) => DELAY,
        };
        for name in interfaces {
            if let Some(kind) = options.time_stamp_type {
                remarks.push(format!(
                    "{name}: there are no time stamps of type {kind}, the host's are taken"
                ));
            }
            let counts = !several && name != ANY && !expression.asks_process();
            if let Some(what) = options.count.filter(|_| counts)
                && let Some((ring, counts)) = Ring::counting(&name, options, expression, what)?
            {
                remarks.push(format!("{name}: counting in the kernel"));
                rings.push(ring);
                counter = Some(counts);
                continue;
            }
            rings.push(Ring::open(name, options, expression, (delay, timeout), &mut remarks)?);
        }
        for ring in &rings {
            ring.check_link(options.linktype)?;
        }
        let names = devices::all().into_iter().map(|device| (device.index, device.name)).collect();
        // A block that has packets is handed over when the second of two delays ends, at the latest.
        let late = u64::try_from((2 * delay + SLACK).as_nanos()).unwrap_or(u64::MAX);
        Ok(Self { rings, late, names, until: None, remarks, counter })
    }

    /// The next packet of all, by time: one waits until no interface can have an earlier one any more, or until there
    /// are too many.
    fn next(&mut self, packet: &mut Packet, stop: bool) -> Result<Got, Failure> {
        if stop && self.until.is_none() {
            self.until = Some(now());
        }
        let is_over = self.until.is_some_and(|until| now() > until.saturating_add(self.late));
        for ring in &mut self.rings {
            ring.ask(self.until, is_over)?;
        }
        let is_known = self.rings.iter().all(|ring| ring.waits || ring.ended);
        let hurries = !is_known && self.rings.iter().any(|ring| ring.ring.is_half_full());
        let is_several = self.rings.len() > 1;
        let waiting = self.rings.iter_mut().filter(|ring| ring.waits);
        let earliest = waiting.min_by_key(|ring| ring.next.meta.timestamp);
        let is_late = |time: u64| time.saturating_add(self.late) <= now();
        match earliest {
            Some(ring) if is_known || hurries || is_late(ring.next.meta.timestamp) => {
                std::mem::swap(packet, &mut ring.next);
                ring.waits = false;
                return Ok(Got::Packet { filtered: ring.matches });
            }
            None if is_known => {
                return match self.rings.iter().find(|ring| ring.gone) {
                    None => Ok(Got::End),
                    Some(Ring { name, .. }) => {
                        let text = format!("{name}: the interface is gone");
                        Err(Failure::new(Kind::Environment, text))
                    }
                };
            }
            _ if is_several => std::thread::sleep(NAP),
            _ => {}
        }
        Ok(Got::Idle)
    }
}

impl Ring {
    fn new(ring: PacketRing, name: String, filters: Filters) -> Self {
        let next = Packet::new();
        let (waits, matches, ended, gone) = (false, false, false, false);
        Self { ring, name, filters, next, waits, matches, ended, gone }
    }

    /// Whether packets are of the link type that is asked for.
    fn check_link(&self, wanted: Option<&str>) -> Result<(), Failure> {
        let (Some(wanted), Some(interface)) = (wanted, self.ring.interfaces().first()) else {
            return Ok(());
        };
        let there = expression::of_file(interface.link)?;
        if expression::by_name(wanted)? == there {
            return Ok(());
        }
        let text = format!("{}: packets are of type {}, not {wanted}", self.name, there.name());
        Err(Failure::new(Kind::Unsupported, text).help("without -y they come as they are"))
    }

    /// Looks for the next packet if none is there: one that came before the end, if that is known.
    fn ask(&mut self, until: Option<u64>, is_over: bool) -> Result<(), Failure> {
        if self.waits || self.ended {
            return Ok(());
        }
        let next = match self.ring.next(&mut self.next) {
            // Others go on.
            Err(CaptureError::Io { source, .. }) if source.kind() == io::ErrorKind::NetworkDown => {
                (self.gone, self.ended) = (true, true);
                return Ok(());
            }
            Err(err) => return Err(Failure::at(Kind::Environment, Path::new(&self.name), &err)),
            Ok(next) => next,
        };
        match next {
            Next::Packet => {
                self.ended = until.is_some_and(|until| self.next.meta.timestamp > until);
                self.waits = !self.ended;
                self.matches = match self.filters {
                    Filters::Here => false,
                    Filters::Kernel => true,
                    Filters::KernelButTags => !self.ring.was_tagged(),
                };
            }
            Next::Idle => self.ended = is_over,
            Next::End => self.ended = true,
        }
        Ok(())
    }

    /// Lets the kernel count; nothing if it cannot.
    fn counting(
        name: &str,
        options: &Options<'_>,
        expression: &Expression,
        what: &What,
    ) -> Result<Option<(Self, Counter)>, Failure> {
        let filter = match expression.filter(skep_filter::LinkType::Ethernet, Origin::Live)? {
            None => None,
            Some(Filter::Program(program)) => Some(program),
            Some(Filter::Long(_)) => return Ok(None),
        };
        let place = Place {
            filter: filter.as_ref(),
            snaplen: options.snaplen,
            direction: options.direction,
            is_loopback: devices::is_loopback(name),
        };
        let Some(counter) = Counter::load(what, &place) else { return Ok(None) };
        let ring_options = RingOptions {
            snaplen: options.snaplen,
            promiscuous: options.promiscuous,
            buffer: options.buffer,
            delay: if options.immediate { NO_DELAY } else { DELAY },
            timeout: WAIT,
            filter: None,
            program: Some(counter.program()),
            direction: options.direction,
        };
        // What is wrong is said when it is opened without.
        let Ok(ring) = PacketRing::open(name, &ring_options) else { return Ok(None) };
        let ethernet = ring.interfaces().first().is_some_and(|i| i.link == LinkType::ETHERNET);
        let this = Self::new(ring, name.to_owned(), Filters::Kernel);
        Ok(ethernet.then_some((this, counter)))
    }

    fn open(
        name: String,
        options: &Options<'_>,
        expression: &Expression,
        (delay, timeout): (Duration, Duration),
        remarks: &mut Vec<String>,
    ) -> Result<Self, Failure> {
        let program = kernel_program(&name, expression, remarks)?;
        let insns = program.as_ref().map(raw);
        // Without a filter the kernel drops packets that have no bytes behind the link's header (`packet_rcv`).
        let all = raw(&program_of_all(true, options.snaplen));
        let ring_options = RingOptions {
            snaplen: options.snaplen,
            promiscuous: options.promiscuous,
            buffer: options.buffer,
            delay,
            timeout,
            filter: Some(insns.as_deref().unwrap_or(&all)),
            program: None,
            direction: options.direction,
        };
        let opened = PacketRing::open(&name, &ring_options);
        let in_kernel = if name == ANY { Filters::KernelButTags } else { Filters::Kernel };
        let (ring, filters) = match opened {
            Ok(ring) if insns.is_none() => (ring, Filters::Here),
            Ok(ring) => (ring, in_kernel),
            Err(DeviceError::System { source, .. }) if insns.is_some() && is_refused(&source) => {
                remarks.push(format!(
                    "{name}: the kernel does not take the filter ({}): packets are filtered here",
                    source.kind()
                ));
                let without = RingOptions { filter: Some(&all), ..ring_options };
                let ring =
                    PacketRing::open(&name, &without).map_err(|err| device::failure(&err))?;
                (ring, Filters::Here)
            }
            Err(err) => return Err(device::failure(&err)),
        };
        let ethernet = ring.interfaces().first().is_none_or(|i| i.link == LinkType::ETHERNET);
        if filters == Filters::Kernel && !ethernet {
            // The program was for another link type: again, without it.
            let without = RingOptions { filter: Some(&all), ..ring_options };
            let ring = PacketRing::open(&name, &without).map_err(|err| device::failure(&err))?;
            return Ok(Self::new(ring, name, Filters::Here));
        }
        Ok(Self::new(ring, name, filters))
    }
}

/// What the kernel is to filter an interface's packets with; nothing if it cannot, or need not.
fn kernel_program(
    name: &str,
    expression: &Expression,
    remarks: &mut Vec<String>,
) -> Result<Option<Program>, Failure> {
    let mut here = |why: &str| {
        remarks.push(format!("{name}: packets are filtered here{why}"));
        Ok(None)
    };
    let is_any = name == ANY;
    let (link, origin) = if is_any {
        (skep_filter::LinkType::LinuxSll2, Origin::File)
    } else {
        (skep_filter::LinkType::Ethernet, Origin::Live)
    };
    if expression.asks_process() {
        expression.filter_of(link, origin, Some(&Process::default()))?;
        return here(", where processes are known");
    }
    match expression.filter(link, origin)? {
        None => Ok(None),
        Some(Filter::Program(program)) if is_any => match program.for_cooked_socket() {
            None => {
                here(": not all that is asked for is where the kernel has it on all interfaces")
            }
            program => Ok(program),
        },
        Some(Filter::Program(program)) => Ok(Some(program)),
        Some(Filter::Long(_)) => here(": the program is too long for the kernel"),
    }
}

/// `ENOMEM`, and `EINVAL` of the checker.
fn is_refused(err: &io::Error) -> bool {
    matches!(err.raw_os_error(), Some(12 | 22))
}

fn raw(program: &Program) -> Vec<(u16, u8, u8, u32)> {
    program.encode().iter().map(|insn| (insn.code, insn.jt, insn.jf, insn.k)).collect()
}

/// The present in nanoseconds since 1970.
pub(crate) fn now() -> u64 {
    let elapsed = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}

/// A link type as tcpdump calls it.
fn link_words(link: LinkType) -> String {
    let (name, words) = match link.0 {
        0 => ("NULL", "BSD loopback"),
        1 => ("EN10MB", "Ethernet"),
        9 => ("PPP", "PPP"),
        50 => ("PPP_SERIAL", "PPP over serial"),
        51 => ("PPP_ETHER", "PPPoE"),
        12 | 14 | 101 => ("RAW", "Raw IP"),
        108 => ("LOOP", "OpenBSD loopback"),
        113 => ("LINUX_SLL", "Linux cooked v1"),
        228 => ("IPV4", "Raw IPv4"),
        229 => ("IPV6", "Raw IPv6"),
        276 => ("LINUX_SLL2", "Linux cooked v2"),
        other => return other.to_string(),
    };
    format!("{name} ({words})")
}
