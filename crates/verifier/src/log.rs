//! The way to a refusal, as the kernel's verifier logs it.
//!
//! The lines are those of `log_level` 1: the instructions of the refused way, each with what is known of
//! the registers and stack slots that it reads or writes, the source lines, the reason, and the figures.
//! Numbers that name values (`id=3`) count along this way alone; the kernel's count along all ways.

mod insn;
mod message;
mod read;
mod state;

pub use read::{LogError, LoggedRejection, read_log};

use crate::reject::Reject;
use crate::trace::Step;
use crate::verdict::{Rejection, Stats};
use insn::{kernel_insn, touched};
use skep_btf::{Btf, Kind};
use skep_isa::{Call, Insn};
use skep_prog::{Extern, Image, Prog};
use state::Names;
use std::fmt::Write;

/// Column at which the kernel begins what is known.
const COLUMN: usize = 40;

/// A call of a kernel function that the program names, with its number in the kernel's types.
fn kernel_function(prog: &Prog, insn: &Insn, kernel: Option<&Btf>) -> Option<String> {
    let Insn::Call(Call::Kfunc { id, module: Extern::MODULE }) = *insn else { return None };
    let name = &prog.externs.get(usize::try_from(id).ok()?)?.name;
    let number = kernel?.find(name, Kind::Func)?.id;
    Some(format!("(85) call {name}#{number}"))
}

/// The log of a refusal; `steps` come from [`trace`](crate::trace).
#[must_use]
pub fn kernel_log(
    image: &Image,
    prog: &Prog,
    kernel: Option<&Btf>,
    rejection: &Rejection,
    steps: &[Step],
) -> String {
    let names = Names { image, kernel };
    let mut log = Log { out: String::new(), line: None };
    for (at, step) in steps.iter().enumerate() {
        if at == 0 {
            log.out.push_str(&format!("{}:", step.pc));
            log.all(&names, step);
        }
        log.source(prog, step);
        let Some(insn) = prog.insns.get(step.pc) else { break };
        let text = match kernel_function(prog, insn, kernel) {
            Some(call) => format!("{}: {call}", step.pc),
            None => format!("{}: {}", step.pc, kernel_insn(insn)),
        };
        let Some(next) = steps.get(at + 1) else {
            let _ = writeln!(log.out, "{text}");
            break;
        };
        if next.popped {
            // The way that was followed first overwrote the end of the line.
            let _ = write!(log.out, "{text} {}:", next.pc);
            log.all(&names, next);
            continue;
        }
        if next.frame > step.frame {
            let _ = writeln!(log.out, "{text}\ncaller:");
            log.all(&names, step);
            log.out.push_str("callee:\n");
            log.all(&names, next);
            let _ = write!(log.out, "{}:", next.pc);
            log.all(&names, next);
            continue;
        }
        if next.frame < step.frame {
            let _ = writeln!(log.out, "{text}\nreturning from callee:");
            log.all(&names, step);
            let _ = writeln!(log.out, "to caller at {}:", next.pc);
            log.all(&names, next);
            log.out.push('\n');
            let _ = write!(log.out, "from {} to {}:", step.pc, next.pc);
            log.all(&names, next);
            continue;
        }
        let known = state::some(&names, next, touched(insn, step, next));
        if known.is_empty() {
            let _ = writeln!(log.out, "{text}");
        } else {
            let pad = COLUMN.saturating_sub(text.chars().count() + 2).max(1);
            let pad = if text.chars().count() + 2 < COLUMN { pad } else { 1 };
            let _ = writeln!(log.out, "{text}{:pad$};{known}", "");
        }
    }
    log.end(&rejection.reject, &rejection.stats);
    log.out
}

/// The last line of a log. Kernel: `print_verification_stats`.
#[must_use]
pub fn kernel_figures(stats: &Stats) -> String {
    format!(
        "processed {} insns (limit {}) max_states_per_insn {} total_states {} peak_states {} mark_read 0",
        stats.insns,
        crate::explore::MAX_INSNS,
        stats.max_states_per_insn,
        stats.total_states,
        stats.peak_states
    )
}

struct Log {
    out: String,
    /// The source line that was written last.
    line: Option<(std::sync::Arc<str>, u32)>,
}

impl Log {
    fn all(&mut self, names: &Names<'_>, step: &Step) {
        self.out.push_str(&state::all(names, step));
        self.out.push('\n');
    }

    /// The source line, where it is another one than before. Kernel: `verbose_linfo`.
    fn source(&mut self, prog: &Prog, step: &Step) {
        let Some(line) = prog.lines.iter().find(|line| line.pc == step.pc) else { return };
        let key = (line.file.clone(), line.line);
        if self.line.as_ref() == Some(&key) {
            return;
        }
        let file = line.file.rsplit('/').next().unwrap_or_default();
        let _ = writeln!(self.out, "; {} @ {file}:{}", line.text.trim(), line.line);
        self.line = Some(key);
    }

    fn end(&mut self, reject: &Reject, stats: &Stats) {
        if !reject.kernel.is_empty() {
            self.out.push_str(&reject.kernel);
            self.out.push('\n');
        }
        self.out.push_str(&kernel_figures(stats));
        self.out.push('\n');
    }
}
