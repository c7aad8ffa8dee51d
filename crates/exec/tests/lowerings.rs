//! Every lowering, executed: over all pairs of registers, both widths and corner values, with and without the
//! processor's newer instructions, counted and not, hardened and not, against a plain evaluation written for this test.
//!
//! A program under test loads all its registers from memory, executes the instruction, and stores all of them
//! back. Needs an x86-64 or AArch64 host.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "what the instructions do"
)]

use skep_abi::ProgType;
use skep_exec::{Bare, CodeOptions, Features, features};
use skep_isa::{AluOp, AtomicOp, CondOp, Insn, Insns, Reg, Size, Src, Swap, Width, table};
use skep_jit::NoSurroundings;
use skep_prog::Prog;
use std::error::Error;

const CORNERS: [u64; 9] = [
    0,
    1,
    u64::MAX,
    1 << 63,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0003,
    0xdead_beef_0bad_f00d,
];
const IMMS: [i32; 12] = [0, 1, -1, 2, 7, 31, 32, 63, 127, -128, i32::MAX, i32::MIN];
const WIDTHS: [Width; 2] = [Width::W32, Width::W64];
const SIZES: [Size; 4] = [Size::B, Size::H, Size::W, Size::Dw];

/// Registers and, behind them, a word of memory that stores and atomics hit.
type State = [u64; 11];
const WORD: usize = 10;

fn regs() -> impl Iterator<Item = Reg> {
    Reg::all().take(10)
}

fn load(dst: Reg, base: Reg, off: i16) -> Insn {
    Insn::Load { size: Size::Dw, dst, base, off }
}

fn store(base: Reg, off: i16, src: Reg) -> Insn {
    Insn::Store { size: Size::Dw, base, off, src: Src::Reg(src) }
}

/// Takes the address of a [`State`] in r1.
fn program(tested: &[Insn]) -> Insns {
    let mut insns = vec![store(Reg::FP, -8, Reg::R1)];
    // The word, at r10 - 16.
    insns.extend([load(Reg::R0, Reg::R1, 80), store(Reg::FP, -16, Reg::R0)]);
    let others = regs().filter(|&reg| reg != Reg::R1);
    insns.extend(others.chain([Reg::R1]).map(|reg| load(reg, Reg::R1, i16::from(reg.num()) * 8)));
    insns.extend(tested);
    let kept = |reg: Reg| -24 - i16::from(reg.num()) * 8;
    insns.extend(regs().map(|reg| store(Reg::FP, kept(reg), reg)));
    insns.push(load(Reg::R1, Reg::FP, -8));
    for reg in regs() {
        insns.extend([
            load(Reg::R2, Reg::FP, kept(reg)),
            store(Reg::R1, i16::from(reg.num()) * 8, Reg::R2),
        ]);
    }
    insns.extend([load(Reg::R2, Reg::FP, -16), store(Reg::R1, 80, Reg::R2), Insn::Exit]);
    insns.into_iter().collect()
}

/// Those of the processor that make a difference for the instructions, and none. On AArch64 only atomic
/// operations have any.
fn all_features(insns: &[Insn]) -> Vec<Features> {
    let is_atomic = |insn: &Insn| matches!(insn, Insn::Atomic { .. });
    let mut all = vec![Features::default()];
    if features() != all[0] && (cfg!(target_arch = "x86_64") || insns.iter().any(is_atomic)) {
        all.push(features());
    }
    all
}

/// What code can be made for. On AArch64, which is mostly emulated, the middle one is left out.
fn kinds() -> Vec<CodeOptions> {
    let mut hardened = CodeOptions::default();
    (hardened.blinding, hardened.retpolines) = (true, true);
    let mut kinds = vec![CodeOptions::plain(), CodeOptions::default(), hardened];
    if cfg!(target_arch = "aarch64") {
        kinds.remove(1);
    }
    let mut optimised = CodeOptions::plain();
    optimised.optimised = true;
    kinds.push(optimised);
    kinds
}

struct Tested {
    what: String,
    codes: Vec<Bare>,
}

