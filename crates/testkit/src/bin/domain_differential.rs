//! Random arithmetic in the kernel's verifier and in ours, as much as asked for:
//!
//! ```text
//! cargo run --release -p skep-testkit --bin domain_differential -- --operations 1000000 --seed 1
//! ```
//!
//! Prints each difference with the operands, and at the end the operations by kind: how many, and how
//! many of them on a number that is not known and, if a branch, open. Status 1 if there was a
//! difference, 2 if the kernel cannot be asked or the arguments are wrong.

use skep_testkit::domain::{NumberOutcome, judge};
use skep_testkit::host;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Operations of a program.
const STEPS: usize = 250;

fn main() -> ExitCode {
    let Some(args) = Args::read(std::env::args().skip(1)) else {
        eprintln!("usage: domain_differential [--operations N] [--seed N] [--show N]");
        return ExitCode::from(2);
    };
    if host().is_none() {
        return ExitCode::from(2);
    }
    run(&args)
}

struct Args {
    operations: usize,
    seed: u64,
    /// Prints as many cases of each kind, in the form of `corpus/domain`.
    show: usize,
}

impl Args {
    fn read(mut args: impl Iterator<Item = String>) -> Option<Self> {
        let mut this = Self { operations: 100_000, seed: 1, show: 0 };
        while let Some(arg) = args.next() {
            let value = args.next()?;
            match &arg[..] {
                "--operations" => this.operations = value.parse().ok()?,
                "--seed" => this.seed = value.parse().ok()?,
                "--show" => this.show = value.parse().ok()?,
                _ => return None,
            }
        }
        Some(this)
    }
}

#[expect(clippy::print_stdout, reason = "cases are what was asked for")]
fn run(args: &Args) -> ExitCode {
    let (operations, first) = (args.operations, args.seed);
    let mut kinds: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    let (mut equal, mut unseen, mut different, mut refused) = (0, 0, 0_u64, 0_u64);
    let mut seed = first;
    while equal < operations && different < 1000 && refused < 1000 {
        match judge(STEPS, seed) {
            Ok(judged) => {
                equal += judged.equal.len();
                unseen += judged.unseen;
                for step in &judged.equal {
                    let says_much = !matches!(step.outcome, NumberOutcome::Decided(_))
                        && step.operands.0.is_const().is_none();
                    let kind = kinds.entry(step.operation.to_string()).or_default();
                    kind[usize::from(says_much)] += 1;
                    if kind[usize::from(says_much)] <= args.show {
                        println!("{step}\n");
                    }
                }
                if let Some(difference) = judged.difference {
                    different += 1;
                    eprintln!("seed {seed}: {difference}");
                }
            }
            Err(why) => {
                refused += 1;
                eprintln!("{why}");
            }
        }
        seed += 1;
    }
    for (kind, [simple, other]) in &kinds {
        eprintln!("{:>9} {other:>9} {kind}", simple + other);
    }
    eprintln!(
        "seeds {first} to {}: {equal} operations equal, {unseen} not seen, {different} different, \
         {refused} programs refused",
        seed - 1
    );
    ExitCode::from(u8::from(different + refused > 0))
}
