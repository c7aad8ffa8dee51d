//! `skep dump`: packets as people read them.

mod count;
mod devices;
mod expression;
mod file_name;
mod frequent;
mod kernel;
mod listing;
mod names;
pub(crate) mod numbers;
mod packets;
mod privilege;
mod process;
mod rate;
mod requests;
mod save;
mod source;
mod world;

use crate::failure::{Failure, Kind};
use crate::file;
use crate::run::stop;
use crate::term::Term;
use clap::{Arg, ArgAction};
use count::{Histogram, Top};
use expression::Expression;
use kernel::What;
use names::{Ahead, Wanted};
use packets::{Capture, Use};
use process::Processes;
use rate::Rate;
use requests::Requests;
use save::Saver;
use skep_dissect::{Bytes, Carried, Dissector, Field, Options, Time};
use skep_hooks::Direction;
use source::Sources;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::rc::Rc;
use world::World;

/// Show, filter, count and save packets, from captures or as they come.
///
/// Takes tcpdump's options and prints its lines; names are shown only where --names asks for them. A link to this
/// program that is called tcpdump behaves as tcpdump does.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, disable_help_flag = true, mut_args = takes_any_value)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of tcpdump's")]
pub(crate) struct Dump {
    /// Which packets: an expression of pcap-filter(7).
    #[arg(value_name = "EXPRESSION")]
    expression: Vec<String>,
    /// Take packets from a network interface, or from all (any); may be given several times.
    #[arg(short, long, value_name = "DEV", help_heading = "Packets")]
    interface: Vec<String>,
    /// Read packets from a capture (pcap or pcapng, plain or compressed by gzip or zstd); may be given several times;
    /// - is standard input.
    #[arg(short, long = "read", value_name = "FILE", help_heading = "Packets")]
    read: Vec<PathBuf>,
    /// Read the captures that a file names, one on a line; - is standard input.
    #[arg(short = 'V', value_name = "FILE", help_heading = "Packets", conflicts_with = "read")]
    read_list: Option<PathBuf>,
    /// Stop after this many packets.
    #[arg(short, long, value_name = "N", help_heading = "Packets", value_parser = clap::value_parser!(u64).range(1..))]
    count_packets: Option<u64>,
    /// Read the expression from a file.
    #[arg(short = 'F', value_name = "FILE", help_heading = "Packets")]
    filter_file: Option<PathBuf>,
    /// Keep this many bytes of a packet [default: 262144].
    #[arg(short, long = "snapshot-length", value_name = "BYTES", help_heading = "Packets", value_parser = clap::value_parser!(u32).range(0..=262_144))]
    snaplen: Option<u32>,
    /// Only packets that come in, go out, or both.
    #[arg(short = 'Q', long, value_name = "WAY", help_heading = "Packets", value_parser = ["in", "out", "inout"], ignore_case = true)]
    direction: Option<String>,
    /// Do not ask for packets to other hosts.
    #[arg(short = 'p', long = "no-promiscuous-mode", help_heading = "Packets")]
    no_promiscuous: bool,
    /// KiB of the buffer that packets wait in.
    #[arg(short = 'B', long, value_name = "KIB", help_heading = "Packets", default_value_t = 8192, value_parser = clap::value_parser!(u32).range(1..))]
    buffer_size: u32,
    /// Hand each packet over as it comes.
    #[arg(long, help_heading = "Packets")]
    immediate_mode: bool,
    /// The link type, by its name in libpcap.
    #[arg(short = 'y', long, value_name = "TYPE", help_heading = "Packets")]
    linktype: Option<String>,
    /// Where times come from: only the host's clock is there.
    #[arg(short = 'j', long, value_name = "TYPE", help_heading = "Packets", value_parser = TIME_STAMP_TYPES)]
    time_stamp_type: Option<String>,
    /// Drop root for this user once all is open [default: nobody].
    #[arg(short = 'Z', long, value_name = "USER", help_heading = "Packets")]
    relinquish_privileges: Option<String>,
    /// List interfaces.
    #[arg(short = 'D', long, help_heading = "Packets")]
    list_interfaces: bool,
    /// List link types of an interface.
    #[arg(short = 'L', long, help_heading = "Packets")]
    list_data_link_types: bool,
    /// List where times of an interface come from.
    #[arg(short = 'J', long, help_heading = "Packets")]
    list_time_stamp_types: bool,

