//! A program: a function, and behind it every function it needs.
//!
//! The order is libbpf's: a function stands behind the first call of it that is met when calls are
//! followed as soon as they are found. `bpf_object__reloc_code` of libbpf.

use crate::ObjError;
use crate::budget::Budget;
use crate::externs::Externs;
use crate::func::{Func, Funcs, NoInsn};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::mem::size_of;
use skep_isa::{Call, ImmSrc, Insn, Insns, Pc};
use skep_prog::{CoreReloc, Extern, LineInfo, Subprog};

/// The parts of a `Prog` that linking makes.
#[derive(Default)]
pub(crate) struct Linked {
    pub(crate) insns: Insns,
    pub(crate) subprogs: Vec<Subprog>,
    pub(crate) lines: Vec<LineInfo>,
    pub(crate) externs: Vec<Extern>,
    /// By ascending position.
    pub(crate) core_relocs: Vec<CoreReloc>,
    /// Number of each function that was placed, in their order.
    pub(crate) funcs: Vec<usize>,
}

/// Most slots a program may have, as in the kernel (`BPF_COMPLEXITY_LIMIT_INSNS`).
const MAX_SLOTS: usize = 1_000_000;

/// Makes the program that begins with function `root`. The function `last` stands in it even if nothing
/// calls it.
pub(crate) fn link(
    root: usize,
    last: Option<usize>,
    funcs: &Funcs<'_>,
    externs: &Externs<'_>,
    budget: &mut Budget,
) -> Result<Linked, ObjError> {
    let mut linked = Linked::default();
    let mut starts = BTreeMap::new();
    let mut path = Vec::new();
    let (mut next, mut last) = (Some(root), last);
    // Ends: each function is placed once, and each of its calls is followed once.
    loop {
        if let Some(index) = next.filter(|index| !starts.contains_key(index)) {
            let func = funcs.list.get(index).expect("bug: calls lead to functions");
            starts.insert(index, linked.place(index, func, budget)?);
            path.push(func.calls.iter());
        }
        next = match path.last_mut() {
            Some(calls) => calls.next().map(|&(_, callee)| callee),
            None if last.is_none() => break,
            None => last.take(),
        };
        if next.is_none() {
            path.pop();
        }
    }
    linked.core_relocs.sort_by_key(|core| core.pc);
    linked.fix_calls(funcs, &starts);
    linked.name_externs(funcs, &starts, externs, budget)?;
    Ok(linked)
}

impl Linked {
    /// Appends a function and says where.
    fn place(
        &mut self,
        index: usize,
        func: &Func<'_>,
        budget: &mut Budget,
    ) -> Result<Pc, ObjError> {
        budget.spend(cost(func))?;
        let slots = self.insns.len().saturating_add(func.insns.len());
        if slots > MAX_SLOTS {
            return Err(ObjError::TooLong { func: func.name.into(), slots, limit: MAX_SLOTS });
        }
        let start = Pc(u32::try_from(self.insns.len()).unwrap_or(u32::MAX));
        self.insns.extend(func.insns.iter().map(|(_, insn)| insn));
        self.subprogs.push(Subprog { name: func.name.into(), start, type_id: func.type_id });
        self.lines.extend(
            func.lines.iter().map(|line| LineInfo { pc: shift(start, line.pc), ..line.clone() }),
        );
        let core = func.core.iter().map(|core| CoreReloc { pc: shift(start, core.pc), ..*core });
        self.core_relocs.extend(core);
        self.funcs.push(index);
        Ok(start)
    }

    /// Makes the calls of each function lead to where the callee came to stand.
    fn fix_calls(&mut self, funcs: &Funcs<'_>, starts: &BTreeMap<usize, Pc>) {
        for (index, start) in starts {
            let func = funcs.list.get(*index).expect("bug: placed above");
            for (at, callee) in &func.calls {
                let pc = shift(*start, *at);
                let target = starts.get(callee).expect("bug: callees are placed");
                // Within ±MAX_SLOTS.
                let off = i64::from(target.0).saturating_sub(i64::from(pc.0)).saturating_sub(1);
                let off = i32::try_from(off).expect("bug: programs are shorter than 2^31 slots");
                let insn = self.insns.get_mut(pc).expect("bug: calls are instructions");
                *insn = match *insn {
                    Insn::LoadImm { dst, .. } => Insn::LoadImm { dst, imm: ImmSrc::Func(off) },
                    _ => Insn::Call(Call::Local(off)),
                };
            }
        }
    }
}

impl Linked {
    /// The first slot that is no instruction.
    pub(crate) fn undecoded(&self, funcs: &Funcs<'_>) -> Option<NoInsn> {
        self.funcs.iter().zip(&self.subprogs).find_map(|(&index, placed)| {
            let broken = funcs.list.get(index)?.undecoded?;
            Some(NoInsn { pc: shift(placed.start, broken.pc), ..broken })
        })
    }

    /// Collects the externs that the functions use and makes instructions refer to those.
    fn name_externs(
        &mut self,
        funcs: &Funcs<'_>,
        starts: &BTreeMap<usize, Pc>,
        externs: &Externs<'_>,
        budget: &mut Budget,
    ) -> Result<(), ObjError> {
        let mut known = BTreeMap::new();
        for (&index, func) in
            self.funcs.iter().filter_map(|index| Some((index, funcs.list.get(*index)?)))
        {
            let start = *starts.get(&index).expect("bug: placed above");
            for &(at, ksym) in &func.ksyms {
                let id = match known.get(&ksym) {
                    Some(&id) => id,
                    None => {
                        let ext = &externs.ksyms.get(ksym).expect("bug: made by relocate").ext;
                        budget.spend(size_of::<Extern>().saturating_add(ext.name.len()))?;
                        let id = i32::try_from(self.externs.len()).unwrap_or(i32::MAX);
                        self.externs.push(ext.clone());
                        known.insert(ksym, id);
                        id
                    }
                };
                let insn = self.insns.get_mut(shift(start, at));
                let insn = insn.expect("bug: relocated instructions are placed");
                *insn = match *insn {
                    Insn::LoadImm { dst, .. } => {
                        Insn::LoadImm { dst, imm: ImmSrc::BtfId { id, fd: Extern::FD } }
                    }
                    _ => Insn::Call(Call::Kfunc { id, module: Extern::MODULE }),
                };
            }
        }
        Ok(())
    }
}

/// Memory that a copy of the function takes.
fn cost(func: &Func<'_>) -> usize {
    let insns = func.insns.len().saturating_mul(size_of::<Option<Insn>>());
    let lines = func.lines.len().saturating_mul(size_of::<LineInfo>());
    let name = func.name.len().saturating_add(size_of::<Subprog>());
    let core = func.core.len().saturating_mul(size_of::<CoreReloc>());
    insns.saturating_add(lines).saturating_add(name).saturating_add(core)
}

fn shift(start: Pc, pc: Pc) -> Pc {
    Pc(start.0.saturating_add(pc.0))
}
