//! Formats of `bpf_snprintf`.

/// Whether the format is one that the kernel takes with this many arguments.
/// Kernel: `bpf_bprintf_prepare`.
pub(crate) fn is_format(format: &[u8], args: usize) -> bool {
    let mut rest = Rest(format);
    let mut used = 0;
    while let Some(byte) = rest.next() {
        if byte.is_ascii() && !is_text(byte) {
            return false;
        }
        if byte != b'%' {
            continue;
        }
        if rest.peek(0) == b'%' {
            rest.skip(1);
            continue;
        }
        if used >= args || !conversion(&mut rest) {
            return false;
        }
        used += 1;
    }
    true
}

/// What is left of a format; zeroes stand behind its end.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn peek(&self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or(0)
    }

    fn skip(&mut self, count: usize) {
        self.0 = self.0.get(count..).unwrap_or(&[]);
    }

    fn skip_while(&mut self, is: impl Fn(u8) -> bool) {
        while !self.0.is_empty() && is(self.peek(0)) {
            self.skip(1);
        }
    }

    /// Nothing that belongs to the conversion follows.
    fn ends(&self, at: usize) -> bool {
        let next = self.peek(at);
        next == 0 || is_space(next) || next.is_ascii_punctuation()
    }
}

/// What stands behind a percent sign.
fn conversion(rest: &mut Rest<'_>) -> bool {
    if !rest.peek(0).is_ascii() {
        return false;
    }
    rest.skip_while(|byte| matches!(byte, b'0' | b'+' | b'-' | b' '));
    if matches!(rest.peek(0), b'1'..=b'9') {
        rest.skip_while(|byte| byte.is_ascii_digit());
    }
    match rest.peek(0) {
        b'p' => {
            rest.skip(1);
            pointer(rest)
        }
        b's' => {
            rest.skip(1);
            rest.ends(0)
        }
        b'c' => {
            rest.skip(1);
            true
        }
        _ => {
            for _ in 0..2 {
                if rest.peek(0) == b'l' {
                    rest.skip(1);
                }
            }
            let known = matches!(rest.peek(0), b'i' | b'd' | b'u' | b'x' | b'X');
            rest.skip(1);
            known
        }
    }
}

/// What stands behind `%p`.
fn pointer(rest: &mut Rest<'_>) -> bool {
    let (first, second) = (rest.peek(0), rest.peek(1));
    match first {
        _ if rest.ends(0) => true,
        b'k' | b'u' if second == b's' => {
            rest.skip(2);
            rest.ends(0)
        }
        b'K' | b'x' | b's' | b'S' | b'B' => {
            rest.skip(1);
            true
        }
        b'i' | b'I' if matches!(second, b'4' | b'6') => {
            rest.skip(2);
            true
        }
        _ => false,
    }
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn is_text(byte: u8) -> bool {
    byte.is_ascii_graphic() || is_space(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_are_counted_and_known() {
        assert!(is_format(b"plain", 0));
        assert!(is_format(b"%d %08lx %-5s 100%%", 3));
        assert!(!is_format(b"%d", 0));
        assert!(is_format(b"%d", 2));
        assert!(!is_format(b"%f", 1));
        assert!(!is_format(b"%", 1));
        assert!(is_format(b"%pks %pI4 %pi6 %p", 4));
        assert!(!is_format(b"%pI5", 1));
        assert!(!is_format(b"%sx", 1));
        assert!(!is_format(b"\x01", 0));
        assert!(is_format("ä".as_bytes(), 0));
        assert!(!is_format("%ä".as_bytes(), 1));
    }
}
