//! Verdicts of several releases, a column each.

use super::{Shown, is_of_object, text};
use crate::failure::{Failure, visible};
use crate::table::{Align, Cell, Table};
use crate::term::Out;
use anstyle::Style;
use skep::Release;
use skep::explain;
use skep::verifier::Verdict;
use std::io::Write;

/// A table of programs and releases, and what was said of the refusals.
pub(super) struct Columns {
    table: Table,
    row: Vec<Cell>,
    releases: usize,
    used: bool,
    /// Reason, and the releases that refuse for it, by program.
    reasons: Vec<(String, String, Vec<Release>)>,
}

impl Columns {
    /// A column for each release.
    pub(super) fn new(releases: &[Release]) -> Self {
        let aligns = vec![Align::Left; releases.len() + 1];
        let mut table = Table::new(aligns);
        let mut head = vec![Cell::from(String::from("program"))];
        head.extend(releases.iter().map(|release| Cell::from(release.to_string())));
        table.row(head);
        Self { table, row: Vec::new(), releases: releases.len(), used: false, reasons: Vec::new() }
    }

    /// Adds the verdict of the `at`-th release.
    pub(super) fn add(&mut self, shown: &Shown<'_>, at: usize, out: &mut Out<'_>) {
        let prog = shown.prog;
        if at == 0 {
            self.row = vec![Cell::from(visible(&prog.name).to_string())];
        }
        let mut name = &*prog.name;
        let (text, style, why) = match &shown.checked.verdict {
            Verdict::Accepted(_) => ("accepted", out.style.good, None),
            Verdict::Rejected(rejection) => {
                if is_of_object(&rejection.reject) {
                    name = "all programs";
                }
                // Where the kernel says nothing, what is missing is told.
                let words = rejection.reject.kernel.lines().last().map(str::to_owned);
                let told = || explain(shown.image, prog, shown.checked).map(|e| e.diagnostic.title);
                let words = words.or_else(told).unwrap_or_default();
                let why = format!("{}: {words}", text::short(rejection, prog));
                ("refused", out.style.error, Some(why))
            }
            Verdict::Unsupported(what) => {
                let why = format!("{} is not modelled", what.what);
                ("no verdict", out.style.warning, Some(why))
            }
        };
        self.row.push(Cell { text: text.into(), style });
        if let Some(why) = why {
            let known = self.reasons.iter_mut().find(|(of, known, _)| of == name && *known == why);
            match known {
                Some((_, _, releases)) if releases.contains(&shown.release) => {}
                Some((_, _, releases)) => releases.push(shown.release),
                None => self.reasons.push((name.to_owned(), why, vec![shown.release])),
            }
        }
        if at + 1 == self.releases {
            self.used = true;
            self.table.row(std::mem::take(&mut self.row));
        }
    }

    /// Writes the table, then the reasons.
    pub(super) fn show(&self, out: &mut Out<'_>) -> Result<(), Failure> {
        if self.releases < 2 || !self.used {
            return Ok(());
        }
        self.table.write(out, 0)?;
        if !self.reasons.is_empty() {
            writeln!(out)?;
        }
        for (name, why, releases) in &self.reasons {
            let releases: Vec<String> = releases.iter().map(Release::to_string).collect();
            let text = format!("{}, {}: {}", visible(name), releases.join(", "), visible(why));
            out.wrapped(0, &[(Style::new(), &text)])?;
        }
        Ok(())
    }
}
