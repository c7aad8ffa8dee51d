//! A program that did what it may not.

use crate::diags::Text;
use crate::failure::Failure;
use crate::file::Program;
use serde_json::{Value, json};
use skep::Fault;
use skep_asm::{Dialect, print_insn};
use skep_diag::{Diagnostic, Source, Span};
use skep_prog::{Image, LineInfo};
use skep_vm::FaultKind;

/// The fault, and the packet that led to it, if one did.
pub(crate) struct Place {
    pub(crate) fault: Box<Fault>,
    pub(crate) packet: Option<PacketPlace>,
}

/// Which packet it was.
pub(crate) struct PacketPlace {
    /// Name of the capture or device.
    pub(crate) input: String,
    /// Number of the packet in it, from 1.
    pub(crate) number: u64,
    /// Its length.
    pub(crate) bytes: usize,
}

/// The fault, with its source line where the program has it.
pub(crate) fn failure(place: &Place, program: &Program) -> Failure {
    Failure::Text(Box::new(text(place, program)))
}

/// The fault for machines: a diagnostic that says which packet it was.
pub(crate) fn to_json(place: &Place, program: &Program) -> Value {
    let Text { name, text, diags } = text(place, program);
    let mut line = json!({
        "type": "fault",
        "prog": place.fault.prog,
        "insn": place.fault.pc.0,
    });
    if let Some(packet) = &place.packet {
        line["input"] = json!(packet.input);
        line["packet"] = json!(packet.number);
    }
    let diag = diags.first().map(|diag| skep_diag::to_json(diag, &Source::new(&name, &text)));
    line["diagnostic"] = diag.unwrap_or_default();
    line
}

fn text(place: &Place, program: &Program) -> Text {
    let fault = &place.fault;
    let mut diag = Diagnostic::error(code(&fault.kind), fault.kind.to_string());
    let (mut name, mut text) = (String::new(), String::new());
    if let Some(line) = fault.line.as_ref().filter(|line| !line.text.trim().is_empty()) {
        name = line.file.to_string();
        let (source, span) = match &program.text {
            Some(text) => (text.clone(), assembly(text, line)),
            None => compiled(line),
        };
        text = source;
        let number = place.packet.as_ref().map(|packet| format!(", in packet {}", packet.number));
        diag = diag.label(span, format!("here{}", number.unwrap_or_default()));
    }
    diag = diag.note(insn(fault, &program.image));
    if let Some(packet) = &place.packet {
        let PacketPlace { input, number, bytes } = packet;
        diag = diag.note(format!("packet {number} of {input}, {bytes} bytes"));
    }
    if let Some(help) = help(&fault.kind) {
        diag = diag.help(help);
    }
    Text { name, text, diags: vec![diag] }
}

/// The instruction in its text, without the comment behind it.
fn assembly(text: &str, line: &LineInfo) -> Span {
    let number = usize::try_from(line.line.saturating_sub(1)).unwrap_or_default();
    let start: usize = text.split_inclusive('\n').take(number).map(str::len).sum();
    let whole = text[start..].lines().next().unwrap_or_default();
    let indent = whole.len() - whole.trim_start().len();
    let col = usize::try_from(line.col.saturating_sub(1)).unwrap_or_default();
    let col = whole.floor_char_boundary(if col < whole.len() { col.max(indent) } else { indent });
    let rest = &whole[col..];
    let comment = [";", "#", "//", "/*"].into_iter().filter_map(|mark| rest.find(mark)).min();
    let len = rest[..comment.unwrap_or(rest.len())].trim_end().len();
    Span::new(start + col, start + col + len)
}

/// The line at its place in a text that has nothing else, and where in the line it is.
fn compiled(line: &LineInfo) -> (String, Span) {
    let before = usize::try_from(line.line.saturating_sub(1)).unwrap_or_default();
    let mut text = "\n".repeat(before);
    let shown = line.text.trim_end();
    text.push_str(shown);
    let indent = shown.len() - shown.trim_start().len();
    let col = usize::try_from(line.col.saturating_sub(1)).unwrap_or_default();
    let col = shown.floor_char_boundary(if col < shown.len() { col.max(indent) } else { indent });
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let rest = &shown[col..];
    let name = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
    (text, Span::new(before + col, before + col + name.max(1)))
}

/// `program prog, insn 14: r1 = *(u32 *)(r6 + 0x4)`
fn insn(fault: &Fault, image: &Image) -> String {
    let mut note = format!("program {}, insn {}", fault.prog, fault.pc);
    if let Some(insn) = image.prog(&fault.prog).and_then(|prog| prog.insns.get(fault.pc)) {
        note = format!("{note}: {}", print_insn(insn, Dialect::CLike, &image.maps));
    }
    note
}

const fn code(kind: &FaultKind) -> &'static str {
    match kind {
        FaultKind::Access { .. } => "run.access",
        FaultKind::Budget { .. } => "run.budget",
        FaultKind::Deadline => "run.deadline",
        FaultKind::CallDepth { .. } => "run.call-depth",
        FaultKind::NotAFunction { .. } => "run.not-a-function",
        FaultKind::Argument { .. } => "run.argument",
        FaultKind::Thrown { .. } => "run.thrown",
        FaultKind::Unsupported { .. } => "run.unsupported",
        _ => "run.fault",
    }
}

const fn help(kind: &FaultKind) -> Option<&'static str> {
    match kind {
        FaultKind::Budget { .. } => Some("allow more with --budget INSNS"),
        FaultKind::Deadline => Some("allow more with --deadline TIME"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(line: u32, col: u32, text: &str) -> LineInfo {
        LineInfo { pc: skep_isa::Pc(0), file: "x".into(), text: text.into(), line, col }
    }

    #[test]
    fn the_place_of_a_compiled_line_is_a_name() {
        let table = [
            (3, 9, "    if (data + 1 > end)", "data"),
            (1, 14, "    if (data + 1 > end)", "+"),
            (1, 0, "    if (data)", "if"),
            (1, 400, "  x;", "x"),
            (1, 2, "µ = 1;", "µ"),
        ];
        for (number, col, text, want) in table {
            let (source, span) = compiled(&line(number, col, text));
            assert_eq!(&source[span.start..span.end], want, "{text}");
            assert_eq!(Source::new("x", &source).position(span.start).line, number as usize);
        }
    }

    #[test]
    fn the_place_of_an_assembly_line_is_its_instruction() {
        let text = "a:\n\tr0 = 1   ; one\nexit // out\n";
        let table = [(2, 2, "r0 = 1"), (2, 0, "r0 = 1"), (3, 1, "exit"), (9, 1, ""), (0, 0, "a:")];
        for (number, col, want) in table {
            let span = assembly(text, &line(number, col, "x"));
            assert_eq!(&text[span.start..span.end], want, "line {number}");
        }
    }
}
