//! What the account of instructions counts at once: blocks, of which all instructions run or none.

use crate::shape::Target;
use alloc::vec::Vec;
use skep_isa::{Insn, Insns, Pc};

/// A block: so many instructions, from a slot on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) insns: i32,
    /// It ends with a jump back, where its instructions are counted: each turn of a loop passes there.
    pub(crate) jumps_back: bool,
}

impl Block {
    /// The block that starts at a slot.
    pub(crate) fn at(insns: &Insns, is_target: &[Target], start: Pc) -> Self {
        let (mut pc, mut count) = (start, 0i32);
        while let Some(insn) = insns.get(pc) {
            count = count.saturating_add(1);
            if ends_block(insn) {
                return match over(insns, is_target, pc) {
                    Some(off) => Self { insns: count.saturating_add(1), jumps_back: off < 0 },
                    None => Self { insns: count, jumps_back: jumps_back(insn) },
                };
            }
            pc = Pc(pc.0 + insn.slots());
            if is_target.get(pc.index()).is_some_and(|&target| target != Target::No) {
                break;
            }
        }
        Self { insns: count, jumps_back: false }
    }
}

/// What the meter knows while code is made, whose labels are `L`.
#[derive(Debug)]
pub(crate) struct Meter<L> {
    /// Whether the next slot starts a block, whatever leads to it.
    starts: bool,
    /// Instructions of the block at hand that are counted at its end.
    open: i32,
    /// Where what is left is in the environment all the time, and neither it nor the environment's address in a register:
    /// the word of the host's stack that has the address.
    pub(crate) in_memory: Option<u32>,
    /// Where more is asked for: out of the way, and where that returns to.
    pub(crate) asks: Vec<(L, L, Pc)>,
}

/// So many instructions to be taken off the account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charge {
    pub(crate) insns: i32,
    /// Whether to look if any are left.
    pub(crate) asks: bool,
}

impl<L> Meter<L> {
    pub(crate) const fn new() -> Self {
        Self { starts: true, open: 0, in_memory: None, asks: Vec::new() }
    }

    /// What is to be counted before an instruction: at the start of blocks and at jumps back.
    pub(crate) fn charge(
        &mut self,
        insns: &Insns,
        is_target: &[Target],
        pc: Pc,
        insn: &Insn,
    ) -> Option<Charge> {
        let target = is_target.get(pc.index()).copied().unwrap_or_default();
        let starts_function = target == Target::Function || pc == Pc(0);
        let mut charge = None;
        if target != Target::No || core::mem::take(&mut self.starts) {
            let block = Block::at(insns, is_target, pc);
            if block.jumps_back {
                self.open = block.insns;
            } else {
                charge = Some(Charge { insns: block.insns, asks: starts_function });
            }
        }
        self.starts = ends_block(insn);
        if jumps_back(insn) || over(insns, is_target, pc).is_some_and(|off| off < 0) {
            charge = Some(Charge { insns: self.open, asks: true });
        }
        charge
    }
}

/// How far a jump goes that a conditional jump leads over. Both are one jump, and both are counted where the
/// condition is not yet known; where the second is left out, it is given back.
pub(crate) fn over(insns: &Insns, is_target: &[Target], pc: Pc) -> Option<i32> {
    let Some(Insn::JumpIf { off: 1, .. }) = insns.get(pc) else { return None };
    let next = Pc(pc.0 + 1);
    let is_alone = is_target.get(next.index()) == Some(&Target::No);
    match insns.get(next).filter(|_| is_alone)? {
        Insn::Jump { off } => Some((*off).into()),
        Insn::JumpLong { off } => Some(*off),
        _ => None,
    }
}

/// Whether what follows an instruction may be left out: it jumps, leaves the function, or calls something that may
/// end or replace the program, or ask for the account.
pub(crate) fn ends_block(insn: &Insn) -> bool {
    !insn.falls_through()
        || insn.jump_off().is_some()
        || matches!(
            insn,
            Insn::JumpIf { .. }
                | Insn::MayGoto { .. }
                | Insn::Call(_)
                | Insn::LoadAbs { .. }
                | Insn::LoadInd { .. }
        )
}

/// Whether control may go back from an instruction.
pub(crate) fn jumps_back(insn: &Insn) -> bool {
    !matches!(insn, Insn::Call(_)) && insn.jump_off().is_some_and(|off| off < 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_end_where_control_may_go_elsewhere() {
        let text = "r0 = 1 ll\nl:\nr0 += 1\nif r0 > 7 goto e\nr0 += 1\ngoto l\ne:\ncall 5\nexit";
        let insns = skep_asm::assemble(text).unwrap();
        let mut is_target = [Target::No; 9];
        (is_target[2], is_target[6]) = (Target::Loop, Target::Jump);
        let block = |at| Block::at(&insns, &is_target, Pc(at));
        assert_eq!(block(0), Block { insns: 1, jumps_back: false });
        assert_eq!(block(2), Block { insns: 2, jumps_back: false });
        assert_eq!(block(4), Block { insns: 2, jumps_back: true });
        assert_eq!(block(6), Block { insns: 1, jumps_back: false });
        assert_eq!(block(7), Block { insns: 1, jumps_back: false });
        // A condition that leads over a jump back: both are counted.
        let text = "r0 = 1\nl:\nr0 += 1\nif r0 == 7 goto e\ngoto l\ne:\nexit";
        let insns = skep_asm::assemble(text).unwrap();
        let mut is_target = [Target::No; 5];
        (is_target[1], is_target[4]) = (Target::Loop, Target::Jump);
        assert_eq!(over(&insns, &is_target, Pc(2)), Some(-3));
        assert_eq!(Block::at(&insns, &is_target, Pc(1)), Block { insns: 3, jumps_back: true });
        is_target[3] = Target::Jump;
        assert_eq!(Block::at(&insns, &is_target, Pc(1)), Block { insns: 2, jumps_back: false });
    }
}
