//! Where the accesses of a loop go, turn by turn: sums of registers that stay what they are or that each turn steps by
//! the same.

use alloc::vec::Vec;
use skep_isa::{AluOp, Insn, Pc, Reg, Size, Src, Width};

/// An access, at a sum of registers as they are before a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strided {
    pub(crate) pc: Pc,
    pub(crate) size: Size,
    pub(crate) regs: [Option<Reg>; 2],
    pub(crate) off: i32,
    /// How much further it goes in the next turn.
    pub(crate) stride: i64,
}

/// A sum of registers as they are before a turn, and a number.
#[derive(Clone, Copy, Debug)]
struct Sum {
    regs: [Option<Reg>; 2],
    off: i64,
}

impl Sum {
    const fn of(reg: Reg) -> Self {
        Self { regs: [Some(reg), None], off: 0 }
    }

    fn plus(self, other: Self) -> Option<Self> {
        let mut regs = self.regs.into_iter().chain(other.regs).flatten();
        let two = [regs.next(), regs.next()];
        let is_all = regs.next().is_none();
        is_all.then_some(Self { regs: two, off: self.off.wrapping_add(other.off) })
    }
}

/// The loads and stores of a loop's body, but for those that `is_known` says need no check; none if it is not known of all
/// others where they go.
pub(crate) fn strided(
    body: &[(Pc, Insn)],
    is_known: impl Fn(&Insn) -> bool,
) -> Option<Vec<Strided>> {
    let mut sums: [Option<Sum>; 11] =
        core::array::from_fn(|n| Reg::new(u8::try_from(n).ok()?).map(Sum::of));
    let mut found = Vec::new();
    for (pc, insn) in body {
        if let Insn::Load { size, base, off, .. }
        | Insn::LoadSx { size, base, off, .. }
        | Insn::Store { size, base, off, .. } = *insn
            && !is_known(insn)
        {
            let sum = sums[usize::from(base.num())]?;
            let off = i32::try_from(sum.off.checked_add(off.into())?).ok()?;
            let strides = sum.regs.iter().flatten().map(|&reg| stride(body, reg));
            let stride = strides.sum::<Option<i64>>()?;
            found.push(Strided { pc: *pc, size, regs: sum.regs, off, stride });
        }
        let old = |reg: Reg| sums[usize::from(reg.num())];
        let written = match *insn {
            Insn::Alu { width: Width::W64, op, dst, src } => {
                let by = match src {
                    Src::Reg(src) => old(src),
                    Src::Imm(imm) => Some(Sum { regs: [None; 2], off: imm.into() }),
                };
                let sum = match (op, src) {
                    (AluOp::Mov, _) => by,
                    (AluOp::Add, _) => old(dst).zip(by).and_then(|(a, b)| a.plus(b)),
                    (AluOp::Sub, Src::Imm(imm)) => {
                        let less = Sum { regs: [None; 2], off: -i64::from(imm) };
                        old(dst).and_then(|sum| sum.plus(less))
                    }
                    _ => None,
                };
                Some((dst, sum))
            }
            _ => insn.writes().map(|dst| (dst, None)),
        };
        if let Some((dst, sum)) = written {
            sums[usize::from(dst.num())] = sum;
        }
    }
    Some(found)
}

/// By how much a turn steps a register, if by the same each time.
fn stride(body: &[(Pc, Insn)], reg: Reg) -> Option<i64> {
    let mut writes = body.iter().filter(|(_, insn)| insn.writes() == Some(reg));
    let Some((_, write)) = writes.next() else { return Some(0) };
    let by = match *write {
        Insn::Alu { width: Width::W64, op: AluOp::Add, src: Src::Imm(imm), .. } => imm.into(),
        Insn::Alu { width: Width::W64, op: AluOp::Sub, src: Src::Imm(imm), .. } => -i64::from(imm),
        _ => return None,
    };
    writes.next().is_none().then_some(by)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// Registers, number and stride.
    type Found = ([Option<Reg>; 2], i32, i64);

    fn of(text: &str) -> Option<Vec<Found>> {
        let insns = skep_asm::assemble(text).unwrap();
        let body: Vec<_> = insns.iter().collect();
        let found = strided(&body, |_| false)?;
        Some(found.into_iter().map(|at| (at.regs, at.off, at.stride)).collect())
    }

    #[test]
    fn accesses_go_where_their_registers_do() {
        let copy = "r3 = r1\nr3 += r2\nr4 = *(u8 *)(r3 + 1)\n*(u8 *)(r3 + 64) = r4\nr2 += 4\n";
        let regs = [Some(Reg::R1), Some(Reg::R2)];
        assert_eq!(of(copy), Some(vec![(regs, 1, 4), (regs, 64, 4)]));
        let after = "r2 += 8\nr3 = r2\nr3 -= 2\nr4 = *(u8 *)(r3 + 1)\n";
        assert_eq!(of(after), Some(vec![([Some(Reg::R2), None], 7, 8)]));
        let down = "r4 = *(u8 *)(r2 + 0)\nr2 -= 1\n";
        assert_eq!(of(down), Some(vec![([Some(Reg::R2), None], 0, -1)]));
    }

    #[test]
    fn what_is_loaded_or_stepped_twice_leads_anywhere() {
        for text in [
            "r2 = *(u64 *)(r2 + 0)\nr2 = *(u64 *)(r2 + 0)\n",
            "r3 = *(u64 *)(r2 + 0)\nr2 += 1\nr2 += 1\n",
            "r3 = *(u64 *)(r2 + 0)\nr2 *= 3\n",
            "w2 += 1\nr3 = *(u64 *)(r2 + 0)\n",
            "r2 += r1\nr3 = *(u64 *)(r2 + 0)\n",
            "r3 = r1\nr3 += r2\nr3 += r4\nr0 = *(u8 *)(r3 + 0)\n",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