    /// Say more; more often, more.
    #[arg(short, action = ArgAction::Count, help_heading = "Lines")]
    verbose: u8,
    /// Say less.
    #[arg(short, long, help_heading = "Lines")]
    quick: bool,
    /// Show the link header.
    #[arg(short = 'e', help_heading = "Lines")]
    link: bool,
    /// Numbers for names, which is so anyway without --names.
    #[arg(short, action = ArgAction::Count, help_heading = "Lines")]
    numeric: u8,
    /// Names for hosts and ports, as the system knows them.
    #[arg(long, help_heading = "Lines")]
    names: bool,
    /// Names of hosts without their domains.
    #[arg(short = 'N', help_heading = "Lines")]
    no_domains: bool,
    /// Number packets.
    #[arg(short = '#', long, help_heading = "Lines")]
    number: bool,
    /// No time (-t), seconds since 1970 (-tt), time since the packet before (-ttt), date and time (-tttt), time since the
    /// first packet (-ttttt).
    #[arg(short = 't', action = ArgAction::Count, help_heading = "Lines")]
    time: u8,
    /// Show sequence numbers of TCP as they are.
    #[arg(short = 'S', long, help_heading = "Lines")]
    absolute_tcp_sequence_numbers: bool,
    /// Do not look at checksums.
    #[arg(short = 'K', long, help_heading = "Lines")]
    dont_verify_checksums: bool,
    /// Show bytes as characters; twice, with the link header.
    #[arg(short = 'A', action = ArgAction::Count, help_heading = "Lines")]
    ascii: u8,
    /// Show bytes in hexadecimal; twice, with the link header.
    #[arg(short = 'x', action = ArgAction::Count, help_heading = "Lines")]
    hex: u8,
    /// Show bytes in hexadecimal and as characters; twice, with the link header.
    #[arg(short = 'X', action = ArgAction::Count, help_heading = "Lines")]
    hex_ascii: u8,
    /// What packets carry, whatever their ports: domain, radius, rtcp, rtp, snmp, vat, vxlan.
    #[arg(short = 'T', value_name = "TYPE", help_heading = "Lines")]
    carried: Option<String>,
    /// Six digits of seconds.
    #[arg(long, help_heading = "Lines", conflicts_with = "nano")]
    micro: bool,
    /// Nine digits of seconds.
    #[arg(long, help_heading = "Lines")]
    nano: bool,
    /// Digits of seconds by a name: micro is --micro, nano is --nano.
    #[arg(long, value_name = "DIGITS", help_heading = "Lines", value_parser = ["micro", "nano"], conflicts_with_all = ["micro", "nano"])]
    time_stamp_precision: Option<String>,
    /// Show server names of TLS and headers of QUIC too.
    #[arg(long, help_heading = "Lines")]
    tls: bool,
    /// Hand each line on at once.
    #[arg(short = 'l', help_heading = "Lines")]
    line_buffered: bool,
    /// Show the process of this host that sends or gets a packet, in live captures of TCP and UDP.
    #[arg(long, help_heading = "Lines", conflicts_with_all = ["read", "read_list"])]
    process: bool,
    /// Print JSON, one object for a packet on a line.
    #[arg(long, help_heading = "Lines", conflicts_with_all = ["top", "hist", "rate", "count"])]
    json: bool,

