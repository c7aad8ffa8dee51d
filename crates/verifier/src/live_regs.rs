//! Registers that may be read before they are written again, by instruction.
//!
//! A textbook data-flow analysis: once up from the end, or over the postorder where jumps go back. States are compared only in live registers.
//! Kernel: `compute_live_registers`.

use crate::aux::Aux;
use crate::verifier::Verifier;
use skep_isa::{AluOp, AtomicOp, Insn, Reg, Src};

const fn bit(reg: Reg) -> u16 {
    1 << reg.num()
}

fn src_bit(src: Src) -> u16 {
    match src {
        Src::Reg(reg) => bit(reg),
        Src::Imm(_) => 0,
    }
}

/// r0 to r5.
const CALLER_SAVED: u16 = 0x3f;

/// What an instruction writes and reads.
#[inline(always)]
fn def_use(insn: &Insn, params: Option<u8>) -> (u16, u16) {
    match *insn {
        Insn::LoadImm { dst, .. } => (bit(dst), 0),
        Insn::LoadAbs { .. } | Insn::LoadInd { .. } => (0, 0xffff),
        Insn::Load { dst, base, .. } | Insn::LoadSx { dst, base, .. } => (bit(dst), bit(base)),
        Insn::LoadAcquire { dst, base, .. } => (bit(dst), bit(base)),
        Insn::Store { base, src, .. } => (0, bit(base) | src_bit(src)),
        Insn::StoreRelease { base, src, .. } => (0, bit(base) | bit(src)),
        Insn::Atomic { op: AtomicOp::CmpXchg, base, src, .. } => {
            (bit(Reg::R0), bit(Reg::R0) | bit(base) | bit(src))
        }
        Insn::Atomic { op, base, src, .. } => {
            (if op.fetches() { bit(src) } else { 0 }, bit(base) | bit(src))
        }
        Insn::Swap { dst, .. } | Insn::Neg { dst, .. } => (bit(dst), bit(dst)),
        Insn::Alu { op: AluOp::Mov, dst, src, .. } => (bit(dst), src_bit(src)),
        Insn::MovSx { dst, src, .. } | Insn::AddrSpaceCast { dst, src, .. } => (bit(dst), bit(src)),
        Insn::Alu { dst, src, .. } => (bit(dst), bit(dst) | src_bit(src)),
        Insn::JumpIf { dst, src, .. } => (0, bit(dst) | src_bit(src)),
        Insn::JumpReg { dst } => (0, bit(dst)),
        Insn::Jump { .. }
        | Insn::JumpLong { .. }
        | Insn::MayGoto { .. }
        | Insn::Static { .. }
        | Insn::StaticLong { .. } => (0, 0),
        Insn::Exit => (0, bit(Reg::R0)),
        Insn::Call(_) => {
            let used = params.map_or(CALLER_SAVED & !1, |count| ((1_u16 << count) - 1) << 1);
            (CALLER_SAVED, used)
        }
    }
}

impl Verifier<'_> {
    /// Fills in [`crate::aux::Aux::live_regs`], and finds whether the stack is named.
    pub(crate) fn compute_live_regs(&mut self) {
        let mut aux = std::mem::take(&mut self.aux);
        let mut named = 0;
        if self.goes_back {
            self.compute_postorder();
            let effects = |insn: &Option<Insn>| insn.map_or((0, 0), |insn| self.effects(&insn));
            let known: Vec<_> = self.insns.iter().map(effects).collect();
            named = known.iter().fold(0, |all, (def, used)| all | def | used);
            let mut changed = true;
            while changed {
                changed = false;
                for &pc in &self.postorder {
                    let before = self.live_before(pc, known[pc as usize], &aux);
                    changed |= before != aux[pc as usize].live_regs;
                    aux[pc as usize].live_regs = before;
                }
            }
        } else {
            // Up from the end, what follows an instruction is known when it is its turn: each is looked at once.
            let mut below = 0;
            for pc in (0..self.insns.len()).rev() {
                let Some(insn) = &self.insns[pc] else { continue };
                let (after, (def, used)) = match *insn {
                    // Most are such.
                    Insn::Load { dst, base, .. } => (below, (bit(dst), bit(base))),
                    Insn::Alu { .. } | Insn::Store { .. } => (below, def_use(insn, None)),
                    _ => {
                        let next = if insn.falls_through() { below } else { 0 };
                        let jump = insn.jump_off().and_then(|off| usize::try_from(off).ok());
                        let jump = jump.map_or(0, |off| aux[pc + 1 + off].live_regs);
                        (next | jump, self.effects(insn))
                    }
                };
                named |= def | used;
                below = (after & !def) | used;
                aux[pc].live_regs = below;
            }
        }
        self.names_stack = named & bit(Reg::FP) != 0;
        self.aux = aux;
    }

    /// What is live before the instruction at a slot, from what it writes and reads and what follows it.
    fn live_before(&self, pc: u32, (def, used): (u16, u16), aux: &[Aux]) -> u16 {
        let out = self.successors(pc).fold(0, |out, next| out | aux[next as usize].live_regs);
        (out & !def) | used
    }

    /// What an instruction writes and reads.
    #[inline]
    fn effects(&self, insn: &Insn) -> (u16, u16) {
        match insn {
            Insn::Call(_) => def_use(insn, self.call_params(insn)),
            _ => def_use(insn, None),
        }
    }
}
