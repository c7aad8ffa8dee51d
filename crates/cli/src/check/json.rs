//! Verdicts for machines, one on a line.

use super::Shown;
use serde_json::{Value, json};
use skep::verifier::{Rejection, Verdict};
use skep::{Explained, Prog, explain};
use skep_diag::{Source, to_json};
use std::io::{self, Write};

/// Writes one verdict.
pub(super) fn write(shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    let &Shown { image, prog, release, checked, .. } = shown;
    let mut line = json!({
        "prog": prog.name,
        "section": prog.section,
        "kernel": release.to_string(),
    });
    let explained = explain(image, prog, checked);
    let rest = match &checked.verdict {
        Verdict::Accepted(verified) => json!({
            "verdict": "accepted",
            "insns": verified.stats().insns,
            "states": verified.stats().total_states,
            "stack": verified.stats().stack,
        }),
        Verdict::Rejected(rejection) => refusal(prog, rejection, explained.as_ref()),
        Verdict::Unsupported(what) => json!({
            "verdict": "unsupported",
            "insn": what.pc.map(|pc| pc.0),
            "message": what.what,
        }),
    };
    if let (Some(line), Value::Object(rest)) = (line.as_object_mut(), rest) {
        line.extend(rest);
    }
    writeln!(out, "{line}")
}

/// What there is to say about a refusal.
pub(crate) fn refusal(prog: &Prog, rejection: &Rejection, explained: Option<&Explained>) -> Value {
    let reject = &rejection.reject;
    json!({
        "verdict": "rejected",
        "insn": rejection.pc.map(|pc| pc.0),
        "rule": reject.rule.name(),
        "message": explained.map_or(reject.rule.summary(), |one| &one.diagnostic.title),
        "summary": reject.rule.summary(),
        "cause": explained.map(|one| one.blame.name()),
        "places": explained.map(places),
        "notes": explained.map(|one| &one.diagnostic.notes),
        "help": explained.and_then(|one| one.diagnostic.help.as_deref()),
        "kernel_message": reject.kernel,
        "errno": reject.errno.name(),
        "line": place(prog, rejection.pc),
        "insns": rejection.stats.insns,
    })
}

/// Where it is refused, and where what is known of the value was made and lost.
fn places(explained: &Explained) -> Value {
    let source = Source::new(&explained.name, &explained.text);
    to_json(&explained.diagnostic, &source)["labels"].take()
}

/// Source file and line of an instruction.
fn place(prog: &Prog, pc: Option<skep_isa::Pc>) -> Value {
    match pc.and_then(|pc| prog.line_at(pc)) {
        Some(line) => json!({ "file": &*line.file, "line": line.line, "col": line.col }),
        None => Value::Null,
    }
}