    /// Write packets to a file instead of showing them: pcap, or by its name pcapng, and compressed after .gz or .zst; -
    /// is standard output.
    #[arg(short = 'w', value_name = "FILE", help_heading = "Files")]
    write: Option<PathBuf>,
    /// Show packets that are written, too.
    #[arg(long, help_heading = "Files")]
    print: bool,
    /// Hand each written packet on at once.
    #[arg(short = 'U', long, help_heading = "Files")]
    packet_buffered: bool,
    /// Begin a new file after so many million bytes (k, m, g for others).
    #[arg(short = 'C', value_name = "SIZE", help_heading = "Files", value_parser = save::size)]
    rotate_size: Option<u64>,
    /// Begin a new file every so many seconds of the clock; its name is a pattern of strftime(3).
    #[arg(short = 'G', value_name = "SECONDS", help_heading = "Files", value_parser = clap::value_parser!(u32).range(1..))]
    rotate_seconds: Option<u32>,
    /// Keep at most so many files.
    #[arg(short = 'W', value_name = "N", help_heading = "Files", value_parser = clap::value_parser!(u32).range(1..))]
    files: Option<u32>,
    /// Run a command with each file that is full.
    #[arg(short = 'z', value_name = "COMMAND", help_heading = "Files")]
    postrotate: Option<String>,

    /// Only count packets.
    #[arg(long, help_heading = "Counting", conflicts_with_all = ["top", "hist", "rate"])]
    count: bool,
    /// The most frequent values of fields, comma between; see below for their names.
    #[arg(long, value_name = "FIELDS", help_heading = "Counting", value_delimiter = ',', value_parser = field, conflicts_with_all = ["hist", "rate"])]
    top: Vec<Field>,
    /// How the values of a field are spread, in powers of two.
    #[arg(long, value_name = "FIELD", help_heading = "Counting", value_parser = number, conflicts_with = "rate")]
    hist: Option<Field>,
    /// Packets and bits in each second.
    #[arg(long, help_heading = "Counting")]
    rate: bool,
    /// Count here and not in the kernel, which is done where it can be: fewer packets are lost there.
    #[arg(long, help_heading = "Counting")]
    here: bool,
    /// Most rows of --top.
    #[arg(long, value_name = "N", help_heading = "Counting", default_value_t = 20)]
    rows: usize,

    /// Show the program that filters: for people (-d), for C (-dd), as numbers (-ddd).
    #[arg(short = 'd', action = ArgAction::Count, help_heading = "Filter")]
    listing: u8,
    /// Do not make that program small.
    #[arg(short = 'O', long, help_heading = "Filter")]
    no_optimize: bool,

    /// Print help (see a summary with -h).
    #[arg(short, long, action = ArgAction::Help, help_heading = "Other")]
    help: Option<bool>,

    /// Whether the program was called by tcpdump's name.
    #[arg(skip)]
    pub(crate) as_tcpdump: bool,
}

/// Those of libpcap.
const TIME_STAMP_TYPES: [&str; 6] =
    ["host", "host_lowprec", "host_hiprec", "host_hiprec_unsynced", "adapter", "adapter_unsynced"];

const EXAMPLES: &str = "\
Examples:
  skep dump -r examples/traffic.pcap 'tcp port 80'
  sudo skep dump -i eth0 -i wlan0 -e -vv icmp
  skep dump -r in.pcapng.zst --json | jq .src
  skep dump -r in.pcap --top src,dport
  sudo skep dump -i any -w trace-%H.pcap -G 3600 -W 24

Fields of --top and --hist: caplen dmac dns dnstype dport dst ethertype flags icmp interface len line payload proto
server smac sport src ttl tunnel vlan win.

Exit codes:
  0  all is well
  1  a capture is malformed
  2  the arguments are wrong
  3  a file, device or privilege is missing
  4  not supported";

/// As getopt(3) does: what comes after an option that takes a value is its value, whatever it begins with.
fn takes_any_value(arg: Arg) -> Arg {
    let takes = !arg.is_positional() && arg.get_action().takes_values();
    if takes { arg.allow_hyphen_values(true) } else { arg }
}

fn field(name: &str) -> Result<Field, String> {
    Field::named(name).ok_or_else(|| {
        let names: Vec<_> = Field::names().collect();
        format!("no such field, there are {}", names.join(" "))
    })
}

/// A field whose values lie on a scale.
fn number(name: &str) -> Result<Field, String> {
    let field = field(name)?;
    if field.is_number() {
        return Ok(field);
    }
    let is_number = |name: &&str| Field::named(name).is_some_and(Field::is_number);
    let names: Vec<_> = Field::names().filter(is_number).collect();
    Err(format!("its values are no numbers (--top counts them); those of {} are", names.join(" ")))
}

