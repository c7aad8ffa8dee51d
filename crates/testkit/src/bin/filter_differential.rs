//! Random filter expressions and packets, as many as asked for:
//!
//! ```text
//! cargo run --release -p skep-testkit --bin filter_differential -- --expressions 100000 --seed 1
//! ```
//!
//! Each expression goes to libpcap and to the compiler of this workspace; the evaluator, both programs of ours
//! and libpcap's unoptimised one must give the same verdict on every packet. Prints differences, and programs
//! larger than libpcap's with `--sizes 1`. With `--engines N`, every N-th expression runs as eBPF, too, in the
//! interpreter, as machine code and, as root, in the kernel. Status 1 if there was a difference, 2 if there is no libpcap or the
//! arguments are wrong.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use skep_filter::{LinkType, Source};
use skep_testkit::filter_engines::in_engines;
use skep_testkit::filters::{Tally, Verdict, compare, expression, request};
use skep_testkit::traffic::traffic;
use skep_testkit::{host, libpcap};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(Arguments { expressions, packets, seed, sizes, engines }) =
        arguments(std::env::args().skip(1))
    else {
        eprintln!(
            "usage: filter_differential [--expressions N] [--packets N] [--seed N] [--sizes 0|1] [--engines N]"
        );
        return ExitCode::from(2);
    };
    let Some(mut libpcap) = libpcap() else { return ExitCode::from(2) };
    let is_live = libpcap.is_live();
    let in_kernel = engines > 0 && host().is_some();
    let (mut total, mut different, mut in_all) = (Tally::default(), 0u64, 0u64);
    for at in 0..expressions {
        let mut rng = StdRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(at));
        let mut request = request(&mut rng);
        if is_live && request.link == LinkType::Ethernet && rng.random_ratio(1, 3) {
            request.source = Source::Live;
        }
        let text = expression(&mut rng);
        let traffic: Vec<_> = (0..packets).map(|_| traffic(&mut rng, request.link)).collect();
        if at.checked_rem(engines) == Some(0) {
            match in_engines(&text, &request, &traffic, in_kernel) {
                Ok(pairs) => in_all += pairs,
                Err(why) => {
                    different += 1;
                    eprintln!("{} {text:?}: {why}", request.link.name());
                }
            }
        }
        match compare(&mut libpcap, &text, request, &traffic) {
            Verdict::Same(tally) => total.add(&tally),
            Verdict::Larger(tally, why) => {
                total.add(&tally);
                if sizes > 0 {
                    eprintln!("larger: {why}");
                }
            }
            Verdict::Different(why) => {
                different += 1;
                eprintln!("{why}");
            }
        }
    }
    eprintln!("{total:?}");
    if engines > 0 {
        let kernel = if in_kernel { ", the kernel among them" } else { "" };
        eprintln!("{in_all} pairs in engines{kernel}");
    }
    eprintln!("seed {seed}: {expressions} expressions, {different} different");
    ExitCode::from(u8::from(different > 0))
}

struct Arguments {
    expressions: u64,
    packets: u64,
    seed: u64,
    sizes: u64,
    engines: u64,
}

fn arguments(mut args: impl Iterator<Item = String>) -> Option<Arguments> {
    let mut this = Arguments { expressions: 10_000, packets: 40, seed: 1, sizes: 0, engines: 0 };
    while let Some(arg) = args.next() {
        let value = args.next()?.parse().ok()?;
        match arg.as_str() {
            "--expressions" => this.expressions = value,
            "--packets" => this.packets = value,
            "--seed" => this.seed = value,
            "--sizes" => this.sizes = value,
            "--engines" => this.engines = value,
            _ => return None,
        }
    }
    Some(this)
}
