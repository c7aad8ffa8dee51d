//! What was found wrong so far.

use skep_diag::{Diagnostic, Span};

/// Errors after which reading stops: a text that is something else altogether has an error per line.
const MOST: usize = 50;

#[derive(Default)]
pub(crate) struct Report {
    diags: Vec<Diagnostic>,
    errors: usize,
}

impl Report {
    pub(crate) fn push(&mut self, diag: Diagnostic) {
        if diag.is_error() {
            self.errors += 1;
        }
        // Warnings are as many as lines; errors are bounded by whoever asks `is_full`.
        if self.diags.len() < 2 * MOST {
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

    pub(crate) const fn is_full(&self) -> bool {
        self.errors >= MOST
    }

    pub(crate) const fn has_errors(&self) -> bool {
        self.errors > 0
    }

    pub(crate) fn into_diags(mut self) -> Vec<Diagnostic> {
        if self.is_full() {
            let title = format!("{} errors, the rest of the text was not read", self.errors);
            self.diags.push(Diagnostic::error("asm.too-many-errors", title));
        }
        self.diags
    }
}
