//! Words that libpcap does not have.
//!
//! They stand where its grammar allows nothing that begins so: names of fields with a dot, `any` and `inner`
//! before a condition, `in` before a brace or `@`, `payload contains` and `process.name` before a text, `process.pid` before a number. A name that looks like
//! a field is one even where a name would inherit what it is; `\` before it makes it a name.

use super::{Cond, Operand, Parser};
use crate::ast::{ArithKind, Kind, List, NodeKind, Qual, Scope};
use crate::error::{Error, ErrorKind};
use crate::field::Field;
use crate::lex::Tok;
use crate::words::Word;
use skep_diag::Span;

/// Bytes of the payload that are searched if nothing else is said.
const WITHIN: u32 = 256;
/// Most that can be said.
const MOST_WITHIN: u32 = 1024;

/// What follows `payload contains`.
pub(crate) const TEXT: &str = "a text in quotes, as in \"GET \"";
/// What follows `process.name`.
pub(crate) const QUOTED_NAME: &str = "a name in quotes, as in \"curl\"";

impl Parser<'_> {
    /// The text of the current name, if it is one and has no `\` before it.
    fn current_name(&self) -> Option<&str> {
        let span = self.current.span;
        let is_escaped = span.start > 0 && self.expr.text.as_bytes()[span.start - 1] == b'\\';
        (self.current.tok == Tok::Name && !is_escaped).then(|| self.expr.slice(span))
    }

    fn peek(&self) -> Option<Tok> {
        self.lexer.clone().next().ok().map(|token| token.tok)
    }

    /// The field that the current name is.
    pub(super) fn current_field(&self) -> Option<Field> {
        self.current_name().and_then(Field::by_name)
    }

    /// A condition that libpcap does not have, if one begins here.
    pub(super) fn beyond(&mut self) -> Result<Option<Operand>, Error> {
        let start = self.current.span.start;
        let Some(name) = self.current_name() else { return Ok(None) };
        if let Some(scope) = self.scope_word()
            && self.begins_condition()
        {
            return self.scope(start, scope).map(Some);
        }
        if name == "payload" && self.next_name_is("contains") {
            return self.contains(start).map(Some);
        }
        if matches!(name, "process.pid" | "process.name") {
            let is_pid = name == "process.pid";
            return self.process(start, is_pid).map(Some);
        }
        if let Some(field) = self.current_field() {
            let is_alone = !self.peek().is_some_and(is_operator);
            if field.is_flag() && is_alone {
                self.advance()?;
                return Ok(Some(self.condition(start, NodeKind::Flag(field))));
            }
            let number = self.arith(0)?;
            return self.after_number(number, None, false).map(Some);
        }
        if Field::looks_like_one(name) && self.peek() != Some(Tok::Punct(b'.')) {
            let kind = ErrorKind::Name { what: "field", name: name.to_owned() };
            return Err(Error::new(self.current.span, kind));
        }
        Ok(None)
    }

    fn condition(&mut self, start: usize, kind: NodeKind) -> Operand {
        Operand::Term(Cond { node: self.push(start, kind), qual: None })
    }

    /// Whether what follows the current word begins a condition, as nothing in libpcap does after a name.
    fn begins_condition(&self) -> bool {
        match self.peek() {
            Some(Tok::Word(word)) => {
                !matches!(word, Word::And | Word::Or | Word::Not | Word::Mask | Word::Number(_))
            }
            Some(Tok::Punct(b'(')) => true,
            Some(Tok::Name) => {
                let mut lexer = self.lexer.clone();
                let Ok(token) = lexer.next() else { return false };
                let name = self.expr.slice(token.span);
                matches!(name, "payload" | "process.pid" | "process.name")
                    || Field::looks_like_one(name)
            }
            _ => false,
        }
    }

    fn next_name_is(&self, wanted: &str) -> bool {
        self.lexer
            .clone()
            .next()
            .is_ok_and(|token| token.tok == Tok::Name && self.expr.slice(token.span) == wanted)
    }

    /// What `any` and `inner` say, if the current word is one of them.
    pub(super) fn scope_word(&self) -> Option<Scope> {
        match self.current_name()? {
            "any" => Some(Scope::Any),
            "inner" => Some(Scope::Inner),
            _ => None,
        }
    }

    /// What is wrong with `any` or `inner`, of which the current word is what follows and begins no condition.
    pub(super) fn scope_alone(&self, word: String) -> ErrorKind {
        if self.scope_word().is_some() {
            return ErrorKind::Nested;
        }
        let negated = self.is_word(Word::Not);
        ErrorKind::ScopeAlone { word, negated }
    }

    /// `any` or `inner` before a condition.
    fn scope(&mut self, start: usize, scope: Scope) -> Result<Operand, Error> {
        let word = self.advance()?.span;
        if self.scope.is_some() {
            return Err(Error::new(word, ErrorKind::Nested));
        }
        self.scope = Some(scope);
        let operand = self.positive(None, false)?;
        self.scope = None;
        match operand {
            Operand::Term(cond) | Operand::Id(cond) => {
                Ok(self.condition(start, NodeKind::Deep(scope, cond.node)))
            }
            Operand::Number(_) => Err(self.unexpected("a comparison")),
        }
    }

    /// The list after `in`, if the current word is that and one follows.
    pub(super) fn list(&mut self) -> Result<Option<List>, Error> {
        if self.current_name() != Some("in") {
            return Ok(None);
        }
        let Some(list) = self.lexer.list()? else { return Ok(None) };
        let end = list.span.end + usize::from(!list.is_file);
        self.current = self.lexer.next()?;
        self.last_end = end;
        Ok(Some(list))
    }

    /// `host in …`, `port in …`
    pub(super) fn in_list(
        &mut self,
        start: usize,
        qual: Qual,
        list: List,
    ) -> Result<Operand, Error> {
        if let Kind::PortRange | Kind::Gateway | Kind::Proto | Kind::ProtoChain = qual.kind {
            let span = Span::new(start, self.last_end);
            return Err(Error::new(span, ErrorKind::NoList));
        }
        Ok(self.condition(start, NodeKind::In(qual, list)))
    }

    /// `payload contains "…" within N`
    fn contains(&mut self, start: usize) -> Result<Operand, Error> {
        self.advance()?;
        let Some(text) = self.lexer.text()? else {
            self.advance()?;
            return Err(self.unexpected(TEXT));
        };
        self.current = self.lexer.next()?;
        self.last_end = text.end + 1;
        let mut within = WITHIN;
        if self.current_name() == Some("within") {
            self.advance()?;
            let span = self.current.span;
            within = self.number_token()?;
            if within > MOST_WITHIN {
                let (value, most) = (within.into(), MOST_WITHIN.into());
                let kind = ErrorKind::TooLarge { what: "`within`", value, most };
                return Err(Error::new(span, kind));
            }
        }
        Ok(self.condition(start, NodeKind::Contains(text, within)))
    }

    /// `process.pid 123`, `process.name "curl"`
    fn process(&mut self, start: usize, is_pid: bool) -> Result<Operand, Error> {
        if is_pid {
            self.advance()?;
            let pid = self.number_token()?;
            return Ok(self.condition(start, NodeKind::ProcessId(pid)));
        }
        let Some(text) = self.lexer.text()? else {
            self.advance()?;
            return Err(self.unexpected(QUOTED_NAME));
        };
        self.current = self.lexer.next()?;
        self.last_end = text.end + 1;
        Ok(self.condition(start, NodeKind::ProcessName(text)))
    }

    /// A field as a number.
    pub(super) fn field_number(&mut self) -> Result<Option<super::arith::Number>, Error> {
        let Some(field) = self.current_field() else { return Ok(None) };
        let start = self.advance()?.span.start;
        Ok(Some(self.push_arith(start, ArithKind::Field(field))))
    }
}

/// Whether a token goes between numbers.
const fn is_operator(tok: Tok) -> bool {
    matches!(
        tok,
        Tok::Punct(b'=' | b'<' | b'>' | b'+' | b'-' | b'*' | b'/' | b'%' | b'&' | b'|' | b'^')
            | Tok::Ge
            | Tok::Le
            | Tok::Ne
            | Tok::Lsh
            | Tok::Rsh
    )
}
