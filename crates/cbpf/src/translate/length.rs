//! How long packets are known to be, and have to be.
//!
//! A load beyond the packet rejects it, and nothing can be seen of a packet that is rejected. So a load may compare more than its
//! own end with the length: as much as all ways from there to an acceptance read. What follows is not compared again.

use crate::check::target;
use crate::insn::Insn;
use alloc::vec;
use alloc::vec::Vec;

/// Lengths of packets at each instruction of a classic program, in bytes.
#[derive(Debug, Default)]
pub(super) struct Lengths {
    /// The least length of packets that come there, as far as loads before have established it.
    known: Vec<u32>,
    /// The least length of packets that are accepted from there on; more than any packet's where none are.
    least: Vec<u32>,
    /// What it is no use to ask for: no packet is that long.
    beyond: u32,
}

/// Where an instruction leads.
pub(super) fn next(pc: usize, insn: Insn) -> [Option<usize>; 2] {
    match insn {
        Insn::Jump { k } => [Some(target(pc, k)), None],
        Insn::JumpIf { jt, jf, .. } => [Some(target(pc, jt.into())), Some(target(pc, jf.into()))],
        Insn::RetK { .. } | Insn::RetA => [None, None],
        _ => [Some(target(pc, 0)), None],
    }
}

impl Lengths {
    /// Of packets that are `from` bytes long and more; `end` is where what an instruction loads ends, if it is compared with the
    /// length, and `beyond` or more if no packet is as long.
    pub(super) fn of(
        insns: &[Insn],
        from: u32,
        beyond: u32,
        end: impl Fn(Insn) -> Option<u32>,
    ) -> Self {
        // Jumps lead forward.
        let mut least = vec![0; insns.len()];
        for (pc, &insn) in insns.iter().enumerate().rev() {
            let behind = next(pc, insn).into_iter().flatten();
            let accepted = behind.filter_map(|to| least.get(to)).min().copied();
            let accepted = match insn {
                Insn::RetK { k: 0 } => u32::MAX,
                _ => accepted.unwrap_or(0),
            };
            if let Some(here) = least.get_mut(pc) {
                *here = accepted.max(end(insn).unwrap_or(0));
            }
        }
        let mut this = Self { known: vec![u32::MAX; insns.len()], least, beyond };
        if let Some(first) = this.known.first_mut() {
            *first = from;
        }
        for (pc, &insn) in insns.iter().enumerate() {
            let asked = end(insn).and_then(|end| this.asked(pc, end)).unwrap_or(0);
            let there = this.known.get(pc).copied().unwrap_or(0).max(asked);
            for to in next(pc, insn).into_iter().flatten() {
                if let Some(known) = this.known.get_mut(to) {
                    *known = there.min(*known);
                }
            }
        }
        this
    }

    /// With what the length is to be compared before the instruction loads what ends at `end`; nothing if it is known to be
    /// there.
    pub(super) fn asked(&self, pc: usize, end: u32) -> Option<u32> {
        if self.known.get(pc).is_some_and(|&known| known >= end) {
            return None;
        }
        let least = self.least.get(pc).copied().filter(|&least| least < self.beyond);
        Some(end.max(least.unwrap_or(0)))
    }
}

/// How many of the instructions that count are on the way with most of them.
pub(super) fn most_on_a_way(insns: &[Insn], counts: impl Fn(usize, Insn) -> bool) -> u32 {
    let mut most = vec![0u32; insns.len()];
    for (pc, &insn) in insns.iter().enumerate().rev() {
        let behind = next(pc, insn).into_iter().flatten();
        let behind = behind.filter_map(|to| most.get(to)).max().copied().unwrap_or(0);
        if let Some(here) = most.get_mut(pc) {
            *here = behind.saturating_add(u32::from(counts(pc, insn)));
        }
    }
    most.first().copied().unwrap_or(0)
}
