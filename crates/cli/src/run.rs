//! `skep run`: a program over packets.

mod arg;
mod counts;
mod device;
mod fault;
mod input;
mod json;
mod maps;
mod output;
mod progress;
mod report;
mod stop;
mod text;

use crate::failure::{Failure, Kind};
use crate::file;
use crate::term::{Out, Term};
use arg::{RedirectTo, Which, WhichMaps};
use clap::ArgGroup;
use counts::Counts;
use input::{Inputs, Step};
use output::Outputs;
use progress::Progress;
use report::{Passed, Report, Summary, reporter};
use skep::{Clock, LoadError, Options, Packet, Session};
use skep_map::MapError;
use skep_prog::Image;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Run a program over packets and show verdicts, events and maps.
///
/// The program runs in this process, without privileges, every memory access checked. Packets come
/// from captures (pcap or pcapng, plain or compressed by gzip or zstd) or from a device.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("packets").args(["read", "interface"]).required(true))]
pub(crate) struct Run {
    /// ELF object or assembly text; - is standard input.
    #[arg(value_name = "PROGRAM")]
    file: PathBuf,
    /// The program to run, where the file has several.
    #[arg(long, value_name = "NAME")]
    prog: Option<String>,
    /// Read packets from a capture; may be given several times; - is standard input.
    #[arg(short, long = "read", value_name = "FILE")]
    read: Vec<PathBuf>,
    /// Take packets from a network interface, tap:NAME or tun:NAME.
    #[arg(short, long, value_name = "DEV")]
    interface: Option<String>,
    /// Stop after this many packets.
    #[arg(short, long, value_name = "N")]
    count: Option<u64>,
    /// Write packets, as the program left them, to a file (.pcap or .pcapng, then perhaps .gz or
    /// .zst), - for standard output, dev:NAME, tap:NAME or tun:NAME.
    #[arg(short = 'w', long = "out", value_name = "OUT")]
    out: Option<PathBuf>,
    /// Which packets to write.
    #[arg(long, value_name = "WHICH", value_enum, default_value_t = Which::Pass, requires = "out")]
    write: Which,
    /// Write packets that are redirected or cloned to an interface; may be given several times.
    #[arg(long, value_name = "IFINDEX=OUT")]
    redirect: Vec<RedirectTo>,
    /// Which maps to show.
    #[arg(long, value_name = "WHICH", value_enum, default_value_t = WhichMaps::Written)]
    maps: WhichMaps,
    /// Most entries to show of a map, 0 for all [default: 20, with --json all].
    #[arg(long, value_name = "N")]
    max_entries: Option<usize>,
    /// Show each packet's verdict.
    #[arg(short, long)]
    verbose: bool,
    /// Print JSON, one object on a line.
    #[arg(long)]
    json: bool,
    /// Most instructions for one packet [default: 2^32].
    #[arg(long, help_heading = "Engine", value_name = "INSNS", default_value_t = Options::default().insns, hide_default_value = true)]
    budget: u64,
    /// Longest time for one packet: 5s, 20ms.
    #[arg(long, help_heading = "Engine", value_name = "TIME", value_parser = arg::duration, default_value = "10s")]
    deadline: Duration,
    /// CPUs that per-CPU maps have values for.
    #[arg(long, help_heading = "Engine", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096), default_value_t = 1)]
    cpus: u32,
}

const EXAMPLES: &str = "\
Examples:
  skep run examples/xdp_flows.o -r examples/traffic.pcap
  skep run examples/socket_filter.o --prog dns -r in.pcap.gz -w dns.pcapng
  tcpdump -w - | skep run drop.s -r - -w - --write drop | wireshark -k -i -
  sudo skep run examples/xdp_flows.o -i eth0 -c 1000

Map entries that are zero in an array, and constants (.rodata), are shown with --maps all.

