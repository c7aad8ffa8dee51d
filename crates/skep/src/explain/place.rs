//! Places in the source, from the lines that the program carries.

use skep_diag::Span;
use skep_isa::Pc;
use skep_prog::{Image, LineInfo, Prog};
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
    /// The file that the refused instruction is in.
    pub(super) fn of(image: &'a Image, prog: &'a Prog, pc: Option<Pc>) -> Self {
        let file = pc.and_then(|pc| prog.line_at(pc)).map(|line| line.file.clone());
        match file {
            Some(file) => Self::source(prog, &file),
            None => Self::listing(image, prog),
        }
    }

    fn source(prog: &'a Prog, file: &str) -> Self {
        let mut known: BTreeMap<u32, &str> = BTreeMap::new();
        for line in prog.lines.iter().filter(|line| *line.file == *file && line.line <= MOST_LINES)
        {
            known.insert(line.line, &line.text);
        }
        let (mut text, mut lines) = (String::new(), BTreeMap::new());
        let last = known.keys().next_back().copied().unwrap_or(0);
        for number in 1..=last {
            if let Some(line) = known.get(&number) {
                lines.insert(number, text.len());
                text.push_str(line);
            }
            text.push('\n');
        }
        Self { prog, name: file.into(), text, lines, listing: false }
    }

    fn listing(image: &Image, prog: &'a Prog) -> Self {
        let (mut text, mut lines) = (String::new(), BTreeMap::new());
        for (pc, insn) in prog.insns.iter() {
            lines.insert(pc.0, text.len());
            let insn = skep_asm::print_insn(&insn, skep_asm::Dialect::CLike, &image.maps);
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
        let col = usize::try_from(line.col.saturating_sub(1)).unwrap_or(0);
        let indent = text.len() - text.trim_start().len();
        let from =
            if col < text.len() && text.is_char_boundary(col) { col.max(indent) } else { indent };
        Some(Span::new(start + from, start + from + token(&text[from..])))
    }

    /// Whether two instructions stand at different places.
    pub(super) fn is_other(&self, a: Pc, b: Pc) -> bool {
        self.span(a) != self.span(b)
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

/// Length of what begins here and belongs together: a name with its members, or the line.
fn token(text: &str) -> usize {
    let word = |c: char| c.is_alphanumeric() || "_.>-[]*&".contains(c);
    let len = text.find(|c| !word(c)).unwrap_or(text.len());
    let trimmed = text[..len].trim_end_matches(['-', '>', '.', '*', '&']).len();
    if trimmed > 1 { trimmed } else { text.trim_end().trim_end_matches(';').len().max(1) }
}
