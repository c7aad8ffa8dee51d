//! A program for machines.

use crate::value::hex;
use serde_json::{Value, json};
use skep_asm::{Dialect, print_insn};
use skep_prog::{Image, Prog};

/// The program with its instructions as bytes and text.
pub(super) fn prog(prog: &Prog, image: &Image, dialect: Dialect) -> Value {
    let insns = prog.insns.iter().map(|(pc, insn)| {
        let (first, second) = insn.encode();
        let bytes: Vec<u8> =
            [Some(first), second].into_iter().flatten().flat_map(|raw| raw.to_le_bytes()).collect();
        let mut line = json!({
            "pc": pc.0,
            "bytes": hex(&bytes),
            "text": print_insn(&insn, dialect, &image.maps),
        });
        if let Some(source) = prog.line_at(pc) {
            line["file"] = json!(*source.file);
            line["line"] = json!(source.line);
            line["col"] = json!(source.col);
        }
        line
    });
    let subprogs = prog.subprogs.iter().map(|sub| json!({"name": sub.name, "pc": sub.start.0}));
    json!({
        "type": "prog",
        "name": prog.name,
        "section": prog.section,
        "prog_type": prog.prog_type.name(),
        "attach_type": prog.attach_type.map(|attach| attach.name()),
        "subprogs": subprogs.collect::<Value>(),
        "insns": insns.collect::<Value>(),
    })
}
