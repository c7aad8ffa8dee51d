//! Random programs in both engines, as many as asked for:
//!
//! ```text
//! cargo run --release -p skep-testkit --bin differential -- --programs 100000 --seed 1
//! ```
//!
//! Prints each difference, and at the end how many programs were run, accepted, equal and different.
//! Status 1 if there was a difference, 2 if the kernel cannot be asked or the arguments are wrong.

use skep_testkit::{Compared, Host, differential, host};
use std::collections::BTreeMap;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some((programs, seed)) = arguments(std::env::args().skip(1)) else {
        eprintln!("usage: differential [--programs N] [--seed N]");
        return ExitCode::from(2);
    };
    let Some(host) = host() else { return ExitCode::from(2) };
    run(host, programs, seed)
}

fn arguments(mut args: impl Iterator<Item = String>) -> Option<(u64, u64)> {
    let (mut programs, mut seed) = (1000, 1);
    while let Some(arg) = args.next() {
        let value = args.next()?.parse().ok()?;
        match &arg[..] {
            "--programs" => programs = value,
            "--seed" => seed = value,
            _ => return None,
        }
    }
    Some((programs, seed))
}

fn run(host: Host, programs: u64, seed: u64) -> ExitCode {
    let (mut accepted, mut different) = (0u64, 0u64);
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    for n in 0..programs {
        let seed = seed.wrapping_add(n);
        match differential(host, seed) {
            Compared::Refused(refused) => {
                let reason: String = refused.reason.chars().take(70).collect();
                *reasons.entry(reason).or_default() += 1;
            }
            Compared::Equal => accepted += 1,
            Compared::Different(difference) => {
                accepted += 1;
                different += 1;
                eprintln!("seed {seed}: {difference}");
            }
        }
        if (n + 1) % 1000 == 0 {
            eprintln!("{} programs, {accepted} accepted, {different} different", n + 1);
        }
    }
    for (reason, count) in reasons {
        eprintln!("refused {count}: {reason}");
    }
    let equal = accepted - different;
    eprintln!(
        "seed {seed}: {programs} programs, {accepted} accepted, {equal} equal, {different} different"
    );
    ExitCode::from(u8::from(different > 0))
}
