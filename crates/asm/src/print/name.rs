//! Names as the parser reads them back.

use crate::operand::looks_like_reg;
use std::borrow::Cow;
use std::fmt::Write;

/// Words that mean something where a name may stand.
#[rustfmt::skip]
const TAKEN: [&str; 11] = [
    "pc", "ll", "local", "helper", "kfunc", "runtime", "kernel", "skb", "fd", "idx", "id",
];

/// The name, in quotes unless it is a plain word.
pub(super) fn name(name: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$' | '@');
    let word = name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit());
    if word && !name.is_empty() && !looks_like_reg(name) && !TAKEN.contains(&name) {
        name.into()
    } else {
        quoted(name.as_bytes()).into()
    }
}

/// The text between quotes. Bytes beyond ASCII stay characters where they are UTF-8.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\0'..' ' | '\x7f' => hex(&mut out, c as u8),
                c if c.is_control() => {
                    c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| hex(&mut out, byte));
                }
                c => out.push(c),
            }
        }
        chunk.invalid().iter().for_each(|&byte| hex(&mut out, byte));
    }
    out.push('"');
    out
}

fn hex(out: &mut String, byte: u8) {
    write!(out, "\\x{byte:02x}").expect("bug: writing to a string failed");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::unescape;

    #[test]
    fn names_are_quoted_where_needed() {
        let table = [
            ("main", "main"),
            (".L5$x", ".L5$x"),
            ("r1", "\"r1\""),
            ("r1x", "r1x"),
            ("pc", "\"pc\""),
            ("", "\"\""),
            ("5a", "\"5a\""),
            ("a b\n\"", "\"a b\\n\\\"\""),
        ];
        for (input, want) in table {
            assert_eq!(name(input), want);
        }
    }

    #[test]
    fn all_bytes_come_back() {
        let mut all: Vec<u8> = (0..=255).collect();
        all.extend("µ√\u{85}\u{2028}".bytes());
        let text = quoted(&all);
        assert_eq!(text.lines().count(), 1);
        assert_eq!(unescape(&text[1..text.len() - 1]), Ok(all));
    }
}
