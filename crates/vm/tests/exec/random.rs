//! Random programs against the reference: result, memory, instruction count and place of faults.
//!
//! The generator writes the sequences that compilers write and that the interpreter runs in one step,
//! with jumps into their middle.

use crate::reference::{self, End, Run};
use skep_abi::ProgType;
use skep_isa::{AluOp, Call, CondOp, ImmSrc, Insn, Insns, Pc, Reg, Size, Src, Swap, Width};
use skep_prog::Prog;
use skep_vm::{
    FaultKind, Helpers, Input, Limits, MEM, Machine, Moment, Observer, Vm, address, cells,
};

const PROGRAMS: u64 = 30_000;
const BUDGET: u64 = 2_000;

#[test]
fn random_programs_do_as_the_reference_says() {
    let mut ends = [0u32; 3];
    let mut vm = Vm::new();
    for seed in 1..=PROGRAMS {
        let insns = program(&mut Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let mem: Vec<u8> = (0..=255u8).map(|i| i.wrapping_mul(167) ^ 0x5a).collect();
        let want = reference::run(&insns, &mem, BUDGET, |_, _, _| {});
        let got = interpret(&mut vm, &insns, &mem, None);
        ends[match want.end {
            End::R0(_) => 0,
            End::Fault(_) => 1,
            End::Budget => 2,
        }] += 1;
        if want.end == End::Budget {
            let most = BUDGET + insns.len() as u64;
            assert_eq!(got.end, End::Budget, "seed {seed}:\n{insns:#?}");
            assert!((BUDGET..=most).contains(&got.insns), "seed {seed}: {} insns", got.insns);
        } else {
            assert_eq!(got, want, "seed {seed}:\n{insns:#?}");
        }
    }
    assert!(ends[0] > 15_000 && ends[1] > 1_000 && ends[2] > 200, "of too few kinds: {ends:?}");
}

/// Instruction, depth and registers before each instruction.
#[derive(Default)]
struct Steps(Vec<(Pc, usize, [u64; 11])>);

impl Observer for Steps {
    fn before(&mut self, moment: &Moment<'_>) {
        self.0.push((moment.pc(), moment.frames().len() - 1, moment.frame().regs));
    }
}

#[test]
fn observers_see_each_instruction_as_the_reference_does() {
    let mut vm = Vm::new();
    for seed in 1..=PROGRAMS / 10 {
        let insns = program(&mut Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let mem: Vec<u8> = (0..=255u8).map(|i| i.wrapping_mul(167) ^ 0x5a).collect();
        let mut want = Steps::default();
        let run = reference::run(&insns, &mem, BUDGET, |pc, depth, regs| {
            want.0.push((pc, depth, *regs));
        });
        let mut got = Steps::default();
        let observed = interpret(&mut vm, &insns, &mem, Some(&mut got));
        if run.end != End::Budget {
            assert_eq!(observed, run, "seed {seed}:\n{insns:#?}");
            assert_eq!(got.0.len(), want.0.len(), "seed {seed}:\n{insns:#?}");
        }
        for (at, (got, want)) in got.0.iter().zip(&want.0).enumerate() {
            assert_eq!(got, want, "seed {seed}, step {at}:\n{insns:#?}");
        }
    }
}

fn interpret(vm: &mut Vm, insns: &Insns, mem: &[u8], observer: Option<&mut dyn Observer>) -> Run {
    let mut machine: Machine<()> = Machine::new(Helpers::new(), Vec::new());
    let prog = Prog::new("random", ProgType::SocketFilter, insns.clone());
    let prog = machine.load(&prog).expect("control stays inside");
    let mut mem = mem.to_vec();
    let input = Input {
        args: [address(MEM, 0), 0, 0, 0, 0],
        mem: cells(&mut mem),
        limits: Limits { insns: BUDGET, ..Limits::default() },
        ..Input::default()
    };
    let output = match observer {
        Some(observer) => vm.run_observed(&machine, prog, &mut (), input, observer),
        None => vm.run(&machine, prog, &mut (), input),
    };
    let end = match output.result {
        Ok(r0) => End::R0(r0),
        Err(fault) if matches!(fault.kind, FaultKind::Budget { .. }) => End::Budget,
        Err(fault) => End::Fault(fault.pc),
    };
    Run { end, mem, insns: output.insns }
}

/// xorshift64*
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 33) % n
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        let len = of.len() as u64;
        of[usize::try_from(self.below(len)).unwrap()]
    }

    /// r0 to r7: r8 counts loops, r9 points to the memory.
    fn reg(&mut self) -> Reg {
        Reg::new(u8::try_from(self.below(8)).unwrap()).unwrap()
    }

    fn imm(&mut self) -> i32 {
        match self.below(4) {
            0 => self.pick(&[0, 1, -1, 2, 31, 32, 63, 64, i32::MAX, i32::MIN]),
            1 => i32::try_from(self.below(256)).unwrap(),
            2 => -i32::try_from(self.below(256)).unwrap(),
            _ => i32::from_le_bytes(self.next().to_le_bytes()[..4].try_into().unwrap()),
        }
    }

    fn src(&mut self) -> Src {
        if self.chance(2) { Src::Reg(self.reg()) } else { Src::Imm(self.imm()) }
    }

    fn width(&mut self) -> Width {
        self.pick(&[Width::W32, Width::W64, Width::W64])
    }

    fn size(&mut self) -> Size {
        self.pick(&[Size::B, Size::H, Size::W, Size::Dw])
    }

    fn off(&mut self) -> i16 {
        if self.chance(50) { 252 } else { i16::try_from(self.below(64)).unwrap() }
    }
}

