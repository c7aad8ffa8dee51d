//! Spills and fills around calls that may keep registers (`bpf_fastcall`).
//!
//! A compiler that knows that a helper might keep r1 to r5 spills those it needs before the call and
//! fills them after it. A kernel whose helper keeps them removes the pairs, and the stack they took
//! does not count. Kernel: `mark_fastcall_patterns`.

use crate::verifier::Verifier;
use skep_isa::{Call, ImmSrc, Insn, Pc, Reg, Size, Src};

/// r0 to r5.
const CALLER_SAVED: u16 = 0x3f;

impl Verifier<'_> {
    /// Fills in [`crate::aux::Aux::fastcall_pattern`] and its like.
    pub(crate) fn mark_fastcall_patterns(&mut self) {
        if !self.insns.iter().flatten().any(|insn| matches!(insn, Insn::Call(_))) {
            return;
        }
        let targets = self.jump_targets();
        for at in 0..self.subprogs.len() {
            let (start, end) = (self.subprogs[at].start, self.subprogs[at].end);
            let spills = (start..end).filter_map(|pc| spill(self.insns[pc as usize]?));
            let lowest = spills.map(|(off, _)| off).min().unwrap_or(0).min(0);
            for pc in start..end {
                if let Some(Insn::Call(call)) = self.insns[pc as usize] {
                    self.mark_fastcall((at, pc), call, lowest, &targets);
                }
            }
        }
    }

    /// Kernel: `mark_fastcall_pattern_for_call`.
    fn mark_fastcall(
        &mut self,
        (subprog, pc): (usize, u32),
        call: Call,
        lowest: i16,
        targets: &[bool],
    ) {
        let Some(summary) = self.call_summary(call) else { return };
        // Registers that the call clobbers even if it keeps the others.
        let first = u16::from(summary.is_void);
        let clobbered = (0..=5_u16)
            .filter(|&reg| reg >= first && reg <= u16::from(summary.params))
            .fold(0, |mask, reg| mask | 1 << reg);
        if clobbered == CALLER_SAVED {
            return;
        }
        let mut expected = CALLER_SAVED & !clobbered;
        let mut off = lowest;
        let mut pairs: u8 = 0;
        for step in 1..=6_u32 {
            let (Some(before), after) = (pc.checked_sub(step), pc + step) else { break };
            if after as usize >= self.insns.len()
                || targets[before as usize + 1]
                || targets[after as usize]
            {
                break;
            }
            let spilled = self.insns[before as usize].and_then(spill);
            let filled = self.insns[after as usize].and_then(fill);
            let (Some(spilled), Some(filled)) = (spilled, filled) else { break };
            let bit = 1 << spilled.1.num();
            if spilled != filled || expected & bit == 0 || spilled.0 != off {
                break;
            }
            expected &= !bit;
            self.aux[before as usize].fastcall_pattern = true;
            self.aux[after as usize].fastcall_pattern = true;
            pairs += 1;
            off += 8;
        }
        if pairs == 0 {
            return;
        }
        if summary.fastcall {
            self.aux[pc as usize].fastcall_spills = pairs;
        } else {
            self.subprogs[subprog].keep_fastcall_stack = true;
        }
        let info = &mut self.subprogs[subprog];
        info.fastcall_stack_off = info.fastcall_stack_off.min(i32::from(off));
    }

    /// Pairs that are removed take no stack. Kernel: `remove_fastcall_spills_fills`.
    pub(crate) fn drop_fastcall_stack(&mut self) {
        for info in &mut self.subprogs {
            let own = &self.aux[info.start as usize..info.end as usize];
            if !info.keep_fastcall_stack && own.iter().any(|aux| aux.fastcall_spills > 0) {
                info.stack_depth = info.fastcall_stack_off.unsigned_abs();
            }
        }
    }

    /// Slots that jumps and calls lead to. Kernel: `mark_jump_target`.
    fn jump_targets(&self) -> Vec<bool> {
        let mut targets = vec![false; self.insns.len()];
        for (pc, insn) in (0..).zip(self.insns) {
            let Some(insn) = insn else { continue };
            let off = match *insn {
                Insn::Call(Call::Local(off)) | Insn::LoadImm { imm: ImmSrc::Func(off), .. } => {
                    Some(off)
                }
                insn => insn.jump_off(),
            };
            let to = off.and_then(|off| Pc(pc).jump(off));
            if let Some(target) = to.and_then(|to| targets.get_mut(to.index())) {
                *target = true;
            }
        }
        targets
    }
}

/// `*(u64 *)(r10 + off) = reg`
fn spill(insn: Insn) -> Option<(i16, Reg)> {
    match insn {
        Insn::Store { size: Size::Dw, base: Reg::FP, off, src: Src::Reg(reg) } => Some((off, reg)),
        _ => None,
    }
}

/// `reg = *(u64 *)(r10 + off)`
fn fill(insn: Insn) -> Option<(i16, Reg)> {
    match insn {
        Insn::Load { size: Size::Dw, dst, base: Reg::FP, off } => Some((off, dst)),
        _ => None,
    }
}
