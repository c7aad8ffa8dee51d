//! Accesses that one check serves: those of a block through a register that does not change between them.
//!
//! The first access of such a group is checked for all the bytes that the group touches. Where they lie in one part of
//! memory, none of the others can fault, and they go without a check. Where they do not, control goes to a second copy
//! of the instructions up to where no group is open, in which each access is checked for itself, so that a fault is
//! where it would be without.

use crate::checks::Checks;
use crate::code::Checked;
use crate::env::CHECKS;
use crate::shape::{Shape, Target};
use alloc::vec::Vec;
use skep_isa::{Insn, Insns, Pc, Reg};

/// Slots that are looked at for accesses of one group.
const MOST: u32 = 96;

/// Accesses of one kind, loads or stores, through one register.
#[derive(Clone, Debug)]
struct Group {
    /// The bytes they touch, from the register on.
    low: i32,
    high: i32,
    members: Vec<Pc>,
}

/// Instructions that have such groups, one reaching into the next.
#[derive(Clone, Debug)]
pub(crate) struct Cluster<L> {
    pub(crate) start: Pc,
    /// The last access of a group.
    pub(crate) last: Pc,
    /// The checked accesses, and the offset from which on each is checked.
    accesses: Vec<(Checked, i32)>,
    /// First accesses of groups, and where they are in the second copy.
    slow: Vec<(Pc, L)>,
    /// Those that go without a check, and the first of their group.
    free: Vec<(Pc, Pc)>,
    /// Number of the first access's check.
    first: usize,
    /// Behind the last access.
    pub(crate) back: L,
}

/// How an access of a cluster is done.
pub(crate) enum Way<L> {
    /// By the check of this number, which has been made.
    Free(usize),
    /// By the check of this number, made from this offset on; where it does not hold, control goes to the label, if there
    /// is one.
    Checked(usize, i32, Option<L>),
    /// The same for the access alone, as control may have come to the label, if there is one, in the second copy.
    Again(usize, i32, Option<L>),
}

impl<L: Copy> Cluster<L> {
    fn number(&self, pc: Pc) -> Option<usize> {
        let at = self.accesses.iter().position(|(access, _)| access.pc == pc);
        at.map(|at| self.first + at)
    }

    /// Where a first access is in the second copy.
    fn slow_label(&self, pc: Pc) -> Option<L> {
        self.slow.iter().find(|(of, _)| *of == pc).map(|&(_, label)| label)
    }

    fn is_in(&self, pc: Pc) -> bool {
        self.start <= pc && pc <= self.last
    }
}

/// Bytes that an access touches, if it is one that can be checked.
const fn access(insn: &Insn) -> Option<(Reg, bool, i32, i32)> {
    let (size, base, off, is_store) = match *insn {
        Insn::Load { size, base, off, .. } | Insn::LoadSx { size, base, off, .. } => {
            (size, base, off, false)
        }
        Insn::Store { size, base, off, .. } => (size, base, off, true),
        _ => return None,
    };
    Some((base, is_store, off as i32, off as i32 + size.bytes() as i32))
}

impl<L: Copy> Checks<L> {
    /// How an access is done that is one of a cluster; `label` makes labels.
    pub(crate) fn way(
        &mut self,
        program: (&Insns, &Shape),
        pc: Pc,
        label: impl FnMut() -> L,
    ) -> Option<Way<L>> {
        if let Some(slow) = self.slow_cluster.as_ref().filter(|slow| slow.is_in(pc)) {
            let &(_, low) = slow.accesses.iter().find(|(access, _)| access.pc == pc)?;
            return Some(Way::Again(slow.number(pc)?, low, slow.slow_label(pc)));
        }
        if self.slow.is_some() || self.quick.is_some() {
            return None;
        }
        if !self.cluster.as_ref().is_some_and(|cluster| cluster.is_in(pc)) {
            let cluster = cluster_at(program, pc, self.pcs.len(), label)?;
            self.pcs.extend(cluster.accesses.iter().map(|&(access, _)| access));
            self.cluster = Some(cluster);
        }
        let cluster = self.cluster.as_ref()?;
        if let Some(&(_, first)) = cluster.free.iter().find(|(free, _)| *free == pc) {
            return cluster.number(first).map(Way::Free);
        }
        let &(_, low) = cluster.accesses.iter().find(|(access, _)| access.pc == pc)?;
        Some(Way::Checked(cluster.number(pc)?, low, cluster.slow_label(pc)))
    }

    /// After an access: what is behind the cluster whose last it was.
    pub(crate) fn end_cluster(&mut self, pc: Pc) -> Option<L> {
        if self.slow_cluster.is_some() {
            return None;
        }
        let cluster = self.cluster.take_if(|cluster| cluster.last == pc)?;
        let back = cluster.back;
        self.clusters.push(cluster);
        Some(back)
    }
}

/// The groups of a block from an access on, in the order of their first accesses.
fn groups_from((insns, shape): (&Insns, &Shape), pc: Pc) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    // By register, those of loads and of stores that may get more.
    let mut open = [[None::<usize>; 2]; 11];
    let mut at = pc;
    while at.0 - pc.0 < MOST {
        let Some(insn) = insns.get(at) else { break };
        let is_call = matches!(insn, Insn::Call(_) | Insn::LoadAbs { .. } | Insn::LoadInd { .. });
        if crate::meter::ends_block(insn) || is_call {
            break;
        }
        if let Some((base, is_store, low, high)) = access(insn)
            && base != Reg::FP
        {
            let known = &mut open[usize::from(base.num())][usize::from(is_store)];
            if let Some(group) = known.and_then(|n| groups.get_mut(n)) {
                group.low = group.low.min(low);
                group.high = group.high.max(high);
                group.members.push(at);
            } else {
                *known = Some(groups.len());
                groups.push(Group { low, high, members: [at].into() });
            }
        }
        if let Some(reg) = insn.writes() {
            open[usize::from(reg.num())] = [None; 2];
        }
        at = Pc(at.0 + insn.slots());
        if shape.is_target.get(at.index()) != Some(&Target::No) {
            break;
        }
    }
    groups
}

/// The cluster that starts with an access, if it is the first of several of a group; `first` checks are there already.
fn cluster_at<L: Copy>(
    program: (&Insns, &Shape),
    pc: Pc,
    first: usize,
    mut label: impl FnMut() -> L,
) -> Option<Cluster<L>> {
    let mut groups = groups_from(program, pc);
    let mut last = *groups.first()?.members.get(1..)?.last()?;
    for group in &groups {
        if let (Some(&from), Some(&to)) = (group.members.first(), group.members.last())
            && from < last
        {
            last = last.max(to);
        }
    }
    groups.retain(|group| group.members.first().is_some_and(|&from| from < last || from == pc));
    let (mut accesses, mut slow, mut free) = (Vec::new(), Vec::new(), Vec::new());
    for group in &groups {
        for (n, &at) in group.members.iter().enumerate() {
            let (_, _, low, high) = access(program.0.get(at)?)?;
            let (low, high) = if n == 0 { (group.low, group.high) } else { (low, high) };
            accesses.push((Checked { pc: at, bytes: low.abs_diff(high) }, low));
            if n > 0 {
                free.push((at, group.members[0]));
            }
        }
        if group.members.len() > 1 {
            slow.push((group.members[0], label()));
        }
    }
    accesses.sort_by_key(|(access, _)| access.pc);
    // Checks that are shared are for accesses of one size.
    let fits = first + accesses.len() < CHECKS / 2;
    let back = label();
    fits.then_some(Cluster { start: pc, last, accesses, slow, free, first, back })
}