impl Tested {
    fn new(insns: &[Insn]) -> Self {
        let prog = Prog::new("tested", ProgType::Xdp, program(insns));
        let all = all_features(insns);
        // The second tier for AArch64 has no loads and stores in order.
        let is_ordered =
            |insn: &Insn| matches!(insn, Insn::LoadAcquire { .. } | Insn::StoreRelease { .. });
        let is_left = cfg!(target_arch = "aarch64") && insns.iter().any(is_ordered);
        let kinds = kinds().into_iter().filter(|kind| !(kind.optimised && is_left));
        let all = kinds.flat_map(|kind| all.iter().map(move |&features| (kind, features)));
        let codes = all
            .map(|(kind, features)| {
                // SAFETY: the program touches the state that it gets in r1 and 512 bytes of stack, as do the
                // instructions that are tested.
                unsafe { Bare::new(&prog, &NoSurroundings, features, kind) }.unwrap()
            })
            .collect();
        Self { what: format!("{insns:?}"), codes }
    }

    fn run(&self, state: State) -> Vec<State> {
        let run = |code: &Bare| {
            let mut state = state;
            let mut stack = [0; 512];
            let address = state.as_mut_ptr().expose_provenance() as u64;
            // SAFETY: as `new` says; r1 is the address of the state.
            unsafe { code.run([address, 0, 0, 0, 0], &mut stack) };
            state
        };
        self.codes.iter().map(run).collect()
    }

    #[track_caller]
    fn check(&self, state: State, want: State) {
        for got in self.run(state) {
            assert_eq!(got, want, "{} of {state:x?}", self.what);
        }
    }
}

fn start(dst: Reg, a: u64, src: Reg, b: u64) -> State {
    let mut state: State =
        core::array::from_fn(|n| 0x1111_2222_3333_4444u64.rotate_left(n as u32 * 5));
    state[src.num() as usize] = b;
    state[dst.num() as usize] = a;
    state
}

/// Division and remainder by the book: RFC 9669, section 4.1.
fn alu(width: Width, op: AluOp, a: u64, b: u64) -> u64 {
    let (a, b, bits) = match width {
        Width::W64 => (a as i128 & u64::MAX as i128, b as i128 & u64::MAX as i128, 64),
        Width::W32 => (i128::from(a as u32), i128::from(b as u32), 32),
    };
    let signed = |value: i128| (value << (128 - bits)) >> (128 - bits);
    let count = (b & (bits - 1)) as u32;
    let result = match op {
        AluOp::Add => a + b,
        AluOp::Sub => a - b,
        AluOp::Mul => a.wrapping_mul(b),
        AluOp::Div => a.checked_div(b).unwrap_or(0),
        AluOp::Mod => a.checked_rem(b).unwrap_or(a),
        AluOp::SDiv => signed(a).checked_div(signed(b)).unwrap_or(0),
        AluOp::SMod => signed(a).checked_rem(signed(b)).unwrap_or(a),
        AluOp::Or => a | b,
        AluOp::And => a & b,
        AluOp::Xor => a ^ b,
        AluOp::Mov => b,
        AluOp::Lsh => a << count,
        AluOp::Rsh => a >> count,
        AluOp::Arsh => signed(a) >> count,
    };
    if bits == 64 { result as u64 } else { (result as u32).into() }
}

fn cond(width: Width, op: CondOp, a: u64, b: u64) -> bool {
    let low = |value: u64| if width == Width::W32 { value & 0xffff_ffff } else { value };
    let (a, b) = (low(a), low(b));
    let sign = |value: u64| if width == Width::W32 { value as i32 as i64 } else { value as i64 };
    match op {
        CondOp::Eq => a == b,
        CondOp::Ne => a != b,
        CondOp::Set => a & b != 0,
        CondOp::Gt => a > b,
        CondOp::Ge => a >= b,
        CondOp::Lt => a < b,
        CondOp::Le => a <= b,
        CondOp::SGt => sign(a) > sign(b),
        CondOp::SGe => sign(a) >= sign(b),
        CondOp::SLt => sign(a) < sign(b),
        CondOp::SLe => sign(a) <= sign(b),
    }
}

#[test]
fn arithmetic_on_registers() {
    for (width, op) in WIDTHS.into_iter().flat_map(|width| table::ALU.map(|row| (width, row.op))) {
        for (dst, src) in regs().flat_map(|dst| regs().map(move |src| (dst, src))) {
            let tested = Tested::new(&[Insn::Alu { width, op, dst, src: Src::Reg(src) }]);
            for (a, b) in CORNERS.into_iter().flat_map(|a| CORNERS.map(|b| (a, b))) {
                let b = if dst == src { a } else { b };
                let state = start(dst, a, src, b);
                let mut want = state;
                want[dst.num() as usize] = alu(width, op, a, b);
                tested.check(state, want);
            }
        }
    }
}

