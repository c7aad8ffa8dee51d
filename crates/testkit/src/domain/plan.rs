//! Programs of random arithmetic, and what is expected of them.

use super::operation::{Operation, Outcome, isa_size};
use super::recipe;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use skep_domain::{AluOp, Scalar};
use skep_isa::{ImmSrc, Insn, Insns, Pc, Reg, Src};
use std::fmt;

/// Registers that hold numbers; r9 points to the map value that unknown ones come from.
const NUMBERS: [Reg; 8] = [Reg::R0, Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5, Reg::R6, Reg::R7];
const MEMORY: Reg = Reg::R9;
/// A pointer to the same, moved about.
const POINTER: Reg = Reg::R8;
/// What a pointer may move at once, and in all. Kernel: `BPF_MAX_VAR_OFF`.
const MAX_MOVE: i64 = 1 << 29;
/// Bytes of the map value.
pub(super) const VALUE_SIZE: u32 = 64;

/// Where the log shows a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Behind the instruction, on the path that goes on.
    After(Pc),
    /// Where the path begins that leaves a branch.
    From(Pc, Pc),
}

/// A register's state that the log is to show.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Where.
    pub place: Place,
    /// Of which register.
    pub reg: Reg,
    /// The state.
    pub state: Scalar,
    /// The operation that led to it: an index into [`Plan::steps`].
    pub step: usize,
}

/// An operation with its operands.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What is done.
    pub operation: Operation,
    /// With what.
    pub operands: (Scalar, Scalar),
    /// Whether both operands are the same register.
    pub same: bool,
    /// What should come of it.
    pub outcome: Outcome,
}

/// In the form of a case of `corpus/domain`, without its first line.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (a, b) = self.operands;
        writeln!(f, "op: {}\na: {a}", self.operation)?;
        if self.same {
            writeln!(f, "b: the same")?;
        } else if self.operation.is_binary() {
            writeln!(f, "b: {b}")?;
        }
        match self.outcome {
            Outcome::Value(value) => write!(f, "result: {value}"),
            Outcome::Decided(true) => write!(f, "decided: always"),
            Outcome::Decided(false) => write!(f, "decided: never"),
            Outcome::Open([(a, b), (c, d)]) => write!(f, "taken: {a} | {b}\nelse: {c} | {d}"),
        }
    }
}

/// A program and what is expected.
#[derive(Debug, Default)]
pub struct Plan {
    /// The program.
    pub insns: Insns,
    /// What it does.
    pub steps: Vec<Step>,
    /// What should be seen.
    pub expected: Vec<Expected>,
    /// Ways that should not be gone, each with its operation. None behind a number that was split in
    /// two: the other half comes back to what follows and may go elsewhere.
    pub dead: Vec<(Place, usize)>,
    is_split: bool,
    state: [Scalar; 8],
    distance: Scalar,
    /// Registers whose number may have an identity, and a distance from it. The kernel takes that
    /// distance for one of a pointer when the number is added to a pointer.
    named: [bool; 8],
    /// Branches that lead to a stub behind the program.
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    pc: Pc,
    step: usize,
    /// What is known where it is taken.
    taken: Vec<(Reg, Scalar)>,
    is_dead: bool,
}

impl Plan {
    /// A program of `steps` operations on numbers from the map with this number. Equal seeds give equal
    /// plans.
    #[must_use]
    pub fn new(map: i32, steps: usize, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut plan = Self::default();
        plan.insns.push(Insn::LoadImm { dst: MEMORY, imm: ImmSrc::MapValue { fd: map, at: 0 } });
        plan.insns.push(Insn::LoadImm { dst: POINTER, imm: ImmSrc::MapValue { fd: map, at: 0 } });
        plan.distance = Scalar::constant(0);
        for n in 0..NUMBERS.len() {
            plan.renew(&mut rng, n);
        }
        while plan.steps.len() < steps {
            let n = rng.random_range(0..NUMBERS.len());
            if rng.random_ratio(1, 8) {
                plan.renew(&mut rng, n);
            } else if rng.random_ratio(1, 16) {
                plan.move_pointer(&mut rng, n);
            } else {
                plan.step(&mut rng, n);
            }
        }
        plan.finish();
        plan
    }

