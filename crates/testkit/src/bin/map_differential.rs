//! Random operations on maps of both engines, as many as asked for:
//!
//! ```text
//! cargo run --release -p skep-testkit --bin map_differential -- --operations 1000000 --seed 1
//! ```
//!
//! Makes maps from random definitions, which both engines must make or refuse alike, then goes through
//! maps of all types that the kernel lets a process fill, some thousand operations each. Prints each
//! difference, and at the end the number of operations by type. Status 1 if there was a difference, 2
//! if the kernel cannot be asked or the arguments are wrong.

use rand::SeedableRng;
use rand::rngs::StdRng;
use skep_testkit::{MapCase, MapPair, host, map_cases, refused_differently};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Operations on a map before the next one's turn.
const STEPS: u64 = 2000;
/// The same for maps of maps, after each update of which the kernel waits for programs that run.
const FEW_STEPS: u64 = 60;

fn main() -> ExitCode {
    let Some((operations, seed)) = arguments(std::env::args().skip(1)) else {
        eprintln!("usage: map_differential [--operations N] [--seed N]");
        return ExitCode::from(2);
    };
    let Some(host) = host() else { return ExitCode::from(2) };
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut counts, mut different) = (BTreeMap::<String, u64>::new(), 0u64);
    let mut done = 0;
    while done < operations {
        for case in map_cases() {
            let (name, steps) = (case.def.name.clone(), steps(&case));
            let difference = MapPair::new(host, case).run(&mut rng, steps);
            done += steps;
            different += report(&name, seed, difference);
            *counts.entry(name).or_default() += steps;
        }
        let differences = (0..STEPS).filter_map(|_| refused_differently(host, &mut rng));
        let differences: Vec<String> = differences.collect();
        done += STEPS;
        *counts.entry("creation".into()).or_default() += STEPS;
        different += report("creation", seed, differences);
    }
    for (name, count) in &counts {
        eprintln!("{count:>9} {name}");
    }
    eprintln!("seed {seed}: {done} operations, {different} different");
    ExitCode::from(u8::from(different > 0))
}

fn steps(case: &MapCase) -> u64 {
    if case.def.inner.is_some() { FEW_STEPS } else { STEPS }
}

fn arguments(mut args: impl Iterator<Item = String>) -> Option<(u64, u64)> {
    let (mut operations, mut seed) = (100_000, 1);
    while let Some(arg) = args.next() {
        let value = args.next()?.parse().ok()?;
        match &arg[..] {
            "--operations" => operations = value,
            "--seed" => seed = value,
            _ => return None,
        }
    }
    Some((operations, seed))
}

fn report(name: &str, seed: u64, differences: impl IntoIterator<Item = String>) -> u64 {
    let shown = |difference| eprintln!("seed {seed}, {name}: {difference}");
    differences.into_iter().map(shown).count() as u64
}
