//! For people: as rustc prints it.

use crate::{Diagnostic, Level, Source, Span};
use annotate_snippets::{AnnotationKind, Group, Level as Title, Snippet};
use std::borrow::Cow;
use std::ops::Range;

/// Prints diagnostics with the lines they are about.
#[derive(Clone, Debug)]
pub struct Renderer {
    inner: annotate_snippets::Renderer,
    /// Columns that notes are broken to, where it is known how many there are.
    columns: Option<usize>,
}

impl Renderer {
    /// Without colours, 100 columns wide.
    #[must_use]
    pub const fn plain() -> Self {
        Self { inner: annotate_snippets::Renderer::plain().term_width(100), columns: None }
    }

    /// With ANSI colours, 100 columns wide.
    #[must_use]
    pub const fn coloured() -> Self {
        Self { inner: annotate_snippets::Renderer::styled().term_width(100), columns: None }
    }

    /// Columns to fit source lines and notes into; at least 40.
    #[must_use]
    pub const fn width(self, columns: usize) -> Self {
        let columns = if columns < 40 { 40 } else { columns };
        Self { inner: self.inner.term_width(columns), columns: Some(columns) }
    }

    /// The diagnostic with the lines its labels are in, without a final newline.
    #[must_use]
    pub fn render(&self, diag: &Diagnostic, source: &Source<'_>) -> String {
        let level = match diag.level {
            Level::Error => Title::ERROR,
            Level::Warning => Title::WARNING,
        };
        let mut title = level.primary_title(visible(&diag.title));
        if let Some(code) = diag.code {
            title = title.id(code);
        }
        let mut group = Group::with_title(title);
        let excerpt = Excerpt::of(diag, source);
        if let Some(excerpt) = &excerpt {
            group = group.element(excerpt.snippet(diag, source));
        }
        // Notes stand behind `  = note: `, as far to the right as numbers of lines are wide.
        let last = excerpt.as_ref().map_or(0, |excerpt| excerpt.last_line);
        let room = self.columns.map(|all| all.saturating_sub(last.to_string().len() + 10));
        let broken = |text| room.map_or_else(|| visible(text), |room| broken(&visible(text), room));
        for note in &diag.notes {
            group = group.element(Title::NOTE.message(broken(note)));
        }
        if let Some(help) = &diag.help {
            group = group.element(Title::HELP.message(broken(help)));
        }
        self.inner.render(&[group])
    }
}

/// Text that a terminal shows rather than obeys.
fn visible(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
    } else {
        text.into()
    }
}

/// Text broken at spaces into lines of at most so many characters, where words are short enough.
fn broken(text: &str, room: usize) -> Cow<'static, str> {
    let mut all = String::new();
    for line in text.split('\n') {
        if !all.is_empty() {
            all.push('\n');
        }
        let mut used = 0;
        for word in line.split(' ') {
            let long = word.chars().count();
            if used > 0 && used + 1 + long > room {
                all.push('\n');
                used = 0;
            } else if used > 0 {
                all.push(' ');
                used += 1;
            }
            all.push_str(word);
            used += long;
        }
    }
    all.into()
}

/// The lines that are shown, cut out so that the time to render does not depend on the whole text.
struct Excerpt {
    /// Bytes of the source.
    range: Range<usize>,
    first_line: usize,
    last_line: usize,
}

impl Excerpt {
    fn of(diag: &Diagnostic, source: &Source<'_>) -> Option<Self> {
        let spans = || diag.labels.iter().map(|label| source.clamp(label.span));
        let start = spans().map(|span| span.start).min()?;
        let end = spans().map(|span| span.end).max()?;
        let start = source.text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let end = source.text[end..].find('\n').map_or(source.text.len(), |len| end + len);
        let (first_line, last_line) = (source.position(start).line, source.position(end).line);
        Some(Self { range: start..end.max(start), first_line, last_line })
    }

    fn snippet<'a>(
        &self,
        diag: &'a Diagnostic,
        source: &Source<'a>,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let annotations = diag.labels.iter().map(|label| {
            let kind =
                if label.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            let Span { start, end } = source.clamp(label.span);
            let span = start - self.range.start..end - self.range.start;
            let annotation = kind.span(span);
            if label.text.is_empty() { annotation } else { annotation.label(visible(&label.text)) }
        });
        Snippet::source(&source.text[self.range.clone()])
            .path(visible(source.name))
            .line_start(self.first_line)
            .annotations(annotations)
    }
}

#[cfg(test)]
mod tests {
    use super::broken;

    #[test]
    fn notes_break_at_spaces() {
        assert_eq!(broken("one two three", 7), "one two\nthree");
        assert_eq!(broken("one two three", 100), "one two three");
        assert_eq!(broken("unbreakable a", 4), "unbreakable\na");
        assert_eq!(broken("first\nsecond line", 6), "first\nsecond\nline");
        assert_eq!(broken("", 4), "");
    }
}
