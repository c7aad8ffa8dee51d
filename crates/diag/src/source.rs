//! Texts and places in them.

use std::ops::Range;

/// Bytes of a source text, `start..end`. A span that reaches beyond the text or into the middle of a
/// character is moved to where it makes sense when it is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// `start..end`
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// From the start of this one to the end of the other.
    #[must_use]
    pub const fn to(self, other: Self) -> Self {
        Self::new(self.start, other.end)
    }
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self::new(range.start, range.end)
    }
}

/// A text and what to call it.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Shown before line and column; usually a file name.
    pub name: &'a str,
    /// The whole text.
    pub text: &'a str,
}

/// Where a byte stands, as editors count: both from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the type says it")]
pub struct Position {
    pub line: usize,
    pub col: usize,
}

impl<'a> Source<'a> {
    /// A text and what to call it.
    #[must_use]
    pub const fn new(name: &'a str, text: &'a str) -> Self {
        Self { name, text }
    }

    /// Line and column of a byte; the end of the text for any beyond it.
    #[must_use]
    pub fn position(&self, at: usize) -> Position {
        let before = &self.text[..self.floor(at)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: before.matches('\n').count() + 1,
            col: before[line_start..].chars().count() + 1,
        }
    }

    /// The span moved onto character boundaries inside the text, its end not before its start.
    #[must_use]
    pub fn clamp(&self, span: Span) -> Span {
        let start = self.floor(span.start);
        let mut end = span.end.clamp(start, self.text.len().max(start));
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        Span { start, end }
    }

    /// The last character boundary at or before `at`.
    fn floor(&self, at: usize) -> usize {
        self.text.floor_char_boundary(at.min(self.text.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters() {
        let source = Source::new("x", "ab\r\nµ√c\n");
        let at = |at| (source.position(at).line, source.position(at).col);
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(3), (1, 4));
        assert_eq!(at(4), (2, 1));
        // Byte 5 is inside `µ`.
        assert_eq!(at(5), (2, 1));
        assert_eq!(at(6), (2, 2));
        assert_eq!(at(10), (2, 4));
        assert_eq!(at(11), (3, 1));
        assert_eq!(at(usize::MAX), (3, 1));
    }

    #[test]
    fn spans_stay_inside_the_text() {
        let source = Source::new("x", "a√");
        let clamp = |start, end| source.clamp(Span::new(start, end));
        assert_eq!(clamp(2, 3), Span::new(1, 4));
        assert_eq!(clamp(4, 4), Span::new(4, 4));
        assert_eq!(clamp(3, 1), Span::new(1, 1));
        assert_eq!(clamp(usize::MAX, usize::MAX), Span::new(4, 4));
    }
}
