//! Text to tokens. The longest match wins, and of equals the rule that stands first.

use crate::ast::List;
use crate::error::{Error, ErrorKind};
use crate::words::{Word, word};
use skep_diag::Span;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tok {
    Word(Word),
    Number(u32),
    /// Two to four numbers with dots between them.
    Ip4,
    Ip6(u128),
    Mac([u8; 6]),
    Arcnet,
    /// A name; its span is without the `\` that may begin it.
    Name,
    /// One of `+-*/%:[]!<>()&|^=`.
    Punct(u8),
    Ge,
    Le,
    Ne,
    Lsh,
    Rsh,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) tok: Tok,
    pub(crate) span: Span,
}

/// Gives tokens one after the other.
#[derive(Clone)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(crate) fn next(&mut self) -> Result<Token, Error> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\r' | b'\n' | b'\t')) {
            self.at += 1;
        }
        let rest = &bytes[self.at..];
        let start = self.at;
        let Some(&first) = rest.first() else {
            return Ok(Token { tok: Tok::End, span: Span::new(start, start) });
        };
        if first.is_ascii_alphanumeric() || first == b':' {
            return self.long(rest, start);
        }
        let (tok, len) = match (first, rest.get(1)) {
            (b'&', Some(b'&')) => (Tok::Word(Word::And), 2),
            (b'|', Some(b'|')) => (Tok::Word(Word::Or), 2),
            (b'>', Some(b'=')) => (Tok::Ge, 2),
            (b'<', Some(b'=')) => (Tok::Le, 2),
            (b'!', Some(b'=')) => (Tok::Ne, 2),
            (b'=', Some(b'=')) => (Tok::Punct(b'='), 2),
            (b'<', Some(b'<')) => (Tok::Lsh, 2),
            (b'>', Some(b'>')) => (Tok::Rsh, 2),
            (b'!', _) => (Tok::Word(Word::Not), 1),
            (
                b'+' | b'-' | b'*' | b'/' | b'%' | b'[' | b']' | b'<' | b'>' | b'(' | b')' | b'&'
                | b'|' | b'^' | b'=',
                _,
            ) => (Tok::Punct(first), 1),
            (b'$', Some(byte)) if byte.is_ascii_hexdigit() => {
                (Tok::Arcnet, 1 + hex_len(&rest[1..], 2))
            }
            (b'\\', _) => {
                let end = |&byte: &u8| matches!(byte, b' ' | b'!' | b'(' | b')' | b'\n' | b'\t');
                let len = 1 + rest[1..].iter().position(end).unwrap_or(rest.len() - 1);
                if len == 1 {
                    return Err(Error::new(
                        Span::new(start, start + 1),
                        ErrorKind::Character('\\'),
                    ));
                }
                self.at += len;
                return Ok(Token { tok: Tok::Name, span: Span::new(start + 1, self.at) });
            }
            _ => {
                let c = self.text[start..].chars().next().unwrap_or('\u{fffd}');
                let span = Span::new(start, start + c.len_utf8());
                return Err(Error::new(span, ErrorKind::Character(c)));
            }
        };
        self.at += len;
        Ok(Token { tok, span: Span::new(start, self.at) })
    }

    fn skip_space(&mut self) {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\r' | b'\n' | b'\t')) {
            self.at += 1;
        }
    }

    /// A list, if one begins here: `{…}`, or `@` and the name of a file.
    pub(crate) fn list(&mut self) -> Result<Option<List>, Error> {
        let mut ahead = self.clone();
        ahead.skip_space();
        let start = ahead.at + 1;
        let rest = self.text.get(start..).unwrap_or("");
        let (span, is_file) = match self.text.as_bytes().get(ahead.at) {
            Some(b'{') => {
                let Some(len) = rest.find('}') else {
                    let expected = "`}` at the end of the list";
                    let end = self.text.len();
                    return Err(Error::new(Span::new(end, end), ErrorKind::Ends { expected }));
                };
                self.at = start + len + 1;
                (Span::new(start, start + len), false)
            }
            Some(b'@') => {
                let len =
                    rest.find(|c: char| c.is_ascii_whitespace() || c == ')').unwrap_or(rest.len());
                self.at = start + len;
                (Span::new(start, start + len), true)
            }
            _ => return Ok(None),
        };
        Ok(Some(List { span, is_file }))
    }

    /// A text in quotes, if one begins here: where it is, without them.
    pub(crate) fn text(&mut self) -> Result<Option<Span>, Error> {
        let mut ahead = self.clone();
        ahead.skip_space();
        let start = ahead.at + 1;
        if self.text.as_bytes().get(ahead.at) != Some(&b'"') {
            return Ok(None);
        }
        let mut is_escaped = false;
        for (at, byte) in self.text.bytes().enumerate().skip(start) {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => {
                    self.at = at + 1;
                    return Ok(Some(Span::new(start, at)));
                }
                _ => {}
            }
        }
        let end = self.text.len();
        Err(Error::new(
            Span::new(end, end),
            ErrorKind::Ends { expected: "`\"` at the end of the text" },
        ))
    }

    /// A token of so many bytes.
    fn token(&mut self, start: usize, len: usize, tok: Tok) -> Token {
        self.at = start + len;
        Token { tok, span: Span::new(start, self.at) }
    }

    /// A name of so many bytes, which may be a word.
    fn word(&mut self, start: usize, len: usize) -> Token {
        let tok = match word(&self.text[start..start + len]) {
            Some(Word::Number(number)) => Tok::Number(number),
            Some(word) => Tok::Word(word),
            None => Tok::Name,
        };
        self.token(start, len, tok)
    }

    /// A number of so many bytes.
    fn number(&mut self, start: usize, len: usize) -> Result<Token, Error> {
        let text = &self.text[start..start + len];
        let value = number_value(text, Span::new(start, start + len))?;
        Ok(self.token(start, len, Tok::Number(value)))
    }

    /// What begins with a letter, a digit or a colon.
    fn long(&mut self, rest: &[u8], start: usize) -> Result<Token, Error> {
        let (name, kinds) = name_len(rest);
        let is_digit = rest[0].is_ascii_digit();
        // Of most names their bytes tell that nothing else is as long.
        if name > 0 && !rest[0].is_ascii_hexdigit() {
            return Ok(self.word(start, name));
        }
        if name > 0 && name < MAC_DIGITS && rest.get(name) != Some(&b':') {
            match kinds {
                DIGIT => return self.number(start, name),
                _ if kinds & (DOT | DASH) == 0 && !is_digit => return Ok(self.word(start, name)),
                ADDRESS if ip4_len(rest) == (name, 4) => {
                    return Ok(self.token(start, name, Tok::Ip4));
                }
                _ => {}
            }
        }
        // With a colon ahead there may be an address that is longer than any name.
        let (v6, bogus) = match rest.get(name) {
            Some(b':') if name <= 4 => (ip6_len(rest), bogus_len(rest)),
            _ => (0, 0),
        };
        let mac = if rest[0].is_ascii_hexdigit() { mac_len(rest) } else { 0 };
        let ip4 = match ip4_len(rest) {
            (len, 2..) => len,
            _ => 0,
        };
        let number = if is_digit { number_len(rest) } else { 0 };
        let len = name.max(v6).max(bogus).max(mac).max(ip4).max(number);
        if len == 0 {
            self.at += 1;
            return Ok(Token { tok: Tok::Punct(b':'), span: Span::new(start, self.at) });
        }
        if len == name {
            let token = self.word(start, len);
            if token.tok != Tok::Name {
                return Ok(token);
            }
        }
        let span = Span::new(start, start + len);
        let text = &self.text[start..start + len];
        let tok = if len == mac {
            Tok::Mac(mac_bytes(text))
        } else if len == number {
            return self.number(start, len);
        } else if len == ip4 {
            Tok::Ip4
        } else if len == v6 {
            match text.parse::<std::net::Ipv6Addr>() {
                Ok(addr) => Tok::Ip6(addr.to_bits()),
                Err(_) => return Err(address(text, span, "an IPv6 address")),
            }
        } else if len == bogus {
            return Err(address(text, span, "an Ethernet address"));
        } else {
            Tok::Name
        };
        Ok(self.token(start, len, tok))
    }
}

