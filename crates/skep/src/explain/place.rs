//! Places in the source, from the lines that the program carries.

use super::value::Words;
use skep_diag::Span;
use skep_isa::{Insn, Pc};
use skep_prog::{LineInfo, Prog};
use std::collections::BTreeMap;

/// Lines of the source file in question, or of a listing where there is no source.
pub(super) struct Places<'a> {
    prog: &'a Prog,
    name: String,
    text: String,
    /// Where the lines begin in the text, by number.
    lines: BTreeMap<u32, usize>,
    /// Whether the lines are instructions.
    listing: bool,
}

/// Lines of a source file that are made room for.
const MOST_LINES: u32 = 200_000;

impl<'a> Places<'a> {
    /// The file that the refused instruction is in, or a listing of those instructions that are known.
    pub(super) fn of(words: Words<'a>, pc: Option<Pc>, is_known: impl Fn(Pc) -> bool) -> Self {
        let prog = words.prog;
        let file = pc.and_then(|pc| prog.line_at(pc)).map(|line| line.file.clone());
        match file {
            Some(file) if !file.is_empty() => Self::source(prog, &file),
            _ => Self::listing(words, is_known),
        }
    }

    fn source(prog: &'a Prog, file: &str) -> Self {
        let mut known: BTreeMap<u32, &str> = BTreeMap::new();
        for line in prog.lines.iter().filter(|line| *line.file == *file && line.line <= MOST_LINES)
        {
            known.insert(line.line, &line.text);
        }
        // Assemblers keep lines without their indentation, but count columns with it.
        let is_assembly = file.ends_with(".s") || file.ends_with(".S") || file.ends_with(".asm");
        let is_trimmed =
            is_assembly && known.values().all(|text| !text.starts_with(char::is_whitespace));
        let mut indents: BTreeMap<u32, usize> = BTreeMap::new();
        if is_trimmed {
            for line in prog.lines.iter().filter(|line| *line.file == *file) {
                let col = usize::try_from(line.col.saturating_sub(1)).unwrap_or(0).min(64);
                indents.entry(line.line).and_modify(|old| *old = col.min(*old)).or_insert(col);
            }
        }
        let (mut text, mut lines) = (String::new(), BTreeMap::new());
        let last = known.keys().next_back().copied().unwrap_or(0);
        for number in 1..=last {
            if let Some(line) = known.get(&number) {
                lines.insert(number, text.len());
                text.extend(std::iter::repeat_n(' ', indents.get(&number).copied().unwrap_or(0)));
                text.push_str(line);
            }
            text.push('\n');
        }
        Self { prog, name: file.into(), text, lines, listing: false }
    }

    fn listing(words: Words<'a>, is_known: impl Fn(Pc) -> bool) -> Self {
        let prog = words.prog;
        let (mut text, mut lines) = (String::new(), BTreeMap::new());
        for (pc, insn) in prog.insns.iter().filter(|(pc, _)| is_known(*pc)) {
            // Lines of which only the text is known.
            let told = prog.lines.iter().find(|line| line.pc == pc && line.file.is_empty());
            if let Some(line) = told {
                text.push_str(&format!("      ; {}\n", line.text));
            }
            lines.insert(pc.0, text.len());
            let insn = words.insn(pc, &insn);
            text.push_str(&format!("{pc:>4}: {insn}\n"));
        }
        Self { prog, name: prog.name.clone(), text, lines, listing: true }
    }

    /// The place of an instruction, if it is in this text.
    pub(super) fn span(&self, pc: Pc) -> Option<Span> {
        if self.listing {
            let start = *self.lines.get(&pc.0)? + 6;
            return Some(Span::new(start, self.end_of(start)));
        }
        let line = self.line(pc)?;
        let start = *self.lines.get(&line.line)?;
        let end = self.end_of(start);
        let text = &self.text[start..end];
        if line.col == 0 {
            let indent = text.len() - text.trim_start().len();
            return Some(Span::new(start + indent, start + text.trim_end().len().max(indent)));
        }
        let col = usize::try_from(line.col.saturating_sub(1)).unwrap_or(0);
        let indent = text.len() - text.trim_start().len();
        let from =
            if col < text.len() && text.is_char_boundary(col) { col.max(indent) } else { indent };
        let at_access = self.prog.insns.get(pc).is_some_and(is_access);
        let (from, to) = token(text, from, at_access);
        Some(Span::new(start + from, start + to))
    }

