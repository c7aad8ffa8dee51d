//! Cases of `corpus/verify`: programs with the verdict that the kernel gives.
//!
//! A file holds cases one after the other. A case begins with `== name`, goes on with a program in
//! assembly, and ends with what is expected:
//!
//! ```text
//! => accepted
//! => rejected reg.uninit at 0: R2 !read_ok
//! => unsupported
//! ```
//!
//! A line before it, as `=6.12> accepted`, is what that release says, where it says something else, and
//! `=kernel> accepted` what the kernel says where it is known to be wrong; `docs/verifier.md` tells why.

use skep_abi::{ProgType, Release};
use skep_diag::Source;
use skep_verifier::{Caps, Env, Kernel, Verdict, verify};
use std::fmt::Write;
use std::path::{Path, PathBuf};

struct Case<'a> {
    name: &'a str,
    text: String,
    expected: &'a str,
    /// What 6.12 says.
    before: &'a str,
}

/// The cases of a file.
fn cases(text: &str) -> Vec<Case<'_>> {
    let mut all = Vec::new();
    let mut name = None;
    let (mut program, mut before) = (String::new(), None);
    for line in text.lines() {
        if let Some(begins) = line.strip_prefix("== ") {
            assert!(name.is_none(), "{begins}: the case before it expects nothing");
            name = Some(begins.trim());
            program.clear();
        } else if let Some(expected) = line.strip_prefix("=> ") {
            let name = name.take().expect("an expectation belongs to a case");
            let (text, expected) = (program.clone(), expected.trim());
            all.push(Case { name, text, expected, before: before.take().unwrap_or(expected) });
        } else if let Some(expected) = line.strip_prefix("=6.12> ") {
            before = Some(expected.trim());
        } else if name.is_some() && !line.starts_with("=kernel> ") {
            program.push_str(line);
            program.push('\n');
        }
    }
    assert!(name.is_none(), "the last case expects nothing");
    all
}

/// All that the verifier says.
fn full_verdict(case: &Case<'_>) -> String {
    let source = Source::new(case.name, &case.text);
    let (image, _) = skep_asm::parse(&source, ProgType::SocketFilter).expect("a program");
    let kernel = Kernel::new(Release { major: 6, minor: 18 });
    let mut env = Env::new(&image, kernel);
    env.caps = if case.name.ends_with(" (unprivileged)") { Caps::NONE } else { Caps::ROOT };
    image.progs.iter().map(|prog| format!("{:?}", verify(prog, &env))).collect()
}

/// What the verifier says, in the words of the corpus.
fn verdict(case: &Case<'_>, caps: Caps, minor: u8) -> String {
    let source = Source::new(case.name, &case.text);
    let image = match skep_asm::parse(&source, ProgType::SocketFilter) {
        Ok((image, _)) => image,
        Err(diagnostics) => return format!("no program: {diagnostics:?}"),
    };
    let kernel = Kernel::new(Release { major: 6, minor });
    let mut env = Env::new(&image, kernel);
    env.caps = caps;
    let [prog] = &image.progs[..] else { return "not one program".into() };
    match verify(prog, &env) {
        Verdict::Accepted(_) => "accepted".into(),
        Verdict::Rejected(rejection) => {
            let place = rejection.pc.map_or(String::new(), |pc| format!(" at {pc}"));
            let words = rejection.reject.kernel.lines().last().unwrap_or_default();
            format!("rejected {}{place}: {words}", rejection.reject.rule.name())
        }
        Verdict::Unsupported(_) => "unsupported".into(),
    }
}

/// Files of the corpus.
fn files() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/verify");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ext| ext == "txt"));
    files.sort();
    assert!(!files.is_empty());
    files
}

#[test]
fn a_verification_leaves_nothing_but_memory_to_the_next() {
    let mut seen = 0;
    for path in files() {
        let text = std::fs::read_to_string(&path).unwrap();
        for case in cases(&text).into_iter().filter(|case| case.expected != "unsupported") {
            let (after_others, alone) = std::thread::scope(|scope| {
                let alone = scope.spawn(|| full_verdict(&case));
                (full_verdict(&case), alone.join().unwrap())
            });
            assert_eq!(after_others, alone, "{}", case.name);
            seen += 1;
        }
    }
    assert!(seen > 80, "{seen} cases");
}

#[test]
fn every_case_has_the_verdict_of_the_kernel() {
    let mut wrong = String::new();
    for path in files() {
        let text = std::fs::read_to_string(&path).unwrap();
        for case in cases(&text) {
            let unprivileged = case.name.ends_with(" (unprivileged)");
            let caps = if unprivileged { Caps::NONE } else { Caps::ROOT };
            for (minor, expected) in [(18, case.expected), (12, case.before)] {
                let got = verdict(&case, caps, minor);
                if got != expected {
                    let file = path.file_name().unwrap_or_default().to_string_lossy();
                    let name = case.name;
                    let text = format!("{file}: {name}\n  expected {expected}\n  got      {got}");
                    writeln!(wrong, "6.{minor}: {text}").unwrap();
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
