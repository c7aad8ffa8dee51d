//! The filter compiler against libpcap's.
//!
//! `cargo bench -p skep-benches --bench filter` compiles the corpus of `corpus/filter` for Ethernet with both, each
//! expression in turns of which the shortest counts, and sets of hosts of growing size; it prints medians,
//! instructions and ratios. `-- --test` makes one turn of everything. Without a C compiler and libpcap's headers
//! it measures Skep alone.

#[path = "filter/classic.rs"]
mod classic;

use skep_abi::{MapType, ProgType};
use skep_cbpf::{Lookup, Program, Target, Verdict, check, translate_with_tables};
use skep_filter::{ErrorKind, Expr, LinkType, Options, Resolver, Table, program_of_all};
use skep_linux::Loaded;
use skep_prog::{DataKind, Image, Initial, MapDef, Prog};
use skep_sys::{Kernel, TestInput};
use skep_testkit::filters::{corpus, options};
use skep_testkit::{Answer, Libpcap, Request, host, libpcap};
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// libpcap takes a minute for a thousand hosts, and crashes on ten thousand.
const HOSTS: [usize; 5] = [10, 100, 300, 1000, 10_000];
/// The most for which libpcap is asked; more takes it minutes.
const HOSTS_OF_LIBPCAP: usize = 300;

fn main() {
    let is_test = std::env::args().any(|arg| arg == "--test");
    let rounds = if is_test { 1 } else { 200 };
    let mut libpcap = libpcap();
    the_corpus(rounds, libpcap.as_mut());
    hosts(rounds, if is_test { 10 } else { HOSTS_OF_LIBPCAP }, libpcap.as_mut());
    lists(rounds);
    attached(if is_test { 10 } else { 1000 }, libpcap.as_mut());
    in_the_kernel(if is_test { 1000 } else { 100_000 }, libpcap.as_mut());
}

/// Addresses that nobody has, one after the other.
fn address(at: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a00_0000 | at.wrapping_mul(2_654_435_761) >> 8)
}

struct Lists(String);

impl Resolver for Lists {
    fn list(&self, _: &str) -> std::io::Result<String> {
        Ok(self.0.clone())
    }
}

/// `host in @file`, as tables.
fn lists(rounds: u32) {
    for count in [1000, 10_000, 100_000u32] {
        let lists = Lists((0..count).map(|at| format!("{}\n", address(at))).collect::<String>());
        let options = Options { tables: true, resolver: &lists, ..Options::default() };
        let rounds = (rounds * 100 / count).max(3);
        let time = shortest(rounds, || {
            let meaning = Expr::parse("host in @list").and_then(|expr| expr.meaning(&options));
            black_box(meaning.and_then(|meaning| meaning.compile_with_tables(true)).is_ok());
        });
        row(&format!("µs for a table of {count}"), time, None);
    }
}

/// A packet of TCP to port 80.
fn packet() -> Vec<u8> {
    let mut frame = vec![0; 66];
    (frame[12], frame[14], frame[23]) = (8, 0x45, 6);
    frame[26..34].copy_from_slice(&[192, 0, 2, 1, 192, 0, 2, 2]);
    (frame[34], frame[37], frame[46]) = (0xc3, 80, 0x50);
    frame
}

/// Nanoseconds a packet of classic programs on a socket: small, fast, and libpcap's.
#[expect(clippy::print_stdout, reason = "the result of the bench")]
fn attached(sends: u32, mut libpcap: Option<&mut Libpcap>) {
    println!("ns a packet on a socket, classic     small      fast   libpcap    libpcap / fast");
    let packet = packet();
    for text in
        ["ip and tcp port 80", "tcp port 80", "port 80", "host 192.0.2.1", "tcp[13] & 2 = 0"]
    {
        let options = |fast| Options { fast, ..Options::default() };
        let compile = |fast| {
            Expr::parse(text).and_then(|expr| expr.compile(&options(fast))).expect("an expression")
        };
        let theirs =
            libpcap.as_mut().and_then(|libpcap| match libpcap.compile(text, Request::default()) {
                Answer::Program(program, _) => check(&program).ok(),
                Answer::Refused(_) => None,
            });
        let (small, fast) = (compile(false), compile(true));
        let programs: Vec<&Program> = [&small, &fast].into_iter().chain(&theirs).collect();
        let is_accepted = |program: &&Program| program.run(&skep_cbpf::Packet::new(&packet)) != 0;
        assert!(programs.iter().all(is_accepted), "{text}");
        let ns = classic::nanoseconds(&programs, &packet, sends);
        let theirs = ns.get(2).copied().unwrap_or(f64::NAN);
        println!("{text:32}{:>10.2}{:>10.2}{theirs:>10.2}{:>18.1}", ns[0], ns[1], theirs / ns[1]);
    }
}