    /// What stands there in the source: `c->slots[idx]`. None in a listing.
    pub(super) fn expression(&self, pc: Pc) -> Option<String> {
        if self.listing || self.line(pc)?.col == 0 {
            return None;
        }
        let span = self.span(pc)?;
        let text = self.text.get(span.start..span.end)?.trim();
        let is_one = !text.is_empty()
            && text.chars().all(|c| c.is_alphanumeric() || "_.>-[]*&()+ ".contains(c))
            && text.chars().any(char::is_alphabetic)
            && !["asm", "if", "return", "while", "for"].contains(&text)
            && !is_register(text);
        is_one.then(|| text.to_string())
    }

    fn line(&self, pc: Pc) -> Option<&LineInfo> {
        self.prog.line_at(pc).filter(|line| *line.file == *self.name)
    }

    fn end_of(&self, start: usize) -> usize {
        self.text[start..].find('\n').map_or(self.text.len(), |len| start + len)
    }

    /// The text and its name.
    pub(super) fn into_text(self) -> (String, String) {
        (self.name, self.text)
    }
}

/// Whether a text is the name of a register, as assembly has them: `r0`, `w10`.
fn is_register(text: &str) -> bool {
    let number = text.strip_prefix(['r', 'w']).unwrap_or_default();
    !number.is_empty() && number.chars().all(|c| c.is_ascii_digit())
}

/// Whether an instruction reads or writes memory.
fn is_access(insn: &Insn) -> bool {
    matches!(
        insn,
        Insn::Load { .. } | Insn::LoadSx { .. } | Insn::Store { .. } | Insn::Atomic { .. }
    )
}

/// What stands at a column and belongs together: a name with its members, or the rest of the line.
///
/// Compilers give the column of the last member (`saddr` in `ip->saddr`), and of accesses that of the
/// operator after them (`+=` in `c->slots[i] += 1`).
fn token(text: &str, from: usize, at_access: bool) -> (usize, usize) {
    let word = |c: char| c.is_alphanumeric() || "_.>-[]".contains(c);
    let rest = &text[from..];
    if at_access && !rest.starts_with(|c: char| word(c) || c == '*' || c == '(') {
        // The operand on the left.
        let end = text[..from].trim_end().len();
        let start = begin(&text[..end]);
        if start < end {
            return (start, end);
        }
    }
    let len = rest.find(|c| !word(c)).unwrap_or(rest.len());
    let len = balanced(&rest[..len]);
    let len = rest[..len].trim_end_matches(['-', '>', '.']).len();
    let is_member = rest.starts_with(|c: char| c.is_alphabetic() || c == '_');
    if is_member && len > 0 {
        let before = &text[..from];
        let joined = before.ends_with("->") || before.ends_with('.') || before.ends_with('[');
        let start = if joined && !before.ends_with('[') { begin(before) } else { from };
        return (start, from + len);
    }
    if len > 1 {
        return (from, from + len);
    }
    (from, from + rest.trim_end().trim_end_matches(';').len().max(1))
}

/// Length of the text before a bracket that is closed but was not opened in it.
fn balanced(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' if depth == 0 => return at,
            ']' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// Where the expression that ends a text begins: `c->slots[i]` in `x = c->slots[i]`.
fn begin(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut start = text.len();
    for (at, c) in text.char_indices().rev() {
        match c {
            ']' => depth += 1,
            '[' if depth == 0 => break,
            '[' => depth -= 1,
            _ if depth > 0 => {}
            '>' | '-' | '.' | '_' => {}
            '*' => {
                start = at;
                break;
            }
            c if c.is_alphanumeric() => {}
            _ => break,
        }
        start = at;
    }
    start
}

#[cfg(test)]
mod tests {
    use super::token;

    fn at<'a>(text: &'a str, mark: &str, at_access: bool) -> &'a str {
        let (from, to) = token(text, text.find(mark).unwrap(), at_access);
        &text[from..to]
    }

    #[test]
    fn members_are_shown_with_what_they_belong_to() {
        assert_eq!(at("  return ip->saddr == 1;", "saddr", true), "ip->saddr");
        assert_eq!(at("  c->slots[idx] += 1;", " += 1", true), "c->slots[idx]");
        assert_eq!(at("  *n += 1;", " += 1", true), "*n");
        assert_eq!(at("  e[2] = 1;", " = 1", true), "e[2]");
        assert_eq!(at("  d <<= 2;", "<<=", false), "<<= 2");
        assert_eq!(at("  return f(x);", "return", false), "return");
        assert_eq!(at("  x = arr[ctx->len];", "ctx", true), "ctx->len");
        assert_eq!(at("é = 1;", " = 1", true), "é");
        assert_eq!(at("}", "}", false), "}");
    }
}