#[test]
fn arithmetic_with_immediates() {
    for (width, op) in WIDTHS.into_iter().flat_map(|width| table::ALU.map(|row| (width, row.op))) {
        for (dst, imm) in regs().flat_map(|dst| IMMS.map(|imm| (dst, imm))) {
            let tested = Tested::new(&[Insn::Alu { width, op, dst, src: Src::Imm(imm) }]);
            for a in CORNERS {
                let state = start(dst, a, dst, a);
                let mut want = state;
                want[dst.num() as usize] = alu(width, op, a, imm as i64 as u64);
                tested.check(state, want);
            }
        }
    }
}

type Operation = Box<dyn Fn(u64) -> u64>;

#[test]
fn operations_on_one_register() {
    let swap = |kind, size: Size, value: u64| {
        let low = value & (u64::MAX >> (64 - size.bits()));
        if kind == Swap::Le { low } else { low.swap_bytes() >> (64 - size.bits()) }
    };
    for dst in regs() {
        let mut cases: Vec<(Insn, Operation)> = vec![
            (Insn::Neg { width: Width::W64, dst }, Box::new(u64::wrapping_neg)),
            (Insn::Neg { width: Width::W32, dst }, Box::new(|a| (a as u32).wrapping_neg().into())),
        ];
        for (kind, size) in [Swap::Le, Swap::Be, Swap::Always]
            .into_iter()
            .flat_map(|kind| [Size::H, Size::W, Size::Dw].map(|size| (kind, size)))
        {
            cases.push((Insn::Swap { kind, size, dst }, Box::new(move |a| swap(kind, size, a))));
        }
        for (insn, want_of) in cases {
            let tested = Tested::new(&[insn]);
            for a in CORNERS {
                let state = start(dst, a, dst, a);
                let mut want = state;
                want[dst.num() as usize] = want_of(a);
                tested.check(state, want);
            }
        }
    }
}

#[test]
fn sign_extensions() {
    for (dst, src) in regs().flat_map(|dst| regs().map(move |src| (dst, src))) {
        for (width, from) in [
            (Width::W32, Size::B),
            (Width::W32, Size::H),
            (Width::W64, Size::B),
            (Width::W64, Size::H),
            (Width::W64, Size::W),
        ] {
            let tested = Tested::new(&[Insn::MovSx { width, from, dst, src }]);
            for b in CORNERS {
                let unused = 64 - u32::from(from.bits());
                let wide = ((b << unused) as i64 >> unused) as u64;
                let state = start(src, b, src, b);
                let mut want = state;
                want[dst.num() as usize] =
                    if width == Width::W32 { wide & 0xffff_ffff } else { wide };
                tested.check(state, want);
            }
        }
    }
}

#[test]
fn conditions() {
    // The word says whether the jump was taken; both a plain jump and one over a jump.
    let mark = |imm| Insn::Store { size: Size::Dw, base: Reg::FP, off: -16, src: Src::Imm(imm) };
    let check = |width, op, dst: Reg, src: Src, pairs: &[(u64, u64)]| {
        let jump = |off| Insn::JumpIf { width, op, dst, src, off };
        let over = [jump(2), mark(0), Insn::Jump { off: 1 }, mark(1)];
        let inverted = [mark(1), jump(1), Insn::Jump { off: 1 }, Insn::Jump { off: 1 }, mark(0)];
        let tested = [Tested::new(&over), Tested::new(&inverted)];
        for &(a, b) in pairs {
            let (b, reg) = match src {
                Src::Reg(src) if src == dst => (a, src),
                Src::Reg(src) => (b, src),
                Src::Imm(imm) => (imm as i64 as u64, dst),
            };
            let state = start(dst, a, reg, b);
            let mut want = state;
            want[WORD] = cond(width, op, a, b).into();
            tested[0].check(state, want);
            // Whether taken or not, the way is another.
            // Taken, it goes over the first jump to the second, and that over the mark of 0.
            want[WORD] = cond(width, op, a, b).into();
            tested[1].check(state, want);
        }
    };
    let pairs: Vec<(u64, u64)> =
        CORNERS.into_iter().flat_map(|a| CORNERS.map(|b| (a, b))).collect();
    for (width, op) in WIDTHS.into_iter().flat_map(|width| table::COND.map(|row| (width, row.op))) {
        for (dst, src) in regs().flat_map(|dst| regs().map(move |src| (dst, src))) {
            check(width, op, dst, Src::Reg(src), &pairs);
        }
        for (dst, imm) in regs().flat_map(|dst| IMMS.map(|imm| (dst, imm))) {
            check(width, op, dst, Src::Imm(imm), &CORNERS.map(|a| (a, 0)));
        }
    }
}

