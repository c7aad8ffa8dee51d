use crate::env::{Env, Kernel};
use crate::verifier::Verifier;
use skep_abi::{ProgType, Release};
use skep_isa::{Call, CondOp, ImmSrc, Insn, Reg, Src, Width};
use skep_prog::{Image, Prog};

/// Numbers without order.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// An instruction whose control goes down, more often to the next than further.
fn insn(random: &mut Random) -> Insn {
    let off = i16::try_from(random.below(4)).unwrap();
    match random.below(8) {
        0 => {
            Insn::JumpIf { width: Width::W64, op: CondOp::Eq, dst: Reg::R0, src: Src::Imm(0), off }
        }
        1 => Insn::Jump { off },
        2 => Insn::Exit,
        3 => Insn::Call(Call::Helper([5, 12, 44, 181][usize::try_from(random.below(4)).unwrap()])),
        4 => Insn::LoadImm { dst: Reg::R1, imm: ImmSrc::Value(1) },
        5 => Insn::MayGoto { off },
        _ => Insn::Neg { width: Width::W64, dst: Reg::R0 },
    }
}

/// What the marks say of each instruction, if all can be reached.
fn marks(prog: &Prog, env: &Env<'_>, searches: bool) -> Option<Vec<[bool; 4]>> {
    let mut verifier = Verifier::new(prog, env);
    verifier.find_subprogs().ok()?;
    verifier.check_subprogs().ok()?;
    match searches {
        true => verifier.search_cfg().ok()?,
        false => verifier.goes_down().then_some(())?,
    }
    let marks = verifier
        .aux
        .iter()
        .map(|aux| [aux.prune_point, aux.jmp_point, aux.force_checkpoint, aux.calls_callback]);
    Some(marks.collect())
}

#[test]
fn looking_once_finds_what_the_search_finds() {
    let image = Image::default();
    let env = Env::new(&image, Kernel::new(Release { major: 6, minor: 18 }));
    let mut random = Random(1);
    let (mut reached, mut not) = (0, 0);
    for _ in 0..50_000 {
        let len = 1 + random.below(8);
        let mut insns: Vec<Insn> = (0..len).map(|_| insn(&mut random)).collect();
        insns.push(Insn::Exit);
        let has_may_goto = insns.iter().any(|insn| matches!(insn, Insn::MayGoto { .. }));
        let prog = Prog::new("tested", ProgType::Xdp, insns.into_iter().collect());
        let (searched, looked) = (marks(&prog, &env, true), marks(&prog, &env, false));
        let want = searched.as_ref().filter(|_| !has_may_goto);
        assert_eq!(looked.as_ref(), want, "{:?}", prog.insns);
        *if searched.is_some() { &mut reached } else { &mut not } += 1;
    }
    assert!(reached > 500 && not > 500, "{reached} {not}");
}
