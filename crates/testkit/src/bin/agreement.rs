//! The scoreboard: does the verifier decide as the kernel does?
//!
//! ```text
//! cargo run --release -p skep-testkit --bin agreement -- --set verifier --show false-accept
//! ```

use clap::Parser;
use serde_json::json;
use skep_testkit::agreement::{
    Answer, Board, Cache, Corpus, Difference, LIMIT, Mode, Oracle, Ours, Pair, Subject, Target,
    Verdict, compile, dump, judge_all, objects, old, ours, replacements, save_target, target,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{fs, io};

/// Compare the verifier with the running kernel's, program by program.
#[derive(Parser)]
struct Args {
    /// Which programs: verifier, progs (selftests), v2, v4 (both, for these CPUs), compiled (selftests that
    /// were compiled before, where no compiler is), replace (of these, programs that replace functions of
    /// others), old, real, samples, examples.
    #[arg(long, value_delimiter = ',', default_value = "verifier,progs,old,real,samples,examples")]
    set: Vec<String>,
    /// Sources of the kernel.
    #[arg(long, default_value = "/usr/src/linux-source-6.12")]
    source: PathBuf,
    /// Where objects and the kernel's answers are kept.
    #[arg(long, default_value = "target/agreement")]
    dir: PathBuf,
    /// A directory with objects of real programs.
    #[arg(long)]
    real: Option<PathBuf>,
    /// Only programs whose `file/name` has this form (`*` stands for anything).
    #[arg(long)]
    filter: Option<String>,
    /// Only without privileges, or only with.
    #[arg(long)]
    unpriv: Option<bool>,
    /// Print a row for each file.
    #[arg(long)]
    files: bool,
    /// Print programs that the two differ on, with both logs: false-accept, false-reject, place, words,
    /// panic, timeout, unsupported.
    #[arg(long, value_delimiter = ',')]
    show: Vec<String>,
    /// At most so many of them.
    #[arg(long, default_value_t = 10)]
    max: usize,
    /// Lines of each log.
    #[arg(long, default_value_t = 25)]
    lines: usize,
    /// Count reasons: of what is unsupported and of differences.
    #[arg(long)]
    reasons: bool,
    /// One JSON line for each program.
    #[arg(long)]
    json: bool,
    /// Write the table for readers.
    #[arg(long)]
    write: Option<PathBuf>,
    /// Only ask the kernel.
    #[arg(long)]
    kernel_only: bool,
    /// Have the running kernel tell of itself in a directory, for `--kernel`.
    #[arg(long)]
    save_kernel: Option<PathBuf>,
    /// A kernel that has told of itself in a directory, and given its answers in that of `--dir`.
    #[arg(long, conflicts_with_all = ["kernel_only", "save_kernel", "kernel_log", "fresh", "show"])]
    kernel: Option<PathBuf>,
    /// Print the kernel's log (level 2) of the programs.
    #[arg(long)]
    kernel_log: bool,
    /// Ask the kernel anew.
    #[arg(long)]
    fresh: bool,
    /// Milliseconds for each program.
    #[arg(long)]
    limit: Option<u64>,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    if let Some(dir) = &args.save_kernel {
        save_target(dir)?;
    }
    let target = args.kernel.as_deref().map_or_else(target, Target::read)?;
    if !target.knows_lockdown() {
        eprintln!("lockdown is taken for none: mount -t securityfs none /sys/kernel/security");
    }
    fs::create_dir_all(&args.dir)?;
    let corpus = Corpus { source: args.source.clone(), out: args.dir.canonicalize()? };
    let mut board = Board::default();
    for set in &args.set {
        let pairs = run(&args, set, &corpus, &target)?;
        board.sets.push((set.clone(), pairs));
    }
    report(&args, &board, &target)
}

/// All about one set.
fn run(args: &Args, set: &str, corpus: &Corpus, target: &Target) -> io::Result<Vec<Pair>> {
    let subjects = subjects(args, set, corpus, target)?;
    let wanted =
        |subject: &Subject| args.filter.as_ref().is_none_or(|form| matches(form, &subject.name));
    let mut work = Vec::new();
    for subject in subjects.into_iter().filter(wanted) {
        if args.unpriv != Some(true) {
            work.push((subject.clone(), Mode::Privileged));
        }
        if args.unpriv != Some(false) && subject.for_unprivileged() {
            work.push((subject, Mode::Unprivileged));
        }
    }
    let (work, answers): (Vec<_>, Vec<_>) =
        ask(args, set, corpus, target, work)?.into_iter().unzip();
    let work = Arc::new(work);
    let ours = match ours(target).filter(|_| !args.kernel_only) {
        None => vec![None; work.len()],
        Some(judge) => {
            let limit = args.limit.map_or(LIMIT, Duration::from_millis);
            judge_all(&judge, &work, limit).into_iter().map(Some).collect()
        }
    };
    let work = Arc::try_unwrap(work).unwrap_or_else(|work| (*work).clone());
    let all = work.into_iter().zip(answers).zip(ours);
    Ok(all.map(|(((subject, mode), kernel), ours)| Pair { subject, mode, kernel, ours }).collect())
}

/// Selftests with programs that replace functions, and with programs whose functions are replaced.
const REPLACE: &[&str] = &[
    "changes_pkt_data",
    "changes_pkt_data_freplace",
    "connect4_prog",
    "exceptions",
    "exceptions_ext",
    "fentry_test",
    "fexit_bpf2bpf",
    "freplace_attach_probe",
    "freplace_cls_redirect",
    "freplace_connect4",
    "freplace_connect_v4_prog",
    "freplace_dead_global_func",
    "freplace_get_constant",
    "freplace_global_func",
    "freplace_progmap",
    "freplace_unreliable_prog",
    "tailcall_freplace",
    "tc_bpf2bpf",
    "test_attach_probe",
    "test_cls_redirect",
    "test_global_func1",
    "test_global_func9",
    "test_global_func_args",
    "test_global_func_ctx_args",
    "test_pkt_access",
    "test_pkt_md_access",
    "test_trace_ext",
    "verifier_btf_unreliable_prog",
    "verifier_global_subprogs",
    "xdp_dummy",
    "xdp_metadata2",
    "xdp_metadata",
];

fn subjects(args: &Args, set: &str, corpus: &Corpus, target: &Target) -> io::Result<Vec<Subject>> {
    let tests = corpus.tests().join("progs");
    let is_verifier = |name: &str| name.starts_with("verifier_");
    let make = |dir: &Path, cpu, out, wanted: &dyn Fn(&str) -> bool| {
        compiled(corpus, target, dir, cpu, out, wanted)
    };
    let paths = match set {
        "verifier" => make(&tests, "v3", "objs", &is_verifier)?,
        "progs" => make(&tests, "v3", "objs", &|name| !is_verifier(name))?,
        "v2" | "v4" => make(&tests, set, set, &|_| true)?,
        "samples" => {
            let is_prog = |name: &str| name.ends_with("_kern.c") || name.ends_with(".bpf.c");
            make(&corpus.source.join("samples/bpf"), "v3", "samples", &is_prog)?
        }
        "old" => {
            corpus.prepare(target)?;
            return old(&dump(corpus)?, target);
        }
        "replace" => {
            let mut objects = listed(&corpus.out.join("objs"), "o")?;
            let is_of = |path: &PathBuf| {
                REPLACE.iter().any(|one| path.file_stem().is_some_and(|stem| stem == *one))
            };
            objects.retain(is_of);
            objects
        }
        "compiled" => listed(&corpus.out.join("objs"), "o")?,
        "real" => args.real.as_ref().map_or(Ok(Vec::new()), |dir| listed(dir, "o"))?,
        "examples" => listed(Path::new("examples"), "o")?,
        _ => return Err(io::Error::other(format!("no set `{set}`"))),
    };
    let mut all = Vec::new();
    for path in paths {
        match objects(&path, target) {
            Ok(subjects) => all.extend(subjects),
            Err(unread) => eprintln!("{set}: {}: {}", unread.path.display(), unread.why),
        }
    }
    Ok(if set == "replace" { replacements(all) } else { all })
}

/// Objects of the sources of a directory whose names are wanted.
fn compiled(
    corpus: &Corpus,
    target: &Target,
    dir: &Path,
    cpu: &str,
    out: &str,
    wanted: &dyn Fn(&str) -> bool,
) -> io::Result<Vec<PathBuf>> {
    corpus.prepare(target)?;
    let mut sources = listed(dir, "c")?;
    sources.retain(|path| wanted(&path.file_name().unwrap_or_default().to_string_lossy()));
    let compiled = compile(corpus, &sources, cpu, &corpus.out.join(out))?;
    for (name, why) in &compiled.failed {
        eprintln!("{name} is not compiled: {why}");
    }
    Ok(compiled.objects)
}

fn listed(dir: &Path, ext: &str) -> io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|e| e == ext));
    paths.sort();
    Ok(paths)
}