impl Dump {
    pub(crate) fn run(&self, term: &mut Term<'_>) -> Result<(), Failure> {
        match self.dump(term) {
            // Only the expression is a text.
            Err(Failure::Text(text)) => {
                // There is nowhere else to complain to.
                let _ = text.show(&mut term.err);
                Err(Failure::Said(Kind::Usage))
            }
            other => other,
        }
    }

    fn dump(&self, term: &mut Term<'_>) -> Result<(), Failure> {
        self.check()?;
        if self.list_interfaces {
            return Ok(devices::list(&mut term.out)?);
        }
        let read = self.captures()?;
        let expression = Expression {
            text: self.text()?,
            optimise: !self.no_optimize,
            names: self.shows_names(),
            snaplen: self.snaplen(),
            world: World::default(),
            netmask: if read.is_empty() { self.netmask() } else { 0 },
        };
        if self.listing > 0 {
            return self.list_program(&expression, &read, term);
        }
        // Of a capture tcpdump does not list them, either.
        if read.is_empty() && (self.list_data_link_types || self.list_time_stamp_types) {
            let interface = self.interface.first().map(String::as_str);
            return devices::types(interface, self.list_data_link_types, &mut term.out);
        }
        let count = self.kernel_counts();
        let sources = Sources::open(&read, &self.source_options(count.as_ref()), &expression)?;
        if self.as_tcpdump {
            let verbose = self.verbose > 0 || self.write.is_some();
            sources.announce_as_tcpdump(verbose, &mut term.err)?;
        } else {
            sources.announce(&mut term.err)?;
        }
        self.check_terminal(term)?;
        let saver = match &self.write {
            Some(path) => Some(Saver::create(path, &self.save_options(), &sources)?),
            None => None,
        };
        // Processes are looked for by a thread that is begun before root is given up.
        let filters_process = sources.are_live() && expression.asks_process();
        let asks = filters_process || sources.are_live() && self.process;
        let processes = if asks { Some(Processes::start()?) } else { None };
        let path = self.write.as_deref().filter(|path| !file::is_std(path));
        let first = saver.as_ref().and_then(Saver::file);
        let files = path.map(|path| privilege::Files { path, first, more: self.rotates() });
        privilege::drop(self.relinquish_privileges.as_deref(), files)?;
        stop::on_signals();
        let shows = saver.is_none() || self.print;
        let wanted = Wanted::default();
        let ahead = self.shows_names().then(|| {
            // Who sends packets through a pipe may wait for lines.
            let waits = !read.is_empty() && read.iter().all(|path| path.is_file());
            Ahead::new(Rc::clone(&wanted), waits)
        });
        let mut capture = Capture {
            uses: self.uses(shows, sources.are_live(), wanted)?,
            sources,
            saver,
            ahead,
            expression,
            processes,
            requests: Requests::by_signals()?,
            shows_process: self.process,
            filters_process,
            most: self.count_packets.unwrap_or(u64::MAX),
            flush: self.line_buffered || self.packet_buffered || term.out.is_terminal,
            seen: 0,
            counted: 0,
            begun: source::now(),
        };
        let ended = capture.run(term, self.as_tcpdump);
        capture.conclude(ended, term, self.as_tcpdump)
    }

    /// The captures that are read, those of a list included.
    fn captures(&self) -> Result<Vec<PathBuf>, Failure> {
        let Some(list) = &self.read_list else { return Ok(self.read.clone()) };
        let text = file::read(list)?;
        let lines = text.strip_suffix(b"\n").unwrap_or(&text).split(|&byte| byte == b'\n');
        // An empty line is the name of no file, as tcpdump says.
        let names = lines.filter(|name| self.as_tcpdump || !name.is_empty());
        let names: Vec<PathBuf> = names.map(|name| OsStr::from_bytes(name).into()).collect();
        if text.is_empty() || names.is_empty() {
            let text = format!("{}: no capture is named there", list.display());
            return Err(Failure::new(Kind::Input, text));
        }
        Ok(names)
    }

