//! The branches on the way, in the words of the source.

use skep_asm::{Dialect, print_insn};
use skep_isa::{CondOp, Insn, Src, Width};
use skep_prog::Prog;
use skep_verifier::Step;

/// Branches that are told.
const BRANCHES: usize = 4;

/// The last branches on the way, one on a line: where, what was asked, whether it held.
pub(super) fn way(prog: &Prog, steps: &[Step]) -> Option<String> {
    let mut told: Vec<(String, usize)> = Vec::new();
    for pair in steps.windows(2) {
        let Some(insn @ Insn::JumpIf { .. }) = prog.insns.get(pair[0].pc).copied() else {
            continue;
        };
        if pair[0].frame != pair[1].frame {
            continue;
        }
        let held = pair[1].pc.0 != pair[0].pc.0 + 1;
        let truth = if held { "true" } else { "false" };
        let condition = condition(&insn);
        let text = match prog.line_at(pair[0].pc) {
            Some(line) if line.line > 0 && !line.text.trim().is_empty() => {
                format!("line {}, `{}`: {condition} is {truth}", line.line, short(&line.text))
            }
            _ => format!("insn {}: {condition} is {truth}", pair[0].pc),
        };
        match told.last_mut() {
            Some((last, times)) if *last == text => *times += 1,
            _ => told.push((text, 1)),
        }
    }
    let mut told: Vec<String> = told
        .into_iter()
        .map(|(text, times)| if times == 1 { text } else { format!("{text}, {times} times") })
        .collect();
    let left_out = told.len().saturating_sub(BRANCHES);
    let last = told.split_off(left_out);
    match (last.is_empty(), left_out) {
        (true, _) => None,
        (false, 0) => Some(format!("on the way:\n{}", last.join("\n"))),
        (false, 1) => Some(format!("on the way, after 1 branch more:\n{}", last.join("\n"))),
        (false, n) => Some(format!("on the way, after {n} branches more:\n{}", last.join("\n"))),
    }
}

/// What a branch asks.
fn condition(insn: &Insn) -> String {
    let text = print_insn(insn, Dialect::CLike, &[]);
    let inner = text.strip_prefix("if ").and_then(|text| text.split(" goto ").next());
    match *insn {
        // Pointers are compared with null, not with zero.
        Insn::JumpIf { width: Width::W64, op: CondOp::Eq, dst, src: Src::Imm(0), .. } => {
            format!("{dst} == 0")
        }
        Insn::JumpIf { width: Width::W64, op: CondOp::Ne, dst, src: Src::Imm(0), .. } => {
            format!("{dst} != 0")
        }
        _ => inner.unwrap_or(&text).to_string(),
    }
}

/// A line of source that is short enough to stand in a sentence.
pub(super) fn short(text: &str) -> String {
    const MOST: usize = 60;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= MOST {
        return text;
    }
    let mut cut: String = text.chars().take(MOST - 1).collect();
    cut.push('…');
    cut
}
