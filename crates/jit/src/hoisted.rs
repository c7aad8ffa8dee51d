//! Loops of one block whose accesses are checked before them.
//!
//! ```text
//! before:  for each access: the address, checked as ever; else one turn goes the slow way
//!          turns = the fewest that keep each access inside, and that instructions are left for, less one
//!          left -= instructions of all those turns
//!          what leads to the host, where there are registers for all sums that accesses go to
//! head:    the body, with no check; out if the condition says so (`counted.rs`, where a register tells the turns)
//!          goes back to the head while turns are left, then to before
//! out:     left += instructions of the turns that there were not
//! after:   what comes next, checks before another loop among it
//! slow:    the body, each access checked; goes back to before while the condition says so, then to after
//! ```
//!
//! Accesses to the same sum of registers must lie in the same part of memory, as one register leads all of them to the
//! host; else the slow way.
//!
//! Every turn goes one way or the other as a whole, so that a fault is where it would be without. The slow way notes where
//! accesses go, and the next turn is quick.

use crate::checks::is_own_stack;
use crate::counted::{Counted, block};
use crate::env::CHECKS;
use crate::meter::over;
use crate::shape::{Shape, Target};
use crate::stride::{Strided, strided};
use crate::surroundings::Surroundings;
use alloc::vec::Vec;
use skep_isa::{Insn, Insns, Pc, Reg, Src};

/// Instructions of a turn at most: there is code for each twice.
const MAX_INSNS: i32 = 96;
/// Turns at once where instructions are not counted.
pub(crate) const MOST: u64 = 1 << 16;

/// Such a loop; labels are `L`.
#[derive(Clone, Debug)]
pub(crate) struct Hoisted<L> {
    pub(crate) head: Pc,
    /// The conditional jump.
    pub(crate) end: Pc,
    /// How far the jump goes that the conditional one leads over, if it does.
    pub(crate) over: Option<i32>,
    /// Instructions of a turn.
    pub(crate) insns: i32,
    pub(crate) accesses: Vec<Strided>,
    /// Number of the first access's check.
    pub(crate) first: usize,
    pub(crate) before: L,
    pub(crate) slow: L,
    /// Behind the loop, before anything that belongs to what comes next.
    pub(crate) after: L,
    /// What tells the turns, if anything does but a count of them.
    pub(crate) told: Option<Counted>,
}

impl<L: Copy> Hoisted<L> {
    /// The loop that starts at a slot, where `first` accesses have checks already. `is_simple` says of instructions whether
    /// they leave the registers alone that such a loop has; `label` makes labels.
    pub(crate) fn at<O: Surroundings + ?Sized>(
        (insns, shape): (&Insns, &Shape),
        outside: &O,
        head: Pc,
        first: usize,
        is_simple: impl Fn(&Insn) -> bool,
        mut label: impl FnMut() -> L,
    ) -> Option<Self> {
        let style = outside.style();
        let is_head = shape.is_target.get(head.index()) == Some(&Target::Loop);
        if !is_head || shape.sources.get(head.index()) != Some(&1) || style.blinding.is_some() {
            return None;
        }
        let (end, count) = block(insns, shape, head, MAX_INSNS)?;
        let &Insn::JumpIf { off, .. } = insns.get(end)? else { return None };
        let over = over(insns, &shape.is_target, end);
        let to = over.map_or(end.jump(off.into()), |off| Pc(end.0 + 1).jump(off));
        if to != Some(head) {
            return None;
        }
        let mut body = Vec::new();
        let mut pc = head;
        while pc < end {
            let insn = *insns.get(pc)?;
            body.push((pc, insn));
            pc = Pc(pc.0 + insn.slots());
        }
        let names_frame = |insn: &Insn| matches!(insn, Insn::Store { src: Src::Reg(Reg::FP), .. });
        let is_simple = |insn: &Insn| {
            let is_ordered = matches!(
                insn,
                Insn::Atomic { .. } | Insn::LoadAcquire { .. } | Insn::StoreRelease { .. }
            );
            is_simple(insn)
                && !is_ordered
                && !names_frame(insn)
                && (!is_of_frame(insn) || is_own_stack(insn))
        };
        let accesses = strided(&body, is_own_stack)?;
        let is_worth_it = style.metered || !accesses.is_empty();
        let fits = first + accesses.len() < CHECKS / 2 && is_worth_it;
        if !fits || !body.iter().all(|(_, insn)| is_simple(insn)) {
            return None;
        }
        let insns_of_turn = count + i32::from(over.is_some());
        let [before, slow, after] = core::array::from_fn(|_| label());
        let told = Counted::at((insns, shape), outside, head, is_simple);
        let insns = insns_of_turn;
        Some(Self { head, end, over, insns, accesses, first, before, slow, after, told })
    }

    /// The number of the check of an access.
    pub(crate) fn number(&self, pc: Pc) -> Option<usize> {
        self.accesses.iter().position(|access| access.pc == pc).map(|at| self.first + at)
    }

    /// The check of the first access that goes to a sum of the same registers.
    pub(crate) fn leader(&self, access: &Strided) -> Option<usize> {
        let at = self.accesses.iter().position(|first| first.regs == access.regs);
        at.map(|at| self.first + at)
    }

    /// Numbers of the checks of which each is the first of its sum of registers.
    pub(crate) fn leaders(&self) -> impl Iterator<Item = usize> {
        let numbered = self.accesses.iter().zip(self.first..);
        numbered.filter(|&(access, n)| self.leader(access) == Some(n)).map(|(_, n)| n)
    }

    /// Whether what leads to the host stays in registers, of which there are so many.
    pub(crate) fn keeps_hosts(&self, most: usize) -> bool {
        self.leaders().nth(most).is_none()
    }

    /// Which of those registers an access goes by.
    pub(crate) fn host(&self, pc: Pc, most: usize) -> Option<usize> {
        let access = self.accesses.iter().find(|access| access.pc == pc)?;
        let leader = self.leader(access)?;
        self.leaders().position(|n| n == leader).filter(|_| self.keeps_hosts(most))
    }

    /// Slots of the jump that ends the loop.
    pub(crate) const fn slots_of_end(&self) -> u32 {
        if self.over.is_some() { 2 } else { 1 }
    }
}

/// Whether it is an access by r10. Those beyond the own stack are the environment's, which keeps no register of a loop.
const fn is_of_frame(insn: &Insn) -> bool {
    matches!(
        insn,
        Insn::Load { base: Reg::FP, .. }
            | Insn::LoadSx { base: Reg::FP, .. }
            | Insn::Store { base: Reg::FP, .. }
    )
}
