//! What instructions need.

use super::{Found, NeedKind};
use skep_abi::{Feature, Helper, helper_id};
use skep_isa::{Call, ImmSrc, Insn, Pc};
use skep_prog::{Extern, Prog};

/// Longest program of older kernels: `BPF_MAXINSNS`.
const FEW: usize = 4096;

pub(super) fn scan(prog: &Prog, found: &mut Found) {
    for (_, insn) in prog.insns.iter() {
        for feature in Feature::of(&insn) {
            found.feature(feature);
        }
        match insn {
            Insn::Call(Call::Helper(id)) => helper(id, found),
            Insn::Call(Call::Kfunc { id, module }) => kfunc(prog, id, module, found),
            Insn::LoadImm { imm: ImmSrc::BtfId { id, fd }, .. } => variable(prog, id, fd, found),
            Insn::JumpReg { .. } => found.add(NeedKind::Feature, "indirect jumps", None, false),
            Insn::Static { .. } | Insn::StaticLong { .. } => {
                found.add(NeedKind::Feature, "static branches", None, false);
            }
            _ => {}
        }
    }
    if prog.insns.len() > FEW {
        found.feature(Feature::MillionInsns);
    }
    if has_loop(prog) {
        found.feature(Feature::Loops);
    }
    if mixes_calls(prog) {
        found.feature(Feature::TailCallsWithCalls);
    }
}

fn helper(id: i32, found: &mut Found) {
    match u32::try_from(id).ok().and_then(Helper::find) {
        Some(helper) => {
            let name = format!("bpf_{}", helper.name);
            found.add(NeedKind::Helper, name, Some(helper.since), false);
        }
        None => found.add(NeedKind::Helper, format!("helper {id}"), None, false),
    }
}

fn kfunc(prog: &Prog, id: i32, module: i16, found: &mut Found) {
    match extern_of(prog, id, module == Extern::MODULE) {
        Some(symbol) => found.kfunc(&symbol.name, symbol.weak),
        None => found.add(NeedKind::Kfunc, format!("function {id}"), None, false),
    }
}

/// A variable without a type is an address that loaders read from /proc/kallsyms.
fn variable(prog: &Prog, id: i32, fd: i32, found: &mut Found) {
    let symbol = extern_of(prog, id, fd == Extern::FD);
    if symbol.is_none_or(|symbol| symbol.type_id.is_some()) {
        let (feature, weak) = (Feature::KernelVars, symbol.is_some_and(|symbol| symbol.weak));
        found.add(NeedKind::Feature, feature.name(), Some(feature.since()), weak);
    }
}

fn extern_of(prog: &Prog, id: i32, is_extern: bool) -> Option<&Extern> {
    usize::try_from(id).ok().filter(|_| is_extern).and_then(|at| prog.externs.get(at))
}

/// Whether it jumps into another program and calls functions besides.
fn mixes_calls(prog: &Prog) -> bool {
    let tail_call = helper_id("tail_call").and_then(|id| i32::try_from(id).ok());
    let is_tail = |insn| matches!(insn, Insn::Call(Call::Helper(id)) if Some(id) == tail_call);
    let is_local = |insn| matches!(insn, Insn::Call(Call::Local(_)));
    let any = |is: &dyn Fn(Insn) -> bool| prog.insns.iter().any(|(_, insn)| is(insn));
    any(&is_tail) && any(&is_local)
}

/// Whether some jump back closes a cycle: a search in depth, as `check_cfg` of the kernel does it.
/// Each slot is entered once.
fn has_loop(prog: &Prog) -> bool {
    let mut state = vec![State::New; prog.insns.len()];
    let mut path: Vec<(Pc, [Option<Pc>; 2])> = Vec::new();
    for (start, _) in prog.insns.iter() {
        enter(prog, start, &mut state, &mut path);
        while let Some((pc, next)) = path.last_mut() {
            let Some(to) = next.iter_mut().find_map(Option::take) else {
                state[pc.0 as usize] = State::Done;
                path.pop();
                continue;
            };
            if state.get(to.0 as usize) == Some(&State::Open) {
                return true;
            }
            enter(prog, to, &mut state, &mut path);
        }
    }
    false
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    /// On the path that is being followed.
    Open,
    Done,
}

fn enter(prog: &Prog, pc: Pc, state: &mut [State], path: &mut Vec<(Pc, [Option<Pc>; 2])>) {
    let Some(insn) = prog.insns.get(pc) else { return };
    let Some(state) = state.get_mut(pc.0 as usize).filter(|state| **state == State::New) else {
        return;
    };
    *state = State::Open;
    let next = insn.falls_through().then_some(Pc(pc.0.wrapping_add(insn.slots())));
    path.push((pc, [insn.jump_off().and_then(|off| pc.jump(off)), next]));
}
