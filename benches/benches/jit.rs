//! Machine code against that of `rbpf`, `solana-sbpf` and the kernel, and against the same C compiled for this host. With
//! `--features cranelift` there are rbpf's code by Cranelift and what Cranelift makes of the second tier's functions.
//!
//! `cargo bench --bench jit` runs criterion's groups `exec/jit/PROGRAM/ENGINE`, then measures once more, engine
//! after engine in turns, and prints nanoseconds for a run, ratios to native code, and what compilation takes.
//! `-- --test` only sees that all engines agree, `-- --sessions` prints the tables of sessions alone. Needs an x86-64 host and clang.

#[cfg(feature = "cranelift")]
#[path = "jit/clif.rs"]
mod clif;
#[path = "jit/compile.rs"]
mod compile;
#[path = "jit/engines.rs"]
mod engines;
#[path = "jit/kernel.rs"]
mod kernel;
#[path = "jit/peers.rs"]
mod peers;
#[path = "peer/sbpf.rs"]
mod sbpf;
#[path = "jit/session.rs"]
mod session;

use criterion::Criterion;
use engines::{Engine, NAMES, engines};
use skep_benches::PROGRAMS;
use std::hint::black_box;
use std::time::Duration;

/// Turns of the last measurement: the shortest of so many runs counts.
const TURNS: usize = 300;

fn main() {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("skipped: this host is not x86-64");
        return;
    }
    if std::env::args().any(|arg| arg == "--sessions") {
        kernel::helpers_table();
        return session::table();
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
    kernel::helpers_table();
    session::table();
    compile::table();
}

/// Panics unless all engines compute the same, time and again.
fn agree() {
    for program in PROGRAMS {
        let mut engines = engines(program);
        // All but the kernel give the whole of r0.
        let first = engines[0].run();
        for engine in &mut engines {
            let want = if engine.name() == "kernel" { first & 0xffff_ffff } else { first };
            for _ in 0..2 {
                assert_eq!(engine.run(), want, "{}: {}", program.name, engine.name());
            }
        }
    }
}

/// Nanoseconds of a run by each engine that there is, in turns.
fn measure(engines: &mut [Box<dyn Engine>]) -> [Option<f64>; NAMES.len()] {
    let mut shortest = vec![f64::MAX; engines.len()];
    for _ in 0..TURNS {
        for (engine, shortest) in engines.iter_mut().zip(&mut shortest) {
            *shortest = engine.ns().min(*shortest);
        }
    }
    NAMES.map(|name| {
        let at = engines.iter().position(|engine| engine.name() == name)?;
        Some(shortest[at])
    })
}

/// Means of ratios, each of those programs that an engine has.
#[derive(Default)]
struct Mean {
    sum: f64,
    count: u32,
}

#[expect(clippy::print_stdout, reason = "the result of the bench")]
fn table() {
    let cell = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| format!("{:>15}", "-"), |value| format!("{value:15.digits$}"))
    };
    println!("{:16}{}", "ns/run", NAMES.map(|name| format!("{name:>15}")).concat());
    let mut all = Vec::new();
    for program in PROGRAMS {
        let times = measure(&mut engines(program));
        println!("{:16}{}", program.name, times.map(|ns| cell(ns, 1)).concat());
        all.push(times);
    }
    println!("\n{:16}{}", "/ native", NAMES.map(|name| format!("{name:>15}")).concat());
    let mut means: [Mean; NAMES.len()] = std::array::from_fn(|_| Mean::default());
    for (program, times) in PROGRAMS.iter().zip(&all) {
        let native = times[NAMES.len() - 1].expect("there is clang");
        let ratios = times.map(|ns| ns.map(|ns| ns / native));
        for (mean, ratio) in means.iter_mut().zip(ratios) {
            if let Some(ratio) = ratio {
                mean.sum += ratio.ln();
                mean.count += 1;
            }
        }
        println!("{:16}{}", program.name, ratios.map(|ratio| cell(ratio, 2)).concat());
    }
    let of = |mean: &Mean| (mean.count > 0).then(|| (mean.sum / f64::from(mean.count)).exp());
    println!("{:16}{}", "geometric mean", means.each_ref().map(|mean| cell(of(mean), 2)).concat());
    let counts = means.each_ref().map(|mean| format!("{:15}", mean.count)).concat();
    println!("{:16}{counts}\n", "of programs");
}
