//! What was found wrong so far.

use skep_diag::{Diagnostic, Span};

/// Errors after which reading stops, and warnings that are kept: a text that is something else
/// altogether has one per line.
const MOST: usize = 50;

#[derive(Default)]
pub(crate) struct Report {
    diags: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
}

impl Report {
    pub(crate) fn push(&mut self, diag: Diagnostic) {
        let count = if diag.is_error() { &mut self.errors } else { &mut self.warnings };
        *count += 1;
        if *count <= MOST {
            self.diags.push(diag);
        }
    }

    pub(crate) fn extend(&mut self, diags: impl IntoIterator<Item = Diagnostic>) {
        diags.into_iter().for_each(|diag| self.push(diag));
    }

    /// The name is taken.
    pub(crate) fn duplicate(&mut self, what: &str, name: &str, span: Span, first: Span) {
        let title = format!("{what} `{name}` exists already");
        self.push(
            Diagnostic::error("asm.duplicate", title)
                .label(span, "")
                .context(first, "first defined here"),
        );
    }

    /// Whether to stop reading.
    pub(crate) const fn is_full(&self) -> bool {
        self.errors >= MOST
    }

    pub(crate) const fn has_errors(&self) -> bool {
        self.errors > 0
    }

    pub(crate) fn into_diags(mut self) -> Vec<Diagnostic> {
        if self.is_full() {
            let title = format!("{} errors, the rest of the text was not read", self.errors);
            self.diags.push(Diagnostic::error("asm.too-many", title));
        }
        if self.warnings > MOST {
            let title = format!("{} more warnings are not shown", self.warnings - MOST);
            self.diags.push(Diagnostic::warning("asm.too-many", title));
        }
        self.diags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_kept_after_any_number_of_warnings() {
        let mut report = Report::default();
        (0..1000).for_each(|_| report.push(Diagnostic::warning("a.b", "doubtful")));
        report.push(Diagnostic::error("a.c", "wrong"));
        assert!(report.has_errors() && !report.is_full());
        let diags = report.into_diags();
        assert_eq!(diags.len(), MOST + 2);
        assert_eq!(diags[MOST].title, "wrong");
        assert_eq!(diags[MOST + 1].title, "950 more warnings are not shown");
    }
}