#[test]
fn loads_and_stores() {
    // The base is the address of the word, at distances that take 0, 1 and 4 bytes.
    for (base, other) in regs().flat_map(|base| regs().map(move |other| (base, other))) {
        for (size, at) in SIZES.into_iter().flat_map(|size| [0, 16, -3000].map(|at| (size, at))) {
            let point = |reg| {
                [
                    Insn::Alu {
                        width: Width::W64,
                        op: AluOp::Mov,
                        dst: reg,
                        src: Src::Reg(Reg::FP),
                    },
                    Insn::Alu {
                        width: Width::W64,
                        op: AluOp::Add,
                        dst: reg,
                        src: Src::Imm(-16 - i32::from(at)),
                    },
                ]
            };
            let mask = u64::MAX >> (64 - size.bits());
            let clear =
                Insn::Alu { width: Width::W64, op: AluOp::Mov, dst: base, src: Src::Imm(7) };
            let unused = 64 - u32::from(size.bits());
            for b in [0x8182_8384_8586_8788, 0x0102_0304_0506_0708] {
                let mut state = start(base, 7, other, 9);
                state[WORD] = b;
                let [to, by] = point(base);
                for (insn, value) in [
                    (Insn::Load { size, dst: other, base, off: at }, b & mask),
                    (Insn::LoadAcquire { size, dst: other, base, off: at }, b & mask),
                    (
                        Insn::LoadSx { size, dst: other, base, off: at },
                        ((b << unused) as i64 >> unused) as u64,
                    ),
                ] {
                    if matches!(insn, Insn::LoadSx { size: Size::Dw, .. }) {
                        continue;
                    }
                    let tail: &[Insn] = if base == other { &[] } else { &[clear] };
                    let tested = Tested::new(&[&[to, by, insn], tail].concat());
                    let mut want = state;
                    want[base.num() as usize] = 7;
                    want[other.num() as usize] = value;
                    tested.check(state, want);
                }
                if base != other {
                    for insn in [
                        Insn::Store { size, base, off: at, src: Src::Reg(other) },
                        Insn::StoreRelease { size, base, off: at, src: other },
                        Insn::Store { size, base, off: at, src: Src::Imm(-0x0102_0304) },
                    ] {
                        let tested = Tested::new(&[to, by, insn, clear]);
                        let mut state = state;
                        state[other.num() as usize] = b ^ 0xff00_ff00_ff00_ff00;
                        let value = match insn {
                            Insn::Store { src: Src::Imm(imm), .. } => imm as i64 as u64,
                            _ => state[other.num() as usize],
                        };
                        let mut want = state;
                        want[WORD] = b & !mask | value & mask;
                        tested.check(state, want);
                    }
                }
            }
        }
    }
}