    /// A new number in a register.
    fn renew(&mut self, rng: &mut StdRng, n: usize) {
        let dst = NUMBERS[n];
        self.named[n] = false;
        if rng.random_ratio(1, 5) {
            let other = self.state[rng.random_range(0..NUMBERS.len())];
            let value = if rng.random() { recipe::number(rng) } else { recipe::bound(rng, &other) };
            self.insns.push(Insn::LoadImm { dst, imm: ImmSrc::Value(value) });
            self.state[n] = Scalar::constant(value);
            return;
        }
        let size = [1, 2, 4, 8, 8, 8][rng.random_range(0..6)];
        if rng.random_ratio(1, 3) && size < 8 {
            self.insns.push(Insn::LoadSx { size: isa_size(size), dst, base: MEMORY, off: 0 });
            self.state[n] = Scalar::after_signed_load(size);
        } else {
            self.insns.push(Insn::Load { size: isa_size(size), dst, base: MEMORY, off: 0 });
            self.state[n] = Scalar::after_load(size);
        }
    }

    /// A sum or difference of the pointer and a number that is not known, if the kernel allows it.
    fn move_pointer(&mut self, rng: &mut StdRng, n: usize) {
        if rng.random_ratio(1, 3) {
            self.insns.push(Insn::Alu {
                width: skep_isa::Width::W64,
                op: skep_isa::AluOp::Mov,
                dst: POINTER,
                src: Src::Reg(MEMORY),
            });
            self.distance = Scalar::constant(0);
        }
        let op = if rng.random() { AluOp::Add } else { AluOp::Sub };
        let operation = Operation::Pointer(op);
        let operands = (self.distance, self.state[n]);
        let moved = Scalar::pointer_alu(op, &operands.0, &operands.1);
        let raw = Scalar::pointer_alu_raw(op, &operands.0, &operands.1);
        let sane = |number: &Scalar| {
            number.is_const().is_none() && (1 - MAX_MOVE..MAX_MOVE).contains(&number.smin)
        };
        // A constant move, and a distance that has become constant, are shown in other ways; and with
        // the other half of a number that was split, the pointer may move further than it may.
        if self.is_split
            || self.named[n]
            || [&self.state[n], &raw, &moved].into_iter().any(|n| !sane(n))
        {
            return;
        }
        let (step, outcome) = (self.steps.len(), Outcome::Value(moved));
        self.steps.push(Step { operation, operands, same: false, outcome });
        let insns = operation.insns(POINTER, Src::Reg(NUMBERS[n]));
        let pcs: Vec<Pc> = insns.into_iter().map(|insn| self.insns.push(insn)).collect();
        self.distance = moved;
        self.expected.extend(pcs.last().map(|&pc| Expected {
            place: Place::After(pc),
            reg: POINTER,
            state: moved,
            step,
        }));
    }

    fn step(&mut self, rng: &mut StdRng, n: usize) {
        let operation = recipe::operation(rng);
        let (src, other) = Self::operand(rng, operation, &self.state[n]);
        let operands = (self.state[n], other.map_or_else(|| imm_state(src), |m| self.state[m]));
        let outcome = operation.apply(&operands.0, (other != Some(n)).then_some(&operands.1));
        self.named[n] |= operation.is_move();
        if let Operation::Alu(op, _) = operation {
            self.is_split |= Scalar::fork(op, &operands.0, &operands.1).is_some();
        }
        let step = self.steps.len();
        self.steps.push(Step { operation, operands, same: other == Some(n), outcome });
        let mut pc = Pc(0);
        for insn in operation.insns(NUMBERS[n], src) {
            pc = self.insns.push(insn);
        }
        match outcome {
            Outcome::Value(state) => {
                self.state[n] = state;
                self.expect(Place::After(pc), n, step);
            }
            Outcome::Decided(taken) => self.decided(pc, n, taken, step),
            Outcome::Open(both) => {
                let [yes, no] = both;
                let pair = |(a, b): (Scalar, Scalar)| {
                    let mut states = vec![(n, a)];
                    states.extend(other.map(|m| (m, b)));
                    states
                };
                self.branch(pc, step, pair(yes), pair(no), rng.random());
            }
        }
    }

