//! For machines.

use crate::{Diagnostic, Label, Source};
use serde_json::{Value, json};

/// The diagnostic as one JSON object, places as byte offsets and as lines and columns.
#[must_use]
pub fn to_json(diag: &Diagnostic, source: &Source<'_>) -> Value {
    json!({
        "level": diag.level.name(),
        "code": diag.code,
        "title": diag.title,
        "file": source.name,
        "labels": diag.labels.iter().map(|label| place(label, source)).collect::<Vec<_>>(),
        "notes": diag.notes,
        "help": diag.help,
    })
}

fn place(label: &Label, source: &Source<'_>) -> Value {
    let span = source.clamp(label.span);
    let (start, end) = (source.position(span.start), source.position(span.end));
    json!({
        "start": span.start,
        "end": span.end,
        "line": start.line,
        "col": start.col,
        "end_line": end.line,
        "end_col": end.col,
        "text": label.text,
        "primary": label.primary,
    })
}
