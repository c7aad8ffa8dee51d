//! All that the verifier took for possible, by instruction.

use super::claim::{Places, holds};
use super::live::{functions, live};
use skep::Moment;
use skep::verifier::{Base, Env, RegState, Step, Verdict, verify, watch};
use skep_abi::ProgType;
use skep_isa::{Insn, Pc, Reg};
use skep_prog::Prog;
use skep_vm::Value;
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
    /// What calls get, where that is known.
    passed: HashMap<u32, Passed>,
    by_place: HashMap<(u32, u32), Vec<[RegState; 11]>>,
}

/// What a call gets.
struct Passed {
    /// Names of maps, of which it is one; any map if there are none.
    maps: Vec<String>,
    size: Option<u32>,
}

impl Passed {
    /// What calls of a program get by the verifier's usual way, which compares states only as far as they matter.
    fn of(prog: &Prog, env: &Env<'_>) -> HashMap<u32, Self> {
        let Verdict::Accepted(verified) = verify(prog, env) else { return HashMap::new() };
        let calls = prog.insns.iter().filter(|(_, insn)| matches!(insn, Insn::Call(_)));
        let passed = calls.map(|(pc, _)| {
            let names = verified.passed_maps(pc).map(|map| env.image.maps[map].name.to_string());
            (pc.0, Self { maps: names.collect(), size: verified.passed_size(pc) })
        });
        passed.collect()
    }

    /// Whether it gets something else.
    fn is_wrong(&self, moment: &Moment<'_>) -> bool {
        let args = [Reg::R1, Reg::R2, Reg::R3];
        let is_one = |arg: Reg| match moment.reg(arg) {
            Value::Map { map } => moment
                .maps()
                .get(map as usize)
                .is_some_and(|map| self.maps.iter().any(|name| **name == *map.def().name)),
            _ => false,
        };
        let size = moment.raw(Reg::R2);
        !self.maps.is_empty() && !args.into_iter().any(is_one)
            || self.size.is_some_and(|known| size != u64::from(known))
    }
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
                let passed = Passed::of(prog, env);
                Watched::Accepted(Self { prog_type, live, functions, only, passed, by_place })
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
        if self.passed.get(&pc).is_some_and(|passed| passed.is_wrong(moment)) {
            return Err(format!("insn {pc} in frame {frame}: the call gets what it never does"));
        }
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
