//! Every rule has a program that keeps it and one that breaks it, and says so of both.

use skep::verifier::{Caps, Rejection, Rule, Verdict, read_log};
use skep::{
    CheckOptions, Checked, Example, Image, Kernel, Prog, Release, Written, check, explain,
    explain_log, fit, kernel_log, read_image, rule_text,
};
use skep_btf::Btf;
use skep_diag::{Renderer, Source};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// The types of the running kernel, without which examples in C cannot be judged.
fn types() -> Option<Arc<Btf>> {
    let bytes = fs::read("/sys/kernel/btf/vmlinux").ok()?;
    Btf::parse(&bytes).ok().map(Arc::new)
}

/// The example as the verifier gets it, and which of its programs is meant.
fn image<'a>(
    example: &'a Example,
    types: Option<&Arc<Btf>>,
) -> Result<(Image, Option<&'a str>), String> {
    let (bytes, name, prog) = example.file();
    let mut image = read_image(bytes, name).map_err(|err| err.to_string())?.image;
    if let Some(types) = types.filter(|_| matches!(example.written, Written::C(_))) {
        let kernel = Kernel { types: Some(types), ..Kernel::default() };
        fit(&mut image, &kernel).map_err(|err| err.to_string())?;
    }
    Ok((image, prog))
}

fn options(example: &Example, types: Option<&Arc<Btf>>) -> CheckOptions {
    CheckOptions {
        types: types.cloned(),
        caps: if example.unprivileged { Caps::NONE } else { Caps::ROOT },
        ..CheckOptions::new(Release { major: 6, minor: 18 })
    }
}

/// `accepted`, or the rule that refuses it with the kernel's words.
fn verdict(example: &Example, types: Option<&Arc<Btf>>) -> Result<String, String> {
    let (image, prog) = image(example, types)?;
    let prog = match prog {
        Some(name) => image.prog(name).ok_or("no such program")?,
        None => image.progs.first().ok_or("no program")?,
    };
    Ok(match check(&image, prog, &options(example, types)).verdict {
        Verdict::Accepted(_) => "accepted".into(),
        Verdict::Rejected(rejection) => {
            let place = rejection.pc.map_or_else(String::new, |pc| format!(" at {pc}"));
            format!("{}{place}: {}", rejection.reject.rule.name(), rejection.reject.kernel)
        }
        Verdict::Unsupported(what) => format!("unsupported: {what}"),
    })
}

#[test]
fn every_rule_has_an_accepted_and_a_refused_example() {
    let types = types();
    let mut wrong = Vec::new();
    // A program cannot break it by being wrong.
    for &rule in Rule::ALL.iter().filter(|rule| **rule != Rule::Internal) {
        let name = rule.name();
        let text = rule_text(rule);
        if text.about.is_empty() {
            wrong.push(format!("{name}: nothing is said about it"));
        }
        for (example, keeps) in [(&text.accepted, true), (&text.refused, false)] {
            let what = if keeps { "accepted" } else { "refused" };
            let Some(example) = example else {
                wrong.push(format!("{name}: no example is {what}"));
                continue;
            };
            assert!(!example.text.trim().is_empty(), "{name}: the {what} example is empty");
            if matches!(example.written, Written::C(_)) && types.is_none() {
                continue;
            }
            match verdict(example, types.as_ref()) {
                Ok(got) if keeps && got == "accepted" => {}
                Ok(got) if !keeps && got.split([':', ' ']).next() == Some(name) => {}
                Ok(got) => wrong.push(format!("{name}: the example to be {what} gets {got}")),
                Err(err) => wrong.push(format!("{name}: the example to be {what}: {err}")),
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Shows each refused example with its refusal, as far as it can be judged without a kernel's types.
fn refusals(mut show: impl FnMut(Rule, &Image, &Prog, &Checked<'_>, &Rejection)) {
    let types = types();
    for &rule in Rule::ALL {
        let Some(example) = rule_text(rule).refused else { continue };
        if matches!(example.written, Written::C(_)) && types.is_none() {
            continue;
        }
        let Ok((image, name)) = image(&example, types.as_ref()) else { continue };
        let Some(prog) = name.map_or(image.progs.first(), |name| image.prog(name)) else {
            continue;
        };
        let checked = check(&image, prog, &options(&example, types.as_ref()));
        if let Verdict::Rejected(rejection) = &checked.verdict {
            show(rule, &image, prog, &checked, rejection);
        }
    }
}

#[test]
fn explanations_fit_on_a_screen() {
    let mut told = 0;
    refusals(|rule, image, prog, checked, _| {
        let explained = explain(image, prog, checked).expect("a refusal can be explained");
        let source = Source::new(&explained.name, &explained.text);
        let text = Renderer::plain().width(80).render(&explained.diagnostic, &source).to_string();
        assert!(text.lines().count() <= 25, "{}:\n{text}", rule.name());
        told += 1;
    });
    assert!(told > 50, "only {told} refusals were explained");
}

#[test]
fn logs_tell_what_was_written_into_them() {
    let (mut read, mut wrong) = (0, Vec::new());
    refusals(|rule, image, prog, checked, rejection| {
        // The kernel has nothing to say of some that it refuses before it looks at them.
        let Some(log) =
            kernel_log(image, prog, checked).filter(|_| !rejection.reject.kernel.is_empty())
        else {
            return;
        };
        read += 1;
        match read_log(&log) {
            Ok(told) if told.rejection.reject.rule == rule => {
                // Where no way leads to it, the place is told only by some messages.
                let pc = told.rejection.pc;
                if pc != rejection.pc && !(pc.is_none() && checked.steps.is_empty()) {
                    wrong.push(format!("{}: {pc:?}, not {:?}", rule.name(), rejection.pc));
                }
                assert!(explain_log(&told).is_some());
            }
            Ok(told) => {
                let other = told.rejection.reject.rule.name();
                wrong.push(format!("{}: taken for {other}:\n{log}", rule.name()));
            }
            Err(err) => wrong.push(format!("{}: {err}:\n{log}", rule.name())),
        }
    });
    assert!(read > 50, "only {read} logs were read");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_document_is_made_from_the_examples() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rules.md");
    let made = skep::rules_markdown();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let known = fs::read_to_string(&path).unwrap_or_default();
    assert!(known == made, "docs/rules.md is old: UPDATE=1 cargo test -p skep --test rules");
}
