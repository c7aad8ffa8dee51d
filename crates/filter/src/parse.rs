//! Tokens to the expression.
//!
//! libpcap's grammar is written for yacc and has rules that surprise; they are kept:
//!
//! - `and` and `or` bind alike, from left to right; `not` binds tighter.
//! - An identifier without qualifiers inherits them from the condition before it. After a
//!   parenthesis it inherits what stood before the parenthesis.
//! - In a parenthesis that begins with an identifier, only identifiers follow.
//! - `%` and `^` have no precedence: what follows them belongs to their right operand, and what
//!   precedes them is not taken from it.

mod arith;
mod beyond;
mod primitive;

pub(crate) use beyond::{QUOTED_NAME, TEXT};

use crate::ast::{Expr, Id, Node, NodeId, NodeKind, Qual, RelOp, Scope};
use crate::error::{Error, ErrorKind};
use crate::lex::{Lexer, Tok, Token};
use crate::words::Word;
use arith::Number;
use skep_diag::Span;

/// Parentheses in each other, at most.
const MAX_DEPTH: usize = 128;

impl Expr {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`Error`] with the first words that the language does not allow where they stand. Names are
    /// looked up, and link types asked, when the expression is given a meaning, not here.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut lexer = Lexer::new(text);
        let current = lexer.next()?;
        let expr = Self {
            text: text.into(),
            nodes: Vec::with_capacity(8 + text.len() / 12),
            ariths: Vec::new(),
        };
        let mut parser = Parser { expr, lexer, current, last_end: 0, depth: 0, scope: None };
        if parser.current.tok != Tok::End {
            match parser.sequence(None, false)? {
                Operand::Number(_) => return Err(parser.unexpected("a comparison")),
                Operand::Id(_) | Operand::Term(_) => {}
            }
            if parser.current.tok != Tok::End {
                return Err(parser.unexpected("`and`, `or` or the end"));
            }
        }
        Ok(parser.expr)
    }
}

/// A condition, with the qualifiers that the next identifier inherits.
#[derive(Clone, Copy)]
struct Cond {
    node: NodeId,
    qual: Option<Qual>,
}

/// What stands where a condition may stand.
enum Operand {
    /// A condition.
    Term(Cond),
    /// An identifier, or several in a parenthesis.
    Id(Cond),
    /// A number that is not compared with anything yet.
    Number(Number),
}

struct Parser<'a> {
    expr: Expr,
    lexer: Lexer<'a>,
    current: Token,
    /// End of the token before the current one.
    last_end: usize,
    depth: usize,
    /// `any` or `inner`, inside of what they stand before.
    scope: Option<Scope>,
}