Exit codes:
  0  all packets were run
  1  the program faulted, or it or a capture is malformed
  2  the arguments are wrong
  3  a file, device or privilege is missing
  4  the program needs what the user engine does not have";

impl Run {
    pub(crate) fn run(&self, term: &mut Term<'_>) -> Result<(), Failure> {
        self.check_standard(&term.out)?;
        let program = file::program(&self.file, &mut term.err)?;
        let mut session = self.load(&program.image)?;
        let mut inputs = Inputs::new(&self.read, self.interface.as_deref())?;
        inputs.open()?;
        self.check_outputs()?;
        let outputs = Outputs::open(self.out.as_deref(), self.write, &self.redirect, &inputs)?;
        let interactive = term.out.is_terminal && term.err.is_terminal;
        let progress = Progress::new(term.err.is_terminal, inputs.total());
        let taken = self.outs().any(|out| file::is_std(out));
        let out = if taken { &mut term.err } else { &mut term.out };
        let mut report = reporter(self.json, self.maps, self.max_entries);
        report.start(out, &self.file, &session, &inputs)?;
        let mut looping = Loop {
            inputs,
            outputs,
            progress,
            report: &mut *report,
            counts: Counts::default(),
            verbose: self.verbose,
            count: self.count.unwrap_or(u64::MAX),
            interactive,
        };
        let start = Instant::now();
        let ended = looping.packets(&mut session, out);
        let time = start.elapsed();
        let Loop { mut progress, mut outputs, counts, .. } = looping;
        progress.end();
        let finished = outputs.finish();
        let live = self.interface.is_some();
        let summary = Summary { counts: &counts, time, live, written: outputs.written() };
        report.end(out, &summary, &session)?;
        if let (true, Err(Ended::Fault(place))) = (self.json, &ended) {
            writeln!(out, "{}", fault::to_json(place, &program))?;
            return Err(Failure::Said(Kind::Input));
        }
        if ended.is_err() && interactive {
            writeln!(out)?;
        }
        out.flush()?;
        match ended {
            Ok(()) => finished,
            Err(Ended::Failed(failure)) => Err(failure),
            Err(Ended::Fault(place)) => Err(fault::failure(&place, &program)),
        }
    }

    fn load(&self, image: &Image) -> Result<Session, Failure> {
        // A capture should give the same every time; on a device time passes.
        let clock = if self.interface.is_some() { Clock::Host } else { Clock::Packet };
        let options = Options { cpus: self.cpus, insns: self.budget, time: self.deadline, clock };
        Session::load(image, self.prog.as_deref(), options)
            .map_err(|err| load_failure(&self.file, &err))
    }

    /// Standard input is one input, and a terminal shows no captures.
    fn check_standard(&self, out: &Out<'_>) -> Result<(), Failure> {
        if self.inputs().filter(|path| file::is_std(path)).count() > 1 {
            return Err(Failure::new(Kind::Usage, "standard input can be read only once"));
        }
        if out.is_terminal && self.outs().any(|out| file::is_std(out)) {
            let text = "packets are not written to a terminal";
            return Err(Failure::new(Kind::Usage, text).help("name a file, or pipe them on"));
        }
        Ok(())
    }

    fn inputs(&self) -> impl Iterator<Item = &PathBuf> {
        self.read.iter().chain([&self.file])
    }

    fn outs(&self) -> impl Iterator<Item = &PathBuf> {
        self.out.iter().chain(self.redirect.iter().map(|redirect| &redirect.to))
    }

    /// An output that is also an input would be emptied before it is read, and one that is given
    /// twice would be written over.
    fn check_outputs(&self) -> Result<(), Failure> {
        let same = |a: &Path, b: &Path| match (a.canonicalize(), b.canonicalize()) {
            (Ok(a), Ok(b)) => a == b,
            _ => a == b,
        };
        for (at, out) in self.outs().enumerate() {
            let what = if !file::is_std(out) && self.inputs().any(|input| same(input, out)) {
                "is read and cannot be written as well"
            } else if self.outs().take(at).any(|other| same(other, out)) {
                "is given for two outputs"
            } else {
                continue;
            };
            let text = format!("{}: {what}", out.display());
            return Err(Failure::new(Kind::Usage, text).help("write to another file"));
        }
        Ok(())
    }
}

