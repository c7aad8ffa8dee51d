//! A program that did what it may not.

use crate::diags::Text;
use crate::failure::Failure;
use skep::Fault;
use skep_asm::{Dialect, print_insn};
use skep_diag::{Diagnostic, Span};
use skep_prog::{Image, LineInfo};
use skep_vm::FaultKind;

/// The fault, and the packet that led to it.
pub(crate) struct Place {
    pub(crate) fault: Box<Fault>,
    /// Name of the capture or device.
    pub(crate) input: String,
    /// Number of the packet in it, from 1.
    pub(crate) number: u64,
    /// Its length.
    pub(crate) bytes: usize,
}

/// The fault, with its source line where the program has it.
pub(crate) fn failure(place: &Place, image: &Image) -> Failure {
    let fault = &place.fault;
    let mut diag = Diagnostic::error(code(&fault.kind), fault.kind.to_string());
    let (mut name, mut text) = (String::new(), String::new());
    if let Some(line) = fault.line.as_ref().filter(|line| !line.text.trim().is_empty()) {
        name = line.file.to_string();
        let source = source(line);
        text = source.0;
        diag = diag.label(source.1, format!("here, in packet {}", place.number));
    }
    diag = diag
        .note(insn(fault, image))
        .note(format!("packet {} of {}, {} bytes", place.number, place.input, place.bytes));
    if let Some(help) = help(&fault.kind) {
        diag = diag.help(help);
    }
    Failure::Text(Box::new(Text { name, text, diags: vec![diag] }))
}

/// The line at its place in a text that has nothing else, and where in the line it is.
fn source(line: &LineInfo) -> (String, Span) {
    let before = usize::try_from(line.line.saturating_sub(1)).unwrap_or_default();
    let mut text = "\n".repeat(before);
    let shown = line.text.trim_end();
    text.push_str(shown);
    let indent = shown.len() - shown.trim_start().len();
    let col = usize::try_from(line.col.saturating_sub(1)).unwrap_or_default();
    let col = if col < shown.len() { col.max(indent) } else { indent };
    let col = shown.floor_char_boundary(col);
    let len = word(&shown[col..]);
    (text, Span::new(before + col, before + col + len))
}

/// Length of what stands at the column: a name, or up to the end of a line of assembly.
fn word(rest: &str) -> usize {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    rest.find(|c| !is_name(c)).filter(|&len| len > 0).unwrap_or(1).min(rest.len())
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
