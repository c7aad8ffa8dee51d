//! What the compiler is told of a machine for code that checks.

use crate::compiled::CodeOptions;
use crate::outside::{Bridged, probe};
use skep_isa::{AluOp, Call, ImmSrc, Insn, Insns, Pc, Reg, Src};
use skep_jit::{Access, Callee, Probe, Style, Surroundings};
use skep_vm::{CodePlace, Machine};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// `bpf_tail_call`.
const TAIL_CALL: Call = Call::Helper(12);

/// The surroundings of one program.
pub(super) struct Outside<'a, S> {
    machine: &'a Machine<S>,
    prog: usize,
    style: Style,
    bridged: RefCell<&'a mut Vec<Bridged>>,
    /// Sizes that calls get as r2.
    sizes: BTreeMap<Pc, u32>,
}

impl<'a, S> Outside<'a, S> {
    pub(super) fn new(
        machine: &'a Machine<S>,
        prog: usize,
        options: CodeOptions,
        bridged: &'a mut Vec<Bridged>,
    ) -> Self {
        let sizes = machine.prog(prog).map(|prog| sizes(&prog.insns)).unwrap_or_default();
        Self { machine, prog, style: options.style(), bridged: RefCell::new(bridged), sizes }
    }
}

/// What calls surely get as r2: a number set in the same block, and untouched since.
fn sizes(insns: &Insns) -> BTreeMap<Pc, u32> {
    let mut sizes = BTreeMap::new();
    if !insns.iter().any(|(_, insn)| matches!(insn, Insn::Call(_))) {
        return sizes;
    }
    let targets = skep_prog::targets(insns);
    let mut size = None;
    for (pc, insn) in insns.iter() {
        if targets.contains(&pc) {
            size = None;
        }
        match insn {
            Insn::Alu { op: AluOp::Mov, dst: Reg::R2, src: Src::Imm(imm), .. } => {
                size = u32::try_from(imm).ok();
            }
            Insn::Call(_) => {
                if let Some(size) = size.take() {
                    sizes.insert(pc, size);
                }
            }
            insn if insn.writes() == Some(Reg::R2) || !insn.falls_through() => size = None,
            _ => {}
        }
    }
    sizes
}

impl<S> Surroundings for Outside<'_, S> {
    fn imm(&self, pc: Pc, _: ImmSrc) -> Result<u64, &'static str> {
        let at = CodePlace { prog: self.prog, pc };
        self.machine.constant_in_region(at).ok_or("a constant that has no address here")
    }

    fn call(&self, pc: Pc, call: Call) -> Result<Callee, &'static str> {
        let at = CodePlace { prog: self.prog, pc };
        let (helper, name) = self.machine.helper_at(at).ok_or("a call that is not there")?;
        let is_turn = name.starts_with("bpf_iter_") && name.ends_with("_next");
        let mut bridged = self.bridged.borrow_mut();
        let bytes = probe(call, self.sizes.get(&pc).copied());
        bridged.push(Bridged { at, helper, is_turn, is_probe: bytes.is_some() });
        let id = u32::try_from(bridged.len() - 1).map_err(|_| "too many calls")?;
        if call == TAIL_CALL {
            return Ok(Callee::TailCall { id, array: None });
        }
        // The code numbers its checks itself.
        let probe = bytes.map(|bytes| Callee::Probe(Probe { id, bytes, check: 0 }));
        Ok(probe.unwrap_or(Callee::Bridge(id)))
    }

    fn access(&self, _: Pc) -> Access {
        Access::Plain
    }

    fn arena(&self, pc: Pc) -> Result<u64, &'static str> {
        let at = CodePlace { prog: self.prog, pc };
        self.machine.arena_at(at).ok_or("a cast in a program without an arena")
    }

    fn number(&self) -> u32 {
        u32::try_from(self.prog).unwrap_or(u32::MAX)
    }

    fn style(&self) -> Style {
        self.style
    }

    fn checks(&self) -> bool {
        true
    }

    fn zeroes_stack(&self) -> bool {
        true
    }
}
