//! One line of text to tokens.

use skep_diag::{Diagnostic, Span};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tok<'a> {
    /// Letters, digits, `_ . $ @`, perhaps after a `%`; begins with no digit.
    Word(&'a str),
    /// Between double quotes, escapes as written.
    Str(&'a str),
    /// Without sign.
    Num(u64),
    /// Punctuation and operators.
    Op(&'static str),
    /// Nothing follows.
    End,
}

/// A token and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) tok: Tok<'a>,
    pub(crate) span: Span,
}

/// Longer before shorter, so that the first that fits is the right one.
#[rustfmt::skip]
const OPS: [&str; 34] = [
    "s>>=", "<<=", ">>=", "s>=", "s<=", "s/=", "s%=",
    "s>", "s<", "+=", "-=", "*=", "/=", "|=", "&=", "%=", "^=", "==", "!=", ">=", "<=",
    "=", ">", "<", "&", "(", ")", "[", "]", ",", "+", "-", "*", ":",
];

/// The tokens of a line and the comment that ends it after a semicolon, with its position.
pub(crate) struct Line<'a> {
    pub(crate) toks: Vec<Token<'a>>,
    pub(crate) comment: Option<(usize, &'a str)>,
}

/// Splits a line that begins at byte `base` of the text. `in_comment` says whether it begins inside
/// `/* */`, and afterwards whether it ends there.
pub(crate) fn lex<'a>(
    line: &'a str,
    base: usize,
    in_comment: &mut bool,
) -> Result<Line<'a>, Diagnostic> {
    let mut lexer = Lexer { line, base, at: 0, toks: Vec::new() };
    let comment = lexer.run(in_comment)?;
    Ok(Line { toks: lexer.toks, comment })
}

struct Lexer<'a> {
    line: &'a str,
    base: usize,
    at: usize,
    toks: Vec<Token<'a>>,
}

const fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$' | '@')
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.line[self.at..]
    }

    fn span(&self, start: usize) -> Span {
        Span::new(self.base + start, self.base + self.at)
    }

    fn push(&mut self, tok: Tok<'a>, start: usize) {
        let span = self.span(start);
        self.toks.push(Token { tok, span });
    }

    fn run(&mut self, in_comment: &mut bool) -> Result<Option<(usize, &'a str)>, Diagnostic> {
        loop {
            if *in_comment {
                let Some(len) = self.rest().find("*/") else { return Ok(None) };
                self.at += len + 2;
                *in_comment = false;
            }
            let rest = self.rest();
            let Some(c) = rest.chars().next() else { return Ok(None) };
            if c.is_whitespace() {
                self.at += c.len_utf8();
            } else if rest.starts_with("/*") {
                self.at += 2;
                *in_comment = true;
            } else if rest.starts_with("//") || (c == '#' && !self.is_number_of_call()) {
                return Ok(None);
            } else if c == ';' {
                return Ok(Some((self.base + self.at + 1, &rest[1..])));
            } else {
                self.token(c)?;
            }
        }
    }

    /// Whether a `#` is that of `call name#1`: right after a word, right before a number.
    fn is_number_of_call(&self) -> bool {
        let after_word = self.toks.last().is_some_and(|last| {
            matches!(last.tok, Tok::Word(_)) && last.span.end == self.base + self.at
        });
        let digits = self.rest()[1..].trim_start_matches('-');
        after_word && digits.starts_with(|c: char| c.is_ascii_digit())
    }

    fn token(&mut self, c: char) -> Result<(), Diagnostic> {
        let (start, rest) = (self.at, self.rest());
        if c == '#' {
            self.at += 1;
            self.push(Tok::Op("#"), start);
        } else if c.is_ascii_digit() {
            self.number()?;
        } else if c == '"' {
            self.string()?;
        } else if c == '\'' {
            self.character()?;
        } else if let Some(op) = OPS.iter().find(|op| rest.starts_with(**op)) {
            self.at += op.len();
            self.push(Tok::Op(op), start);
        } else if is_word(c) || c == '%' {
            let len = rest[1..].find(|c| !is_word(c)).map_or(rest.len(), |len| len + 1);
            self.at += len;
            self.push(Tok::Word(&rest[..len]), start);
        } else {
            self.at += c.len_utf8();
            let title = format!("unexpected character `{}`", c.escape_debug());
            return Err(Diagnostic::error("asm.bad-character", title).label(self.span(start), ""));
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Diagnostic> {
        let (start, rest) = (self.at, self.rest());
        let len = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let written = &rest[..len];
        let digits = written.strip_suffix("ll").unwrap_or(written);
        let (radix, digits) = match digits.get(..2) {
            Some("0x" | "0X") => (16, &digits[2..]),
            Some("0b" | "0B") => (2, &digits[2..]),
            _ => (10, digits),
        };
        self.at += len;
        if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
            let title = format!("`{written}` is no number");
            return Err(Diagnostic::error("asm.bad-number", title)
                .label(self.span(start), "numbers are `10`, `0xa` or `0b1010`"));
        }
        let value = u64::from_str_radix(digits, radix).map_err(|_| {
            Diagnostic::error("asm.number-range", format!("{written} does not fit into 64 bits"))
                .label(self.span(start), "the greatest number is 0xffffffffffffffff")
        })?;
        self.push(Tok::Num(value), start);
        if written.ends_with("ll") {
            self.push(Tok::Word("ll"), self.at - 2);
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), Diagnostic> {
        let (start, rest) = (self.at, self.rest());
        let mut escaped = false;
        let end = rest.char_indices().skip(1).find_map(|(at, c)| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends.then_some(at)
        });
        self.at += end.map_or(rest.len(), |end| end + 1);
        let Some(end) = end else {
            return Err(Diagnostic::error("asm.bad-string", "the string does not end")
                .label(self.span(start), "begins here")
                .help("close it with `\"` on the same line"));
        };
        self.push(Tok::Str(&rest[1..end]), start);
        Ok(())
    }

    /// `'a'`, `'\n'`, `'\''`
    fn character(&mut self) -> Result<(), Diagnostic> {
        let (start, rest) = (self.at, self.rest());
        let body = &rest[1..];
        let len = if body.starts_with('\\') { 2 } else { 1 };
        let value = body
            .get(..len)
            .filter(|_| body[len..].starts_with('\''))
            .and_then(|body| unescape(body).ok())
            .and_then(|bytes| <[u8; 1]>::try_from(bytes).ok());
        let Some([value]) = value else {
            self.at += 1;
            return Err(Diagnostic::error("asm.bad-character", "no character between quotes")
                .label(self.span(start), "one ASCII character or escape, as `'a'` or `'\\n'`"));
        };
        self.at += len + 2;
        self.push(Tok::Num(value.into()), start);
        Ok(())
    }
}