/// Nanoseconds a packet, less those of a program that only returns, which are said, too.
#[expect(clippy::print_stdout, reason = "the result of the bench")]
fn in_the_kernel(repeat: u32, mut libpcap: Option<&mut Libpcap>) {
    if host().is_none() {
        return;
    }
    println!("ns a packet in the kernel, tcp to port 80    skep   libpcap   libpcap / skep");
    let lists = Lists((0..10_000).map(|at| format!("{}\n", address(at))).collect::<String>());
    let options = Options { tables: true, resolver: &lists, ..Options::default() };
    for (hook, target) in [
        (ProgType::SchedCls, Target::Tc(Verdict::TC)),
        (ProgType::Xdp, Target::Xdp(Verdict::XDP)),
        (ProgType::SocketFilter, Target::SocketFilter),
    ] {
        let load = |program: &Program, lookups: &[Lookup], tables: &[Table]| {
            loaded(hook, target, program, lookups, tables)
        };
        let nothing = load(&program_of_all(true, 1), &[], &[]);
        row(&format!("{} nothing", hook.name()), in_turns(&[&nothing], hook, repeat)[0], None);
        let options = Options { fast: true, ..options };
        for text in ["ip and tcp port 80", "port 80", "host 10.0.0.1", "ip host in @list"] {
            let meaning = Expr::parse(text).and_then(|expr| expr.meaning(&options));
            let Ok(ours) = meaning.and_then(|meaning| meaning.compile_with_tables(true)) else {
                continue;
            };
            let ours = load(&ours.program, &ours.lookups, &ours.tables);
            let theirs = libpcap
                .as_mut()
                .and_then(|libpcap| match libpcap.compile(text, Request::default()) {
                    Answer::Program(program, _) => check(&program).ok(),
                    Answer::Refused(_) => None,
                })
                .map(|program| load(&program, &[], &[]));
            let all: Vec<&Loaded<Kernel>> = [&nothing, &ours].into_iter().chain(&theirs).collect();
            let ns = in_turns(&all, hook, repeat);
            let theirs = ns.get(2).map(|theirs| theirs - ns[0]);
            row(&format!("{} {text}", hook.name()), ns[1] - ns[0], theirs);
        }
    }
}

/// A program in the kernel.
fn loaded(
    hook: ProgType,
    target: Target,
    program: &Program,
    lookups: &[Lookup],
    tables: &[Table],
) -> Loaded<Kernel> {
    let insns = translate_with_tables(program, target, lookups).expect("a translation");
    let maps = tables.iter().map(|table| {
        let size = u32::try_from(table.bytes.len()).expect("a table");
        let mut map = MapDef::new("set", MapType::Array, 4, size, 1);
        map.data = Some(DataKind::Rodata);
        map.initial = Initial::Value(table.bytes.clone());
        map
    });
    let image = Image {
        progs: vec![Prog::new("filter", hook, insns)],
        maps: maps.collect(),
        license: "GPL".into(),
        ..Image::default()
    };
    Loaded::load(Kernel, &image, "filter").expect("the kernel takes it")
}

/// Nanoseconds of one run of each, of the quickest of many batches; in turns, so that what else the machine does hurts all
/// alike.
fn in_turns(programs: &[&Loaded<Kernel>], hook: ProgType, repeat: u32) -> Vec<f64> {
    const BATCHES: usize = 60;
    // A test run takes the link header from the packet of a socket, which has another one.
    let outer = if hook == ProgType::SocketFilter { &[0; 14][..] } else { &[] };
    let packet = [outer, &packet()].concat();
    let input = TestInput { data: &packet, repeat, ..TestInput::default() };
    let mut best = vec![f64::INFINITY; programs.len()];
    for _ in 0..BATCHES {
        for (program, best) in programs.iter().zip(&mut best) {
            let start = classic::cpu_time();
            program.test_run(&input).expect("a test run");
            *best = best.min((classic::cpu_time() - start) / f64::from(repeat));
        }
    }
    best
}