    /// What clap cannot see. What does nothing tcpdump passes over.
    fn check(&self) -> Result<(), Failure> {
        let reads = !self.read.is_empty() || self.read_list.is_some();
        if reads && !self.interface.is_empty() && !self.as_tcpdump {
            let text = "packets come from captures or from interfaces, not from both";
            return Err(Failure::new(Kind::Usage, text).help("give either -r or -i"));
        }
        let writes = [
            ("--print", self.print),
            ("-C", self.rotate_size.is_some()),
            ("-G", self.rotate_seconds.is_some()),
            ("-W", self.files.is_some()),
            ("-z", self.postrotate.is_some()),
        ];
        let idle = writes.into_iter().find(|(_, is_given)| *is_given);
        if let Some((option, _)) = idle.filter(|_| self.write.is_none() && !self.as_tcpdump) {
            let text = format!("{option} is about files, and none is written");
            return Err(Failure::new(Kind::Usage, text).help("-w names one"));
        }
        if self.time > 5 {
            return Err(Failure::new(Kind::Usage, "-t may be given five times at most"));
        }
        if self.read.iter().filter(|path| file::is_std(path)).count() > 1 {
            return Err(Failure::new(Kind::Usage, "standard input can be read only once"));
        }
        let Some(write) = self.write.as_ref().filter(|_| self.rotates()) else { return Ok(()) };
        if file::is_std(write) {
            return Err(Failure::new(Kind::Usage, "-C and -G need a file to write to"));
        }
        if let Some(seconds) = self.stretch().filter(|_| !self.as_tcpdump) {
            file_name::check_conversions(write)?;
            let is_only_one = self.rotate_size.is_none() && self.files == Some(1);
            if !is_only_one {
                file_name::check_stretches(write, seconds)?;
            }
        }
        Ok(())
    }

    /// Whether several files are written, one after the other.
    fn rotates(&self) -> bool {
        self.rotate_size.is_some() || self.stretch().is_some()
    }

    /// Seconds after which a new file begins, where that is so.
    fn stretch(&self) -> Option<u32> {
        self.rotate_seconds.filter(|&seconds| seconds > 0)
    }

    fn check_terminal(&self, term: &Term<'_>) -> Result<(), Failure> {
        if term.out.is_terminal && self.write.as_deref().is_some_and(file::is_std) {
            let text = "packets are not written to a terminal";
            return Err(Failure::new(Kind::Usage, text).help("name a file, or pipe them on"));
        }
        Ok(())
    }

    /// The expression, from the file or the arguments.
    fn text(&self) -> Result<String, Failure> {
        let Some(path) = &self.filter_file else { return Ok(self.expression.join(" ")) };
        let mut bytes = file::read(path)?;
        // As tcpdump does: a comment ends with its line. Places in the file stay where they are.
        for line in bytes.split_mut(|&byte| byte == b'\n') {
            let mut quoted = false;
            let begins = line.iter().position(|&byte| {
                quoted ^= byte == b'"';
                byte == b'#' && !quoted
            });
            if let Some(at) = begins {
                line[at..].fill(b' ');
            }
        }
        String::from_utf8(bytes).map_err(|err| Failure::at(Kind::Input, &file::name(path), &err))
    }

    fn shows_names(&self) -> bool {
        self.numeric == 0 && (self.names || self.as_tcpdump)
    }

    fn nanos(&self) -> bool {
        self.nano || self.time_stamp_precision.as_deref() == Some("nano")
    }

    fn snaplen(&self) -> u32 {
        match self.snaplen {
            None | Some(0) => 262_144,
            Some(snaplen) => snaplen,
        }
    }

    /// Of the network that is listened to: of several the first.
    fn netmask(&self) -> u32 {
        let name = match self.interface.first() {
            Some(name) => Some(devices::named(name)),
            None => devices::default(),
        };
        name.map_or(0, |name| devices::netmask(&name))
    }

