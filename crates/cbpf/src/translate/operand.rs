//! What is in `A` and `X`, and what for.
//!
//! A number from the packet is in the order of the network. Where nothing is done with it but bitwise operations and comparisons with
//! constants for equality, the constants are turned round when the program is made, and not the number when it
//! runs.

use super::length::next;
use crate::insn::{AluOp, Ancillary, CondOp, Insn, Reg, Size, Src};
use alloc::vec;
use alloc::vec::Vec;

/// Attempts to have bytes as they are loaded on some ways, before all are turned round.
const ROUNDS: usize = 8;

/// What `A` is used for from an instruction on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    Nothing,
    /// Bits by themselves: their places do not matter.
    Bits,
    Number,
}

/// For each instruction of a classic program, what is known where it begins.
#[derive(Debug, Default)]
pub(super) struct Operands {
    used: Vec<Use>,
    /// The size of the number that is in `A` in the order of the network, if one is.
    order: Vec<Option<Size>>,
    x_used: Vec<bool>,
    /// Whether `X` is the length of an IPv4 header, or 0.
    x_is_header: Vec<bool>,
}

/// What an instruction takes `A` for.
fn takes(insn: Insn) -> Use {
    match insn {
        Insn::Alu { op: AluOp::And | AluOp::Or | AluOp::Xor, src: Src::K(_) }
        | Insn::JumpIf { op: CondOp::Eq | CondOp::Set, src: Src::K(_), .. } => Use::Bits,
        Insn::Alu { .. }
        | Insn::Neg
        | Insn::JumpIf { .. }
        | Insn::Store { reg: Reg::A, .. }
        | Insn::Tax
        | Insn::RetA
        | Insn::LoadAnc { anc: Ancillary::AluXorX, .. } => Use::Number,
        _ => Use::Nothing,
    }
}

/// Whether what was in `A` is there no more afterwards.
const fn sets_a(insn: Insn) -> bool {
    matches!(
        insn,
        Insn::LoadAbs { .. }
            | Insn::LoadInd { .. }
            | Insn::LoadAnc { .. }
            | Insn::LoadLen { reg: Reg::A }
            | Insn::LoadImm { reg: Reg::A, .. }
            | Insn::LoadMem { reg: Reg::A, .. }
            | Insn::Txa
    )
}

const fn takes_x(insn: Insn) -> bool {
    matches!(
        insn,
        Insn::LoadInd { .. }
            | Insn::Alu { src: Src::X, .. }
            | Insn::JumpIf { src: Src::X, .. }
            | Insn::Store { reg: Reg::X, .. }
            | Insn::Txa
            | Insn::LoadAnc { anc: Ancillary::AluXorX, .. }
    )
}

const fn sets_x(insn: Insn) -> bool {
    matches!(
        insn,
        Insn::Tax
            | Insn::LoadMsh { .. }
            | Insn::LoadLen { reg: Reg::X }
            | Insn::LoadImm { reg: Reg::X, .. }
            | Insn::LoadMem { reg: Reg::X, .. }
    )
}

impl Operands {
    /// `is_lookup` says at which positions a table is asked for `A`; `turns` that all numbers are turned round.
    pub(super) fn of(insns: &[Insn], is_lookup: impl Fn(usize) -> bool, turns: bool) -> Self {
        let len = insns.len();
        let mut this = Self {
            used: vec![Use::Nothing; len],
            order: vec![None; len],
            x_used: vec![false; len],
            x_is_header: vec![true; len],
        };
        this.find_x(insns);
        let mut numbers = vec![turns; len];
        for _ in 0..ROUNDS {
            this.find_uses(insns, &is_lookup, &numbers);
            if this.find_orders(insns, &mut numbers) {
                return this;
            }
        }
        this.find_uses(insns, &is_lookup, &vec![true; len]);
        this.order.fill(None);
        this
    }

