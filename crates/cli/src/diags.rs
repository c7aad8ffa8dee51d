//! Diagnostics with the lines they are about.

use crate::term::Out;
use skep_diag::{Diagnostic, Renderer, Source, to_json};
use std::io::{self, Write};

/// A text and what there is to say about it.
#[derive(Debug)]
pub(crate) struct Text {
    /// What to call it.
    pub(crate) name: String,
    /// The whole text.
    pub(crate) text: String,
    /// In the order of the text.
    pub(crate) diags: Vec<Diagnostic>,
}

impl Text {
    /// Shows them as rustc does.
    pub(crate) fn show(&self, err: &mut Out<'_>) -> io::Result<()> {
        show(&self.diags, &Source::new(&self.name, &self.text), err)
    }
}

/// Shows diagnostics as rustc does, an empty line between them.
pub(crate) fn show(diags: &[Diagnostic], source: &Source<'_>, out: &mut Out<'_>) -> io::Result<()> {
    let renderer = if out.style.is_coloured() { Renderer::coloured() } else { Renderer::plain() };
    let renderer = match out.width {
        Some(columns) => renderer.width(columns),
        None => renderer,
    };
    for (at, diag) in diags.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{}", renderer.render(diag, source))?;
    }
    Ok(())
}

/// Writes diagnostics for machines, one on a line.
pub(crate) fn write_json(
    diags: &[Diagnostic],
    source: &Source<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    diags.iter().try_for_each(|diag| writeln!(out, "{}", to_json(diag, source)))
}