/// The kernel's answers, from the cache as far as it has them. What another kernel was not asked is left out.
fn ask(
    args: &Args,
    set: &str,
    corpus: &Corpus,
    target: &Target,
    work: Vec<(Subject, Mode)>,
) -> io::Result<Vec<((Subject, Mode), Answer)>> {
    let mut cache = Cache::open(&corpus.out.join(format!("{set}.jsonl")), &target.release)?;
    let hashes: Vec<u64> = work.iter().map(|(subject, _)| subject.hash()).collect();
    let known = |at: usize, cache: &Cache| {
        let (subject, mode) = &work[at];
        cache.get(&subject.key(*mode), hashes[at]).filter(|_| !args.fresh).cloned()
    };
    if args.kernel.is_some() {
        let known: Vec<_> = (0..work.len()).map(|at| known(at, &cache)).collect();
        let missing = known.iter().filter(|known| known.is_none()).count();
        if missing > 0 {
            eprintln!("{set}: {missing} programs that the kernel was not asked about");
        }
        let both = work.into_iter().zip(known);
        return Ok(both.filter_map(|(work, known)| Some((work, known?))).collect());
    }
    let missing: Vec<usize> = (0..work.len()).filter(|&at| known(at, &cache).is_none()).collect();
    let next = AtomicUsize::new(0);
    let ask = || {
        let mut oracle = Oracle::new(target);
        let mut found = Vec::new();
        while let Some(&at) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
            found.push((at, oracle.judge(&work[at].0, work[at].1)));
        }
        found
    };
    let found: Vec<(usize, Answer)> = std::thread::scope(|scope| {
        let workers = [scope.spawn(ask), scope.spawn(ask)];
        workers.into_iter().flat_map(|worker| worker.join().expect("no worker panics")).collect()
    });
    let mut fresh: Vec<Option<Answer>> = vec![None; work.len()];
    for (at, answer) in found {
        let (subject, mode) = &work[at];
        cache.put(&subject.key(*mode), hashes[at], subject.describe(), answer.clone());
        fresh[at] = Some(answer);
    }
    cache.save()?;
    let answer = |(at, fresh): (usize, Option<Answer>)| {
        fresh.or_else(|| known(at, &cache)).expect("bug: a subject without answer")
    };
    let answers: Vec<_> = fresh.into_iter().enumerate().map(answer).collect();
    Ok(work.into_iter().zip(answers).collect())
}

