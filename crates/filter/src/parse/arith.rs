//! Numbers that depend on the packet.

use super::{MAX_DEPTH, Parser};
use crate::ast::{Arith, ArithId, ArithKind, ArithOp, Proto};
use crate::error::{Error, ErrorKind};
use crate::lex::Tok;
use crate::words::Word;
use skep_diag::Span;

/// A number, read.
#[derive(Clone, Copy)]
pub(super) struct Number {
    pub(super) id: ArithId,
    pub(super) span: Span,
    /// The value, if it is a number as it stands, perhaps in parentheses.
    pub(super) plain: Option<u32>,
}

/// How tight unary minus binds.
const UNARY: u8 = 6;

/// An operator and how tight it binds; nothing for those that yacc was told nothing about.
const fn operator(tok: Tok) -> Option<(ArithOp, Option<u8>)> {
    Some(match tok {
        Tok::Punct(b'|') => (ArithOp::Or, Some(1)),
        Tok::Punct(b'&') => (ArithOp::And, Some(2)),
        Tok::Lsh => (ArithOp::Lsh, Some(3)),
        Tok::Rsh => (ArithOp::Rsh, Some(3)),
        Tok::Punct(b'+') => (ArithOp::Add, Some(4)),
        Tok::Punct(b'-') => (ArithOp::Sub, Some(4)),
        Tok::Punct(b'*') => (ArithOp::Mul, Some(5)),
        Tok::Punct(b'/') => (ArithOp::Div, Some(5)),
        Tok::Punct(b'%') => (ArithOp::Mod, None),
        Tok::Punct(b'^') => (ArithOp::Xor, None),
        _ => return None,
    })
}

impl Parser<'_> {
    /// A number made of operators that bind at least so tight.
    pub(super) fn arith(&mut self, least: u8) -> Result<Number, Error> {
        let first = self.arith_operand()?;
        self.arith_tail(first, least)
    }

    /// The operators after a number. Those without precedence are always taken, and take all that
    /// follows.
    pub(super) fn arith_tail(&mut self, mut left: Number, least: u8) -> Result<Number, Error> {
        while let Some((op, precedence)) = operator(self.current.tok) {
            if precedence.is_some_and(|precedence| precedence < least) {
                break;
            }
            self.advance()?;
            self.deeper()?;
            let right = self.arith(precedence.map_or(0, |precedence| precedence + 1))?;
            self.depth -= 1;
            left = self.push_arith(left.span.start, ArithKind::Binary(op, left.id, right.id));
        }
        Ok(left)
    }

    fn deeper(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::new(self.current.span, ErrorKind::Depth { limit: MAX_DEPTH }));
        }
        Ok(())
    }

    fn arith_operand(&mut self) -> Result<Number, Error> {
        let start = self.current.span.start;
        match self.current.tok {
            Tok::Number(value) => {
                self.advance()?;
                let number = self.push_arith(start, ArithKind::Number(value));
                Ok(Number { plain: Some(value), ..number })
            }
            Tok::Word(Word::Len) => {
                self.advance()?;
                Ok(self.push_arith(start, ArithKind::Len))
            }
            Tok::Punct(b'-') => {
                self.advance()?;
                self.deeper()?;
                let operand = self.arith(UNARY)?;
                self.depth -= 1;
                Ok(self.push_arith(start, ArithKind::Neg(operand.id)))
            }
            Tok::Punct(b'(') => {
                self.advance()?;
                self.deeper()?;
                let inner = self.arith(0)?;
                self.depth -= 1;
                self.expect(b')', "`)` or an operator")?;
                Ok(Number { span: Span::new(start, self.last_end), ..inner })
            }
            Tok::Word(Word::Proto(proto)) => {
                self.advance()?;
                self.load(start, proto)
            }
            _ => match self.field_number()? {
                Some(number) => Ok(number),
                None => Err(self.unexpected("a number")),
            },
        }
    }

    /// `[index]` or `[index:size]` after a protocol.
    pub(super) fn load(&mut self, start: usize, proto: Proto) -> Result<Number, Error> {
        self.expect(b'[', "`[`")?;
        self.deeper()?;
        let index = self.arith(0)?;
        self.depth -= 1;
        let mut size = 1;
        if self.is_punct(b':') {
            self.advance()?;
            size = self.number_token()?;
        }
        self.expect(b']', "`]`, `:` or an operator")?;
        Ok(self.push_arith(start, ArithKind::Load(proto, index.id, size)))
    }

    pub(super) fn push_arith(&mut self, start: usize, kind: ArithKind) -> Number {
        let span = Span::new(start, self.last_end);
        let id = u32::try_from(self.expr.ariths.len()).unwrap_or(u32::MAX);
        self.expr.ariths.push(Arith { span, kind });
        Number { id, span, plain: None }
    }
}
