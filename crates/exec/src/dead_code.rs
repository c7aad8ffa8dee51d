//! Programs without the instructions that the verifier found no way to.

use skep_isa::{ImmSrc, Insn, Pc};
use skep_prog::Prog;
use skep_verifier::Verified;
use std::borrow::Cow;

/// The program without what is never reached, as under a condition on a configuration that is known when it is loaded. Branches
/// that always go one way are jumps, wherever the other leads. Slots keep their numbers, and each way has as many instructions as before.
/// Kernel: `opt_hard_wire_dead_code_branches`, `opt_remove_dead_code`.
pub(crate) fn without_dead_code<'p>(verified: &Verified<'p>) -> Cow<'p, Prog> {
    let prog = verified.prog();
    let visits = &verified.stats().visits;
    let is_dead = |pc: Pc| visits.get(pc.index()).is_some_and(|&times| times == 0);
    let is_decided =
        |pc, insn| matches!(insn, Insn::JumpIf { .. }) && verified.only_way(pc).is_some();
    // Most programs have neither.
    if !prog.insns.iter().any(|(pc, insn)| is_dead(pc) || is_decided(pc, insn)) {
        return Cow::Borrowed(prog);
    }
    let dead: Vec<Pc> = prog.insns.iter().map(|(pc, _)| pc).filter(|&pc| is_dead(pc)).collect();
    // A function that is only pointed to, as one that `bpf_loop` never calls, must be there.
    let names_dead = |(pc, insn): (Pc, Insn)| match insn {
        Insn::LoadImm { imm: ImmSrc::Func(off), .. } => {
            !is_dead(pc) && pc.jump(off).is_some_and(is_dead)
        }
        _ => false,
    };
    let only = |(pc, insn): (Pc, Insn)| match insn {
        Insn::JumpIf { off, .. } => {
            let jumps = verified.only_way(pc)?;
            Some((pc, Insn::Jump { off: if jumps { off } else { 0 } }))
        }
        _ => None,
    };
    let decided: Vec<(Pc, Insn)> = prog.insns.iter().filter_map(only).collect();
    if prog.insns.iter().any(names_dead) {
        return Cow::Borrowed(prog);
    }
    let mut lowered = prog.clone();
    for (pc, jump) in decided {
        if let Some(slot) = lowered.insns.get_mut(pc) {
            *slot = jump;
        }
    }
    dead.into_iter().for_each(|pc| lowered.insns.clear(pc));
    Cow::Owned(lowered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_abi::{ProgType, Release};
    use skep_prog::Image;
    use skep_verifier::{Env, Kernel, Verdict, verify};

    #[track_caller]
    fn lowered(text: &str) -> Vec<Option<Insn>> {
        let prog = Prog::new("tested", ProgType::Xdp, skep_asm::assemble(text).unwrap());
        let image = Image::default();
        let mut env = Env::new(&image, Kernel::new(Release { major: 6, minor: 18 }));
        env.tells_functions = true;
        let verdict = verify(&prog, &env);
        let Verdict::Accepted(verified) = verdict else { panic!("{verdict:?}: {text}") };
        without_dead_code(&verified).insns.slots().to_vec()
    }

    #[track_caller]
    fn becomes(text: &str, want: &str, dead: &[usize]) {
        let want = skep_asm::assemble(want).unwrap();
        let want = want.slots().iter().enumerate();
        let want = want.map(|(at, insn)| insn.filter(|_| !dead.contains(&at)));
        assert_eq!(lowered(text), want.collect::<Vec<_>>(), "{text}");
    }

    #[test]
    fn what_is_not_reached_is_gone_and_all_else_has_its_slot() {
        let text = "r0 = 1\nif r0 == 1 goto l\nr1 = 7 ll\nexit\nl:\nr0 = 2\nexit";
        becomes(text, &text.replace("if r0 == 1 goto l", "goto l"), &[2, 3, 4]);
        let text = "r0 = 1\nif r0 == 2 goto l\nr0 = 3\nexit\nl:\nr0 = 2\nexit";
        becomes(text, &text.replace("if r0 == 2 goto l", "goto +0"), &[4, 5]);
        // A function that is called from nowhere else goes with its call.
        let text = "r6 = 1\nr0 = 2\nif r6 == 1 goto l\ncall f\nl:\nexit\nf:\nr0 = 4\nexit";
        becomes(text, &text.replace("if r6 == 1 goto l", "goto l"), &[3, 5, 6]);
    }

    #[test]
    fn functions_that_are_pointed_to_stay() {
        let text =
            "r1 = 0\nr2 = f ll\nr3 = 0\nr4 = 0\ncall bpf_loop\nr0 = 0\nexit\nf:\nr0 = 0\nexit";
        becomes(text, text, &[]);
    }

    #[test]
    fn branches_that_always_go_one_way_are_jumps() {
        // Where they would lead to is reached by others.
        let text = "r0 = *(u32 *)(r1 + 16)\nif r0 > 5 goto e\nif r0 > 9 goto e\nr0 = 3\ne:\nexit";
        becomes(text, &text.replace("if r0 > 9 goto e", "goto +0"), &[]);
        let text = "r0 = *(u32 *)(r1 + 16)\nif r0 > 5 goto e\nif r0 < 9 goto e\nr0 = 3\ne:\nexit";
        becomes(text, &text.replace("if r0 < 9 goto e", "goto e"), &[3]);
        // One path decides it one way, and the other otherwise.
        let text = "r2 = *(u32 *)(r1 + 16)\nr3 = 1\nif r2 > 5 goto l\nr3 = 2\nl:\n\
                    r0 = 1\nif r3 == 1 goto e\nr0 = 2\ne:\nexit";
        becomes(text, text, &[]);
    }

    #[test]
    fn branches_that_go_both_ways_stay() {
        let text = "r0 = *(u32 *)(r1 + 0)\nif r0 == 1 goto l\nr0 = 3\nl:\nexit";
        becomes(text, text, &[]);
    }
}
