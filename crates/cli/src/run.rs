//! `skep run`: a program over packets.

mod arg;
mod called;
mod counts;
pub(crate) mod device;
mod fault;
mod input;
mod json;
mod maps;
mod output;
mod packets;
mod progress;
mod report;
pub(crate) mod stop;
mod text;
mod tools;
mod verify;
mod world;

use crate::code_args::CodeArgs;
use crate::failure::{Failure, Kind};
use crate::file::{self, Program};
use crate::term::{Out, Term};
use crate::{kernel, load};
use arg::{CtxArg, RedirectTo, Which, WhichEngine, WhichMaps};
use clap::ArgGroup;
use counts::Counts;
use input::Inputs;
use output::Outputs;
use packets::{Ended, Loop};
use progress::Progress;
use report::{How, Report, Summary, reporter};
use skep::{
    CheckOptions, Clock, Engine, Image, LoadError, NotNative, Options, Runs, Session, choose,
};
use skep_btf::Btf;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tools::Tools;
use world::World;

/// Run a program and show verdicts, events and maps.
///
/// A program that the kernel's verifier would refuse is refused here too, and told why (skep check). The
/// program runs in this process, without privileges, as machine code where that can be (x86-64, AArch64), else interpreted
/// with every memory access checked; both do the same. Packets come from captures (pcap or pcapng, plain or
/// compressed by gzip or zstd) or from a device. Programs of type syscall are called with bytes (--ctx), and iterators
/// write about what this process is or --world says: task, task_file, task_vma, bpf_map, bpf_map_elem,
/// bpf_sk_storage_map, bpf_prog, tcp, udp, cgroup, ksym.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("packets").args(["read", "interface"]))]
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
    /// The context of a program of type syscall: bytes as 2a00ff, or @FILE; @- is standard input.
    #[arg(long, value_name = "BYTES", conflicts_with = "packets")]
    ctx: Option<CtxArg>,
    /// The map that an iterator over a map's content goes over, where there are several.
    #[arg(long, value_name = "MAP", conflicts_with = "packets")]
    over: Option<String>,
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
    /// Which maps to show [default: written, of iterators none].
    #[arg(long, value_name = "WHICH", value_enum)]
    maps: Option<WhichMaps>,
    /// Most entries to show of a map, 0 for all [default: 20, with --json all].
    #[arg(long, value_name = "N")]
    max_entries: Option<usize>,
    /// Show each packet's verdict.
    #[arg(short, long)]
    verbose: bool,
    /// Print JSON, one object on a line; its type is packet, call, written, print, event, lost, summary, map, fault
    /// or refused.
    #[arg(long)]
    json: bool,
    /// Run the program even if the kernel's verifier would refuse it; every access is checked then.
    #[arg(long, help_heading = "Engine")]
    unverified: bool,
    /// What runs the program: interp checks every access; jit is machine code, which checks its accesses where the
    /// verifier does not answer for them; auto is jit where it can be and interp otherwise [default: auto].
    #[arg(long, help_heading = "Engine", value_name = "ENGINE", value_enum)]
    engine: Option<WhichEngine>,
    #[command(flatten, next_help_heading = "Engine")]
    code: CodeArgs,
    /// Most instructions for one packet [default: 2^32].
    #[arg(long, help_heading = "Engine", value_name = "INSNS", default_value_t = Options::default().insns, hide_default_value = true)]
    budget: u64,
    /// Longest time for one packet: 5s, 20ms.
    #[arg(long, help_heading = "Engine", value_name = "TIME", value_parser = arg::duration, default_value = "10s")]
    deadline: Duration,
    /// CPUs that per-CPU maps have values for.
    #[arg(long, help_heading = "Engine", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096), default_value_t = 1)]
    cpus: u32,
    #[command(flatten)]
    tools: Tools,
    /// Devices, routes, neighbours, sockets, tracked connections and tasks that programs find, as JSON
    /// [default: no network, this process].
    #[arg(long, help_heading = "World", value_name = "FILE")]
    world: Option<PathBuf>,
    /// Types of the kernel that the program is for: raw BTF, an ELF file with them (vmlinux, a module, a
    /// BPF object), an archive or directory as of BTFHub [default: /sys/kernel/btf/vmlinux, where the
    /// program depends on types (CO-RE)].
    #[arg(long, help_heading = "Kernel", value_name = "FILE")]
    btf: Option<PathBuf>,
    /// Configuration of that kernel, lines as CONFIG_HZ=250, read before the running kernel's
    /// [default: /proc/config.gz or /boot/config-*, where the program asks for it].
    #[arg(long, help_heading = "Kernel", value_name = "FILE")]
    kconfig: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  skep run examples/xdp_flows.o -r examples/traffic.pcap
  skep run examples/socket_filter.o --prog dns -r in.pcap.gz -w dns.pcapng
  tcpdump -w - | skep run drop.s -r - -w - --write drop | wireshark -k -i -
  skep run examples/routes.o -r examples/traffic.pcap --world examples/world.json
  sudo skep run examples/xdp_flows.o -i eth0 -c 1000
  skep run examples/iterators.o --prog tasks

