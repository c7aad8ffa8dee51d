//! Verdicts for machines, one on a line.

use super::Shown;
use serde_json::{Value, json};
use skep::verifier::Verdict;
use skep::{Prog, explain};
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
        Verdict::Rejected(rejection) => json!({
            "verdict": "rejected",
            "insn": rejection.pc.map(|pc| pc.0),
            "rule": rejection.reject.rule.name(),
            "message": explained.as_ref().map_or(rejection.reject.rule.summary(), |one| &one.diagnostic.title),
            "summary": rejection.reject.rule.summary(),
            "cause": explained.as_ref().map(|one| one.blame.name()),
            "notes": explained.as_ref().map(|one| &one.diagnostic.notes),
            "help": explained.as_ref().and_then(|one| one.diagnostic.help.as_deref()),
            "kernel_message": rejection.reject.kernel,
            "errno": rejection.reject.errno.name(),
            "line": place(prog, rejection.pc),
            "insns": rejection.stats.insns,
        }),
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

/// Source file and line of an instruction.
fn place(prog: &Prog, pc: Option<skep_isa::Pc>) -> Value {
    match pc.and_then(|pc| prog.line_at(pc)) {
        Some(line) => json!({ "file": &*line.file, "line": line.line, "col": line.col }),
        None => Value::Null,
    }
}