#[rustfmt::skip]
const ALU: [AluOp; 14] = [
    AluOp::Add, AluOp::Sub, AluOp::Mul, AluOp::Div, AluOp::SDiv, AluOp::Or, AluOp::And, AluOp::Lsh,
    AluOp::Rsh, AluOp::Mod, AluOp::SMod, AluOp::Xor, AluOp::Mov, AluOp::Arsh,
];
#[rustfmt::skip]
const COND: [CondOp; 11] = [
    CondOp::Eq, CondOp::Gt, CondOp::Ge, CondOp::Set, CondOp::Ne, CondOp::SGt, CondOp::SGe,
    CondOp::Lt, CondOp::Le, CondOp::SLt, CondOp::SLe,
];

/// A program whose jumps still hold the index of their target.
fn program(rng: &mut Rng) -> Insns {
    let mut insns = vec![alu64(AluOp::Mov, Reg::R9, Src::Reg(Reg::R1))];
    insns.push(alu64(AluOp::Mov, Reg::R8, Src::Imm(6)));
    for n in 0..8 {
        insns.push(alu64(AluOp::Mov, Reg::new(n).unwrap(), Src::Imm(rng.imm())));
    }
    let start = insns.len();
    for _ in 0..4 + rng.below(12) {
        sequence(rng, &mut insns, start);
    }
    insns.push(Insn::Exit);
    // One function, for calls.
    let function = insns.len();
    for _ in 0..1 + rng.below(3) {
        sequence(rng, &mut insns, function);
    }
    insns.push(Insn::Exit);
    aim(rng, &insns, start, function)
}

fn alu64(op: AluOp, dst: Reg, src: Src) -> Insn {
    Insn::Alu { width: Width::W64, op, dst, src }
}