impl Parser<'_> {
    fn advance(&mut self) -> Result<Token, Error> {
        let token = self.current;
        self.last_end = token.span.end;
        self.current = self.lexer.next()?;
        Ok(token)
    }

    fn is_word(&self, word: Word) -> bool {
        self.current.tok == Tok::Word(word)
    }

    fn is_punct(&self, punct: u8) -> bool {
        self.current.tok == Tok::Punct(punct)
    }

    /// Takes the punctuation or complains.
    fn expect(&mut self, punct: u8, expected: &'static str) -> Result<Token, Error> {
        if self.is_punct(punct) { self.advance() } else { Err(self.unexpected(expected)) }
    }

    /// Takes a number or complains.
    fn number_token(&mut self) -> Result<u32, Error> {
        match self.current.tok {
            Tok::Number(value) => {
                self.advance()?;
                Ok(value)
            }
            _ => Err(self.unexpected("a number")),
        }
    }

    fn unexpected(&self, expected: &'static str) -> Error {
        let span = self.current.span;
        let kind = match self.current.tok {
            Tok::End => ErrorKind::Ends { expected },
            _ => ErrorKind::Unexpected { expected, found: self.expr.slice(span).into() },
        };
        Error::new(span, kind)
    }

    fn push(&mut self, start: usize, kind: NodeKind) -> NodeId {
        let id = self.expr.nodes.len();
        let span = Span::new(start, self.last_end);
        self.expr.nodes.push(Node { span, kind, scope: self.scope });
        u32::try_from(id).unwrap_or(u32::MAX)
    }

    /// Conditions with `and` and `or` between them. `outer` is what an identifier at the start
    /// inherits, if `may_be_id` allows one there.
    fn sequence(&mut self, outer: Option<Qual>, may_be_id: bool) -> Result<Operand, Error> {
        let start = self.current.span.start;
        let (mut cond, is_ids) = match self.operand(outer, may_be_id)? {
            Operand::Term(cond) => (cond, false),
            Operand::Id(cond) => (cond, true),
            Operand::Number(number) => return Ok(Operand::Number(number)),
        };
        loop {
            let is_and = match self.current.tok {
                Tok::Word(Word::And) => true,
                Tok::Word(Word::Or) => false,
                _ => break,
            };
            self.advance()?;
            let at = self.current.span.start;
            let right = match self.operand(cond.qual, true)? {
                Operand::Term(_) if is_ids => return Err(self.not_an_id(at)),
                Operand::Id(cond) | Operand::Term(cond) => cond,
                Operand::Number(number) => self.lone_number(number, cond.qual)?,
            };
            let kind = if is_and {
                NodeKind::And(cond.node, right.node)
            } else {
                NodeKind::Or(cond.node, right.node)
            };
            cond = Cond { node: self.push(start, kind), qual: right.qual };
        }
        Ok(if is_ids { Operand::Id(cond) } else { Operand::Term(cond) })
    }

    /// One condition, with `not` before it.
    fn operand(&mut self, outer: Option<Qual>, may_be_id: bool) -> Result<Operand, Error> {
        if !self.is_word(Word::Not) {
            return self.positive(outer, may_be_id);
        }
        let mut starts = Vec::new();
        while self.is_word(Word::Not) {
            starts.push(self.advance()?.span.start);
        }
        let (mut cond, is_id) = match self.positive(outer, may_be_id)? {
            Operand::Term(cond) => (cond, false),
            Operand::Id(cond) => (cond, true),
            Operand::Number(number) => (self.lone_number(number, outer)?, true),
        };
        for start in starts.into_iter().rev() {
            cond.node = self.push(start, NodeKind::Not(cond.node));
        }
        Ok(if is_id { Operand::Id(cond) } else { Operand::Term(cond) })
    }

    fn positive(&mut self, outer: Option<Qual>, may_be_id: bool) -> Result<Operand, Error> {
        let start = self.current.span.start;
        match self.current.tok {
            Tok::Punct(b'(') => self.parenthesis(outer, may_be_id),
            Tok::Number(_) | Tok::Punct(b'-') | Tok::Word(Word::Len) => {
                let number = self.arith(0)?;
                self.after_number(number, outer, may_be_id)
            }
            Tok::Name | Tok::Ip4 | Tok::Ip6(_) | Tok::Mac(_) | Tok::Arcnet => {
                if let Some(operand) = self.beyond()? {
                    return Ok(operand);
                }
                let scope = self.scope_word();
                let id = self.id()?;
                let Some(qual) = outer.filter(|_| may_be_id) else {
                    let span = Span::new(start, self.last_end);
                    let text = self.expr.slice(span).into();
                    let kind = if scope.is_some() {
                        self.scope_alone(text)
                    } else {
                        ErrorKind::NoQualifier(text)
                    };
                    return Err(Error::new(span, kind));
                };
                let node = self.push(start, NodeKind::Id(qual, id));
                Ok(Operand::Id(Cond { node, qual: outer }))
            }
            Tok::Word(word) => self.primitive(word),
            _ => Err(self.unexpected("a condition")),
        }
    }

    /// `( … )`: conditions, identifiers or a number; which is known inside.
    fn parenthesis(&mut self, outer: Option<Qual>, may_be_id: bool) -> Result<Operand, Error> {
        let open = self.advance()?.span;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::new(open, ErrorKind::Depth { limit: MAX_DEPTH }));
        }
        let inner = self.sequence(outer, may_be_id)?;
        self.depth -= 1;
        self.expect(b')', "`)`, `and` or `or`")?;
        match inner {
            Operand::Number(number) => {
                let span = Span::new(open.start, self.last_end);
                let number = self.arith_tail(Number { span, ..number }, 0)?;
                self.after_number(number, outer, may_be_id)
            }
            Operand::Id(cond) => {
                self.widen(cond.node, open.start);
                Ok(Operand::Id(cond))
            }
            Operand::Term(cond) => {
                self.widen(cond.node, open.start);
                // What stood before the parenthesis is inherited by what follows it.
                Ok(Operand::Term(Cond { node: cond.node, qual: outer }))
            }
        }
    }

    /// The words of a node include its parenthesis.
    fn widen(&mut self, node: NodeId, start: usize) {
        if let Some(node) = self.expr.nodes.get_mut(node as usize) {
            node.span = Span::new(start, self.last_end);
        }
    }

    /// A comparison, or a number that may be an identifier.
    fn after_number(
        &mut self,
        left: Number,
        outer: Option<Qual>,
        may_be_id: bool,
    ) -> Result<Operand, Error> {
        let op = match self.current.tok {
            Tok::Punct(b'>') => RelOp::Gt,
            Tok::Punct(b'<') => RelOp::Lt,
            Tok::Punct(b'=') => RelOp::Eq,
            Tok::Ge => RelOp::Ge,
            Tok::Le => RelOp::Le,
            Tok::Ne => RelOp::Ne,
            Tok::Punct(b')') if self.depth > 0 => return Ok(Operand::Number(left)),
            _ if left.plain.is_some() && may_be_id => {
                return self.lone_number(left, outer).map(Operand::Id);
            }
            _ if left.plain.is_some() => {
                let text = self.expr.slice(left.span).into();
                return Err(Error::new(left.span, ErrorKind::NoQualifier(text)));
            }
            _ => return Err(self.unexpected("a comparison")),
        };
        self.advance()?;
        let right = self.arith(0)?;
        let (left_id, right_id) = (left.id, right.id);
        let node = self.push(left.span.start, NodeKind::Relation(op, left_id, right_id));
        Ok(Operand::Term(Cond { node, qual: None }))
    }

    /// A number that is an identifier.
    fn lone_number(&mut self, number: Number, outer: Option<Qual>) -> Result<Cond, Error> {
        let Some(value) = number.plain else {
            let found = self.expr.slice(number.span).into();
            let expected = "a condition: a number needs a comparison";
            return Err(Error::new(number.span, ErrorKind::Unexpected { expected, found }));
        };
        let Some(qual) = outer else {
            let text = self.expr.slice(number.span).into();
            return Err(Error::new(number.span, ErrorKind::NoQualifier(text)));
        };
        let node = self.push(number.span.start, NodeKind::Id(qual, Id::Number(value)));
        Ok(Cond { node, qual: outer })
    }

    fn not_an_id(&self, start: usize) -> Error {
        let span = Span::new(start, self.last_end);
        let found = self.expr.slice(span).into();
        let expected = "an identifier, as before it";
        Error::new(span, ErrorKind::Unexpected { expected, found })
    }
}

#[cfg(test)]
mod tests;