    fn find_x(&mut self, insns: &[Insn]) {
        for (pc, &insn) in insns.iter().enumerate().rev() {
            let mut behind = next(pc, insn).into_iter().flatten();
            let is_used = behind.any(|to| self.x_is_used(to));
            if let Some(here) = self.x_used.get_mut(pc) {
                *here = takes_x(insn) || is_used && !sets_x(insn);
            }
        }
        for (pc, &insn) in insns.iter().enumerate() {
            let is_header = match insn {
                Insn::LoadMsh { .. } => true,
                insn => !sets_x(insn) && self.x_is_header(pc),
            };
            for to in next(pc, insn).into_iter().flatten() {
                if let Some(there) = self.x_is_header.get_mut(to) {
                    *there &= is_header;
                }
            }
        }
    }

    fn find_uses(&mut self, insns: &[Insn], is_lookup: impl Fn(usize) -> bool, numbers: &[bool]) {
        for (pc, &insn) in insns.iter().enumerate().rev() {
            let behind = next(pc, insn).into_iter().flatten();
            let later = behind.filter_map(|to| self.used.get(to)).max().copied();
            let later = later.filter(|_| !sets_a(insn)).unwrap_or(Use::Nothing);
            let now = if is_lookup(pc) { Use::Number } else { takes(insn) };
            let is_number = numbers.get(pc) == Some(&true);
            if let Some(here) = self.used.get_mut(pc) {
                *here = now.max(later);
                if is_number && *here == Use::Bits {
                    *here = Use::Number;
                }
            }
        }
    }

    /// Whether ways that meet agree on the order. Where they do not, there have to be `numbers`.
    fn find_orders(&mut self, insns: &[Insn], numbers: &mut [bool]) -> bool {
        let mut orders: Vec<Option<Option<Size>>> = vec![None; insns.len()];
        if let Some(first) = orders.first_mut() {
            *first = Some(None);
        }
        let mut agree = true;
        for (pc, &insn) in insns.iter().enumerate() {
            let Some(order) = orders.get(pc).copied().flatten() else { continue };
            let order = match insn {
                Insn::LoadAbs { size, .. } | Insn::LoadInd { size, .. } => {
                    Some(size).filter(|_| !self.turns(pc) && size != Size::B)
                }
                insn if sets_a(insn) => None,
                _ => order,
            };
            for to in next(pc, insn).into_iter().flatten() {
                let Some(there) = orders.get_mut(to) else { continue };
                if there.is_some_and(|there| there != order) && self.a_is_used(to) {
                    agree = false;
                    if let Some(number) = numbers.get_mut(to) {
                        *number = true;
                    }
                }
                *there = Some(order);
            }
        }
        self.order = orders.into_iter().map(Option::flatten).collect();
        agree
    }

    /// Whether the number that the instruction loads has to be turned round.
    pub(super) fn turns(&self, pc: usize) -> bool {
        self.used.get(pc.saturating_add(1)) == Some(&Use::Number)
    }

    /// A constant for a bitwise operation on `A`, or to compare `A` with, in the order that `A` has there.
    pub(super) fn constant(&self, pc: usize, k: u32) -> u32 {
        match self.order.get(pc).copied().flatten() {
            None | Some(Size::B) => k,
            Some(Size::W) => k.swap_bytes(),
            // The upper half, which is 0 in what is loaded, stays where it is.
            Some(Size::H) => k & 0xffff_0000 | (k & 0xffff).swap_bytes() >> 16,
        }
    }

    pub(super) fn a_is_used(&self, pc: usize) -> bool {
        self.used.get(pc).is_some_and(|&used| used != Use::Nothing)
    }

    pub(super) fn x_is_used(&self, pc: usize) -> bool {
        self.x_used.get(pc) == Some(&true)
    }

    /// Whether `X` is at most 60.
    pub(super) fn x_is_header(&self, pc: usize) -> bool {
        self.x_is_header.get(pc) == Some(&true)
    }
}
