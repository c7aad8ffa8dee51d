//! Arithmetic between numbers.

use super::{Body, Generator};
use rand::Rng;
use skep_isa::{AluOp, ImmSrc, Insn, Reg, Size, Src, Swap, Width, table};

impl Generator {
    /// A few operations in a row.
    pub(super) fn compute(&mut self, body: &mut Body) {
        for _ in 0..self.rng.random_range(1..4) {
            let Some([dst]) = self.free(body) else { return };
            let insn = self.operation(body, dst);
            body.code.push(insn);
            self.count(body, dst);
        }
    }

    fn operation(&mut self, body: &Body, dst: Reg) -> Insn {
        match self.rng.random_range(0..20) {
            0 => Insn::LoadImm { dst, imm: ImmSrc::Value(self.wide()) },
            1 => Insn::Neg { width: self.width(), dst },
            2 | 3 => {
                let width = self.width();
                let sizes = [Size::B, Size::H, Size::W];
                let from = sizes[self.rng.random_range(0..if width == Width::W64 { 3 } else { 2 })];
                Insn::MovSx { width, from, dst, src: self.number(body) }
            }
            4 | 5 => {
                let kind = self.pick(&[Swap::Le, Swap::Be, Swap::Always]);
                Insn::Swap { kind, size: self.pick(&[Size::H, Size::W, Size::Dw]), dst }
            }
            _ => {
                let (width, op) = (self.width(), self.pick(&table::ALU.map(|row| row.op)));
                let src = if self.rng.random_bool(0.5) {
                    Src::Reg(self.number(body))
                } else {
                    Src::Imm(self.operand(width, op))
                };
                Insn::Alu { width, op, dst, src }
            }
        }
    }

    /// An immediate that the verifier allows for the operation.
    fn operand(&mut self, width: Width, op: AluOp) -> i32 {
        match op {
            AluOp::Lsh | AluOp::Rsh | AluOp::Arsh => {
                self.rng.random_range(0..if width == Width::W64 { 64 } else { 32 })
            }
            AluOp::Div | AluOp::SDiv | AluOp::Mod | AluOp::SMod => match self.imm() {
                0 => -1,
                imm => imm,
            },
            _ => self.imm(),
        }
    }
}
