//! A program as a picture.

use skep_cbpf::{Format, Insn, Program, print};
use std::fmt::Write as _;

/// The program as a graph in the language DOT: a box for each run of instructions without jumps.
#[must_use]
pub fn dot(program: &Program) -> String {
    let insns = program.insns();
    let text = print(&program.encode(), Format::Text);
    let lines: Vec<&str> = text.lines().collect();
    let mut begins = vec![false; insns.len() + 1];
    begins[0] = true;
    for (pc, &insn) in insns.iter().enumerate() {
        let ways = ways(pc, insn);
        for &(way, _) in &ways {
            if let Some(begins) = begins.get_mut(way) {
                *begins |= ways.len() != 1 || way != pc + 1;
            }
        }
        if ways.len() != 1 || ways[0].0 != pc + 1 {
            begins[pc + 1] = true;
        }
    }
    let mut out = String::from("digraph filter {\n  node [shape=box, fontname=monospace];\n");
    let mut start = 0;
    while start < insns.len() {
        let len = begins[start + 1..].iter().position(|&begins| begins).unwrap_or(0);
        let end = start + len;
        // Jumps are drawn; what they compare is not.
        let label: Vec<String> = lines[start..=end]
            .iter()
            .map(|line| line.split(" jt ").next().unwrap_or(line).trim_end().replace('"', "'"))
            .collect();
        let _ = writeln!(out, "  n{start} [label=\"{}\\l\"];", label.join("\\l"));
        for (way, label) in ways(end, insns[end]) {
            let _ = writeln!(out, "  n{start} -> n{way}{label};");
        }
        start = end + 1;
    }
    out + "}\n"
}

/// Where an instruction leads.
fn ways(pc: usize, insn: Insn) -> Vec<(usize, &'static str)> {
    match insn {
        Insn::RetK { .. } | Insn::RetA => Vec::new(),
        Insn::Jump { k } => vec![(pc + 1 + k as usize, "")],
        Insn::JumpIf { jt, jf, .. } => vec![
            (pc + 1 + usize::from(jt), " [label=yes]"),
            (pc + 1 + usize::from(jf), " [label=no, style=dashed]"),
        ],
        _ => vec![(pc + 1, "")],
    }
}

#[cfg(test)]
mod tests {
    use crate::{Expr, Options};

    #[test]
    fn every_block_is_a_box() {
        let program = Expr::parse("ip and tcp").unwrap().compile(&Options::default()).unwrap();
        let text = super::dot(&program);
        assert_eq!(text.matches("[label=\"").count(), 4, "{text}");
        assert_eq!(text.matches(" -> ").count(), 4, "{text}");
        assert!(text.contains("(001) jeq      #0x800"), "{text}");
    }
}
