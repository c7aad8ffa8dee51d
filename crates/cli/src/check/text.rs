//! Verdicts for people.

use super::Shown;
use crate::diags;
use crate::failure::{Failure, visible};
use crate::table::thousands;
use crate::term::Out;
use skep::verifier::{Rejection, Stats, Verdict};
use skep::{Prog, explain, kernel_log};
use skep_diag::Source;
use std::io::Write;

/// Shows a verdict, with the reason of a refusal.
pub(super) fn show(shown: &Shown<'_>, with_cost: bool, out: &mut Out<'_>) -> Result<(), Failure> {
    let (file, prog) = (shown.file.display().to_string(), shown.prog);
    let (file, title) = (visible(&file), visible(&prog.name));
    match &shown.checked.verdict {
        Verdict::Accepted(verified) => {
            let stats = verified.stats();
            let stack: u32 = stats.stack.iter().sum();
            let good = out.style.good;
            writeln!(
                out,
                "{file}: {title}: {good}accepted{good:#}, {} followed, {}, {} of stack",
                count(stats.insns, "instruction"),
                count(stats.total_states, "state"),
                count(stack.into(), "byte"),
            )?;
            if with_cost {
                cost(prog, stats, out)?;
            }
        }
        Verdict::Rejected(rejection) => {
            let bad = out.style.error;
            writeln!(out, "{file}: {title}: {bad}refused{bad:#}")?;
            if let Some(explained) = explain(shown.image, prog, shown.checked) {
                let source = Source::new(&explained.name, &explained.text);
                diags::show(&[explained.diagnostic], &source, out)?;
            }
            if with_cost {
                cost(prog, &rejection.stats, out)?;
            }
        }
        Verdict::Unsupported(what) => {
            let warning = out.style.warning;
            let place = what.pc.map_or_else(String::new, |pc| format!(" (insn {pc})"));
            writeln!(
                out,
                "{file}: {title}: {warning}no verdict{warning:#}, {}{place} is not modelled",
                visible(&what.what)
            )?;
            if skep::replaced_function(prog).is_some() && !shown.has_target {
                writeln!(out, "help: name the object with that program: --target FILE")?;
            }
        }
    }
    Ok(())
}

/// Shows the way to a refusal as the kernel's verifier logs it; of an accepted program the last line.
pub(super) fn log(shown: &Shown<'_>, out: &mut Out<'_>) -> Result<(), Failure> {
    match kernel_log(shown.image, shown.prog, shown.checked) {
        Some(log) => {
            for line in log.lines() {
                writeln!(out, "{}", visible(line))?;
            }
            Ok(())
        }
        None => show(shown, false, out),
    }
}

/// One line on a refusal.
pub(super) fn short(rejection: &Rejection, prog: &Prog) -> String {
    let line = rejection.pc.and_then(|pc| prog.line_at(pc));
    let place = match (line, rejection.pc) {
        (Some(line), _) => format!(" at {}:{}", line.file, line.line),
        (None, Some(pc)) => format!(" at insn {pc}"),
        (None, None) => String::new(),
    };
    format!("{}{place}", rejection.reject.rule.name())
}

/// A number of things.
fn count(n: u64, what: &str) -> String {
    format!("{} {what}{}", thousands(n), if n == 1 { "" } else { "s" })
}

/// Source lines that took the most, or instructions where there are no lines.
const COST_LINES: usize = 20;

/// What it cost, the most first.
fn cost(prog: &Prog, stats: &Stats, out: &mut Out<'_>) -> Result<(), Failure> {
    let mut lines: Vec<(u64, String)> = Vec::new();
    for (pc, _) in prog.insns.iter() {
        let times = u64::from(stats.visits.get(pc.index()).copied().unwrap_or(0));
        let text = match prog.line_at(pc) {
            Some(line) => format!("{}:{}: {}", line.file, line.line, line.text.trim()),
            None => format!("insn {pc}"),
        };
        lines.push((times, text));
    }
    lines.sort_by(|a, b| a.1.cmp(&b.1));
    lines.dedup_by(|next, kept| {
        let same = next.1 == kept.1;
        if same {
            kept.0 = kept.0.saturating_add(next.0);
        }
        same
    });
    lines.retain(|(times, _)| *times > 0);
    lines.sort_by_key(|(times, _)| std::cmp::Reverse(*times));
    let total: u64 = lines.iter().map(|(times, _)| times).sum();
    for (times, text) in lines.iter().take(COST_LINES) {
        let share = *times as f64 * 100.0 / total.max(1) as f64;
        writeln!(out, "  {:>9} {share:>5.1} %  {}", thousands(*times), visible(text))?;
    }
    if let Some(rest) = lines.get(COST_LINES..).filter(|rest| !rest.is_empty()) {
        let times: u64 = rest.iter().map(|(times, _)| times).sum();
        let share = times as f64 * 100.0 / total.max(1) as f64;
        let more = count(u64::try_from(rest.len()).unwrap_or(u64::MAX), "more line");
        writeln!(out, "  {:>9} {share:>5.1} %  {more}", thousands(times))?;
    }
    writeln!(
        out,
        "  {:>9} 100.0 %  in all, at most {} at one instruction",
        thousands(total),
        count(stats.max_states_per_insn, "state")
    )?;
    Ok(())
}
