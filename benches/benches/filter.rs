//! The filter compiler against libpcap's.
//!
//! `cargo bench -p skep-benches --bench filter` compiles the corpus of `corpus/filter` for Ethernet with both, each
//! expression in turns of which the shortest counts, and sets of hosts of growing size; it prints medians,
//! instructions and ratios. `-- --test` makes one turn of everything. Without a C compiler and libpcap's headers
//! it measures Skep alone.

use skep_cbpf::check;
use skep_filter::{ErrorKind, Expr, LinkType, Options};
use skep_testkit::filters::{corpus, options};
use skep_testkit::{Answer, Libpcap, Request, libpcap};
use std::hint::black_box;
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
            format!("host {}", std::net::Ipv4Addr::from_bits(0x0a00_0000 | at >> 8))
        };
        let text = (0..count).map(term).collect::<Vec<_>>().join(" or ");
        let rounds = (rounds / u32::try_from(count / 10).unwrap_or(1)).max(3);
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
