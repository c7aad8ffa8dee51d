//! Reading the tokens of one statement, with the errors every reader shares.

use crate::token::{Tok, Token};
use skep_diag::{Diagnostic, Span};

/// A position in the tokens of a line.
pub(crate) struct Cursor<'a, 't> {
    toks: &'t [Token<'a>],
    /// Byte where the statement ends.
    end: usize,
    /// How the statement is written, once the reader knows.
    pub(crate) form: &'static str,
    /// Stands before `form`: one form serves many first words.
    pub(crate) word: &'a str,
    /// Doubts that are no errors.
    pub(crate) warnings: Vec<Diagnostic>,
}

impl<'a, 't> Cursor<'a, 't> {
    pub(crate) fn new(toks: &'t [Token<'a>]) -> Self {
        let end = toks.last().map_or(0, |last| last.span.end);
        Self { toks, end, form: "", word: "", warnings: Vec::new() }
    }

    pub(crate) fn peek(&self) -> Tok<'a> {
        self.peek_at(0)
    }

    pub(crate) fn peek_at(&self, n: usize) -> Tok<'a> {
        self.toks.get(n).map_or(Tok::End, |token| token.tok)
    }

    /// Where the next token stands; behind the last one if there is none.
    pub(crate) fn span(&self) -> Span {
        self.span_at(0)
    }

    pub(crate) fn span_at(&self, n: usize) -> Span {
        self.toks.get(n).map_or(Span::new(self.end, self.end), |token| token.span)
    }

    pub(crate) fn bump(&mut self) -> Tok<'a> {
        let tok = self.peek();
        self.toks = self.toks.get(1..).unwrap_or_default();
        tok
    }

    pub(crate) fn eat(&mut self, op: &str) -> bool {
        let found = matches!(self.peek(), Tok::Op(next) if next == op);
        if found {
            self.bump();
        }
        found
    }

    pub(crate) fn eat_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Tok::Word(next) if next == word);
        if found {
            self.bump();
        }
        found
    }

    pub(crate) fn expect(&mut self, op: &'static str) -> Result<(), Diagnostic> {
        if self.eat(op) { Ok(()) } else { Err(self.unexpected(&format!("`{op}`"))) }
    }

    pub(crate) fn expect_word(&mut self, word: &'static str) -> Result<(), Diagnostic> {
        if self.eat_word(word) { Ok(()) } else { Err(self.unexpected(&format!("`{word}`"))) }
    }

    /// Nothing may follow.
    pub(crate) fn finish(&self) -> Result<(), Diagnostic> {
        if self.peek() == Tok::End { Ok(()) } else { Err(self.unexpected("the end of the line")) }
    }

    /// The error that the next token is not what was wanted.
    pub(crate) fn unexpected(&self, wanted: &str) -> Diagnostic {
        let found = match self.peek() {
            Tok::Word(word) => format!("`{word}`"),
            Tok::Str(_) => "a string".into(),
            Tok::Num(value) => format!("{value}"),
            Tok::Op(op) => format!("`{op}`"),
            Tok::End => "the end of the line".into(),
        };
        let diag = Diagnostic::error("asm.syntax", format!("expected {wanted}, found {found}"))
            .label(self.span(), format!("expected {wanted}"));
        self.with_form(diag)
    }

    /// Adds how the statement is written.
    pub(crate) fn with_form(&self, diag: Diagnostic) -> Diagnostic {
        if self.form.is_empty() {
            diag
        } else {
            diag.help(format!("write `{}{}`", self.word, self.form))
        }
    }
}