Map entries that are zero in an array, and constants (.rodata), are shown with --maps all.

Exit codes:
  0  all packets were run, or the program was
  1  the program is refused or faulted, or it or a capture is malformed
  2  the arguments are wrong
  3  a file, device or privilege is missing
  4  the program needs what the user engine does not have";

impl Run {
    pub(crate) fn run(&self, term: &mut Term<'_>) -> Result<(), Failure> {
        self.check_standard(&term.out)?;
        let mut program = file::program(&self.file, &mut term.err)?;
        let (mut session, types) = self.load(&mut program.image, &mut term.err)?;
        self.check_input(&session)?;
        let why_not = self.compile(&mut session, types.clone());
        if let Runs::Call | Runs::Items(_) = session.runs() {
            self.refuse_jit(&session, why_not.as_ref())?;
            if let Some(world) = &self.world {
                World::read(world)?.surround(&mut session);
            }
            let report = self.reporter(&session);
            return self.call(session, &program, types, term, report);
        }
        // Machine code that does not check has been verified.
        if !self.unverified && session.engine() != Engine::Jit {
            let prog = choose(&program.image, self.prog.as_deref());
            let name = prog.map_err(|err| load::failure(&self.file, &err))?.name.clone();
            let (out, err) = (&mut term.out, &mut term.err);
            let options = verify::verify(&program.image, &name, types, self.json, out, err)?;
            if self.engine == Some(WhichEngine::Interp) {
                // Where there is no verdict, that has been told.
                let _ = session.verify(&options);
            }
        }
        self.refuse_jit(&session, why_not.as_ref())?;
        let why_not = why_not.map(|why| why.to_string());
        let _told = self.tools.tell(&session, why_not.as_deref())?;
        if let Some(world) = &self.world {
            World::read(world)?.surround(&mut session);
        }
        let mut inputs = Inputs::new(&self.read, self.interface.as_deref())?;
        inputs.open()?;
        self.check_outputs()?;
        let outputs = Outputs::open(self.out.as_deref(), self.write, &self.redirect, &inputs)?;
        let progress = Progress::new(term.err.is_terminal, inputs.total());
        let taken = self.outs().any(|out| file::is_std(out));
        let shared = term.err.is_terminal;
        let out = if taken { &mut term.err } else { &mut term.out };
        let mut looping = Loop {
            inputs,
            outputs,
            progress,
            report: self.reporter(&session),
            counts: Counts::default(),
            verbose: self.verbose,
            count: self.count.unwrap_or(u64::MAX),
            interactive: shared && out.is_terminal,
        };
        let told = self.verbose || self.engine.is_some();
        let not_optimised = session.not_optimised();
        let why = why_not.as_deref().or(not_optimised.as_deref());
        let how = if told { How::Told(why) } else { How::Untold };
        looping.report.start(out, &self.file, (&session, how), &looping.inputs)?;
        let start = Instant::now();
        let ended = looping.packets(&mut session, out);
        let time = start.elapsed();
        self.conclude(looping, ended, (time, why_not.as_deref()), &session, &program, out)
    }

    /// Ends outputs and report, then says why there are no more packets.
    fn conclude(
        &self,
        mut looping: Loop<'_>,
        ended: Result<(), Ended>,
        (time, why_not): (Duration, Option<&str>),
        session: &Session,
        program: &Program,
        out: &mut Out<'_>,
    ) -> Result<(), Failure> {
        looping.progress.end();
        let finished = looping.outputs.finish();
        let (live, written) = (self.interface.is_some(), looping.outputs.written());
        let summary = Summary { counts: &looping.counts, time, live, why_not, written };
        looping.report.end(out, &summary, session)?;
        if let (true, Err(Ended::Fault(place))) = (self.json, &ended) {
            writeln!(out, "{}", fault::to_json(place, program))?;
            return Err(Failure::Said(Kind::Input));
        }
        if ended.is_err() && looping.interactive {
            writeln!(out)?;
        }
        out.flush()?;
        match ended {
            Ok(()) => finished,
            Err(Ended::Failed(failure)) => Err(failure),
            Err(Ended::Fault(place)) => Err(fault::failure(&place, program)),
        }
    }

