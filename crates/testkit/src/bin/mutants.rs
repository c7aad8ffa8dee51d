//! Programs that nobody wrote, judged by both verifiers.
//!
//! ```text
//! cargo run --release -p skep-testkit --bin mutants -- --count 100000
//! cargo run --release -p skep-testkit --bin mutants -- --kind random --count 1000000
//! ```

use clap::{Parser, ValueEnum};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use skep_abi::ProgType;
use skep_isa::{AluOp, ImmSrc, Insn, RawInsn, Reg, Src, Width};
use skep_prog::Image;
use skep_testkit::agreement::{
    Answer, Cache, Judge, Mode, Oracle, Ours, Subject, Target, Verdict, general, objects, old,
    ours, single, target,
};
use skep_testkit::mutants::{Field, Mutator, case_text, random, shrink};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use std::{fs, io};

/// Judge mutants of accepted programs, or random programs, by the kernel and here.
#[derive(Parser)]
struct Args {
    /// What to make.
    #[arg(long, default_value = "mutants")]
    kind: Kind,
    /// Programs to judge.
    #[arg(long, default_value_t = 100_000)]
    count: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the objects and the kernel's answers about them are, as `agreement` makes them.
    #[arg(long, default_value = "target/agreement")]
    dir: PathBuf,
    /// A directory with objects of real programs to make mutants of.
    #[arg(long)]
    real: Option<PathBuf>,
    /// Only programs whose name begins so.
    #[arg(long, default_value = "")]
    only: String,
    /// Slots of the longest program to make mutants of.
    #[arg(long, default_value_t = 250)]
    longest: usize,
    /// Without privileges.
    #[arg(long)]
    unpriv: bool,
    /// Where disagreements are written.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write so many programs of each kind of disagreement.
    #[arg(long, default_value_t = 1)]
    each: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Accepted programs with a change or two.
    Mutants,
    /// Programs that do not aim at being valid.
    Random,
    /// Programs that do, as those of the differential tests.
    Valid,
}

/// Mutants of one program in a row, for which the maps are made once.
const BATCH: u64 = 100;

fn main() -> io::Result<()> {
    let args = Args::parse();
    let target = target()?;
    let subjects = match args.kind {
        Kind::Mutants => accepted(&args, &target)?,
        Kind::Random => bases(random, 64),
        Kind::Valid => bases(skep_testkit::program, 64),
    };
    if subjects.is_empty() {
        return Err(io::Error::other("no programs: let `agreement` run first"));
    }
    let judge = ours(&target);
    let shared = Shared {
        args: &args,
        target: &target,
        subjects: &subjects,
        judge,
        next: AtomicU64::new(args.seed),
        found: Mutex::default(),
    };
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            std::thread::Builder::new()
                .name("judge".into())
                .stack_size(64 << 20)
                .spawn_scoped(scope, || shared.work())
                .expect("a thread can be had");
        }
    });
    shared.report(begun)
}

struct Shared<'a> {
    args: &'a Args,
    target: &'a Target,
    subjects: &'a [Subject],
    /// Without one, only the kernel is asked.
    judge: Option<Arc<dyn Judge>>,
    next: AtomicU64,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    counts: BTreeMap<&'static str, u64>,
    /// Kinds of disagreement: how many, and the smallest.
    kinds: BTreeMap<String, (u64, usize, String)>,
}