/// Why a program cannot be run, for people.
pub(crate) fn load_failure(path: &Path, err: &LoadError) -> Failure {
    let kind = match err {
        LoadError::UnknownProg { .. } | LoadError::WhichProg { .. } => Kind::Usage,
        LoadError::NoHook { .. }
        | LoadError::Map(MapError::Unsupported { .. })
        | LoadError::Prog(
            skep_vm::LoadError::Helper { .. }
            | skep_vm::LoadError::KernelOnly { .. }
            | skep_vm::LoadError::TooLong { .. },
        ) => Kind::Unsupported,
        _ => Kind::Input,
    };
    let failure = Failure::at(kind, &file::name(path), err);
    match err {
        LoadError::UnknownProg { name, known } => {
            match skep_diag::closest(name, known.iter().map(String::as_str)) {
                Some(near) => failure.help(format!("did you mean --prog {near}?")),
                None => failure,
            }
        }
        LoadError::WhichProg { known } => match known.first() {
            Some(first) => failure.help(format!("add, for example, --prog {first}")),
            None => failure,
        },
        LoadError::NoHook { .. } => {
            failure.help("xdp, tc, socket filter and cgroup_skb programs are")
        }
        _ => failure,
    }
}

/// Why packets are no longer run, other than that there are no more.
enum Ended {
    /// Something else failed.
    Failed(Failure),
    /// The program did.
    Fault(fault::Place),
}

impl<E: Into<Failure>> From<E> for Ended {
    fn from(err: E) -> Self {
        Self::Failed(err.into())
    }
}

/// All that takes part while packets are run.
struct Loop<'a> {
    inputs: Inputs<'a>,
    outputs: Outputs,
    progress: Progress,
    report: &'a mut dyn Report,
    counts: Counts,
    verbose: bool,
    count: u64,
    /// Whether lines and the bar share a terminal.
    interactive: bool,
}

impl Loop<'_> {
    fn packets(&mut self, session: &mut Session, out: &mut Out<'_>) -> Result<(), Ended> {
        stop::on_signals();
        let mut packet = Packet::new();
        while self.counts.packets() < self.count && !stop::asked() {
            match self.inputs.next(&mut packet)? {
                Step::Packet => self.packet(session, &mut packet, out)?,
                Step::Idle => out.flush()?,
                Step::End => break,
            }
        }
        Ok(())
    }

    fn packet(
        &mut self,
        session: &mut Session,
        packet: &mut Packet,
        out: &mut Out<'_>,
    ) -> Result<(), Ended> {
        let bytes = packet.frame().len();
        let result = session.run(packet);
        let mut lines = false;
        if let Ok(outcome) = &result {
            self.counts.add(outcome, bytes);
            if self.verbose {
                lines = true;
                self.progress.give_way();
                let number = self.counts.packets();
                self.report.packet(out, &Passed { number, bytes, outcome, packet })?;
            }
        }
        let mut written = Ok(());
        session.events(&mut |event| {
            if written.is_ok() {
                lines = true;
                self.progress.give_way();
                written = self.report.event(out, &event);
            }
        });
        written?;
        // Lines on the terminal come before the bar that may follow.
        if lines && (self.interactive || self.inputs.is_live()) {
            out.flush()?;
        }
        self.progress.tick(&self.inputs);
        match result {
            Ok(outcome) => Ok(self.outputs.route(packet, &outcome)?),
            Err(fault) => {
                let (input, number) = self.inputs.place();
                let input = input.to_string();
                Err(Ended::Fault(fault::Place { fault, input, number, bytes }))
            }
        }
    }
}