/// Bytes of a string as written: `\n \r \t \0 \\ \" \' \xHH`. The error is the bad escape.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = &rest[at + 1..];
        let c = escape.chars().next().unwrap_or('\\');
        let mut len = c.len_utf8().min(escape.len());
        bytes.push(match c {
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            '0' => 0,
            '\\' | '"' | '\'' if !escape.is_empty() => escape.as_bytes()[0],
            'x' => {
                len = 3;
                let digits = escape.get(1..3).filter(|hex| !hex.starts_with('+'));
                digits
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok())
                    .ok_or_else(|| format!("\\{}", escape.chars().take(3).collect::<String>()))?
            }
            other => return Err(format!("\\{other}")),
        });
        rest = &escape[len..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &[Tok<'_>]) {
        let toks = lex(line, 0, &mut false).map(|line| line.toks);
        let got = toks.map(|toks| toks.iter().map(|token| token.tok).collect::<Vec<_>>());
        assert_eq!(got.as_deref(), Ok(expected), "{line}");
    }

    #[test]
    fn lines_fall_into_tokens() {
        use Tok::{Num, Op, Str, Word};
        check("", &[]);
        check("r1 s>>= 0x10 # c", &[Word("r1"), Op("s>>="), Num(16)]);
        check(
            "if r1 s> s goto pc+3",
            &[
                Word("if"),
                Word("r1"),
                Op("s>"),
                Word("s"),
                Word("goto"),
                Word("pc"),
                Op("+"),
                Num(3),
            ],
        );
        check("%r1 %= %r2", &[Word("%r1"), Op("%="), Word("%r2")]);
        check("call x#1 #2", &[Word("call"), Word("x"), Op("#"), Num(1)]);
        check("a /* b */ c // d", &[Word("a"), Word("c")]);
        check("5ll 0b101 'a' '\\n'", &[Num(5), Word("ll"), Num(5), Num(97), Num(10)]);
        check(r#""a\"b" "#, &[Str(r#"a\"b"#)]);
        check("18446744073709551615", &[Num(u64::MAX)]);
    }

    #[test]
    fn comments_may_span_lines() {
        let mut inside = false;
        assert_eq!(lex("a /* b", 0, &mut inside).ok().map(|line| line.toks.len()), Some(1));
        assert!(inside);
        assert_eq!(lex("c", 0, &mut inside).ok().map(|line| line.toks.len()), Some(0));
        assert_eq!(lex("*/ d", 0, &mut inside).ok().map(|line| line.toks.len()), Some(1));
        assert!(!inside);
    }

    #[test]
    fn what_is_no_token_is_an_error() {
        for bad in [
            "18446744073709551616",
            "0x",
            "12ab",
            "0b2",
            "\"a",
            "''",
            "'ab'",
            "'µ'",
            "µ",
            "\\",
            "`",
        ] {
            assert!(lex(bad, 0, &mut false).is_err(), "{bad}");
        }
    }

    #[test]
    fn escapes() {
        assert_eq!(unescape(r#"a\n\0\\\"\x7fb"#), Ok(b"a\n\0\\\"\x7fb".to_vec()));
        for bad in [r"\q", r"\x", r"\x1", r"\xgg", r"\x+1", r"\µ", "\\"] {
            assert!(unescape(bad).is_err(), "{bad}");
        }
    }
}