    /// An immediate, or another register and its index.
    fn operand(rng: &mut StdRng, op: Operation, state: &Scalar) -> (Src, Option<usize>) {
        if op.is_binary() && rng.random_ratio(3, 5) {
            let m = rng.random_range(0..NUMBERS.len());
            return (Src::Reg(NUMBERS[m]), Some(m));
        }
        let imm = match op {
            Operation::Alu(AluOp::Lsh | AluOp::Rsh | AluOp::Arsh, width) => {
                let bits = if width == skep_domain::Width::W32 { 32 } else { 64 };
                rng.random_range(0..bits)
            }
            Operation::Alu(AluOp::Div | AluOp::Mod | AluOp::Sdiv | AluOp::Smod, _) => {
                match recipe::immediate(rng, state) {
                    0 => 1,
                    imm => imm,
                }
            }
            _ => recipe::immediate(rng, state),
        };
        (Src::Imm(imm), None)
    }

    fn expect(&mut self, place: Place, n: usize, step: usize) {
        let (reg, state) = (NUMBERS[n], self.state[n]);
        self.expected.push(Expected { place, reg, state, step });
    }

    /// A branch that goes one way: to the program's end if it is not the way expected.
    fn decided(&mut self, pc: Pc, n: usize, taken: bool, step: usize) {
        if taken {
            // Over an exit.
            self.insns.push(Insn::Exit);
            if !self.is_split {
                self.dead.push((Place::From(pc, Pc(pc.0 + 2)), step));
            }
        } else {
            self.open.push(Open { pc, step, taken: Vec::new(), is_dead: !self.is_split });
        }
        self.expect(Place::After(pc), n, step);
    }

    /// A branch that may go both ways. The program goes on where the branch is not taken; the other way
    /// ends in a stub, or the other way round with a jump over it.
    fn branch(
        &mut self,
        pc: Pc,
        step: usize,
        yes: Vec<(usize, Scalar)>,
        no: Vec<(usize, Scalar)>,
        follow: bool,
    ) {
        for &(n, state) in &no {
            let reg = NUMBERS[n];
            self.expected.push(Expected { place: Place::After(pc), reg, state, step });
        }
        let go_on = if follow {
            // The path that is not taken ends here; the taken one goes on behind.
            self.insns.push(Insn::Exit);
            let next = Pc(pc.0 + 2);
            for &(n, state) in &yes {
                let reg = NUMBERS[n];
                self.expected.push(Expected { place: Place::From(pc, next), reg, state, step });
            }
            yes
        } else {
            let taken = yes.into_iter().map(|(n, state)| (NUMBERS[n], state)).collect();
            self.open.push(Open { pc, step, taken, is_dead: false });
            no
        };
        for (n, state) in go_on {
            self.state[n] = state;
        }
    }

    /// The end, and a stub for each branch that leaves the program.
    fn finish(&mut self) {
        self.insns.push(Insn::Exit);
        for Open { pc, step, taken, is_dead } in std::mem::take(&mut self.open) {
            let stub = self.insns.push(Insn::Exit);
            let off = i16::try_from(stub.0 - pc.0 - 1).expect("bug: a plan is not that long");
            if let Some(Insn::JumpIf { off: to, .. }) = self.insns.get_mut(pc) {
                *to = off;
            }
            if is_dead {
                self.dead.push((Place::From(pc, stub), step));
            }
            for (reg, state) in taken {
                self.expected.push(Expected { place: Place::From(pc, stub), reg, state, step });
            }
        }
    }
}

/// The state of an immediate, which is sign-extended.
fn imm_state(src: Src) -> Scalar {
    match src {
        Src::Imm(imm) => Scalar::constant(i64::from(imm).cast_unsigned()),
        Src::Reg(_) => unreachable!("bug: a register has a state of its own"),
    }
}
