//! Random operations on maps of both engines, as many as asked for:
//!
//! ```text
//! cargo run --release -p skep-testkit --bin map_differential -- --operations 1000000 --seed 1
//! ```
//!
//! ```text
//! cargo run --release -p skep-testkit --bin map_differential -- --each 1000000 --threads 128 --seed 1
//! ```
//!
//! does so many on each kind of map, on many maps at once, as the kernel waits for programs that run after
//! operations on some.
//!
//! Makes maps from random definitions, which both engines must make or refuse alike, then goes through
//! maps of all types that the kernel lets a process fill, some thousand operations each. Prints each
//! difference, and at the end the number of operations by type. Status 1 if there was a difference, 2
//! if the kernel cannot be asked or the arguments are wrong.

use rand::SeedableRng;
use rand::rngs::StdRng;
use skep_testkit::{Host, MapCase, MapPair, host, map_cases, refused_differently};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Operations on a map before the next one's turn.
const STEPS: u64 = 2000;
/// The same for maps of maps, after each update of which the kernel waits for programs that run.
const FEW_STEPS: u64 = 60;

fn main() -> ExitCode {
    let Some(plan) = Plan::read(std::env::args().skip(1)) else {
        eprintln!("usage: map_differential [--operations N | --each N [--threads N]] [--seed N]");
        return ExitCode::from(2);
    };
    let Some(host) = host() else { return ExitCode::from(2) };
    let (counts, different) = match plan.each {
        Some(each) => on_each(host, each, plan.threads, plan.seed),
        None => in_turns(host, plan.operations, plan.seed),
    };
    for (name, count) in &counts {
        eprintln!("{count:>9} {name}");
    }
    let (seed, done) = (plan.seed, counts.values().sum::<u64>());
    eprintln!("seed {seed}: {done} operations, {different} different");
    ExitCode::from(u8::from(different > 0))
}

/// Operations by kind of map.
type Counts = BTreeMap<String, u64>;

/// Goes through all kinds until so many operations are done. Returns how many, and how many differ.
fn in_turns(host: Host, operations: u64, seed: u64) -> (Counts, u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut counts, mut different) = (Counts::new(), 0u64);
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
    (counts, different)
}

/// So many operations on each kind, by several threads.
fn on_each(host: Host, each: u64, threads: u64, seed: u64) -> (Counts, u64) {
    let cases = map_cases();
    // Maps of a kind come one after the other; kinds take turns.
    let maps = each.div_ceil(STEPS);
    let kinds = cases.len() as u64 + 1;
    let (next, different, counts) =
        (AtomicU64::new(0), AtomicU64::new(0), Mutex::new(Counts::new()));
    let creating = Mutex::new(());
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= maps * kinds {
                return;
            }
            // Whoever runs it: a map's operations are of its seed and number.
            let mut rng = StdRng::seed_from_u64(seed.wrapping_mul(1 << 32).wrapping_add(number));
            let case = usize::try_from(number % kinds).ok().and_then(|at| cases.get(at));
            let (name, differences) = match case {
                Some(case) => {
                    let difference = MapPair::new(host, case.clone()).run(&mut rng, STEPS);
                    (case.def.name.as_str(), Vec::from_iter(difference))
                }
                None => {
                    // Some are large.
                    let _one = creating.lock().expect("bug: a thread panicked");
                    let differences =
                        (0..STEPS).filter_map(|_| refused_differently(host, &mut rng));
                    ("creation", differences.collect())
                }
            };
            different.fetch_add(report(name, number, differences), Ordering::Relaxed);
            let mut counts = counts.lock().expect("bug: a thread panicked");
            *counts.entry(name.into()).or_default() += STEPS;
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    (counts.into_inner().expect("bug: a thread panicked"), different.into_inner())
}

fn steps(case: &MapCase) -> u64 {
    if case.def.inner.is_some() { FEW_STEPS } else { STEPS }
}

/// What is to be done.
struct Plan {
    operations: u64,
    each: Option<u64>,
    threads: u64,
    seed: u64,
}

impl Plan {
    fn read(mut args: impl Iterator<Item = String>) -> Option<Self> {
        let mut plan = Self { operations: 100_000, each: None, threads: 1, seed: 1 };
        while let Some(arg) = args.next() {
            let value = args.next()?.parse().ok()?;
            match &arg[..] {
                "--operations" => plan.operations = value,
                "--each" => plan.each = Some(value),
                "--threads" => plan.threads = value,
                "--seed" => plan.seed = value,
                _ => return None,
            }
        }
        (1..=1024).contains(&plan.threads).then_some(plan)
    }
}

fn report(name: &str, seed: u64, differences: impl IntoIterator<Item = String>) -> u64 {
    let shown = |difference| eprintln!("seed {seed}, {name}: {difference}");
    differences.into_iter().map(shown).count() as u64
}
