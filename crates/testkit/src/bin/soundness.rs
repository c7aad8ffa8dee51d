//! Accepted programs, held against what the verifier says of them:
//!
//! ```text
//! cargo run --release -p skep-testkit --bin soundness -- --insns 100000000
//! cargo run --release -p skep-testkit --bin soundness -- --insns 1000000 examples/*.o examples/*.s
//! ```
//!
//! Random programs, or those of files, until so many instructions were looked at. Prints what is
//! violated, with its seed and made smaller, and figures. Status 1 if anything is.

use clap::Parser;
use skep_asm::{PrintOptions, print};
use skep_prog::Image;
use skep_testkit::soundness::{Sound, candidate, smaller, soundness};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Hold accepted programs against what the verifier says of them.
#[derive(Parser)]
struct Args {
    /// Instructions to look at.
    #[arg(long, default_value_t = 1_000_000)]
    insns: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Packets for a program.
    #[arg(long, default_value_t = 40)]
    runs: u32,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: u32,
    /// Longest time, in seconds.
    #[arg(long, default_value_t = u64::MAX)]
    seconds: u64,
    /// Objects and assembly to take programs from.
    files: Vec<PathBuf>,
}

#[derive(Default)]
struct Figures {
    programs: AtomicU64,
    accepted: AtomicU64,
    long: AtomicU64,
    unsupported: AtomicU64,
    insns: AtomicU64,
    violated: AtomicU64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut images = Vec::new();
    for path in &args.files {
        let name = path.display().to_string();
        let read = std::fs::read(path).map_err(|err| err.to_string());
        match read.and_then(|bytes| skep::read_image(&bytes, &name).map_err(|err| err.to_string()))
        {
            Ok(read) => images.push(read.image),
            Err(why) => eprintln!("{name}: {why}"),
        }
    }
    if images.is_empty() && !args.files.is_empty() {
        return ExitCode::from(2);
    }
    let (figures, next, last) = (Figures::default(), AtomicU64::new(args.seed), Mutex::new(0));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..args.threads.max(1) {
            scope.spawn(|| work(&args, &images, &figures, &next, begun, &last));
        }
    });
    eprintln!("{}", line(&figures, begun));
    ExitCode::from(u8::from(figures.violated.load(Ordering::Relaxed) > 0))
}

fn work(
    args: &Args,
    images: &[Image],
    figures: &Figures,
    next: &AtomicU64,
    begun: Instant,
    last: &Mutex<u64>,
) {
    while figures.insns.load(Ordering::Relaxed) < args.insns {
        let seconds = begun.elapsed().as_secs();
        if seconds >= args.seconds {
            return;
        }
        if let Ok(mut last) = last.lock()
            && *last != seconds / 20
        {
            *last = seconds / 20;
            eprintln!("{}", line(figures, begun));
        }
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if images.is_empty() {
            one(args, figures, &candidate(seed), "main", seed);
            continue;
        }
        for image in images {
            for prog in &image.progs {
                one(args, figures, image, &prog.name, seed);
            }
        }
        if figures.accepted.load(Ordering::Relaxed) == 0 {
            return;
        }
    }
}

fn one(args: &Args, figures: &Figures, image: &Image, prog: &str, seed: u64) {
    let count = |figure: &AtomicU64, n| figure.fetch_add(n, Ordering::Relaxed);
    count(&figures.programs, 1);
    let prog =
        image.prog(prog).map_or_else(|| image.progs[0].name.clone(), |prog| prog.name.clone());
    match soundness(image, &prog, seed, args.runs) {
        Sound::Refused => {}
        Sound::Long => _ = count(&figures.long, 1),
        Sound::Held { insns, unsupported } => {
            count(&figures.accepted, 1);
            count(&figures.insns, insns);
            if let Some(what) = unsupported
                && count(&figures.unsupported, 1) < 10
            {
                eprintln!("seed {seed}, {prog}: not run: {what}");
            }
        }
        Sound::Violated(what) => {
            count(&figures.accepted, 1);
            eprintln!("seed {seed}, {prog}: {what}");
            if count(&figures.violated, 1) < 5 {
                let small = smaller(image, &prog, seed, args.runs);
                let again = soundness(&small, &prog, seed, args.runs);
                eprintln!("smaller: {again:?}\n{}", print(&small, &PrintOptions::default()));
            }
        }
    }
}

fn line(figures: &Figures, begun: Instant) -> String {
    let get = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
    format!(
        "{:.0} s: {} programs, {} accepted ({} too long to keep, {} not run), {} instructions looked \
         at, {} violated",
        begun.elapsed().as_secs_f64(),
        get(&figures.programs),
        get(&figures.accepted),
        get(&figures.long),
        get(&figures.unsupported),
        get(&figures.insns),
        get(&figures.violated)
    )
}
