//! Which statement stands in which slot.
//!
//! Statements of assembly follow each other. Those of a listing have numbers, and a verifier log
//! shows them in the order of exploration, some several times; the numbers decide.

use crate::prog_text::ProgText;
use crate::report::Report;
use skep_diag::Diagnostic;

/// The order of a program's statements.
pub(crate) struct Layout {
    /// Statements by slot, repetitions left out.
    pub(crate) order: Vec<usize>,
    /// The slot of each statement, and at the end the slot behind the last.
    pub(crate) pcs: Vec<u32>,
}

/// Places the statements, complaining about slots that are missing or in dispute.
pub(crate) fn layout(prog: &ProgText<'_>, report: &mut Report) -> Layout {
    let mut slots = Vec::with_capacity(prog.stmts.len());
    let mut next = 0u32;
    for (stmt, at) in &prog.stmts {
        let slot = at.slot.unwrap_or(next);
        slots.push(slot);
        next = slot.saturating_add(stmt.insn.slots());
    }
    let mut sorted: Vec<usize> = (0..slots.len()).collect();
    sorted.sort_by_key(|&n| slots[n]);

    let base = sorted.first().map_or(0, |&n| slots[n]);
    let mut pcs = vec![0; slots.len() + 1];
    let mut order: Vec<usize> = Vec::with_capacity(slots.len());
    let mut next = base;
    for n in sorted {
        let last = order.last().copied();
        if let Some(last) = last.filter(|&last| slots[last] == slots[n]) {
            if prog.stmts[last].0 != prog.stmts[n].0 {
                report.push(dispute(prog, slots[n], last, n));
            }
        } else {
            if slots[n] != next {
                report.push(gap(prog, next, slots[n], n));
            }
            next = slots[n].saturating_add(prog.stmts[n].0.insn.slots());
            order.push(n);
        }
        pcs[n] = slots[n] - base;
    }
    pcs[slots.len()] = next - base;
    Layout { order, pcs }
}

fn dispute(prog: &ProgText<'_>, slot: u32, first: usize, second: usize) -> Diagnostic {
    Diagnostic::error("asm.listing", format!("the listing has two instructions {slot}"))
        .label(prog.stmts[second].1.span, "")
        .context(prog.stmts[first].1.span, "the other")
}

fn gap(prog: &ProgText<'_>, next: u32, slot: u32, n: usize) -> Diagnostic {
    let title = if slot < next {
        format!("instruction {slot} begins inside the one before")
    } else if slot - next == 1 {
        format!("the listing lacks instruction {next}")
    } else {
        format!("the listing lacks instructions {next} to {}", slot - 1)
    };
    Diagnostic::error("asm.listing", title).label(prog.stmts[n].1.span, format!("number {slot}"))
}
