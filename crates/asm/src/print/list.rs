//! A listing as llvm-objdump makes it.

use super::image::source_line;
use super::name::name;
use super::{Dialect, Operands, insn_text};
use skep_isa::{Call, Insn, Pc};
use skep_prog::{MapDef, Prog};
use std::borrow::Cow;

/// How to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListOptions {
    /// How instructions are written.
    pub dialect: Dialect,
    /// Source lines above their instructions.
    pub source: bool,
    /// The bytes of each instruction.
    pub bytes: bool,
}

/// The program line by line: slot, bytes, instruction with its jumps as offsets. What
/// [`parse`](crate::parse) reads back where the maps are declared.
#[must_use]
pub fn list(prog: &Prog, maps: &[MapDef], options: &ListOptions) -> String {
    let mut out = String::new();
    let mut lines = prog.lines.iter().peekable();
    let mut subprogs = prog.subprogs.iter().peekable();
    let operands = Operands { dialect: options.dialect, maps, labels: None };
    for (pc, insn) in prog.insns.iter() {
        while let Some(sub) = subprogs.next_if(|sub| sub.start <= pc) {
            let gap = if out.is_empty() { "" } else { "\n" };
            out += &format!("{gap}{:016x} <{}>:\n", sub.start.0 * 8, visible(&sub.name));
        }
        if options.source {
            while let Some(line) = lines.next_if(|line| line.pc <= pc) {
                out.extend(source_line(line).map(|line| line + "\n"));
            }
        }
        out += &format!("{pc:>8}:\t");
        if options.bytes {
            out += &bytes(&insn);
            out.push('\t');
        }
        out += &insn_text(&insn, &operands);
        out.extend(target(prog, pc, &insn).map(|target| format!(" <{target}>")));
        out.push('\n');
    }
    out
}

fn bytes(insn: &Insn) -> String {
    let (first, second) = insn.encode();
    let bytes = [Some(first), second].into_iter().flatten().flat_map(|raw| raw.to_le_bytes());
    bytes.map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// Where a jump or call leads: `main+0x18`.
fn target(prog: &Prog, pc: Pc, insn: &Insn) -> Option<String> {
    let off = match *insn {
        Insn::Call(Call::Local(off)) => off,
        _ => insn.jump_off()?,
    };
    let target = pc.jump(off)?;
    let sub = prog.subprog_at(target)?;
    let at = u64::from(target.0 - sub.start.0) * 8;
    // A name that would need quotes cannot have them here, and the offset says as much.
    let Cow::Borrowed(name) = name(&sub.name) else { return None };
    Some(if at == 0 { name.into() } else { format!("{name}+{at:#x}") })
}

/// A name without what would break the line.
fn visible(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
