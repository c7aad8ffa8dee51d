//! Both opinions side by side.

use crate::agreement::{Answer, Mode, Ours, Subject, Timed, Verdict};
use std::collections::BTreeMap;
use std::fmt::Write;

/// One program, in one mode, and what was said about it.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The program.
    pub subject: Subject,
    /// With or without privileges.
    pub mode: Mode,
    /// The kernel's answer.
    pub kernel: Answer,
    /// Ours, if it was asked.
    pub ours: Option<Timed>,
}

/// How two opinions differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// The kernel refuses what is accepted here: a security bug.
    FalseAccept,
    /// The other way round.
    FalseReject,
    /// Refused by both, at different instructions.
    Place,
    /// Refused by both at the same instruction, in other words.
    Words,
    /// A bug.
    Panic,
    /// A bug, or too slow.
    Timeout,
    /// Not decided.
    Unsupported,
}

impl Difference {
    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FalseAccept => "false-accept",
            Self::FalseReject => "false-reject",
            Self::Place => "place",
            Self::Words => "words",
            Self::Panic => "panic",
            Self::Timeout => "timeout",
            Self::Unsupported => "unsupported",
        }
    }

    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::FalseAccept,
        Self::FalseReject,
        Self::Place,
        Self::Words,
        Self::Panic,
        Self::Timeout,
        Self::Unsupported,
    ];
}

impl Pair {
    /// How the opinions differ; `None` where they agree or one of them is missing.
    #[must_use]
    pub fn difference(&self) -> Option<Difference> {
        let ours = &self.ours.as_ref()?.ours;
        match (self.kernel.verdict, ours) {
            (Verdict::Environment, Ours::Panic { .. }) | (_, Ours::Panic { .. }) => {
                Some(Difference::Panic)
            }
            (_, Ours::Timeout) => Some(Difference::Timeout),
            (Verdict::Environment, _) => None,
            (_, Ours::Unsupported { .. }) => Some(Difference::Unsupported),
            (Verdict::Rejected, Ours::Accepted { .. }) => Some(Difference::FalseAccept),
            (Verdict::Accepted, Ours::Rejected { .. }) => Some(Difference::FalseReject),
            (Verdict::Accepted, Ours::Accepted { .. }) => None,
            (Verdict::Rejected, Ours::Rejected { insn, kernel_message, .. }) => {
                if self.kernel.insn.is_some() && *insn != self.kernel.insn {
                    Some(Difference::Place)
                } else if kernel_message.trim_end() != self.kernel.last.trim_end() {
                    Some(Difference::Words)
                } else {
                    None
                }
            }
        }
    }
}

/// Counts over some programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the head of the table says it")]
pub struct Row {
    pub programs: usize,
    pub environment: usize,
    pub accepted: usize,
    pub rejected: usize,
    pub unsupported: usize,
    pub panics: usize,
    pub timeouts: usize,
    pub same: usize,
    pub false_accepts: usize,
    pub false_rejects: usize,
    pub both_reject: usize,
    pub same_insn: usize,
    pub same_line: usize,
}

impl Row {
    fn add(&mut self, pair: &Pair) {
        self.programs += 1;
        match pair.kernel.verdict {
            Verdict::Environment => {
                self.environment += 1;
                return;
            }
            Verdict::Accepted => self.accepted += 1,
            Verdict::Rejected => self.rejected += 1,
        }
        let Some(timed) = &pair.ours else { return };
        if let (Verdict::Rejected, Ours::Rejected { insn, kernel_message, .. }) =
            (pair.kernel.verdict, &timed.ours)
        {
            self.both_reject += 1;
            let same_insn = pair.kernel.insn.is_none() || *insn == pair.kernel.insn;
            self.same_insn += usize::from(same_insn);
            let same_line = kernel_message.trim_end() == pair.kernel.last.trim_end();
            self.same_line += usize::from(same_line);
        }
        match pair.difference() {
            None | Some(Difference::Place | Difference::Words) => self.same += 1,
            Some(Difference::FalseAccept) => self.false_accepts += 1,
            Some(Difference::FalseReject) => self.false_rejects += 1,
            Some(Difference::Panic) => self.panics += 1,
            Some(Difference::Timeout) => self.timeouts += 1,
            Some(Difference::Unsupported) => self.unsupported += 1,
        }
    }

    /// Programs that both decided.
    #[must_use]
    pub const fn decided(&self) -> usize {
        self.same + self.false_accepts + self.false_rejects
    }
}

/// All pairs of some sets.
#[derive(Debug, Default)]
pub struct Board {
    /// By set, in the order they were asked for.
    pub sets: Vec<(String, Vec<Pair>)>,
}

const HEAD: &str = "programs,not judged,kernel accepts,kernel rejects,decided,unsupported,panic,timeout,\
                    same verdict,false accept,false reject,both reject,same insn,same line";

