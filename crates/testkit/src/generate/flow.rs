//! Branches and loops.

use super::{Body, Generator};
use rand::Rng;
use skep_isa::{AluOp, CondOp, Insn, Pc, Reg, Src, Width, table};

/// Loops and branches inside each other.
const NESTING: u32 = 2;

impl Generator {
    /// `if … { … }`, with `else` or without.
    pub(super) fn branch(&mut self, body: &mut Body) {
        if body.nesting >= NESTING {
            return self.compute(body);
        }
        body.nesting += 1;
        let jump = self.condition(body);
        let count = self.rng.random_range(1..4);
        self.statements(body, count);
        if self.rng.random_bool(0.4) {
            let over = self.jump(body);
            body.code.land(jump);
            let count = self.rng.random_range(1..3);
            self.statements(body, count);
            body.code.land(over);
        } else {
            body.code.land(jump);
        }
        body.nesting -= 1;
    }

    /// A conditional jump that is to be aimed.
    fn condition(&mut self, body: &mut Body) -> Pc {
        let (width, op) = (self.width(), self.pick(&table::COND.map(|row| row.op)));
        let dst = self.number(body);
        let src = if self.rng.random_bool(0.5) {
            Src::Reg(self.number(body))
        } else {
            Src::Imm(self.imm())
        };
        body.code.push(Insn::JumpIf { width, op, dst, src, off: 0 })
    }

    /// A jump that is to be aimed.
    fn jump(&mut self, body: &mut Body) -> Pc {
        let long = self.rng.random_bool(0.3);
        body.code.push(if long { Insn::JumpLong { off: 0 } } else { Insn::Jump { off: 0 } })
    }

    /// A loop, counted down.
    pub(super) fn repeat(&mut self, body: &mut Body) {
        let Some([counter]) = self.free(body).filter(|_| body.nesting < NESTING) else {
            return self.compute(body);
        };
        body.nesting += 1;
        body.frozen.push(counter);
        if self.rng.random_bool(0.25) {
            self.while_may_goto(body, counter);
        } else {
            self.do_while(body, counter);
        }
        body.frozen.pop();
        body.nesting -= 1;
    }

    fn do_while(&mut self, body: &mut Body, counter: Reg) {
        let times = self.rng.random_range(1..8);
        body.code.set(counter, times);
        let top = body.code.here();
        let count = self.rng.random_range(1..4);
        self.statements(body, count);
        let width = self.width();
        body.code.push(Insn::Alu { width, op: AluOp::Sub, dst: counter, src: Src::Imm(1) });
        let (op, src) = (self.pick(&[CondOp::Ne, CondOp::SGt]), Src::Imm(0));
        let back = body.code.push(Insn::JumpIf { width, op, dst: counter, src, off: 0 });
        body.code.aim(back, top);
    }

    /// A loop whose bound the verifier does not see.
    fn while_may_goto(&mut self, body: &mut Body, counter: Reg) {
        let times = self.number(body);
        body.code.mov(counter, times);
        body.code.alu(AluOp::And, counter, Src::Imm(15));
        let top = body.code.push(Insn::MayGoto { off: 0 });
        let (width, op, src) = (Width::W64, CondOp::Eq, Src::Imm(0));
        let out = body.code.push(Insn::JumpIf { width, op, dst: counter, src, off: 0 });
        let count = self.rng.random_range(1..3);
        self.statements(body, count);
        body.code.alu(AluOp::Sub, counter, Src::Imm(1));
        let back = self.jump(body);
        body.code.aim(back, top);
        body.code.land(top);
        body.code.land(out);
    }
}