impl Shared<'_> {
    fn work(&self) {
        let mut oracle = Oracle::new(self.target);
        let mode = if self.args.unpriv { Mode::Unprivileged } else { Mode::Privileged };
        let mut fields: BTreeMap<usize, Field> = BTreeMap::new();
        let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
        let end = self.args.seed + self.args.count;
        loop {
            let first = self.next.fetch_add(BATCH, Ordering::Relaxed);
            if first >= end {
                break;
            }
            let mut rng = StdRng::seed_from_u64(first);
            for seed in first..(first + BATCH).min(end) {
                // One subject for a row of mutants; of random programs the type decides.
                let made = match self.args.kind {
                    Kind::Mutants => None,
                    Kind::Random => Some(random(seed)),
                    Kind::Valid => Some(skep_testkit::program(seed)),
                };
                let at = match &made {
                    None => StdRng::seed_from_u64(first).random_range(0..self.subjects.len()),
                    Some(image) => self
                        .subjects
                        .iter()
                        .position(|subject| subject.prog().prog_type == image.progs[0].prog_type)
                        .expect("bug: a type without base"),
                };
                if !fields.contains_key(&at) {
                    if fields.len() > 8 {
                        fields.clear();
                    }
                    match Field::new(&mut oracle, self.subjects[at].clone()) {
                        Ok(field) => _ = fields.insert(at, field),
                        Err(_) => break,
                    }
                }
                let field = &fields[&at];
                let insns = match made {
                    None => Mutator::new(&field.insns).mutant(&mut rng),
                    Some(image) => image.progs[0].insns.encode(),
                };
                if insns.is_empty() {
                    continue;
                }
                let what = self.one(&mut oracle, field, &insns, mode, seed);
                *counts.entry(what).or_default() += 1;
            }
        }
        let mut found = self.found.lock().expect("no worker panics");
        for (what, count) in counts {
            *found.counts.entry(what).or_default() += count;
        }
    }

    /// Judges one program.
    fn one(
        &self,
        oracle: &mut Oracle<'_>,
        field: &Field,
        insns: &[RawInsn],
        mode: Mode,
        seed: u64,
    ) -> &'static str {
        let kernel = field.kernel(oracle, insns, mode);
        let Some(judge) = self.judge.as_deref() else {
            return if kernel.is_ok() { "kernel accepts" } else { "kernel rejects" };
        };
        let ours = field.ours(judge, insns, mode);
        let what = outcome(kernel, &ours);
        if matches!(what, "both accept" | "both reject" | "unsupported" | "kernel fails") {
            return what;
        }
        // With a log: what is no verdict is no disagreement.
        if field.answer(oracle, insns, mode).verdict == Verdict::Environment {
            return "kernel fails";
        }
        let key = |answer: &Answer, ours: &Ours| {
            let here = match ours {
                Ours::Rejected { rule, message, .. } => format!("{rule}: {}", general(message)),
                Ours::Panic { message } => message.clone(),
                _ => String::new(),
            };
            format!("{what}: kernel \"{}\", here \"{here}\"", general(&answer.last))
        };
        let full = key(&field.answer(oracle, insns, mode), &ours);
        let enough = {
            let mut found = self.found.lock().expect("no worker panics");
            let kind = found.kinds.entry(full.clone()).or_insert((0, usize::MAX, String::new()));
            kind.0 += 1;
            kind.0 > self.args.each as u64
        };
        if enough {
            return what;
        }
        let small = shrink(insns, |tried| {
            let kernel = field.kernel(oracle, tried, mode);
            let ours = field.ours(judge, tried, mode);
            // The same disagreement, not one that it contains.
            outcome(kernel, &ours) == what && key(&field.answer(oracle, tried, mode), &ours) == full
        });
        let answer = field.answer(oracle, &small, mode);
        let ours = field.ours(judge, &small, mode);
        let key = key(&answer, &ours);
        let mut origin = format!("{} of {}, seed {seed}", self.kind(), field.subject.name);
        if mode == Mode::Unprivileged {
            origin += ", unprivileged";
        }
        let text = field.image(&small).map_or_else(
            || format!("{small:?}\n"),
            |image| case_text(&image, &answer, &ours, &origin),
        );
        let mut found = self.found.lock().expect("no worker panics");
        let kind = found.kinds.entry(key).or_insert((0, usize::MAX, String::new()));
        if small.len() < kind.1 {
            kind.1 = small.len();
            kind.2 = text;
        }
        what
    }

    const fn kind(&self) -> &'static str {
        match self.args.kind {
            Kind::Mutants => "mutant",
            Kind::Random => "random",
            Kind::Valid => "generated",
        }
    }

    #[expect(clippy::print_stdout, reason = "the output of a command")]
    fn report(&self, begun: Instant) -> io::Result<()> {
        let found = self.found.lock().expect("no worker panics");
        let total: u64 = found.counts.values().sum();
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "{total} programs in {seconds:.1} s, {:.0} a second; seeds {}..{}",
            total as f64 / seconds,
            self.args.seed,
            self.args.seed + self.args.count
        );
        for (what, count) in &found.counts {
            println!("{count:9} {what}");
        }
        let mut kinds: Vec<_> = found.kinds.iter().collect();
        kinds.sort_by_key(|(_, kind)| std::cmp::Reverse(kind.0));
        for (name, (count, len, text)) in kinds {
            println!("\n{count:6} × {name}");
            if !text.is_empty() {
                println!("({len} slots)\n{text}");
                if let Some(out) = &self.args.out {
                    fs::create_dir_all(out)?;
                    fs::write(out.join(file_name(name)), text)?;
                }
            }
        }
        Ok(())
    }
}