    fn source_options<'a>(&'a self, count: Option<&'a What>) -> source::Options<'a> {
        source::Options {
            interfaces: &self.interface,
            snaplen: self.snaplen(),
            promiscuous: !self.no_promiscuous,
            buffer: self.buffer_size.saturating_mul(1024),
            immediate: self.immediate_mode,
            direction: self.way(),
            linktype: self.linktype.as_deref(),
            gives_up_root: privilege::is_given_up(self.relinquish_privileges.as_deref()),
            time_stamp_type: self.time_stamp_type.as_deref().filter(|&kind| kind != "host"),
            count,
        }
    }

    fn way(&self) -> Direction {
        let way = self.direction.as_deref().unwrap_or_default().to_ascii_lowercase();
        match way.as_str() {
            // Of captures tcpdump shows both.
            _ if self.as_tcpdump && !self.read.is_empty() => Direction::Both,
            "in" => Direction::In,
            "out" => Direction::Out,
            _ => Direction::Both,
        }
    }

    /// What the kernel may count: what is only counted, and until the end.
    fn kernel_counts(&self) -> Option<What> {
        if self.here || self.write.is_some() || self.count_packets.is_some() {
            return None;
        }
        match (self.top.as_slice(), self.hist) {
            ([], None) => self.rate.then_some(What::Seconds),
            ([], Some(field)) => Some(What::Fields(vec![field])),
            (fields, _) => Some(What::Fields(fields.to_vec())),
        }
    }

    fn save_options(&self) -> save::Options<'_> {
        save::Options {
            size: self.rotate_size,
            seconds: self.stretch(),
            files: self.files,
            command: self.postrotate.as_deref(),
            nanos: self.nanos(),
            snaplen: self.snaplen(),
            flush: self.packet_buffered,
            plain: self.as_tcpdump,
        }
    }

    fn uses(&self, shows: bool, is_live: bool, wanted: Wanted) -> Result<Use, Failure> {
        if self.count {
            return Ok(Use::Count);
        }
        if !self.top.is_empty() {
            return Ok(Use::Top(Top::new(self.top.clone(), self.rows)));
        }
        if let Some(field) = self.hist {
            return Ok(Use::Histogram(Box::new(Histogram::new(field))));
        }
        if self.rate {
            return Ok(Use::Rate(Rate::default()));
        }
        if !shows {
            return Ok(Use::Nothing);
        }
        if self.json {
            return Ok(Use::Json);
        }
        let interfaces = devices::all().into_iter().map(|one| (one.index, one.name)).collect();
        let dissector = Dissector::new(self.options()?).with_interfaces(interfaces);
        let dissector = if self.shows_names() {
            dissector.with_names(names::system(self.no_domains, is_live, wanted))
        } else {
            dissector
        };
        Ok(Use::Lines(Box::new(dissector)))
    }

    fn options(&self) -> Result<Options, Failure> {
        let times =
            [Time::OfDay, Time::No, Time::Unix, Time::SincePrevious, Time::Date, Time::SinceFirst];
        let carried = match &self.carried {
            None => None,
            Some(name) => Some(Carried::named(name).ok_or_else(|| {
                let text = format!("packets of type `{name}` are not shown as such");
                let help = "domain, radius, rtcp, rtp, snmp, vat and vxlan are";
                Failure::new(Kind::Unsupported, text).help(help)
            })?),
        };
        Ok(Options {
            number: self.number,
            time: times.get(usize::from(self.time)).copied().unwrap_or(Time::OfDay),
            nanos: self.nanos(),
            link: self.link,
            quick: self.quick,
            verbose: self.verbose,
            absolute_seq: self.absolute_tcp_sequence_numbers,
            no_checksums: self.dont_verify_checksums,
            bytes: self.bytes(),
            carried,
            beyond: self.tls,
            zone: skep_hooks::utc_offset,
        })
    }

    /// As tcpdump has it, -X goes before -x, and that before -A.
    fn bytes(&self) -> Bytes {
        match (self.hex_ascii, self.hex, self.ascii) {
            (0, 0, 0) => Bytes::No,
            (0, 0, n) => Bytes::Ascii { link: n > 1 },
            (0, n, _) => Bytes::Hex { link: n > 1 },
            (n, ..) => Bytes::HexAscii { link: n > 1 },
        }
    }
}
