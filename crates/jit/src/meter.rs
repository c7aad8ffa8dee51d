//! What the account of instructions counts at once: blocks, of which all instructions run or none, and blocks with those that
//! surely follow them.

use crate::shape::{SHORT_LOOP, Shape, Target};
use crate::surroundings::{Access, Surroundings};
use alloc::vec::Vec;
use core::cmp::Reverse;
use skep_isa::{Insn, Insns, Pc};

/// A block: so many instructions, from a slot on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) insns: i32,
    /// It ends with a jump back, where its instructions are counted: each turn of a loop passes there.
    pub(crate) jumps_back: bool,
    /// The conditional jump ahead that it ends with.
    fork: Option<Pc>,
}

/// Blocks that are counted later at once, at most.
const MOST_WAITING: usize = 32;
/// So many jumps lead to where control rarely goes by any of them: where a program gives up.
const GIVES_UP: u8 = 3;

impl Block {
    /// The block that starts at a slot.
    pub(crate) fn at(insns: &Insns, is_target: &[Target], start: Pc) -> Self {
        let (mut pc, mut count) = (start, 0i32);
        while let Some(insn) = insns.get(pc) {
            count = count.saturating_add(1);
            if ends_block(insn) {
                let is_fork = matches!(insn, Insn::JumpIf { off: 1.., .. });
                return match over(insns, is_target, pc) {
                    Some(off) => {
                        Self { insns: count.saturating_add(1), jumps_back: off < 0, fork: None }
                    }
                    None => {
                        let fork = is_fork.then_some(pc);
                        Self { insns: count, jumps_back: jumps_back(insn), fork }
                    }
                };
            }
            pc = Pc(pc.0 + insn.slots());
            if is_target.get(pc.index()).is_some_and(|&target| target != Target::No) {
                break;
            }
        }
        Self { insns: count, jumps_back: false, fork: None }
    }
}

/// What the meter knows while code is made, whose labels are `L`.
#[derive(Debug)]
pub(crate) struct Meter<L> {
    /// Whether the next slot starts a block, whatever leads to it.
    starts: bool,
    /// Instructions of the block at hand that are counted at its end.
    open: i32,
    /// Those of blocks before that are counted with the next.
    carried: i32,
    /// The same with the blocks that start at slots further on.
    waiting: Vec<(Pc, i32)>,
    /// The jump back of a loop that has been counted before it, with all turns.
    pub(crate) paid: Option<Pc>,
    /// The last jump back of the short loop whose head came last.
    loop_end: Pc,
    /// Jumps ahead that count on their way.
    pub(crate) ways: Vec<Way<L>>,
    /// Where what is left is in the environment all the time, and neither it nor the environment's address in a register:
    /// the word of the host's stack that has the address.
    pub(crate) in_memory: Option<u32>,
    /// Where more is asked for: out of the way, and where that returns to.
    pub(crate) asks: Vec<(L, L, Pc)>,
}