#[test]
fn atomics() {
    let ops = table::ATOMIC.map(|row| row.op);
    for (op, size) in ops.into_iter().flat_map(|op| [Size::W, Size::Dw].map(|size| (op, size))) {
        let mask = u64::MAX >> (64 - size.bits());
        for (base, src) in regs().flat_map(|base| regs().map(move |src| (base, src))) {
            if base == src {
                continue;
            }
            let point = [
                Insn::Alu { width: Width::W64, op: AluOp::Mov, dst: base, src: Src::Reg(Reg::FP) },
                Insn::Alu { width: Width::W64, op: AluOp::Add, dst: base, src: Src::Imm(-16) },
            ];
            let clear =
                Insn::Alu { width: Width::W64, op: AluOp::Mov, dst: base, src: Src::Imm(7) };
            let atomic = Insn::Atomic { size, op, base, off: 0, src };
            // Where the base is r0, it is what is compared as well, and may be what is fetched.
            let is_cmp_r0 = base == Reg::R0 && op == AtomicOp::CmpXchg;
            let tail: &[Insn] = if is_cmp_r0 { &[] } else { &[clear] };
            let tested = Tested::new(&[&point, &[atomic][..], tail].concat());
            for (word, value) in CORNERS.into_iter().flat_map(|a| CORNERS.map(|b| (a, b))) {
                for r0 in [word, word ^ 1, word ^ 1 << 40] {
                    let mut state = start(base, 7, src, value);
                    if src != Reg::R0 && base != Reg::R0 {
                        state[0] = r0;
                    }
                    state[WORD] = word;
                    let mut want = state;
                    let (old, operand, r0) = (word & mask, value & mask, state[0] & mask);
                    let new = match op {
                        AtomicOp::Add | AtomicOp::FetchAdd => old.wrapping_add(operand),
                        AtomicOp::Or | AtomicOp::FetchOr => old | operand,
                        AtomicOp::And | AtomicOp::FetchAnd => old & operand,
                        AtomicOp::Xor | AtomicOp::FetchXor => old ^ operand,
                        AtomicOp::Xchg => operand,
                        // An address on the stack is none of the values here.
                        AtomicOp::CmpXchg if base == Reg::R0 => old,
                        AtomicOp::CmpXchg if old == r0 => operand,
                        AtomicOp::CmpXchg => old,
                    };
                    want[WORD] = word & !mask | new & mask;
                    want[base.num() as usize] = 7;
                    match op {
                        AtomicOp::CmpXchg => want[0] = old,
                        op if op.fetches() => want[src.num() as usize] = old,
                        _ => {}
                    }
                    tested.check(state, want);
                    if op != AtomicOp::CmpXchg {
                        break;
                    }
                }
            }
        }
    }
}

/// What a JIT of others gets wrong: the upper half after a move of 32 bits and after `le32`, and the remainder
/// by zero on 32 bits.
#[test]
fn upper_halves_are_cleared() {
    let wide = 0xdead_beef_0bad_f00d;
    for (dst, src) in regs().flat_map(|dst| regs().map(move |src| (dst, src))) {
        let mov = Insn::Alu { width: Width::W32, op: AluOp::Mov, dst, src: Src::Reg(src) };
        let state = start(dst, wide, src, wide);
        let mut want = state;
        want[dst.num() as usize] = 0x0bad_f00d;
        Tested::new(&[mov]).check(state, want);
        Tested::new(&[Insn::Swap { kind: Swap::Le, size: Size::W, dst }]).check(state, want);
        if dst != src {
            let rem = Insn::Alu { width: Width::W32, op: AluOp::Mod, dst, src: Src::Reg(src) };
            let state = start(dst, wide, src, 0xffff_ffff_0000_0000);
            let mut want = state;
            want[dst.num() as usize] = 0x0bad_f00d;
            Tested::new(&[rem]).check(state, want);
        }
    }
}

/// What another JIT truncates without a word.
#[test]
fn long_programs_are_whole() {
    let add = Insn::Alu { width: Width::W64, op: AluOp::Add, dst: Reg::R0, src: Src::Imm(1) };
    let mov = Insn::Alu { width: Width::W64, op: AluOp::Mov, dst: Reg::R0, src: Src::Imm(0) };
    let counts = [65_533, 65_534, 65_535, 65_536, 200_000, 999_998];
    for (count, kind) in
        counts.into_iter().flat_map(|count| kinds().into_iter().map(move |kind| (count, kind)))
    {
        let insns = [mov].into_iter().chain(core::iter::repeat_n(add, count)).chain([Insn::Exit]);
        let prog = Prog::new("long", ProgType::Xdp, insns.collect());
        // An emulator takes minutes for what optimises longer ones.
        if kind.optimised && cfg!(target_arch = "aarch64") && count <= 131_072 {
            continue;
        }
        // SAFETY: the program touches no memory.
        let code = unsafe { Bare::new(&prog, &NoSurroundings, features(), kind) };
        if kind.optimised && count > 131_072 {
            let what = code.unwrap_err().source().unwrap().to_string();
            assert_eq!(what, "insn 0: a program too long for the second tier");
            continue;
        }
        // SAFETY: as above.
        assert_eq!(unsafe { code.unwrap().run([0; 5], &mut []) }, count as u64);
    }
}
