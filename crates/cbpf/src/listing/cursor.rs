//! A place in a text.

use super::parse::{ParseError, ParseErrorKind};

/// Reads a text from front to end. Spaces before anything read are skipped; line ends are not.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or("")
    }

    /// An error at this place.
    pub(super) fn error(&self, kind: ParseErrorKind) -> ParseError {
        let before = self.text.get(..self.at).unwrap_or("");
        let line = before.bytes().filter(|&byte| byte == b'\n').count().saturating_add(1);
        let column = before.chars().rev().take_while(|&c| c != '\n').count().saturating_add(1);
        ParseError { at: self.at, line, column, kind }
    }

    pub(super) fn skip_spaces(&mut self) {
        let rest = self.rest();
        let spaces = rest.len().saturating_sub(rest.trim_start_matches([' ', '\t', '\r']).len());
        self.advance(spaces);
    }

    /// Skips spaces and empty lines; whether that led to the end of the text.
    pub(super) fn skip_lines(&mut self) -> bool {
        let rest = self.rest();
        self.advance(rest.len().saturating_sub(rest.trim_ascii_start().len()));
        self.rest().is_empty()
    }

    /// Takes `token` if it stands here.
    pub(super) fn eat(&mut self, token: &str) -> bool {
        self.skip_spaces();
        let there = self.rest().starts_with(token);
        if there {
            self.advance(token.len());
        }
        there
    }

    pub(super) fn expect(&mut self, token: &'static str) -> Result<(), ParseError> {
        if self.eat(token) { Ok(()) } else { Err(self.error(ParseErrorKind::Expected(token))) }
    }

    /// Nothing more on this line.
    pub(super) fn expect_line_end(&mut self) -> Result<(), ParseError> {
        self.skip_spaces();
        if self.rest().is_empty() || self.rest().starts_with('\n') {
            return Ok(());
        }
        Err(self.error(ParseErrorKind::Expected("end of line")))
    }

    /// Letters, digits and underscores; may be empty.
    pub(super) fn word(&mut self) -> &'t str {
        self.skip_spaces();
        let rest = self.rest();
        let len = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.advance(len);
        rest.get(..len).unwrap_or("")
    }

    /// A decimal or hexadecimal number of at most `max`.
    pub(super) fn number(&mut self, max: u32) -> Result<u32, ParseError> {
        self.skip_spaces();
        let start = *self;
        let word = self.word();
        let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
        let (digits, radix) = digits.map_or((word, 10), |digits| (digits, 16));
        if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
            return Err(start.error(ParseErrorKind::Expected("a number")));
        }
        match u32::from_str_radix(digits, radix) {
            Ok(number) if number <= max => Ok(number),
            _ => Err(start.error(ParseErrorKind::Range { max })),
        }
    }

    /// A number of 32 bits; a minus sign is allowed.
    pub(super) fn immediate(&mut self) -> Result<u32, ParseError> {
        if self.eat("-") {
            return Ok(self.number(0x8000_0000)?.wrapping_neg());
        }
        self.number(u32::MAX)
    }

    const fn advance(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }
}
