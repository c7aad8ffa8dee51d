//! All that the verifier took for possible, by instruction.

use super::claim::{Places, holds};
use super::live::{functions, live};
use skep::Moment;
use skep::verifier::{Base, Env, RegState, Step, Verdict, watch};
use skep_abi::ProgType;
use skep_isa::{Insn, Pc};
use skep_prog::Prog;
use std::collections::HashMap;

/// Followed instructions of the longest verification whose states are kept.
const LONGEST: usize = 60_000;

/// What the verifier knew of an accepted program, and what is read of it.
pub(crate) struct States {
    prog_type: ProgType,
    live: Vec<u16>,
    functions: Vec<u32>,
    /// Where control goes from conditional jumps that always go the same way.
    only: HashMap<u32, Pc>,
    by_place: HashMap<(u32, u32), Vec<[RegState; 11]>>,
}

/// What came of a verification.
pub(crate) enum Watched {
    /// The program is accepted, in so many steps that they were kept.
    Accepted(States),
    /// It is refused, or not decided.
    Refused,
    /// It is accepted in so many steps that they were not kept.
    Long,
}

impl States {
    /// Verifies a program and keeps what is shown.
    pub(crate) fn of(prog: &Prog, env: &Env<'_>) -> Watched {
        let (live, functions) = (live(prog), functions(prog));
        let mut by_place: HashMap<(u32, u32), Vec<[RegState; 11]>> = HashMap::new();
        let mut kept = 0;
        let verdict = watch(prog, env, &mut |step: &Step| {
            if kept >= LONGEST {
                return;
            }
            let mut regs = step.regs;
            // What is not read again is not looked at; without it states are alike more often.
            for (n, reg) in regs.iter_mut().enumerate() {
                if live[step.pc.index()] & 1 << n == 0 {
                    *reg = RegState::NOT_INIT;
                } else {
                    (reg.id, reg.ref_obj_id, reg.precise) = (0, 0, false);
                    if reg.ty.base == Base::Scalar {
                        reg.off = 0;
                    }
                }
            }
            let states = by_place.entry((step.frame, step.pc.0)).or_default();
            if !states.iter().rev().take(16).any(|known| *known == regs) {
                states.push(regs);
                kept += 1;
            }
        });
        match verdict {
            Verdict::Accepted(verified) if kept < LONGEST => {
                let only = prog.insns.iter().filter_map(|(pc, insn)| match insn {
                    Insn::JumpIf { off, .. } => {
                        let off = if verified.only_way(pc)? { off } else { 0 };
                        Some((pc.0, pc.jump(off.into())?))
                    }
                    _ => None,
                });
                let only = only.collect();
                let prog_type = prog.prog_type;
                Watched::Accepted(Self { prog_type, live, functions, only, by_place })
            }
            Verdict::Accepted(_) => Watched::Long,
            _ => Watched::Refused,
        }
    }

    /// The frame that the verifier calls number 0: global functions are verified by themselves.
    fn first(&self, moment: &Moment<'_>) -> usize {
        let frames = moment.frames();
        let alone = |at: usize| {
            if at == 0 || frames[at].prog.name != frames[at - 1].prog.name {
                return true;
            }
            let pc = frames[at].pc.0;
            let start = self.functions.partition_point(|&start| start <= pc).saturating_sub(1);
            self.functions
                .get(start)
                .is_some_and(|&pc| pc > 0 && self.by_place.contains_key(&(0, pc)))
        };
        (0..frames.len()).rev().find(|&at| alone(at)).unwrap_or(0)
    }

    /// Where control has to go from an instruction, where the verifier says so of a conditional jump.
    pub(crate) fn only_next(&self, pc: Pc) -> Option<Pc> {
        self.only.get(&pc.0).copied()
    }

    /// Whether a moment of a run is one that the verifier took for possible; in words where not.
    pub(crate) fn check(&mut self, moment: &Moment<'_>) -> Result<(), String> {
        let first = self.first(moment);
        let frame = u32::try_from(moment.frames().len() - 1 - first).unwrap_or(u32::MAX);
        let pc = moment.pc().0;
        let Some(states) = self.by_place.get_mut(&(frame, pc)) else {
            return Err(format!("insn {pc} in frame {frame}: never followed"));
        };
        let places = Places::new(moment, first, self.prog_type);
        let (live, regs) = (self.live[pc as usize], &moment.frame().regs);
        let wrong = |state: &[RegState; 11]| {
            (0..11).find(|&n| live & 1 << n != 0 && !holds(&state[n], regs[n], &places, moment))
        };
        match states.iter().position(|state| wrong(state).is_none()) {
            Some(at) => {
                // The next run comes from the same state more often than not.
                states.swap(0, at);
                Ok(())
            }
            None => {
                let shown = states.iter().take(3).filter_map(|state| {
                    let n = wrong(state)?;
                    let reg = &state[n];
                    Some(format!(
                        "r{n} = {:#x}, not {:?}{:+} {:?} {:?}",
                        regs[n], reg.ty, reg.off, reg.extra, reg.num
                    ))
                });
                let shown: Vec<_> = shown.collect();
                Err(format!(
                    "insn {pc} in frame {frame}: in none of {} states: {}",
                    states.len(),
                    shown.join("; ")
                ))
            }
        }
    }
}
