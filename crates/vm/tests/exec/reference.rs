//! A second opinion: the instruction set as RFC 9669 words it, one instruction at a time, over a stack
//! and one block of memory.

use skep_isa::{AluOp, Call, CondOp, ImmSrc, Insn, Insns, Pc, Reg, Size, Src, Swap, Width};
use skep_vm::{FRAME_SIZE, MAX_FRAMES, MEM, STACK, address};

const STACK_SIZE: usize = (FRAME_SIZE * MAX_FRAMES) as usize;

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    R0(u64),
    /// The instruction that may not do what it does.
    Fault(Pc),
    Budget,
}

/// What a run leaves.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) end: End,
    pub(crate) mem: Vec<u8>,
    pub(crate) insns: u64,
}

struct State {
    regs: [u64; 11],
    stack: Vec<u8>,
    mem: Vec<u8>,
    /// Where to return to, and r6 to r10.
    frames: Vec<(u32, [u64; 5])>,
}

/// Runs a program with the address of the memory in r1, for at most `budget` instructions. `before` is
/// told of each, with r0 to r10 of the active functions.
pub(crate) fn run(
    insns: &Insns,
    mem: &[u8],
    budget: u64,
    mut before: impl FnMut(Pc, usize, &[u64; 11]),
) -> Run {
    let mut state =
        State { regs: [0; 11], stack: vec![0; STACK_SIZE], mem: mem.to_vec(), frames: Vec::new() };
    state.regs[1] = address(MEM, 0);
    state.regs[10] = state.top();
    let (mut pc, mut done) = (Pc(0), 0);
    let end = loop {
        if done == budget {
            break End::Budget;
        }
        done += 1;
        before(pc, state.frames.len(), &state.regs);
        match state.step(pc, *insns.get(pc).expect("control stays inside")) {
            Some(Next::Pc(next)) => pc = next,
            Some(Next::Return(r0)) => break End::R0(r0),
            None => break End::Fault(pc),
        }
    };
    Run { end, mem: state.mem, insns: done }
}

enum Next {
    Pc(Pc),
    Return(u64),
}

impl State {
    /// r10 of the innermost function.
    fn top(&self) -> u64 {
        let depth = u32::try_from(self.frames.len()).unwrap();
        address(STACK, FRAME_SIZE * (MAX_FRAMES - depth))
    }

    fn reg(&mut self, reg: Reg) -> &mut u64 {
        &mut self.regs[usize::from(reg.num())]
    }

    fn operand(&self, src: Src) -> u64 {
        match src {
            Src::Reg(reg) => self.regs[usize::from(reg.num())],
            Src::Imm(imm) => i64::from(imm).cast_unsigned(),
        }
    }

    fn bytes(&mut self, base: Reg, off: i16, size: Size) -> Option<&mut [u8]> {
        let addr = self.reg(base).wrapping_add_signed(off.into());
        let at = usize::try_from(addr & 0xffff_ffff).ok()?;
        let end = at.checked_add(size.bytes().into())?;
        let depth = self.frames.len() + 1;
        let bottom = STACK_SIZE - depth * FRAME_SIZE as usize;
        match u32::try_from(addr >> 32).ok()? {
            MEM => self.mem.get_mut(at..end),
            STACK if at >= bottom => self.stack.get_mut(at..end),
            _ => None,
        }
    }

