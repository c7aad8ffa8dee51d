//! Random programs by the interpreter and as machine code, as many as asked for:
//!
//! ```text
//! cargo run --release -p skep-testkit --bin engines -- --programs 100000 --seed 1
//! ```
//!
//! Prints each difference, and at the end how many programs were run, compiled, equal and different.
//! Status 1 if there was a difference.

use clap::Parser;
use skep::CodeOptions;
use skep_testkit::{Engines, random_engines_with};
use std::collections::BTreeMap;
use std::process::ExitCode;

#[derive(Parser)]
struct Args {
    /// Programs to run.
    #[arg(long, default_value_t = 1000)]
    programs: u64,
    /// Blind numbers, and guard jumps.
    #[arg(long)]
    hardened: bool,
    /// The tier: 1, or 2 for optimised code.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    opt: u8,
    /// Number of the first.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let Args { programs, hardened, opt, seed } = Args::parse();
    let mut code = CodeOptions::default();
    (code.blinding, code.retpolines) = (hardened, hardened);
    code.optimised = opt == 2;
    let (mut compiled, mut different) = (0u64, 0u64);
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    for n in 0..programs {
        let seed = seed.wrapping_add(n);
        match random_engines_with(seed, code) {
            Engines::NotNative(why) => {
                *reasons.entry(why.to_string().chars().take(70).collect()).or_default() += 1;
            }
            Engines::Equal => compiled += 1,
            Engines::Different(what) => {
                compiled += 1;
                different += 1;
                eprintln!("seed {seed}: {what}");
            }
        }
    }
    for (reason, count) in reasons {
        eprintln!("not compiled {count}: {reason}");
    }
    let equal = compiled - different;
    eprintln!(
        "seed {seed}: {programs} programs, {compiled} compiled, {equal} equal, {different} different"
    );
    ExitCode::from(u8::from(different > 0))
}
