//! The checking interpreter against `rbpf`'s and `solana-sbpf`'s, all with their checks on.
//!
//! `cargo bench --bench interp` runs criterion's groups `exec/interp/PROGRAM/ENGINE`, then measures once
//! more, engine after engine in turns, and prints nanoseconds per instruction and ratios from the
//! shortest times. `-- --test` only sees that all engines agree.

#[path = "interp/engines.rs"]
mod engines;
#[path = "peer/sbpf.rs"]
mod sbpf;

use criterion::Criterion;
use engines::{Skep, engines};
use skep_benches::{PROGRAMS, Program};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Turns of the last measurement: the shortest of so many runs counts.
const TURNS: usize = 400;

fn main() {
    agree();
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500))
        .configure_from_args();
    for program in PROGRAMS {
        let mut group = criterion.benchmark_group(format!("exec/interp/{}", program.name));
        for mut engine in engines(program) {
            group.bench_function(engine.name(), |bench| bench.iter(|| black_box(engine.run())));
        }
        group.finish();
    }
    criterion.final_summary();
    table();
}

/// Panics unless all engines compute the same, time and again.
fn agree() {
    for program in PROGRAMS {
        let mut engines = engines(program);
        let results: Vec<u64> = engines.iter_mut().map(|engine| engine.run()).collect();
        let again: Vec<u64> = engines.iter_mut().map(|engine| engine.run()).collect();
        assert_eq!(results, again, "{}: a run changes the next", program.name);
        assert!(results.iter().all(|r0| *r0 == results[0]), "{}: {results:x?}", program.name);
    }
}

/// Nanoseconds per instruction of each engine, in turns.
fn measure(program: Program) -> Vec<f64> {
    let insns = Skep::new(program).insns();
    let mut engines = engines(program);
    let mut shortest = vec![Duration::MAX; engines.len()];
    for _ in 0..TURNS {
        for (engine, shortest) in engines.iter_mut().zip(&mut shortest) {
            let start = Instant::now();
            black_box(engine.run());
            *shortest = start.elapsed().min(*shortest);
        }
    }
    shortest.iter().map(|time| time.as_secs_f64() * 1e9 / insns as f64).collect()
}

#[expect(clippy::print_stdout, reason = "the result of the bench")]
fn table() {
    let rows: Vec<(&str, Vec<f64>)> =
        PROGRAMS.map(|program| (program.name, measure(program))).into();
    println!(
        "{:16}{:>8}{:>8}{:>14}{:>18}{:>22}",
        "ns/instruction", "skep", "rbpf", "solana-sbpf", "rbpf / skep", "solana-sbpf / skep"
    );
    let print = |name: &str, ns: &[f64]| {
        let [skep, rbpf, sbpf] = ns else { return };
        println!(
            "{name:16}{skep:8.2}{rbpf:8.2}{sbpf:14.2}{:18.1}{:22.1}",
            rbpf / skep,
            sbpf / skep
        );
    };
    for (name, ns) in &rows {
        print(name, ns);
    }
    let mean = |engine: usize| {
        let sum: f64 = rows.iter().map(|(_, ns)| ns[engine].ln()).sum();
        (sum / rows.len() as f64).exp()
    };
    print("geometric mean", &[mean(0), mean(1), mean(2)]);
}
