//! What tools are told of code: names, places and source lines of functions.

use crate::compiled::Compiled;
use skep_isa::Pc;
use skep_prog::{LineInfo, Prog};
use skep_vm::Machine;

/// A function of machine code.
#[derive(Clone, Debug)]
pub struct Symbol<'a> {
    /// `bpf_prog_` and the program's name, then, for functions that it calls, `_` and theirs; the part of the
    /// code that enters functions and calls the engine is `bpf_stubs_` and the program's name.
    pub name: String,
    /// The program's number.
    pub prog: usize,
    /// Where it lies in this process.
    pub address: u64,
    /// Its bytes.
    pub code: &'a [u8],
    /// Source lines by ascending position.
    pub lines: Vec<Line<'a>>,
}

/// Where the code of a source line begins.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Bytes from the start of the function.
    pub at: u32,
    /// The line.
    pub source: &'a LineInfo,
}

impl Compiled {
    /// The functions of the code, program by program; none if it is another machine's.
    #[must_use]
    pub fn symbols<'a, S>(&'a self, machine: &'a Machine<S>) -> Vec<Symbol<'a>> {
        if self.machine != machine.id() {
            return Vec::new();
        }
        let progs = (0..self.progs.len()).filter_map(|prog| Some((prog, machine.prog(prog)?)));
        progs.flat_map(|(number, prog)| self.symbols_of(number, prog)).collect()
    }

    fn symbols_of<'a>(&'a self, number: usize, prog: &'a Prog) -> Vec<Symbol<'a>> {
        let (Some(entered), Some(frames)) = (self.progs.get(number), self.frames_of(number)) else {
            return Vec::new();
        };
        let code = entered.code();
        let end_of_insns = code.at.last().copied().unwrap_or_default();
        let starts: Vec<Pc> = frames.keys().copied().collect();
        let mut symbols = Vec::new();
        let mut add = |name, (from, to): (u32, u32), pcs: (Pc, Pc)| {
            let bytes = code.bytes.get(from as usize..to as usize);
            let (Some(bytes), Some(address)) = (bytes, entered.address(from)) else { return };
            let within = prog.lines.iter().filter(|line| (pcs.0..pcs.1).contains(&line.pc));
            let lines = within.filter_map(|source| {
                Some(Line { at: code.position(source.pc)?.checked_sub(from)?, source })
            });
            symbols.push(Symbol {
                name,
                prog: number,
                address: address.as_ptr().expose_provenance() as u64,
                code: bytes,
                lines: lines.collect(),
            });
        };
        for (n, &start) in starts.iter().enumerate() {
            let next = starts.get(n + 1).copied();
            let from = code.position(start).unwrap_or(end_of_insns);
            let to = next.and_then(|next| code.position(next)).unwrap_or(end_of_insns);
            add(name_of(prog, start), (from, to), (start, next.unwrap_or(Pc(u32::MAX))));
        }
        let end = u32::try_from(code.bytes.len()).unwrap_or(end_of_insns);
        if end > end_of_insns + TRAP {
            add(format!("bpf_stubs_{}", plain(&prog.name)), (end_of_insns, end), (Pc(0), Pc(0)));
        }
        symbols
    }
}

/// Bytes of the trap that ends all code.
const TRAP: u32 = 4;

fn name_of(prog: &Prog, start: Pc) -> String {
    let name = plain(&prog.name);
    if start == Pc(0) {
        return format!("bpf_prog_{name}");
    }
    match prog.subprogs.iter().find(|sub| sub.start == start) {
        Some(sub) => format!("bpf_prog_{name}_{}", plain(&sub.name)),
        None => format!("bpf_prog_{name}_insn_{}", start.0),
    }
}

/// A name without what would end it in the files of tools.
fn plain(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_graphic() || c.is_alphanumeric() { c } else { '_' })
        .collect()
}
