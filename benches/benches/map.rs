//! The maps against `hashbrown`, `dashmap`, `papaya` and, where bpf(2) may be used, the kernel's own
//! maps from inside a program.
//!
//! `cargo bench --bench map` measures all of them in turns and prints the nanoseconds of the shortest
//! turn, then the ratios to the user engine's. `-- --test` makes one turn of everything. Turns of one
//! thread come after one of the same map that does not count, the kernel's too.

#[path = "map/kernel.rs"]
mod kernel;
#[path = "map/peers.rs"]
mod peers;
#[path = "map/ring.rs"]
mod ring;

use peers::{Op, Peer, peers};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// Operations of a turn, which go through all keys.
const OPS: u32 = 4096;

fn main() {
    let turns = if std::env::args().any(|arg| arg == "--test") { 1 } else { 400 };
    for threads in [1, 2] {
        table(threads, turns);
    }
    ring::measure(turns);
}

/// A line for each operation: nanoseconds of each map, of the kernel's, and their ratios to the first.
#[expect(clippy::print_stdout, reason = "the result of the bench")]
fn table(threads: u32, turns: u32) {
    let peers = peers();
    let names: Vec<&str> = peers.iter().map(|peer| peer.name()).chain(["kernel"]).collect();
    print!("{:26}", format!("ns/operation, {threads} thread(s)"));
    names.iter().for_each(|name| print!("{name:>11}"));
    names[1..].iter().for_each(|name| print!("{:>13}", format!("{name}/skep")));
    println!();
    for op in Op::ALL {
        let mut kernel = (threads == 1).then(|| kernel::Loop::new(op)).flatten();
        let mut best = vec![f64::INFINITY; names.len()];
        for _ in 0..turns.div_ceil(threads * threads) {
            for (peer, best) in peers.iter().zip(&mut best) {
                *best = best.min(turn(&**peer, op, threads));
            }
            if let (Some(kernel), Some(best)) = (&mut kernel, best.last_mut()) {
                *best = best.min(kernel.turn());
            }
        }
        print!("{:26}", op.name());
        best.iter().for_each(|ns| print!("{:>11}", shown(*ns)));
        best[1..].iter().for_each(|ns| print!("{:>13}", shown(ns / best[0])));
        println!();
    }
}

fn shown(number: f64) -> String {
    if number.is_finite() { format!("{number:.1}") } else { "-".into() }
}

/// Nanoseconds of an operation with so many threads at it, each with operations of its own.
fn turn(peer: &dyn Peer, op: Op, threads: u32) -> f64 {
    if !peer.has(op) {
        return f64::INFINITY;
    }
    if threads == 1 {
        // What another map's turn has pushed out of the caches is fetched before the clock runs.
        peer.run(op, 0, OPS);
        let start = Instant::now();
        peer.run(op, 0, OPS);
        return start.elapsed().as_secs_f64() * 1e9 / f64::from(OPS);
    }
    let barrier = Barrier::new(threads as usize);
    let barrier = &barrier;
    // Long enough that all threads are at it for most of the time.
    let ops = OPS * 32;
    let times: Vec<(Instant, Instant)> = thread::scope(|scope| {
        let run = |cpu| {
            move || {
                barrier.wait();
                let start = Instant::now();
                peer.run(op, cpu, ops);
                (start, Instant::now())
            }
        };
        let threads: Vec<_> = (0..threads).map(|cpu| scope.spawn(run(cpu))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("bug: a turn does not panic"))
            .collect()
    });
    let start = times.iter().map(|time| time.0).min();
    let end = times.iter().map(|time| time.1).max();
    let time = start.zip(end).map_or(Duration::MAX, |(start, end)| end - start);
    time.as_secs_f64() * 1e9 / f64::from(ops)
}