/// A name that says what it is about.
fn file_name(key: &str) -> String {
    let mut name = String::new();
    for c in key.chars().filter(|c| !matches!(c, '\'' | '"')) {
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if !name.ends_with('-') {
            name.push('-');
        }
    }
    name.truncate(90);
    format!("{}.s", name.trim_matches('-'))
}

fn outcome(kernel: Result<(), i32>, ours: &Ours) -> &'static str {
    // ENOMEM, EBUSY, EAGAIN, ENOTSUPP, EMFILE: nothing about the program.
    if kernel.is_err_and(|errno| matches!(errno, 12 | 16 | 11 | 524 | 24)) {
        return "kernel fails";
    }
    match (kernel, ours) {
        (_, Ours::Panic { .. }) => "panic",
        (_, Ours::Timeout) => "timeout",
        (_, Ours::Unsupported { .. }) => "unsupported",
        (Ok(()), Ours::Accepted { .. }) => "both accept",
        (Ok(()), Ours::Rejected { .. }) => "false reject",
        (Err(_), Ours::Accepted { .. }) => "false accept",
        (Err(_), Ours::Rejected { .. }) => "both reject",
    }
}

/// Programs that the kernel accepts, as the cache says.
fn accepted(args: &Args, target: &Target) -> io::Result<Vec<Subject>> {
    let mut all = Vec::new();
    let mode = if args.unpriv { Mode::Unprivileged } else { Mode::Privileged };
    for set in ["verifier", "old", "progs", "real", "examples"] {
        let cache = Cache::open(&args.dir.join(format!("{set}.jsonl")), &target.release)?;
        let subjects = match set {
            "old" => {
                let cases = args.dir.join("old.cases");
                old(&cases, target).map_err(|error| at(&cases, &error))?
            }
            "real" => read(args.real.clone(), target)?,
            "examples" => read(Some("examples".into()), target)?,
            // Both are in one directory.
            "progs" => Vec::new(),
            _ => read(Some(args.dir.join("objs")), target)?,
        };
        let progs = Cache::open(&args.dir.join("progs.jsonl"), &target.release)?;
        all.extend(subjects.into_iter().filter(|subject| {
            let (key, hash) = (subject.key(mode), subject.hash());
            let answer = cache.get(&key, hash).or_else(|| progs.get(&key, hash));
            answer.is_some_and(|answer| answer.verdict == Verdict::Accepted)
                && subject.prog().insns.len() <= args.longest
                && subject.name.starts_with(&args.only)
        }));
    }
    Ok(all)
}

/// What went wrong with which file, and what helps.
fn at(path: &Path, error: &io::Error) -> io::Error {
    let remedy = "run this where the repository is checked out, after `agreement`";
    io::Error::new(error.kind(), format!("{}: {error}; {remedy}", path.display()))
}

fn read(dir: Option<PathBuf>, target: &Target) -> io::Result<Vec<Subject>> {
    let Some(dir) = dir else { return Ok(Vec::new()) };
    let mut paths: Vec<PathBuf> = fs::read_dir(&dir)
        .map_err(|error| at(&dir, &error))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|ext| ext == "o"));
    paths.sort();
    Ok(paths.iter().filter_map(|path| objects(path, target).ok()).flatten().collect())
}

/// Maps are made if instructions name them.
fn naming_all(mut image: Image) -> Image {
    let load = |idx| Insn::LoadImm { dst: Reg::R0, imm: ImmSrc::MapIdx(idx) };
    let names = (0..).take(image.maps.len()).map(load);
    let zero = Insn::Alu { width: Width::W64, op: AluOp::Mov, dst: Reg::R0, src: Src::Imm(0) };
    image.progs[0].insns = names.chain([zero, Insn::Exit]).collect();
    image
}

/// One subject for each program type that a generator makes.
fn bases(make: impl Fn(u64) -> Image, seeds: u64) -> Vec<Subject> {
    let mut found: BTreeMap<ProgType, Subject> = BTreeMap::new();
    for seed in 0..seeds {
        let image = make(seed);
        let prog_type = image.progs[0].prog_type;
        found.entry(prog_type).or_insert_with(|| single(naming_all(image), "generated"));
    }
    found.into_values().collect()
}