    fn step(&mut self, pc: Pc, insn: Insn) -> Option<Next> {
        let next = Pc(pc.0 + insn.slots());
        let goto = |off: i32| Some(Next::Pc(pc.jump(off).unwrap()));
        match insn {
            Insn::Alu { width, op, dst, src } => {
                let (a, b) = (*self.reg(dst), self.operand(src));
                *self.reg(dst) = match width {
                    Width::W64 => alu(op, a.into(), b.into(), 64),
                    Width::W32 => alu(op, (a & 0xffff_ffff).into(), (b & 0xffff_ffff).into(), 32),
                };
            }
            Insn::MovSx { width, from, dst, src } => {
                let value = sign_extend(*self.reg(src), from.bits());
                *self.reg(dst) = if width == Width::W64 { value } else { value & 0xffff_ffff };
            }
            Insn::Neg { width, dst } => {
                let value = 0u64.wrapping_sub(*self.reg(dst));
                *self.reg(dst) = if width == Width::W64 { value } else { value & 0xffff_ffff };
            }
            Insn::Swap { kind, size, dst } => {
                let mut bytes = self.reg(dst).to_le_bytes();
                bytes[usize::from(size.bytes())..].fill(0);
                if kind != Swap::Le {
                    bytes[..usize::from(size.bytes())].reverse();
                }
                *self.reg(dst) = u64::from_le_bytes(bytes);
            }
            Insn::LoadImm { dst, imm: ImmSrc::Value(value) } => *self.reg(dst) = value,
            Insn::Load { size, dst, base, off } => *self.reg(dst) = self.load(base, off, size)?,
            Insn::LoadSx { size, dst, base, off } => {
                *self.reg(dst) = sign_extend(self.load(base, off, size)?, size.bits());
            }
            Insn::Store { size, base, off, src } => {
                let value = self.operand(src).to_le_bytes();
                self.bytes(base, off, size)?.copy_from_slice(&value[..size.bytes().into()]);
            }
            Insn::JumpIf { width, op, dst, src, off } => {
                let (a, b) = (*self.reg(dst), self.operand(src));
                if holds(op, width, a, b) {
                    return goto(off.into());
                }
            }
            Insn::Jump { off } => return goto(off.into()),
            Insn::Call(Call::Local(off)) => {
                if self.frames.len() + 1 == MAX_FRAMES as usize {
                    return None;
                }
                let saved = self.regs[6..].try_into().unwrap();
                self.frames.push((next.0, saved));
                self.regs[10] = self.top();
                let at = usize::try_from(self.regs[10] & 0xffff_ffff).unwrap();
                self.stack[at - FRAME_SIZE as usize..at].fill(0);
                return goto(off);
            }
            Insn::Exit => {
                let Some((back, saved)) = self.frames.pop() else {
                    return Some(Next::Return(self.regs[0]));
                };
                self.regs[6..].copy_from_slice(&saved);
                return Some(Next::Pc(Pc(back)));
            }
            other => panic!("the generator makes no {other:?}"),
        }
        Some(Next::Pc(next))
    }

    fn load(&mut self, base: Reg, off: i16, size: Size) -> Option<u64> {
        let mut value = [0; 8];
        value[..size.bytes().into()].copy_from_slice(self.bytes(base, off, size)?);
        Some(u64::from_le_bytes(value))
    }
}

fn sign_extend(value: u64, bits: u8) -> u64 {
    let up = 64 - u32::from(bits);
    (value << up).cast_signed().wrapping_shr(up).cast_unsigned()
}

/// In 128 bits, where nothing overflows; operands and result are unsigned numbers of `bits`.
fn alu(op: AluOp, a: u128, b: u128, bits: u32) -> u64 {
    let modulus = 1u128 << bits;
    let signed = |v: u128| {
        let v = v.cast_signed();
        if v >= 1 << (bits - 1) { v - (1i128 << bits) } else { v }
    };
    let (sa, sb) = (signed(a), signed(b));
    let shift = u32::try_from(b % u128::from(bits)).unwrap();
    let result = match op {
        AluOp::Add => a + b,
        AluOp::Sub => a + modulus - b,
        AluOp::Mul => a.wrapping_mul(b),
        AluOp::Div => a.checked_div(b).unwrap_or(0),
        AluOp::SDiv => sa.checked_div(sb).unwrap_or(0).cast_unsigned(),
        AluOp::Mod => a.checked_rem(b).unwrap_or(a),
        AluOp::SMod => sa.checked_rem(sb).unwrap_or(sa).cast_unsigned(),
        AluOp::Or => a | b,
        AluOp::And => a & b,
        AluOp::Xor => a ^ b,
        AluOp::Mov => b,
        AluOp::Lsh => a << shift,
        AluOp::Rsh => a >> shift,
        AluOp::Arsh => (sa >> shift).cast_unsigned(),
    };
    u64::try_from(result % modulus).unwrap()
}

fn holds(op: CondOp, width: Width, a: u64, b: u64) -> bool {
    let bits = if width == Width::W64 { 64 } else { 32 };
    let (sa, sb) = (sign_extend(a, bits).cast_signed(), sign_extend(b, bits).cast_signed());
    let mask = u64::MAX >> (64 - bits);
    let (a, b) = (a & mask, b & mask);
    match op {
        CondOp::Eq => a == b,
        CondOp::Gt => a > b,
        CondOp::Ge => a >= b,
        CondOp::Set => a & b != 0,
        CondOp::Ne => a != b,
        CondOp::SGt => sa > sb,
        CondOp::SGe => sa >= sb,
        CondOp::Lt => a < b,
        CondOp::Le => a <= b,
        CondOp::SLt => sa < sb,
        CondOp::SLe => sa <= sb,
    }
}
