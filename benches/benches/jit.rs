//! Machine code against `rbpf`'s and `solana-sbpf`'s, and against the same C compiled for this host.
//!
//! `cargo bench --bench jit` runs criterion's groups `exec/jit/PROGRAM/ENGINE`, then measures once more, engine
//! after engine in turns, and prints nanoseconds for a run, ratios to native code, and what compilation takes.
//! `-- --test` only sees that all engines agree. Needs an x86-64 host and clang.

#[path = "jit/compile.rs"]
mod compile;
#[path = "jit/engines.rs"]
mod engines;
#[path = "jit/session.rs"]
mod session;

use criterion::Criterion;
use engines::{Engine, NAMES, engines};
use skep_benches::PROGRAMS;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Turns of the last measurement: the shortest of so many runs counts.
const TURNS: usize = 300;

fn main() {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("skipped: this host is not x86-64");
        return;
    }
    agree();
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    if !std::env::args().any(|arg| arg == "--table") {
        let mut criterion = Criterion::default()
            .warm_up_time(Duration::from_millis(100))
            .measurement_time(Duration::from_millis(500))
            .configure_from_args();
        for program in PROGRAMS {
            let mut group = criterion.benchmark_group(format!("exec/jit/{}", program.name));
            for mut engine in engines(program) {
                group.bench_function(engine.name(), |bench| bench.iter(|| black_box(engine.run())));
            }
            group.finish();
        }
        criterion.final_summary();
    }
    if engines::has_clang() {
        table();
    } else {
        eprintln!("skipped: clang-19 is not there, so there is nothing to compare with");
    }
    engines::entries();
    session::table();
    compile::table();
}

/// Panics unless all engines compute the same, time and again.
fn agree() {
    for program in PROGRAMS {
        let mut engines = engines(program);
        let results: Vec<u64> = engines.iter_mut().map(|engine| engine.run()).collect();
        let again: Vec<u64> = engines.iter_mut().map(|engine| engine.run()).collect();
        assert_eq!(results, again, "{}: a run changes the next", program.name);
        for (engine, r0) in engines.iter().zip(&results) {
            assert_eq!(*r0, results[0], "{}: {} and {}", program.name, engine.name(), NAMES[0]);
        }
    }
}

/// Nanoseconds of a run, in turns.
fn measure(engines: &mut [Box<dyn Engine>]) -> Vec<f64> {
    let mut shortest = vec![f64::MAX; engines.len()];
    for _ in 0..TURNS {
        for (engine, shortest) in engines.iter_mut().zip(&mut shortest) {
            // Short runs several times, so that the clock does not count.
            let mut runs = 1u32;
            let start = Instant::now();
            black_box(engine.run());
            let once = start.elapsed();
            if once < Duration::from_micros(2) {
                runs = 100;
                let start = Instant::now();
                for _ in 0..runs {
                    black_box(engine.run());
                }
                *shortest = (start.elapsed().as_secs_f64() * 1e9 / f64::from(runs)).min(*shortest);
            } else {
                *shortest = (once.as_secs_f64() * 1e9 / f64::from(runs)).min(*shortest);
            }
        }
    }
    shortest
}

#[expect(clippy::print_stdout, reason = "the result of the bench")]
fn table() {
    println!("{:16}{}", "ns/run", NAMES.map(|name| format!("{name:>14}")).concat());
    let mut all: Vec<Vec<f64>> = Vec::new();
    for program in PROGRAMS {
        let times = measure(&mut engines(program));
        let cells: String = times.iter().map(|ns| format!("{ns:14.1}")).collect();
        println!("{:16}{cells}", program.name);
        all.push(times);
    }
    println!("\n{:16}{}", "/ native", NAMES.map(|name| format!("{name:>14}")).concat());
    let native = NAMES.len() - 1;
    let mut sums = [0.0; NAMES.len()];
    for (program, times) in PROGRAMS.iter().zip(&all) {
        let ratios: Vec<f64> = times.iter().map(|ns| ns / times[native]).collect();
        for (sum, ratio) in sums.iter_mut().zip(&ratios) {
            *sum += ratio.ln();
        }
        let cells: String = ratios.iter().map(|ratio| format!("{ratio:14.2}")).collect();
        println!("{:16}{cells}", program.name);
    }
    let means = sums.map(|sum| format!("{:14.2}", (sum / PROGRAMS.len() as f64).exp()));
    println!("{:16}{}\n", "geometric mean", means.concat());
}