    /// Refuses a program that is to be machine code and cannot.
    fn refuse_jit(&self, session: &Session, why_not: Option<&NotNative>) -> Result<(), Failure> {
        match (why_not, self.engine) {
            (Some(why), Some(WhichEngine::Jit)) if session.engine() == Engine::Interp => {
                let failure = Failure::of(Kind::Unsupported, why);
                Err(failure.help("--engine interp runs it"))
            }
            _ => Ok(()),
        }
    }

    fn reporter(&self, session: &Session) -> Box<dyn Report> {
        let usual = match session.runs() {
            Runs::Items(_) => WhichMaps::None,
            Runs::Packets(_) | Runs::Call => WhichMaps::Written,
        };
        reporter(self.json, self.maps.unwrap_or(usual), self.max_entries)
    }

    /// Turns the program into machine code, if it is to be; why it is none, or such that checks its accesses.
    fn compile(&self, session: &mut Session, types: Option<Arc<Btf>>) -> Option<NotNative> {
        if self.engine == Some(WhichEngine::Interp) {
            return None;
        }
        let mut code = self.code.options();
        let mut options = CheckOptions { types, ..CheckOptions::new(verify::RELEASE) };
        let mut compiled = session.compile_with(&options, code);
        if options.types.is_none() && matches!(compiled, Err(NotNative::NoVerdict { .. })) {
            // As for the verdict before.
            options.types = kernel::types(Path::new(kernel::TYPES)).ok().map(Arc::new);
            compiled = session.compile_with(&options, code);
        }
        let why_not = compiled.err()?;
        if self.unverified || !matches!(why_not, NotNative::Rejected { .. }) {
            // Nobody has seen that it comes to an end.
            code.metered = true;
            if let Err(NotNative::Refused(why)) = session.compile_checked(code) {
                let is_verified = matches!(why_not, NotNative::Refused(_));
                return Some(if is_verified { why_not } else { NotNative::Refused(why) });
            }
        }
        Some(why_not)
    }

    /// Loads the program; first fits it to a kernel, if it turns out to need that.
    fn load(
        &self,
        image: &mut Image,
        err: &mut Out<'_>,
    ) -> Result<(Session, Option<Arc<Btf>>), Failure> {
        // A capture should give the same every time; on a device time passes.
        let clock = if self.interface.is_some() { Clock::Host } else { Clock::Packet };
        let (insns, time) = (self.budget, self.deadline);
        let options = Options { cpus: self.cpus, insns, time, clock, ..Options::default() };
        let load = |image: &Image| Session::load(image, self.prog.as_deref(), options);
        let mut loaded = load(image);
        let mut known = None;
        if let Err(LoadError::Kconfig { .. }) = loaded {
            kernel::fit_config(image, &self.file, self.kconfig.as_deref())?;
            loaded = load(image);
        }
        if let Err(LoadError::Prog(skep_vm::LoadError::CoreReloc { .. })) = loaded {
            let name = choose(image, self.prog.as_deref()).map(|prog| prog.name.clone());
            let name = name.map_err(|err| load::failure(&self.file, &err))?;
            let types = kernel::fit_types(image, &self.file, &name, self.btf.as_deref(), err)?;
            let types = Arc::new(types);
            known = Some(Arc::clone(&types));
            loaded = load(image).map(|mut session| {
                session.set_kernel_types(types);
                session
            });
        }
        let mut session = loaded.map_err(|err| load::failure(&self.file, &err))?;
        if known.is_none() && self.needs_types(&session) {
            let path = self.btf.as_deref().unwrap_or(Path::new(kernel::TYPES));
            let types = Arc::new(kernel::types(path).map_err(|failure| {
                failure.help("iterators see objects of a kernel: --btf FILE names its types")
            })?);
            session.set_kernel_types(Arc::clone(&types));
            known = Some(types);
        }
        Ok((session, known))
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
        let files = self.read.iter().chain([&self.file]);
        let ctx = match &self.ctx {
            Some(CtxArg::File(path)) => Some(path),
            _ => None,
        };
        files.chain(&self.btf).chain(&self.kconfig).chain(&self.world).chain(ctx)
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
