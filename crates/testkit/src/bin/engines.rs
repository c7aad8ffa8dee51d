//! Random programs by the interpreter and as machine code, as many as asked for:
//!
//! ```text
//! cargo run --release -p skep-testkit --bin engines -- --programs 100000 --seed 1
//! ```
//!
//! With `--unverified` they are changed so that the verifier refuses most, and the machine code checks its accesses.
//!
//! Prints each difference, and at the end how many programs were loaded, compiled, equal and different.
//! Status 1 if there was a difference.

use clap::Parser;
use skep::CodeOptions;
use skep_testkit::{Engines, random_checked, random_engines_with};
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
    /// Programs that nobody has verified.
    #[arg(long, conflicts_with = "opt")]
    unverified: bool,
    /// Number of the first.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let Args { programs, hardened, opt, unverified, seed } = Args::parse();
    let mut code = CodeOptions::default();
    (code.blinding, code.retpolines) = (hardened, hardened);
    code.optimised = opt == 2;
    let (mut loaded, mut compiled, mut different) = (0u64, 0u64, 0u64);
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    for n in 0..programs {
        let seed = seed.wrapping_add(n);
        let done = match unverified {
            true => random_checked(seed, code),
            false => Some(random_engines_with(seed, code)),
        };
        let Some(done) = done else { continue };
        loaded += 1;
        match done {
            Engines::NotNative(why) => {
                // Without the place, which is another in each program.
                let why = why.to_string();
                let reason = match (why.split_once(": insn "), why.rsplit_once(": ")) {
                    (Some((prog, _)), Some((_, what))) => format!("{prog}: {what}"),
                    _ => why,
                };
                *reasons.entry(reason).or_default() += 1;
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
