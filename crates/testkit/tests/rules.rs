//! The examples of rules are accepted and refused by the running kernel too, where it can be asked.

use skep::verifier::{Rule, read_log};
use skep::{Example, Written, rule_text};
use skep_testkit::agreement::{Mode, Oracle, Subject, Verdict, objects, single, target};
use skep_testkit::host;
use std::path::Path;

/// The program, as the kernel gets it.
fn subject(example: &Example, compiled: &[Subject]) -> Subject {
    let (bytes, file, _) = example.file();
    match &example.written {
        Written::C(name) => {
            let found = compiled.iter().find(|subject| subject.prog().name == *name);
            found.expect("a program of the object").clone()
        }
        Written::Assembly => single(skep::read_image(bytes, file).expect("an example").image, file),
    }
}

/// Logs that are longer have lost their beginning.
const KEPT: usize = 6 << 10;

#[test]
fn examples_are_judged_by_the_kernel_as_they_say() {
    if host().is_none() {
        return;
    }
    let Ok(target) = target() else { return eprintln!("skipped: a kernel without types") };
    if !target.release.starts_with("6.18.") {
        return eprintln!("skipped: the examples are those of 6.18");
    }
    let disabled = std::fs::read_to_string("/proc/sys/kernel/unprivileged_bpf_disabled");
    let root_only = disabled.is_ok_and(|value| value.trim() != "0");
    let object = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/rules/rules.o");
    let compiled = objects(&object, &target).map_err(|err| err.why).expect("the examples in C");
    let mut oracle = Oracle::new(&target);
    let (mut asked, mut read, mut wrong) = (0, 0, Vec::new());
    for &rule in Rule::ALL {
        let text = rule_text(rule);
        let examples = [(text.accepted, Verdict::Accepted), (text.refused, Verdict::Rejected)];
        for (example, expected) in examples {
            let Some(example) = example else { continue };
            if root_only && example.unprivileged {
                continue;
            }
            let mode = if example.unprivileged { Mode::Unprivileged } else { Mode::Privileged };
            let answer = oracle.judge(&subject(&example, &compiled), mode);
            match answer.verdict {
                Verdict::Environment => {
                    eprintln!("{}: the kernel cannot judge: {}", rule.name(), answer.last);
                }
                verdict => {
                    asked += 1;
                    if verdict != expected {
                        let name = rule.name();
                        wrong.push(format!(
                            "{name}: {verdict:?}, not {expected:?}: {}",
                            answer.last
                        ));
                    }
                    // The same story is told from the kernel's own log, where there is one.
                    let has_log = !answer.log.is_empty() && answer.log.len() < KEPT;
                    if verdict == Verdict::Rejected && has_log {
                        read += 1;
                        let told = read_log(&answer.log);
                        let found = told.as_ref().map(|log| log.rejection.reject.rule);
                        if found != Ok(rule) {
                            let (name, log) = (rule.name(), &answer.log);
                            wrong.push(format!("{name}: the log tells of {found:?}:\n{log}"));
                        } else if let Ok(told) = told
                            && told.rejection.pc.map(|pc| pc.0) != answer.insn
                        {
                            let (name, pc) = (rule.name(), told.rejection.pc);
                            wrong.push(format!("{name}: {pc:?}, not {:?}", answer.insn));
                        }
                    }
                }
            }
        }
    }
    assert!(asked > 0 && read > 0, "no example was asked");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