/// The bytes that a text in quotes stands for: `\\`, `\"`, `\n`, `\r`, `\t`, `\0` and `\xHH` are one byte each.
pub(crate) fn unescaped(text: &str) -> Result<Vec<u8>, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'0') => 0,
            Some(byte @ (b'\\' | b'"')) => byte,
            Some(b'x') => {
                let digits = [rest.next(), rest.next()].map(|digit| {
                    digit
                        .and_then(|digit| char::from(digit).to_digit(16))
                        .and_then(|digit| u8::try_from(digit).ok())
                });
                match digits {
                    [Some(high), Some(low)] => high << 4 | low,
                    _ => return Err("`\\x` needs two hexadecimal digits"),
                }
            }
            _ => return Err("`\\` goes before `n`, `r`, `t`, `0`, `xHH`, `\"` and `\\` only"),
        });
    }
    Ok(bytes)
}

fn address(text: &str, span: Span, what: &'static str) -> Error {
    Error::new(span, ErrorKind::Address { text: text.into(), what })
}

/// Hexadecimal digits at the start, at most so many.
fn hex_len(text: &[u8], most: usize) -> usize {
    text.iter().take(most).take_while(|byte| byte.is_ascii_hexdigit()).count()
}

/// Kinds of bytes that names have, as bits.
const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const DOT: u8 = 4;
/// `-` and `_`.
const DASH: u8 = 8;

