//! A program on all packets at once.
//!
//! Jumps lead forward, so that one walk along the instructions sees all ways to each of them before it comes to
//! it. Where ways meet, what the registers hold is a choice by which way it was.

use super::gates::{Bit, Gates};
use super::packet::SymPacket;
use super::word::{Word, constant};
use skep_cbpf::{Ancillary, Insn, MEM_CELLS, Program, Reg, Size, Src};

/// Something about a program that cannot be reasoned about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    Ancillary(Ancillary),
    Gates,
}

const CELLS: usize = MEM_CELLS as usize;

#[derive(Clone, Copy)]
struct State {
    /// Whether a packet comes here.
    reach: Bit,
    a: Word,
    x: Word,
    mem: [Word; CELLS],
}

/// What of a state matters later: `A`, `X` and the scratch cells, one bit each.
type Live = u32;
const LIVE_A: Live = 1 << 16;
const LIVE_X: Live = 1 << 17;

/// The packets that a program accepts.
pub(super) fn accepted(
    program: &Program,
    gates: &mut Gates,
    packet: &mut SymPacket,
) -> Result<Bit, Obstacle> {
    let insns = program.insns();
    let live = live(insns);
    let mut states: Vec<Option<Box<State>>> = vec![None; insns.len()];
    let zero = constant(0);
    let start = State { reach: Bit::TRUE, a: zero, x: zero, mem: [zero; CELLS] };
    states[0] = Some(Box::new(start));
    let mut accepted = Bit::FALSE;
    for (pc, &insn) in insns.iter().enumerate() {
        let Some(mut state) = states[pc].take() else { continue };
        if state.reach == Bit::FALSE {
            continue;
        }
        if gates.is_full() {
            return Err(Obstacle::Gates);
        }
        let mut way = |gates: &mut Gates, off: usize, state: &State| {
            let to = pc + 1 + off;
            if let Some(slot) = states.get_mut(to) {
                let live = live.get(to).copied().unwrap_or(0);
                match slot {
                    Some(there) => meet(gates, there, state, live),
                    None => *slot = Some(Box::new(*state)),
                }
            }
        };
        match insn {
            Insn::Jump { k } => way(gates, k as usize, &state),
            Insn::JumpIf { op, src, jt, jf } => {
                let right = operand(&state, src);
                let holds = gates.condition(op, &state.a, &right);
                for (off, holds) in [(jt, holds), (jf, holds.not())] {
                    let reach = gates.and(state.reach, holds);
                    if reach != Bit::FALSE {
                        way(gates, off.into(), &State { reach, ..*state });
                    }
                }
            }
            Insn::RetK { k } => {
                if k != 0 {
                    accepted = gates.or(accepted, state.reach);
                }
            }
            Insn::RetA => {
                let keeps = gates.any(&state.a);
                let keeps = gates.and(keeps, state.reach);
                accepted = gates.or(accepted, keeps);
            }
            Insn::LoadAnc { anc: Ancillary::AluXorX, .. } => {
                state.a = gates.arithmetic(skep_cbpf::AluOp::Xor, &state.a, &state.x).0;
                way(gates, 0, &state);
            }
            Insn::LoadAnc { anc, .. } => {
                let (value, there) =
                    packet.ancillary(gates, anc).ok_or(Obstacle::Ancillary(anc))?;
                // The kernel returns A where there is none.
                let keeps = gates.any(&state.a);
                let keeps = gates.and(keeps, there.not());
                let keeps = gates.and(keeps, state.reach);
                accepted = gates.or(accepted, keeps);
                state.reach = gates.and(state.reach, there);
                state.a = value;
                way(gates, 0, &state);
            }
            _ => {
                straight(insn, &mut state, gates, packet);
                way(gates, 0, &state);
            }
        }
    }
    Ok(accepted)
}