/// A jump ahead that counts, behind the program, what came before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way<L> {
    pub(crate) from: Pc,
    pub(crate) to: Pc,
    pub(crate) insns: i32,
    /// Where it leads, once there is code for it.
    pub(crate) label: Option<L>,
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
        Self {
            starts: true,
            open: 0,
            carried: 0,
            waiting: Vec::new(),
            paid: None,
            loop_end: Pc(0),
            ways: Vec::new(),
            in_memory: None,
            asks: Vec::new(),
        }
    }

    /// What is to be counted before an instruction: at the start of blocks and at jumps back. `leaves` says whether an
    /// instruction may leave the code for somebody who looks at the account.
    pub(crate) fn charge(
        &mut self,
        insns: &Insns,
        shape: &Shape,
        (pc, insn): (Pc, &Insn),
        leaves: impl Fn(Pc, &Insn) -> bool,
    ) -> Option<Charge> {
        let is_target = &shape.is_target;
        let target = is_target.get(pc.index()).copied().unwrap_or_default();
        let starts_function = target == Target::Function || pc == Pc(0);
        let mut charge = None;
        if target == Target::Loop {
            self.loop_end = last_back(insns, pc);
        }
        if target != Target::No || core::mem::take(&mut self.starts) {
            let block = Block::at(insns, is_target, pc);
            let all = block.insns.saturating_add(self.arrive(pc));
            if block.jumps_back {
                self.open = all;
            } else if starts_function || !self.wait(insns, shape, (pc, block, all), leaves) {
                charge = Some(Charge { insns: all, asks: starts_function });
            }
        }
        self.starts = ends_block(insn);
        if jumps_back(insn) || over(insns, is_target, pc).is_some_and(|off| off < 0) {
            let is_paid = self.paid.take_if(|paid| *paid == pc).is_some();
            charge = (!is_paid).then_some(Charge { insns: self.open, asks: true });
        }
        charge
    }

    /// What blocks before have left to be counted with the one that starts here.
    fn arrive(&mut self, pc: Pc) -> i32 {
        let waiting = self.waiting.iter().rposition(|(to, _)| *to == pc);
        let waiting = waiting.map_or(0, |at| self.waiting.swap_remove(at).1);
        waiting.saturating_add(core::mem::take(&mut self.carried))
    }

    /// Whether a block is counted with what follows: either way with a block of its own if control comes there from it alone,
    /// or both with the block where they meet behind a few instructions that one of them skips; or what is straight ahead
    /// with what follows there, and the jump on its way, if that leaves a loop or gives up.
    fn wait(
        &mut self,
        insns: &Insns,
        shape: &Shape,
        (start, block, all): (Pc, Block, i32),
        leaves: impl Fn(Pc, &Insn) -> bool,
    ) -> bool {
        let Some((fork, to)) = block.fork.and_then(|fork| Some((fork, jump(insns, fork)?))) else {
            return false;
        };
        let next = Pc(fork.0 + 1);
        let target = |pc: Pc| shape.is_target.get(pc.index()).copied().unwrap_or_default();
        let sources = shape.sources.get(to.index()).copied().unwrap_or_default();
        let is_alone = target(to) == Target::Jump && sources == 1;
        let is_rare = sources >= GIVES_UP || (fork <= self.loop_end && to > self.loop_end);
        if !(is_alone || is_rare) || target(next) != Target::No {
            return false;
        }
        let between = |from: Pc, to: Pc| {
            (from.0..to.0).filter_map(|slot| Some((Pc(slot), insns.get(Pc(slot))?)))
        };
        if between(start, next).any(|(pc, insn)| leaves(pc, insn)) {
            return false;
        }
        // What ends a block comes first, so that many jumps over each other take no longer.
        let is_straight = || {
            between(next, to).all(|(pc, insn)| {
                target(pc) == Target::No && !ends_block(insn) && !leaves(pc, insn)
            })
        };
        // There is nothing where the second slot of an instruction is.
        let meets = insns.get(Pc(to.0 - 1)).is_none_or(Insn::falls_through);
        let has_room = self.waiting.len() < MOST_WAITING;
        if is_alone && has_room && (!meets || is_straight()) {
            self.carried = if meets { 0 } else { all };
            self.waiting.push((to, all));
            return true;
        }
        if is_rare {
            self.carried = all;
            self.ways.push(Way { from: fork, to, insns: all, label: None });
        }
        is_rare
    }
}

impl<L: Copy> Meter<L> {
    /// The way of a jump that counts on it: a label that `label` makes.
    pub(crate) fn way(&mut self, from: Pc, label: impl FnOnce() -> L) -> Option<L> {
        let way = self.ways.last_mut().filter(|way| way.from == from)?;
        Some(*way.label.get_or_insert_with(label))
    }

    /// Jumps that count on their ways, those to one place together, and first those that count most: what is behind each counts
    /// for it as well.
    pub(crate) fn take_ways(&mut self) -> Vec<Way<L>> {
        let mut ways = core::mem::take(&mut self.ways);
        ways.sort_unstable_by_key(|way| (way.to, Reverse(way.insns)));
        ways
    }
}

/// Whether an access may leave the code for somebody who looks at the account: one that is checked, or is no plain one.
pub(crate) fn may_leave<O: Surroundings + ?Sized>(
    outside: &O,
    is_checked: bool,
    pc: Pc,
    insn: &Insn,
) -> bool {
    let is_plain = || matches!(outside.access(pc), Access::Plain | Access::Pointer { .. });
    insn.is_access() && (is_checked || !is_plain())
}

/// The last jump back to the head of a short loop.
fn last_back(insns: &Insns, head: Pc) -> Pc {
    let slots = (head.0..=head.0.saturating_add(SHORT_LOOP)).rev().map(Pc);
    let leads_back = |pc: &Pc| insns.get(*pc).is_some_and(|_| jump(insns, *pc) == Some(head));
    slots.into_iter().find(leads_back).unwrap_or(head)
}

