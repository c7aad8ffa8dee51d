//! What numbers a register may hold: between which two it is, on every way to an instruction.

use super::{AluOp, Insn, Reg, Size, Src, Vec, target, vec};
use crate::check::MEM_CELLS;

/// Numbers from `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) low: u32,
    pub(super) high: u32,
}

/// What the registers and the scratch memory may hold.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    pub(super) a: Range,
    pub(super) x: Range,
    mem: [Range; MEM_CELLS as usize],
}

/// The bounds at each instruction, none at those that are not reached.
///
/// Jumps lead forward only, so one pass in order sees all ways to an instruction before the instruction.
pub(super) fn at_each(insns: &[Insn]) -> Vec<Option<Bounds>> {
    let mut all = vec![None; insns.len()];
    let nothing = Range::only(0);
    join(&mut all, 0, &Bounds { a: nothing, x: nothing, mem: [Range::ANY; MEM_CELLS as usize] });
    for (pc, &insn) in insns.iter().enumerate() {
        let Some(mut bounds) = all.get(pc).cloned().flatten() else { continue };
        bounds.step(insn);
        match insn {
            Insn::RetA | Insn::RetK { .. } => {}
            Insn::Jump { k } => join(&mut all, target(pc, k), &bounds),
            Insn::JumpIf { jt, jf, .. } => {
                join(&mut all, target(pc, jt.into()), &bounds);
                join(&mut all, target(pc, jf.into()), &bounds);
            }
            _ => join(&mut all, target(pc, 0), &bounds),
        }
    }
    all
}

fn join(all: &mut [Option<Bounds>], pc: usize, from: &Bounds) {
    let Some(there) = all.get_mut(pc) else { return };
    match there {
        None => *there = Some(from.clone()),
        Some(there) => {
            there.a = there.a.or(from.a);
            there.x = there.x.or(from.x);
            for (cell, other) in there.mem.iter_mut().zip(from.mem) {
                *cell = cell.or(other);
            }
        }
    }
}

impl Bounds {
    fn step(&mut self, insn: Insn) {
        match insn {
            Insn::LoadAbs { size, .. } | Insn::LoadInd { size, .. } => self.a = Range::of(size),
            Insn::LoadAnc { .. } => self.a = Range::ANY,
            Insn::LoadLen { reg } => *self.reg(reg) = Range::ANY,
            Insn::LoadImm { reg, k } => *self.reg(reg) = Range::only(k),
            Insn::LoadMem { reg, k } => {
                *self.reg(reg) = self.mem.get(k as usize).copied().unwrap_or(Range::ANY);
            }
            Insn::LoadMsh { .. } => self.x = Range { low: 0, high: 60 },
            Insn::Store { reg, k } => {
                let value = *self.reg(reg);
                if let Some(cell) = self.mem.get_mut(k as usize) {
                    *cell = value;
                }
            }
            Insn::Alu { op, src } => {
                let operand = match src {
                    Src::K(k) => Range::only(k),
                    Src::X => self.x,
                };
                self.a = self.a.apply(op, operand);
            }
            Insn::Neg => self.a = Range::ANY,
            Insn::Tax => self.x = self.a,
            Insn::Txa => self.a = self.x,
            Insn::Jump { .. } | Insn::JumpIf { .. } | Insn::RetK { .. } | Insn::RetA => {}
        }
    }

    const fn reg(&mut self, reg: Reg) -> &mut Range {
        match reg {
            Reg::A => &mut self.a,
            Reg::X => &mut self.x,
        }
    }
}

impl Range {
    const ANY: Self = Self { low: 0, high: u32::MAX };

    const fn only(k: u32) -> Self {
        Self { low: k, high: k }
    }

    /// What a load brings.
    const fn of(size: Size) -> Self {
        match size {
            Size::B => Self { low: 0, high: 0xff },
            Size::H => Self { low: 0, high: 0xffff },
            Size::W => Self::ANY,
        }
    }

    fn or(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// All results, if none of them wraps.
    fn apply(self, op: AluOp, other: Self) -> Self {
        /// The bits that numbers up to one may have.
        fn bits(high: u32) -> u32 {
            u32::MAX.checked_shr(high.leading_zeros()).unwrap_or(0)
        }
        let both = |low: Option<u32>, high: Option<u32>| Some(Self { low: low?, high: high? });
        let range = match op {
            AluOp::Add => both(self.low.checked_add(other.low), self.high.checked_add(other.high)),
            AluOp::Sub => both(self.low.checked_sub(other.high), self.high.checked_sub(other.low)),
            AluOp::Mul => both(self.low.checked_mul(other.low), self.high.checked_mul(other.high)),
            AluOp::And => Some(Self { low: 0, high: self.high.min(other.high) }),
            AluOp::Or => Some(Self {
                low: self.low.max(other.low),
                high: bits(self.high) | bits(other.high),
            }),
            AluOp::Lsh if other.high < 32 => {
                let shifted = |value: u32, by: u32| value.checked_mul(1 << by);
                both(shifted(self.low, other.low), shifted(self.high, other.high))
            }
            AluOp::Rsh if other.high < 32 => {
                Some(Self { low: self.low >> other.high, high: self.high >> other.low })
            }
            AluOp::Div | AluOp::Mod | AluOp::Xor | AluOp::Lsh | AluOp::Rsh => None,
        };
        range.unwrap_or(Self::ANY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of small ranges every result is in the one that is said.
    #[test]
    fn ranges_have_all_results() {
        let numbers = [0, 1, 2, 5, 31, 32, 255, 0x8000_0000, u32::MAX - 1, u32::MAX];
        let ranges: Vec<Range> = numbers
            .iter()
            .flat_map(|&low| numbers.iter().map(move |&high| Range { low, high }))
            .filter(|range| range.low <= range.high)
            .collect();
        let ops = [
            AluOp::Add,
            AluOp::Sub,
            AluOp::Mul,
            AluOp::Div,
            AluOp::Mod,
            AluOp::And,
            AluOp::Or,
            AluOp::Xor,
            AluOp::Lsh,
            AluOp::Rsh,
        ];
        let within = |range: &Range| {
            let Range { low, high } = *range;
            numbers.into_iter().filter(move |number| (low..=high).contains(number))
        };
        for op in ops {
            for left in &ranges {
                for right in &ranges {
                    let said = left.apply(op, *right);
                    for a in within(left) {
                        for b in within(right) {
                            let Some(result) = op.apply(a, b) else { continue };
                            let is_in = (said.low..=said.high).contains(&result);
                            assert!(is_in, "{a} {op:?} {b} = {result}, not in {said:?}");
                        }
                    }
                }
            }
        }
    }
}
