//! The cases of `corpus/verify` are what the running kernel says, where it can be asked.

use skep_testkit::agreement::{Mode, Oracle, Verdict, single, target};
use skep_testkit::host;
use std::fmt::Write;
use std::path::Path;

/// A case: its name, the program, and what is expected.
type Case = (String, String, String);

fn cases(text: &str) -> Vec<Case> {
    let mut all = Vec::new();
    let (mut name, mut program, mut wrong) = (None, String::new(), None);
    for line in text.lines() {
        if let Some(begins) = line.strip_prefix("== ") {
            name = Some(begins.trim().to_string());
            program.clear();
        } else if let Some(expected) = line.strip_prefix("=> ") {
            let name = name.take().expect("an expectation belongs to a case");
            let expected = wrong.take().unwrap_or(expected).trim().to_string();
            all.push((name, std::mem::take(&mut program), expected));
        } else if let Some(kernel) = line.strip_prefix("=kernel> ") {
            wrong = Some(kernel);
        } else if name.is_some() && !line.starts_with("=6.12> ") {
            program.push_str(line);
            program.push('\n');
        }
    }
    all
}

/// The kernel's answer in the words of the corpus, but without the rule, which it does not know.
fn answer(oracle: &mut Oracle<'_>, (name, text, _): &Case) -> Option<String> {
    let read = skep::read_image(text.as_bytes(), "case.s").expect("assembly of a case");
    let mode =
        if name.ends_with(" (unprivileged)") { Mode::Unprivileged } else { Mode::Privileged };
    let answer = oracle.judge(&single(read.image, "case"), mode);
    let place = answer.insn.map_or(String::new(), |pc| format!(" at {pc}"));
    match answer.verdict {
        Verdict::Accepted => Some("accepted".into()),
        Verdict::Rejected => Some(format!("rejected{place}: {}", answer.last)),
        Verdict::Environment => None,
    }
}

#[test]
fn cases_are_what_the_kernel_says() {
    if host().is_none() {
        return;
    }
    let Ok(target) = target() else { return eprintln!("skipped: a kernel without types") };
    if !target.release.starts_with("6.18.") {
        return eprintln!("skipped: the cases are those of 6.18");
    }
    let disabled = std::fs::read_to_string("/proc/sys/kernel/unprivileged_bpf_disabled");
    let root_only = disabled.is_ok_and(|value| value.trim() != "0");
    let mut oracle = Oracle::new(&target);
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/verify");
    let (mut asked, mut wrong) = (0, String::new());
    for file in std::fs::read_dir(dir).expect("the corpus") {
        let file = file.expect("an entry").path();
        if file.extension().is_none_or(|ext| ext != "txt") {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("a file of the corpus");
        for case in cases(&text) {
            if root_only && case.0.ends_with(" (unprivileged)") {
                continue;
            }
            let Some(got) = answer(&mut oracle, &case) else { continue };
            asked += 1;
            let expected = match case.2.strip_prefix("rejected ") {
                Some(rest) => {
                    let end = rest.find([' ', ':']).unwrap_or(rest.len());
                    format!("rejected{}", &rest[end..])
                }
                None => case.2.clone(),
            };
            // Of what is refused before it is followed, the kernel names no instruction.
            let placeless = expected.find(" at ").zip(expected.find(':'));
            let placeless =
                placeless.map(|(at, colon)| expected[..at].to_owned() + &expected[colon..]);
            if got != expected && Some(&got) != placeless.as_ref() {
                writeln!(wrong, "{}\n  expected {expected}\n  kernel   {got}", case.0).unwrap();
            }
        }
    }
    assert!(asked > 0, "no case was asked");
    assert!(wrong.is_empty(), "\n{wrong}");
}