impl Board {
    /// A table in Markdown with a row for each file, and one for all of them.
    #[must_use]
    pub fn files(pairs: &[Pair], all: bool) -> String {
        let mut files: BTreeMap<&str, Row> = BTreeMap::new();
        let mut total = Row::default();
        for pair in pairs {
            files.entry(&pair.subject.file).or_default().add(pair);
            total.add(pair);
        }
        let mut out = head("file");
        if all {
            for (file, row) in &files {
                line(&mut out, file, row);
            }
        }
        line(&mut out, "all", &total);
        out
    }

    /// One row for each set and mode.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut out = head("set");
        for (name, pairs) in &self.sets {
            for mode in [Mode::Privileged, Mode::Unprivileged] {
                let row = row(pairs.iter().filter(|pair| pair.mode == mode));
                if row.programs > 0 {
                    line(&mut out, &set_name(name, mode), &row);
                }
            }
        }
        out
    }

    /// The shares that say how good it is.
    #[must_use]
    pub fn shares(&self) -> String {
        let mut out = String::from(
            "| set | decided | same verdict of decided | false rejects of decided | \
             same insn of common rejections | same line of common rejections |\n\
             |---|---|---|---|---|---|\n",
        );
        for (name, pairs) in &self.sets {
            for mode in [Mode::Privileged, Mode::Unprivileged] {
                let row = row(pairs.iter().filter(|pair| pair.mode == mode));
                let judged = row.accepted + row.rejected;
                if judged == 0 {
                    continue;
                }
                let cells = [
                    share(row.decided(), judged),
                    share(row.same, row.decided()),
                    share(row.false_rejects, row.decided()),
                    share(row.same_insn, row.both_reject),
                    share(row.same_line, row.both_reject),
                ];
                let name = set_name(name, mode);
                _ = writeln!(out, "| {name} | {} |", cells.join(" | "));
            }
        }
        out
    }

    /// Reasons by frequency: what is unsupported, and what is refused that the kernel accepts.
    #[must_use]
    pub fn reasons(pairs: &[Pair], kind: Difference) -> Vec<(String, usize, String)> {
        let mut found: BTreeMap<String, (usize, String)> = BTreeMap::new();
        for pair in pairs.iter().filter(|pair| pair.difference() == Some(kind)) {
            let Some(timed) = &pair.ours else { continue };
            let reason = match &timed.ours {
                Ours::Rejected { rule, message, .. } => format!("{rule}: {}", general(message)),
                Ours::Unsupported { what, .. } => general(what),
                Ours::Panic { message } => message.clone(),
                Ours::Accepted { .. } => format!("kernel: {}", general(&pair.kernel.last)),
                Ours::Timeout => "timeout".into(),
            };
            let entry = found.entry(reason).or_insert((0, pair.subject.name.clone()));
            entry.0 += 1;
        }
        let mut found: Vec<_> =
            found.into_iter().map(|(reason, (count, first))| (reason, count, first)).collect();
        found.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        found
    }
}

/// A message without its numbers.
#[must_use]
pub fn general(message: &str) -> String {
    let mut out = String::new();
    for c in message.chars() {
        if !c.is_ascii_digit() {
            out.push(c);
        } else if !out.ends_with('N') {
            out.push('N');
        }
    }
    out
}

fn row<'a>(pairs: impl Iterator<Item = &'a Pair>) -> Row {
    let mut row = Row::default();
    pairs.for_each(|pair| row.add(pair));
    row
}

fn set_name(name: &str, mode: Mode) -> String {
    match mode {
        Mode::Privileged => name.into(),
        Mode::Unprivileged => format!("{name}, unprivileged"),
    }
}

fn head(first: &str) -> String {
    let columns = HEAD.split(',').count() + 1;
    format!("| {first} | {} |\n|{}\n", HEAD.replace(',', " | "), "---|".repeat(columns))
}

fn line(out: &mut String, name: &str, row: &Row) {
    let cells = [
        row.programs,
        row.environment,
        row.accepted,
        row.rejected,
        row.decided(),
        row.unsupported,
        row.panics,
        row.timeouts,
        row.same,
        row.false_accepts,
        row.false_rejects,
        row.both_reject,
        row.same_insn,
        row.same_line,
    ];
    let cells: Vec<String> = cells.iter().map(ToString::to_string).collect();
    _ = writeln!(out, "| {name} | {} |", cells.join(" | "));
}

/// In percent, rounded down to a tenth, so that 100.0 means all.
fn share(part: usize, of: usize) -> String {
    match (part * 1000).checked_div(of) {
        None => "-".into(),
        Some(tenths) => format!("{}.{} %", tenths / 10, tenths % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_all_is_a_hundred_percent() {
        assert_eq!(share(9999, 10_000), "99.9 %");
        assert_eq!(share(3, 3), "100.0 %");
        assert_eq!(share(0, 0), "-");
    }

    #[test]
    fn numbers_do_not_part_reasons() {
        assert_eq!(general("R12 off=5"), "RN off=N");
    }
}