/// Appends one of the sequences.
fn sequence(rng: &mut Rng, out: &mut Vec<Insn>, start: usize) {
    let (a, b, c, d) = (rng.reg(), rng.reg(), rng.reg(), rng.reg());
    let width = rng.width();
    let alu = |op, dst, src| Insn::Alu { width, op, dst, src };
    let cond = |rng: &mut Rng, dst| Insn::JumpIf {
        width: rng.width(),
        op: rng.pick(&COND),
        dst,
        src: rng.src(),
        off: 0,
    };
    match rng.below(14) {
        0 => out.push(alu(rng.pick(&ALU), a, rng.src())),
        1 => {
            let op = rng.pick(&ALU);
            out.extend([alu(AluOp::Mov, a, Src::Reg(b)), alu64(op, a, rng.src())]);
        }
        2 => {
            let op = rng.pick(&ALU);
            out.extend([alu(AluOp::Mov, a, Src::Reg(b)), alu(op, a, rng.src())]);
        }
        3 => {
            let down = rng.pick(&[AluOp::Rsh, AluOp::Arsh]);
            let (up, by) = (rng.imm(), rng.imm());
            out.extend([alu64(AluOp::Mov, a, Src::Reg(b)), alu64(AluOp::Lsh, a, Src::Imm(up))]);
            out.push(alu64(down, a, Src::Imm(by)));
        }
        4 => rotation(rng, out, width, [a, b, c]),
        5 | 6 => indexed(rng, out, [a, b, c, d]),
        7 => {
            // A copy.
            let (size, to) = (rng.size(), rng.pick(&[Reg::R9, Reg::R9, Reg::FP]));
            let off = if to == Reg::FP { -8 - rng.off() } else { rng.off() };
            out.push(Insn::Load { size, dst: a, base: Reg::R9, off: rng.off() });
            let size = if rng.chance(4) { rng.size() } else { size };
            out.push(Insn::Store { size, base: to, off, src: Src::Reg(a) });
        }
        8 => {
            // Steps, a condition, a jump or another move.
            match rng.below(5) {
                0 => out.push(alu64(AluOp::Add, a, Src::Imm(rng.imm()))),
                1 => out.push(alu(AluOp::Mov, a, Src::Imm(rng.imm()))),
                2 => out.push(alu64(AluOp::Mov, a, Src::Reg(b))),
                3 => out.extend([
                    alu64(AluOp::Mov, a, Src::Reg(b)),
                    alu64(AluOp::Add, a, Src::Imm(rng.imm())),
                ]),
                _ => {}
            }
            if !rng.chance(5) {
                out.push(cond(rng, c));
            }
            match rng.below(3) {
                0 => out.push(Insn::Jump { off: 0 }),
                1 => out.push(alu(AluOp::Mov, d, rng.src())),
                _ => {}
            }
        }
        9 => {
            // Over one move, as a choice is written.
            let Insn::JumpIf { width, op, dst, src, .. } = cond(rng, c) else { return };
            out.push(alu(AluOp::Mov, a, Src::Imm(1)));
            out.push(Insn::JumpIf { width, op, dst, src, off: 1 });
            out.push(alu(AluOp::Mov, d, rng.src()));
        }
        10 => {
            // A loop back to somewhere, bounded by r8.
            let target = i16::try_from(start as u64 + rng.below(1 + (out.len() - start) as u64));
            out.push(alu64(AluOp::Add, Reg::R8, Src::Imm(-1)));
            let (op, src) = (CondOp::SGt, Src::Imm(0));
            let off = -target.unwrap();
            out.push(Insn::JumpIf { width: Width::W64, op, dst: Reg::R8, src, off });
        }
        11 => {
            let (x, y) = (rng.imm(), rng.imm());
            out.extend([alu64(AluOp::Add, a, Src::Imm(x)), alu64(AluOp::Add, b, Src::Imm(y))]);
        }
        12 => out.push(match rng.below(6) {
            0 => Insn::Neg { width, dst: a },
            1 => {
                Insn::Swap { kind: Swap::Be, size: rng.pick(&[Size::H, Size::W, Size::Dw]), dst: a }
            }
            2 => {
                Insn::Swap { kind: Swap::Le, size: rng.pick(&[Size::H, Size::W, Size::Dw]), dst: a }
            }
            3 => Insn::MovSx { width: Width::W64, from: Size::W, dst: a, src: b },
            4 => Insn::MovSx { width, from: rng.pick(&[Size::B, Size::H]), dst: a, src: b },
            _ => Insn::LoadImm { dst: a, imm: ImmSrc::Value(rng.next()) },
        }),
        _ => out.push(match rng.below(4) {
            0 => Insn::Call(Call::Local(0)),
            1 => Insn::Store { size: rng.size(), base: Reg::R9, off: rng.off(), src: rng.src() },
            2 => {
                let size = rng.pick(&[Size::B, Size::H, Size::W]);
                Insn::LoadSx { size, dst: a, base: Reg::R9, off: rng.off() }
            }
            _ => Insn::Load { size: rng.size(), dst: a, base: Reg::FP, off: -8 - rng.off() },
        }),
    }
}