/// Whether a name has a form in which `*` stands for anything.
fn matches(form: &str, name: &str) -> bool {
    let mut parts = form.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[expect(clippy::print_stdout, reason = "the output of a command")]
fn report(args: &Args, board: &Board, target: &Target) -> io::Result<()> {
    if args.json {
        for pair in board.sets.iter().flat_map(|(_, pairs)| pairs) {
            println!("{}", line(pair));
        }
        return Ok(());
    }
    print!("{}\n{}", board.summary(), board.shares());
    if args.kernel_log {
        let mut oracle = Oracle::new(target);
        for pair in board.sets.iter().flat_map(|(_, pairs)| pairs).take(args.max) {
            println!("== {}", pair.subject.key(pair.mode));
            println!("{}", oracle.log(&pair.subject, pair.mode, 2).unwrap_or_else(|why| why));
        }
        return Ok(());
    }
    for (name, pairs) in &board.sets {
        if args.files {
            print!("\n{name}\n{}", Board::files(pairs, true));
        }
        if args.reasons {
            for kind in Difference::ALL {
                for (reason, count, first) in Board::reasons(pairs, kind) {
                    println!("{name} {} {count:5} {reason}  ({first})", kind.name());
                }
            }
        }
        show(args, pairs, target);
    }
    times(board);
    if let Some(path) = &args.write {
        fs::write(path, document(board, target))?;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the output of a command")]
fn times(board: &Board) {
    for (name, pairs) in &board.sets {
        let both = pairs.iter().filter_map(|pair| {
            let timed = pair.ours.as_ref()?;
            let decided = matches!(timed.ours, Ours::Accepted { .. });
            (decided && pair.kernel.verdict == Verdict::Accepted).then_some((
                pair.kernel.usec,
                timed.took,
                pair.kernel.processed,
            ))
        });
        let both: Vec<_> = both.collect();
        let kernel = Duration::from_micros(both.iter().map(|pair| pair.0).sum());
        let ours: Duration = both.iter().map(|pair| pair.1).sum();
        if !both.is_empty() {
            println!(
                "{name}: {} programs that both accept: kernel {kernel:.1?}, here {ours:.1?}, {:.2} times as fast",
                both.len(),
                kernel.as_secs_f64() / ours.as_secs_f64().max(1e-9)
            );
        }
    }
}

#[expect(clippy::print_stdout, reason = "the output of a command")]
fn show(args: &Args, pairs: &[Pair], target: &Target) {
    let mut oracle = Oracle::new(target);
    let judge = ours(target);
    let wanted = |pair: &&Pair| {
        pair.difference().is_some_and(|kind| args.show.iter().any(|show| show == kind.name()))
    };
    for pair in pairs.iter().filter(wanted).take(args.max) {
        let subject = &pair.subject;
        let prog = subject.prog();
        let kind = pair.difference().map_or("", Difference::name);
        println!("\n== {kind} {} [{}]", subject.key(pair.mode), prog.section);
        println!(
            "kernel: {} {:?} {}",
            pair.kernel.verdict.name(),
            pair.kernel.insn,
            pair.kernel.last
        );
        println!("here:   {:?}", pair.ours.as_ref().map(|timed| &timed.ours));
        let kernel = oracle.log(subject, pair.mode, 2).unwrap_or_else(|why| why);
        println!("-- kernel's log\n{}", last(&kernel, args.lines));
        if let Some(log) = judge.as_ref().and_then(|judge| judge.log(subject, prog, pair.mode)) {
            println!("-- log here\n{}", last(&log, args.lines));
            if let Some((at, theirs, here)) = parted(&kernel, &log) {
                println!("-- the logs part at line {at}\nkernel: {theirs}\nhere:   {here}");
            }
        }
    }
}

/// The first line, from 1, in which two logs differ; lines that only the kernel writes are passed over.
fn parted<'t>(kernel: &'t str, ours: &'t str) -> Option<(usize, &'t str, &'t str)> {
    let said =
        |line: &&str| !line.is_empty() && !line.starts_with("; ") && !line.starts_with("func#");
    let (mut theirs, mut here) = (kernel.lines().filter(said), ours.lines().filter(said));
    (1..).find_map(|at| match (theirs.next(), here.next()) {
        (None, None) => Some(None),
        (a, b) if a.map(str::trim_end) == b.map(str::trim_end) => None,
        (a, b) => Some(Some((at, a.unwrap_or_default(), b.unwrap_or_default()))),
    })?
}

fn last(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn line(pair: &Pair) -> serde_json::Value {
    let mut kernel = pair.kernel.to_json();
    kernel.as_object_mut().map(|kernel| kernel.remove("log"));
    let ours = pair.ours.as_ref().map(|timed| match &timed.ours {
        Ours::Accepted { processed } => json!({"verdict": "accepted", "processed": processed}),
        Ours::Rejected { insn, rule, message, kernel_message } => json!({
            "verdict": "rejected", "insn": insn, "rule": rule, "message": message,
            "kernel_message": kernel_message,
        }),
        Ours::Unsupported { insn, what } => {
            json!({"verdict": "unsupported", "insn": insn, "what": what})
        }
        Ours::Panic { message } => json!({"verdict": "panic", "message": message}),
        Ours::Timeout => json!({"verdict": "timeout"}),
    });
    json!({
        "name": pair.subject.key(pair.mode),
        "difference": pair.difference().map(Difference::name),
        "kernel": kernel,
        "ours": ours,
        "usec": pair.ours.as_ref().map(|timed| u64::try_from(timed.took.as_micros()).unwrap_or(u64::MAX)),
    })
}

/// What `docs/agreement.md` says: nothing that differs from run to run.
fn document(board: &Board, target: &Target) -> String {
    // Without what the builder of the kernel put behind its number.
    let release = target.release.split(['-', '+']).next().unwrap_or_default();
    let mut out = format!(
        "# Agreement with the verifier of Linux {release}\n\n\
         Written by `cargo run --release -p skep-testkit --bin agreement -- --write FILE`. \
         Every program is judged by the running kernel and by the verifier of this workspace, which is told \
         the release and given the kernel's types.\n\n\
         - *not judged*: the kernel's verifier was not asked, because a map could not be made, or a kernel \
         function, module or attach target is missing there.\n\
         - *decided*: accepted or rejected here. *unsupported*: says so instead of guessing.\n\
         - *false accept*: accepted here, rejected by the kernel. *false reject*: the other way round.\n\
         - *same insn*, *same line*: of those that both reject, at the same instruction, and with the \
         same last line of the log.\n\n## Summary\n\n",
    );
    out += &board.shares();
    out += "\n";
    out += &board.summary();
    for (name, pairs) in &board.sets {
        for mode in [Mode::Privileged, Mode::Unprivileged] {
            let of: Vec<Pair> = pairs.iter().filter(|pair| pair.mode == mode).cloned().collect();
            if of.is_empty() {
                continue;
            }
            let title = if mode == Mode::Privileged { "" } else { ", unprivileged" };
            out += &format!("\n## {name}{title}\n\n{}", Board::files(&of, true));
            for kind in Difference::ALL {
                if matches!(kind, Difference::Place | Difference::Words) {
                    continue;
                }
                let reasons = Board::reasons(&of, kind);
                if !reasons.is_empty() {
                    out += &format!("\n{}:\n\n", kind.name());
                }
                for (reason, count, first) in reasons {
                    out += &format!("- {count} × {reason} ({first})\n");
                }
            }
        }
    }
    out
}