/// What addresses of IPv4 have.
const ADDRESS: u8 = DIGIT | DOT;

/// Digits of an Ethernet address that is nothing else.
const MAC_DIGITS: usize = 12;

/// The kind of each byte; 0 is in no name.
const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        kinds[byte as usize] = match byte {
            b'0'..=b'9' => DIGIT,
            b'.' => DOT,
            b'-' | b'_' => DASH,
            _ if byte.is_ascii_alphabetic() => LETTER,
            _ => 0,
        };
        byte += 1;
    }
    kinds
};

/// A name: letters, digits, `-`, `_` and `.`, beginning with one of the first two and not ending
/// with `-` or `_`; and the kinds of its bytes and of such at its end.
fn name_len(text: &[u8]) -> (usize, u8) {
    let mut kinds = 0;
    let mut len = 0;
    for &byte in text {
        let kind = KINDS[usize::from(byte)];
        if kind == 0 || len == 0 && kind & (LETTER | DIGIT) == 0 {
            break;
        }
        kinds |= kind;
        len += 1;
    }
    while len > 0 && KINDS[usize::from(text[len - 1])] == DASH {
        len -= 1;
    }
    (len, kinds)
}

fn number_len(text: &[u8]) -> usize {
    if text[0] == b'0' && matches!(text.get(1), Some(b'x' | b'X')) {
        let digits = hex_len(&text[2..], usize::MAX);
        if digits > 0 {
            return 2 + digits;
        }
    }
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn number_value(text: &str, span: Span) -> Result<u32, Error> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    /// So many always fit.
    const SHORT: usize = 9;
    if radix == 10 && digits.len() <= SHORT {
        let value = |value: u32, byte: u8| value * 10 + u32::from(byte & 15);
        return Ok(digits.bytes().fold(0, value));
    }
    u32::from_str_radix(digits, radix).map_err(|err| {
        let why = match err.kind() {
            std::num::IntErrorKind::InvalidDigit => "it begins with 0, and has a digit above 7",
            _ => "it needs more than 32 bits",
        };
        Error::new(span, ErrorKind::Number { text: text.into(), why })
    })
}

/// Numbers with dots between them, at most four: their length, and how many.
fn ip4_len(text: &[u8]) -> (usize, usize) {
    let mut len = number_len(text);
    let mut parts = usize::from(len > 0);
    while parts > 0 && parts < 4 && text.get(len) == Some(&b'.') {
        let Some(next) = text.get(len + 1..).filter(|rest| !rest.is_empty()) else { break };
        let part = number_len(next);
        if part == 0 {
            break;
        }
        len += 1 + part;
        parts += 1;
    }
    (len, parts)
}

/// `xx:xx:xx:xx:xx:xx`, with `-` or `.` for the colons, `xxxx.xxxx.xxxx`, or twelve digits.
fn mac_len(text: &[u8]) -> usize {
    // How many digits it begins with says most of it.
    let digits = hex_len(text, 12);
    let is_separator = |byte: &u8| matches!(byte, b':' | b'-' | b'.');
    let may_be = match digits {
        1 | 2 => text.get(digits).is_some_and(is_separator),
        4 => text.get(4) == Some(&b'.'),
        _ => digits == 12,
    };
    if !may_be {
        return 0;
    }
    let mut longest = 0;
    for separator in *b":-." {
        let mut len = 0;
        for part in 0..6 {
            if part > 0 {
                if text.get(len) != Some(&separator) {
                    len = 0;
                    break;
                }
                len += 1;
            }
            match hex_len(&text[len..], 2) {
                0 => {
                    len = 0;
                    break;
                }
                digits => len += digits,
            }
        }
        longest = longest.max(len);
    }
    let four = |at: usize| text.get(at..).is_some_and(|rest| hex_len(rest, 4) == 4);
    let dot = |at: usize| text.get(at) == Some(&b'.');
    if four(0) && dot(4) && four(5) && dot(9) && four(10) {
        longest = longest.max(14);
    }
    if digits == 12 {
        longest = longest.max(12);
    }
    longest
}