/// The halves of a rotation, mostly of the same number.
fn rotation(rng: &mut Rng, out: &mut Vec<Insn>, width: Width, [a, b, c]: [Reg; 3]) {
    let alu = |op, dst, src| Insn::Alu { width, op, dst, src };
    let (first, second) = rng.pick(&[(AluOp::Rsh, AluOp::Lsh), (AluOp::Lsh, AluOp::Rsh)]);
    let (by, other) = (rng.imm(), rng.imm());
    out.extend([alu(AluOp::Mov, a, Src::Reg(b)), alu(first, a, Src::Imm(by))]);
    let joined = if rng.chance(2) {
        out.push(alu(AluOp::Mov, c, Src::Reg(b)));
        c
    } else {
        b
    };
    let joined = if rng.chance(8) { rng.reg() } else { joined };
    out.extend([alu(second, joined, Src::Imm(other)), alu(AluOp::Or, joined, Src::Reg(a))]);
}

/// An access to an element of a table.
fn indexed(rng: &mut Rng, out: &mut Vec<Insn>, [index, from, sum, reg]: [Reg; 4]) {
    if !rng.chance(20) {
        out.push(alu64(AluOp::And, from, Src::Imm(15)));
    }
    if rng.chance(2) {
        out.push(alu64(AluOp::Mov, index, Src::Reg(from)));
    }
    if rng.chance(2) {
        let by = i32::try_from(rng.below(4)).unwrap();
        out.push(alu64(AluOp::Lsh, index, Src::Imm(by)));
    }
    out.push(alu64(AluOp::Mov, sum, Src::Reg(Reg::R9)));
    let index = rng.pick(&[index, index, from]);
    out.push(alu64(AluOp::Add, sum, Src::Reg(index)));
    let (size, base, off) = (rng.size(), sum, rng.off());
    out.push(if rng.chance(4) {
        Insn::Store { size, base, off, src: Src::Reg(reg) }
    } else {
        Insn::Load { size, dst: reg, base, off }
    });
}

/// Gives jumps their targets: forward in their function, but for the loops and choices, which have
/// them; now and then backward.
fn aim(rng: &mut Rng, insns: &[Insn], start: usize, function: usize) -> Insns {
    let mut slots = vec![0];
    for insn in insns {
        slots.push(slots[slots.len() - 1] + i32::try_from(insn.slots()).unwrap());
    }
    let mut out = Insns::default();
    for (at, insn) in insns.iter().enumerate() {
        let (first, end) = if at < function { (start, function) } else { (function, insns.len()) };
        let to = |target: usize| i16::try_from(slots[target] - slots[at + 1]).unwrap();
        let mut random = || {
            let from = if rng.chance(40) { first } else { at + 1 };
            to(from + usize::try_from(rng.below((end - from) as u64)).unwrap())
        };
        let aimed = match *insn {
            Insn::JumpIf { off: 1, .. } => *insn,
            Insn::JumpIf { width, op, dst, src, off } => {
                let off = match usize::try_from(-i32::from(off)) {
                    Ok(target @ 1..) => to(target),
                    _ => random(),
                };
                Insn::JumpIf { width, op, dst, src, off }
            }
            Insn::Jump { .. } => Insn::Jump { off: random() },
            Insn::Call(_) => Insn::Call(Call::Local(slots[function] - slots[at + 1])),
            other => other,
        };
        let pc = out.push(aimed);
        assert_eq!(pc, Pc(slots[at].try_into().unwrap()));
    }
    out
}
