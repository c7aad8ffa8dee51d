//! A program as a picture.

use skep_cbpf::{Format, Insn, Program, print};
use std::fmt::Write as _;

/// Instructions without jumps between them, and where they lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Position of the first.
    pub start: usize,
    /// The instructions, as tcpdump prints them, without the targets of jumps.
    pub lines: Vec<String>,
    /// Starts of runs that it leads to, with `yes` and `no` where there are two.
    pub ways: Vec<(usize, &'static str)>,
}

/// The program in runs of instructions without jumps.
#[must_use]
pub fn runs(program: &Program) -> Vec<Run> {
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
    let mut runs = Vec::new();
    let mut start = 0;
    while start < insns.len() {
        let len = begins[start + 1..].iter().position(|&begins| begins).unwrap_or(0);
        let end = start + len;
        // Jumps are drawn; what they compare is not.
        let lines = lines[start..=end]
            .iter()
            .map(|line| line.split(" jt ").next().unwrap_or(line).trim_end().replace('"', "'"))
            .collect();
        runs.push(Run { start, lines, ways: ways(end, insns[end]) });
        start = end + 1;
    }
    runs
}

/// The program as a graph in the language DOT: a box for each run of instructions without jumps.
#[must_use]
pub fn dot(program: &Program) -> String {
    let mut out = String::from("digraph filter {\n  node [shape=box, fontname=monospace];\n");
    for Run { start, lines, ways } in runs(program) {
        let _ = writeln!(out, "  n{start} [label=\"{}\\l\"];", lines.join("\\l"));
        for (way, label) in ways {
            let style = match label {
                "no" => " [label=no, style=dashed]",
                "yes" => " [label=yes]",
                _ => "",
            };
            let _ = writeln!(out, "  n{start} -> n{way}{style};");
        }
    }
    out + "}\n"
}

/// Where an instruction leads.
fn ways(pc: usize, insn: Insn) -> Vec<(usize, &'static str)> {
    match insn {
        Insn::RetK { .. } | Insn::RetA => Vec::new(),
        Insn::Jump { k } => vec![(pc + 1 + k as usize, "")],
        Insn::JumpIf { jt, jf, .. } => {
            vec![(pc + 1 + usize::from(jt), "yes"), (pc + 1 + usize::from(jf), "no")]
        }
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
