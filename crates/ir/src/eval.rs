//! An interpreter of functions, for tests: what a function means.

use crate::fold::{compute, compute_un, holds};
use crate::func::Func;
use crate::inst::{BlockId, Cmp, Inst, Mem, Term, Value};
use alloc::vec;
use alloc::vec::Vec;
use skep_isa::{AtomicOp, Size, Width};

/// What a function runs in.
pub trait World {
    /// The bytes at an address, zero-extended.
    fn load(&mut self, address: u64, size: Size) -> u64;
    /// Puts low bytes to an address.
    fn store(&mut self, address: u64, size: Size, value: u64);
    /// What a call gives.
    fn call(&mut self, callee: u32, args: [u64; 5]) -> u64;
    /// Whether the budget of loops is used up.
    fn may_goto(&mut self) -> bool;
}

/// How an evaluation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With a value, after so many instructions of the source.
    Returned {
        /// The value.
        value: u64,
        /// What was charged.
        charged: i64,
    },
    /// It took more steps than it may.
    TooLong,
}

/// Runs a function whose frame ends at an address, for so many steps at most.
#[must_use]
pub fn eval<C>(
    f: &Func<C>,
    world: &mut impl World,
    (args, frame): ([u64; 5], u64),
    mut steps: u64,
) -> Ended {
    let mut run = Run { f, values: vec![0; f.insts.len()], frame, charged: 0 };
    let mut block = BlockId(0);
    for (param, arg) in f.blocks[0].params.iter().zip(args) {
        run.values[param.index()] = arg;
    }
    loop {
        for &value in &f.blocks[block.index()].insts {
            run.values[value.index()] = run.inst(world, f.inst(value));
        }
        let len = f.blocks[block.index()].insts.len() as u64 + 1;
        let Some(left) = steps.checked_sub(len) else { return Ended::TooLong };
        steps = left;
        let edge = match f.blocks[block.index()].term {
            Term::Jump(edge) => edge,
            Term::Branch { cmp, yes, no } => {
                if run.holds(cmp) {
                    yes
                } else {
                    no
                }
            }
            Term::MayGoto { yes, no } => {
                if world.may_goto() {
                    yes
                } else {
                    no
                }
            }
            Term::Switch { value, table } => f.case_of(table, run.get(value)),
            Term::Return(value) => {
                return Ended::Returned { value: run.get(value), charged: run.charged };
            }
        };
        let args: Vec<u64> = f.args(edge).iter().map(|&arg| run.get(arg)).collect();
        block = edge.to;
        for (param, arg) in f.blocks[block.index()].params.iter().zip(args) {
            run.values[param.index()] = arg;
        }
    }
}

struct Run<'a, C> {
    f: &'a Func<C>,
    values: Vec<u64>,
    frame: u64,
    charged: i64,
}

impl<C> Run<'_, C> {
    fn get(&self, value: Value) -> u64 {
        match self.f.insts.get(value.index()) {
            Some(Inst::Const(number)) => *number,
            Some(Inst::Frame) => self.frame,
            Some(_) => self.values[value.index()],
            None => 0,
        }
    }

    fn holds(&self, Cmp { cond, width, a, b }: Cmp) -> bool {
        holds(cond, width, self.get(a), self.get(b))
    }

    fn address(&self, Mem { base, index, scale, disp }: Mem) -> u64 {
        let index = if index == Value::NONE { 0 } else { self.get(index) << scale };
        self.get(base).wrapping_add(index).wrapping_add_signed(disp.into())
    }

    fn inst(&mut self, world: &mut impl World, inst: &Inst) -> u64 {
        match *inst {
            Inst::Param | Inst::Frame | Inst::Ask => 0,
            Inst::Const(number) => number,
            Inst::Bin { op, width, a, b } => compute(op, width, self.get(a), self.get(b)),
            Inst::Un { op, a } => compute_un(op, self.get(a)),
            Inst::Select { cmp, yes, no } => self.get(if self.holds(cmp) { yes } else { no }),
            Inst::Load { size, signed, mem } => {
                let value = world.load(self.address(mem), size);
                if signed { compute_un(crate::UnOp::Sext(size, Width::W64), value) } else { value }
            }
            Inst::Store { size, mem, value } => {
                world.store(self.address(mem), size, self.get(value));
                0
            }
            Inst::Copy { len, to, from, disp } => {
                let (to, from) = (self.address(to), self.address(Mem::new(from, disp)));
                let at = |address: u64, n: u8| address.wrapping_add(n.into());
                let bytes: Vec<u64> = (0..len).map(|n| world.load(at(from, n), Size::B)).collect();
                for (n, byte) in (0..len).zip(bytes) {
                    world.store(at(to, n), Size::B, byte);
                }
                0
            }
            Inst::Sum { size, len, mem } => {
                let address = self.address(mem);
                let all = (0..len).step_by(size.bytes().into());
                all.map(|n| world.load(address.wrapping_add(n.into()), size))
                    .fold(0, u64::wrapping_add)
            }
            Inst::Atomic { op, size, mem, value, expected } => {
                let address = self.address(mem);
                let old = world.load(address, size);
                let value = self.get(value);
                let new = match op {
                    AtomicOp::Add | AtomicOp::FetchAdd => old.wrapping_add(value),
                    AtomicOp::Or | AtomicOp::FetchOr => old | value,
                    AtomicOp::And | AtomicOp::FetchAnd => old & value,
                    AtomicOp::Xor | AtomicOp::FetchXor => old ^ value,
                    AtomicOp::Xchg => value,
                    AtomicOp::CmpXchg => {
                        let zext = |value| compute_un(crate::UnOp::Zext(size), value);
                        if zext(self.get(expected)) == old { value } else { old }
                    }
                };
                world.store(address, size, new);
                old
            }
            Inst::Call { callee, args } => world.call(callee, args.map(|arg| self.get(arg))),
            Inst::Charge(insns) => {
                self.charged += i64::from(insns);
                0
            }
            Inst::Refund(insns) => {
                self.charged -= self.get(insns).cast_signed();
                0
            }
        }
    }
}
