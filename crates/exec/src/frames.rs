//! How far functions go down the stack.
//!
//! The verifier bounds bytes and chains of calls, but not what callbacks and tail calls pile up on them: a
//! callback begins where the helper was called, and a program that replaces another from within a function keeps
//! the frames of those that called it. So each entry is asked how many frames lie below it at most.

use crate::uses::Uses;
use skep_abi::{Calls, Helper};
use skep_isa::{Call, ImmSrc, Insn, Insns, Pc};
use skep_vm::MAX_FRAMES;
use std::collections::BTreeMap;

/// Frames that each function needs at most, itself included, by its first instruction; callbacks begin anew.
/// `None` if functions call each other in a circle.
pub(crate) fn needed(insns: &Insns, uses: &Uses) -> Option<BTreeMap<Pc, u32>> {
    if !uses.names_functions() {
        return Some(BTreeMap::from([(Pc(0), 1)]));
    }
    needed_by(&calls(insns)?)
}

/// Whether more functions than the stack has frames for may be active where callbacks do not begin anew: any function
/// that has helpers call back may have them call any of the functions that there are addresses of.
pub(crate) fn may_pile_up(insns: &Insns) -> bool {
    let addressed: Vec<Pc> = insns
        .iter()
        .filter(|(_, insn)| matches!(insn, Insn::LoadImm { .. }))
        .filter_map(|(pc, insn)| function(pc, &insn))
        .collect();
    if addressed.is_empty() {
        return false;
    }
    let Some(mut calls) = calls(insns) else { return true };
    let starts: Vec<Pc> = calls.keys().copied().collect();
    for (pc, insn) in insns.iter() {
        let at = starts.partition_point(|&start| start <= pc).checked_sub(1);
        let callees = at.and_then(|at| calls.get_mut(&starts[at]));
        if calls_back(&insn)
            && let Some(callees) = callees
        {
            callees.extend(&addressed);
        }
    }
    let needed = needed_by(&calls);
    needed.is_none_or(|needed| needed.get(&Pc(0)).is_none_or(|&frames| frames > MAX_FRAMES))
}

/// Whether a call calls a function of the program before it returns.
fn calls_back(insn: &Insn) -> bool {
    match *insn {
        Insn::Call(Call::Helper(id)) => {
            let helper = u32::try_from(id).ok().and_then(Helper::find);
            helper.and_then(Helper::calls) == Some(Calls::Now)
        }
        // Kernel functions that do so are not compiled.
        _ => false,
    }
}

fn needed_by(calls: &BTreeMap<Pc, Vec<Pc>>) -> Option<BTreeMap<Pc, u32>> {
    let starts: Vec<Pc> = calls.keys().copied().collect();
    let mut needed = BTreeMap::new();
    // Each round knows all functions that are one call further from the ends.
    for _ in 0..=starts.len() {
        for (&start, callees) in calls {
            let below: Option<Vec<u32>> =
                callees.iter().map(|callee| needed.get(callee).copied()).collect();
            if let Some(below) = below {
                needed.insert(start, 1 + below.into_iter().max().unwrap_or(0));
            }
        }
        if needed.len() == starts.len() {
            return Some(needed);
        }
    }
    None
}

/// Functions that are active at least in each, itself included, by its first instruction; callbacks begin below the
/// main function.
pub(crate) fn least_depths(insns: &Insns) -> Option<BTreeMap<Pc, u32>> {
    let calls = calls(insns)?;
    let mut depths = BTreeMap::from([(Pc(0), 1)]);
    for (pc, insn) in insns.iter() {
        if let (Insn::LoadImm { .. }, Some(callback)) = (insn, function(pc, &insn)) {
            depths.entry(callback).or_insert(2);
        }
    }
    let mut reached: Vec<Pc> = depths.keys().copied().collect();
    while let Some(start) = reached.pop() {
        let below = depths.get(&start).copied().unwrap_or(1) + 1;
        for &callee in calls.get(&start)? {
            let depth = depths.entry(callee).or_insert(u32::MAX);
            if below < *depth {
                *depth = below;
                reached.push(callee);
            }
        }
    }
    // What nothing calls runs where programs make its address up.
    calls.keys().for_each(|&start| {
        depths.entry(start).or_insert(2);
    });
    Some(depths)
}

/// What each function calls, by its first instruction.
fn calls(insns: &Insns) -> Option<BTreeMap<Pc, Vec<Pc>>> {
    let mut calls: BTreeMap<Pc, Vec<Pc>> = BTreeMap::from([(Pc(0), Vec::new())]);
    for (pc, insn) in insns.iter() {
        if let Some(to) = function(pc, &insn) {
            calls.entry(to).or_default();
        }
    }
    let starts: Vec<Pc> = calls.keys().copied().collect();
    for (pc, insn) in insns.iter() {
        if let Insn::Call(Call::Local(_)) = insn
            && let Some(to) = function(pc, &insn)
        {
            let at = starts.partition_point(|&start| start <= pc).checked_sub(1)?;
            calls.get_mut(&starts[at])?.push(to);
        }
    }
    Some(calls)
}

/// The function that an instruction calls or takes the address of.
fn function(pc: Pc, insn: &Insn) -> Option<Pc> {
    match *insn {
        Insn::Call(Call::Local(off)) => pc.jump(off),
        Insn::LoadImm { imm: ImmSrc::Func(off), .. } => pc.jump(off),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_need_a_frame_more_than_those_they_call() {
        let text = "call f\ncall g\nr0 = 0\nexit\nf:\ncall g\nexit\ng:\nr0 = 1\nexit\n";
        let frames = |text| {
            let insns = skep_asm::assemble(text).unwrap();
            needed(&insns, &Uses::of(&insns))
        };
        let counts: Vec<_> = frames(text).unwrap().into_iter().collect();
        assert_eq!(counts, [(Pc(0), 3), (Pc(4), 2), (Pc(6), 1)]);
        assert_eq!(frames("call f\nexit\nf:\ncall f\nexit\n"), None);
        assert_eq!(frames("exit\n"), Some(BTreeMap::from([(Pc(0), 1)])));
    }

    #[test]
    fn callbacks_pile_up_below_whoever_hands_them_on() {
        let chain = |depth: u32, last: &str| {
            let calls: String = (1..depth).map(|n| format!("call f{n}\nexit\nf{n}:\n")).collect();
            skep_asm::assemble(&format!("{calls}{last}")).unwrap()
        };
        let back = "r2 = back ll\ncall bpf_loop\nexit\nback:\nr0 = 0\nexit\n";
        assert!(!may_pile_up(&chain(7, back)));
        assert!(may_pile_up(&chain(8, back)));
        // Without a helper that calls back, an address alone calls nothing.
        assert!(!may_pile_up(&chain(8, &back.replace("bpf_loop", "bpf_ktime_get_ns"))));
        let nested = back.replace("r0 = 0", "r2 = back ll\ncall bpf_loop");
        assert!(may_pile_up(&chain(1, &nested)), "as often as there is room");
        assert!(!may_pile_up(&chain(8, "r0 = 0\nexit\n")), "the verifier counts calls");
    }
}
