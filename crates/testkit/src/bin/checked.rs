//! Random programs that nobody has verified, by the interpreter and as machine code that checks, as many as asked for:
//!
//! ```text
//! cargo run --release -p skep-testkit --bin checked -- --programs 100000 --seed 1
//! ```
//!
//! Prints each difference, and at the end how many programs were loaded, compiled, equal and different.
//! Status 1 if there was a difference.

use clap::Parser;
use skep::CodeOptions;
use skep_testkit::{Engines, random_checked};
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
    /// Number of the first.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let Args { programs, hardened, seed } = Args::parse();
    let mut code = CodeOptions::default();
    (code.blinding, code.retpolines) = (hardened, hardened);
    let (mut loaded, mut compiled, mut different) = (0u64, 0u64, 0u64);
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    for n in 0..programs {
        let seed = seed.wrapping_add(n);
        let Some(done) = random_checked(seed, code) else { continue };
        loaded += 1;
        match done {
            Engines::NotNative(why) => {
                let reason = why.to_string().split("insn").next().unwrap_or_default().to_string();
                let what = why.to_string().rsplit(": ").next().unwrap_or_default().to_string();
                *reasons.entry(reason + &what).or_default() += 1;
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
        "seed {seed}: {programs} programs, {loaded} loaded, {compiled} compiled, {equal} equal, \
         {different} different"
    );
    ExitCode::from(u8::from(different > 0))
}