/// An instruction that leads to the next one, or rejects the packet.
fn straight(insn: Insn, state: &mut State, gates: &mut Gates, packet: &mut SymPacket) {
    match insn {
        Insn::LoadAbs { size, k } => {
            let (there, value) = packet.load(gates, size, &constant(0), k, state.reach);
            state.reach = gates.and(state.reach, there);
            state.a = value;
        }
        Insn::LoadInd { size, k } => {
            let (there, value) = packet.load(gates, size, &state.x, k, state.reach);
            state.reach = gates.and(state.reach, there);
            state.a = value;
        }
        Insn::LoadMsh { k } => {
            let (there, value) = packet.load(gates, Size::B, &constant(0), k, state.reach);
            state.reach = gates.and(state.reach, there);
            state.x = std::array::from_fn(|at| match at {
                2..=5 => value[at - 2],
                _ => Bit::FALSE,
            });
        }
        Insn::LoadLen { reg } => *register(state, reg) = packet.len,
        Insn::LoadImm { reg, k } => *register(state, reg) = constant(k),
        Insn::LoadMem { reg, k } => {
            let value = state.mem.get(k as usize).copied().unwrap_or(constant(0));
            *register(state, reg) = value;
        }
        Insn::Store { reg, k } => {
            let value = *register(state, reg);
            if let Some(cell) = state.mem.get_mut(k as usize) {
                *cell = value;
            }
        }
        Insn::Alu { op, src } => {
            let right = operand(state, src);
            let (value, there) = gates.arithmetic(op, &state.a, &right);
            state.reach = gates.and(state.reach, there);
            state.a = value;
        }
        Insn::Neg => state.a = gates.negate(&state.a),
        Insn::Tax => state.x = state.a,
        Insn::Txa => state.a = state.x,
        Insn::LoadAnc { .. }
        | Insn::Jump { .. }
        | Insn::JumpIf { .. }
        | Insn::RetK { .. }
        | Insn::RetA => {}
    }
}

fn operand(state: &State, src: Src) -> Word {
    match src {
        Src::K(k) => constant(k),
        Src::X => state.x,
    }
}

const fn register(state: &mut State, reg: Reg) -> &mut Word {
    match reg {
        Reg::A => &mut state.a,
        Reg::X => &mut state.x,
    }
}

/// Two ways come to the same instruction, never both with the same packet.
fn meet(gates: &mut Gates, there: &mut State, other: &State, live: Live) {
    let mut join = |one: &mut Word, two: &Word, bit: Live| {
        if live & bit != 0 {
            *one = gates.choose(there.reach, one, two);
        }
    };
    join(&mut there.a, &other.a, LIVE_A);
    join(&mut there.x, &other.x, LIVE_X);
    for (cell, (one, two)) in there.mem.iter_mut().zip(&other.mem).enumerate() {
        join(one, two, 1 << cell);
    }
    there.reach = gates.or(there.reach, other.reach);
}

/// What each instruction and those after it read before they write it.
fn live(insns: &[Insn]) -> Vec<Live> {
    let reg = |reg: Reg| if reg == Reg::A { LIVE_A } else { LIVE_X };
    let src = |src: Src| if src == Src::X { LIVE_X } else { 0 };
    let mut live = vec![0; insns.len() + 1];
    for (pc, &insn) in insns.iter().enumerate().rev() {
        let at = |off: usize| live.get(pc + 1 + off).copied().unwrap_or(0);
        let next = at(0);
        live[pc] = match insn {
            Insn::LoadAbs { .. } | Insn::LoadImm { reg: Reg::A, .. } => next & !LIVE_A,
            Insn::LoadInd { .. } => next & !LIVE_A | LIVE_X,
            Insn::LoadAnc { .. } => next | LIVE_A | LIVE_X,
            Insn::LoadLen { reg: to } | Insn::LoadImm { reg: to, .. } => next & !reg(to),
            Insn::LoadMem { reg: to, k } => next & !reg(to) | 1 << (k & 15),
            Insn::LoadMsh { .. } => next & !LIVE_X,
            Insn::Store { reg: from, k } => next & !(1 << (k & 15)) | reg(from),
            Insn::Alu { src: by, .. } => next | LIVE_A | src(by),
            Insn::Neg => next | LIVE_A,
            Insn::Jump { k } => at(k as usize),
            Insn::JumpIf { src: by, jt, jf, .. } => {
                at(jt.into()) | at(jf.into()) | LIVE_A | src(by)
            }
            Insn::RetK { .. } => 0,
            Insn::RetA => LIVE_A,
            Insn::Tax => next & !LIVE_X | LIVE_A,
            Insn::Txa => next & !LIVE_A | LIVE_X,
        };
    }
    live
}