/// The shortest time of many.
fn shortest(rounds: u32, mut work: impl FnMut()) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..rounds {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed());
    }
    best.as_secs_f64() * 1e6
}

#[expect(clippy::print_stdout, reason = "the result of the bench")]
fn the_corpus(rounds: u32, mut libpcap: Option<&mut Libpcap>) {
    let request = Request { rounds, ..Request::default() };
    let (mut ours, mut theirs, mut sizes) = (Vec::new(), Vec::new(), (0, 0));
    for file in corpus().iter().filter(|file| file.links.contains(&LinkType::Ethernet)) {
        for text in &file.expressions {
            let options = options(&request);
            let compile = || Expr::parse(text).and_then(|expr| expr.compile(&options));
            let Ok(program) = compile() else { continue };
            let answer = libpcap.as_mut().map(|libpcap| libpcap.compile(text, request));
            if let Some(Answer::Program(theirs_program, nanoseconds)) = answer {
                theirs.push(nanoseconds as f64 / 1e3);
                // The kernel takes no loops, of which those for `protochain` are.
                if check(&theirs_program).is_ok() {
                    sizes.0 += program.insns().len();
                    sizes.1 += theirs_program.len();
                }
            }
            ours.push(shortest(rounds, || {
                black_box(compile().is_ok());
            }));
        }
    }
    println!("{} expressions for Ethernet      skep   libpcap   libpcap / skep", ours.len());
    for (what, part) in [("median", 50), ("90 of 100 below", 90), ("99 of 100 below", 99)] {
        let (ours, theirs) = (quantile(&mut ours, part), quantile(&mut theirs, part));
        row(&format!("µs to compile, {what}"), ours, theirs);
    }
    let (ours, theirs) = (sizes.0 as f64, sizes.1 as f64);
    row("instructions in all", ours, Some(theirs).filter(|&sum| sum > 0.0));
}

fn quantile(times: &mut [f64], part: usize) -> f64 {
    times.sort_by(f64::total_cmp);
    let at = times.len() * part / 100;
    times.get(at.min(times.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

#[expect(clippy::print_stdout, reason = "the result of the bench")]
fn row(what: &str, ours: f64, theirs: impl Into<Option<f64>>) {
    match theirs.into().filter(|theirs| theirs.is_finite()) {
        Some(theirs) => {
            println!("{what:34}{ours:>9.2}{theirs:>10.2}{:>17.1}", theirs / ours);
        }
        None => println!("{what:34}{ours:>9.2}{:>10}{:>17}", "-", "-"),
    }
}

/// `host A or host B …`
fn hosts(rounds: u32, most: usize, mut libpcap: Option<&mut Libpcap>) {
    for count in HOSTS {
        let term = |at: usize| {
            let at = u32::try_from(at).unwrap_or(0).wrapping_mul(2_654_435_761);
            format!("host {}", Ipv4Addr::from_bits(0x0a00_0000 | at >> 8))
        };
        let text = (0..count).map(term).collect::<Vec<_>>().join(" or ");
        let least = if rounds > 1 { 40 } else { 1 };
        let rounds = (rounds / u32::try_from(count / 10).unwrap_or(1)).max(least);
        let options = Options::default();
        let (mut insns, mut refused) = (0, false);
        let ours = shortest(rounds, || {
            let compiled = Expr::parse(&text).and_then(|expr| expr.compile(&options));
            match compiled {
                Ok(program) => insns = program.insns().len(),
                Err(err) => {
                    refused = true;
                    if let ErrorKind::TooLong { insns: long, .. } = err.kind {
                        insns = long;
                    }
                }
            }
        });
        let request = Request::default();
        let answer = libpcap
            .as_mut()
            .filter(|_| count <= most)
            .map(|libpcap| libpcap.compile(&text, request));
        let (theirs, size) = match answer {
            Some(Answer::Program(program, time)) => (Some(time as f64 / 1e3), program.len()),
            _ => (None, 0),
        };
        row(&format!("µs to compile {count} hosts"), ours, theirs);
        let what = if refused { ", too many" } else { "" };
        row(
            &format!("    instructions{what}"),
            insns as f64,
            Some(size as f64).filter(|&n| n > 0.0),
        );
    }
}
