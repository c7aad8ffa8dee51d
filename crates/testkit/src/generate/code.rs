//! A function under construction.

use skep_isa::{AluOp, Call, Insn, Insns, Pc, Reg, Src, Width};

/// Instructions with jumps and calls that get their targets later.
#[derive(Default)]
pub(super) struct Code {
    insns: Insns,
    /// Calls and function addresses, with the index of the function they mean.
    refs: Vec<(Pc, usize)>,
}

impl Code {
    pub(super) fn push(&mut self, insn: Insn) -> Pc {
        self.insns.push(insn)
    }

    /// A 64-bit operation.
    pub(super) fn alu(&mut self, op: AluOp, dst: Reg, src: Src) {
        self.push(Insn::Alu { width: Width::W64, op, dst, src });
    }

    pub(super) fn mov(&mut self, dst: Reg, src: Reg) {
        self.alu(AluOp::Mov, dst, Src::Reg(src));
    }

    pub(super) fn set(&mut self, dst: Reg, imm: i32) {
        self.alu(AluOp::Mov, dst, Src::Imm(imm));
    }

    /// A call or a function address, of the function with this index.
    pub(super) fn push_ref(&mut self, insn: Insn, func: usize) {
        let at = self.push(insn);
        self.refs.push((at, func));
    }

    pub(super) fn here(&self) -> Pc {
        Pc(u32::try_from(self.insns.len()).expect("bug: generated programs are short"))
    }

    /// Lets a jump lead to where the next instruction will be.
    pub(super) fn land(&mut self, jump: Pc) {
        let here = self.here();
        self.aim(jump, here);
    }

    /// Lets a jump lead to a slot.
    pub(super) fn aim(&mut self, jump: Pc, to: Pc) {
        let distance = i64::from(to.0) - i64::from(jump.0) - 1;
        let short = i16::try_from(distance).expect("bug: generated functions are short");
        match self.insns.get_mut(jump) {
            Some(Insn::JumpIf { off, .. } | Insn::Jump { off } | Insn::MayGoto { off }) => {
                *off = short;
            }
            Some(Insn::JumpLong { off }) => *off = short.into(),
            other => panic!("bug: {other:?} is no jump"),
        }
    }
}

/// All functions behind each other, the first one first.
pub(super) fn join(funcs: Vec<Code>) -> Insns {
    let mut starts = Vec::new();
    let mut len = 0;
    for func in &funcs {
        starts.push(len);
        len += func.insns.len();
    }
    let mut all = Insns::default();
    for (func, &start) in funcs.iter().zip(&starts) {
        for (pc, mut insn) in func.insns.iter() {
            if let Some(&(_, target)) = func.refs.iter().find(|&&(at, _)| at == pc) {
                point(&mut insn, start + pc.index(), starts[target]);
            }
            all.push(insn);
        }
    }
    all
}

fn point(insn: &mut Insn, from: usize, to: usize) {
    let signed = |n: usize| i32::try_from(n).expect("bug: generated programs are short");
    let distance = signed(to) - signed(from) - 1;
    match insn {
        Insn::Call(Call::Local(off)) => *off = distance,
        Insn::LoadImm { imm: skep_isa::ImmSrc::Func(off), .. } => *off = distance,
        other => panic!("bug: {other:?} refers to no function"),
    }
}