/// The six bytes of what [`mac_len`] found.
fn mac_bytes(text: &str) -> [u8; 6] {
    let mut mac = [0; 6];
    let mut rest = text.as_bytes();
    for byte in &mut mac {
        if let Some((b':' | b'-' | b'.', tail)) = rest.split_first() {
            rest = tail;
        }
        let len = hex_len(rest, 2);
        let (digits, tail) = rest.split_at(len);
        rest = tail;
        let digits = std::str::from_utf8(digits).unwrap_or("0");
        *byte = u8::from_str_radix(digits, 16).unwrap_or(0);
    }
    mac
}

/// The longest start of the text that is an IPv6 address: eight groups, or fewer with `::` once,
/// the last two perhaps written as an IPv4 address.
fn ip6_len(text: &[u8]) -> usize {
    let (mut at, mut groups, mut gap, mut longest) = (0, 0, false, 0);
    if text.starts_with(b"::") {
        (at, gap, longest) = (2, true, 2);
    }
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let (v4, parts) = ip4_len(rest);
        if parts == 4 && (if gap { groups <= 5 } else { groups == 6 }) && at > 0 {
            longest = longest.max(at + v4);
        }
        let digits = hex_len(rest, 4);
        if digits == 0 {
            break;
        }
        at += digits;
        groups += 1;
        if groups == 8 || gap && groups <= 7 {
            longest = longest.max(at);
        }
        if groups == 8 || text.get(at) != Some(&b':') {
            break;
        }
        at += 1;
        if text.get(at) == Some(&b':') {
            if gap {
                break;
            }
            (at, gap) = (at + 1, true);
            if groups <= 7 {
                longest = longest.max(at);
            }
        }
    }
    longest
}

/// What looks like the start of an Ethernet address: two groups, each with colons behind it.
fn bogus_len(text: &[u8]) -> usize {
    let (mut at, mut groups, mut longest) = (0, 0, 0);
    loop {
        let digits = hex_len(&text[at..], 2);
        let colons = text[at + digits..].iter().take_while(|&&byte| byte == b':').count();
        if digits == 0 || colons == 0 {
            return longest;
        }
        at += digits + colons;
        groups += 1;
        if groups >= 2 {
            longest = at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Tok> {
        let mut lexer = Lexer::new(text);
        std::iter::from_fn(|| lexer.next().ok().map(|token| token.tok))
            .take_while(|&tok| tok != Tok::End)
            .collect()
    }

    #[test]
    fn the_longest_match_wins() {
        let first = |text| tokens(text)[0];
        assert_eq!(first("1.2.3.4"), Tok::Ip4);
        assert_eq!(first("1.2"), Tok::Ip4);
        assert_eq!(first("1.2.3.4.5"), Tok::Name);
        assert_eq!(first("1.2.3.4.5.6"), Tok::Mac([1, 2, 3, 4, 5, 6]));
        assert_eq!(first("80-90"), Tok::Name);
        assert_eq!(first("0x1f"), Tok::Number(31));
        assert_eq!(first("0x1fg"), Tok::Name);
        assert_eq!(first("017"), Tok::Number(15));
        assert_eq!(first("123456789012"), Tok::Mac([0x12, 0x34, 0x56, 0x78, 0x90, 0x12]));
        assert_eq!(first("0:1:2:a:b:c"), Tok::Mac([0, 1, 2, 10, 11, 12]));
        assert_eq!(first("00-11-22-33-44-55"), Tok::Mac([0, 0x11, 0x22, 0x33, 0x44, 0x55]));
        assert_eq!(first("0011.2233.4455"), Tok::Mac([0, 0x11, 0x22, 0x33, 0x44, 0x55]));
        assert_eq!(first("::"), Tok::Ip6(0));
        assert_eq!(first("fe80::1"), Tok::Ip6(0xfe80 << 112 | 1));
        assert_eq!(first("1:2:3:4:5:6:7::"), Tok::Ip6(0x1_0002_0003_0004_0005_0006_0007 << 16));
        assert_eq!(first("::ffff:1.2.3.4"), Tok::Ip6(0xffff_0102_0304));
        assert_eq!(first("icmp-echo"), Tok::Number(8));
        assert_eq!(first("icmp-echoes"), Tok::Name);
        assert_eq!(first("tcp"), Tok::Word(Word::Proto(crate::ast::Proto::Tcp)));
        assert_eq!(first("\\tcp"), Tok::Name);
        assert_eq!(tokens("tcp[2:4]").len(), 6);
        assert!(Lexer::new("1:2:3").next().is_err());
        assert!(Lexer::new("089").next().is_err());
        assert!(Lexer::new("4294967296").next().is_err());
    }
}
