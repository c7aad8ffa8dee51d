//! The unit of loading.

use crate::{CoreReloc, Extern, LineInfo};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use skep_abi::{AttachType, ProgType};
use skep_btf::TypeId;
use skep_isa::{Insns, Pc};

/// One program: an entry function and the subprograms it calls, in one list of slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prog {
    /// Name of the entry function.
    pub name: String,
    /// Section it stood in, as written (`xdp`, `tracepoint/syscalls/sys_enter_openat`); may be empty.
    pub section: String,
    /// What it is for.
    pub prog_type: ProgType,
    /// Where it expects to be attached, if its section says so.
    pub attach_type: Option<AttachType>,
    /// All slots, the entry function first.
    pub insns: Insns,
    /// Functions by ascending start; the first is the entry at slot 0 where names are known.
    pub subprogs: Vec<Subprog>,
    /// Source lines by ascending `pc`; copies of the program share them.
    pub lines: Arc<[LineInfo]>,
    /// Kernel functions and variables that instructions refer to by index.
    pub externs: Vec<Extern>,
    /// Instructions that depend on the kernel's types, by ascending `pc`.
    pub core_relocs: Vec<CoreReloc>,
}

/// A BPF function inside a program; it ends where the next one starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subprog {
    /// Its symbol.
    pub name: String,
    /// Its first slot.
    pub start: Pc,
    /// Its `FUNC` in the BTF of the image.
    pub type_id: Option<TypeId>,
}

impl Prog {
    /// A program without debug information.
    #[must_use]
    pub fn new(name: &str, prog_type: ProgType, insns: Insns) -> Self {
        Self {
            name: name.into(),
            section: String::new(),
            prog_type,
            attach_type: None,
            insns,
            subprogs: Vec::new(),
            lines: Arc::default(),
            externs: Vec::new(),
            core_relocs: Vec::new(),
        }
    }

    /// The function that holds `pc`, where names are known.
    #[must_use]
    pub fn subprog_at(&self, pc: Pc) -> Option<&Subprog> {
        let next = self.subprogs.partition_point(|sub| sub.start <= pc);
        self.subprogs.get(next.checked_sub(1)?)
    }

    /// The source line of `pc`: the last that begins at or before it in the same function.
    #[must_use]
    pub fn line_at(&self, pc: Pc) -> Option<&LineInfo> {
        let next = self.lines.partition_point(|line| line.pc <= pc);
        let line = self.lines.get(next.checked_sub(1)?)?;
        let start = self.subprog_at(pc).map_or(Pc(0), |sub| sub.start);
        (line.pc >= start).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_isa::Insn;

    #[test]
    fn a_line_holds_until_the_next_one_and_inside_its_function() {
        let mut prog = Prog::new("f", ProgType::Xdp, [Insn::Exit; 6].into_iter().collect());
        let line =
            |pc, line| LineInfo { pc: Pc(pc), file: "a.c".into(), text: "".into(), line, col: 1 };
        prog.lines = [line(1, 10), line(3, 11)].into();
        prog.subprogs = [("f", 0), ("g", 5)]
            .map(|(name, start)| Subprog { name: name.into(), start: Pc(start), type_id: None })
            .into();
        let at = |pc| prog.line_at(Pc(pc)).map(|line| line.line);
        assert_eq!(
            [0, 1, 2, 3, 4, 5].map(at),
            [None, Some(10), Some(10), Some(11), Some(11), None]
        );
        assert_eq!(prog.subprog_at(Pc(5)).unwrap().name, "g");
    }
}
