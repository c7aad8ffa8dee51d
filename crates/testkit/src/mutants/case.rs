//! Disagreements as files of the corpus.

use crate::agreement::{Answer, Ours};
use skep_asm::{PrintOptions, print};
use skep_prog::Image;
use std::fmt::Write;

/// The program as assembly, with what the kernel says of it in comments before.
#[must_use]
pub fn case_text(image: &Image, kernel: &Answer, ours: &Ours, origin: &str) -> String {
    let mut out = String::new();
    _ = writeln!(out, "# from: {origin}");
    _ = writeln!(out, "# kernel: {}", kernel.verdict.name());
    if let Some(insn) = kernel.insn {
        _ = writeln!(out, "# insn: {insn}");
    }
    if !kernel.last.is_empty() {
        _ = writeln!(out, "# message: {}", kernel.last);
    }
    let here = match ours {
        Ours::Rejected { rule, message, .. } => format!("rejected, {rule}: {message}"),
        Ours::Unsupported { what, .. } => format!("unsupported, {what}"),
        Ours::Panic { message } => format!("panic, {message}"),
        other => other.name().to_string(),
    };
    _ = writeln!(out, "# here, when it was found: {}", here.replace('\n', " "));
    out + &print(image, &PrintOptions::default())
}