/// Where a conditional jump leads.
fn jump(insns: &Insns, pc: Pc) -> Option<Pc> {
    pc.jump(insns.get(pc)?.jump_off()?)
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
    use alloc::vec;

    #[test]
    fn blocks_end_where_control_may_go_elsewhere() {
        let text = "r0 = 1 ll\nl:\nr0 += 1\nif r0 > 7 goto e\nr0 += 1\ngoto l\ne:\ncall 5\nexit";
        let insns = skep_asm::assemble(text).unwrap();
        let mut is_target = [Target::No; 9];
        (is_target[2], is_target[6]) = (Target::Loop, Target::Jump);
        let block = |at| Block::at(&insns, &is_target, Pc(at));
        assert_eq!(block(0), Block { insns: 1, jumps_back: false, fork: None });
        assert_eq!(block(2), Block { insns: 2, jumps_back: false, fork: Some(Pc(3)) });
        assert_eq!(block(4), Block { insns: 2, jumps_back: true, fork: None });
        assert_eq!(block(6), Block { insns: 1, jumps_back: false, fork: None });
        assert_eq!(block(7), Block { insns: 1, jumps_back: false, fork: None });
        // A condition that leads over a jump back: both are counted.
        let text = "r0 = 1\nl:\nr0 += 1\nif r0 == 7 goto e\ngoto l\ne:\nexit";
        let insns = skep_asm::assemble(text).unwrap();
        let mut is_target = [Target::No; 5];
        (is_target[1], is_target[4]) = (Target::Loop, Target::Jump);
        assert_eq!(over(&insns, &is_target, Pc(2)), Some(-3));
        let block = |is_target: &[Target]| Block::at(&insns, is_target, Pc(1));
        assert_eq!(block(&is_target), Block { insns: 3, jumps_back: true, fork: None });
        is_target[3] = Target::Jump;
        assert_eq!(block(&is_target), Block { insns: 2, jumps_back: false, fork: Some(Pc(2)) });
    }

    /// Slots, and what is counted there.
    type Counts = Vec<(u32, i32)>;

    /// What is counted before each slot.
    fn charges(text: &str, leaves: bool) -> Counts {
        charges_and_ways(text, leaves).0
    }

    /// The same, and what jumps count on their ways.
    fn charges_and_ways(text: &str, leaves: bool) -> (Counts, Counts) {
        let insns = skep_asm::assemble(text).unwrap();
        let mut shape = Shape::default();
        shape.is_target = vec![Target::No; insns.len()];
        shape.sources = vec![0; insns.len()];
        let all = || (0..).map(Pc).take(insns.len()).filter_map(|pc| Some((pc, insns.get(pc)?)));
        for to in all().filter_map(|(pc, insn)| pc.jump(insn.jump_off()?)) {
            shape.is_target[to.index()] = Target::Jump;
            shape.sources[to.index()] += 1;
        }
        for (pc, insn) in all().filter(|(_, insn)| jumps_back(insn)) {
            shape.is_target[pc.jump(insn.jump_off().unwrap()).unwrap().index()] = Target::Loop;
        }
        let mut meter = Meter::<()>::new();
        let charge = |at| meter.charge(&insns, &shape, at, |_, insn| leaves && insn.is_access());
        let charged: Vec<_> = all().map(charge).collect();
        assert_eq!((&meter.waiting[..], meter.carried), (&[][..], 0));
        let slots = all().map(|(pc, _)| pc.0);
        let charges = slots.zip(charged).filter_map(|(slot, charge)| Some((slot, charge?.insns)));
        (charges.collect(), meter.take_ways().iter().map(|way| (way.from.0, way.insns)).collect())
    }

    #[test]
    fn blocks_are_counted_with_those_that_surely_follow() {
        // The function's start looks at the account. Either way is counted where it leads to.
        let tree = "r0 = 0\nif r1 > 1 goto a\nif r1 > 2 goto b\nr0 = 1\nexit\n\
                    b:\nr0 = 2\nr0 += 3\nexit\na:\nr0 = 3\nexit";
        assert_eq!(charges(tree, false), [(0, 2), (3, 3), (5, 4), (8, 2)]);
        // What is skipped is counted by itself, the rest where both ways meet.
        let skips = "r0 = 0\ncall 5\nr0 += 1\nif r1 > 1 goto a\nr0 = 1 ll\na:\nr0 += 1\n\
                     if r1 > 2 goto b\nr0 = 2\nb:\nexit";
        assert_eq!(charges(skips, false), [(0, 2), (4, 1), (8, 1), (9, 5)]);
        // What may look at the account finds what came before it counted, if its own block is counted at the start.
        let loads = "call 5\nif r1 > 1 goto a\nr0 = *(u8 *)(r10 - 1)\na:\nr0 += 1\n\
                     if r1 > 2 goto b\nr0 += 2\nb:\nexit";
        assert_eq!(charges(loads, true), [(0, 1), (1, 1), (2, 1), (5, 1), (6, 3)]);
        assert_eq!(charges(loads, false), [(0, 1), (2, 1), (5, 1), (6, 4)]);
        // Another leads there as well.
        let shared = "call 5\nif r1 > 1 goto a\nif r1 > 2 goto a\nr0 = 2\na:\nexit";
        assert_eq!(charges(shared, false), [(0, 1), (1, 1), (2, 1), (3, 1), (4, 1)]);
    }

    #[test]
    fn jumps_that_give_up_or_leave_a_loop_count_on_their_ways() {
        let gives_up = "r0 = 0\nif r1 > 1 goto e\nr2 = 1\nif r1 > 2 goto e\nif r1 > 3 goto e\n\
                        call 5\ne:\nexit";
        // The function's start looks at the account.
        let charged = vec![(0, 2), (5, 4), (6, 1)];
        assert_eq!(charges_and_ways(gives_up, false), (charged, vec![(4, 3), (3, 2)]));
        // One turn of the loop is counted at its end.
        let leaves_loop = "call 5\nl:\nr0 += 1\nif r1 > r0 goto a\nr2 += 1\nif r2 != 0 goto l\n\
                           r3 = 1\na:\nexit";
        let turn = vec![(0, 1), (4, 4), (5, 1), (6, 1)];
        assert_eq!(charges_and_ways(leaves_loop, false), (turn, vec![(2, 2)]));
    }
}
